//! Keys of events: modules, functions, compile units and times, as values.

use std::fmt;
use std::time::{Duration, Instant};

use upshift_abi::{CompileUnit, DefinedFuncIndex, Tier};

/// A module's number in its log: 0 for the first module loaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(transparent)
)]
pub struct ModuleKey(pub u32);

/// A function that a module defines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FuncKey {
    /// The module that defines the function.
    pub module: ModuleKey,
    /// The function's index among the functions that the module defines.
    pub func: DefinedFuncIndex,
}

/// The number of a request for code, from the request to the code's retirement. Every compilation
/// has one, that of a function's first code too. Numbers are unique within a log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReqId(pub u32);

impl ReqId {
    /// No number: of a [`CodeKey`] that is not known to belong to a request.
    pub const NONE: ReqId = ReqId(0);

    /// The number, if it is one.
    pub fn number(self) -> Option<u32> {
        (self != Self::NONE).then_some(self.0)
    }
}

/// A compile unit of a function in one tier: existing code, or code that is requested.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CodeKey {
    /// The function that the unit belongs to.
    pub func: FuncKey,
    /// The whole function, or one loop of it.
    pub unit: CompileUnit,
    /// The kind of compiler that the code is from.
    pub tier: Tier,
    /// The code's level in the engine's ladder: 0 is the code that a function starts in.
    pub level: u8,
    /// The request that the code is made for. The log completes what has none.
    pub req: ReqId,
}

impl CodeKey {
    /// The key of a unit in a tier, at the tier's level in a ladder of two, without a request's
    /// number.
    pub fn new(func: FuncKey, unit: CompileUnit, tier: Tier) -> Self {
        let req = ReqId::NONE;
        Self {
            func,
            unit,
            tier,
            level: tier as u8,
            req,
        }
    }

    /// The key at this level.
    #[must_use]
    pub fn at_level(self, level: u8) -> Self {
        Self { level, ..self }
    }

    /// The key with this request's number.
    #[must_use]
    pub fn with_req(self, req: ReqId) -> Self {
        Self { req, ..self }
    }

    /// The loop's index, if the unit is an OSR entry.
    pub fn loop_number(&self) -> Option<u32> {
        match self.unit {
            CompileUnit::Function => None,
            CompileUnit::Loop(index) => Some(index.0),
        }
    }
}

/// The kinds of compilers, in the order of a ladder of two levels.
pub(crate) const TIERS: [Tier; 2] = [Tier::Baseline, Tier::Optimizer];

/// The tier's name in reports.
pub fn tier_name(tier: Tier) -> &'static str {
    match tier {
        Tier::Baseline => "baseline",
        Tier::Optimizer => "optimizer",
    }
}

impl fmt::Display for FuncKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "module {} {}", self.module.0, self.func)
    }
}

/// A duration or a point in time since an engine's start, in nanoseconds.
///
/// `Display` chooses the unit and keeps about three digits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(transparent)
)]
pub struct Nanos(pub u64);

impl Nanos {
    /// The time in milliseconds, with fractions.
    pub fn as_millis(self) -> f64 {
        self.0 as f64 / 1e6
    }
}

impl From<Duration> for Nanos {
    fn from(duration: Duration) -> Self {
        Nanos(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX))
    }
}

impl fmt::Display for Nanos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self.0 {
            0..10_000 => format!("{:.1} us", self.0 as f64 / 1e3),
            10_000..100_000 => format!("{:.0} us", self.0 as f64 / 1e3),
            100_000..10_000_000 => format!("{:.2} ms", self.as_millis()),
            10_000_000..1_000_000_000 => format!("{:.1} ms", self.as_millis()),
            _ => format!("{:.2} s", self.as_millis() / 1e3),
        };
        f.pad(&text)
    }
}

/// The time of an engine, from its start on: tiering reads it for its decisions and the log for its
/// records, so that both are points on one line.
#[derive(Clone, Copy, Debug)]
pub struct Timeline(Instant);

impl Timeline {
    /// A line of time that starts now.
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// The time since the start.
    pub fn now(self) -> Nanos {
        self.0.elapsed().into()
    }
}

/// Formats a count with thousands separators.
pub(crate) fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_keep_three_digits() {
        let shown = |ns| Nanos(ns).to_string();
        assert_eq!(shown(1_234), "1.2 us");
        assert_eq!(shown(45_600), "46 us");
        assert_eq!(shown(812_000), "0.81 ms");
        assert_eq!(shown(11_940_000), "11.9 ms");
        assert_eq!(shown(2_500_000_000), "2.50 s");
    }

    #[test]
    fn counts_are_grouped() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_204), "1,204");
        assert_eq!(grouped(1_234_567), "1,234,567");
    }
}
