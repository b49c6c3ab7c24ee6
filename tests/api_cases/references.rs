//! Typed function references: calls and branches by them, their types across modules, and what the
//! host may pass where one is expected.

use upshift::{
    Engine, ExternType, Func, FuncType, Global, GlobalType, HeapType, Instance, Linker, Module,
    Mutability, Ref, RefType, Store, Table, TableType, Trap, Val, ValType, knobs,
};
use upshift_spectest::Mode;

use crate::{in_every_mode, instance};

/// Functions of two types, and calls and branches by references to them.
const MODULE: &str = r#"(module
    (type $unary (func (param i32) (result i32)))
    (type $nullary (func (result i32)))
    (elem declare func $double $seven $count)
    (func $double (type $unary) (i32.mul (local.get 0) (i32.const 2)))
    (func $seven (type $nullary) (i32.const 7))
    (func (export "double") (result (ref $unary)) (ref.func $double))
    (func (export "seven") (result (ref $nullary)) (ref.func $seven))
    (func (export "call") (param (ref null $unary) i32) (result i32)
        (i32.add (i32.const 1) (call_ref $unary (local.get 1) (local.get 0))))
    (func (export "call non-null") (param (ref $unary) i32) (result i32)
        (call_ref $unary (local.get 1) (local.get 0)))
    (func (export "tail") (param (ref null $unary) i32) (result i32)
        (return_call_ref $unary (local.get 1) (local.get 0)))
    (func (export "is null") (param funcref) (result i32)
        (block $null
            (drop (br_on_null $null (local.get 0)))
            (return (i32.const 0)))
        (i32.const 1))
    (func (export "or seven") (param (ref null $nullary)) (result i32)
        (call_ref $nullary
            (block $some (result (ref $nullary))
                (br_on_non_null $some (local.get 0))
                (ref.func $seven))))
    (func (export "non-null") (param funcref) (result funcref)
        (ref.as_non_null (local.get 0)))
    (func (export "local") (param $n i32) (result i32)
        (local $f (ref $unary)) (local $sum i32)
        (local.set $f (ref.func $double))
        (loop $again
            (local.set $sum
                (i32.add (local.get $sum) (call_ref $unary (local.get $n) (local.get $f))))
            (local.set $n (i32.sub (local.get $n) (i32.const 1)))
            (br_if $again (local.get $n)))
        (local.get $sum))
    ;; The number of calls is more than any stack has room for.
    (type $counter (func (param i32 i64) (result i64)))
    (func $count (export "count") (type $counter)
        (if (i32.eqz (local.get 0)) (then (return (local.get 1))))
        (return_call_ref $counter
            (i32.sub (local.get 0) (i32.const 1))
            (i64.add (local.get 1) (i64.const 3))
            (ref.func $count)))
    (table $typed (export "typed") 3 5 (ref $unary) (ref.func $double))
    (global (export "typed global") (mut (ref null $unary)) (ref.null $unary))
    (func (export "in table") (param i32 i32) (result i32)
        (call_ref $unary (local.get 1) (table.get $typed (local.get 0)))))"#;

/// Calls an export and returns its results.
fn call(
    store: &mut Store<()>,
    instance: Instance,
    name: &str,
    args: &[Val],
) -> upshift::Result<Vec<Val>> {
    let func = instance.get_func(&mut *store, name).expect(name);
    let mut results = vec![Val::I32(0); func.ty(&*store).results().len()];
    func.call(store, args, &mut results)?;
    Ok(results)
}

fn i32_of(results: upshift::Result<Vec<Val>>) -> i32 {
    results.expect("no trap")[0].unwrap_i32()
}

