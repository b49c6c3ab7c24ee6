//! Many calls at once, on executors with one thread and with several.

use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::task::{LocalSet, spawn_local, yield_now};
use tokio::time::{sleep, timeout};
use upshift::{Caller, Engine, Linker, Module, Result, Store, Trap};

use crate::{host_fn, in_every_mode, support};

fn executors() -> [Runtime; 2] {
    [
        Builder::new_current_thread().enable_time().build().unwrap(),
        Builder::new_multi_thread()
            .worker_threads(3)
            .enable_time()
            .build()
            .unwrap(),
    ]
}

/// Computes between two waits, calls a function of its own host asynchronously, and ends in a trap
/// if it is told to.
const WORK: &str = r#"(module
    (import "host" "wait" (func $wait (param i32) (result i32)))
    (import "host" "twice" (func $twice (param i32) (result i32)))
    (func $fib (export "fib") (param i32) (result i32)
        (if (result i32) (i32.lt_u (local.get 0) (i32.const 2))
            (then (local.get 0))
            (else (i32.add (call $fib (i32.sub (local.get 0) (i32.const 1)))
                (call $fib (i32.sub (local.get 0) (i32.const 2)))))))
    (func (export "work") (param $n i32) (result i32) (local $i i32) (local $sum i32)
        (loop $again
            (local.set $sum (i32.add (local.get $sum) (call $wait (local.get $i))))
            (local.set $sum (i32.add (local.get $sum)
                (call $fib (i32.rem_u (i32.add (local.get $n) (local.get $i)) (i32.const 8)))))
            (local.set $sum (i32.add (local.get $sum) (call $twice (i32.const 6))))
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if $again (i32.lt_u (local.get $i) (i32.const 5))))
        (if (i32.eqz (i32.rem_u (local.get $n) (i32.const 7))) (then (unreachable)))
        (local.get $sum)))"#;

fn fib(n: u32) -> i32 {
    if n < 2 {
        n as i32
    } else {
        fib(n - 1) + fib(n - 2)
    }
}

fn worked(n: u32) -> i32 {
    (0..5)
        .map(|i| i as i32 + fib((n + i) % 8) + 2 * fib(6))
        .sum()
}

fn linker(engine: &Engine) -> Linker<()> {
    let mut linker = Linker::new(engine);
    let wait = host_fn(|_: Caller<'_, ()>, (n,): (i32,)| {
        Box::new(async move {
            match n % 3 {
                0 => sleep(Duration::from_micros(200)).await,
                _ => yield_now().await,
            }
            n
        })
    });
    let twice = host_fn(|mut caller: Caller<'_, ()>, (n,): (i32,)| {
        Box::new(async move {
            let fib = caller.get_export("fib").unwrap().into_func().unwrap();
            let fib = fib.typed::<i32, i32>(&caller)?;
            let one = fib.call_async(&mut caller, n).await?;
            yield_now().await;
            Ok(one + fib.call_async(&mut caller, n).await?)
        })
    });
    linker.func_wrap_async("host", "wait", wait).unwrap();
    linker.func_wrap_async("host", "twice", twice).unwrap();
    linker
}

#[test]
fn many_calls_share_few_threads() {
    for executor in executors() {
        in_every_mode(|engine| {
            let module = Module::new(engine, WORK).unwrap();
            let ready = linker(engine).instantiate_pre(&module).unwrap();
            executor.block_on(async {
                let calls = (0..400).map(|n| {
                    let (engine, ready) = (engine.clone(), ready.clone());
                    tokio::spawn(async move {
                        let mut store = Store::new(&engine, ());
                        let instance = ready.instantiate_async(&mut store).await?;
                        let work = instance.get_typed_func::<u32, i32>(&mut store, "work")?;
                        work.call_async(&mut store, n).await
                    })
                });
                for (n, call) in calls.collect::<Vec<_>>().into_iter().enumerate() {
                    let result = call.await.unwrap();
                    match n % 7 {
                        0 => {
                            assert_eq!(result.unwrap_err().downcast_ref(), Some(&Trap::Unreachable))
                        }
                        _ => assert_eq!(result.unwrap(), worked(n as u32)),
                    }
                }
            });
        });
    }
}

