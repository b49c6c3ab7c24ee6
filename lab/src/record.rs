//! From what was measured in several runs of one program to a [`Trace`].
//!
//! A program is run once while it counts ([`Counted`]), and several times in code of one level only
//! ([`LevelRun`]), while a sampler notes where its thread is. That gives, without a clock in the
//! program's code:
//!
//! - **how much a function takes at a level**: its share of the samples, of the thread's processor
//!   time. Code of higher levels is made as in a usual run, after the code below has noted some
//!   calls' targets, so that part of the function's work is missing and is added in proportion;
//!   where most would be missing, a run tells in which code of that level is made at once. A
//!   few samples are added and divided by what functions executed, for those that no sample found.
//!   At higher levels, functions with few samples are taken to be more like the average: the
//!   estimate is the mean of a gamma distribution, whose prior (as if up to [`PRIOR`] samples had
//!   been seen) is what the function takes at level 0, faster by the program's average;
//! - **how that is divided among its sites**: by the number of operators that a pass of each site
//!   executes, as samples don't tell loops apart;
//! - **which of its iterations are made in calls that last**: those of a main loop stay in the code
//!   in which it began, however often other calls come to better code. That part is seen in a run
//!   without OSR entries, in the samples in code of the level below;
//! - **what happens outside of WebAssembly**: the samples that are in no function's code, near in
//!   time ([`WINDOW`]).
//!
//! Compiling a function at level 0 is taken to cost what its first call takes besides, too.
//!
//! Times of the counting run are scaled so that their sum is that of the runs at level 0: counting
//! each site apart costs a little more or less than counting for tiering.

mod estimate;
mod slices;

use upshift_tiering::Weights;

use crate::trace::{Cost, Counting, Function, Header, Level, Loop, Slice, Trace};

/// How many samples the expectation of a function's time weighs as.
pub const PRIOR: f64 = 4.0;

/// How many samples before and behind tell which part of a slice is outside of WebAssembly.
pub const WINDOW: usize = 20;

/// A place at which a function counts: its entry, or a loop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SiteShape {
    /// Where the loop begins, in bytes from the start of the body; 0 for the entry.
    pub offset: u32,
    /// The number of loops around it; 0 for the entry.
    pub depth: u32,
    /// The operators that a pass executes.
    pub operators: u32,
}

/// A function that the program's module defines.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Code {
    /// Its index among the functions that the module defines.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// The length of its body, in bytes.
    pub body_bytes: u32,
    /// Its entry, and its loops in their order.
    pub sites: Vec<SiteShape>,
}

/// The run that counted.
#[derive(Clone, Debug, Default)]
pub struct Counted {
    /// All functions that the module defines, by ascending index.
    pub functions: Vec<Code>,
    /// What they did; functions of counts are positions in `functions`, host times are 0.
    pub slices: Vec<Slice>,
    /// Where the thread was, in samples that lie equally far from each other in its processor time,
    /// from the first slice's begin to the last one's end.
    pub places: Vec<Place>,
}

/// Where a sample found the program's thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In a function's code.
    Code,
    /// Elsewhere: in a host function, or in the runtime.
    Host,
}

/// A run in which functions came to code of one level, compiled by the program's thread: each after
/// so many units of its budget, at the level below, that what is learned there is known.
#[derive(Clone, Debug, Default)]
pub struct LevelRun {
    /// Processor time of the program's thread, in nanoseconds.
    pub cpu_ns: f64,
    /// The units after which functions came to the level: 0 for the lowest.
    pub after_units: f64,
    /// Samples in each function's code of the level, in the order of [`Counted::functions`].
    pub samples: Vec<u32>,
    /// Samples in each function's code of the level below.
    pub below: Vec<u32>,
    /// Samples elsewhere.
    pub elsewhere: u32,
    /// Processor time of all compilations, in nanoseconds.
    pub compile_ns: f64,
    /// What compiling each function took; `None` where it was not compiled, or no events were kept.
    pub compiled: Vec<Option<Compiled>>,
    /// The mean time of compiling an OSR entry of each function, in nanoseconds, likewise.
    pub osr_ns: Vec<Option<f64>>,
}

/// What compiling a function took.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Compiled {
    /// Processor time, in nanoseconds.
    pub ns: f64,
    /// Bytes of machine code.
    pub code_bytes: u32,
}

