//! Random records, for tests of what is made from them.

use fastrand::Rng;
use upshift_abi::{CompileUnit, DefinedFuncIndex, LoopIndex, Tier};

use crate::event::{Activity, DropReason, Event, LoopSite};
use crate::key::{CodeKey, FuncKey, ModuleKey, Nanos, ReqId};
use crate::log::Record;
use crate::stats::OsrCounts;
use crate::text::{Real, Text};

/// A value that can be random: often one at the end of its range.
pub(crate) trait Random {
    fn random(rng: &mut Rng) -> Self;
}

macro_rules! integers {
    ($($ty:ident)*) => {$(
        impl Random for $ty {
            fn random(rng: &mut Rng) -> Self {
                match rng.u8(..4) {
                    0 => $ty::MIN,
                    1 => $ty::MAX,
                    _ => rng.$ty(..),
                }
            }
        }
    )*};
}

integers! { u8 u32 u64 }

impl Random for bool {
    fn random(rng: &mut Rng) -> Self {
        rng.bool()
    }
}

impl Random for f64 {
    fn random(rng: &mut Rng) -> Self {
        match f64::from_bits(rng.u64(..)) {
            value if value.is_finite() => value,
            _ => rng.f64(),
        }
    }
}

impl Random for Real {
    fn random(rng: &mut Rng) -> Self {
        let special = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, 1.0, -3.0];
        Real(match rng.usize(..10) {
            i if i < special.len() => special[i],
            _ => f64::random(rng),
        })
    }
}

impl Random for String {
    fn random(rng: &mut Rng) -> Self {
        (0..rng.u8(..12)).map(|_| rng.char(..)).collect()
    }
}

impl Random for Text {
    fn random(rng: &mut Rng) -> Self {
        String::random(rng).into()
    }
}

impl Random for Box<str> {
    fn random(rng: &mut Rng) -> Self {
        String::random(rng).into()
    }
}

impl<T: Random> Random for Box<T> {
    fn random(rng: &mut Rng) -> Self {
        Box::new(T::random(rng))
    }
}

impl<T: Random> Random for Option<T> {
    fn random(rng: &mut Rng) -> Self {
        rng.bool().then(|| T::random(rng))
    }
}

impl<T: Random> Random for Vec<T> {
    fn random(rng: &mut Rng) -> Self {
        (0..rng.u8(..4)).map(|_| T::random(rng)).collect()
    }
}

impl<T: Random> Random for Box<[T]> {
    fn random(rng: &mut Rng) -> Self {
        Vec::random(rng).into()
    }
}

impl<A: Random, B: Random> Random for (A, B) {
    fn random(rng: &mut Rng) -> Self {
        (A::random(rng), B::random(rng))
    }
}

impl Random for Nanos {
    fn random(rng: &mut Rng) -> Self {
        Nanos(u64::random(rng))
    }
}

impl Random for ModuleKey {
    fn random(rng: &mut Rng) -> Self {
        ModuleKey(u32::random(rng))
    }
}

impl Random for FuncKey {
    fn random(rng: &mut Rng) -> Self {
        FuncKey {
            module: ModuleKey::random(rng),
            func: DefinedFuncIndex(u32::random(rng)),
        }
    }
}

impl Random for CodeKey {
    fn random(rng: &mut Rng) -> Self {
        let unit = match rng.bool() {
            true => CompileUnit::Function,
            false => CompileUnit::Loop(LoopIndex(u32::random(rng))),
        };
        let tier = [Tier::Baseline, Tier::Optimizer][rng.usize(..2)];
        CodeKey::new(FuncKey::random(rng), unit, tier).with_req(ReqId(u32::random(rng)))
    }
}

impl Random for DropReason {
    fn random(rng: &mut Rng) -> Self {
        [
            DropReason::Full,
            DropReason::Withdrawn,
            DropReason::Stale,
            DropReason::ModuleGone,
            DropReason::Shutdown,
        ][rng.usize(..5)]
    }
}

impl Random for Activity {
    fn random(rng: &mut Rng) -> Self {
        Activity::ALL[rng.usize(..Activity::ALL.len())]
    }
}

impl Random for LoopSite {
    fn random(rng: &mut Rng) -> Self {
        let (index, offset, depth) = (u32::random(rng), u32::random(rng), u32::random(rng));
        Self {
            index,
            offset,
            depth,
        }
    }
}

impl Random for OsrCounts {
    fn random(rng: &mut Rng) -> Self {
        OsrCounts(Vec::random(rng).into_iter().collect())
    }
}

/// A record of the kind of event with this number.
pub(crate) fn record(kind: usize, rng: &mut Rng) -> Record {
    Record {
        at: Nanos::random(rng),
        cpu: Nanos::random(rng),
        thread: u32::random(rng),
        event: Event::random(kind, rng),
    }
}
