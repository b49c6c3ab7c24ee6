//! The cost of asynchronous calls: of an export, of host functions that are ready at once or wait,
//! and of guests that yield by epochs or fuel. The executor polls again at once, so that what is
//! measured is the engine's part.
//!
//! `cargo bench -p upshift-benches --bench asynchronous`

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};

const MODULE: &str = r#"
    (module
      (import "host" "ready" (func $ready (param i32) (result i32)))
      (import "host" "waits" (func $waits (param i32) (result i32)))
      (func (export "nop"))
      (func (export "to_ready") (param $n i32)
        (loop $again
          (br_if $again (call $ready (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))))
      (func (export "to_waits") (param $n i32)
        (loop $again
          (br_if $again (call $waits (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))))
      (func (export "loops") (param $n i32)
        (loop $again
          (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))))
"#;

/// Calls of the host, or iterations, per measurement.
const CALLS: i32 = 1_000;

/// Polls a future until it is done. Returns its result, and how often it was not done.
fn block_on<F: Future>(future: F) -> (F::Output, u64) {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    let mut pending = 0;
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(result) => return (result, pending),
            Poll::Pending => pending += 1,
        }
    }
}

/// Is pending the first time that it is polled.
async fn wait_once() {
    let mut waited = false;
    std::future::poll_fn(|context| {
        if std::mem::replace(&mut waited, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Defines the same benchmark for each crate: the two APIs have the same names.
macro_rules! bench_api {
    ($bench:ident, $api:ident) => {
        mod $bench {
            use super::*;
            use $api::{Caller, Config, Engine, Instance, Linker, Module, Store};

            fn instance(config: &Config) -> (Store<()>, Instance) {
                let engine = Engine::new(config).expect("the configuration is valid");
                let module = Module::new(&engine, MODULE).expect("the module is valid");
                let mut linker = Linker::<()>::new(&engine);
                linker
                    .func_wrap_async("host", "ready", |_: Caller<'_, ()>, (number,): (i32,)| {
                        Box::new(async move { number })
                    })
                    .expect("defined once");
                linker
                    .func_wrap_async("host", "waits", |_: Caller<'_, ()>, (number,): (i32,)| {
                        Box::new(async move {
                            wait_once().await;
                            number
                        })
                    })
                    .expect("defined once");
                let mut store = Store::new(&engine, ());
                // What is not consumed can't be set.
                let _ = store.set_fuel(u64::MAX);
                store.set_epoch_deadline(1);
                let (instance, _) = block_on(linker.instantiate_async(&mut store, &module));
                (store, instance.expect("all imports are defined"))
            }

            /// Measures one call of an export that takes a number, by what it does that often.
            fn many(
                group: &mut BenchmarkGroup<'_, WallTime>,
                id: String,
                export: &str,
                (mut store, instance): (Store<()>, Instance),
            ) {
                let func = instance
                    .get_typed_func::<i32, ()>(&mut store, export)
                    .expect("exported");
                let mut call = || {
                    let (done, pending) = block_on(func.call_async(&mut store, CALLS));
                    done.expect("does not trap");
                    pending
                };
                // Some wait or yield, each time or every few iterations; the others are ready.
                let elements = match call() {
                    0 => CALLS as u64,
                    pending => pending,
                };
                group.throughput(Throughput::Elements(elements));
                group.bench_function(id, |b| b.iter(&mut call));
            }

            pub(super) fn bench(
                group: &mut BenchmarkGroup<'_, WallTime>,
                name: &str,
                config: &Config,
            ) {
                let (mut store, instance_) = instance(config);
                let nop = instance_
                    .get_typed_func::<(), ()>(&mut store, "nop")
                    .expect("exported");
                group.throughput(Throughput::Elements(1));
                group.bench_function(format!("call of an export/{name}"), |b| {
                    b.iter(|| {
                        let (done, _) = block_on(nop.call_async(&mut store, ()));
                        done.expect("does not trap");
                    });
                });
                let id = format!("host function, ready at once/{name}");
                many(group, id, "to_ready", instance(config));
                let id = format!("host function, waits once/{name}");
                many(group, id, "to_waits", instance(config));

                let mut looking = config.clone();
                let (mut store, instance_) = instance(looking.epoch_interruption(true));
                store.epoch_deadline_async_yield_and_update(0);
                store.set_epoch_deadline(0);
                let id = format!("yield by epochs/{name}");
                many(group, id, "loops", (store, instance_));

                let mut counting = config.clone();
                let (mut store, instance_) = instance(counting.consume_fuel(true));
                // Two iterations or fewer: each yields, or every second one.
                let yields = store.fuel_async_yield_interval(Some(8));
                yields.expect("fuel is consumed");
                let id = format!("yield by fuel/{name}");
                many(group, id, "loops", (store, instance_));
            }
        }
    };
}

bench_api!(with_upshift, upshift);
bench_api!(with_wasmtime, wasmtime);

fn asynchronous(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("asynchronous");
    let mut config = upshift::Config::new();
    config.strategy(upshift::Strategy::Baseline);
    with_upshift::bench(&mut group, "upshift baseline", &config);
    config.strategy(upshift::Strategy::Optimizer);
    with_upshift::bench(&mut group, "upshift optimizer", &config);
    with_wasmtime::bench(&mut group, "wasmtime cranelift", &wasmtime::Config::new());
    group.finish();
}

criterion_group!(benches, asynchronous);
criterion_main!(benches);
