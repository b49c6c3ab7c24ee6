//! Floating-point arithmetic on lanes.
//!
//! With `canonicalize_nans`, every operator that can make a NaN replaces those in its result.

use crate::asm::encode::OperandSize::{self, S32, S64};
use crate::asm::opcode::vector::VecOp;
use crate::func_gen::FuncGen;
use crate::op::float::{Rounding, canonical_nan};
use crate::op::vector::{compare, handlers, splat};
use crate::reg::Reg;

handlers! {
    visit_f32x4_add => float_binary(VecOp::ADDPS, S32);
    visit_f32x4_sub => float_binary(VecOp::SUBPS, S32);
    visit_f32x4_mul => float_binary(VecOp::MULPS, S32);
    visit_f32x4_div => float_binary(VecOp::DIVPS, S32);
    visit_f64x2_add => float_binary(VecOp::ADDPD, S64);
    visit_f64x2_sub => float_binary(VecOp::SUBPD, S64);
    visit_f64x2_mul => float_binary(VecOp::MULPD, S64);
    visit_f64x2_div => float_binary(VecOp::DIVPD, S64);
    visit_f32x4_sqrt => float_unary(VecOp::SQRTPS, S32);
    visit_f64x2_sqrt => float_unary(VecOp::SQRTPD, S64);
    visit_f32x4_ceil => round_lanes(VecOp::ROUNDPS, Rounding::Ceil, S32);
    visit_f32x4_floor => round_lanes(VecOp::ROUNDPS, Rounding::Floor, S32);
    visit_f32x4_trunc => round_lanes(VecOp::ROUNDPS, Rounding::Trunc, S32);
    visit_f32x4_nearest => round_lanes(VecOp::ROUNDPS, Rounding::Nearest, S32);
    visit_f64x2_ceil => round_lanes(VecOp::ROUNDPD, Rounding::Ceil, S64);
    visit_f64x2_floor => round_lanes(VecOp::ROUNDPD, Rounding::Floor, S64);
    visit_f64x2_trunc => round_lanes(VecOp::ROUNDPD, Rounding::Trunc, S64);
    visit_f64x2_nearest => round_lanes(VecOp::ROUNDPD, Rounding::Nearest, S64);
    visit_f32x4_abs => vector_with(VecOp::ANDPS, splat(!(1 << 31), 32));
    visit_f32x4_neg => vector_with(VecOp::XORPS, splat(1 << 31, 32));
    visit_f64x2_abs => vector_with(VecOp::ANDPD, splat(!(1 << 63), 64));
    visit_f64x2_neg => vector_with(VecOp::XORPD, splat(1 << 63, 64));
    visit_f32x4_pmin => pseudo_extreme(VecOp::MINPS);
    visit_f32x4_pmax => pseudo_extreme(VecOp::MAXPS);
    visit_f64x2_pmin => pseudo_extreme(VecOp::MINPD);
    visit_f64x2_pmax => pseudo_extreme(VecOp::MAXPD);
    visit_f32x4_min => lane_min(&SINGLE);
    visit_f32x4_max => lane_max(&SINGLE);
    visit_f64x2_min => lane_min(&DOUBLE);
    visit_f64x2_max => lane_max(&DOUBLE);
}

/// The instructions of a size that minimum and maximum need.
struct Instructions {
    size: OperandSize,
    min: VecOp,
    max: VecOp,
    or: VecOp,
    xor: VecOp,
    and_not: VecOp,
    sub: VecOp,
    compare: VecOp,
    /// Shifts by [`quiet_bits`](Self::quiet_bits) or so, and moves nothing from lane to lane.
    shift: VecOp,
    /// Bits of sign, exponent and the bit that makes a NaN quiet.
    quiet_bits: u8,
}

const SINGLE: Instructions = Instructions {
    size: S32,
    min: VecOp::MINPS,
    max: VecOp::MAXPS,
    or: VecOp::ORPS,
    xor: VecOp::XORPS,
    and_not: VecOp::ANDNPS,
    sub: VecOp::SUBPS,
    compare: VecOp::CMPPS,
    shift: VecOp::PSRLD_IMM,
    quiet_bits: 10,
};

const DOUBLE: Instructions = Instructions {
    size: S64,
    min: VecOp::MINPD,
    max: VecOp::MAXPD,
    or: VecOp::ORPD,
    xor: VecOp::XORPD,
    and_not: VecOp::ANDNPD,
    sub: VecOp::SUBPD,
    compare: VecOp::CMPPD,
    shift: VecOp::PSRLQ_IMM,
    quiet_bits: 13,
};

