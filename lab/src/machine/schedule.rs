//! Fixed orders of compilation.

use super::{Director, Job, Machine, Outcome, Run, Unit, execute};
use crate::workload::Workload;

/// Functions and levels in the order in which compile threads take them, from the start on and
/// without waiting.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schedule {
    /// The function's position in the trace, and the level.
    pub jobs: Vec<(usize, usize)>,
}

impl Schedule {
    /// Runs the workload under this schedule.
    pub fn execute(&self, workload: &Workload, machine: &Machine) -> Outcome {
        let mut follow = Follow {
            jobs: self.jobs.iter(),
        };
        execute(workload, machine, &mut follow)
    }

    /// When the program ends under this schedule, in nanoseconds.
    pub fn wall_ns(&self, workload: &Workload, machine: &Machine) -> f64 {
        self.execute(workload, machine).wall_ns
    }
}

/// Hands out a schedule's jobs.
struct Follow<'a> {
    jobs: std::slice::Iter<'a, (usize, usize)>,
}

impl Director for Follow<'_> {
    fn next(&mut self, _run: &mut Run<'_>) -> Option<Job> {
        let &(function, level) = self.jobs.next()?;
        Some(Job {
            function,
            level,
            unit: Unit::Function,
        })
    }
}
