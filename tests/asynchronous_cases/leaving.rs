//! Ways out of asynchronous calls: traps, exceptions, panics; and tail calls.

use std::panic::{AssertUnwindSafe, catch_unwind};

use upshift::{Caller, Linker, Module, Store, Trap, WasmBacktrace};

use crate::{block_on, host_fn, in_every_mode, on_new_threads, pending, waiting_instance};

/// Traps after the call has moved to another thread, with the backtrace of all its frames.
#[test]
fn traps_behind_a_suspension() {
    in_every_mode(|engine| {
        let module = r#"(module
            (import "host" "wait" (func $wait (param i32) (result i32)))
            (memory 1)
            (func $inner (param i32) (result i32)
                (drop (call $wait (i32.const 2)))
                (if (i32.eq (local.get 0) (i32.const 1)) (then (unreachable)))
                (if (i32.eq (local.get 0) (i32.const 2))
                    (then (drop (i32.load (i32.const 0x7fff0000)))))
                (if (i32.eq (local.get 0) (i32.const 3))
                    (then (drop (i32.div_u (i32.const 1) (i32.sub (local.get 0) (i32.const 3))))))
                (local.get 0))
            (func (export "run") (param i32) (result i32)
                (i32.add (call $inner (local.get 0)) (i32.const 1))))"#;
        let (mut store, instance) = waiting_instance(engine, module);
        let run = instance
            .get_typed_func::<i32, i32>(&mut store, "run")
            .unwrap();
        let traps = [
            (1, Trap::Unreachable),
            (2, Trap::MemoryOutOfBounds),
            (3, Trap::IntegerDivideByZero),
        ];
        for (n, trap) in traps {
            let (result, polls) = on_new_threads(run.call_async(&mut store, n));
            let error = result.unwrap_err();
            assert_eq!((error.downcast_ref(), polls), (Some(&trap), 3));
            let backtrace: &WasmBacktrace = error.downcast_ref().unwrap();
            assert_eq!(backtrace.frames().len(), 2);
        }
        assert_eq!(on_new_threads(run.call_async(&mut store, 5)).0.unwrap(), 6);
    });
}

#[test]
fn exceptions_cross_suspensions() {
    in_every_mode(|engine| {
        let module = r#"(module
            (import "host" "wait" (func $wait (param i32) (result i32)))
            (tag $e (param i32))
            (func $throws (param i32) (result i32)
                (throw $e (i32.add (call $wait (local.get 0)) (i32.const 40))))
            (func (export "run") (param i32) (result i32)
                (block $caught (result i32)
                    (try_table (result i32) (catch $e $caught) (call $throws (local.get 0)))))
            (func (export "uncaught") (param i32) (result i32) (call $throws (local.get 0)))
            (func $loop (param $n i32) (param $sum i32) (result i32)
                (if (i32.eqz (local.get $n)) (then (return (local.get $sum))))
                (return_call $loop (i32.sub (local.get $n) (i32.const 1))
                    (i32.add (local.get $sum) (call $wait (i32.const 1)))))
            (func (export "tail") (param i32) (result i32)
                (return_call $loop (local.get 0) (i32.const 0)))
            (func (export "last") (param i32) (result i32)
                (return_call $wait (local.get 0))))"#;
        let (mut store, instance) = waiting_instance(engine, module);
        for (name, argument, result, polls) in [
            ("run", 2, 42, 3),
            ("tail", 300, 300, 301),
            ("last", 9, 9, 10),
        ] {
            let func = instance
                .get_typed_func::<i32, i32>(&mut store, name)
                .unwrap();
            let (found, polled) = on_new_threads(func.call_async(&mut store, argument));
            assert_eq!((found.unwrap(), polled), (result, polls), "{name}");
        }
        let uncaught = instance
            .get_typed_func::<i32, i32>(&mut store, "uncaught")
            .unwrap();
        let error = block_on(uncaught.call_async(&mut store, 1)).unwrap_err();
        assert!(error.is::<upshift::ThrownException>());
    });
}

/// A call within a call throws, and the handler is in the one around, on another stack.
#[test]
fn exceptions_cross_stacks() {
    in_every_mode(|engine| {
        let module = r#"(module
            (import "host" "mid" (func $mid (param i32) (result i32)))
            (import "host" "wait" (func $wait (param i32) (result i32)))
            (tag $e (param i32))
            (func (export "again") (param i32) (result i32)
                (throw $e (call $wait (local.get 0))))
            (func (export "run") (param i32) (result i32)
                (block $caught (result i32)
                    (try_table (result i32) (catch $e $caught) (call $mid (local.get 0))))
                (i32.add (i32.const 100))))"#;
        let module = Module::new(engine, module).unwrap();
        let mut linker = Linker::<()>::new(engine);
        crate::define_wait(&mut linker);
        let mid = host_fn(|mut caller: Caller<'_, ()>, (n,): (i32,)| {
            Box::new(async move {
                pending(1).await;
                let again = caller.get_export("again").unwrap().into_func().unwrap();
                let again = again.typed::<i32, i32>(&caller)?;
                again.call_async(&mut caller, n).await
            })
        });
        linker.func_wrap_async("host", "mid", mid).unwrap();
        let mut store = Store::new(engine, ());
        let instance = linker.instantiate(&mut store, &module).unwrap();
        let run = instance
            .get_typed_func::<i32, i32>(&mut store, "run")
            .unwrap();
        let (result, polls) = on_new_threads(run.call_async(&mut store, 5));
        assert_eq!((result.unwrap(), polls), (105, 7));
    });
}

#[test]
fn panics_arrive_where_the_call_is_polled() {
    in_every_mode(|engine| {
        let module = r#"(module
            (import "host" "panic" (func $panic (param i32)))
            (func (export "run") (param i32) (call $panic (local.get 0))))"#;
        let module = Module::new(engine, module).unwrap();
        let mut linker = Linker::<()>::new(engine);
        let panics = host_fn(|_: Caller<'_, ()>, (n,): (u32,)| {
            Box::new(async move {
                pending(n).await;
                assert!(n > 1, "a host's panic");
            })
        });
        linker.func_wrap_async("host", "panic", panics).unwrap();
        let mut store = Store::new(engine, ());
        let instance = linker.instantiate(&mut store, &module).unwrap();
        let run = instance
            .get_typed_func::<u32, ()>(&mut store, "run")
            .unwrap();
        for n in [0, 1] {
            let call = AssertUnwindSafe(|| on_new_threads(run.call_async(&mut store, n)));
            let panic = catch_unwind(call).unwrap_err();
            assert_eq!(panic.downcast_ref(), Some(&"a host's panic"));
        }
        block_on(run.call_async(&mut store, 2)).unwrap();
    });
}
