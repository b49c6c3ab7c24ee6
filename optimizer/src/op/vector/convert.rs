//! Conversions between shapes: wider and narrower lanes, integers and floats.

use cranelift_codegen::ir::{InstBuilder, Value, types};

use crate::op::vector::vectors;
use crate::translate::Translator;

vectors! {
    visit_i16x8_extend_low_i8x16_s => unary swiden_low I8X16;
    visit_i16x8_extend_low_i8x16_u => unary uwiden_low I8X16;
    visit_i16x8_extend_high_i8x16_s => unary swiden_high I8X16;
    visit_i16x8_extend_high_i8x16_u => unary uwiden_high I8X16;
    visit_i32x4_extend_low_i16x8_s => unary swiden_low I16X8;
    visit_i32x4_extend_low_i16x8_u => unary uwiden_low I16X8;
    visit_i32x4_extend_high_i16x8_s => unary swiden_high I16X8;
    visit_i32x4_extend_high_i16x8_u => unary uwiden_high I16X8;
    visit_i64x2_extend_low_i32x4_s => unary swiden_low I32X4;
    visit_i64x2_extend_low_i32x4_u => unary uwiden_low I32X4;
    visit_i64x2_extend_high_i32x4_s => unary swiden_high I32X4;
    visit_i64x2_extend_high_i32x4_u => unary uwiden_high I32X4;
    visit_i8x16_narrow_i16x8_s => binary snarrow I16X8;
    visit_i8x16_narrow_i16x8_u => binary unarrow I16X8;
    visit_i16x8_narrow_i32x4_s => binary snarrow I32X4;
    visit_i16x8_narrow_i32x4_u => binary unarrow I32X4;
    visit_f64x2_promote_low_f32x4 => unary fvpromote_low F32X4;
    visit_f32x4_demote_f64x2_zero => unary fvdemote F64X2;
}

/// Handlers of conversions to another type of lanes of the same size.
macro_rules! conversions {
    ($($visit:ident => $clif:ident $from:ident, $to:ident;)*) => {
        impl Translator<'_> {$(
            pub(crate) fn $visit(&mut self) {
                let value = self.pop_as(types::$from);
                let result = self.ins().$clif(types::$to, value);
                self.push_vector(result);
            }
        )*}
    };
}

conversions! {
    visit_f32x4_convert_i32x4_s => fcvt_from_sint I32X4, F32X4;
    visit_f32x4_convert_i32x4_u => fcvt_from_uint I32X4, F32X4;
    visit_i32x4_trunc_sat_f32x4_s => fcvt_to_sint_sat F32X4, I32X4;
    visit_i32x4_trunc_sat_f32x4_u => fcvt_to_uint_sat F32X4, I32X4;
}

impl Translator<'_> {
    pub(crate) fn visit_f64x2_convert_low_i32x4_s(&mut self) {
        let value = self.pop_as(types::I32X4);
        let wide = self.ins().swiden_low(value);
        let result = self.ins().fcvt_from_sint(types::F64X2, wide);
        self.push_vector(result);
    }

    pub(crate) fn visit_f64x2_convert_low_i32x4_u(&mut self) {
        let value = self.pop_as(types::I32X4);
        let wide = self.ins().uwiden_low(value);
        let result = self.ins().fcvt_from_uint(types::F64X2, wide);
        self.push_vector(result);
    }

    /// Zeroes for the upper half of what is narrowed from 64 bits. Cranelift's rules look for this
    /// very instruction.
    pub(super) fn zero_i64x2(&mut self) -> Value {
        let zero = self.vector_constant([0; 16]);
        self.cast(zero, types::I64X2)
    }

    pub(crate) fn visit_i32x4_trunc_sat_f64x2_s_zero(&mut self) {
        let value = self.pop_as(types::F64X2);
        let wide = self.ins().fcvt_to_sint_sat(types::I64X2, value);
        let zero = self.zero_i64x2();
        let result = self.ins().snarrow(wide, zero);
        self.push_vector(result);
    }

    pub(crate) fn visit_i32x4_trunc_sat_f64x2_u_zero(&mut self) {
        let value = self.pop_as(types::F64X2);
        let wide = self.ins().fcvt_to_uint_sat(types::I64X2, value);
        let zero = self.zero_i64x2();
        let result = self.ins().uunarrow(wide, zero);
        self.push_vector(result);
    }
}
