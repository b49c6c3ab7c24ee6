//! Interruptions and deadlines of calls that run or wait.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use upshift::{Caller, Engine, Linker, Module, Store, TimedOut, Trap, TypedFunc};

use crate::{block_on, host_fn, in_every_mode, on_new_threads};

const MODULE: &str = r#"(module
    (import "host" "forever" (func $forever))
    (func (export "wait") (call $forever))
    (func (export "spin") (loop (br 0)))
    (func (export "fine")))"#;

/// Says whether the host function's future was dropped.
type Dropped = Arc<AtomicBool>;

fn store(engine: &Engine) -> (Store<Dropped>, [TypedFunc<(), ()>; 3]) {
    struct Guard(Dropped);
    impl Drop for Guard {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let module = Module::new(engine, MODULE).unwrap();
    let mut linker = Linker::<Dropped>::new(engine);
    let forever = host_fn(|caller: Caller<'_, Dropped>, (): ()| {
        let guard = Guard(caller.data().clone());
        Box::new(async move {
            let _guard = guard;
            pending::<()>().await;
        })
    });
    linker.func_wrap_async("host", "forever", forever).unwrap();
    let mut store = Store::new(engine, Dropped::default());
    let instance = linker.instantiate(&mut store, &module).unwrap();
    let funcs =
        ["wait", "spin", "fine"].map(|name| instance.get_typed_func(&mut store, name).unwrap());
    (store, funcs)
}

#[test]
fn a_deadline_ends_calls_that_wait_and_calls_that_run() {
    in_every_mode(|engine| {
        let (mut store, [wait, spin, fine]) = store(engine);
        for func in [wait, spin] {
            let limit = store.arm_timeout(Duration::from_millis(20));
            let error = block_on(func.call_async(&mut store, ())).unwrap_err();
            assert!(error.is::<TimedOut>());
            assert_eq!(error.downcast_ref(), Some(&Trap::Interrupt));
            drop(limit);
            fine.call(&mut store, ()).unwrap();
        }
        assert!(store.data().load(Ordering::Relaxed));
    });
}

#[test]
fn a_handle_wakes_a_call_that_waits() {
    in_every_mode(|engine| {
        let (mut store, [wait, _, fine]) = store(engine);
        for _ in 0..20 {
            let handle = store.interrupt_handle();
            let other = thread::spawn(move || {
                thread::sleep(Duration::from_micros(300));
                handle.interrupt();
            });
            let error = block_on(wait.call_async(&mut store, ())).unwrap_err();
            assert_eq!(error.downcast_ref(), Some(&Trap::Interrupt));
            other.join().unwrap();
            store.disarm();
        }
        block_on(fine.call_async(&mut store, ())).unwrap();
    });
}

/// The thread that resumes a call is the one that is interrupted.
#[test]
fn a_call_that_has_moved_is_interrupted_where_it_runs() {
    in_every_mode(|engine| {
        let module = r#"(module
            (import "host" "wait" (func $wait (param i32) (result i32)))
            (func (export "run") (drop (call $wait (i32.const 3))) (loop (br 0))))"#;
        let (mut store, instance) = crate::waiting_instance(engine, module);
        let run = instance
            .get_typed_func::<(), ()>(&mut store, "run")
            .unwrap();
        store.set_deadline(Some(Instant::now() + Duration::from_millis(30)));
        let (result, polls) = on_new_threads(run.call_async(&mut store, ()));
        let error = result.unwrap_err();
        assert_eq!(error.downcast_ref(), Some(&Trap::Interrupt));
        assert_eq!(polls, 4);
    });
}

/// Deadlines of many calls that wait, on few threads.
#[test]
fn many_calls_time_out() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build();
    let engine = Engine::default();
    let calls: Vec<_> = (0..500)
        .map(|n| {
            let (mut store, [wait, ..]) = store(&engine);
            async move {
                store.set_deadline(Some(Instant::now() + Duration::from_millis(20 + n % 50)));
                wait.call_async(&mut store, ()).await
            }
        })
        .collect();
    runtime.unwrap().block_on(async {
        let calls: Vec<_> = calls.into_iter().map(tokio::spawn).collect();
        for call in calls {
            assert!(call.await.unwrap().unwrap_err().is::<TimedOut>());
        }
    });
}
