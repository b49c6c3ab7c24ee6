//! The encodings that nearly every operator needs, each written with one or two stores.
//!
//! An [`Op`] is an instruction's fixed bytes; [`rr`](Masm::rr), [`rm`](Masm::rm) and
//! [`ri`](Masm::ri) add registers, a memory operand or an immediate. Everything rarer is dynasm's.
//! A function of its own exists for instructions whose form depends on an operand's value.

use upshift_abi::RegClass;
use upshift_abi::atomic::AtomicWidth;

use super::opcode::ImmSize;
pub(crate) use super::opcode::{Alu, Locked, Op, OperandSize, Shift, Signedness, Sse, VexOp};
use super::record::Effect;
use super::{Cc, Masm, asm};
use crate::fixed::{Held, Rax, Rcx, Rdx};
use crate::reg::Reg;

/// A memory operand: what of its encoding does not depend on the instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mem {
    /// The displacement, or of a constant in the data section its offset there.
    disp: i32,
    /// ModRM without mode and register, then the SIB byte.
    modrm_sib: u16,
    /// How many bytes these are, or [`DATA`](Self::DATA).
    count: u8,
    /// REX's bits for index and base.
    rex: u8,
}

impl Mem {
    /// In [`count`](Self::count): no register at all, a constant in the data section.
    const DATA: u8 = 0;

    /// In the function's data.
    pub(super) const fn data(offset: u32) -> Self {
        Mem {
            disp: offset as i32,
            modrm_sib: 0,
            count: Self::DATA,
            rex: 0,
        }
    }

    /// `[base + disp]`.
    #[inline]
    pub(crate) const fn base(base: Reg, disp: i32) -> Self {
        if base.hw() & 7 == Reg::RSP.hw() {
            // Only SIB has these base registers. Its index `rsp` says that there is none.
            return Self::sib(base, Reg::RSP, 0, disp);
        }
        Mem {
            disp,
            modrm_sib: (base.hw() & 7) as u16,
            count: 1,
            rex: base.hw() >> 3,
        }
    }

    /// The place so many bytes further on.
    pub(crate) const fn plus(self, bytes: i32) -> Self {
        Mem {
            disp: self.disp + bytes,
            ..self
        }
    }

    /// `[base + index + disp]`.
    #[inline]
    pub(crate) const fn indexed(base: Reg, index: Reg, disp: i32) -> Self {
        Self::sib(base, index, 0, disp)
    }

    /// `[base + index * 8 + disp]`.
    pub(crate) const fn element(base: Reg, index: Reg, disp: i32) -> Self {
        Self::sib(base, index, 3, disp)
    }

    #[inline]
    const fn sib(base: Reg, index: Reg, scale: u8, disp: i32) -> Self {
        const HAS_SIB: u8 = 4;
        let (base, index) = (base.hw(), index.hw());
        let sib = scale << 6 | (index & 7) << 3 | base & 7;
        Mem {
            disp,
            modrm_sib: u16::from_le_bytes([HAS_SIB, sib]),
            count: 2,
            rex: (index >> 3) << 1 | base >> 3,
        }
    }

    /// Whether it is a constant in the data section.
    #[inline]
    pub(super) const fn is_data(self) -> bool {
        self.count == Self::DATA
    }

    /// Whether one byte has the displacement.
    #[inline]
    pub(super) const fn is_short(self) -> bool {
        self.disp as i8 as i32 == self.disp
    }

    /// The displacement, or a constant's offset in the data section.
    pub(super) const fn disp(self) -> i32 {
        self.disp
    }

    /// REX's bits for index and base; ModRM with its mode but without a register, and SIB; how many
    /// bytes those are. A displacement follows. Not for constants.
    pub(super) const fn modrm_sib(self) -> (u8, u16, usize) {
        let mode = if self.is_short() { 0x40 } else { 0x80 };
        (self.rex, self.modrm_sib | mode, self.count as usize)
    }

    /// Base and displacement, if there is no index and it is no constant.
    pub(super) fn frame_place(self) -> Option<(Reg, i32)> {
        (!self.is_data()).then(|| self.without_index())?
    }

    /// Base and displacement, if there is no index.
    pub(super) fn without_index(self) -> Option<(Reg, i32)> {
        let [modrm, sib] = self.modrm_sib.to_le_bytes();
        let low = match self.count {
            1 => modrm,
            _ => sib & 7,
        };
        let base = Reg::from_index(u32::from(low | (self.rex & 1) << 3));
        (self == Self::base(base, self.disp)).then_some((base, self.disp))
    }
}

impl Masm {
    /// `op reg, rm` between registers.
    #[inline]
    pub(crate) fn rr(&mut self, op: Op, reg: Reg, rm: Reg) {
        self.note_rr(op, reg, rm);
        self.rr_raw(op, reg.hw(), rm.hw());
    }

