//! Optimized code of a function: requested, compiled, placed, installed, or refused.
//!
//! What happens between request and compilation is the [driver](crate::driver)'s.

use std::sync::atomic::Ordering;

use upshift_abi::{CompileError, CompileUnit, CompiledFunction};
use upshift_profiler::{CodeKey, Event, Nanos, Real, ReqId};

use crate::function::Function;
use crate::home::CodeHome;
use crate::knob::Allowed;
use crate::lifecycle::{LoopPhase, LoopStep, Step};
use crate::policy::{Level, PolicyEvent, Request};
use crate::sessions::CompileSessions;
use crate::state::{LevelCode, LoopState};

impl<M: CodeHome> Function<'_, M> {
    /// Requests optimized code. Declines what is under way, done, impossible or switched off.
    pub(crate) fn request(&self, unit: CompileUnit, request: Request) {
        let level = self.shared().ladder.clamp(request.level);
        let key = self.code_key(unit, level);
        if unit == CompileUnit::Function {
            self.state.urgency.set(request);
        }
        if level > Level::FIRST && self.may_optimize(key) {
            self.request_allowed(key, request);
        }
    }

    /// Requests what knobs and limits allow.
    fn request_allowed(&self, key: CodeKey, request: Request) {
        // A number only for what looks as if it would be taken, so that there are few gaps.
        let key = match self.may_claim(key) {
            true => key.with_req(self.shared().log.next_request()),
            false => key,
        };
        if self.claim(key, request) {
            self.state.account.requested(self.now());
            self.module.driver.request(*self, key, request);
        }
    }

    /// Whether knobs and limits allow the request. Pins functions that are too large.
    fn may_optimize(&self, key: CodeKey) -> bool {
        let body_bytes = self.home.facts().body_len(self.index);
        let osr_requests = self.state.osr_requests.load(Ordering::Relaxed);
        let knobs = &self.shared().config.knobs;
        let allowed = knobs.allows(key.unit, body_bytes, osr_requests);
        if allowed == Allowed::Never {
            self.pin(|| format!("{body_bytes} bytes are too many to optimize"));
        }
        allowed == Allowed::Yes
    }

    /// Whether the unit is in a phase before `Queued`, for now.
    fn may_claim(&self, key: CodeKey) -> bool {
        match key.unit {
            CompileUnit::Function => {
                let step = Step::Request(Level(key.level));
                self.state.code.get().step(step).is_some()
            }
            CompileUnit::Loop(index) => {
                let loop_state = self.state.loop_state(index);
                loop_state.is_some_and(|one| one.phase.get().step(LoopStep::Request).is_some())
            }
        }
    }

    /// Takes the unit's step to `Queued`. Returns false if it is not in a phase before that.
    fn claim(&self, key: CodeKey, request: Request) -> bool {
        let (claimed, under_way) = match key.unit {
            // Without a number it was no request that could be taken.
            CompileUnit::Function => {
                let level = Level(key.level);
                let claimed = key.req != ReqId::NONE && self.state.code.request(level, key.req);
                (claimed, self.phase().is_under_way())
            }
            CompileUnit::Loop(index) => {
                let Some(loop_state) = self.state.loop_state(index) else {
                    return false;
                };
                let claimed = loop_state.phase.step(LoopStep::Request);
                if claimed {
                    loop_state.request.store(key.req.0, Ordering::Relaxed);
                    self.state.osr_requests.fetch_add(1, Ordering::Relaxed);
                }
                (claimed, loop_state.phase.get().is_under_way())
            }
        };
        if !claimed && under_way {
            let log = &self.shared().log;
            log.record(|| Event::RequestDeduplicated {
                code: key,
                lane: request.lane.name().into(),
                priority: Real(request.priority),
            });
        }
        claimed
    }

    pub(crate) fn log_request(&self, key: CodeKey, request: Request, queue_length: u32) {
        self.shared().log.record(|| Event::RequestQueued {
            code: key,
            level: request.level.0,
            lane: request.lane.name().into(),
            priority: Real(request.priority),
            queue_length,
        });
    }

    /// Whether the unit's claim is that of this request, and waits. A loop's request can only be
    /// dropped by what has taken it from the queue, so that a loop that waits waits for this one.
    pub(crate) fn is_queued(&self, key: CodeKey) -> bool {
        match key.unit {
            CompileUnit::Function => self.state.code.is_queued(key.req),
            CompileUnit::Loop(index) => {
                let loop_state = self.state.loop_state(index);
                loop_state.is_some_and(|one| one.phase.get() == LoopPhase::Queued)
            }
        }
    }

    /// Takes back the request's claim, so that the unit can be requested again.
    pub(crate) fn unclaim(&self, key: CodeKey) {
        match key.unit {
            CompileUnit::Function => {
                self.state.code.step_of(key.req, Step::Drop);
            }
            CompileUnit::Loop(index) => {
                if let Some(loop_state) = self.state.loop_state(index)
                    && loop_state.phase.step(LoopStep::Drop)
                {
                    self.state.osr_requests.fetch_sub(1, Ordering::Relaxed);
                }
            }
        }
    }

    /// Takes the unit's step from `Queued` to `Optimizing`.
    pub(crate) fn begin_optimizing(&self, key: CodeKey) -> bool {
        match key.unit {
            CompileUnit::Function => self.state.code.step_of(key.req, Step::Begin),
            CompileUnit::Loop(index) => {
                let loop_state = self.state.loop_state(index);
                loop_state.is_some_and(|loop_state| loop_state.phase.step(LoopStep::Begin))
            }
        }
    }

    /// Compiles and places a claimed unit; after a failure it is not requested again.
    pub(crate) fn compile_claimed(
        &self,
        key: CodeKey,
        sessions: &mut CompileSessions<'_>,
    ) -> Option<M::Code> {
        self.begin_optimizing(key)
            .then(|| self.compile_and_place(key, sessions))?
    }

    /// Compiles and places optimized code; after a failure the unit is not requested again.
    pub(crate) fn compile_and_place(
        &self,
        key: CodeKey,
        sessions: &mut CompileSessions<'_>,
    ) -> Option<M::Code> {
        if let Some(code) = self.supplied(key.unit, Level(key.level)) {
            return self.place(key, Ok(code));
        }
        let mut request = self.compile_request();
        request.unit = key.unit;
        request.profile = self.state.account.profile();
        let targets = self.module.earlier.with_targets(&**self.home);
        request.targets = Some(&targets);
        let code = sessions.compile(key, request, Nanos(0));
        self.place(key, code)
    }

    /// Places optimized code. After a failure the function is pinned, or the loop fails.
    pub(crate) fn place(
        &self,
        key: CodeKey,
        code: Result<CompiledFunction, CompileError>,
    ) -> Option<M::Code> {
        let checked = code.and_then(|code| self.check_size(key, code));
        let reason = match checked {
            Ok(code) => match self
                .home
                .place(self.index, key.unit, key.tier, key.level, code)
            {
                Ok(code) => return Some(code),
                Err(error) => {
                    let reason = error.to_string();
                    self.shared().optimizer_failed(&reason);
                    reason
                }
            },
            Err(error @ (CompileError::TooLarge { .. } | CompileError::Cancelled { .. })) => {
                log::debug!("optimizer: {error}");
                error.to_string()
            }
            Err(error) => {
                self.shared().optimizer_failed(&error);
                error.to_string()
            }
        };
        self.give_up(key, || reason);
        None
    }

    /// Makes sure that the unit is not requested again: pins the function, or fails the loop.
    pub(crate) fn give_up(&self, key: CodeKey, reason: impl FnOnce() -> String) {
        match key.unit {
            CompileUnit::Function => self.pin(reason),
            CompileUnit::Loop(index) => {
                if let Some(loop_state) = self.state.loop_state(index) {
                    loop_state.phase.step(LoopStep::Fail);
                }
            }
        }
    }

    /// Refuses optimized code that is out of proportion to its body: it would cost more memory than
    /// its speed is worth.
    pub(crate) fn check_size(
        &self,
        key: CodeKey,
        code: CompiledFunction,
    ) -> Result<CompiledFunction, CompileError> {
        /// Bytes of code that any function may have, however small its body.
        const BASE: u64 = 4_096;
        let func = self.index;
        let per_byte = self.shared().config.knobs.max_code_per_byte;
        let limit = BASE + u64::from(per_byte) * u64::from(self.home.facts().body_len(func));
        let code_bytes = code.code.len() as u64;
        if code_bytes <= limit {
            return Ok(code);
        }
        let error = CompileError::TooLarge {
            func,
            limit: format!("{code_bytes} bytes of code are too many (max-code-per-byte)"),
        };
        self.shared()
            .refused(key, None, || error.to_string().into());
        Err(error)
    }

    /// Makes the function keep the code that it has.
    fn pin(&self, reason: impl FnOnce() -> String) {
        if self.state.code.step(Step::Refuse) {
            self.remove_counter();
            self.log_pinned(reason);
        }
    }

    /// Sends calls straight to the function's code, if they are counted before it: the policy is
    /// not asked about the function any more.
    fn remove_counter(&self) {
        let mut installed = self.state.installed();
        let Some(current) = &mut installed.current else {
            return;
        };
        if let Some(counter) = current.counter.take() {
            self.home.publish(&current.code);
            drop(installed);
            self.home.retire(counter);
        }
    }

    pub(crate) fn log_pinned(&self, reason: impl FnOnce() -> String) {
        self.shared().log.record(|| Event::Pinned {
            func: self.key(),
            reason: reason().into(),
        });
    }

    /// Installs optimized code: sends calls to it, or lets a loop enter it.
    pub(crate) fn install_optimized(&self, key: CodeKey, code: M::Code) {
        match key.unit {
            CompileUnit::Function => {
                // By the code that the budget was used in.
                self.charge();
                self.install_function(key, code);
                self.tell(PolicyEvent::Published(Level(key.level)));
                self.module.driver.published(*self);
            }
            CompileUnit::Loop(index) => {
                if let Some(loop_state) = self.state.loop_state(index) {
                    self.install_osr_entry(key, loop_state, code);
                }
            }
        }
        self.exhaust_budget();
    }

    /// Publishes optimized code in place of the installed code, which is retired.
    fn install_function(&self, key: CodeKey, code: M::Code) {
        let level = Level(key.level);
        let counter = self.counter(level, &code);
        let mut installed = self.state.installed();
        self.publish_through(key, &code, counter.as_ref().unwrap_or(&code));
        self.state.set_code_bytes(M::figures(&code).1);
        let code = LevelCode {
            level,
            code,
            counter,
        };
        let before = installed.current.replace(code);
        let stepped = self.state.code.step(Step::Install(level));
        debug_assert!(stepped, "the unit was claimed: {:?}", self.state.code.get());
        drop(installed);
        if let Some(before) = before {
            self.retire_level(before);
        }
    }

    /// Places a counter before code of a level that is neither the first nor the last; without one,
    /// where there is no room, the function stays at that level.
    fn counter(&self, level: Level, code: &M::Code) -> Option<M::Code> {
        if !self.shared().ladder.counts_calls(level) {
            return None;
        }
        // As much as baseline code takes for a call, so that budgets mean the same everywhere.
        let weight = self.shared().config.weights.call.max(1);
        let counter = self.home.place_counter(code, weight);
        let refused = |error: &_| log::debug!("{} is not counted: {error}", self.key());
        counter.inspect_err(refused).ok()
    }

    /// Retires code of a function that was replaced, with its counter.
    pub(crate) fn retire_level(&self, code: LevelCode<M::Code>) {
        if let Some(counter) = code.counter {
            self.home.retire(counter);
        }
        self.retire(self.code_key(CompileUnit::Function, code.level), code.code);
    }

    /// Makes an OSR entry available to the loop; the one that it replaces is retired.
    pub(crate) fn install_osr_entry(
        &self,
        key: CodeKey,
        loop_state: &LoopState<M::Code>,
        code: M::Code,
    ) {
        self.shared().log.trace(|| {
            let (address, code_bytes) = M::figures(&code);
            Event::OsrReady {
                code: key,
                address,
                code_bytes,
            }
        });
        if let Some(replaced) = loop_state.install(LevelCode::new(Level(key.level), code)) {
            self.retire(self.code_key(key.unit, replaced.level), replaced.code);
        }
    }

    /// Sets the function's budget to 0, so that frames in its baseline code soon come to the
    /// runtime.
    ///
    /// Only a hint: generated code takes from the budget by a plain subtraction, which in a tight
    /// loop is nearly always under way and then overwrites the zero. The bound on budgets while
    /// something is under way does not depend on it.
    pub(crate) fn exhaust_budget(&self) {
        self.spoil_window();
        self.charge();
        self.state.granted.set(0);
        self.home.set_budget(self.index, 0);
    }
}
