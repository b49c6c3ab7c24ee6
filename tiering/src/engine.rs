//! Tiering for one engine: compilers, policy, queue, compile threads, log.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use upshift_profiler::{CodeKey, DropReason, Event, EventLog, Timeline};
use upshift_runtime::Process;

use crate::config::{ConfigError, Mode, Switching, TieringConfig};
use crate::driver::ticker::Ticker;
use crate::evidence::{Clock, Ledger, Reading};
use crate::ladder::Ladder;
use crate::overrides::Overrides;
use crate::policy::Level;
use crate::pool::{self, Spawn, WorkerPool};
use crate::queue::{Guarded, Queue};
use crate::samples::Sampling;
use crate::sessions::{CompileCost, Speeds};
use crate::worker::Job;

/// What all modules and compile threads of an engine share.
pub(crate) struct Shared {
    pub(crate) config: TieringConfig,
    pub(crate) ladder: Ladder,
    pub(crate) log: Arc<EventLog>,
    /// The time, which decisions depend on whether or not the log does anything.
    pub(crate) timeline: Timeline,
    pub(crate) queue: Queue<Job>,
    /// What decides which request is next.
    pub(crate) discipline: Arc<Guarded>,
    /// The functions that have a policy of their own.
    pub(crate) overrides: Overrides,
    pub(crate) speeds: Speeds,
    pub(crate) pool: WorkerPool,
    /// What comparing tiers has cost.
    pub(crate) ledger: Ledger,
    /// The time and thread that trials see.
    pub(crate) clock: Box<Clock>,
    /// The wake-ups that policies have asked for.
    pub(crate) ticker: Ticker,
    /// How many cores the process may use.
    pub(crate) cores: u32,
    /// When a function last got its first code. Relaxed: a figure for policies.
    pub(crate) new_code_at: AtomicU64,
    /// How often the optimizer failed, panics included. Relaxed: a figure for reports.
    pub(crate) failures: AtomicU64,
    /// What samples have found.
    pub(crate) sampling: Sampling,
    /// The process that has the threads.
    pub(crate) process: Process,
}

impl Shared {
    /// Starts a compile thread if requests wait and the others are stuck. Threads that run
    /// WebAssembly call this at exhausted budgets while optimized code for them is under way.
    pub(crate) fn start_missing_workers(self: &Arc<Self>) {
        if self.queue.len() > 0 {
            WorkerPool::start_workers(self);
        }
    }

    /// Logs a compilation that exceeded a limit. That is no failure: the function keeps its code.
    /// No cost is given where the compilation finished, so that the log has it already.
    pub(crate) fn refused(
        &self,
        code: CodeKey,
        cost: Option<CompileCost>,
        reason: impl FnOnce() -> Box<str>,
    ) {
        self.log.record(|| Event::CompileRefused {
            code,
            reason: reason(),
            time: cost.map(|cost| cost.time),
            cpu_time: cost.map(|cost| cost.cpu),
        });
    }

    /// Logs a request that came to nothing.
    pub(crate) fn dropped(&self, code: CodeKey, why: DropReason) {
        self.log.record(|| Event::RequestDropped { code, why });
    }

    /// Counts and logs a failure of the optimizer; with the knob `fail-fast` it aborts the process.
    pub(crate) fn optimizer_failed(&self, what: &dyn fmt::Display) {
        self.failures.fetch_add(1, Ordering::Relaxed);
        log::warn!("optimizer: {what}");
        if self.config.knobs.fail_fast {
            eprintln!("fail-fast: the optimizer failed: {what}");
            std::process::abort();
        }
    }
}

/// What tiering takes from the system.
pub(crate) struct System {
    /// Starts compile threads.
    pub(crate) spawn: Box<Spawn>,
    /// Reads the time that trials measure.
    pub(crate) clock: Box<Clock>,
}

/// Tiering for all modules of an engine. Dropping it never waits for a compilation: the queue is
/// closed and its requests are dropped, the compile threads cancel what they compile and end by
/// themselves, and functions keep the code that they have.
pub struct Tiering {
    shared: Arc<Shared>,
}

