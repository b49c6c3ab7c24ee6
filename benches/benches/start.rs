//! What a start costs: a module from its bytes, the same with code that was compiled before, and an
//! instance of it.
//!
//! `cargo bench -p upshift-benches --bench start`, with the corpus of `scripts/fetch-corpus`.

#![allow(unsafe_code, reason = "code is loaded that was compiled just now")]

use std::fs;
use std::path::Path;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, criterion_group, criterion_main};
use upshift_benches::places;

/// Defines the same benchmark for each crate: the two APIs have the same names.
macro_rules! bench_api {
    ($bench:ident, $api:ident) => {
        fn $bench(
            group: &mut BenchmarkGroup<'_, WallTime>,
            name: &str,
            wasm: &[u8],
            config: &$api::Config,
        ) {
            let engine = $api::Engine::new(config).expect("the configuration is valid");
            group.bench_function(format!("load/{name}"), |b| {
                b.iter(|| $api::Module::new(&engine, wasm).expect("the module is valid"));
            });
            let compiled = engine.precompile_module(wasm).expect("it is compiled");
            let file = std::env::temp_dir().join(format!("start-{}", std::process::id()));
            fs::write(&file, compiled).expect("a file can be written");
            // SAFETY: the file has what `precompile_module` returned.
            let load = || unsafe { $api::Module::deserialize_file(&engine, &file) };
            group.bench_function(format!("deserialize/{name}"), |b| {
                b.iter(|| load().expect("it is of this engine"));
            });
            let module = load().expect("it is of this engine");
            fs::remove_file(&file).expect("it can be removed");
            let mut linker = $api::Linker::<()>::new(&engine);
            let defined = linker.define_unknown_imports_as_traps(&module);
            defined.expect("it imports functions only");
            let ready = linker.instantiate_pre(&module).expect("all is defined");
            group.bench_function(format!("instantiate/{name}"), |b| {
                b.iter(|| {
                    let mut store = $api::Store::new(&engine, ());
                    ready.instantiate(&mut store).expect("it does not trap");
                });
            });
        }
    };
}

bench_api!(bench_upshift, upshift);
bench_api!(bench_wasmtime, wasmtime);

fn start(criterion: &mut Criterion) {
    let corpus = &places::find().expect("the corpus").corpus;
    for program in [
        "libraries/zlib_crc32.wasm",
        "libraries/quickjs.wasm",
        "python.wasm",
    ] {
        let wasm = fs::read(corpus.join(program)).expect("it was fetched or built");
        let name = Path::new(program).file_stem().unwrap_or_default();
        let mut group = criterion.benchmark_group(format!("start {}", name.display()));
        group.sample_size(10);
        let upshift = upshift::Config::new();
        bench_upshift(&mut group, "upshift", &wasm, &upshift);
        bench_wasmtime(
            &mut group,
            "wasmtime cranelift",
            &wasm,
            &wasmtime::Config::new(),
        );
        let mut winch = wasmtime::Config::new();
        winch.strategy(wasmtime::Strategy::Winch);
        if name != "python" {
            bench_wasmtime(&mut group, "wasmtime winch", &wasm, &winch);
        }
        group.finish();
    }
}

criterion_group!(benches, start);
criterion_main!(benches);