/// Thousands wait at the same time; they go on in any order.
#[test]
fn thousands_are_suspended() {
    const CALLS: usize = 4000;
    for executor in executors() {
        let (_, engine) = support::modes::engines().last().unwrap();
        let module = Module::new(
            engine,
            r#"(module
                (import "host" "meet" (func $meet (param i32) (result i32)))
                (func (export "run") (param i32) (result i32)
                    (i32.add (local.get 0) (call $meet (local.get 0)))))"#,
        )
        .unwrap();
        let barrier = std::sync::Arc::new(tokio::sync::Barrier::new(CALLS));
        let mut linker = Linker::<()>::new(engine);
        let meet = host_fn(move |_: Caller<'_, ()>, (n,): (i32,)| {
            let barrier = barrier.clone();
            Box::new(async move {
                // All are here before the first one goes on.
                barrier.wait().await;
                n
            })
        });
        linker.func_wrap_async("host", "meet", meet).unwrap();
        let ready = linker.instantiate_pre(&module).unwrap();
        executor.block_on(async {
            let calls = (0..CALLS as i32).map(|n| {
                let (engine, ready) = (engine.clone(), ready.clone());
                tokio::spawn(async move {
                    let mut store = Store::new(&engine, ());
                    let instance = ready.instantiate_async(&mut store).await.unwrap();
                    let run = instance
                        .get_typed_func::<i32, i32>(&mut store, "run")
                        .unwrap();
                    run.call_async(&mut store, n).await.unwrap()
                })
            });
            for (n, call) in calls.collect::<Vec<_>>().into_iter().enumerate() {
                assert_eq!(call.await.unwrap(), 2 * n as i32);
            }
        });
    }
}

/// Calls that wait are cancelled by timeouts, some of them in the middle of calls within calls.
#[test]
fn timeouts_cancel() {
    for executor in executors() {
        in_every_mode(|engine| {
            let module = Module::new(engine, WORK).unwrap();
            let ready = linker(engine).instantiate_pre(&module).unwrap();
            executor.block_on(async {
                let calls = (0..100_u64).map(|n| {
                    let (engine, ready) = (engine.clone(), ready.clone());
                    tokio::spawn(async move {
                        let mut store = Store::new(&engine, ());
                        let instance = ready.instantiate_async(&mut store).await.unwrap();
                        let work = instance
                            .get_typed_func::<u32, i32>(&mut store, "work")
                            .unwrap();
                        let call = work.call_async(&mut store, 1);
                        let in_time = timeout(Duration::from_micros(50 * n), call).await;
                        // The store is as good as new.
                        let again = work.call_async(&mut store, 2).await.unwrap();
                        (in_time.map(Result::unwrap), again)
                    })
                });
                for call in calls.collect::<Vec<_>>() {
                    let (first, second) = call.await.unwrap();
                    assert!(first.is_err() || first.unwrap() == worked(1));
                    assert_eq!(second, worked(2));
                }
            });
        });
    }
}

/// A future need not be `Send`able to be polled on one thread.
#[test]
fn calls_on_one_thread() {
    in_every_mode(|engine| {
        let module = Module::new(engine, WORK).unwrap();
        let linker = linker(engine);
        let local = LocalSet::new();
        let executor = Builder::new_current_thread().enable_time().build().unwrap();
        for n in 1..7 {
            let mut store = Store::new(engine, ());
            let instance = linker.instantiate(&mut store, &module).unwrap();
            local.spawn_local(async move {
                let own = std::rc::Rc::new(n);
                let work = instance
                    .get_typed_func::<u32, i32>(&mut store, "work")
                    .unwrap();
                let inner = spawn_local(async move { work.call_async(&mut store, n).await });
                assert_eq!(inner.await.unwrap().unwrap(), worked(*own));
            });
        }
        executor.block_on(local);
    });
}
