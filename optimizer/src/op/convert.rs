//! Conversions between number types.

use cranelift_codegen::ir::{InstBuilder, MemFlagsData, Type, types};

use crate::translate::Translator;

/// Handlers that reinterpret a value's bits as another type of the same size.
macro_rules! reinterpret {
    ($($visit:ident => $ty:ident;)*) => {$(
        pub(crate) fn $visit(&mut self) {
            let value = self.pop();
            let result = self.ins().bitcast(types::$ty, MemFlagsData::new(), value);
            self.push(result);
        }
    )*};
}

/// Handlers that extend the sign of a value's low bits.
macro_rules! extend_low {
    ($($visit:ident => $from:ident $to:ident;)*) => {$(
        pub(crate) fn $visit(&mut self) {
            self.extend_low(types::$from, types::$to);
        }
    )*};
}

impl Translator<'_> {
    unary! {
        visit_i32_wrap_i64 => ireduce I32;
        visit_i64_extend_i32_s => sextend I64;
        visit_i32_trunc_f32_s => fcvt_to_sint I32;
        visit_i32_trunc_f32_u => fcvt_to_uint I32;
        visit_i32_trunc_f64_s => fcvt_to_sint I32;
        visit_i32_trunc_f64_u => fcvt_to_uint I32;
        visit_i64_trunc_f32_s => fcvt_to_sint I64;
        visit_i64_trunc_f32_u => fcvt_to_uint I64;
        visit_i64_trunc_f64_s => fcvt_to_sint I64;
        visit_i64_trunc_f64_u => fcvt_to_uint I64;
        visit_i32_trunc_sat_f32_s => fcvt_to_sint_sat I32;
        visit_i32_trunc_sat_f32_u => fcvt_to_uint_sat I32;
        visit_i32_trunc_sat_f64_s => fcvt_to_sint_sat I32;
        visit_i32_trunc_sat_f64_u => fcvt_to_uint_sat I32;
        visit_i64_trunc_sat_f32_s => fcvt_to_sint_sat I64;
        visit_i64_trunc_sat_f32_u => fcvt_to_uint_sat I64;
        visit_i64_trunc_sat_f64_s => fcvt_to_sint_sat I64;
        visit_i64_trunc_sat_f64_u => fcvt_to_uint_sat I64;
        visit_f32_convert_i32_s => fcvt_from_sint F32;
        visit_f32_convert_i32_u => fcvt_from_uint F32;
        visit_f32_convert_i64_s => fcvt_from_sint F32;
        visit_f32_convert_i64_u => fcvt_from_uint F32;
        visit_f64_convert_i32_s => fcvt_from_sint F64;
        visit_f64_convert_i32_u => fcvt_from_uint F64;
        visit_f64_convert_i64_s => fcvt_from_sint F64;
        visit_f64_convert_i64_u => fcvt_from_uint F64;
        visit_f32_demote_f64 => fdemote F32;
        visit_f64_promote_f32 => fpromote F64;
    }

    reinterpret! {
        visit_i32_reinterpret_f32 => I32;
        visit_i64_reinterpret_f64 => I64;
        visit_f32_reinterpret_i32 => F32;
        visit_f64_reinterpret_i64 => F64;
    }

    extend_low! {
        visit_i32_extend8_s => I8 I32;
        visit_i32_extend16_s => I16 I32;
        visit_i64_extend8_s => I8 I64;
        visit_i64_extend16_s => I16 I64;
        visit_i64_extend32_s => I32 I64;
    }

    pub(crate) fn visit_i64_extend_i32_u(&mut self) {
        let value = self.pop();
        let result = self.extend(value);
        self.push(result);
    }

    fn extend_low(&mut self, from: Type, to: Type) {
        let value = self.pop();
        let low = self.ins().ireduce(from, value);
        let result = self.ins().sextend(to, low);
        self.push(result);
    }
}
