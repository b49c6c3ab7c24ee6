//! The slice that the guest is in, from one event to the next.
//!
//! Policies ask up to a hundred times in a slice, and at each of these events all budgets of the
//! slice go down and all its times add up. So what an event needs of the slice's parts is laid out
//! when the slice begins, as one list of numbers for each quantity, which an event goes through
//! from end to end; only what has changed is looked at again: parts whose code or budget is new
//! ([`Current::changed`]), and the times when a part runs other code. Budgets are put off for as
//! long as they can't be used up (`budgets.rs`), and times are added up only for directors that
//! want the sums.
//!
//! Sums are added up in the order of the parts and step by step, whatever is laid out how: so the
//! figures of a run are the same, bit by bit, as if each step looked at each function
//! (`simulate/tests/golden.rs`).

use super::Switch;
use super::budgets::Budgets;
use super::director::Director;
use super::run::Run;
use crate::trace::Counting;
use crate::workload::{LEVELS, Part, Stretch};

/// The slice that the guest is in: for each part what a step reads, in the order of the parts.
/// Empty between slices.
#[derive(Debug, Default)]
pub(super) struct Current {
    /// Functions' budgets, and what parts take of them.
    pub(super) budgets: Budgets,
    /// How long the part takes, in nanoseconds.
    ns: Vec<f64>,
    /// What parts take at each level, and what of it is lost; two for a part whose calls of one
    /// kind last. Empty if the director wants no sums.
    times: Vec<Times>,
    /// How long the slice takes.
    whole_ns: f64,
    /// Positions of parts whose code or budget may have changed since code was last brought into
    /// use.
    changed: Vec<u32>,
    pub(super) looked: Looked,
}

/// What a part takes.
#[derive(Clone, Copy, Debug, Default)]
struct Times {
    /// Nanoseconds at each level.
    level_ns: [f64; LEVELS],
    /// How much of them the part's fastest level would not take.
    lost_ns: f64,
}

/// What a slice does, as a first look says.
#[derive(Default)]
struct Glance {
    /// How long the slice takes, in nanoseconds.
    whole_ns: f64,
    /// The sums of the run's times, if the slice is done without an event.
    sums: Times,
    /// Whether a budget is used up in it.
    ends_budget: bool,
    /// A function and a loop of it that has come to its OSR entry.
    entered: Option<(usize, u32)>,
}

/// How much a run had to do: what its time depends on, but on no clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Looked {
    /// Steps from one event to the next. Each goes through the numbers of its slice.
    pub(crate) steps: u64,
    /// Parts that were looked at one by one, with their functions and code.
    pub(crate) parts: u64,
}

impl Current {
    pub(super) fn left(&self, position: usize) -> f64 {
        self.budgets.left(position)
    }

    pub(super) fn set_left(&mut self, position: usize, units: f64) {
        self.budgets.set_left(position, units);
    }

    /// Adds up the times of a share of the slice.
    fn add_times(&self, share: f64, sums: &mut Times) {
        for times in &self.times {
            sums.add(share, times);
        }
    }
}

impl Times {
    /// Adds a share of other times.
    fn add(&mut self, share: f64, other: &Times) {
        for (sum, ns) in self.level_ns.iter_mut().zip(other.level_ns) {
            *sum += share * ns;
        }
        self.lost_ns += share * other.lost_ns;
    }

    /// The times of a part, in code of these levels: of new calls, and of those that last. Where
    /// both are of one level, the second times are theirs.
    fn new(of: [(usize, f64); 2], lost_ns: f64) -> (Self, Option<Self>) {
        let at = |at: usize, ns: f64| {
            let levels: [usize; LEVELS] = std::array::from_fn(|level| level);
            levels.map(|level| if level == at { ns } else { 0.0 })
        };
        let [(new, new_ns), (lasting, lasting_ns)] = of;
        let mut level_ns = at(new, new_ns);
        if lasting_ns <= 0.0 {
            return (Self { level_ns, lost_ns }, None);
        }
        if lasting == new {
            let second = Self {
                level_ns: at(lasting, lasting_ns),
                lost_ns: 0.0,
            };
            return (Self { level_ns, lost_ns }, Some(second));
        }
        level_ns[lasting] = lasting_ns;
        (Self { level_ns, lost_ns }, None)
    }
}

