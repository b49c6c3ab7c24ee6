//! Loads and stores of vectors, of lanes, and of numbers that become vectors.
//!
//! `v128.load` and `v128.store` are beside the loads and stores of numbers.

use cranelift_codegen::ir::{InstBuilder, types};
use wasmparser::MemArg;

use crate::translate::Translator;

/// Handlers of loads that widen eight bytes.
macro_rules! widening_loads {
    ($($visit:ident => $clif:ident;)*) => {
        impl Translator<'_> {$(
            pub(crate) fn $visit(&mut self, arg: MemArg) {
                let bytes = self.bytes(arg, 8);
                let at = self.memory_address(bytes);
                let value = self.ins().$clif(at.flags, at.base, at.offset);
                self.push_vector(value);
            }
        )*}
    };
}

widening_loads! {
    visit_v128_load8x8_s => sload8x8;
    visit_v128_load8x8_u => uload8x8;
    visit_v128_load16x4_s => sload16x4;
    visit_v128_load16x4_u => uload16x4;
    visit_v128_load32x2_s => sload32x2;
    visit_v128_load32x2_u => uload32x2;
}

/// Handlers of loads of one number that makes a vector. Those of 32 and 64 bits are floats here,
/// which Cranelift loads into vector registers; integers would go through others.
macro_rules! number_loads {
    ($($visit:ident => $size:literal $lane:ident, $clif:ident $ty:ident;)*) => {
        impl Translator<'_> {$(
            pub(crate) fn $visit(&mut self, arg: MemArg) {
                let bytes = self.bytes(arg, $size);
                let at = self.memory_address(bytes);
                let number = self.ins().load(types::$lane, at.flags, at.base, at.offset);
                let value = self.ins().$clif(types::$ty, number);
                self.push_vector(value);
            }
        )*}
    };
}

number_loads! {
    visit_v128_load8_splat => 1 I8, splat I8X16;
    visit_v128_load16_splat => 2 I16, splat I16X8;
    visit_v128_load32_splat => 4 F32, splat F32X4;
    visit_v128_load64_splat => 8 F64, splat F64X2;
    visit_v128_load32_zero => 4 F32, scalar_to_vector F32X4;
    visit_v128_load64_zero => 8 F64, scalar_to_vector F64X2;
}

/// Handlers of loads and stores of a lane.
macro_rules! lanes {
    ($($load:ident, $store:ident => $size:literal $ty:ident;)*) => {
        impl Translator<'_> {$(
            pub(crate) fn $load(&mut self, arg: MemArg, lane: u8) {
                let vector = self.pop_as(types::$ty);
                let bytes = self.bytes(arg, $size);
                let at = self.memory_address(bytes);
                let ty = types::$ty.lane_type();
                let number = self.ins().load(ty, at.flags, at.base, at.offset);
                let value = self.ins().insertlane(vector, number, lane);
                self.push_vector(value);
            }

            pub(crate) fn $store(&mut self, arg: MemArg, lane: u8) {
                let vector = self.pop_as(types::$ty);
                let bytes = self.bytes(arg, $size);
                let at = self.memory_address(bytes);
                self.contents.overwrite(bytes);
                let number = self.ins().extractlane(vector, lane);
                self.ins().store(at.flags, number, at.base, at.offset);
            }
        )*}
    };
}

lanes! {
    visit_v128_load8_lane, visit_v128_store8_lane => 1 I8X16;
    visit_v128_load16_lane, visit_v128_store16_lane => 2 I16X8;
    visit_v128_load32_lane, visit_v128_store32_lane => 4 I32X4;
    visit_v128_load64_lane, visit_v128_store64_lane => 8 I64X2;
}
