//! A schedule that is near to the best, in hindsight.

use fastrand::Rng;

use crate::machine::{Job, Machine, Schedule, Switch, Unit};
use crate::workload::{LEVELS, Workload};

/// Rounds of local changes without a better schedule after which the search ends: each round draws
/// another sample.
const ROUNDS_IN_VAIN: u32 = 4;

/// How many schedules are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effort {
    /// The number of runs in all; each takes time in proportion to the trace.
    pub runs: usize,
}

impl Default for Effort {
    fn default() -> Self {
        Self { runs: 2000 }
    }
}

/// A schedule and when the program ends under it.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// The order of compilations.
    pub schedule: Schedule,
    /// The time to the end, in nanoseconds.
    pub wall_ns: f64,
}

/// The best schedule that is found by *init, append, replace* (Ding et al., ASPLOS 2014) and local
/// changes.
///
/// - *Init*: functions that are worth compiling, at their cheapest level that is, in the order of
///   first use, or by saving over cost. The better of the two orders is kept. Where compile threads
///   would be idle, what saves less than it costs is worth it too, so both are tried.
/// - *Append*: their best levels, where these are others, by saving over cost.
/// - *Replace*: a function's cheap level by its best one, in place, where that helps.
/// - *OSR entries*: where running loops change to other code in these only, a function's entry at
///   its best level stands before its other jobs, if it is worth compiling by what it saves in
///   calls that last and in slices without calls. Schedules without any are tried too.
/// - *Local changes*: an entry is left out, exchanged with the next one, put in or moved to another
///   place, where that helps, until nothing has for some rounds or the effort is used up.
///
/// What it returns can be achieved; that no better schedule exists is not said.
pub fn iar(workload: &Workload, machine: &Machine, effort: Effort) -> Found {
    let mut search = Search {
        workload,
        machine,
        runs: effort.runs.max(1),
        best: Found {
            schedule: Schedule::default(),
            wall_ns: f64::INFINITY,
        },
    };
    search.takes(Vec::new());
    // What saves more than it costs; and, where threads would be idle, what saves anything.
    for share in [1.0, 0.0] {
        let worth = worth(workload, share);
        let savings = by_density(&worth);
        let entries = osr_entries(workload, machine, share);
        let mut by_density: Vec<Saving> = savings.iter().chain(&entries).copied().collect();
        sort_by_density(&mut by_density);
        let by_density = first_of_each(by_density.iter().map(|one| one.job.function));
        for order in [workload.by_first_use(), by_density] {
            search.takes(init_and_append(&worth, &[], &order, &savings));
            if !entries.is_empty() {
                search.takes(init_and_append(&worth, &entries, &order, &savings));
            }
        }
        search.replace(&worth);
    }
    let candidates = worth(workload, 0.0).into_iter().flatten();
    let candidates = candidates.chain(osr_entries(workload, machine, 0.0));
    let candidates: Vec<Job> = candidates.map(|one| one.job).collect();
    search.improve(&candidates);
    search.best
}

/// The functions in their order, each once.
fn first_of_each(functions: impl Iterator<Item = usize>) -> Vec<usize> {
    let mut seen = std::collections::BTreeSet::new();
    functions
        .filter(|&function| seen.insert(function))
        .collect()
}

/// What a job saves over the whole run, and costs.
#[derive(Clone, Copy, Debug)]
struct Saving {
    job: Job,
    cost: f64,
    saves: f64,
}

impl Saving {
    fn gain(&self) -> f64 {
        self.saves - self.cost
    }
}

/// For each function, its levels that save more than a share of what they cost, cheapest first.
fn worth(workload: &Workload, share: f64) -> Vec<Vec<Saving>> {
    let totals = workload.totals();
    let function = |(function, total): (usize, &[f64; LEVELS])| {
        let compile = &workload.functions[function].compile_ns;
        let levels = (1..compile.len()).map(|level| Saving {
            job: Job {
                function,
                level,
                unit: Unit::Function,
            },
            cost: compile[level],
            saves: total[0] - total[level],
        });
        let mut levels: Vec<Saving> = levels.filter(|one| one.saves > share * one.cost).collect();
        levels.sort_by(|first, second| first.cost.total_cmp(&second.cost));
        levels
    };
    totals.iter().enumerate().map(function).collect()
}

/// Each function's best level, by saving over cost.
fn by_density(worth: &[Vec<Saving>]) -> Vec<Saving> {
    let most = |levels: &Vec<Saving>| {
        let levels = levels.iter().copied();
        levels.max_by(|first, second| first.gain().total_cmp(&second.gain()))
    };
    let mut best: Vec<Saving> = worth.iter().filter_map(most).collect();
    sort_by_density(&mut best);
    best
}

fn sort_by_density(savings: &mut [Saving]) {
    let density = |one: &Saving| one.saves / one.cost;
    savings.sort_by(|first, second| density(second).total_cmp(&density(first)));
}

