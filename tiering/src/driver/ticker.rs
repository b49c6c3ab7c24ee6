//! Wake-ups in real time: one thread for each engine, started when a policy first asks for one.
//!
//! Protocol: `wakes` is ordered by due time. A function has at most one wake-up, at the time that
//! its state names: asking again replaces the earlier one, and a module that is dropped takes its
//! own with it. So there are no more than functions, whatever the delays. Where the system refuses
//! the thread, threads that run WebAssembly look for due wake-ups at exhausted budgets.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use upshift_profiler::{FuncKey, ModuleKey, Nanos};

use super::Function;
use crate::engine::Shared;
use crate::home::CodeHome;
use crate::policy::PolicyEvent;
use crate::worker::Target;

/// The wake-ups of an engine's functions.
#[derive(Debug, Default)]
pub(crate) struct Ticker {
    wakes: Mutex<Wakes>,
    /// Notified when an earlier wake-up is added than any before, and when the engine is dropped.
    changed: Condvar,
    /// Whether the system has refused the thread. Relaxed: a thread that reads a stale value looks
    /// at its next exhausted budget.
    refused: AtomicBool,
}

#[derive(Debug, Default)]
struct Wakes {
    /// By due time; of those due at the same time in the order of the functions.
    due: BTreeMap<(Nanos, FuncKey), Weak<dyn Target>>,
    /// Whether the thread exists.
    running: bool,
}

/// A wake-up that is due.
#[derive(Debug)]
struct Wake {
    due: Nanos,
    func: FuncKey,
    target: Weak<dyn Target>,
}

impl Ticker {
    fn wakes(&self) -> MutexGuard<'_, Wakes> {
        self.wakes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the thread end, as the engine is dropped.
    pub(crate) fn close(&self) {
        self.wakes().due.clear();
        self.changed.notify_all();
    }

    /// Forgets the wake-ups of a module that is dropped.
    pub(crate) fn forget(&self, module: ModuleKey) {
        self.wakes()
            .due
            .retain(|(_, func), _| func.module != module);
    }

    /// How many wake-ups are to come.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.wakes().due.len()
    }

    /// Wakes what is due, if there is no thread to do so. Called at exhausted budgets.
    pub(crate) fn stand_in(&self, shared: &Shared) {
        if self.refused.load(Ordering::Relaxed) {
            // In a block, so that the lock is free while the policy decides, and may ask again.
            while let Some(wake) = { self.wakes().take_due(shared.timeline.now()) } {
                wake.deliver();
            }
        }
    }

    /// The thread: delivers wake-ups until the engine is dropped.
    fn run(&self, shared: &Shared) {
        let mut wakes = self.wakes();
        while !shared.queue.is_closed() {
            let now = shared.timeline.now();
            if let Some(wake) = wakes.take_due(now) {
                drop(wakes);
                wake.deliver();
                wakes = self.wakes();
                continue;
            }
            let wait = match wakes.first() {
                Some(first) => Duration::from_nanos(first.0 - now.0),
                None => Duration::MAX,
            };
            let waited = self.changed.wait_timeout(wakes, wait);
            wakes = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Wakes {
    /// Takes the first wake-up that is due.
    fn take_due(&mut self, now: Nanos) -> Option<Wake> {
        let first = self.due.first_entry()?;
        if first.key().0 > now {
            return None;
        }
        let ((due, func), target) = first.remove_entry();
        Some(Wake { due, func, target })
    }

    /// When the first wake-up is due.
    fn first(&self) -> Option<Nanos> {
        self.due.keys().next().map(|&(due, _)| due)
    }
}

impl Wake {
    /// Wakes the function. A panic of its policy ends this wake-up and no other.
    fn deliver(self) {
        if let Some(target) = self.target.upgrade() {
            let wake = || target.wake(self.func, self.due);
            if catch_unwind(AssertUnwindSafe(wake)).is_err() {
                log::warn!("{}: the policy panicked at a wake-up", self.func);
            }
        }
    }
}

/// Makes the function have a wake-up after this time, in place of an earlier one.
pub(super) fn wake<M: CodeHome>(function: Function<'_, M>, after: Nanos) {
    let shared = function.shared();
    let ticker = &shared.ticker;
    let due = Nanos(shared.timeline.now().0.saturating_add(after.0.max(1)));
    let func = function.key();
    let mut wakes = ticker.wakes();
    // Under the lock, so that the function's state names what is listed.
    if let Some(before) = function.state.set_wake(due) {
        wakes.due.remove(&(before, func));
    }
    let first = wakes.first().is_none_or(|first| due < first);
    let target = function.module.this.clone();
    wakes.due.insert((due, func), target);
    if !wakes.running && !ticker.refused.load(Ordering::Relaxed) {
        wakes.running = start(shared);
        ticker.refused.store(!wakes.running, Ordering::Relaxed);
    }
    drop(wakes);
    if first {
        ticker.changed.notify_one();
    }
}

/// Starts the thread; false if the system refuses it.
fn start(shared: &Arc<Shared>) -> bool {
    let task = {
        let shared = shared.clone();
        Box::new(move || shared.ticker.run(&shared))
    };
    let started = shared.pool.spawn("upshift-ticker".to_owned(), task);
    if let Err(error) = &started {
        log::warn!("no thread for wake-ups ({error}): they come at exhausted budgets");
    }
    started.is_ok()
}

impl<M: CodeHome> Function<'_, M> {
    /// Tells the policy of a wake-up, if the one due at this time still counts.
    pub(crate) fn wake(&self, due: Nanos) {
        if self.state.take_wake(due) {
            self.tell(PolicyEvent::Wake);
        }
    }
}
