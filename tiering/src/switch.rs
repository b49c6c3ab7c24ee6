//! How optimized code is requested and comes into use, in each kind of switching.

mod virtual_time;
mod zeal;

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

use upshift_abi::{
    CompileError, CompileRequest, CompileUnit, CompiledFunction, DefinedFuncIndex, ModuleFacts,
    Tier,
};
use upshift_profiler::{CodeKey, Event, Nanos};

pub(crate) use virtual_time::VirtualTime;
pub(crate) use zeal::Zeal;

use crate::config::Switching;
use crate::home::CodeHome;
use crate::module::ModuleState;
use crate::policy::{Budget, Lane};
use crate::pool::{Staffing, WorkerPool};
use crate::sessions::CompileSessions;
use crate::state::{FuncState, LoopPhase, LoopState, Phase, TierCode};
use crate::worker::{self, Job, Source, Target};

impl<M: CodeHome> ModuleState<M> {
    /// Asks for optimized code. Declines what is under way, done, impossible or switched off.
    pub(crate) fn request(
        &self,
        home: &Arc<M>,
        func: DefinedFuncIndex,
        state: &FuncState<M::Code>,
        unit: CompileUnit,
        lane: Lane,
    ) {
        let key = self.code_key(func, unit, Tier::Optimizer);
        if !self.may_optimize(home, key, state) || !self.claim(key, state) {
            return;
        }
        state.account.requested(self.log_now());
        match self.shared.config.switching {
            Switching::Background => self.enqueue(key, state, lane),
            Switching::Synchronous => {
                self.log_request(key, lane);
                self.optimize_claimed(home, key, Nanos(0), &mut CompileSessions::new(&self.shared));
            }
            Switching::Virtual(latency) => {
                self.log_request(key, lane);
                self.schedule(home, key, state, latency);
            }
            Switching::Zeal { .. } => unreachable!("zeal asks no policy"),
        }
    }

    /// Whether knobs and limits allow it. Pins functions that are too large.
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

    /// Moves the unit's phase to `Queued`, if it is the right moment.
    fn claim(&self, key: CodeKey, state: &FuncState<M::Code>) -> bool {
        let (claimed, under_way) = match key.unit {
            CompileUnit::Function => (
                state.phase.go(Phase::Baseline, Phase::Queued),
                state.phase.get().is_under_way(),
            ),
            CompileUnit::Loop(index) => {
                let Some(at_loop) = state.loop_state(index) else {
                    return false;
                };
                let claimed = at_loop.phase.go(LoopPhase::Idle, LoopPhase::Queued);
                if claimed {
                    state.osr_requests.fetch_add(1, Ordering::Relaxed);
                }
                (claimed, at_loop.phase.get().is_under_way())
            }
        };
        if !claimed && under_way {
            self.shared
                .log
                .record(|| Event::RequestDeduplicated { code: key });
        }
        claimed
    }

    fn log_request(&self, key: CodeKey, lane: Lane) {
        self.shared.log.record(|| Event::RequestQueued {
            code: key,
            lane: lane as u8,
            queue_length: self.shared.queue.len() as u32 + 1,
        });
    }

    fn enqueue(&self, key: CodeKey, state: &FuncState<M::Code>, lane: Lane) {
        let job = Job {
            target: self.this.clone(),
            key,
            queued: self.shared.log.now(),
        };
        // First, so that the log never shows a worker that begins before it was asked.
        self.log_request(key, lane);
        if self.shared.queue.push(lane, job).is_err() {
            self.shared
                .log
                .record(|| Event::RequestDropped { code: key });
            self.unclaim(key, state);
            return;
        }
        if WorkerPool::start_workers(&self.shared) == Staffing::No {
            worker::work_here(&self.shared);
        }
    }

    /// Takes back a claim, so that it can be made again.
    fn unclaim(&self, key: CodeKey, state: &FuncState<M::Code>) {
        match key.unit {
            CompileUnit::Function => {
                state.phase.go(Phase::Queued, Phase::Baseline);
            }
            CompileUnit::Loop(index) => {
                if let Some(at_loop) = state.loop_state(index) {
                    state.osr_requests.fetch_sub(1, Ordering::Relaxed);
                    at_loop.phase.go(LoopPhase::Queued, LoopPhase::Idle);
                }
            }
        }
    }

    /// Compiles what was claimed and puts it to use at once.
    fn optimize_claimed(
        &self,
        home: &Arc<M>,
        key: CodeKey,
        queue_wait: Nanos,
        sessions: &mut CompileSessions<'_>,
    ) {
        let state = self.func(key.func.func);
        if let Some(code) = self.compile_claimed(home, key, state, queue_wait, sessions) {
            self.put_to_use(home, key, state, code);
        }
    }

    /// Compiles and places what was claimed; after a failure the unit is not asked for again.
    fn compile_claimed(
        &self,
        home: &Arc<M>,
        key: CodeKey,
        state: &FuncState<M::Code>,
        queue_wait: Nanos,
        sessions: &mut CompileSessions<'_>,
    ) -> Option<M::Code> {
        self.start(key, state)
            .then(|| self.make(home, key, state, queue_wait, sessions))?
    }

