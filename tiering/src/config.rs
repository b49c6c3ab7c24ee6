//! The configuration of tiering: mode, switching, policy and knobs, each set by name and value.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use upshift_knobs::types::{self, Type};
use upshift_knobs::{
    Group, Info, Knob, KnobError, Param, Shape, Value, Values, Variant, choices, knobs,
};

use upshift_profiler::Nanos;

use crate::knob::{self, Knobs};
use crate::policy::{self, Policy};
use crate::queue::{self, Discipline};

/// An option's name or value that tiering does not accept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// No option has the name, or the option does not take the value.
    #[error(transparent)]
    Option(#[from] KnobError),
    /// The mode needs an optimizer, and there is none.
    #[error("mode `{0}` needs an optimizer: a second tier")]
    NoOptimizer(Mode),
    /// The file of functions with a policy of their own can't be read, or makes no sense.
    #[error("-T override: {0}")]
    Override(String),
    /// A ladder without levels, or with too many.
    #[error("{0} tiers are not possible; from 1 to 4 are")]
    Levels(usize),
    /// A tier at a place of the ladder where it can't be: its name and level.
    #[error(
        "`{0}` can't be tier {1}: the first is a baseline, whose code counts and can be left, all \
         others are optimizers"
    )]
    Rung(Box<str>, usize),
}

/// Which compilers an engine uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// The baseline compiles every function; nothing is optimized.
    Baseline,
    /// The optimizer compiles every function, at its first call. A function that the optimizer
    /// can't compile is counted, logged and compiled by the baseline; with `fail-fast` that is an
    /// error.
    Optimizer,
    /// The baseline compiles every function first; the policy requests optimized code.
    #[default]
    Tiered,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&MODE.values.spell(&(MODE.show)(self)))
    }
}

const MODE: Type<Mode> = choices!(Mode {
    "tiered" => Tiered, "baseline" => Baseline, "optimizer" => Optimizer
});

/// When optimized code is compiled and when it is installed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Switching {
    /// Compiled on background threads, installed as soon as it is ready.
    #[default]
    Background,
    /// Compiled and installed at the request; the running thread waits.
    Synchronous,
    /// Compiled by virtual compile threads, as many as the knob `threads` says (one where that is
    /// 0): code is installed when the module has used up as many more budget units as the latency
    /// says. A program on one thread switches at the same events in each run.
    Virtual(Latency),
    /// Compiled, installed, replaced and taken back at random and as often as possible, to shake
    /// out bugs. The policy is not asked. A program on one thread repeats with its seed.
    Zeal {
        /// Seed of the random numbers.
        seed: u64,
    },
}

impl Switching {
    /// Whether policies are told of samples: not where runs repeat, or no policy is asked.
    pub(crate) fn tells_samples(self) -> bool {
        matches!(self, Self::Background | Self::Synchronous)
    }
}

/// How long a compilation takes in virtual time, in budget units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Latency {
    /// Units for any compilation.
    pub fixed: u64,
    /// Units for each byte of the body.
    pub per_byte: u64,
}

impl Default for Latency {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl Latency {
    /// About 100 µs and 1.25 µs a byte, at one nanosecond for each unit.
    pub const DEFAULT: Latency = Latency {
        fixed: 100_000,
        per_byte: 1_250,
    };

    /// The units that compiling a body of `body_bytes` takes.
    pub fn of(&self, body_bytes: u32) -> u64 {
        let bytes = self.per_byte.saturating_mul(u64::from(body_bytes));
        self.fixed.saturating_add(bytes)
    }
}

impl fmt::Display for Switching {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&SWITCHING.values.spell(&(SWITCHING.show)(self)))
    }
}

