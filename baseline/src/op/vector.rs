//! Vectors of 128 bits.
//!
//! Instructions are written in SSE's form or in AVX's (see [`asm::vector`](crate::asm::vector));
//! the processor must have SSE4.1, without which no module with vectors is accepted. Where one
//! instruction does what an operator says, the tables of [`integer`], [`float`] and the other files
//! name it; the other operators are short sequences. Most of those are the ones that Cranelift and
//! V8 use, since little can be chosen there.

mod compare;
mod convert;
mod float;
mod integer;
mod lanes;
mod memory;
mod relaxed;
mod shift;
mod shuffle;

use upshift_abi::{Kind, RegClass};

use crate::alloc::home;
use crate::asm::encode::OperandSize;
use crate::asm::opcode::vector::VecOp;
use crate::asm::vector::{Form, Rm};
use crate::func_gen::FuncGen;
use crate::reg::Reg;
use crate::value::Value;

/// Handlers of operators with two operands that are one instruction.
macro_rules! binary {
    ($($visit:ident => $op:ident;)*) => {
        impl FuncGen<'_> {$(
            pub(crate) fn $visit(&mut self) {
                self.vector_binary(VecOp::$op);
            }
        )*}
    };
}

/// Handlers of operators with one operand that are one instruction.
macro_rules! unary {
    ($($visit:ident => $op:ident;)*) => {
        impl FuncGen<'_> {$(
            pub(crate) fn $visit(&mut self) {
                self.vector_unary(VecOp::$op);
            }
        )*}
    };
}

/// Handlers that are another method with arguments.
macro_rules! handlers {
    ($($visit:ident => $method:ident($($arg:expr),*);)*) => {
        impl FuncGen<'_> {$(
            pub(crate) fn $visit(&mut self) {
                self.$method($($arg),*);
            }
        )*}
    };
}

use {binary, handlers, unary};

/// The shape of a vector of integers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    I8x16,
    I16x8,
    I32x4,
    I64x2,
}

/// For `pshufd`: the upper half of a vector in both.
const HIGH_HALF: u8 = 0b11_10_11_10;

/// A constant of equal lanes of so many bits.
pub(crate) const fn splat(lane: u64, bits: u32) -> u128 {
    let mut value = lane as u128 & (u128::MAX >> (128 - bits));
    let mut width = bits;
    while width < 128 {
        value |= value << width;
        width *= 2;
    }
    value
}

impl FuncGen<'_> {
    /// A vector register as a temporary: to be released.
    fn vector_temp(&mut self) -> Reg {
        self.alloc(RegClass::Float)
    }

    /// A constant as an operand.
    fn vector_constant(&mut self, bits: u128) -> Rm {
        self.masm.constant(bits, upshift_abi::Width::W128).into()
    }

    /// Loads a constant.
    fn load_vector(&mut self, reg: Reg, bits: u128) {
        match bits {
            0 => self.masm.vec_fill(reg, false),
            u128::MAX => self.masm.vec_fill(reg, true),
            _ => {
                let constant = self.vector_constant(bits);
                self.masm.vec_of(VecOp::MOVAPS, reg, constant);
            }
        }
    }

    /// A popped operand as a register or memory: to be released.
    fn vector_operand(&mut self, value: Value) -> Rm {
        match value {
            Value::Const(_, bits) if bits != 0 => self.vector_constant(bits.into()),
            // Slots are aligned to words only.
            Value::Slot(_, slot) if self.masm.form == Form::Vex => home(slot).into(),
            _ => self.use_reg(value).into(),
        }
    }

    fn release_vector(&mut self, operand: Rm) {
        if let Rm::Reg(reg) = operand {
            self.state.release(reg);
        }
    }

    /// Pops two operands: the first in a register to be changed, the second to be read and
    /// released.
    fn pop_own_and_use(&mut self) -> (Reg, Reg) {
        let right = self.state.pop();
        let left = self.state.pop();
        let left = self.own_reg(left);
        (left, self.use_reg(right))
    }

    /// Pops an operand in a register to be changed.
    fn pop_own(&mut self) -> Reg {
        let value = self.state.pop();
        self.own_reg(value)
    }

    fn push_vector(&mut self, reg: Reg) {
        self.push_reg(Kind::V128, reg);
    }

    /// `left op right` as one instruction.
    fn vector_binary(&mut self, op: VecOp) {
        let right = self.state.pop();
        let left = self.state.pop();
        self.vector_operation(op, left, right, None);
    }

    /// Pushes what one instruction makes of two popped operands, with canonical NaNs if the result
    /// has floats of a size.
    fn vector_operation(
        &mut self,
        op: VecOp,
        left: Value,
        right: Value,
        canonical: Option<OperandSize>,
    ) {
        match self.masm.form {
            Form::Vex => {
                let target = self.target_reg(Kind::V128);
                let left = self.use_reg(left);
                let right = self.vector_operand(right);
                self.state.release(left);
                self.release_vector(right);
                let dst = self.dest(target, Kind::V128);
                self.masm.vec(op, dst, left, right);
                self.canonicalize_vector(canonical, dst);
                self.push_dest(target, Kind::V128, dst);
            }
            Form::Legacy => {
                let dst = self.own_reg(left);
                let right = self.vector_operand(right);
                self.masm.vec(op, dst, dst, right);
                self.release_vector(right);
                self.canonicalize_vector(canonical, dst);
                self.push_vector(dst);
            }
        }
    }

    /// `op value` as one instruction.
    fn vector_unary(&mut self, op: VecOp) {
        let value = self.state.pop();
        let target = self.target_reg(Kind::V128);
        let src = self.vector_operand(value);
        self.release_vector(src);
        let dst = self.dest(target, Kind::V128);
        self.masm.vec_of(op, dst, src);
        self.push_dest(target, Kind::V128, dst);
    }

    /// `value op constant` as one instruction.
    fn vector_with(&mut self, op: VecOp, constant: u128) {
        let dst = self.pop_own();
        let constant = self.vector_constant(constant);
        self.masm.vec(op, dst, dst, constant);
        self.push_vector(dst);
    }

    /// `dst = op(dst, constant)`.
    fn combine(&mut self, op: VecOp, dst: Reg, constant: u128) {
        let constant = self.vector_constant(constant);
        self.masm.vec(op, dst, dst, constant);
    }

    pub(crate) fn visit_v128_const(&mut self, value: wasmparser::V128) {
        let bits = value.i128() as u128;
        match u64::try_from(bits) {
            Ok(bits) => self.push_const(Kind::V128, bits),
            Err(_) => {
                let dst = self.vector_temp();
                self.load_vector(dst, bits);
                self.push_vector(dst);
            }
        }
    }
}
