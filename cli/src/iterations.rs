//! `--iterations`: the same work several times in one process, each time measured.
//!
//! What belongs to the engine and the module goes on from one iteration to the next: code of all
//! tiers, counters, the queue and what compile threads are at. What belongs to a program does not:
//! each iteration of a WASI program has an instance, a store and standard input of its own. With
//! `--invoke`, the iterations are calls of one instance, as a harness makes them.
//!
//! An iteration is timed from the instantiation of the program to its end, or from one call to its
//! return. Setting up a store and dropping it lie between iterations and are in none.

use std::fmt::Write as _;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;
use upshift::{Engine, Result, ThreadClock};

use crate::options::StatsFormat;
use crate::report;
use crate::timed::timed;

/// What one iteration took. Times are in nanoseconds.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Iteration {
    /// From its start to its end.
    wall: u64,
    /// Processor time of all threads of the process.
    cpu: u64,
    /// Processor time of the thread that runs the program, compilations included that it waits for.
    thread_cpu: u64,
    /// Processor time of the compilations, in all tiers, that ended in it.
    compile_cpu: u64,
    /// Processor time of those above the first tier.
    optimize_cpu: u64,
    /// Compilations above the first tier that ended in it.
    compilations: u64,
    /// Requests for optimized code that were made.
    requests: u64,
    /// Machine code that was made, in bytes.
    code_bytes: u64,
}

/// The iterations of a process. Clones share them: a guest that a signal ends may still be running
/// while they are printed.
#[derive(Clone, Debug, Default)]
pub struct Iterations {
    done: Arc<Mutex<Vec<Iteration>>>,
}

impl Iterations {
    /// Runs one iteration and notes what it took, if it ends as it should.
    pub fn measure<T>(&self, engine: &Engine, iteration: impl FnOnce() -> Result<T>) -> Result<T> {
        let thread = ThreadClock::of_this_thread()?;
        let before = Made::of(engine);
        // The thread's clock is read within the time of the process' clock, of which it is a part.
        let cpu = process_cpu();
        let (ended, took) = timed(thread, iteration)?;
        let now = process_cpu();
        let made = Made::of(engine).since(&before);
        let iteration = Iteration {
            wall: nanos(took.wall),
            cpu: nanos(now.saturating_sub(cpu)),
            thread_cpu: nanos(took.thread_cpu.unwrap_or_default()),
            ..made.0
        };
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        done.push(iteration);
        Ok(ended)
    }

    /// Prints them: a table, or a line of JSON, which stands before that of the statistics.
    ///
    /// # Errors
    ///
    /// If standard error is closed or full.
    pub fn write(&self, format: StatsFormat) -> io::Result<()> {
        let done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        match format {
            StatsFormat::Json => {
                let lines = serde_json::json!({ "iterations": &*done });
                report::err_json(&lines.to_string())
            }
            StatsFormat::Table => report::err(&table(&done)),
        }
    }
}

/// What an engine has compiled since its start, as an iteration's figures without times.
struct Made(Iteration);

impl Made {
    fn of(engine: &Engine) -> Self {
        let stats = engine.event_log().stats();
        let tiers = [&stats.baseline, &stats.optimizer];
        Self(Iteration {
            compile_cpu: tiers.map(|tier| tier.cpu.0).iter().sum(),
            optimize_cpu: stats.optimizer.cpu.0,
            compilations: stats.optimizer.functions + stats.optimizer.osr_units,
            requests: stats.requests_queued,
            code_bytes: tiers.map(|tier| tier.code_bytes).iter().sum(),
            ..Iteration::default()
        })
    }

    fn since(self, before: &Self) -> Self {
        let (now, before) = (self.0, &before.0);
        Self(Iteration {
            compile_cpu: now.compile_cpu - before.compile_cpu,
            optimize_cpu: now.optimize_cpu - before.optimize_cpu,
            compilations: now.compilations - before.compilations,
            requests: now.requests - before.requests,
            code_bytes: now.code_bytes - before.code_bytes,
            ..now
        })
    }
}

/// Processor time of all threads of this process, in the program and in the kernel.
fn process_cpu() -> Duration {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}

fn nanos(time: Duration) -> u64 {
    time.as_nanos().try_into().unwrap_or(u64::MAX)
}

fn table(iterations: &[Iteration]) -> String {
    let mut text = format!(
        "\n{:>9}{:>13}{:>13}{:>13}{:>13}{:>14}\n",
        "iteration", "wall ms", "CPU ms", "thread ms", "compile ms", "compilations"
    );
    let ms = |ns: u64| ns as f64 / 1e6;
    for (number, one) in iterations.iter().enumerate() {
        let _ = writeln!(
            text,
            "{number:>9}{:>13.3}{:>13.3}{:>13.3}{:>13.3}{:>14}",
            ms(one.wall),
            ms(one.cpu),
            ms(one.thread_cpu),
            ms(one.compile_cpu),
            one.compilations
        );
    }
    text
}
