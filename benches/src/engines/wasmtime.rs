//! Wasmtime, in process: the oracle of the tests and the first peer of the benchmarks.

use anyhow::{Result, anyhow};
use wasmtime::{Config, Linker, Module, Store, Strategy};
use wasmtime_wasi::p1::{WasiP1Ctx, add_to_linker_sync};
use wasmtime_wasi::p2::pipe::MemoryOutputPipe;
use wasmtime_wasi::{FsPerms, I32Exit, WasiCtxBuilder};

use super::ruby::script;
use super::scratch::Scratch;
use super::{CallCosts, Driver, Engine, Job, Loaded, Outcome};
use crate::worker::Refused;

mod ruby {
    super::super::ruby::ruby_driver!(wasmtime);
}

mod micro {
    super::super::micro::calls_driver!(wasmtime, instantiate);
}

/// Wasmtime with one of its two compilers.
pub struct Wasmtime {
    name: &'static str,
    config: Config,
}

impl Wasmtime {
    /// Wasmtime with its optimizing compiler, Cranelift.
    pub fn cranelift() -> Self {
        Self::new("wasmtime cranelift", Strategy::Cranelift)
    }

    /// Wasmtime with its baseline compiler, Winch.
    pub fn winch() -> Self {
        Self::new("wasmtime winch", Strategy::Winch)
    }

    /// The same with checks for interruption, at loop headers and function entries.
    #[must_use]
    pub fn with_epochs(mut self) -> Self {
        self.config.epoch_interruption(true);
        self
    }

    /// The same with fuel, which counts executed instructions.
    #[must_use]
    pub fn with_fuel(mut self) -> Self {
        self.config.consume_fuel(true);
        self
    }

    /// The same with a cache of compiled code in a directory.
    ///
    /// # Errors
    ///
    /// If the directory can't be used.
    #[cfg(feature = "cache")]
    pub fn with_cache(mut self, directory: &std::path::Path) -> Result<Self> {
        let mut cache = wasmtime::CacheConfig::new();
        cache.with_directory(directory);
        let cache = wasmtime::Cache::new(cache).map_err(opaque)?;
        self.config.cache(Some(cache));
        Ok(self)
    }

    fn new(name: &'static str, strategy: Strategy) -> Self {
        let mut config = Config::new();
        config.strategy(strategy);
        // Winch has no tail calls.
        config.wasm_tail_call(strategy == Strategy::Cranelift);
        Self { name, config }
    }
}

impl Engine for Wasmtime {
    fn name(&self) -> String {
        self.name.into()
    }

    fn load(&self, wasm: &[u8]) -> Result<Box<dyn Loaded>> {
        let engine = wasmtime::Engine::new(&self.config);
        let module = engine.and_then(|engine| Module::from_binary(&engine, wasm));
        Ok(Box::new(module.map_err(opaque)?))
    }

    fn calls(&self, wasm: &[u8], imported: &[u8], count: u32) -> Result<CallCosts> {
        let engine = wasmtime::Engine::new(&self.config).map_err(opaque)?;
        micro::calls(&engine, wasm, imported, count).map_err(opaque)
    }
}

impl Loaded for Module {
    fn run(&self, job: &Job) -> Result<Outcome> {
        if job.driver == Driver::Threads {
            return Err(anyhow!("WASI threads, which are not linked in").context(Refused));
        }
        let scratch = Scratch::new()?;
        let stdout = MemoryOutputPipe::new(usize::MAX);
        let wasi = context(job, &scratch, &stdout).map_err(opaque)?;
        let mut store = Store::new(self.engine(), wasi);
        no_limits(&mut store);
        let result = match job.driver {
            Driver::Command | Driver::Threads => command(&mut store, self),
            Driver::Ruby => evaluate(&mut store, self, &script(job)?),
        };
        let exit = exit_code(result).map_err(opaque)?;
        Ok(scratch.outcome(job, exit, stdout.contents().to_vec()))
    }

    fn instantiate(&self, count: u32) -> Result<()> {
        let mut linker = Linker::new(self.engine());
        linker
            .define_unknown_imports_as_traps(self)
            .map_err(opaque)?;
        let instance = linker.instantiate_pre(self).map_err(opaque)?;
        for _ in 0..count {
            let mut store = Store::new(self.engine(), ());
            no_limits(&mut store);
            instance.instantiate(&mut store).map_err(opaque)?;
        }
        Ok(())
    }

    fn machine_code(&self) -> Option<u64> {
        Some(self.text().len() as u64)
    }
}

/// Sets limits that are never reached: epochs never pass, and fuel does not run out.
fn no_limits<T>(store: &mut Store<T>) {
    store.set_epoch_deadline(1);
    // An error means that fuel is not counted.
    let _ = store.set_fuel(u64::MAX);
}

fn context(job: &Job, scratch: &Scratch, stdout: &MemoryOutputPipe) -> wasmtime::Result<WasiP1Ctx> {
    let mut wasi = WasiCtxBuilder::new();
    wasi.args(&job.args).envs(&job.env).stdout(stdout.clone());
    for (guest, host) in &job.mounts {
        wasi.preopened_dir(host, guest, FsPerms::ReadWrite)?;
    }
    wasi.preopened_dir(scratch.path(), "/tmp", FsPerms::ReadWrite)?;
    Ok(wasi.build_p1())
}

fn linker(module: &Module) -> wasmtime::Result<Linker<WasiP1Ctx>> {
    let mut linker = Linker::new(module.engine());
    add_to_linker_sync(&mut linker, |wasi| wasi)?;
    Ok(linker)
}

fn command(store: &mut Store<WasiP1Ctx>, module: &Module) -> wasmtime::Result<()> {
    let instance = linker(module)?.instantiate(&mut *store, module)?;
    let start = instance.get_typed_func::<(), ()>(&mut *store, "_start")?;
    start.call(store, ())
}

fn evaluate(store: &mut Store<WasiP1Ctx>, module: &Module, script: &str) -> wasmtime::Result<()> {
    let mut linker = linker(module)?;
    ruby::define_imports(&mut linker, module)?;
    let instance = linker.instantiate(&mut *store, module)?;
    ruby::run(store, instance, script)
}

fn exit_code(result: wasmtime::Result<()>) -> wasmtime::Result<i32> {
    let Err(error) = result else { return Ok(0) };
    match error.downcast_ref::<I32Exit>() {
        Some(I32Exit(code)) => Ok(*code),
        None => Err(error),
    }
}

/// Converts Wasmtime's error, a type of its own, by its text.
fn opaque(error: wasmtime::Error) -> anyhow::Error {
    anyhow::Error::msg(format!("{error:#}"))
}
