//! Backtraces of bounded size: both ends of the stack and the number of frames between them.
//!
//! A stack can be a million calls deep, and an error outlives it, so a backtrace has the [`KEPT`]
//! innermost frames, which show what happened, the [`KEPT`] outermost ones, which show how it
//! began, and a count. No name is searched while the stack is walked: a frame has the function's
//! index and the declarations of its module, in which names are found when they are shown.

use std::fmt;
use std::sync::Arc;

use upshift_abi::{FuncIndex, ModuleFacts, Tier, WasmOffset};

use crate::module_id::ModuleId;

/// The number of frames that a backtrace has from each end of the stack.
pub const KEPT: usize = 16;

/// The frame of one active function.
#[derive(Clone)]
pub struct Frame {
    /// The module that the function belongs to.
    pub module: ModuleId,
    /// The module's declarations.
    pub facts: Arc<ModuleFacts>,
    /// The index of the function.
    pub func: FuncIndex,
    /// The instruction that trapped, or the call. `None` where an interruption struck code far from
    /// both.
    pub wasm: Option<WasmOffset>,
    /// The tier of the code that was running.
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

/// The functions that were active when an error happened.
#[derive(Clone, Debug, Default)]
pub struct WasmBacktrace {
    /// The frames, innermost first: all of them, or, where some are omitted, [`KEPT`] from each
    /// end of the stack.
    pub frames: Vec<Frame>,
    /// The number of frames that are left out behind the first [`KEPT`].
    pub omitted: usize,
}
