//! The configuration of an engine.

use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use upshift_abi::{Feature, Features, MemoryBounds, SpectreMitigation};
use upshift_baseline::{BaselineOptions, Counters};
use upshift_optimizer::OptimizerOptions;
use upshift_profiler::LogConfig;
use upshift_runtime::RuntimeConfig;
use upshift_tiering::{TieringConfig, Weights};

use crate::WasmBacktraceDetails;
use crate::cache::CacheConfig;
use crate::jitdump::JitDump;
use crate::observe::Instrument;
use crate::tiers::Tiers;

pub use upshift_optimizer::{OptLevel, Regalloc};
pub use upshift_runtime::CodeMapping;
pub use upshift_tiering::{Mode as Strategy, Switching};

/// Bytes of stack that [`Config::max_wasm_stack`] takes at least.
pub(crate) const LEAST_STACK: usize = 16 << 10;

/// Bytes of stack that [`Config::async_stack_size`] takes at least: what is left to host functions,
/// and as much for WebAssembly.
pub(crate) const LEAST_ASYNC_STACK: usize = 512 << 10;

/// Bytes of address space that [`Config::code_space`] takes: 1 MiB to 1 GiB.
pub(crate) const CODE_SPACE: RangeInclusive<usize> = 1 << 20..=1 << 30;

/// The configuration of an [`Engine`](crate::Engine). Setters never fail;
/// [`Engine::new`](crate::Engine::new) checks the whole.
///
/// No setting changes what a valid program computes, with two exceptions that the standard allows:
/// the bits of NaNs, and when a stack is exhausted.
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
    pub(crate) tiers: Tiers,
    pub(crate) baseline: BaselineOptions,
    pub(crate) optimizer: OptimizerOptions,
    pub(crate) runtime: RuntimeConfig,
    pub(crate) log: LogConfig,
    pub(crate) sample: Option<Duration>,
    pub(crate) sample_seed: u64,
    pub(crate) features: Features,
    /// Switches that are on of proposals that are not supported, and what people call those.
    pub(crate) unsupported: Vec<(&'static str, &'static str)>,
    pub(crate) spectre: SpectreMitigation,
    pub(crate) eager: bool,
    pub(crate) canonicalize_nans: bool,
    pub(crate) deterministic_relaxed_simd: bool,
    pub(crate) consume_fuel: bool,
    pub(crate) epoch_interruption: bool,
    pub(crate) branch_hinting: bool,
    pub(crate) count_sites: bool,
    pub(crate) compilation_hints: bool,
    pub(crate) note_targets: bool,
    pub(crate) jit_dump: Option<JitDump>,
    pub(crate) cache: CacheConfig,
    pub(crate) instrument: Option<Instrumentation>,
}

/// The instrument of an engine.
#[derive(Clone)]
pub(crate) struct Instrumentation(pub(crate) Arc<dyn Instrument>);

impl fmt::Debug for Instrumentation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Instrumentation(..)")
    }
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
            tiers: Tiers::default(),
            baseline: BaselineOptions {
                counters,
                targets: true,
                ..BaselineOptions::default()
            },
            optimizer: OptimizerOptions::default(),
            runtime: RuntimeConfig::default(),
            log: LogConfig::default(),
            sample: None,
            sample_seed: 1,
            features: Features::default(),
            unsupported: Vec::new(),
            spectre: SpectreMitigation::default(),
            eager: false,
            canonicalize_nans: false,
            deterministic_relaxed_simd: false,
            consume_fuel: false,
            epoch_interruption: false,
            branch_hinting: true,
            count_sites: false,
            compilation_hints: true,
            note_targets: false,
            jit_dump: None,
            cache: CacheConfig::new(),
            instrument: None,
        }
    }
}

impl Config {
    /// The default configuration: baseline first, hot functions optimized on background threads,
    /// functions compiled when first called, guard pages instead of bounds checks.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets whether errors carry a [`WasmBacktrace`](crate::WasmBacktrace). On by default; without,
    /// an error costs no walk of the stack.
    pub fn wasm_backtrace(&mut self, enable: bool) -> &mut Self {
        self.runtime.backtraces = enable;
        self
    }

