//! Bitwise operators and integer arithmetic on lanes.

use cranelift_codegen::ir::{InstBuilder, types};

use crate::op::vector::vectors;
use crate::translate::Translator;

vectors! {
    visit_i8x16_add => binary iadd I8X16;
    visit_i16x8_add => binary iadd I16X8;
    visit_i32x4_add => binary iadd I32X4;
    visit_i64x2_add => binary iadd I64X2;
    visit_i8x16_sub => binary isub I8X16;
    visit_i16x8_sub => binary isub I16X8;
    visit_i32x4_sub => binary isub I32X4;
    visit_i64x2_sub => binary isub I64X2;
    visit_i16x8_mul => binary imul I16X8;
    visit_i32x4_mul => binary imul I32X4;
    visit_i64x2_mul => binary imul I64X2;
    visit_i8x16_add_sat_s => binary sadd_sat I8X16;
    visit_i16x8_add_sat_s => binary sadd_sat I16X8;
    visit_i8x16_add_sat_u => binary uadd_sat I8X16;
    visit_i16x8_add_sat_u => binary uadd_sat I16X8;
    visit_i8x16_sub_sat_s => binary ssub_sat I8X16;
    visit_i16x8_sub_sat_s => binary ssub_sat I16X8;
    visit_i8x16_sub_sat_u => binary usub_sat I8X16;
    visit_i16x8_sub_sat_u => binary usub_sat I16X8;
    visit_i8x16_avgr_u => binary avg_round I8X16;
    visit_i16x8_avgr_u => binary avg_round I16X8;
    visit_i8x16_min_s => binary smin I8X16;
    visit_i16x8_min_s => binary smin I16X8;
    visit_i32x4_min_s => binary smin I32X4;
    visit_i8x16_min_u => binary umin I8X16;
    visit_i16x8_min_u => binary umin I16X8;
    visit_i32x4_min_u => binary umin I32X4;
    visit_i8x16_max_s => binary smax I8X16;
    visit_i16x8_max_s => binary smax I16X8;
    visit_i32x4_max_s => binary smax I32X4;
    visit_i8x16_max_u => binary umax I8X16;
    visit_i16x8_max_u => binary umax I16X8;
    visit_i32x4_max_u => binary umax I32X4;
    visit_i8x16_neg => unary ineg I8X16;
    visit_i16x8_neg => unary ineg I16X8;
    visit_i32x4_neg => unary ineg I32X4;
    visit_i64x2_neg => unary ineg I64X2;
    visit_i8x16_abs => unary iabs I8X16;
    visit_i16x8_abs => unary iabs I16X8;
    visit_i32x4_abs => unary iabs I32X4;
    visit_i64x2_abs => unary iabs I64X2;
    visit_i8x16_popcnt => unary popcnt I8X16;
    visit_i16x8_q15mulr_sat_s => binary sqmul_round_sat I16X8;
    visit_v128_and => binary band I8X16;
    visit_v128_or => binary bor I8X16;
    visit_v128_xor => binary bxor I8X16;
    visit_v128_andnot => binary band_not I8X16;
    visit_v128_not => unary bnot I8X16;
    visit_v128_any_true => test vany_true I8X16;
    visit_i8x16_all_true => test vall_true I8X16;
    visit_i16x8_all_true => test vall_true I16X8;
    visit_i32x4_all_true => test vall_true I32X4;
    visit_i64x2_all_true => test vall_true I64X2;
}

/// Handlers of shifts, whose amount counts modulo the bits of a lane in CLIF, too.
macro_rules! shifts {
    ($($visit:ident => $clif:ident $ty:ident;)*) => {
        impl Translator<'_> {$(
            pub(crate) fn $visit(&mut self) {
                let amount = self.pop();
                let value = self.pop_as(types::$ty);
                let result = self.ins().$clif(value, amount);
                self.push_vector(result);
            }
        )*}
    };
}

