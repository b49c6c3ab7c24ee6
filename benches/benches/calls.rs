//! The cost of one call: from Rust into WebAssembly, out of it, and inside it, in each compiler;
//! and the same with a hook that does nothing.
//!
//! `cargo bench -p upshift-benches --bench calls`. With `--features call-hook` Wasmtime has a hook
//! too, which costs its calls a little also where none is set.

use std::hint::black_box;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};

const MODULE: &str = r#"
    (module
      (import "host" "nop" (func $nop))
      (import "host" "add" (func $add (param i32 i32) (result i32)))
      (type $binary (func (param i32 i32) (result i32)))
      (table funcref (elem $local))
      (func $local (param i32 i32) (result i32) (i32.sub (local.get 0) (local.get 1)))
      (func (export "nop"))
      (func (export "sum") (param i32 i64 f64) (result f64)
        (f64.add (local.get 2)
          (f64.convert_i64_s (i64.add (local.get 1) (i64.extend_i32_s (local.get 0))))))
      (func (export "to_nop") (param $n i32)
        (loop $again
          (call $nop)
          (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
      (func (export "to_add") (param $n i32) (result i32) (local $sum i32)
        (loop $again
          (local.set $sum (call $add (local.get $sum) (local.get $n)))
          (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
        (local.get $sum))
      (func (export "direct") (param $n i32) (result i32) (local $sum i32)
        (loop $again
          (local.set $sum (call $local (local.get $sum) (local.get $n)))
          (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
        (local.get $sum))
      (func (export "indirect") (param $n i32) (result i32) (local $sum i32)
        (loop $again
          (local.set $sum
            (call_indirect (type $binary) (local.get $sum) (local.get $n) (i32.const 0)))
          (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
        (local.get $sum)))
"#;

/// Calls per measurement where WebAssembly is the caller.
const CALLS: i32 = 10_000;

/// Defines the same benchmark for each crate: the two APIs have the same names.
macro_rules! bench_api {
    ($bench:ident, $api:ident) => {
        fn $bench(
            group: &mut BenchmarkGroup<'_, WallTime>,
            name: &str,
            config: &$api::Config,
            prepare: fn(&mut $api::Store<u64>),
        ) {
            let engine = $api::Engine::new(config).expect("the configuration is valid");
            let module = $api::Module::new(&engine, MODULE).expect("the module is valid");
            let mut linker = $api::Linker::<u64>::new(&engine);
            let nop = |mut caller: $api::Caller<'_, u64>| *caller.data_mut() += 1;
            linker.func_wrap("host", "nop", nop).expect("defined once");
            linker
                .func_wrap("host", "add", |a: i32, b: i32| a.wrapping_add(b))
                .expect("defined once");
            let mut store = $api::Store::new(&engine, 0);
            prepare(&mut store);
            let instance = linker
                .instantiate(&mut store, &module)
                .expect("all imports are defined");

            group.throughput(Throughput::Elements(1));
            let nop = instance
                .get_typed_func::<(), ()>(&mut store, "nop")
                .expect("exported");
            group.bench_function(format!("rust to wasm, no values/{name}"), |b| {
                b.iter(|| nop.call(&mut store, ()).expect("does not trap"));
            });
            let sum = instance
                .get_typed_func::<(i32, i64, f64), f64>(&mut store, "sum")
                .expect("exported");
            group.bench_function(format!("rust to wasm, three values/{name}"), |b| {
                b.iter(|| {
                    sum.call(&mut store, black_box((1, 2, 3.0)))
                        .expect("does not trap")
                });
            });

            group.throughput(Throughput::Elements(CALLS as u64));
            let to_nop = instance
                .get_typed_func::<i32, ()>(&mut store, "to_nop")
                .expect("exported");
            group.bench_function(format!("wasm to rust, no values/{name}"), |b| {
                b.iter(|| to_nop.call(&mut store, CALLS).expect("does not trap"));
            });
            for (export, what) in [
                ("to_add", "wasm to rust, three values"),
                ("direct", "wasm to wasm, direct"),
                ("indirect", "wasm to wasm, indirect"),
            ] {
                let func = instance
                    .get_typed_func::<i32, i32>(&mut store, export)
                    .expect("exported");
                group.bench_function(format!("{what}/{name}"), |b| {
                    b.iter(|| func.call(&mut store, CALLS).expect("does not trap"));
                });
            }
        }
    };
}

bench_api!(bench_upshift, upshift);
bench_api!(bench_wasmtime, wasmtime);

/// The configurations of Upshift that are measured, by name.
fn ours() -> [(&'static str, upshift::Config); 2] {
    use upshift::Strategy::{Baseline, Optimizer};
    [
        ("upshift baseline", Baseline),
        ("upshift optimizer", Optimizer),
    ]
    .map(|(name, strategy)| {
        let mut config = upshift::Config::new();
        config.strategy(strategy);
        (name, config)
    })
}

fn calls(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("calls");
    for (name, config) in ours() {
        bench_upshift(&mut group, name, &config, |_| {});
    }
    let wasmtime = wasmtime::Config::new();
    bench_wasmtime(&mut group, "wasmtime cranelift", &wasmtime, |_| {});
    group.finish();
    let mut group = criterion.benchmark_group("calls with a hook");
    for (name, config) in ours() {
        bench_upshift(&mut group, name, &config, |store| {
            store.call_hook(|_, _| Ok(()));
        });
    }
    #[cfg(feature = "call-hook")]
    bench_wasmtime(&mut group, "wasmtime cranelift", &wasmtime, |store| {
        store.call_hook(|_, _| Ok(()));
    });
    group.finish();
}

criterion_group!(benches, calls);
criterion_main!(benches);
