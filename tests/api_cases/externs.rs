//! `ExternRef`s: how long the embedder's values live.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use upshift::{
    AsContext, AsContextMut, Caller, Engine, ExternRef, Func, Global, GlobalType, Instance, Linker,
    Module, Mutability, Ref, RootScope, Store, TypedFunc, Val, ValType,
};

use crate::in_every_mode;

/// A value that counts how many of its kind exist.
struct Counted(Arc<AtomicUsize>, u64);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[derive(Clone, Default)]
struct Count(Arc<AtomicUsize>);

impl Count {
    fn value(&self, store: impl AsContextMut, number: u64) -> ExternRef {
        self.0.fetch_add(1, Ordering::Relaxed);
        ExternRef::new(store, Counted(self.0.clone(), number))
    }

    fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

fn number(store: impl AsContext, value: ExternRef) -> u64 {
    let data = value.data(store.as_context());
    data.downcast_ref::<Counted>().expect("one of ours").1
}

const HOLDER: &str = r#"(module
    (import "host" "make" (func $make (param i32) (result externref)))
    (import "host" "check" (func $check (param externref i32)))
    (import "host" "descend" (func $descend (param i32) (result i32)))
    (table $t (export "table") 10 externref)
    (global $g (export "global") (mut externref) (ref.null extern))
    (func (export "keep") (param externref) (result externref)
        (table.set $t (i32.const 3) (local.get 0)) (local.get 0))
    (func (export "take") (result externref)
        (table.get $t (i32.const 3)) (table.set $t (i32.const 3) (ref.null extern)))
    ;; Makes many, and holds a few: in locals, on the stack, across calls and loops.
    (func $churn (export "churn") (param $n i32) (result i32)
        (local $a externref) (local $b externref) (local $c externref) (local $i i32)
        (local.set $a (call $make (i32.const 1000001)))
        (local.set $c (call $make (i32.const 1000002)))
        (local.set $b (call $make (i32.const 1000003)))
        (loop $again
            (drop (call $make (local.get $i)))
            (call $check (local.get $a) (i32.const 1000001))
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if $again (i32.lt_u (local.get $i) (local.get $n))))
        (call $check (local.get $c) (i32.const 1000002))
        (call $check (local.get $b) (i32.const 1000003))
        (local.get $i))
    (func (export "nested") (param $depth i32) (param $mine externref) (result i32)
        (local $result i32)
        (if (i32.eqz (local.get $depth)) (then (return (call $churn (i32.const 1000)))))
        (local.set $result (call $descend (i32.sub (local.get $depth) (i32.const 1))))
        (call $check (local.get $mine) (local.get $depth))
        (local.get $result)))"#;

/// An instance of the module [`HOLDER`] in a store whose values are counted.
fn holder(engine: &Engine) -> (Store<Count>, Instance, Count) {
    let module = Module::new(engine, HOLDER).unwrap();
    let mut linker = Linker::<Count>::new(engine);
    linker
        .func_wrap("host", "make", |mut caller: Caller<'_, Count>, n: u32| {
            let count = caller.data().clone();
            Some(count.value(&mut caller, n.into()))
        })
        .unwrap();
    linker
        .func_wrap(
            "host",
            "check",
            |caller: Caller<'_, Count>, value: Option<ExternRef>, n: u32| {
                let value = value.expect("not null");
                let value = value
                    .data(&caller)
                    .downcast_ref::<Counted>()
                    .expect("one of ours");
                assert_eq!(value.1, u64::from(n));
            },
        )
        .unwrap();
    linker
        .func_wrap(
            "host",
            "descend",
            |mut caller: Caller<'_, Count>, depth: u32| {
                let count = caller.data().clone();
                let nested = caller.get_export("nested").unwrap().into_func().unwrap();
                let nested = nested
                    .typed::<(u32, Option<ExternRef>), u32>(&caller)
                    .unwrap();
                let value = count.value(&mut caller, depth.into());
                nested.call(&mut caller, (depth, Some(value)))
            },
        )
        .unwrap();
    let count = Count::default();
    let mut store = Store::new(engine, count.clone());
    let instance = linker.instantiate(&mut store, &module).unwrap();
    (store, instance, count)
}

