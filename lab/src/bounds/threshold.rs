//! The best constant, in hindsight.

use std::collections::VecDeque;

use crate::machine::{Director, Job, Machine, Run, Unit, execute};
use crate::workload::Workload;

/// Thresholds for each doubling of the work.
const STEPS_PER_OCTAVE: i32 = 8;

/// A threshold and when the program ends with it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Threshold {
    /// Units (calls and iterations) after which a function is requested at the highest level, first
    /// come, first served; infinite if nothing should be.
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
    let octaves = workload.most_events().max(1.0).log2().ceil() as i32;
    let units = (0..=octaves * STEPS_PER_OCTAVE)
        .map(|step| f64::from(step) / f64::from(STEPS_PER_OCTAVE))
        .map(f64::exp2);
    let tried = units.chain([f64::INFINITY]).map(|units| Threshold {
        units,
        wall_ns: with_threshold(workload, machine, units),
    });
    let best = tried.min_by(|first, second| first.wall_ns.total_cmp(&second.wall_ns));
    best.expect("at least one threshold was tried")
}

/// When the program ends if functions are requested after so many units.
pub(super) fn with_threshold(workload: &Workload, machine: &Machine, units: f64) -> f64 {
    let mut director = AfterUnits {
        units,
        level: workload.levels() - 1,
        queue: VecDeque::new(),
    };
    execute(workload, machine, &mut director).wall_ns
}

struct AfterUnits {
    units: f64,
    level: usize,
    queue: VecDeque<usize>,
}

impl Director for AfterUnits {
    fn next(&mut self, _run: &mut Run<'_>) -> Option<Job> {
        let function = self.queue.pop_front()?;
        Some(Job {
            function,
            level: self.level,
            unit: Unit::Function,
        })
    }

    fn first_code(&mut self, run: &mut Run<'_>, function: usize) {
        run.set_budget(function, self.units);
    }

    fn exhausted(&mut self, _run: &mut Run<'_>, function: usize, _at: Option<u32>) {
        if self.level > 0 {
            self.queue.push_back(function);
        }
    }
}
