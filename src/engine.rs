//! Engines: the two compilers, the tiering between them, and the code that they emit.

use std::fmt;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use upshift_abi::counted::CountedSites;
use upshift_abi::facts::{BranchHints, Input, ModuleFacts};
use upshift_abi::hints::HintSections;
use upshift_abi::{Compiler, Feature, Tier};
use upshift_baseline::{Baseline, Counters, Features as ProcessorFeatures, TrampolineCompiler};
use upshift_optimizer::{Cpu, Inline, Optimizer};
use upshift_profiler::EventLog;
use upshift_runtime::module::FirstCallError;
use upshift_runtime::{CodeStats, ModuleCode, Runtime, SamplerConfig};
use upshift_tiering::{LoadError, ModuleTiers, Samples, Tiering, Validators};

use crate::cache::Cache;
use crate::config::{CODE_SPACE, Instrumentation, LEAST_ASYNC_STACK, LEAST_STACK};
use crate::error::{invalid_body, public};
use crate::tiers::Tiers;
use crate::{Config, Result, SerializedError, Strategy, compat, observe};

/// An engine: compilers, compile threads and code space, shared by any number of modules and
/// stores.
///
/// A cheap clone, shared by all threads. A process usually has one: creating one reserves address
/// space. Compile threads start when there is something to optimize. Dropping the last clone waits
/// for nothing: compilations that are under way are cancelled, and their threads end by themselves.
///
/// # Fork
///
/// An engine belongs to the process that created it. In a child made by `fork`, calls, instances
/// and modules of the parent's engines are errors that say so; the child can create an engine of
/// its own. Dropping items of the parent's engines is fine, and so is reading memories, though
/// bytes of a memory that were never written may read as zeros once the parent has dropped its
/// module.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

struct Inner {
    config: Config,
    runtime: Arc<Runtime>,
    tiering: Tiering,
    cache: Option<Arc<Cache>>,
    /// What code of this engine relies on.
    fits: String,
    log: Arc<EventLog>,
    /// The compiler for [`Module::compile_func`](crate::Module::compile_func), which compiles code
    /// to be read, not run; tiering has its own handles.
    baseline: Arc<Baseline>,
    optimizer: Arc<Optimizer>,
}

impl Default for Engine {
    /// Creates an engine with the default configuration.
    ///
    /// # Panics
    ///
    /// If the system refuses the address space; [`Engine::new`] returns that as an error.
    fn default() -> Self {
        Self::new(&Config::new()).expect("the default configuration works on any supported system")
    }
}