    #[inline]
    fn rr_raw(&mut self, op: Op, reg: u8, rm: u8) {
        self.rr_imm(op, reg, rm, 0, 0);
    }

    /// `op rm` of a register, which it changes.
    #[inline]
    fn r(&mut self, op: Op, rm: Reg) {
        self.note(|| Effect::Change(rm));
        self.r_unchanged(op, rm);
    }

    /// `op rm` of a register, which it only reads.
    #[inline]
    fn r_unchanged(&mut self, op: Op, rm: Reg) {
        self.rr_raw(op, op.in_modrm(), rm.hw());
    }

    /// `op rm, imm` of a register, with `count` bytes of immediate.
    #[inline]
    fn r_imm(&mut self, op: Op, rm: Reg, imm: u32, count: usize) {
        self.rr_imm(op, op.in_modrm(), rm.hw(), imm, count);
    }

    /// `op dst, rm, other` of registers, in VEX form.
    #[inline]
    pub(crate) fn vex_rrr(&mut self, op: VexOp, dst: Reg, rm: Reg, other: Reg) {
        self.note(|| Effect::Change(dst));
        let (dst, rm) = (dst.hw(), rm.hw());
        let modrm = 0xc0 | (dst & 7) << 3 | rm & 7;
        let head = op.head(dst, rm, other.hw());
        self.buf.put(u64::from(head) | u64::from(modrm) << 32, 5);
    }

    /// An instruction without operands, or the part of one in front of a displacement.
    #[inline]
    pub(crate) fn plain(&mut self, op: Op) {
        let (bits, count) = op.opcode();
        self.buf.put(bits, count);
    }

    /// `op reg, [rip + field]` up to the field, whose four bytes are to follow.
    #[inline]
    pub(super) fn rip(&mut self, op: Op, reg: u8) {
        let (bits, count) = op.head((reg >> 3) << 2);
        let modrm = u64::from(0x05 | (reg & 7) << 3);
        self.buf.put(bits | modrm << (8 * count), count + 1);
    }

    /// `op rel8`, a jump by so many bytes.
    #[inline]
    pub(super) fn rel8(&mut self, op: Op, distance: u8) {
        let (bits, count) = op.opcode();
        self.buf
            .put(bits | u64::from(distance) << (8 * count), count + 1);
    }

    /// With `count` bytes of immediate behind.
    #[inline]
    pub(super) fn rr_imm(&mut self, op: Op, reg: u8, rm: u8, imm: u32, count: usize) {
        let (bits, head_count) = op.head((reg >> 3) << 2 | rm >> 3);
        let modrm = u64::from(0xc0 | (reg & 7) << 3 | rm & 7);
        let tail = modrm | u64::from(imm) << 8;
        self.buf
            .put(bits | tail << (8 * head_count), head_count + 1 + count);
    }

    /// `op reg, [mem]`, or `op [mem], reg` for a store.
    pub(crate) fn rm(&mut self, op: Op, reg: Reg, mem: Mem) {
        let Some(mem) = self.access_or_fault(op, mem) else {
            return;
        };
        self.note_rm(op, reg, mem);
        if mem.is_data() {
            return self.rm_data(op, reg.hw(), mem.disp as u32);
        }
        let (bits, count, disp_count) = encode_rm(op, reg.hw(), mem);
        self.buf.put_two(bits, count, mem.disp as u64, disp_count);
    }

    /// `op [mem], imm` with `count` bytes of immediate, on memory that is no constant.
    #[inline]
    pub(super) fn rm_imm(&mut self, op: Op, mem: Mem, imm: u32, count: usize) {
        let (bits, head_count, disp_count) = encode_rm(op, op.in_modrm(), mem);
        let disp = match mem.is_short() {
            true => u64::from(mem.disp as u8),
            false => u64::from(mem.disp as u32),
        };
        let rest = disp | u64::from(imm) << (8 * disp_count);
        self.buf.put_two(bits, head_count, rest, disp_count + count);
    }

    /// `op reg, imm` of the arithmetic group.
    #[inline]
    pub(crate) fn ri(&mut self, op: Alu, size: OperandSize, reg: Reg, imm: i32) {
        let imm_size = ImmSize::of(imm);
        if op != Alu::Cmp {
            self.note(|| Effect::Change(reg));
        }
        let op = op.with_imm(imm_size).sized(size);
        self.r_imm(op, reg, imm as u32, imm_size as usize);
    }

    /// `cmp [mem], imm`.
    pub(crate) fn cmp_mem_imm(&mut self, size: OperandSize, mem: Mem, imm: i32) {
        let op = Alu::Cmp.with_imm(ImmSize::Dword).sized(size);
        self.rm_imm(op, mem, imm as u32, 4);
    }

