//! The event log: stamps events with time and thread, counts them, and stores them or writes them
//! to files if configured to.
//!
//! There is one log per engine, shared by all its threads. A thread counts and stores events in a
//! part of its own (`ThreadLog`), where it meets other threads only when
//! they read the log. [`collect`](EventLog::collect) moves records from there to the log's memory
//! and its observers. A log that is [off](Detail::Off) costs one relaxed load per event.

mod shared;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;

use upshift_abi::ModuleFacts;

use crate::event::Event;
use crate::key::{ModuleKey, Nanos, ReqId, Timeline};
use crate::names::Names;
use crate::stats::Stats;
use crate::text::Text;

pub(crate) use shared::Shared;
pub use shared::thread_time;

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

impl Default for EventLog {
    fn default() -> Self {
        Self::new(&LogConfig::default())
    }
}

impl EventLog {
    /// A log whose time starts now.
    pub fn new(config: &LogConfig) -> Self {
        Self {
            shared: Arc::new(Shared::new(config)),
        }
    }

    /// Names the levels of the engine's ladder, lowest first, where they are not just the two kinds
    /// of compilers.
    pub fn set_levels(&self, levels: Vec<Text>) {
        self.shared.lock().names.set_levels(levels);
    }

    /// The line of time that records are on; it starts with the log.
    pub fn timeline(&self) -> Timeline {
        self.shared.timeline
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
                .spawn(move || shared::write(&weak));
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
