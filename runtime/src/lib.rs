//! Live code, memories, instances, traps and stacks: everything that is unsafe by nature.
//!
//! Compilers return inert bytes; this crate makes them live. It knows where code is, switches a
//! function from one piece of code to another, runs it for a store, and turns hardware faults into
//! traps. What is compiled when is decided by [`TierHooks`].
//!
//! Modules, from the bottom up; each imports only those above it in this list (`tests/imports.rs`):
//!
//! - [`error`], `backtrace`, `config`, `counters`, `module_id`: plain data;
//! - `sys`: the operating system; [`stack`]: the limits of a thread's stack;
//! - `fiber`: the stacks of asynchronous calls;
//! - `bytes`: a module's bytes while they arrive; `parking`: threads that wait for an address;
//! - [`code`]: the code space, its allocator, the PC registry, reclamation;
//! - `image`: initial memory contents, shared by the instances of a module; `space`: address space;
//! - `types`: the engine's ids of function types, and trampolines; `interrupt`: interruption and
//!   deadlines; `sampler`: where threads are, for profiles and policies;
//! - `runtime`: what all modules and stores share; `shared_memory`: memories that threads share;
//! - [`module`]: one module's slots, budgets and placed code;
//! - [`store`]: instances, functions, memories, tables, globals, calls into WebAssembly, and walks
//!   of its stack;
//! - `builtins`: the functions that generated code calls; `stubs`: the machine code around them;
//! - `trap`: signal handling; `sample_signal`: the sampler's signal; `builtin_table`: the addresses
//!   of builtins.
//!
//! # Invariants
//!
//! - No page is writable and executable through one mapping, and no live code is moved or changed.
//! - Knows no compiler and no policy, and no clocks but those of deadlines and samples.
//! - Only the signal handlers, the interrupt watchdog and the sampler's slots are global to the
//!   process.
//! - Generated code is trusted, modules are not: modules are validated before code is compiled from
//!   them, and every length and index that arrives here at run time is checked.

mod backtrace;
mod builtin_table;
mod builtins;
mod bytes;
pub mod code;
mod config;
mod counters;
mod ends;
pub mod error;
#[cfg(feature = "async")]
mod fiber;
mod image;
mod interrupt;
pub mod module;
mod module_id;
mod parking;
mod range;
mod runtime;
mod sample_signal;
mod sampler;
mod shared_memory;
mod space;
mod space_pool;
pub mod stack;
pub mod store;
mod stubs;
mod sync;
mod sys;
mod thread_clock;
mod trap;
mod types;

use std::sync::Arc;

use upshift_abi::compiler::Trampolines;

pub use backtrace::{
    Frame, KEPT as BACKTRACE_KEPT, ModuleSource, Place as FramePlace, WasmBacktrace,
};
pub use bytes::{ArrivingBytes, BytesWriter};
pub use code::{CodeAddr, CodeRef, CodeStats};
pub use config::{AsyncStacks, CodeMapping, RuntimeConfig};
pub use counters::Counters;
pub use error::{AsyncReason, Error, LinkError, RuntimeError, TimedOut};
pub use interrupt::{ArmedTimeout, InterruptHandle, Interruption};
pub use module::{BudgetSite, Counts, ModuleCode, TierHooks};
pub use module_id::ModuleId;
pub use parking::{Limit as WaitLimit, WaitResult};
pub use runtime::Runtime;
pub use sampler::{Compiling, Obstacle, Place, Sample, SampledCode, Sampler, SamplerConfig, Sink};
pub use shared_memory::{OutOfBounds, SharedMemory};
pub use store::{
    ArrayFunc, CallAbort, CallHook, CoreDump, CoreFrame, CoreValue, DEFAULT_INSTANCE_LIMIT,
    DEFAULT_MEMORY_LIMIT, DEFAULT_TABLE_LIMIT, EpochCallback, ExceptionId, ExceptionMemory, Extern,
    ExternValue, FindLimiter, FindWaitClock, FuncId, GlobalId, Hook, HostCall, HostFunc,
    InstanceId, MemoryId, NativeEntry, NativeFunc, ObservedEvent, ObservedFunc, Observer,
    ResourceLimiter, Store, StoreId, StoreLimits, StoreLimitsBuilder, TableId, TagId,
    ThrownException, UpdateDeadline, WaitClock, run_native,
};
#[cfg(feature = "async")]
pub use store::{
    AsyncHook, FindAsyncLimiter, HookFuture, OnFiber, ResourceLimiterAsync, run_async,
};
pub use sys::{Process, ProfilerMark};
pub use thread_clock::ThreadClock;
pub use types::TypeUses;

impl Runtime {
    /// Reserves the code space and installs the signal handlers.
    ///
    /// # Errors
    ///
    /// If the address space or executable memory can't be had.
    pub fn new(
        config: RuntimeConfig,
        trampolines: Box<dyn Trampolines>,
    ) -> Result<Arc<Self>, RuntimeError> {
        trap::install_handlers()?;
        Self::assemble(config, trampolines, &builtin_table::addresses())
    }

    /// Samples the threads that run the stores that are created from now on; `sink` gets the
    /// samples. Installs the handler of SIGPROF, which passes what is not the sampler's to the
    /// handler before it. Once for each runtime.
    ///
    /// # Errors
    ///
    /// If the system refuses the handler or the thread.
    ///
    /// # Panics
    ///
    /// If the runtime has a sampler.
    pub fn start_sampler(
        &self,
        config: SamplerConfig,
        sink: Box<Sink>,
    ) -> Result<(), RuntimeError> {
        sample_signal::install_handler()?;
        let sampler = Sampler::start(config, sink, sample_signal::is_in_force)?;
        self.set_sampler(sampler);
        Ok(())
    }
}
