//! Integer arithmetic, comparisons and bit operations.

mod divide;
mod fold;
mod wide;

use divide::Division;
use fold::{fold, fold_compare, fold_shift, truncate};
use upshift_abi::{Kind, RegClass};

use crate::alloc::Operand;
use crate::asm::encode::OperandSize::{self, S32, S64};
use crate::asm::encode::{Alu, Mem, Op, Shift, VexOp};
use crate::asm::{Cc, ZeroTest, asm};
use crate::func_gen::FuncGen;
use crate::peek::Next;
use crate::reg::Reg;
use crate::value::{Cond, Value};

/// One handler for each operator that is the same for both sizes.
macro_rules! both_sizes {
    ($($visit32:ident, $visit64:ident => $handler:ident($($arg:expr),*);)*) => {
        impl FuncGen<'_> {$(
            pub(crate) fn $visit32(&mut self) {
                self.$handler(S32 $(, $arg)*);
            }

            pub(crate) fn $visit64(&mut self) {
                self.$handler(S64 $(, $arg)*);
            }
        )*}
    };
}

both_sizes! {
    visit_i32_add, visit_i64_add => alu(Alu::Add);
    visit_i32_sub, visit_i64_sub => alu(Alu::Sub);
    visit_i32_and, visit_i64_and => alu(Alu::And);
    visit_i32_or, visit_i64_or => alu(Alu::Or);
    visit_i32_xor, visit_i64_xor => alu(Alu::Xor);
    visit_i32_mul, visit_i64_mul => mul();
    visit_i32_shl, visit_i64_shl => shift(Shift::Shl);
    visit_i32_shr_s, visit_i64_shr_s => shift(Shift::Sar);
    visit_i32_shr_u, visit_i64_shr_u => shift(Shift::Shr);
    visit_i32_rotl, visit_i64_rotl => shift(Shift::Rol);
    visit_i32_rotr, visit_i64_rotr => shift(Shift::Ror);
    visit_i32_div_s, visit_i64_div_s => divide(Division::DivS);
    visit_i32_div_u, visit_i64_div_u => divide(Division::DivU);
    visit_i32_rem_s, visit_i64_rem_s => divide(Division::RemS);
    visit_i32_rem_u, visit_i64_rem_u => divide(Division::RemU);
    visit_i32_eqz, visit_i64_eqz => eqz();
    visit_i32_eq, visit_i64_eq => compare(Cc::E);
    visit_i32_ne, visit_i64_ne => compare(Cc::Ne);
    visit_i32_lt_s, visit_i64_lt_s => compare(Cc::L);
    visit_i32_lt_u, visit_i64_lt_u => compare(Cc::B);
    visit_i32_gt_s, visit_i64_gt_s => compare(Cc::G);
    visit_i32_gt_u, visit_i64_gt_u => compare(Cc::A);
    visit_i32_le_s, visit_i64_le_s => compare(Cc::Le);
    visit_i32_le_u, visit_i64_le_u => compare(Cc::Be);
    visit_i32_ge_s, visit_i64_ge_s => compare(Cc::Ge);
    visit_i32_ge_u, visit_i64_ge_u => compare(Cc::Ae);
    visit_i32_clz, visit_i64_clz => clz();
    visit_i32_ctz, visit_i64_ctz => ctz();
    visit_i32_popcnt, visit_i64_popcnt => popcnt();
    visit_i32_extend8_s, visit_i64_extend8_s => extend(Op::MOVSX8);
    visit_i32_extend16_s, visit_i64_extend16_s => extend(Op::MOVSX16);
}

