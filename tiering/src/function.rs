//! One function of a module, with everything that tiering does to it at hand.
//!
//! Its methods are spread over the files that do one thing each: first code here, the policy's
//! questions and answers in [`consult`](crate::consult), optimized code in
//! [`optimize`](crate::optimize), trials in [`contest`](crate::contest).

use std::sync::Arc;
use std::sync::atomic::Ordering;

use upshift_abi::{
    CompileError, CompileRequest, CompileUnit, CompiledFunction, DefinedFuncIndex, Tier,
};
use upshift_profiler::{CodeKey, Event, FuncKey, Nanos};
use upshift_runtime::module::FirstCallError;

use crate::account::UsedBy;
use crate::config::Mode;
use crate::engine::Shared;
use crate::home::CodeHome;
use crate::lifecycle::{Phase, Step};
use crate::module::ModuleState;
use crate::policy::{Budget, Decision, Level, PolicyEvent};
use crate::sessions::CompileSessions;
use crate::state::{FuncState, LevelCode};

/// A function, its module and the module's home: what most of tiering works on.
pub(crate) struct Function<'a, M: CodeHome> {
    pub(crate) module: &'a ModuleState<M>,
    pub(crate) home: &'a Arc<M>,
    pub(crate) index: DefinedFuncIndex,
    pub(crate) state: &'a FuncState<M::Code>,
}

impl<M: CodeHome> Clone for Function<'_, M> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<M: CodeHome> Copy for Function<'_, M> {}

/// Undoes [`FuncState::begin_first_call`] on drop if the first code does not come about, by error
/// or panic, so that one of the waiting threads compiles it.
pub(crate) struct FirstCodeGuard<'a, C: Clone>(pub(crate) Option<&'a FuncState<C>>);

impl<C: Clone> Drop for FirstCodeGuard<'_, C> {
    fn drop(&mut self) {
        if let Some(state) = self.0 {
            state.finish_first_code(state.installed(), Step::FailFirstCode);
        }
    }
}

