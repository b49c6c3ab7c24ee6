//! Folders of results: the experiment's file and the files of results beside it.
//!
//! A run writes `experiment.toml`, as it was when the run began, and `results.jsonl`, or
//! `results.3-of-16.jsonl` for a shard; several shards may share a folder.

use std::fs;
use std::path::{Path, PathBuf};

use super::record::ResultsError;
use super::{Experiment, Line, MergeError, Mixing, Shard, merge, read_experiment, read_results};

/// The name of the experiment's file.
const EXPERIMENT: &str = "experiment.toml";

/// The name of the file of results of a shard.
pub fn results_name(shard: Shard) -> String {
    match shard == Shard::WHOLE {
        true => "results.jsonl".to_owned(),
        false => format!("results.{}-of-{}.jsonl", shard.index, shard.of),
    }
}

/// Makes a folder for the results of an experiment with this text.
///
/// # Errors
///
/// If it can't be made, or is the folder of another experiment.
pub fn prepare_folder(folder: &Path, text: &str) -> Result<(), ResultsError> {
    let path = folder.join(EXPERIMENT);
    let name = || path.display().to_string();
    let io = |error| ResultsError::Io {
        file: name(),
        error,
    };
    fs::create_dir_all(folder).map_err(io)?;
    match fs::read_to_string(&path) {
        Ok(before) if before == text => Ok(()),
        Ok(_) => Err(ResultsError::Other {
            file: name(),
            error: "the folder is that of another experiment, or of an earlier version of this one"
                .into(),
        }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            // Shards that start at the same time write the same.
            let part = folder.join(format!(".{EXPERIMENT}.{}", std::process::id()));
            let written = fs::write(&part, text).and_then(|()| fs::rename(&part, &path));
            written.map_err(io)
        }
        Err(error) => Err(io(error)),
    }
}

/// Results, with the experiment that they are of.
#[derive(Clone, Debug)]
pub struct Gathered {
    /// The experiment.
    pub experiment: Experiment,
    /// Its file.
    pub text: String,
    /// The results, merged.
    pub lines: Vec<Line>,
}

/// Why results can't be gathered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GatherError {
    /// A file can't be read.
    #[error(transparent)]
    Results(#[from] ResultsError),
    /// They can't be merged.
    #[error(transparent)]
    Merge(#[from] MergeError),
    /// There is no experiment, it makes no sense, or there are several.
    #[error("{0}")]
    Experiment(String),
}

/// Reads and merges the results in folders and files. The experiment is the file given, or the one
/// in the folders.
///
/// # Errors
///
/// If there is not exactly one experiment, something can't be read, or results can't be merged.
pub fn gather(
    paths: &[PathBuf],
    experiment: Option<&Path>,
    mixing: Mixing,
) -> Result<Gathered, GatherError> {
    let mut texts: Vec<(PathBuf, String)> = Vec::new();
    let mut files = Vec::new();
    let read = |path: &Path| {
        fs::read_to_string(path).map_err(|error| ResultsError::Io {
            file: path.display().to_string(),
            error,
        })
    };
    if let Some(path) = experiment {
        texts.push((path.to_owned(), read(path)?));
    }
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let file = path.join(EXPERIMENT);
        if experiment.is_none() && file.is_file() {
            let text = read(&file)?;
            texts.push((file, text));
        }
        files.extend(jsonl(path)?);
        let below = path.join("results");
        if below.is_dir() {
            files.extend(jsonl(&below)?);
        }
    }
    let Some((path, text)) = texts.first().cloned() else {
        let error = "no experiment.toml beside the results: name it with --experiment";
        return Err(GatherError::Experiment(error.into()));
    };
    if let Some((other, _)) = texts.iter().find(|(_, other)| *other != text) {
        let (path, other) = (path.display(), other.display());
        let error = format!("`{path}` and `{other}` are different experiments");
        return Err(GatherError::Experiment(error));
    }
    let experiment = read_experiment(&text)
        .map_err(|error| GatherError::Experiment(format!("{}: {error}", path.display())))?;
    let mut lines = Vec::new();
    for file in files {
        lines.push(read_results(&file)?.0);
    }
    let lines = merge(lines, experiment.measure.mode, mixing)?;
    Ok(Gathered {
        experiment,
        text,
        lines,
    })
}

/// The files of results in a folder, by name.
pub(super) fn jsonl(folder: &Path) -> Result<Vec<PathBuf>, ResultsError> {
    let io = |error| ResultsError::Io {
        file: folder.display().to_string(),
        error,
    };
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(io)? {
        let path = entry.map_err(io)?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "jsonl")
        {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}
