//! Runs whose time is the work that is done, in budget units: those of the engine in virtual time.
//!
//! The engine's clock moves when a budget is found used up, and what fell due meanwhile happens
//! then, in the order and at the time at which it was due. The same happens here, with whole units:
//! the functions of a slice run one after the other, each with its calls first and its loops after
//! them in their order. So the decisions of a simulation are those of an engine that does the same
//! (`tests/api_cases/virtual_time.rs` compares them).
//!
//! Figures of an outcome are units too; residency and lost time are not kept.

use upshift_tiering::Latency;

use super::director::{Director, Job};
use super::run::Run;
use crate::trace::Counting;
use crate::workload::{Part, Stretch};

/// What a machine's time is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Time {
    /// Nanoseconds: what is due happens when it is due.
    #[default]
    Continuous,
    /// Budget units, in which a compilation takes this latency, on at least one compile thread.
    /// Speeds of threads and code are not used, nor are the times of a trace.
    Units(Latency),
}

/// What is under way in a run whose time is units.
#[derive(Debug, Default)]
pub(super) struct UnderWay {
    /// In the order in which they began.
    running: Vec<Running>,
    /// Units that were charged and have not moved the clock.
    owed: f64,
}

/// A job that a compile thread has.
#[derive(Clone, Copy, Debug)]
struct Running {
    job: Job,
    started: f64,
    end: f64,
}

impl UnderWay {
    pub(super) fn jobs(&self) -> usize {
        self.running.len()
    }
}

impl Run<'_> {
    /// Whether policies may see what was measured.
    pub fn may_measure(&self) -> bool {
        self.machine.time == Time::Continuous
    }

    /// Where time is units: moves the clock by so many that a function has used, and does what
    /// falls due.
    pub fn pass(&mut self, units: f64, director: &mut dyn Director) {
        if self.may_measure() {
            return;
        }
        let until = self.now + units + std::mem::take(&mut self.under_way.owed);
        loop {
            let ends = self.under_way.running.iter().enumerate();
            let end = ends.map(|(i, running)| (running.end, i));
            let end = end.min_by(|one, other| one.0.total_cmp(&other.0).then(one.1.cmp(&other.1)));
            let end = end.filter(|&(end, _)| end <= until);
            let wake = self.alarms.first().map(|&(at, _)| f64::from_bits(at));
            let wake = wake.filter(|&at| at <= until);
            match (end, wake) {
                (Some((end, i)), wake) if wake.is_none_or(|at| end <= at) => {
                    self.now = self.now.max(end);
                    let Running { job, started, .. } = self.under_way.running.remove(i);
                    self.publish(job, started, director);
                }
                (_, Some(at)) => {
                    self.now = self.now.max(at);
                    self.ring(director);
                }
                _ => {
                    self.now = until;
                    return;
                }
            }
            self.serve(director);
        }
    }

    /// Where time is units: takes note of units that a function has used without a budget's end.
    /// They move the clock at the next one.
    pub fn owe(&mut self, units: f64) {
        self.under_way.owed += units;
    }

    /// Where time is units: those until something can be there that was requested for the function,
    /// or is due for it; infinite if nothing is. `waits` says whether a request of the function's
    /// is in the queue.
    pub fn units_until_due(&self, function: usize, waits: impl Fn() -> bool) -> Option<f64> {
        if self.may_measure() {
            return None;
        }
        let waits = waits();
        let running = self.under_way.running.iter();
        // A request that waits can begin when any compilation ends.
        let own = running.filter(|running| waits || running.job.function == function);
        let alarm = self.states[function].alarm.map(f64::from_bits);
        let dues = own.map(|running| running.end).chain(alarm);
        let due = dues.fold(f64::INFINITY, f64::min);
        Some((due - self.now).max(0.0))
    }

    /// Where time is units: lets the function's loop go on in the OSR entry that is there.
    pub fn enter(&mut self, function: usize) {
        if !self.may_measure() {
            self.hot[function].running = self.states[function].osr as u8;
        }
    }

    /// Gives jobs to free compile threads.
    pub(super) fn serve_in_units(&mut self, latency: Latency, director: &mut dyn Director) {
        while self.under_way.running.len() < self.machine.workers.max(1) as usize
            && let Some(job) = director.next(self)
        {
            let body_bytes = self.workload.functions[job.function].body_bytes;
            let (started, latency) = (self.now, latency.of(body_bytes) as f64);
            self.outcome.compile_ns += latency;
            self.under_way.running.push(Running {
                job,
                started,
                end: started + latency,
            });
        }
    }

    /// Does a stretch.
    pub(super) fn stretch_in_units(&mut self, stretch: &Stretch, director: &mut dyn Director) {
        let mut first_uses = stretch.first_uses.iter().peekable();
        for (position, part) in (0..).zip(&stretch.parts) {
            let function = part.function;
            if first_uses.next_if_eq(&&position).is_some() {
                director.first_code(self, function);
            }
            self.calls(part, director);
            let weight = self.weights.iteration;
            for &(index, iterations) in self.workload.loops(part) {
                let mut left = iterations as u64;
                while left > 0 && self.counting(function) == Counting::Counts {
                    left -= self.count(function, weight, left, Some(index), director);
                }
            }
        }
    }

    /// Does the calls of a part: each runs the code that is there.
    fn calls(&mut self, part: &Part, director: &mut dyn Director) {
        let (function, weight) = (part.function, self.weights.call);
        let mut left = part.entries as u64;
        while left > 0 {
            self.hot[function].running = self.states[function].calls as u8;
            let counting = self.counting(function);
            if counting == Counting::Silent {
                return;
            }
            left -= self.count(function, weight, left, None, director);
            // Counted before it, the call runs what has been published at this moment. In code
            // that counts itself it goes on.
            if counting == Counting::Calls {
                self.hot[function].running = self.states[function].calls as u8;
            }
        }
    }

    /// What the code counts that the function runs.
    fn counting(&self, function: usize) -> Counting {
        self.workload.counting[usize::from(self.hot[function].running)]
    }

    /// Does as many calls or iterations as there are until the budget is used up, at most so many;
    /// returns how many.
    fn count(
        &mut self,
        function: usize,
        weight: f64,
        most: u64,
        at: Option<u32>,
        director: &mut dyn Director,
    ) -> u64 {
        if weight <= 0.0 {
            return most;
        }
        // Code takes the weight, and finds the budget used up if less than none is left.
        let until = (self.hot[function].left / weight).floor() + 1.0;
        let done = until.min(most as f64);
        self.hot[function].left -= done * weight;
        if done == until {
            director.exhausted(self, function, at);
        }
        done as u64
    }
}
