//! The best schedule, by branch and bound.

use super::iar::{Effort, Found, iar};
use super::relaxed::{Capacity, Relaxation};
use crate::machine::{Machine, Schedule, Switch};
use crate::workload::{LEVELS, Workload};

/// The highest number of functions that are worth compiling.
const MAX_FUNCTIONS: usize = 12;

/// Why there is no exact answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TooHard {
    /// There are too many orders.
    #[error("{0} functions that a compilation may help; the exact optimum is for at most 12")]
    Functions(usize),
    /// The search was given up.
    #[error("no end after {0} steps of the search")]
    Steps(usize),
    /// Waiting may then be better than compiling, and schedules don't wait.
    #[error("compile threads that share cores with the guest, or disturb it")]
    Disturbance,
    /// Code that comes early may then be worse than none.
    #[error("function {0} has a level that is slower than a lower one in some slice")]
    Slower(usize),
}

/// The best schedule of all, for few functions, and where compile threads disturb the guest in
/// nothing and higher levels are never slower.
///
/// Then a thread that waits gains nothing: each schedule is one in which threads take jobs in some
/// order without waiting, done no later (sort its jobs by when they begin). Branch and bound tries
/// these orders. A beginning of an order is given up if not even a machine that may divide and deal
/// anew what the threads can do from then on (as in [`relaxed`](super::relaxed())) would be faster
/// than the best schedule known, at first the one of [`iar`](super::iar()).
///
/// # Errors
///
/// If the conditions don't hold, or the search is not over after `steps`.
pub fn exact(workload: &Workload, machine: &Machine, steps: usize) -> Result<Found, TooHard> {
    let is_calm = machine.slowdown.iter().all(|&factor| factor == 1.0);
    let has_cores = machine.workers > 0 && machine.cores > machine.workers;
    if !is_calm || !has_cores || machine.switch != Switch::Publish {
        return Err(TooHard::Disturbance);
    }
    let levels = workload.levels();
    for part in workload.stretches.iter().flat_map(|stretch| &stretch.parts) {
        if !part.ns[..levels].is_sorted_by(|lower, higher| lower >= higher) {
            return Err(TooHard::Slower(part.function));
        }
    }
    let totals = workload.totals();
    let helps = |&function: &usize| {
        let total: &[f64; LEVELS] = &totals[function];
        total[levels - 1] < total[0]
    };
    let functions: Vec<usize> = workload.by_first_use().into_iter().filter(helps).collect();
    if functions.len() > MAX_FUNCTIONS {
        return Err(TooHard::Functions(functions.len()));
    }
    let mut search = Search {
        workload,
        machine,
        functions,
        best: iar(workload, machine, Effort { runs: 200 }),
        steps,
    };
    let workers = vec![0.0; machine.workers as usize];
    let ready = vec![Vec::new(); workload.functions.len()];
    let is_over = search.extend(&mut Vec::new(), &workers, &ready);
    is_over.then_some(search.best).ok_or(TooHard::Steps(steps))
}

struct Search<'a> {
    workload: &'a Workload,
    machine: &'a Machine,
    /// The functions that a compilation may help.
    functions: Vec<usize>,
    best: Found,
    /// Steps that are left.
    steps: usize,
}

/// For each function, its levels and when they are ready.
type Ready = Vec<Vec<(usize, f64)>>;

impl Search<'_> {
    /// Tries all ways to go on after `jobs`, whose levels are ready at `ready` and after which
    /// threads are free at `workers`, in ascending order. Whether the steps were enough.
    fn extend(&mut self, jobs: &mut Vec<(usize, usize)>, workers: &[f64], ready: &Ready) -> bool {
        if self.steps == 0 {
            return false;
        }
        self.steps -= 1;
        let free = workers[0];
        let mut followers = Vec::new();
        for &function in &self.functions {
            for level in 1..self.workload.levels() {
                let known = &ready[function];
                let done = workers[0] + self.workload.functions[function].compile_ns[level];
                // A level that comes no earlier than a higher one is of no use.
                let is_late =
                    |&(other, at): &(usize, f64)| other == level || other > level && at <= done;
                if known.iter().any(is_late) {
                    continue;
                }
                let (next, ready) = self.followed(function, level, workers, ready);
                let bound = self.bound(&next, &ready);
                followers.push((bound, (function, level), next, ready));
            }
        }
        if followers.is_empty() || free >= self.best.wall_ns {
            let schedule = Schedule::of_functions(jobs.iter().copied());
            let wall_ns = schedule.wall_ns(self.workload, self.machine);
            if wall_ns < self.best.wall_ns {
                self.best = Found { schedule, wall_ns };
            }
            return true;
        }
        followers.sort_by(|first, second| first.0.total_cmp(&second.0));
        for (bound, job, next, ready) in followers {
            if bound >= self.best.wall_ns {
                break;
            }
            jobs.push(job);
            let is_over = self.extend(jobs, &next, &ready);
            jobs.pop();
            if !is_over {
                return false;
            }
        }
        true
    }

    /// When threads are free and levels ready if the first free thread takes a job.
    fn followed(
        &self,
        function: usize,
        level: usize,
        workers: &[f64],
        ready: &Ready,
    ) -> (Vec<f64>, Ready) {
        let done = workers[0] + self.workload.functions[function].compile_ns[level];
        let mut workers = workers.to_vec();
        workers[0] = done;
        workers.sort_by(f64::total_cmp);
        let mut ready = ready.clone();
        ready[function].push((level, done));
        (workers, ready)
    }

    fn bound(&self, workers: &[f64], ready: &Ready) -> f64 {
        let relaxation = Relaxation {
            workload: self.workload,
            capacity: Capacity::From(workers.to_vec()),
            fixed: ready.clone(),
            from: workers[0],
        };
        relaxation.walk()
    }
}
