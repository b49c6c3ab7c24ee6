//! Relaxed vector operators, whose results the standard leaves open in some cases.
//!
//! Both compilers make the same choice: what the processor's instruction does, or, if results are
//! to be the same on all processors, what the standard's deterministic profile says.

use cranelift_codegen::ir::{InstBuilder, Type, Value, types};

use crate::op::vector::vectors;
use crate::translate::Translator;

/// Handlers that are one of two others: the deterministic one, or the fast one.
macro_rules! choices {
    ($($visit:ident => $deterministic:ident | $fast:ident;)*) => {
        impl Translator<'_> {$(
            pub(crate) fn $visit(&mut self) {
                match self.env.config.options.deterministic_relaxed_simd {
                    true => self.$deterministic(),
                    false => self.$fast(),
                }
            }
        )*}
    };
}

choices! {
    visit_i8x16_relaxed_swizzle => visit_i8x16_swizzle | fast_swizzle;
    visit_i32x4_relaxed_trunc_f32x4_s => visit_i32x4_trunc_sat_f32x4_s | fast_trunc_f32x4;
    visit_i32x4_relaxed_trunc_f64x2_s_zero
        => visit_i32x4_trunc_sat_f64x2_s_zero | fast_trunc_f64x2;
    visit_f32x4_relaxed_min => visit_f32x4_min | visit_f32x4_pmin;
    visit_f32x4_relaxed_max => visit_f32x4_max | visit_f32x4_pmax;
    visit_f64x2_relaxed_min => visit_f64x2_min | visit_f64x2_pmin;
    visit_f64x2_relaxed_max => visit_f64x2_max | visit_f64x2_pmax;
    visit_i16x8_relaxed_q15mulr_s => visit_i16x8_q15mulr_sat_s | fast_q15mulr;
    visit_i16x8_relaxed_dot_i8x16_i7x16_s => dot_i16 | fast_dot_i16;
    visit_i32x4_relaxed_dot_i8x16_i7x16_add_s => dot_i32 | fast_dot_i32;
}

vectors! {
    fast_swizzle => binary x86_pshufb I8X16;
    fast_q15mulr => binary x86_pmulhrsw I16X8;
    fast_dot_i16 => binary x86_pmaddubsw I8X16;
}

/// Handlers that are another one.
macro_rules! same {
    ($($visit:ident => $method:ident($($arg:expr),*);)*) => {
        impl Translator<'_> {$(
            pub(crate) fn $visit(&mut self) {
                self.$method($($arg),*);
            }
        )*}
    };
}

same! {
    visit_i32x4_relaxed_trunc_f32x4_u => visit_i32x4_trunc_sat_f32x4_u();
    visit_i32x4_relaxed_trunc_f64x2_u_zero => visit_i32x4_trunc_sat_f64x2_u_zero();
    visit_i8x16_relaxed_laneselect => visit_v128_bitselect();
    visit_i16x8_relaxed_laneselect => visit_v128_bitselect();
    visit_i32x4_relaxed_laneselect => visit_v128_bitselect();
    visit_i64x2_relaxed_laneselect => visit_v128_bitselect();
    visit_f32x4_relaxed_madd => multiply_add(types::F32X4, Sign::Kept);
    visit_f32x4_relaxed_nmadd => multiply_add(types::F32X4, Sign::Changed);
    visit_f64x2_relaxed_madd => multiply_add(types::F64X2, Sign::Kept);
    visit_f64x2_relaxed_nmadd => multiply_add(types::F64X2, Sign::Changed);
}

/// What happens to the sign of a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sign {
    Kept,
    Changed,
}

impl Translator<'_> {
    fn fast_trunc_f32x4(&mut self) {
        let value = self.pop_as(types::F32X4);
        let result = self.ins().x86_cvtt2dq(types::I32X4, value);
        self.push_vector(result);
    }

    fn fast_trunc_f64x2(&mut self) {
        let value = self.pop_as(types::F64X2);
        let wide = self.ins().x86_cvtt2dq(types::I64X2, value);
        let zero = self.zero_i64x2();
        let result = self.ins().snarrow(wide, zero);
        self.push_vector(result);
    }

    /// `±(a * b) + c`: rounded once if the processor can. The deterministic profile demands that;
    /// an engine for it refuses relaxed operators on processors that can't.
    fn multiply_add(&mut self, ty: Type, sign: Sign) {
        let addend = self.pop_as(ty);
        let (mut a, b) = self.pop2_as(ty);
        if sign == Sign::Changed {
            a = self.ins().fneg(a);
        }
        let result = if self.env.config.has_fma {
            self.ins().fma(a, b, addend)
        } else {
            let product = self.ins().fmul(a, b);
            self.ins().fadd(product, addend)
        };
        self.push_vector(result);
    }

    fn fast_dot_i32(&mut self) {
        let addend = self.pop_as(types::I32X4);
        let (a, b) = self.pop2_as(types::I8X16);
        let words = self.ins().x86_pmaddubsw(a, b);
        let sums = self.sums_of_neighbours(words);
        let result = self.ins().iadd(sums, addend);
        self.push_vector(result);
    }

    fn dot_i16(&mut self) {
        let (a, b) = self.pop2_as(types::I8X16);
        let (low, high) = self.wide_products(a, b);
        let result = self.ins().iadd_pairwise(low, high);
        self.push_vector(result);
    }

    /// Sums of four products, which fit 32 bits.
    fn dot_i32(&mut self) {
        let addend = self.pop_as(types::I32X4);
        let (a, b) = self.pop2_as(types::I8X16);
        let (low, high) = self.wide_products(a, b);
        let low = self.sums_of_neighbours(low);
        let high = self.sums_of_neighbours(high);
        let sums = self.ins().iadd_pairwise(low, high);
        let result = self.ins().iadd(sums, addend);
        self.push_vector(result);
    }

    /// The products of the lower and of the upper lanes, in lanes twice as wide.
    pub(super) fn wide_products(&mut self, a: Value, b: Value) -> (Value, Value) {
        let (low_a, low_b) = (self.ins().swiden_low(a), self.ins().swiden_low(b));
        let low = self.ins().imul(low_a, low_b);
        let (high_a, high_b) = (self.ins().swiden_high(a), self.ins().swiden_high(b));
        (low, self.ins().imul(high_a, high_b))
    }

    /// The sums of neighbouring lanes, in lanes twice as wide.
    fn sums_of_neighbours(&mut self, value: Value) -> Value {
        let low = self.ins().swiden_low(value);
        let high = self.ins().swiden_high(value);
        self.ins().iadd_pairwise(low, high)
    }
}
