//! The registry of knobs: every option of tiering outside the policy.
//!
//! A knob is of one of three kinds: an *ablation* knob switches a mechanism off to measure what it
//! is worth, a *tuning* knob moves a threshold, a *trace* knob shows or checks more. None changes a
//! result.

use std::fmt::Display;
use std::str::FromStr;

use crate::config::ConfigError;

/// The purpose of a knob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KnobKind {
    /// Switches a mechanism off, to measure what it is worth.
    Ablation,
    /// Moves a threshold.
    Tuning,
    /// Shows or checks more.
    Trace,
}

/// A knob's entry in the registry.
#[derive(Clone, Debug)]
pub struct KnobInfo {
    /// The knob's name on the command line.
    pub name: &'static str,
    /// The purpose of the knob.
    pub kind: KnobKind,
    /// The unit of the knob's value; empty if it has none.
    pub unit: &'static str,
    /// The knob's default value, as text.
    pub default: String,
    /// A line of help.
    pub help: &'static str,
}

macro_rules! knobs {
    ($(
        $field:ident: $ty:ty = $default:expr,
        $kind:ident, $name:literal, $unit:literal, $help:literal;
    )*) => {
        /// The values of all knobs.
        #[derive(Clone, Debug, PartialEq)]
        pub struct Knobs {
            $(#[doc = $help] pub $field: $ty,)*
        }

        impl Default for Knobs {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }

        impl Knobs {
            /// Every knob, in the order of the registry.
            pub fn registry() -> Vec<KnobInfo> {
                let defaults = Self::default();
                vec![$(KnobInfo {
                    name: $name,
                    kind: KnobKind::$kind,
                    unit: $unit,
                    default: show(&defaults.$field),
                    help: $help,
                },)*]
            }

            /// Sets a knob by its name.
            ///
            /// # Errors
            ///
            /// If there is no such knob, or the value does not fit it.
            pub fn set(&mut self, name: &str, value: &str) -> Result<(), ConfigError> {
                match name {
                    $($name => self.$field = parse(name, value)?,)*
                    _ => return Err(ConfigError::UnknownName(name.to_string())),
                }
                Ok(())
            }

            /// Each knob's name and value.
            pub fn values(&self) -> Vec<(&'static str, String)> {
                vec![$(($name, show(&self.$field)),)*]
            }
        }
    };
}

knobs! {
    threads: u32 = 0, Tuning, "threads", "threads",
        "background compile threads; 0 is one less than the cores, at least one";
    eager_threads: u32 = 0, Tuning, "eager-threads", "threads",
        "threads that compile or validate a whole module; 0 is all cores";
    nice: u32 = 0, Tuning, "nice", "niceness",
        "how much the background threads yield to others, 0 to 19";
    osr: bool = true, Ablation, "osr", "",
        "let a running loop go on in optimized code";
    osr_per_function: u32 = 8, Tuning, "osr-per-function", "loops",
        "loops of one function that get an OSR entry at most";
    function_tier_up: bool = true, Ablation, "function-tier-up", "",
        "send calls of hot functions to optimized code";
    retire: bool = true, Ablation, "retire", "",
        "free code that was replaced once nothing runs it";
    max_optimize_bytes: u32 = 400_000, Tuning, "max-optimize-bytes", "bytes",
        "functions with larger bodies are never optimized (at 1.25 us a byte: half a second)";
    max_compile_ms: u32 = 5_000, Tuning, "max-compile-ms", "ms",
        "processor time that optimizing one function may take in the background; 0 is no limit";
    max_code_per_byte: u32 = 50, Tuning, "max-code-per-byte", "bytes",
        "optimized code that a byte of body may become (programs: up to 6); more is not used";
    helper_after_ms: u32 = 100, Tuning, "helper-after-ms", "ms",
        "a compile thread that is longer at one function gets a helper";
    helpers: u32 = 2, Tuning, "helpers", "threads",
        "helpers for stuck compile threads at most";
    queue_cap: u32 = 10_000, Tuning, "queue-cap", "requests",
        "requests that may wait; more are dropped, to be made again";
    poll: u32 = 100_000, Tuning, "poll", "units",
        "largest budget while a request is under way, so that a loop sees its OSR entry soon";
    fail_fast: bool = false, Trace, "fail-fast", "",
        "abort the process when the optimizer fails, instead of keeping the baseline code";
}

fn show(value: &impl Display) -> String {
    value.to_string()
}

/// Parses a value; booleans may also be written `on`, `off`, `yes` and `no`.
fn parse<T: FromStr>(name: &str, value: &str) -> Result<T, ConfigError> {
    let plain = match value {
        "on" | "yes" => "true",
        "off" | "no" => "false",
        _ => value,
    };
    plain.parse().map_err(|_| ConfigError::BadValue {
        name: name.to_string(),
        value: value.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_registered_knob_can_be_set_to_its_default() {
        let mut knobs = Knobs::default();
        for info in Knobs::registry() {
            knobs.set(info.name, &info.default).unwrap();
            assert!(!info.help.is_empty());
        }
        assert_eq!(knobs, Knobs::default());
    }

    #[test]
    fn wrong_names_and_values_are_told_apart() {
        let mut knobs = Knobs::default();
        knobs.set("osr", "off").unwrap();
        assert!(!knobs.osr);
        assert!(matches!(
            knobs.set("ors", "off"),
            Err(ConfigError::UnknownName(_))
        ));
        assert!(matches!(
            knobs.set("poll", "-1"),
            Err(ConfigError::BadValue { .. })
        ));
    }
}
