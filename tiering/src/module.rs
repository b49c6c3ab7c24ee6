//! The tiering state of one module: the states of its functions.
//!
//! This file holds what running threads call (first calls, exhausted budgets); how optimized code
//! is requested and installed is in [`switch`](crate::switch).

use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, OnceLock, Weak};

use upshift_abi::{
    Cancel, CompileError, CompileRequest, CompileUnit, CompiledFunction, DefinedFuncIndex,
    LoopIndex, ModuleFacts, Tier,
};
use upshift_profiler::{CodeKey, Event, FuncKey, ModuleKey, Nanos};
use upshift_runtime::module::FirstCallError;
use upshift_runtime::{BudgetSite, CodeAddr, Counts, ModuleCode, TierHooks};

use crate::config::{Mode, Switching};
use crate::engine::{Shared, Tiering};
use crate::home::CodeHome;
use crate::logged;
use crate::policy::{Budget, Decision, Level, LevelView, LoopView, PolicyEvent, Request, View};
use crate::sessions::CompileSessions;
use crate::state::{FirstCallAction, FuncState, LoopState, Phase, TierCode};
use crate::switch::{VirtualTime, Zeal};

/// The number of levels of the ladder: the baseline's code and the optimizer's.
const LEVELS: u8 = 2;

/// Tiering for one module, to be given to it as its [`TierHooks`].
#[derive(Debug)]
pub struct ModuleTiers<M: CodeHome = ModuleCode> {
    pub(crate) state: Arc<ModuleState<M>>,
}

/// The state of a function, allocated at its first call: most functions of a large program are
/// never called.
type FuncCell<C> = OnceLock<Box<FuncState<C>>>;

/// The states of a module's functions; compile threads refer to it weakly.
pub(crate) struct ModuleState<M: CodeHome> {
    pub(crate) shared: Arc<Shared>,
    pub(crate) key: ModuleKey,
    /// The module, which owns this state. Written once, before the first request.
    pub(crate) home: OnceLock<Weak<M>>,
    funcs: Box<[FuncCell<M::Code>]>,
    /// Bytes of all bodies.
    bytes: u64,
    pub(crate) this: Weak<Self>,
    pub(crate) virtual_time: Mutex<VirtualTime<M::Code>>,
    pub(crate) zeal: Mutex<Zeal>,
}

impl<M: CodeHome> ModuleTiers<M> {
    /// Tiering for a module with these declarations, which is about to be created.
    pub fn new(tiering: &Tiering, facts: &Arc<ModuleFacts>) -> Arc<Self> {
        let shared = tiering.shared().clone();
        let seed = match shared.config.switching {
            Switching::Zeal { seed } => seed,
            _ => 0,
        };
        let state = Arc::new_cyclic(|this| ModuleState {
            key: shared.log.add_module(facts),
            shared,
            home: OnceLock::new(),
            funcs: facts.defined_funcs().map(|_| OnceLock::new()).collect(),
            bytes: facts.body_bytes(),
            this: this.clone(),
            virtual_time: Mutex::default(),
            zeal: Mutex::new(Zeal::new(seed)),
        });
        Arc::new(Self { state })
    }

    /// The function's phase at this moment.
    pub fn phase(&self, func: DefinedFuncIndex) -> Phase {
        self.state.funcs[func.index()]
            .get()
            .map_or(Phase::Uncompiled, |state| state.phase.get())
    }

    /// The module's number in the log.
    pub fn key(&self) -> ModuleKey {
        self.state.key
    }
}

impl TierHooks for ModuleTiers<ModuleCode> {
    fn on_first_call(
        &self,
        module: &Arc<ModuleCode>,
        func: DefinedFuncIndex,
        cancel: Cancel<'_>,
    ) -> Result<CodeAddr, FirstCallError> {
        self.state.first_call(module, func, cancel)
    }

