//! The states of a function's code and of its loops' OSR entries, and every transition between
//! them, without threads, clocks and code: what drivers, simulations and tests share.
//!
//! ```text
//! Uncompiled ─► Compiling ─► Baseline ─► Queued ─► Optimizing ─► Optimized ◄─► Trial
//!      ▲            │            ▲ ▲        │           │            │ ▲          │
//!      └── failed ──┘            │ └─ drop ─┤           │            │ └─ drop    │
//!                                │          └───────────┼── request ─┘            │
//!                          zeal  └─► Optimized      refuse ─► Pinned ◄────────────┘
//! ```
//!
//! A [`Lifecycle`] is a phase and the level of the code that calls run. [`Lifecycle::step`] says
//! what a [`Step`] makes of it, or that the step is not possible there. The engine takes steps by
//! compare-and-swap (`AtomicState` in `state.rs`): of the threads that want the same
//! step one wins, and does what the step stands for.

use crate::policy::Level;

/// Declares an enum of phases.
macro_rules! phases {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum $name { $($(#[$variant_doc])* $variant,)* }

        impl $name {
            /// All phases, in the order of their numbers.
            pub(crate) const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The phase's name, as logged.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => stringify!($variant),)* }
            }
        }
    };
}

phases! {
    /// The progress of a function: what its calls run, and of its next compilation.
    Phase {
        /// The function has no code yet; its slot leads to the first-call thunk.
        Uncompiled,
        /// One thread compiles the function's first code; other threads that call it wait.
        Compiling,
        /// Calls run code of level 0; no other code is requested.
        Baseline,
        /// Calls run the code that they have; a request for code of a higher level waits in the
        /// queue.
        Queued,
        /// Calls run the code that they have; code of a higher level is being compiled.
        Optimizing,
        /// Calls run optimized and baseline code by turns, until it is known which is faster.
        Trial,
        /// Calls run code of a level above 0; no other code is requested.
        Optimized,
        /// Calls run the code that the function has, and no other will be requested: the compiler
        /// refused or failed, or its code was slower.
        Pinned,
    }
}

phases! {
    /// The progress of a loop's OSR entry.
    LoopPhase {
        /// No OSR entry exists, and none is requested.
        Idle,
        /// A request for an OSR entry waits in the queue.
        Queued,
        /// The OSR entry is being compiled.
        Optimizing,
        /// The OSR entry exists: baseline code can continue in it.
        Ready,
        /// Compiling the OSR entry failed, or the function was sent back to baseline code: it is
        /// not requested again.
        Failed,
        /// The loop can have no OSR entry: its code has no place from which to leave it.
        Closed,
    }
}

impl Phase {
    /// Whether a request for optimized code is queued or being compiled.
    pub fn is_under_way(self) -> bool {
        matches!(self, Phase::Queued | Phase::Optimizing)
    }

    /// The phase of a function for which nothing is requested and whose calls run code of `level`.
    fn settled(level: Level) -> Phase {
        match level {
            Level::FIRST => Phase::Baseline,
            _ => Phase::Optimized,
        }
    }
}

impl LoopPhase {
    /// Whether a request for an OSR entry is queued or being compiled.
    pub fn is_under_way(self) -> bool {
        matches!(self, LoopPhase::Queued | LoopPhase::Optimizing)
    }
}

/// The state of a function's code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Lifecycle {
    /// The progress.
    pub phase: Phase,
    /// The level of the code that calls run; 0 before there is code.
    pub level: Level,
}

/// What can happen to a function's code. In the comments: what the thread does that takes the step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// The first call: compiles the first code, which the others wait for.
    BeginFirstCode,
    /// No first code came about: wakes one of those who wait, to compile it.
    FailFirstCode,
    /// The first code exists: has published it, and wakes those who wait.
    FinishFirstCode {
        /// Its level.
        level: Level,
        /// Whether the function keeps this code for good.
        pinned: bool,
    },
    /// Code of a higher level is requested: queues or compiles it.
    Request(Level),
    /// The request is dropped or withdrawn. It can be made again.
    Drop,
    /// A thread has the request: compiles it.
    Begin,
    /// The compiled code is installed: has published it, under the function's lock.
    Install(Level),
    /// The function keeps the code that it has, whatever is under way.
    Refuse,
    /// Code of two levels is compared: has published a counter, under the function's lock.
    BeginTrial,
    /// The trial ends for the optimized code: has published it, under the function's lock.
    Keep,
    /// The trial ends for the baseline's code: has published it, under the function's lock.
    SendBack,
    /// Zeal switches between levels at random: has published the code, under the function's lock.
    Switch(Level),
}

impl Lifecycle {
    /// The state of a function that was never called.
    pub const START: Lifecycle = Lifecycle {
        phase: Phase::Uncompiled,
        level: Level::FIRST,
    };