impl FuncGen<'_> {
    /// Addition, subtraction and the bitwise operations.
    fn alu(&mut self, size: OperandSize, op: Alu) {
        let mut right = self.state.pop();
        let mut left = self.state.pop();
        if let (Value::Const(_, a), Value::Const(_, b)) = (left, right) {
            return self.push_const(size.int(), truncate(size, fold(op, a, b)));
        }
        let commutes = op != Alu::Sub;
        if commutes && matches!(left, Value::Const(..)) {
            (left, right) = (right, left);
        }
        let target = self.target_reg(size.int());
        if let Some((local, reg)) = target {
            let is_target = |value: Value| matches!(value, Value::Local(_, l) if l == local);
            if is_target(right) && !is_target(left) && commutes {
                (left, right) = (right, left);
            }
            if is_target(left) || !is_target(right) {
                return self.alu_into(size, op, target, reg, left, right);
            }
        }
        if commutes && !matches!(left, Value::Reg(..)) && matches!(right, Value::Reg(..)) {
            (left, right) = (right, left);
        }
        let dst = match left {
            Value::Reg(_, reg) => reg,
            _ => self.alloc(RegClass::Int),
        };
        self.alu_into(size, op, None, dst, left, right);
    }

    /// `dst = left op right`, where `right` is not in `dst` unless `left` is too.
    fn alu_into(
        &mut self,
        size: OperandSize,
        op: Alu,
        target: Option<(u32, Reg)>,
        dst: Reg,
        left: Value,
        right: Value,
    ) {
        let left_reg = self.current_reg(left);
        if op == Alu::Add && left_reg.is_some_and(|reg| reg != dst) {
            let left = self.use_reg(left);
            match self.operand(right) {
                Operand::Imm(imm) => self.masm.rm(Op::LEA.sized(size), dst, Mem::base(left, imm)),
                Operand::Reg(right, _scratch) => {
                    self.masm
                        .rm(Op::LEA.sized(size), dst, Mem::indexed(left, right, 0));
                    self.state.release(right);
                }
                Operand::Mem(mem) => {
                    self.masm.mov(dst, left);
                    self.masm.rm(op.op().sized(size), dst, mem);
                }
            }
            self.state.release(left);
        } else {
            self.load_operand(dst, left);
            if left_reg != Some(dst) {
                self.state.discard(left);
            }
            let right = self.operand(right);
            self.emit_alu(op, size, dst, &right);
            self.masm.sets_zero_flag(dst, size);
            self.release_operand(right);
        }
        self.push_dest(target, size.int(), dst);
    }

    fn emit_alu(&mut self, op: Alu, size: OperandSize, reg: Reg, operand: &Operand) {
        match *operand {
            Operand::Imm(imm) => self.masm.ri(op, size, reg, imm),
            Operand::Reg(right, _) => self.masm.rr(op.op().sized(size), reg, right),
            Operand::Mem(mem) => self.masm.rm(op.op().sized(size), reg, mem),
        }
    }

    fn mul(&mut self, size: OperandSize) {
        let mut right = self.state.pop();
        let mut left = self.state.pop();
        if let (Value::Const(_, a), Value::Const(_, b)) = (left, right) {
            return self.push_const(size.int(), truncate(size, a.wrapping_mul(b)));
        }
        if matches!(left, Value::Const(..)) {
            (left, right) = (right, left);
        }
        let target = self.target_reg(size.int());
        if let Value::Const(_, bits) = right
            && (size == S32 || i64::from(bits as i32) == bits as i64)
        {
            let left = self.use_reg(left);
            let dst = match target {
                None if !self.state.regs.locals.has(left) => left,
                _ => self.dest(target, size.int()),
            };
            self.emit_mul_const(size, dst, left, bits as i32);
            if left != dst {
                self.state.release(left);
            }
            return self.push_dest(target, size.int(), dst);
        }
        if !matches!(left, Value::Reg(..)) && matches!(right, Value::Reg(..)) {
            (left, right) = (right, left);
        }
        let dst = self.own_reg(left);
        match self.operand(right) {
            Operand::Reg(right, _scratch) => {
                self.masm.rr(Op::IMUL.sized(size), dst, right);
                self.state.release(right);
            }
            Operand::Mem(mem) => self.masm.rm(Op::IMUL.sized(size), dst, mem),
            Operand::Imm(imm) => self.masm.imul_imm(size, dst, dst, imm),
        }
        self.push_reg(size.int(), dst);
    }

    fn emit_mul_const(&mut self, size: OperandSize, dst: Reg, left: Reg, factor: i32) {
        if factor > 0 && (factor as u32).is_power_of_two() {
            if dst != left {
                self.masm.mov(dst, left);
            }
            self.masm
                .shift_imm(Shift::Shl, size, dst, factor.trailing_zeros() as u8);
        } else if let 3 | 5 | 9 = factor {
            // A multiplication would take three cycles.
            let scale = (factor - 1).trailing_zeros() as u8;
            self.masm.lea_self_scaled(size, dst, left, scale);
        } else {
            self.masm.imul_imm(size, dst, left, factor);
        }
    }

    fn shift(&mut self, size: OperandSize, op: Shift) {
        let bmi2 = self.input.options.features.bmi2 && !matches!(op, Shift::Rol | Shift::Ror);
        let amount = *self.state.stack.last().expect("validated");
        if let Value::Const(_, amount) = amount {
            self.state.pop();
            let amount = (amount & u64::from(bits(size) - 1)) as u8;
            return self.shift_const(size, op, amount);
        }
        if bmi2 {
            let amount = self.state.pop();
            let value = self.state.pop();
            let amount = self.use_reg(amount);
            let value = self.use_reg(value);
            let target = self.target_reg(size.int());
            self.state.release(value);
            let dst = self.dest(target, size.int());
            self.emit_shift_x(op, size, dst, value, amount);
            self.state.release(amount);
            return self.push_dest(target, size.int(), dst);
        }
        let amount = self.pop_fixed();
        let value = self.state.pop();
        let dst = self.own_reg(value);
        self.masm.shift_cl(op, size, dst, &amount);
        self.give_back(amount);
        self.push_reg(size.int(), dst);
    }

    fn shift_const(&mut self, size: OperandSize, op: Shift, amount: u8) {
        let value = self.state.pop();
        if let Value::Const(_, bits) = value {
            return self.push_const(size.int(), fold_shift(size, op, bits, u32::from(amount)));
        }
        let target = self.target_reg(size.int());
        let dst = match (target, value) {
            (Some((_, reg)), _) => {
                self.load_operand(reg, value);
                self.state.discard(value);
                reg
            }
            (None, _) => self.own_reg(value),
        };
        if amount != 0 {
            self.masm.shift_imm(op, size, dst, amount);
        }
        self.push_dest(target, size.int(), dst);
    }

    fn emit_shift_x(&mut self, op: Shift, size: OperandSize, dst: Reg, value: Reg, amount: Reg) {
        let op = match op {
            Shift::Shl => VexOp::SHLX,
            Shift::Shr => VexOp::SHRX,
            _ => VexOp::SARX,
        };
        self.masm.vex_rrr(op.sized(size), dst, value, amount);
    }

    fn compare(&mut self, size: OperandSize, mut cc: Cc) {
        let mut right = self.state.pop();
        let mut left = self.state.pop();
        if let (Value::Const(_, a), Value::Const(_, b)) = (left, right) {
            return self.push_const(Kind::I32, u64::from(fold_compare(size, cc, a, b)));
        }
        if matches!(left, Value::Const(..)) {
            (left, right) = (right, left);
            cc = swapped(cc);
        }
        let left = self.use_reg(left);
        let right = self.operand(right);
        match right {
            Operand::Imm(0) => {
                let test = match cc {
                    Cc::E | Cc::Ne => ZeroTest::Equality,
                    _ => ZeroTest::Order,
                };
                self.masm.test_zero(left, size, test);
            }
            _ => self.emit_alu(Alu::Cmp, size, left, &right),
        }
        self.release_operand(right);
        self.state.release(left);
        self.push_cond(Cond::Cc(cc));
    }

    fn eqz(&mut self, size: OperandSize) {
        let value = self.state.pop();
        match value {
            Value::Flags(cond) => self.push_cond(cond.negate()),
            Value::Const(_, bits) => self.push_const(Kind::I32, u64::from(bits == 0)),
            _ => {
                let reg = self.use_reg(value);
                self.masm.test_zero(reg, size, ZeroTest::Equality);
                self.state.release(reg);
                self.push_cond(Cond::Cc(Cc::E));
            }
        }
    }

    /// Pushes the result of a comparison whose flags are set: as flags if the next operator
    /// consumes it and can, else as a number.
    pub(crate) fn push_cond(&mut self, cond: Cond) {
        self.masm.flags_live = true;
        let next = self.input.peek.next(self.cursor.pos);
        if next == Next::Condition && self.input.options.ablation.fuse_compare {
            self.state.push(Value::Flags(cond));
            return;
        }
        let target = self.target_reg(Kind::I32);
        let dst = self.dest(target, Kind::I32);
        self.emit_setcc(cond, dst);
        self.push_dest(target, Kind::I32, dst);
    }

    fn clz(&mut self, size: OperandSize) {
        let value = self.state.pop();
        let src = self.use_reg(value);
        let dst = self.alloc(RegClass::Int);
        let scratch = self.masm.scratch();
        match (self.input.options.features.lzcnt, size) {
            (true, S32) => asm!(self.masm; lzcnt Rd(dst), Rd(src)),
            (true, S64) => asm!(self.masm; lzcnt Rq(dst), Rq(src)),
            (false, S32) => asm!(self.masm, scratch;
                  bsr Rd(dst), Rd(src)
                ; mov scratch_d, 63
                ; cmovz Rd(dst), scratch_d
                ; xor Rd(dst), BYTE 31
            ),
            (false, S64) => asm!(self.masm, scratch;
                  bsr Rq(dst), Rq(src)
                ; mov scratch_d, 127
                ; cmovz Rq(dst), scratch
                ; xor Rq(dst), BYTE 63
            ),
        }
        self.state.release(src);
        self.push_reg(size.int(), dst);
    }

    fn ctz(&mut self, size: OperandSize) {
        let value = self.state.pop();
        let src = self.use_reg(value);
        let dst = self.alloc(RegClass::Int);
        let scratch = self.masm.scratch();
        match (self.input.options.features.bmi1, size) {
            (true, S32) => asm!(self.masm; tzcnt Rd(dst), Rd(src)),
            (true, S64) => asm!(self.masm; tzcnt Rq(dst), Rq(src)),
            (false, S32) => asm!(self.masm, scratch;
                  bsf Rd(dst), Rd(src)
                ; mov scratch_d, 32
                ; cmovz Rd(dst), scratch_d
            ),
            (false, S64) => asm!(self.masm, scratch;
                  bsf Rq(dst), Rq(src)
                ; mov scratch_d, 64
                ; cmovz Rq(dst), scratch
            ),
        }
        self.state.release(src);
        self.push_reg(size.int(), dst);
    }

    fn popcnt(&mut self, size: OperandSize) {
        let value = self.state.pop();
        if !self.input.options.features.popcnt {
            let dst = self.own_reg(value);
            self.emit_popcnt(size, dst);
            return self.push_reg(size.int(), dst);
        }
        let src = self.use_reg(value);
        let dst = self.alloc(RegClass::Int);
        match size {
            S32 => asm!(self.masm; popcnt Rd(dst), Rd(src)),
            S64 => asm!(self.masm; popcnt Rq(dst), Rq(src)),
        }
        self.state.release(src);
        self.push_reg(size.int(), dst);
    }

    /// Counts bits in pairs, then fours, then bytes, and adds the bytes up by a multiplication.
    fn emit_popcnt(&mut self, size: OperandSize, dst: Reg) {
        let mask = self.alloc(RegClass::Int);
        let masks: [u64; 4] = [!0 / 3, !0 / 15 * 3, !0 / 255 * 15, !0 / 255];
        let masks = masks.map(|mask| truncate(size, mask));
        let held = self.masm.scratch();
        let scratch = held.reg();
        let and = Alu::And.op().sized(size);
        let add = Alu::Add.op().sized(size);
        self.masm.mov(scratch, dst);
        self.masm.shift_imm(Shift::Shr, size, scratch, 1);
        self.masm.mov_imm(mask, masks[0]);
        self.masm.rr(and, scratch, mask);
        self.masm.rr(Alu::Sub.op().sized(size), dst, scratch);
        self.masm.mov_imm(mask, masks[1]);
        self.masm.mov(scratch, dst);
        self.masm.shift_imm(Shift::Shr, size, scratch, 2);
        self.masm.rr(and, scratch, mask);
        self.masm.rr(and, dst, mask);
        self.masm.rr(add, dst, scratch);
        self.masm.mov(scratch, dst);
        self.masm.shift_imm(Shift::Shr, size, scratch, 4);
        self.masm.rr(add, dst, scratch);
        self.masm.mov_imm(mask, masks[2]);
        self.masm.rr(and, dst, mask);
        self.masm.mov_imm(mask, masks[3]);
        self.masm.rr(Op::IMUL.sized(size), dst, mask);
        self.masm.shift_imm(Shift::Shr, size, dst, bits(size) - 8);
        self.state.release(mask);
    }

    /// Sign extension from 8 or 16 bits.
    fn extend(&mut self, size: OperandSize, op: Op) {
        let value = self.state.pop();
        let src = self.use_reg(value);
        let target = self.target_reg(size.int());
        self.state.release(src);
        let dst = self.dest(target, size.int());
        self.masm.extend8(op.sized(size), dst, src);
        self.push_dest(target, size.int(), dst);
    }

    pub(crate) fn visit_i64_extend32_s(&mut self) {
        self.visit_i64_extend_i32_s();
    }
}

/// Bits of an operand.
fn bits(size: OperandSize) -> u8 {
    match size {
        S32 => 32,
        S64 => 64,
    }
}

/// The condition for exchanged operands.
fn swapped(cc: Cc) -> Cc {
    match cc {
        Cc::B => Cc::A,
        Cc::A => Cc::B,
        Cc::Ae => Cc::Be,
        Cc::Be => Cc::Ae,
        Cc::L => Cc::G,
        Cc::G => Cc::L,
        Cc::Ge => Cc::Le,
        Cc::Le => Cc::Ge,
        other => other,
    }
}
