//! Live code, memories, instances, traps and stacks: everything that is unsafe by nature.
//!
//! Compilers hand over inert bytes; this crate makes them live. It knows where code is, switches a
//! function from one piece of code to another, runs it for a store, and turns hardware faults into
//! traps. What to compile when is somebody else's decision: [`TierHooks`] asks for it.
//!
//! - [`code`]: the code space, its allocator, the PC registry, reclamation;
//! - [`module`]: one module's slots, budgets and placed code;
//! - [`store`]: instances, functions, memories, tables, globals, and calls into WebAssembly;
//! - `image`: initial memory contents, shared by the instances of a module;
//! - [`stack`]: how far down a thread's stack may be used;
//! - [`trap`]: signal handling, unwinding, backtraces, interruption;
//! - `builtins`: the functions that generated code calls.
//!
//! # Invariants
//!
//! - No page is writable and executable through one mapping, and no live code is moved or changed.
//! - Knows no compiler and no policy, and no clock but that of deadlines.
//! - Only the signal handlers and the interrupt watchdog are global to the process.
//! - Generated code is trusted, modules are not: whatever a module says has been validated before
//!   code was made from it, and every length and index that arrives here at run time is checked.

mod builtins;
pub mod code;
pub mod error;
mod image;
pub mod module;
mod space;
pub mod stack;
pub mod store;
mod stubs;
mod sys;
pub mod trap;
mod types;

use std::sync::Arc;

use upshift_abi::compiler::Trampolines;
use upshift_abi::{FuncType, MemoryBounds, TypeId};

pub use code::{CodeAddr, CodeRef, CodeStats};
pub use error::{Error, LinkError, RuntimeError};
pub use module::{BudgetSite, ModuleCode, ModuleId, TierHooks};
pub use store::{
    ArrayFunc, DEFAULT_INSTANCE_LIMIT, DEFAULT_MEMORY_LIMIT, DEFAULT_TABLE_LIMIT, Extern,
    ExternValue, FindLimiter, FuncId, GlobalId, HostCall, HostFunc, InstanceId, MemoryId,
    NativeEntry, NativeFunc, ResourceLimiter, Store, StoreId, StoreLimits, StoreLimitsBuilder,
    TableId, run_native,
};
pub use trap::{
    ArmedTimeout, BACKTRACE_KEPT, Frame, InterruptHandle, Interruption, TimedOut, WasmBacktrace,
};

use code::CodeSpace;
use image::ImageFile;
use types::TypeRegistry;
pub use types::TypeUses;

pub use sys::Process;

/// Where code lies, which decides how it is written. It is never writable where it is executable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum CodeMapping {
    /// In a memory file, written by system calls: no writable mapping of code exists. Where the
    /// system refuses memory files, as [`Anonymous`](Self::Anonymous).
    #[default]
    MemoryFile,
    /// In shared anonymous memory, for which profilers like `perf` look names up in a perf map. A second, writable mapping
    /// of the pages exists for some microseconds whenever code is written.
    Anonymous,
}

/// Sizes and modes that hold for all modules and stores of a runtime.
#[derive(Clone, Debug)]
pub struct RuntimeConfig {
    /// Address space for code, in bytes; at most 1 GiB. Costs nothing until used.
    pub code_space_bytes: usize,
    /// Places each piece of code behind a random gap of at most 240 bytes, for experiments that must not
    /// depend on the luck of addresses; 0 for no gaps.
    pub layout_seed: u32,
    /// Where code lies.
    pub code_mapping: CodeMapping,
    /// Bytes of stack that WebAssembly may use below the outermost call from the host; less where the
    /// calling thread has less, see [`stack`].
    pub max_wasm_stack: usize,
    /// How accesses beyond a memory's length are caught; decides how much is reserved for one.
    pub memory_bounds: MemoryBounds,
    /// With explicit bounds, the most address space that is reserved for a memory whose minimum needs no more, in bytes. It
    /// can't grow beyond.
    pub memory_reservation: usize,
}

impl Default for RuntimeConfig {
    fn default() -> Self {
        Self {
            code_space_bytes: 1 << 30,
            layout_seed: 0,
            code_mapping: CodeMapping::default(),
            max_wasm_stack: 1 << 20,
            memory_bounds: MemoryBounds::GuardPages,
            memory_reservation: space::INDEX_SPACE as usize,
        }
    }
}

/// What all modules and stores of an engine share. Thread-safe.
#[derive(Debug)]
pub struct Runtime {
    config: RuntimeConfig,
    code: Arc<CodeSpace>,
    types: Arc<TypeRegistry>,
    images: Arc<ImageFile>,
    process: Process,
}

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
        let process = Process::current();
        let code = CodeSpace::new(&config, process)?;
        Ok(Arc::new(Self {
            config,
            code,
            types: TypeRegistry::new(trampolines, process),
            images: ImageFile::new(process),
            process,
        }))
    }

    /// The process that the runtime belongs to. In a child of that process, nothing of the runtime can be called
    /// or made.
    pub fn process(&self) -> Process {
        self.process
    }

    /// The sizes and modes it was made with.
    pub fn config(&self) -> &RuntimeConfig {
        &self.config
    }

    /// Gives function types the engine's ids; equal types have equal ids. Takes a lock.
    pub fn register_types(&self, types: &[FuncType]) -> TypeUses {
        self.types.register(types)
    }

    /// How many function types are in use. Takes a lock.
    pub fn type_count(&self) -> usize {
        self.types.len()
    }

    /// The function type with the id.
    ///
    /// # Panics
    ///
    /// If no type has the id: it is another runtime's, or its [`TypeUses`] are gone.
    pub fn func_type(&self, id: TypeId) -> Arc<FuncType> {
        self.types.func_type(id)
    }

    /// Bytes of code by state. Takes a lock.
    pub fn code_stats(&self) -> CodeStats {
        self.code.stats()
    }

    /// Frees retired code that no thread can be running any more, and gives its memory back to the system.
    pub fn collect_garbage(&self) {
        self.code.collect();
        self.code.trim();
    }

    pub(crate) fn code(&self) -> &Arc<CodeSpace> {
        &self.code
    }

    pub(crate) fn types(&self) -> &Arc<TypeRegistry> {
        &self.types
    }

    pub(crate) fn images(&self) -> &Arc<ImageFile> {
        &self.images
    }
}