#[test]
fn references_are_called_and_branched_on() {
    in_every_mode(|engine| {
        let (mut store, instance) = instance(engine, MODULE);
        let store = &mut store;
        let double = call(store, instance, "double", &[]).unwrap()[0];
        let seven = call(store, instance, "seven", &[]).unwrap()[0];
        let null = Val::FuncRef(None);
        // Often enough for every tier.
        for n in 0..300 {
            let n_val = Val::I32(n);
            assert_eq!(
                i32_of(call(store, instance, "call", &[double, n_val])),
                2 * n + 1
            );
            assert_eq!(
                i32_of(call(store, instance, "call non-null", &[double, n_val])),
                2 * n
            );
            assert_eq!(
                i32_of(call(store, instance, "tail", &[double, n_val])),
                2 * n
            );
            assert_eq!(i32_of(call(store, instance, "is null", &[double])), 0);
            assert_eq!(i32_of(call(store, instance, "is null", &[null])), 1);
            assert_eq!(i32_of(call(store, instance, "or seven", &[seven])), 7);
            assert_eq!(i32_of(call(store, instance, "or seven", &[null])), 7);
            assert_eq!(
                i32_of(call(store, instance, "in table", &[Val::I32(n % 3), n_val])),
                2 * n
            );
            for name in ["call", "tail"] {
                let error = call(store, instance, name, &[null, n_val]).expect_err("null");
                assert_eq!(error.downcast_ref(), Some(&Trap::NullReference), "{name}");
            }
            let error = call(store, instance, "non-null", &[null]).expect_err("null");
            assert_eq!(error.downcast_ref(), Some(&Trap::NullReference));
            let same = call(store, instance, "non-null", &[seven]).unwrap()[0];
            assert_eq!(same.unwrap_func_ref(), seven.unwrap_func_ref());
        }
        assert_eq!(
            i32_of(call(store, instance, "local", &[Val::I32(1000)])),
            1_001_000
        );
        let count = [Val::I32(1_000_000), Val::I64(5)];
        let counted = call(store, instance, "count", &count).unwrap();
        assert_eq!(counted[0].unwrap_i64(), 3_000_005);
    });
}

#[test]
fn null_is_found_by_a_test_or_a_fault() {
    for null_checks in ["explicit", "fault"] {
        let mut config = Mode::Optimizer.config();
        let set = knobs::set(
            &mut config,
            knobs::Group::Compile,
            "null-checks",
            null_checks,
        );
        set.expect("a value that the option names");
        let engine = Engine::new(&config).expect("an engine can be made");
        let (mut store, instance) = instance(&engine, MODULE);
        for name in ["call", "tail"] {
            let args = [Val::FuncRef(None), Val::I32(1)];
            let error = call(&mut store, instance, name, &args).expect_err("null");
            assert_eq!(error.downcast_ref(), Some(&Trap::NullReference), "{name}");
        }
    }
}

#[test]
fn branches_carry_many_operands() {
    const COUNT: usize = 40;
    let types = "i64 ".repeat(COUNT);
    let gets: String = (0..COUNT).map(|n| format!(" local.get {n}")).collect();
    let sum = "i64.add ".repeat(COUNT - 1);
    let module = format!(
        r#"(module
            (type $many (func (param {types}) (result {types})))
            (type $more (func (param {types}) (result {types} (ref func))))
            (type $again (func (param {types} (ref func)) (result i64)))
            (func $f (export "f"))
            (func (export "null") (param {types}) (param $r funcref) (result i64) {gets}
                block (type $many) local.get $r br_on_null 0 drop i64.const 1000 i64.add end {sum})
            (func (export "non-null") (param {types}) (param $r funcref) (result i64) {gets}
                block (type $more)
                    local.get $r br_on_non_null 0 i64.const 1000 i64.add ref.func $f
                end
                drop {sum})
            (func (export "loop") (param {types}) (param $r funcref) (result i64) (local $n i32)
                i32.const 50 local.set $n {gets} ref.func $f
                loop (type $again)
                    drop i64.const 1 i64.add
                    local.get $n i32.const 1 i32.sub local.tee $n
                    if (result funcref) local.get $r else ref.null func end
                    br_on_non_null 0
                    {sum}
                end))"#
    );
    in_every_mode(|engine| {
        let (mut store, instance) = instance(engine, &module);
        let store = &mut store;
        let f = instance.get_func(&mut *store, "f").unwrap();
        for _ in 0..300 {
            for (name, if_null, if_not) in
                [("null", 0, 1000), ("non-null", 1000, 0), ("loop", 1, 50)]
            {
                for (value, expected) in [(Val::FuncRef(None), if_null), (f.into(), if_not)] {
                    let mut args: Vec<_> = (1..=COUNT as i64).map(Val::I64).collect();
                    let total = (COUNT * (COUNT + 1) / 2) as i64;
                    args.push(value);
                    let found = call(store, instance, name, &args).unwrap()[0].unwrap_i64();
                    assert_eq!(found, total + expected, "{name} {value:?}");
                }
            }
        }
    });
}