    fn on_budget_exhausted(
        &self,
        module: &Arc<ModuleCode>,
        func: DefinedFuncIndex,
        site: BudgetSite,
    ) -> Option<CodeAddr> {
        self.state.budget_exhausted(module, func, site)
    }

    fn budget_counts(&self, func: DefinedFuncIndex) -> Counts {
        match self.phase(func) {
            Phase::Trial => Counts::Calls,
            _ => Counts::Work,
        }
    }
}

/// Undoes [`FuncState::begin_first_call`] on drop if the first code does not come about, by error
/// or panic, so that one of the waiting threads compiles it.
pub(crate) struct FirstCodeGuard<'a, C: Clone>(pub(crate) Option<&'a FuncState<C>>);

impl<C: Clone> Drop for FirstCodeGuard<'_, C> {
    fn drop(&mut self) {
        if let Some(state) = self.0 {
            state.finish_first_code(state.installed(), Phase::Uncompiled);
        }
    }
}

impl<M: CodeHome> ModuleState<M> {
    pub(crate) fn func_key(&self, func: DefinedFuncIndex) -> FuncKey {
        FuncKey {
            module: self.key,
            func,
        }
    }

    pub(crate) fn code_key(
        &self,
        func: DefinedFuncIndex,
        unit: CompileUnit,
        tier: Tier,
    ) -> CodeKey {
        CodeKey::new(self.func_key(func), unit, tier)
    }

    pub(crate) fn func(&self, func: DefinedFuncIndex) -> &FuncState<M::Code> {
        self.funcs[func.index()].get_or_init(|| Box::new(FuncState::new()))
    }

    /// Records the module that this state belongs to.
    pub(crate) fn remember_home(&self, home: &Arc<M>) {
        self.home.get_or_init(|| Arc::downgrade(home));
    }

    /// The function's code, compiled if there is none, unless `cancel` is requested.
    pub(crate) fn first_call(
        &self,
        home: &Arc<M>,
        func: DefinedFuncIndex,
        cancel: Cancel<'_>,
    ) -> Result<M::Addr, FirstCallError> {
        self.remember_home(home);
        let state = self.func(func);
        match state.begin_first_call(cancel) {
            FirstCallAction::Cancelled => Err(CompileError::Cancelled { func }.into()),
            // Another thread compiled it first, or zeal switching has unpublished the function.
            FirstCallAction::Call(code) => match self.shared.config.switching {
                Switching::Zeal { .. } => Ok(self.zeal_first_call(home, func, state)),
                _ => Ok(self.window_ended(home, func, state, &code)),
            },
            FirstCallAction::Compile => {
                let guard = FirstCodeGuard(Some(state));
                self.shared.log.record(|| Event::FirstCall {
                    func: self.func_key(func),
                });
                let code = match self.shared.config.mode {
                    Mode::Optimizer => self.optimized_first_code(home, guard, func, cancel)?,
                    Mode::Baseline | Mode::Tiered => {
                        let mut request = CompileRequest::new(home.facts(), home.wasm(), func);
                        request.cancel = cancel;
                        let mut sessions = CompileSessions::new(&self.shared);
                        self.first_code(home, guard, Tier::Baseline, request, &mut sessions)?
                    }
                };
                Ok(M::addr(&code))
            }
        }
    }

