//! Background switching: requested code waits in the engine's queue, compile threads take it from
//! there, and install it as soon as it is ready.

use std::sync::Arc;

use upshift_abi::{CompileError, CompiledFunction, Tier};
use upshift_profiler::{CodeKey, DropReason, FuncKey, Nanos};

use super::{Driver, Function, Used, ticker};
use crate::home::CodeHome;
use crate::lifecycle::Phase;
use crate::module::ModuleState;
use crate::policy::{Level, PolicyEvent, Request};
use crate::pool::{WorkerPool, Workers};
use crate::queue::Waiting;
use crate::sessions::CompileSessions;
use crate::worker::{self, CompileInput, Job, Target};

/// The driver of [`Switching::Background`](crate::Switching::Background).
#[derive(Debug)]
pub(super) struct Background;

impl<M: CodeHome> Driver<M> for Background {
    fn exhausted(&self, function: Function<'_, M>, used: Used) -> Option<M::Addr> {
        function.begin_trials();
        let shared = function.shared();
        shared.ticker.stand_in(shared);
        function.consult_policy(used.site)
    }

    fn called_again(&self, function: Function<'_, M>, code: &M::Code) -> M::Addr {
        match function.phase() {
            Phase::Trial => function.window_ended(code),
            _ => function.counted_call(code),
        }
    }

    fn request(&self, function: Function<'_, M>, key: CodeKey, request: Request) {
        let shared = function.shared();
        if function.is_supplied(key.unit, Level(key.level)) {
            // There is nothing to compile, so nothing to wait for.
            let mut sessions = CompileSessions::new(shared);
            if let Some(code) = function.compile_claimed(key, &mut sessions) {
                function.install_optimized(key, code);
            }
            return;
        }
        let job = Job {
            target: function.module.this.clone(),
            key,
            request,
            queued: shared.timeline.now(),
        };
        // Logged first, so that the log never shows a compilation that starts before its request.
        function.log_request(key, request, shared.queue.len() as u32 + 1);
        if shared.queue.push(job).is_err() {
            shared.dropped(key, DropReason::Full);
            function.unclaim(key);
        } else if WorkerPool::start_workers(shared) == Workers::Refused {
            worker::run_one_job(shared);
        }
    }

    fn wake(&self, function: Function<'_, M>, after: Nanos) {
        ticker::wake(function, after);
    }

    fn published(&self, function: Function<'_, M>) {
        function.await_trial();
    }

    fn warm_up(&self, module: &ModuleState<M>) {
        module.prepare_in_background();
    }

    fn begins_optimized(&self) -> bool {
        true
    }
}

/// What compile threads and the ticker do to a module.
impl<M: CodeHome> Target for ModuleState<M> {
    fn begin(&self, key: CodeKey, waited: Nanos) -> Option<CompileInput> {
        let home = self.home()?;
        let function = self.function(&home, key.func.func);
        let claimed = match key.tier {
            // Withdrawn, and perhaps requested again since.
            Tier::Optimizer if !function.is_queued(key) => false,
            Tier::Optimizer if !function.is_still_wanted(key, waited) => {
                function.unclaim(key);
                false
            }
            Tier::Optimizer => function.begin_optimizing(key),
            Tier::Baseline => function.phase() == Phase::Trial,
        };
        claimed.then(|| CompileInput {
            facts: home.facts().clone(),
            wasm: home.wasm().clone(),
            profile: function.state.account.profile(),
            targets: self.earlier.with_targets(&*home),
        })
    }

    fn look(&self, job: &Job, waiting: &mut Waiting) {
        // A baseline compilation for a trial is no more urgent by what its function does, and never
        // stale.
        if job.key.tier == Tier::Optimizer {
            self.with(job.key.func, |function| function.look(job.queued, waiting));
        }
    }

    fn take_back(&self, key: CodeKey) {
        self.with(key.func, |function| function.unclaim(key));
    }

    fn try_out(&self, func: FuncKey) {
        self.with(func, |function| function.begin_trial());
    }

    fn finish(&self, key: CodeKey, result: Result<CompiledFunction, CompileError>) {
        self.with(key.func, |function| match key.tier {
            Tier::Baseline => function.enter_baseline(key, result),
            Tier::Optimizer => {
                if let Some(code) = function.place(key, result) {
                    function.install_optimized(key, code);
                }
            }
        });
    }

    fn abandon(&self, key: CodeKey) {
        let reason = || "a panic while its code was placed".to_owned();
        self.with(key.func, |function| function.give_up(key, reason));
    }

    fn wake(&self, func: FuncKey, due: Nanos) {
        self.with(func, |function| function.wake(due));
    }
}

impl<M: CodeHome> ModuleState<M> {
    /// Does something to a function, if the module is still there.
    fn with(&self, func: FuncKey, act: impl FnOnce(Function<'_, M>)) {
        let home: Option<Arc<M>> = self.home();
        if let Some(home) = home {
            act(self.function(&home, func.func));
        }
    }
}

impl<M: CodeHome> Function<'_, M> {
    /// Asks the policy whether a request that has waited is to be compiled.
    fn is_still_wanted(&self, key: CodeKey, waited: Nanos) -> bool {
        let level = Level(key.level);
        !self
            .decide(PolicyEvent::Dequeued { level, waited })
            .withdraw
    }
}
