//! The run of a workload, from event to event.

use std::collections::BTreeSet;

use super::director::{Director, Done, Job, Outcome, Unit, Weights};
use super::units::UnderWay;
use super::{Machine, Switch, Time};
use crate::trace::Counting;
use crate::workload::{Code, Part, Stretch, Workload};

/// A run in virtual time. See [`execute`].
#[derive(Debug)]
pub struct Run<'w> {
    pub(super) workload: &'w Workload,
    pub(super) machine: &'w Machine,
    pub(super) weights: Weights,
    pub(super) now: f64,
    /// The number of the slice.
    slice: usize,
    /// Whether code or budgets have changed since code was last brought into use.
    has_news: bool,
    pub(super) hot: Vec<Hot>,
    pub(super) states: Vec<State>,
    /// Where time is units, what compile threads do.
    pub(super) under_way: UnderWay,
    workers: Vec<Option<Busy>>,
    /// Wake-ups: the bits of their times (which are not negative, so that bits order as times do)
    /// and the function.
    pub(super) alarms: BTreeSet<(u64, usize)>,
    /// The mean time between samples, and when the next one is due.
    sample_period: f64,
    sample_at: f64,
    random: fastrand::Rng,
    pub(super) outcome: Outcome,
}

/// What each step of a run reads of a function.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hot {
    /// The units that are left of its budget.
    pub(super) left: f64,
    /// The level of the code that new calls run, and what that code counts.
    pub(super) running: u8,
    counts: Counting,
    /// Likewise of calls that last, and the part of the iterations that these make.
    lasting_running: u8,
    lasting_counts: bool,
    lasting: f64,
    pub(super) is_used: bool,
    /// Whether there is code of a level above 0.
    is_published: bool,
}

/// The rest of a function's state.
#[derive(Clone, Debug)]
pub(super) struct State {
    /// The level that new calls run.
    pub(super) calls: usize,
    /// The level of its OSR entries; 0 without.
    pub(super) osr: usize,
    /// The last slice in which a loop went on in an OSR entry; `None` since one was published.
    entered: Option<usize>,
    /// The last budget.
    budget: f64,
    pub(super) alarm: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
struct Busy {
    job: Job,
    started: f64,
    left: f64,
}

/// Why the guest's thread is stopped.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Event {
    /// It has done what it was to do.
    None,
    /// This compile thread is done.
    Compiled(usize),
    Alarm,
    Sample,
}

/// What a stretch does until the first budget is used up.
struct Step {
    /// Nanoseconds of the whole stretch.
    whole_ns: f64,
    /// The share that is to be done.
    share: f64,
    /// The part whose budget is used up then; `None`: the stretch ends.
    hit: Option<usize>,
}

/// Runs a workload.
pub fn execute(workload: &Workload, machine: &Machine, director: &mut dyn Director) -> Outcome {
    let hot = Hot {
        left: f64::INFINITY,
        running: 0,
        counts: workload.counting[0],
        lasting_running: 0,
        lasting_counts: workload.counting[0] == Counting::Counts,
        lasting: 0.0,
        is_used: false,
        is_published: false,
    };
    let state = State {
        calls: 0,
        osr: 0,
        entered: None,
        budget: f64::INFINITY,
        alarm: None,
    };
    let mut run = Run {
        workload,
        machine,
        weights: director.weights(),
        now: 0.0,
        slice: 0,
        has_news: false,
        hot: {
            let codes = workload.functions.iter();
            let lasting = |code: &Code| match machine.switch {
                Switch::Publish => 0.0,
                Switch::Entry => code.lasting,
            };
            codes
                .map(|code| Hot {
                    lasting: lasting(code),
                    ..hot
                })
                .collect()
        },
        states: vec![state; workload.functions.len()],
        under_way: UnderWay::default(),
        workers: vec![None; machine.workers as usize],
        alarms: BTreeSet::new(),
        sample_period: director.sample_period().unwrap_or(f64::INFINITY),
        sample_at: f64::INFINITY,
        random: fastrand::Rng::with_seed(1),
        outcome: Outcome {
            residency_ns: vec![0.0; workload.levels()],
            ..Outcome::default()
        },
    };
    run.set_sample();
    run.serve(director);
    for (slice, stretch) in workload.stretches.iter().enumerate() {
        run.slice = slice;
        match machine.time {
            Time::Continuous => {
                run.first_uses(stretch, director);
                run.stretch(stretch, director);
            }
            Time::Units(_) => run.stretch_in_units(stretch, director),
        }
        run.outcome.slice_ends.push(run.now);
    }
    run.outcome.wall_ns = run.now;
    run.outcome
}

