//! Relaxed vector operators, whose results the standard leaves open in some cases.
//!
//! Both compilers make the same choice: what the processor's instruction does, or, if results are
//! to be the same on all processors, what the standard's deterministic profile says. The operators
//! that have no better instruction are those of the vectors proposal: `relaxed_laneselect` is
//! `bitselect` for all shapes, since blending instructions exist for some shapes only and are no
//! faster.

use crate::asm::encode::OperandSize::{self, S32, S64};
use crate::asm::opcode::vector::VecOp;
use crate::func_gen::FuncGen;
use crate::op::vector::{HIGH_HALF, handlers, splat};
use crate::reg::Reg;
use crate::value::Value;

/// Handlers that are one of two others: the deterministic one, or the fast one.
macro_rules! choices {
    ($($visit:ident => $deterministic:ident | $fast:ident($($arg:expr),*);)*) => {
        impl FuncGen<'_> {$(
            pub(crate) fn $visit(&mut self) {
                match self.input.options.deterministic_relaxed_simd {
                    true => self.$deterministic(),
                    false => self.$fast($($arg),*),
                }
            }
        )*}
    };
}

choices! {
    visit_i8x16_relaxed_swizzle => visit_i8x16_swizzle | vector_binary(VecOp::PSHUFB);
    visit_i32x4_relaxed_trunc_f32x4_s
        => visit_i32x4_trunc_sat_f32x4_s | vector_unary(VecOp::CVTTPS2DQ);
    visit_i32x4_relaxed_trunc_f64x2_s_zero
        => visit_i32x4_trunc_sat_f64x2_s_zero | vector_unary(VecOp::CVTTPD2DQ);
    visit_f32x4_relaxed_min => visit_f32x4_min | visit_f32x4_pmin();
    visit_f32x4_relaxed_max => visit_f32x4_max | visit_f32x4_pmax();
    visit_f64x2_relaxed_min => visit_f64x2_min | visit_f64x2_pmin();
    visit_f64x2_relaxed_max => visit_f64x2_max | visit_f64x2_pmax();
    visit_i16x8_relaxed_q15mulr_s => visit_i16x8_q15mulr_sat_s | vector_binary(VecOp::PMULHRSW);
    visit_i16x8_relaxed_dot_i8x16_i7x16_s => dot_i16 | fast_dot_i16();
    visit_i32x4_relaxed_dot_i8x16_i7x16_add_s => dot_i32 | fast_dot_i32();
}

handlers! {
    visit_i32x4_relaxed_trunc_f32x4_u => visit_i32x4_trunc_sat_f32x4_u();
    visit_i32x4_relaxed_trunc_f64x2_u_zero => visit_i32x4_trunc_sat_f64x2_u_zero();
    visit_i8x16_relaxed_laneselect => visit_v128_bitselect();
    visit_i16x8_relaxed_laneselect => visit_v128_bitselect();
    visit_i32x4_relaxed_laneselect => visit_v128_bitselect();
    visit_i64x2_relaxed_laneselect => visit_v128_bitselect();
    visit_f32x4_relaxed_madd => multiply_add(S32, Sign::Kept);
    visit_f32x4_relaxed_nmadd => multiply_add(S32, Sign::Changed);
    visit_f64x2_relaxed_madd => multiply_add(S64, Sign::Kept);
    visit_f64x2_relaxed_nmadd => multiply_add(S64, Sign::Changed);
}

/// What happens to the sign of a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sign {
    Kept,
    Changed,
}

impl FuncGen<'_> {
    /// `±(a * b) + c`: rounded once if the processor can. The deterministic profile demands that;
    /// an engine for it refuses relaxed operators on processors that can't.
    fn multiply_add(&mut self, size: OperandSize, sign: Sign) {
        let addend = self.state.pop();
        let (dst, right) = self.pop_own_and_use();
        let addend = self.use_reg(addend);
        if self.input.options.features.fma {
            let op = match (size, sign) {
                (S32, Sign::Kept) => VecOp::VFMADD213PS,
                (S32, Sign::Changed) => VecOp::VFNMADD213PS,
                (S64, Sign::Kept) => VecOp::VFMADD213PD,
                (S64, Sign::Changed) => VecOp::VFNMADD213PD,
            };
            self.masm.vec(op, dst, right, addend);
        } else {
            let (multiply, add, flip, bits) = match size {
                S32 => (VecOp::MULPS, VecOp::ADDPS, VecOp::XORPS, 32),
                S64 => (VecOp::MULPD, VecOp::ADDPD, VecOp::XORPD, 64),
            };
            if sign == Sign::Changed {
                self.combine(flip, dst, splat(1 << (bits - 1), bits));
            }
            self.masm.vec(multiply, dst, dst, right);
            self.masm.vec(add, dst, dst, addend);
        }
        self.state.release(addend);
        self.state.release(right);
        self.canonicalize_vector(Some(size), dst);
        self.push_vector(dst);
    }

    /// The instruction takes the first operand as unsigned, as the second one of the operator is,
    /// and saturates.
    fn fast_dot_i16(&mut self) {
        let right = self.state.pop();
        let left = self.state.pop();
        self.vector_operation(VecOp::PMADDUBSW, right, left, None);
    }

    fn fast_dot_i32(&mut self) {
        let addend = self.state.pop();
        let right = self.state.pop();
        let left = self.state.pop();
        let dst = self.own_reg(right);
        let left = self.use_reg(left);
        self.masm.vec(VecOp::PMADDUBSW, dst, dst, left);
        self.state.release(left);
        self.combine(VecOp::PMADDWD, dst, splat(1, 16));
        self.push_sum(dst, addend);
    }

    /// Products of signed bytes fit words; their sums wrap.
    fn dot_i16(&mut self) {
        let dst = self.widened_dot(VecOp::PMULLW, VecOp::PHADDW);
        self.push_vector(dst);
    }

    /// Sums of four products, which fit 32 bits.
    fn dot_i32(&mut self) {
        let addend = self.state.pop();
        let dst = self.widened_dot(VecOp::PMADDWD, VecOp::PHADDD);
        self.push_sum(dst, addend);
    }

    /// Pushes the sums of a temporary's and a popped operand's lanes of 32 bits.
    fn push_sum(&mut self, dst: Reg, addend: Value) {
        let addend = self.use_reg(addend);
        self.masm.vec(VecOp::PADDD, dst, dst, addend);
        self.state.release(addend);
        self.push_vector(dst);
    }

    /// Pops two operands, multiplies the bytes of both halves as words, and adds neighbours, in a
    /// temporary.
    fn widened_dot(&mut self, multiply: VecOp, add: VecOp) -> Reg {
        let right = self.state.pop();
        let left = self.state.pop();
        let left = self.use_reg(left);
        let right = self.use_reg(right);
        let (dst, high, factor) = (self.vector_temp(), self.vector_temp(), self.vector_temp());
        let masm = &mut self.masm;
        masm.vec_of(VecOp::PMOVSXBW, dst, left);
        masm.vec_of(VecOp::PMOVSXBW, factor, right);
        masm.vec(multiply, dst, dst, factor);
        for (to, from) in [(high, left), (factor, right)] {
            masm.vec_of_imm(VecOp::PSHUFD, to, from, HIGH_HALF);
            masm.vec_of(VecOp::PMOVSXBW, to, to);
        }
        masm.vec(multiply, high, high, factor);
        masm.vec(add, dst, dst, high);
        for reg in [left, right, high, factor] {
            self.state.release(reg);
        }
        dst
    }
}
