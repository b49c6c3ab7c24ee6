//! The encoder of instructions on vectors, in whichever form the processor has.
//!
//! Handlers write `dst = op(a, b)` and need not know the form: where it overwrites its first
//! operand, that is copied to the destination before. So the destination must not be `b` there;
//! with VEX forms it may.

use super::encode::Mem;
use super::opcode::vector::VecOp;
use super::record::Effect;
use super::{LateFixup, Masm, Pos};
use crate::alloc::home;
use crate::reg::Reg;
use upshift_abi::frame::HomeSlot;

/// The form of vector instructions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Form {
    /// SSE: two operands.
    #[default]
    Legacy,
    /// AVX: three operands.
    Vex,
}

/// The operand that may be a register or memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rm {
    Reg(Reg),
    Mem(Mem),
}

impl From<Reg> for Rm {
    fn from(reg: Reg) -> Self {
        Rm::Reg(reg)
    }
}

impl From<Mem> for Rm {
    fn from(mem: Mem) -> Self {
        Rm::Mem(mem)
    }
}

impl Masm {
    /// `dst = op(a, b)`.
    pub(crate) fn vec(&mut self, op: VecOp, dst: Reg, a: Reg, b: impl Into<Rm>) {
        self.vec_three(op, dst, a, b.into(), None);
    }

    /// `dst = op(a, b, imm)`.
    pub(crate) fn vec_imm(&mut self, op: VecOp, dst: Reg, a: Reg, b: impl Into<Rm>, imm: u8) {
        self.vec_three(op, dst, a, b.into(), Some(imm));
    }

    fn vec_three(&mut self, op: VecOp, dst: Reg, a: Reg, b: Rm, imm: Option<u8>) {
        if self.form == Form::Legacy && dst != a {
            debug_assert_ne!(b, Rm::Reg(dst), "the copy would overwrite the operand");
            self.mov(dst, a);
        }
        self.note_read(b);
        self.note(|| Effect::Change(dst));
        self.vec_raw(op, dst.hw(), a.hw(), b, imm);
    }

    /// `dst = op(src)`.
    pub(crate) fn vec_of(&mut self, op: VecOp, dst: Reg, src: impl Into<Rm>) {
        let src = src.into();
        self.note_read(src);
        self.note(|| Effect::Change(dst));
        self.vec_raw(op, dst.hw(), 0, src, None);
    }

    /// `dst = op(src, imm)`.
    pub(crate) fn vec_of_imm(&mut self, op: VecOp, dst: Reg, src: impl Into<Rm>, imm: u8) {
        let src = src.into();
        self.note_read(src);
        self.note(|| Effect::Change(dst));
        self.vec_raw(op, dst.hw(), 0, src, Some(imm));
    }

    /// `op a, b`, which changes nothing but the flags.
    pub(crate) fn vec_test(&mut self, op: VecOp, a: Reg, b: Reg) {
        self.vec_raw(op, a.hw(), 0, b.into(), None);
    }

    /// `dst = op(src)` with `dst` in ModRM's other field: a lane to an integer register.
    pub(crate) fn vec_extract(&mut self, op: VecOp, dst: Reg, src: Reg, lane: u8) {
        self.note(|| Effect::Change(dst));
        self.vec_raw(op, src.hw(), 0, dst.into(), Some(lane));
    }

    /// Stores a lane to linear memory.
    pub(crate) fn vec_store_lane(&mut self, op: VecOp, mem: Mem, src: Reg, lane: Option<u8>) {
        self.vec_raw(op, src.hw(), 0, mem.into(), lane);
    }

    /// `dst = src` shifted by a constant.
    pub(crate) fn vec_shift_imm(&mut self, op: VecOp, dst: Reg, src: Reg, amount: u8) {
        let digit = op.legacy.in_modrm();
        match self.form {
            Form::Legacy => {
                if dst != src {
                    self.mov(dst, src);
                }
                self.vec_raw(op, digit, 0, dst.into(), Some(amount));
            }
            Form::Vex => self.vec_raw(op, digit, dst.hw(), src.into(), Some(amount)),
        }
        self.note(|| Effect::Change(dst));
    }

    /// Sets all bits of a register, or clears them.
    pub(crate) fn vec_fill(&mut self, reg: Reg, ones: bool) {
        let op = if ones { VecOp::PCMPEQD } else { VecOp::PXOR };
        self.vec(op, reg, reg, reg);
    }

    /// Writes an instruction: ModRM's register field, VEX's further operand, the other operand.
    fn vec_raw(&mut self, op: VecOp, reg: u8, other: u8, rm: Rm, imm: Option<u8>) {
        let (high, modrm_sib, count) = match rm {
            Rm::Reg(rm) => (rm.hw() >> 3, u16::from(0xc0 | rm.hw() & 7), 1),
            Rm::Mem(mem) if mem.is_data() => (0, 0x05, 1),
            Rm::Mem(mem) => mem.modrm_sib(),
        };
        let high = (reg >> 3) << 2 | high;
        match self.form {
            Form::Legacy => {
                let (bits, count) = op.legacy.head(high);
                self.buf.put(bits, count);
            }
            Form::Vex => self.buf.put(op.vex.head_of(high, other).into(), 4),
        }
        let modrm_sib = modrm_sib | u16::from(reg & 7) << 3;
        self.buf.put(modrm_sib.into(), count);
        let imm_bytes = u32::from(imm.is_some());
        match rm {
            Rm::Reg(_) => {}
            Rm::Mem(mem) if mem.is_data() => {
                let at = self.pos();
                self.buf.put(0, 4);
                self.late.push(LateFixup {
                    at,
                    base: at.plus(4 + imm_bytes),
                    target: Pos::data(mem.disp() as u32),
                });
            }
            Rm::Mem(mem) => {
                let bytes = if mem.is_short() { 1 } else { 4 };
                self.buf.put(mem.disp() as u64, bytes);
            }
        }
        if let Some(imm) = imm {
            self.buf.put(imm.into(), 1);
        }
    }

    /// Notes that a computation reads what may be a home slot.
    fn note_read(&mut self, rm: Rm) {
        if !cfg!(debug_assertions) {
            return;
        }
        if let Rm::Mem(mem) = rm
            && let Some((base, disp)) = mem.frame_place()
            && base == Reg::RBP
            && let Some(slot) = HomeSlot::at(disp)
        {
            debug_assert_eq!(mem, home(slot));
            for word in 0..2 {
                self.note(|| Effect::Read(slot.word(word)));
            }
        }
    }
}
