//! What a policy knows when it decides.

use upshift_abi::DefinedFuncIndex;
use upshift_profiler::{FuncKey, ModuleKey, Nanos};

use super::Level;
use super::hint::Hint;
use crate::lifecycle::Phase;

/// What is known of a level of code.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LevelView {
    /// Measured nanoseconds of compilation per byte of body; `None` before there is a measurement,
    /// and in virtual time, where runs must repeat exactly.
    pub ns_per_byte: Option<f64>,
    /// Measured factor by which code of this level is faster than code of level 0: the geometric
    /// mean over the functions that were compared. `None` before there is a measurement, and in
    /// virtual time.
    pub speedup: Option<f64>,
}

/// The state of a function and of the compilers, as policies see it.
///
/// Times are those of tiering's clock: in virtual time, one nanosecond for each unit that the
/// module used.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct View {
    /// The function.
    pub func: FuncKey,
    /// The time.
    pub now: Nanos,
    /// The level of the code that calls of the function run.
    pub level: Level,
    /// The function's phase.
    pub phase: Phase,
    /// The length of the function's body, in bytes.
    pub body_bytes: u32,
    /// The length of the code that calls of the function run, in bytes.
    pub code_bytes: u32,
    /// The length of the bodies of all functions of the module, in bytes.
    pub module_bytes: u64,
    /// The number of functions that the module defines.
    pub module_funcs: u32,
    /// Budget units used since the function's first code was installed.
    pub units: u64,
    /// Calls since the function's first code was installed, as far as baseline code ran them.
    ///
    /// This and [`iterations`](Self::iterations) are estimates. Code counts budget units, whose
    /// weights are [`call_units`](Self::call_units) and [`loop_units`](Self::loop_units); a budget
    /// that is used up counts for the kind of site where it ran out. Right in the long run, wrong
    /// by a budget at any moment. 0 where calls are not counted.
    pub calls: u64,
    /// Iterations of the function's loops since its first code was installed, as far as baseline
    /// code ran them: an estimate like [`calls`](Self::calls). 0 where they are not counted.
    pub iterations: u64,
    /// The budget units that a call takes; 0 where calls are not counted.
    pub call_units: u32,
    /// The budget units that an iteration of a loop takes; 0 where they are not counted.
    pub loop_units: u32,
    /// Budget units used since the last request for the function, or since its first code.
    pub units_since_request: u64,
    /// How often the budget ran out at the function's entry, this time included.
    pub entry_exhaustions: u32,
    /// How often the budget ran out in one of the function's loops, this time included.
    pub loop_exhaustions: u32,
    /// Budget units per millisecond, lately: over the time since the event before this one.
    pub rate: f64,
    /// How often samples found a thread in the function; 0 where the policy
    /// [needs](super::Needs) none.
    pub samples: u32,
    /// Time since the function's first code.
    pub age: Nanos,
    /// Time since the last request for the function, or since its first code.
    pub age_since_request: Nanos,
    /// Time since any function of the engine got its first code.
    pub since_new_code: Nanos,
    /// The number of requests that wait for a compile thread.
    pub queue_length: u32,
    /// The number of compile threads; 0 if the calling thread compiles.
    pub workers: u32,
    /// The number of compile threads that are compiling.
    pub busy_workers: u32,
    /// The number of cores that the process may use.
    pub cores: u32,
    /// How many levels the engine's ladder has; at most [`View::LEVELS`].
    pub levels: u8,
    /// What is known of each level; those beyond [`levels`](Self::levels) are empty.
    pub level_views: [LevelView; View::LEVELS],
    /// What was known of the function before it ran; `None` where nothing was.
    pub hint: Option<Hint>,
}

impl View {
    /// The highest number of levels.
    pub const LEVELS: usize = 4;

    /// A view of a function that has done nothing, on an idle engine of two levels with one
    /// compile thread and one core, where a call takes 10 budget units and an iteration 5 (the
    /// engine's defaults): what tests and simulations start from.
    pub fn new(func: FuncKey) -> Self {
        Self {
            func,
            now: Nanos(0),
            level: Level::FIRST,
            phase: Phase::Baseline,
            body_bytes: 0,
            code_bytes: 0,
            module_bytes: 0,
            module_funcs: 1,
            units: 0,
            calls: 0,
            iterations: 0,
            call_units: 10,
            loop_units: 5,
            units_since_request: 0,
            entry_exhaustions: 0,
            loop_exhaustions: 0,
            rate: 0.0,
            samples: 0,
            age: Nanos(0),
            age_since_request: Nanos(0),
            since_new_code: Nanos(0),
            queue_length: 0,
            workers: 1,
            busy_workers: 0,
            cores: 1,
            levels: 2,
            level_views: [LevelView::default(); Self::LEVELS],
            hint: None,
        }
    }

    /// What is known of the level; nothing where the ladder has no such level.
    pub fn at(&self, level: Level) -> LevelView {
        let view = self.level_views.get(usize::from(level.0));
        view.copied().unwrap_or_default()
    }

    /// The ladder's highest level.
    pub fn top(&self) -> Level {
        Level(self.levels.saturating_sub(1))
    }

    /// Calls and iterations per millisecond, lately: [`rate`](Self::rate), as far as units were
    /// used by either on average.
    pub fn event_rate(&self) -> f64 {
        let events = self.calls as f64 + self.iterations as f64;
        self.rate * events / (self.units.max(1) as f64)
    }

    /// Whether a request for the function would be taken: none is under way, there is a higher
    /// level than that of its code, and it is not pinned.
    pub fn can_rise(&self) -> bool {
        let settled = matches!(self.phase, Phase::Baseline | Phase::Optimized);
        settled && self.level < self.top()
    }
}

impl Default for View {
    fn default() -> Self {
        Self::new(FuncKey {
            module: ModuleKey(0),
            func: DefinedFuncIndex(0),
        })
    }
}
