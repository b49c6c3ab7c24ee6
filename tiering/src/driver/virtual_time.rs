//! Virtual switching: the clock is the work that the module has done, in budget units, so a program
//! on one thread switches at the same events in each run, however fast machine and compilers are.
//!
//! Requests wait in a queue for one of a fixed number of virtual compile threads; a compilation
//! takes its latency, and is installed when the clock has passed its end. The clock only moves at
//! exhausted budgets; what fell due meanwhile then happens in the order and at the time at which it
//! was due. Budgets are cut to end when something is due for their function. Units that are charged
//! otherwise, as code is installed, move the clock at the next exhausted budget.

use std::collections::BTreeSet;
use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, MutexGuard, PoisonError};

use upshift_abi::DefinedFuncIndex;
use upshift_profiler::{CodeKey, DropReason, Event, Nanos};

use super::{Driver, Function, Load, Used};
use crate::config::Latency;
use crate::engine::Shared;
use crate::home::CodeHome;
use crate::knob::Knobs;
use crate::module::ModuleState;
use crate::policy::{Level, PolicyEvent, Request};
use crate::queue::{self, Next};
use crate::sessions::CompileSessions;

/// The driver of [`Switching::Virtual`](crate::Switching::Virtual).
pub(super) struct VirtualTime<C> {
    latency: Latency,
    workers: usize,
    /// How many requests may wait.
    cap: usize,
    clock: Mutex<Clock<C>>,
    /// When a function of the module last got its first code, by this clock.
    new_code_at: AtomicU64,
}

/// A module's clock, and what waits for it.
struct Clock<C> {
    now: u64,
    /// Units that were charged and have not moved the clock.
    owed: u64,
    /// In the order of the requests.
    waiting: Vec<Waiting>,
    /// How many requests there have been.
    requests: u64,
    /// In the order in which they began.
    running: Vec<Running<C>>,
    /// The wake-ups of functions by due time, at most one of each; of those due at the same time in
    /// the order of the functions.
    wakes: BTreeSet<(u64, DefinedFuncIndex)>,
}

/// A request that no compile thread has taken yet.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    key: CodeKey,
    since: u64,
    /// What the queue's discipline sees of it.
    seen: queue::Waiting,
}

/// What a virtual compile thread does.
struct Running<C> {
    key: CodeKey,
    /// When the compilation ends; `None` while it has not really been done.
    end: Option<u64>,
    /// The code; `None` if there is none, as the optimizer failed.
    code: Option<C>,
}

/// What happens next as the clock moves.
enum Due<C> {
    Compiled(CodeKey, Option<C>),
    Wake(DefinedFuncIndex, Nanos),
}

impl<C> VirtualTime<C> {
    pub(super) fn new(latency: Latency, knobs: &Knobs) -> Self {
        Self {
            latency,
            // Not the cores': that would make runs depend on the machine.
            workers: knobs.threads.max(1) as usize,
            cap: knobs.queue_cap as usize,
            clock: Mutex::new(Clock {
                now: 0,
                owed: 0,
                waiting: Vec::new(),
                requests: 0,
                running: Vec::new(),
                wakes: BTreeSet::new(),
            }),
            new_code_at: AtomicU64::new(0),
        }
    }

