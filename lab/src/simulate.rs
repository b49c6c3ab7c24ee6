//! What a run would take under some policy: the engine's own policies, on a [`Machine`].
//!
//! A policy is simulated by calling it: it is the same `dyn Policy` that an engine runs, it gets
//! the same [`View`], and keeps the same [`Memo`].
//! What tiering does with its decisions is repeated here step by step (`director.rs`): claims and
//! phases, the account of a budget, limits of the knobs. Which waiting request is next is the
//! choice of the engine's own [`Discipline`], by the same function as in the engine.
//!
//! A simulation of ten seconds with 700,000 counts takes 3 to 9 ms of processor time, and a fifth
//! of a microsecond more for each question.
//!
//! # What is not simulated
//!
//! Trials of optimized code against the baseline's, compilations that fail or are refused
//! by a limit, helpers of stuck compile threads, inlining, and guests with several threads.

mod director;
mod function;
mod queue;

use std::sync::Arc;

use upshift_profiler::Event;
use upshift_tiering::policy::Hint;
use upshift_tiering::queue as disciplines;
use upshift_tiering::{Decision, Discipline, Knobs, Memo, Policy, PolicyEvent, View, Weights};

use crate::machine::{Machine, Outcome, execute};
use crate::workload::Workload;

/// What is simulated.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Decides what is compiled.
    pub policy: Arc<dyn Policy>,
    /// In which order.
    pub queue: Arc<dyn Discipline>,
    /// Where. Its number of compile threads holds, not the knob's.
    pub machine: Machine,
    /// Limits of tiering.
    pub knobs: Knobs,
    /// What code takes from a budget.
    pub weights: Weights,
    /// What policies are told of each function before it runs; functions beyond the end have no
    /// hint.
    pub hints: Vec<Option<Hint>>,
    /// Whether decisions are kept.
    pub decisions: Keep,
    /// Whether the outcome's residency and lost time are kept. They take longer to add up than the
    /// rest of the run.
    pub times: Keep,
    /// The most questions and samples of a simulation, [`MAX_ASKED`] by default. One that needs
    /// more is [cut](Simulation::cut).
    pub most_asked: u64,
}

/// The most questions to a policy and samples for it in a simulation: some minutes of processor
/// time. Policies that are woken or see samples at a fixed period need ever more for a longer run,
/// and decades of virtual time would take days.
pub const MAX_ASKED: u64 = 200_000_000;

/// Whether something is kept of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keep {
    /// All of it.
    All,
    /// None of it; decisions are counted only.
    #[default]
    None,
}

impl Setup {
    /// A policy on a machine, with the engine's queue and the defaults of its knobs. Without
    /// decisions, with times.
    pub fn new(policy: Arc<dyn Policy>, machine: Machine) -> Self {
        Self {
            policy,
            queue: disciplines::default(),
            machine,
            knobs: Knobs::default(),
            weights: Weights::default(),
            hints: Vec::new(),
            decisions: Keep::None,
            times: Keep::All,
            most_asked: MAX_ASKED,
        }
    }
}

/// A simulated run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Simulation {
    /// What it took, and what was compiled.
    pub outcome: Outcome,
    /// How often the policy was asked.
    pub asked: u64,
    /// Requests that were queued.
    pub requests: u64,
    /// Requests for what was under way already.
    pub deduplicated: u64,
    /// Requests that were dropped because the queue was full.
    pub dropped: u64,
    /// Requests that the policy withdrew.
    pub withdrawn: u64,
    /// Requests that the queue dropped because their functions had had no event for a time.
    pub stale: u64,
    /// The decisions, if they are kept.
    pub decisions: Vec<Decided>,
    /// Why the rest of the run was simulated without the policy, if it was: its figures are of no
    /// use then.
    pub cut: Option<Cut>,
}

/// A simulation with more questions to the policy than are possible.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error(
    "after {asked} questions and samples, the most that are simulated, the policy `{policy}` had \
     come to {:.3} s of virtual time: shorten the run, or let the policy look less often",
    at_ns / 1e9
)]
pub struct Cut {
    /// The questions and samples.
    pub asked: u64,
    /// The time up to which the policy was asked, in nanoseconds.
    pub at_ns: f64,
    /// The policy.
    pub policy: String,
}

impl Simulation {
    /// The simulation, if it is one of the whole run.
    ///
    /// # Errors
    ///
    /// If it was [cut](Self::cut).
    pub fn whole(self) -> Result<Self, Cut> {
        match self.cut {
            Some(cut) => Err(cut),
            None => Ok(self),
        }
    }
}

/// A decision of the policy.
#[derive(Clone, Debug, PartialEq)]
pub struct Decided {
    /// When, in nanoseconds.
    pub at_ns: f64,
    /// The function's position in the trace.
    pub function: usize,
    /// What happened.
    pub event: PolicyEvent,
    /// What the policy saw.
    pub view: View,
    /// The policy's answer.
    pub decision: Decision,
    /// What the policy remembers of the function from now on.
    pub memo: Memo,
}

impl Decided {
    /// The decision as an engine's log has it.
    pub fn logged(&self) -> upshift_profiler::decided::Decided {
        match upshift_tiering::decided(self.event, &self.view, &self.decision, &self.memo) {
            Event::Decided { decision, .. } => *decision,
            _ => unreachable!("the event of a decision"),
        }
    }
}

/// Simulates a run. The same arguments give the same answer, bit for bit.
pub fn simulate(workload: &Workload, setup: &Setup) -> Simulation {
    let mut director = director::Tiering::new(workload, setup);
    let outcome = execute(workload, &setup.machine, &mut director);
    Simulation {
        outcome,
        ..director.into_figures()
    }
}

/// The hints that a recording of the same run gives: each function's units, as many as it will use.
pub fn hints_of(workload: &Workload, weights: Weights) -> Vec<Option<Hint>> {
    let mut units = vec![0.0; workload.functions()];
    for part in workload.stretches.iter().flat_map(|stretch| &stretch.parts) {
        units[part.function] += part.entries * f64::from(weights.call);
        units[part.function] += part.iterations * f64::from(weights.iteration);
    }
    let hint = |units: f64| {
        let expected_units = Some(units as u64);
        Some(Hint {
            expected_units,
            ..Hint::default()
        })
    };
    units.into_iter().map(hint).collect()
}

#[cfg(test)]
mod tests;
