//! The event log: stamps events with time and thread, counts them, and stores them if configured
//! to.
//!
//! There is one log per engine, shared by all its threads. Events occur as often as compilations,
//! not as often as calls, so one lock around statistics and stored events is enough; a log that is
//! [off](Detail::Off) costs one relaxed load per event.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use rustix::time::{ClockId, clock_gettime};
use upshift_abi::ModuleFacts;

use crate::event::Event;
use crate::key::{FuncKey, ModuleKey, Nanos, ReqId};
use crate::pending::{ReqNumbers, Requests};
use crate::stats::Stats;

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
    /// The highest number of stored events: the oldest are dropped. `None` stores all.
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

/// The names of functions, from the facts of the modules that were loaded.
#[derive(Clone, Debug, Default)]
pub struct Names {
    modules: BTreeMap<ModuleKey, Arc<ModuleFacts>>,
}

impl Names {
    /// Adds the names of a module's functions.
    pub fn insert(&mut self, module: ModuleKey, facts: Arc<ModuleFacts>) {
        self.modules.insert(module, facts);
    }

    /// The function's name in its module, or its index there as `func[12]`.
    pub fn of(&self, key: FuncKey) -> String {
        let Some(facts) = self.modules.get(&key.module) else {
            return key.to_string();
        };
        let func = facts.func_index(key.func);
        let name = facts.func_name(func).map(str::to_string);
        name.unwrap_or_else(|| format!("func[{}]", func.0))
    }
}

/// The event log of one engine. All threads record in it, through a shared reference.
#[derive(Debug)]
pub struct EventLog {
    start: Instant,
    /// A [`Detail`]. Relaxed: a thread that reads a stale one drops or records a further event
    /// around the switch, and nothing else depends on it.
    detail: AtomicU8,
    capacity: usize,
    /// The number of modules so far, from which keys are made. Relaxed: keys only have to differ.
    modules: AtomicU32,
    requests: ReqNumbers,
    /// Totals, stored events and names. Locked only by threads that record or read events.
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    stats: Stats,
    records: VecDeque<Record>,
    names: Names,
    requests: Requests,
    observer: Option<Observer>,
}

/// What is called with each stored event.
struct Observer(Box<Observe>);

type Observe = dyn FnMut(&Record, &Names) + Send;

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observer")
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
        Self {
            start: Instant::now(),
            detail: AtomicU8::new(config.detail as u8),
            capacity: config.capacity.unwrap_or(usize::MAX),
            modules: AtomicU32::new(0),
            requests: ReqNumbers::default(),
            inner: Mutex::default(),
        }
    }

    /// Time since the log's start.
    pub fn now(&self) -> Nanos {
        self.start.elapsed().into()
    }

    /// Changes what the log does with events from now on.
    pub fn set_detail(&self, detail: Detail) {
        self.detail.store(detail as u8, Ordering::Relaxed);
    }

    /// Whether the log does at least this much, so that callers need not construct an event in
    /// vain.
    pub fn does(&self, detail: Detail) -> bool {
        self.detail.load(Ordering::Relaxed) >= detail as u8
    }

    /// Numbers a module and records that it was loaded. Stores its facts, for names, if events are
    /// stored.
    pub fn add_module(&self, facts: &Arc<ModuleFacts>) -> ModuleKey {
        let module = ModuleKey(self.modules.fetch_add(1, Ordering::Relaxed));
        if self.does(Detail::Events) {
            self.lock().names.insert(module, facts.clone());
        }
        self.record(|| Event::ModuleLoaded {
            module,
            functions: facts.bodies.len() as u32,
            body_bytes: facts.body_bytes(),
        });
        module
    }

    /// A number for a new request, for the key of its code.
    pub fn next_request(&self) -> ReqId {
        self.requests.next()
    }

    /// Records an event. `event` is called only if the log is on.
    pub fn record(&self, event: impl FnOnce() -> Event) {
        if !self.does(Detail::Stats) {
            return;
        }
        let mut event = event();
        let at = self.now();
        let mut inner = self.lock();
        inner.stats.apply(at, &event);
        if self.does(Detail::Events) {
            inner.requests.complete(at, &mut event, &self.requests);
            if inner.records.len() >= self.capacity {
                inner.records.pop_front();
                inner.stats.events_forgotten += 1;
            }
            let thread = thread_number();
            let cpu = thread_time();
            let record = Record {
                at,
                cpu,
                thread,
                event,
            };
            let Inner {
                names, observer, ..
            } = &mut *inner;
            if let Some(Observer(observe)) = observer {
                observe(&record, names);
            }
            inner.records.push_back(record);
        }
    }

    /// Records an event that no total counts. `event` is called only if events are stored.
    pub fn trace(&self, event: impl FnOnce() -> Event) {
        if self.does(Detail::Events) {
            self.record(event);
        }
    }

    /// Calls `observer` with each event that is stored from now on, for reports that must be there
    /// even if the process is killed. It replaces an earlier observer. It runs on the thread that
    /// records the event, under the log's lock: it must not use the log, and what it takes, the
    /// compilation takes.
    pub fn observe(&self, observer: impl FnMut(&Record, &Names) + Send + 'static) {
        self.lock().observer = Some(Observer(Box::new(observer)));
    }

    /// The totals up to now.
    pub fn stats(&self) -> Stats {
        let mut stats = self.lock().stats.clone();
        stats.elapsed = self.now();
        stats
    }

    /// The stored events, oldest first. They stay in the log.
    pub fn records(&self) -> Vec<Record> {
        let mut records: Vec<_> = self.lock().records.iter().cloned().collect();
        // Threads take the time before they take the lock.
        records.sort_by_key(|record| record.at);
        records
    }

    /// The names of the functions in the stored events.
    pub fn names(&self) -> Names {
        self.lock().names.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic while counting can't leave the data half-changed in a way that matters.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Processor time of the calling thread. A system call, of a few hundred nanoseconds.
pub fn thread_time() -> Nanos {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Nanos(time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64)
}

/// The calling thread's number in this process. Relaxed: numbers only have to differ.
fn thread_number() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    thread_local!(static NUMBER: u32 = NEXT.fetch_add(1, Ordering::Relaxed));
    NUMBER.with(|number| *number)
}

#[cfg(test)]
mod tests {
    use upshift_abi::DefinedFuncIndex;

    use super::*;

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
