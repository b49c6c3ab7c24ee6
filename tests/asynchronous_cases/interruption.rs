//! Interruptions and deadlines of calls that run or wait.

use std::future::pending;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::mpsc::sync_channel;
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

use upshift::{Caller, Engine, Func, Instance, Linker, Module, Store, TimedOut, Trap, TypedFunc};

use crate::{block_on, define_wait, host_fn, in_every_mode, on_new_threads, poll_once};

const MODULE: &str = r#"(module
    (import "host" "forever" (func $forever))
    (func (export "wait") (call $forever))
    (func (export "spin") (loop (br 0)))
    (func (export "fine")))"#;

/// How many of the host function's futures there are.
type Alive = Arc<AtomicI32>;

fn store(engine: &Engine) -> (Store<Alive>, [TypedFunc<(), ()>; 3]) {
    struct Guard(Alive);
    impl Drop for Guard {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::Relaxed);
        }
    }
    let module = Module::new(engine, MODULE).unwrap();
    let mut linker = Linker::<Alive>::new(engine);
    let forever = host_fn(|caller: Caller<'_, Alive>, (): ()| {
        caller.data().fetch_add(1, Ordering::Relaxed);
        let guard = Guard(caller.data().clone());
        Box::new(async move {
            let _guard = guard;
            pending::<()>().await;
        })
    });
    linker.func_wrap_async("host", "forever", forever).unwrap();
    let mut store = Store::new(engine, Alive::default());
    let instance = linker.instantiate(&mut store, &module).unwrap();
    let funcs =
        ["wait", "spin", "fine"].map(|name| instance.get_typed_func(&mut store, name).unwrap());
    (store, funcs)
}

/// An interruption that comes while a host function's future is polled ends the call at once: the
/// future wakes nothing any more.
#[test]
fn a_call_that_is_interrupted_before_it_waits_does_not_wait() {
    in_every_mode(|engine| {
        let (mut store, _) = store(engine);
        let handle = store.interrupt_handle();
        let interrupts = Func::wrap_async(&mut store, move |_: Caller<'_, Alive>, (): ()| {
            handle.interrupt();
            Box::new(pending::<()>())
        });
        let module = r#"(module (import "" "" (func $host)) (func (export "run") (call $host)))"#;
        let module = Module::new(engine, module).unwrap();
        let instance = Instance::new(&mut store, &module, &[interrupts.into()]).unwrap();
        let run = instance.get_typed_func::<(), ()>(&mut store, "run");
        let run = run.unwrap();
        let Poll::Ready(ended) = poll_once(pin!(run.call_async(&mut store, ()))) else {
            panic!("the call waits");
        };
        assert_eq!(ended.unwrap_err().downcast_ref(), Some(&Trap::Interrupt));
    });
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
        assert_eq!(store.data().load(Ordering::Relaxed), 0);
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
            (import "host" "spins" (func $spins))
            (func (export "run")
                (drop (call $wait (i32.const 3))) (call $spins) (loop (br 0))))"#;
        let module = Module::new(engine, module).unwrap();
        let mut linker = Linker::<()>::new(engine);
        define_wait(&mut linker);
        // Interrupted only once it has moved, however slow threads are.
        let (spins, spinning) = sync_channel(1);
        let spins = move || spins.send(()).expect("the other thread waits");
        linker.func_wrap("host", "spins", spins).unwrap();
        let mut store = Store::new(engine, ());
        let instance = linker.instantiate(&mut store, &module).unwrap();
        let run = instance
            .get_typed_func::<(), ()>(&mut store, "run")
            .unwrap();
        let handle = store.interrupt_handle();
        let other = thread::spawn(move || {
            spinning.recv().expect("the call gets there");
            thread::sleep(Duration::from_millis(2));
            handle.interrupt();
        });
        let (result, polls) = on_new_threads(run.call_async(&mut store, ()));
        let error = result.unwrap_err();
        assert_eq!(error.downcast_ref(), Some(&Trap::Interrupt));
        assert_eq!(polls, 4);
        other.join().unwrap();
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

/// Interruptions that come while a thread switches between stacks, again and again: each ends a
/// call or finds none, and nothing else happens.
#[test]
fn interruptions_strike_while_stacks_are_switched() {
    let text = r#"(module
        (import "host" "wait" (func $wait (param i32) (result i32)))
        (func (export "run")
            (loop (br_if 0 (call $wait (i32.const 1))))))"#;
    in_every_mode(|engine| {
        let module = Module::new(engine, text).unwrap();
        let mut linker = Linker::<()>::new(engine);
        define_wait(&mut linker);
        let mut store = Store::new(engine, ());
        let instance = linker.instantiate(&mut store, &module).unwrap();
        let run = instance
            .get_typed_func::<(), ()>(&mut store, "run")
            .unwrap();
        let handle = store.interrupt_handle();
        let done = Arc::new(AtomicI32::new(0));
        let interrupter = thread::spawn({
            let done = done.clone();
            move || {
                while done.load(Ordering::Relaxed) == 0 {
                    handle.interrupt();
                }
            }
        });
        let end = Instant::now() + Duration::from_millis(300);
        while Instant::now() < end {
            let error = block_on(run.call_async(&mut store, ())).unwrap_err();
            assert_eq!(error.downcast_ref(), Some(&Trap::Interrupt));
            store.disarm();
        }
        done.store(1, Ordering::Relaxed);
        interrupter.join().unwrap();
    });
}
