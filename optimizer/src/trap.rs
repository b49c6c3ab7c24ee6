//! Traps as Cranelift's codes and back.
//!
//! Cranelift raises five codes of its own accord (its prologue, `udiv`, float conversions, default
//! heap accesses); the others pass through it as user codes with our numbers. The user codes behind
//! those are the codes of accesses of linear memory, which differ from access to access: an
//! instruction that a load was merged into has the load's trap code, but not its source location.

use cranelift_codegen::ir;
use upshift_abi::TrapCode;

/// The codes of traps that Cranelift has codes for too, with Cranelift's codes.
const SHARED: [(TrapCode, ir::TrapCode); 5] = [
    (TrapCode::StackOverflow, ir::TrapCode::STACK_OVERFLOW),
    (
        TrapCode::MemoryOutOfBounds,
        ir::TrapCode::HEAP_OUT_OF_BOUNDS,
    ),
    (
        TrapCode::IntegerDivideByZero,
        ir::TrapCode::INTEGER_DIVISION_BY_ZERO,
    ),
    (TrapCode::IntegerOverflow, ir::TrapCode::INTEGER_OVERFLOW),
    (
        TrapCode::InvalidConversionToInteger,
        ir::TrapCode::BAD_CONVERSION_TO_INTEGER,
    ),
];

/// As Cranelift's code.
pub(crate) fn to_clif(trap: TrapCode) -> ir::TrapCode {
    match SHARED.iter().find(|(ours, _)| *ours == trap) {
        Some((_, clif)) => *clif,
        None => ir::TrapCode::unwrap_user(trap as u8),
    }
}

/// The first code of accesses, and the number of those.
const FIRST_ACCESS: u8 = 32;
pub(crate) const ACCESS_CODES: usize = 200;

/// The code of an access of linear memory that faults, by the number of the access; different
/// numbers modulo [`ACCESS_CODES`] have different codes.
pub(crate) fn of_access(number: usize) -> ir::TrapCode {
    ir::TrapCode::unwrap_user(FIRST_ACCESS + (number % ACCESS_CODES) as u8)
}

/// The number of an access that has the code, modulo [`ACCESS_CODES`].
pub(crate) fn access_number(code: ir::TrapCode) -> Option<usize> {
    let number = code.as_raw().get().checked_sub(FIRST_ACCESS)?;
    Some(usize::from(number)).filter(|&number| number < ACCESS_CODES)
}

/// From Cranelift's code; `None` for one that no translation uses.
pub(crate) fn from_clif(code: ir::TrapCode) -> Option<TrapCode> {
    if access_number(code).is_some() {
        return Some(TrapCode::MemoryOutOfBounds);
    }
    match SHARED.iter().find(|(_, clif)| *clif == code) {
        Some((ours, _)) => Some(*ours),
        None => TrapCode::from_u8(code.as_raw().get()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traps_come_back() {
        for &trap in TrapCode::ALL {
            assert_eq!(from_clif(to_clif(trap)), Some(trap));
            assert_eq!(access_number(to_clif(trap)), None);
        }
    }

    #[test]
    fn accesses_have_codes_of_their_own() {
        for number in 0..2 * ACCESS_CODES {
            let code = of_access(number);
            assert_eq!(access_number(code), Some(number % ACCESS_CODES));
            assert_eq!(from_clif(code), Some(TrapCode::MemoryOutOfBounds));
        }
    }
}
