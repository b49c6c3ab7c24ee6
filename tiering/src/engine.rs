//! What an engine has one of: compilers, policy, queue, threads, log.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use upshift_abi::Compiler;
use upshift_profiler::{CodeKey, Event, EventLog};
use upshift_runtime::Process;

use crate::config::{ConfigError, Mode, Switching, TieringConfig};
use crate::pool::{self, Spawn, WorkerPool};
use crate::queue::Queue;
use crate::sessions::Speeds;
use crate::worker::Job;

/// Everything that modules and compile threads share.
pub(crate) struct Shared {
    pub(crate) config: TieringConfig,
    pub(crate) baseline: Arc<dyn Compiler>,
    pub(crate) optimizer: Option<Arc<dyn Compiler>>,
    pub(crate) log: Arc<EventLog>,
    pub(crate) queue: Queue<Job>,
    pub(crate) speeds: Speeds,
    pub(crate) pool: WorkerPool,
    /// Times that the optimizer failed, panics included.
    pub(crate) failures: AtomicU64,
}

impl Shared {
    /// Called now and then by threads that wait for optimized code: sees to it that one stuck function does not
    /// keep others from being compiled.
    pub(crate) fn relieve(self: &Arc<Self>) {
        if self.queue.len() > 0 {
            WorkerPool::start_workers(self);
        }
    }

    /// Counts a compilation that exceeded a limit: no failure, the function keeps the code it has.
    pub(crate) fn refused(&self, code: CodeKey, reason: impl FnOnce() -> Box<str>) {
        self.log.record(|| Event::CompileRefused {
            code,
            reason: reason(),
        });
    }

    /// Counts and logs a failure of the optimizer; ends the process if asked to.
    pub(crate) fn optimizer_failed(&self, what: &dyn fmt::Display) {
        self.failures.fetch_add(1, Ordering::Relaxed);
        log::warn!("optimizer: {what}");
        if self.config.knobs.fail_fast {
            eprintln!("fail-fast: the optimizer failed: {what}");
            std::process::abort();
        }
    }
}

/// Tiering for all modules of an engine. Dropping it takes no longer than a lock: the queue is dropped, the
/// compile threads give up what they are at and end by themselves, and functions stay as they are.
pub struct Tiering {
    shared: Arc<Shared>,
    process: Process,
}

impl Tiering {
    /// Tiering as configured. Compile threads start with the first request; where the system refuses them,
    /// the thread that makes a request compiles.
    ///
    /// # Errors
    ///
    /// If the mode needs an optimizer and there is none.
    pub fn new(
        config: TieringConfig,
        baseline: Arc<dyn Compiler>,
        optimizer: Option<Arc<dyn Compiler>>,
        log: Arc<EventLog>,
    ) -> Result<Self, ConfigError> {
        Self::with_spawn(config, baseline, optimizer, log, Box::new(pool::spawn))
    }

    /// The same with threads from `spawn`.
    pub(crate) fn with_spawn(
        config: TieringConfig,
        baseline: Arc<dyn Compiler>,
        optimizer: Option<Arc<dyn Compiler>>,
        log: Arc<EventLog>,
        spawn: Box<Spawn>,
    ) -> Result<Self, ConfigError> {
        if optimizer.is_none() && config.mode != Mode::Baseline {
            return Err(ConfigError::bad(
                "mode",
                format!("{} (without an optimizer)", config.mode),
            ));
        }
        let background = config.mode == Mode::Tiered && config.switching == Switching::Background;
        let workers = match config.knobs.threads {
            _ if !background => 0,
            0 => cores().saturating_sub(1).max(1),
            threads => threads,
        };
        let knobs = &config.knobs;
        let patience = Duration::from_millis(knobs.helper_after_ms.into());
        let pool = WorkerPool::new(workers, patience, knobs.helpers, spawn);
        let shared = Shared {
            queue: Queue::new(config.knobs.queue_cap as usize),
            config,
            baseline,
            optimizer,
            log,
            speeds: Speeds::default(),
            pool,
            failures: AtomicU64::new(0),
        };
        Ok(Self {
            shared: Arc::new(shared),
            process: Process::current(),
        })
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// How it was configured.
    pub fn config(&self) -> &TieringConfig {
        &self.shared.config
    }

    /// Where it reports.
    pub fn log(&self) -> &Arc<EventLog> {
        &self.shared.log
    }

    /// How fast the compilers have been so far.
    pub fn speeds(&self) -> &Speeds {
        &self.shared.speeds
    }

    /// Compile threads that run in the background at most, helpers not counted.
    pub fn workers(&self) -> u32 {
        self.shared.pool.nominal()
    }

    /// Requests that wait for a compile thread.
    pub fn queue_length(&self) -> usize {
        self.shared.queue.len()
    }

    /// Times that the optimizer failed, panics included; counted whether or not there is a log.
    pub fn failures(&self) -> u64 {
        self.shared.failures.load(Ordering::Relaxed)
    }

    /// Waits until the compile threads have nothing left to do. For tests and measurements: a
    /// running program can ask for more at any time.
    pub fn wait_idle(&self) {
        self.shared.queue.wait_idle();
    }
}

impl Drop for Tiering {
    fn drop(&mut self) {
        if !self.process.is_current() {
            // A forked child has none of these threads, and they may have held the queue's locks.
            return;
        }
        let queue = &self.shared.queue;
        queue.close();
        for job in queue.dismiss(self.shared.pool.size()) {
            let code = job.key;
            self.shared.log.record(|| Event::RequestDropped { code });
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

/// Cores that this process may use.
pub(crate) fn cores() -> u32 {
    thread::available_parallelism().map_or(1, |cores| cores.get() as u32)
}
