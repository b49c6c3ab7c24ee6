//! Comparisons of lanes: all bits of a lane are set where the comparison holds.

use cranelift_codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift_codegen::ir::{InstBuilder, types};

use crate::translate::Translator;

/// Handlers that compare the lanes of two vectors of a shape.
macro_rules! compare {
    ($($visit:ident => $clif:ident $ty:ident $condition:expr;)*) => {
        impl Translator<'_> {$(
            pub(crate) fn $visit(&mut self) {
                let (a, b) = self.pop2_as(types::$ty);
                let result = self.ins().$clif($condition, a, b);
                self.push_vector(result);
            }
        )*}
    };
}

compare! {
    visit_i8x16_eq => icmp I8X16 IntCC::Equal;
    visit_i8x16_ne => icmp I8X16 IntCC::NotEqual;
    visit_i8x16_lt_s => icmp I8X16 IntCC::SignedLessThan;
    visit_i8x16_lt_u => icmp I8X16 IntCC::UnsignedLessThan;
    visit_i8x16_gt_s => icmp I8X16 IntCC::SignedGreaterThan;
    visit_i8x16_gt_u => icmp I8X16 IntCC::UnsignedGreaterThan;
    visit_i8x16_le_s => icmp I8X16 IntCC::SignedLessThanOrEqual;
    visit_i8x16_le_u => icmp I8X16 IntCC::UnsignedLessThanOrEqual;
    visit_i8x16_ge_s => icmp I8X16 IntCC::SignedGreaterThanOrEqual;
    visit_i8x16_ge_u => icmp I8X16 IntCC::UnsignedGreaterThanOrEqual;
    visit_i16x8_eq => icmp I16X8 IntCC::Equal;
    visit_i16x8_ne => icmp I16X8 IntCC::NotEqual;
    visit_i16x8_lt_s => icmp I16X8 IntCC::SignedLessThan;
    visit_i16x8_lt_u => icmp I16X8 IntCC::UnsignedLessThan;
    visit_i16x8_gt_s => icmp I16X8 IntCC::SignedGreaterThan;
    visit_i16x8_gt_u => icmp I16X8 IntCC::UnsignedGreaterThan;
    visit_i16x8_le_s => icmp I16X8 IntCC::SignedLessThanOrEqual;
    visit_i16x8_le_u => icmp I16X8 IntCC::UnsignedLessThanOrEqual;
    visit_i16x8_ge_s => icmp I16X8 IntCC::SignedGreaterThanOrEqual;
    visit_i16x8_ge_u => icmp I16X8 IntCC::UnsignedGreaterThanOrEqual;
    visit_i32x4_eq => icmp I32X4 IntCC::Equal;
    visit_i32x4_ne => icmp I32X4 IntCC::NotEqual;
    visit_i32x4_lt_s => icmp I32X4 IntCC::SignedLessThan;
    visit_i32x4_lt_u => icmp I32X4 IntCC::UnsignedLessThan;
    visit_i32x4_gt_s => icmp I32X4 IntCC::SignedGreaterThan;
    visit_i32x4_gt_u => icmp I32X4 IntCC::UnsignedGreaterThan;
    visit_i32x4_le_s => icmp I32X4 IntCC::SignedLessThanOrEqual;
    visit_i32x4_le_u => icmp I32X4 IntCC::UnsignedLessThanOrEqual;
    visit_i32x4_ge_s => icmp I32X4 IntCC::SignedGreaterThanOrEqual;
    visit_i32x4_ge_u => icmp I32X4 IntCC::UnsignedGreaterThanOrEqual;
    visit_i64x2_eq => icmp I64X2 IntCC::Equal;
    visit_i64x2_ne => icmp I64X2 IntCC::NotEqual;
    visit_i64x2_lt_s => icmp I64X2 IntCC::SignedLessThan;
    visit_i64x2_gt_s => icmp I64X2 IntCC::SignedGreaterThan;
    visit_i64x2_le_s => icmp I64X2 IntCC::SignedLessThanOrEqual;
    visit_i64x2_ge_s => icmp I64X2 IntCC::SignedGreaterThanOrEqual;
    visit_f32x4_eq => fcmp F32X4 FloatCC::Equal;
    visit_f32x4_ne => fcmp F32X4 FloatCC::NotEqual;
    visit_f32x4_lt => fcmp F32X4 FloatCC::LessThan;
    visit_f32x4_gt => fcmp F32X4 FloatCC::GreaterThan;
    visit_f32x4_le => fcmp F32X4 FloatCC::LessThanOrEqual;
    visit_f32x4_ge => fcmp F32X4 FloatCC::GreaterThanOrEqual;
    visit_f64x2_eq => fcmp F64X2 FloatCC::Equal;
    visit_f64x2_ne => fcmp F64X2 FloatCC::NotEqual;
    visit_f64x2_lt => fcmp F64X2 FloatCC::LessThan;
    visit_f64x2_gt => fcmp F64X2 FloatCC::GreaterThan;
    visit_f64x2_le => fcmp F64X2 FloatCC::LessThanOrEqual;
    visit_f64x2_ge => fcmp F64X2 FloatCC::GreaterThanOrEqual;
}
