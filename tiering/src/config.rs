//! The configuration of tiering: mode, switching, policy and knobs, each set by name and value.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::knob::{KnobInfo, Knobs};
use crate::policy::{self, Policy};

/// An option's name or value that tiering does not accept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// No option has this name.
    #[error("there is no tiering option `{0}`; `help` lists them")]
    UnknownName(String),
    /// The value is not one that the option takes.
    #[error("`{value}` is not a value of `{name}`")]
    BadValue {
        /// The option's name.
        name: String,
        /// The rejected value.
        value: String,
    },
    /// The description is not TOML of the expected shape.
    #[error("tiering description: {0}")]
    Toml(String),
}

impl ConfigError {
    pub(crate) fn bad(name: &str, value: impl fmt::Display) -> Self {
        ConfigError::BadValue {
            name: name.to_string(),
            value: value.to_string(),
        }
    }
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
        f.write_str(match self {
            Mode::Baseline => "baseline",
            Mode::Optimizer => "optimizer",
            Mode::Tiered => "tiered",
        })
    }
}

impl FromStr for Mode {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        match text {
            "baseline" => Ok(Mode::Baseline),
            "optimizer" => Ok(Mode::Optimizer),
            "tiered" => Ok(Mode::Tiered),
            _ => Err(ConfigError::bad("mode", text)),
        }
    }
}

/// When optimized code is compiled and when it is installed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Switching {
    /// Compiled on background threads, installed as soon as it is ready.
    #[default]
    Background,
    /// Compiled and installed at the request; the running thread waits.
    Synchronous,
    /// Compiled at the request, installed when the module has used up as many more budget units as
    /// the latency says. A program on one thread switches at the same events in each run.
    Virtual(Latency),
    /// Compiled, installed, replaced and taken back at random and as often as possible, to shake
    /// out bugs. The policy is not asked. A program on one thread repeats with its seed.
    Zeal {
        /// Seed of the random numbers.
        seed: u64,
    },
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
    /// About 100 µs and 1.25 µs a byte, at one nanosecond for each unit.
    fn default() -> Self {
        Self {
            fixed: 100_000,
            per_byte: 1_250,
        }
    }
}

impl Latency {
    /// The units that compiling a body of `body_bytes` takes.
    pub fn of(&self, body_bytes: u32) -> u64 {
        let bytes = self.per_byte.saturating_mul(u64::from(body_bytes));
        self.fixed.saturating_add(bytes)
    }
}

impl fmt::Display for Switching {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Switching::Background => f.write_str("background"),
            Switching::Synchronous => f.write_str("sync"),
            Switching::Virtual(Latency { fixed, per_byte }) => {
                write!(f, "virtual:fixed={fixed}:per-byte={per_byte}")
            }
            Switching::Zeal { seed } => write!(f, "zeal:seed={seed}"),
        }
    }
}

impl FromStr for Switching {
    type Err = ConfigError;

    /// Parses `background`, `sync`, `virtual[:fixed=N:per-byte=N]` or `zeal[:seed=N]`.
    fn from_str(text: &str) -> Result<Self, ConfigError> {
        let Spec { name, params } = Spec::parse(text)?;
        let number = |value: &str| {
            value
                .parse::<u64>()
                .map_err(|_| ConfigError::bad("switching", text))
        };
        let mut latency = Latency::default();
        let mut seed = 1;
        for (key, value) in params {
            match (name, key) {
                ("virtual", "fixed") => latency.fixed = number(value)?,
                ("virtual", "per-byte") => latency.per_byte = number(value)?,
                ("zeal", "seed") => seed = number(value)?,
                _ => return Err(ConfigError::bad("switching", text)),
            }
        }
        match name {
            "background" => Ok(Switching::Background),
            "sync" => Ok(Switching::Synchronous),
            "virtual" => Ok(Switching::Virtual(latency)),
            "zeal" => Ok(Switching::Zeal { seed }),
            _ => Err(ConfigError::bad("switching", text)),
        }
    }
}

/// A parsed `name:key=value:key=value`. Commas are accepted for the inner colons, but only a spec
/// without them can stand in a list that is separated by commas.
pub(crate) struct Spec<'a> {
    pub(crate) name: &'a str,
    pub(crate) params: Vec<(&'a str, &'a str)>,
}

impl<'a> Spec<'a> {
    pub(crate) fn parse(text: &'a str) -> Result<Self, ConfigError> {
        let (name, params) = text.split_once(':').unwrap_or((text, ""));
        let pairs = params.split([',', ':']).filter(|pair| !pair.is_empty());
        let split = |pair: &'a str| {
            let parts = pair.split_once('=');
            parts.ok_or_else(|| ConfigError::bad(name, pair))
        };
        let params = pairs.map(split).collect::<Result<_, _>>()?;
        Ok(Self { name, params })
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
    /// The values of all knobs.
    pub knobs: Knobs,
}

