//! Folders of papers: a claim, the experiment that tests it, its results and the verdict.
//!
//! ```text
//! NAME-YEAR/
//!   README.md         the claim, its source, what differs here, threats
//!   claim.toml        what is claimed, with numbers
//!   experiment.toml   what is run and judged, committed before the run
//!   results/*.jsonl   raw results
//!   verdict.json      what they say, as it is judged again in each test run
//!   again/MACHINE/    the same on other traces or another machine: results, verdict.json
//! ```

mod table;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::claim::Claim;
use super::folder::jsonl;
use super::record::{ResultsError, read_results};
use super::{
    Experiment, Judgement, Line, MergeError, Mixing, Mode, Outcome, PlanError, merge,
    read_experiment,
};

pub use table::table;

/// The name of the file with what results say.
const VERDICT: &str = "verdict.json";

/// A paper's folder, read whole.
#[derive(Clone, Debug)]
pub struct Paper {
    /// The folder.
    pub folder: PathBuf,
    /// What it claims.
    pub claim: Claim,
    /// How that is tested.
    pub experiment: Experiment,
    /// What the results say, judged now.
    pub judgement: Judgement,
    /// What `verdict.json` says, if there is one.
    pub committed: Option<Judgement>,
    /// The experiment done again elsewhere, in the order of names.
    pub again: Vec<Replication>,
}

/// An experiment done again, on other traces or another machine: a folder in `again/`.
#[derive(Clone, Debug)]
pub struct Replication {
    /// The folder.
    pub folder: PathBuf,
    /// What its results say, judged now.
    pub judgement: Judgement,
    /// What its `verdict.json` says, if there is one.
    pub committed: Option<Judgement>,
}

impl Replication {
    fn read(experiment: &Experiment, folder: PathBuf) -> Result<Self, PaperError> {
        Ok(Self {
            judgement: judge(experiment, &folder)?,
            committed: committed(&folder)?,
            folder,
        })
    }
}

/// What is wrong with a paper's folder.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PaperError {
    /// A file can't be read.
    #[error("{0}: {1}")]
    Io(String, std::io::Error),
    /// A file of the folder makes no sense.
    #[error("{0}: {1}")]
    File(String, String),
    /// The results can't be read.
    #[error(transparent)]
    Results(#[from] ResultsError),
    /// The results are of several programs, builds or machines.
    #[error("{0}: {1}")]
    Merge(String, MergeError),
    /// The experiment has no cells.
    #[error("{0}: {1}")]
    Plan(String, PlanError),
    /// What was committed is not what the results say.
    #[error("{0}: {1}")]
    Differs(String, String),
}

impl Paper {
    /// Reads and judges a folder.
    ///
    /// # Errors
    ///
    /// If a file is missing or makes no sense, or a statement has no claim or a claim no statement.
    pub fn read(folder: &Path) -> Result<Self, PaperError> {
        let file = |name: &str| folder.join(name).display().to_string();
        let read = |name: &str| {
            let text = fs::read_to_string(folder.join(name));
            text.map_err(|error| PaperError::Io(file(name), error))
        };
        let wrong = |name: &str, error: String| PaperError::File(file(name), error);
        let claim: Claim = Claim::parse(&read("claim.toml")?)
            .map_err(|error| wrong("claim.toml", error.to_string()))?;
        let experiment = read_experiment(&read("experiment.toml")?)
            .map_err(|error| wrong("experiment.toml", error.to_string()))?;
        read("README.md")?;
        for statement in &experiment.verdicts {
            if claim.claims.iter().all(|claim| claim.id != statement.id) {
                let error = format!("`{}` is no claim of claim.toml", statement.id);
                return Err(wrong("experiment.toml", error));
            }
        }
        for claim in &claim.claims {
            let mut statements = experiment.verdicts.iter();
            if statements.all(|statement| statement.id != claim.id) {
                let error = format!("no [[verdict]] judges the claim `{}`", claim.id);
                return Err(wrong("claim.toml", error));
            }
        }
        let mut again = Vec::new();
        for folder in folders(&folder.join("again"))? {
            again.push(Replication::read(&experiment, folder)?);
        }
        Ok(Self {
            folder: folder.to_owned(),
            judgement: judge(&experiment, &folder.join("results"))?,
            committed: committed(folder)?,
            claim,
            experiment,
            again,
        })
    }