const SWITCHING: Type<Switching> = Type {
    values: Values::of(Shape::Variant(&[
        Variant {
            name: "background",
            help: "compiled on background threads, installed as soon as it is ready",
            params: &[],
        },
        Variant {
            name: "sync",
            help: "compiled and installed at the request; the running thread waits",
            params: &[],
        },
        Variant {
            name: "virtual",
            help: "compiled by `threads` virtual threads (0 is one), for that many units of work",
            params: &[
                Param {
                    name: "fixed",
                    values: types::count("units", 0, u64::MAX).values,
                    default: Value::Number(Latency::DEFAULT.fixed),
                    help: "what any compilation takes",
                },
                Param {
                    name: "per-byte",
                    values: types::count("units", 0, u64::MAX).values,
                    default: Value::Number(Latency::DEFAULT.per_byte),
                    help: "what a compilation takes for each byte of the body",
                },
            ],
        },
        Variant {
            name: "zeal",
            help: "compiled, installed, replaced and taken back at random, to test switching",
            params: &[Param {
                name: "seed",
                values: types::count("", 0, u64::MAX).values,
                default: Value::Number(1),
                help: "seed of the random numbers",
            }],
        },
    ])),
    read: |value| match value {
        Value::Variant(1, _) => Switching::Synchronous,
        Value::Variant(2, params) => {
            let Latency { fixed, per_byte } = Latency::DEFAULT;
            Switching::Virtual(Latency {
                fixed: number(&params, "fixed", fixed),
                per_byte: number(&params, "per-byte", per_byte),
            })
        }
        Value::Variant(3, params) => Switching::Zeal {
            seed: number(&params, "seed", 1),
        },
        _ => Switching::Background,
    },
    show: |switching| match *switching {
        Switching::Background => Value::Variant(0, Vec::new()),
        Switching::Synchronous => Value::Variant(1, Vec::new()),
        Switching::Virtual(Latency { fixed, per_byte }) => Value::Variant(
            2,
            vec![
                ("fixed", Value::Number(fixed)),
                ("per-byte", Value::Number(per_byte)),
            ],
        ),
        Switching::Zeal { seed } => Value::Variant(3, vec![("seed", Value::Number(seed))]),
    },
};

/// A parameter that is a number, as set last.
fn number(params: &[(&str, Value)], name: &str, default: u64) -> u64 {
    let set = params.iter().rev().find(|(param, _)| *param == name);
    match set {
        Some((_, Value::Number(number))) => *number,
        _ => default,
    }
}

knobs! {
    /// What is chosen besides the [`Knobs`].
    const CHOICES: TieringConfig {
        Tiering "mode": Mode MODE => mode, "which compilers are used";
        Tiering "switching": Mode SWITCHING => switching,
            "when optimized code is compiled and when it is installed";
        Tiering "policy": Mode policy::POLICY => policy,
            "what decides which functions are optimized, and when";
        Tiering "queue": Mode queue::DISCIPLINE => queue,
            "which of the waiting requests a compile thread takes next";
        Tiering "override": Mode types::PATH => overrides,
            "functions with a policy of their own: TOML, [[function]] with a name or an index";
    }
}

/// Every option of tiering, in the order in which help lists them.
pub fn options() -> impl Iterator<Item = &'static Knob<TieringConfig>> {
    CHOICES.iter().chain(knob::ROWS)
}

/// What baseline code takes from its function's budget; 0 where it does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weights {
    /// Units for a call.
    pub call: u32,
    /// Units for an iteration of a loop.
    pub iteration: u32,
}

impl Default for Weights {
    fn default() -> Self {
        Self {
            call: 10,
            iteration: 5,
        }
    }
}

/// The configuration of an engine's tiering.
#[derive(Clone, Debug)]
pub struct TieringConfig {
    /// Which compilers the engine uses.
    pub mode: Mode,
    /// When optimized code is compiled and when it is installed.
    pub switching: Switching,
    /// The policy, which decides what is optimized.
    pub policy: Arc<dyn Policy>,
    /// The queue's discipline, which decides what is compiled next.
    pub queue: Arc<dyn Discipline>,
    /// A TOML file with functions that have a policy of their own; read when an engine is created.
    /// Each `[[function]]` has a `name` (a glob with `*` and `?`) or an `index`, one of `never`,
    /// `first`, `threshold` (in budget units) and `policy`, and perhaps a highest `level`. The
    /// first that names a function counts.
    pub overrides: Option<PathBuf>,
    /// The values of all knobs.
    pub knobs: Knobs,
    /// What the baseline compiler's code counts. The engine sets it to what it tells that compiler.
    pub weights: Weights,
    /// Whether code is compiled with its source locations. The engine sets it for what reads them.
    pub sources: bool,
}

