//! Functions of the host: listened to by the module's imports.

use anyhow::anyhow;
use upshift::observe::{Instrument, InstrumentedFunc, InstrumentedImport};
use upshift::{
    AsContextMut as _, Caller, Config, Engine, ExnRef, Func, FuncType, Instance, Linker, Module,
    Store, Tag, TagType, V128, Val, ValType,
};

use crate::{Told, Writer, assert_balanced, same_everywhere};

/// Listens to all functions and all imports.
#[derive(Clone)]
pub(crate) struct All;

impl Instrument for All {
    fn instrument(&self, func: &mut InstrumentedFunc<'_>) {
        func.listen(0);
    }

    fn instrument_import(&self, import: &mut InstrumentedImport<'_>) {
        import.listen(0);
    }
}

/// Calls functions in registers and through arrays, directly, through a table and in tail position.
const TEXT: &str = r#"(module
    (type $t (func (param i32) (result i32)))
    (import "host" "native" (func $native (param i32) (result i32)))
    (import "host" "mixed" (func $mixed (param i64 f32 f64 externref) (result i64)))
    (import "host" "array" (func $array (param i32) (result i32)))
    (import "host" "vector" (func $vector (param v128) (result v128 i32)))
    (import "host" "back" (func $back (param i32) (result i32)))
    (import "host" "nothing" (func $nothing))
    (table funcref (elem $native $array $leaf))
    (func $leaf (export "leaf") (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))
    (func $tail (param i32) (result i32)
        (if (i32.and (local.get 0) (i32.const 1))
            (then (return_call $native (local.get 0))))
        (return_call_indirect (type $t) (local.get 0) (i32.const 1)))
    (func $run (export "run") (param i32) (result i32)
        (local $sum i32)
        (loop $next
            (local.set $sum (i32.add (local.get $sum) (call $native (local.get 0))))
            (local.set $sum (i32.add (local.get $sum) (i32.wrap_i64
                (call $mixed (i64.const 7) (f32.const 0.5) (f64.const 1.5) (ref.null extern)))))
            (local.set $sum (i32.add (local.get $sum)
                (call_indirect (type $t) (local.get 0)
                    (i32.rem_u (local.get 0) (i32.const 3)))))
            (call $vector (i32x4.splat (local.get 0)))
            (local.set $sum (i32.add (local.get $sum)))
            (drop)
            (local.set $sum (i32.add (local.get $sum) (call $tail (local.get 0))))
            (local.set $sum (i32.add (local.get $sum) (call $back (local.get 0))))
            (call $nothing)
            (br_if $next (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
        (local.get $sum)))"#;

fn define(linker: &mut Linker<Told>) {
    linker.func_wrap("host", "native", |n: i32| 2 * n).unwrap();
    let mixed = |n: i64, a: f32, b: f64, value: Option<upshift::ExternRef>| {
        n + f64::from(a) as i64 + b as i64 + i64::from(value.is_some())
    };
    linker.func_wrap("host", "mixed", mixed).unwrap();
    let ty = FuncType::new(linker.engine(), [ValType::I32], [ValType::I32]);
    let array = |_: Caller<'_, Told>, params: &[Val], results: &mut [Val]| {
        results[0] = Val::I32(params[0].unwrap_i32() + 3);
        Ok(())
    };
    linker.func_new("host", "array", ty, array).unwrap();
    let vector = |value: V128| (value, u128::from(value) as i32);
    linker.func_wrap("host", "vector", vector).unwrap();
    let back = |mut caller: Caller<'_, Told>, n: i32| -> upshift::Result<i32> {
        let leaf = caller.get_export("leaf").and_then(|it| it.into_func());
        let leaf = leaf.expect("an export").typed::<i32, i32>(&caller)?;
        leaf.call(&mut caller, n)
    };
    linker.func_wrap("host", "back", back).unwrap();
    linker.func_wrap("host", "nothing", || ()).unwrap();
}

#[test]
fn functions_of_the_host_are_told_like_others() {
    let told = same_everywhere(All, TEXT, &[2, 300], &define);
    let expected = "\
        (run 2|(native 2|native)4|(mixed 7,0.5,1.5,extern:false|mixed)8\
        |(leaf 2|leaf)3\
        |(vector 0x2000000020000000200000002|vector)0x2000000020000000200000002,2\
        |(tail 2|tail)!TailCall|(array 2|array)5\
        |(back 2|(leaf 2|leaf)3|back)3|(nothing |nothing)\
        |(native 1|native)2|(mixed 7,0.5,1.5,extern:false|mixed)8|(array 1|array)4\
        |(vector 0x1000000010000000100000001|vector)0x1000000010000000100000001,1\
        |(tail 1|tail)!TailCall|(native 1|native)2\
        |(back 1|(leaf 1|leaf)2|back)2|(nothing |nothing)|run)44|= 44";
    let first = told.join("|");
    assert_eq!(first.get(..expected.len()), Some(expected));
}

