//! Divisions by constants: multiplications with a scaled reciprocal.
//!
//! The method is that of Granlund and Montgomery, "Division by Invariant Integers using
//! Multiplication" (PLDI 1994): `n / d` is the upper part of `n * m`, where `m` is `2^p / d`
//! rounded up, if the error of `m` is small enough for all `n` of the width. A quotient of 32 bits
//! is a shift of a 64-bit product, one of 64 bits a shift of the product's upper half.

use cranelift_codegen::ir::{InstBuilder, Type, Value, types};

use super::{IntOp, mask};
use crate::translate::Translator;

/// A divisor's reciprocal, of which `2^(width + shift)` is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reciprocal {
    /// Less than `2^width`.
    pub(super) factor: u64,
    pub(super) shift: u32,
}

impl Reciprocal {
    /// The reciprocal with the smallest shift whose error is at most `2^(shift + spare)`.
    fn find(width: u32, divisor: u64, spare: u32) -> Option<Self> {
        let divisor = u128::from(divisor);
        (0..width).find_map(|shift| {
            let one = 1u128 << (width + shift);
            let factor = one / divisor + 1;
            let error = factor * divisor - one;
            let fits = factor >> width == 0 && error <= 1 << (shift + spare);
            fits.then_some(Self {
                factor: factor as u64,
                shift,
            })
        })
    }

    /// For dividends of `width` bits; none if the factor would need a bit more.
    pub(super) fn unsigned(width: u32, divisor: u64) -> Option<Self> {
        Self::find(width, divisor, 0)
    }

    /// For dividends of `width` bits, one of them the sign. Negative ones get a quotient that is
    /// too low by one.
    pub(super) fn signed(width: u32, divisor: u64) -> Option<Self> {
        Self::find(width, divisor, 1)
    }
}

