//! The settings of a simulated cell as a machine, a policy and a queue.

use upshift_tiering::{Switching, TieringConfig};

use super::Settings;
use crate::machine::Machine;
use crate::simulate::Setup;
use crate::trace::Header;
use crate::workload::Scale;

/// Options of `-T` that a simulation takes into account.
pub(super) const PARTS: [&str; 12] = [
    "policy",
    "queue",
    "switching",
    "threads",
    "nice",
    "osr",
    "osr-per-function",
    "function-tier-up",
    "max-optimize-bytes",
    "queue-cap",
    "stale-ms",
    "poll",
];

/// Factors on a trace.
pub(super) const SCALES: [&str; 3] = ["speed", "compile", "work"];

/// What policies are told of functions before they run: an
/// [`Origin`](crate::measure::hints::Origin).
pub(super) const HINTS: &str = "hints";

/// Cores of a simulation that says nothing about them.
const CORES: u32 = 2;

/// Why settings can't be simulated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SetupError(String);

/// The options of `-T` among settings; others are left out.
fn config(settings: &Settings) -> Result<TieringConfig, SetupError> {
    let mut config = TieringConfig::default();
    for (name, value) in settings {
        if PARTS.contains(&name.as_str()) {
            let set = config.set(name, value);
            set.map_err(|error| SetupError(error.to_string()))?;
        }
    }
    Ok(config)
}

/// What simulates the engine with these settings, options of `-T` and `cores` (2 where they are
/// missing), on a machine like that of a recording. As in the engine, `threads=0` is one less than
/// the cores but at least one, and with `switching=sync` the guest's thread compiles.
///
/// A compile thread with a `nice` value has the share of a core that Linux gives it: a factor of
/// 1.25 less for each step.
///
/// # Errors
///
/// If an option does not exist, a value does not fit, or the switching is neither `background` nor
/// `sync`.
pub fn setup(settings: &Settings, recorded: &Header) -> Result<Setup, SetupError> {
    let config = config(settings)?;
    let cores = match settings.get("cores") {
        Some(text) => text.parse().ok().filter(|cores| *cores > 0),
        None => Some(CORES),
    };
    let cores = cores.ok_or_else(|| SetupError("`cores` is a number above 0".into()))?;
    simulation(&config, recorded, cores)
}

/// The compile threads of an engine with these options on so many cores, for a simulation.
///
/// # Errors
///
/// If the switching is neither `background` nor `sync`.
pub fn workers(config: &TieringConfig, cores: u32) -> Result<u32, SetupError> {
    match (config.switching, config.knobs.threads) {
        (Switching::Synchronous, _) => Ok(0),
        (Switching::Background, 0) => Ok((cores - 1).max(1)),
        (Switching::Background, threads) => Ok(threads),
        (other, _) => {
            let problem = format!("switching {other} is not simulated; background and sync are");
            Err(SetupError(problem))
        }
    }
}

/// What simulates an engine with these options on so many cores: see [`setup`].
///
/// # Errors
///
/// If the switching is neither `background` nor `sync`.
pub fn simulation(
    config: &TieringConfig,
    recorded: &Header,
    cores: u32,
) -> Result<Setup, SetupError> {
    let machine = Machine {
        weight: 1.25_f64.powi(-(config.knobs.nice as i32)),
        ..Machine::recorded(recorded, cores, workers(config, cores)?)
    };
    Ok(Setup {
        queue: config.queue.clone(),
        knobs: config.knobs.clone(),
        weights: config.weights,
        ..Setup::new(config.policy.clone(), machine)
    })
}

/// The factors among settings.
pub(super) fn scale(settings: &Settings) -> Scale {
    let factor = |name: &str| {
        let value = settings.get(name).and_then(|text| text.parse().ok());
        value.unwrap_or(1.0)
    };
    let [speed, compile, work] = SCALES.map(factor);
    Scale {
        speed,
        compile,
        work,
    }
}

/// The settings of a process: the policy and the queue have the seed, plus the process' number,
/// where they draw random numbers and their texts name no seed.
pub(super) fn of_process(settings: &Settings, seed: u64, process: u32) -> Settings {
    let mut settings = settings.clone();
    for name in ["policy", "queue"] {
        if let Some(spec) = settings.get_mut(name) {
            let with_seed = format!("{spec}:seed={}", seed.wrapping_add(process.into()));
            if !spec.contains(":seed=") && TieringConfig::default().set(name, &with_seed).is_ok() {
                *spec = with_seed;
            }
        }
    }
    settings
}
