//! Division and remainder.

use upshift_abi::TrapCode;

use super::fold::truncate;
use crate::asm::Cc;
use crate::asm::asm;
use crate::asm::encode::OperandSize::{self, S32, S64};
use crate::asm::encode::{Alu, Shift, Signedness};
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
        let count = self.state.stack.len();
        // A free rdx first, so that what is in rax does not move there.
        let rdx_is_free = self.state.regs.free.has(Reg::RDX);
        if rdx_is_free {
            self.take(Reg::RDX);
        }
        if !matches!(self.state.stack[count - 2], Value::Reg(_, Reg::RAX)) {
            self.take(Reg::RAX);
        }
        if !rdx_is_free {
            self.take(Reg::RDX);
        }
        let right = self.state.pop();
        let left = self.state.pop();
        let divisor = self.use_reg(right);
        self.load_operand(Reg::RAX, left);
        if let Value::Reg(_, reg) = left
            && reg != Reg::RAX
        {
            self.state.release(reg);
        }
        let minus_one = truncate(size, u64::MAX);
        let overflow = match right {
            Value::Const(_, bits) if bits != minus_one => Overflow::Excluded,
            _ => Overflow::Possible,
        };
        match op.signedness() {
            Signedness::Signed => self.emit_signed_division(size, op, divisor, overflow),
            Signedness::Unsigned => {
                self.masm.zero(Reg::RDX);
                self.trap_here(TrapCode::IntegerDivideByZero);
                self.masm.div(Signedness::Unsigned, size, divisor);
            }
        }
        self.state.release(divisor);
        let (result, other) = if op.remainder() {
            (Reg::RDX, Reg::RAX)
        } else {
            (Reg::RAX, Reg::RDX)
        };
        self.state.release(other);
        self.push_reg(size.int(), result);
    }

    fn emit_signed_division(
        &mut self,
        size: OperandSize,
        op: Division,
        divisor: Reg,
        overflow: Overflow,
    ) {
        let by_minus_one = (overflow == Overflow::Possible).then(|| {
            self.masm.ri(Alu::Cmp, size, divisor, -1);
            self.masm.jcc_cold(Cc::E)
        });
        match size {
            S32 => asm!(self.masm; cdq),
            S64 => asm!(self.masm; cqo),
        }
        self.trap_here(TrapCode::IntegerDivideByZero);
        self.masm.div(Signedness::Signed, size, divisor);
        if let Some(jump) = by_minus_one {
            self.write_cold(jump, |cold| {
                if op.remainder() {
                    cold.zero(Reg::RDX);
                    cold.resume();
                } else {
                    cold.neg(size, Reg::RAX);
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
