//! The ladder of an engine: its levels of code, as data.
//!
//! Level 0 is code that counts its calls and iterations and can be left in its loops; a function
//! starts there. Code of higher levels counts nothing by itself. Where a level is neither the first
//! nor the last, calls of its code go through a counter, so that the policy is asked about it again
//! as it is at an exhausted budget; its loops run to their end.

use std::fmt;
use std::sync::Arc;

use upshift_abi::{Compiler, Tier};

use crate::config::ConfigError;
use crate::policy::{Level, View};

/// A level of code: what it is called, and what compiles it.
#[derive(Clone)]
pub struct Rung {
    /// The level's name in options and reports.
    pub name: Box<str>,
    /// The compiler of its code.
    pub compiler: Arc<dyn Compiler>,
}

impl fmt::Debug for Rung {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// The levels of code of an engine, lowest first.
#[derive(Clone, Debug)]
pub struct Ladder(Box<[Rung]>);

impl Ladder {
    /// A ladder of these rungs, lowest first.
    ///
    /// # Errors
    ///
    /// If there is no rung or more than [`View::LEVELS`], if the first is not of the baseline's
    /// kind ([`Tier::Baseline`]), or one above it is: only the first level's code counts, and only
    /// into others can a loop be entered.
    pub fn new(rungs: impl IntoIterator<Item = Rung>) -> Result<Self, ConfigError> {
        let rungs: Box<[Rung]> = rungs.into_iter().collect();
        if rungs.is_empty() || rungs.len() > View::LEVELS {
            return Err(ConfigError::Levels(rungs.len()));
        }
        for (n, rung) in rungs.iter().enumerate() {
            let fits = (rung.compiler.tier() == Tier::Baseline) == (n == 0);
            if !fits {
                return Err(ConfigError::Rung(rung.name.clone(), n));
            }
        }
        Ok(Self(rungs))
    }

    /// The rungs, lowest first.
    pub fn rungs(&self) -> &[Rung] {
        &self.0
    }

    /// The highest level.
    pub fn top(&self) -> Level {
        Level(self.0.len() as u8 - 1)
    }

    /// The level of that number, or the highest below it.
    pub fn clamp(&self, level: Level) -> Level {
        level.min(self.top())
    }

    /// Whether calls of the level's code are counted before it: the policy can go on from there.
    pub(crate) fn counts_calls(&self, level: Level) -> bool {
        Level::FIRST < level && level < self.top()
    }

    pub(crate) fn compiler(&self, level: Level) -> &dyn Compiler {
        &*self.0[usize::from(level.0)].compiler
    }

    pub(crate) fn tier(&self, level: Level) -> Tier {
        self.compiler(level).tier()
    }

    /// The level that stands for a kind of code: the first, or the highest.
    pub(crate) fn level_of(&self, tier: Tier) -> Level {
        match tier {
            Tier::Baseline => Level::FIRST,
            Tier::Optimizer => self.top(),
        }
    }
}