    fn clock(&self) -> MutexGuard<'_, Clock<C>> {
        self.clock.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<C> Clock<C> {
    /// The time after so many more units, and those that have not moved the clock.
    fn due(&mut self, units: u64) -> u64 {
        let units = units.saturating_add(std::mem::take(&mut self.owed));
        self.now.saturating_add(units)
    }

    /// Moves to the first event that is due by `until` and takes it; moves to `until` if there is
    /// none.
    fn next(&mut self, until: u64) -> Option<Due<C>> {
        let ends = self.running.iter().enumerate();
        let ends = ends.filter_map(|(i, running)| Some((running.end?, i)));
        let end = ends.min().filter(|&(end, _)| end <= until);
        let wake = self.wakes.first().copied();
        let wake = wake.filter(|&(due, _)| due <= until);
        match (end, wake) {
            (Some((end, i)), wake) if wake.is_none_or(|(due, _)| end <= due) => {
                self.now = self.now.max(end);
                let Running { key, code, .. } = self.running.remove(i);
                Some(Due::Compiled(key, code))
            }
            (_, Some((due, func))) => {
                self.now = self.now.max(due);
                self.wakes.remove(&(due, func));
                Some(Due::Wake(func, Nanos(due)))
            }
            _ => {
                self.now = self.now.max(until);
                None
            }
        }
    }

    /// The requests that wait, if a compile thread is free.
    fn free_to_take(&self, workers: usize) -> Option<Vec<Waiting>> {
        let free = self.running.len() < workers && !self.waiting.is_empty();
        free.then(|| self.waiting.clone())
    }

    /// Takes the request out of those that wait. Returns false if another thread was faster.
    fn take(&mut self, waiting: &Waiting) -> bool {
        let order = |waiting: &Waiting| waiting.seen.order;
        let own = |other: &Waiting| order(other) == order(waiting);
        let index = self.waiting.iter().position(own);
        index.map(|index| self.waiting.remove(index)).is_some()
    }

    /// Lets a compile thread begin.
    fn begin(&mut self, key: CodeKey) {
        self.running.push(Running {
            key,
            end: None,
            code: None,
        });
    }
}

impl<M: CodeHome> Driver<M> for VirtualTime<M::Code> {
    fn now(&self, _module: &ModuleState<M>) -> Nanos {
        Nanos(self.clock().now)
    }

    fn load(&self, _shared: &Shared) -> Load {
        let clock = self.clock();
        Load {
            queue_length: clock.waiting.len() as u32,
            workers: self.workers as u32,
            busy_workers: clock.running.len() as u32,
        }
    }

    fn may_measure(&self) -> bool {
        false
    }

    fn new_code_at<'a>(&'a self, _shared: &'a Shared) -> &'a AtomicU64 {
        &self.new_code_at
    }

    fn charged(&self, units: u64) {
        self.clock().owed += units;
    }

    fn exhausted(&self, function: Function<'_, M>, used: Used) -> Option<M::Addr> {
        self.advance(function, used.units);
        function.consult_policy(used.site)
    }

    fn request(&self, function: Function<'_, M>, key: CodeKey, request: Request) {
        let mut clock = self.clock();
        if clock.waiting.len() >= self.cap {
            let queue_length = clock.waiting.len() as u32;
            drop(clock);
            function.log_request(key, request, queue_length + 1);
            function.shared().dropped(key, DropReason::Full);
            return function.unclaim(key);
        }
        let since = clock.now;
        let mut seen = queue::Waiting::new(key.func, key.unit, request);
        seen.order = clock.requests;
        clock.requests += 1;
        clock.waiting.push(Waiting { key, since, seen });
        let queue_length = clock.waiting.len() as u32;
        drop(clock);
        function.log_request(key, request, queue_length);
        self.begin_waiting(function);
    }

    fn units_until_due(&self, function: Function<'_, M>) -> Option<u32> {
        let clock = self.clock();
        let of_func = |key: CodeKey| key.func == function.key();
        let ends = clock.running.iter();
        let first = match clock.waiting.iter().any(|waiting| of_func(waiting.key)) {
            // It can begin when any compilation ends.
            true => ends.filter_map(|running| running.end).min(),
            false => {
                let own = ends.filter(|running| of_func(running.key));
                own.filter_map(|running| running.end).min()
            }
        };
        let wake = function.state.wake_due().map(|due| due.0);
        let due = first.into_iter().chain(wake).min();
        let units = due.map_or(u64::MAX, |due| due.saturating_sub(clock.now));
        Some(u32::try_from(units).unwrap_or(u32::MAX))
    }

