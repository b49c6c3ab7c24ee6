//! Reciprocals and evaluated operators beside plain arithmetic.

use super::divide::Reciprocal;
use super::*;

/// Numbers of a width around all powers of two.
fn edges(width: u32) -> impl Iterator<Item = u64> + Clone {
    let mask = u64::MAX >> (64 - width);
    (0..width).flat_map(move |bit| {
        let power = 1u64 << bit;
        [power - 1, power, power + 1, power.wrapping_neg() & mask]
    })
}

fn reciprocals_of(width: u32) {
    let mask = u64::MAX >> (64 - width);
    let half = 1u64 << (width - 1);
    for divisor in edges(width).filter(|&d| d > 2 && !d.is_power_of_two()) {
        let multiples = edges(width).map(|q| q.wrapping_mul(divisor));
        let around = multiples.flat_map(|n| [n.wrapping_sub(1), n, n.wrapping_add(1)]);
        for n in edges(width).chain(around).map(|n| n & mask) {
            if let Some(Reciprocal { factor, shift }) = Reciprocal::unsigned(width, divisor) {
                let quotient = (u128::from(n) * u128::from(factor)) >> (width + shift);
                assert_eq!(quotient as u64, n / divisor, "{n} / {divisor}");
            }
            if divisor < half {
                let Reciprocal { factor, shift } = Reciprocal::signed(width, divisor).unwrap();
                let signed =
                    i128::from(signed(if width == 32 { types::I32 } else { types::I64 }, n));
                let quotient = (signed * i128::from(factor)) >> (width + shift);
                let quotient = quotient + i128::from(signed < 0);
                assert_eq!(
                    quotient,
                    signed / i128::from(divisor),
                    "{signed} / {divisor}"
                );
            }
        }
    }
}

#[test]
fn reciprocals_are_precise() {
    reciprocals_of(32);
    reciprocals_of(64);
}

#[test]
fn well_known_reciprocals() {
    let by_10 = Reciprocal {
        factor: 0xcccc_cccd,
        shift: 3,
    };
    assert_eq!(Reciprocal::unsigned(32, 10), Some(by_10));
    assert_eq!(Reciprocal::unsigned(32, 7), None);
    let by_3 = Reciprocal {
        factor: 0x5555_5556,
        shift: 0,
    };
    assert_eq!(Reciprocal::signed(32, 3), Some(by_3));
}

#[test]
fn what_traps_is_not_evaluated() {
    let ty = types::I32;
    let min = 1 << 31;
    for op in [IntOp::DivS, IntOp::DivU, IntOp::RemS, IntOp::RemU] {
        assert_eq!(evaluate(op, ty, 1, 0), None, "{op:?}");
    }
    assert_eq!(evaluate(IntOp::DivS, ty, min, mask(ty)), None);
    assert_eq!(evaluate(IntOp::RemS, ty, min, mask(ty)), Some(0));
    assert_eq!(evaluate(IntOp::DivS, types::I64, 1 << 63, u64::MAX), None);
    assert_eq!(
        evaluate(IntOp::RemS, types::I64, 1 << 63, u64::MAX),
        Some(0)
    );
}