    /// The state after the step; `None` if the step is not possible.
    pub fn step(self, step: Step) -> Option<Lifecycle> {
        use Phase::*;
        let Lifecycle { phase, level } = self;
        let to = |phase| Some(Lifecycle { phase, level });
        let settle = |level| {
            let phase = Phase::settled(level);
            Some(Lifecycle { phase, level })
        };
        match (phase, step) {
            (Uncompiled, Step::BeginFirstCode) => to(Compiling),
            (Compiling, Step::FailFirstCode) => to(Uncompiled),
            (Compiling, Step::FinishFirstCode { level, pinned }) => Some(Lifecycle {
                phase: if pinned {
                    Pinned
                } else {
                    Phase::settled(level)
                },
                level,
            }),
            (Baseline | Optimized, Step::Request(wanted)) if wanted > level => to(Queued),
            (Queued, Step::Drop) => settle(level),
            (Queued, Step::Begin) => to(Optimizing),
            (Optimizing, Step::Install(level)) => settle(level),
            (Baseline | Optimized | Queued | Optimizing, Step::Refuse) => to(Pinned),
            (Optimized, Step::BeginTrial) => to(Trial),
            (Trial, Step::Keep) => to(Optimized),
            (Trial, Step::SendBack) => Some(Lifecycle {
                phase: Pinned,
                level: Level::FIRST,
            }),
            (Baseline | Optimized, Step::Switch(level)) => settle(level),
            _ => None,
        }
    }
}

/// What can happen to a loop's OSR entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LoopStep {
    /// An OSR entry is requested: queues or compiles it.
    Request,
    /// The request is dropped or withdrawn. It can be made again.
    Drop,
    /// A thread has the request: compiles it.
    Begin,
    /// The OSR entry is there, or replaces the one that was: has stored it, under its lock.
    Install,
    /// There will be no OSR entry, or none any more.
    Fail,
}

impl LoopPhase {
    /// The phase after the step; `None` if the step is not possible.
    pub fn step(self, step: LoopStep) -> Option<LoopPhase> {
        use LoopPhase::*;
        match (self, step) {
            (Idle, LoopStep::Request) => Some(Queued),
            (Queued, LoopStep::Drop) => Some(Idle),
            (Queued, LoopStep::Begin) => Some(Optimizing),
            (Optimizing | Ready, LoopStep::Install) => Some(Ready),
            (Idle | Queued | Optimizing | Ready, LoopStep::Fail) => Some(Failed),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const LEVELS: [Level; 3] = [Level(0), Level(1), Level(2)];

    /// Every step there is, with every level.
    fn steps() -> Vec<Step> {
        let mut steps = vec![
            Step::BeginFirstCode,
            Step::FailFirstCode,
            Step::Drop,
            Step::Begin,
            Step::Refuse,
            Step::BeginTrial,
            Step::Keep,
            Step::SendBack,
        ];
        for level in LEVELS {
            steps.extend([
                Step::Request(level),
                Step::Install(level),
                Step::Switch(level),
            ]);
            steps.extend([true, false].map(|pinned| Step::FinishFirstCode { level, pinned }));
        }
        steps
    }

    /// Every state that steps lead to from the start.
    fn reachable() -> HashSet<Lifecycle> {
        let mut found = HashSet::from([Lifecycle::START]);
        let mut open = vec![Lifecycle::START];
        while let Some(state) = open.pop() {
            for next in steps().into_iter().filter_map(|step| state.step(step)) {
                if found.insert(next) {
                    open.push(next);
                }
            }
        }
        found
    }

    #[test]
    fn every_phase_is_reached_and_settled_phases_have_their_levels() {
        let found = reachable();
        for &phase in Phase::ALL {
            assert!(found.iter().any(|state| state.phase == phase), "{phase:?}");
        }
        for state in found {
            match state.phase {
                Phase::Uncompiled | Phase::Compiling | Phase::Baseline => {
                    assert_eq!(state.level, Level::FIRST);
                }
                Phase::Optimized | Phase::Trial => assert!(state.level > Level::FIRST),
                Phase::Queued | Phase::Optimizing | Phase::Pinned => {}
            }
        }
    }

    #[test]
    fn nothing_follows_a_pinned_function_and_everything_else_goes_on() {
        for state in reachable() {
            let goes_on = steps().into_iter().any(|step| state.step(step).is_some());
            assert_eq!(goes_on, state.phase != Phase::Pinned, "{state:?}");
        }
    }

    #[test]
    fn a_request_is_taken_once_and_only_upwards() {
        for state in reachable() {
            for level in LEVELS {
                let Some(queued) = state.step(Step::Request(level)) else {
                    continue;
                };
                assert!(level > state.level && queued.phase == Phase::Queued);
                assert!(
                    LEVELS
                        .iter()
                        .all(|&again| queued.step(Step::Request(again)).is_none())
                );
                assert_eq!(queued.step(Step::Drop), Some(state));
            }
        }
    }

    #[test]
    fn what_is_being_compiled_can_end_in_any_way() {
        for state in reachable() {
            if state.phase == Phase::Optimizing {
                assert!(state.step(Step::Install(Level(1))).is_some());
                assert_eq!(state.step(Step::Refuse).unwrap().phase, Phase::Pinned);
            }
        }
    }

    #[test]
    fn a_loop_that_failed_or_is_closed_stays_so() {
        let steps = [
            LoopStep::Request,
            LoopStep::Drop,
            LoopStep::Begin,
            LoopStep::Install,
            LoopStep::Fail,
        ];
        for &phase in LoopPhase::ALL {
            let goes_on = steps.iter().any(|&step| phase.step(step).is_some());
            let ended = matches!(phase, LoopPhase::Failed | LoopPhase::Closed);
            assert_eq!(goes_on, !ended, "{phase:?}");
        }
    }
}