    /// Compiles and installs the first code of the function that `guard` stands for. Where the
    /// optimizer fails, the baseline compiles it.
    pub(crate) fn first_code(
        &self,
        home: &Arc<M>,
        guard: FirstCodeGuard<'_, M::Code>,
        tier: Tier,
        request: CompileRequest<'_>,
        sessions: &mut CompileSessions<'_>,
    ) -> Result<M::Code, FirstCallError> {
        let func = request.func;
        if tier == Tier::Optimizer {
            let key = self.code_key(func, CompileUnit::Function, Tier::Optimizer);
            let mut plain = CompileRequest::new(request.facts, request.wasm, func);
            plain.cancel = request.cancel;
            let code = sessions.compile(key, plain, Nanos(0));
            match code.and_then(|code| self.check_size(request.facts, key, code)) {
                Ok(code) => return self.install_first_code(home, guard, key, code),
                Err(error) if self.shared.config.knobs.fail_fast => return Err(error.into()),
                // A cancelled call has no use for baseline code either.
                Err(error @ CompileError::Cancelled { .. }) => return Err(error.into()),
                Err(error @ CompileError::TooLarge { .. }) => log::debug!("optimizer: {error}"),
                Err(error) => self.shared.optimizer_failed(&error),
            }
        }
        let key = self.code_key(func, CompileUnit::Function, Tier::Baseline);
        let code = sessions.compile(key, request, Nanos(0))?;
        self.install_first_code(home, guard, key, code)
    }

    /// Places and publishes a function's first code, asks the policy about it, and wakes the
    /// threads that wait for it.
    pub(crate) fn install_first_code(
        &self,
        home: &Arc<M>,
        mut guard: FirstCodeGuard<'_, M::Code>,
        key: CodeKey,
        code: CompiledFunction,
    ) -> Result<M::Code, FirstCallError> {
        let func = key.func.func;
        let state = guard.0.expect("the guard is disarmed only here");
        let loops = code.loops.clone();
        let code = home.place(func, key.unit, key.tier, code)?;
        state.set_loops(&loops);
        let now = self.log_now();
        state.first_code_at.get_or_init(|| now);
        self.shared.new_code_at.store(now.0, Ordering::Relaxed);
        state.set_code_bytes(M::figures(&code).1);
        let phase = match (self.shared.config.mode, key.tier) {
            (_, Tier::Optimizer) => Phase::Optimized,
            (Mode::Optimizer, Tier::Baseline) => Phase::Pinned,
            (_, Tier::Baseline) => Phase::Baseline,
        };
        let decision = match phase {
            Phase::Baseline => self.decide(home, func, state, PolicyEvent::FirstCode),
            _ => Decision::wait(Budget::Unlimited),
        };
        // Before the code can run: it counts from its first instruction on.
        self.grant(home, func, state, decision.budget);
        let mut installed = state.installed();
        installed.current = Some(TierCode {
            tier: key.tier,
            code: code.clone(),
        });
        self.publish(home, key, &code);
        guard.0 = None;
        state.finish_first_code(installed, phase);
        self.carry_out(home, func, state, &decision, None);
        Ok(code)
    }