impl Run<'_> {
    /// The position of a function in the slice that the guest is in, if it runs there.
    pub(super) fn position(&self, function: usize) -> Option<usize> {
        let position = self.hot[function].position as usize;
        let is_here = position < self.current.budgets.len()
            && self.workload.stretches[self.slice].parts[position].function == function;
        is_here.then_some(position)
    }

    /// The code or the budget of a function has changed.
    pub(super) fn has_news(&mut self, function: usize) {
        if self.hot[function].is_published
            && let Some(position) = self.position(function)
        {
            self.current.changed.push(position as u32);
        }
    }

    /// Does a slice.
    pub(super) fn stretch(&mut self, stretch: &Stretch, director: &mut dyn Director) {
        let glance = self.glance(stretch);
        let has_event = glance.ends_budget || glance.entered.is_some();
        if !has_event && self.is_quiet(glance.whole_ns) {
            self.current.looked.steps += 1;
            self.advance(glance.whole_ns);
            if self.keeps_times {
                self.set_sums(&glance.sums);
            }
            self.current.budgets.clear();
            return;
        }
        self.lay_out(stretch);
        let mut left = 1.0;
        let mut entered = glance.entered;
        loop {
            let enters = entered.take();
            if let Some((function, at)) = enters.or_else(|| self.switch(stretch, 1.0 - left)) {
                director.entered(self, function, at);
                self.serve(director);
                continue;
            }
            self.current.looked.steps += 1;
            let step = self.current.budgets.next_step(left);
            let (share, event) = self.advance(self.current.whole_ns * step.share);
            let is_whole = share == 1.0;
            left = (left - share * step.share).max(0.0);
            self.current.budgets.charge(share * step.share);
            if self.keeps_times {
                let mut sums = self.sums();
                self.current.add_times(share * step.share, &mut sums);
                self.set_sums(&sums);
            }
            let hit = step.hit.filter(|_| is_whole);
            if let Some(position) = hit {
                self.current.set_left(position, 0.0);
            }
            self.dispatch(event, Some(stretch), director);
            match hit {
                // Unless the director has just set another budget.
                Some(position) if self.current.left(position) <= 0.0 => {
                    self.exhaust(stretch, position, director);
                }
                None if is_whole => break,
                _ => {}
            }
        }
        self.end_slice(stretch);
    }

    /// The times of the run up to now.
    fn sums(&self) -> Times {
        let mut sums = Times {
            lost_ns: self.outcome.lost_ns,
            ..Times::default()
        };
        let residency_ns = &self.outcome.residency_ns;
        sums.level_ns[..residency_ns.len()].copy_from_slice(residency_ns);
        sums
    }

    fn set_sums(&mut self, sums: &Times) {
        let residency_ns = &mut self.outcome.residency_ns;
        let levels = residency_ns.len();
        residency_ns.copy_from_slice(&sums.level_ns[..levels]);
        self.outcome.lost_ns = sums.lost_ns;
    }

    /// Looks once at each part: brings published code into use, and does the whole slice as if
    /// there were no event in it. Most slices have none. What budgets were before is laid out, in
    /// case that there is one.
    fn glance(&mut self, stretch: &Stretch) -> Glance {
        let levels = self.workload.levels();
        let (call, iteration) = (self.weights.call, self.weights.iteration);
        let mut glance = Glance {
            whole_ns: stretch.host_ns,
            ..Glance::default()
        };
        if self.keeps_times {
            glance.sums = self.sums();
        }
        self.current.changed.clear();
        self.current.budgets.clear();
        self.current.looked.parts += stretch.parts.len() as u64;
        for (position, part) in (0..).zip(&stretch.parts) {
            if self.hot[part.function].is_published && self.switch_part(part, 0.0).0 {
                self.comes_to_entry(part, position, &mut glance.entered);
            }
            let hot = &mut self.hot[part.function];
            let (calls, loops) = hot.units(part, call, iteration);
            let units = calls + loops;
            self.current.budgets.push(hot.left);
            glance.ends_budget |= hot.left < units;
            hot.left -= units;
            hot.position = position;
            let times = hot.times(part);
            let ns = times[0].1 + times[1].1;
            glance.whole_ns += ns;
            if !self.keeps_times {
                continue;
            }
            let (first, second) = Times::new(times, ns - part.fastest(levels));
            glance.sums.add(1.0, &first);
            if let Some(second) = second {
                glance.sums.add(1.0, &second);
            }
        }
        glance
    }

    /// A part has come to an OSR entry: the first one is told to the director, others are looked
    /// at again after that.
    fn comes_to_entry(&mut self, part: &Part, position: u32, entered: &mut Option<(usize, u32)>) {
        if entered.is_some() {
            self.current.changed.push(position);
            return;
        }
        self.states[part.function].entered = Some(self.slice);
        let loops = self.workload.loops(part).iter();
        let most = loops.max_by(|one, other| one.1.total_cmp(&other.1));
        *entered = most.map(|&(index, _)| (part.function, index));
    }

    /// Puts the budgets back.
    fn end_slice(&mut self, stretch: &Stretch) {
        self.current.budgets.settle_all();
        for (position, part) in stretch.parts.iter().enumerate() {
            self.hot[part.function].left = self.current.left(position);
        }
        self.current.budgets.clear();
    }

    /// Lays out what parts take in the code that their functions run now.
    fn lay_out(&mut self, stretch: &Stretch) {
        let levels = self.workload.levels();
        let current = &mut self.current;
        current.budgets.settle_all();
        current.ns.clear();
        current.times.clear();
        current.whole_ns = stretch.host_ns;
        current.looked.parts += stretch.parts.len() as u64;
        let hot = |part: &Part| &self.hot[part.function];
        let (call, iteration) = (self.weights.call, self.weights.iteration);
        current.budgets.lay_out(stretch.parts.iter().map(|part| {
            let (calls, loops) = hot(part).units(part, call, iteration);
            calls + loops
        }));
        for part in &stretch.parts {
            let hot = &self.hot[part.function];
            let times = hot.times(part);
            let ns = times[0].1 + times[1].1;
            current.whole_ns += ns;
            current.ns.push(ns);
            if !self.keeps_times {
                continue;
            }
            let (first, second) = Times::new(times, ns - part.fastest(levels));
            current.times.push(first);
            current.times.extend(second);
        }
    }

    fn exhaust(&mut self, stretch: &Stretch, position: usize, director: &mut dyn Director) {
        let part = &stretch.parts[position];
        let left = self.current.left(position);
        // Each unit is as likely as the others to be the last.
        let weight = self.weights.iteration;
        let (calls, loops) = self.hot[part.function].units(part, self.weights.call, weight);
        let mut unit = self.random.f64() * (calls + loops) - calls;
        // The part of the loops' units that are counted.
        let counted = loops / (part.iterations * weight);
        let mut at = None;
        for &(index, iterations) in self.workload.loops(part) {
            if unit >= 0.0 {
                at = Some(index);
                unit -= iterations * weight * counted;
            }
        }
        self.ask(director);
        director.exhausted(self, part.function, at);
        if self.current.left(position) <= left {
            self.current.set_left(position, f64::INFINITY);
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

    /// Brings published code into use where the slice, of which a share is done, allows. Returns a
    /// function and a loop of it that has come to its OSR entry, if the director has not been told.
    fn switch(&mut self, stretch: &Stretch, done: f64) -> Option<(usize, u32)> {
        if self.current.changed.is_empty() {
            return None;
        }
        let mut changed = std::mem::take(&mut self.current.changed);
        changed.sort_unstable();
        changed.dedup();
        self.current.looked.parts += changed.len() as u64;
        let (mut entered, mut runs_other) = (None, false);
        for &position in &changed {
            let part = &stretch.parts[position as usize];
            let (enters, other) = self.switch_part(part, done);
            runs_other |= other;
            if enters {
                self.comes_to_entry(part, position, &mut entered);
            }
        }
        if runs_other {
            self.lay_out(stretch);
        }
        entered
    }

    /// Brings a function's code into use. Returns whether a loop has come to an OSR entry of which
    /// the director has not been told, and whether the function runs other code than before.
    fn switch_part(&mut self, part: &Part, done: f64) -> (bool, bool) {
        let hot = &mut self.hot[part.function];
        let state = &self.states[part.function];
        let iterations = part.iterations * self.weights.iteration;
        let lasting = iterations * hot.lasting;
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
        let before = (hot.running, hot.lasting_running);
        hot.running = running as u8;
        hot.counts = self.workload.counting[running];
        hot.lasting_running = lasting_running as u8;
        hot.lasting_counts = self.workload.counting[lasting_running] == Counting::Counts;
        let runs_other = before != (hot.running, hot.lasting_running);
        ((new_enter || lasting_enter) && is_new, runs_other)
    }

    /// A function of the slice, each as likely as its share of the time; `None` is the host.
    pub(super) fn draw(&mut self, stretch: &Stretch) -> Option<usize> {
        let whole = stretch.host_ns + self.current.ns.iter().sum::<f64>();
        let mut left = self.random.f64() * whole - stretch.host_ns;
        let hit = self.current.ns.iter().position(|ns| {
            let before = left;
            left -= ns;
            before >= 0.0 && left < 0.0
        });
        hit.map(|position| stretch.parts[position].function)
    }
}
