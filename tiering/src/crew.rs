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
//! Protocol: `seats` lists the threads that take jobs. A thread is listed before it is started; `staff`
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
struct Seat {
    number: u32,
    /// When it began the job that it is at.
    busy_since: Option<Instant>,
}

/// The compile threads of an engine.
pub(crate) struct Crew {
    /// Threads when none is stuck; 0 where nothing is compiled in the background.
    nominal: u32,
    /// How long a job may take until its thread gets a helper.
    patience: Duration,
    /// Helpers at most.
    helpers: u32,
    spawn: Box<Spawn>,
    seats: Mutex<Vec<Seat>>,
    /// Set when a refused thread was reported: once is enough.
    reported: AtomicBool,
}

impl Crew {
    pub(crate) fn new(nominal: u32, patience: Duration, helpers: u32, spawn: Box<Spawn>) -> Self {
        Self {
            nominal,
            patience,
            helpers,
            spawn,
            seats: Mutex::default(),
            reported: AtomicBool::new(false),
        }
    }

    /// Threads when none is stuck.
    pub(crate) fn nominal(&self) -> u32 {
        self.nominal
    }

    /// Threads that take jobs.
    pub(crate) fn size(&self) -> usize {
        self.seats().len()
    }

    fn seats(&self) -> MutexGuard<'_, Vec<Seat>> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Threads that there should be.
    fn wanted(&self, seats: &[Seat]) -> usize {
        let stuck = |seat: &&Seat| {
            let since = seat.busy_since;
            since.is_some_and(|since| since.elapsed() >= self.patience)
        };
        let stuck = seats.iter().filter(stuck).count();
        self.nominal as usize + stuck.min(self.helpers as usize)
    }

    /// Starts a thread if there is need and the system has one.
    pub(crate) fn staff(shared: &Arc<Shared>) -> Staffed {
        let crew = &shared.crew;
        let mut seats = crew.seats();
        let idle = seats
            .iter()
            .filter(|seat| seat.busy_since.is_none())
            .count();
        let enough = seats.len() >= crew.wanted(&seats) || idle >= shared.queue.len().max(1);
        if enough || shared.queue.is_closed() {
            return Staffed::Yes;
        }
        let number = (0..)
            .find(|&n| seats.iter().all(|seat| seat.number != n))
            .expect("there are fewer threads than numbers");
        seats.push(Seat {
            number,
            busy_since: None,
        });
        let task = {
            let shared = shared.clone();
            Box::new(move || worker::work(&shared, number))
        };
        let Err(error) = (crew.spawn)(format!("upshift-compile-{number}"), task) else {
            return Staffed::Yes;
        };
        seats.pop();
        let staffed = match seats.is_empty() {
            true => Staffed::No,
            false => Staffed::Yes,
        };
        drop(seats);
        if !crew.reported.swap(true, Ordering::Relaxed) {
            log::warn!("no thread for compiling ({error}): running threads compile, or fewer do");
        }
        staffed
    }

    /// The thread begins a job.
    pub(crate) fn begin(&self, number: u32) {
        if let Some(seat) = self.seats().iter_mut().find(|seat| seat.number == number) {
            seat.busy_since = Some(Instant::now());
        }
    }

    /// The thread has ended its job. It is to leave if there are more threads than there should be.
    pub(crate) fn end(&self, number: u32) -> Next {
        let mut seats = self.seats();
        if let Some(seat) = seats.iter_mut().find(|seat| seat.number == number) {
            seat.busy_since = None;
        }
        if seats.len() <= self.wanted(&seats) {
            return Next::Stay;
        }
        seats.retain(|seat| seat.number != number);
        Next::Leave
    }

    /// The thread ends.
    pub(crate) fn leave(&self, number: u32) {
        self.seats().retain(|seat| seat.number != number);
    }
}

/// Whether somebody takes jobs from the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Staffed {
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