impl FuncGen<'_> {
    fn float_binary(&mut self, op: VecOp, size: OperandSize) {
        let right = self.state.pop();
        let left = self.state.pop();
        self.vector_operation(op, left, right, Some(size));
    }

    pub(super) fn float_unary(&mut self, op: VecOp, size: OperandSize) {
        let value = self.state.pop();
        let src = self.use_reg(value);
        self.state.release(src);
        let dst = self.vector_temp();
        self.masm.vec_of(op, dst, src);
        self.canonicalize_vector(Some(size), dst);
        self.push_vector(dst);
    }

    fn round_lanes(&mut self, op: VecOp, mode: Rounding, size: OperandSize) {
        let value = self.state.pop();
        let src = self.use_reg(value);
        self.state.release(src);
        let dst = self.vector_temp();
        self.masm.vec_of_imm(op, dst, src, mode.immediate());
        self.canonicalize_vector(Some(size), dst);
        self.push_vector(dst);
    }

    /// The operator is defined as the instruction is, with operands exchanged: its second one if
    /// neither is less.
    fn pseudo_extreme(&mut self, op: VecOp) {
        let right = self.state.pop();
        let left = self.state.pop();
        self.vector_operation(op, right, left, None);
    }

    /// The instruction yields its second operand if one is a NaN or both are zero. The results of
    /// both orders together have all bits of a NaN, and the sign of a negative zero.
    fn lane_min(&mut self, ops: &Instructions) {
        let (dst, right) = self.pop_own_and_use();
        let other = self.vector_temp();
        self.masm.vec(ops.min, other, right, dst);
        self.masm.vec(ops.min, dst, dst, right);
        self.state.release(right);
        self.masm.vec(ops.or, dst, dst, other);
        self.quiet_nans(ops, dst, other);
        self.state.release(other);
        self.canonicalize_vector(Some(ops.size), dst);
        self.push_vector(dst);
    }

    /// As [`lane_min`](Self::lane_min), but where the results of both orders differ in their sign
    /// only, which are zeroes then, the difference of zero and the sign is a positive one.
    fn lane_max(&mut self, ops: &Instructions) {
        let (dst, right) = self.pop_own_and_use();
        let other = self.vector_temp();
        self.masm.vec(ops.max, other, right, dst);
        self.masm.vec(ops.max, dst, dst, right);
        self.state.release(right);
        self.masm.vec(ops.xor, other, other, dst);
        self.masm.vec(ops.or, dst, dst, other);
        self.masm.vec(ops.sub, dst, dst, other);
        self.quiet_nans(ops, dst, other);
        self.state.release(other);
        self.canonicalize_vector(Some(ops.size), dst);
        self.push_vector(dst);
    }

    /// Clears the payload of NaNs, and makes them quiet. Changes `temp`.
    fn quiet_nans(&mut self, ops: &Instructions, dst: Reg, temp: Reg) {
        let masm = &mut self.masm;
        masm.vec_imm(ops.compare, temp, dst, dst, compare::UNORDERED);
        masm.vec(ops.or, dst, dst, temp);
        masm.vec_shift_imm(ops.shift, temp, temp, ops.quiet_bits);
        masm.vec(ops.and_not, temp, temp, dst);
        masm.mov(dst, temp);
    }

    /// Replaces the NaNs among a register's lanes by the canonical one, if asked to and if there
    /// are lanes of a size.
    pub(super) fn canonicalize_vector(&mut self, size: Option<OperandSize>, reg: Reg) {
        let Some(size) = size.filter(|_| self.input.options.canonicalize_nans) else {
            return;
        };
        let (compare, bits) = match size {
            S32 => (VecOp::CMPPS, 32),
            S64 => (VecOp::CMPPD, 64),
        };
        // The result is not on the stack yet: no temporary can get its register.
        let nans = self.vector_temp();
        let masm = &mut self.masm;
        masm.vec_imm(compare, nans, reg, reg, compare::UNORDERED);
        let canonical = masm.constant(splat(canonical_nan(size), bits), upshift_abi::Width::W128);
        // NaNs become zero, and zero the canonical NaN.
        let scratch = masm.fscratch();
        masm.vec(VecOp::PANDN, scratch.reg(), nans, reg);
        masm.vec(VecOp::PAND, nans, nans, canonical);
        masm.vec(VecOp::POR, nans, nans, scratch.reg());
        masm.mov(reg, nans);
        drop(scratch);
        self.state.release(nans);
    }
}
