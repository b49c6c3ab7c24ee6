//! Prologue, epilogue, and the checks of stack and budget.
//!
//! The frame is the one that `upshift_abi::frame` describes, with the callee-saved registers that
//! the function changes at its bottom: `rsp` stands there between operators, so that the epilogue
//! pops them. A function in which a call has a handler saves all of them, since an exceptional edge
//! changes all registers. How large the frame is and which registers those are is known at the end:
//! the *head*, all that precedes the first store to the frame, is made last and put in front.
//!
//! The stack check compares what the frame and its calls' stack arguments will reach with the
//! store's limit; nothing is written below the frame pointer before, and `rsp` moves first only if
//! the frame is small, so that it never leaves the stack. A function that calls nothing and has a
//! small frame goes without: the reserve below the limit ([`frame::STACK_RESERVE`]) covers one such
//! frame.

use upshift_abi::callconv::{ArgLocation, RESULT_AREA_STRIDE, ResultLocation};
use upshift_abi::frame::{self, HomeSlot};
use upshift_abi::vmctx::{VmContext, VmStore};
use upshift_abi::{Builtin, DefinedFuncIndex, Kind, RelocationTarget, TrapCode, Width};

use crate::alloc::{as_float, as_words, home};
use crate::asm::encode::{Alu, Mem, Op, OperandSize};
use crate::asm::record::Effect;
use crate::asm::{Cc, Label, Masm, Pos, asm};
use crate::fixed::{R10, at_entry};
use crate::func_gen::FuncGen;
use crate::merge::Moves;
use crate::reg::{Reg, RegSet, Scratch};
use crate::runs::{Base, INLINE, Way, area_runs, stack_arg_runs};
use crate::state::Home;
use crate::value::Value;

/// Frames that reach no deeper than this are made before they are checked, which saves an
/// instruction.
const MADE_FIRST: u32 = 4096;

const _: () = assert!(
    frame::UNCHECKED < frame::STACK_RESERVE && MADE_FIRST < frame::STACK_RESERVE,
    "the stack pointer stays within the stack"
);

/// Locals up to this number are cleared by straight-line code.
const CLEAR_INLINE: u32 = 16;

/// What the body has needed of its frame so far; complete at the function's end, when the head is
/// made.
pub(crate) struct FrameNeeds {
    /// Callee-saved registers that the function changes.
    saved: RegSet,
    /// Callee-saved registers that only exceptional edges change, and their landings restore: none,
    /// unless a tail call has come before the first call with a handler.
    landed: RegSet,
    /// Whether no further one may be changed, because a tail call has restored those above.
    saved_is_final: bool,
    /// Whether the function has called anything.
    calls: bool,
    /// Bytes below the frame that calls need for stack arguments and result areas.
    outgoing: u32,
    /// The code that leaves for an OSR entry, once there is one.
    osr_exit: Option<Pos>,
    /// Where returns jump, before the function's end.
    pub(crate) epilogue: Label,
    /// Where returns jump whose end an OSR entry has reported.
    pub(crate) reported: Label,
}

impl FrameNeeds {
    /// The needs of an empty body: none.
    pub(crate) fn new() -> Self {
        Self {
            saved: RegSet::NONE,
            landed: RegSet::NONE,
            saved_is_final: false,
            calls: false,
            outgoing: 0,
            osr_exit: None,
            epilogue: Label::new(),
            reported: Label::new(),
        }
    }

    /// The callee-saved registers that the function changes.
    #[inline]
    pub(crate) fn saved(&self) -> RegSet {
        self.saved
    }

    /// The registers that the function may change.
    #[inline]
    pub(crate) fn changeable(&self) -> RegSet {
        if self.saved_is_final {
            RegSet::ALL.minus(RegSet::CALLEE_SAVED.minus(self.saved))
        } else {
            RegSet::ALL
        }
    }

    /// Notes that the function changes a register.
    #[inline]
    pub(crate) fn change(&mut self, reg: Reg) {
        debug_assert!(self.changeable().has(reg));
        self.saved = self.saved.or(reg.bit().and(RegSet::CALLEE_SAVED));
    }

    /// Notes that a call has a handler: an exceptional edge changes all registers.
    pub(crate) fn note_handler(&mut self) {
        let others = RegSet::CALLEE_SAVED.minus(self.saved);
        if self.saved_is_final {
            self.landed = others;
        } else {
            self.saved = RegSet::CALLEE_SAVED;
        }
    }

