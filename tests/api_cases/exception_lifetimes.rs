//! How long exceptions live, and how many a store and its limiter allow.

use std::panic::{AssertUnwindSafe, catch_unwind};

use upshift::{
    Engine, ExnRef, Instance, Module, ResourceLimiter, Result, Store, StoreLimitsBuilder, Trap,
    WasmBacktrace,
};

use super::super::{in_every_mode, instance};
use super::exceptions::int_tag;

/// Exceptions that WebAssembly keeps in a global, a table, a local or another exception survive
/// collections; others don't: millions are thrown within the limit of a store.
#[test]
fn exceptions_live_as_long_as_something_refers_to_them() {
    const KEEPING: &str = r#"(module
        (tag $int (param i32))
        (tag $wrap (param exnref))
        (global $global (mut exnref) (ref.null exn))
        (table $table 1 exnref)
        (func $make (param i32) (result exnref)
            (block $caught (result i32 exnref)
                (try_table (catch_ref $int $caught) (throw $int (local.get 0)))
                (unreachable))
            (return))
        (func $wrap (param exnref) (result exnref)
            (block $caught (result exnref exnref)
                (try_table (catch_ref $wrap $caught) (throw $wrap (local.get 0)))
                (unreachable))
            (return))
        (func $value (param exnref) (result i32)
            (block $caught (result i32)
                (try_table (catch $int $caught) (throw_ref (local.get 0)))
                (unreachable)))
        (func $unwrap (param exnref) (result exnref)
            (block $caught (result exnref)
                (try_table (catch $wrap $caught) (throw_ref (local.get 0)))
                (unreachable)))
        (func (export "keep")
            (global.set $global (call $second (call $make (i32.const 1))))
            (table.set $table (i32.const 0)
                (call $second (call $wrap (call $second (call $make (i32.const 2)))))))
        (func $second (param i32 exnref) (result exnref) (local.get 1))
        (func (export "waste") (param i32)
            (loop $again
                (drop (call $value (call $second (call $make (local.get 0)))))
                (br_if $again
                    (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))))
        (func (export "kept") (result i32 i32)
            (call $value (global.get $global))
            (call $value (call $unwrap (table.get $table (i32.const 0))))))"#;
    // `$make` and `$wrap` return the value and the reference; `$second` takes the reference.
    let text = KEEPING
        .replace(
            "$make (param i32) (result exnref)",
            "$make (param i32) (result i32 exnref)",
        )
        .replace(
            "$wrap (param exnref) (result exnref)",
            "$wrap (param exnref) (result exnref exnref)",
        )
        .replace(
            "(call $second (call $wrap (call $second (call $make (i32.const 2)))))",
            "(call $last (call $wrap (call $second (call $make (i32.const 2)))))",
        )
        .replace(
            "(func $second",
            "(func $last (param exnref exnref) (result exnref) (local.get 1))\n(func $second",
        );
    in_every_mode(|engine| {
        let (mut store, instance) = instance(engine, &text);
        let keep = instance
            .get_typed_func::<(), ()>(&mut store, "keep")
            .unwrap();
        let waste = instance
            .get_typed_func::<i32, ()>(&mut store, "waste")
            .unwrap();
        let kept = instance
            .get_typed_func::<(), (i32, i32)>(&mut store, "kept")
            .unwrap();
        keep.call(&mut store, ()).unwrap();
        for _ in 0..3 {
            waste.call(&mut store, 20_000).unwrap();
            assert_eq!(kept.call(&mut store, ()).unwrap(), (1, 2));
            store.gc();
            assert_eq!(kept.call(&mut store, ()).unwrap(), (1, 2));
        }
    });
}

