//! Bitwise operators and integer arithmetic on lanes.

use upshift_abi::Kind;

use crate::asm::Cc;
use crate::asm::encode::{Alu, OperandSize};
use crate::asm::opcode::vector::VecOp;
use crate::func_gen::FuncGen;
use crate::op::vector::{Shape, binary, handlers, splat, unary};
use crate::reg::Reg;
use crate::value::{Cond, Value};

binary! {
    visit_v128_and => PAND;
    visit_v128_or => POR;
    visit_v128_xor => PXOR;
    visit_i8x16_add => PADDB;
    visit_i8x16_add_sat_s => PADDSB;
    visit_i8x16_add_sat_u => PADDUSB;
    visit_i8x16_sub => PSUBB;
    visit_i8x16_sub_sat_s => PSUBSB;
    visit_i8x16_sub_sat_u => PSUBUSB;
    visit_i8x16_min_s => PMINSB;
    visit_i8x16_min_u => PMINUB;
    visit_i8x16_max_s => PMAXSB;
    visit_i8x16_max_u => PMAXUB;
    visit_i8x16_avgr_u => PAVGB;
    visit_i16x8_add => PADDW;
    visit_i16x8_add_sat_s => PADDSW;
    visit_i16x8_add_sat_u => PADDUSW;
    visit_i16x8_sub => PSUBW;
    visit_i16x8_sub_sat_s => PSUBSW;
    visit_i16x8_sub_sat_u => PSUBUSW;
    visit_i16x8_mul => PMULLW;
    visit_i16x8_min_s => PMINSW;
    visit_i16x8_min_u => PMINUW;
    visit_i16x8_max_s => PMAXSW;
    visit_i16x8_max_u => PMAXUW;
    visit_i16x8_avgr_u => PAVGW;
    visit_i32x4_add => PADDD;
    visit_i32x4_sub => PSUBD;
    visit_i32x4_mul => PMULLD;
    visit_i32x4_min_s => PMINSD;
    visit_i32x4_min_u => PMINUD;
    visit_i32x4_max_s => PMAXSD;
    visit_i32x4_max_u => PMAXUD;
    visit_i32x4_dot_i16x8_s => PMADDWD;
    visit_i64x2_add => PADDQ;
    visit_i64x2_sub => PSUBQ;
}

unary! {
    visit_i8x16_abs => PABSB;
    visit_i16x8_abs => PABSW;
    visit_i32x4_abs => PABSD;
}

/// Shifts of lanes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LaneShift {
    Shl,
    ShrS,
    ShrU,
}

