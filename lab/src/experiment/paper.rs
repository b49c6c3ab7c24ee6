//! Folders of papers: a claim, the experiment that tests it, its results and the verdict.
//!
//! ```text
//! NAME-YEAR/
//!   README.md         the claim, its source, what differs here, threats
//!   claim.toml        what is claimed, with numbers
//!   experiment.toml   what is run and judged, committed before the run
//!   results/*.jsonl   raw results
//!   verdict.json      what they say, as it is judged again in each test run
//! ```

use std::fs;
use std::path::{Path, PathBuf};

use super::claim::Claim;
use super::folder::jsonl;
use super::record::{ResultsError, read_results};
use super::{
    Experiment, Judgement, MergeError, Mixing, Outcome, PlanError, merge, read_experiment,
};

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
        let mut files = Vec::new();
        let results = folder.join("results");
        let paths = match results.is_dir() {
            true => jsonl(&results)?,
            false => Vec::new(),
        };
        for path in paths {
            files.push(read_results(&path)?.0);
        }
        let mode = experiment.measure.mode;
        let mixing = Mixing::ByMachine;
        let lines = merge(files, mode, mixing)
            .map_err(|error| PaperError::Merge(file("results"), error))?;
        let several = {
            let environments = lines.iter().filter_map(|line| match line {
                super::Line::Sample(sample) => Some(sample.environment.as_str()),
                _ => None,
            });
            environments
                .collect::<std::collections::BTreeSet<_>>()
                .len()
                > 1
        };
        let mixing = match several && mode == super::Mode::Wall {
            true => Mixing::ByMachine,
            false => Mixing::Refuse,
        };
        let judgement = Judgement::new(&experiment, &lines, mixing)
            .map_err(|error| PaperError::Plan(file("experiment.toml"), error))?;
        let committed = match fs::read(folder.join("verdict.json")) {
            Ok(bytes) => Some(
                serde_json::from_slice(&bytes)
                    .map_err(|error| wrong("verdict.json", error.to_string()))?,
            ),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(PaperError::Io(file("verdict.json"), error)),
        };
        Ok(Self {
            folder: folder.to_owned(),
            claim,
            experiment,
            judgement,
            committed,
        })
    }

    /// Whether the experiment was not run yet: it has neither results nor a verdict, and could have
    /// some.
    pub fn is_pending(&self) -> bool {
        let testable = self.judgement.verdict != Outcome::NotTestable;
        testable && self.committed.is_none() && self.judgement.samples == 0
    }

    /// Checks that the committed verdict is what the results say. An experiment that was [not run
    /// yet](Self::is_pending) has none to check.
    ///
    /// # Errors
    ///
    /// If there is none, or it is another one, or some samples belong to no cell of the experiment.
    pub fn verify(&self) -> Result<(), PaperError> {
        if self.is_pending() {
            return Ok(());
        }
        let place = self.folder.display().to_string();
        let mut found = match &self.committed {
            None => vec!["there is no verdict.json; write it with --bless".to_owned()],
            Some(committed) => self.judgement.differences(committed),
        };
        let strangers = self.judgement.strangers;
        if strangers > 0 {
            found.push(format!(
                "{strangers} samples belong to no cell of the experiment"
            ));
        }
        match found.is_empty() {
            true => Ok(()),
            false => Err(PaperError::Differs(place, found.join("; "))),
        }
    }

    /// Writes `verdict.json`.
    ///
    /// # Errors
    ///
    /// If the file can't be written.
    pub fn bless(&self) -> Result<(), PaperError> {
        let path = self.folder.join("verdict.json");
        let mut text = serde_json::to_string_pretty(&self.judgement).expect("keys are texts");
        text.push('\n');
        fs::write(&path, text).map_err(|error| PaperError::Io(path.display().to_string(), error))
    }
}

/// A Markdown table of papers: a row for each claim.
pub fn table(papers: &[Paper]) -> String {
    let mut text = String::from(
        "| Paper | Claim | Number | Verdict | Effect here [95 %] | Machine | Build |\n\
         |---|---|---|---|---|---|---|\n",
    );
    for paper in papers {
        let name = paper
            .folder
            .file_name()
            .unwrap_or_default()
            .to_string_lossy();
        let Claim {
            paper: title,
            venue,
            ..
        } = &paper.claim;
        for claim in &paper.claim.claims {
            let mut rulings = paper.judgement.statements.iter();
            let ruling = rulings.find(|ruling| ruling.id == claim.id);
            let verdict = match (ruling, paper.is_pending()) {
                (_, true) => "not run yet".to_owned(),
                (Some(ruling), false) => ruling.verdict.to_string(),
                (None, false) => String::new(),
            };
            let effect = ruling.and_then(|ruling| ruling.effect);
            let effect = effect.map_or_else(String::new, |effect| {
                let [value, low, high] = [effect.value, effect.low, effect.high].map(short);
                match low == high {
                    true => value,
                    false => format!("{value} [{low}, {high}]"),
                }
            });
            let simulated = paper.experiment.measure.mode == super::Mode::Trace;
            let machine = match simulated {
                true => "simulated".to_owned(),
                false => paper.judgement.machines.join("; "),
            };
            let builds = paper.judgement.builds.join("; ");
            let cells = [
                format!("[{title}]({name}/README.md) ({venue})"),
                claim.text.clone(),
                claim.number.clone(),
                verdict,
                effect,
                machine,
                builds,
            ];
            let cells = cells.map(|cell| cell.replace('|', "\\|").replace('\n', " "));
            text += &format!("| {} |\n", cells.join(" | "));
        }
    }
    text
}

/// Three significant digits or so.
fn short(value: f64) -> String {
    let magnitude = value.abs();
    match magnitude {
        _ if magnitude >= 100.0 => format!("{value:.0}"),
        _ if magnitude >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.3}"),
    }
}
