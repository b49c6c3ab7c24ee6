//! What a log's threads share: the parts that they record in, and what moves records from there to
//! the log's memory and its observers.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::{self, Thread};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use super::{Detail, LogConfig, Record};
use crate::event::Event;
use crate::key::{Nanos, Timeline};
use crate::names::Names;
use crate::pending::{ReqNumbers, Requests};
use crate::ring::{self, Full, ThreadLog};
use crate::stats::Stats;

/// What a log, its writer thread and the threads that record in it share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(super) timeline: Timeline,
    /// The process that has the writer thread.
    pub(super) process: u32,
    /// A [`Detail`]. Relaxed: a thread that reads a stale one drops or records a further event
    /// around the switch, and nothing else depends on it.
    pub(super) detail: AtomicU8,
    capacity: usize,
    /// The number of modules so far, from which keys are made. Relaxed: keys only have to differ.
    pub(super) modules: AtomicU32,
    pub(super) numbers: ReqNumbers,
    /// Locked only for events of requests and code, while events are stored.
    requests: Mutex<Requests>,
    /// Whether a writer thread empties the rings: a thread whose ring is full then loses its event
    /// instead of emptying them itself. Relaxed: a thread that reads the old value does the other.
    pub(super) has_writer: AtomicBool,
    /// Locked only by threads that read the log, begin to record, or find their ring full.
    inner: Mutex<Inner>,
}

#[derive(Default)]
pub(super) struct Inner {
    /// The totals of threads that have ended, and of what no thread can count.
    pub(super) stats: Stats,
    pub(super) threads: Vec<Arc<ThreadLog>>,
    pub(super) records: VecDeque<Record>,
    pub(super) names: Names,
    pub(super) observers: Vec<Box<Observe>>,
    pub(super) writer: Option<Thread>,
}

pub(super) type Observe = dyn FnMut(&[Record], &Names) + Send;

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inner")
            .field("threads", &self.threads.len())
            .field("records", &self.records.len())
            .field("observers", &self.observers.len())
            .finish_non_exhaustive()
    }
}

impl Shared {
    pub(super) fn new(config: &LogConfig) -> Self {
        Self {
            timeline: Timeline::start(),
            process: std::process::id(),
            detail: AtomicU8::new(config.detail as u8),
            capacity: config.capacity.unwrap_or(usize::MAX),
            modules: AtomicU32::new(0),
            numbers: ReqNumbers::default(),
            requests: Mutex::default(),
            has_writer: AtomicBool::new(false),
            inner: Mutex::default(),
        }
    }

    pub(super) fn now(&self) -> Nanos {
        self.timeline.now()
    }

    pub(super) fn does(&self, detail: Detail) -> bool {
        self.detail.load(Ordering::Relaxed) >= detail as u8
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic while counting can't leave the data half-changed in a way that matters.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn record(self: &Arc<Self>, mut event: Event) {
        let at = self.now();
        ring::with_thread_log(self, |thread| {
            thread.count(at, &event);
            if !self.does(Detail::Events) {
                return;
            }
            if event.code().is_some() {
                let mut requests = self.requests.lock();
                let requests = requests.as_mut().unwrap_or_else(|e| e.get_mut());
                requests.complete(at, &mut event, &self.numbers);
            }
            let record = Record {
                at,
                cpu: thread_time(),
                thread: thread.number,
                event,
            };
            self.store(thread, record);
        });
    }

    /// Puts a record into the thread's ring.
    fn store(&self, thread: &ThreadLog, record: Record) {
        let Err(Full(record)) = thread.push(record, || self.wake_writer()) else {
            return;
        };
        if self.has_writer.load(Ordering::Relaxed) {
            thread.lose();
            return;
        }
        self.collect(&mut self.lock());
        // Nothing else adds to this thread's ring.
        let _ = thread.push(record, || {});
    }

    fn wake_writer(&self) {
        if self.has_writer.load(Ordering::Relaxed)
            && let Ok(inner) = self.inner.try_lock()
            && let Some(writer) = &inner.writer
        {
            writer.unpark();
        }
    }

    /// Lists a thread that begins to record.
    pub(crate) fn begin_thread(&self, thread: Arc<ThreadLog>) {
        let mut inner = self.lock();
        // Here too, so that the list does not grow with threads that have ended.
        self.collect(&mut inner);
        inner.threads.push(thread);
    }

    /// Empties all rings; returns how many records there were.
    pub(super) fn collect(&self, inner: &mut Inner) -> usize {
        let mut batch = Vec::new();
        let mut lost = 0;
        inner.threads.retain(|thread| {
            // Before the ring is emptied: a thread that has ended adds nothing afterwards.
            let ended = Arc::strong_count(thread) == 1;
            fence(Ordering::Acquire);
            while let Some(record) = thread.pop() {
                batch.push(record);
            }
            let count = thread.take_lost();
            if count > 0 {
                lost += count;
                batch.push(self.lost(thread.number, count));
            }
            if ended {
                inner.stats.add(&thread.stats());
            }
            !ended
        });
        inner.stats.events_lost += lost;
        if batch.is_empty() {
            return 0;
        }
        batch.sort_by_key(|record| record.at);
        for observe in &mut inner.observers {
            observe(&batch, &inner.names);
        }
        let collected = batch.len();
        if self.capacity > 0 {
            inner.records.extend(batch);
            let excess = inner.records.len().saturating_sub(self.capacity);
            inner.records.drain(..excess);
            inner.stats.events_forgotten += excess as u64;
        }
        collected
    }

    /// The record that says how many events of a thread did not fit into its ring.
    fn lost(&self, thread: u32, count: u64) -> Record {
        Record {
            at: self.now(),
            cpu: Nanos(0),
            thread,
            event: Event::Lost { count },
        }
    }
}

/// The shortest and the longest time between two looks of the writer thread at the rings: it looks
/// more seldom the longer there is nothing.
const PAUSES: [Duration; 2] = [Duration::from_millis(5), Duration::from_millis(80)];

/// Runs the writer thread, until the log is dropped.
pub(super) fn write(log: &Weak<Shared>) {
    let mut pause = PAUSES[0];
    loop {
        thread::park_timeout(pause);
        let Some(shared) = log.upgrade() else {
            return;
        };
        let collected = shared.collect(&mut shared.lock());
        pause = match collected {
            0 => PAUSES[1].min(pause * 2),
            _ => PAUSES[0],
        };
    }
}

/// Processor time of the calling thread. A system call, of a few hundred nanoseconds.
pub fn thread_time() -> Nanos {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Nanos(time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64)
}
