//! Comparisons of lanes: all bits of a lane are set where the comparison holds.
//!
//! The processor tests integers for "equal" and "greater, signed" only. The others are these, with
//! operands exchanged, with the result inverted, or by way of the lesser or the greater of the two.

use crate::asm::opcode::vector::VecOp;
use crate::func_gen::FuncGen;
use crate::op::vector::{binary, handlers};

binary! {
    visit_i8x16_eq => PCMPEQB;
    visit_i16x8_eq => PCMPEQW;
    visit_i32x4_eq => PCMPEQD;
    visit_i64x2_eq => PCMPEQQ;
    visit_i8x16_gt_s => PCMPGTB;
    visit_i16x8_gt_s => PCMPGTW;
    visit_i32x4_gt_s => PCMPGTD;
}

/// Whether an instruction's result is the operator's, or its opposite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sense {
    Same,
    Opposite,
}

/// The order of an instruction's operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    AsPushed,
    Exchanged,
}

handlers! {
    visit_i8x16_ne => not_equal(VecOp::PCMPEQB);
    visit_i16x8_ne => not_equal(VecOp::PCMPEQW);
    visit_i32x4_ne => not_equal(VecOp::PCMPEQD);
    visit_i64x2_ne => not_equal(VecOp::PCMPEQQ);
    visit_i8x16_lt_s => exchanged(VecOp::PCMPGTB);
    visit_i16x8_lt_s => exchanged(VecOp::PCMPGTW);
    visit_i32x4_lt_s => exchanged(VecOp::PCMPGTD);
    visit_i8x16_ge_s => is_extreme(VecOp::PMAXSB, VecOp::PCMPEQB, Sense::Same);
    visit_i16x8_ge_s => is_extreme(VecOp::PMAXSW, VecOp::PCMPEQW, Sense::Same);
    visit_i32x4_ge_s => is_extreme(VecOp::PMAXSD, VecOp::PCMPEQD, Sense::Same);
    visit_i8x16_le_s => is_extreme(VecOp::PMINSB, VecOp::PCMPEQB, Sense::Same);
    visit_i16x8_le_s => is_extreme(VecOp::PMINSW, VecOp::PCMPEQW, Sense::Same);
    visit_i32x4_le_s => is_extreme(VecOp::PMINSD, VecOp::PCMPEQD, Sense::Same);
    visit_i8x16_ge_u => is_extreme(VecOp::PMAXUB, VecOp::PCMPEQB, Sense::Same);
    visit_i16x8_ge_u => is_extreme(VecOp::PMAXUW, VecOp::PCMPEQW, Sense::Same);
    visit_i32x4_ge_u => is_extreme(VecOp::PMAXUD, VecOp::PCMPEQD, Sense::Same);
    visit_i8x16_le_u => is_extreme(VecOp::PMINUB, VecOp::PCMPEQB, Sense::Same);
    visit_i16x8_le_u => is_extreme(VecOp::PMINUW, VecOp::PCMPEQW, Sense::Same);
    visit_i32x4_le_u => is_extreme(VecOp::PMINUD, VecOp::PCMPEQD, Sense::Same);
    visit_i8x16_lt_u => is_extreme(VecOp::PMAXUB, VecOp::PCMPEQB, Sense::Opposite);
    visit_i16x8_lt_u => is_extreme(VecOp::PMAXUW, VecOp::PCMPEQW, Sense::Opposite);
    visit_i32x4_lt_u => is_extreme(VecOp::PMAXUD, VecOp::PCMPEQD, Sense::Opposite);
    visit_i8x16_gt_u => is_extreme(VecOp::PMINUB, VecOp::PCMPEQB, Sense::Opposite);
    visit_i16x8_gt_u => is_extreme(VecOp::PMINUW, VecOp::PCMPEQW, Sense::Opposite);
    visit_i32x4_gt_u => is_extreme(VecOp::PMINUD, VecOp::PCMPEQD, Sense::Opposite);
    visit_i64x2_gt_s => greater_i64(Order::AsPushed, Sense::Same);
    visit_i64x2_lt_s => greater_i64(Order::Exchanged, Sense::Same);
    visit_i64x2_le_s => greater_i64(Order::AsPushed, Sense::Opposite);
    visit_i64x2_ge_s => greater_i64(Order::Exchanged, Sense::Opposite);
    visit_f32x4_eq => compare_lanes(VecOp::CMPPS, EQUAL, Order::AsPushed);
    visit_f32x4_ne => compare_lanes(VecOp::CMPPS, NOT_EQUAL, Order::AsPushed);
    visit_f32x4_lt => compare_lanes(VecOp::CMPPS, LESS, Order::AsPushed);
    visit_f32x4_gt => compare_lanes(VecOp::CMPPS, LESS, Order::Exchanged);
    visit_f32x4_le => compare_lanes(VecOp::CMPPS, LESS_OR_EQUAL, Order::AsPushed);
    visit_f32x4_ge => compare_lanes(VecOp::CMPPS, LESS_OR_EQUAL, Order::Exchanged);
    visit_f64x2_eq => compare_lanes(VecOp::CMPPD, EQUAL, Order::AsPushed);
    visit_f64x2_ne => compare_lanes(VecOp::CMPPD, NOT_EQUAL, Order::AsPushed);
    visit_f64x2_lt => compare_lanes(VecOp::CMPPD, LESS, Order::AsPushed);
    visit_f64x2_gt => compare_lanes(VecOp::CMPPD, LESS, Order::Exchanged);
    visit_f64x2_le => compare_lanes(VecOp::CMPPD, LESS_OR_EQUAL, Order::AsPushed);
    visit_f64x2_ge => compare_lanes(VecOp::CMPPD, LESS_OR_EQUAL, Order::Exchanged);
}

