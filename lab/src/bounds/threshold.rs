//! The best constant, in hindsight.

use std::collections::VecDeque;

use crate::machine::{Director, Job, Machine, Run, Switch, Unit, execute};
use crate::stats::geomean;
use crate::workload::Workload;

/// Thresholds for each doubling of the work.
const STEPS_PER_OCTAVE: i32 = 8;

/// A threshold and when the program ends with it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Threshold {
    /// Units (calls and iterations) after which a function is requested at the highest level, first
    /// come, first served; infinite if nothing should be. Where that is in a loop that goes on in
    /// OSR entries only, one is requested first.
    pub units: f64,
    /// The time to the end, in nanoseconds.
    pub wall_ns: f64,
}

/// The best threshold for all functions of the program, of eight for each doubling from one unit to
/// the work of the busiest function.
///
/// What separates it from a policy with another threshold is the constant; what separates it from
/// [`iar`](super::iar()) is the rule.
pub fn best_threshold(workload: &Workload, machine: &Machine) -> Threshold {
    let tried = thresholds(workload.most_events()).map(|units| Threshold {
        units,
        wall_ns: with_threshold(workload, machine, units),
    });
    let best = tried.min_by(|first, second| first.wall_ns.total_cmp(&second.wall_ns));
    best.expect("at least one threshold was tried")
}

/// The best threshold for several programs: the one with the least geometric mean of times, and
/// each program's time with it. `None` without programs that take time.
///
/// What separates its times from those of each program's own [`best_threshold`] is what no single
/// constant can gain.
pub fn best_common_threshold(workloads: &[Workload], machine: &Machine) -> Option<(f64, Vec<f64>)> {
    let events = workloads.iter().map(Workload::most_events);
    let tried = thresholds(events.fold(1.0, f64::max)).filter_map(|units| {
        let walls = workloads
            .iter()
            .map(|one| with_threshold(one, machine, units));
        let walls: Vec<f64> = walls.collect();
        let mean = geomean(walls.iter().copied().filter(|wall| *wall > 0.0))?;
        Some((mean, units, walls))
    });
    let best = tried.min_by(|first, second| first.0.total_cmp(&second.0));
    best.map(|(_, units, walls)| (units, walls))
}

/// The thresholds that are tried, up to this one; at last the one that nothing reaches.
fn thresholds(most: f64) -> impl Iterator<Item = f64> {
    let octaves = most.max(1.0).log2().ceil() as i32;
    let steps = (0..=octaves * STEPS_PER_OCTAVE).map(f64::from);
    let units = steps.map(|step| (step / f64::from(STEPS_PER_OCTAVE)).exp2());
    units.chain([f64::INFINITY])
}

/// When the program ends if functions are requested after so many units.
pub(super) fn with_threshold(workload: &Workload, machine: &Machine, units: f64) -> f64 {
    let mut director = AfterUnits {
        units,
        level: workload.levels() - 1,
        needs_osr: machine.switch == Switch::Entry,
        queue: VecDeque::new(),
    };
    execute(workload, machine, &mut director).wall_ns
}

struct AfterUnits {
    units: f64,
    level: usize,
    /// Whether running loops change to other code in OSR entries only.
    needs_osr: bool,
    queue: VecDeque<(usize, Unit)>,
}

impl Director for AfterUnits {
    fn keeps_times(&self) -> bool {
        false
    }

    fn next(&mut self, _run: &mut Run<'_>) -> Option<Job> {
        let (function, unit) = self.queue.pop_front()?;
        let level = self.level;
        Some(Job {
            function,
            level,
            unit,
        })
    }

    fn first_code(&mut self, run: &mut Run<'_>, function: usize) {
        run.set_budget(function, self.units);
    }

    fn exhausted(&mut self, _run: &mut Run<'_>, function: usize, at: Option<u32>) {
        if self.level > 0 {
            let osr = at.filter(|_| self.needs_osr).map(Unit::Loop);
            let units = osr.into_iter().chain([Unit::Function]);
            self.queue.extend(units.map(|unit| (function, unit)));
        }
    }
}
