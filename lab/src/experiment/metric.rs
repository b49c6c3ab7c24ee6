//! What is known of a cell, by name: the registry of metrics.
//!
//! Metrics of simulated cells are functions of a [`Simulated`]; a further table of them takes one
//! line in [`metrics`]. Metrics of processes are measured by the command line.

use std::cell::OnceCell;

use super::{Corpus, Prepared, Settings};
use crate::simulate::{Setup, Simulation, simulate};

/// A metric of simulated cells.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// Its name, in predicates and results.
    pub name: &'static str,
    /// Its unit; empty for shares, ratios and counts.
    pub unit: &'static str,
    /// What it is, in one line.
    pub help: &'static str,
    /// Whether it is computed if nothing asks for it.
    pub cost: Cost,
    /// Names of settings that only this metric reads, such as a share or a distance.
    pub settings: &'static [&'static str],
    /// Computes it; `None` where the cell has no such figure.
    pub of: fn(&Simulated<'_>) -> Option<f64>,
}

/// Those metrics that read the residency or the lost time of a run.
const READ_TIMES: [&str; 4] = ["lost", "optimized_share", "excess", "over_optimum"];

impl Metric {
    /// Whether the simulation has to keep times for it ([`Setup::times`]).
    pub fn reads_times(&self) -> bool {
        READ_TIMES.contains(&self.name)
    }
}

/// What a metric costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cost {
    /// As good as nothing beside the simulation.
    Cheap,
    /// Computed only where asked for by name: bounds take up to seconds for a program and machine.
    Asked,
}

/// A simulated cell.
pub struct Simulated<'a> {
    /// The name of the program.
    pub name: &'a str,
    /// The program, scaled, and its bounds.
    pub program: &'a Prepared,
    /// All programs of the experiment, for figures that need others.
    pub corpus: &'a Corpus,
    /// How it is simulated.
    pub setup: &'a Setup,
    /// The settings of the cell.
    pub settings: &'a Settings,
    simulation: OnceCell<Simulation>,
}

impl<'a> Simulated<'a> {
    /// A cell whose simulation runs when a metric asks for it.
    pub fn new(
        (name, program): (&'a str, &'a Prepared),
        corpus: &'a Corpus,
        setup: &'a Setup,
        settings: &'a Settings,
    ) -> Self {
        Self {
            name,
            program,
            corpus,
            setup,
            settings,
            simulation: OnceCell::new(),
        }
    }

    /// The simulated run.
    pub fn simulation(&self) -> &Simulation {
        let run = || simulate(&self.program.workload, self.setup);
        self.simulation.get_or_init(run)
    }

    /// Why its simulation has no figures, if that was run and has none.
    pub(super) fn cut(&self) -> Option<String> {
        let cut = self.simulation.get()?.cut.as_ref();
        cut.map(ToString::to_string)
    }

    /// A setting that is a number.
    pub fn number(&self, name: &str) -> Option<f64> {
        self.settings.get(name)?.parse().ok()
    }

    fn wall(&self) -> f64 {
        self.simulation().outcome.wall_ns
    }

    fn cpu(&self) -> f64 {
        let outcome = &self.simulation().outcome;
        outcome.guest_ns + outcome.compile_ns
    }

    fn never(&self) -> f64 {
        self.program.never(&self.setup.machine)
    }

    fn relaxed(&self) -> f64 {
        self.program.relaxed(&self.setup.machine)
    }

    fn iar(&self) -> f64 {
        self.program.iar(&self.setup.machine)
    }

    fn threshold(&self) -> f64 {
        self.program.threshold(&self.setup.machine)
    }
}

/// Declares metrics that are always there.
macro_rules! metrics {
    ($($name:literal $unit:literal $cost:ident $of:expr, $help:literal;)*) => {
        &[$(Metric {
            name: $name,
            unit: $unit,
            help: $help,
            cost: Cost::$cost,
            settings: &[],
            of: |cell| Some($of(cell)),
        },)*]
    };
}

type Cell<'a, 'b> = &'b Simulated<'a>;

/// Nanoseconds as seconds.
fn seconds(ns: f64) -> f64 {
    ns / 1e9
}