    /// Moves the unit's phase from `Queued` to `Optimizing`.
    fn start(&self, key: CodeKey, state: &FuncState<M::Code>) -> bool {
        match key.unit {
            CompileUnit::Function => state.phase.go(Phase::Queued, Phase::Optimizing),
            CompileUnit::Loop(index) => state
                .loop_state(index)
                .is_some_and(|at_loop| at_loop.phase.go(LoopPhase::Queued, LoopPhase::Optimizing)),
        }
    }

    /// Compiles and places optimized code; on failure the function or the loop gets none.
    fn make(
        &self,
        home: &Arc<M>,
        key: CodeKey,
        state: &FuncState<M::Code>,
        queue_wait: Nanos,
        sessions: &mut CompileSessions<'_>,
    ) -> Option<M::Code> {
        let mut request = CompileRequest::new(home.facts(), home.wasm(), key.func.func);
        request.unit = key.unit;
        let code = sessions.compile(key, request, queue_wait);
        self.place(home, key, state, code)
    }

    /// Places optimized code; if there is none, that was the unit's only chance.
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
                if let Some(at_loop) = state.loop_state(index) {
                    at_loop.phase.set(LoopPhase::Failed);
                }
            }
        }
        None
    }

    /// Refuses optimized code that is out of proportion to its body: it would cost more memory than its
    /// speed is worth.
    pub(crate) fn check_size(
        &self,
        facts: &ModuleFacts,
        key: CodeKey,
        code: CompiledFunction,
    ) -> Result<CompiledFunction, CompileError> {
        /// Bytes that the code of any function may have.
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
        self.shared.refused(key, || error.to_string().into());
        Err(error)
    }

    /// Leaves the function in the code it has.
    fn pin(&self, key: CodeKey, state: &FuncState<M::Code>, reason: impl FnOnce() -> String) {
        state.phase.set(Phase::Pinned);
        self.shared.log.record(|| Event::Pinned {
            func: key.func,
            reason: reason().into(),
        });
    }

    /// Sends calls to optimized code, or lets a loop enter it.
    fn put_to_use(&self, home: &Arc<M>, key: CodeKey, state: &FuncState<M::Code>, code: M::Code) {
        match key.unit {
            CompileUnit::Function => self.switch_calls(home, key, state, code),
            CompileUnit::Loop(index) => {
                if let Some(at_loop) = state.loop_state(index) {
                    self.open_loop(home, key, at_loop, code);
                }
            }
        }
        self.nudge(home, key.func.func, state);
    }

    /// Publishes optimized code in the place of what was there, which is retired.
    fn switch_calls(&self, home: &Arc<M>, key: CodeKey, state: &FuncState<M::Code>, code: M::Code) {
        let mut held = state.held();
        self.publish(home, key, &code);
        let before = held.current.replace(TierCode {
            tier: key.tier,
            code,
        });
        state.phase.set(Phase::Optimized);
        drop(held);
        if let Some(TierCode { tier, code }) = before {
            self.retire(home, CodeKey { tier, ..key }, code);
        }
    }

    /// Lets a loop enter optimized code from now on.
    fn open_loop(&self, home: &Arc<M>, key: CodeKey, at_loop: &LoopState<M::Code>, code: M::Code) {
        self.shared.log.trace(|| {
            let (address, code_bytes) = M::figures(&code);
            Event::OsrReady {
                code: key,
                address,
                code_bytes,
            }
        });
        if let Some(before) = at_loop.install(code) {
            self.retire(home, key, before);
        }
    }

    /// Empties the budget, so that frames still in baseline code look up soon.
    ///
    /// Only a hint: generated code takes from the budget by a plain subtraction, which in a tight
    /// loop is nearly always under way and then overwrites the zero. The bound on budgets while
    /// something is under way ([`next_budget`](Self::next_budget)) does not depend on it.
    fn nudge(&self, home: &Arc<M>, func: DefinedFuncIndex, state: &FuncState<M::Code>) {
        state.account.charge(home.budget(func));
        state.account.grant(0);
        home.set_budget(func, 0);
    }

    /// The budget that the policy wants, but not more than what it takes to see in time what is
    /// under way for the function.
    pub(crate) fn next_budget(
        &self,
        func: DefinedFuncIndex,
        state: &FuncState<M::Code>,
        at_loop: Option<&LoopState<M::Code>>,
        wanted: Budget,
    ) -> Budget {
        let wanted = match wanted {
            Budget::Units(units) => units,
            Budget::Unlimited => u32::MAX,
        };
        let under_way = state.phase.get().is_under_way()
            || at_loop.is_some_and(|at_loop| at_loop.phase.get().is_under_way());
        let limit = match self.shared.config.switching {
            Switching::Virtual(_) => self.units_until_due(func),
            _ if under_way => self.shared.config.knobs.poll,
            _ => u32::MAX,
        };
        Budget::Units(wanted.min(limit))
    }
}

impl<M: CodeHome> Target for ModuleState<M> {
    fn begin(&self, key: CodeKey) -> Option<Source> {
        let home = self.home.get()?.upgrade()?;
        let claimed = self.start(key, self.func(key.func.func));
        claimed.then(|| Source {
            facts: home.facts().clone(),
            wasm: home.wasm().clone(),
        })
    }

    fn finish(&self, key: CodeKey, result: Result<CompiledFunction, CompileError>) {
        let Some(home) = self.home.get().and_then(Weak::upgrade) else {
            return;
        };
        let state = self.func(key.func.func);
        if let Some(code) = self.place(&home, key, state, result) {
            self.put_to_use(&home, key, state, code);
        }
    }
}
