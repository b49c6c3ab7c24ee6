//! How long a run will take, from a few of its cells.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Instant;

use super::prepared::Cache;
use super::traces::measure;
use super::{Cell, Experiment, Mode, Places, Plan, run_process};

/// How long a run will take.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Duration {
    /// For each program, its processes and the seconds that they take together.
    pub programs: BTreeMap<String, (usize, f64)>,
    /// Threads that share the work.
    pub jobs: usize,
}

impl Duration {
    /// Seconds until the end.
    pub fn seconds(&self) -> f64 {
        let all: f64 = self.programs.values().map(|(_, seconds)| seconds).sum();
        all / self.jobs as f64
    }
}

/// Measures one process of each program, or two simulations, and multiplies. Of cells whose number
/// of processes depends on their intervals, only those that are measured in any case are counted.
///
/// # Errors
///
/// If a program or trace is missing, or a process fails.
pub fn estimate(
    experiment: &Experiment,
    plan: &Plan,
    places: &Places,
    engine: &Path,
    jobs: usize,
) -> Result<Duration, String> {
    let measure = &experiment.measure;
    let simulated = plan.of(|settings| measure.mode.simulates(settings));
    let clocked = plan.of(|settings| measure.mode.measures(settings));
    let mut found = Duration {
        jobs: match measure.mode {
            Mode::Trace => jobs.max(1),
            Mode::Wall | Mode::Both | Mode::Imported => 1,
        },
        ..Duration::default()
    };
    let cache = match simulated.cells.is_empty() {
        true => None,
        false => Some(Cache::read(&experiment.programs, places, measure.effort)?.0),
    };
    for (plan, cache) in [(clocked, None), (simulated, cache)] {
        let share = match (measure.mode, &cache) {
            // One after the other: what is simulated by several threads is ready sooner.
            (Mode::Both, Some(_)) => jobs.max(1) as f64,
            _ => 1.0,
        };
        let part = estimate_part(experiment, &plan, places, engine, cache.as_ref())?;
        for (program, (processes, seconds)) in part {
            let known = found.programs.entry(program).or_default();
            known.0 += processes;
            known.1 += seconds / share;
        }
    }
    Ok(found)
}

/// For each program of a plan that is measured by the clock, or simulated with traces from a cache,
/// its processes and the seconds that they take.
fn estimate_part(
    experiment: &Experiment,
    plan: &Plan,
    places: &Places,
    engine: &Path,
    cache: Option<&Cache>,
) -> Result<BTreeMap<String, (usize, f64)>, String> {
    let mut programs: BTreeMap<&str, Vec<&Cell>> = BTreeMap::new();
    for cell in &plan.cells {
        programs.entry(&cell.program).or_default().push(cell);
    }
    let processes = experiment.measure.processes as usize;
    let mut found = BTreeMap::new();
    for (program, cells) in programs {
        let first = cells[0];
        let all = cells.len() * processes;
        let started = Instant::now();
        let seconds = match cache {
            None => {
                run_process(experiment, places, engine, first, 0)?;
                started.elapsed().as_secs_f64() * all as f64
            }
            Some(cache) => {
                let slot = cache.slot(&Cache::key(first));
                measure(experiment, cache, first, 0, &slot)?;
                let once = started.elapsed().as_secs_f64();
                measure(experiment, cache, first, 0, &slot)?;
                let again = started.elapsed().as_secs_f64() - once;
                // What is computed once for each machine and scale is not in the second time.
                let shared: BTreeSet<_> = cells.iter().map(|cell| machine(cell)).collect();
                again * all as f64 + (once - again).max(0.0) * shared.len() as f64
            }
        };
        found.insert(program.to_owned(), (all, seconds));
    }
    Ok(found)
}

/// What cells share whose bounds are the same.
fn machine(cell: &Cell) -> (String, Vec<Option<&String>>) {
    let names = ["cores", "threads", "nice", "switching"];
    let settings = names.map(|name| cell.settings.get(name));
    (Cache::key(cell), settings.to_vec())
}