/// Keeps every exception, and counts them; or keeps none.
const CHAIN: &str = r#"(module
    (tag $link (param exnref))
    (global $count (export "count") (mut i32) (i32.const 0))
    (func $caught (param exnref) (result exnref exnref)
        (block $caught (result exnref exnref)
            (try_table (catch_ref $link $caught) (throw $link (local.get 0)))
            (unreachable)))
    (func (export "grow") (local $last exnref)
        (loop $again
            (local.set $last (call $caught (local.get $last)))
            (drop)
            (global.set $count (i32.add (global.get $count) (i32.const 1)))
            (br $again)))
    (func (export "waste") (param i32)
        (loop $again
            (drop (call $caught (ref.null exn)))
            (drop)
            (br_if $again (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))))"#;

/// A guest that keeps every exception meets the store's limit as a trap.
#[test]
fn a_store_has_a_limited_number_of_exceptions() {
    let engine = Engine::default();
    let (mut store, instance) = instance(&engine, CHAIN);
    let grow = instance
        .get_typed_func::<(), ()>(&mut store, "grow")
        .unwrap();
    let error = grow.call(&mut store, ()).unwrap_err();
    assert_eq!(
        error.downcast_ref(),
        Some(&upshift::Trap::OutOfMemory),
        "{error:?}"
    );
    // What nothing refers to any more can be used again.
    let tag = int_tag(&mut store);
    ExnRef::new(&mut store, &tag, &[1.into()]).unwrap();
}

/// The bytes of one exception of `CHAIN`.
const LINK: i32 = 32;

/// A limiter bounds exceptions that are kept, in every way in which it can refuse; it does not end
/// programs that keep none.
#[test]
fn a_limiter_bounds_the_memory_of_exceptions() {
    const LIMIT: i32 = 1 << 20;
    for trap_on_failure in [false, true] {
        in_every_mode(|engine| {
            let limits = StoreLimitsBuilder::new()
                .memory_size(LIMIT as usize)
                .trap_on_grow_failure(trap_on_failure);
            let mut store = Store::new(engine, limits.build());
            store.limiter(|limits| limits);
            let module = Module::new(engine, CHAIN).unwrap();
            let instance = Instance::new(&mut store, &module, &[]).unwrap();
            let waste = instance.get_typed_func::<i32, ()>(&mut store, "waste");
            waste.unwrap().call(&mut store, 200_000).unwrap();
            let grow = instance.get_typed_func::<(), ()>(&mut store, "grow");
            let error = grow.unwrap().call(&mut store, ()).unwrap_err();
            let text = format!("{error:#}");
            match trap_on_failure {
                false => assert_eq!(error.downcast_ref(), Some(&Trap::OutOfMemory), "{text}"),
                true => assert!(text.contains("failures to grow are to trap"), "{text}"),
            }
            assert!(error.downcast_ref::<WasmBacktrace>().is_some(), "{text}");
            let count = instance.get_global(&mut store, "count").unwrap();
            let bytes = count.get(&mut store).unwrap_i32() * LINK;
            assert!((LIMIT / 2..=LIMIT).contains(&bytes), "{bytes}");
        });
    }
}

/// What a limiter does wrong is seen where WebAssembly throws.
#[test]
fn a_limiter_that_panics_at_a_throw_panics_in_the_call() {
    struct Panics;

    impl ResourceLimiter for Panics {
        fn memory_growing(&mut self, _: usize, _: usize, most: Option<usize>) -> Result<bool> {
            panic!("asked for exceptions, at most {most:?}")
        }

        fn table_growing(&mut self, _: usize, _: usize, _: Option<usize>) -> Result<bool> {
            Ok(true)
        }
    }

    in_every_mode(|engine| {
        let mut store = Store::new(engine, Panics);
        store.limiter(|panics| panics);
        let module = Module::new(engine, CHAIN).unwrap();
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        let waste = instance
            .get_typed_func::<i32, ()>(&mut store, "waste")
            .unwrap();
        let call = catch_unwind(AssertUnwindSafe(|| waste.call(&mut store, 1)));
        let payload = call.expect_err("the limiter panics");
        let text = payload.downcast_ref::<String>().unwrap();
        assert_eq!(text, "asked for exceptions, at most Some(67108864)");
    });
}
