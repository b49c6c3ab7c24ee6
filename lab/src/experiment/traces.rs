//! The runner of simulated cells.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use upshift_tiering::policy::Hint;

use super::metric::Cost;
use super::prepared::{Cache, Prepared, Slot};
use super::record::ResultsError;
use super::setup::{HINTS, of_process};
use super::{
    Cell, Corpus, Environment, Experiment, Failure, Metric, Mode, Places, Plan, Resume, Sample,
    Settings, Simulated, Store, Test, metrics, setup,
};
use crate::measure::Recorded;
use crate::measure::hints::{Origin, hints};
use crate::simulate::Keep;

/// How far a run is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Processes that are to be measured in this run.
    pub planned: usize,
    /// Those that were measured.
    pub measured: usize,
    /// Those that failed.
    pub failed: usize,
}

impl Experiment {
    /// The metrics of simulated cells that are kept.
    fn wanted(&self) -> Vec<&'static Metric> {
        let mut named: BTreeSet<&str> = self.measure.metrics.iter().map(String::as_str).collect();
        let by_default = named.is_empty();
        for statement in &self.verdicts {
            if let Test::Conditions {
                holds,
                partly,
                refuted,
            } = &statement.test
            {
                named.extend(holds.metrics());
                named.extend(partly.iter().flat_map(|partly| partly.metrics()));
                named.extend(refuted.metrics());
            }
            named.extend(statement.effect.iter().flat_map(|effect| effect.metrics()));
        }
        let wanted = |metric: &&Metric| {
            named.contains(metric.name) || by_default && metric.cost == Cost::Cheap
        };
        metrics().filter(wanted).collect()
    }
}

/// Simulates the cells of a plan on `jobs` threads and appends the results to a file. `tell` is
/// called after each process. `stop` ends the run early: what was measured is in the file.
///
/// # Errors
///
/// If a trace is missing or broken, or the file can't be written. Cells that fail are lines of the
/// file and are counted.
pub fn run_traces(
    experiment: &Experiment,
    plan: &Plan,
    places: &Places,
    output: (&Path, Resume, &Environment),
    jobs: usize,
    stop: &AtomicBool,
    tell: &(dyn Fn(Progress) + Sync),
) -> Result<Progress, ResultsError> {
    let (path, resume, environment) = output;
    let measure = &experiment.measure;
    let cache = Cache::read(&experiment.programs, places, measure.effort);
    let (cache, mut digests) = cache.map_err(|error| ResultsError::Other {
        file: "traces".into(),
        error,
    })?;
    if measure.mode == Mode::Both {
        let named = |(name, digest)| (format!("{name} (trace)"), digest);
        digests = digests.into_iter().map(named).collect();
    }
    let store = Store::open(path, resume, measure.mode, environment, &digests)?;
    let mut tasks: Vec<(String, &Cell, u32)> = Vec::new();
    for cell in &plan.cells {
        let (key, id) = (Cache::key(cell), cell.id.to_string());
        let processes = (0..measure.processes).filter(|process| !store.has(&id, *process));
        tasks.extend(processes.map(|process| (key.clone(), cell, process)));
    }
    // Cells of one scaled program are next to each other, so that few are kept at a time.
    tasks.sort_by(|a, b| (&a.0, a.1.id, a.2).cmp(&(&b.0, b.1.id, b.2)));
    let run = Run {
        experiment,
        cache: &cache,
        next: AtomicUsize::new(0),
        written: Mutex::new(Written {
            store,
            error: None,
            progress: Progress {
                planned: tasks.len(),
                ..Progress::default()
            },
        }),
    };
    std::thread::scope(|scope| {
        for _ in 1..jobs.max(1) {
            scope.spawn(|| run.work(&tasks, stop, tell));
        }
        run.work(&tasks, stop, tell);
    });
    let written = run.written.into_inner();
    let written = written.unwrap_or_else(std::sync::PoisonError::into_inner);
    match written.error {
        Some(error) => Err(error),
        None => Ok(written.progress),
    }
}