    /// Notes that a tail call restored the saved registers: the rest of the body may change no
    /// others.
    pub(crate) fn restored_early(&mut self) {
        self.saved_is_final = true;
    }

    /// Notes that the function calls something.
    pub(crate) fn note_call(&mut self) {
        self.calls = true;
    }

    /// Whether the function has called anything so far.
    #[inline]
    pub(crate) fn calls(&self) -> bool {
        self.calls
    }

    /// Notes that a call needs so many bytes below the frame.
    pub(crate) fn reserve(&mut self, bytes: u32) {
        self.outgoing = self.outgoing.max(bytes);
    }
}

impl Masm {
    /// Calls the tier-up stub; the two words that it takes stay pushed.
    pub(crate) fn tier_up(&mut self, func: DefinedFuncIndex, site: u32) {
        asm!(self; push DWORD func.0 as i32; push DWORD site as i32);
        self.call_cell(RelocationTarget::Builtin(Builtin::TierUp));
    }
}

impl FuncGen<'_> {
    /// Everything before the first operator; the locals are declared already.
    pub(crate) fn prologue(&mut self) {
        self.masm.rm(
            Op::STORE.wide(),
            Reg::VMCTX,
            Mem::base(Reg::RBP, frame::VMCTX),
        );
        if self.input.sig.result_area > 0 {
            self.masm.rm(
                Op::STORE.wide(),
                Reg::RSI,
                Mem::base(Reg::RBP, frame::RESULT_AREA),
            );
        }
        self.emit_entry_counter();
        self.emit_epoch_check();
        self.receive_params();
        self.clear_locals(self.input.sig.params.len());
    }

    /// Parameters in registers become their locals' registers; the others are copied to the slots.
    fn receive_params(&mut self) {
        let sig = self.input.sig.clone();
        let many = sig.stack_words() > INLINE;
        if many {
            for mut run in stack_arg_runs(&sig.params) {
                run.offset += 16;
                self.copy_run(Way::In, HomeSlot::NONE, Base::Reg(Reg::RBP), run);
            }
        }
        for (local, &(kind, location)) in sig.params.iter().enumerate() {
            let local = local as u32;
            match location {
                ArgLocation::Stack(_) if many => {}
                ArgLocation::Stack(offset) => {
                    let mem = Mem::base(Reg::RBP, 16 + offset as i32);
                    let slot = self.state.locals[local as usize].slot;
                    self.copy(as_words(kind), home(slot), mem);
                }
                ArgLocation::Int(reg) => {
                    let reg = Reg::from(reg);
                    self.normalize(kind, reg);
                    self.receive(local, reg);
                }
                ArgLocation::Float(reg) => self.receive(local, reg.into()),
            }
        }
    }

    fn receive(&mut self, local: u32, reg: Reg) {
        if self.input.options.ablation.register_locals {
            self.state.regs.free.remove(reg);
            self.state.bind(local, reg, Home::Stale);
        } else {
            self.store_local(local, reg);
        }
    }

    /// Clears the home slots of the locals behind so many.
    fn clear_locals(&mut self, kept: usize) {
        let mut slot = self.state.local_slot_before(kept);
        let last = self.state.slot_before(0);
        let count = last.words() - slot.words();
        if count == 0 {
            return;
        }
        let fscratch = self.masm.fscratch();
        let zero = fscratch.reg();
        self.masm.note(|| Effect::Constant(zero, 0));
        asm!(self.masm, fscratch; xorps fscratch, fscratch);
        if count > CLEAR_INLINE {
            let pairs = count / 2;
            let (after, words) = (slot, 2 * pairs);
            slot = after.down(words);
            let lowest = slot.offset();
            let scratch = self.masm.scratch();
            let left = self.take::<R10>();
            asm!(self.masm, scratch, fscratch; lea scratch, [rbp + lowest]);
            asm!(self.masm; mov Rd(left.reg()), pairs as i32);
            let top = self.masm.pos();
            asm!(self.masm, scratch, fscratch; movups [scratch], fscratch);
            asm!(self.masm, scratch; add scratch, 16; dec Rd(left.reg()));
            self.masm.jcc(Cc::Ne, top);
            self.give_back(left);
            self.masm.note(|| Effect::ClearSlots { after, words });
        }
        while slot.next(Width::W128) <= last {
            slot = slot.next(Width::W128);
            self.store_slot(Kind::V128, slot, fscratch.reg());
        }
        if slot < last {
            self.store_slot(Kind::F64, last, fscratch.reg());
        }
    }

    /// Returns the topmost operands. They stay on the abstract stack.
    pub(crate) fn emit_return(&mut self) {
        let sig = self.input.sig.clone();
        self.check_begin_fork();
        self.check_begin_passing();
        let from = self.state.stack.len() - sig.results.len();
        if sig.result_area > 0 {
            self.store_area_results(from);
        }
        let mut moves = Moves::new();
        let mut loads = [None; 8];
        let mut count = 0;
        for (i, &(_, location)) in sig.results.iter().enumerate() {
            let dst = match location {
                ResultLocation::Int(reg) => Reg::from(reg),
                ResultLocation::Float(reg) => Reg::from(reg),
                ResultLocation::Area(_) => continue,
            };
            let value = self.state.stack[from + i];
            match self.current_reg(value) {
                Some(src) => moves.add(dst, src),
                None => {
                    loads[count] = Some((dst, value));
                    count += 1;
                }
            }
        }
        self.emit_moves(moves);
        for (dst, value) in loads.into_iter().flatten() {
            self.load_value(dst, value);
        }
        self.check_results();
        self.check_end_fork();
    }

    /// Returns before the function's end.
    pub(crate) fn emit_early_return(&mut self) {
        self.emit_return();
        self.masm.jmp_label(&mut self.frame.epilogue);
    }

    fn store_area_results(&mut self, from: usize) {
        let sig = self.input.sig.clone();
        if sig.result_area as usize / RESULT_AREA_STRIDE as usize > INLINE {
            let before = self.state.slot_before(from);
            for run in area_runs(&sig.results) {
                let area = Mem::base(Reg::RBP, frame::RESULT_AREA);
                let base = self.masm.scratch();
                self.masm.rm(Op::MOV.wide(), base.reg(), area);
                self.copy_run(Way::Out, before, Base::Scratch(base), run);
            }
            return;
        }
        for (i, &(_, location)) in sig.results.iter().enumerate() {
            if let ResultLocation::Area(offset) = location {
                let value = self.state.stack[from + i];
                let base = self.masm.scratch();
                let area = Mem::base(Reg::RBP, frame::RESULT_AREA);
                self.masm.rm(Op::MOV.wide(), base.reg(), area);
                let mem = Mem::base(base.reg(), offset as i32);
                if let Value::Const(kind, bits) = value {
                    // Not as an integer: a wide one would take the scratch register, too.
                    let via = self.masm.fscratch();
                    self.load_const(as_float(kind), via.reg(), bits);
                    self.store(as_float(kind), mem, via.reg());
                } else {
                    self.store_value(mem, value);
                }
            }
        }
    }

    /// At the function's end: restores the caller's registers, leaves the frame and pops the stack
    /// arguments.
    pub(crate) fn emit_epilogue(&mut self) {
        self.masm.bind(self.frame.epilogue);
        if self.is_listened_to() {
            self.report_return();
            self.masm.bind(self.frame.reported);
        }
        for reg in self.frame.saved().rev() {
            asm!(self.masm; pop Rq(reg));
        }
        if self.input.sig.stack_args > 0 {
            asm!(self.masm; leave; ret self.input.sig.stack_args as i16);
        } else {
            self.masm.plain(Op::LEAVE);
            self.masm.plain(Op::RET);
        }
    }

    /// Where to jump with an OSR entry's address in `scratch`: calls it and returns its results.
    /// Its return address is no call site: backtraces skip this frame.
    pub(crate) fn osr_exit(&mut self, scratch: &Scratch) -> Pos {
        if let Some(pos) = self.frame.osr_exit {
            return pos;
        }
        let over = self.masm.jmp_short();
        let pos = self.masm.pos();
        asm!(self.masm; mov vmctx, [rbp + frame::VMCTX]);
        if self.input.sig.result_area > 0 {
            asm!(self.masm; mov rsi, [rbp + frame::RESULT_AREA]; mov rdx, rbp);
            asm!(self.masm, scratch; call scratch);
        } else {
            asm!(self.masm, scratch; mov rsi, rbp; call scratch);
        }
        let is_reported = self.is_listened_to();
        self.masm.jmp_label(match is_reported {
            true => &mut self.frame.reported,
            false => &mut self.frame.epilogue,
        });
        self.masm.bind_short(over);
        self.frame.osr_exit = Some(pos);
        pos
    }

    /// Behind an exceptional edge: the registers that a region's dispatch relies on, and those that
    /// the function may not change.
    pub(crate) fn emit_landing(&mut self) {
        let saved = self.frame.saved.len() as i32;
        for (i, reg) in self.frame.landed.rev().enumerate() {
            let at = Mem::base(Reg::RSP, 8 * (saved + i as i32));
            self.load(Kind::I64, reg, at);
        }
        self.reload_vmctx();
    }

    /// Bytes of callee-saved registers in the frame.
    fn saved_bytes(&self) -> u32 {
        8 * self.frame.saved.or(self.frame.landed).len()
    }

    /// Bytes of the frame below `rbp`.
    fn frame_size(&self) -> u32 {
        (self.state.end.bytes_below_fp() + self.saved_bytes()).next_multiple_of(16)
    }

    /// Where a frame of the size holds the caller's registers, as the head stores them: the number
    /// of each, and its offset from `rbp`.
    pub(crate) fn saved_registers(&self, size: u32) -> Vec<(u8, i32)> {
        let below = (size - self.saved_bytes()) as i32;
        let pushed = self.frame.landed.into_iter().chain(self.frame.saved);
        let offsets = (1..).map(|n| -below - 8 * n);
        let places = pushed.zip(offsets);
        places
            .map(|(reg, offset)| (reg.index() as u8, offset))
            .collect()
    }

    /// Emits the head, as the last code of the function; returns the frame's size.
    pub(crate) fn emit_head(&mut self) -> u32 {
        let size = self.frame_size();
        let below = (size - self.saved_bytes()) as i32;
        let reach = size + self.frame.outgoing;
        let check = self.frame.calls || size > frame::UNCHECKED;
        let overflow = check.then(|| self.cold_trap(TrapCode::StackOverflow));
        self.masm.begin_head();
        asm!(self.masm; push rbp; mov rbp, rsp);
        match overflow {
            Some(overflow) if reach > MADE_FIRST => {
                let scratch = self.masm.scratch();
                asm!(self.masm, scratch; lea scratch, [rbp - reach as i32]);
                self.emit_stack_check(scratch.reg(), overflow);
                self.masm.ri(Alu::Sub, OperandSize::S64, Reg::RSP, below);
            }
            Some(overflow) => {
                self.masm.ri(Alu::Sub, OperandSize::S64, Reg::RSP, below);
                self.emit_stack_check(Reg::RSP, overflow);
            }
            None => self.masm.ri(Alu::Sub, OperandSize::S64, Reg::RSP, below),
        }
        // Those that the epilogue pops are at the bottom.
        for reg in self.frame.landed {
            asm!(self.masm; push Rq(reg));
        }
        for reg in self.frame.saved {
            asm!(self.masm; push Rq(reg));
        }
        self.masm.end_head();
        size
    }

    /// In the head: jumps to `overflow` if the address is below the store's limit.
    fn emit_stack_check(&mut self, address: Reg, overflow: Pos) {
        let store = Mem::base(Reg::VMCTX, VmContext::STORE.disp());
        at_entry::<R10>(|held| {
            let limit = Mem::base(held.reg(), VmStore::STACK_LIMIT.disp());
            self.masm.rm(Op::MOV.wide(), held.reg(), store);
            self.masm.rm(Alu::Cmp.op().wide(), address, limit);
        });
        self.masm.jcc_from_head(Cc::B, overflow);
    }

    /// Registers as they are behind a call: only those that calls preserve keep their contents.
    pub(crate) fn forget_registers(&mut self) {
        let regs = &self.state.regs;
        let kept = RegSet::CALLEE_SAVED;
        debug_assert!(regs.dirty.or(regs.stack).minus(kept).is_empty());
        self.state.forget_local_registers(kept);
        let regs = &mut self.state.regs;
        debug_assert!(regs.reserved.is_empty());
        regs.free = RegSet::ALL.minus(regs.locals.or(regs.stack));
    }
}
