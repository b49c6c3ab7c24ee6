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

/// wasmi has no code to keep; functions are translated when they are first called.
fn bench_wasmi(group: &mut BenchmarkGroup<'_, WallTime>, wasm: &[u8]) {
    let mut config = wasmi::Config::default();
    config.compilation_mode(wasmi::CompilationMode::Lazy);
    let engine = wasmi::Engine::new(&config);
    group.bench_function("load/wasmi", |b| {
        b.iter(|| wasmi::Module::new(&engine, wasm).expect("the module is valid"));
    });
    let module = wasmi::Module::new(&engine, wasm).expect("the module is valid");
    let mut linker = wasmi::Linker::<()>::new(&engine);
    for import in module.imports() {
        let wasmi::ExternType::Func(ty) = import.ty() else {
            unreachable!("it imports functions only");
        };
        let defined = linker.func_new(
            import.module(),
            import.name(),
            ty.clone(),
            |_: wasmi::Caller<'_, ()>, _: &[wasmi::Val], _: &mut [wasmi::Val]| {
                Err(wasmi::Error::new("nothing should be called"))
            },
        );
        defined.expect("each is defined once");
    }
    group.bench_function("instantiate/wasmi", |b| {
        b.iter(|| {
            let mut store = wasmi::Store::new(&engine, ());
            let instance = linker.instantiate_and_start(&mut store, &module);
            instance.expect("it does not trap");
        });
    });
}

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
        bench_wasmi(&mut group, &wasm);
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
