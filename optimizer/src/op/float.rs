//! Float constants, comparisons and arithmetic.
//!
//! Cranelift canonicalizes NaNs itself if configured to, after every instruction that computes one.

use cranelift_codegen::ir::condcodes::FloatCC;
use cranelift_codegen::ir::immediates::{Ieee32, Ieee64};
use cranelift_codegen::ir::{InstBuilder, Value, types};
use upshift_abi::Builtin;

use crate::translate::{FloatBits, Translator};

/// Handlers of roundings: an instruction where the processor has one, else a builtin.
macro_rules! rounding {
    ($($visit:ident => $clif:ident, $builtin:ident;)*) => {$(
        pub(crate) fn $visit(&mut self) {
            let value = self.pop();
            let result = if self.env.config.has_rounding {
                self.ins().$clif(value)
            } else {
                self.call_rounding(Builtin::$builtin, value)
            };
            self.push(result);
        }
    )*};
}

impl Translator<'_> {
    pub(crate) fn visit_f32_const(&mut self, value: wasmparser::Ieee32) {
        let value = self.float_constant(FloatBits::F32(value.bits()));
        self.push(value);
    }

    pub(crate) fn visit_f64_const(&mut self, value: wasmparser::Ieee64) {
        let value = self.float_constant(FloatBits::F64(value.bits()));
        self.push(value);
    }

    compare! {
        visit_f32_eq => fcmp FloatCC::Equal;
        visit_f32_ne => fcmp FloatCC::NotEqual;
        visit_f32_lt => fcmp FloatCC::LessThan;
        visit_f32_gt => fcmp FloatCC::GreaterThan;
        visit_f32_le => fcmp FloatCC::LessThanOrEqual;
        visit_f32_ge => fcmp FloatCC::GreaterThanOrEqual;
        visit_f64_eq => fcmp FloatCC::Equal;
        visit_f64_ne => fcmp FloatCC::NotEqual;
        visit_f64_lt => fcmp FloatCC::LessThan;
        visit_f64_gt => fcmp FloatCC::GreaterThan;
        visit_f64_le => fcmp FloatCC::LessThanOrEqual;
        visit_f64_ge => fcmp FloatCC::GreaterThanOrEqual;
    }

    unary! {
        visit_f32_abs => fabs;
        visit_f32_neg => fneg;
        visit_f32_sqrt => sqrt;
        visit_f64_abs => fabs;
        visit_f64_neg => fneg;
        visit_f64_sqrt => sqrt;
    }

    rounding! {
        visit_f32_ceil => ceil, F32Ceil;
        visit_f32_floor => floor, F32Floor;
        visit_f32_trunc => trunc, F32Trunc;
        visit_f32_nearest => nearest, F32Nearest;
        visit_f64_ceil => ceil, F64Ceil;
        visit_f64_floor => floor, F64Floor;
        visit_f64_trunc => trunc, F64Trunc;
        visit_f64_nearest => nearest, F64Nearest;
    }

    binary! {
        visit_f32_add => fadd;
        visit_f32_sub => fsub;
        visit_f32_mul => fmul;
        visit_f32_div => fdiv;
        visit_f32_min => fmin;
        visit_f32_max => fmax;
        visit_f32_copysign => fcopysign;
        visit_f64_add => fadd;
        visit_f64_sub => fsub;
        visit_f64_mul => fmul;
        visit_f64_div => fdiv;
        visit_f64_min => fmin;
        visit_f64_max => fmax;
        visit_f64_copysign => fcopysign;
    }

    /// Rounds with a builtin. Cranelift does not know that the call yields a NaN, so what it would
    /// do to canonicalize one is done here.
    fn call_rounding(&mut self, builtin: Builtin, value: Value) -> Value {
        let result = self.call_value_builtin(builtin, &[value]);
        if !self.env.config.options.canonicalize_nans {
            return result;
        }
        let canonical = match self.builder.func.dfg.value_type(result) {
            types::F32 => self.ins().f32const(Ieee32::with_bits(0x7fc0_0000)),
            _ => self
                .ins()
                .f64const(Ieee64::with_bits(0x7ff8_0000_0000_0000)),
        };
        let is_nan = self.ins().fcmp(FloatCC::Unordered, result, result);
        self.ins().select(is_nan, canonical, result)
    }
}
