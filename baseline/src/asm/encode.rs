//! The encodings that nearly every operator needs, each written with one or two stores.
//!
//! An [`Op`] is an instruction's fixed bytes; [`rr`](Masm::rr), [`rm`](Masm::rm) and
//! [`ri`](Masm::ri) add registers, a memory operand or an immediate. Everything rarer is dynasm's.

use super::{Cc, Masm};
use crate::reg::Reg;

/// An opcode: mandatory prefix, REX bits, escape and opcode bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Op {
    /// 0x66, 0xf2, 0xf3, or 0 for none.
    prefix: u8,
    /// Low bits of the REX byte; 0x40 alone forces one.
    rex: u8,
    /// Escape and opcode bytes in memory order.
    bytes: u16,
    /// How many of them.
    count: u8,
}

impl Op {
    /// A one-byte opcode.
    pub(crate) const fn one(opcode: u8) -> Self {
        Op {
            prefix: 0,
            rex: 0,
            bytes: opcode as u16,
            count: 1,
        }
    }

    /// An opcode behind 0x0f.
    pub(crate) const fn two(opcode: u8) -> Self {
        Op {
            prefix: 0,
            rex: 0,
            bytes: 0x0f | (opcode as u16) << 8,
            count: 2,
        }
    }

    /// An SSE opcode: mandatory prefix, 0x0f, opcode.
    pub(crate) const fn sse(prefix: u8, opcode: u8) -> Self {
        Op {
            prefix,
            ..Self::two(opcode)
        }
    }

    /// With this mandatory prefix.
    pub(crate) const fn prefixed(self, prefix: u8) -> Self {
        Op { prefix, ..self }
    }

    /// On 64 bits if asked to.
    #[inline]
    pub(crate) const fn wide(self, wide: bool) -> Self {
        Op {
            rex: self.rex | (wide as u8) << 3,
            ..self
        }
    }

    /// With a REX byte in any case: `sil` instead of `dh`.
    #[inline]
    const fn byte_reg(self, reg: Reg) -> Self {
        Op {
            rex: if reg.hw() >= 4 {
                self.rex | 0x40
            } else {
                self.rex
            },
            ..self
        }
    }
}

/// Register and memory forms of integer instructions: the register is the first operand.
#[allow(missing_docs)]
impl Op {
    pub(crate) const MOV: Op = Op::one(0x8b);
    pub(crate) const STORE: Op = Op::one(0x89);
    pub(crate) const STORE8: Op = Op::one(0x88);
    pub(crate) const STORE16: Op = Op::one(0x89).prefixed(0x66);
    pub(crate) const LEA: Op = Op::one(0x8d);
    pub(crate) const TEST: Op = Op::one(0x85);
    pub(crate) const IMUL: Op = Op::two(0xaf);
    pub(crate) const MOVZX8: Op = Op::two(0xb6);
    pub(crate) const MOVZX16: Op = Op::two(0xb7);
    pub(crate) const MOVSX8: Op = Op::two(0xbe);
    pub(crate) const MOVSX16: Op = Op::two(0xbf);
    pub(crate) const MOVSXD: Op = Op::one(0x63).wide(true);
    pub(crate) const MOVAPS: Op = Op::two(0x28);
    pub(crate) const MOVUPS_STORE: Op = Op::two(0x11);
    pub(crate) const MOVSS: Op = Op::sse(0xf3, 0x10);
    pub(crate) const MOVSS_STORE: Op = Op::sse(0xf3, 0x11);
    pub(crate) const MOVSD: Op = Op::sse(0xf2, 0x10);
    pub(crate) const MOVSD_STORE: Op = Op::sse(0xf2, 0x11);
}

/// The eight operations that share one encoding scheme, with their number in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Alu {
    Add = 0,
    Or = 1,
    And = 4,
    Sub = 5,
    Xor = 6,
    Cmp = 7,
}

impl Alu {
    /// The form `op reg, reg/mem`.
    #[inline]
    pub(crate) const fn op(self) -> Op {
        Op::one((self as u8) << 3 | 3)
    }
}

/// Shifts and rotations, with their number in the encoding scheme.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Shift {
    Rol = 0,
    Ror = 1,
    Shl = 4,
    Shr = 5,
    Sar = 7,
}

/// A memory operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mem {
    base: u8,
    /// [`NO_INDEX`](Self::NO_INDEX), or a register's encoding.
    index: u8,
    scale: u8,
    disp: i32,
}

impl Mem {
    /// `rsp`, which can't be an index: its encoding says that there is none.
    const NO_INDEX: u8 = 4;

    /// `[base + disp]`.
    #[inline]
    pub(crate) const fn base(base: Reg, disp: i32) -> Self {
        Mem {
            base: base.hw(),
            index: Self::NO_INDEX,
            scale: 0,
            disp,
        }
    }

