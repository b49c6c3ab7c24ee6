//! What an engine has one of: compilers, policy, queue, threads, log.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

use upshift_abi::Compiler;
use upshift_profiler::{Event, EventLog};
use upshift_runtime::Process;

use crate::bench::Speeds;
use crate::config::{ConfigError, Mode, Switching, TieringConfig};
use crate::queue::Queue;
use crate::worker::{self, Job};

/// Everything that modules and compile threads share.
pub(crate) struct Shared {
    pub(crate) config: TieringConfig,
    pub(crate) baseline: Arc<dyn Compiler>,
    pub(crate) optimizer: Option<Arc<dyn Compiler>>,
    pub(crate) log: Arc<EventLog>,
    pub(crate) queue: Queue<Job>,
    pub(crate) speeds: Speeds,
    /// Compile threads; 0 unless switching in the background.
    pub(crate) workers: u32,
    /// Times that the optimizer failed, panics included.
    pub(crate) failures: AtomicU64,
}

impl Shared {
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

/// Tiering for all modules of an engine. Dropping it stops the compile threads: each finishes
/// what it is compiling, the rest of the queue is dropped, and functions stay as they are.
pub struct Tiering {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    process: Process,
}

impl Tiering {
    /// Starts the compile threads, if the configuration asks for some.
    ///
    /// # Errors
    ///
    /// If the mode needs an optimizer and there is none.
    ///
    /// # Panics
    ///
    /// If the system refuses a thread.
    pub fn new(
        config: TieringConfig,
        baseline: Arc<dyn Compiler>,
        optimizer: Option<Arc<dyn Compiler>>,
        log: Arc<EventLog>,
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
        let shared = Arc::new(Shared {
            queue: Queue::new(config.knobs.queue_cap as usize),
            config,
            baseline,
            optimizer,
            log,
            speeds: Speeds::default(),
            workers,
            failures: AtomicU64::new(0),
        });
        let start = |n| {
            let shared = shared.clone();
            let thread = thread::Builder::new().name(format!("upshift-compile-{n}"));
            thread
                .spawn(move || worker::work(&shared))
                .expect("the system has another thread")
        };
        let threads = (0..workers).map(start).collect();
        Ok(Self {
            shared,
            threads,
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

    /// Compile threads that run in the background.
    pub fn workers(&self) -> u32 {
        self.shared.workers
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
            std::mem::forget(std::mem::take(&mut self.threads));
            return;
        }
        for job in self.shared.queue.close(self.threads.len()) {
            let code = job.key;
            self.shared.log.record(|| Event::RequestDropped { code });
        }
        for thread in self.threads.drain(..) {
            // Its panics were caught where they happened.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Tiering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tiering")
            .field("config", &self.shared.config)
            .field("workers", &self.shared.workers)
            .field("queue_length", &self.queue_length())
            .finish_non_exhaustive()
    }
}

/// Cores that this process may use.
pub(crate) fn cores() -> u32 {
    thread::available_parallelism().map_or(1, |cores| cores.get() as u32)
}