    /// `sub [mem], imm`.
    pub(crate) fn sub_mem_imm(&mut self, size: OperandSize, mem: Mem, imm: i32) {
        let imm_size = ImmSize::of(imm);
        let op = Alu::Sub.with_imm(imm_size).sized(size);
        self.rm_imm(op, mem, imm as u32, imm_size as usize);
    }

    /// `imul reg, rm, imm`.
    pub(crate) fn imul_imm(&mut self, size: OperandSize, reg: Reg, rm: Reg, imm: i32) {
        self.note(|| Effect::Change(reg));
        let (reg, rm) = (reg.hw(), rm.hw());
        if i32::from(imm as i8) == imm {
            self.rr_imm(Op::IMUL_IMM8.sized(size), reg, rm, imm as u32, 1);
        } else {
            self.rr_imm(Op::IMUL_IMM32.sized(size), reg, rm, imm as u32, 4);
        }
    }

    /// `lea dst, [src + src * 2^scale]`. Without displacement: a third term would make it slower.
    pub(crate) fn lea_self_scaled(&mut self, size: OperandSize, dst: Reg, src: Reg, scale: u8) {
        self.note(|| Effect::Change(dst));
        let (dst, src) = (dst.hw(), src.hw());
        let (low, high) = (src & 7, src >> 3);
        let (bits, count) = Op::LEA.sized(size).head((dst >> 3) << 2 | high << 1 | high);
        // As base registers, rbp and r13 need a displacement.
        let (mode, disp_count) = if low == 5 { (0x40, 1) } else { (0, 0) };
        let modrm_sib = [mode | (dst & 7) << 3 | 4, scale << 6 | low << 3 | low];
        let tail = u64::from(u16::from_le_bytes(modrm_sib));
        self.buf
            .put(bits | tail << (8 * count), count + 2 + disp_count);
    }

    /// A shift by a constant.
    pub(crate) fn shift_imm(&mut self, op: Shift, size: OperandSize, reg: Reg, amount: u8) {
        self.note(|| Effect::Change(reg));
        self.r_imm(op.by_imm().sized(size), reg, u32::from(amount), 1);
    }

    /// A shift by `cl`.
    pub(crate) fn shift_cl(&mut self, op: Shift, size: OperandSize, reg: Reg, amount: &Held<Rcx>) {
        debug_assert_ne!(reg, amount.reg());
        self.r(op.by_cl().sized(size), reg);
    }

    /// `neg reg`.
    pub(crate) fn neg(&mut self, size: OperandSize, reg: Reg) {
        self.r(Op::NEG.sized(size), reg);
    }

    /// Extends a dividend by its sign: `cdq` or `cqo`.
    pub(crate) fn extend_dividend(&mut self, size: OperandSize, _: &Held<Rax>, _: &mut Held<Rdx>) {
        match size {
            OperandSize::S32 => asm!(self; cdq),
            OperandSize::S64 => asm!(self; cqo),
        }
    }

    /// `div reg` or `idiv reg`: divides `high:low`; `low` is the quotient then, `high` the
    /// remainder.
    pub(crate) fn div(
        &mut self,
        signedness: Signedness,
        size: OperandSize,
        (high, low): (&mut Held<Rdx>, &mut Held<Rax>),
        reg: Reg,
    ) {
        debug_assert!(reg != high.reg() && reg != low.reg());
        let op = match signedness {
            Signedness::Signed => Op::IDIV,
            Signedness::Unsigned => Op::DIV,
        };
        self.note(|| Effect::Change(low.reg()));
        self.note(|| Effect::Change(high.reg()));
        self.r_unchanged(op.sized(size), reg);
    }

    /// `mul reg` or `imul reg`: `high:low` is the product of `low` and the register.
    pub(crate) fn mul_wide(
        &mut self,
        signedness: Signedness,
        (high, low): (&mut Held<Rdx>, &mut Held<Rax>),
        reg: Reg,
    ) {
        debug_assert!(reg != high.reg());
        let op = match signedness {
            Signedness::Signed => Op::IMUL_WIDE,
            Signedness::Unsigned => Op::MUL_WIDE,
        };
        self.note(|| Effect::Change(low.reg()));
        self.note(|| Effect::Change(high.reg()));
        self.r_unchanged(op.wide(), reg);
    }

    /// `op [mem], reg`, as one step that other threads see whole.
    pub(crate) fn locked(&mut self, op: Locked, width: AtomicWidth, mem: Mem, reg: Reg) {
        const LOCK: u64 = 0xf0;
        if op != Locked::Xchg {
            self.buf.put(LOCK, 1);
        }
        let op = op.of(width);
        let op = match width {
            AtomicWidth::W8 => op.byte_reg(reg),
            _ => op,
        };
        self.rm(op, reg, mem);
    }