    /// Sets whether backtraces have files and lines, from the modules' DWARF:
    /// [`FrameInfo::symbols`](crate::FrameInfo::symbols). On by default; it is read when a
    /// backtrace is printed, not before.
    pub fn wasm_backtrace_details(&mut self, details: WasmBacktraceDetails) -> &mut Self {
        self.runtime.backtrace_details = match details {
            WasmBacktraceDetails::Enable => true,
            WasmBacktraceDetails::Disable => false,
            WasmBacktraceDetails::Environment => {
                std::env::var_os("UPSHIFT_BACKTRACE_DETAILS").is_some_and(|value| value == "1")
            }
        };
        self
    }

    /// Sets which compilers are used.
    pub fn strategy(&mut self, strategy: Strategy) -> &mut Self {
        self.tiering.mode = strategy;
        self
    }

    /// Sets when optimized code is compiled and when it is installed.
    pub fn switching(&mut self, switching: Switching) -> &mut Self {
        self.tiering.switching = switching;
        self
    }

    /// Sets what a call and a loop iteration take from a function's budget, in units of about a
    /// nanosecond.
    pub fn budget_units(&mut self, per_call: u32, per_iteration: u32) -> &mut Self {
        self.baseline.counters = Counters {
            entry: Some(per_call),
            loops: Some(per_iteration),
        };
        self
    }

    /// The units set by [`budget_units`](Self::budget_units): 10 for a call and 5 for an iteration
    /// by default, 0 for what an option has switched off.
    pub fn weights(&self) -> Weights {
        let counters = self.baseline.counters;
        Weights {
            call: counters.entry.unwrap_or(0),
            iteration: counters.loops.unwrap_or(0),
        }
    }

