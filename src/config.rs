//! How an engine works.

use upshift_abi::{MemoryBounds, SpectreMitigation};
use upshift_baseline::{BaselineOptions, Counters};
use upshift_optimizer::OptimizerOptions;
use upshift_profiler::LogConfig;
use upshift_runtime::RuntimeConfig;
use upshift_tiering::TieringConfig;

pub use upshift_optimizer::{OptLevel, Regalloc};
pub use upshift_runtime::CodeMapping;
pub use upshift_tiering::{Mode as Strategy, Switching};

/// How an [`Engine`](crate::Engine) works. Setters never fail; [`Engine::new`](crate::Engine::new)
/// checks the whole.
///
/// Nothing here changes what a valid program computes, with two exceptions that the standard
/// allows: the bits of NaNs, and when a stack is exhausted.
///
/// ```
/// # fn main() -> upshift::Result<()> {
/// use upshift::{Config, Engine, Strategy};
///
/// let mut config = Config::new();
/// config.strategy(Strategy::Baseline).max_wasm_stack(256 << 10);
/// let engine = Engine::new(&config)?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Config {
    pub(crate) tiering: TieringConfig,
    pub(crate) baseline: BaselineOptions,
    pub(crate) optimizer: OptimizerOptions,
    pub(crate) runtime: RuntimeConfig,
    pub(crate) log: LogConfig,
    pub(crate) spectre: SpectreMitigation,
    pub(crate) eager: bool,
    pub(crate) canonicalize_nans: bool,
}

impl Default for Config {
    fn default() -> Self {
        // About the nanoseconds that a call and a loop iteration take in baseline code.
        let counters = Counters {
            entry: Some(10),
            loops: Some(5),
        };
        Self {
            tiering: TieringConfig::default(),
            baseline: BaselineOptions {
                counters,
                ..BaselineOptions::default()
            },
            optimizer: OptimizerOptions::default(),
            runtime: RuntimeConfig::default(),
            log: LogConfig::default(),
            spectre: SpectreMitigation::default(),
            eager: false,
            canonicalize_nans: false,
        }
    }
}

impl Config {
    /// The defaults: baseline first, hot functions optimized on background threads, functions compiled
    /// when first called, guard pages instead of bounds checks.
    pub fn new() -> Self {
        Self::default()
    }

    /// Which compilers run.
    pub fn strategy(&mut self, strategy: Strategy) -> &mut Self {
        self.tiering.mode = strategy;
        self
    }

    /// When optimized code is made and comes into use.
    pub fn switching(&mut self, switching: Switching) -> &mut Self {
        self.tiering.switching = switching;
        self
    }

    /// What a call and a loop iteration take from a function's budget, in units of about a nanosecond.
    pub fn budget_units(&mut self, per_call: u32, per_iteration: u32) -> &mut Self {
        self.baseline.counters = Counters {
            entry: Some(per_call),
            loops: Some(per_iteration),
        };
        self
    }

    /// Everything about tiering, the policy included, for programs that study it.
    pub fn tiering(&mut self, tiering: TieringConfig) -> &mut Self {
        self.tiering = tiering;
        self
    }

    /// Whether all functions are compiled when a module is loaded, instead of when first called.
    pub fn eager(&mut self, eager: bool) -> &mut Self {
        self.eager = eager;
        self
    }

    /// Background threads that compile hot functions; 0 is one less than the processors, at least one.
    pub fn compile_threads(&mut self, threads: u32) -> &mut Self {
        self.tiering.knobs.threads = threads;
        self
    }

    /// Whether loading a module may use several threads, for validation and eager compilation.
    pub fn parallel_compilation(&mut self, parallel: bool) -> &mut Self {
        self.tiering.knobs.eager_threads = u32::from(!parallel);
        self
    }

    /// How much Cranelift optimizes.
    pub fn cranelift_opt_level(&mut self, level: OptLevel) -> &mut Self {
        self.optimizer.opt_level = level;
        self
    }