    /// Whether the experiment was not run yet: it has neither results nor a verdict, and could have
    /// some.
    pub fn is_pending(&self) -> bool {
        let testable = self.judgement.verdict != Outcome::NotTestable;
        testable && self.committed.is_none() && self.judgement.samples == 0
    }

    /// Checks that the committed verdicts are what the results say. An experiment that was [not run
    /// yet](Self::is_pending) has none to check.
    ///
    /// # Errors
    ///
    /// If one is missing, or is another one, or some samples belong to no cell of the experiment.
    pub fn verify(&self) -> Result<(), PaperError> {
        if !self.is_pending() {
            compare(&self.folder, &self.judgement, self.committed.as_ref())?;
        }
        for Replication {
            folder,
            judgement,
            committed,
        } in &self.again
        {
            compare(folder, judgement, committed.as_ref())?;
        }
        Ok(())
    }

    /// Writes `verdict.json`, here and in the folders of `again/`.
    ///
    /// # Errors
    ///
    /// If a file can't be written.
    pub fn bless(&self) -> Result<(), PaperError> {
        if !self.is_pending() {
            write_verdict(&self.folder, &self.judgement)?;
        }
        for Replication {
            folder, judgement, ..
        } in &self.again
        {
            write_verdict(folder, judgement)?;
        }
        Ok(())
    }
}

/// The folders in a folder, by name; none where there is no such folder.
fn folders(folder: &Path) -> Result<Vec<PathBuf>, PaperError> {
    let io = |error| PaperError::Io(folder.display().to_string(), error);
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(io)? {
        let path = entry.map_err(io)?.path();
        if path.is_dir() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// What the results in a folder say; nothing where there are none.
fn judge(experiment: &Experiment, results: &Path) -> Result<Judgement, PaperError> {
    let place = || results.display().to_string();
    let mut files = Vec::new();
    if results.is_dir() {
        for path in jsonl(results)? {
            files.push(read_results(&path)?.0);
        }
    }
    let mode = experiment.measure.mode;
    let lines =
        merge(files, mode, Mixing::ByMachine).map_err(|error| PaperError::Merge(place(), error))?;
    let environments: BTreeSet<&str> = lines
        .iter()
        .filter_map(|line| match line {
            Line::Sample(sample) => Some(sample.environment.as_str()),
            _ => None,
        })
        .collect();
    let mixing = match environments.len() > 1 && mode != Mode::Trace {
        true => Mixing::ByMachine,
        false => Mixing::Refuse,
    };
    Judgement::new(experiment, &lines, mixing).map_err(|error| PaperError::Plan(place(), error))
}

/// What a folder's `verdict.json` says, if there is one.
fn committed(folder: &Path) -> Result<Option<Judgement>, PaperError> {
    let path = folder.join(VERDICT);
    let place = || path.display().to_string();
    match fs::read(&path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|error| PaperError::File(place(), error.to_string())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(PaperError::Io(place(), error)),
    }
}

/// Compares what results say with what was committed of them.
fn compare(
    folder: &Path,
    judgement: &Judgement,
    committed: Option<&Judgement>,
) -> Result<(), PaperError> {
    let mut found = match committed {
        None => vec!["there is no verdict.json; write it with --bless".to_owned()],
        Some(committed) => judgement.differences(committed),
    };
    if judgement.strangers > 0 {
        found.push(format!(
            "{} samples belong to no cell of the experiment",
            judgement.strangers
        ));
    }
    match found.is_empty() {
        true => Ok(()),
        false => Err(PaperError::Differs(
            folder.display().to_string(),
            found.join("; "),
        )),
    }
}

/// Writes a folder's `verdict.json`.
fn write_verdict(folder: &Path, judgement: &Judgement) -> Result<(), PaperError> {
    let path = folder.join(VERDICT);
    let mut text = serde_json::to_string_pretty(judgement).expect("keys are texts");
    text.push('\n');
    fs::write(&path, text).map_err(|error| PaperError::Io(path.display().to_string(), error))
}
