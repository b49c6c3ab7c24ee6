//! A machine of the lab: one thread of the guest and some compile threads on some cores.
//!
//! [`execute`] runs a [`Workload`](crate::workload::Workload) on it in virtual time. What is
//! compiled, and when, is up to a [`Director`]: a fixed schedule for bounds, a policy with a queue
//! for simulations. So all figures that are compared come from the same arithmetic.
//!
//! # The model
//!
//! - The guest's thread does its slices in order. In its first use, a function that has no code yet
//!   is compiled at level 0 by the guest's thread; it goes on at once if other code of the function
//!   is published meanwhile.
//! - Each compile thread takes one job at a time; without compile threads, the guest's thread
//!   stands still for each job.
//! - Threads that are ready share the cores by weight (a compile thread may have a lower one), none
//!   with more than a core. Beside busy compile threads the guest may be slower by a factor (shared
//!   caches, two hardware threads of one core).
//! - When a job is done its code is published: from then on the function runs at the new level, at
//!   once or from its next entry ([`Switch`]).
//! - The program's end is the run's: what is being compiled then is dropped.
//! - Time is continuous, or, to compare with an engine in virtual time, [units](Time::Units).

mod budgets;
mod director;
mod figures;
mod function;
mod run;
mod schedule;
mod slice;
mod units;

use crate::trace::Header;

pub use director::{Director, Done, Job, Outcome, Unit, Weights};
#[cfg(test)]
pub(crate) use run::execute_counting;
pub use run::{Run, execute};
pub use schedule::Schedule;
pub use units::Time;
use upshift_tiering::Latency;

/// The machine and how code comes into use on it.
#[derive(Clone, Debug, PartialEq)]
pub struct Machine {
    /// Cores; at least one.
    pub cores: u32,
    /// Compile threads; without any, the guest's thread compiles.
    pub workers: u32,
    /// A compile thread's share of a core for which it competes, as a multiple of the guest's: 1 is
    /// fair, `nice=10` about 0.11. Positive.
    pub weight: f64,
    /// For each number of busy compile threads, from 0, the factor by which the guest is slower. At
    /// least 1 each; the last one holds for more threads. Empty: 1.
    pub slowdown: Vec<f64>,
    /// When functions change to code that is published.
    pub switch: Switch,
    /// What it takes the guest's thread to ask the director at the end of a budget, in
    /// nanoseconds.
    pub ask_ns: f64,
    /// What time is.
    pub time: Time,
}

/// When functions change to code that is published.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Switch {
    /// At once.
    #[default]
    Publish,
    /// At the function's next entry; in a loop, where an OSR entry was compiled for it. The entries
    /// of a slice lie equally far from each other, the first at its begin. The iterations of calls
    /// that last change in OSR entries only.
    Entry,
}

impl Machine {
    /// A machine whose threads are equal and don't disturb each other, with code in use at once.
    ///
    /// # Panics
    ///
    /// Without cores.
    pub fn new(cores: u32, workers: u32) -> Self {
        assert!(cores > 0, "a machine has a core");
        Self {
            cores,
            workers,
            weight: 1.0,
            slowdown: Vec::new(),
            switch: Switch::Publish,
            ask_ns: 0.0,
            time: Time::Continuous,
        }
    }

    /// The machine of an engine in virtual time, with so many compile threads.
    pub fn in_units(workers: u32, latency: Latency) -> Self {
        Self {
            time: Time::Units(latency),
            ..Self::new(workers + 1, workers)
        }
    }

    /// A machine like the one on which a trace was recorded: code comes into use as the engine does
    /// it, compile threads disturb the guest and questions take as long as was measured.
    ///
    /// # Panics
    ///
    /// Without cores.
    pub fn recorded(header: &Header, cores: u32, workers: u32) -> Self {
        Self {
            slowdown: header.slowdown.clone(),
            switch: Switch::Entry,
            ask_ns: header.ask_ns,
            ..Self::new(cores, workers)
        }
    }

    /// How fast threads are while so many of the compile threads are busy.
    fn speeds(&self, busy: usize) -> Speeds {
        let (cores, busy_threads) = (f64::from(self.cores), busy as f64);
        let (guest, worker) = if 1.0 + busy_threads <= cores {
            (1.0, 1.0)
        } else {
            let share = cores / (1.0 + busy_threads * self.weight);
            if share >= 1.0 {
                (1.0, (cores - 1.0) / busy_threads)
            } else {
                (share, (share * self.weight).min(1.0))
            }
        };
        let slowdown = self.slowdown.get(busy).or(self.slowdown.last());
        Speeds {
            guest_cpu: guest,
            guest: guest / slowdown.copied().unwrap_or(1.0),
            worker,
        }
    }
}

/// How fast threads are, as shares of a core that each has to itself.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Speeds {
    /// The guest's processor time.
    guest_cpu: f64,
    /// The guest's progress.
    guest: f64,
    /// A busy compile thread's processor time and progress.
    worker: f64,
}

#[cfg(test)]
pub(crate) mod tests;
