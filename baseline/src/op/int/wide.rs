//! Wide arithmetic: sums, differences and products of 128 bits, as pairs of `i64`.

use upshift_abi::Kind;

use crate::alloc::Operand;
use crate::asm::encode::{Alu, OperandSize::S64, Signedness};
use crate::func_gen::FuncGen;
use crate::value::Value;

impl FuncGen<'_> {
    pub(crate) fn visit_i64_add128(&mut self) {
        self.alu128(Alu::Add, Alu::Adc);
    }

    pub(crate) fn visit_i64_sub128(&mut self) {
        self.alu128(Alu::Sub, Alu::Sbb);
    }

    pub(crate) fn visit_i64_mul_wide_s(&mut self) {
        self.mul_wide(Signedness::Signed);
    }

    pub(crate) fn visit_i64_mul_wide_u(&mut self) {
        self.mul_wide(Signedness::Unsigned);
    }

    /// Combines the low halves, then the high ones with the carry of that. All operands are in
    /// place before, because loading one may change the flags.
    fn alu128(&mut self, low_op: Alu, high_op: Alu) {
        let right_high = self.state.pop();
        let right_low = self.state.pop();
        let left_high = self.state.pop();
        let left_low = self.state.pop();
        let low = self.own_reg(left_low);
        let high = self.own_reg(left_high);
        let right_low = self.operand(right_low);
        let right_high = match (right_high, &right_low) {
            // The scratch register has the other constant.
            (Value::Const(..), Operand::Reg(_, Some(_))) if right_high.imm32().is_none() => {
                Operand::Reg(self.use_reg(right_high), None)
            }
            _ => self.operand(right_high),
        };
        self.emit_alu(low_op, S64, low, &right_low);
        self.emit_alu(high_op, S64, high, &right_high);
        self.release_operand(right_low);
        self.release_operand(right_high);
        self.push_reg(Kind::I64, low);
        self.push_reg(Kind::I64, high);
    }

    /// The whole product of two numbers.
    fn mul_wide(&mut self, signedness: Signedness) {
        // A free rdx first, so that what is in rax does not move there.
        let high = self.take_if_free();
        let low = self.take_for_operand(1);
        let mut high = high.unwrap_or_else(|| self.take());
        let right = self.state.pop();
        let left = self.state.pop();
        let factor = self.use_reg(right);
        let mut low = self.load_fixed(low, left);
        self.masm
            .mul_wide(signedness, (&mut high, &mut low), factor);
        self.state.release(factor);
        self.push_held(Kind::I64, low);
        self.push_held(Kind::I64, high);
    }
}