impl Engine {
    /// Creates an engine with this configuration.
    ///
    /// Where the process can't have the address space that guard pages take (`ulimit -v`), the
    /// engine checks bounds explicitly and reserves less for memories and code.
    /// [`config`](Self::config) shows it, and a warning goes to the log.
    ///
    /// # Errors
    ///
    /// If the configuration is contradictory, or the system refuses the address space.
    pub fn new(config: &Config) -> Result<Self> {
        check(config)?;
        let mut config = config.clone();
        config.runtime = config.runtime.fitted();
        spread(&mut config);
        config.runtime.observed = config.instrument.is_some();
        // What is instrumented is for this engine alone.
        config.cache.code &= config.instrument.is_none();
        config.runtime.keep_artifacts = config.cache.directory.is_some() && config.cache.code;
        let baseline = Arc::new(Baseline::new(config.baseline));
        let optimizer = Arc::new(Optimizer::new(config.optimizer.clone())?);
        let runtime = Runtime::new(config.runtime.clone(), Box::new(TrampolineCompiler))?;
        let log = Arc::new(EventLog::new(&config.log));
        let ladder = config.tiers.ladder(&config)?;
        if config.tiers != Tiers::default() {
            let names = ladder
                .rungs()
                .iter()
                .map(|rung| rung.name.to_string().into());
            log.set_levels(names.collect());
        }
        if let Some(dump) = &config.jit_dump {
            runtime.observe_code(dump.observer(log.names().levels()));
        }
        let tiering = Tiering::new(config.tiering.clone(), ladder, log.clone())?;
        start_sampler(&config, &runtime, &tiering)?;
        let fits = compat::text(&config, &optimizer);
        let inner = Inner {
            cache: Cache::open(&config.cache, &fits),
            fits,
            config,
            runtime,
            tiering,
            log,
            baseline,
            optimizer,
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Whether both are clones of one engine.
    pub fn same(a: &Engine, b: &Engine) -> bool {
        Arc::ptr_eq(&a.inner, &b.inner)
    }

    /// The configuration in effect: as requested, or as much of it as the system allows.
    pub fn config(&self) -> &Config {
        &self.inner.config
    }

    /// The log of tiering: always counts events, and stores them if [configured
    /// to](Config::event_log).
    pub fn event_log(&self) -> &Arc<EventLog> {
        &self.inner.log
    }

    /// What samples have found up to now: all zero unless the engine
    /// [samples](Config::sample_period). Of each thread, the latest sample may be missing. Takes a
    /// lock.
    pub fn samples(&self) -> Samples {
        self.inner.tiering.samples()
    }

    /// Blocks the calling thread until the compile threads have nothing left to do. For tests and
    /// measurements: a running program can request more at any time.
    pub fn wait_idle(&self) {
        self.inner.tiering.wait_idle();
    }

    /// Begins the next epoch: stores of this engine whose deadline it is stop where their code
    /// looks next, if it looks
    /// ([`Config::epoch_interruption`](crate::Config::epoch_interruption)). One atomic addition,
    /// async-signal-safe, from any thread.
    pub fn increment_epoch(&self) {
        self.inner.runtime.increment_epoch();
    }

    /// Bytes of compiled code by state. Takes a lock.
    pub fn code_stats(&self) -> CodeStats {
        self.inner.runtime.code_stats()
    }

    /// What code must be made for to run in this engine.
    pub(crate) fn fits(&self) -> &str {
        &self.inner.fits
    }

    /// The cache on disk, if there is one.
    pub(crate) fn cache(&self) -> Option<&Arc<Cache>> {
        self.inner.cache.as_ref()
    }

    pub(crate) fn runtime(&self) -> &Arc<Runtime> {
        &self.inner.runtime
    }

    pub(crate) fn compiler(&self, tier: Tier) -> &dyn Compiler {
        match tier {
            Tier::Baseline => &*self.inner.baseline,
            Tier::Optimizer => &*self.inner.optimizer,
        }
    }

    pub(crate) fn optimizer(&self) -> &Optimizer {
        &self.inner.optimizer
    }

    /// Decodes and validates a module whose bytes `read` returns, as far as they have arrived.
    pub(crate) fn decode_validated<'a>(
        &self,
        read: impl FnMut() -> io::Result<(&'a [u8], Input)>,
    ) -> Result<ModuleFacts, LoadError> {
        let threads = self.inner.config.tiering.knobs.eager_threads;
        upshift_tiering::decode_validated(read, threads, self.inner.config.features)
    }

    /// Adds a module to the runtime and to tiering. Its bodies are valid, or are compiled by
    /// [`compile_eagerly`](Self::compile_eagerly) with validators.
    pub(crate) fn load(
        &self,
        mut facts: ModuleFacts,
        wasm: Bytes,
    ) -> Result<(Arc<ModuleCode>, Arc<ModuleTiers<ModuleCode>>)> {
        let Inner {
            runtime, tiering, ..
        } = &*self.inner;
        let types = runtime.register_module_types(&facts.types);
        facts.set_type_ids(types.ids());
        facts.plan_for(runtime.config().memory);
        if !self.inner.config.branch_hinting {
            facts.branch_hints = BranchHints::default();
        }
        if !self.inner.config.compilation_hints {
            facts.hints = HintSections::default();
        }
        if self.inner.config.count_sites {
            facts.sites = Some(CountedSites::scan(&facts, &wasm));
        }
        let features = self.inner.config.features;
        if let Some(Instrumentation(instrument)) = &self.inner.config.instrument {
            facts.observe(observe::plan(&**instrument, &facts, &wasm, features));
        }
        let facts = Arc::new(facts);
        let tiers = ModuleTiers::new(tiering, &facts);
        let code = ModuleCode::new(runtime, facts, types, wasm, tiers.clone())?;
        if runtime.sampler().is_some() {
            tiering.add_sampled(code.id(), &tiers, &code);
        }
        #[cfg(feature = "serde")]
        self.event_log().identify_module(tiers.key(), code.wasm());
        Ok((code, tiers))
    }

    /// Checks all bodies of a module that was stored, if they are read when it is loaded.
    pub(crate) fn check_bodies(&self, facts: &ModuleFacts, wasm: &[u8]) -> Result<()> {
        let intact = |func| facts.body_is_intact(func, wasm);
        match self.inner.config.count_sites && !facts.defined_funcs().all(intact) {
            true => Err(SerializedError::Damaged.into()),
            false => Ok(()),
        }
    }

    /// Whether bodies are validated by the pass that compiles them: the baseline's. The optimizer
    /// inlines, so it takes valid modules.
    pub(crate) fn validates_eagerly(&self) -> bool {
        let config = &self.inner.config;
        config.eager
            && config.instrument.is_none()
            && first_tier(config.tiering.mode) == Tier::Baseline
    }

    /// Compiles a module that was loaded just now, if the configuration is eager; validates its
    /// bodies in the same pass if there are validators.
    pub(crate) fn compile_eagerly(
        &self,
        code: &Arc<ModuleCode>,
        tiers: &ModuleTiers<ModuleCode>,
        validators: Option<Validators>,
    ) -> Result<()> {
        match self.inner.config.eager {
            true => self.compile_all(code, tiers, validators),
            false => Ok(()),
        }
    }

    /// Compiles the functions of a module that have no code yet.
    pub(crate) fn compile_all(
        &self,
        code: &Arc<ModuleCode>,
        tiers: &ModuleTiers<ModuleCode>,
        validators: Option<Validators>,
    ) -> Result<()> {
        code.defer_writes();
        let first = first_tier(self.inner.config.tiering.mode);
        let compiled = tiers.compile_all(code, first, validators);
        compiled.map_err(|error| match error {
            FirstCallError::Compile(error) => invalid_body(error),
            FirstCallError::Runtime(error) => public(error.into()),
        })?;
        code.write_deferred()?;
        Ok(())
    }
}

/// Starts the sampler, if the configuration or a policy wants samples.
fn start_sampler(config: &Config, runtime: &Runtime, tiering: &Tiering) -> Result<()> {
    if let Some(period) = tiering.sample_period(config.sample) {
        let seed = config.sample_seed;
        runtime.start_sampler(SamplerConfig { period, seed }, tiering.sample_sink())?;
    }
    Ok(())
}

/// The compiler of first code.
fn first_tier(mode: Strategy) -> Tier {
    match mode {
        Strategy::Tiered | Strategy::Baseline => Tier::Baseline,
        Strategy::Optimizer => Tier::Optimizer,
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("config", &self.inner.config)
            .finish_non_exhaustive()
    }
}

/// Rejects a contradictory configuration.
fn check(config: &Config) -> Result<()> {
    let runtime = &config.runtime;
    anyhow::ensure!(
        runtime.max_wasm_stack >= LEAST_STACK,
        "max_wasm_stack must be at least 16 KiB, not {} bytes",
        runtime.max_wasm_stack
    );
    let stack = runtime.async_stacks.size;
    anyhow::ensure!(
        stack >= LEAST_ASYNC_STACK,
        "async_stack_size must be at least 512 KiB, half of them for host functions, not {stack} \
         bytes"
    );
    anyhow::ensure!(
        CODE_SPACE.contains(&runtime.code_space_bytes),
        "code_space must be between 1 MiB and 1 GiB, not {} bytes",
        runtime.code_space_bytes
    );
    anyhow::ensure!(
        config.optimizer.cpu != Cpu::Sse41 || config.baseline.features.sse41,
        "code for SSE4.1 can't run on this processor, which has no SSE4.1"
    );
    anyhow::ensure!(
        !config.count_sites || config.tiering.mode == Strategy::Baseline,
        "sites are counted by baseline code only: with mode `baseline`"
    );
    if let Some((setter, words)) = config.unsupported.first() {
        anyhow::bail!("Upshift does not support {words}: `Config::{setter}` can't be on");
    }
    config.features.check()?;
    Ok(())
}

/// Copies the settings that several parts must agree on to each of them.
fn spread(config: &mut Config) {
    config.baseline.spectre = config.spectre;
    config.optimizer.spectre = config.spectre;
    config.baseline.canonicalize_nans = config.canonicalize_nans;
    config.optimizer.canonicalize_nans = config.canonicalize_nans;
    config.baseline.deterministic_relaxed_simd = config.deterministic_relaxed_simd;
    config.optimizer.deterministic_relaxed_simd = config.deterministic_relaxed_simd;
    config.baseline.fuel = config.consume_fuel;
    config.optimizer.fuel = config.consume_fuel;
    config.baseline.epochs = config.epoch_interruption;
    config.optimizer.epochs = config.epoch_interruption;
    config.baseline.features = match config.optimizer.cpu {
        Cpu::Native => config.baseline.features,
        Cpu::Baseline => ProcessorFeatures::default(),
        Cpu::Sse41 => ProcessorFeatures {
            sse41: config.baseline.features.sse41,
            ..ProcessorFeatures::default()
        },
    };
    if !config.baseline.features.sse41 {
        config.features.set(Feature::Simd, false);
        config.features.set(Feature::RelaxedSimd, false);
    }
    if config.deterministic_relaxed_simd && !config.baseline.features.fma {
        config.features.set(Feature::RelaxedSimd, false);
    }
    config.tiering.sources = config.jit_dump.is_some();
    let tiered = config.tiering.mode == Strategy::Tiered;
    let guesses = tiered && config.optimizer.inline == Inline::All;
    config.baseline.targets &= guesses || config.note_targets;
    config.baseline.osr = tiered && config.tiering.knobs.osr;
    if !tiered {
        config.baseline.counters = Counters::default();
    }
    config.tiering.weights = config.weights();
}
