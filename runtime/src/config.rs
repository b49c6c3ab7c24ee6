//! What an embedder decides for all modules and stores of a runtime.

use upshift_abi::MemoryOptions;

/// Where code lies, which decides how it is written. It is never writable where it is executable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum CodeMapping {
    /// In a memory file, written by system calls: no writable mapping of code exists. Where the
    /// system refuses memory files, as [`Anonymous`](Self::Anonymous).
    #[default]
    MemoryFile,
    /// In shared anonymous memory, for which profilers like `perf` look names up in a perf map. A
    /// second, writable mapping of the pages exists for some microseconds whenever code is written.
    Anonymous,
}

/// Sizes and modes that hold for all modules and stores of a runtime.
#[derive(Clone, Debug)]
pub struct RuntimeConfig {
    /// Address space for code, in bytes; at most 1 GiB. Costs nothing until used.
    pub code_space_bytes: usize,
    /// Places each piece of code behind a random gap of at most 240 bytes, for experiments that
    /// must not depend on the luck of addresses; 0 for no gaps.
    pub layout_seed: u32,
    /// Where code lies.
    pub code_mapping: CodeMapping,
    /// Bytes of stack that WebAssembly may use below the outermost call from the host; less where
    /// the calling thread has less, see [`stack`](crate::stack).
    pub max_wasm_stack: usize,
    /// How accesses beyond a memory's length are caught, and how much is reserved for one.
    pub memory: MemoryOptions,
}

impl Default for RuntimeConfig {
    fn default() -> Self {
        Self {
            code_space_bytes: 1 << 30,
            layout_seed: 0,
            code_mapping: CodeMapping::default(),
            max_wasm_stack: 1 << 20,
            memory: MemoryOptions::default(),
        }
    }
}