    /// Which register allocator Cranelift uses.
    pub fn cranelift_regalloc_algorithm(&mut self, algorithm: Regalloc) -> &mut Self {
        self.optimizer.regalloc = algorithm;
        self
    }

    /// Whether Cranelift verifies its intermediate code; slow, for tests.
    pub fn cranelift_debug_verifier(&mut self, verify: bool) -> &mut Self {
        self.optimizer.verify = verify;
        self
    }

    /// Whether every NaN that an instruction computes gets the same bits, so that runs repeat
    /// bit by bit, in whichever tier. Costs a comparison per float operation.
    pub fn canonicalize_nans(&mut self, canonicalize: bool) -> &mut Self {
        self.canonicalize_nans = canonicalize;
        self
    }

    /// Bytes of stack that WebAssembly may use; calling deeper is
    /// [`Trap::StackOverflow`](crate::Trap::StackOverflow). 1 MiB at first.
    ///
    /// A thread with a smaller stack traps earlier: 256 KiB at its end are left to host functions.
    /// [`thread_stack_size`](Self::thread_stack_size) says how large a thread's stack must be for WebAssembly to have
    /// all of this. Stacks that the system does not know of, as coroutine libraries make them, must be at
    /// least that large: on them nothing but this size keeps recursion from running off the end.
    pub fn max_wasm_stack(&mut self, bytes: usize) -> &mut Self {
        self.runtime.max_wasm_stack = bytes;
        self
    }

    /// What [`max_wasm_stack`](Self::max_wasm_stack) was set to.
    pub fn max_wasm_stack_bytes(&self) -> usize {
        self.runtime.max_wasm_stack
    }

    /// Bytes of stack with which to start a thread, so that WebAssembly called near its start has all of
    /// [`max_wasm_stack`](Self::max_wasm_stack) and host functions have as much as on any thread.
    ///
    /// ```
    /// # let config = upshift::Config::new();
    /// let thread = std::thread::Builder::new().stack_size(config.thread_stack_size());
    /// ```
    pub fn thread_stack_size(&self) -> usize {
        const HOST: usize = 2 << 20;
        self.runtime.max_wasm_stack.saturating_add(HOST)
    }

    /// How accesses beyond a memory's end are caught: by guard pages (8 GiB of address space per
    /// memory), or by a check before each access.
    pub fn memory_bounds(&mut self, bounds: MemoryBounds) -> &mut Self {
        self.runtime.memory.bounds = bounds;
        self
    }

    /// Which bounds checks hold in code that runs speculatively too: those of tables at first, in both tiers.
    pub fn spectre_mitigation(&mut self, mitigation: SpectreMitigation) -> &mut Self {
        self.spectre = mitigation;
        self
    }

    /// With explicit bounds, the most address space that is reserved for a memory, in bytes, unless its minimum
    /// needs more. A memory can't grow beyond what is reserved. 4 GiB at first, all that a memory can have.
    pub fn memory_reservation(&mut self, bytes: usize) -> &mut Self {
        self.runtime.memory.reservation = bytes;
        self
    }

    /// Bytes of address space for compiled code, at most 1 GiB. They cost nothing until used.
    pub fn code_space(&mut self, bytes: usize) -> &mut Self {
        self.runtime.code_space_bytes = bytes;
        self
    }

    /// Where compiled code lies: [`CodeMapping::Anonymous`] lets profilers name it by a perf map, and
    /// makes each new piece of code take some microseconds longer.
    pub fn code_mapping(&mut self, mapping: CodeMapping) -> &mut Self {
        self.runtime.code_mapping = mapping;
        self
    }

    /// Places each piece of code behind a random gap, so that runs with different seeds differ in
    /// the addresses of code and averages over them don't depend on the luck of one layout. 0, the
    /// default, leaves no gaps.
    pub fn layout_seed(&mut self, seed: u32) -> &mut Self {
        self.runtime.layout_seed = seed;
        self
    }

    /// What the engine's event log keeps: counts only, at first.
    pub fn event_log(&mut self, log: LogConfig) -> &mut Self {
        self.log = log;
        self
    }
}
