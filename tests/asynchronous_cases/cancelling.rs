//! Futures of calls that are dropped.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use upshift::{Caller, Engine, Instance, Linker, Module, Store, TypedFunc};

use crate::{block_on, host_fn, in_every_mode, pending, poll_on_new_thread, poll_once};

/// Counts the host function's futures that began and those that were dropped.
#[derive(Clone, Default)]
struct Counts(Arc<[AtomicU32; 2]>);

impl Counts {
    fn get(&self) -> [u32; 2] {
        self.0.each_ref().map(|count| count.load(Ordering::Relaxed))
    }
}

struct Guard(Counts);

impl Guard {
    fn new(counts: &Counts) -> Self {
        counts.0[0].fetch_add(1, Ordering::Relaxed);
        Self(counts.clone())
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.0[1].fetch_add(1, Ordering::Relaxed);
    }
}

/// `run` waits in `depth` activations, one within the other.
fn nested(engine: &Engine) -> (Store<Counts>, Instance, TypedFunc<i32, i32>) {
    let module = r#"(module
        (import "host" "descend" (func $descend (param i32) (result i32)))
        (global $turns (export "turns") (mut i32) (i32.const 0))
        (func (export "run") (param $depth i32) (result i32)
            (global.set $turns (i32.add (global.get $turns) (i32.const 1)))
            (i32.add (call $descend (local.get $depth)) (i32.const 1))))"#;
    let module = Module::new(engine, module).unwrap();
    let mut linker = Linker::<Counts>::new(engine);
    let descend = host_fn(|mut caller: Caller<'_, Counts>, (depth,): (i32,)| {
        Box::new(async move {
            let _guard = Guard::new(caller.data());
            pending(1).await;
            if depth == 0 {
                pending(1000).await;
                return Ok(0);
            }
            let run = caller
                .get_export("run")
                .and_then(|item| item.into_func())
                .unwrap();
            let run = run.typed::<i32, i32>(&caller)?;
            run.call_async(&mut caller, depth - 1).await
        })
    });
    linker.func_wrap_async("host", "descend", descend).unwrap();
    let mut store = Store::new(engine, Counts::default());
    let instance = linker.instantiate(&mut store, &module).unwrap();
    let run = instance.get_typed_func(&mut store, "run").unwrap();
    (store, instance, run)
}

#[test]
fn a_dropped_call_drops_what_its_host_functions_have() {
    in_every_mode(|engine| {
        for polls in [0, 1, 2, 5, 30] {
            let (mut store, _, run) = nested(engine);
            let mut call = Box::pin(run.call_async(&mut store, 3));
            for _ in 0..polls {
                assert!(poll_on_new_thread(call.as_mut()).is_pending());
            }
            drop(call);
            let [began, dropped] = store.data().get();
            assert_eq!((began, dropped), (polls.min(4), polls.min(4)));
            // The store can be used again, from the start.
            assert_eq!(block_on(run.call_async(&mut store, 2)).unwrap(), 3);
        }
    });
}

#[test]
fn calls_of_a_store_that_are_cancelled_leave_nothing() {
    in_every_mode(|engine| {
        let (mut store, instance, run) = nested(engine);
        let turns = instance.get_global(&mut store, "turns").unwrap();
        for _ in 0..200 {
            let mut call = pin!(run.call_async(&mut store, 1));
            for _ in 0..7 {
                assert!(poll_once(call.as_mut()).is_pending());
            }
        }
        assert_eq!(store.data().get(), [400, 400]);
        assert_eq!(turns.get(&mut store).i32(), Some(400));
    });
}

/// Where a future is leaked, so is its stack, and the store goes on without it.
#[test]
fn a_leaked_call_does_no_harm() {
    in_every_mode(|engine| {
        let (mut store, _, run) = nested(engine);
        let mut call = Box::pin(run.call_async(&mut store, 1));
        assert!(poll_once(call.as_mut()).is_pending());
        std::mem::forget(call);
        assert_eq!(block_on(run.call_async(&mut store, 1)).unwrap(), 2);
    });
}

#[test]
fn a_destructor_that_panics_panics_where_the_call_is_dropped() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("in a destructor");
        }
    }
    in_every_mode(|engine| {
        let module = r#"(module
            (import "host" "wait" (func $wait))
            (func (export "run") (call $wait))
            (func (export "fine") (result i32) (i32.const 1)))"#;
        let module = Module::new(engine, module).unwrap();
        let mut linker = Linker::<()>::new(engine);
        let wait = host_fn(|_: Caller<'_, ()>, (): ()| {
            Box::new(async {
                let bomb = Bomb;
                pending(5).await;
                std::mem::forget(bomb);
            })
        });
        linker.func_wrap_async("host", "wait", wait).unwrap();
        let mut store = Store::new(engine, ());
        let instance = linker.instantiate(&mut store, &module).unwrap();
        let run = instance
            .get_typed_func::<(), ()>(&mut store, "run")
            .unwrap();
        let mut call = Box::pin(run.call_async(&mut store, ()));
        assert!(poll_once(call.as_mut()).is_pending());
        let panic = catch_unwind(AssertUnwindSafe(|| drop(call))).unwrap_err();
        assert_eq!(panic.downcast_ref(), Some(&"in a destructor"));
        let fine = instance
            .get_typed_func::<(), i32>(&mut store, "fine")
            .unwrap();
        assert_eq!(fine.call(&mut store, ()).unwrap(), 1);
        block_on(run.call_async(&mut store, ())).unwrap();
    });
}
