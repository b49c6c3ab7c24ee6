//! Integer operators on constants.

use crate::asm::Cc;
use crate::asm::encode::{Alu, Shift};
use crate::value::Ty;

/// The low bits that a type has.
pub(super) fn truncate(ty: Ty, bits: u64) -> u64 {
    if ty.is_64() { bits } else { bits & 0xffff_ffff }
}

/// An arithmetic operation; its result may need truncation.
pub(super) fn fold(op: Alu, a: u64, b: u64) -> u64 {
    match op {
        Alu::Add => a.wrapping_add(b),
        Alu::Sub | Alu::Cmp => a.wrapping_sub(b),
        Alu::And => a & b,
        Alu::Or => a | b,
        Alu::Xor => a ^ b,
    }
}

/// A shift or rotation by less than the type's bits.
pub(super) fn fold_shift(ty: Ty, op: Shift, bits: u64, amount: u32) -> u64 {
    let narrow = bits as u32;
    match (op, ty.is_64()) {
        (Shift::Shl, true) => bits << amount,
        (Shift::Shr, true) => bits >> amount,
        (Shift::Sar, true) => ((bits as i64) >> amount) as u64,
        (Shift::Rol, true) => bits.rotate_left(amount),
        (Shift::Ror, true) => bits.rotate_right(amount),
        (Shift::Shl, false) => u64::from(narrow << amount),
        (Shift::Shr, false) => u64::from(narrow >> amount),
        (Shift::Sar, false) => u64::from(((narrow as i32) >> amount) as u32),
        (Shift::Rol, false) => u64::from(narrow.rotate_left(amount)),
        (Shift::Ror, false) => u64::from(narrow.rotate_right(amount)),
    }
}

/// A comparison.
pub(super) fn fold_compare(ty: Ty, cc: Cc, a: u64, b: u64) -> bool {
    let signed = |bits: u64| {
        if ty.is_64() {
            bits as i64
        } else {
            i64::from(bits as i32)
        }
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
        assert_eq!(truncate(Ty::I32, fold(Alu::Sub, 0, 1)), 0xffff_ffff);
        assert_eq!(
            fold_shift(Ty::I32, Shift::Sar, 0x8000_0000, 31),
            0xffff_ffff
        );
        assert_eq!(fold_shift(Ty::I32, Shift::Shl, 0xc000_0000, 1), 0x8000_0000);
        assert_eq!(fold_shift(Ty::I64, Shift::Rol, 1 << 63, 1), 1);
    }

    #[test]
    fn comparisons_know_signs() {
        assert!(fold_compare(Ty::I32, Cc::L, 0xffff_ffff, 0));
        assert!(!fold_compare(Ty::I64, Cc::L, 0xffff_ffff, 0));
        assert!(fold_compare(Ty::I32, Cc::A, 0xffff_ffff, 0));
        assert!(fold_compare(Ty::I64, Cc::Le, u64::MAX, 0));
    }
}