#[test]
fn what_nothing_reaches_is_freed() {
    in_every_mode(|engine| {
        let (mut store, instance, count) = holder(engine);
        type Keep = TypedFunc<Option<ExternRef>, Option<ExternRef>>;
        let keep: Keep = instance.get_typed_func(&mut store, "keep").unwrap();
        for n in 0..10_000 {
            let mut scope = RootScope::new(&mut store);
            let value = count.value(&mut scope, n);
            let back = keep
                .call(&mut scope, Some(value))
                .unwrap()
                .expect("not null");
            assert_eq!((number(&scope, back), back), (n, value));
            assert!(count.get() <= 300, "{} values", count.get());
        }
        // One value is left: the table's.
        store.gc();
        assert_eq!(count.get(), 1);
        let take = instance
            .get_typed_func::<(), Option<ExternRef>>(&mut store, "take")
            .unwrap();
        let mut scope = RootScope::new(&mut store);
        let value = take.call(&mut scope, ()).unwrap().expect("not null");
        for n in 0..1000 {
            count.value(&mut RootScope::new(&mut scope), n);
        }
        assert_eq!(number(&scope, value), 9_999);
        drop(scope);
        store.gc();
        assert_eq!(count.get(), 0);
        let used = AssertUnwindSafe(|| keep.call(&mut store, Some(value)).is_ok());
        assert!(catch_unwind(used).is_err());
    });
}

#[test]
fn tables_globals_and_handles_keep_values() {
    in_every_mode(|engine| {
        let (mut store, instance, count) = holder(engine);
        let table = instance.get_table(&mut store, "table").unwrap();
        let global = instance.get_global(&mut store, "global").unwrap();
        let ty = GlobalType::new(ValType::EXTERNREF, Mutability::Var);
        let mut scope = RootScope::new(&mut store);
        let value = count.value(&mut scope, 1);
        let own = Global::new(&mut scope, ty, Val::from(value)).unwrap();
        let value = count.value(&mut scope, 2);
        global.set(&mut scope, Val::from(value)).unwrap();
        let value = count.value(&mut scope, 3);
        table.set(&mut scope, 9, Ref::from(value)).unwrap();
        drop(scope);
        let handle = count.value(&mut store, 4);
        let mut scope = RootScope::new(&mut store);
        for n in 0..1000 {
            count.value(&mut scope, n);
        }
        drop(scope);
        store.gc();
        assert_eq!(count.get(), 4);
        let numbers = [
            own.get(&mut store).unwrap_extern_ref(),
            global.get(&mut store).unwrap_extern_ref(),
            table
                .get(&mut store, 9)
                .and_then(|value| Val::from(value).unwrap_extern_ref()),
            Some(handle),
        ];
        let numbers = numbers.map(|value| number(&store, value.expect("not null")));
        assert_eq!(numbers, [1, 2, 3, 4]);
        drop(store);
        assert_eq!(count.get(), 0);
    });
}

#[test]
fn running_functions_keep_values() {
    in_every_mode(|engine| {
        let (mut store, instance, count) = holder(engine);
        let churn = instance
            .get_typed_func::<u32, u32>(&mut store, "churn")
            .unwrap();
        assert_eq!(churn.call(&mut store, 50_000).unwrap(), 50_000);
        // Values were freed while the function ran.
        assert!(count.get() < 1000, "{} values", count.get());
        let nested = instance.get_typed_func::<(u32, Option<ExternRef>), u32>(&mut store, "nested");
        let mut scope = RootScope::new(&mut store);
        let value = count.value(&mut scope, 6);
        assert_eq!(
            nested.unwrap().call(&mut scope, (6, Some(value))).unwrap(),
            1000
        );
        drop(scope);
        store.gc();
        assert_eq!(count.get(), 0);
    });
}

#[test]
fn host_functions_are_freed_with_their_store() {
    let engine = Engine::default();
    let held = Arc::new(());
    for _ in 0..10 {
        let mut store = Store::new(&engine, ());
        for _ in 0..100 {
            let held = held.clone();
            Func::wrap(&mut store, move || assert!(Arc::strong_count(&held) > 1));
        }
    }
    assert_eq!(Arc::strong_count(&held), 1);
}

/// After a failed instantiation nothing of it is left: collecting values meets none of its tables
/// or globals.
#[test]
fn a_failed_instance_leaves_nothing_to_search() {
    in_every_mode(|engine| {
        let count = Count::default();
        let mut store = Store::new(engine, ());
        for declarations in [
            "(global externref (ref.null extern))",
            "(table 1 externref)",
            "(memory 1) (global externref (ref.null extern)) (table 7 externref)",
        ] {
            let text = format!("(module {declarations} (table 10000001 funcref))");
            let module = Module::new(engine, text).unwrap();
            for _ in 0..3 {
                assert!(Instance::new(&mut store, &module, &[]).is_err());
            }
        }
        let fine = Module::new(
            engine,
            "(module (table 1 externref) (global i64 (i64.const -1)))",
        );
        Instance::new(&mut store, &fine.unwrap(), &[]).unwrap();
        {
            let mut scope = RootScope::new(&mut store);
            for n in 0..200 {
                count.value(&mut scope, n);
            }
        }
        store.gc();
        assert_eq!(count.get(), 0);
    });
}
