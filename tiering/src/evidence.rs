//! What the trials of an engine share: a clock, the time that they may cost, and whose turn it is.
//!
//! Measuring a function's baseline code costs what that code is slower. An engine's trials may lose
//! a small part of the engine's time in all (the knob `evidence-cost`), besides a little at first.
//!
//! Functions wait for their trials, so that few are counted at once, and of these one measures at a
//! time: two functions that call each other would be each other's noise. A trial that does not come
//! back soon, as its function is seldom called, goes on but makes room for others.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError, Weak};
use std::thread::{self, ThreadId};
use std::time::Duration;

use upshift_profiler::{FuncKey, Nanos};
use upshift_runtime::stack::switches;

use crate::worker::{Target, thread_time};

/// A function that reads the time on the calling thread.
pub(crate) type Clock = dyn Fn() -> Reading + Send + Sync;

/// A time that is compared with others of the same thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reading {
    pub(crate) thread: ThreadId,
    /// How often the thread has switched between asynchronous calls: what it did meanwhile is no
    /// part of the call.
    pub(crate) switches: u64,
    pub(crate) time: Nanos,
}

impl Reading {
    /// The processor time of the calling thread: a thread that waits, or that others keep from
    /// running, measures nothing. Takes a fraction of a microsecond.
    pub(crate) fn now() -> Self {
        Self {
            thread: thread::current().id(),
            switches: switches(),
            time: thread_time().into(),
        }
    }

    /// The time since an earlier reading; `None` if that was of another thread, or the thread has
    /// left an asynchronous call or gone on with one since.
    pub(crate) fn since(self, earlier: Self) -> Option<Nanos> {
        let same = (self.thread, self.switches) == (earlier.thread, earlier.switches);
        same.then(|| Nanos(self.time.0.saturating_sub(earlier.time.0)))
    }
}

/// Time that may be lost before any has passed, in nanoseconds.
const AT_FIRST: f64 = 500_000.0;

/// The most time that may be lost after a long time without trials, in nanoseconds; or what a trial
/// takes to begin, if that is more.
const AT_MOST: f64 = 20_000_000.0;

/// Windows in baseline code of most trials: those of functions that optimizing made faster.
const TRIAL_WINDOWS: u32 = 4;

/// How long a trial keeps its turn without asking.
const TURN: Nanos = Nanos(5_000_000);

/// The number of functions that are counted at once, besides those that are seldom called.
const ACTIVE: usize = 2;

/// A function that waits for its trial.
#[derive(Debug)]
pub(crate) struct Candidate {
    pub(crate) target: Weak<dyn Target>,
    pub(crate) func: FuncKey,
}

/// The account of the time that trials have lost, and their order.
#[derive(Debug)]
pub(crate) struct Ledger {
    entries: Mutex<Entries>,
    /// The loss that must be affordable for a trial to begin: that of most trials.
    start: Nanos,
}

#[derive(Debug, Default)]
struct Entries {
    /// The time up to which the credit has been counted.
    until: Nanos,
    /// Nanoseconds that may be lost, besides `AT_FIRST`.
    credit: f64,
    /// The trial whose turn it is, and when it last asked.
    turn: Option<(FuncKey, Nanos)>,
    waiting: VecDeque<Candidate>,
    /// The functions on trial that came back lately, and when they did.
    active: Vec<(FuncKey, Nanos)>,
}

impl Entries {
    fn affords(&mut self, loss: Nanos, now: Nanos, percent: f64, at_most: f64) -> bool {
        let passed = now.0.saturating_sub(self.until.0);
        self.until = self.until.max(now);
        self.credit = (self.credit + passed as f64 * percent / 100.0).min(at_most);
        loss.0 == 0 || loss.0 as f64 <= self.credit + AT_FIRST
    }
}

impl Ledger {
    /// The ledger of trials that measure for so long at once.
    pub(crate) fn new(window: Duration) -> Self {
        Self {
            entries: Mutex::default(),
            // Baseline code is taken to be slower by half, before it is measured.
            start: (window.saturating_mul(TRIAL_WINDOWS) / 2).into(),
        }
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn at_most(&self) -> f64 {
        AT_MOST.max(self.start.0 as f64)
    }

    /// Whether this much more may be lost at a time, if `percent` of the time may be.
    pub(crate) fn affords(&self, loss: Nanos, now: Nanos, percent: f64) -> bool {
        let mut entries = self.entries();
        entries.affords(loss, now, percent, self.at_most())
    }

    /// Whether it is the function's turn to be measured, which then keeps it.
    pub(crate) fn takes_turn(&self, func: FuncKey, now: Nanos) -> bool {
        let mut entries = self.entries();
        let free = entries
            .turn
            .is_none_or(|(holder, asked)| holder == func || now.0 > asked.0 + TURN.0);
        if free {
            entries.turn = Some((func, now));
        }
        free
    }

    /// Makes a function wait for its trial.
    pub(crate) fn wait(&self, candidate: Candidate) {
        let mut entries = self.entries();
        entries.waiting.push_back(candidate);
    }

    /// The function whose trial begins now, if one waits, there is room, and as much may be lost as
    /// most trials do: a function that is on trial and not measured pays for its counter.
    pub(crate) fn next(&self, now: Nanos, percent: f64) -> Option<Candidate> {
        let mut entries = self.entries();
        if entries.waiting.is_empty() || !entries.affords(self.start, now, percent, self.at_most())
        {
            return None;
        }
        entries.active.retain(|&(_, seen)| now.0 <= seen.0 + TURN.0);
        if entries.active.len() >= ACTIVE {
            return None;
        }
        let next = entries.waiting.pop_front()?;
        entries.active.push((next.func, now));
        Some(next)
    }

    /// Records that a function on trial came back.
    pub(crate) fn comes_back(&self, func: FuncKey, now: Nanos) {
        let mut entries = self.entries();
        entries.active.retain(|&(active, _)| active != func);
        entries.active.push((func, now));
    }

    /// Records that the function's trial has ended.
    pub(crate) fn leaves(&self, func: FuncKey) {
        let mut entries = self.entries();
        entries.active.retain(|&(active, _)| active != func);
        if entries.turn.is_some_and(|(holder, _)| holder == func) {
            entries.turn = None;
        }
    }

    /// Records a loss, or a negative one where an earlier one turned out to be none.
    pub(crate) fn lose(&self, nanos: i64) {
        let mut entries = self.entries();
        entries.credit -= nanos as f64;
    }
}

#[cfg(test)]
mod tests {
    use upshift_abi::{CompileError, CompiledFunction, DefinedFuncIndex};
    use upshift_profiler::{CodeKey, ModuleKey};

