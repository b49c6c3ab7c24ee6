//! A thread's part of a log: its totals, and a bounded ring of its records.
//!
//! One thread fills a ring. Threads that read the log empty it, one at a time, under the log's
//! lock. Neither waits for the other: [`ArrayQueue`] takes no lock, and the lock around the totals
//! is held for the time of an addition or a copy.
//!
//! A thread keeps its parts in a thread-local list, so that finding one costs no more than a look
//! at its first entry where there is one log, as usual. When the thread ends the list goes, which
//! the log sees by the count of references.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use crossbeam::queue::ArrayQueue;

use crate::event::Event;
use crate::key::Nanos;
use crate::log::{Record, Shared};
use crate::stats::Stats;

/// How many records a ring holds: about a quarter of a megabyte for a thread that records events.
const CAPACITY: usize = 2_048;

/// A thread's part of a log.
#[derive(Debug)]
pub(crate) struct ThreadLog {
    pub(crate) number: u32,
    stats: Mutex<Stats>,
    /// Created by the thread's first record: a log that only counts has no rings.
    ring: OnceLock<ArrayQueue<Record>>,
    /// Records that did not fit. Relaxed: a figure for reports.
    lost: AtomicU64,
}

/// The record that did not fit into a full ring.
pub(crate) struct Full(pub(crate) Record);

impl ThreadLog {
    fn new() -> Self {
        Self {
            number: thread_number(),
            stats: Mutex::default(),
            ring: OnceLock::new(),
            lost: AtomicU64::new(0),
        }
    }

    /// Adds the event to the totals.
    pub(crate) fn count(&self, at: Nanos, event: &Event) {
        self.lock_stats().apply(at, event);
    }

    pub(crate) fn stats(&self) -> Stats {
        self.lock_stats().clone()
    }

    fn lock_stats(&self) -> MutexGuard<'_, Stats> {
        self.stats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a record into the ring. Calls `half_full` when it becomes that.
    pub(crate) fn push(&self, record: Record, half_full: impl FnOnce()) -> Result<(), Full> {
        let ring = self.ring.get_or_init(|| ArrayQueue::new(CAPACITY));
        ring.push(record).map_err(Full)?;
        if ring.len() == CAPACITY / 2 {
            half_full();
        }
        Ok(())
    }

    /// Takes the oldest record from the ring.
    pub(crate) fn pop(&self) -> Option<Record> {
        self.ring.get()?.pop()
    }

    /// Notes that a record was lost.
    pub(crate) fn lose(&self) {
        self.lost.fetch_add(1, Ordering::Relaxed);
    }

    /// How many records were lost since the last call.
    pub(crate) fn take_lost(&self) -> u64 {
        self.lost.swap(0, Ordering::Relaxed)
    }
}

thread_local! {
    /// The calling thread's part of each log that it has recorded in.
    static PARTS: RefCell<Vec<(Weak<Shared>, Arc<ThreadLog>)>> = const { RefCell::new(Vec::new()) };
}

/// Calls `record` with the calling thread's part of the log.
pub(crate) fn with_thread_log(log: &Arc<Shared>, record: impl FnOnce(&ThreadLog)) {
    let part = PARTS.try_with(|parts| {
        let is_own = |(of, _): &&(Weak<Shared>, _)| of.as_ptr() == Arc::as_ptr(log);
        let found = {
            let parts = parts.borrow();
            parts.iter().find(is_own).map(|(_, part)| part.clone())
        };
        found.unwrap_or_else(|| {
            let part = Arc::new(ThreadLog::new());
            {
                let mut parts = parts.borrow_mut();
                parts.retain(|(of, _)| of.strong_count() > 0);
                parts.push((Arc::downgrade(log), part.clone()));
            }
            // Calls observers, which may record in other logs: the list is free again.
            log.begin_thread(part.clone());
            part
        })
    });
    // A thread that ends has no list any more: this one event has a part of its own.
    let part = part.unwrap_or_else(|_| {
        let part = Arc::new(ThreadLog::new());
        log.begin_thread(part.clone());
        part
    });
    record(&part);
}

/// The calling thread's number in this process. Relaxed: numbers only have to differ.
fn thread_number() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    thread_local!(static NUMBER: u32 = NEXT.fetch_add(1, Ordering::Relaxed));
    NUMBER
        .try_with(|number| *number)
        .unwrap_or_else(|_| NEXT.fetch_add(1, Ordering::Relaxed))
}