/// All runs of a program.
#[derive(Clone, Debug, Default)]
pub struct Runs {
    /// The run that counted.
    pub counted: Counted,
    /// For each level of [`Header::levels`], from the lowest, its runs.
    pub levels: Vec<Vec<LevelRun>>,
    /// A run at the highest level in which running loops stayed in the code they began in.
    pub without_osr: Option<LevelRun>,
    /// What calls and iterations take from a budget.
    pub weights: Weights,
}

/// Why runs make no trace.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unusable {
    /// Without counts there is nothing to simulate.
    #[error("the program called no function that could be counted")]
    NoCounts,
    /// Times come from samples.
    #[error(
        "the runs at level {0} have {1} samples in WebAssembly: too few; let the program do more"
    )]
    Samples(usize, u32),
    /// Each level needs a run.
    #[error("there are runs of {runs} levels, and the header names {levels}")]
    Levels {
        /// Levels with runs.
        runs: usize,
        /// Levels of the header.
        levels: usize,
    },
}

/// The least number of samples in WebAssembly from which the times of a level are told.
const FEWEST_SAMPLES: u32 = 20;

impl Runs {
    /// The trace of the runs. Functions that did nothing are left out; the header is given their
    /// number and size.
    ///
    /// # Errors
    ///
    /// If the program did too little, or a level has no runs.
    pub fn trace(&self, mut header: Header) -> Result<Trace, Unusable> {
        let (runs, levels) = (self.levels.len(), header.levels.len());
        if runs != levels || self.levels.iter().any(Vec::is_empty) {
            return Err(Unusable::Levels { runs, levels });
        }
        let passes = slices::passes(&self.counted);
        if passes.iter().flatten().all(|passes| *passes == 0) {
            return Err(Unusable::NoCounts);
        }
        for (number, runs) in self.levels.iter().enumerate() {
            let samples = runs.iter().flat_map(|run| &run.samples).sum();
            if samples < FEWEST_SAMPLES {
                return Err(Unusable::Samples(number, samples));
            }
        }
        let bodies = self.counted.functions.iter();
        header.module_bytes = bodies.map(|code| u64::from(code.body_bytes)).sum();
        header.module_funcs = self.counted.functions.len() as u32;
        let mut costs = estimate::costs(self, &passes);
        let lasting = estimate::lasting(self, &passes, &costs);
        let osr = estimate::osr_parts(self, &costs);
        let used: Vec<usize> = (0..passes.len())
            .filter(|&function| passes[function].iter().any(|passes| *passes > 0))
            .collect();
        let mut times = estimate::times(&self.levels[0]);
        // In the run that counts, all code is there from the start: what else is outside of
        // WebAssembly at level 0 is what first calls take besides compiling.
        let host_ns = slices::host_ns(&self.counted).min(times.host_ns);
        let first_call_ns = (times.host_ns - host_ns) / used.len() as f64;
        times.host_ns = host_ns;
        for &position in &used {
            costs[position][0].compile_ns += first_call_ns;
        }
        let slices = slices::timed(&self.counted, &used, &times);
        let functions = used.iter().map(|&position| {
            let code = &self.counted.functions[position];
            Function {
                index: code.index,
                name: code.name.clone(),
                body_bytes: code.body_bytes,
                loops: code.sites[1..].iter().map(SiteShape::as_loop).collect(),
                lasting: lasting[position],
                osr_part: osr[position],
                costs: costs[position].clone(),
            }
        });
        Ok(Trace {
            functions: functions.collect(),
            header,
            slices,
            complete: true,
        })
    }
}

impl SiteShape {
    fn as_loop(&self) -> Loop {
        Loop {
            offset: self.offset,
            depth: self.depth,
        }
    }
}

/// The levels of a ladder: all but the highest count.
pub fn levels<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> Vec<Level> {
    let highest = names.len().saturating_sub(1);
    let level = |(number, name): (usize, &str)| Level {
        name: name.to_owned(),
        counting: match number == highest && number > 0 {
            true => Counting::Silent,
            false => Counting::Counts,
        },
    };
    names.enumerate().map(level).collect()
}

/// A function's costs at each level.
type Costs = Vec<Cost>;

#[cfg(test)]
mod tests;