/// What the threads of a run share.
struct Run<'a> {
    experiment: &'a Experiment,
    cache: &'a Cache,
    next: AtomicUsize,
    written: Mutex<Written>,
}

/// What was written.
struct Written {
    store: Store,
    /// Why nothing more can be written.
    error: Option<ResultsError>,
    progress: Progress,
}

impl Run<'_> {
    /// Measures one task after the other.
    fn work(
        &self,
        tasks: &[(String, &Cell, u32)],
        stop: &AtomicBool,
        tell: &(dyn Fn(Progress) + Sync),
    ) {
        let mut held: Option<(&str, std::sync::Arc<Slot>)> = None;
        while !stop.load(Ordering::Relaxed) {
            let Some((key, cell, process)) = tasks.get(self.next.fetch_add(1, Ordering::Relaxed))
            else {
                return;
            };
            let slot = match &held {
                Some((of, slot)) if of == key => slot,
                _ => &held.insert((key, self.cache.slot(key))).1,
            };
            let sample = measure(self.experiment, self.cache, cell, *process, slot);
            let mut written = self
                .written
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            if written.error.is_some() {
                return;
            }
            let appended = match sample {
                Ok(sample) => {
                    written.progress.measured += 1;
                    written.store.add(vec![sample])
                }
                Err(error) => {
                    written.progress.failed += 1;
                    written.store.fail(Failure {
                        id: cell.id.to_string(),
                        program: cell.program.clone(),
                        process: *process,
                        error,
                        ..Failure::default()
                    })
                }
            };
            if let Err(error) = appended {
                written.error = Some(error);
                return;
            }
            let progress = written.progress;
            drop(written);
            tell(progress);
        }
    }
}

/// What policies are told of the cell's functions. Other runs are searched in the order of their
/// names, from the cell's program on.
fn hints_for(
    corpus: &Corpus,
    cell: &Cell,
    prepared: &Prepared,
) -> Result<Vec<Option<Hint>>, String> {
    let Some(text) = cell.settings.get(HINTS) else {
        return Ok(Vec::new());
    };
    let source: Origin = text.parse()?;
    let (before, after): (Vec<&str>, Vec<&str>) = corpus
        .names()
        .partition(|name| *name < cell.program.as_str());
    let names = after.into_iter().chain(before);
    let others = names.filter(|name| *name != cell.program);
    let recorded = |name| {
        let (trace, workload) = (corpus.trace(name)?, corpus.workload(name)?);
        Some(Recorded { trace, workload })
    };
    let others: Vec<Recorded<'_>> = others.filter_map(recorded).collect();
    let own = Recorded {
        trace: &prepared.trace,
        workload: &prepared.workload,
    };
    let missing = || format!("there is no run for hints from `{text}`");
    hints(source, own, &others).ok_or_else(missing)
}

/// Simulates one process of a cell.
pub(super) fn measure(
    experiment: &Experiment,
    cache: &Cache,
    cell: &Cell,
    process: u32,
    slot: &Slot,
) -> Result<Sample, String> {
    let prepared = cache.prepare(cell, slot);
    let seed = experiment.measure.seed;
    let settings: Settings = of_process(&cell.settings, seed, process);
    let setup = setup(&settings, &prepared.trace.header);
    let mut setup = setup.map_err(|error| error.to_string())?;
    setup.hints = hints_for(cache.corpus(), cell, prepared)?;
    let wanted = experiment.wanted();
    if !wanted.iter().any(|metric| metric.reads_times()) {
        setup.times = Keep::None;
    }
    let simulated = Simulated::new((&cell.program, prepared), cache.corpus(), &setup, &settings);
    let figures = wanted.into_iter().filter_map(|metric| {
        let value = (metric.of)(&simulated)?;
        Some((metric.name.to_owned(), value))
    });
    let metrics = figures.collect();
    if let Some(cut) = simulated.cut() {
        return Err(cut);
    }
    Ok(Sample {
        id: cell.id.to_string(),
        program: cell.program.clone(),
        settings: cell.settings.clone(),
        process,
        metrics,
        ..Sample::default()
    })
}
