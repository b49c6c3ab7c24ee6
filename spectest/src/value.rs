//! Conversion and comparison of a script's values and the engine's.

use anyhow::{Result, bail};
use upshift::{ExternRef, Func, Store, V128, Val};
use wast::core::{AbstractHeapType, HeapType, NanPattern, V128Pattern, WastArgCore, WastRetCore};
use wast::token::{F32, F64, Index};
use wast::{WastArg, WastRet};

use crate::unsupported::Unsupported;

/// Finds a function of the instance that an assertion is about, by its index.
pub type FindFunc<'a> = &'a dyn Fn(&mut Store<()>, u32) -> Result<Func>;

/// The error of a value or pattern that belongs to a proposal.
fn unsupported(proposal: &str, value: &dyn std::fmt::Debug) -> anyhow::Error {
    Unsupported::new(proposal, format!("unsupported value {value:?}")).into()
}

/// Converts a script's argument to a value of the engine.
///
/// # Errors
///
/// If the value's type belongs to an unsupported proposal.
pub fn argument(store: &mut Store<()>, arg: &WastArg<'_>) -> Result<Val> {
    let WastArg::Core(arg) = arg else {
        bail!("unsupported argument {arg:?}");
    };
    Ok(match arg {
        WastArgCore::I32(value) => Val::I32(*value),
        WastArgCore::I64(value) => Val::I64(*value),
        WastArgCore::F32(value) => Val::F32(value.bits),
        WastArgCore::F64(value) => Val::F64(value.bits),
        WastArgCore::RefNull(ty) => null(ty)?,
        WastArgCore::RefExtern(number) => Val::ExternRef(Some(ExternRef::new(store, *number))),
        WastArgCore::V128(value) => Val::V128(value.to_le_bytes().into()),
        WastArgCore::RefHost(_) => return Err(unsupported("gc", arg)),
    })
}

fn null(ty: &HeapType<'_>) -> Result<Val> {
    match ty {
        HeapType::Abstract {
            ty: AbstractHeapType::Func,
            ..
        } => Ok(Val::FuncRef(None)),
        HeapType::Abstract {
            ty: AbstractHeapType::Extern,
            ..
        } => Ok(Val::ExternRef(None)),
        HeapType::Concrete(_) => Ok(Val::FuncRef(None)),
        HeapType::Abstract {
            ty: AbstractHeapType::Exn,
            ..
        } => Ok(Val::ExnRef(None)),
        _ => Err(unsupported("gc", ty)),
    }
}

