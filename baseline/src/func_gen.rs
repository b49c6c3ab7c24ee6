//! The state of one compilation.

use std::rc::Rc;

use upshift_abi::artifact::SourceLocation;
use upshift_abi::fuel::Charges;
use upshift_abi::observe::{Cursor as Observed, FuncPlan};
use upshift_abi::{
    Counting, DefinedFuncIndex, FuncIndex, Kind, LoopIndex, ModuleFacts, OsrEntryInfo, TrapCode,
    TypeIndex, WasmOffset,
};

use crate::asm::Masm;
use crate::asm::encode::Op;
use crate::asm::vector::Form;
use crate::check::Checker;
use crate::control::Labels;
use crate::counter::LoopCounter;
use crate::describe::{Recorder, Site};
use crate::frame::FrameNeeds;
use crate::options::BaselineOptions;
use crate::peek::Peek;
use crate::region::Regions;
use crate::signature::{CallSignature, SignatureCache};
use crate::state::State;

/// Allocations that successive compilations reuse.
#[derive(Default)]
pub(crate) struct Buffers {
    pub(crate) masm: Masm,
    pub(crate) state: State,
    pub(crate) labels: Labels,
    pub(crate) sigs: SignatureCache,
}

/// What is compiled. It does not change, but for signatures that are looked up.
pub(crate) struct Input<'a> {
    pub(crate) facts: &'a ModuleFacts,
    /// The body, to look ahead in.
    pub(crate) peek: Peek<'a>,
    pub(crate) options: &'a BaselineOptions,
    pub(crate) func: DefinedFuncIndex,
    /// Whether the options' counters apply: if not, they are none.
    pub(crate) counting: Counting,
    pub(crate) sig: Rc<CallSignature>,
    sigs: SignatureCache,
}

impl Input<'_> {
    /// The signature of a type.
    pub(crate) fn signature(&mut self, ty: TypeIndex) -> Rc<CallSignature> {
        self.sigs.get(self.facts, ty)
    }

    /// A function's signature.
    pub(crate) fn signature_of(&mut self, func: FuncIndex) -> Rc<CallSignature> {
        self.signature(self.facts.funcs[func.index()])
    }
}

/// Where in the body the compilation is.
pub(crate) struct Cursor {
    /// The current operator's offset in the module.
    pub(crate) pos: u32,
    /// Whether control can reach the current operator.
    pub(crate) reachable: bool,
    /// `loop` operators so far.
    loop_count: u32,
    /// Loops around the current operator.
    pub(crate) loop_depth: u32,
}

impl Cursor {
    /// Numbers a `loop` operator, reachable or not.
    pub(crate) fn enter_loop(&mut self) -> LoopIndex {
        self.loop_depth += 1;
        self.loop_count += 1;
        LoopIndex(self.loop_count - 1)
    }

    /// The loop that was numbered last.
    pub(crate) fn newest_loop(&self) -> LoopIndex {
        LoopIndex(self.loop_count - 1)
    }

    /// At a loop's `end`.
    pub(crate) fn leave_loop(&mut self) {
        self.loop_depth -= 1;
    }
}

/// What the artifact says beside the code and the assembler's records.
#[derive(Default)]
pub(crate) struct Records {
    pub(crate) loops: Vec<OsrEntryInfo>,
    pub(crate) sources: Vec<SourceLocation>,
}

/// The code generator for one function; operators' handlers are its methods, see [`op`](crate::op).
///
/// Each field is a group that owns its invariants and the methods that need nothing else; methods
/// that emit code according to the state need several of them and are here.
pub(crate) struct FuncGen<'a> {
    pub(crate) input: Input<'a>,
    /// The code written so far.
    pub(crate) masm: Masm,
    /// Where locals and operands are, by register and home slot.
    pub(crate) state: State,
    pub(crate) labels: Labels,
    pub(crate) regions: Regions,
    pub(crate) cursor: Cursor,
    pub(crate) frame: FrameNeeds,
    /// The register that has the budget, in a loop that keeps it in one.
    pub(crate) loop_counter: Option<LoopCounter>,
    /// What operators cost, if the code consumes fuel.
    pub(crate) charges: Charges,
    /// What operators report, if the code is instrumented.
    pub(crate) observed: Observed<'a>,
    pub(crate) records: Records,
    /// Notes where values are, if the function is compiled to be described.
    pub(crate) recorder: Option<Box<Recorder>>,
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
        buffers.masm.form = match options.features.avx {
            true => Form::Vex,
            false => Form::Legacy,
        };
        buffers.state.reset();
        buffers.labels.clear();
        let ty = facts.funcs[facts.func_index(func).index()];
        let sig = buffers.sigs.get(facts, ty);
        let plan = facts.observed.as_ref().map(|plan| plan.of(func));
        let peek = match plan {
            Some(plan) => peek.stopping_at(plan.cursor()),
            None => peek,
        };
        Self {
            input: Input {
                facts,
                peek,
                options,
                func,
                counting: Counting::default(),
                sig,
                sigs: buffers.sigs,
            },
            masm: buffers.masm,
            state: buffers.state,
            labels: buffers.labels,
            regions: Regions::default(),
            cursor: Cursor {
                pos: 0,
                reachable: true,
                loop_count: 0,
                loop_depth: 0,
            },
            frame: FrameNeeds::new(),
            loop_counter: None,
            charges: Charges::default(),
            observed: plan.map(FuncPlan::cursor).unwrap_or_default(),
            records: Records::default(),
            recorder: None,
            checker: None,
        }
    }

    /// Gives the allocations back.
    pub(crate) fn into_buffers(self) -> Buffers {
        Buffers {
            masm: self.masm,
            state: self.state,
            labels: self.labels,
            sigs: self.input.sigs,
        }
    }

    /// The current operator, for tables.
    #[inline]
    pub(crate) fn wasm_offset(&self) -> WasmOffset {
        WasmOffset(self.cursor.pos)
    }

    /// Lists the next instruction as one that may trap.
    #[inline]
    pub(crate) fn trap_here(&mut self, trap: TrapCode) {
        self.masm.trap_site(WasmOffset(self.cursor.pos), trap);
        self.describe_sites(Site::Trap);
    }

    /// Lists the call that was emitted just now as one that backtraces show.
    pub(crate) fn call_here(&mut self) {
        self.masm.call_site(self.wasm_offset());
        self.describe_sites(Site::Call);
    }

    /// An instruction that traps.
    pub(crate) fn emit_trap(&mut self, trap: TrapCode) {
        self.trap_here(trap);
        self.masm.plain(Op::UD2);
    }

    /// The kind of a local.
    #[inline]
    pub(crate) fn local_kind(&self, local: u32) -> Kind {
        self.state.locals[local as usize].kind
    }
}
