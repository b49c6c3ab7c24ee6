//! The file that results are appended to, line by line, so that a run can be killed at any time.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::Path;

use super::record::{Key, Line, ResultsError, parse_placed, torn};
use super::{Environment, Failure, Mode, ProgramDigest, Sample};

/// Whether a file of results may exist already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resume {
    /// It must not.
    New,
    /// What is in it is not measured again.
    Resume,
}

/// A file of results that is appended to.
#[derive(Debug)]
pub struct Store {
    file: File,
    name: String,
    mode: Mode,
    environment: String,
    samples: BTreeMap<String, Vec<Sample>>,
    done: BTreeSet<Key>,
}

impl Store {
    /// Opens the file and writes where the samples to come are made.
    ///
    /// A torn last line of an earlier run is cut off. Samples of processes are written through to
    /// the disk; simulated ones, which can be repeated, are left to the system.
    ///
    /// # Errors
    ///
    /// If the file exists and should not; is being written by another run; can't be read or
    /// written; has programs with other digests; or has samples of processes that another build or
    /// machine made.
    pub fn open(
        path: &Path,
        resume: Resume,
        mode: Mode,
        environment: &Environment,
        digests: &BTreeMap<String, String>,
    ) -> Result<Self, ResultsError> {
        let name = path.display().to_string();
        let io = |error| ResultsError::Io {
            file: name.clone(),
            error,
        };
        let other = |error: String| ResultsError::Other {
            file: name.clone(),
            error,
        };
        let mut options = OpenOptions::new();
        options.read(true).write(true);
        let mut file = match resume {
            Resume::New => options.create_new(true).open(path),
            Resume::Resume => options.create(true).truncate(false).open(path),
        }
        .map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => other(
                "there are results already; go on with --resume, or choose another folder".into(),
            ),
            _ => io(error),
        })?;
        // Two runs that append to one file would overwrite each other's lines.
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(other("another run is writing these results".into()));
            }
            // Some file systems have no locks.
            Err(TryLockError::Error(_)) => {}
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(io)?;
        let (mut lines, mut length) = parse_placed(&bytes, &name)?;
        let torn = torn(lines.iter().map(|(_, line)| line));
        if torn > 0 {
            let first = lines.len() - torn;
            length = lines[first].0;
            lines.truncate(first);
        }
        file.set_len(length).map_err(io)?;
        file.seek(SeekFrom::Start(length)).map_err(io)?;
        let mut store = Self {
            file,
            name: name.clone(),
            mode,
            environment: environment.environment.clone(),
            samples: BTreeMap::new(),
            done: BTreeSet::new(),
        };
        let mut known = BTreeSet::new();
        let mut is_named = false;
        for (_, line) in lines {
            match line {
                Line::Program(ProgramDigest { program, digest }) => {
                    if digests.get(&program).is_some_and(|now| *now != digest) {
                        return Err(other(format!("{program} was another file then")));
                    }
                    known.insert(program);
                }
                Line::Environment(line) => {
                    let same = line.environment == environment.environment;
                    is_named |= same;
                    if !same && matches!(mode, Mode::Wall | Mode::Both) {
                        return Err(other(
                            "another build or machine made these results; times of two are not \
                             comparable: choose another folder, and merge with --by-machine"
                                .into(),
                        ));
                    }
                }
                Line::Sample(sample) => {
                    store.done.insert(sample.key());
                    store.keep(sample);
                }
                Line::Failure(_) => {}
            }
        }
        if !is_named {
            store.append(&[Line::Environment(environment.clone())])?;
        }
        for (program, digest) in digests.iter().filter(|pair| !known.contains(pair.0)) {
            let (program, digest) = (program.clone(), digest.clone());
            store.append(&[Line::Program(ProgramDigest { program, digest })])?;
        }
        Ok(store)
    }

    /// The samples of a cell: those that were there, and those that were added.
    pub fn of(&self, id: &str) -> impl Iterator<Item = &Sample> {
        self.samples.get(id).into_iter().flatten()
    }

    /// Keeps what a rule to stop needs; simulated samples, of which there may be very many, are in
    /// the file only.
    fn keep(&mut self, sample: Sample) {
        if self.mode.measures(&sample.settings) {
            self.samples
                .entry(sample.id.clone())
                .or_default()
                .push(sample);
        }
    }

    /// Whether there is a sample of the cell's process.
    pub fn has(&self, id: &str, process: u32) -> bool {
        self.done.contains(&(id.to_owned(), process, 0))
    }

    /// Adds the samples of a process, which are in the file when this returns.
    ///
    /// # Errors
    ///
    /// If the file can't be written, for example because the disk is full. The lines before it are
    /// whole; [`open`](Self::open) cuts off what is there of this one.
    pub fn add(&mut self, mut samples: Vec<Sample>) -> Result<(), ResultsError> {
        // The first iteration is written last: where it is, the others are.
        samples.sort_by_key(|sample| std::cmp::Reverse(sample.iteration));
        for sample in &mut samples {
            sample.environment.clone_from(&self.environment);
            sample.metrics.retain(|_, value| value.is_finite());
        }
        let lines: Vec<Line> = samples.iter().cloned().map(Line::Sample).collect();
        self.append(&lines)?;
        for sample in samples {
            self.done.insert(sample.key());
            self.keep(sample);
        }
        Ok(())
    }

    /// Adds that a process failed.
    ///
    /// # Errors
    ///
    /// As [`add`](Self::add).
    pub fn fail(&mut self, mut failure: Failure) -> Result<(), ResultsError> {
        failure.environment.clone_from(&self.environment);
        self.append(&[Line::Failure(failure)])
    }

    fn append(&mut self, lines: &[Line]) -> Result<(), ResultsError> {
        let mut text = Vec::new();
        for line in lines {
            serde_json::to_writer(&mut text, line).expect("lines have texts for keys");
            text.push(b'\n');
        }
        let is_durable = lines.iter().any(|line| match line {
            Line::Sample(sample) => self.mode.measures(&sample.settings),
            _ => self.mode != Mode::Trace,
        });
        let written = self.file.write_all(&text);
        let written = written.and_then(|()| match is_durable {
            true => self.file.sync_data(),
            false => Ok(()),
        });
        written.map_err(|error| ResultsError::Io {
            file: self.name.clone(),
            error,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A process whose iterations are not all there is cut off, with the empty lines in it.
    #[test]
    fn torn_iterations_are_cut_off() {
        let name = format!("upshift-torn-{}.jsonl", std::process::id());
        let path = std::env::temp_dir().join(name);
        let open = |resume| {
            let (environment, digests) = (Environment::default(), BTreeMap::new());
            Store::open(&path, resume, Mode::Trace, &environment, &digests)
        };
        let sample = |process, iteration| Sample {
            process,
            iteration,
            ..Sample::default()
        };
        let mut store = open(Resume::New).unwrap();
        store.add(vec![sample(0, 0), sample(0, 1)]).unwrap();
        drop(store);
        let whole = std::fs::read(&path).unwrap();
        let mut torn = whole.clone();
        for iteration in [2, 1] {
            torn.extend(b"  \n\n");
            serde_json::to_writer(&mut torn, &Line::Sample(sample(1, iteration))).unwrap();
            torn.push(b'\n');
        }
        torn.extend(b"{\"sample\":");
        std::fs::write(&path, torn).unwrap();
        let store = open(Resume::Resume).unwrap();
        assert!(store.has("", 0) && !store.has("", 1));
        drop(store);
        let left = std::fs::read(&path).unwrap();
        assert_eq!(left.trim_ascii_end(), whole.trim_ascii_end());
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn one_run_writes_a_file_at_a_time() {
        let name = format!("upshift-store-{}.jsonl", std::process::id());
        let path = std::env::temp_dir().join(name);
        let open = |resume| {
            let (environment, digests) = (Environment::default(), BTreeMap::new());
            Store::open(&path, resume, Mode::Trace, &environment, &digests)
        };
        let first = open(Resume::New).unwrap();
        let error = open(Resume::Resume).unwrap_err().to_string();
        assert!(
            error.ends_with("another run is writing these results"),
            "{error}"
        );
        drop(first);
        open(Resume::Resume).unwrap();
        std::fs::remove_file(path).unwrap();
    }
}
