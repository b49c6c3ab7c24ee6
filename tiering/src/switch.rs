//! How optimized code is requested, compiled and installed, in each kind of [`Switching`].

mod evidence;
mod virtual_time;
mod zeal;

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

use upshift_abi::{
    CompileError, CompileRequest, CompileUnit, CompiledFunction, DefinedFuncIndex, ModuleFacts,
    Tier,
};
use upshift_profiler::{CodeKey, DropReason, Event, FuncKey, Nanos, Real};

pub(crate) use evidence::Contest;
pub(crate) use virtual_time::VirtualTime;
pub(crate) use zeal::Zeal;

use crate::config::Switching;
use crate::home::CodeHome;
use crate::module::ModuleState;
use crate::policy::{Budget, Level, PolicyEvent, Request};
use crate::pool::{WorkerPool, Workers};
use crate::sessions::CompileSessions;
use crate::state::{FuncState, LoopPhase, LoopState, Phase, TierCode};
use crate::worker::{self, CompileInput, Job, Target};

impl<M: CodeHome> ModuleState<M> {
    /// Requests optimized code. Declines what is under way, done, impossible or switched off.
    pub(crate) fn request(
        &self,
        home: &Arc<M>,
        func: DefinedFuncIndex,
        state: &FuncState<M::Code>,
        unit: CompileUnit,
        request: Request,
    ) {
        let key = self.code_key(func, unit, Tier::Optimizer);
        if !self.may_optimize(home, key, state) || !self.claim(key, state) {
            return;
        }
        let key = key.with_req(self.shared.log.next_request());
        state.account.requested(self.log_now());
        match self.shared.config.switching {
            Switching::Background => self.enqueue(key, state, request),
            Switching::Synchronous => {
                self.log_request(key, request);
                self.optimize_claimed(home, key, Nanos(0), &mut CompileSessions::new(&self.shared));
            }
            Switching::Virtual(latency) => {
                self.log_request(key, request);
                self.schedule(home, key, state, latency);
            }
            Switching::Zeal { .. } => unreachable!("zeal asks no policy"),
        }
    }

    /// Whether knobs and limits allow the request. Pins functions that are too large.
    fn may_optimize(&self, home: &Arc<M>, key: CodeKey, state: &FuncState<M::Code>) -> bool {
        let knobs = &self.shared.config.knobs;
        let func = key.func.func;
        let body_bytes = home.facts().body_len(func);
        if body_bytes > knobs.max_optimize_bytes {
            self.pin(key, state, || {
                format!("{body_bytes} bytes are too many to optimize")
            });
            return false;
        }
        match key.unit {
            CompileUnit::Function => knobs.function_tier_up,
            CompileUnit::Loop(_) => {
                knobs.osr && state.osr_requests.load(Ordering::Relaxed) < knobs.osr_per_function
            }
        }
    }

    /// Moves the unit's phase to `Queued`. Returns false if it is not in the phase before that.
    fn claim(&self, key: CodeKey, state: &FuncState<M::Code>) -> bool {
        let (claimed, under_way) = match key.unit {
            CompileUnit::Function => (
                state.phase.transition(Phase::Baseline, Phase::Queued),
                state.phase.get().is_under_way(),
            ),
            CompileUnit::Loop(index) => {
                let Some(loop_state) = state.loop_state(index) else {
                    return false;
                };
                let claimed = loop_state
                    .phase
                    .transition(LoopPhase::Idle, LoopPhase::Queued);
                if claimed {
                    state.osr_requests.fetch_add(1, Ordering::Relaxed);
                }
                (claimed, loop_state.phase.get().is_under_way())
            }
        };
        if !claimed && under_way {
            self.shared
                .log
                .record(|| Event::RequestDeduplicated { code: key });
        }
        claimed
    }

    fn log_request(&self, key: CodeKey, request: Request) {
        self.shared.log.record(|| Event::RequestQueued {
            code: key,
            level: request.level.0,
            lane: request.lane.name().into(),
            priority: Real(request.priority),
            queue_length: self.shared.queue.len() as u32 + 1,
        });
    }

    fn enqueue(&self, key: CodeKey, state: &FuncState<M::Code>, request: Request) {
        let job = Job {
            target: self.this.clone(),
            key,
            queued: self.shared.log.now(),
        };
        // Logged first, so that the log never shows a compilation that starts before its request.
        self.log_request(key, request);
        if self.shared.queue.push(request.lane, job).is_err() {
            self.shared.dropped(key, DropReason::Full);
            self.unclaim(key, state);
            return;
        }
        if WorkerPool::start_workers(&self.shared) == Workers::Refused {
            worker::run_one_job(&self.shared);
        }
    }

    /// Takes back a claim, so that the unit can be requested again.
    pub(crate) fn unclaim(&self, key: CodeKey, state: &FuncState<M::Code>) {
        match key.unit {
            CompileUnit::Function => {
                state.phase.transition(Phase::Queued, Phase::Baseline);
            }
            CompileUnit::Loop(index) => {
                if let Some(loop_state) = state.loop_state(index) {
                    state.osr_requests.fetch_sub(1, Ordering::Relaxed);
                    loop_state
                        .phase
                        .transition(LoopPhase::Queued, LoopPhase::Idle);
                }
            }
        }
    }

