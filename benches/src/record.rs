//! The results of a run of the benchmarks: one JSON file, from which tables, pages and comparisons
//! are made.
//!
//! It contains samples, never summaries: medians and intervals are computed where they are shown,
//! so better estimates can be made from an old file.

use std::collections::BTreeMap;
use std::io::{BufReader, Write as _};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};

use crate::metric::Metric;

/// The version of the format that this code writes and reads.
pub const FORMAT: u32 = 2;

/// What files compressed by gzip begin with.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// The results of one run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Results {
    /// The version of the format: [`FORMAT`].
    pub format: u32,
    /// The machine that was measured.
    pub machine: Machine,
    /// The command that measured.
    pub command: String,
    /// When the run began, in seconds since 1970 UTC.
    pub started: u64,
    /// Whether everything that was planned has been measured.
    pub complete: bool,
    /// The engines that took part.
    pub engines: Vec<EngineInfo>,
    /// The cases that they ran.
    pub cases: Vec<CaseInfo>,
    /// The samples.
    pub rows: Vec<Row>,
}

/// A machine, as its system describes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// The processor's name.
    pub cpu: String,
    /// The number of hardware threads.
    pub threads: usize,
    /// The size of memory in bytes.
    pub memory: u64,
    /// The kernel's name and version.
    pub kernel: String,
}

/// An engine in one configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineInfo {
    /// A short, unique id, such as `wasmtime-winch`.
    pub id: String,
    /// The name in tables, such as `Wasmtime Winch`.
    pub name: String,
    /// The engine's version.
    pub version: String,
    /// Flags and settings that differ from the engine's defaults.
    pub flags: String,
    /// Whether the engine compiles functions when they are first called, in each suite: then its
    /// load time says nothing about its compilers.
    #[serde(default)]
    pub lazy: bool,
}

/// A case: a program or module that engines ran.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaseInfo {
    /// The suite that the case belongs to.
    pub suite: Suite,
    /// The case's name, unique in its suite.
    pub name: String,
    /// What the case does, in one sentence.
    pub about: String,
    /// Bytes of the module; 0 if it has none.
    pub module_bytes: u64,
    /// Bytes of the module's code section; 0 if it has none.
    pub code_bytes: u64,
    /// Proposals that the case needs and that Upshift does not have yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<String>,
}

/// A group of cases that are measured alike.
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
    /// Loading: from a module's bytes to a callable module, each engine as it comes and each
    /// compiler alone.
    Load,
    /// Kernels: the same small program repeatedly in one process.
    Kernels,
    /// Libraries: real libraries, each repeatedly in one process.
    Libraries,
    /// Programs: large programs from bytes to exit, in a process of their own.
    Programs,
    /// Calls: the cost of one call, by kind.
    Calls,
    /// Instances: the cost of one more instance.
    Instances,
    /// Overhead: the cost of counters and interruption.
    Overhead,
}

impl std::fmt::Display for Suite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let value = clap::ValueEnum::to_possible_value(self).expect("no suite is hidden");
        f.pad(value.get_name())
    }
}

/// The samples of one engine on one case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The case's suite.
    pub suite: Suite,
    /// The case's name.
    pub case: String,
    /// The engine's id.
    pub engine: String,
    /// One launch for each process, in the order in which they ran.
    pub launches: Vec<Launch>,
    /// Why there are no samples, in one line: what the engine refused, or what went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
}

/// The reason why a row has no samples.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "kind", content = "why")]
pub enum Failure {
    /// The engine does not have a feature that the module needs.
    Refused(String),
    /// The engine failed, though it has all features that the module needs.
    Error(String),
}

/// The measurements of one process.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Launch {
    /// Figures by metric.
    pub figures: BTreeMap<Metric, f64>,
    /// Runs of the program in this process, the first one cold.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub iterations: Vec<Iteration>,
    /// Tier changes while the program ran; only Upshift reports them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<TierEvent>,
    /// SHA-256 of the program's exit code and output, in hex; see [`crate::task`].
    #[serde(skip_serializing_if = "String::is_empty")]
    pub output: String,
}

