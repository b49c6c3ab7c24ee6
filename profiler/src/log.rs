//! The event log: stamps events with time and thread, counts them, and stores them or writes them
//! to files if configured to.
//!
//! There is one log per engine, shared by all its threads. A thread counts and stores events in a
//! part of its own (`ThreadLog`), where it meets other threads only when
//! they read the log. [`collect`](EventLog::collect) moves records from there to the log's memory
//! and its observers. A log that is [off](Detail::Off) costs one relaxed load per event.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use upshift_abi::ModuleFacts;

use crate::event::Event;
use crate::key::{ModuleKey, Nanos, ReqId};
use crate::names::Names;
use crate::pending::{ReqNumbers, Requests};
use crate::ring::{self, Full, ThreadLog};
use crate::stats::Stats;
use crate::text::Text;

/// What a log does with events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Detail {
    /// Ignores events.
    Off,
    /// Counts events.
    #[default]
    Stats,
    /// Counts events and stores them.
    Events,
}

/// The configuration of a log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogConfig {
    /// What the log does with events.
    pub detail: Detail,
    /// The highest number of events kept in memory: the oldest are dropped. `None` keeps all, 0 is
    /// for a log that only has [observers](EventLog::observe).
    pub capacity: Option<usize>,
}

/// A stored event.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Record {
    /// When the event occurred, since the log's start.
    pub at: Nanos,
    /// Processor time of the thread until then.
    pub cpu: Nanos,
    /// The thread that recorded the event. Threads are numbered from 0, in the order of their first
    /// events.
    pub thread: u32,
    /// The event.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub event: Event,
}

/// The event log of one engine. All threads record in it, through a shared reference.
#[derive(Debug)]
pub struct EventLog {
    shared: Arc<Shared>,
}

/// What a log, its writer thread and the threads that record in it share.
#[derive(Debug)]
pub(crate) struct Shared {
    start: Instant,
    /// The process that has the writer thread.
    process: u32,
    /// A [`Detail`]. Relaxed: a thread that reads a stale one drops or records a further event
    /// around the switch, and nothing else depends on it.
    detail: AtomicU8,
    capacity: usize,
    /// The number of modules so far, from which keys are made. Relaxed: keys only have to differ.
    modules: AtomicU32,
    numbers: ReqNumbers,
    /// Locked only for events of requests and code, while events are stored.
    requests: Mutex<Requests>,
    /// Whether a writer thread empties the rings: a thread whose ring is full then loses its event
    /// instead of emptying them itself. Relaxed: a thread that reads the old value does the other.
    has_writer: AtomicBool,
    /// Locked only by threads that read the log, begin to record, or find their ring full.
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    /// The totals of threads that have ended, and of what no thread can count.
    stats: Stats,
    threads: Vec<Arc<ThreadLog>>,
    records: VecDeque<Record>,
    names: Names,
    observers: Vec<Box<Observe>>,
    writer: Option<Thread>,
}

type Observe = dyn FnMut(&[Record], &Names) + Send;

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inner")
            .field("threads", &self.threads.len())
            .field("records", &self.records.len())
            .field("observers", &self.observers.len())
            .finish_non_exhaustive()
    }
}

impl Default for EventLog {
    fn default() -> Self {
        Self::new(&LogConfig::default())
    }
}