impl Tiering {
    /// Tiering with this configuration. Compile threads start with the first request; where the
    /// system refuses them, the thread that makes a request compiles.
    ///
    /// # Errors
    ///
    /// If the mode needs an optimizer and the ladder has none, or the file of functions with a
    /// policy of their own can't be read or makes no sense.
    pub fn new(
        config: TieringConfig,
        ladder: Ladder,
        log: Arc<EventLog>,
    ) -> Result<Self, ConfigError> {
        let system = System {
            spawn: Box::new(pool::spawn),
            clock: Box::new(Reading::now),
        };
        Self::with_system(config, ladder, log, system)
    }

    /// Like [`new`](Self::new), with other threads and clocks.
    pub(crate) fn with_system(
        config: TieringConfig,
        ladder: Ladder,
        log: Arc<EventLog>,
        system: System,
    ) -> Result<Self, ConfigError> {
        if ladder.top() == Level::FIRST && config.mode != Mode::Baseline {
            return Err(ConfigError::NoOptimizer(config.mode));
        }
        let overrides = match &config.overrides {
            Some(path) => Overrides::read(path).map_err(ConfigError::Override)?,
            None => Overrides::default(),
        };
        let background = config.mode == Mode::Tiered && config.switching == Switching::Background;
        let workers = match config.knobs.threads {
            _ if !background => 0,
            0 => cores().saturating_sub(1).max(1),
            threads => threads,
        };
        let knobs = &config.knobs;
        let pool = WorkerPool::new(workers, knobs.helper_after, knobs.helpers, system.spawn);
        let discipline = Arc::new(Guarded::new(config.queue.clone()));
        let ledger = Ledger::new(knobs.evidence_window);
        let shared = Shared {
            queue: Queue::new(discipline.clone(), knobs.queue_cap as usize, config.stale()),
            discipline,
            config,
            speeds: Speeds::new(ladder.rungs().len()),
            ladder,
            timeline: log.timeline(),
            log,
            overrides,
            pool,
            ledger,
            clock: system.clock,
            ticker: Ticker::default(),
            cores: cores(),
            new_code_at: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            sampling: Sampling::default(),
            process: Process::current(),
        };
        if shared.wanted_period().is_some() && !shared.config.switching.tells_samples() {
            log::warn!("a policy wants samples, which this kind of switching does not tell it of");
        }
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// The configuration that it was created with.
    pub fn config(&self) -> &TieringConfig {
        &self.shared.config
    }

    /// The log that it records events in.
    pub fn log(&self) -> &Arc<EventLog> {
        &self.shared.log
    }

    /// The levels of code that it was created with.
    pub fn ladder(&self) -> &Ladder {
        &self.shared.ladder
    }

    /// The measured speeds of all compilers.
    pub fn speeds(&self) -> &Speeds {
        &self.shared.speeds
    }

    /// The highest number of compile threads, helpers not counted; 0 where nothing is compiled in
    /// the background.
    pub fn workers(&self) -> u32 {
        self.shared.pool.nominal()
    }

    /// How many requests wait for a compile thread.
    pub fn queue_length(&self) -> usize {
        self.shared.queue.len()
    }

    /// How often the optimizer failed, panics included; counted whether or not events are logged.
    pub fn failures(&self) -> u64 {
        self.shared.failures.load(Ordering::Relaxed)
    }

    /// How many choices of the queue's discipline panicked. They were made in the order of arrival.
    pub fn discipline_panics(&self) -> u64 {
        self.shared.discipline.panics()
    }

    /// Blocks the calling thread until the queue is empty and no compile thread is busy. For tests
    /// and measurements: a running program can make further requests at any time.
    pub fn wait_idle(&self) {
        self.shared.queue.wait_idle();
    }
}

impl Drop for Tiering {
    fn drop(&mut self) {
        if !self.shared.process.is_current() {
            // A forked child has none of these threads, and one may have held the queue's locks.
            return;
        }
        let queue = &self.shared.queue;
        queue.close();
        self.shared.ticker.close();
        for job in queue.dismiss(self.shared.pool.size()) {
            self.shared.dropped(job.key, DropReason::Shutdown);
        }
    }
}

impl fmt::Debug for Tiering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tiering")
            .field("config", &self.shared.config)
            .field("workers", &self.workers())
            .field("queue_length", &self.queue_length())
            .finish_non_exhaustive()
    }
}

/// How many cores this process may use.
pub(crate) fn cores() -> u32 {
    thread::available_parallelism().map_or(1, |cores| cores.get() as u32)
}
