//! Several files of results as one.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::record::Key;
use super::{Line, Mode};

/// Whether processes of several builds or machines may be merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mixing {
    /// No: times of two machines are not comparable.
    Refuse,
    /// Yes: each program counts as one for each machine, so that ratios are of one machine.
    ByMachine,
}

/// Why files can't be merged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MergeError {
    /// A program is not the same in all files.
    #[error("{0} is not the same file in all results")]
    Program(String),
    /// Processes of several builds.
    #[error("results of several builds: {0}; times of one build are comparable only")]
    Builds(String),
    /// Processes of several machines.
    #[error("results of several machines: {0}; merge with --by-machine to compare within each")]
    Machines(String),
    /// Two simulations of a cell differ: of two builds.
    #[error("cell {0} has two different results; run it again with one build")]
    Differs(String),
}

/// The lines of several files as those of one: environments, programs, and samples by cell, process
/// and iteration. Failures of processes that have a sample are dropped. Merging what was merged
/// changes nothing, nor does a file that is there twice; of two measurements of one process the
/// first is kept.
///
/// # Errors
///
/// If the files are not of the same programs, builds or machines, or simulations differ.
pub fn merge(
    files: impl IntoIterator<Item = Vec<Line>>,
    mode: Mode,
    mixing: Mixing,
) -> Result<Vec<Line>, MergeError> {
    let mut environments = BTreeMap::new();
    let mut programs: BTreeMap<String, _> = BTreeMap::new();
    let mut samples: HashMap<Key, _> = HashMap::new();
    let mut failures = BTreeMap::new();
    let mut simulated = BTreeSet::new();
    for line in files.into_iter().flatten() {
        match line {
            Line::Environment(line) => {
                environments.entry(line.environment.clone()).or_insert(line);
            }
            Line::Program(line) => {
                let name = line.program.clone();
                let known = programs.entry(name).or_insert_with(|| line.clone());
                if *known != line {
                    return Err(MergeError::Program(line.program));
                }
            }
            Line::Sample(sample) => {
                let metrics = sample.metrics.clone();
                let is_simulated = mode.simulates(&sample.settings);
                if is_simulated {
                    simulated.insert(sample.id.clone());
                }
                let known = samples.entry(sample.key()).or_insert(sample);
                if is_simulated && known.metrics != metrics {
                    return Err(MergeError::Differs(known.id.clone()));
                }
            }
            Line::Failure(failure) => {
                failures.insert((failure.id.clone(), failure.process), failure);
            }
        }
    }
    if mode != Mode::Imported {
        // Of a run that was killed there may be iterations without the first, the last one written.
        let whole = |key: &Key| samples.contains_key(&(key.0.clone(), key.1, 0));
        let torn: Vec<Key> = samples.keys().filter(|key| !whole(key)).cloned().collect();
        torn.iter().for_each(|key| drop(samples.remove(key)));
    }
    if matches!(mode, Mode::Wall | Mode::Both) {
        let made = samples
            .values()
            .filter(|sample| !simulated.contains(&sample.id));
        let made = made.map(|sample| sample.environment.as_str());
        let made: BTreeSet<&str> = made.collect();
        let used = environments.values();
        let used = used.filter(|line| made.contains(line.environment.as_str()));
        let used: Vec<_> = used.collect();
        let builds: BTreeSet<_> = used.iter().map(|line| line.build.clone()).collect();
        if builds.len() > 1 {
            let builds: Vec<String> = builds.into_iter().collect();
            return Err(MergeError::Builds(builds.join(", ")));
        }
        if used.len() > 1 && mixing == Mixing::Refuse {
            let machine =
                |line: &&super::Environment| format!("{} ({})", line.machine(), line.host);
            let machines: Vec<String> = used.iter().map(machine).collect();
            return Err(MergeError::Machines(machines.join("; ")));
        }
    }
    let mut samples: Vec<_> = samples.into_values().collect();
    samples.sort_by_cached_key(super::Sample::key);
    failures.retain(|(id, process), _| {
        let key = |sample: &super::Sample| (sample.id.clone(), sample.process);
        samples
            .binary_search_by(|sample| key(sample).cmp(&(id.clone(), *process)))
            .is_err()
    });
    let lines = environments.into_values().map(Line::Environment);
    let lines = lines.chain(programs.into_values().map(Line::Program));
    let lines = lines.chain(samples.into_iter().map(Line::Sample));
    Ok(lines
        .chain(failures.into_values().map(Line::Failure))
        .collect())
}
