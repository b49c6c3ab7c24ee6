//! The compile threads: started when there is work, helped out while they are stuck, never waited for.
//!
//! An engine that compiles nothing has no threads. With the first request one is started, up to the
//! configured number. A thread that has been at one function for long is *stuck*: bounds keep that
//! to seconds, but others should not wait for it, so it gets a helper, which leaves when it is over.
//! Where the system refuses threads and there is none, whoever asks for optimized code makes it.
//!
//! Nobody joins these threads: they hold nothing but [`Shared`], give up what they are at soon after
//! the queue is closed, and end.
//!
//! Protocol: `workers` lists the threads that take jobs. A thread is listed before it is started; `start_workers`
//! starts none once it has seen the queue closed, under the lock. Whoever closes the queue sets the flag first and
//! takes the lock then, so it counts every thread that may be waiting for a job.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::engine::Shared;
use crate::worker;

/// What a thread is to run.
pub(crate) type Task = Box<dyn FnOnce() + Send>;

/// How a thread is got from the system, by name. It may be refused.
pub(crate) type Spawn = dyn Fn(String, Task) -> io::Result<()> + Send + Sync;

/// Threads from the standard library, detached.
pub(crate) fn spawn(name: String, task: Task) -> io::Result<()> {
    thread::Builder::new().name(name).spawn(task).map(drop)
}

/// A thread that takes jobs.
#[derive(Debug)]
struct Worker {
    number: u32,
    /// When it began the job that it is at.
    busy_since: Option<Instant>,
}

/// The compile threads of an engine.
pub(crate) struct WorkerPool {
    /// Threads when none is stuck; 0 where nothing is compiled in the background.
    nominal: u32,
    /// How long a job may take until its thread gets a helper.
    patience: Duration,
    /// Helpers at most.
    helpers: u32,
    spawn: Box<Spawn>,
    workers: Mutex<Vec<Worker>>,
    /// Set when a refused thread was reported: once is enough.
    reported: AtomicBool,
}

impl WorkerPool {
    pub(crate) fn new(nominal: u32, patience: Duration, helpers: u32, spawn: Box<Spawn>) -> Self {
        Self {
            nominal,
            patience,
            helpers,
            spawn,
            workers: Mutex::default(),
            reported: AtomicBool::new(false),
        }
    }

    /// Threads when none is stuck.
    pub(crate) fn nominal(&self) -> u32 {
        self.nominal
    }

    /// Threads that take jobs.
    pub(crate) fn size(&self) -> usize {
        self.workers().len()
    }

    fn workers(&self) -> MutexGuard<'_, Vec<Worker>> {
        self.workers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Threads that there should be.
    fn wanted(&self, workers: &[Worker]) -> usize {
        let stuck = |worker: &&Worker| {
            let since = worker.busy_since;
            since.is_some_and(|since| since.elapsed() >= self.patience)
        };
        let stuck = workers.iter().filter(stuck).count();
        self.nominal as usize + stuck.min(self.helpers as usize)
    }

    /// Starts a thread if there is need and the system has one.
    pub(crate) fn start_workers(shared: &Arc<Shared>) -> Staffing {
        let pool = &shared.pool;
        let mut workers = pool.workers();
        let idle = workers
            .iter()
            .filter(|worker| worker.busy_since.is_none())
            .count();
        let enough = workers.len() >= pool.wanted(&workers) || idle >= shared.queue.len().max(1);
        if enough || shared.queue.is_closed() {
            return Staffing::Yes;
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
            return Staffing::Yes;
        };
        workers.pop();
        let staffing = match workers.is_empty() {
            true => Staffing::No,
            false => Staffing::Yes,
        };
        drop(workers);
        if !pool.reported.swap(true, Ordering::Relaxed) {
            log::warn!("no thread for compiling ({error}): running threads compile, or fewer do");
        }
        staffing
    }

    /// The thread begins a job.
    pub(crate) fn begin(&self, number: u32) {
        if let Some(worker) = self
            .workers()
            .iter_mut()
            .find(|worker| worker.number == number)
        {
            worker.busy_since = Some(Instant::now());
        }
    }

    /// The thread has ended its job. It is to leave if there are more threads than there should be.
    pub(crate) fn end(&self, number: u32) -> Next {
        let mut workers = self.workers();
        if let Some(worker) = workers.iter_mut().find(|worker| worker.number == number) {
            worker.busy_since = None;
        }
        if workers.len() <= self.wanted(&workers) {
            return Next::Stay;
        }
        workers.retain(|worker| worker.number != number);
        Next::Leave
    }

    /// The thread ends.
    pub(crate) fn leave(&self, number: u32) {
        self.workers().retain(|worker| worker.number != number);
    }
}

/// Whether somebody takes jobs from the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Staffing {
    /// There is a thread, or the queue is closed.
    Yes,
    /// The system refuses threads, and there is none.
    No,
}

/// What a thread does behind a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// It takes another.
    Stay,
    /// It ends.
    Leave,
}
