//! Conversions between shapes: wider and narrower lanes, integers and floats.

use crate::asm::encode::OperandSize::{S32, S64};
use crate::asm::opcode::vector::VecOp;
use crate::func_gen::FuncGen;
use crate::op::vector::{HIGH_HALF, binary, compare, handlers, splat, unary};
use crate::reg::Reg;

binary! {
    visit_i8x16_narrow_i16x8_s => PACKSSWB;
    visit_i8x16_narrow_i16x8_u => PACKUSWB;
    visit_i16x8_narrow_i32x4_s => PACKSSDW;
    visit_i16x8_narrow_i32x4_u => PACKUSDW;
}

unary! {
    visit_i16x8_extend_low_i8x16_s => PMOVSXBW;
    visit_i16x8_extend_low_i8x16_u => PMOVZXBW;
    visit_i32x4_extend_low_i16x8_s => PMOVSXWD;
    visit_i32x4_extend_low_i16x8_u => PMOVZXWD;
    visit_i64x2_extend_low_i32x4_s => PMOVSXDQ;
    visit_i64x2_extend_low_i32x4_u => PMOVZXDQ;
}

/// Which half of a vector's lanes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Half {
    Low,
    High,
}

handlers! {
    visit_i16x8_extend_high_i8x16_s => extend_high(VecOp::PMOVSXBW);
    visit_i16x8_extend_high_i8x16_u => extend_high(VecOp::PMOVZXBW);
    visit_i32x4_extend_high_i16x8_s => extend_high(VecOp::PMOVSXWD);
    visit_i32x4_extend_high_i16x8_u => extend_high(VecOp::PMOVZXWD);
    visit_i64x2_extend_high_i32x4_s => extend_high(VecOp::PMOVSXDQ);
    visit_i64x2_extend_high_i32x4_u => extend_high(VecOp::PMOVZXDQ);
    visit_i16x8_extmul_low_i8x16_s => mul_bytes(VecOp::PMOVSXBW, Half::Low);
    visit_i16x8_extmul_low_i8x16_u => mul_bytes(VecOp::PMOVZXBW, Half::Low);
    visit_i16x8_extmul_high_i8x16_s => mul_bytes(VecOp::PMOVSXBW, Half::High);
    visit_i16x8_extmul_high_i8x16_u => mul_bytes(VecOp::PMOVZXBW, Half::High);
    visit_i32x4_extmul_low_i16x8_s => mul_words(VecOp::PMULHW, VecOp::PUNPCKLWD);
    visit_i32x4_extmul_low_i16x8_u => mul_words(VecOp::PMULHUW, VecOp::PUNPCKLWD);
    visit_i32x4_extmul_high_i16x8_s => mul_words(VecOp::PMULHW, VecOp::PUNPCKHWD);
    visit_i32x4_extmul_high_i16x8_u => mul_words(VecOp::PMULHUW, VecOp::PUNPCKHWD);
    visit_i64x2_extmul_low_i32x4_s => mul_i32(VecOp::PMULDQ, Half::Low);
    visit_i64x2_extmul_low_i32x4_u => mul_i32(VecOp::PMULUDQ, Half::Low);
    visit_i64x2_extmul_high_i32x4_s => mul_i32(VecOp::PMULDQ, Half::High);
    visit_i64x2_extmul_high_i32x4_u => mul_i32(VecOp::PMULUDQ, Half::High);
    visit_f32x4_convert_i32x4_s => convert(VecOp::CVTDQ2PS);
    visit_f64x2_convert_low_i32x4_s => convert(VecOp::CVTDQ2PD);
    visit_f32x4_convert_i32x4_u => convert_u32_to_f32();
    visit_f64x2_convert_low_i32x4_u => convert_u32_to_f64();
    visit_f32x4_demote_f64x2_zero => float_unary(VecOp::CVTPD2PS, S32);
    visit_f64x2_promote_low_f32x4 => float_unary(VecOp::CVTPS2PD, S64);
    visit_i32x4_trunc_sat_f32x4_s => truncate_f32_s();
    visit_i32x4_trunc_sat_f32x4_u => truncate_f32_u();
    visit_i32x4_trunc_sat_f64x2_s_zero => truncate_f64_s();
    visit_i32x4_trunc_sat_f64x2_u_zero => truncate_f64_u();
}