    /// `lock cmpxchg [mem], new`: stores `new` if memory contains what `old` does, else loads that.
    pub(crate) fn compare_exchange(
        &mut self,
        width: AtomicWidth,
        mem: Mem,
        new: Reg,
        old: &mut Held<Rax>,
    ) {
        self.note(|| Effect::Change(old.reg()));
        self.locked(Locked::Cmpxchg, width, mem, new);
    }

    /// Later accesses wait for all earlier ones: so does every locked instruction, and this one
    /// changes nothing. `mfence` takes four times as long.
    pub(crate) fn fence(&mut self) {
        asm!(self; lock or DWORD [rsp], 0);
    }

    /// `test reg, bits` of a register's lowest byte.
    pub(crate) fn test_low(&mut self, reg: Reg, bits: u8) {
        let op = Op::TEST_IMM8.byte_reg(reg);
        self.rr_imm(op, op.in_modrm(), reg.hw(), u32::from(bits), 1);
    }

    /// Copies a whole register within its class.
    #[inline]
    pub(crate) fn mov(&mut self, dst: Reg, src: Reg) {
        debug_assert_eq!(dst.class(), src.class());
        let Some((dst, src)) = self.move_or_fault(dst, src) else {
            return;
        };
        let op = match dst.class() {
            RegClass::Int => Op::MOV.wide(),
            RegClass::Float => Op::MOVAPS,
        };
        self.rr(op, dst, src);
    }

    /// Copies the low half of an integer register and clears the high one.
    pub(crate) fn mov32(&mut self, dst: Reg, src: Reg) {
        self.rr(Op::MOV, dst, src);
    }

    /// Loads a constant into an integer register; flags survive.
    pub(crate) fn mov_imm(&mut self, reg: Reg, value: u64) {
        self.note(|| Effect::Constant(reg, value));
        if let Ok(value) = u32::try_from(value) {
            let (bits, count) = Op::MOV_IMM.in_opcode(reg);
            self.buf
                .put(bits | u64::from(value) << (8 * count), count + 4);
        } else if i64::from(value as i32) == value as i64 {
            self.r_imm(Op::STORE_IMM.wide(), reg, value as u32, 4);
        } else {
            let (bits, count) = Op::MOV_IMM.wide().in_opcode(reg);
            self.buf.put_two(bits, count, value, 8);
        }
    }

    /// Clears an integer register, and the flags with it.
    pub(crate) fn zero(&mut self, reg: Reg) {
        self.rr(Op::XOR, reg, reg);
    }

    /// `mov dword/qword [mem], imm` (sign-extended).
    pub(crate) fn store_imm(&mut self, size: OperandSize, mem: Mem, imm: i32) {
        self.note_store_imm(size, mem, imm);
        self.rm_imm(Op::STORE_IMM.sized(size), mem, imm as u32, 4);
    }

    /// `mov byte [mem], imm`.
    pub(crate) fn store_imm8(&mut self, mem: Mem, imm: u8) {
        self.rm_imm(Op::STORE_IMM8, mem, u32::from(imm), 1);
    }

    /// `mov word [mem], imm`.
    pub(crate) fn store_imm16(&mut self, mem: Mem, imm: u16) {
        self.rm_imm(Op::STORE_IMM16, mem, u32::from(imm), 2);
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
        self.r(Op::SETCC.cc(cc).byte_reg(reg), reg);
    }

    /// `cmovcc dst, [mem]`, of 64 bits.
    pub(crate) fn cmov_mem(&mut self, cc: Cc, dst: Reg, mem: Mem) {
        self.rm(Op::CMOVCC.cc(cc).wide(), dst, mem);
    }

    /// `cmovcc dst, src`.
    pub(crate) fn cmov(&mut self, cc: Cc, size: OperandSize, dst: Reg, src: Reg) {
        self.rr(Op::CMOVCC.cc(cc).sized(size), dst, src);
    }
}

/// `op reg, [mem]` up to the displacement, how many bytes that is, and how many the displacement
/// has. The operand is no constant in the data section.
#[inline(always)]
fn encode_rm(op: Op, reg: u8, mem: Mem) -> (u64, usize, usize) {
    debug_assert!(!mem.is_data());
    let (bits, count) = op.head((reg >> 3) << 2 | mem.rex);
    // Base registers rbp and r13 need a displacement; one of zero bytes is never worth a test.
    let (mode, disp_count) = if mem.is_short() { (0x40, 1) } else { (0x80, 4) };
    let modrm_sib = mem.modrm_sib | mode | u16::from(reg & 7) << 3;
    let bits = bits | u64::from(modrm_sib) << (8 * count);
    (bits, count + usize::from(mem.count), disp_count)
}