/// Listens to one import only, and to no function.
#[derive(Clone)]
struct OnlyArray;

impl Instrument for OnlyArray {
    fn instrument(&self, _: &mut InstrumentedFunc<'_>) {}

    fn instrument_import(&self, import: &mut InstrumentedImport<'_>) {
        assert_eq!(import.module(), "host");
        assert_eq!(import.module_name(), None);
        if import.name() == "array" {
            assert_eq!((import.index(), import.ty().params().len()), (2, 1));
            import.listen(5);
        }
    }
}

#[test]
fn imports_are_chosen() {
    let told = same_everywhere(OnlyArray, TEXT, &[4], &define);
    assert_eq!(
        told.join("|"),
        "(array 4|array)7|(array 4|array)7|(array 2|array)5|(array 1|array)4|= 116"
    );
}

#[test]
fn errors_exceptions_and_panics_end_calls_of_the_host() {
    let text = r#"(module
        (import "host" "fail" (func $fail (param i32) (result i32)))
        (import "host" "tag" (tag $tag (param i32)))
        (func $catch (param i32) (result i32)
            (block $caught (result i32)
                (try_table (result i32) (catch $tag $caught) (call $fail (local.get 0)))))
        (func $run (export "run") (param i32) (result i32)
            (call $catch (local.get 0))))"#;
    for (mode, engine) in crate::engines(All) {
        eprintln!("mode {mode}");
        let module = Module::new(&engine, text).unwrap();
        let mut store = Store::new(&engine, Told::new());
        let _ = store.set_fuel(u64::MAX >> 1);
        store.set_epoch_deadline(1);
        store.observer(Writer);
        let ty = TagType::new(FuncType::new(&engine, [ValType::I32], []));
        let tag = Tag::new(&mut store, &ty).unwrap();
        let fail = Func::wrap(&mut store, move |mut caller: Caller<'_, Told>, n: i32| {
            match n {
                0 => return Err(anyhow!("the host fails")),
                1 => return Err(upshift::Trap::MemoryOutOfBounds.into()),
                2 => {
                    let thrown = ExnRef::new(&mut caller, &tag, &[Val::I32(9)])?;
                    return caller.as_context_mut().throw(thrown);
                }
                3 => panic!("the host panics"),
                _ => {}
            }
            Ok(n)
        });
        let instance = Instance::new(&mut store, &module, &[fail.into(), tag.into()]).unwrap();
        for (n, expected) in [
            (4, "(fail 4|fail)4|catch)4|run)4"),
            (0, "(fail 0|fail)!Error|catch)!Error|run)!Error"),
            (
                1,
                "(fail 1|fail)!Trap(MemoryOutOfBounds)|catch)!Trap(MemoryOutOfBounds)\
                |run)!Trap(MemoryOutOfBounds)",
            ),
            (2, "(fail 2|fail)!Exception|catch)9|run)9"),
        ] {
            store.data_mut().clear();
            let _ = crate::run(&mut store, &instance, n);
            assert_balanced(store.data());
            let expected = format!("(run {n}|(catch {n}|{expected}");
            assert_eq!(store.data().join("|"), expected);
        }
        store.data_mut().clear();
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            crate::run(&mut store, &instance, 3)
        }));
        assert!(panicked.is_err());
        assert_eq!(
            store.data().join("|"),
            "(run 3|(catch 3|(fail 3|fail)!Panic|catch)!Panic|run)!Panic"
        );
    }
}

/// A function of the host that another module exports again is told by the module that calls it;
/// functions of other modules are told by theirs.
#[test]
fn modules_are_told_by_their_own_imports() {
    let mut config = Config::new();
    config.instrument(All);
    let engine = Engine::new(&config).unwrap();
    let mut store = Store::new(&engine, Told::new());
    store.observer(Writer);
    let mut linker = Linker::new(&engine);
    linker.func_wrap("host", "f", |n: i32| n).unwrap();
    let first = r#"(module $first
        (import "host" "f" (func $f_of_first (param i32) (result i32)))
        (func $own (param i32) (result i32) (local.get 0))
        (export "f" (func $f_of_first)) (export "own" (func $own)))"#;
    let second = r#"(module $second
        (import "first" "own" (func $imported (param i32) (result i32)))
        (import "first" "f" (func $f_of_second (param i32) (result i32)))
        (func $run (export "run") (param i32) (result i32)
            (call $imported (call $f_of_second (local.get 0)))))"#;
    let first = Module::new(&engine, first).unwrap();
    linker.module(&mut store, "first", &first).unwrap();
    let second = Module::new(&engine, second).unwrap();
    let instance = linker.instantiate(&mut store, &second).unwrap();
    crate::run(&mut store, &instance, 3).unwrap();
    assert_eq!(
        store.data().join("|"),
        "(run 3|(f_of_second 3|f_of_second)3|(own 3|own)3|run)3"
    );
}