impl Hot {
    /// The levels at which a part runs, with the time that it takes there.
    fn times(&self, part: &Part) -> [(usize, f64); 2] {
        let (new, lasting) = (usize::from(self.running), usize::from(self.lasting_running));
        [
            (new, part.ns[new] * (1.0 - self.lasting)),
            (lasting, part.ns[lasting] * self.lasting),
        ]
    }

    /// The time that a part takes.
    fn ns(&self, part: &Part) -> f64 {
        let [(_, new), (_, lasting)] = self.times(part);
        new + lasting
    }
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
        self.workers.iter().flatten().count() + self.under_way.jobs()
    }

    /// Sets after how many units the function's budget is used up: at least one, where time is
    /// continuous; infinite for never. Returns the budget.
    pub fn set_budget(&mut self, function: usize, units: f64) -> f64 {
        let units = match self.machine.time {
            Time::Continuous => units.max(1.0),
            Time::Units(_) => units,
        };
        self.states[function].budget = units;
        self.hot[function].left = units;
        self.has_news |= self.hot[function].is_published;
        units
    }

    /// The units that are left of the function's budget.
    pub fn budget_left(&self, function: usize) -> f64 {
        self.hot[function].left
    }

    /// Calls the director again for this function after a time, in place of an earlier wake-up.
    pub fn wake(&mut self, function: usize, after_ns: f64) {
        let at = (self.now + after_ns.max(1.0))
            .max(self.now.next_up())
            .to_bits();
        if let Some(earlier) = self.states[function].alarm.replace(at) {
            self.alarms.remove(&(earlier, function));
        }
        self.alarms.insert((at, function));
    }

    /// The guest's first code for what it is about to use.
    fn first_uses(&mut self, stretch: &Stretch, director: &mut dyn Director) {
        for part in &stretch.parts {
            let function = part.function;
            if std::mem::replace(&mut self.hot[function].is_used, true) {
                continue;
            }
            let mut left = self.workload.functions[function].compile_ns[0];
            let begun = self.now;
            while self.states[function].calls == 0 {
                let (share, event) = self.advance(left);
                left *= 1.0 - share;
                self.dispatch(event, None, director);
                if event == Event::None {
                    break;
                }
            }
            self.paused_since(begun);
            director.first_code(self, function);
            self.serve(director);
        }
    }

    /// The guest's thread goes on after it has stood still.
    fn paused_since(&mut self, begun: f64) {
        self.outcome.paused_ns += self.now - begun;
        if self.now > begun {
            self.outcome.pauses.push((begun, self.now));
        }
    }

    fn stretch(&mut self, stretch: &Stretch, director: &mut dyn Director) {
        let mut left = 1.0;
        self.has_news = true;
        loop {
            if std::mem::take(&mut self.has_news)
                && let Some((function, at)) = self.switch(stretch, 1.0 - left)
            {
                self.has_news = true;
                director.entered(self, function, at);
                self.serve(director);
                continue;
            }
            let step = self.next_step(stretch, left);
            let (share, event) = self.advance(step.whole_ns * step.share);
            let is_whole = share == 1.0;
            left = (left - share * step.share).max(0.0);
            self.charge(stretch, share * step.share);
            let hit = step.hit.filter(|_| is_whole);
            let hit = hit.map(|part| &stretch.parts[part]);
            if let Some(part) = hit {
                self.hot[part.function].left = 0.0;
            }
            self.dispatch(event, Some(stretch), director);
            match hit {
                // Unless the director has just set another budget.
                Some(part) if self.hot[part.function].left <= 0.0 => self.exhaust(part, director),
                None if is_whole => return,
                _ => {}
            }
        }
    }

    /// What a part takes from its function's budget in code that counts: in calls, and in loops.
    fn units(&self, part: &Part, hot: &Hot) -> (f64, f64) {
        let iterations = part.iterations * self.weights.iteration;
        let lasting = iterations * hot.lasting;
        let (mut calls, mut loops) = (0.0, 0.0);
        if hot.counts != Counting::Silent {
            calls = part.entries * self.weights.call;
        }
        if hot.counts == Counting::Counts {
            loops = iterations - lasting;
        }
        if hot.lasting_counts {
            loops += lasting;
        }
        (calls, loops)
    }

    /// Takes what a share of the stretch counts from the budgets, and adds up its times.
    fn charge(&mut self, stretch: &Stretch, share: f64) {
        let levels = self.workload.levels();
        for part in &stretch.parts {
            let (calls, loops) = self.units(part, &self.hot[part.function]);
            let hot = &mut self.hot[part.function];
            hot.left -= share * (calls + loops);
            let mut ns = 0.0;
            for (level, level_ns) in hot.times(part) {
                self.outcome.residency_ns[level] += share * level_ns;
                ns += level_ns;
            }
            self.outcome.lost_ns += share * (ns - part.fastest(levels));
        }
    }

    /// How long the stretch takes, and what of it can be done until the first budget is used up.
    fn next_step(&self, stretch: &Stretch, left: f64) -> Step {
        let mut step = Step {
            whole_ns: stretch.host_ns,
            share: left,
            hit: None,
        };
        for (position, part) in stretch.parts.iter().enumerate() {
            let hot = &self.hot[part.function];
            step.whole_ns += hot.ns(part);
            let (calls, loops) = self.units(part, hot);
            let units = calls + loops;
            if hot.left < step.share * units {
                step.share = hot.left.max(0.0) / units;
                step.hit = Some(position);
            }
        }
        step
    }

    fn exhaust(&mut self, part: &Part, director: &mut dyn Director) {
        let left = self.hot[part.function].left;
        // Each unit is as likely as the others to be the last.
        let (calls, loops) = self.units(part, &self.hot[part.function]);
        let mut unit = self.random.f64() * (calls + loops) - calls;
        // The part of the loops' units that are counted.
        let counted = loops / (part.iterations * self.weights.iteration);
        let mut at = None;
        for &(index, iterations) in self.workload.loops(part) {
            if unit >= 0.0 {
                at = Some(index);
                unit -= iterations * self.weights.iteration * counted;
            }
        }
        self.ask(director);
        director.exhausted(self, part.function, at);
        let hot = &mut self.hot[part.function];
        if hot.left <= left {
            hot.left = f64::INFINITY;
        }
        self.serve(director);
    }

    /// The guest's thread takes its time to ask.
    fn ask(&mut self, director: &mut dyn Director) {
        let mut left = self.machine.ask_ns;
        while left > 0.0 {
            let (share, event) = self.advance(left);
            left *= 1.0 - share;
            self.dispatch(event, None, director);
        }
    }

    /// Brings published code into use where the stretch, of which a share is done, allows. Returns
    /// a function and a loop of it that has come to its OSR entry, if the director has not been
    /// told.
    fn switch(&mut self, stretch: &Stretch, done: f64) -> Option<(usize, u32)> {
        let mut entered = None;
        for part in &stretch.parts {
            let hot = self.hot[part.function];
            if !hot.is_published {
                continue;
            }
            let iterations = part.iterations * self.weights.iteration;
            let lasting = iterations * hot.lasting;
            let state = &mut self.states[part.function];
            let is_called = (done * part.entries).ceil() < part.entries;
            // Calls that loop on for longer than a budget come to the OSR entry.
            let budget = state.budget.min(f64::MAX);
            let new_reach_osr = iterations - lasting > part.entries * budget;
            let new_enter = new_reach_osr && state.osr > state.calls;
            let lasting_enter = lasting > 0.0 && state.osr > usize::from(hot.lasting_running);
            let calls = if is_called {
                state.calls
            } else {
                hot.running.into()
            };
            let running = match self.machine.switch {
                Switch::Publish => state.calls.max(state.osr),
                Switch::Entry if new_reach_osr => calls.max(state.osr),
                Switch::Entry => calls,
            };
            let lasting_running = usize::from(hot.lasting_running).max(state.osr);
            let is_new = match state.entered {
                None => true,
                Some(slice) => is_called && slice != self.slice,
            };
            if (new_enter || lasting_enter) && is_new && entered.is_none() {
                state.entered = Some(self.slice);
                let loops = self.workload.loops(part).iter();
                let most = loops.max_by(|one, other| one.1.total_cmp(&other.1));
                entered = most.map(|&(index, _)| (part.function, index));
            }
            let hot = &mut self.hot[part.function];
            hot.running = running as u8;
            hot.counts = self.workload.counting[running];
            hot.lasting_running = lasting_running as u8;
            hot.lasting_counts = self.workload.counting[lasting_running] == Counting::Counts;
        }
        entered
    }

    /// Gives jobs to the threads that have none, or does them at once where there are no threads.
    /// Directors may call it as soon as they have jobs; it is called after each event, too.
    pub fn serve(&mut self, director: &mut dyn Director) {
        if let Time::Units(latency) = self.machine.time {
            return self.serve_in_units(latency, director);
        }
        if self.workers.is_empty() {
            while let Some(job) = director.next(self) {
                let (started, cost) = (self.now, self.cost(job));
                self.now += cost;
                self.outcome.compile_ns += cost;
                self.paused_since(started);
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
        self.workload.functions[job.function].job_ns(job)
    }

    pub(super) fn publish(&mut self, job: Job, started: f64, director: &mut dyn Director) {
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
        self.hot[job.function].is_published = true;
        self.has_news = true;
        let done = Done {
            job,
            started,
            published: self.now,
            slice: self.slice,
        };
        self.outcome.jobs.push(done);
        director.published(self, done);
    }

    /// Lets the guest run for `guest_ns` of its own time, or until the next event. Returns the
    /// share of the time that has passed, and the event.
    fn advance(&mut self, guest_ns: f64) -> (f64, Event) {
        let busy = self.workers.iter().flatten();
        let speeds = self.machine.speeds(busy.clone().count());
        let least = busy.map(|busy| busy.left).fold(f64::INFINITY, f64::min);
        let until_compiled = least / speeds.worker;
        let alarm = self.alarms.first().map(|&(at, _)| f64::from_bits(at));
        let until_alarm = alarm.map_or(f64::INFINITY, |at| (at - self.now).max(0.0));
        let until_sample = (self.sample_at - self.now).max(0.0);
        let until_end = guest_ns / speeds.guest;
        let until_event = until_compiled.min(until_alarm).min(until_sample);
        let step = until_end.min(until_event);
        self.now += step;
        self.outcome.guest_ns += step * speeds.guest_cpu;
        let mut event = match step {
            _ if step == until_alarm => Event::Alarm,
            _ if step == until_sample => Event::Sample,
            _ => Event::None,
        };
        for (number, worker) in self.workers.iter_mut().enumerate() {
            let Some(busy) = worker else { continue };
            self.outcome.compile_ns += step * speeds.worker;
            // The same comparison as gave `step`, so that rounding leaves nothing over.
            if step == until_compiled && busy.left == least {
                event = Event::Compiled(number);
            }
            busy.left = (busy.left - step * speeds.worker).max(0.0);
        }
        let share = if step == until_end {
            1.0
        } else {
            step / until_end
        };
        (share, event)
    }

    /// Deals with an event in a stretch, or (`None`) while the guest compiles.
    fn dispatch(&mut self, event: Event, at: Option<&Stretch>, director: &mut dyn Director) {
        match event {
            Event::None => return,
            Event::Compiled(worker) => {
                if let Some(busy) = self.workers[worker].take() {
                    self.publish(busy.job, busy.started, director);
                }
            }
            Event::Alarm => self.ring(director),
            Event::Sample => {
                self.set_sample();
                if let Some(function) = at.and_then(|stretch| self.draw(stretch)) {
                    director.sampled(self, function);
                }
            }
        }
        self.serve(director);
    }

    /// Wakes the function whose alarm is first.
    pub(super) fn ring(&mut self, director: &mut dyn Director) {
        if let Some((_, function)) = self.alarms.pop_first() {
            self.states[function].alarm = None;
            director.woken(self, function);
        }
    }

    /// Sets the time of the next sample: at random, from half the period to one and a half.
    fn set_sample(&mut self) {
        if self.sample_period.is_finite() {
            self.sample_at = self.now + self.sample_period.max(1.0) * (0.5 + self.random.f64());
        }
    }

    /// A function of the stretch, each as likely as its share of the time; `None` is the host.
    fn draw(&mut self, stretch: &Stretch) -> Option<usize> {
        let ns = |part: &Part| self.hot[part.function].ns(part);
        let whole = stretch.host_ns + stretch.parts.iter().map(ns).sum::<f64>();
        let mut left = self.random.f64() * whole - stretch.host_ns;
        let mut parts = stretch.parts.iter();
        let hit = parts.find(|part| {
            let before = left;
            left -= self.hot[part.function].ns(part);
            before >= 0.0 && left < 0.0
        });
        hit.map(|part| part.function)
    }
}
