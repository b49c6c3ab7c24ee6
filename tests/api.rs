//! The embedding API, in every execution mode.

#![forbid(unsafe_code)]

mod support {
    pub mod configs;
    pub mod modes;
    pub mod watchdog;
}

mod api_cases {
    mod arithmetic;
    mod atomics;
    mod bulk;
    mod caching;
    mod compilation_hints;
    mod compiling;
    mod core_dumps;
    mod counting;
    mod dispatch;
    mod displaced;
    mod epoch_callbacks;
    mod epochs;
    mod exception_frames;
    mod exception_inlining;
    mod exception_lifetimes;
    mod exceptions;
    mod externs;
    mod features;
    mod fuel;
    mod hints;
    mod hooks;
    mod host;
    mod inlining;
    mod interruption;
    mod items;
    mod ladders;
    mod limits;
    mod litmus;
    mod loading;
    mod local_data;
    mod memories;
    mod memory_checks;
    mod memory_types;
    mod modules;
    mod natives;
    mod operands;
    mod optimized;
    mod references;
    mod sampling;
    mod shared_memories;
    mod stacks;
    mod threads;
    mod trials;
    mod vectors;
    mod virtual_time;
    mod waiting;
    mod warm_starts;
    mod wide;
    mod wide_tables;
}

use upshift::{Engine, Instance, Linker, Module, Store};

/// Runs a test in every mode, and names the mode if it fails.
fn in_every_mode(test: impl Fn(&Engine)) {
    for (mode, engine) in support::modes::engines() {
        eprintln!("mode {mode}");
        test(engine);
    }
}

/// A store with an instance of a module that imports nothing.
fn instance(engine: &Engine, text: &str) -> (Store<()>, Instance) {
    let module = Module::new(engine, text).expect("a valid module");
    let mut store = Store::new(engine, ());
    let instance = Linker::new(engine).instantiate(&mut store, &module);
    (store, instance.expect("a module without imports"))
}
