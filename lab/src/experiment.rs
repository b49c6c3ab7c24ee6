//! Experiments: a file says what is run, measured and claimed; results are lines; verdicts follow.
//!
//! An [`Experiment`] is a TOML file that is committed before anything runs. Its
//! [`plan`](Experiment::plan) has a [`Cell`] for each program and each combination of settings.
//! Cells of recorded runs are simulated ([`run_traces`]); for those that need a clock, processes
//! are started ([`run_processes`]). Each measurement is appended to a file of results as one line,
//! so that a run can be killed, resumed, split into [shards](Shard) and merged. The claims are then
//! judged from the lines alone, by [`Judgement::new`].
//!
//! - `file`: the TOML file; `table`: its tables; `braces`: lists within its texts;
//! - `plan`: cells, their ids, shards;
//! - `setup`: settings as a machine, a policy and a queue;
//! - `prepared`: traces of programs and their bounds, computed once;
//! - `metric`: what is known of a simulated cell, by name;
//! - `record`, `store`, `merge`: lines of results, the file that they are appended to, and several
//!   such files as one; `folder`: where they are; `csv`: the same as a table;
//! - `series`: the iterations of a process, classified;
//! - `traces`, `processes`: the runners of simulated cells and of those that need a clock;
//!   `estimate`: how long they will take;
//! - `selectors`: what verdicts can name of a cell's settings, checked before anything runs;
//! - `verdict`: claims judged; `claim`, `paper`: what papers claim, and their folders judged again.

mod braces;
mod claim;
mod csv;
mod estimate;
mod file;
mod folder;
mod merge;
mod metric;
mod paper;
mod plan;
mod prepared;
mod processes;
mod record;
mod selectors;
mod series;
mod setup;
mod store;
mod table;
mod traces;
mod verdict;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use crate::predicate::{Predicate, Quantity};

pub use claim::{Claim, Claimed};
pub use csv::write_csv;
pub use estimate::{Duration, estimate};
pub use file::MAX_ITERATIONS;
pub use file::read as read_experiment;
pub use folder::{GatherError, Gathered, gather, prepare_folder, results_name};
pub use merge::{MergeError, Mixing, merge};
pub use metric::{Cost, Metric, Of, Simulated, WALL, WallMetric, metrics};
pub use paper::{Paper, PaperError, Replication, table as table_of_papers};
pub use plan::{Cell, CellId, MAX_CELLS, Plan, PlanError, Shard};
pub use prepared::{Corpus, Places, Prepared};
pub use processes::{run_process, run_processes};
pub use record::{Environment, Failure, Line, ProgramDigest, ResultsError, Sample, read_results};
pub use series::Series;
pub use setup::{SetupError, setup, simulation, workers};
pub use store::{Resume, Store};
pub use traces::{Progress, run_traces};
pub use verdict::{Effect, Judgement, Outcome, Ruling, rows};

/// What a cell is run with, by name: options of tiering, cores, scales.
pub type Settings = BTreeMap<String, String>;

/// Names with some values each.
pub type Lists = Vec<(String, Vec<String>)>;

/// An experiment.
#[derive(Clone, Debug)]
pub struct Experiment {
    /// Its title.
    pub title: String,
    /// The ids of the claims that it is about.
    pub claims: Vec<String>,
    /// What is run.
    pub programs: Vec<Program>,
    /// How it is measured.
    pub measure: Measure,
    /// Settings of the cells with which others are compared.
    pub base: Option<Settings>,
    /// Settings with their values, of which each combination is a cell; cores included.
    pub grid: Lists,
    /// Combinations that are left out: those that have, for each name, one of its values.
    pub exclude: Vec<Lists>,
    /// What the results are to show.
    pub verdicts: Vec<Statement>,
}

