//! Out-of-line code, which runs rarely and is placed behind all code that normally runs.
//!
//! [`FuncGen::out_of_line`] writes it through a [`Cold`] view, which has the assembler and not the
//! generator: it has no way to allocate a register or to change what the abstract state says, which
//! would be wrong for the code that follows. Nor can it switch to main or to further cold code,
//! since what switches is private to this module. The rest of the assembler's methods can be called
//! on it; those that belong to main or to the function's end (labels that are bound, loop headers,
//! jumps to cold code, the head, finishing) panic in cold code in debug builds.
//!
//! Three kinds of cold code need more of the generator than a view: edges of branches, dispatches
//! of exceptions, and the end of a budget in a loop. They have methods of their own here, and debug
//! builds check that the abstract registers are the same afterwards.

use std::ops::{Deref, DerefMut};

use upshift_abi::{LoopIndex, TrapCode, WasmOffset};

use super::encode::Op;
use super::{Cc, LateFixup, Masm, Pos};
use crate::describe::Site;
use crate::func_gen::FuncGen;
use crate::reg::RegSet;
use crate::region::Region;

/// A conditional jump to cold code that is written later, by [`FuncGen::write_cold`].
#[must_use = "the jump leads nowhere yet"]
pub(crate) struct ColdJump(usize);

/// The view of cold code: [`Masm`]'s instructions, and the ways back.
pub(crate) struct Cold<'m> {
    masm: &'m mut Masm,
    /// The operator that is compiled.
    wasm: WasmOffset,
    /// Where main goes on.
    back: Pos,
}

impl Cold<'_> {
    /// Goes on where main does.
    pub(crate) fn resume(&mut self) {
        self.masm.jmp(self.back);
    }

    /// Goes on where main does if the condition code holds.
    pub(crate) fn resume_if(&mut self, cc: Cc) {
        self.masm.jcc(cc, self.back);
    }

    /// Traps.
    pub(crate) fn trap(&mut self, trap: TrapCode) {
        self.masm.trap_site(self.wasm, trap);
        self.masm.plain(Op::UD2);
    }
}

impl Deref for Cold<'_> {
    type Target = Masm;

    fn deref(&self) -> &Masm {
        self.masm
    }
}

impl DerefMut for Cold<'_> {
    fn deref_mut(&mut self) -> &mut Masm {
        self.masm
    }
}

impl Masm {
    /// Jumps to cold code if the condition code holds.
    pub(crate) fn jcc_cold(&mut self, cc: Cc) -> ColdJump {
        debug_assert!(!self.in_cold);
        self.plain(Op::JCC.cc(cc));
        let at = self.pos();
        self.buf.put(0, 4);
        self.late.push(LateFixup {
            at,
            base: at.plus(4),
            target: Pos::UNKNOWN,
        });
        ColdJump(self.late.len() - 1)
    }

    /// Starts writing cold code; returns where it will be.
    fn begin_cold(&mut self) -> Pos {
        debug_assert!(!self.in_cold);
        self.switch();
        self.pos()
    }

    /// Goes on writing main.
    fn end_cold(&mut self) {
        debug_assert!(self.in_cold);
        self.switch();
    }
}

impl FuncGen<'_> {
    /// If the condition code holds, runs cold code, which may [resume](Cold::resume) here.
    pub(crate) fn out_of_line(&mut self, cc: Cc, emit: impl FnOnce(&mut Cold<'_>)) {
        let jump = self.masm.jcc_cold(cc);
        self.write_cold(jump, emit);
    }

    /// Writes the cold code that a jump leads to. It [resumes](Cold::resume) here, behind what has
    /// been written since the jump for the other case.
    pub(crate) fn write_cold(&mut self, jump: ColdJump, emit: impl FnOnce(&mut Cold<'_>)) {
        let (wasm, back) = (self.wasm_offset(), self.masm.pos());
        let pos = self.masm.begin_cold();
        self.masm.late[jump.0].target = pos;
        let masm = &mut self.masm;
        emit(&mut Cold { masm, wasm, back });
        self.masm.end_cold();
        self.describe_sites(Site::Trap);
    }

    /// Traps if the condition code holds.
    pub(crate) fn trap_if(&mut self, cc: Cc, trap: TrapCode) {
        self.out_of_line(cc, |cold| cold.trap(trap));
    }

    /// A trap in cold code, to jump to.
    pub(crate) fn cold_trap(&mut self, trap: TrapCode) -> Pos {
        self.aside(|this| this.emit_trap(trap))
    }

    /// A branch to a label, as cold code to jump to.
    pub(crate) fn cold_branch(&mut self, target: usize) -> Pos {
        self.aside(|this| this.emit_branch(target))
    }

    /// The dispatch of a region's exceptions, as cold code. The abstract state is that of code that
    /// can't be reached.
    pub(crate) fn cold_dispatch(&mut self, region: &Region) {
        self.aside(|this| this.emit_dispatch(region));
    }

    /// At a loop header: if the condition code holds, the budget is gone.
    pub(crate) fn loop_tier_up(&mut self, cc: Cc, index: LoopIndex) {
        let jump = self.masm.jcc_cold(cc);
        let back = self.masm.pos();
        let pos = self.aside(|this| {
            this.emit_loop_tier_up(index.0);
            this.masm.jmp(back);
        });
        self.masm.late[jump.0].target = pos;
    }

    /// Writes cold code that needs the generator, though no other registers; returns where it is.
    fn aside(&mut self, emit: impl FnOnce(&mut Self)) -> Pos {
        let before = self.registers();
        let pos = self.masm.begin_cold();
        emit(self);
        self.masm.end_cold();
        debug_assert_eq!(before, self.registers(), "cold code changed the state");
        pos
    }

    /// What cold code must leave as it is.
    fn registers(&self) -> [RegSet; 4] {
        let regs = &self.state.regs;
        [regs.free, regs.locals, regs.stack, regs.dirty]
    }
}