    /// Publishes the code. The function's lock is held, or no other thread can see the function
    /// yet.
    pub(crate) fn publish(&self, home: &Arc<M>, key: CodeKey, code: &M::Code) {
        home.publish(code);
        match key.tier {
            // Baseline code is counted when its compilation finishes.
            Tier::Baseline => self.shared.log.trace(|| Self::published(key, code)),
            Tier::Optimizer => self.shared.log.record(|| Self::published(key, code)),
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
    pub(crate) fn retire(&self, home: &Arc<M>, key: CodeKey, code: M::Code) {
        if !self.shared.config.knobs.retire {
            return;
        }
        let (address, code_bytes) = M::figures(&code);
        self.shared.log.record(|| Event::Retired {
            code: key,
            address,
            code_bytes,
            age: None,
        });
        home.retire(code);
    }

    /// Handles an exhausted budget: sets the next one, and returns the loop's OSR entry if it is
    /// ready.
    pub(crate) fn budget_exhausted(
        &self,
        home: &Arc<M>,
        func: DefinedFuncIndex,
        site: BudgetSite,
    ) -> Option<M::Addr> {
        self.remember_home(home);
        let state = self.func(func);
        let used = state.account.exhausted(home.budget(func), site);
        let site = match site {
            BudgetSite::Entry => None,
            BudgetSite::Loop(index) => Some(index),
        };
        self.shared.log.record(|| Event::BudgetExhausted {
            func: self.func_key(func),
            site: site.map(|index| index.0),
            units: state.account.units(),
        });
        let loop_state = site.and_then(|index| state.loop_state(index));
        if self.shared.config.mode != Mode::Tiered {
            self.grant(home, func, state, Budget::Unlimited);
            return None;
        }
        match self.shared.config.switching {
            Switching::Zeal { .. } => self.zeal(home, func, state, loop_state),
            Switching::Virtual(_) => {
                self.advance(home, used);
                self.consult_policy(home, func, state, site, loop_state)
            }
            Switching::Background | Switching::Synchronous => {
                self.begin_trials();
                self.consult_policy(home, func, state, site, loop_state)
            }
        }
    }

    /// Asks the policy what to do at an exhausted budget, and does it.
    fn consult_policy(
        &self,
        home: &Arc<M>,
        func: DefinedFuncIndex,
        state: &FuncState<M::Code>,
        site: Option<LoopIndex>,
        loop_state: Option<&LoopState<M::Code>>,
    ) -> Option<M::Addr> {
        if state.phase.get() == Phase::Pinned {
            self.grant(home, func, state, Budget::Unlimited);
            return None;
        }
        let event = match (site, loop_state) {
            (None, _) => PolicyEvent::Entry,
            (Some(_), Some(loop_state)) => PolicyEvent::Loop(loop_view(loop_state)),
            // A loop without an OSR entry: its work counts for the function as a whole.
            (Some(_), None) => PolicyEvent::Entry,
        };
        if state.phase.get().is_under_way()
            || loop_state.is_some_and(|loop_state| loop_state.phase.get().is_under_way())
        {
            self.shared.start_missing_workers();
        }
        if state.phase.get() == Phase::Trial {
            // By a frame that has been in baseline code since before the trial.
            self.spoil_window(state);
        }
        let decision = self.decide(home, func, state, event);
        self.carry_out(home, func, state, &decision, loop_state);
        self.grant(
            home,
            func,
            state,
            self.next_budget(func, state, loop_state, decision.budget),
        );
        loop_state.and_then(|loop_state| self.enter(func, loop_state))
    }

    /// Does what the policy has decided, but for the budget.
    pub(crate) fn carry_out(
        &self,
        home: &Arc<M>,
        func: DefinedFuncIndex,
        state: &FuncState<M::Code>,
        decision: &Decision,
        loop_state: Option<&LoopState<M::Code>>,
    ) {
        if decision.withdraw {
            let key = self.code_key(func, CompileUnit::Function, Tier::Optimizer);
            self.unclaim(key, state);
        }
        let request = |unit, request: Request| self.request(home, func, state, unit, request);
        if let (Some(osr), Some(loop_state)) = (decision.osr, loop_state) {
            request(CompileUnit::Loop(loop_state.index), osr);
        }
        if let Some(function) = decision.function {
            request(CompileUnit::Function, function);
        }
    }

    /// The loop's OSR entry, if it is ready; counts one entry.
    pub(crate) fn enter(
        &self,
        func: DefinedFuncIndex,
        loop_state: &LoopState<M::Code>,
    ) -> Option<M::Addr> {
        let code = loop_state.ready()?;
        loop_state.entries.fetch_add(1, Ordering::Relaxed);
        let key = self.code_key(func, CompileUnit::Loop(loop_state.index), Tier::Optimizer);
        self.shared.log.record(|| Event::OsrEntered {
            code: key,
            address: M::figures(&code).0,
        });
        Some(M::addr(&code))
    }

    /// Asks the policy. It decides nothing outside of mode `tiered`.
    pub(crate) fn decide(
        &self,
        home: &Arc<M>,
        func: DefinedFuncIndex,
        state: &FuncState<M::Code>,
        event: PolicyEvent,
    ) -> Decision {
        if self.shared.config.mode != Mode::Tiered {
            return Decision::wait(Budget::Unlimited);
        }
        match self.shared.config.switching {
            Switching::Zeal { .. } => Decision::wait(self.zeal_budget()),
            _ => {
                let view = self.view(home, func, state);
                let mut memo = state.memo();
                let decision = self.shared.config.policy.on(&mut memo, event, &view);
                self.shared
                    .log
                    .trace(|| logged::decided(event, &view, &decision, &memo));
                decision
            }
        }
    }

    fn view(&self, home: &Arc<M>, func: DefinedFuncIndex, state: &FuncState<M::Code>) -> View {
        let (shared, account) = (&self.shared, &state.account);
        let weights = shared.config.weights;
        let counted = |units: u64, weight: u32| units.checked_div(weight.into()).unwrap_or(0);
        let first_code_at = state.first_code_at.get().copied().unwrap_or_default();
        let now = self.log_now();
        let since = |then: Nanos| Nanos(now.0.saturating_sub(then.0));
        let phase = state.phase.get();
        View {
            func: self.func_key(func),
            now,
            level: match phase {
                Phase::Optimized | Phase::Trial => Level(1),
                _ => Level::FIRST,
            },
            phase,
            body_bytes: home.facts().body_len(func),
            code_bytes: state.code_bytes(),
            module_bytes: self.bytes,
            module_funcs: self.funcs.len() as u32,
            units: account.units(),
            calls: counted(account.calls(), weights.call),
            iterations: counted(account.iterations(), weights.iteration),
            call_units: weights.call,
            loop_units: weights.iteration,
            units_since_request: account.units_since_request(),
            entry_exhaustions: account.entry_exhaustions.load(Ordering::Relaxed),
            loop_exhaustions: account.loop_exhaustions.load(Ordering::Relaxed),
            rate: account.rate(now),
            samples: account.samples(),
            age: since(first_code_at),
            age_since_request: since(account.requested_at().max(first_code_at)),
            since_new_code: since(Nanos(shared.new_code_at.load(Ordering::Relaxed))),
            queue_length: shared.queue.len() as u32,
            workers: shared.pool.nominal(),
            busy_workers: shared.pool.busy(),
            cores: shared.cores,
            levels: LEVELS,
            level_views: self.level_views(),
            // Compilation hints are not read from modules yet.
            hint: None,
        }
    }

    /// What is known of each level: nothing in virtual time, where runs must repeat exactly.
    fn level_views(&self) -> [LevelView; View::LEVELS] {
        let mut views = [LevelView::default(); View::LEVELS];
        if !matches!(self.shared.config.switching, Switching::Virtual(_)) {
            let speeds = &self.shared.speeds;
            views[0].ns_per_byte = speeds.ns_per_byte(Tier::Baseline);
            views[1].ns_per_byte = speeds.ns_per_byte(Tier::Optimizer);
            views[1].speedup = speeds.speedup();
        }
        views
    }

    /// The time that policies see.
    pub(crate) fn log_now(&self) -> Nanos {
        match self.shared.config.switching {
            Switching::Virtual(_) => self.virtual_now(),
            _ => self.shared.log.now(),
        }
    }

    /// Sets the function's budget.
    pub(crate) fn grant(
        &self,
        home: &Arc<M>,
        func: DefinedFuncIndex,
        state: &FuncState<M::Code>,
        budget: Budget,
    ) {
        let units = match budget {
            Budget::Units(units) => i32::try_from(units).unwrap_or(i32::MAX),
            Budget::Unlimited => i32::MAX,
        };
        state.account.grant(units);
        home.set_budget(func, units);
    }
}

fn loop_view<C>(state: &LoopState<C>) -> LoopView {
    LoopView {
        index: state.index,
        depth: state.depth,
        phase: state.phase.get(),
        entries: state.entries.load(Ordering::Relaxed),
    }
}

impl<M: CodeHome> fmt::Debug for ModuleState<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ModuleState")
            .field("module", &self.key)
            .field("functions", &self.funcs.len())
            .finish_non_exhaustive()
    }
}
