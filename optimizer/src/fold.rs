//! Integer arithmetic at compile time: what operators make of constants, and cheaper instructions
//! for what they do with one.
//!
//! Producers fold what they see, but not what only the machine has (a multiplication by 3, 5 or 9
//! is one `lea`), nor what WebAssembly has no instruction for (the upper half of a product, which
//! replaces a division by a constant); and inlined callees are called with constants that their
//! producer did not know.

mod divide;
#[cfg(test)]
mod tests;

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, InstructionData, Opcode, Type, Value, types};

use crate::options::Arithmetic;
use crate::translate::Translator;

/// A WebAssembly operator of two integers of the same type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IntOp {
    Add,
    Sub,
    Mul,
    DivS,
    DivU,
    RemS,
    RemU,
    And,
    Or,
    Xor,
    Shl,
    ShrS,
    ShrU,
    Rotl,
    Rotr,
}

impl IntOp {
    fn commutes(self) -> bool {
        matches!(
            self,
            IntOp::Add | IntOp::Mul | IntOp::And | IntOp::Or | IntOp::Xor
        )
    }

    /// The constant that leaves every left operand as it is.
    fn neutral(self, ty: Type) -> u64 {
        match self {
            IntOp::Mul | IntOp::DivS | IntOp::DivU => 1,
            IntOp::And => mask(ty),
            _ => 0,
        }
    }
}

/// The bits that values of the type have.
fn mask(ty: Type) -> u64 {
    u64::MAX >> (64 - ty.bits())
}

/// The number with the sign that its uppermost bit is.
fn signed(ty: Type, bits: u64) -> i64 {
    let unused = 64 - ty.bits();
    (bits << unused) as i64 >> unused
}

/// What an operator makes of two constants; `None` if it traps. Bits above the type's are zero, in
/// operands and result.
fn evaluate(op: IntOp, ty: Type, a: u64, b: u64) -> Option<u64> {
    let amount = (b % u64::from(ty.bits())) as u32;
    let (signed_a, signed_b) = (signed(ty, a), signed(ty, b));
    let rotated_left = |amount: u32| match amount {
        0 => a,
        _ => a << amount | a >> (ty.bits() - amount),
    };
    let result = match op {
        IntOp::Add => a.wrapping_add(b),
        IntOp::Sub => a.wrapping_sub(b),
        IntOp::Mul => a.wrapping_mul(b),
        IntOp::DivS => {
            let quotient = signed_a.checked_div(signed_b)?;
            (signed(ty, quotient as u64) == quotient).then_some(quotient as u64)?
        }
        IntOp::DivU => a.checked_div(b)?,
        IntOp::RemS if signed_b == -1 => 0,
        IntOp::RemS => signed_a.checked_rem(signed_b)? as u64,
        IntOp::RemU => a.checked_rem(b)?,
        IntOp::And => a & b,
        IntOp::Or => a | b,
        IntOp::Xor => a ^ b,
        IntOp::Shl => a << amount,
        IntOp::ShrS => (signed_a >> amount) as u64,
        IntOp::ShrU => a >> amount,
        IntOp::Rotl => rotated_left(amount),
        IntOp::Rotr => rotated_left((ty.bits() - amount) % ty.bits()),
    };
    Some(result & mask(ty))
}

/// Whether a comparison of two constants holds.
fn holds(condition: IntCC, ty: Type, a: u64, b: u64) -> bool {
    let (signed_a, signed_b) = (signed(ty, a), signed(ty, b));
    match condition {
        IntCC::Equal => a == b,
        IntCC::NotEqual => a != b,
        IntCC::SignedLessThan => signed_a < signed_b,
        IntCC::SignedGreaterThanOrEqual => signed_a >= signed_b,
        IntCC::SignedGreaterThan => signed_a > signed_b,
        IntCC::SignedLessThanOrEqual => signed_a <= signed_b,
        IntCC::UnsignedLessThan => a < b,
        IntCC::UnsignedGreaterThanOrEqual => a >= b,
        IntCC::UnsignedGreaterThan => a > b,
        IntCC::UnsignedLessThanOrEqual => a <= b,
    }
}

