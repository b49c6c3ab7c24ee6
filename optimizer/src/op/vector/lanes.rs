//! Single lanes, and permutations of bytes.

use cranelift_codegen::ir::{ConstantData, InstBuilder, Type, types};

use crate::translate::Translator;

/// Handlers of splats: the shape, and for narrow lanes their type.
macro_rules! splats {
    ($($visit:ident => $ty:ident $($lane:ident)?;)*) => {
        impl Translator<'_> {$(
            pub(crate) fn $visit(&mut self) {
                let value = self.pop();
                $(let value = self.low_part(value, types::$lane);)?
                let result = self.ins().splat(types::$ty, value);
                self.push_vector(result);
            }
        )*}
    };
}

splats! {
    visit_i8x16_splat => I8X16 I8;
    visit_i16x8_splat => I16X8 I16;
    visit_i32x4_splat => I32X4;
    visit_i64x2_splat => I64X2;
    visit_f32x4_splat => F32X4;
    visit_f64x2_splat => F64X2;
}

/// Handlers that read a lane: the shape, and how narrow lanes are extended.
macro_rules! extractions {
    ($($visit:ident => $ty:ident $($extend:ident)?;)*) => {
        impl Translator<'_> {$(
            pub(crate) fn $visit(&mut self, lane: u8) {
                let value = self.pop_as(types::$ty);
                let result = self.ins().extractlane(value, lane);
                $(let result = self.ins().$extend(types::I32, result);)?
                self.push(result);
            }
        )*}
    };
}

extractions! {
    visit_i8x16_extract_lane_s => I8X16 sextend;
    visit_i8x16_extract_lane_u => I8X16 uextend;
    visit_i16x8_extract_lane_s => I16X8 sextend;
    visit_i16x8_extract_lane_u => I16X8 uextend;
    visit_i32x4_extract_lane => I32X4;
    visit_i64x2_extract_lane => I64X2;
    visit_f32x4_extract_lane => F32X4;
    visit_f64x2_extract_lane => F64X2;
}

/// Handlers that replace a lane: the shape.
macro_rules! replacements {
    ($($visit:ident => $ty:ident;)*) => {
        impl Translator<'_> {$(
            pub(crate) fn $visit(&mut self, lane: u8) {
                self.replace_lane(types::$ty, lane);
            }
        )*}
    };
}

replacements! {
    visit_i8x16_replace_lane => I8X16;
    visit_i16x8_replace_lane => I16X8;
    visit_i32x4_replace_lane => I32X4;
    visit_i64x2_replace_lane => I64X2;
    visit_f32x4_replace_lane => F32X4;
    visit_f64x2_replace_lane => F64X2;
}

impl Translator<'_> {
    fn replace_lane(&mut self, ty: Type, lane: u8) {
        let mut number = self.pop();
        if ty.lane_bits() < 32 {
            number = self.low_part(number, ty.lane_type());
        }
        let vector = self.pop_as(ty);
        let result = self.ins().insertlane(vector, number, lane);
        self.push_vector(result);
    }

    pub(crate) fn visit_i8x16_shuffle(&mut self, bytes: [u8; 16]) {
        let (mut a, mut b) = self.pop2();
        // Producers name any second vector where they mean one: told so, Cranelift needs no
        // permutation of two.
        if bytes.iter().all(|&byte| byte < 16) {
            b = a;
        } else if bytes.iter().all(|&byte| byte >= 16) {
            a = b;
        }
        let mask = ConstantData::from(bytes.as_slice());
        let mask = self.builder.func.dfg.immediates.push(mask);
        let result = self.ins().shuffle(a, b, mask);
        self.push(result);
    }

    pub(crate) fn visit_i8x16_swizzle(&mut self) {
        let (value, numbers) = self.pop2();
        let result = self.ins().swizzle(value, numbers);
        self.push(result);
    }
}
