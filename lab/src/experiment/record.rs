//! Results: lines of JSON, each of which makes sense alone.
//!
//! ```text
//! {"kind":"environment","environment":"6f2a…","build":"0.1.0 …","machine":{…}}
//! {"kind":"program","program":"python/short","digest":"9c41…"}
//! {"kind":"sample","id":"00f3…","program":"python/short","settings":{"policy":"never"},
//!  "process":0,"environment":"6f2a…","metrics":{"wall":0.71,"cpu":0.69}}
//! {"kind":"failure","id":"00f3…","program":"python/short","process":1,"environment":"6f2a…",
//!  "error":"exit code 134"}
//! ```
//!
//! Of a process with several iterations, each is a line; the first iteration is the last of them,
//! and says that they are all there.
//!
//! A process that was killed may leave a torn last line, which reading drops, and iterations
//! without the first, which the next run cuts off; any other line that is no JSON is an error.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use upshift_profiler::format::Machine;

use super::{CellId, Settings};

/// A line of a file of results.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Line {
    /// Where the samples that name it were made.
    Environment(Environment),
    /// A program that samples are of.
    Program(ProgramDigest),
    /// A measurement.
    Sample(Sample),
    /// A process that could not be measured. It does not count as one.
    Failure(Failure),
}

/// Where samples were made.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Environment {
    /// Its id: a digest of the fields that follow, but for the time.
    pub environment: String,
    /// The version of Upshift, and a digest of what else makes its code.
    pub build: String,
    /// A digest that tells machines of the same kind apart; empty where it does not matter.
    #[serde(default)]
    pub host: String,
    /// The machine.
    pub machine: Machine,
    /// When the run began, in seconds since 1970 UTC.
    #[serde(default)]
    pub started: u64,
}

impl Environment {
    /// This machine, which runs this build, now.
    pub fn current(build: impl Into<String>) -> Self {
        let host = fs::read("/etc/machine-id").unwrap_or_default();
        let host = [host, fs::read("/etc/hostname").unwrap_or_default()].concat();
        let since = std::time::SystemTime::UNIX_EPOCH.elapsed();
        let mut environment = Self {
            build: build.into(),
            host: digest(&host)[..8].to_owned(),
            machine: Machine::current(),
            ..Self::default()
        };
        let fields = format!("{environment:?}");
        environment.environment = digest(fields.as_bytes())[..12].to_owned();
        environment.started = since.map_or(0, |since| since.as_secs());
        environment
    }

    /// The machine in a few words.
    pub fn machine(&self) -> String {
        let machine = &self.machine;
        let virtual_ = if machine.hypervisor { ", virtual" } else { "" };
        format!("{}, {} cores{virtual_}", machine.cpu, machine.cores)
    }
}

/// The digest of a program's file: its trace, or its module. Of an experiment of
/// [`Mode::Both`](super::Mode::Both), which has two, a trace is called `NAME (trace)`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgramDigest {
    /// The program's name.
    pub program: String,
    /// The SHA-256 of the file.
    pub digest: String,
}

/// A measurement of a process.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// The id of the cell; free text in imported results.
    pub id: String,
    /// The program.
    pub program: String,
    /// The settings.
    pub settings: Settings,
    /// The number of the process, from 0.
    pub process: u32,
    /// The number of the iteration within its process, from 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub iteration: u32,
    /// The id of the environment.
    #[serde(default)]
    pub environment: String,
    /// What was measured; what has no value is left out.
    pub metrics: std::collections::BTreeMap<String, f64>,
    /// What was unusual while the process ran.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub anomalies: Vec<String>,
}

/// A process that could not be measured.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The id of the cell.
    pub id: String,
    /// The program.
    pub program: String,
    /// The number of the process.
    pub process: u32,
    /// The id of the environment.
    #[serde(default)]
    pub environment: String,
    /// Why.
    pub error: String,
}

/// What tells samples apart.
pub(super) type Key = (String, u32, u32);

impl Sample {
    /// What tells it apart from other samples of the experiment.
    pub(super) fn key(&self) -> Key {
        (self.id.clone(), self.process, self.iteration)
    }

    /// The id of its cell.
    pub(super) fn cell(&self) -> Option<CellId> {
        self.id.parse().ok()
    }
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde asks with a reference"
)]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// The SHA-256 as hexadecimal digits.
pub(super) fn digest(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Why results can't be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResultsError {
    /// The file can't be opened, read or written.
    #[error("{file}: {error}")]
    Io {
        /// The file.
        file: String,
        /// Why.
        error: std::io::Error,
    },
    /// A line, not the last one, is no result.
    #[error("{file}, line {line}: {error}")]
    Line {
        /// The file.
        file: String,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        error: String,
    },
    /// The file is of another experiment, or another version of it.
    #[error("{file}: {error}")]
    Other {
        /// The file.
        file: String,
        /// What differs.
        error: String,
    },
}

/// The lines of a file of results, and how many bytes they take; what is left is a torn last line.
///
/// # Errors
///
/// If the file can't be read, or a whole line is no result.
pub fn read_results(path: &Path) -> Result<(Vec<Line>, u64), ResultsError> {
    let file = path.display().to_string();
    let bytes = fs::read(path).map_err(|error| ResultsError::Io {
        file: file.clone(),
        error,
    })?;
    parse(&bytes, &file)
}

/// How many of the last lines are of a process whose samples are not all there: its iterations are
/// written from the last to the first.
pub(super) fn torn<'a>(lines: impl DoubleEndedIterator<Item = &'a Line>) -> usize {
    let is_torn = |line: &&Line| matches!(line, Line::Sample(sample) if sample.iteration > 0);
    lines.rev().take_while(is_torn).count()
}

/// The lines of a text, and how many bytes they take.
pub(super) fn parse(bytes: &[u8], file: &str) -> Result<(Vec<Line>, u64), ResultsError> {
    let (lines, length) = parse_placed(bytes, file)?;
    Ok((lines.into_iter().map(|(_, line)| line).collect(), length))
}

/// The lines of a text, each with the position of its first byte, and how many bytes all take.
pub(super) fn parse_placed(
    bytes: &[u8],
    file: &str,
) -> Result<(Vec<(u64, Line)>, u64), ResultsError> {
    let end = bytes.iter().rposition(|byte| *byte == b'\n');
    let whole = &bytes[..end.map_or(0, |end| end + 1)];
    let mut lines = Vec::new();
    let mut at = 0;
    for (number, line) in whole.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let start = at;
        at += line.len() as u64;
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let parsed = serde_json::from_slice(line).map_err(|error| ResultsError::Line {
            file: file.to_owned(),
            line: number + 1,
            error: error.to_string(),
        })?;
        lines.push((start, parsed));
    }
    Ok((lines, at))
}