/// Compares all results with the patterns of the script.
///
/// # Errors
///
/// If they differ, or if a pattern belongs to an unsupported proposal.
pub fn check_results(
    store: &mut Store<()>,
    actual: &[Val],
    expected: &[WastRet<'_>],
    func: FindFunc<'_>,
) -> Result<()> {
    if actual.len() != expected.len() {
        bail!("{} results, expected {}", actual.len(), expected.len());
    }
    for (position, (actual, expected)) in actual.iter().zip(expected).enumerate() {
        let WastRet::Core(pattern) = expected else {
            bail!("unsupported pattern {expected:?}");
        };
        if !matches(store, actual, pattern, func)? {
            bail!(
                "result {position} is {}, expected {pattern:?}",
                show(actual)
            );
        }
    }
    Ok(())
}

fn matches(
    store: &mut Store<()>,
    actual: &Val,
    pattern: &WastRetCore<'_>,
    func: FindFunc<'_>,
) -> Result<bool> {
    Ok(match (pattern, actual) {
        (WastRetCore::I32(expected), Val::I32(actual)) => expected == actual,
        (WastRetCore::I64(expected), Val::I64(actual)) => expected == actual,
        (WastRetCore::F32(expected), Val::F32(actual)) => matches_f32(*actual, expected),
        (WastRetCore::F64(expected), Val::F64(actual)) => matches_f64(*actual, expected),
        (WastRetCore::V128(expected), Val::V128(actual)) => matches_vector(*actual, expected),
        (WastRetCore::RefNull(None), actual) => actual.as_ref().is_some_and(|it| it.is_null()),
        (WastRetCore::RefNull(Some(ty)), actual) => match (null(ty)?, actual) {
            (Val::FuncRef(None), Val::FuncRef(actual)) => actual.is_none(),
            (Val::ExternRef(None), Val::ExternRef(actual)) => actual.is_none(),
            (Val::ExnRef(None), Val::ExnRef(actual)) => actual.is_none(),
            _ => false,
        },
        (WastRetCore::RefFunc(None), Val::FuncRef(actual)) => actual.is_some(),
        (WastRetCore::RefFunc(Some(Index::Num(index, _))), Val::FuncRef(actual)) => {
            let expected = func(store, *index)?;
            *actual == Some(expected)
        }
        (WastRetCore::RefExtern(expected), Val::ExternRef(actual)) => {
            let number: Option<u32> =
                actual.and_then(|actual| actual.data(&*store).downcast_ref().copied());
            actual.is_some() && expected.is_none_or(|expected| number == Some(expected))
        }
        (WastRetCore::Either(patterns), actual) => {
            for pattern in patterns {
                if matches(store, actual, pattern, func)? {
                    return Ok(true);
                }
            }
            false
        }
        (pattern, _) if is_supported(pattern) => false,
        (pattern, _) => return Err(unsupported("gc", pattern)),
    })
}

fn matches_f32(actual: u32, expected: &NanPattern<F32>) -> bool {
    match expected {
        NanPattern::CanonicalNan => actual & 0x7fff_ffff == 0x7fc0_0000,
        NanPattern::ArithmeticNan => actual & 0x7fc0_0000 == 0x7fc0_0000,
        NanPattern::Value(expected) => expected.bits == actual,
    }
}

fn matches_f64(actual: u64, expected: &NanPattern<F64>) -> bool {
    match expected {
        NanPattern::CanonicalNan => actual & (u64::MAX >> 1) == 0x7ff8_0000_0000_0000,
        NanPattern::ArithmeticNan => actual & 0x7ff8_0000_0000_0000 == 0x7ff8_0000_0000_0000,
        NanPattern::Value(expected) => expected.bits == actual,
    }
}

fn matches_vector(actual: V128, expected: &V128Pattern) -> bool {
    let bits = actual.as_u128();
    // Lane `n` of a vector of lanes of so many bits.
    let lane = |n: usize, width: usize| (bits >> (n * width)) as u64;
    match expected {
        V128Pattern::I8x16(lanes) => all(lanes, |n, &expected| lane(n, 8) as i8 == expected),
        V128Pattern::I16x8(lanes) => all(lanes, |n, &expected| lane(n, 16) as i16 == expected),
        V128Pattern::I32x4(lanes) => all(lanes, |n, &expected| lane(n, 32) as i32 == expected),
        V128Pattern::I64x2(lanes) => all(lanes, |n, &expected| lane(n, 64) as i64 == expected),
        V128Pattern::F32x4(lanes) => all(lanes, |n, lane_expected| {
            matches_f32(lane(n, 32) as u32, lane_expected)
        }),
        V128Pattern::F64x2(lanes) => all(lanes, |n, lane_expected| {
            matches_f64(lane(n, 64), lane_expected)
        }),
    }
}

/// Whether a condition holds for each lane and its number.
fn all<T>(lanes: &[T], holds: impl Fn(usize, &T) -> bool) -> bool {
    lanes.iter().enumerate().all(|(n, lane)| holds(n, lane))
}

/// Whether a value of the supported standard could match the pattern. Assertions with other
/// patterns fail by name.
fn is_supported(pattern: &WastRetCore<'_>) -> bool {
    matches!(
        pattern,
        WastRetCore::I32(_)
            | WastRetCore::I64(_)
            | WastRetCore::F32(_)
            | WastRetCore::F64(_)
            | WastRetCore::V128(_)
            | WastRetCore::RefNull(None)
            | WastRetCore::RefFunc(_)
            | WastRetCore::RefExtern(_)
    )
}

/// Formats a value for messages. Floats are shown with their bits, in which NaNs differ.
fn show(value: &Val) -> String {
    match value {
        Val::F32(bits) => format!("f32 {} ({bits:#010x})", f32::from_bits(*bits)),
        Val::F64(bits) => format!("f64 {} ({bits:#018x})", f64::from_bits(*bits)),
        other => format!("{other:?}"),
    }
}
