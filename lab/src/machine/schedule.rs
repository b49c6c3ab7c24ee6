//! Fixed orders of compilation.

use super::{Director, Job, Machine, Outcome, Run, Unit, execute};
use crate::workload::Workload;

/// Jobs in the order in which compile threads take them, from the start on and without waiting.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Schedule {
    /// The jobs.
    pub jobs: Vec<Job>,
}

impl Schedule {
    /// The compilations of whole functions at levels.
    pub fn of_functions(jobs: impl IntoIterator<Item = (usize, usize)>) -> Self {
        let jobs = jobs.into_iter().map(|(function, level)| Job {
            function,
            level,
            unit: Unit::Function,
        });
        Self {
            jobs: jobs.collect(),
        }
    }

    /// Runs the workload under this schedule.
    pub fn execute(&self, workload: &Workload, machine: &Machine) -> Outcome {
        let mut follow = Follow {
            jobs: self.jobs.iter(),
            keeps_times: true,
        };
        execute(workload, machine, &mut follow)
    }

    /// When the program ends under this schedule, in nanoseconds.
    pub fn wall_ns(&self, workload: &Workload, machine: &Machine) -> f64 {
        let mut follow = Follow {
            jobs: self.jobs.iter(),
            keeps_times: false,
        };
        execute(workload, machine, &mut follow).wall_ns
    }
}

/// Hands out a schedule's jobs.
struct Follow<'a> {
    jobs: std::slice::Iter<'a, Job>,
    keeps_times: bool,
}

impl Director for Follow<'_> {
    fn next(&mut self, _run: &mut Run<'_>) -> Option<Job> {
        self.jobs.next().copied()
    }

    fn keeps_times(&self) -> bool {
        self.keeps_times
    }
}