    /// Real samples would make runs differ.
    fn sampled(&self, _function: Function<'_, M>) {}

    fn wake(&self, function: Function<'_, M>, after: Nanos) {
        let mut clock = self.clock();
        let due = clock.now.saturating_add(after.0.max(1));
        if let Some(before) = function.state.set_wake(Nanos(due)) {
            clock.wakes.remove(&(before.0, function.index));
        }
        clock.wakes.insert((due, function.index));
    }
}

impl<C: Clone + Send + Sync> VirtualTime<C> {
    /// Moves the clock, and does what falls due on the way.
    fn advance<M: CodeHome<Code = C>>(&self, function: Function<'_, M>, units: u64) {
        let until = self.clock().due(units);
        while let Some(due) = { self.clock().next(until) } {
            match due {
                Due::Compiled(key, code) => {
                    if let Some(code) = code {
                        let of_key = function.module.function(function.home, key.func.func);
                        of_key.install_optimized(key, code);
                    }
                    self.begin_waiting(function);
                }
                Due::Wake(func, due) => function.module.function(function.home, func).wake(due),
            }
        }
    }

    /// Takes the request that a compile thread compiles next, if one is free. Drops those that are
    /// stale.
    fn next_waiting<M: CodeHome<Code = C>>(&self, function: Function<'_, M>) -> Option<Waiting> {
        let (config, discipline) = (&function.shared().config, &function.shared().discipline);
        loop {
            let waiting = { self.clock().free_to_take(self.workers)? };
            let mut seen: Vec<_> = waiting.iter().map(|waiting| waiting.seen).collect();
            if discipline.watches() || config.stale().is_some() {
                for (waiting, seen) in waiting.iter().zip(&mut seen) {
                    let func = waiting.key.func.func;
                    let of_key = function.module.function(function.home, func);
                    of_key.look(Nanos(waiting.since), seen);
                }
            }
            match discipline.next(config.stale(), &seen)? {
                Next::Compile(index) => {
                    let waiting = waiting[index];
                    let mut clock = self.clock();
                    if clock.take(&waiting) {
                        clock.begin(waiting.key);
                        return Some(waiting);
                    }
                }
                Next::Drop(index) => {
                    let waiting = waiting[index];
                    if self.clock().take(&waiting) {
                        let key = waiting.key;
                        function.shared().dropped(key, DropReason::Stale);
                        function
                            .module
                            .function(function.home, key.func.func)
                            .unclaim(key);
                    }
                }
            }
        }
    }

    /// Lets free compile threads take requests.
    fn begin_waiting<M: CodeHome<Code = C>>(&self, function: Function<'_, M>) {
        while let Some(waiting) = self.next_waiting(function) {
            let (key, home) = (waiting.key, function.home);
            let function = function.module.function(home, key.func.func);
            let now = self.clock().now;
            let (level, waited) = (Level(key.level), Nanos(now - waiting.since));
            let event = PolicyEvent::Dequeued { level, waited };
            function.shared().log.trace(|| Event::Dequeued {
                code: key,
                waited,
                queue_length: self.clock().waiting.len() as u32,
            });
            // Withdrawn already, and perhaps requested again since; or withdrawn now.
            if !function.is_queued(key) || function.decide(event).withdraw {
                function.shared().dropped(key, DropReason::Withdrawn);
                function.unclaim(key);
                self.clock().running.retain(|running| running.key != key);
                continue;
            }
            let mut sessions = CompileSessions::new(function.shared());
            let code = function.compile_claimed(key, &mut sessions);
            let latency = self.latency.of(home.facts().body_len(key.func.func));
            let mut clock = self.clock();
            let mut running = clock.running.iter_mut();
            let own = running.find(|running| running.key == key && running.end.is_none());
            if let Some(own) = own {
                own.end = Some(now.saturating_add(latency));
                own.code = code;
            }
        }
    }
}
