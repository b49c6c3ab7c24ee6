//! The watchdog: a thread that repeats signals and waits for deadlines; one for the process,
//! started when first needed.
//!
//! A signal is repeated because it may strike one of the short windows in which it has no effect.
//! Where it struck host code, which reads the interrupt word itself when it returns, the next
//! signal comes after a wait that grows eightfold each time: system calls of a host function that
//! waits see a handful of `EINTR`, not a thousand per second. Where it struck code of the engine
//! that can't be left at that very instruction, the next one comes after a millisecond.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, Weak};
use std::time::{Duration, Instant};

use super::StoreShared;
use crate::sys::PerProcess;

/// How long the watchdog waits before it first repeats a signal.
const FIRST_WAIT: Duration = Duration::from_millis(1);

/// How much longer each further wait is while signals find host code.
const WAIT_FACTOR: u32 = 8;

/// The longest wait between two signals.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

const POISON: &str = "no panic happens under this lock";

/// The watchdog's lists. They refer to stores weakly.
#[derive(Default)]
pub struct Watchdog {
    work: Mutex<Work>,
    /// Notified when there is something to do earlier than before.
    earlier: Condvar,
    /// Whether the thread was started. The call that sets it starts the thread, and clears it again
    /// if that fails.
    started: AtomicBool,
}

#[derive(Default)]
struct Work {
    /// By the addresses of the stores, which no others have as long as there are weak references.
    repeats: HashMap<usize, Repeat>,
    alarms: BinaryHeap<Reverse<Alarm>>,
    /// The number of alarms at which those of dropped stores are removed: twice what the last sweep
    /// left.
    sweep_at: usize,
}

/// The fewest alarms that are swept.
const FEW_ALARMS: usize = 64;

/// A store whose thread is signalled until it has left WebAssembly.
struct Repeat {
    store: Weak<StoreShared>,
    at: Instant,
    wait: Duration,
}

/// A time at which a store's deadline is checked.
struct Alarm {
    at: Instant,
    store: Weak<StoreShared>,
}

impl Watchdog {
    /// The process's watchdog. A forked child gets one of its own, as it does not have its parent's
    /// threads. If the system refused the thread before, it is requested again.
    pub fn get() -> &'static Self {
        static WATCHDOG: PerProcess<Watchdog> = PerProcess::new();
        let (watchdog, _) = WATCHDOG.get();
        if !watchdog.started.swap(true, Ordering::Relaxed) {
            let thread = std::thread::Builder::new().name("upshift-watchdog".into());
            if let Err(error) = thread.spawn(|| watchdog.run()) {
                watchdog.started.store(false, Ordering::Relaxed);
                log::error!(
                    "no watchdog thread ({error}): deadlines don't end calls, and an interruption \
                     may come late"
                );
            }
        }
        watchdog
    }

    /// Signals the stores' threads repeatedly, until there is nothing to do. Stores that are being
    /// signalled already begin anew.
    pub fn repeat<'a>(&self, stores: impl Iterator<Item = &'a Arc<StoreShared>>) {
        let mut work = self.work.lock().expect(POISON);
        let at = Instant::now() + FIRST_WAIT;
        for store in stores {
            work.repeats.insert(
                Arc::as_ptr(store) as usize,
                Repeat {
                    store: Arc::downgrade(store),
                    at,
                    wait: FIRST_WAIT,
                },
            );
        }
        self.earlier.notify_one();
    }

    /// Calls [`StoreShared::alarm`] at the time, or as soon after it as the system lets a thread
    /// run.
    pub fn alarm(&self, store: &Arc<StoreShared>, at: Instant) {
        let mut work = self.work.lock().expect(POISON);
        work.sweep();
        let earlier = work.next().is_none_or(|next| at < next);
        let store = Arc::downgrade(store);
        work.alarms.push(Reverse(Alarm { at, store }));
        if earlier {
            self.earlier.notify_one();
        }
    }

    fn run(&self) {
        let mut work = self.work.lock().expect(POISON);
        loop {
            let now = Instant::now();
            work.repeats
                .retain(|_, repeat| repeat.at > now || repeat.again(now));
            if let Some(alarm) = work.take_due(now) {
                // Unlocked first: the store's lock is taken before the watchdog's.
                drop(work);
                if let Some(store) = alarm.store.upgrade() {
                    store.alarm(alarm.at);
                }
                work = self.work.lock().expect(POISON);
                continue;
            }
            work = match work.next() {
                Some(next) => {
                    let wait = next.saturating_duration_since(Instant::now());
                    self.earlier.wait_timeout(work, wait).expect(POISON).0
                }
                None => self.earlier.wait(work).expect(POISON),
            };
        }
    }
}

impl Work {
    /// The next time at which there is something to do.
    fn next(&self) -> Option<Instant> {
        let repeats = self.repeats.values().map(|repeat| repeat.at);
        let alarm = self.alarms.peek().map(|Reverse(alarm)| alarm.at);
        repeats.chain(alarm).min()
    }

    /// Removes alarms of dropped stores, once there may be as many of them as of others: a server
    /// that gives each of its short calls a long time would otherwise collect them until that time
    /// is over.
    fn sweep(&mut self) {
        if self.alarms.len() < self.sweep_at.max(FEW_ALARMS) {
            return;
        }
        self.alarms
            .retain(|Reverse(alarm)| alarm.store.strong_count() > 0);
        self.sweep_at = 2 * self.alarms.len();
    }

    fn take_due(&mut self, now: Instant) -> Option<Alarm> {
        self.alarms.peek().filter(|alarm| alarm.0.at <= now)?;
        self.alarms.pop().map(|Reverse(alarm)| alarm)
    }
}

impl Repeat {
    /// Signals once more; returns false if there is nothing to do.
    fn again(&mut self, now: Instant) -> bool {
        let Some(store) = self.store.upgrade() else {
            return false;
        };
        self.wait = match store.take_retry() {
            true => FIRST_WAIT,
            false => (self.wait * WAIT_FACTOR).min(LONGEST_WAIT),
        };
        self.at = now + self.wait;
        store.nudge()
    }
}

impl PartialEq for Alarm {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}

impl Eq for Alarm {}

impl PartialOrd for Alarm {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Alarm {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.at.cmp(&other.at)
    }
}
