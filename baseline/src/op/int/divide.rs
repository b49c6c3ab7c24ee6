//! Division and remainder.

use upshift_abi::TrapCode;

use super::fold::truncate;
use crate::asm::Cc;
use crate::asm::encode::OperandSize;
use crate::asm::encode::{Alu, Shift, Signedness};
use crate::fixed::{Held, Rax, Rdx};
use crate::func_gen::FuncGen;
use crate::reg::Reg;
use crate::value::Value;

/// The four divisions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Division {
    DivS,
    DivU,
    RemS,
    RemU,
}

/// Whether a signed division can be of the smallest integer by -1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Overflow {
    Possible,
    /// The divisor is another constant.
    Excluded,
}

impl Division {
    fn signedness(self) -> Signedness {
        match self {
            Division::DivS | Division::RemS => Signedness::Signed,
            Division::DivU | Division::RemU => Signedness::Unsigned,
        }
    }

    fn remainder(self) -> bool {
        matches!(self, Division::RemS | Division::RemU)
    }
}

impl FuncGen<'_> {
    /// Division by zero is left to the processor's fault; the overflowing quotient is not, because
    /// it would be the same fault.
    pub(super) fn divide(&mut self, size: OperandSize, op: Division) {
        let divisor = *self.state.stack.last().expect("validated");
        if let Value::Const(_, divisor) = divisor
            && self.divide_by_power(size, op, divisor)
        {
            return;
        }
        // A free rdx first, so that what is in rax does not move there.
        let high = self.take_if_free();
        let low = self.take_for_operand(1);
        let mut high = high.unwrap_or_else(|| self.take());
        let right = self.state.pop();
        let left = self.state.pop();
        let divisor = self.use_reg(right);
        let mut low = self.load_fixed(low, left);
        let minus_one = truncate(size, u64::MAX);
        let overflow = match right {
            Value::Const(_, bits) if bits != minus_one => Overflow::Excluded,
            _ => Overflow::Possible,
        };
        match op.signedness() {
            Signedness::Signed => {
                self.emit_signed_division(size, op, (&mut high, &mut low), divisor, overflow);
            }
            Signedness::Unsigned => {
                self.masm.zero(high.reg());
                self.trap_here(TrapCode::IntegerDivideByZero);
                let dividend = (&mut high, &mut low);
                self.masm.div(Signedness::Unsigned, size, dividend, divisor);
            }
        }
        self.state.release(divisor);
        if op.remainder() {
            self.give_back(low);
            self.push_held(size.int(), high);
        } else {
            self.give_back(high);
            self.push_held(size.int(), low);
        }
    }

    fn emit_signed_division(
        &mut self,
        size: OperandSize,
        op: Division,
        (high, low): (&mut Held<Rdx>, &mut Held<Rax>),
        divisor: Reg,
        overflow: Overflow,
    ) {
        let by_minus_one = (overflow == Overflow::Possible).then(|| {
            self.masm.ri(Alu::Cmp, size, divisor, -1);
            self.masm.jcc_cold(Cc::E)
        });
        self.masm.extend_dividend(size, low, high);
        self.trap_here(TrapCode::IntegerDivideByZero);
        self.masm
            .div(Signedness::Signed, size, (high, low), divisor);
        if let Some(jump) = by_minus_one {
            self.write_cold(jump, |cold| {
                if op.remainder() {
                    cold.zero(high.reg());
                    cold.resume();
                } else {
                    cold.neg(size, low.reg());
                    let overflow = cold.jcc_short(Cc::O);
                    cold.resume();
                    cold.bind_short(overflow);
                    cold.trap(TrapCode::IntegerOverflow);
                }
            });
        }
    }

    /// Unsigned division by a power of two.
    fn divide_by_power(&mut self, size: OperandSize, op: Division, divisor: u64) -> bool {
        if op.signedness() == Signedness::Signed || !divisor.is_power_of_two() {
            return false;
        }
        let shift = divisor.trailing_zeros() as u8;
        if op == Division::DivU {
            self.state.pop();
            self.shift_const(size, Shift::Shr, shift);
        } else {
            self.state.pop();
            self.state.push(Value::Const(size.int(), divisor - 1));
            self.alu(size, Alu::And);
        }
        true
    }
}
