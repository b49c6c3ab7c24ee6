//! Walks of the stack: which functions were active, by frame pointers, through all activations of a
//! store.

use std::collections::VecDeque;

use upshift_abi::sites::Source;
use upshift_abi::{TrapCode, WasmOffset, frame};

use super::Store;
use crate::backtrace::{Frame, KEPT, WasmBacktrace};
use crate::code::{CodeKind, CodeMeta, FunctionCode, PlacedCode};

/// Frame pointers are multiples of this: the convention aligns `rsp` to 16 at calls.
const FRAME_ALIGN: usize = 16;

/// Where a trap happened.
#[derive(Clone, Copy, Debug)]
pub struct TrapRecord {
    /// Why.
    pub code: TrapCode,
    /// The instruction.
    pub pc: usize,
    /// The stack pointer there: all frames are above it.
    pub sp: usize,
    /// The frame pointer: of the instruction's function, or of its caller where the function has no
    /// frame.
    pub fp: usize,
}

/// Where a walk begins.
#[derive(Clone, Copy, Debug)]
enum Innermost {
    /// At an instruction of WebAssembly code.
    Instruction(usize),
    /// At the call of a builtin, whose stub's frame stands.
    Call { return_address: usize },
    /// In the stub or trampoline whose frame is the first record: its caller is the innermost
    /// function.
    Stub,
}

impl WasmBacktrace {
    /// From an instruction of WebAssembly code on.
    ///
    /// # Safety
    ///
    /// The calling thread is inside the store's innermost activation, and its stack holds what it
    /// held at the trap from `sp` on.
    pub(crate) unsafe fn capture(store: &Store, trap: &TrapRecord) -> Self {
        // SAFETY: the caller's promise.
        unsafe { Self::walk(store, Innermost::Instruction(trap.pc), trap.sp, trap.fp) }
    }

    /// From the code that called a builtin which may leave WebAssembly.
    ///
    /// # Safety
    ///
    /// The calling thread is inside such a builtin of the store: its stub's frame stands.
    pub(crate) unsafe fn capture_at_builtin(store: &Store) -> Self {
        let fp = store.exit_fp();
        // SAFETY: the stub's frame is a frame record.
        let [caller, return_address] = unsafe { (fp as *const [usize; 2]).read() };
        // SAFETY: the stack is readable from the stub's frame on.
        unsafe { Self::walk(store, Innermost::Call { return_address }, fp, caller) }
    }

    /// From the host function that the store is running.
    ///
    /// # Safety
    ///
    /// The calling thread is inside a host function that the store's innermost activation called.
    pub(crate) unsafe fn capture_at_exit(store: &Store) -> Self {
        let fp = store.exit_fp();
        // SAFETY: the host trampoline's frame stands, and is a frame record like any other.
        unsafe { Self::walk(store, Innermost::Stub, fp, fp) }
    }

    /// The innermost function and the callers of the function whose frame is `fp`.
    ///
    /// # Safety
    ///
    /// As for [`walk_callers`], with the store's entry frame.
    unsafe fn walk(store: &Store, innermost: Innermost, low: usize, fp: usize) -> Self {
        if !store.process().is_current() {
            // In a forked child, a thread that it does not have may hold the lock below.
            return Self::default();
        }
        // No code is freed while addresses in it are looked up.
        let placed = store.runtime().code().hold_placed();
        let mut frames = FrameSink::default();
        let pc = match innermost {
            Innermost::Instruction(pc) => Some(pc),
            Innermost::Call { return_address } => Some(return_address - 1),
            Innermost::Stub => None,
        };
        if let Some(pc) = pc
            && let Some(meta) = placed.lookup(pc)
        {
            let site = match innermost {
                Innermost::Call { return_address } => meta.call_at(return_address).map(|s| s.wasm),
                _ => meta.trap_at(pc).map(|site| site.wasm),
            };
            frames.push(meta, pc, site.or_else(|| meta.wasm_offset_near(pc)));
        }
        // SAFETY: the caller's promise.
        unsafe { walk_callers(&placed, store.entry_fp(), low, fp, &mut frames) };
        frames.finish()
    }
}

