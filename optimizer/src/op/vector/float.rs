//! Floating-point arithmetic on lanes.
//!
//! Cranelift canonicalizes NaNs itself if configured to, after every instruction that computes one.

use cranelift_codegen::ir::condcodes::FloatCC;
use cranelift_codegen::ir::{InstBuilder, Type, Value, types};

use crate::op::vector::vectors;
use crate::translate::Translator;

vectors! {
    visit_f32x4_add => binary fadd F32X4;
    visit_f32x4_sub => binary fsub F32X4;
    visit_f32x4_mul => binary fmul F32X4;
    visit_f32x4_div => binary fdiv F32X4;
    visit_f32x4_min => binary fmin F32X4;
    visit_f32x4_max => binary fmax F32X4;
    visit_f32x4_sqrt => unary sqrt F32X4;
    visit_f32x4_neg => unary fneg F32X4;
    visit_f32x4_abs => unary fabs F32X4;
    visit_f32x4_ceil => unary ceil F32X4;
    visit_f32x4_floor => unary floor F32X4;
    visit_f32x4_trunc => unary trunc F32X4;
    visit_f32x4_nearest => unary nearest F32X4;
    visit_f64x2_add => binary fadd F64X2;
    visit_f64x2_sub => binary fsub F64X2;
    visit_f64x2_mul => binary fmul F64X2;
    visit_f64x2_div => binary fdiv F64X2;
    visit_f64x2_min => binary fmin F64X2;
    visit_f64x2_max => binary fmax F64X2;
    visit_f64x2_sqrt => unary sqrt F64X2;
    visit_f64x2_neg => unary fneg F64X2;
    visit_f64x2_abs => unary fabs F64X2;
    visit_f64x2_ceil => unary ceil F64X2;
    visit_f64x2_floor => unary floor F64X2;
    visit_f64x2_trunc => unary trunc F64X2;
    visit_f64x2_nearest => unary nearest F64X2;
}

impl Translator<'_> {
    pub(crate) fn visit_f32x4_pmin(&mut self) {
        self.pseudo_min(types::F32X4);
    }

    pub(crate) fn visit_f64x2_pmin(&mut self) {
        self.pseudo_min(types::F64X2);
    }

    pub(crate) fn visit_f32x4_pmax(&mut self) {
        self.pseudo_max(types::F32X4);
    }

    pub(crate) fn visit_f64x2_pmax(&mut self) {
        self.pseudo_max(types::F64X2);
    }

    /// `b < a ? b : a`: in this form Cranelift finds that it is one instruction.
    fn pseudo_min(&mut self, ty: Type) {
        let (a, b) = self.pop2_as(ty);
        let less = self.ins().fcmp(FloatCC::LessThan, b, a);
        self.push_selected(ty, less, b, a);
    }

    /// `a < b ? b : a`.
    fn pseudo_max(&mut self, ty: Type) {
        let (a, b) = self.pop2_as(ty);
        let less = self.ins().fcmp(FloatCC::LessThan, a, b);
        self.push_selected(ty, less, b, a);
    }

    /// Pushes lanes of `a` where the condition's bits are set, else of `b`.
    fn push_selected(&mut self, ty: Type, condition: Value, a: Value, b: Value) {
        let condition = self.cast(condition, ty);
        let result = self.ins().bitselect(condition, a, b);
        self.push_vector(result);
    }
}