/// One run of a program.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Iteration {
    /// When the run began, in seconds since the process began to load the module.
    pub at: f64,
    /// Wall time in seconds.
    pub wall: f64,
    /// Processor time in seconds, over all threads of the process.
    pub cpu: f64,
}

/// The change of a function or loop to another tier.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TierEvent {
    /// When it changed, in seconds since the process began to load the module.
    pub at: f64,
    /// The kind of change: `optimized` (code was published) or `osr` (an OSR entry was installed).
    pub what: String,
    /// The name of the function.
    pub function: String,
}

impl Results {
    /// Reads results from a file, which may be compressed by gzip.
    ///
    /// # Errors
    ///
    /// If there is no such file, or it is not of this [`FORMAT`].
    pub fn read(path: &Path) -> Result<Self> {
        let place = || path.display().to_string();
        let file = std::fs::read(path).with_context(place)?;
        let value: serde_json::Value = match file.starts_with(&GZIP) {
            true => serde_json::from_reader(BufReader::new(GzDecoder::new(&file[..]))),
            false => serde_json::from_slice(&file),
        }
        .with_context(place)?;
        ensure!(
            value["format"] == FORMAT,
            "{}: its format is {}, this program reads {FORMAT}; measure again",
            path.display(),
            value["format"]
        );
        serde_json::from_value(value).with_context(|| path.display().to_string())
    }

    /// Writes results to a file, compressed if its name ends with `.gz`, and atomically: neither
    /// readers nor an interruption see half of it.
    ///
    /// # Errors
    ///
    /// If the file can't be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        let partial = path.with_extension("json.partial");
        let mut json = serde_json::to_vec(self)?;
        if path.extension().is_some_and(|extension| extension == "gz") {
            let mut compressed = GzEncoder::new(Vec::new(), Compression::best());
            compressed.write_all(&json)?;
            json = compressed.finish()?;
        }
        std::fs::write(&partial, json).with_context(|| partial.display().to_string())?;
        std::fs::rename(&partial, path).with_context(|| path.display().to_string())
    }

    /// The row of an engine on a case.
    pub fn row(&self, suite: Suite, case: &str, engine: &str) -> Option<&Row> {
        self.rows
            .iter()
            .find(|row| row.suite == suite && row.case == case && row.engine == engine)
    }

    /// The cases of a suite, in order.
    pub fn cases(&self, suite: Suite) -> impl Iterator<Item = &CaseInfo> {
        self.cases.iter().filter(move |case| case.suite == suite)
    }

    /// The engines that have a row in a suite, in order.
    pub fn engines(&self, suite: Suite) -> impl Iterator<Item = &EngineInfo> {
        let takes_part = move |engine: &&EngineInfo| {
            let mut rows = self.rows.iter();
            rows.any(|row| row.suite == suite && row.engine == engine.id)
        };
        self.engines.iter().filter(takes_part)
    }
}

impl Row {
    /// The figure of each launch that has it.
    pub fn samples(&self, metric: Metric) -> Vec<f64> {
        let figure = |launch: &Launch| launch.figures.get(&metric).copied();
        self.launches.iter().filter_map(figure).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::places;

    #[test]
    fn files_are_compressed_by_name_and_read_either_way() {
        let root = &places::find().expect("tests run in the tree").tree;
        let committed = root.join("benches/results/2026-11.json.gz");
        let results = Results::read(&committed).expect("the committed run");
        let folder = std::env::temp_dir().join(format!("upshift-results-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let [plain, compressed] = ["a.json", "b.json.gz"].map(|name| folder.join(name));
        for path in [&plain, &compressed] {
            results.write(path).expect("written");
            assert!(Results::read(path).expect("read") == results);
        }
        let size = |path| std::fs::metadata(path).expect("a file").len();
        assert!(size(&compressed) * 3 < size(&plain));
        std::fs::write(&compressed, [&GZIP[..], &[8, 0, 0]].concat()).expect("written");
        assert!(Results::read(&compressed).is_err(), "a torn file is said");
        std::fs::remove_dir_all(&folder).expect("removed");
    }
}