const BUILTIN: &[Metric] = metrics! {
    "wall" "s" Cheap |cell: Cell| seconds(cell.wall()), "time from start to end";
    "cpu" "s" Cheap |cell: Cell| seconds(cell.cpu()), "processor time of all threads";
    "guest_cpu" "s" Cheap |cell: Cell| seconds(cell.simulation().outcome.guest_ns),
        "processor time of the guest's thread, but for what it compiles above level 0";
    "compile_cpu" "s" Cheap |cell: Cell| seconds(cell.simulation().outcome.compile_ns),
        "processor time of compiling above level 0";
    "paused" "s" Cheap |cell: Cell| seconds(cell.simulation().outcome.paused_ns),
        "time that the guest's thread stood still because it compiled";
    "lost" "s" Cheap |cell: Cell| seconds(cell.simulation().outcome.lost_ns),
        "the guest's time that its fastest code would not have taken";
    "code_bytes" "bytes" Cheap
        |cell: Cell| cell.simulation().outcome.code_bytes(&cell.program.workload) as f64,
        "machine code that was made";
    "compilations" "" Cheap |cell: Cell| cell.simulation().outcome.jobs.len() as f64,
        "compilations above level 0";
    "requests" "" Cheap |cell: Cell| cell.simulation().requests as f64,
        "requests that were queued";
    "wasted" "" Cheap
        |cell: Cell| cell.simulation().outcome.wasted(&cell.program.workload).len() as f64,
        "compilations that took longer than their code saved";
    "dropped" "" Cheap |cell: Cell| cell.simulation().dropped as f64,
        "requests that found a full queue";
    "stale" "" Cheap |cell: Cell| cell.simulation().stale as f64,
        "requests that the queue dropped as stale";
    "withdrawn" "" Cheap |cell: Cell| cell.simulation().withdrawn as f64,
        "requests that the policy withdrew";
    "asked" "" Cheap |cell: Cell| cell.simulation().asked as f64,
        "how often the policy was asked";
    "optimized_share" "" Cheap |cell: Cell| optimized_share(cell),
        "share of the guest's time in WebAssembly that it spent in code above level 0";
    "optimized_functions" "" Cheap |cell: Cell| optimized_functions(cell),
        "share of the functions that ran which were compiled above level 0";
    "half_work" "s" Cheap
        |cell: Cell| seconds(cell.simulation().outcome.time_of_work(&cell.program.workload, 0.5)),
        "time until half of the work is done";
    "never" "s" Asked |cell: Cell| seconds(cell.never()), "the time without any tier-up";
    "free" "s" Asked |cell: Cell| seconds(cell.program.free()),
        "bound: the time if compiling took none";
    "single" "s" Asked |cell: Cell| seconds(cell.program.single()),
        "bound: the least processor time";
    "infinite" "s" Asked |cell: Cell| seconds(cell.program.infinite()),
        "bound: the time if each function had a compile thread of its own";
    "relaxed" "s" Asked |cell: Cell| seconds(cell.relaxed()),
        "bound: the time if compile threads could be divided";
    "iar" "s" Asked |cell: Cell| seconds(cell.iar()), "the time of a good schedule, in hindsight";
    "threshold" "s" Asked |cell: Cell| seconds(cell.threshold()),
        "the time with the best single threshold, in hindsight";
    "over_never" "" Asked |cell: Cell| cell.wall() / cell.never(), "wall over never";
    "over_free" "" Asked |cell: Cell| cell.wall() / cell.program.free(), "wall over free";
    "over_single" "" Asked |cell: Cell| cell.cpu() / cell.program.single(), "cpu over single";
    "over_infinite" "" Asked |cell: Cell| cell.wall() / cell.program.infinite(),
        "wall over infinite";
    "over_relaxed" "" Asked |cell: Cell| cell.wall() / cell.relaxed(), "wall over relaxed";
    "over_iar" "" Asked |cell: Cell| cell.wall() / cell.iar(), "wall over iar";
    "over_threshold" "" Asked |cell: Cell| cell.wall() / cell.threshold(), "wall over threshold";
    "gained" "" Asked |cell: Cell| (cell.never() - cell.wall()) / (cell.never() - cell.iar()),
        "share of what iar gains over never; without value where it gains nothing";
};

fn optimized_share(cell: &Simulated<'_>) -> f64 {
    let levels = &cell.simulation().outcome.residency_ns;
    let all: f64 = levels.iter().sum();
    levels.iter().skip(1).sum::<f64>() / all
}

fn optimized_functions(cell: &Simulated<'_>) -> f64 {
    let jobs = cell.simulation().outcome.jobs.iter();
    let mut compiled: Vec<usize> = jobs.map(|done| done.job.function).collect();
    compiled.sort_unstable();
    compiled.dedup();
    compiled.len() as f64 / cell.program.workload.by_first_use().len() as f64
}

/// All metrics of simulated cells.
pub fn metrics() -> impl Iterator<Item = &'static Metric> {
    BUILTIN.iter().chain(crate::measure::METRICS)
}

/// A metric that is measured by the clock.
#[derive(Clone, Copy, Debug)]
pub struct WallMetric {
    /// Its name, in predicates and results.
    pub name: &'static str,
    /// Its unit; empty for counts.
    pub unit: &'static str,
    /// Of what it is.
    pub of: Of,
    /// What it is, in one line.
    pub help: &'static str,
}

/// What a metric that is measured by the clock is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// Of each process, or of each iteration if there are several.
    Each,
    /// Of processes that do their work once.
    Process,
    /// Of iterations.
    Iteration,
    /// Of the series of a process' iterations; made from the lines of results, not among them.
    Series,
}

/// Declares metrics that are measured by the clock.
macro_rules! wall {
    ($($name:literal $unit:literal $of:ident, $help:literal;)*) => {
        &[$(WallMetric { name: $name, unit: $unit, of: Of::$of, help: $help },)*]
    };
}

/// All metrics that are measured by the clock. A process' figures are from its start to its end,
/// an iteration's from the program's instantiation to its end, or from a call to its return.
pub const WALL: &[WallMetric] = wall! {
    "wall" "s" Each, "time from start to end";
    "cpu" "s" Each, "processor time of all threads, in the program and in the kernel";
    "compile_cpu" "s" Each, "processor time of compiling in all tiers";
    "guest_cpu" "s" Process, "cpu without compile_cpu";
    "optimize_cpu" "s" Each, "processor time of compiling above the first tier";
    "code_bytes" "bytes" Each, "machine code that was made";
    "requests" "" Each, "requests that were queued";
    "compilations" "" Each, "compilations above the first tier";
    "max_rss" "bytes" Each, "the most memory that was resident, of the whole process";
    "thread_cpu" "s" Iteration,
        "processor time of the thread that runs the program, and compiles where that waits for it";
    "steady" "s" Series, "mean time of an iteration in the last segment of a steady state";
    "warmup_time" "s" Series, "time of the iterations before the steady state";
    "warmup_iterations" "" Series, "number of the iterations before the steady state";
};
