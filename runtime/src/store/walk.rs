//! Stack walks: find the active functions by frame pointers, through all activations of a store.
//!
//! Backtraces, the references that calls leave in frames, and the search for exception handlers
//! (`unwind`) are made from the same walk.

use std::ops::ControlFlow;
use std::ptr::NonNull;

use upshift_abi::sites::Source;
use upshift_abi::vmctx::VmHostContext;
use upshift_abi::{TrapCode, WasmOffset, frame};

use super::{Instance, Store};
use crate::backtrace::{Frame, KEPT, Place, WasmBacktrace};
use crate::code::{CodeKind, CodeMeta, FunctionCode, PlacedCode};
use crate::ends::Ends;

/// The alignment of frame pointers: the convention aligns `rsp` to 16 at calls.
const FRAME_ALIGN: usize = 16;

/// The place of a trap.
#[derive(Clone, Copy, Debug)]
pub struct TrapRecord {
    /// The reason of the trap.
    pub code: TrapCode,
    /// The address of the instruction.
    pub pc: usize,
    /// The stack pointer at the instruction: all frames are above it.
    pub sp: usize,
    /// The frame pointer at the instruction: of its function, or of the caller where the function
    /// has no frame.
    pub fp: usize,
    /// The content of the register that passes the context to a function: its context, in the
    /// function's head.
    pub context: usize,
}

/// A function that waits for a call to return.
pub(super) struct Caller<'p> {
    /// The code that made the call.
    pub meta: &'p CodeMeta,
    /// Where the call returns to.
    pub return_address: usize,
    /// The frame pointer.
    pub fp: usize,
}

/// The place where a backtrace begins.
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
    /// Captures the backtrace of a trap.
    ///
    /// # Safety
    ///
    /// The calling thread is inside the store's innermost activation, and its stack is unchanged
    /// since the trap, from `sp` on.
    pub(crate) unsafe fn capture(store: &Store, trap: &TrapRecord) -> Self {
        // SAFETY: guaranteed by the caller.
        unsafe { Self::walk(store, Innermost::Instruction(trap.pc), trap.sp, trap.fp) }
    }

    /// Captures the backtrace of the code that called a builtin which may leave WebAssembly.
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

    /// Captures the backtrace of the host function which the store is running.
    ///
    /// # Safety
    ///
    /// The calling thread is inside a host function that the store's innermost activation called.
    pub(crate) unsafe fn capture_at_exit(store: &Store) -> Self {
        let fp = store.exit_fp();
        // SAFETY: the host trampoline's frame stands, and is a frame record like any other.
        unsafe { Self::walk(store, Innermost::Stub, fp, fp) }
    }

    /// Captures the backtrace of the embedder's code that has the store: a host function or, in a
    /// builtin, the limiter. Empty outside WebAssembly.
    pub fn of(store: &Store) -> Self {
        if store.entry_fp() == 0 {
            return Self::default();
        }
        // SAFETY: inside an activation, the store is accessible to the embedder's code only, so the
        // frame of a host trampoline or a builtin's stub stands; should the embedder's code be on
        // another thread, the one that left WebAssembly waits for it.
        unsafe { Self::walk_always(store, Innermost::Stub, store.exit_fp(), store.exit_fp()) }
    }

    /// Walks from the innermost function to the callers of the function whose frame is `fp`, unless
    /// backtraces are switched off.
    ///
    /// # Safety
    ///
    /// As for [`walk_callers`], with the store's entry frame.
    unsafe fn walk(store: &Store, innermost: Innermost, low: usize, fp: usize) -> Self {
        if !store.runtime().config().backtraces {
            return Self::default();
        }
        // SAFETY: guaranteed by the caller.
        unsafe { Self::walk_always(store, innermost, low, fp) }
    }

    /// # Safety
    ///
    /// As for [`walk`](Self::walk).
    unsafe fn walk_always(store: &Store, innermost: Innermost, low: usize, fp: usize) -> Self {
        if !store.process().is_current() {
            // In a forked child, a thread that it does not have may hold the lock below.
            return Self::default();
        }
        // Code is kept from being freed while addresses in it are looked up.
        let placed = store.runtime().code().hold_placed();
        let mut frames = FrameSink(Ends::new(KEPT));
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
        // The host context of the call by which an activation was left, until its caller is found.
        let mut host = match innermost {
            // SAFETY: the frame stands, guaranteed by the caller.
            Innermost::Stub => unsafe { store.host_context(fp) },
            _ => None,
        };
        // SAFETY: guaranteed by the caller.
        unsafe {
            walk_callers(
                &placed,
                store.entry_fp(),
                low,
                fp,
                |visited| match visited {
                    Visited::Exit { fp } => host = store.host_context(fp),
                    Visited::Caller(Caller {
                        meta,
                        return_address,
                        ..
                    }) => {
                        if let Some(host) = host.take() {
                            frames.push_host(meta, host);
                        }
                        if let Some(site) = meta.call_at(return_address) {
                            frames.push(meta, return_address - 1, Some(site.wasm));
                        }
                    }
                },
            );
        }
        frames.finish(store)
    }
}

