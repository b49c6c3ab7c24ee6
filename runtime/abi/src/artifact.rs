//! The output of both compilers: inert bytes, and the tables that describe them.

use std::fmt;
use std::ops::Range;
use std::time::Duration;

use crate::builtin::Builtin;
use crate::compiler::Tier;
use crate::index::{CodeOffset, DefinedFuncIndex, LoopIndex, SiteCell, TargetCell, WasmOffset};
use crate::sites::Sites;

/// Code is placed at multiples of this many bytes, so data in it can have any alignment up to it.
pub const CODE_ALIGN: usize = 16;

/// A compiled function, OSR entry or trampoline: position-independent but for its relocations.
///
/// All tables are sorted by code offset.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CompiledFunction {
    /// The machine code; execution starts at its first byte, which is to be placed at a multiple of
    /// [`CODE_ALIGN`].
    pub code: Vec<u8>,
    /// The number of bytes at the end of `code` that are known to be data or padding, not
    /// instructions.
    pub data_bytes: u32,
    /// Places to patch when the code's address is known.
    pub relocations: Vec<Relocation>,
    /// Instructions that trap, and calls.
    pub sites: Sites,
    /// The WebAssembly instruction of each piece of code, sparsely: each entry holds until the next
    /// one. All of them if the request asked for it, else those by which a backtrace tells where an
    /// interruption has struck: of loops, and of code far behind any site.
    pub sources: Vec<SourceLocation>,
    /// The loops of a baseline function that can have an OSR entry.
    pub loops: Vec<OsrEntryInfo>,
    /// The size of a frame in bytes: the distance from `rbp` down to `rsp` where no call's
    /// arguments are on the stack. Exception handlers start with this `rsp`.
    pub frame_size: u32,
    /// The code that changes the frame: there `rbp` is neither the function's own frame pointer nor
    /// its caller's, and what it points to is whatever the stack contained. An interruption is
    /// delayed there.
    pub frame_moves: Option<Range<CodeOffset>>,
    /// Size and time figures of the compilation.
    pub stats: CompileStats,
}

/// A four-byte rip-relative field: `target + addend - address of the field`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Relocation {
    /// The offset of the four bytes.
    pub offset: CodeOffset,
    /// The target that they must reach.
    pub target: RelocationTarget,
    /// Added to the target; -4 when the field ends its instruction.
    pub addend: i32,
}

/// What a relocation can reach: everything is within ±2 GiB of all code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RelocationTarget {
    /// The function's [`VmSlot`](crate::vmctx::VmSlot), an 8-byte cell with the address of its
    /// current code.
    Slot(DefinedFuncIndex),
    /// The function's budget, a 4-byte signed cell, shared by all instances of the module.
    /// Threads race on it with plain subtractions: a lost update only moves a tier-up. Instances of
    /// modules with shared memories have [cells of their own](crate::vmctx::VmBudget) instead.
    Budget(DefinedFuncIndex),
    /// A 4-byte cell, shared by all instances of the module, see [`targets`](crate::targets).
    Target(TargetCell),
    /// A 4-byte cell, shared by all instances of the module, see [`counted`](crate::counted).
    Site(SiteCell),
    /// The 8-byte cell with the builtin's address.
    Builtin(Builtin),
    /// The first byte of the code that contains the relocation.
    Start,
}

/// Start of a run of code with one origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceLocation {
    /// The first byte of the run.
    pub code: CodeOffset,
    /// The instruction that the run was compiled from.
    pub wasm: WasmOffset,
}

/// A loop of a baseline function that can have an OSR entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OsrEntryInfo {
    /// The index of the loop.
    pub index: LoopIndex,
    /// The position of the `loop` instruction.
    pub wasm: WasmOffset,
    /// The number of loops around it.
    pub depth: u32,
}

/// Size and time figures of one compilation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CompileStats {
    /// The tier that compiled.
    pub tier: Option<Tier>,
    /// Bytes of the function's body.
    pub body_bytes: u32,
    /// Wall time; filled in by the caller of the compiler, which knows no clock.
    pub time: Duration,
}

impl CompiledFunction {
    /// The code without the data at its end.
    pub fn instructions(&self) -> &[u8] {
        &self.code[..self.code.len() - self.data_bytes as usize]
    }
}

impl fmt::Display for RelocationTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RelocationTarget::Slot(func) => write!(f, "slot[{func}]"),
            RelocationTarget::Budget(func) => write!(f, "budget[{func}]"),
            RelocationTarget::Site(cell) => write!(f, "site[{cell}]"),
            RelocationTarget::Target(cell) => write!(f, "target[{cell}]"),
            RelocationTarget::Builtin(builtin) => write!(f, "builtin[{}]", builtin.name()),
            RelocationTarget::Start => f.write_str("start"),
        }
    }
}