#[test]
fn types_are_the_same_in_all_modules() {
    in_every_mode(|engine| {
        let mut store = Store::new(engine, ());
        let mut linker = Linker::new(engine);
        // The same types at other indexes, one by a reference to another.
        let first = r#"(module
            (type $unused (func (param f32 f32 f32)))
            (type $leaf (func (result i64)))
            (type $tree (func (param (ref null $leaf)) (result i64)))
            (func $nine (type $leaf) (i64.const 9))
            (func (export "tree") (type $tree) (call_ref $leaf (local.get 0)))
            (table (export "table") 1 (ref null $leaf))
            (global (export "global") (ref $leaf) (ref.func $nine))
            (global (export "mutable") (mut (ref null $leaf)) (ref.func $nine)))"#;
        let first = linker
            .instantiate(&mut store, &Module::new(engine, first).unwrap())
            .unwrap();
        linker.instance(&mut store, "first", first).unwrap();
        let second = r#"(module
            (type $a (func (result i64)))
            (type $b (func (param (ref null $a)) (result i64)))
            (import "first" "tree" (func $tree (type $b)))
            (import "first" "table" (table $table 1 (ref null $a)))
            (import "first" "global" (global $global funcref))
            (import "first" "global" (global $typed (ref null $a)))
            (import "first" "mutable" (global (mut (ref null $a))))
            (func (export "run") (result i64)
                (table.set $table (i32.const 0) (global.get $typed))
                (call $tree (table.get $table (i32.const 0)))))"#;
        let second = linker
            .instantiate(&mut store, &Module::new(engine, second).unwrap())
            .unwrap();
        let run = second.get_typed_func::<(), i64>(&mut store, "run").unwrap();
        for _ in 0..100 {
            assert_eq!(run.call(&mut store, ()).unwrap(), 9);
        }
        for import in [
            r#"(type $c (func (result i32))) (type $d (func (param (ref null $c)) (result i64)))
               (import "first" "tree" (func (type $d)))"#,
            r#"(type $a (func (result i64))) (type $d (func (param (ref $a)) (result i64)))
               (import "first" "tree" (func (type $d)))"#,
            r#"(import "first" "table" (table 1 funcref))"#,
            r#"(type $c (func (result i32))) (import "first" "table" (table 1 (ref null $c)))"#,
            r#"(type $c (func (result i32))) (import "first" "global" (global (ref $c)))"#,
            r#"(import "first" "mutable" (global (mut funcref)))"#,
        ] {
            let module = Module::new(engine, format!("(module {import})")).unwrap();
            let error = linker.instantiate(&mut store, &module).expect_err(import);
            assert!(
                error.to_string().contains("incompatible import type"),
                "{error}"
            );
        }
    });
}