shifts! {
    visit_i8x16_shl => ishl I8X16;
    visit_i16x8_shl => ishl I16X8;
    visit_i32x4_shl => ishl I32X4;
    visit_i64x2_shl => ishl I64X2;
    visit_i8x16_shr_s => sshr I8X16;
    visit_i16x8_shr_s => sshr I16X8;
    visit_i32x4_shr_s => sshr I32X4;
    visit_i64x2_shr_s => sshr I64X2;
    visit_i8x16_shr_u => ushr I8X16;
    visit_i16x8_shr_u => ushr I16X8;
    visit_i32x4_shr_u => ushr I32X4;
    visit_i64x2_shr_u => ushr I64X2;
}

/// Handlers that collect the lanes' signs.
macro_rules! bitmasks {
    ($($visit:ident => $ty:ident;)*) => {
        impl Translator<'_> {$(
            pub(crate) fn $visit(&mut self) {
                let value = self.pop_as(types::$ty);
                let result = self.ins().vhigh_bits(types::I32, value);
                self.push(result);
            }
        )*}
    };
}

bitmasks! {
    visit_i8x16_bitmask => I8X16;
    visit_i16x8_bitmask => I16X8;
    visit_i32x4_bitmask => I32X4;
    visit_i64x2_bitmask => I64X2;
}

/// Handlers of operators on widened lanes: how lanes are widened, their shape, and what is done.
macro_rules! widening {
    ($($visit:ident => $method:ident $ty:ident $($widen:ident),*;)*) => {
        impl Translator<'_> {$(
            pub(crate) fn $visit(&mut self) {
                widening!(@$method self $ty $($widen),*);
            }
        )*}
    };
    (@add_pairwise $self:ident $ty:ident $low:ident, $high:ident) => {
        let value = $self.pop_as(types::$ty);
        let low = $self.ins().$low(value);
        let high = $self.ins().$high(value);
        let sums = $self.ins().iadd_pairwise(low, high);
        $self.push_vector(sums);
    };
    (@mul $self:ident $ty:ident $widen:ident) => {
        let (a, b) = $self.pop2_as(types::$ty);
        let a = $self.ins().$widen(a);
        let b = $self.ins().$widen(b);
        let product = $self.ins().imul(a, b);
        $self.push_vector(product);
    };
}

widening! {
    visit_i16x8_extadd_pairwise_i8x16_s => add_pairwise I8X16 swiden_low, swiden_high;
    visit_i16x8_extadd_pairwise_i8x16_u => add_pairwise I8X16 uwiden_low, uwiden_high;
    visit_i32x4_extadd_pairwise_i16x8_s => add_pairwise I16X8 swiden_low, swiden_high;
    visit_i32x4_extadd_pairwise_i16x8_u => add_pairwise I16X8 uwiden_low, uwiden_high;
    visit_i16x8_extmul_low_i8x16_s => mul I8X16 swiden_low;
    visit_i16x8_extmul_low_i8x16_u => mul I8X16 uwiden_low;
    visit_i16x8_extmul_high_i8x16_s => mul I8X16 swiden_high;
    visit_i16x8_extmul_high_i8x16_u => mul I8X16 uwiden_high;
    visit_i32x4_extmul_low_i16x8_s => mul I16X8 swiden_low;
    visit_i32x4_extmul_low_i16x8_u => mul I16X8 uwiden_low;
    visit_i32x4_extmul_high_i16x8_s => mul I16X8 swiden_high;
    visit_i32x4_extmul_high_i16x8_u => mul I16X8 uwiden_high;
    visit_i64x2_extmul_low_i32x4_s => mul I32X4 swiden_low;
    visit_i64x2_extmul_low_i32x4_u => mul I32X4 uwiden_low;
    visit_i64x2_extmul_high_i32x4_s => mul I32X4 swiden_high;
    visit_i64x2_extmul_high_i32x4_u => mul I32X4 uwiden_high;
}

impl Translator<'_> {
    pub(crate) fn visit_v128_bitselect(&mut self) {
        let mask = self.pop();
        let (a, b) = self.pop2();
        let result = self.ins().bitselect(mask, a, b);
        self.push(result);
    }

    /// The sums of the products of neighbouring lanes, in lanes twice as wide.
    pub(crate) fn visit_i32x4_dot_i16x8_s(&mut self) {
        let (a, b) = self.pop2_as(types::I16X8);
        let (low, high) = self.wide_products(a, b);
        let result = self.ins().iadd_pairwise(low, high);
        self.push_vector(result);
    }
}