impl Default for TieringConfig {
    fn default() -> Self {
        Self {
            mode: Mode::default(),
            switching: Switching::default(),
            policy: policy::default(),
            knobs: Knobs::default(),
        }
    }
}

impl TieringConfig {
    /// Sets `mode`, `switching`, `policy` or a knob.
    ///
    /// # Errors
    ///
    /// If the name is unknown or the value does not fit it.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), ConfigError> {
        match name {
            "mode" => self.mode = value.parse()?,
            "switching" => self.switching = value.parse()?,
            "policy" => self.policy = policy::from_spec(value)?,
            _ => self.knobs.set(name, value)?,
        }
        Ok(())
    }

    /// Reads a description in TOML: keys are the names that [`set`](Self::set) accepts; the policy
    /// is a string, or a table with its `name` and parameters.
    ///
    /// # Errors
    ///
    /// If the text is not TOML, or if a name or value is not accepted.
    pub fn from_toml(text: &str) -> Result<Self, ConfigError> {
        let table: toml::Table = text
            .parse()
            .map_err(|error: toml::de::Error| ConfigError::Toml(error.to_string()))?;
        let mut config = Self::default();
        for (name, value) in &table {
            match (name.as_str(), value) {
                ("policy", toml::Value::Table(params)) => {
                    config.policy = policy::from_table(params)?;
                }
                (_, toml::Value::String(value)) => config.set(name, value)?,
                _ => config.set(name, &value.to_string())?,
            }
        }
        Ok(config)
    }

    /// The name and value of every option, for reports: setting them repeats a run.
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        let mut settings = vec![
            ("mode", self.mode.to_string()),
            ("switching", self.switching.to_string()),
            ("policy", self.policy.spec()),
        ];
        settings.extend(self.knobs.values());
        settings
    }

    /// The text of `-T help`.
    pub fn help() -> String {
        let mut out = String::from(
            "tiering options (name=value):\n  \
             mode        tiered, baseline or optimizer [tiered]\n  \
             switching   background, sync, virtual:fixed=N:per-byte=N (units) or zeal:seed=N \
             [background]\n  \
             policy      a policy below, as name or name:param=value:.. ",
        );
        out.push_str(&format!("[{}]\n\nknobs:\n", policy::default().spec()));
        for KnobInfo {
            name,
            kind,
            unit,
            default,
            help,
        } in Knobs::registry()
        {
            let kind = format!("{kind:?}").to_lowercase();
            let default = format!(
                "[{default}{}{unit}]",
                if unit.is_empty() { "" } else { " " }
            );
            out.push_str(&format!("  {name:<20} {kind:<9} {help} {default}\n"));
        }
        out.push_str("\npolicies:\n");
        out.push_str(&policy::help());
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_can_be_set_again() {
        let mut config = TieringConfig::default();
        config.set("switching", "virtual:fixed=10").unwrap();
        config.set("policy", "fixed-budget:units=77").unwrap();
        let mut again = TieringConfig::default();
        for (name, value) in config.settings() {
            again.set(name, &value).unwrap();
        }
        assert_eq!(config.settings(), again.settings());
        assert_eq!(
            config.switching,
            Switching::Virtual(Latency {
                fixed: 10,
                per_byte: 1_250
            })
        );
    }

    #[test]
    fn a_toml_description_sets_everything() {
        let config = TieringConfig::from_toml(
            "mode = 'tiered'\nswitching = 'zeal:seed=9'\nosr = false\nthreads = 3\n\
             [policy]\nname = 'cost-model'\nalpha = 0.5\n",
        )
        .unwrap();
        assert_eq!(config.switching, Switching::Zeal { seed: 9 });
        assert!(!config.knobs.osr);
        assert_eq!(config.knobs.threads, 3);
        assert!(
            config.policy.spec().contains("alpha=0.5"),
            "{}",
            config.policy.spec()
        );
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let mut config = TieringConfig::default();
        assert!(config.set("mode", "fast").is_err());
        assert!(config.set("switching", "zeal:fixed=1").is_err());
        assert!(config.set("policy", "cost-model:beta=1").is_err());
        assert!(TieringConfig::from_toml("osr = [1]").is_err());
        assert!(TieringConfig::from_toml("mode =").is_err());
    }

    #[test]
    fn help_names_every_knob_and_policy() {
        let help = TieringConfig::help();
        for info in Knobs::registry() {
            assert!(help.contains(info.name));
        }
        for info in policy::REGISTRY {
            assert!(help.contains(info.name));
        }
    }
}