impl Store {
    /// The addresses of the words of the stack that contain references: what the artifacts list at
    /// the calls that the active functions are at. A collector reads and updates them. Neither
    /// compiler lists references yet, so `externref`s are searched for conservatively instead.
    ///
    /// Empty outside WebAssembly. Takes time in proportion to the number of frames.
    pub fn stack_references(&self) -> Vec<*mut u64> {
        let mut references = Vec::new();
        if self.entry_fp() == 0 || !self.process().is_current() {
            return references;
        }
        let placed = self.runtime().code().hold_placed();
        let fp = self.exit_fp();
        // SAFETY: inside an activation, the store is accessible to host functions only (and to the
        // limiter, in a builtin), so the frame of a host trampoline or a builtin's stub stands.
        unsafe {
            walk_callers(&placed, self.entry_fp(), fp, fp, |visited| {
                let Visited::Caller(caller) = visited else {
                    return;
                };
                let listed = caller.meta.references_at(caller.return_address).iter();
                references.extend(listed.map(|live| {
                    let address = caller.fp.wrapping_add_signed(live.frame_offset as isize);
                    std::ptr::with_exposed_provenance_mut(address)
                }));
            });
        }
        references
    }

    /// The host context with which an activation was left, if it was left for a host function. Its
    /// frame holds a context at a fixed place: a host trampoline's that of the function, a
    /// builtin's stub that of the instance, which is no host context of this store.
    ///
    /// # Safety
    ///
    /// `exit_fp` is the frame of a host trampoline or of a builtin's stub, and stands.
    unsafe fn host_context(&self, exit_fp: usize) -> Option<&VmHostContext> {
        let place = exit_fp.wrapping_add_signed(frame::VMCTX as isize);
        // SAFETY: guaranteed by the caller.
        self.host_contexts
            .at(unsafe { (place as *const usize).read() })
    }

    /// The frame of a host function that was called with the context; `caller` is the code that
    /// called it. Searches the imports of the instance that imports it.
    fn host_frame(&self, context: &VmHostContext, caller: &FunctionCode) -> Frame {
        let Some(vmctx) = NonNull::new(context.caller) else {
            return Frame {
                module: caller.module,
                facts: caller.facts.clone(),
                source: caller.source.clone(),
                func: None,
                place: Place::Host,
            };
        };
        // SAFETY: an instance's context points to its boxed `Instance`; both live as long as the
        // store.
        let instance = unsafe { &*(*vmctx.as_ptr()).instance.cast::<Instance>() };
        instance.module.host_frame(instance.import_with(context))
    }
}

/// What a walk comes by.
pub(super) enum Visited<'p> {
    /// The frame by which an outer activation was left: its callers follow.
    Exit { fp: usize },
    /// A function that waits for a call to return.
    Caller(Caller<'p>),
}

