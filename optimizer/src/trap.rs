//! Traps as Cranelift's codes and back.
//!
//! Cranelift raises five codes of its own accord (its prologue, `udiv`, float conversions, default
//! heap accesses); the others pass through it as user codes with our numbers.

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

/// From Cranelift's code; `None` for one that no translation uses.
pub(crate) fn from_clif(code: ir::TrapCode) -> Option<TrapCode> {
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
        }
    }
}
