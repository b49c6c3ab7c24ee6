//! The run of a workload, from event to event.

use std::collections::BTreeSet;

use super::{Machine, Switch};
use crate::trace::Counting;
use crate::workload::{Part, Stretch, Workload};

/// What a compile thread is asked to do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Job {
    /// The position of the function in the trace.
    pub function: usize,
    /// The level: above 0.
    pub level: usize,
    /// What of it.
    pub unit: Unit,
}

/// What a job compiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// The function, for calls.
    Function,
    /// An OSR entry at this loop. Takes as long as the function.
    Loop(u32),
}

/// A job that was done.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Done {
    /// The job.
    pub job: Job,
    /// When a thread began with it, in nanoseconds.
    pub started: f64,
    /// When its code was published.
    pub published: f64,
}

/// Decides what is compiled.
///
/// Functions are positions in the trace. Methods are called between two events, and may change
/// budgets and wake-ups through the [`Run`].
pub trait Director {
    /// The job for a compile thread that has none; asked after each event.
    fn next(&mut self, run: &mut Run<'_>) -> Option<Job>;

    /// The function has got its first code and is about to run it.
    fn first_code(&mut self, _run: &mut Run<'_>, _function: usize) {}

    /// The function's budget is used up, at a loop or (`None`) at its entry.
    fn exhausted(&mut self, _run: &mut Run<'_>, _function: usize, _at: Option<u32>) {}

    /// A loop whose budget is used up goes on in its OSR entry. Called once for each entry that was
    /// published and then once for each slice in which the function is called.
    fn entered(&mut self, _run: &mut Run<'_>, _function: usize, _at: u32) {}

    /// Code was published.
    fn published(&mut self, _run: &mut Run<'_>, _done: Done) {}

    /// The time has come that was set by [`Run::wake`].
    fn woken(&mut self, _run: &mut Run<'_>, _function: usize) {}
}

/// What a run took. Times are in nanoseconds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// From the start to the program's end.
    pub wall_ns: f64,
    /// Processor time of the guest's thread.
    pub guest_ns: f64,
    /// Processor time of compile threads, or of the guest's thread in their place.
    pub compile_ns: f64,
    /// How long the guest's thread stood still because it compiled: at level 0, or without compile
    /// threads.
    pub paused_ns: f64,
    /// What was compiled, in the order of publishing.
    pub jobs: Vec<Done>,
}

/// A run in virtual time. See [`execute`].
#[derive(Debug)]
pub struct Run<'w> {
    workload: &'w Workload,
    machine: &'w Machine,
    now: f64,
    /// The number of the slice.
    slice: usize,
    states: Vec<State>,
    workers: Vec<Option<Busy>>,
    /// Wake-ups: the bits of their times (which are not negative, so that bits order as times do)
    /// and the function.
    alarms: BTreeSet<(u64, usize)>,
    random: fastrand::Rng,
    outcome: Outcome,
}

/// The state of a function.
#[derive(Clone, Debug)]
struct State {
    is_used: bool,
    /// The level that new calls run.
    calls: usize,
    /// The level of its OSR entries; 0 without.
    osr: usize,
    /// The level of the code that runs.
    running: usize,
    /// The last slice in which a loop went on in an OSR entry; `None` since one was published.
    entered: Option<usize>,
    /// The last budget, and the units that are left of it.
    budget: f64,
    left: f64,
    alarm: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
struct Busy {
    job: Job,
    started: f64,
    left: f64,
}

/// How far the guest came before an event.
enum Advance {
    /// All the way.
    Whole,
    /// This share of it; then the levels may have changed.
    Share(f64),
}

/// Runs a workload.
pub fn execute(workload: &Workload, machine: &Machine, director: &mut dyn Director) -> Outcome {
    let state = State {
        is_used: false,
        calls: 0,
        osr: 0,
        running: 0,
        entered: None,
        budget: f64::INFINITY,
        left: f64::INFINITY,
        alarm: None,
    };
    let mut run = Run {
        workload,
        machine,
        now: 0.0,
        slice: 0,
        states: vec![state; workload.functions.len()],
        workers: vec![None; machine.workers as usize],
        alarms: BTreeSet::new(),
        random: fastrand::Rng::with_seed(1),
        outcome: Outcome::default(),
    };
    run.serve(director);
    for (slice, stretch) in workload.stretches.iter().enumerate() {
        run.slice = slice;
        run.first_uses(stretch, director);
        run.stretch(stretch, director);
    }
    run.outcome.wall_ns = run.now;
    run.outcome
}

impl Run<'_> {
    /// The time since the start, in nanoseconds.
    pub fn now(&self) -> f64 {
        self.now
    }

    /// The level that calls of the function run.
    pub fn level(&self, function: usize) -> usize {
        self.states[function].calls
    }

    /// The number of compile threads that have a job.
    pub fn busy_workers(&self) -> usize {
        self.workers.iter().flatten().count()
    }

    /// Sets after how many units the function's budget is used up: at least one, which is less than
    /// any count; infinite for never.
    pub fn set_budget(&mut self, function: usize, units: f64) {
        let state = &mut self.states[function];
        state.budget = units.max(1.0);
        state.left = state.budget;
    }

    /// The units that are left of the function's budget.
    pub fn budget_left(&self, function: usize) -> f64 {
        self.states[function].left
    }

    /// Calls the director again for this function after a time, in place of an earlier wake-up.
    pub fn wake(&mut self, function: usize, after_ns: f64) {
        let at = (self.now + after_ns.max(0.0)).to_bits();
        if let Some(earlier) = self.states[function].alarm.replace(at) {
            self.alarms.remove(&(earlier, function));
        }
        self.alarms.insert((at, function));
    }

    /// The guest's first code for what it is about to use.
    fn first_uses(&mut self, stretch: &Stretch, director: &mut dyn Director) {
        for part in &stretch.parts {
            let function = part.function;
            if std::mem::replace(&mut self.states[function].is_used, true) {
                continue;
            }
            let mut left = self.workload.functions[function].compile_ns[0];
            let begun = self.now;
            while self.states[function].calls == 0 {
                match self.advance(left, director) {
                    Advance::Whole => break,
                    Advance::Share(share) => left *= 1.0 - share,
                }
            }
            self.outcome.paused_ns += self.now - begun;
            director.first_code(self, function);
            self.serve(director);
        }
    }

    fn stretch(&mut self, stretch: &Stretch, director: &mut dyn Director) {
        let mut left = 1.0;
        loop {
            if let Some((function, at)) = self.switch(stretch) {
                director.entered(self, function, at);
                self.serve(director);
                continue;
            }
            let running = |part: &Part| part.ns[self.states[part.function].running];
            let whole = stretch.host_ns + stretch.parts.iter().map(running).sum::<f64>();
            let (step, hit) = self.next_exhaustion(stretch, left);
            let done = match self.advance(whole * step, director) {
                Advance::Whole => step,
                Advance::Share(share) => share * step,
            };
            let is_whole = done == step;
            left = (left - done).max(0.0);
            for part in &stretch.parts {
                if self.counts(part.function) {
                    self.states[part.function].left -= done * part.units();
                }
            }
            match hit.filter(|_| is_whole) {
                Some(part) => self.exhaust(&stretch.parts[part], director),
                None if is_whole => return,
                None => {}
            }
        }
    }

    /// The share of a stretch after which the first budget is used up, and the part whose it is; or
    /// what is left of the stretch.
    fn next_exhaustion(&self, stretch: &Stretch, left: f64) -> (f64, Option<usize>) {
        let mut next = (left, None);
        for (position, part) in stretch.parts.iter().enumerate() {
            let share = self.states[part.function].left.max(0.0) / part.units();
            if share < next.0 && self.counts(part.function) {
                next = (share, Some(position));
            }
        }
        next
    }

    fn exhaust(&mut self, part: &Part, director: &mut dyn Director) {
        self.states[part.function].left = f64::INFINITY;
        // Each unit is as likely as the others to be the last.
        let mut unit = self.random.f64() * part.units() - part.entries;
        let mut at = None;
        for &(index, units) in &part.loops {
            if unit >= 0.0 {
                at = Some(index);
                unit -= units;
            }
        }
        director.exhausted(self, part.function, at);
        self.serve(director);
    }

    fn counts(&self, function: usize) -> bool {
        self.workload.counting[self.states[function].running] == Counting::Counts
    }

    /// Brings published code into use where the stretch allows. Returns a function and a loop of it
    /// that has come to its OSR entry, if the director has not been told.
    fn switch(&mut self, stretch: &Stretch) -> Option<(usize, u32)> {
        let mut entered = None;
        for part in &stretch.parts {
            let state = &mut self.states[part.function];
            if state.calls == 0 && state.osr == 0 {
                continue;
            }
            let is_called = part.entries > 0.0;
            // Calls that loop on for longer than a budget come to the OSR entry.
            let reaches_osr = part.iterations() > part.entries * state.budget.min(f64::MAX);
            let calls = if is_called {
                state.calls
            } else {
                state.running
            };
            state.running = match self.machine.switch {
                Switch::Publish => state.calls.max(state.osr),
                Switch::Entry if reaches_osr => calls.max(state.osr),
                Switch::Entry => calls,
            };
            let is_new = match state.entered {
                None => true,
                Some(slice) => is_called && slice != self.slice,
            };
            if reaches_osr && state.osr > state.calls && is_new && entered.is_none() {
                state.entered = Some(self.slice);
                let most = part
                    .loops
                    .iter()
                    .max_by(|one, other| one.1.total_cmp(&other.1));
                entered = most.map(|&(index, _)| (part.function, index));
            }
        }
        entered
    }

    /// Gives jobs to the threads that have none, or does them at once where there are no threads.
    fn serve(&mut self, director: &mut dyn Director) {
        if self.workers.is_empty() {
            while let Some(job) = director.next(self) {
                let (started, cost) = (self.now, self.cost(job));
                self.now += cost;
                self.outcome.compile_ns += cost;
                self.outcome.paused_ns += cost;
                self.publish(job, started, director);
            }
            return;
        }
        while let Some(idle) = self.workers.iter().position(Option::is_none) {
            let Some(job) = director.next(self) else {
                return;
            };
            self.workers[idle] = Some(Busy {
                job,
                started: self.now,
                left: self.cost(job),
            });
        }
    }

    fn cost(&self, job: Job) -> f64 {
        self.workload.functions[job.function].compile_ns[job.level]
    }

    fn publish(&mut self, job: Job, started: f64, director: &mut dyn Director) {
        let state = &mut self.states[job.function];
        let level = match job.unit {
            Unit::Function => &mut state.calls,
            Unit::Loop(_) => {
                state.entered = None;
                &mut state.osr
            }
        };
        // A lower level that comes late replaces nothing.
        *level = job.level.max(*level);
        let done = Done {
            job,
            started,
            published: self.now,
        };
        self.outcome.jobs.push(done);
        director.published(self, done);
    }

    /// Lets the guest run for `guest_ns` of its own time, or until the next event, which is dealt
    /// with.
    fn advance(&mut self, guest_ns: f64, director: &mut dyn Director) -> Advance {
        let busy = self.workers.iter().flatten();
        let speeds = self.machine.speeds(busy.clone().count());
        let least = busy.map(|busy| busy.left).fold(f64::INFINITY, f64::min);
        let until_done = least / speeds.worker;
        let alarm = self.alarms.first().map(|&(at, _)| f64::from_bits(at));
        let until_alarm = alarm.map_or(f64::INFINITY, |at| (at - self.now).max(0.0));
        let until_end = guest_ns / speeds.guest;
        let step = until_end.min(until_done).min(until_alarm);
        self.now += step;
        self.outcome.guest_ns += step * speeds.guest_cpu;
        let mut finished = None;
        for (number, worker) in self.workers.iter_mut().enumerate() {
            let Some(busy) = worker else { continue };
            self.outcome.compile_ns += step * speeds.worker;
            // The same subtraction as gave `step`, so that rounding leaves nothing over.
            let is_done = step == until_done && busy.left == least;
            busy.left = (busy.left - step * speeds.worker).max(0.0);
            if is_done && finished.is_none() {
                finished = Some(number);
            }
        }
        let share = if guest_ns > 0.0 {
            step / until_end
        } else {
            1.0
        };
        if let Some(busy) = finished.and_then(|number| self.workers[number].take()) {
            self.publish(busy.job, busy.started, director);
        } else if step == until_alarm
            && let Some((_, function)) = self.alarms.pop_first()
        {
            self.states[function].alarm = None;
            director.woken(self, function);
        } else {
            return Advance::Whole;
        }
        self.serve(director);
        Advance::Share(share)
    }
}
