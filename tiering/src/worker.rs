//! The loop of a compile thread: take the most urgent job, compile it, install the code.
//!
//! During a compilation the thread holds nothing of the module but its declarations and bytes,
//! which the compiler reads. So dropping a module or an engine waits for nothing; what was compiled
//! for it is dropped.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use rustix::time::{ClockId, clock_gettime};
use upshift_abi::targets::CallTargets;
use upshift_abi::{
    Cancel, CompileError, CompileRequest, CompiledFunction, Counting, ModuleFacts, Profile, Tier,
};
use upshift_profiler::{CodeKey, DropReason, Event, FuncKey, Nanos};

use crate::engine::Shared;
use crate::policy::Request;
use crate::pool::Next;
use crate::queue::{Order, Waiting, Waits};
use crate::sessions::CompileSessions;

/// A request in the queue. It refers to its module weakly: jobs of a dropped module are skipped.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) target: Weak<dyn Target>,
    pub(crate) key: CodeKey,
    pub(crate) request: Request,
    pub(crate) queued: Nanos,
}

impl Waits for Job {
    fn waiting(&self) -> Waiting {
        Waiting::new(self.key.func, self.key.unit, self.request)
    }

    fn look(&self, waiting: &mut Waiting) {
        if let Some(target) = self.target.upgrade() {
            target.look(self, waiting);
        }
    }
}

/// What a compiler reads of a module, and how the function has run.
#[derive(Debug)]
pub(crate) struct CompileInput {
    pub(crate) facts: Arc<ModuleFacts>,
    pub(crate) wasm: Bytes,
    pub(crate) profile: Profile,
    pub(crate) targets: CallTargets,
}

/// The module that a job compiles for, without the types of the runtime.
pub(crate) trait Target: Send + Sync + std::fmt::Debug {
    /// Claims for compilation a unit whose request has `waited` in the queue; `None` if the module
    /// is gone, the unit is no longer requested, or the policy withdraws the request.
    fn begin(&self, key: CodeKey, waited: Nanos) -> Option<CompileInput>;

    /// Brings up to date what a queue discipline sees of a job that waits.
    fn look(&self, job: &Job, waiting: &mut Waiting);

    /// Takes back the request of a job that the queue has dropped, so that it can be made again.
    fn take_back(&self, key: CodeKey);

    /// Begins the trial of a function that runs optimized code.
    fn try_out(&self, func: FuncKey);

    /// Records that a panic has ended what was to [`finish`](Self::finish): the unit is not
    /// requested again.
    fn abandon(&self, key: CodeKey);

    /// Tells the function's policy of a wake-up that was asked for at `due`, if it still counts.
    fn wake(&self, func: FuncKey, due: Nanos);

    /// Installs the code, or records that there will be none.
    fn finish(&self, key: CodeKey, result: Result<CompiledFunction, CompileError>);
}

/// Runs a compile thread: takes jobs until the queue is closed or there are too many threads.
pub(crate) fn work(shared: &Shared, number: u32) {
    lower_priority(shared.config.knobs.nice);
    let mut sessions = CompileSessions::new(shared);
    loop {
        let job = match shared.queue.pop() {
            Order::Work(job) => job,
            Order::Drop(job) => {
                drop_stale(shared, &job);
                continue;
            }
            Order::Quit => break,
        };
        shared.pool.begin(number);
        run_guarded(shared, &job, &mut sessions);
        // Before `done`, so that a thread that waited for the idle queue reads the right size of
        // the pool.
        let next = shared.pool.end(number);
        shared.queue.done();
        if next == Next::Leave {
            return;
        }
    }
    shared.pool.leave(number);
}

/// Does one job of the queue on the calling thread, because the system refuses compile threads.
pub(crate) fn run_one_job(shared: &Shared) {
    while let Some(order) = shared.queue.try_pop() {
        match order {
            Order::Work(job) => {
                run_guarded(shared, &job, &mut CompileSessions::new(shared));
                return shared.queue.done();
            }
            Order::Drop(job) => drop_stale(shared, &job),
            Order::Quit => return,
        }
    }
}

/// Drops a job whose function has not run for a time.
fn drop_stale(shared: &Shared, job: &Job) {
    shared.dropped(job.key, DropReason::Stale);
    if let Some(target) = job.target.upgrade() {
        target.take_back(job.key);
    }
    shared.queue.done();
}

/// Runs a job and survives a panic while placing or publishing (a panic of a compiler is caught
/// where the compiler is called). The function then keeps the code that it has.
fn run_guarded(shared: &Shared, job: &Job, sessions: &mut CompileSessions<'_>) {
    let run = catch_unwind(AssertUnwindSafe(|| run(shared, job, sessions)));
    if run.is_err() {
        shared.optimizer_failed(&format_args!("{}: panic while placing code", job.key.func));
        if let Some(target) = job.target.upgrade() {
            target.abandon(job.key);
        }
    }
}

/// Compiles the job's unit for its module, within the limit of time.
fn run(shared: &Shared, job: &Job, sessions: &mut CompileSessions<'_>) {
    let queue_wait = Nanos(shared.timeline.now().0.saturating_sub(job.queued.0));
    shared.log.trace(|| Event::Dequeued {
        code: job.key,
        waited: queue_wait,
        queue_length: shared.queue.len() as u32,
    });
    let Some(target) = job.target.upgrade() else {
        return shared.dropped(job.key, DropReason::ModuleGone);
    };
    let Some(source) = target.begin(job.key, queue_wait) else {
        return shared.dropped(job.key, DropReason::Withdrawn);
    };
    drop(target);
    let limit = shared.config.knobs.max_compile;
    let end = (!limit.is_zero()).then(|| thread_time() + limit);
    let gone = || shared.queue.is_closed() || job.target.strong_count() == 0;
    let too_long = || end.is_some_and(|end| thread_time() > end);
    let enough = || gone() || too_long();
    let mut request = CompileRequest::new(&source.facts, &source.wasm, job.key.func.func);
    request.unit = job.key.unit;
    request.sources = shared.config.sources;
    request.cancel = Cancel::when(&enough);
    request.profile = source.profile;
    request.counting = match job.key.tier {
        // Only requested for comparison with optimized code, in whose place it may stay.
        Tier::Baseline => Counting::Never,
        Tier::Optimizer => Counting::AsConfigured,
    };
    request.targets = Some(&source.targets);
    let mut result = sessions.compile(job.key, request, queue_wait);
    if let Err(CompileError::Cancelled { func }) = result {
        if shared.queue.is_closed() {
            return shared.dropped(job.key, DropReason::Shutdown);
        }
        if gone() {
            return shared.dropped(job.key, DropReason::ModuleGone);
        }
        let limit = format!("more than {limit:?} of processor time (max-compile-ms)");
        let error = CompileError::TooLarge { func, limit };
        let cost = Some(sessions.cost());
        shared.refused(job.key, cost, || error.to_string().into());
        result = Err(error);
    }
    match job.target.upgrade() {
        Some(target) => target.finish(job.key, result),
        None => shared.dropped(job.key, DropReason::ModuleGone),
    }
}

/// Processor time of the calling thread, in which limits are measured: on a busy machine no
/// function takes longer to compile.
pub(crate) fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Sets the niceness of the calling thread. Linux has one for each thread.
pub(crate) fn lower_priority(nice: u32) {
    if nice == 0 {
        return;
    }
    let niceness = nice.min(19) as i32;
    if let Err(error) = rustix::process::setpriority_process(None, niceness) {
        log::warn!("compile thread keeps its priority: {error}");
    }
}
