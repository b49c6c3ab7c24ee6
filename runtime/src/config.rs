//! The configuration of all modules and stores of a runtime.

use upshift_abi::MemoryOptions;

/// How compiled code is mapped, which decides how it is written. It is never writable where it is
/// executable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum CodeMapping {
    /// Code is in a memory file, written by system calls: no writable mapping of it exists. Where
    /// the system refuses memory files, as [`Anonymous`](Self::Anonymous).
    #[default]
    MemoryFile,
    /// Code is in shared anonymous memory, which profilers like `perf` look up in a perf map. A
    /// second, writable mapping of the pages exists for some microseconds whenever code is written.
    Anonymous,
}

/// Sizes and modes that hold for all modules and stores of a runtime.
#[derive(Clone, Debug)]
pub struct RuntimeConfig {
    /// The address space for code, in bytes; at most 1 GiB. Costs nothing until used.
    pub code_space_bytes: usize,
    /// The seed of random gaps of at most 240 bytes before pieces of code, for experiments that
    /// must not depend on the luck of addresses; 0 for no gaps.
    pub layout_seed: u32,
    /// How code is mapped.
    pub code_mapping: CodeMapping,
    /// The number of bytes of stack that WebAssembly may use below the outermost call from the
    /// host; less where the calling thread has less, see [`stack`](crate::stack).
    pub max_wasm_stack: usize,
    /// The stacks of asynchronous calls.
    pub async_stacks: AsyncStacks,
    /// The most spaces of instances that are kept for later instances of the same module: for each,
    /// address space, some tables of the system's and at most 64 KiB of memory.
    pub instance_spaces: usize,
    /// Whether errors carry backtraces. Without, an error costs no walk of the stack.
    pub backtraces: bool,
    /// Whether a call that fails leaves a [`CoreDump`](crate::CoreDump) in the store.
    pub core_dumps: bool,
    /// Whether what backtraces show is completed from the modules' debug information.
    pub backtrace_details: bool,
    /// How accesses beyond a memory's length are caught, and how much is reserved for one.
    pub memory: MemoryOptions,
    /// Whether what compilers made stays known of placed code, so that it can be placed in another
    /// process ([`CodeRef::artifact`](crate::CodeRef::artifact)): 16 bytes for each relocation.
    pub keep_artifacts: bool,
    /// Whether modules are instrumented: then each call from the host keeps account of the calls
    /// that it makes.
    pub observed: bool,
}

/// The stacks on which asynchronous calls run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AsyncStacks {
    /// The size of each in bytes, what host functions use included.
    pub size: usize,
    /// Whether a stack is filled with zeros before another call gets it.
    pub zeroing: bool,
    /// The most stacks that are kept for later calls while no call uses them.
    pub keep: usize,
}

impl Default for AsyncStacks {
    fn default() -> Self {
        Self {
            size: 2 << 20,
            zeroing: false,
            keep: 64,
        }
    }
}

impl Default for RuntimeConfig {
    fn default() -> Self {
        Self {
            code_space_bytes: 1 << 30,
            layout_seed: 0,
            code_mapping: CodeMapping::default(),
            max_wasm_stack: 1 << 20,
            async_stacks: AsyncStacks::default(),
            instance_spaces: 32,
            backtraces: true,
            core_dumps: false,
            backtrace_details: true,
            memory: MemoryOptions::default(),
            keep_artifacts: false,
            observed: false,
        }
    }
}