    /// `[base + index + disp]`.
    #[inline]
    pub(crate) const fn indexed(base: Reg, index: Reg, disp: i32) -> Self {
        Mem {
            base: base.hw(),
            index: index.hw(),
            scale: 0,
            disp,
        }
    }

    /// `[base + index * 8 + disp]`.
    pub(crate) const fn element(base: Reg, index: Reg, disp: i32) -> Self {
        Mem {
            base: base.hw(),
            index: index.hw(),
            scale: 3,
            disp,
        }
    }
}

impl Masm {
    /// `op reg, rm` between registers.
    #[inline]
    pub(crate) fn rr(&mut self, op: Op, reg: Reg, rm: Reg) {
        self.rr_raw(op, reg.hw(), rm.hw());
    }

    #[inline]
    fn rr_raw(&mut self, op: Op, reg: u8, rm: u8) {
        self.rr_imm(op, reg, rm, 0, 0);
    }

    /// With `count` bytes of immediate behind.
    #[inline]
    fn rr_imm(&mut self, op: Op, reg: u8, rm: u8, imm: u32, count: usize) {
        let rex = op.rex | (reg >> 3) << 2 | rm >> 3;
        let (bits, head_count) = head(op, rex);
        let modrm = u64::from(0xc0 | (reg & 7) << 3 | rm & 7);
        let tail = modrm | u64::from(imm) << 8;
        self.buf
            .put(bits | tail << (8 * head_count), head_count + 1 + count);
    }

    /// `op reg, [mem]`, or `op [mem], reg` for a store.
    pub(crate) fn rm(&mut self, op: Op, reg: Reg, mem: Mem) {
        self.rm_imm(op, reg.hw(), mem, 0, 0);
    }

    /// With `count` bytes of immediate behind.
    fn rm_imm(&mut self, op: Op, reg: u8, mem: Mem, imm: u32, count: usize) {
        let rex = op.rex | (reg >> 3) << 2 | (mem.index >> 3) << 1 | mem.base >> 3;
        let (mut bits, mut head_count) = head(op, rex);
        let short = i32::from(mem.disp as i8) == mem.disp;
        // Base registers rbp and r13 need a displacement; one of zero bytes is never worth a test.
        let modrm = if short { 0x40 } else { 0x80 } | (reg & 7) << 3;
        if mem.index != Mem::NO_INDEX || mem.base & 7 == 4 {
            let sib = mem.scale << 6 | (mem.index & 7) << 3 | mem.base & 7;
            bits |= (u64::from(modrm | 4) | u64::from(sib) << 8) << (8 * head_count);
            head_count += 2;
        } else {
            bits |= u64::from(modrm | mem.base & 7) << (8 * head_count);
            head_count += 1;
        }
        let (disp, disp_count) = if short {
            (u64::from(mem.disp as u8), 1)
        } else {
            (u64::from(mem.disp as u32), 4)
        };
        let rest = disp | u64::from(imm) << (8 * disp_count);
        self.buf.put_two(bits, head_count, rest, disp_count + count);
    }

    /// `op reg, imm` of the arithmetic group.
    #[inline]
    pub(crate) fn ri(&mut self, op: Alu, wide: bool, reg: Reg, imm: i32) {
        if i32::from(imm as i8) == imm {
            self.rr_imm(Op::one(0x83).wide(wide), op as u8, reg.hw(), imm as u32, 1);
        } else {
            self.rr_imm(Op::one(0x81).wide(wide), op as u8, reg.hw(), imm as u32, 4);
        }
    }

    /// `cmp [mem], imm`.
    pub(crate) fn cmp_mem_imm(&mut self, wide: bool, mem: Mem, imm: i32) {
        self.rm_imm(Op::one(0x81).wide(wide), Alu::Cmp as u8, mem, imm as u32, 4);
    }

    /// `imul reg, rm, imm`.
    pub(crate) fn imul_imm(&mut self, wide: bool, reg: Reg, rm: Reg, imm: i32) {
        let (reg, rm) = (reg.hw(), rm.hw());
        if i32::from(imm as i8) == imm {
            self.rr_imm(Op::one(0x6b).wide(wide), reg, rm, imm as u32, 1);
        } else {
            self.rr_imm(Op::one(0x69).wide(wide), reg, rm, imm as u32, 4);
        }
    }

    /// A shift by a constant.
    pub(crate) fn shift_imm(&mut self, op: Shift, wide: bool, reg: Reg, amount: u8) {
        self.rr_imm(
            Op::one(0xc1).wide(wide),
            op as u8,
            reg.hw(),
            u32::from(amount),
            1,
        );
    }

