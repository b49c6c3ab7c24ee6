//! Which functions were active: by frame pointers, through all activations of a store.

use upshift_abi::frame;

use super::frames::{FrameSink, WasmBacktrace};
use crate::code::CodeSpace;
use crate::store::Store;

impl WasmBacktrace {
    /// From an instruction of WebAssembly code on.
    ///
    /// # Safety
    ///
    /// The calling thread is inside the store's innermost activation, and `fp` is the frame of the
    /// code at `pc`, or its caller's.
    pub(crate) unsafe fn capture(store: &Store, pc: usize, fp: usize) -> Self {
        let code = store.runtime().code();
        let mut frames = FrameSink::default();
        // SAFETY: the code at `pc` is running, so it is placed.
        if let Some(meta) = unsafe { code.lookup(pc) } {
            let site = meta.trap_at(pc).map(|site| site.wasm);
            frames.push(meta, site.or_else(|| meta.wasm_offset_near(pc)));
        }
        // SAFETY: the caller's promise.
        unsafe { walk_callers(code, store.entry_fp(), fp, &mut frames) };
        frames.finish()
    }

    /// From the code that called a builtin which may leave WebAssembly.
    ///
    /// # Safety
    ///
    /// The calling thread is inside such a builtin of the store: its stub's frame stands.
    pub(crate) unsafe fn capture_at_builtin(store: &Store) -> Self {
        let fp = store.exit_fp();
        // SAFETY: the stub's frame is a frame record, and the code that it returns to is running.
        unsafe {
            let [caller, return_address] = (fp as *const [usize; 2]).read();
            Self::capture(store, return_address - 1, caller)
        }
    }

    /// From the host function that the store is running.
    ///
    /// # Safety
    ///
    /// The calling thread is inside a host function that the store's innermost activation called.
    pub(crate) unsafe fn capture_at_exit(store: &Store) -> Self {
        let mut frames = FrameSink::default();
        let code = store.runtime().code();
        // SAFETY: the host trampoline's frame stands, and is a frame record like any other.
        unsafe { walk_callers(code, store.entry_fp(), store.exit_fp(), &mut frames) };
        frames.finish()
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
    frames: &mut FrameSink<'_>,
) {
    // SAFETY: frame records and entry frames stand as long as their activation does.
    let word = |address: usize| unsafe { (address as *const usize).read() };
    let entry_word =
        |entry_fp: usize, offset: i32| word(entry_fp.wrapping_add_signed(offset as isize));
    loop {
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
            frames.push(meta, Some(site.wasm));
        }
        fp = caller;
    }
}