    use super::*;
    use crate::queue::Waiting;
    use crate::worker::{CompileInput, Job};

    #[test]
    fn a_part_of_the_time_may_be_lost() {
        let ledger = Ledger::new(Duration::ZERO);
        let affords = |loss, now| ledger.affords(Nanos(loss), Nanos(now), 1.0);
        assert!(affords(500_000, 0) && !affords(500_001, 0));
        ledger.lose(500_000);
        assert!(!affords(1, 0));
        assert!(affords(10_000, 1_000_000));
        assert!(!affords(10_001, 1_000_000));
        ledger.lose(-5_000);
        assert!(affords(15_000, 1_000_000));
        // Time that passes long before a trial does not count in full.
        assert!(!affords(30_000_000, u64::MAX / 2));
    }

    #[test]
    fn turns_end_or_lapse() {
        let ledger = Ledger::new(Duration::ZERO);
        let func = |n| FuncKey {
            module: ModuleKey(0),
            func: DefinedFuncIndex(n),
        };
        assert!(ledger.takes_turn(func(1), Nanos(0)));
        assert!(ledger.takes_turn(func(1), Nanos(10)));
        assert!(!ledger.takes_turn(func(2), Nanos(20)));
        ledger.leaves(func(2));
        assert!(!ledger.takes_turn(func(2), Nanos(30)));
        ledger.leaves(func(1));
        assert!(ledger.takes_turn(func(2), Nanos(40)));
        assert!(ledger.takes_turn(func(1), Nanos(41 + TURN.0)));
    }

    /// A module that was dropped.
    #[derive(Debug)]
    struct Gone;

    impl Target for Gone {
        fn begin(&self, _: CodeKey, _: Nanos) -> Option<CompileInput> {
            None
        }
        fn finish(&self, _: CodeKey, _: Result<CompiledFunction, CompileError>) {}
        fn try_out(&self, _: FuncKey) {}
        fn abandon(&self, _: CodeKey) {}
        fn wake(&self, _: FuncKey, _: Nanos) {}
        fn look(&self, _: &Job, _: &mut Waiting) {}
        fn take_back(&self, _: CodeKey) {}
    }

    fn candidate(func: u32) -> Candidate {
        let target: Weak<dyn Target> = Weak::<Gone>::new();
        let (module, func) = (ModuleKey(0), DefinedFuncIndex(func));
        let func = FuncKey { module, func };
        Candidate { target, func }
    }

    #[test]
    fn trials_with_long_windows_begin_after_some_time() {
        let ledger = Ledger::new(Duration::from_millis(100));
        ledger.wait(candidate(0));
        assert!(ledger.next(Nanos(1_000_000), 1.0).is_none());
        assert!(ledger.next(Nanos(20_000_000_000), 1.0).is_some());
    }

    #[test]
    fn few_are_counted_at_once_unless_they_are_seldom_called() {
        let ledger = Ledger::new(Duration::ZERO);
        for func in 0..5 {
            ledger.wait(candidate(func));
        }
        let next = |now| {
            let next = ledger.next(Nanos(now), 1.0);
            next.map(|next| next.func)
        };
        let (first, second) = (next(0).unwrap(), next(0).unwrap());
        assert_eq!(next(0), None);
        ledger.leaves(second);
        assert_eq!(next(1).unwrap().func, DefinedFuncIndex(2));
        assert_eq!(next(1), None);
        ledger.comes_back(first, Nanos(TURN.0));
        assert_eq!(next(TURN.0 + 2).unwrap().func, DefinedFuncIndex(3));
        assert_eq!(next(TURN.0 + 2), None);
    }

    #[test]
    fn readings_of_different_threads_do_not_compare() {
        let here = Reading::now();
        assert!(Reading::now().since(here).is_some());
        let there = thread::spawn(Reading::now).join().unwrap();
        assert_eq!(there.since(here), None);
    }
}
