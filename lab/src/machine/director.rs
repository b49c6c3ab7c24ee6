//! What a run asks and tells whatever decides on compilations.

use upshift_abi::{CompileUnit, LoopIndex};

use super::run::Run;
use crate::workload::Code;

/// What a compile thread is asked to do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Job {
    /// The position of the function in the trace.
    pub function: usize,
    /// The level: above 0.
    pub level: usize,
    /// What of it.
    pub unit: Unit,
}

impl Code {
    /// What a job of the function takes, in nanoseconds.
    pub(crate) fn job_ns(&self, job: Job) -> f64 {
        let whole = self.compile_ns[job.level];
        match job.unit {
            Unit::Function => whole,
            Unit::Loop(_) => whole * self.osr_part,
        }
    }
}

/// What a job compiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// The function, for calls.
    Function,
    /// An OSR entry at this loop.
    Loop(u32),
}

impl From<Unit> for CompileUnit {
    fn from(unit: Unit) -> Self {
        match unit {
            Unit::Function => CompileUnit::Function,
            Unit::Loop(index) => CompileUnit::Loop(LoopIndex(index)),
        }
    }
}

/// A job that was done.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Done {
    /// The job.
    pub job: Job,
    /// When a thread began with it, in nanoseconds.
    pub started: f64,
    /// When its code was published.
    pub published: f64,
    /// The number of the slice in which that was.
    pub slice: usize,
}

/// The units that code takes from its function's budget.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Weights {
    /// For each call.
    pub call: f64,
    /// For each iteration of a loop.
    pub iteration: f64,
}

/// Decides what is compiled.
///
/// Functions are positions in the trace. Methods are called between two events, and may change
/// budgets and wake-ups through the [`Run`].
pub trait Director {
    /// The job for a compile thread that has none; asked after each event.
    fn next(&mut self, run: &mut Run<'_>) -> Option<Job>;

    /// What code takes from a budget. Asked once.
    fn weights(&self) -> Weights {
        Weights {
            call: 1.0,
            iteration: 1.0,
        }
    }

    /// Whether [residency](Outcome::residency_ns) and [lost time](Outcome::lost_ns) are wanted:
    /// adding them up is half of a run's work. Asked once.
    fn keeps_times(&self) -> bool {
        true
    }

    /// The mean time between two samples, in nanoseconds, if there are to be any. Asked once.
    fn sample_period(&self) -> Option<f64> {
        None
    }

    /// The function has got its first code and is about to run it.
    fn first_code(&mut self, _run: &mut Run<'_>, _function: usize) {}

    /// The function's budget is used up, at a loop or (`None`) at its entry. Where no other is set,
    /// the function has an infinite one.
    fn exhausted(&mut self, _run: &mut Run<'_>, _function: usize, _at: Option<u32>) {}

    /// A loop whose budget is used up goes on in its OSR entry. Called once for each entry that was
    /// published and then once for each slice in which the function is called.
    fn entered(&mut self, _run: &mut Run<'_>, _function: usize, _at: u32) {}

    /// Code was published.
    fn published(&mut self, _run: &mut Run<'_>, _done: Done) {}

    /// A sample found the guest's thread in this function.
    fn sampled(&mut self, _run: &mut Run<'_>, _function: Option<usize>) {}

    /// The time has come that was set by [`Run::wake`].
    fn woken(&mut self, _run: &mut Run<'_>, _function: usize) {}
}

/// What a run took. Times are in nanoseconds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// From the start to the program's end.
    pub wall_ns: f64,
    /// Processor time of the guest's thread, but for what it compiles above level 0.
    pub guest_ns: f64,
    /// Processor time of compile threads, or of the guest's thread in their place.
    pub compile_ns: f64,
    /// How long the guest's thread stood still because it compiled: at level 0, or without compile
    /// threads.
    pub paused_ns: f64,
    /// When each of these pauses began and ended, in order. Pauses that follow each other at once
    /// are apart.
    pub pauses: Vec<(f64, f64)>,
    /// For each level, the time that its code took of the guest's thread, if alone on a core. Empty
    /// if that was not [wanted](Director::keeps_times).
    pub residency_ns: Vec<f64>,
    /// How much of that would not have been taken by the fastest level of each function. Not a
    /// number if that was not [wanted](Director::keeps_times).
    pub lost_ns: f64,
    /// When each slice ended.
    pub slice_ends: Vec<f64>,
    /// What was compiled, in the order of publishing.
    pub jobs: Vec<Done>,
}