    /// Sets the tiers of code by name, lowest first: by default `baseline` and `cranelift`. At most
    /// four, of which the first is `baseline` or `naive`; `-T help` of the command lists all.
    /// Whether functions reach the tiers between is the policy's decision: most request the
    /// highest, `hotspot`, `jsc-points` and `truffle` climb.
    ///
    /// ```
    /// # fn main() -> upshift::Result<()> {
    /// let mut config = upshift::Config::new();
    /// config.tiers(["naive", "cranelift-fast", "cranelift-speed"]);
    /// # upshift::Engine::new(&config)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn tiers<'a>(&mut self, names: impl IntoIterator<Item = &'a str>) -> &mut Self {
        self.tiers = Tiers(names.into_iter().map(Box::from).collect());
        self
    }

    /// The tiers of code by name, lowest first.
    pub fn tier_names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.tiers.0.iter().map(|name| &**name)
    }

    /// Sets everything about tiering, the policy included, for programs that study it.
    pub fn tiering(&mut self, tiering: TieringConfig) -> &mut Self {
        self.tiering = tiering;
        self
    }

    /// Everything about tiering as it is set.
    pub fn tiering_config(&self) -> &TieringConfig {
        &self.tiering
    }

    /// Sets whether all functions are compiled when a module is loaded, instead of when first
    /// called.
    pub fn eager(&mut self, eager: bool) -> &mut Self {
        self.eager = eager;
        self
    }

    /// Sets whether baseline code counts each function's entry and each loop in a counter of its
    /// own, for recordings of what a program does ([`Module::copy_site_counters`]). Costs as much
    /// as counting for tiering does. Needs [`Strategy::Baseline`]: tiering hears nothing.
    ///
    /// [`Module::copy_site_counters`]: crate::Module::copy_site_counters
    pub fn count_sites(&mut self, count: bool) -> &mut Self {
        self.count_sites = count;
        self
    }

    /// Sets what decides, as each module is loaded, which of its calls and operators are observed:
    /// listened to, probed or counted. See [`observe`](crate::observe).
    ///
    /// Code that is not instrumented is the same with and without an instrument, but for handlers
    /// of exceptions, which keep account of the calls that exceptions end, and for jumps of
    /// interpreters' loops, of which optimized code has no copies. Calls from the host pass one
    /// more function, and so do calls of host functions. Tiering goes on as without: what is
    /// counted and reported costs units of no budget and no fuel.
    ///
    /// Instrumented code stays in its engine: it is not serialized, and neither written to nor read
    /// from a [cache](Self::cache), which keeps profiles only.
    ///
    /// ```
    /// # #[cfg(feature = "wat")]
    /// # fn main() -> upshift::Result<()> {
    /// use upshift::observe::{InstrumentedFunc, OperatorKind};
    /// use upshift::{Config, Engine, Instance, Module, Store};
    ///
    /// let mut config = Config::new();
    /// config.instrument(|func: &mut InstrumentedFunc<'_>| {
    ///     for operator in &*func.operators() {
    ///         if operator.kind() == OperatorKind::Loop {
    ///             func.count(operator.offset());
    ///         }
    ///     }
    /// });
    /// let engine = Engine::new(&config)?;
    /// let text = r#"(module
    ///     (func (export "spin") (param i32)
    ///         (loop
    ///             (local.set 0 (i32.sub (local.get 0) (i32.const 1)))
    ///             (br_if 0 (local.get 0)))))"#;
    /// let module = Module::new(&engine, text)?;
    /// let mut store = Store::new(&engine, ());
    /// let instance = Instance::new(&mut store, &module, &[])?;
    /// let spin = instance.get_typed_func::<i32, ()>(&mut store, "spin")?;
    /// spin.call(&mut store, 1000)?;
    /// assert_eq!(module.counters(), [1000]);
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "wat"))]
    /// # fn main() {}
    /// ```
    pub fn instrument(&mut self, instrument: impl Instrument) -> &mut Self {
        self.instrument = Some(Instrumentation(Arc::new(instrument)));
        self
    }

    /// Sets the number of background threads that compile hot functions; 0 is one less than the
    /// processors, at least one.
    pub fn compile_threads(&mut self, threads: u32) -> &mut Self {
        self.tiering.knobs.threads = threads;
        self
    }

    /// Sets whether loading a module may use several threads, for validation and eager compilation.
    pub fn parallel_compilation(&mut self, parallel: bool) -> &mut Self {
        self.tiering.knobs.eager_threads = u32::from(!parallel);
        self
    }

    /// Sets how much Cranelift optimizes.
    pub fn cranelift_opt_level(&mut self, level: OptLevel) -> &mut Self {
        self.optimizer.opt_level = level;
        self
    }

    /// Sets which register allocator Cranelift uses.
    pub fn cranelift_regalloc_algorithm(&mut self, algorithm: Regalloc) -> &mut Self {
        self.optimizer.regalloc = algorithm;
        self
    }

    /// Sets whether Cranelift verifies its intermediate code; slow, for tests.
    pub fn cranelift_debug_verifier(&mut self, verify: bool) -> &mut Self {
        self.optimizer.verify = verify;
        self
    }

    /// Sets whether every NaN that an instruction computes gets the same bits, so that runs repeat
    /// bit by bit, in whichever tier. Costs a comparison per float operation.
    pub fn canonicalize_nans(&mut self, canonicalize: bool) -> &mut Self {
        self.canonicalize_nans = canonicalize;
        self
    }

    /// Sets whether relaxed vector operators give the same results on all processors, as the
    /// standard's deterministic profile says. If not, the default, they do what this processor does
    /// fastest, the same in both tiers.
    ///
    /// It needs a processor that rounds a product and a sum once (FMA); on others, modules with
    /// relaxed operators are refused then.
    pub fn relaxed_simd_deterministic(&mut self, deterministic: bool) -> &mut Self {
        self.deterministic_relaxed_simd = deterministic;
        self
    }

    /// Sets whether WebAssembly consumes fuel, by which the work of a store is limited and measured
    /// deterministically: the same fuel is left after the same operators, whichever tier runs them
    /// and whenever they are optimized. A store has none until [`Store::set_fuel`] gives it some.
    /// False by default; then code is the same as without this setting.
    ///
    /// Operators cost what they do in Wasmtime: one unit each, nothing for `nop`, `drop`, `block`,
    /// `loop`, `else`, `end`, `return` and `unreachable`; a call one more at the function's entry;
    /// operators on ranges (`memory.copy`, `memory.fill`, `memory.init`, those of tables, and
    /// `table.grow`) one more for each byte or element. What host functions do costs nothing: they
    /// can take fuel themselves. Pieces of straight code are charged in front of their first
    /// operator, and code traps with [`Trap::OutOfFuel`](crate::Trap::OutOfFuel) at a function's
    /// entry, a loop's header or an operator on a range, where less than nothing is left.
    ///
    /// It makes code slower, short loops most. [Interruption](crate::Store::interrupt_handle) and
    /// [deadlines](crate::Store::set_deadline) are free, where the same point of interruption in
    /// each run is not needed.
    ///
    /// ```
    /// # #[cfg(feature = "wat")]
    /// # fn main() -> upshift::Result<()> {
    /// use upshift::{Config, Engine, Instance, Module, Store, Trap};
    ///
    /// let engine = Engine::new(Config::new().consume_fuel(true))?;
    /// let module = Module::new(&engine, r#"(module
    ///     (func (export "spin") (loop (br 0)))
    ///     (func (export "add") (param i32 i32) (result i32)
    ///         local.get 0 local.get 1 i32.add))"#)?;
    /// let mut store = Store::new(&engine, ());
    /// store.set_fuel(1000)?;
    /// let instance = Instance::new(&mut store, &module, &[])?;
    /// let add = instance.get_typed_func::<(i32, i32), i32>(&mut store, "add")?;
    /// assert_eq!(add.call(&mut store, (40, 2))?, 42);
    /// assert_eq!(store.get_fuel()?, 1000 - 4);
    /// let spin = instance.get_typed_func::<(), ()>(&mut store, "spin")?;
    /// let error = spin.call(&mut store, ()).unwrap_err();
    /// assert_eq!(error.downcast_ref(), Some(&Trap::OutOfFuel));
    /// assert_eq!(store.get_fuel()?, 0);
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "wat"))]
    /// # fn main() {}
    /// ```
    ///
    /// [`Store::set_fuel`]: crate::Store::set_fuel
    pub fn consume_fuel(&mut self, enable: bool) -> &mut Self {
        self.consume_fuel = enable;
        self
    }

    /// Sets whether WebAssembly looks for deadlines by epochs, at each function's entry and each
    /// loop's header: an engine counts epochs, which [`Engine::increment_epoch`] begins, and a
    /// store has a deadline, so many epochs ahead ([`Store::set_epoch_deadline`]). When it has
    /// come, the call traps, as by default, or a callback decides
    /// ([`Store::epoch_deadline_callback`]). False by default; then code is the same as without
    /// this setting.
    ///
    /// A store's first deadline is epoch 0, which has come: WebAssembly runs once another one is
    /// set. Host functions, and operators on ranges of memories, are not stopped: the deadline
    /// shows at the next function or iteration.
    ///
    /// Each look is three loads and a comparison. To end calls,
    /// [interruption](crate::Store::interrupt_handle) and
    /// [deadlines by the clock](crate::Store::set_deadline) are free, and reach host functions too;
    /// epochs are for what has to run in the middle of WebAssembly, and for a counter that many
    /// stores share.
    ///
    /// ```
    /// # #[cfg(feature = "wat")]
    /// # fn main() -> upshift::Result<()> {
    /// use upshift::{Config, Engine, Instance, Module, Store, Trap};
    ///
    /// let engine = Engine::new(Config::new().epoch_interruption(true))?;
    /// let module = Module::new(&engine, r#"(module (func (export "spin") (loop (br 0))))"#)?;
    /// let mut store = Store::new(&engine, ());
    /// store.set_epoch_deadline(1);
    /// let instance = Instance::new(&mut store, &module, &[])?;
    /// let spin = instance.get_typed_func::<(), ()>(&mut store, "spin")?;
    /// let error = std::thread::scope(|scope| {
    ///     scope.spawn(|| engine.increment_epoch());
    ///     spin.call(&mut store, ()).unwrap_err()
    /// });
    /// assert_eq!(error.downcast_ref(), Some(&Trap::Interrupt));
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "wat"))]
    /// # fn main() {}
    /// ```
    ///
    /// [`Engine::increment_epoch`]: crate::Engine::increment_epoch
    /// [`Store::set_epoch_deadline`]: crate::Store::set_epoch_deadline
    /// [`Store::epoch_deadline_callback`]: crate::Store::epoch_deadline_callback
    pub fn epoch_interruption(&mut self, enable: bool) -> &mut Self {
        self.epoch_interruption = enable;
        self
    }

    /// Sets whether the errors of calls carry a [`WasmCoreDump`](crate::WasmCoreDump), found by
    /// `downcast_ref`. False by default.
    ///
    /// It costs nothing before a call fails. Then the whole stack is walked, and each function of
    /// baseline code on it compiled once more, to say where its locals are.
    pub fn coredump_on_trap(&mut self, enable: bool) -> &mut Self {
        self.runtime.core_dumps = enable;
        self
    }

    /// Sets whether code is laid out by the branch hints of modules, in custom sections
    /// `metadata.code.branch_hint`: what they say is unlikely goes out of the way. True by default
    /// (Wasmtime's is false); malformed sections are ignored.
    pub fn wasm_branch_hinting(&mut self, enable: bool) -> &mut Self {
        self.branch_hinting = enable;
        self
    }

    /// Sets whether the compilation hints of modules are read, in custom sections
    /// `metadata.code.compilation_priority` (the proposal's form and V8's), `call_targets`,
    /// `instr_freq` and `upshift_units`: policies see what they say of functions, and the optimizer
    /// guesses the targets of indirect calls. True by default; malformed sections are ignored with
    /// a warning.
    pub fn wasm_compilation_hints(&mut self, enable: bool) -> &mut Self {
        self.compilation_hints = enable;
        self
    }

    /// Sets whether baseline code notes the targets of indirect calls where nothing is optimized
    /// either, for [`Module::call_targets`](crate::Module::call_targets).
    pub fn note_call_targets(&mut self, note: bool) -> &mut Self {
        self.note_targets = note;
        self
    }

    /// Sets how many bytes of stack WebAssembly may use; calling deeper is
    /// [`Trap::StackOverflow`](crate::Trap::StackOverflow). 1 MiB by default.
    ///
    /// A thread with a smaller stack traps earlier: 256 KiB at its end are left to host functions.
    /// [`thread_stack_size`](Self::thread_stack_size) returns how large a thread's stack must be
    /// for WebAssembly to have all of this. Stacks that the system does not know of, as coroutine
    /// libraries allocate them, must be at least that large: on them only this size keeps recursion
    /// from running off the end.
    pub fn max_wasm_stack(&mut self, bytes: usize) -> &mut Self {
        self.runtime.max_wasm_stack = bytes;
        self
    }

    /// The number of bytes set by [`max_wasm_stack`](Self::max_wasm_stack).
    pub fn max_wasm_stack_bytes(&self) -> usize {
        self.runtime.max_wasm_stack
    }

    /// The number of bytes of stack with which to start a thread, so that WebAssembly called near
    /// its start has all of [`max_wasm_stack`](Self::max_wasm_stack) and host functions have as
    /// much as on any thread.
    ///
    /// ```
    /// # let config = upshift::Config::new();
    /// let thread = std::thread::Builder::new().stack_size(config.thread_stack_size());
    /// ```
    pub fn thread_stack_size(&self) -> usize {
        const HOST: usize = 2 << 20;
        self.runtime.max_wasm_stack.saturating_add(HOST)
    }

    /// Sets how many bytes of stack an asynchronous call has, host functions included: 2 MiB by
    /// default. They are address space; memory is taken as it is touched.
    ///
    /// WebAssembly may use [`max_wasm_stack`](Self::max_wasm_stack) of it, but leaves 256 KiB at
    /// its end to host functions, as on a thread's stack. A host function that needs more than what
    /// is left ends the process with a message.
    #[cfg(feature = "async")]
    pub fn async_stack_size(&mut self, bytes: usize) -> &mut Self {
        self.runtime.async_stacks.size = bytes;
        self
    }

    /// Sets whether the stack of an asynchronous call is filled with zeros before another call uses
    /// it: false by default. WebAssembly never reads what a call before it has left there; this is
    /// a second line of defence, and takes a system call after each call.
    #[cfg(feature = "async")]
    pub fn async_stack_zeroing(&mut self, enable: bool) -> &mut Self {
        self.runtime.async_stacks.zeroing = enable;
        self
    }

    /// Sets how many stacks of asynchronous calls an engine keeps for later calls, when no call
    /// uses them: 64 by default. Each keeps the memory that a call has touched. A stack that is not
    /// kept has to be mapped for the next call, which takes some microseconds.
    #[cfg(feature = "async")]
    pub fn async_stacks_kept(&mut self, stacks: usize) -> &mut Self {
        self.runtime.async_stacks.keep = stacks;
        self
    }

    /// Sets how many spaces of instances that have ended an engine keeps for later instances of the
    /// same modules: 32 by default, 0 for none. An instance that gets one starts in about half the
    /// time. Each keeps address space (8 GiB where a memory has guard pages) and up to 64 KiB of
    /// memory; what the instance before has written is cleared when its store is dropped.
    ///
    /// Where address space is scarce when the engine is made, it keeps none.
    pub fn instance_spaces_kept(&mut self, spaces: usize) -> &mut Self {
        self.runtime.instance_spaces = spaces;
        self
    }

    /// Sets how accesses beyond a memory's end are caught: by guard pages (8 GiB of address space
    /// per memory), or by a check before each access.
    pub fn memory_bounds(&mut self, bounds: MemoryBounds) -> &mut Self {
        self.runtime.memory.bounds = bounds;
        self
    }

    /// Sets which bounds checks also hold in code that runs speculatively: by default those of
    /// tables, in both tiers.
    pub fn spectre_mitigation(&mut self, mitigation: SpectreMitigation) -> &mut Self {
        self.spectre = mitigation;
        self
    }

    /// Sets the most address space that is reserved for a memory whose accesses are checked, in
    /// bytes, unless its minimum needs more; with guard pages, a memory with 64-bit addresses gets
    /// 16 times as much. A memory can't grow beyond what is reserved. By default 4 GiB, all that a
    /// memory with 32-bit addresses can have, and 64 GiB for others.
    pub fn memory_reservation(&mut self, bytes: usize) -> &mut Self {
        self.runtime.memory.reservation = bytes;
        self
    }

    /// Sets the bytes of address space for compiled code, at most 1 GiB. They cost nothing until
    /// used.
    pub fn code_space(&mut self, bytes: usize) -> &mut Self {
        self.runtime.code_space_bytes = bytes;
        self
    }

    /// Sets how compiled code is mapped: [`CodeMapping::Anonymous`] lets profilers name it by a
    /// perf map, and makes each new piece of code take some microseconds longer.
    pub fn code_mapping(&mut self, mapping: CodeMapping) -> &mut Self {
        self.runtime.code_mapping = mapping;
        self
    }

    /// Sets the seed of random gaps before pieces of code, so that runs with different seeds differ
    /// in the addresses of code and averages over them don't depend on the luck of one layout. 0,
    /// the default, leaves no gaps.
    pub fn layout_seed(&mut self, seed: u32) -> &mut Self {
        self.runtime.layout_seed = seed;
        self
    }

    /// Sets what the engine's event log stores: by default counts only.
    pub fn event_log(&mut self, log: LogConfig) -> &mut Self {
        self.log = log;
        self
    }

    /// Makes the engine write its code to a jitdump file, by which `perf inject --jit` names and
    /// shows it: see [`JitDump`], of which several engines can have clones. By default nothing is
    /// written.
    ///
    /// Compilers note where code comes from, and each piece of code takes a system call more when
    /// it is placed. Code itself is the same, and runs as fast.
    pub fn jit_dump(&mut self, dump: &JitDump) -> &mut Self {
        self.jit_dump = Some(dump.clone());
        self
    }

    /// Sets where the engine keeps what runs of modules have shown, so that the next process that
    /// loads the same module optimizes at once what was hot, as [`Module::warm_up`] does. `None`,
    /// the default, is nowhere.
    ///
    /// Loading a module looks for its entry; the last handle of the module writes it when it is
    /// dropped, if there is something new, and [`Module::update_cache`] does at any time. An entry
    /// that was damaged is dropped with a warning in the log. Where the directory can't be used, or
    /// is full, there is a warning, and everything goes on without.
    ///
    /// [`Module::warm_up`]: crate::Module::warm_up
    /// [`Module::update_cache`]: crate::Module::update_cache
    pub fn cache(&mut self, cache: Option<CacheConfig>) -> &mut Self {
        self.cache = cache.unwrap_or_default();
        self
    }

    /// The cache's directory and limit, as they are set.
    pub fn cache_config(&self) -> &CacheConfig {
        &self.cache
    }

    /// Sets the mean time between two samples of what the threads that run WebAssembly do, a
    /// millisecond for instance; `None`, the default, takes none. Times between samples are random,
    /// between half and one and a half of it. [`Engine::samples`](crate::Engine::samples) returns
    /// what they have found; the event log has each.
    ///
    /// A policy that needs samples, `jikes` for instance, switches them on by itself, with its own
    /// period.
    ///
    /// Sampling uses the signal SIGPROF, whose handler is installed with the first engine that
    /// samples: it passes what is not the sampler's to the handler that was there before. A thread
    /// that enters WebAssembly of such an engine unblocks SIGPROF, and leaves it so. Host functions
    /// that block may see their system calls end with `EINTR`, as after any signal; a thread that
    /// waits gets no further one until it has run again. It costs the sampled thread some
    /// microseconds a sample; without samples nothing.
    pub fn sample_period(&mut self, period: Option<Duration>) -> &mut Self {
        self.sample = period;
        self
    }

    /// Sets the seed of the random times between samples.
    pub fn sample_seed(&mut self, seed: u64) -> &mut Self {
        self.sample_seed = seed;
        self
    }
}