/// The OSR entries that save more than a share of what they cost, at most one for each function, at
/// the level at which it gains most. None where running loops change to other code without.
///
/// An entry serves the part of the iterations in calls that last, and all of a slice without calls.
fn osr_entries(workload: &Workload, machine: &Machine, share: f64) -> Vec<Saving> {
    if machine.switch == Switch::Publish {
        return Vec::new();
    }
    let levels = workload.levels();
    let mut found: Vec<Option<(u32, [f64; LEVELS])>> = vec![None; workload.functions.len()];
    for part in workload.stretches.iter().flat_map(|stretch| &stretch.parts) {
        let Some(&(index, _)) = workload.loops(part).first() else {
            continue;
        };
        let served = match part.entries > 0.0 {
            true => workload.functions[part.function].lasting,
            false => 1.0,
        };
        let (_, saves) = found[part.function].get_or_insert((index, [0.0; LEVELS]));
        for (saves, ns) in saves.iter_mut().zip(part.ns).take(levels) {
            *saves += served * (part.ns[0] - ns);
        }
    }
    let entry = |(function, found): (usize, Option<(u32, [f64; LEVELS])>)| {
        let (index, saves) = found?;
        let at_level = |level: usize| {
            let unit = Unit::Loop(index);
            let job = Job {
                function,
                level,
                unit,
            };
            Saving {
                job,
                cost: workload.job_ns(job),
                saves: saves[level],
            }
        };
        let entries = (1..levels).map(at_level);
        let worth = entries.filter(|one| one.saves > share * one.cost);
        worth.max_by(|first, second| first.gain().total_cmp(&second.gain()))
    };
    found.into_iter().enumerate().filter_map(entry).collect()
}

fn init_and_append(
    worth: &[Vec<Saving>],
    entries: &[Saving],
    order: &[usize],
    best: &[Saving],
) -> Vec<Job> {
    let of_function = |&function: &usize| {
        let entry = entries.iter().find(|one| one.job.function == function);
        entry.into_iter().chain(worth[function].first())
    };
    let init = order.iter().flat_map(of_function).map(|one| one.job);
    let init: Vec<Job> = init.collect();
    let append = best.iter().map(|one| one.job);
    let append: Vec<Job> = append.filter(|job| !init.contains(job)).collect();
    [init, append].concat()
}

/// A search by runs.
struct Search<'a> {
    workload: &'a Workload,
    machine: &'a Machine,
    /// Runs that are left.
    runs: usize,
    best: Found,
}

impl Search<'_> {
    /// Tries a schedule; whether it is better than the best.
    fn takes(&mut self, jobs: Vec<Job>) -> bool {
        if self.runs == 0 {
            return false;
        }
        self.runs -= 1;
        let schedule = Schedule { jobs };
        let wall_ns = schedule.wall_ns(self.workload, self.machine);
        let is_better = wall_ns < self.best.wall_ns;
        if is_better {
            self.best = Found { schedule, wall_ns };
        }
        is_better
    }

    fn replace(&mut self, worth: &[Vec<Saving>]) {
        for levels in worth.iter().filter(|levels| levels.len() > 1) {
            for other in &levels[1..] {
                let mut jobs = self.best.schedule.jobs.clone();
                let of_function =
                    |job: &Job| job.function == other.job.function && job.unit == Unit::Function;
                let first = jobs.iter().position(of_function);
                jobs.retain(|&job| job != other.job);
                if let Some(first) = first.filter(|&first| first < jobs.len()) {
                    jobs[first] = other.job;
                    self.takes(jobs);
                }
            }
        }
    }

    fn improve(&mut self, candidates: &[Job]) {
        let mut random = Rng::with_seed(1);
        let mut in_vain = 0;
        while in_vain < ROUNDS_IN_VAIN && self.runs > 0 {
            let mut helped = false;
            let mut at = 0;
            while at < self.best.schedule.jobs.len() {
                helped |= self.exchange(at) | self.leave_out(at);
                at += 1;
            }
            // Moves over any distance and entries that are missing are too many to try all of, so a
            // sample of them.
            for _ in 0..4 * self.best.schedule.jobs.len() {
                helped |= self.move_one(&mut random) | self.put_in(candidates, &mut random);
            }
            in_vain = if helped { 0 } else { in_vain + 1 };
        }
    }

    fn exchange(&mut self, at: usize) -> bool {
        let mut jobs = self.best.schedule.jobs.clone();
        if at + 1 >= jobs.len() {
            return false;
        }
        jobs.swap(at, at + 1);
        self.takes(jobs)
    }

    fn leave_out(&mut self, at: usize) -> bool {
        let mut jobs = self.best.schedule.jobs.clone();
        if at >= jobs.len() {
            return false;
        }
        jobs.remove(at);
        self.takes(jobs)
    }

    /// Puts a random entry that is missing at a random place.
    fn put_in(&mut self, candidates: &[Job], random: &mut Rng) -> bool {
        let mut jobs = self.best.schedule.jobs.clone();
        let job = candidates[random.usize(..candidates.len())];
        if jobs.contains(&job) {
            return false;
        }
        jobs.insert(random.usize(..=jobs.len()), job);
        self.takes(jobs)
    }

    fn move_one(&mut self, random: &mut Rng) -> bool {
        let mut jobs = self.best.schedule.jobs.clone();
        if jobs.len() < 2 {
            return false;
        }
        let job = jobs.remove(random.usize(..jobs.len()));
        jobs.insert(random.usize(..=jobs.len()), job);
        self.takes(jobs)
    }
}
