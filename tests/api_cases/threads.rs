//! One engine, many threads: interruption, and stores that run the same module at once.

use std::hint;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use upshift::{Caller, Engine, InterruptHandle, Linker, Module, Store, Trap};

use crate::support::watchdog::Watchdog;
use crate::{in_every_mode, instance};

const ENDLESS: &str = r#"(module
    (global $turns (mut i64) (i64.const 0))
    (func $turn (global.set $turns (i64.add (global.get $turns) (i64.const 1))))
    (func (export "tight") (loop (br 0)))
    (func (export "counting") (local i64)
        (loop (local.set 0 (i64.add (local.get 0) (i64.const 1))) (br 0)))
    (func (export "calling") (loop (call $turn) (br 0)))
    (func (export "fine")))"#;

#[test]
fn another_thread_interrupts_any_loop() {
    in_every_mode(|engine| {
        let (mut store, instance) = instance(engine, ENDLESS);
        for export in ["tight", "counting", "calling"] {
            let func = instance
                .get_typed_func::<(), ()>(&mut store, export)
                .unwrap();
            let watchdog = Watchdog::start(store.interrupt_handle(), Duration::from_millis(30));
            let error = func.call(&mut store, ()).unwrap_err();
            drop(watchdog);
            assert_eq!(error.downcast_ref(), Some(&Trap::Interrupt), "{export}");
        }
    });
}

#[test]
fn an_early_interruption_stops_the_next_call() {
    in_every_mode(|engine| {
        let (mut store, instance) = instance(engine, ENDLESS);
        let fine = instance
            .get_typed_func::<(), ()>(&mut store, "fine")
            .unwrap();
        store.interrupt_handle().interrupt();
        let error = fine.call(&mut store, ()).unwrap_err();
        assert_eq!(error.downcast_ref(), Some(&Trap::Interrupt));
        fine.call(&mut store, ()).unwrap();
    });
}

/// Stores that run and one that does not are interrupted together, each once.
#[test]
fn several_stores_are_interrupted_together() {
    let engine = Engine::default();
    let (mut idle, fine) = instance(&engine, ENDLESS);
    let running = AtomicU32::new(0);
    let (sender, handles) = channel();
    thread::scope(|scope| {
        for _ in 0..4 {
            let (sender, engine, running) = (sender.clone(), &engine, &running);
            scope.spawn(move || {
                let (mut store, instance) = instance(engine, ENDLESS);
                let func = |store: &mut Store<()>, name| {
                    instance.get_typed_func::<(), ()>(store, name).unwrap()
                };
                let (tight, fine) = (func(&mut store, "tight"), func(&mut store, "fine"));
                sender.send(store.interrupt_handle()).unwrap();
                running.fetch_add(1, Ordering::Relaxed);
                let error = tight.call(&mut store, ()).unwrap_err();
                assert_eq!(error.downcast_ref(), Some(&Trap::Interrupt));
                fine.call(&mut store, ()).unwrap();
            });
        }
        let mut all: Vec<_> = handles.iter().take(4).collect();
        while running.load(Ordering::Relaxed) < 4 {
            thread::yield_now();
        }
        thread::sleep(Duration::from_millis(20));
        all.push(idle.interrupt_handle());
        InterruptHandle::interrupt_all(&all);
    });
    let fine = fine.get_typed_func::<(), ()>(&mut idle, "fine").unwrap();
    let error = fine.call(&mut idle, ()).unwrap_err();
    assert_eq!(error.downcast_ref(), Some(&Trap::Interrupt));
    fine.call(&mut idle, ()).unwrap();
}

/// An interruption and a call at the same moment, again and again: the call is refused, or is
/// interrupted inside.
#[test]
fn an_interruption_at_the_entrance_is_not_lost() {
    const ROUNDS: u32 = 3000;
    let engine = Engine::default();
    let (mut store, instance) = instance(&engine, ENDLESS);
    let tight = instance.get_typed_func::<(), ()>(&mut store, "tight");
    let tight = tight.unwrap();
    let handle = store.interrupt_handle();
    let _rescue = Watchdog::start(handle.clone(), Duration::from_secs(20));
    let round = AtomicU32::new(0);
    thread::scope(|scope| {
        scope.spawn(|| {
            for n in 1..=ROUNDS {
                while round.load(Ordering::Acquire) < n {
                    hint::spin_loop();
                }
                (0..n % 64).for_each(|_| hint::spin_loop());
                handle.interrupt();
            }
        });
        for n in 1..=ROUNDS {
            let start = Instant::now();
            round.store(n, Ordering::Release);
            let error = tight.call(&mut store, ()).unwrap_err();
            assert_eq!(error.downcast_ref(), Some(&Trap::Interrupt));
            assert!(
                start.elapsed() < Duration::from_secs(10),
                "lost in round {n}"
            );
        }
    });
}