    /// Compiles a claimed unit and installs it at once, on the calling thread.
    fn optimize_claimed(
        &self,
        home: &Arc<M>,
        key: CodeKey,
        queue_wait: Nanos,
        sessions: &mut CompileSessions<'_>,
    ) {
        let state = self.func(key.func.func);
        if let Some(code) = self.compile_claimed(home, key, state, queue_wait, sessions) {
            self.install_optimized(home, key, state, code);
        }
    }

    /// Compiles and places a claimed unit; after a failure it is not requested again.
    fn compile_claimed(
        &self,
        home: &Arc<M>,
        key: CodeKey,
        state: &FuncState<M::Code>,
        queue_wait: Nanos,
        sessions: &mut CompileSessions<'_>,
    ) -> Option<M::Code> {
        self.begin_optimizing(key, state)
            .then(|| self.compile_and_place(home, key, state, queue_wait, sessions))?
    }

    /// Moves the unit's phase from `Queued` to `Optimizing`.
    fn begin_optimizing(&self, key: CodeKey, state: &FuncState<M::Code>) -> bool {
        match key.unit {
            CompileUnit::Function => state.phase.transition(Phase::Queued, Phase::Optimizing),
            CompileUnit::Loop(index) => state.loop_state(index).is_some_and(|loop_state| {
                loop_state
                    .phase
                    .transition(LoopPhase::Queued, LoopPhase::Optimizing)
            }),
        }
    }

    /// Compiles and places optimized code; after a failure the unit is not requested again.
    fn compile_and_place(
        &self,
        home: &Arc<M>,
        key: CodeKey,
        state: &FuncState<M::Code>,
        queue_wait: Nanos,
        sessions: &mut CompileSessions<'_>,
    ) -> Option<M::Code> {
        let mut request = CompileRequest::new(home.facts(), home.wasm(), key.func.func);
        request.unit = key.unit;
        request.profile = state.account.profile();
        let targets = home.call_targets();
        request.targets = Some(&targets);
        let code = sessions.compile(key, request, queue_wait);
        self.place(home, key, state, code)
    }

    /// Places optimized code. After a failure the function is pinned, or the loop fails.
    fn place(
        &self,
        home: &Arc<M>,
        key: CodeKey,
        state: &FuncState<M::Code>,
        code: Result<CompiledFunction, CompileError>,
    ) -> Option<M::Code> {
        let checked = code.and_then(|code| self.check_size(home.facts(), key, code));
        let reason = match checked {
            Ok(code) => match home.place(key.func.func, key.unit, key.tier, code) {
                Ok(code) => return Some(code),
                Err(error) => {
                    let reason = error.to_string();
                    self.shared.optimizer_failed(&reason);
                    reason
                }
            },
            Err(error @ (CompileError::TooLarge { .. } | CompileError::Cancelled { .. })) => {
                log::debug!("optimizer: {error}");
                error.to_string()
            }
            Err(error) => {
                self.shared.optimizer_failed(&error);
                error.to_string()
            }
        };
        match key.unit {
            CompileUnit::Function => self.pin(key, state, || reason),
            CompileUnit::Loop(index) => {
                if let Some(loop_state) = state.loop_state(index) {
                    loop_state.phase.set(LoopPhase::Failed);
                }
            }
        }
        None
    }

    /// Refuses optimized code that is out of proportion to its body: it would cost more memory than
    /// its speed is worth.
    pub(crate) fn check_size(
        &self,
        facts: &ModuleFacts,
        key: CodeKey,
        code: CompiledFunction,
    ) -> Result<CompiledFunction, CompileError> {
        /// Bytes of code that any function may have, however small its body.
        const BASE: u64 = 4_096;
        let func = key.func.func;
        let per_byte = self.shared.config.knobs.max_code_per_byte;
        let limit = BASE + u64::from(per_byte) * u64::from(facts.body_len(func));
        let code_bytes = code.code.len() as u64;
        if code_bytes <= limit {
            return Ok(code);
        }
        let error = CompileError::TooLarge {
            func,
            limit: format!("{code_bytes} bytes of code are too many (max-code-per-byte)"),
        };
        self.shared.refused(key, None, || error.to_string().into());
        Err(error)
    }

    /// Makes the function keep the code that it has.
    fn pin(&self, key: CodeKey, state: &FuncState<M::Code>, reason: impl FnOnce() -> String) {
        state.phase.set(Phase::Pinned);
        self.shared.log.record(|| Event::Pinned {
            func: key.func,
            reason: reason().into(),
        });
    }

    /// Installs optimized code: sends calls to it, or lets a loop enter it.
    fn install_optimized(
        &self,
        home: &Arc<M>,
        key: CodeKey,
        state: &FuncState<M::Code>,
        code: M::Code,
    ) {
        match key.unit {
            CompileUnit::Function => {
                self.install_function(home, key, state, code);
                self.tell_published(home, key.func.func, state);
                self.await_trial(key.func);
            }
            CompileUnit::Loop(index) => {
                if let Some(loop_state) = state.loop_state(index) {
                    self.install_osr_entry(home, key, loop_state, code);
                }
            }
        }
        self.exhaust_budget(home, key.func.func, state);
    }

