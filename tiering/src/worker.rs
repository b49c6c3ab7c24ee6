//! What a compile thread does: takes the best job, compiles, puts the code to use, again.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Weak;

use upshift_profiler::{CodeKey, Event, Nanos};

use crate::bench::Bench;
use crate::engine::Shared;
use crate::queue::Order;

/// A request in the queue. It keeps its module from nothing: a module that is dropped while its
/// requests wait is gone, and they are skipped.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) target: Weak<dyn Target>,
    pub(crate) key: CodeKey,
    pub(crate) queued: Nanos,
}

/// Who takes a job's result: a module.
pub(crate) trait Target: Send + Sync + std::fmt::Debug {
    /// Compiles the unit and puts the code to use, unless that has been overtaken; false if
    /// the module is gone.
    fn optimize(&self, key: CodeKey, queue_wait: Nanos, bench: &mut Bench<'_>) -> bool;
}

/// Serves the queue until it is closed.
pub(crate) fn work(shared: &Shared) {
    lower_priority(shared.config.knobs.nice);
    let mut bench = Bench::new(shared);
    while let Order::Work(job) = shared.queue.pop() {
        // Compilers' panics are caught at the bench; this net keeps the thread alive if placing
        // or publishing has a bug. The function then stays `Optimizing`, in baseline code.
        let run = catch_unwind(AssertUnwindSafe(|| run(shared, &job, &mut bench)));
        if run.is_err() {
            shared.optimizer_failed(&format_args!("{}: panic while placing code", job.key.func));
        }
        shared.queue.done();
    }
}

fn run(shared: &Shared, job: &Job, bench: &mut Bench<'_>) {
    let queue_wait = Nanos(shared.log.now().0.saturating_sub(job.queued.0));
    let target = job.target.upgrade();
    if !target.is_some_and(|target| target.optimize(job.key, queue_wait, bench)) {
        let code = job.key;
        shared.log.record(|| Event::RequestDropped { code });
    }
}

/// Linux gives each thread a niceness of its own.
fn lower_priority(nice: u32) {
    if nice == 0 {
        return;
    }
    let niceness = nice.min(19) as i32;
    if let Err(error) = rustix::process::setpriority_process(None, niceness) {
        log::warn!("compile thread keeps its priority: {error}");
    }
}
