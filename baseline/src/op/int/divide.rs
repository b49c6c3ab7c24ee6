//! Division and remainder.

use upshift_abi::TrapCode;

use super::fold::truncate;
use crate::asm::Cc;
use crate::asm::asm;
use crate::asm::encode::{Alu, Shift};
use crate::func_gen::FuncGen;
use crate::reg::Reg;
use crate::value::{Ty, Value};

/// The four divisions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Division {
    DivS,
    DivU,
    RemS,
    RemU,
}

impl Division {
    fn signed(self) -> bool {
        matches!(self, Division::DivS | Division::RemS)
    }

    fn remainder(self) -> bool {
        matches!(self, Division::RemS | Division::RemU)
    }
}

impl FuncGen<'_> {
    /// Division by zero is left to the processor's fault; the overflowing quotient is not, because
    /// it would be the same fault.
    pub(super) fn divide(&mut self, ty: Ty, op: Division) {
        let wide = ty.is_64();
        let divisor = *self.state.stack.last().expect("validated");
        if let Value::Const(_, divisor) = divisor
            && self.divide_by_power(ty, op, divisor)
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
        self.load_value(Reg::RAX, left);
        if let Value::Reg(_, reg) = left
            && reg != Reg::RAX
        {
            self.state.release(reg);
        }
        let minus_one = truncate(ty, u64::MAX);
        let safe = matches!(right, Value::Const(_, bits) if bits != minus_one);
        if op.signed() {
            self.emit_signed_division(wide, op, divisor, safe);
        } else {
            self.masm.zero(Reg::RDX);
            self.trap_here(TrapCode::IntegerDivideByZero);
            self.masm.div(false, wide, divisor);
        }
        self.state.release(divisor);
        let (result, other) = if op.remainder() {
            (Reg::RDX, Reg::RAX)
        } else {
            (Reg::RAX, Reg::RDX)
        };
        self.state.release(other);
        self.push_reg(ty, result);
    }

    fn emit_signed_division(&mut self, wide: bool, op: Division, divisor: Reg, safe: bool) {
        let by_minus_one = (!safe).then(|| {
            self.masm.ri(Alu::Cmp, wide, divisor, -1);
            self.masm.jcc_cold(Cc::E)
        });
        if wide {
            asm!(self.masm; cqo);
        } else {
            asm!(self.masm; cdq);
        }
        self.trap_here(TrapCode::IntegerDivideByZero);
        self.masm.div(true, wide, divisor);
        if let Some(jump) = by_minus_one {
            self.write_cold(jump, |cold| {
                if op.remainder() {
                    cold.zero(Reg::RDX);
                    cold.resume();
                } else {
                    cold.neg(wide, Reg::RAX);
                    let overflow = cold.jcc_short(Cc::O);
                    cold.resume();
                    cold.bind_short(overflow);
                    cold.trap(TrapCode::IntegerOverflow);
                }
            });
        }
    }

    /// Unsigned division by a power of two.
    fn divide_by_power(&mut self, ty: Ty, op: Division, divisor: u64) -> bool {
        if op.signed() || !divisor.is_power_of_two() {
            return false;
        }
        let shift = divisor.trailing_zeros() as u8;
        if op == Division::DivU {
            self.state.pop();
            self.shift_const(ty, Shift::Shr, shift);
        } else {
            self.state.pop();
            self.state.push(Value::Const(ty, divisor - 1));
            self.alu(ty, Alu::And);
        }
        true
    }
}