/// Visits the callers of the function whose frame is `fp`, innermost first, through all activations
/// of the store.
///
/// Within an activation nothing on the stack is trusted: an interruption can strike where `rbp`
/// leads to no frame, and what it then points to may be anything that a guest has left on its
/// stack. So frame pointers must be aligned and rise strictly from `low` to the entry frame, and
/// each return address must be in placed code; where one is not, the activation's other frames are
/// left out (where a call has left WebAssembly, all are found). Entry frames and their contents are
/// written by trampolines only, outside of what generated code can address.
///
/// # Safety
///
/// `entry_fp` is the entry frame of the calling thread's innermost activation, and the stack is
/// readable from `low` on.
pub(super) unsafe fn walk_callers<'p>(
    placed: &'p PlacedCode<'_>,
    mut entry_fp: usize,
    mut low: usize,
    mut fp: usize,
    mut visit: impl FnMut(Visited<'p>),
) {
    loop {
        let mut visit_caller = |caller| {
            visit(Visited::Caller(caller));
            ControlFlow::Continue(())
        };
        // SAFETY: the entry frame stands as long as its activation, and the stack is readable
        // from `low` up to it.
        let _ = unsafe { walk_activation(placed, entry_fp, low, fp, &mut visit_caller) };
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
        visit(Visited::Exit { fp });
    }
}

/// The part of [`walk_callers`] in one activation, which `visit` can end.
///
/// # Safety
///
/// The stack is readable from `low` to `entry_fp`.
pub(super) unsafe fn walk_activation<'p>(
    placed: &'p PlacedCode<'_>,
    entry_fp: usize,
    mut low: usize,
    mut fp: usize,
    visit: &mut impl FnMut(Caller<'p>) -> ControlFlow<()>,
) -> ControlFlow<()> {
    // An interruption may strike before a function has set up its frame or after it has removed it:
    // `fp` is then its caller's, for the outermost function the entry frame itself.
    while fp != entry_fp {
        let is_frame = fp.is_multiple_of(FRAME_ALIGN) && low <= fp && fp < entry_fp;
        if !is_frame {
            break;
        }
        // SAFETY: aligned and within the readable part; the entry frame above is larger than a
        // record.
        let [caller, return_address] = unsafe { (fp as *const [usize; 2]).read() };
        if caller == entry_fp {
            // The outermost function returns to the entry trampoline.
            break;
        }
        let Some(meta) = placed.lookup(return_address.wrapping_sub(1)) else {
            break;
        };
        visit(Caller {
            meta,
            return_address,
            fp: caller,
        })?;
        (low, fp) = (fp + 1, caller);
    }
    ControlFlow::Continue(())
}

/// A collector of the frames of a walk, innermost first, which keeps those that a backtrace shows.
struct FrameSink<'a>(Ends<Site<'a>>);

/// An active function and its position; not yet a [`Frame`], as most are dropped again.
enum Site<'a> {
    Wasm {
        code: &'a FunctionCode,
        source: Source,
    },
    Host {
        context: &'a VmHostContext,
        /// The code that called it.
        caller: &'a FunctionCode,
    },
}

impl<'a> FrameSink<'a> {
    /// Adds the next frame outwards: the instruction that it is at, and what that was compiled
    /// from. It becomes a frame for each function that was inlined there, and one for the function
    /// itself. Trampolines are not shown.
    fn push(&mut self, meta: &'a CodeMeta, pc: usize, wasm: Option<WasmOffset>) {
        let CodeKind::Function(code) = &meta.kind else {
            return;
        };
        for source in meta.sources(pc, wasm) {
            self.0.push(Site::Wasm { code, source });
        }
    }

    /// Adds a host function, which the code has called.
    fn push_host(&mut self, caller: &'a CodeMeta, context: &'a VmHostContext) {
        if let CodeKind::Function(caller) = &caller.kind {
            self.0.push(Site::Host { context, caller });
        }
    }

    /// The backtrace of the added frames.
    fn finish(self, store: &Store) -> WasmBacktrace {
        WasmBacktrace {
            omitted: self.0.omitted(),
            frames: self.0.into_iter().map(|site| site.frame(store)).collect(),
        }
    }
}

impl Site<'_> {
    fn frame(self, store: &Store) -> Frame {
        let (code, source) = match self {
            Site::Wasm { code, source } => (code, source),
            Site::Host { context, caller } => return store.host_frame(context, caller),
        };
        let func = source.func.unwrap_or(code.func);
        let body = || WasmOffset(code.facts.bodies[func.index()].start);
        Frame {
            module: code.module,
            facts: code.facts.clone(),
            source: code.source.clone(),
            func: Some(code.facts.func_index(func)),
            place: Place::Wasm {
                wasm: source.wasm.unwrap_or_else(body),
                tier: code.tier,
            },
        }
    }
}
