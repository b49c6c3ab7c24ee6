//! Which functions were active: by frame pointers, through all activations of a store.

use std::fmt;
use std::sync::Arc;

use upshift_abi::{FuncIndex, ModuleFacts, Tier, WasmOffset, frame};

use crate::code::{CodeKind, CodeMeta, CodeSpace};
use crate::module::ModuleId;
use crate::store::Store;

/// Frames that a backtrace keeps at most; a deeper stack loses its outermost ones.
const MAX_FRAMES: usize = 1 << 16;

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
    fn new(meta: &CodeMeta, wasm: Option<WasmOffset>) -> Option<Self> {
        let CodeKind::Function(function) = &meta.kind else {
            return None;
        };
        Some(Self {
            module: function.module,
            facts: function.facts.clone(),
            func: function.facts.func_index(function.func),
            wasm,
            tier: function.tier,
        })
    }

    /// The function's name, if it is known.
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

/// The functions that were active, innermost first.
#[derive(Clone, Debug, Default)]
pub struct WasmBacktrace {
    /// The frames.
    pub frames: Vec<Frame>,
}

impl WasmBacktrace {
    /// From an instruction of WebAssembly code on.
    ///
    /// # Safety
    ///
    /// The calling thread is inside the store's innermost activation, and `fp` is the frame of the
    /// code at `pc`, or its caller's.
    pub(crate) unsafe fn capture(store: &Store, pc: usize, fp: usize) -> Self {
        let code = store.runtime().code();
        let mut frames = Vec::new();
        // SAFETY: the code at `pc` is running, so it is placed.
        if let Some(meta) = unsafe { code.lookup(pc) } {
            let site = meta.trap_at(pc).map(|site| site.wasm);
            frames.extend(Frame::new(meta, site.or_else(|| meta.wasm_offset_near(pc))));
        }
        // SAFETY: the caller's promise.
        unsafe { walk_callers(code, store.entry_fp(), fp, &mut frames) };
        Self { frames }
    }

    /// From the host function that the store is running.
    ///
    /// # Safety
    ///
    /// The calling thread is inside a host function that the store's innermost activation called.
    pub(crate) unsafe fn capture_at_exit(store: &Store) -> Self {
        let mut frames = Vec::new();
        let code = store.runtime().code();
        // SAFETY: the host trampoline's frame stands, and is a frame record like any other.
        unsafe { walk_callers(code, store.entry_fp(), store.exit_fp(), &mut frames) };
        Self { frames }
    }
}

/// Adds the callers of the function whose frame is `fp`.
///
/// # Safety
///
/// `fp` is a frame of the activation with the entry frame `entry_fp`, or that frame, and both are on the calling
/// thread's stack.
unsafe fn walk_callers(
    code: &CodeSpace,
    mut entry_fp: usize,
    mut fp: usize,
    frames: &mut Vec<Frame>,
) {
    // SAFETY: frame records and entry frames stand as long as their activation does.
    let word = |address: usize| unsafe { (address as *const usize).read() };
    let entry_word =
        |entry_fp: usize, offset: i32| word(entry_fp.wrapping_add_signed(offset as isize));
    while frames.len() < MAX_FRAMES {
        // An interruption may strike before a function has made its frame or after it gave it up: `fp` is then its caller's,
        // for the outermost function the entry frame itself.
        let outermost = fp == entry_fp || word(fp) == entry_fp;
        if outermost {
            let exit_fp = entry_word(entry_fp, frame::entry::PREVIOUS_EXIT_FP);
            entry_fp = entry_word(entry_fp, frame::entry::PREVIOUS_ENTRY_FP);
            if entry_fp == 0 {
                return;
            }
            fp = exit_fp;
            continue;
        }
        let (caller, return_address) = (word(fp), word(fp + 8));
        // SAFETY: the frame returns there, so that code is placed.
        if let Some(meta) = unsafe { code.lookup(return_address - 1) }
            && let Some(site) = meta.call_at(return_address)
        {
            frames.extend(Frame::new(meta, Some(site.wasm)));
        }
        fp = caller;
    }
}