/// Adds the callers of the function whose frame is `fp`, through all activations of the store.
///
/// Within an activation nothing is believed: an interruption can strike where `rbp` leads to no
/// frame, and what it then points to may be anything that a guest has left on its stack. So frame
/// pointers must be aligned and rise strictly from `low` to the entry frame, and each return
/// address must lie in placed code; where one does not, the activation's other frames are left out.
/// Entry frames and what they hold are written by trampolines only, outside of what generated code
/// can address.
///
/// # Safety
///
/// `entry_fp` is the entry frame of the calling thread's innermost activation, and the stack is
/// readable from `low` on.
unsafe fn walk_callers<'p>(
    placed: &'p PlacedCode<'_>,
    mut entry_fp: usize,
    mut low: usize,
    mut fp: usize,
    frames: &mut FrameSink<'p>,
) {
    loop {
        // SAFETY: the entry frame stands as long as its activation, and the stack is readable
        // from `low` up to it.
        unsafe { walk_activation(placed, entry_fp, low, fp, frames) };
        // SAFETY: entry frames are laid out as `frame::entry` says.
        let word = |offset: i32| unsafe {
            (entry_fp.wrapping_add_signed(offset as isize) as *const usize).read()
        };
        let exit_fp = word(frame::entry::PREVIOUS_EXIT_FP);
        entry_fp = word(frame::entry::PREVIOUS_ENTRY_FP);
        if entry_fp == 0 {
            return;
        }
        (low, fp) = (exit_fp, exit_fp);
    }
}

/// The part of [`walk_callers`] in one activation.
///
/// # Safety
///
/// The stack is readable from `low` to `entry_fp`.
unsafe fn walk_activation<'p>(
    placed: &'p PlacedCode<'_>,
    entry_fp: usize,
    mut low: usize,
    mut fp: usize,
    frames: &mut FrameSink<'p>,
) {
    // An interruption may strike before a function has made its frame or after it gave it up: `fp`
    // is then its caller's, for the outermost function the entry frame itself.
    while fp != entry_fp {
        let is_frame = fp.is_multiple_of(FRAME_ALIGN) && low <= fp && fp < entry_fp;
        if !is_frame {
            return;
        }
        // SAFETY: aligned and within the readable part; the entry frame above is larger than a
        // record.
        let [caller, return_address] = unsafe { (fp as *const [usize; 2]).read() };
        if caller == entry_fp {
            // The outermost function returns to the entry trampoline.
            return;
        }
        let Some(meta) = placed.lookup(return_address.wrapping_sub(1)) else {
            return;
        };
        if let Some(site) = meta.call_at(return_address) {
            frames.push(meta, return_address - 1, Some(site.wasm));
        }
        (low, fp) = (fp + 1, caller);
    }
}

/// Takes the frames of a walk, innermost first, and keeps those that a backtrace shows. Its size
/// does not depend on how many it takes.
#[derive(Default)]
struct FrameSink<'a> {
    innermost: Vec<Site<'a>>,
    /// The last frames taken, beyond `innermost`.
    outermost: VecDeque<Site<'a>>,
    omitted: usize,
}

/// An active function and where it is; not yet a [`Frame`], as most are dropped again.
struct Site<'a> {
    code: &'a FunctionCode,
    source: Source,
}

impl<'a> FrameSink<'a> {
    /// Takes the next frame outwards: the instruction that it is at, and what that was compiled
    /// from. It becomes a frame for each function that was inlined there, and one for the function
    /// itself. Trampolines are not shown.
    fn push(&mut self, meta: &'a CodeMeta, pc: usize, wasm: Option<WasmOffset>) {
        let CodeKind::Function(code) = &meta.kind else {
            return;
        };
        for source in meta.sources(pc, wasm) {
            self.push_site(Site { code, source });
        }
    }

    fn push_site(&mut self, site: Site<'a>) {
        if self.innermost.len() < KEPT {
            self.innermost.push(site);
            return;
        }
        if self.outermost.len() == KEPT {
            self.outermost.pop_front();
            self.omitted += 1;
        }
        self.outermost.push_back(site);
    }

    /// The backtrace of what was taken.
    fn finish(self) -> WasmBacktrace {
        let sites = self.innermost.into_iter().chain(self.outermost);
        WasmBacktrace {
            frames: sites.map(Site::frame).collect(),
            omitted: self.omitted,
        }
    }
}

impl Site<'_> {
    fn frame(self) -> Frame {
        let code = self.code;
        let func = self.source.func.unwrap_or(code.func);
        Frame {
            module: code.module,
            facts: code.facts.clone(),
            func: code.facts.func_index(func),
            wasm: self.source.wasm,
            tier: code.tier,
        }
    }
}