/// Predicates of `cmpps` and `cmppd`.
pub(super) const EQUAL: u8 = 0;
pub(super) const LESS: u8 = 1;
pub(super) const LESS_OR_EQUAL: u8 = 2;
pub(super) const UNORDERED: u8 = 3;
const NOT_EQUAL: u8 = 4;

impl FuncGen<'_> {
    fn not_equal(&mut self, equal: VecOp) {
        let (dst, right) = self.pop_own_and_use();
        self.masm.vec(equal, dst, dst, right);
        self.state.release(right);
        self.combine(VecOp::PXOR, dst, u128::MAX);
        self.push_vector(dst);
    }

    fn exchanged(&mut self, op: VecOp) {
        let right = self.state.pop();
        let left = self.state.pop();
        self.vector_operation(op, right, left, None);
    }

    /// Whether the left operand is the lesser (or greater) one: equal to the lesser of both.
    fn is_extreme(&mut self, extreme: VecOp, equal: VecOp, sense: Sense) {
        let right = self.state.pop();
        let left = self.state.pop();
        let dst = self.own_reg(right);
        let left = self.use_reg(left);
        self.masm.vec(extreme, dst, dst, left);
        self.masm.vec(equal, dst, dst, left);
        self.state.release(left);
        if sense == Sense::Opposite {
            self.combine(VecOp::PXOR, dst, u128::MAX);
        }
        self.push_vector(dst);
    }

    fn greater_i64(&mut self, order: Order, sense: Sense) {
        let mut right = self.state.pop();
        let mut left = self.state.pop();
        if order == Order::Exchanged {
            (left, right) = (right, left);
        }
        let dst = self.own_reg(left);
        let right = self.use_reg(right);
        if self.input.options.features.sse42 {
            self.masm.vec(VecOp::PCMPGTQ, dst, dst, right);
        } else {
            // By halves: the upper ones decide, unless they are equal; then the difference's sign
            // says which of the lower ones, as unsigned numbers, is greater.
            let (difference, greater) = (self.vector_temp(), self.vector_temp());
            self.masm.vec(VecOp::PSUBQ, difference, right, dst);
            self.masm.vec(VecOp::PCMPGTD, greater, dst, right);
            self.masm.vec(VecOp::PCMPEQD, dst, dst, right);
            self.masm.vec(VecOp::PAND, dst, dst, difference);
            self.masm.vec(VecOp::POR, dst, dst, greater);
            self.masm.vec_shift_imm(VecOp::PSRAD_IMM, dst, dst, 31);
            self.masm.vec_of_imm(VecOp::PSHUFD, dst, dst, 0xf5);
            self.state.release(difference);
            self.state.release(greater);
        }
        self.state.release(right);
        if sense == Sense::Opposite {
            self.combine(VecOp::PXOR, dst, u128::MAX);
        }
        self.push_vector(dst);
    }

    fn compare_lanes(&mut self, op: VecOp, predicate: u8, order: Order) {
        let mut right = self.state.pop();
        let mut left = self.state.pop();
        if order == Order::Exchanged {
            (left, right) = (right, left);
        }
        let dst = self.own_reg(left);
        let right = self.vector_operand(right);
        self.masm.vec_imm(op, dst, dst, right, predicate);
        self.release_vector(right);
        self.push_vector(dst);
    }
}
