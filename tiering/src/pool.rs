//! The compile threads of an engine: started on demand, joined by helpers while they are stuck.
//!
//! An engine that compiles nothing in the background has no threads. The first request starts one,
//! later requests more, up to the configured number. A thread that has been compiling one function
//! for long is *stuck*: limits bound that to seconds, but other requests should not wait for it, so
//! it gets a helper, a further thread that ends when none is stuck any more. Where the system
//! refuses every thread, the thread that makes a request compiles.
//!
//! The threads are detached: they hold nothing but [`Shared`], cancel what they compile soon after
//! the queue is closed, and end.
//!
//! Protocol: `workers` lists the threads that take jobs. A thread is listed before it is started,
//! and `start_workers` starts none once it has seen, under the lock, that the queue is closed.
//! [`Tiering`](crate::Tiering) on drop sets the queue's flag first and takes the lock then, so the
//! number of threads that it reads includes every thread that may be waiting for a job.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::engine::Shared;
use crate::worker;

/// The function that a compile thread runs.
pub(crate) type Task = Box<dyn FnOnce() + Send>;

/// A function that starts a thread with this name, or fails if the system refuses it.
pub(crate) type Spawn = dyn Fn(String, Task) -> io::Result<()> + Send + Sync;

/// Starts a detached thread of the standard library.
pub(crate) fn spawn(name: String, task: Task) -> io::Result<()> {
    thread::Builder::new().name(name).spawn(task).map(drop)
}

/// A compile thread.
#[derive(Debug)]
struct Worker {
    number: u32,
    /// When the thread began its current job; `None` while it waits for one.
    busy_since: Option<Instant>,
}

/// The compile threads of an engine: their number, their states and how to start them.
pub(crate) struct WorkerPool {
    /// The number of threads when none is stuck; 0 where nothing is compiled in the background.
    nominal: u32,
    /// After how long at one job a thread counts as stuck.
    stuck_after: Duration,
    /// The highest number of helpers.
    helpers: u32,
    spawn: Box<Spawn>,
    /// The threads that exist; see the module's protocol.
    workers: Mutex<Vec<Worker>>,
    /// The number of threads that have a job. Relaxed: a figure for policies.
    busy: AtomicU32,
    /// Whether a refused thread has been reported: that is logged once.
    reported: AtomicBool,
    /// When the pool was created: `complete_until` counts from then.
    created: Instant,
    /// Until when no thread is missing, in nanoseconds; 0 if one may be. This and `threads` are
    /// written under the lock of `workers`, whenever they change, and read without it: by a thread
    /// that has pushed a job, so that it takes no lock. Relaxed: a late reading makes that thread
    /// take the lock, or leaves a further thread to the next push.
    complete_until: AtomicU64,
    /// The number of threads that exist.
    threads: AtomicU32,
}

impl WorkerPool {
    pub(crate) fn new(
        nominal: u32,
        stuck_after: Duration,
        helpers: u32,
        spawn: Box<Spawn>,
    ) -> Self {
        Self {
            nominal,
            stuck_after,
            helpers,
            spawn,
            workers: Mutex::default(),
            busy: AtomicU32::new(0),
            reported: AtomicBool::new(false),
            created: Instant::now(),
            complete_until: AtomicU64::new(0),
            threads: AtomicU32::new(0),
        }
    }

    /// The number of threads when none is stuck.
    pub(crate) fn nominal(&self) -> u32 {
        self.nominal
    }

    /// The number of threads that exist.
    pub(crate) fn size(&self) -> usize {
        self.workers().len()
    }

    /// Starts a thread that is no compile thread.
    ///
    /// # Errors
    ///
    /// If the system refuses the thread.
    pub(crate) fn spawn(&self, name: String, task: Task) -> io::Result<()> {
        (self.spawn)(name, task)
    }

    /// The number of threads that have a job.
    pub(crate) fn busy(&self) -> u32 {
        self.busy.load(Ordering::Relaxed)
    }

    fn workers(&self) -> MutexGuard<'_, Vec<Worker>> {
        self.workers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of threads that there should be.
    fn wanted(&self, workers: &[Worker], now: Instant) -> usize {
        let stuck = |worker: &&Worker| {
            let since = worker.busy_since;
            since.is_some_and(|since| now - since >= self.stuck_after)
        };
        let stuck = workers.iter().filter(stuck).count();
        self.nominal as usize + stuck.min(self.helpers as usize)
    }

