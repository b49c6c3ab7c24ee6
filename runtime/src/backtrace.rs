//! Backtraces of bounded size: both ends of the stack and the number of frames between them.
//!
//! A stack can be a million calls deep, and an error outlives it, so a backtrace has the [`KEPT`]
//! innermost frames, which show what happened, the [`KEPT`] outermost ones, which show how it
//! began, and a count. Nothing is searched for people while the stack is walked: a frame has the
//! function's index, the declarations of its module and its bytes, in which names and lines are
//! found when they are shown.

use std::any::Any;
use std::fmt;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use upshift_abi::{FuncIndex, ModuleFacts, Tier, WasmOffset};

use crate::module_id::ModuleId;

/// The number of frames that a backtrace has from each end of the stack.
pub const KEPT: usize = 16;

/// The bytes of a module, and what has been found in them for people. Errors may hold it when the
/// module is gone.
#[derive(Debug)]
pub struct ModuleSource {
    wasm: Bytes,
    is_searched: bool,
    found: OnceLock<Box<dyn Any + Send + Sync>>,
}

impl ModuleSource {
    pub(crate) fn new(wasm: Bytes, is_searched: bool) -> Self {
        Self {
            wasm,
            is_searched,
            found: OnceLock::new(),
        }
    }

    /// The module's bytes.
    pub fn wasm(&self) -> &Bytes {
        &self.wasm
    }

    /// What `find` makes of the module's bytes: called once for each module, and not at all if the
    /// runtime is [configured](crate::RuntimeConfig::backtrace_details) without details.
    ///
    /// # Panics
    ///
    /// If the module was asked for a value of another type before.
    pub fn found<T: Any + Send + Sync>(&self, find: impl FnOnce(&[u8]) -> T) -> Option<&T> {
        if !self.is_searched {
            return None;
        }
        let found = self.found.get_or_init(|| Box::new(find(&self.wasm)));
        let found = found.downcast_ref();
        Some(found.expect("one kind of value is searched"))
    }
}

/// What an active function is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A function of WebAssembly.
    Wasm {
        /// The instruction that trapped, the call, or where an interruption struck. That one is
        /// near where the code's tables do not have it exactly.
        wasm: WasmOffset,
        /// The tier of the code that was running.
        tier: Tier,
    },
    /// A function of the host.
    Host,
}

/// The frame of one active function.
#[derive(Clone)]
pub struct Frame {
    /// The module that the function belongs to; for a host function, the one that imports it or,
    /// if the host has put it in a table, the one that called it.
    pub module: ModuleId,
    /// That module's declarations.
    pub facts: Arc<ModuleFacts>,
    /// That module's bytes.
    pub source: Arc<ModuleSource>,
    /// The index of the function in that module; `None` for a host function that it does not
    /// import.
    pub func: Option<FuncIndex>,
    /// The kind of the function, and where it is.
    pub place: Place,
}

impl Frame {
    /// The function's name, if it is known. A hash lookup, and a search through exports and imports
    /// for one that the name section does not name.
    pub fn func_name(&self) -> Option<&str> {
        self.facts.func_name(self.func?)
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {:?} {:?}", self.func, self.func_name(), self.place)
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