/// Defines the switches of proposals that Upshift does not have.
macro_rules! unsupported {
    ($($setter:ident $words:literal;)*) => {
        /// Wasmtime's switches of proposals that Upshift does not have: they can be off, and where
        /// one is on, [`Engine::new`](crate::Engine::new) fails and says so.
        impl Config {$(
            #[doc = concat!("Refuses ", $words, " if it is to be on.")]
            pub fn $setter(&mut self, enable: bool) -> &mut Self {
                self.unsupported.retain(|(setter, _)| *setter != stringify!($setter));
                if enable {
                    self.unsupported.push((stringify!($setter), $words));
                }
                self
            }
        )*}
    };
}

unsupported! {
    wasm_gc "GC";
    wasm_component_model "components";
    wasm_stack_switching "stack switching";
    wasm_shared_everything_threads "shared types";
}

macro_rules! feature_setters {
    ($(
        $(#[$doc:meta])*
        $feature:ident = $setter:ident $name:literal: $flag:ident, $default:ident,
            needs [$($needed:ident)*], $help:literal;
    )*) => {
        /// Switches of features. A module that needs a feature that is off is refused, with
        /// [`MissingFeature`](crate::MissingFeature).
        impl Config {
            /// Sets whether modules may use the feature, as the setter of its name does.
            pub fn wasm_feature(&mut self, feature: Feature, enable: bool) -> &mut Self {
                self.features.set(feature, enable);
                self
            }
$(
            /// Sets whether modules may use this feature:
            $(#[$doc])*
            ///
            #[doc = concat!("By default it is ", stringify!($default), ".")]
            $(#[doc = concat!("Needs ", stringify!($needed), ".")])*
            pub fn $setter(&mut self, enable: bool) -> &mut Self {
                self.wasm_feature(Feature::$feature, enable)
            }
        )*}
    };
}
upshift_abi::for_each_feature!(feature_setters);