impl EventLog {
    /// A log whose time starts now.
    pub fn new(config: &LogConfig) -> Self {
        let shared = Shared {
            start: Instant::now(),
            process: std::process::id(),
            detail: AtomicU8::new(config.detail as u8),
            capacity: config.capacity.unwrap_or(usize::MAX),
            modules: AtomicU32::new(0),
            numbers: ReqNumbers::default(),
            requests: Mutex::default(),
            has_writer: AtomicBool::new(false),
            inner: Mutex::default(),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Names the levels of the engine's ladder, lowest first, where they are not just the two kinds
    /// of compilers.
    pub fn set_levels(&self, levels: Vec<Text>) {
        self.shared.lock().names.set_levels(levels);
    }

    /// Time since the log's start.
    pub fn now(&self) -> Nanos {
        self.shared.now()
    }

    /// Changes what the log does with events from now on.
    pub fn set_detail(&self, detail: Detail) {
        self.shared.detail.store(detail as u8, Ordering::Relaxed);
    }

    /// Whether the log does at least this much, so that callers need not construct an event in
    /// vain.
    pub fn does(&self, detail: Detail) -> bool {
        self.shared.does(detail)
    }

    /// Numbers a module and records that it was loaded. Stores its facts, for names, if events are
    /// stored.
    pub fn add_module(&self, facts: &Arc<ModuleFacts>) -> ModuleKey {
        let module = ModuleKey(self.shared.modules.fetch_add(1, Ordering::Relaxed));
        if self.does(Detail::Events) {
            self.shared.lock().names.insert(module, facts.clone());
        }
        self.record(|| Event::ModuleLoaded {
            module,
            functions: facts.bodies.len() as u32,
            body_bytes: facts.body_bytes(),
        });
        module
    }

    /// Records which module it is, by the SHA-256 of its bytes, if events are stored.
    #[cfg(feature = "serde")]
    pub fn identify_module(&self, module: ModuleKey, wasm: &[u8]) {
        use sha2::{Digest as _, Sha256};
        self.trace(|| {
            let digest = Sha256::digest(wasm);
            let hex = digest.iter().map(|byte| format!("{byte:02x}"));
            Event::ModuleIdentified {
                module,
                sha256: hex.collect::<String>().into(),
                bytes: wasm.len() as u64,
            }
        });
    }

    /// A number for a new request, for the key of its code.
    pub fn next_request(&self) -> ReqId {
        self.shared.numbers.next()
    }

    /// Records an event. `event` is called only if the log is on. Takes no lock that another thread
    /// holds while it records; where the thread's ring is full and no writer thread empties it,
    /// this call does.
    pub fn record(&self, event: impl FnOnce() -> Event) {
        if self.does(Detail::Stats) {
            self.shared.record(event());
        }
    }

    /// Records an event that no total counts. `event` is called only if events are stored.
    pub fn trace(&self, event: impl FnOnce() -> Event) {
        if self.does(Detail::Events) {
            self.shared.record(event());
        }
    }

    /// Calls `observer` with all events that are stored from now on, for files that must be there
    /// even if the process is killed. It runs on a writer thread, at most 80 ms after the
    /// events, and on threads that read the log, under the log's lock: it must not use the log.
    /// Each call has events in the order of their times, but those of one call may have occurred
    /// before some of the call before.
    ///
    /// Where the system refuses a thread, the threads that record call it when a ring is full.
    pub fn observe(&self, observer: impl FnMut(&[Record], &Names) + Send + 'static) {
        let mut inner = self.shared.lock();
        inner.observers.push(Box::new(observer));
        if inner.writer.is_none() {
            let weak = Arc::downgrade(&self.shared);
            let spawned = thread::Builder::new()
                .name("upshift-log".into())
                .spawn(move || write(&weak));
            if let Ok(handle) = spawned {
                inner.writer = Some(handle.thread().clone());
                self.shared.has_writer.store(true, Ordering::Relaxed);
            }
        }
    }

    /// Moves what all threads have recorded to the log's memory and its observers. Reading the log
    /// does that too.
    pub fn collect(&self) {
        self.shared.collect(&mut self.shared.lock());
    }

    /// The totals up to now. They are exact, also where events were lost.
    pub fn stats(&self) -> Stats {
        let inner = self.shared.lock();
        let mut stats = inner.stats.clone();
        for thread in &inner.threads {
            stats.add(&thread.stats());
        }
        stats.name_levels(&inner.names);
        stats.elapsed = self.now();
        stats
    }

    /// The stored events, oldest first. They stay in the log.
    pub fn records(&self) -> Vec<Record> {
        let mut inner = self.shared.lock();
        self.shared.collect(&mut inner);
        let mut records: Vec<_> = inner.records.iter().cloned().collect();
        drop(inner);
        records.sort_by_key(|record| record.at);
        records
    }

    /// The names of the functions in the stored events.
    pub fn names(&self) -> Names {
        self.shared.lock().names.clone()
    }
}

impl Drop for EventLog {
    /// Gives observers what is left, after what the writer thread is giving them. A forked child
    /// gives them nothing: its parent does, and the writer thread may have held the lock.
    fn drop(&mut self) {
        if self.shared.process == std::process::id() {
            self.collect();
        }
    }
}

impl Shared {
    fn now(&self) -> Nanos {
        self.start.elapsed().into()
    }

    fn does(&self, detail: Detail) -> bool {
        self.detail.load(Ordering::Relaxed) >= detail as u8
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic while counting can't leave the data half-changed in a way that matters.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn record(self: &Arc<Self>, mut event: Event) {
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
    fn collect(&self, inner: &mut Inner) -> usize {
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
fn write(log: &Weak<Shared>) {
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

#[cfg(test)]
mod tests {
    use upshift_abi::DefinedFuncIndex;

    use super::*;
    use crate::key::FuncKey;

    fn first_call(n: u32) -> Event {
        Event::FirstCall {
            func: FuncKey {
                module: ModuleKey(0),
                func: DefinedFuncIndex(n),
            },
        }
    }

    #[test]
    fn a_log_that_is_off_makes_no_event() {
        let log = EventLog::new(&LogConfig {
            detail: Detail::Off,
            capacity: None,
        });
        log.record(|| unreachable!("nobody wants it"));
        assert_eq!(log.stats().functions_called, 0);
    }

    #[test]
    fn a_bounded_log_keeps_the_newest() {
        let config = LogConfig {
            detail: Detail::Events,
            capacity: Some(2),
        };
        let log = EventLog::new(&config);
        for n in 0..5 {
            log.record(|| first_call(n));
        }
        let kept: Vec<_> = log
            .records()
            .into_iter()
            .map(|record| record.event)
            .collect();
        assert_eq!(kept, [first_call(3), first_call(4)]);
        assert_eq!(log.stats().functions_called, 5);
        assert_eq!(log.stats().events_forgotten, 3);
    }

    fn storing() -> EventLog {
        EventLog::new(&LogConfig {
            detail: Detail::Events,
            capacity: None,
        })
    }

    #[test]
    fn a_log_without_observers_loses_nothing() {
        let log = storing();
        let events = 10_000;
        for n in 0..events {
            log.record(|| first_call(n));
        }
        assert_eq!(log.records().len(), events as usize);
        assert_eq!(log.stats().events_lost, 0);
    }

    #[test]
    fn threads_that_end_leave_their_events_and_totals() {
        let log = Arc::new(storing());
        for n in 0..20 {
            let log = log.clone();
            let recorder = thread::spawn(move || log.record(|| first_call(n)));
            recorder.join().unwrap();
        }
        log.record(|| first_call(20));
        log.collect();
        assert_eq!(log.shared.lock().threads.len(), 1);
        assert_eq!(log.records().len(), 21);
        assert_eq!(log.stats().functions_called, 21);
    }

    /// An observer that is slower than the threads loses events, never a count.
    #[test]
    fn hammer_totals_are_exact_whatever_is_lost() {
        const EACH: u32 = 40_000;
        let log = storing();
        let seen = Arc::new(Mutex::new((0, 0)));
        log.observe({
            let seen = seen.clone();
            move |records, _| {
                let mut seen = seen.lock().unwrap();
                for record in records {
                    match record.event {
                        Event::Lost { count } => seen.1 += count,
                        _ => seen.0 += 1,
                    }
                }
                thread::sleep(Duration::from_millis(3));
            }
        });
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    for n in 0..EACH {
                        log.record(|| first_call(n));
                    }
                });
            }
        });
        let total = u64::from(3 * EACH);
        assert_eq!(log.stats().functions_called, total);
        log.collect();
        let (written, lost) = *seen.lock().unwrap();
        assert_eq!(written + lost, total);
        assert!(lost > 0, "the observer was fast enough");
        assert_eq!(log.stats().events_lost, lost);
    }

    #[test]
    fn what_was_recorded_reaches_observers_by_itself() {
        let log = storing();
        let (sender, receiver) = std::sync::mpsc::channel();
        log.observe(move |records, _| sender.send(records.len()).unwrap());
        log.record(|| first_call(1));
        let received = receiver.recv_timeout(Duration::from_secs(10));
        assert_eq!(received, Ok(1));
    }

    #[test]
    fn the_last_events_are_written_while_the_writer_writes() {
        let log = storing();
        let (wrote, written) = std::sync::mpsc::channel();
        let (go_on, waits) = std::sync::mpsc::channel::<()>();
        log.observe(move |records, _| {
            wrote.send(records.len()).unwrap();
            let _ = waits.recv();
        });
        log.record(|| first_call(1));
        assert_eq!(written.recv(), Ok(1));
        // The writer thread has the lock now.
        log.record(|| first_call(2));
        let dropped = thread::spawn(move || drop(log));
        thread::sleep(Duration::from_millis(20));
        drop(go_on);
        dropped.join().unwrap();
        assert_eq!(written.recv(), Ok(1));
    }

    /// The observer runs on the thread that begins to record in `log`, and begins to record in
    /// `other` itself.
    #[test]
    fn an_observer_may_record_in_another_log() {
        let (log, other) = (storing(), Arc::new(storing()));
        log.shared.lock().observers.push({
            let other = other.clone();
            Box::new(move |records, _| other.record(|| first_call(records.len() as u32)))
        });
        thread::scope(|scope| {
            scope.spawn(|| log.record(|| first_call(1)));
        });
        log.record(|| first_call(2));
        log.collect();
        assert_eq!(other.records().len(), 2);
    }

    #[test]
    #[cfg(feature = "serde")]
    fn records_serialize_flat() {
        let config = LogConfig {
            detail: Detail::Events,
            capacity: None,
        };
        let log = EventLog::new(&config);
        log.record(|| first_call(7));
        let json = serde_json::to_value(&log.records()[0]).unwrap();
        assert_eq!(json["event"], "first-call");
        assert_eq!(json["func"]["func"], 7);
        assert!(json["at"].is_u64());
    }
}
