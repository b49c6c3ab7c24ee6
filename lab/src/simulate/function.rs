//! The state of one function in a simulation. Its steps are the engine's.

use upshift_abi::LoopIndex;
use upshift_profiler::Nanos;
use upshift_tiering::account::{Account, UsedBy};
use upshift_tiering::lifecycle::{Lifecycle, LoopStep, Step};
use upshift_tiering::policy::LoopView;
use upshift_tiering::{Knobs, Level, LoopPhase, Memo, Phase};

use crate::machine::Unit;
use crate::trace::Counting;
use crate::workload::Code;

/// The state of a function.
#[derive(Debug)]
pub(super) struct Function {
    pub(super) code: Lifecycle,
    /// What the policy remembers.
    pub(super) memo: Memo,
    pub(super) account: Account,
    /// What the budget was when it was last set or read.
    granted: f64,
    /// The part of a unit that was used and is not in the account yet.
    fraction: f64,
    /// The number of the request that made the function wait last.
    claim: u64,
    pub(super) first_code_at: Nanos,
    /// OSR entries that were requested, compared with the limit.
    pub(super) osr_requests: u32,
    loops: Vec<LoopState>,
}

/// The state of a loop's OSR entry.
#[derive(Clone, Copy, Debug)]
struct LoopState {
    depth: u32,
    phase: LoopPhase,
    entries: u32,
}

impl Function {
    /// A function that was never called. Without OSR, none of its loops has a place to leave it
    /// from.
    pub(super) fn new(code: &Code, knobs: &Knobs) -> Self {
        let loops = code.loops.iter().filter(|_| knobs.osr);
        let loops = loops.map(|one| LoopState {
            depth: one.depth,
            phase: LoopPhase::Idle,
            entries: 0,
        });
        Self {
            code: Lifecycle::START,
            memo: Memo::default(),
            account: Account::default(),
            granted: 0.0,
            fraction: 0.0,
            claim: 0,
            first_code_at: Nanos(0),
            osr_requests: 0,
            loops: loops.collect(),
        }
    }

    /// Records the value that the budget is about to be set to.
    pub(super) fn grant(&mut self, units: f64) {
        self.granted = units;
    }

    /// The whole units used since the last reading, given what is left of the budget now.
    fn used(&mut self, left: f64) -> u64 {
        let used = (self.granted - left).max(0.0) + self.fraction;
        self.granted = left;
        self.fraction = used.fract();
        used as u64
    }

    /// Charges what was used of a budget that has not run out, by what the code counts; returns
    /// the units.
    pub(super) fn charge(&mut self, left: f64, counting: Counting) -> u64 {
        let used = self.used(left);
        let by = match counting {
            Counting::Calls => UsedBy::Calls,
            Counting::Counts | Counting::Silent => UsedBy::Either,
        };
        self.account.charge(used, by);
        used
    }

    /// Charges a budget that ran out at a loop or (`None`) at the function's entry; returns the
    /// units.
    pub(super) fn exhausted(&mut self, left: f64, at: Option<u32>) -> u64 {
        let used = self.used(left);
        let by = at.map_or(UsedBy::Calls, |_| UsedBy::Loops);
        self.account.exhausted(used, by);
        used
    }

    /// Takes a step of the function; false if it is not possible.
    pub(super) fn step(&mut self, step: Step) -> bool {
        let next = self.code.step(step);
        self.code = next.unwrap_or(self.code);
        next.is_some()
    }

    /// Takes a step of a loop; false if it is not possible or the function has no such loop.
    pub(super) fn loop_step(&mut self, index: u32, step: LoopStep) -> bool {
        let Some(one) = self.loops.get_mut(index as usize) else {
            return false;
        };
        let next = one.phase.step(step);
        one.phase = next.unwrap_or(one.phase);
        next.is_some()
    }

    /// What the policy sees of a loop. One that the trace doesn't know can have no OSR entry.
    pub(super) fn loop_view(&self, index: u32) -> LoopView {
        let one = self.loops.get(index as usize);
        LoopView {
            index: LoopIndex(index),
            depth: one.map_or(0, |one| one.depth),
            phase: one.map_or(LoopPhase::Closed, |one| one.phase),
            entries: one.map_or(0, |one| one.entries),
        }
    }

    /// Counts that a loop goes on in its OSR entry; false if it is not there.
    pub(super) fn enter(&mut self, index: u32) -> bool {
        let one = self.loops.get_mut(index as usize);
        let ready = one.filter(|one| one.phase == LoopPhase::Ready);
        ready.is_some_and(|one| {
            one.entries += 1;
            true
        })
    }

    /// Takes the unit's step to `Queued` for the request with this number. Returns false if it is
    /// not in a phase before that.
    pub(super) fn claim(&mut self, unit: Unit, level: Level, number: u64) -> bool {
        match unit {
            Unit::Function => {
                let claims = self.step(Step::Request(level));
                self.claim = if claims { number } else { self.claim };
                claims
            }
            Unit::Loop(index) => {
                let claims = self.loop_step(index, LoopStep::Request);
                self.osr_requests += u32::from(claims);
                claims
            }
        }
    }

    /// Takes back the claim of the request with this number, so that the unit can be requested
    /// again.
    pub(super) fn unclaim(&mut self, unit: Unit, number: u64) {
        match unit {
            Unit::Function => _ = self.claim == number && self.step(Step::Drop),
            Unit::Loop(index) => {
                self.osr_requests -= u32::from(self.loop_step(index, LoopStep::Drop));
            }
        }
    }

    /// Takes the unit's step from `Queued` to `Optimizing`.
    pub(super) fn begin(&mut self, unit: Unit) -> bool {
        match unit {
            Unit::Function => self.step(Step::Begin),
            Unit::Loop(index) => self.loop_step(index, LoopStep::Begin),
        }
    }

    /// Whether the unit waits for the request with this number: that of a function may have been
    /// withdrawn, and the function requested again.
    pub(super) fn is_queued(&self, unit: Unit, number: u64) -> bool {
        match unit {
            Unit::Function => self.claim == number && self.code.phase == Phase::Queued,
            Unit::Loop(index) => self.loop_view(index).phase == LoopPhase::Queued,
        }
    }

    /// Whether the unit's request waits or is being compiled.
    pub(super) fn is_under_way(&self, unit: Unit) -> bool {
        match unit {
            Unit::Function => self.code.phase.is_under_way(),
            Unit::Loop(index) => self.loop_view(index).phase.is_under_way(),
        }
    }
}