const FIBONACCI: &str = r#"(module
    (import "host" "count" (func $count))
    (func $fib (param i32) (result i64)
        (if (result i64) (i32.lt_u (local.get 0) (i32.const 2))
            (then (i64.extend_i32_u (local.get 0)))
            (else (i64.add
                (call $fib (i32.sub (local.get 0) (i32.const 1)))
                (call $fib (i32.sub (local.get 0) (i32.const 2)))))))
    (func $loop (export "run") (param $n i32) (result i64) (local $sum i64)
        (loop $next
            (call $count)
            (local.set $sum
                (i64.add (local.get $sum) (call $fib (i32.and (local.get $n) (i32.const 15)))))
            (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
        (local.get $sum)))"#;

/// The result that `run` of the module must have.
fn expected(n: u32) -> i64 {
    let fib = |n: u32| (0..n).fold((0, 1), |(a, b), _| (b, a + b)).0;
    (1..=n).map(|n| fib(n & 15)).sum()
}

#[test]
fn many_stores_run_one_module_at_once() {
    const THREADS: u32 = 8;
    const ROUNDS: u32 = 300;
    in_every_mode(|engine| {
        let module = Module::new(engine, FIBONACCI).unwrap();
        let mut linker = Linker::<u32>::new(engine);
        let count = |mut caller: Caller<'_, u32>| *caller.data_mut() += 1;
        linker.func_wrap("host", "count", count).unwrap();
        thread::scope(|scope| {
            for i in 0..THREADS {
                let (module, linker) = (&module, &linker);
                scope.spawn(move || {
                    let n = ROUNDS + i;
                    let mut store = Store::new(module.engine(), 0);
                    let instance = linker.instantiate(&mut store, module).unwrap();
                    let run = instance
                        .get_typed_func::<u32, i64>(&mut store, "run")
                        .unwrap();
                    assert_eq!(run.call(&mut store, n).unwrap(), expected(n));
                    assert_eq!(store.into_data(), n);
                });
            }
        });
    });
}

#[test]
fn a_store_moves_between_threads() {
    in_every_mode(|engine| {
        let module = Module::new(engine, FIBONACCI).unwrap();
        let mut linker = Linker::<u32>::new(engine);
        linker.func_wrap("host", "count", || ()).unwrap();
        let mut store = Store::new(engine, 0);
        let instance = linker.instantiate(&mut store, &module).unwrap();
        let (sender, receiver) = channel();
        sender.send(store).unwrap();
        for _ in 0..4 {
            let mut store: Store<u32> = receiver.recv().unwrap();
            let thread = thread::spawn(move || {
                let run = instance
                    .get_typed_func::<u32, i64>(&mut store, "run")
                    .unwrap();
                assert_eq!(run.call(&mut store, 50).unwrap(), expected(50));
                store
            });
            sender.send(thread.join().unwrap()).unwrap();
        }
    });
}

#[test]
fn modules_come_and_go_while_others_run() {
    in_every_mode(|engine| {
        thread::scope(|scope| {
            for i in 0..4 {
                scope.spawn(move || {
                    for round in 0..25 {
                        let n = i * 100 + round;
                        let text =
                            format!("(module (func (export \"f\") (result i32) (i32.const {n})))");
                        let (mut store, instance) = instance(engine, &text);
                        let func = instance.get_typed_func::<(), i32>(&mut store, "f").unwrap();
                        assert_eq!(func.call(&mut store, ()).unwrap(), n);
                    }
                });
            }
        });
    });
}

/// A host function may wait for another thread that calls back into the store: that call is limited
/// by that thread's stack, and interruptions reach it.
#[test]
fn a_nested_call_on_another_thread_has_its_own_stack() {
    in_every_mode(|engine| {
        let module = Module::new(
            engine,
            r#"(module
                (import "host" "elsewhere" (func $elsewhere))
                (func (export "run") (call $elsewhere))
                (func $deep (export "deep") (call $deep))
                (func (export "spin") (loop (br 0))))"#,
        )
        .unwrap();
        for (export, expected) in [("deep", Trap::StackOverflow), ("spin", Trap::Interrupt)] {
            let mut linker = Linker::<()>::new(engine);
            let elsewhere = move |mut caller: Caller<'_, ()>| -> upshift::Result<()> {
                let inner = caller.get_export(export).unwrap().into_func().unwrap();
                let inner = inner.typed::<(), ()>(&caller)?;
                thread::scope(|scope| scope.spawn(|| inner.call(&mut caller, ())).join().unwrap())
            };
            linker.func_wrap("host", "elsewhere", elsewhere).unwrap();
            let mut store = Store::new(engine, ());
            let instance = linker.instantiate(&mut store, &module).unwrap();
            let run = instance
                .get_typed_func::<(), ()>(&mut store, "run")
                .unwrap();
            let limit = store.arm_timeout(Duration::from_millis(50));
            let error = run.call(&mut store, ()).unwrap_err();
            assert_eq!(error.downcast_ref(), Some(&expected), "{export}: {error:?}");
            drop(limit);
        }
    });
}
