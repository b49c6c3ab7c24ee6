//! What a compile thread does: takes the best job, compiles, puts the code to use, again.
//!
//! While it compiles it holds neither the module nor anything of it but the declarations and the bytes that
//! the compiler reads: dropping a module or an engine waits for nothing, and what was made
//! for it is thrown away.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Weak};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use upshift_abi::{Cancel, CompileError, CompileRequest, CompiledFunction, ModuleFacts};
use upshift_profiler::{CodeKey, Event, Nanos};

use crate::engine::Shared;
use crate::pool::Next;
use crate::queue::Order;
use crate::sessions::CompileSessions;

/// A request in the queue. It keeps its module from nothing: a module that is dropped while its
/// requests wait is gone, and they are skipped.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) target: Weak<dyn Target>,
    pub(crate) key: CodeKey,
    pub(crate) queued: Nanos,
}

/// What a compiler needs of a module.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) facts: Arc<ModuleFacts>,
    pub(crate) wasm: Arc<[u8]>,
}

/// Who takes a job's result: a module.
pub(crate) trait Target: Send + Sync + std::fmt::Debug {
    /// Claims the unit for compilation; `None` if the module is gone or the unit is not asked for any
    /// more.
    fn begin(&self, key: CodeKey) -> Option<Source>;

    /// Puts the code to use, or takes note that there will be none.
    fn finish(&self, key: CodeKey, result: Result<CompiledFunction, CompileError>);
}

/// Serves the queue until it is closed or there are too many who do.
pub(crate) fn work(shared: &Shared, number: u32) {
    lower_priority(shared.config.knobs.nice);
    let mut sessions = CompileSessions::new(shared);
    while let Order::Work(job) = shared.queue.pop() {
        shared.pool.begin(number);
        run_guarded(shared, &job, &mut sessions);
        // First, so that who waits for the queue to be idle finds no more threads than there should be.
        let next = shared.pool.end(number);
        shared.queue.done();
        if next == Next::Leave {
            return;
        }
    }
    shared.pool.leave(number);
}

/// Does one job of the queue on a thread that has other things to do, because no compile thread can be had.
pub(crate) fn work_here(shared: &Shared) {
    if let Some(job) = shared.queue.try_pop() {
        run_guarded(shared, &job, &mut CompileSessions::new(shared));
        shared.queue.done();
    }
}

/// Compilers' panics are caught where they are called; this net keeps the thread alive if placing or publishing has
/// a bug. The function then stays `Optimizing`, in baseline code.
fn run_guarded(shared: &Shared, job: &Job, sessions: &mut CompileSessions<'_>) {
    let run = catch_unwind(AssertUnwindSafe(|| run(shared, job, sessions)));
    if run.is_err() {
        shared.optimizer_failed(&format_args!("{}: panic while placing code", job.key.func));
    }
}

fn run(shared: &Shared, job: &Job, sessions: &mut CompileSessions<'_>) {
    let queue_wait = Nanos(shared.log.now().0.saturating_sub(job.queued.0));
    let dropped = || {
        let code = job.key;
        shared.log.record(|| Event::RequestDropped { code });
    };
    let source = job.target.upgrade();
    let Some(source) = source.and_then(|target| target.begin(job.key)) else {
        return dropped();
    };
    let limit = Duration::from_millis(shared.config.knobs.max_compile_ms.into());
    let end = (!limit.is_zero()).then(|| thread_time() + limit);
    let gone = || shared.queue.is_closed() || job.target.strong_count() == 0;
    let too_long = || end.is_some_and(|end| thread_time() > end);
    let enough = || gone() || too_long();
    let mut request = CompileRequest::new(&source.facts, &source.wasm, job.key.func.func);
    request.unit = job.key.unit;
    request.cancel = Cancel::when(&enough);
    let mut result = sessions.compile(job.key, request, queue_wait);
    if let Err(CompileError::Cancelled { func }) = result {
        if gone() {
            return dropped();
        }
        let limit = format!("more than {limit:?} of processor time (max-compile-ms)");
        let error = CompileError::TooLarge { func, limit };
        shared.refused(job.key, || error.to_string().into());
        result = Err(error);
    }
    match job.target.upgrade() {
        Some(target) => target.finish(job.key, result),
        None => dropped(),
    }
}

/// Processor time of this thread: a busy machine makes no function slower to compile.
fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
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
