//! Traces as simulations need them: read once, scaled once, with bounds that are computed once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use sha2::{Digest, Sha256};

use super::setup::SCALES;
use super::{Cell, Program, setup};
use crate::bounds::{self, Effort};
use crate::machine::{Machine, Schedule};
use crate::trace::Trace;
use crate::workload::{Scale, Workload};

/// Where files are that an experiment names.
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// The folder of the experiment's file, with which paths in it begin.
    pub folder: PathBuf,
    /// More folders in which traces are searched, in this order.
    pub traces: Vec<PathBuf>,
}

impl Places {
    /// The trace of a program: the file that it names, or `NAME.trace`. A slash in the name is a
    /// folder, or a hyphen.
    ///
    /// # Errors
    ///
    /// If there is no such file; the message says where it was searched.
    pub fn trace(&self, program: &Program) -> Result<PathBuf, String> {
        let name = &program.name;
        let names = match &program.trace {
            Some(file) => vec![file.clone()],
            None if name.ends_with(".trace") => vec![name.clone()],
            None if name.contains('/') => vec![
                format!("{name}.trace"),
                format!("{}.trace", name.replace('/', "-")),
            ],
            None => vec![format!("{name}.trace")],
        };
        let folders = std::iter::once(&self.folder).chain(&self.traces);
        let mut paths = folders.flat_map(|folder| names.iter().map(|name| folder.join(name)));
        if let Some(found) = paths.find(|path| path.is_file()) {
            return Ok(found);
        }
        let mut folders = vec![&self.folder];
        folders.extend(&self.traces);
        let folders: Vec<String> = folders
            .into_iter()
            .map(|folder| format!("`{}`", folder.display()))
            .collect();
        Err(format!(
            "there is no trace of {name}: no {} in {}",
            names.join(", "),
            folders.join(", ")
        ))
    }
}

/// A recorded program, as it was or scaled.
#[derive(Debug)]
pub struct Prepared {
    /// The trace, as it was recorded.
    pub trace: Arc<Trace>,
    /// Its work, scaled.
    pub workload: Workload,
    effort: Effort,
    free: OnceLock<f64>,
    single: OnceLock<f64>,
    infinite: OnceLock<f64>,
    machines: Mutex<BTreeMap<String, Arc<OnMachine>>>,
}

/// The bounds of a program on one machine.
#[derive(Debug, Default)]
struct OnMachine {
    never: OnceLock<f64>,
    relaxed: OnceLock<f64>,
    iar: OnceLock<f64>,
    threshold: OnceLock<f64>,
}

impl Prepared {
    /// The program's work with these factors.
    pub fn new(trace: Arc<Trace>, scale: Scale, effort: usize) -> Self {
        let workload = Workload::new(&trace);
        let workload = match scale == Scale::default() {
            true => workload,
            false => workload.scaled(scale),
        };
        Self {
            trace,
            workload,
            effort: Effort { runs: effort },
            free: OnceLock::new(),
            single: OnceLock::new(),
            infinite: OnceLock::new(),
            machines: Mutex::default(),
        }
    }

    fn on(&self, machine: &Machine) -> Arc<OnMachine> {
        let mut machines = self.machines.lock().unwrap_or_else(PoisonError::into_inner);
        machines.entry(format!("{machine:?}")).or_default().clone()
    }

    /// [`bounds::free`], in nanoseconds. Each bound is computed when it is first asked for.
    pub fn free(&self) -> f64 {
        *self.free.get_or_init(|| bounds::free(&self.workload))
    }

    /// [`bounds::single()`].
    pub fn single(&self) -> f64 {
        *self.single.get_or_init(|| bounds::single(&self.workload))
    }

    /// [`bounds::infinite`].
    pub fn infinite(&self) -> f64 {
        let infinite = || bounds::infinite(&self.workload);
        *self.infinite.get_or_init(infinite)
    }

    /// The time without any tier-up.
    pub fn never(&self, machine: &Machine) -> f64 {
        let never = || Schedule::default().wall_ns(&self.workload, machine);
        *self.on(machine).never.get_or_init(never)
    }

    /// [`bounds::relaxed()`].
    pub fn relaxed(&self, machine: &Machine) -> f64 {
        let relaxed = || bounds::relaxed(&self.workload, machine);
        *self.on(machine).relaxed.get_or_init(relaxed)
    }