/// A program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Program {
    /// Its name in results, and of its trace where no file is given: `NAME.trace`.
    pub name: String,
    /// The file of its trace.
    pub trace: Option<String>,
    /// The file of its module, for runs by the clock.
    pub file: Option<String>,
    /// Its arguments.
    pub args: Vec<String>,
    /// Options of the command line before the file, such as `--dir=A::B` and `--env=K=V`.
    pub options: Vec<String>,
    /// The exported function that is called instead of the program's start, by the clock.
    pub invoke: Option<String>,
    /// The file of its standard input.
    pub stdin: Option<String>,
}

/// How cells are measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Measure {
    /// Where measurements come from.
    pub mode: Mode,
    /// Processes of each cell, at least. A simulation repeats itself: its processes differ in the
    /// seeds of policies and queues that have one.
    pub processes: u32,
    /// How often each process does the program's work, by the clock: instances one after the other
    /// in one engine, or calls of one function. With more than one, each is a sample.
    pub iterations: u32,
    /// The metric by whose iterations processes are classified.
    pub classify: String,
    /// In which order processes run.
    pub order: Order,
    /// The seed of that order, and of simulated processes.
    pub seed: u64,
    /// When a cell has enough processes.
    pub stop: Stop,
    /// The names of the metrics that are kept. Empty: those that cost no time, and those that the
    /// verdicts name.
    pub metrics: Vec<String>,
    /// Schedules that are tried for the bound `iar`.
    pub effort: usize,
}

/// Where measurements come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Simulations of recorded runs: virtual time, the same figures on each machine.
    #[default]
    Trace,
    /// Processes of this machine.
    Wall,
    /// Both: each combination of settings is measured by the clock and simulated, in cells that
    /// differ in the setting [`BY`]. By the clock, figures are those of the program from its
    /// instantiation to its end, without the start of the process, as simulations have them; and
    /// compile times those above level 0.
    Both,
    /// Other programs, which wrote the lines of results; nothing is planned here, and each line
    /// counts.
    Imported,
}

/// The setting of an experiment of [`Mode::Both`] that tells where a cell's figures come from.
pub const BY: &str = "by";

/// The values of [`BY`], in the order in which they are measured.
pub const SOURCES: [&str; 2] = ["clock", "trace"];

impl Mode {
    /// Whether cells with these settings are simulated.
    pub fn simulates(self, settings: &Settings) -> bool {
        match self {
            Mode::Trace => true,
            Mode::Wall | Mode::Imported => false,
            Mode::Both => settings.get(BY).is_some_and(|by| by == SOURCES[1]),
        }
    }

    /// Whether cells with these settings are measured by the clock.
    pub fn measures(self, settings: &Settings) -> bool {
        matches!(self, Mode::Wall | Mode::Both) && !self.simulates(settings)
    }
}

/// In which order the processes of an experiment run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// Once each cell in a random order, then again in another one.
    #[default]
    Random,
    /// Once each cell by ascending id, then again.
    Listed,
}

/// When a cell has enough processes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Stop {
    /// When it has those that are asked for.
    #[default]
    Fixed,
    /// When it has those and the 95 % interval of its median time is narrow, or it has too many.
    Interval {
        /// Half of the interval, as a share of the median, at most.
        half_width: f64,
        /// Processes at most.
        most: u32,
    },
}

/// A statement that the results are to support or refute.
#[derive(Clone, Debug)]
pub struct Statement {
    /// Its id.
    pub id: String,
    /// What it says.
    pub text: String,
    /// Settings that a result must have to be considered.
    pub only: Settings,
    /// How it is judged.
    pub test: Test,
    /// A figure that says how large the effect is.
    pub effect: Option<Quantity>,
}

/// How a statement is judged.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant)]
pub enum Test {
    /// By conditions on the results.
    Conditions {
        /// When it holds.
        holds: Predicate,
        /// When a part of it holds.
        partly: Option<Predicate>,
        /// When it is refuted.
        refuted: Predicate,
    },
    /// Not at all, for this reason.
    NotTestable(String),
}
