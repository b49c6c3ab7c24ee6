//! Figures that follow from an outcome and the work that was done.

use super::Outcome;
use crate::workload::{Code, Stretch, Workload};

impl Outcome {
    /// When a share of the program's work was done, in nanoseconds. Work is measured in time at
    /// level 0; within a slice it is done evenly. Shares outside of 0 to 1 are those of the ends.
    ///
    /// The workload must be the one that was run.
    pub fn time_of_work(&self, workload: &Workload, share: f64) -> f64 {
        let whole: f64 = workload.stretches.iter().map(Stretch::slowest).sum();
        let mut left = whole * share.clamp(0.0, 1.0);
        let mut begun = 0.0;
        for (stretch, &end) in workload.stretches.iter().zip(&self.slice_ends) {
            let work = stretch.slowest();
            if work >= left && work > 0.0 {
                return begun + (end - begun) * left / work;
            }
            left -= work;
            begun = end;
        }
        begun
    }

    /// The compilations that took longer than their code saved in the slices after the one in which
    /// it was published, compared with the code that it replaced.
    ///
    /// The workload must be the one that was run.
    pub fn wasted(&self, workload: &Workload) -> Vec<usize> {
        let mut saved = vec![0.0; self.jobs.len()];
        // For each function, its jobs: the slice, the level before, the level, the job's number.
        let mut jobs = vec![Vec::new(); workload.functions.len()];
        for (number, done) in self.jobs.iter().enumerate() {
            let of_function: &mut Vec<(usize, usize, usize, usize)> = &mut jobs[done.job.function];
            let before = of_function.last().map_or(0, |&(_, _, level, _)| level);
            of_function.push((done.slice, before, done.job.level, number));
        }
        for (slice, stretch) in workload.stretches.iter().enumerate() {
            for part in &stretch.parts {
                for &(published, before, level, number) in &jobs[part.function] {
                    if published < slice {
                        saved[number] += part.ns[before] - part.ns[level];
                    }
                }
            }
        }
        let numbers = 0..self.jobs.len();
        let cost = |number: usize| {
            let job = self.jobs[number].job;
            workload.functions[job.function].job_ns(job)
        };
        numbers
            .filter(|&number| saved[number] < cost(number))
            .collect()
    }

    /// Bytes of machine code that were made: at level 0 for each function that was used, and for
    /// each job.
    ///
    /// The workload must be the one that was run.
    pub fn code_bytes(&self, workload: &Workload) -> u64 {
        let bytes = |code: &Code, level: usize| u64::from(code.code_bytes[level]);
        let first = workload.by_first_use().into_iter();
        let first = first.map(|function| bytes(&workload.functions[function], 0));
        let jobs = self.jobs.iter().map(|done| done.job);
        let jobs = jobs.map(|job| bytes(&workload.functions[job.function], job.level));
        first.chain(jobs).sum()
    }
}

impl Stretch {
    /// The time at level 0.
    fn slowest(&self) -> f64 {
        self.host_ns + self.parts.iter().map(|part| part.ns[0]).sum::<f64>()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{close, two_functions};
    use super::super::{Machine, Schedule};

    #[test]
    fn figures_of_a_run_by_hand() {
        let workload = two_functions();
        let machine = Machine::new(2, 1);
        let outcome = Schedule::of_functions([(0, 1), (1, 1)]).execute(&workload, &machine);
        // As in `code_is_used_from_its_publishing_on`: `f` is published in the first slice at 30,
        // `g` in the second at 90.
        let first = 30.0 + 60.0 * 82.0 / 110.0;
        close(outcome.slice_ends[0], first);
        let share = (90.0 - first - 3.0) / 100.0;
        close(outcome.residency_ns[0], 100.0 * 28.0 / 110.0 + 40.0 * share);
        close(
            outcome.residency_ns[1],
            50.0 * (82.0 / 110.0 + 1.0) + 10.0 * (1.0 - share),
        );
        close(outcome.lost_ns, 50.0 * 28.0 / 110.0 + 30.0 * share);
        // Work: 110 and 150.
        close(outcome.time_of_work(&workload, 0.0), 0.0);
        close(outcome.time_of_work(&workload, 55.0 / 260.0), first / 2.0);
        close(outcome.time_of_work(&workload, 110.0 / 260.0), first);
        close(outcome.time_of_work(&workload, 1.0), outcome.wall_ns);
        // `f` saves 50 in the second slice, for 30; `g` nothing in slices to come, for 60.
        assert_eq!(outcome.wasted(&workload), [1]);
        assert_eq!(outcome.code_bytes(&workload), 300);
    }
}
