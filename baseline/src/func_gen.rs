//! The state of one compilation.

use std::rc::Rc;

use upshift_abi::artifact::SourceLocation;
use upshift_abi::{
    DefinedFuncIndex, Kind, LoopIndex, ModuleFacts, OsrEntryInfo, TrapCode, WasmOffset,
};

use crate::asm::encode::Op;
use crate::asm::{Label, Masm, Pos};
use crate::check::Checker;
use crate::control::ControlFrame;
use crate::options::BaselineOptions;
use crate::peek::Peek;
use crate::reg::RegSet;
use crate::signature::{CallSignature, SignatureCache};
use crate::state::State;

/// Allocations that successive compilations reuse.
#[derive(Default)]
pub(crate) struct Buffers {
    pub(crate) masm: Masm,
    pub(crate) state: State,
    pub(crate) control: Vec<ControlFrame>,
    pub(crate) maps: Vec<u32>,
    pub(crate) sigs: SignatureCache,
}

/// The code generator for one function; operators' handlers are its methods, see [`op`](crate::op).
///
/// The fields are of three groups: what is compiled (`facts` to `sig`), what is being written
/// (`masm` to `maps`, moved in from the session's buffers), and where we are (`pos` to the end).
pub(crate) struct FuncGen<'a> {
    pub(crate) facts: &'a ModuleFacts,
    /// The body, to look ahead in.
    pub(crate) peek: Peek<'a>,
    pub(crate) options: &'a BaselineOptions,
    pub(crate) func: DefinedFuncIndex,
    pub(crate) sig: Rc<CallSignature>,

    pub(crate) masm: Masm,
    pub(crate) state: State,
    pub(crate) control: Vec<ControlFrame>,
    /// Locals of the label states in `control`, see [`merge`](crate::merge).
    pub(crate) maps: Vec<u32>,
    pub(crate) sigs: SignatureCache,
    pub(crate) loops: Vec<OsrEntryInfo>,
    pub(crate) sources: Vec<SourceLocation>,

    /// The current operator's offset in the module.
    pub(crate) pos: u32,
    /// Whether control can reach the current operator.
    pub(crate) reachable: bool,
    /// Whether a comparison's result is in the flags, so that nothing may change them.
    pub(crate) flags_live: bool,
    /// `loop` operators so far, and how many of them are around the current operator.
    pub(crate) loop_count: u32,
    pub(crate) loop_depth: u32,
    /// The code that leaves for an OSR entry, once there is one.
    pub(crate) osr_exit: Option<Pos>,
    /// Callee-saved registers that the function changes.
    pub(crate) saved: RegSet,
    /// Whether no further one may be changed, because a tail call has restored those above.
    pub(crate) saved_is_final: bool,
    /// Where returns jump, before the function's end.
    pub(crate) epilogue: Label,
    /// Whether the function has called anything so far.
    pub(crate) calls: bool,
    /// Bytes below the frame that calls have needed so far for stack arguments and result areas.
    pub(crate) outgoing: u32,
    /// Numbers `br_table`s, so that each target is prepared once per table.
    pub(crate) tables: u32,
    /// Follows what is emitted, in debug builds.
    pub(crate) checker: Option<Box<Checker>>,
}

impl<'a> FuncGen<'a> {
    /// Ready for the first operator's prologue.
    pub(crate) fn new(
        facts: &'a ModuleFacts,
        peek: Peek<'a>,
        options: &'a BaselineOptions,
        func: DefinedFuncIndex,
        mut buffers: Buffers,
    ) -> Self {
        buffers.masm.reset();
        buffers.state.reset();
        buffers.control.clear();
        buffers.maps.clear();
        let sig = buffers
            .sigs
            .get(facts, facts.funcs[facts.func_index(func).index()]);
        Self {
            facts,
            peek,
            options,
            func,
            sig,
            masm: buffers.masm,
            state: buffers.state,
            control: buffers.control,
            maps: buffers.maps,
            sigs: buffers.sigs,
            loops: Vec::new(),
            sources: Vec::new(),
            pos: 0,
            reachable: true,
            flags_live: false,
            loop_count: 0,
            loop_depth: 0,
            osr_exit: None,
            saved: RegSet::NONE,
            saved_is_final: false,
            epilogue: Label::new(),
            calls: false,
            outgoing: 0,
            tables: 0,
            checker: None,
        }
    }

    /// Gives the allocations back.
    pub(crate) fn into_buffers(self) -> Buffers {
        Buffers {
            masm: self.masm,
            state: self.state,
            control: self.control,
            maps: self.maps,
            sigs: self.sigs,
        }
    }

    /// The current operator, for tables.
    #[inline]
    pub(crate) fn wasm_offset(&self) -> WasmOffset {
        WasmOffset(self.pos)
    }

    /// Lists the next instruction as one that may trap.
    #[inline]
    pub(crate) fn trap_here(&mut self, trap: TrapCode) {
        self.masm.trap_site(WasmOffset(self.pos), trap);
    }

    /// An instruction that traps.
    pub(crate) fn emit_trap(&mut self, trap: TrapCode) {
        self.trap_here(trap);
        self.masm.plain(Op::UD2);
    }

    /// Numbers a `loop` operator, reachable or not.
    pub(crate) fn next_loop(&mut self) -> LoopIndex {
        self.loop_count += 1;
        LoopIndex(self.loop_count - 1)
    }

    /// The kind of a local.
    #[inline]
    pub(crate) fn local_kind(&self, local: u32) -> Kind {
        self.state.locals[local as usize].kind
    }
}