#[test]
fn the_host_passes_only_what_fits() {
    in_every_mode(|engine| {
        let (mut store, instance) = instance(engine, MODULE);
        let store = &mut store;
        let double = call(store, instance, "double", &[]).unwrap()[0];
        let seven = call(store, instance, "seven", &[]).unwrap()[0];
        let null = Val::FuncRef(None);
        let triple = Func::wrap(&mut *store, |n: i32| 3 * n);
        let tripled = call(store, instance, "call", &[triple.into(), Val::I32(5)]);
        assert_eq!(i32_of(tripled), 16);
        for (name, value) in [
            ("call", seven),
            ("call non-null", seven),
            ("call non-null", null),
        ] {
            let error = call(store, instance, name, &[value, Val::I32(1)]).expect_err("no fit");
            assert!(
                error.to_string().contains("argument type mismatch"),
                "{error}"
            );
        }

        let typed = double.unwrap_func_ref().unwrap().typed_ref(&*store);
        assert!(!typed.is_nullable() && matches!(typed.heap_type(), HeapType::ConcreteFunc(_)));
        assert_eq!(triple.typed_ref(&*store), typed);
        let table = instance.get_table(&mut *store, "typed").unwrap();
        assert_eq!(table.ty(&*store).element(), typed);
        table.set(&mut *store, 0, triple.into()).unwrap();
        let tripled = call(store, instance, "in table", &[Val::I32(0), Val::I32(5)]);
        assert_eq!(i32_of(tripled), 15);
        for wrong in [Ref::Func(seven.unwrap_func_ref()), Ref::Func(None)] {
            assert!(table.set(&mut *store, 0, wrong).is_err());
            assert!(table.grow(&mut *store, 1, wrong).is_err());
            assert!(Table::new(&mut *store, TableType::new(typed, 1, None), wrong).is_err());
        }
        let global = instance.get_global(&mut *store, "typed global").unwrap();
        global.set(&mut *store, double).unwrap();
        global.set(&mut *store, null).unwrap();
        assert!(global.set(&mut *store, seven).is_err());
        let ty = GlobalType::new(ValType::Ref(typed), Mutability::Var);
        assert!(Global::new(&mut *store, ty, null).is_err());
        let own = Global::new(&mut *store, ty, double).unwrap();
        assert_eq!(
            own.get(&mut *store).unwrap_func_ref(),
            double.unwrap_func_ref()
        );
    });
}

#[test]
fn rust_types_stand_for_more_or_less_specific_ones() {
    let engine = Engine::default();
    let (mut store, instance) = instance(&engine, MODULE);
    let double = instance
        .get_typed_func::<(), Option<Func>>(&mut store, "double")
        .unwrap();
    let double = double.call(&mut store, ()).unwrap().expect("never null");
    let is_null = instance
        .get_typed_func::<Option<Func>, i32>(&mut store, "is null")
        .unwrap();
    assert_eq!(is_null.call(&mut store, Some(double)).unwrap(), 0);
    // Any function would be too much.
    assert!(
        instance
            .get_typed_func::<(Option<Func>, i32), i32>(&mut store, "call")
            .is_err()
    );
}

#[test]
fn host_functions_have_typed_references() {
    in_every_mode(|engine| {
        let (mut store, instance) = instance(engine, MODULE);
        let double = call(&mut store, instance, "double", &[]).unwrap()[0];
        let typed = double.unwrap_func_ref().unwrap().typed_ref(&store);
        let ty = FuncType::new(engine, [ValType::Ref(typed)], [ValType::Ref(typed)]);
        let twice = |results: fn(Val) -> Val| {
            move |_: upshift::Caller<'_, ()>, params: &[Val], out: &mut [Val]| {
                out[0] = results(params[0]);
                Ok(())
            }
        };
        let same = Func::new(&mut store, ty.clone(), twice(|value| value));
        let null = Func::new(&mut store, ty.clone(), twice(|_| Val::FuncRef(None)));
        let user = r#"(module
            (type $unary (func (param i32) (result i32)))
            (type $host (func (param (ref $unary)) (result (ref $unary))))
            (import "" "host" (func $host (type $host)))
            (elem declare func $negate)
            (func $negate (type $unary) (i32.sub (i32.const 0) (local.get 0)))
            (func (export "run") (param i32) (result i32)
                (call_ref $unary (local.get 0) (call $host (ref.func $negate)))))"#;
        let user = Module::new(engine, user).unwrap();
        let run = |store: &mut Store<()>, host: Func| {
            let instance = Instance::new(&mut *store, &user, &[host.into()]).unwrap();
            call(store, instance, "run", &[Val::I32(8)])
        };
        assert_eq!(i32_of(run(&mut store, same)), -8);
        let error = run(&mut store, null).expect_err("the host function's result is null");
        assert!(
            format!("{error:#}").contains("result type mismatch"),
            "{error:#}"
        );
    });
}