impl<'a, M: CodeHome> Function<'a, M> {
    pub(crate) fn shared(&self) -> &'a Arc<Shared> {
        &self.module.shared
    }

    pub(crate) fn phase(&self) -> Phase {
        self.state.code.phase()
    }

    pub(crate) fn key(&self) -> FuncKey {
        self.module.func_key(self.index)
    }

    pub(crate) fn code_key(&self, unit: CompileUnit, level: Level) -> CodeKey {
        let tier = self.shared().ladder.tier(level);
        CodeKey::new(self.key(), unit, tier).at_level(level.0)
    }

    /// A request to compile the function as configured, without profile and targets.
    pub(crate) fn compile_request(&self) -> CompileRequest<'a> {
        let mut request = CompileRequest::new(self.home.facts(), self.home.wasm(), self.index);
        request.sources = self.shared().config.sources;
        request
    }

    /// Compiles and installs the first code, which `guard` stands for, and does what the policy
    /// decides about it and about what an earlier run requested.
    pub(crate) fn first_code(
        &self,
        guard: FirstCodeGuard<'_, M::Code>,
        level: Level,
        request: CompileRequest<'_>,
        sessions: &mut CompileSessions<'_>,
    ) -> Result<M::Code, FirstCallError> {
        let (code, decision) = self.compile_first(guard, level, request, sessions)?;
        self.carry_out(&decision, None);
        self.request_recorded();
        Ok(code)
    }

    /// Compiles and installs the first code, which `guard` stands for. Where the compiler of a
    /// level above 0 fails, that of level 0 compiles it. Returns the policy's decision, too, of
    /// which only the budget has been granted.
    pub(crate) fn compile_first(
        &self,
        guard: FirstCodeGuard<'_, M::Code>,
        level: Level,
        request: CompileRequest<'_>,
        sessions: &mut CompileSessions<'_>,
    ) -> Result<(M::Code, Decision), FirstCallError> {
        // Validation that is asked for comes from the compiler.
        if request.validate.is_none()
            && let Some((level, code)) = self.supplied_first_code(level)
        {
            let key = self.code_key(CompileUnit::Function, level);
            return self.install_first_code(guard, key, code);
        }
        if level > Level::FIRST {
            let key = self.code_key(CompileUnit::Function, level);
            let mut plain = self.compile_request();
            plain.cancel = request.cancel;
            let code = sessions.compile(key, plain, Nanos(0));
            match code.and_then(|code| self.check_size(key, code)) {
                Ok(code) => return self.install_first_code(guard, key, code),
                Err(error) if self.shared().config.knobs.fail_fast => return Err(error.into()),
                // A cancelled call has no use for baseline code either.
                Err(error @ CompileError::Cancelled { .. }) => return Err(error.into()),
                Err(error @ CompileError::TooLarge { .. }) => log::debug!("optimizer: {error}"),
                Err(error) => self.shared().optimizer_failed(&error),
            }
        }
        let key = self.code_key(CompileUnit::Function, Level::FIRST);
        let code = sessions.compile(key, request, Nanos(0))?;
        self.install_first_code(guard, key, code)
    }

    /// Places and publishes the first code, asks the policy about it, and wakes the threads that
    /// wait for it.
    fn install_first_code(
        &self,
        mut guard: FirstCodeGuard<'_, M::Code>,
        key: CodeKey,
        code: CompiledFunction,
    ) -> Result<(M::Code, Decision), FirstCallError> {
        let state = guard.0.expect("the guard is disarmed only here");
        let loops = code.loops.clone();
        let code = self
            .home
            .place(self.index, key.unit, key.tier, key.level, code)?;
        state.set_loops(&loops);
        let now = self.now();
        state.first_code_at.get_or_init(|| now);
        let new_code_at = self.module.driver.new_code_at(self.shared());
        new_code_at.fetch_max(now.0, Ordering::Relaxed);
        state.set_code_bytes(M::figures(&code).1);
        let level = Level(key.level);
        let pinned = level == Level::FIRST && self.shared().config.mode == Mode::Optimizer;
        let decision = match (level, pinned) {
            (Level::FIRST, false) => self.decide(PolicyEvent::FirstCode),
            _ => Decision::wait(Budget::Unlimited),
        };
        // Before the code can run: it counts from its first instruction on.
        self.grant(decision.budget);
        let mut installed = state.installed();
        installed.current = Some(LevelCode::new(level, code.clone()));
        self.publish(key, &code);
        guard.0 = None;
        state.finish_first_code(installed, Step::FinishFirstCode { level, pinned });
        Ok((code, decision))
    }

    /// Publishes the code. The function's lock is held, or no other thread can see the function
    /// yet.
    pub(crate) fn publish(&self, key: CodeKey, code: &M::Code) {
        self.publish_through(key, code, code);
    }

    /// Publishes the code by storing what leads to it in the slot: a counter, or the code itself.
    pub(crate) fn publish_through(&self, key: CodeKey, code: &M::Code, first: &M::Code) {
        self.home.publish(first);
        let log = &self.shared().log;
        match key.tier {
            // Baseline code is counted when its compilation finishes.
            Tier::Baseline => log.trace(|| Self::published(key, code)),
            Tier::Optimizer => log.record(|| Self::published(key, code)),
        }
    }

    pub(crate) fn published(key: CodeKey, code: &M::Code) -> Event {
        let (address, code_bytes) = M::figures(code);
        Event::Published {
            code: key,
            address,
            code_bytes,
        }
    }

    /// Retires replaced code, unless the knob `retire` keeps all code.
    pub(crate) fn retire(&self, key: CodeKey, code: M::Code) {
        if !self.shared().config.knobs.retire {
            return;
        }
        let (address, code_bytes) = M::figures(&code);
        self.shared().log.record(|| Event::Retired {
            code: key,
            address,
            code_bytes,
            age: None,
        });
        self.home.retire(code);
    }

    /// Charges the function with what it has used of a budget that has not run out.
    pub(crate) fn charge(&self) {
        let units = self.state.granted.used(self.home.budget(self.index));
        let by = match self.counts_calls() {
            true => UsedBy::Calls,
            false => UsedBy::Either,
        };
        self.state.account.charge(units, by);
        self.module.driver.charged(units);
    }

    /// Sets the function's budget.
    pub(crate) fn grant(&self, budget: Budget) {
        let units = match budget {
            Budget::Units(units) => units,
            Budget::Unlimited => u32::MAX,
        };
        let units = i32::try_from(units).unwrap_or(i32::MAX);
        self.state.granted.set(units);
        self.home.set_budget(self.index, units);
    }
}
