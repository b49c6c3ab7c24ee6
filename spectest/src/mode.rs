//! The execution modes of a script, in each of which every test runs.

use std::fmt;

use clap::ValueEnum;
use upshift::knobs::{self, Group};
use upshift::tiering::TieringConfig;
use upshift::{Config, Engine, Error, Feature, MemoryBounds, Strategy, Switching};

/// The policy of the tiered modes: optimizes after so little work that short scripts and tests get
/// there.
const POLICY: &str = "fixed-budget:units=200,slices=1";

/// An execution mode. The command line's names and help come from this list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, ValueEnum)]
pub enum Mode {
    /// Runs baseline code only.
    Baseline,
    /// Runs optimized code only.
    Optimizer,
    /// Tiers with low budgets; the running thread waits for the optimizer.
    TieredSync,
    /// Tiers with low budgets; the optimizer runs on other threads.
    TieredBackground,
    /// Switches tiers and publishes code again as often as it can.
    Zeal,
    /// Tiers with bounds checks in the code instead of guard pages.
    ExplicitBounds,
    /// Tiers in code for processors without what is newer than SSE4.1, with canonical NaNs.
    Sse41,
}

impl Mode {
    /// Every mode.
    pub fn all() -> &'static [Mode] {
        Mode::value_variants()
    }

    /// The configuration of this mode, with every feature on, for tests that change it further. A
    /// failure of the optimizer is an error: the function does not silently run baseline code.
    pub fn config(self) -> Config {
        let (strategy, switching) = match self {
            Mode::Baseline => (Strategy::Baseline, Switching::Synchronous),
            Mode::Optimizer => (Strategy::Optimizer, Switching::Synchronous),
            Mode::TieredSync | Mode::ExplicitBounds | Mode::Sse41 => {
                (Strategy::Tiered, Switching::Synchronous)
            }
            Mode::TieredBackground => (Strategy::Tiered, Switching::Background),
            Mode::Zeal => (Strategy::Tiered, Switching::Zeal { seed: 1 }),
        };
        let mut tiering = TieringConfig {
            mode: strategy,
            switching,
            ..TieringConfig::default()
        };
        tiering.knobs.fail_fast = true;
        tiering.set("policy", POLICY).expect("a built-in policy");
        let mut config = Config::new();
        config.tiering(tiering);
        for &feature in Feature::ALL {
            config.wasm_feature(feature, true);
        }
        match self {
            Mode::ExplicitBounds => {
                config.memory_bounds(MemoryBounds::Explicit);
            }
            Mode::Sse41 => {
                config.canonicalize_nans(true);
                knobs::set(&mut config, Group::Compile, "cpu", "sse41").expect("an option");
            }
            _ => {}
        }
        config
    }

    /// Creates an engine for this mode.
    ///
    /// # Errors
    ///
    /// If the engine can't reserve its code space.
    pub fn engine(self) -> Result<Engine, Error> {
        Engine::new(&self.config())
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.to_possible_value().expect("no mode is hidden");
        f.pad(value.get_name())
    }
}