#[test]
fn types_live_as_long_as_they_are_used() {
    let engine = Engine::default();
    let mut store = Store::new(&engine, ());
    let text = r#"(module (type $leaf (func (result i32))) (type $tree (func (param (ref $leaf))))
        (func (export "f") (type $tree)))"#;
    let ty: RefType = {
        let module = Module::new(&engine, text).unwrap();
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        let f = instance.get_func(&mut store, "f").unwrap();
        f.typed_ref(&store)
    };
    // The store's instance uses the type; the next module finds the same one.
    let module = Module::new(&engine, text).unwrap();
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    let f = instance.get_func(&mut store, "f").unwrap();
    assert_eq!(f.typed_ref(&store), ty);
    let table = TableType::new(RefType::new(true, ty.heap_type()), 1, None);
    let table = Table::new(&mut store, table, f.into()).unwrap();
    assert_eq!(table.get(&mut store, 0).unwrap().as_func(), Some(&f));
}

/// A type of references outlives the store of the function that it is from: it stays that of the
/// functions with the same parameters and results, and of no others.
#[test]
fn a_type_of_references_outlives_its_function() {
    let engine = Engine::default();
    let stale = {
        let mut store = Store::new(&engine, ());
        Func::wrap(&mut store, |n: i64, m: f32| n + i64::from(m as i32)).typed_ref(&store)
    };
    let nullable = RefType::new(true, stale.heap_type());
    let mut store = Store::new(&engine, ());
    let ty = FuncType::new(&engine, [ValType::Ref(nullable)], []);
    let func = Func::new(&mut store, ty, |_, _, _| Ok(()));
    func.call(&mut store, &[Val::FuncRef(None)], &mut [])
        .unwrap();
    let same = Func::wrap(&mut store, |n: i64, m: f32| n - i64::from(m as i32));
    assert_eq!(same.typed_ref(&store), stale);
    func.call(&mut store, &[same.into()], &mut []).unwrap();
    let other = Func::wrap(&mut store, |n: i64, m: f64| n - i64::from(m as i32));
    let error = func.call(&mut store, &[other.into()], &mut []).unwrap_err();
    assert!(error.to_string().contains("type mismatch"), "{error}");
}

/// Tables and globals of a type of references whose function type is gone, or is another engine's,
/// are refused, and the engine is as it was.
#[test]
fn tables_of_forgotten_types_are_refused() {
    let text = r#"(module (type $t (func (param i32 f32 i64 f64 i32)))
        (table (export "table") 1 (ref null $t))
        (global (export "global") (mut (ref null $t)) (ref.null $t)))"#;
    let other = Engine::default();
    let used = Module::new(&other, text).unwrap();
    for engine in [Engine::default(), other] {
        let exports: Vec<_> = {
            let module = Module::new(&Engine::default(), text).unwrap();
            module.exports().map(|export| export.ty()).collect()
        };
        let [ExternType::Table(table), ExternType::Global(global)] = exports[..] else {
            panic!("a table and a global");
        };
        let mut store = Store::new(&engine, ());
        let results = [
            Table::new(&mut store, table, Ref::Func(None)).err(),
            Global::new(&mut store, global, Val::FuncRef(None)).err(),
        ];
        let is_known = Engine::same(&engine, used.engine());
        for error in results {
            match error {
                Some(error) => assert!(error.to_string().contains("no store"), "{error}"),
                None => assert!(is_known),
            }
        }
        Module::new(&engine, text).unwrap();
    }
}
