//! What a run of the benchmarks leaves behind: one JSON file, from which tables, pages and
//! comparisons are made.
//!
//! It holds samples, never summaries: a median or an interval is computed by whoever shows it, so a
//! better estimate can be had from an old file.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use crate::metric::Metric;

/// Version of the format that this code writes and reads.
pub const FORMAT: u32 = 2;

/// Everything that one run found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Results {
    /// [`FORMAT`].
    pub format: u32,
    /// Where it was measured.
    pub machine: Machine,
    /// The command that measured it.
    pub command: String,
    /// When it began, in seconds since 1970 UTC.
    pub started: u64,
    /// Whether everything that was planned has been measured.
    pub complete: bool,
    /// Who took part.
    pub engines: Vec<EngineInfo>,
    /// What they ran.
    pub cases: Vec<CaseInfo>,
    /// The samples.
    pub rows: Vec<Row>,
}

/// A machine, as far as its system tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// The processor's name.
    pub cpu: String,
    /// Hardware threads.
    pub threads: usize,
    /// Bytes of memory.
    pub memory: u64,
    /// The kernel's name and version.
    pub kernel: String,
}

/// An engine in one configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineInfo {
    /// Short and unique, such as `wasmtime-winch`.
    pub id: String,
    /// What to call it, such as `Wasmtime Winch`.
    pub name: String,
    /// Its version.
    pub version: String,
    /// How it was configured: flags and settings that differ from the engine's defaults.
    pub flags: String,
    /// Whether it compiles functions when they are first called, in each suite: how long it takes to load a module then
    /// says nothing about its compilers.
    #[serde(default)]
    pub lazy: bool,
}

/// Something that engines ran.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaseInfo {
    /// Which suite it belongs to.
    pub suite: Suite,
    /// Unique in its suite.
    pub name: String,
    /// What it does, in one sentence.
    pub about: String,
    /// Bytes of the module; 0 if it has none.
    pub module_bytes: u64,
    /// Bytes of the module's code section; 0 if it has none.
    pub code_bytes: u64,
    /// Proposals that it needs and that Upshift does not have yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<String>,
}

/// What is measured together.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub enum Suite {
    /// From a module's bytes to a callable module, each engine as it comes and each compiler alone.
    Load,
    /// The same small program again and again in one process.
    Kernels,
    /// Large programs from bytes to exit, in a process of their own.
    Programs,
    /// The cost of one call, by kind.
    Calls,
    /// The cost of one more instance.
    Instances,
    /// What counters and interruption cost.
    Overhead,
}

impl std::fmt::Display for Suite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let value = clap::ValueEnum::to_possible_value(self).expect("no suite is hidden");
        f.pad(value.get_name())
    }
}

/// One engine on one case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The case's suite.
    pub suite: Suite,
    /// The case's name.
    pub case: String,
    /// The engine's id.
    pub engine: String,
    /// One for each process that was launched, in the order in which they ran.
    pub launches: Vec<Launch>,
    /// Why there is nothing to see, in one line: what the engine refused, or what went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
}

/// Why a row has no samples.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "kind", content = "why")]
pub enum Failure {
    /// The engine does not have a feature that the module needs.
    Refused(String),
    /// It should have worked.
    Error(String),
}

/// What one process measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Launch {
    /// Single figures.
    pub figures: BTreeMap<Metric, f64>,
    /// Runs of the program in this process, the first one cold.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub iterations: Vec<Iteration>,
    /// When the engine changed code under the program; only Upshift tells.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<TierEvent>,
    /// SHA-256 of the program's exit code and output, in hex; see [`crate::task`].
    #[serde(skip_serializing_if = "String::is_empty")]
    pub output: String,
}

/// One run of a program.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Iteration {
    /// When it began, in seconds since the process began to load the module.
    pub at: f64,
    /// Seconds that passed.
    pub wall: f64,
    /// Seconds of processor time, over all threads of the process.
    pub cpu: f64,
}

/// A function or loop moved to another tier.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TierEvent {
    /// When, in seconds since the process began to load the module.
    pub at: f64,
    /// What: `optimized` (code was published) or `osr` (code for a running loop was published).
    pub what: String,
    /// Which function.
    pub function: String,
}

impl Results {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// If there is none, or it is not of this [`FORMAT`].
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
        let value: serde_json::Value =
            serde_json::from_str(&text).with_context(|| path.display().to_string())?;
        ensure!(
            value["format"] == FORMAT,
            "{}: its format is {}, this program reads {FORMAT}; measure again",
            path.display(),
            value["format"]
        );
        serde_json::from_value(value).with_context(|| path.display().to_string())
    }

    /// Writes a file so that whoever reads it, or an interruption, never sees half of it.
    ///
    /// # Errors
    ///
    /// If the file can't be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        let partial = path.with_extension("json.partial");
        let json = serde_json::to_string(self)?;
        std::fs::write(&partial, json).with_context(|| partial.display().to_string())?;
        std::fs::rename(&partial, path).with_context(|| path.display().to_string())
    }

    /// The row of an engine on a case.
    pub fn row(&self, suite: Suite, case: &str, engine: &str) -> Option<&Row> {
        self.rows
            .iter()
            .find(|row| row.suite == suite && row.case == case && row.engine == engine)
    }

    /// A suite's cases, in order.
    pub fn cases(&self, suite: Suite) -> impl Iterator<Item = &CaseInfo> {
        self.cases.iter().filter(move |case| case.suite == suite)
    }

    /// Engines that have a row in a suite, in order.
    pub fn engines(&self, suite: Suite) -> impl Iterator<Item = &EngineInfo> {
        let takes_part = move |engine: &&EngineInfo| {
            let mut rows = self.rows.iter();
            rows.any(|row| row.suite == suite && row.engine == engine.id)
        };
        self.engines.iter().filter(takes_part)
    }
}

impl Row {
    /// A figure of each launch that has it.
    pub fn samples(&self, metric: Metric) -> Vec<f64> {
        let figure = |launch: &Launch| launch.figures.get(&metric).copied();
        self.launches.iter().filter_map(figure).collect()
    }
}