impl Translator<'_> {
    /// The result of an operator.
    pub(crate) fn integer(&mut self, op: IntOp, a: Value, b: Value) -> Value {
        let ty = self.builder.func.dfg.value_type(a);
        match (self.known(a), self.known(b)) {
            (Some(x), Some(y)) => match evaluate(op, ty, x, y) {
                Some(result) => self.iconst(ty, result),
                None => self.emit(op, a, b),
            },
            (Some(x), None) if op.commutes() => self.with_constant(op, b, a, x),
            (None, Some(y)) => self.with_constant(op, a, b, y),
            _ => self.emit(op, a, b),
        }
    }

    /// Whether a comparison holds, as an `i32`.
    pub(crate) fn compare(&mut self, condition: IntCC, a: Value, b: Value) -> Value {
        if let (Some(x), Some(y)) = (self.known(a), self.known(b)) {
            let ty = self.builder.func.dfg.value_type(a);
            let holds = holds(condition, ty, x, y);
            return self.iconst(types::I32, u64::from(holds));
        }
        let holds = self.ins().icmp(condition, a, b);
        self.ins().uextend(types::I32, holds)
    }

    /// A constant of the type.
    fn iconst(&mut self, ty: Type, bits: u64) -> Value {
        self.ins().iconst(ty, (bits & mask(ty)) as i64)
    }

    /// The bits of a constant, those above its type's zero, if what is known is to be used.
    pub(crate) fn known(&self, value: Value) -> Option<u64> {
        if self.env.config.options.arithmetic == Arithmetic::AsWritten {
            return None;
        }
        let ty = self.builder.func.dfg.value_type(value);
        let number = self.constant(value)?;
        Some(number as u64 & mask(ty))
    }

    /// An operator whose right operand `b` has these bits.
    fn with_constant(&mut self, op: IntOp, a: Value, b: Value, bits: u64) -> Value {
        let ty = self.builder.func.dfg.value_type(a);
        let amount = bits % u64::from(ty.bits());
        match op {
            IntOp::Shl | IntOp::ShrS | IntOp::ShrU | IntOp::Rotl | IntOp::Rotr if amount == 0 => a,
            _ if bits == op.neutral(ty) && !matches!(op, IntOp::RemS | IntOp::RemU) => a,
            IntOp::Mul | IntOp::And if bits == 0 => b,
            IntOp::And if ty == types::I32 && self.used_bits(a) <= bits.trailing_ones() => a,
            IntOp::And if ty == types::I64 => self.mask(a, b, bits),
            IntOp::Add => self.add_constant(a, b, bits),
            IntOp::Mul => self.multiply(a, b, bits),
            IntOp::DivS => self.divide_signed(a, b, signed(ty, bits)),
            IntOp::DivU => self.divide_unsigned(a, b, bits),
            IntOp::RemS => self.remainder_signed(a, b, signed(ty, bits)),
            IntOp::RemU => self.remainder_unsigned(a, b, bits),
            _ => self.emit(op, a, b),
        }
    }

    /// A sum with a constant. A sum of such a sum has one constant: Cranelift takes the inner one
    /// apart too, to make one `lea`, but puts the outer constant in a register.
    fn add_constant(&mut self, a: Value, b: Value, addend: u64) -> Value {
        let Some((number, inner)) = self.sum(a) else {
            return self.ins().iadd(a, b);
        };
        let ty = self.builder.func.dfg.value_type(a);
        match inner.wrapping_add(addend) & mask(ty) {
            0 => number,
            total => {
                let total = self.iconst(ty, total);
                self.ins().iadd(number, total)
            }
        }
    }

    /// The number that a constant was added to, and the constant.
    pub(crate) fn sum(&self, value: Value) -> Option<(Value, u64)> {
        let InstructionData::Binary {
            opcode: Opcode::Iadd,
            args: [number, constant],
        } = self.definition(value)?
        else {
            return None;
        };
        Some((number, self.known(constant)?))
    }

    /// A product with a constant: by shifts and `lea` where that takes at most two cycles, one less
    /// than a multiplication.
    fn multiply(&mut self, a: Value, b: Value, factor: u64) -> Value {
        let shift = factor.trailing_zeros();
        let product = match factor >> shift {
            1 => a,
            odd @ (3 | 5 | 9) => {
                let scaled = self.shift_left(a, (odd - 1).trailing_zeros());
                self.ins().iadd(a, scaled)
            }
            _ => return self.ins().imul(a, b),
        };
        self.shift_left(product, shift)
    }

    /// A conjunction with a constant: the lower half of a number is a 32-bit move to another
    /// register, and so is that of one that was shifted, before the shift.
    fn mask(&mut self, a: Value, b: Value, bits: u64) -> Value {
        let half = u64::from(u32::MAX);
        if bits == half {
            return self.lower_half(a);
        }
        if let Some((number, amount)) = self.shifted_left(a)
            && bits.trailing_zeros() == amount
            && bits >> amount == half
        {
            let number = self.lower_half(number);
            return self.shift_left(number, amount);
        }
        self.emit(IntOp::And, a, b)
    }

    fn lower_half(&mut self, number: Value) -> Value {
        let low = self.ins().ireduce(types::I32, number);
        self.extend(low)
    }

    /// The number that was shifted left by a constant amount, and the amount.
    fn shifted_left(&self, value: Value) -> Option<(Value, u32)> {
        let InstructionData::Binary {
            opcode: Opcode::Ishl,
            args: [number, amount],
        } = self.definition(value)?
        else {
            return None;
        };
        Some((number, self.known(amount)? as u32))
    }

    fn shift_left(&mut self, value: Value, amount: u32) -> Value {
        if amount == 0 {
            return value;
        }
        let ty = self.builder.func.dfg.value_type(value);
        let amount = self.iconst(ty, amount.into());
        self.ins().ishl(value, amount)
    }

    /// The instruction that an operator is.
    fn emit(&mut self, op: IntOp, a: Value, b: Value) -> Value {
        let ins = self.ins();
        match op {
            IntOp::Add => ins.iadd(a, b),
            IntOp::Sub => ins.isub(a, b),
            IntOp::Mul => ins.imul(a, b),
            IntOp::DivS => ins.sdiv(a, b),
            IntOp::DivU => ins.udiv(a, b),
            IntOp::RemS => ins.srem(a, b),
            IntOp::RemU => ins.urem(a, b),
            IntOp::And => ins.band(a, b),
            IntOp::Or => ins.bor(a, b),
            IntOp::Xor => ins.bxor(a, b),
            IntOp::Shl => ins.ishl(a, b),
            IntOp::ShrS => ins.sshr(a, b),
            IntOp::ShrU => ins.ushr(a, b),
            IntOp::Rotl => ins.rotl(a, b),
            IntOp::Rotr => ins.rotr(a, b),
        }
    }
}