handlers! {
    visit_v128_not => vector_with(VecOp::PXOR, u128::MAX);
    visit_v128_andnot => and_not();
    visit_v128_bitselect => bitselect();
    visit_v128_any_true => any_true();
    visit_i8x16_all_true => all_true(VecOp::PCMPEQB);
    visit_i16x8_all_true => all_true(VecOp::PCMPEQW);
    visit_i32x4_all_true => all_true(VecOp::PCMPEQD);
    visit_i64x2_all_true => all_true(VecOp::PCMPEQQ);
    visit_i8x16_bitmask => bitmask(VecOp::PMOVMSKB);
    visit_i16x8_bitmask => bitmask_i16();
    visit_i32x4_bitmask => bitmask(VecOp::MOVMSKPS);
    visit_i64x2_bitmask => bitmask(VecOp::MOVMSKPD);
    visit_i8x16_neg => negate(VecOp::PSUBB);
    visit_i16x8_neg => negate(VecOp::PSUBW);
    visit_i32x4_neg => negate(VecOp::PSUBD);
    visit_i64x2_neg => negate(VecOp::PSUBQ);
    visit_i64x2_abs => abs_i64();
    visit_i8x16_popcnt => count_bits();
    visit_i64x2_mul => mul_i64();
    visit_i16x8_q15mulr_sat_s => q15mulr();
    visit_i16x8_extadd_pairwise_i8x16_s => add_bytes_pairwise_s();
    visit_i16x8_extadd_pairwise_i8x16_u => vector_with(VecOp::PMADDUBSW, splat(1, 8));
    visit_i32x4_extadd_pairwise_i16x8_s => vector_with(VecOp::PMADDWD, splat(1, 16));
    visit_i32x4_extadd_pairwise_i16x8_u => add_words_pairwise_u();
    visit_i8x16_shl => shift_bytes(LaneShift::Shl);
    visit_i8x16_shr_s => shift_bytes_s();
    visit_i8x16_shr_u => shift_bytes(LaneShift::ShrU);
    visit_i16x8_shl => shift_lanes(Shape::I16x8, LaneShift::Shl);
    visit_i16x8_shr_s => shift_lanes(Shape::I16x8, LaneShift::ShrS);
    visit_i16x8_shr_u => shift_lanes(Shape::I16x8, LaneShift::ShrU);
    visit_i32x4_shl => shift_lanes(Shape::I32x4, LaneShift::Shl);
    visit_i32x4_shr_s => shift_lanes(Shape::I32x4, LaneShift::ShrS);
    visit_i32x4_shr_u => shift_lanes(Shape::I32x4, LaneShift::ShrU);
    visit_i64x2_shl => shift_lanes(Shape::I64x2, LaneShift::Shl);
    visit_i64x2_shr_s => shift_i64_s();
    visit_i64x2_shr_u => shift_lanes(Shape::I64x2, LaneShift::ShrU);
}

impl Shape {
    /// Bits of a lane.
    pub(super) const fn lane_bits(self) -> u32 {
        match self {
            Shape::I8x16 => 8,
            Shape::I16x8 => 16,
            Shape::I32x4 => 32,
            Shape::I64x2 => 64,
        }
    }
}

/// The instruction that shifts by a register, and by a constant.
fn shift_ops(shape: Shape, shift: LaneShift) -> (VecOp, VecOp) {
    match (shape, shift) {
        (Shape::I8x16 | Shape::I16x8, LaneShift::Shl) => (VecOp::PSLLW, VecOp::PSLLW_IMM),
        (Shape::I8x16 | Shape::I16x8, LaneShift::ShrS) => (VecOp::PSRAW, VecOp::PSRAW_IMM),
        (Shape::I8x16 | Shape::I16x8, LaneShift::ShrU) => (VecOp::PSRLW, VecOp::PSRLW_IMM),
        (Shape::I32x4, LaneShift::Shl) => (VecOp::PSLLD, VecOp::PSLLD_IMM),
        (Shape::I32x4, LaneShift::ShrS) => (VecOp::PSRAD, VecOp::PSRAD_IMM),
        (Shape::I32x4, LaneShift::ShrU) => (VecOp::PSRLD, VecOp::PSRLD_IMM),
        (Shape::I64x2, LaneShift::Shl) => (VecOp::PSLLQ, VecOp::PSLLQ_IMM),
        (Shape::I64x2, LaneShift::ShrU) => (VecOp::PSRLQ, VecOp::PSRLQ_IMM),
        (Shape::I64x2, LaneShift::ShrS) => unreachable!("there is no such instruction"),
    }
}