impl Default for TieringConfig {
    fn default() -> Self {
        Self {
            mode: Mode::default(),
            switching: Switching::default(),
            policy: policy::default(),
            queue: queue::default(),
            overrides: None,
            knobs: Knobs::default(),
            weights: Weights::default(),
            sources: false,
        }
    }
}

impl TieringConfig {
    /// After what time without an event of its function a waiting request is dropped, if ever.
    pub(crate) fn stale(&self) -> Option<Nanos> {
        let stale = self.knobs.stale;
        (!stale.is_zero()).then(|| Nanos::from(stale))
    }

    /// Sets one of the [`options`] by its name.
    ///
    /// # Errors
    ///
    /// If there is no such option or the value does not fit it.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), KnobError> {
        match options().find(|knob| knob.info.name == name) {
            Some(knob) => knob.apply(self, value),
            None => {
                let known: Vec<Info> = options().map(|knob| knob.info).collect();
                Err(KnobError::unknown(Group::Tiering, name, &known))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Options and values, as text.
    fn settings(config: &TieringConfig) -> Vec<(&'static str, String)> {
        let entries = options().map(|knob| knob.entry(config));
        entries
            .map(|entry| (entry.info.name, entry.value))
            .collect()
    }

    #[test]
    fn settings_can_be_set_again() {
        let mut config = TieringConfig::default();
        config.set("switching", "virtual:fixed=10").unwrap();
        config.set("policy", "fixed-budget:units=77").unwrap();
        config.set("osr", "off").unwrap();
        config.set("max-compile-ms", "1500").unwrap();
        config.set("helper-after-ms", "0.2s").unwrap();
        config.set("max-optimize-bytes", "64K").unwrap();
        let mut again = TieringConfig::default();
        for (name, value) in settings(&config) {
            again.set(name, &value).unwrap();
        }
        assert_eq!(settings(&config), settings(&again));
        assert_eq!(again.knobs, config.knobs);
        assert_eq!(again.knobs.max_compile, Duration::from_millis(1500));
        assert_eq!(again.knobs.helper_after, Duration::from_millis(200));
        assert_eq!(
            config.switching,
            Switching::Virtual(Latency {
                fixed: 10,
                per_byte: 1_250
            })
        );
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let says = |name: &str, value: &str, message: &str| {
            let refused = TieringConfig::default().set(name, value).unwrap_err();
            assert_eq!(refused.to_string(), message);
        };
        says(
            "mode",
            "basline",
            "-T mode takes tiered|baseline|optimizer, not `basline`; did you mean `baseline`?",
        );
        says(
            "switching",
            "zeal:fixed=1",
            "-T switching=zeal has no parameter `fixed` (it has seed)",
        );
        says(
            "policy",
            "cost-model:speedup=0.5",
            "-T policy=cost-model:speedup takes a number from 1.01 to 1000, not `0.5`",
        );
        says(
            "poll",
            "-1",
            "-T poll takes a number of units from 1 to 2147483647, not `-1`",
        );
        says(
            "nice",
            "20",
            "-T nice takes a number from 0 to 19, not `20`",
        );
        let unknown = |name| {
            let refused = TieringConfig::default().set(name, "").unwrap_err();
            refused.to_string()
        };
        let message = unknown("ors");
        assert!(message.starts_with("-T has no option `ors` (it has mode, "));
        assert!(message.ends_with("; did you mean `osr`?"), "{message}");
        let message = unknown("speedup");
        assert!(
            message.ends_with("-T policy=cost-model:speedup=…"),
            "{message}"
        );
    }
}