impl Translator<'_> {
    pub(super) fn divide_unsigned(&mut self, n: Value, d: Value, divisor: u64) -> Value {
        let ty = self.builder.func.dfg.value_type(n);
        match divisor {
            0 => self.emit(IntOp::DivU, n, d),
            _ if divisor.is_power_of_two() => {
                let amount = self.iconst(ty, divisor.trailing_zeros().into());
                self.ins().ushr(n, amount)
            }
            _ if ty == types::I32 => self.quotient_u32(n, divisor),
            _ => self.quotient_u64(n, divisor),
        }
    }

    pub(super) fn remainder_unsigned(&mut self, n: Value, d: Value, divisor: u64) -> Value {
        if divisor == 0 {
            return self.emit(IntOp::RemU, n, d);
        }
        let ty = self.builder.func.dfg.value_type(n);
        if divisor.is_power_of_two() {
            let mask = self.iconst(ty, divisor - 1);
            return self.integer(IntOp::And, n, mask);
        }
        let quotient = self.divide_unsigned(n, d, divisor);
        self.rest(n, quotient, d)
    }

    pub(super) fn divide_signed(&mut self, n: Value, d: Value, divisor: i64) -> Value {
        let ty = self.builder.func.dfg.value_type(n);
        let size = divisor.unsigned_abs();
        // Overflow is for the instruction to find, and -2^31 and -2^63 are not worth an exception.
        if size <= 1 || size == 1 << (ty.bits() - 1) {
            return self.emit(IntOp::DivS, n, d);
        }
        let quotient = self.divide_by_size(n, size);
        match divisor {
            ..0 => self.ins().ineg(quotient),
            _ => quotient,
        }
    }

    pub(super) fn remainder_signed(&mut self, n: Value, d: Value, divisor: i64) -> Value {
        let ty = self.builder.func.dfg.value_type(n);
        let size = divisor.unsigned_abs();
        if size == 1 {
            return self.iconst(ty, 0);
        }
        if size == 0 || size == 1 << (ty.bits() - 1) {
            return self.emit(IntOp::RemS, n, d);
        }
        if size.is_power_of_two() {
            let biased = self.biased(n, size);
            let multiple = self.iconst(ty, size.wrapping_neg());
            let multiple = self.ins().band(biased, multiple);
            return self.ins().isub(n, multiple);
        }
        let quotient = self.divide_by_size(n, size);
        let size = self.iconst(ty, size);
        self.rest(n, quotient, size)
    }

    /// `n` without `quotient` times `d`.
    fn rest(&mut self, n: Value, quotient: Value, d: Value) -> Value {
        let multiple = self.integer(IntOp::Mul, quotient, d);
        self.ins().isub(n, multiple)
    }

    fn quotient_u32(&mut self, n: Value, divisor: u64) -> Value {
        let n = self.extend(n);
        let quotient = match Reciprocal::unsigned(32, divisor) {
            Some(Reciprocal { factor, shift }) => {
                let factor = self.iconst(types::I64, factor);
                let product = self.ins().imul(n, factor);
                let amount = self.iconst(types::I64, u64::from(32 + shift));
                self.ins().ushr(product, amount)
            }
            // With 64 bits the reciprocal is precise enough for all dividends of 32 bits.
            None => {
                let factor = self.iconst(types::I64, u64::MAX / divisor + 1);
                self.ins().umulhi(n, factor)
            }
        };
        self.reduce(quotient)
    }

    fn quotient_u64(&mut self, n: Value, divisor: u64) -> Value {
        let ty = types::I64;
        if let Some(Reciprocal { factor, shift }) = Reciprocal::unsigned(64, divisor) {
            let factor = self.iconst(ty, factor);
            let upper = self.ins().umulhi(n, factor);
            return self.shift_right(ty, upper, shift);
        }
        // The factor has 65 bits. The uppermost is added in two halves, so that nothing overflows.
        let shift = u64::BITS - divisor.leading_zeros();
        let one_less = u128::MAX >> (64 - shift);
        let factor = one_less / u128::from(divisor) + 1;
        let factor = self.iconst(ty, factor as u64);
        let upper = self.ins().umulhi(n, factor);
        let rest = self.ins().isub(n, upper);
        let half = self.shift_right(ty, rest, 1);
        let sum = self.ins().iadd(half, upper);
        self.shift_right(ty, sum, shift - 1)
    }

    fn shift_right(&mut self, ty: Type, value: Value, amount: u32) -> Value {
        let amount = self.iconst(ty, amount.into());
        self.integer(IntOp::ShrU, value, amount)
    }

    /// The quotient of a signed number and a positive one that is at least 2.
    fn divide_by_size(&mut self, n: Value, size: u64) -> Value {
        let ty = self.builder.func.dfg.value_type(n);
        if size.is_power_of_two() {
            let biased = self.biased(n, size);
            let amount = self.iconst(ty, size.trailing_zeros().into());
            return self.ins().sshr(biased, amount);
        }
        let Reciprocal { factor, shift } =
            Reciprocal::signed(ty.bits(), size).expect("one of width - 1 bits is precise enough");
        let product = if ty == types::I32 {
            let wide = self.ins().sextend(types::I64, n);
            let factor = self.iconst(types::I64, factor);
            let product = self.ins().imul(wide, factor);
            let amount = self.iconst(types::I64, u64::from(32 + shift));
            let shifted = self.ins().sshr(product, amount);
            self.ins().ireduce(types::I32, shifted)
        } else {
            let is_negative = factor >> 63 == 1;
            let factor = self.iconst(ty, factor);
            let upper = self.ins().smulhi(n, factor);
            let upper = match is_negative {
                true => self.ins().iadd(upper, n),
                false => upper,
            };
            let amount = self.iconst(ty, shift.into());
            self.integer(IntOp::ShrS, upper, amount)
        };
        let sign = self.shift_right(ty, n, ty.bits() - 1);
        self.ins().iadd(product, sign)
    }

    /// A dividend to which, if it is negative, one less than the power of two has been added, so
    /// that shifting it rounds towards zero.
    fn biased(&mut self, n: Value, power: u64) -> Value {
        let ty = self.builder.func.dfg.value_type(n);
        debug_assert!(power.is_power_of_two() && power <= mask(ty) / 2);
        let bits = power.trailing_zeros();
        let signs = match bits {
            1 => n,
            _ => {
                let amount = self.iconst(ty, u64::from(ty.bits() - 1));
                self.ins().sshr(n, amount)
            }
        };
        let bias = self.shift_right(ty, signs, ty.bits() - bits);
        self.ins().iadd(n, bias)
    }
}