impl FuncGen<'_> {
    fn extend_high(&mut self, op: VecOp) {
        let value = self.state.pop();
        let src = self.use_reg(value);
        self.state.release(src);
        let dst = self.vector_temp();
        self.masm.vec_of_imm(VecOp::PSHUFD, dst, src, HIGH_HALF);
        self.masm.vec_of(op, dst, dst);
        self.push_vector(dst);
    }

    fn mul_bytes(&mut self, extend: VecOp, half: Half) {
        let (dst, right) = self.pop_own_and_use();
        let other = self.vector_temp();
        for (to, from) in [(dst, dst), (other, right)] {
            match half {
                Half::Low => self.masm.vec_of(extend, to, from),
                Half::High => {
                    self.masm.vec_of_imm(VecOp::PSHUFD, to, from, HIGH_HALF);
                    self.masm.vec_of(extend, to, to);
                }
            }
        }
        self.masm.vec(VecOp::PMULLW, dst, dst, other);
        self.state.release(other);
        self.state.release(right);
        self.push_vector(dst);
    }

    /// The lower and the upper halves of the products, interleaved.
    fn mul_words(&mut self, high: VecOp, interleave: VecOp) {
        let (dst, right) = self.pop_own_and_use();
        let upper = self.vector_temp();
        self.masm.vec(high, upper, dst, right);
        self.masm.vec(VecOp::PMULLW, dst, dst, right);
        self.masm.vec(interleave, dst, dst, upper);
        self.state.release(upper);
        self.state.release(right);
        self.push_vector(dst);
    }

    /// The instruction multiplies the lanes with even numbers.
    fn mul_i32(&mut self, op: VecOp, half: Half) {
        let spread = match half {
            Half::Low => 0b01_01_00_00,
            Half::High => 0b11_11_10_10,
        };
        let (dst, right) = self.pop_own_and_use();
        let other = self.vector_temp();
        self.masm.vec_of_imm(VecOp::PSHUFD, dst, dst, spread);
        self.masm.vec_of_imm(VecOp::PSHUFD, other, right, spread);
        self.masm.vec(op, dst, dst, other);
        self.state.release(other);
        self.state.release(right);
        self.push_vector(dst);
    }

    /// To floats, which are no NaNs.
    fn convert(&mut self, op: VecOp) {
        let value = self.state.pop();
        let src = self.use_reg(value);
        self.state.release(src);
        let dst = self.vector_temp();
        self.masm.vec_of(op, dst, src);
        self.push_vector(dst);
    }

    /// Converts the lower 16 bits, and half of the rest, both exactly: only their sum is rounded.
    fn convert_u32_to_f32(&mut self) {
        let dst = self.pop_own();
        let low = self.vector_temp();
        let masm = &mut self.masm;
        masm.vec_shift_imm(VecOp::PSLLD_IMM, low, dst, 16);
        masm.vec_shift_imm(VecOp::PSRLD_IMM, low, low, 16);
        masm.vec(VecOp::PSUBD, dst, dst, low);
        masm.vec_of(VecOp::CVTDQ2PS, low, low);
        masm.vec_shift_imm(VecOp::PSRLD_IMM, dst, dst, 1);
        masm.vec_of(VecOp::CVTDQ2PS, dst, dst);
        masm.vec(VecOp::ADDPS, dst, dst, dst);
        masm.vec(VecOp::ADDPS, dst, dst, low);
        self.state.release(low);
        self.push_vector(dst);
    }

    /// Puts each number below the exponent of 2^52, and subtracts that.
    fn convert_u32_to_f64(&mut self) {
        let dst = self.pop_own();
        self.combine(VecOp::UNPCKLPS, dst, splat(0x4330_0000, 32));
        self.combine(VecOp::SUBPD, dst, splat(TWO_TO_52, 64));
        self.push_vector(dst);
    }

    /// The instruction yields the least integer where it can't, which is wrong for NaNs, made zero
    /// before, and for what is too great, where all bits are inverted.
    fn truncate_f32_s(&mut self) {
        let dst = self.pop_own();
        let temp = self.vector_temp();
        let masm = &mut self.masm;
        masm.vec_imm(VecOp::CMPPS, temp, dst, dst, compare::EQUAL);
        masm.vec(VecOp::ANDPS, dst, dst, temp);
        // The sign bit is set where the float is not negative and no NaN.
        masm.vec(VecOp::PXOR, temp, temp, dst);
        masm.vec_of(VecOp::CVTTPS2DQ, dst, dst);
        masm.vec(VecOp::PAND, temp, temp, dst);
        masm.vec_shift_imm(VecOp::PSRAD_IMM, temp, temp, 31);
        masm.vec(VecOp::PXOR, dst, dst, temp);
        self.state.release(temp);
        self.push_vector(dst);
    }

    /// Truncates the float, and what it has above 2^31, which is added to the least integer that
    /// the former is then.
    fn truncate_f32_u(&mut self) {
        let dst = self.pop_own();
        let (zero, above) = (self.vector_temp(), self.vector_temp());
        self.masm.vec_fill(zero, false);
        // A NaN becomes the second operand.
        self.masm.vec(VecOp::MAXPS, dst, dst, zero);
        let limit = self.vector_constant(splat(0x4f00_0000, 32));
        self.masm.vec(VecOp::SUBPS, above, dst, limit);
        self.masm.vec_of(VecOp::CVTTPS2DQ, dst, dst);
        // All bits where the result is to be the greatest integer.
        let too_great = self.vector_temp();
        self.load_vector(too_great, splat(0x4f00_0000, 32));
        let masm = &mut self.masm;
        masm.vec_imm(
            VecOp::CMPPS,
            too_great,
            too_great,
            above,
            compare::LESS_OR_EQUAL,
        );
        masm.vec_of(VecOp::CVTTPS2DQ, above, above);
        masm.vec(VecOp::PXOR, above, above, too_great);
        masm.vec(VecOp::PMAXSD, above, above, zero);
        masm.vec(VecOp::PADDD, dst, dst, above);
        self.release_all([zero, above, too_great]);
        self.push_vector(dst);
    }

    /// Clamps from above to the greatest integer, a NaN to zero; the least integer is the
    /// instruction's own result for all that is below it.
    fn truncate_f64_s(&mut self) {
        let dst = self.pop_own();
        let limit = self.vector_temp();
        let greatest = self.vector_constant(splat(0x41df_ffff_ffc0_0000, 64));
        let masm = &mut self.masm;
        masm.vec_imm(VecOp::CMPPD, limit, dst, dst, compare::EQUAL);
        masm.vec(VecOp::ANDPD, limit, limit, greatest);
        // A NaN becomes the second operand.
        masm.vec(VecOp::MINPD, dst, dst, limit);
        masm.vec_of(VecOp::CVTTPD2DQ, dst, dst);
        self.state.release(limit);
        self.push_vector(dst);
    }

    /// Clamps, and adds 2^52: the integer is the lower half of the float's bits then.
    fn truncate_f64_u(&mut self) {
        let dst = self.pop_own();
        let zero = self.vector_temp();
        self.masm.vec_fill(zero, false);
        self.masm.vec(VecOp::MAXPD, dst, dst, zero);
        self.combine(VecOp::MINPD, dst, splat(0x41ef_ffff_ffe0_0000, 64));
        let truncate = crate::op::float::Rounding::Trunc.immediate();
        self.masm.vec_of_imm(VecOp::ROUNDPD, dst, dst, truncate);
        self.combine(VecOp::ADDPD, dst, splat(TWO_TO_52, 64));
        self.masm
            .vec_imm(VecOp::SHUFPS, dst, dst, zero, 0b10_00_10_00);
        self.state.release(zero);
        self.push_vector(dst);
    }

    fn release_all<const N: usize>(&mut self, regs: [Reg; N]) {
        regs.into_iter().for_each(|reg| self.state.release(reg));
    }
}

/// The bits of a double, whose last bit counts one.
const TWO_TO_52: u64 = 0x4330_0000_0000_0000;