    /// The time of [`bounds::iar()`].
    pub fn iar(&self, machine: &Machine) -> f64 {
        let iar = || bounds::iar(&self.workload, machine, self.effort).wall_ns;
        *self.on(machine).iar.get_or_init(iar)
    }

    /// The time with [`bounds::best_threshold`].
    pub fn threshold(&self, machine: &Machine) -> f64 {
        let threshold = || bounds::best_threshold(&self.workload, machine).wall_ns;
        *self.on(machine).threshold.get_or_init(threshold)
    }
}

/// The recorded programs of an experiment, unscaled.
#[derive(Debug, Default)]
pub struct Corpus {
    programs: BTreeMap<String, (Arc<Trace>, OnceLock<Workload>)>,
}

impl Corpus {
    /// The programs with these traces.
    pub fn new(traces: impl IntoIterator<Item = (String, Trace)>) -> Self {
        let traces = traces.into_iter();
        let programs = traces.map(|(name, trace)| (name, (Arc::new(trace), OnceLock::new())));
        Self {
            programs: programs.collect(),
        }
    }

    /// The names of the programs, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.programs.keys().map(String::as_str)
    }

    /// A program's trace.
    pub fn trace(&self, program: &str) -> Option<&Arc<Trace>> {
        self.programs.get(program).map(|(trace, _)| trace)
    }

    /// A program's work, made when it is first asked for.
    pub fn workload(&self, program: &str) -> Option<&Workload> {
        let (trace, workload) = self.programs.get(program)?;
        Some(workload.get_or_init(|| Workload::new(trace)))
    }
}

/// The prepared programs of an experiment, by program and scale. Those that no cell is using are
/// freed.
pub(super) struct Cache {
    effort: usize,
    corpus: Corpus,
    prepared: Mutex<BTreeMap<String, Weak<Slot>>>,
}

/// A prepared program, or one that a thread is preparing while others wait.
pub(super) type Slot = OnceLock<Prepared>;

impl Cache {
    /// Reads the traces of programs. Also gives the digest of each file.
    ///
    /// # Errors
    ///
    /// If a file is missing, can't be read or is no trace.
    pub(super) fn read(
        programs: &[Program],
        places: &Places,
        effort: usize,
    ) -> Result<(Self, BTreeMap<String, String>), String> {
        let (mut traces, mut digests) = (BTreeMap::new(), BTreeMap::new());
        for program in programs {
            let (trace, digest) = read(&places.trace(program)?)?;
            traces.insert(program.name.clone(), trace);
            digests.insert(program.name.clone(), digest);
        }
        let prepared = Mutex::default();
        let cache = Self {
            effort,
            corpus: Corpus::new(traces),
            prepared,
        };
        Ok((cache, digests))
    }

    /// The programs.
    pub(super) fn corpus(&self) -> &Corpus {
        &self.corpus
    }

    /// What cells share that have the same prepared program.
    pub(super) fn key(cell: &Cell) -> String {
        let factors = SCALES.map(|name| cell.settings.get(name).map_or("1", String::as_str));
        format!("{}\0{}", cell.program, factors.join("\0"))
    }

    /// The place of a cell's prepared program; keep it for as long as it is used.
    pub(super) fn slot(&self, key: &str) -> Arc<Slot> {
        let mut prepared = self.prepared.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = prepared.get(key).and_then(Weak::upgrade) {
            return slot;
        }
        let slot = Arc::new(Slot::new());
        prepared.insert(key.to_owned(), Arc::downgrade(&slot));
        slot
    }

    /// The cell's prepared program, in its slot.
    pub(super) fn prepare<'a>(&self, cell: &Cell, slot: &'a Slot) -> &'a Prepared {
        slot.get_or_init(|| {
            let trace = self.corpus.trace(&cell.program);
            let trace = trace.expect("the plan's programs were read");
            Prepared::new(Arc::clone(trace), setup::scale(&cell.settings), self.effort)
        })
    }
}

/// A trace and the digest of its file.
fn read(path: &Path) -> Result<(Trace, String), String> {
    let place = path.display();
    let bytes = std::fs::read(path).map_err(|error| format!("{place}: {error}"))?;
    let trace = Trace::read(&bytes).map_err(|error| format!("{place}: {error}"))?;
    let digest = Sha256::digest(&bytes);
    let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok((trace, digest))
}
