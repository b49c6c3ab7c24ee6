//! The run of a workload, from event to event.

use std::collections::BTreeSet;

use super::director::{Director, Done, Job, Outcome, Unit, Weights};
use super::function::{Hot, State, functions};
use super::slice::{Current, Looked};
use super::units::UnderWay;
use super::{Machine, Speeds, Time};
use crate::workload::{Stretch, Workload};

/// A run in virtual time. See [`execute`].
#[derive(Debug)]
pub struct Run<'w> {
    pub(super) workload: &'w Workload,
    pub(super) machine: &'w Machine,
    pub(super) weights: Weights,
    /// Whether residency and lost time are wanted.
    pub(super) keeps_times: bool,
    pub(super) now: f64,
    /// The number of the slice.
    pub(super) slice: usize,
    pub(super) hot: Vec<Hot>,
    pub(super) states: Vec<State>,
    /// The slice that the guest is in.
    pub(super) current: Current,
    /// Where time is units, what compile threads do.
    pub(super) under_way: UnderWay,
    workers: Vec<Option<Busy>>,
    /// Wake-ups: the bits of their times (which are not negative, so that bits order as times do)
    /// and the function.
    pub(super) alarms: BTreeSet<(u64, usize)>,
    /// The mean time between samples, and when the next one is due.
    sample_period: f64,
    sample_at: f64,
    pub(super) random: fastrand::Rng,
    pub(super) outcome: Outcome,
}

#[derive(Clone, Copy, Debug)]
struct Busy {
    job: Job,
    started: f64,
    left: f64,
}

/// Times until something happens, in nanoseconds from now.
struct Until {
    speeds: Speeds,
    /// The least work that a busy compile thread has left.
    least: f64,
    /// Until that is done.
    compiled: f64,
    alarm: f64,
    sample: f64,
    /// Until the guest has done what it is to do.
    end: f64,
}

impl Until {
    /// The time until the first event.
    fn event(&self) -> f64 {
        self.compiled.min(self.alarm).min(self.sample)
    }
}

/// Why the guest's thread is stopped.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Event {
    /// It has done what it was to do.
    None,
    /// This compile thread is done.
    Compiled(usize),
    Alarm,
    Sample,
}

/// Runs a workload.
pub fn execute(workload: &Workload, machine: &Machine, director: &mut dyn Director) -> Outcome {
    execute_counting(workload, machine, director).0
}

/// Runs a workload, and says how much there was to do.
pub(crate) fn execute_counting(
    workload: &Workload,
    machine: &Machine,
    director: &mut dyn Director,
) -> (Outcome, Looked) {
    let (hot, states) = functions(workload, machine.switch);
    let keeps_times = director.keeps_times();
    let mut run = Run {
        workload,
        machine,
        weights: director.weights(),
        keeps_times,
        now: 0.0,
        slice: 0,
        hot,
        states,
        current: Current::default(),
        under_way: UnderWay::default(),
        workers: vec![None; machine.workers as usize],
        alarms: BTreeSet::new(),
        sample_period: director.sample_period().unwrap_or(f64::INFINITY),
        sample_at: f64::INFINITY,
        random: fastrand::Rng::with_seed(1),
        outcome: Outcome {
            residency_ns: vec![0.0; if keeps_times { workload.levels() } else { 0 }],
            lost_ns: if keeps_times { 0.0 } else { f64::NAN },
            slice_ends: Vec::with_capacity(workload.stretches.len()),
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
    (run.outcome, run.current.looked)
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
        match self.position(function) {
            Some(position) => self.current.set_left(position, units),
            None => self.hot[function].left = units,
        }
        self.has_news(function);
        units
    }

    /// The units that are left of the function's budget.
    pub fn budget_left(&self, function: usize) -> f64 {
        match self.position(function) {
            Some(position) => self.current.left(position),
            None => self.hot[function].left,
        }
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
        for &position in &stretch.first_uses {
            let function = stretch.parts[position as usize].function;
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
        self.has_news(job.function);
        let done = Done {
            job,
            started,
            published: self.now,
            slice: self.slice,
        };
        self.outcome.jobs.push(done);
        director.published(self, done);
    }

    /// The time until the guest has run for `guest_ns` of its own time, and until each kind of
    /// event, the way things are.
    fn until(&self, guest_ns: f64) -> Until {
        let busy = self.workers.iter().flatten();
        let speeds = self.machine.speeds(busy.clone().count());
        let least = busy.map(|busy| busy.left).fold(f64::INFINITY, f64::min);
        let alarm = self.alarms.first().map(|&(at, _)| f64::from_bits(at));
        Until {
            speeds,
            least,
            compiled: least / speeds.worker,
            alarm: alarm.map_or(f64::INFINITY, |at| (at - self.now).max(0.0)),
            sample: (self.sample_at - self.now).max(0.0),
            end: guest_ns / speeds.guest,
        }
    }

    /// Whether the guest can run for `guest_ns` of its own time before the next event.
    pub(super) fn is_quiet(&self, guest_ns: f64) -> bool {
        let until = self.until(guest_ns);
        until.end < until.event()
    }

    /// Lets the guest run for `guest_ns` of its own time, or until the next event. Returns the
    /// share of the time that has passed, and the event.
    pub(super) fn advance(&mut self, guest_ns: f64) -> (f64, Event) {
        let until = self.until(guest_ns);
        let step = until.end.min(until.event());
        self.now += step;
        self.outcome.guest_ns += step * until.speeds.guest_cpu;
        let mut event = match step {
            _ if step == until.alarm => Event::Alarm,
            _ if step == until.sample => Event::Sample,
            _ => Event::None,
        };
        for (number, worker) in self.workers.iter_mut().enumerate() {
            let Some(busy) = worker else { continue };
            self.outcome.compile_ns += step * until.speeds.worker;
            // The same comparison as gave `step`, so that rounding leaves nothing over.
            if step == until.compiled && busy.left == until.least {
                event = Event::Compiled(number);
            }
            busy.left = (busy.left - step * until.speeds.worker).max(0.0);
        }
        let share = if step == until.end {
            1.0
        } else {
            step / until.end
        };
        (share, event)
    }

    /// Deals with an event in a stretch, or (`None`) while the guest compiles.
    pub(super) fn dispatch(
        &mut self,
        event: Event,
        at: Option<&Stretch>,
        director: &mut dyn Director,
    ) {
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
                let function = at.and_then(|stretch| self.draw(stretch));
                director.sampled(self, function);
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

    /// Takes no samples any more.
    pub fn end_samples(&mut self) {
        self.sample_period = f64::INFINITY;
        self.sample_at = f64::INFINITY;
    }

    /// Sets the time of the next sample: at random, from half the period to one and a half.
    fn set_sample(&mut self) {
        if self.sample_period.is_finite() {
            self.sample_at = self.now + self.sample_period.max(1.0) * (0.5 + self.random.f64());
        }
    }
}
