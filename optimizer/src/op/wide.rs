//! Wide arithmetic: sums, differences and products of 128 bits, as pairs of `i64`.
//!
//! CLIF's `i128` exists between the operands and the two results only. The lowering makes an
//! addition with carry of a sum, and one multiplication of a product of extended numbers.

use cranelift_codegen::ir::{InstBuilder, Value, types};

use crate::translate::Translator;

impl Translator<'_> {
    pub(crate) fn visit_i64_add128(&mut self) {
        let (left, right) = self.pop_pairs();
        let sum = self.ins().iadd(left, right);
        self.push_pair(sum);
    }

    pub(crate) fn visit_i64_sub128(&mut self) {
        let (left, right) = self.pop_pairs();
        let difference = self.ins().isub(left, right);
        self.push_pair(difference);
    }

    pub(crate) fn visit_i64_mul_wide_s(&mut self) {
        let (left, right) = self.pop2();
        let left = self.ins().sextend(types::I128, left);
        let right = self.ins().sextend(types::I128, right);
        let product = self.ins().imul(left, right);
        self.push_pair(product);
    }

    pub(crate) fn visit_i64_mul_wide_u(&mut self) {
        let (left, right) = self.pop2();
        let left = self.ins().uextend(types::I128, left);
        let right = self.ins().uextend(types::I128, right);
        let product = self.ins().imul(left, right);
        self.push_pair(product);
    }

    /// Pops two numbers of 128 bits, whose low halves were pushed before their high ones.
    fn pop_pairs(&mut self) -> (Value, Value) {
        let (low, high) = self.pop2();
        let right = self.ins().iconcat(low, high);
        let (low, high) = self.pop2();
        (self.ins().iconcat(low, high), right)
    }

    /// Pushes a number of 128 bits, its low half first.
    fn push_pair(&mut self, number: Value) {
        let (low, high) = self.ins().isplit(number);
        self.push(low);
        self.push(high);
    }
}