    /// Notes what [`has_enough`](Self::has_enough) reads.
    fn note(&self, workers: &[Worker]) {
        let now = Instant::now();
        let until = match workers.len() < self.wanted(workers, now) {
            true => 0,
            // Until one more counts as stuck: those that do have a helper, or there is none left.
            false => {
                let since = workers.iter().filter_map(|worker| worker.busy_since);
                let stuck_at = since.map(|since| since + self.stuck_after);
                let next = stuck_at.filter(|at| *at > now).min();
                next.map_or(u64::MAX, |at| (at - self.created).as_nanos() as u64)
            }
        };
        self.complete_until.store(until, Ordering::Relaxed);
        let threads = workers.len() as u32;
        self.threads.store(threads, Ordering::Relaxed);
    }

    /// Whether it is known without the lock that no thread is missing for that many requests.
    fn has_enough(&self, requests: usize) -> bool {
        let idle = self
            .threads
            .load(Ordering::Relaxed)
            .saturating_sub(self.busy());
        if idle as usize >= requests.max(1) {
            return true;
        }
        let until = self.complete_until.load(Ordering::Relaxed);
        until == u64::MAX || (until > 0 && self.created.elapsed().as_nanos() < until.into())
    }

    /// Starts a thread if one is missing. Called after each push to the queue. Takes no lock while
    /// threads wait for requests, or all threads are there and none is stuck.
    pub(crate) fn start_workers(shared: &Arc<Shared>) -> Workers {
        let pool = &shared.pool;
        if pool.has_enough(shared.queue.len()) {
            return Workers::Available;
        }
        let mut workers = pool.workers();
        let idle = workers
            .iter()
            .filter(|worker| worker.busy_since.is_none())
            .count();
        let enough = workers.len() >= pool.wanted(&workers, Instant::now())
            || idle >= shared.queue.len().max(1);
        if enough || shared.queue.is_closed() {
            return Workers::Available;
        }
        let number = (0..)
            .find(|&n| workers.iter().all(|worker| worker.number != n))
            .expect("there are fewer threads than numbers");
        workers.push(Worker {
            number,
            busy_since: None,
        });
        let task = {
            let shared = shared.clone();
            Box::new(move || worker::work(&shared, number))
        };
        let Err(error) = (pool.spawn)(format!("upshift-compile-{number}"), task) else {
            pool.note(&workers);
            return Workers::Available;
        };
        workers.pop();
        let available = match workers.is_empty() {
            true => Workers::Refused,
            false => Workers::Available,
        };
        drop(workers);
        if !pool.reported.swap(true, Ordering::Relaxed) {
            log::warn!("no thread for compiling ({error}): running threads compile, or fewer do");
        }
        available
    }

    /// Records that the thread begins a job.
    pub(crate) fn begin(&self, number: u32) {
        self.busy.fetch_add(1, Ordering::Relaxed);
        let mut workers = self.workers();
        if let Some(worker) = workers.iter_mut().find(|worker| worker.number == number) {
            worker.busy_since = Some(Instant::now());
        }
        self.note(&workers);
    }

    /// Records that the thread has finished its job. Returns `Leave`, and unlists the thread, if
    /// there are more threads than there should be.
    pub(crate) fn end(&self, number: u32) -> Next {
        self.busy.fetch_sub(1, Ordering::Relaxed);
        let mut workers = self.workers();
        if let Some(worker) = workers.iter_mut().find(|worker| worker.number == number) {
            worker.busy_since = None;
        }
        let next = match workers.len() <= self.wanted(&workers, Instant::now()) {
            true => Next::Stay,
            false => {
                workers.retain(|worker| worker.number != number);
                Next::Leave
            }
        };
        self.note(&workers);
        next
    }

    /// Unlists a thread that ends.
    pub(crate) fn leave(&self, number: u32) {
        let mut workers = self.workers();
        workers.retain(|worker| worker.number != number);
        self.note(&workers);
    }
}

/// Whether a compile thread exists that takes jobs from the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Workers {
    /// A compile thread exists, or the queue is closed and needs none.
    Available,
    /// The system refused a thread, and no other exists.
    Refused,
}

/// What a compile thread does after a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// The thread takes another job.
    Stay,
    /// The thread ends.
    Leave,
}
