//! Abstract values: what is known at compile time about an operand.

use std::fmt;

use upshift_abi::frame::HomeSlot;
use upshift_abi::{Kind, Width};

use crate::asm::Cc;
use crate::reg::Reg;

/// The place of an operand.
///
/// An `i32` in a register is always zero-extended to 64 bits: addresses depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    /// In a register of its own.
    Reg(Kind, Reg),
    /// The current value of a local, wherever that is.
    Local(Kind, u32),
    /// Known, as bits; zero-extended from 32 bits, or to 128.
    Const(Kind, u64),
    /// In this home slot.
    Slot(Kind, HomeSlot),
    /// A comparison's result (`i32`) that is still in the flags. Only on top of the stack, and
    /// only between a comparison and the operator directly behind it.
    Flags(Cond),
}

impl Value {
    /// Its kind.
    #[inline]
    pub(crate) const fn kind(self) -> Kind {
        match self {
            Value::Reg(kind, _)
            | Value::Local(kind, _)
            | Value::Const(kind, _)
            | Value::Slot(kind, _) => kind,
            Value::Flags(_) => Kind::I32,
        }
    }
}

impl Value {
    /// Whether it takes more than one word of home slots.
    #[inline]
    pub(crate) const fn is_wide(self) -> bool {
        match self.kind().width() {
            Width::W32 | Width::W64 => false,
            Width::W128 => true,
        }
    }
}

/// Whether a 64-bit constant is the sign extension of 32 bits, as immediates are.
#[inline]
pub(crate) const fn fits_imm32(bits: u64) -> bool {
    bits as i32 as i64 == bits as i64
}

impl Value {
    /// A constant's bits as an immediate of an instruction of its width.
    #[inline]
    pub(crate) const fn imm32(self) -> Option<i32> {
        match self {
            Value::Const(kind, bits) => match kind.width() {
                Width::W32 => Some(bits as i32),
                Width::W64 if fits_imm32(bits) => Some(bits as i32),
                Width::W64 | Width::W128 => None,
            },
            Value::Reg(..) | Value::Local(..) | Value::Slot(..) | Value::Flags(_) => None,
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Reg(kind, reg) => write!(f, "{reg:?}:{kind:?}"),
            Value::Local(kind, local) => write!(f, "local{local}:{kind:?}"),
            Value::Const(kind, bits) => write!(f, "{bits:#x}:{kind:?}"),
            Value::Slot(kind, slot) => write!(f, "slot{}:{kind:?}", slot.words()),
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
