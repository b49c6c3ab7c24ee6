//! Upshift, through its embedding API.

use anyhow::{Context as _, Result};
use upshift::profiler::Event;
use upshift::wasi::{WasiCtx, WasiCtxBuilder, WasiThreads, add_to_linker, pipe::WritePipe};
use upshift::{Config, Exit, Instance, Linker, Module, Store, Strategy, Switching};
use upshift_abi::Tier;

use super::ruby::script;
use super::scratch::Scratch;
use super::{CallCosts, Driver, Engine, Job, Loaded, Outcome};
use crate::record::TierEvent;

mod ruby {
    super::super::ruby::ruby_driver!(upshift);
}

mod micro {
    super::super::micro::calls_driver!(upshift, instantiate);
}

/// Upshift in one configuration.
pub struct Upshift {
    name: String,
    config: Config,
}

impl Upshift {
    /// Upshift in this configuration.
    pub fn new(name: impl Into<String>, config: Config) -> Self {
        Self {
            name: name.into(),
            config,
        }
    }

    /// Upshift in the default configuration: baseline first, optimizing in the background.
    pub fn tiered() -> Self {
        Self::new("upshift tiered", Config::new())
    }

    /// Upshift with the baseline only.
    pub fn baseline() -> Self {
        let mut config = Config::new();
        config.strategy(Strategy::Baseline);
        Self::new("upshift baseline", config)
    }

    /// Upshift with the optimizer for every function, at its first call.
    pub fn optimizer() -> Self {
        let mut config = Config::new();
        config.strategy(Strategy::Optimizer);
        Self::new("upshift optimizer", config)
    }

    /// Upshift that tiers without threads: the running thread waits for the optimizer.
    pub fn synchronous() -> Self {
        let mut config = Config::new();
        config.switching(Switching::Synchronous);
        Self::new("upshift tiered-sync", config)
    }

    /// Upshift that compiles everything when the module is loaded, on one thread.
    pub fn eager(strategy: Strategy) -> Self {
        let mut config = Config::new();
        config
            .strategy(strategy)
            .eager(true)
            .parallel_compilation(false);
        Self::new(format!("upshift {strategy}"), config)
    }
}

impl Engine for Upshift {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn load(&self, wasm: &[u8]) -> Result<Box<dyn Loaded>> {
        let engine = upshift::Engine::new(&self.config)?;
        let module = Module::from_binary(&engine, wasm)?;
        Ok(Box::new(module))
    }

    fn calls(&self, wasm: &[u8], imported: &[u8], count: u32) -> Result<CallCosts> {
        let engine = upshift::Engine::new(&self.config)?;
        micro::calls(&engine, wasm, imported, count)
    }
}

/// Runs a module in an instance of its own, in a store that is prepared first.
///
/// # Errors
///
/// If the module traps, or the job's directories can't be opened. An exit code is no error.
pub fn run(
    module: &Module,
    job: &Job,
    prepare: impl FnOnce(&mut Store<WasiCtx>),
) -> Result<Outcome> {
    let scratch = Scratch::new()?;
    let stdout = WritePipe::new_in_memory();
    let mut store = unlimited(module.engine(), context(job, &scratch, &stdout)?);
    prepare(&mut store);
    let result = match job.driver {
        Driver::Command => command(&mut store, module),
        Driver::Ruby => evaluate(&mut store, module, &script(job)?),
        Driver::Threads => with_threads(&mut store, module),
    };
    let exit = exit_code(result)?;
    drop(store);
    Ok(scratch.outcome(job, exit, printed(stdout)?))
}

impl Loaded for Module {
    fn run(&self, job: &Job) -> Result<Outcome> {
        run(self, job, |_| {})
    }

    fn instantiate(&self, count: u32) -> Result<()> {
        let mut linker = Linker::new(self.engine());
        linker.define_unknown_imports_as_traps(self)?;
        for _ in 0..count {
            let mut store = unlimited(self.engine(), ());
            linker.instantiate(&mut store, self)?;
        }
        Ok(())
    }

    fn machine_code(&self) -> Option<u64> {
        let stats = self.engine().code_stats();
        Some((stats.baseline + stats.optimizer + stats.trampolines) as u64)
    }

    fn events(&self) -> Vec<TierEvent> {
        let log = self.engine().event_log();
        let names = log.names();
        let records = log.records();
        let moves = records.iter().filter_map(|record| match &record.event {
            Event::Published { code, .. } if code.tier == Tier::Optimizer => {
                Some((record.at, "optimized", code))
            }
            Event::OsrReady { code, .. } => Some((record.at, "osr", code)),
            _ => None,
        });
        moves
            .map(|(at, what, code)| TierEvent {
                at: at.0 as f64 / 1e9,
                what: what.into(),
                function: names.of(code.func),
            })
            .collect()
    }
}

/// A store with limits that are never reached: its deadline does not come, and fuel does not run
/// out, if the engine has any.
fn unlimited<T: 'static>(engine: &upshift::Engine, data: T) -> Store<T> {
    let mut store = Store::new(engine, data);
    store.set_epoch_deadline(u64::MAX);
    // An error means that fuel is not counted.
    let _ = store.set_fuel(u64::MAX);
    store
}

/// The output of a run, whose store has been dropped.
pub(super) fn printed(stdout: WritePipe<std::io::Cursor<Vec<u8>>>) -> Result<Vec<u8>> {
    let stdout = stdout.try_into_inner();
    let stdout = stdout.ok().context("standard output is still in use")?;
    Ok(stdout.into_inner())
}

pub(super) fn context(
    job: &Job,
    scratch: &Scratch,
    stdout: &WritePipe<std::io::Cursor<Vec<u8>>>,
) -> Result<WasiCtx> {
    let mut wasi = WasiCtxBuilder::new();
    wasi.args(&job.args).stdout(stdout.clone());
    for (name, value) in &job.env {
        wasi.env(name, value);
    }
    for (guest, host) in &job.mounts {
        wasi.preopened_dir(host, guest)?;
    }
    wasi.preopened_dir(scratch.path(), "/tmp")?;
    wasi.build()
}

fn linker(module: &Module) -> Result<Linker<WasiCtx>> {
    let mut linker = Linker::new(module.engine());
    add_to_linker(&mut linker, |wasi| wasi)?;
    Ok(linker)
}

fn command(store: &mut Store<WasiCtx>, module: &Module) -> Result<()> {
    let instance = linker(module)?.instantiate(&mut *store, module)?;
    start(store, instance)
}

fn with_threads(store: &mut Store<WasiCtx>, module: &Module) -> Result<()> {
    let engine = module.engine().clone();
    let threads = WasiThreads::new(move |wasi: &mut WasiCtx| unlimited(&engine, wasi.share()));
    let mut linker = linker(module)?;
    threads.add_to_linker(store, &mut linker, module)?;
    threads.run(store, &linker.instantiate_pre(module)?, start)
}

fn start(store: &mut Store<WasiCtx>, instance: Instance) -> Result<()> {
    let start = instance.get_typed_func::<(), ()>(&mut *store, "_start")?;
    start.call(store, ())
}

fn evaluate(store: &mut Store<WasiCtx>, module: &Module, script: &str) -> Result<()> {
    let mut linker = linker(module)?;
    ruby::define_imports(&mut linker, module)?;
    let instance = linker.instantiate(&mut *store, module)?;
    ruby::run(store, instance, script)
}

fn exit_code(result: Result<()>) -> Result<i32> {
    let Err(error) = result else { return Ok(0) };
    match error.downcast_ref::<Exit>() {
        Some(Exit(code)) => Ok(*code),
        None => Err(error),
    }
}
