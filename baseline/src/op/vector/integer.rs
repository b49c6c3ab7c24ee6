//! Bitwise operators and integer arithmetic on lanes; shifts are in [`shift`](super::shift).

use upshift_abi::Kind;

use crate::asm::Cc;
use crate::asm::opcode::vector::VecOp;
use crate::func_gen::FuncGen;
use crate::op::vector::{Shape, binary, handlers, splat, unary};
use crate::reg::Reg;
use crate::value::Cond;

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
    pub(super) fn i64_signs(&mut self, value: Reg) -> Reg {
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
}
