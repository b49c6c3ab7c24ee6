//! What a backtrace keeps: both ends of the stack and how much lies between them.
//!
//! A stack can be a million calls deep, and an error outlives it, so a backtrace is bounded: the
//! [`KEPT`] innermost frames, which say what happened, the [`KEPT`] outermost ones, which say how
//! it began, and a count. Nothing is looked up while the stack is walked: a frame is a function's
//! index and the declarations of its module, from which names are looked up when they are shown.

use std::fmt;
use std::sync::Arc;

use upshift_abi::{FuncIndex, ModuleFacts, Tier, WasmOffset};

use crate::module_id::ModuleId;

/// Frames that a backtrace keeps at each end of the stack.
pub const KEPT: usize = 16;

/// One active function.
#[derive(Clone)]
pub struct Frame {
    /// The module it belongs to.
    pub module: ModuleId,
    /// The module's declarations.
    pub facts: Arc<ModuleFacts>,
    /// The function.
    pub func: FuncIndex,
    /// The instruction: the one that trapped, or the call. Unknown where an interruption
    /// struck code far from both.
    pub wasm: Option<WasmOffset>,
    /// Which tier's code was running.
    pub tier: Tier,
}

impl Frame {
    /// The function's name, if it is known. A hash lookup, and a search through the exports for one
    /// that the name section does not name.
    pub fn func_name(&self) -> Option<&str> {
        self.facts.func_name(self.func)
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {:?} {:?} ({})",
            self.func,
            self.func_name(),
            self.wasm,
            self.tier
        )
    }
}

/// The functions that were active.
#[derive(Clone, Debug, Default)]
pub struct WasmBacktrace {
    /// The frames, innermost first: all of them, or, where some are omitted, [`KEPT`] from each
    /// end of the stack.
    pub frames: Vec<Frame>,
    /// How many frames are left out behind the first [`KEPT`].
    pub omitted: usize,
}
