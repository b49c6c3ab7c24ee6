//! Integer operators on constants.

use crate::asm::Cc;
use crate::asm::encode::OperandSize::{self, S32, S64};
use crate::asm::encode::{Alu, Shift};

/// The low bits that operands of the size have.
pub(super) fn truncate(size: OperandSize, bits: u64) -> u64 {
    match size {
        S32 => bits & 0xffff_ffff,
        S64 => bits,
    }
}

/// An arithmetic operation; its result may need truncation.
pub(super) fn fold(op: Alu, a: u64, b: u64) -> u64 {
    match op {
        Alu::Add => a.wrapping_add(b),
        Alu::Sub | Alu::Cmp => a.wrapping_sub(b),
        Alu::And => a & b,
        Alu::Or => a | b,
        Alu::Xor => a ^ b,
        Alu::Adc | Alu::Sbb => unreachable!("wide arithmetic is not folded"),
    }
}

/// A shift or rotation by less than the operand's bits.
pub(super) fn fold_shift(size: OperandSize, op: Shift, bits: u64, amount: u32) -> u64 {
    let narrow = bits as u32;
    match (op, size) {
        (Shift::Shl, S64) => bits << amount,
        (Shift::Shr, S64) => bits >> amount,
        (Shift::Sar, S64) => ((bits as i64) >> amount) as u64,
        (Shift::Rol, S64) => bits.rotate_left(amount),
        (Shift::Ror, S64) => bits.rotate_right(amount),
        (Shift::Shl, S32) => u64::from(narrow << amount),
        (Shift::Shr, S32) => u64::from(narrow >> amount),
        (Shift::Sar, S32) => u64::from(((narrow as i32) >> amount) as u32),
        (Shift::Rol, S32) => u64::from(narrow.rotate_left(amount)),
        (Shift::Ror, S32) => u64::from(narrow.rotate_right(amount)),
    }
}

/// A comparison.
pub(super) fn fold_compare(size: OperandSize, cc: Cc, a: u64, b: u64) -> bool {
    let signed = |bits: u64| match size {
        S32 => i64::from(bits as i32),
        S64 => bits as i64,
    };
    match cc {
        Cc::E => a == b,
        Cc::Ne => a != b,
        Cc::B => a < b,
        Cc::Ae => a >= b,
        Cc::Be => a <= b,
        Cc::A => a > b,
        Cc::L => signed(a) < signed(b),
        Cc::Ge => signed(a) >= signed(b),
        Cc::Le => signed(a) <= signed(b),
        Cc::G => signed(a) > signed(b),
        _ => unreachable!("no comparison has the condition code {cc:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn narrow_values_stay_narrow() {
        assert_eq!(truncate(S32, fold(Alu::Sub, 0, 1)), 0xffff_ffff);
        assert_eq!(fold_shift(S32, Shift::Sar, 0x8000_0000, 31), 0xffff_ffff);
        assert_eq!(fold_shift(S32, Shift::Shl, 0xc000_0000, 1), 0x8000_0000);
        assert_eq!(fold_shift(S64, Shift::Rol, 1 << 63, 1), 1);
    }

    #[test]
    fn comparisons_know_signs() {
        assert!(fold_compare(S32, Cc::L, 0xffff_ffff, 0));
        assert!(!fold_compare(S64, Cc::L, 0xffff_ffff, 0));
        assert!(fold_compare(S32, Cc::A, 0xffff_ffff, 0));
        assert!(fold_compare(S64, Cc::Le, u64::MAX, 0));
    }
}