    /// Publishes optimized code in place of the installed code, which is retired.
    fn install_function(
        &self,
        home: &Arc<M>,
        key: CodeKey,
        state: &FuncState<M::Code>,
        code: M::Code,
    ) {
        let mut installed = state.installed();
        self.publish(home, key, &code);
        state.set_code_bytes(M::figures(&code).1);
        let before = installed.current.replace(TierCode {
            tier: key.tier,
            code,
        });
        state.phase.set(Phase::Optimized);
        drop(installed);
        if let Some(TierCode { tier, code }) = before {
            self.retire(home, CodeKey { tier, ..key }, code);
        }
    }

    /// Makes an OSR entry available to the loop; the one that it replaces is retired.
    fn install_osr_entry(
        &self,
        home: &Arc<M>,
        key: CodeKey,
        loop_state: &LoopState<M::Code>,
        code: M::Code,
    ) {
        self.shared.log.trace(|| {
            let (address, code_bytes) = M::figures(&code);
            Event::OsrReady {
                code: key,
                address,
                code_bytes,
            }
        });
        if let Some(before) = loop_state.install(code) {
            self.retire(home, key, before);
        }
    }

    /// Sets the function's budget to 0, so that frames in its baseline code soon come to the
    /// runtime.
    ///
    /// Only a hint: generated code takes from the budget by a plain subtraction, which in a tight
    /// loop is nearly always under way and then overwrites the zero. The bound on budgets while
    /// something is under way ([`next_budget`](Self::next_budget)) does not depend on it.
    fn exhaust_budget(&self, home: &Arc<M>, func: DefinedFuncIndex, state: &FuncState<M::Code>) {
        self.spoil_window(state);
        state.account.charge(home.budget(func));
        state.account.grant(0);
        home.set_budget(func, 0);
    }

    /// The budget that the policy wants, but at most so much that the function finds soon what is
    /// under way for it.
    pub(crate) fn next_budget(
        &self,
        func: DefinedFuncIndex,
        state: &FuncState<M::Code>,
        loop_state: Option<&LoopState<M::Code>>,
        wanted: Budget,
    ) -> Budget {
        let wanted = match wanted {
            Budget::Units(units) => units,
            Budget::Unlimited => u32::MAX,
        };
        let under_way = state.phase.get().is_under_way()
            || loop_state.is_some_and(|loop_state| loop_state.phase.get().is_under_way());
        let limit = match self.shared.config.switching {
            Switching::Virtual(_) => self.units_until_due(func),
            _ if under_way => self.shared.config.knobs.poll,
            _ => u32::MAX,
        };
        Budget::Units(wanted.min(limit))
    }
}

impl<M: CodeHome> ModuleState<M> {
    /// Asks the policy whether a request that has waited is to be compiled.
    fn is_still_wanted(
        &self,
        home: &Arc<M>,
        key: CodeKey,
        state: &FuncState<M::Code>,
        waited: Nanos,
    ) -> bool {
        let event = PolicyEvent::Dequeued {
            level: Level(1),
            waited,
        };
        !self.decide(home, key.func.func, state, event).withdraw
    }

    /// Tells the policy that calls of the function run optimized code, and does what it decides.
    fn tell_published(&self, home: &Arc<M>, func: DefinedFuncIndex, state: &FuncState<M::Code>) {
        let decision = self.decide(home, func, state, PolicyEvent::Published(Level(1)));
        self.carry_out(home, func, state, &decision, None);
    }
}

impl<M: CodeHome> Target for ModuleState<M> {
    fn begin(&self, key: CodeKey, waited: Nanos) -> Option<CompileInput> {
        let home = self.home.get()?.upgrade()?;
        let state = self.func(key.func.func);
        if key.tier == Tier::Optimizer && !self.is_still_wanted(&home, key, state, waited) {
            self.unclaim(key, state);
            return None;
        }
        let claimed = match key.tier {
            Tier::Optimizer => self.begin_optimizing(key, state),
            Tier::Baseline => state.phase.get() == Phase::Trial,
        };
        claimed.then(|| CompileInput {
            facts: home.facts().clone(),
            wasm: home.wasm().clone(),
            profile: state.account.profile(),
            targets: home.call_targets(),
        })
    }

    fn try_out(&self, func: FuncKey) {
        if let Some(home) = self.home.get().and_then(Weak::upgrade) {
            self.begin_trial(&home, func.func);
        }
    }

    fn finish(&self, key: CodeKey, result: Result<CompiledFunction, CompileError>) {
        let Some(home) = self.home.get().and_then(Weak::upgrade) else {
            return;
        };
        let state = self.func(key.func.func);
        if key.tier == Tier::Baseline {
            self.enter_baseline(&home, key, state, result);
        } else if let Some(code) = self.place(&home, key, state, result) {
            self.install_optimized(&home, key, state, code);
        }
    }
}