impl FuncGen<'_> {
    /// `left & !right`: the instruction inverts its first operand.
    fn and_not(&mut self) {
        let right = self.state.pop();
        let left = self.state.pop();
        self.vector_operation(VecOp::PANDN, right, left, None);
    }

    fn bitselect(&mut self) {
        let mask = self.state.pop();
        let (dst, other) = self.pop_own_and_use();
        let mask = self.own_reg(mask);
        self.masm.vec(VecOp::PAND, dst, dst, mask);
        self.masm.vec(VecOp::PANDN, mask, mask, other);
        self.masm.vec(VecOp::POR, dst, dst, mask);
        self.state.release(mask);
        self.state.release(other);
        self.push_vector(dst);
    }

    fn any_true(&mut self) {
        let value = self.state.pop();
        let value = self.use_reg(value);
        self.masm.vec_test(VecOp::PTEST, value, value);
        self.state.release(value);
        self.push_cond(Cond::Cc(Cc::Ne));
    }

    /// Whether no lane is zero.
    fn all_true(&mut self, equal: VecOp) {
        let value = self.state.pop();
        let value = self.use_reg(value);
        let zeroes = self.vector_temp();
        self.masm.vec_fill(zeroes, false);
        self.masm.vec(equal, zeroes, zeroes, value);
        self.masm.vec_test(VecOp::PTEST, zeroes, zeroes);
        self.state.release(zeroes);
        self.state.release(value);
        self.push_cond(Cond::Cc(Cc::E));
    }

    fn bitmask(&mut self, op: VecOp) {
        let value = self.state.pop();
        let value = self.use_reg(value);
        self.state.release(value);
        let target = self.target_reg(Kind::I32);
        let dst = self.dest(target, Kind::I32);
        self.masm.vec_of(op, dst, value);
        self.push_dest(target, Kind::I32, dst);
    }

    /// Saturation keeps signs: the mask of bytes is that of words.
    fn bitmask_i16(&mut self) {
        let bytes = self.pop_own();
        let zeroes = self.vector_temp();
        self.masm.vec_fill(zeroes, false);
        self.masm.vec(VecOp::PACKSSWB, bytes, bytes, zeroes);
        self.state.release(zeroes);
        self.state.release(bytes);
        let target = self.target_reg(Kind::I32);
        let dst = self.dest(target, Kind::I32);
        self.masm.vec_of(VecOp::PMOVMSKB, dst, bytes);
        self.push_dest(target, Kind::I32, dst);
    }

    fn negate(&mut self, subtract: VecOp) {
        let value = self.state.pop();
        let value = self.use_reg(value);
        let dst = self.vector_temp();
        self.masm.vec_fill(dst, false);
        self.masm.vec(subtract, dst, dst, value);
        self.state.release(value);
        self.push_vector(dst);
    }

    /// Inverts lanes that are negative and subtracts -1 from them.
    fn abs_i64(&mut self) {
        let dst = self.pop_own();
        let signs = self.i64_signs(dst);
        self.masm.vec(VecOp::PXOR, dst, dst, signs);
        self.masm.vec(VecOp::PSUBQ, dst, dst, signs);
        self.state.release(signs);
        self.push_vector(dst);
    }

    /// All bits of a lane as its sign is, in a temporary.
    fn i64_signs(&mut self, value: Reg) -> Reg {
        let signs = self.vector_temp();
        self.masm.vec_of_imm(VecOp::PSHUFD, signs, value, 0xf5);
        self.masm.vec_shift_imm(VecOp::PSRAD_IMM, signs, signs, 31);
        signs
    }

    /// Looks up the counts of both halves of each byte.
    fn count_bits(&mut self) {
        const COUNTS: u128 = 0x0403_0302_0302_0201_0302_0201_0201_0100;
        let value = self.pop_own();
        let (low, dst) = (self.vector_temp(), self.vector_temp());
        let half = self.vector_constant(splat(0xf, 8));
        self.masm.vec(VecOp::PAND, low, value, half);
        self.masm.vec_shift_imm(VecOp::PSRLW_IMM, value, value, 4);
        self.masm.vec(VecOp::PAND, value, value, half);
        self.load_vector(dst, COUNTS);
        self.masm.vec(VecOp::PSHUFB, dst, dst, low);
        self.load_vector(low, COUNTS);
        self.masm.vec(VecOp::PSHUFB, low, low, value);
        self.masm.vec(VecOp::PADDB, dst, dst, low);
        self.state.release(low);
        self.state.release(value);
        self.push_vector(dst);
    }

    /// By halves: `low * low + (high * low + low * high << 32)`.
    fn mul_i64(&mut self) {
        let (dst, right) = self.pop_own_and_use();
        let (cross, other) = (self.vector_temp(), self.vector_temp());
        self.masm.vec_shift_imm(VecOp::PSRLQ_IMM, cross, dst, 32);
        self.masm.vec(VecOp::PMULUDQ, cross, cross, right);
        self.masm.vec_shift_imm(VecOp::PSRLQ_IMM, other, right, 32);
        self.masm.vec(VecOp::PMULUDQ, other, other, dst);
        self.masm.vec(VecOp::PADDQ, cross, cross, other);
        self.masm.vec_shift_imm(VecOp::PSLLQ_IMM, cross, cross, 32);
        self.masm.vec(VecOp::PMULUDQ, dst, dst, right);
        self.masm.vec(VecOp::PADDQ, dst, dst, cross);
        self.state.release(cross);
        self.state.release(other);
        self.state.release(right);
        self.push_vector(dst);
    }

    /// The instruction's only result that is not saturated is -1 times -1, which it takes for -1.
    fn q15mulr(&mut self) {
        let (dst, right) = self.pop_own_and_use();
        self.masm.vec(VecOp::PMULHRSW, dst, dst, right);
        self.state.release(right);
        let wrong = self.vector_temp();
        self.load_vector(wrong, splat(0x8000, 16));
        self.masm.vec(VecOp::PCMPEQW, wrong, wrong, dst);
        self.masm.vec(VecOp::PXOR, dst, dst, wrong);
        self.state.release(wrong);
        self.push_vector(dst);
    }

    /// The instruction takes its first operand, ones here, as unsigned.
    fn add_bytes_pairwise_s(&mut self) {
        let value = self.state.pop();
        let value = self.use_reg(value);
        let dst = self.vector_temp();
        self.load_vector(dst, splat(1, 8));
        self.masm.vec(VecOp::PMADDUBSW, dst, dst, value);
        self.state.release(value);
        self.push_vector(dst);
    }

    /// There is a signed sum only: both words are made smaller by 2^15, their sum greater by 2^16.
    fn add_words_pairwise_u(&mut self) {
        let dst = self.pop_own();
        self.combine(VecOp::PXOR, dst, splat(0x8000, 16));
        self.combine(VecOp::PMADDWD, dst, splat(1, 16));
        self.combine(VecOp::PADDD, dst, splat(0x1_0000, 32));
        self.push_vector(dst);
    }

    /// A popped amount modulo the bits of a lane, in a vector register, a temporary.
    fn shift_amount(&mut self, value: Value, shape: Shape) -> Reg {
        let amount = self.own_reg(value);
        let mask = shape.lane_bits() as i32 - 1;
        self.masm.ri(Alu::And, OperandSize::S32, amount, mask);
        let vector = self.vector_temp();
        self.masm.int_to_float(OperandSize::S32, vector, amount);
        self.state.release(amount);
        vector
    }

    fn shift_lanes(&mut self, shape: Shape, shift: LaneShift) {
        let (by_register, by_constant) = shift_ops(shape, shift);
        let amount = self.state.pop();
        let value = self.state.pop();
        if let Value::Const(_, amount) = amount {
            let target = self.target_reg(Kind::V128);
            let src = self.use_reg(value);
            self.state.release(src);
            let dst = self.dest(target, Kind::V128);
            let amount = amount as u8 & (shape.lane_bits() as u8 - 1);
            self.masm.vec_shift_imm(by_constant, dst, src, amount);
            return self.push_dest(target, Kind::V128, dst);
        }
        let amount = self.shift_amount(amount, shape);
        let dst = self.own_reg(value);
        self.masm.vec(by_register, dst, dst, amount);
        self.state.release(amount);
        self.push_vector(dst);
    }

    /// Shifts words and clears what came from the byte beside. Not for `shr_s`.
    fn shift_bytes(&mut self, shift: LaneShift) {
        let (by_register, by_constant) = shift_ops(Shape::I8x16, shift);
        let amount = self.state.pop();
        let value = self.state.pop();
        if let Value::Const(_, amount) = amount {
            let dst = self.own_reg(value);
            let amount = amount as u8 & 7;
            self.masm.vec_shift_imm(by_constant, dst, dst, amount);
            let own_bits = match shift {
                LaneShift::Shl => 0xff << amount & 0xff,
                LaneShift::ShrS | LaneShift::ShrU => 0xff >> amount,
            };
            self.combine(VecOp::PAND, dst, splat(own_bits, 8));
            return self.push_vector(dst);
        }
        let amount = self.shift_amount(amount, Shape::I8x16);
        let dst = self.own_reg(value);
        // In each byte the bits that stay in it when they are shifted left; in their places are
        // what is left of a byte that is shifted right.
        let mask = self.vector_temp();
        self.masm.vec_fill(mask, true);
        self.masm.vec(VecOp::PSRLW, mask, mask, amount);
        self.masm.vec_shift_imm(VecOp::PSRLW_IMM, mask, mask, 8);
        self.masm.vec(VecOp::PACKUSWB, mask, mask, mask);
        match shift {
            LaneShift::Shl => {
                self.masm.vec(VecOp::PAND, dst, dst, mask);
                self.masm.vec(by_register, dst, dst, amount);
            }
            LaneShift::ShrS | LaneShift::ShrU => {
                self.masm.vec(by_register, dst, dst, amount);
                self.masm.vec(VecOp::PAND, dst, dst, mask);
            }
        }
        self.state.release(mask);
        self.state.release(amount);
        self.push_vector(dst);
    }

    /// Shifts words whose upper half is the byte, and has the packing take the lower half.
    fn shift_bytes_s(&mut self) {
        let amount = self.state.pop();
        let value = self.state.pop();
        let amount = match amount {
            Value::Const(_, amount) => Err(amount as u8 & 7),
            _ => Ok(self.shift_amount(amount, Shape::I8x16)),
        };
        let dst = self.own_reg(value);
        let high = self.vector_temp();
        self.masm.vec(VecOp::PUNPCKHBW, high, dst, dst);
        self.masm.vec(VecOp::PUNPCKLBW, dst, dst, dst);
        for half in [high, dst] {
            match amount {
                Err(amount) => {
                    self.masm
                        .vec_shift_imm(VecOp::PSRAW_IMM, half, half, amount + 8);
                }
                Ok(amount) => {
                    self.masm.vec(VecOp::PSRAW, half, half, amount);
                    self.masm.vec_shift_imm(VecOp::PSRAW_IMM, half, half, 8);
                }
            }
        }
        self.masm.vec(VecOp::PACKSSWB, dst, dst, high);
        if let Ok(amount) = amount {
            self.state.release(amount);
        }
        self.state.release(high);
        self.push_vector(dst);
    }

    /// Shifts what is not negative: lanes that are get inverted before and after.
    fn shift_i64_s(&mut self) {
        let amount = self.state.pop();
        let value = self.state.pop();
        let amount = match amount {
            Value::Const(_, amount) => Err(amount as u8 & 63),
            _ => Ok(self.shift_amount(amount, Shape::I64x2)),
        };
        let dst = self.own_reg(value);
        let signs = self.i64_signs(dst);
        self.masm.vec(VecOp::PXOR, dst, dst, signs);
        match amount {
            Err(amount) => self.masm.vec_shift_imm(VecOp::PSRLQ_IMM, dst, dst, amount),
            Ok(amount) => {
                self.masm.vec(VecOp::PSRLQ, dst, dst, amount);
                self.state.release(amount);
            }
        }
        self.masm.vec(VecOp::PXOR, dst, dst, signs);
        self.state.release(signs);
        self.push_vector(dst);
    }
}