    /// A shift by `cl`.
    pub(crate) fn shift_cl(&mut self, op: Shift, wide: bool, reg: Reg) {
        self.rr_raw(Op::one(0xd3).wide(wide), op as u8, reg.hw());
    }

    /// `neg reg`.
    pub(crate) fn neg(&mut self, wide: bool, reg: Reg) {
        self.rr_raw(Op::one(0xf7).wide(wide), 3, reg.hw());
    }

    /// `div reg` or `idiv reg`.
    pub(crate) fn div(&mut self, signed: bool, wide: bool, reg: Reg) {
        self.rr_raw(
            Op::one(0xf7).wide(wide),
            if signed { 7 } else { 6 },
            reg.hw(),
        );
    }

    /// Copies a whole register within its class.
    #[inline]
    pub(crate) fn mov(&mut self, dst: Reg, src: Reg) {
        debug_assert_eq!(dst.is_float(), src.is_float());
        let op = if dst.is_float() {
            Op::MOVAPS
        } else {
            Op::MOV.wide(true)
        };
        self.rr(op, dst, src);
    }

    /// Copies the low half of an integer register and clears the high one.
    pub(crate) fn mov32(&mut self, dst: Reg, src: Reg) {
        self.rr(Op::MOV, dst, src);
    }

    /// Loads a constant into an integer register; flags survive.
    pub(crate) fn mov_imm(&mut self, reg: Reg, value: u64) {
        let hw = reg.hw();
        if let Ok(value) = u32::try_from(value) {
            if hw < 8 {
                self.buf
                    .put(u64::from(0xb8 | hw) | u64::from(value) << 8, 5);
            } else {
                self.buf.put(
                    0x41 | u64::from(0xb8 | hw & 7) << 8 | u64::from(value) << 16,
                    6,
                );
            }
        } else if i64::from(value as i32) == value as i64 {
            self.rr_imm(Op::one(0xc7).wide(true), 0, hw, value as u32, 4);
        } else {
            self.buf
                .put(u64::from(0x48 | hw >> 3) | u64::from(0xb8 | hw & 7) << 8, 2);
            self.buf.put(value, 8);
        }
    }

    /// Clears an integer register, and the flags with it.
    pub(crate) fn zero(&mut self, reg: Reg) {
        self.rr(Op::one(0x33), reg, reg);
    }

    /// `mov dword/qword [mem], imm` (sign-extended).
    pub(crate) fn store_imm(&mut self, wide: bool, mem: Mem, imm: i32) {
        self.rm_imm(Op::one(0xc7).wide(wide), 0, mem, imm as u32, 4);
    }

    /// `mov byte [mem], imm`.
    pub(crate) fn store_imm8(&mut self, mem: Mem, imm: u8) {
        self.rm_imm(Op::one(0xc6), 0, mem, u32::from(imm), 1);
    }

    /// `mov word [mem], imm`.
    pub(crate) fn store_imm16(&mut self, mem: Mem, imm: u16) {
        self.rm_imm(Op::one(0xc7).prefixed(0x66), 0, mem, u32::from(imm), 2);
    }

    /// `mov byte [mem], reg`.
    pub(crate) fn store8(&mut self, mem: Mem, reg: Reg) {
        self.rm(Op::STORE8.byte_reg(reg), reg, mem);
    }

    /// `movzx`/`movsx` of a register's lowest byte.
    pub(crate) fn extend8(&mut self, op: Op, dst: Reg, src: Reg) {
        self.rr(op.byte_reg(src), dst, src);
    }

    /// `setcc` of a register's lowest byte.
    pub(crate) fn setcc(&mut self, cc: Cc, reg: Reg) {
        self.rr_raw(Op::two(0x90 | cc as u8).byte_reg(reg), 0, reg.hw());
    }

    /// `cmovcc dst, [mem]`, of 64 bits.
    pub(crate) fn cmov_mem(&mut self, cc: Cc, dst: Reg, mem: Mem) {
        self.rm(Op::two(0x40 | cc as u8).wide(true), dst, mem);
    }

    /// `cmovcc dst, src`.
    pub(crate) fn cmov(&mut self, cc: Cc, wide: bool, dst: Reg, src: Reg) {
        self.rr(Op::two(0x40 | cc as u8).wide(wide), dst, src);
    }
}

/// Prefix, REX (if there is one) and opcode, with their number of bytes.
#[inline]
fn head(op: Op, rex: u8) -> (u64, usize) {
    let (mut bits, mut count) = (u64::from(op.bytes), usize::from(op.count));
    if rex != 0 {
        bits = bits << 8 | u64::from(0x40 | rex);
        count += 1;
    }
    if op.prefix != 0 {
        bits = bits << 8 | u64::from(op.prefix);
        count += 1;
    }
    (bits, count)
}
