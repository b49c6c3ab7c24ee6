//! Abstract values: what is known at compile time about an operand.

use std::fmt;

use upshift_abi::ValType;

use crate::asm::Cc;
use crate::reg::Reg;

/// A value's machine type. References are 64-bit integers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ty {
    I32,
    I64,
    F32,
    F64,
}

impl Ty {
    /// Whether it lives in SSE registers.
    #[inline]
    pub(crate) const fn is_float(self) -> bool {
        matches!(self, Ty::F32 | Ty::F64)
    }

    /// Whether it takes 64 bits.
    #[inline]
    pub(crate) const fn is_64(self) -> bool {
        matches!(self, Ty::I64 | Ty::F64)
    }
}

impl From<ValType> for Ty {
    fn from(ty: ValType) -> Self {
        match ty {
            ValType::I32 => Ty::I32,
            ValType::I64 | ValType::Ref(_) => Ty::I64,
            ValType::F32 => Ty::F32,
            ValType::F64 => Ty::F64,
        }
    }
}

/// Where an operand is.
///
/// An `i32` in a register is always zero-extended to 64 bits: addresses depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    /// In a register of its own.
    Reg(Ty, Reg),
    /// The current value of a local, wherever that is.
    Local(Ty, u32),
    /// Known, as bits; 32-bit ones zero-extended.
    Const(Ty, u64),
    /// In this home slot.
    Slot(Ty, u32),
    /// A comparison's result (`i32`) that is still in the flags. Only on top of the stack, and
    /// only between a comparison and the operator directly behind it.
    Flags(Cond),
}

impl Value {
    /// Its type.
    #[inline]
    pub(crate) const fn ty(self) -> Ty {
        match self {
            Value::Reg(ty, _) | Value::Local(ty, _) | Value::Const(ty, _) | Value::Slot(ty, _) => {
                ty
            }
            Value::Flags(_) => Ty::I32,
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Reg(ty, reg) => write!(f, "{reg:?}:{ty:?}"),
            Value::Local(ty, local) => write!(f, "local{local}:{ty:?}"),
            Value::Const(ty, bits) => write!(f, "{bits:#x}:{ty:?}"),
            Value::Slot(ty, slot) => write!(f, "slot{slot}:{ty:?}"),
            Value::Flags(cond) => write!(f, "{cond:?}"),
        }
    }
}

/// When a comparison's result is true, in terms of the flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cond {
    /// One condition code says it.
    Cc(Cc),
    /// Equal and not unordered, after `ucomiss` or `ucomisd`.
    FloatEq,
    /// Not equal or unordered.
    FloatNe,
}

impl Cond {
    /// The opposite.
    pub(crate) fn negate(self) -> Self {
        match self {
            Cond::Cc(cc) => Cond::Cc(cc.negate()),
            Cond::FloatEq => Cond::FloatNe,
            Cond::FloatNe => Cond::FloatEq,
        }
    }
}
