//! What a module has one of: the lives of its functions.
//!
//! This file holds what running threads ask for (first calls, exhausted budgets); how optimized code
//! is requested and comes into use is in [`switch`](crate::switch).

use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, OnceLock, Weak};

use upshift_abi::{
    Cancel, CompileError, CompileRequest, CompileUnit, CompiledFunction, DefinedFuncIndex,
    LoopIndex, ModuleFacts, Tier,
};
use upshift_profiler::{CodeKey, Event, FuncKey, ModuleKey, Nanos};
use upshift_runtime::module::FirstCallError;
use upshift_runtime::{BudgetSite, CodeAddr, ModuleCode, TierHooks};

use crate::bench::Bench;
use crate::config::{Mode, Switching};
use crate::engine::{Shared, Tiering};
use crate::home::CodeHome;
use crate::life::{FirstCall, FuncLife, LoopLife, Phase, Piece};
use crate::policy::{Budget, Decision, LoopView, PolicyEvent, View};
use crate::switch::{VirtualTime, Zeal};

/// Tiering for one module: give it to the module as its [`TierHooks`].
#[derive(Debug)]
pub struct ModuleTiers<M: CodeHome = ModuleCode> {
    pub(crate) lives: Arc<Lives<M>>,
}

/// All that there is of a function until it is called: most of a large program's never are.
type FuncCell<C> = OnceLock<Box<FuncLife<C>>>;

/// The lives of a module's functions; compile threads refer to it weakly.
pub(crate) struct Lives<M: CodeHome> {
    pub(crate) shared: Arc<Shared>,
    pub(crate) key: ModuleKey,
    /// The module, which owns these lives. Written once, before anything is requested.
    pub(crate) home: OnceLock<Weak<M>>,
    funcs: Box<[FuncCell<M::Code>]>,
    pub(crate) this: Weak<Self>,
    pub(crate) virtual_time: Mutex<VirtualTime<M::Code>>,
    pub(crate) zeal: Mutex<Zeal>,
}

impl<M: CodeHome> ModuleTiers<M> {
    /// Tiering for a module with these declarations, which is about to be made.
    pub fn new(tiering: &Tiering, facts: &Arc<ModuleFacts>) -> Arc<Self> {
        let shared = tiering.shared().clone();
        let seed = match shared.config.switching {
            Switching::Zeal { seed } => seed,
            _ => 0,
        };
        let lives = Arc::new_cyclic(|this| Lives {
            key: shared.log.add_module(facts),
            shared,
            home: OnceLock::new(),
            funcs: facts.defined_funcs().map(|_| OnceLock::new()).collect(),
            this: this.clone(),
            virtual_time: Mutex::default(),
            zeal: Mutex::new(Zeal::new(seed)),
        });
        Arc::new(Self { lives })
    }

    /// Where the function is in its life.
    pub fn phase(&self, func: DefinedFuncIndex) -> Phase {
        self.lives.funcs[func.index()]
            .get()
            .map_or(Phase::Uncompiled, |life| life.phase.get())
    }

    /// The module's number in the log.
    pub fn key(&self) -> ModuleKey {
        self.lives.key
    }
}

impl TierHooks for ModuleTiers<ModuleCode> {
    fn first_call(
        &self,
        module: &Arc<ModuleCode>,
        func: DefinedFuncIndex,
        cancel: Cancel<'_>,
    ) -> Result<CodeAddr, FirstCallError> {
        self.lives.first_call(module, func, cancel)
    }

    fn budget_exhausted(
        &self,
        module: &Arc<ModuleCode>,
        func: DefinedFuncIndex,
        site: BudgetSite,
    ) -> Option<CodeAddr> {
        self.lives.budget_exhausted(module, func, site)
    }
}

/// Undoes [`FuncLife::begin`] if the first code does not come about, by error or panic, so
/// that those who wait can try themselves.
pub(crate) struct Begun<'a, C: Clone>(pub(crate) Option<&'a FuncLife<C>>);

impl<C: Clone> Drop for Begun<'_, C> {
    fn drop(&mut self) {
        if let Some(life) = self.0 {
            life.settle(life.held(), Phase::Uncompiled);
        }
    }
}

impl<M: CodeHome> Lives<M> {
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
        CodeKey {
            func: self.func_key(func),
            unit,
            tier,
        }
    }

    pub(crate) fn func(&self, func: DefinedFuncIndex) -> &FuncLife<M::Code> {
        self.funcs[func.index()].get_or_init(|| Box::new(FuncLife::new()))
    }

    /// Remembers where the code lives.
    pub(crate) fn settle_in(&self, home: &Arc<M>) {
        self.home.get_or_init(|| Arc::downgrade(home));
    }

    /// The function's code, made if there is none, unless that is cancelled.
    pub(crate) fn first_call(
        &self,
        home: &Arc<M>,
        func: DefinedFuncIndex,
        cancel: Cancel<'_>,
    ) -> Result<M::Addr, FirstCallError> {
        self.settle_in(home);
        let life = self.func(func);
        match life.begin(cancel) {
            FirstCall::Cancelled => Err(CompileError::Cancelled { func }.into()),
            // Somebody else was faster; or zeal has sent calls back here.
            FirstCall::Call(code) => match self.shared.config.switching {
                Switching::Zeal { .. } => Ok(self.zeal_first_call(home, func, life)),
                _ => Ok(M::addr(&code)),
            },
            FirstCall::Compile => {
                let begun = Begun(Some(life));
                self.shared.log.record(|| Event::FirstCall {
                    func: self.func_key(func),
                });
                let code = match self.shared.config.mode {
                    Mode::Optimizer => self.optimized_first_code(home, begun, func, cancel)?,
                    Mode::Baseline | Mode::Tiered => {
                        let mut request = CompileRequest::new(home.facts(), home.wasm(), func);
                        request.cancel = cancel;
                        let mut bench = Bench::new(&self.shared);
                        self.first_code(home, begun, Tier::Baseline, request, &mut bench)?
                    }
                };
                Ok(M::addr(&code))
            }
        }
    }

    /// Compiles the first code of a function that `begun` stands for, and puts it to use. Where the
    /// optimizer fails, the baseline steps in.
    pub(crate) fn first_code(
        &self,
        home: &Arc<M>,
        begun: Begun<'_, M::Code>,
        tier: Tier,
        request: CompileRequest<'_>,
        bench: &mut Bench<'_>,
    ) -> Result<M::Code, FirstCallError> {
        let func = request.func;
        if tier == Tier::Optimizer {
            let key = self.code_key(func, CompileUnit::Function, Tier::Optimizer);
            let mut plain = CompileRequest::new(request.facts, request.wasm, func);
            plain.cancel = request.cancel;
            let code = bench.compile(key, plain, Nanos(0));
            match code.and_then(|code| self.check_size(request.facts, key, code)) {
                Ok(code) => return self.settle(home, begun, key, code),
                Err(error) if self.shared.config.knobs.fail_fast => return Err(error.into()),
                // The baseline would not be wanted either.
                Err(error @ CompileError::Cancelled { .. }) => return Err(error.into()),
                Err(error @ CompileError::TooLarge { .. }) => log::debug!("optimizer: {error}"),
                Err(error) => self.shared.optimizer_failed(&error),
            }
        }
        let key = self.code_key(func, CompileUnit::Function, Tier::Baseline);
        let code = bench.compile(key, request, Nanos(0))?;
        self.settle(home, begun, key, code)
    }

    /// Places and publishes a function's first code, asks the policy about it, and lets waiting
    /// threads go.
    pub(crate) fn settle(
        &self,
        home: &Arc<M>,
        mut begun: Begun<'_, M::Code>,
        key: CodeKey,
        code: CompiledFunction,
    ) -> Result<M::Code, FirstCallError> {
        let func = key.func.func;
        let life = begun.0.expect("the guard is disarmed only here");
        let loops = code.loops.clone();
        let code = home.place(func, key.unit, key.tier, code)?;
        life.set_loops(&loops);
        life.born.get_or_init(|| self.log_now());
        let phase = match (self.shared.config.mode, key.tier) {
            (_, Tier::Optimizer) => Phase::Optimized,
            (Mode::Optimizer, Tier::Baseline) => Phase::Pinned,
            (_, Tier::Baseline) => Phase::Baseline,
        };
        let decision = match phase {
            Phase::Baseline => self.decide(home, func, life, PolicyEvent::FirstCode),
            _ => Decision::wait(Budget::Unlimited),
        };
        // Before the code can run: it counts from its first instruction on.
        self.grant(home, func, life, decision.budget);
        let mut held = life.held();
        held.current = Some(Piece {
            tier: key.tier,
            code: code.clone(),
        });
        self.publish(home, key, &code);
        begun.0 = None;
        life.settle(held, phase);
        if let Some(lane) = decision.function {
            self.request(home, func, life, CompileUnit::Function, lane);
        }
        Ok(code)
    }

    /// Sends calls to the code. The function's lock is held, or it has just begun.
    pub(crate) fn publish(&self, home: &Arc<M>, key: CodeKey, code: &M::Code) {
        home.publish(code);
        let event = || {
            let (address, code_bytes) = M::figures(code);
            Event::Published {
                code: key,
                address,
                code_bytes,
            }
        };
        match key.tier {
            // First code is counted when it is compiled.
            Tier::Baseline => self.shared.log.trace(event),
            Tier::Optimizer => self.shared.log.record(event),
        }
    }

    /// Gives up replaced code.
    pub(crate) fn retire(&self, home: &Arc<M>, key: CodeKey, code: M::Code) {
        if !self.shared.config.knobs.retire {
            return;
        }
        let (_, code_bytes) = M::figures(&code);
        self.shared.log.record(|| Event::Retired {
            code: key,
            code_bytes,
        });
        home.retire(code);
    }

    /// A budget ran out: sets the next one; may return the OSR entry of the loop.
    pub(crate) fn budget_exhausted(
        &self,
        home: &Arc<M>,
        func: DefinedFuncIndex,
        site: BudgetSite,
    ) -> Option<M::Addr> {
        self.settle_in(home);
        let life = self.func(func);
        let used = life.ledger.settle(home.budget(func));
        let (site, counter) = match site {
            BudgetSite::Entry => (None, &life.ledger.entry_exhaustions),
            BudgetSite::Loop(index) => (Some(index), &life.ledger.loop_exhaustions),
        };
        counter.fetch_add(1, Ordering::Relaxed);
        self.shared.log.record(|| Event::BudgetExhausted {
            func: self.func_key(func),
            site: site.map(|index| index.0),
            units: life.ledger.units(),
        });
        let at_loop = site.and_then(|index| life.loop_life(index));
        if self.shared.config.mode != Mode::Tiered {
            self.grant(home, func, life, Budget::Unlimited);
            return None;
        }
        match self.shared.config.switching {
            Switching::Zeal { .. } => self.zeal(home, func, life, at_loop),
            Switching::Virtual(_) => {
                self.advance(home, used);
                self.ask(home, func, life, site, at_loop)
            }
            Switching::Background | Switching::Synchronous => {
                self.ask(home, func, life, site, at_loop)
            }
        }
    }

    /// Asks the policy what to do at an exhausted budget, and does it.
    fn ask(
        &self,
        home: &Arc<M>,
        func: DefinedFuncIndex,
        life: &FuncLife<M::Code>,
        site: Option<LoopIndex>,
        at_loop: Option<&LoopLife<M::Code>>,
    ) -> Option<M::Addr> {
        if life.phase.get() == Phase::Pinned {
            self.grant(home, func, life, Budget::Unlimited);
            return None;
        }
        let event = match (site, at_loop) {
            (None, _) => PolicyEvent::Entry,
            (Some(_), Some(at_loop)) => PolicyEvent::Loop(loop_view(at_loop)),
            // A loop that can't be left: more work for the function as a whole.
            (Some(_), None) => PolicyEvent::Entry,
        };
        if life.phase.get().is_under_way()
            || at_loop.is_some_and(|at_loop| at_loop.phase.get().is_under_way())
        {
            self.shared.relieve();
        }
        let decision = self.decide(home, func, life, event);
        if let (Some(lane), Some(at_loop)) = (decision.osr, at_loop) {
            self.request(home, func, life, CompileUnit::Loop(at_loop.index), lane);
        }
        if let Some(lane) = decision.function {
            self.request(home, func, life, CompileUnit::Function, lane);
        }
        self.grant(
            home,
            func,
            life,
            self.next_budget(func, life, at_loop, decision.budget),
        );
        at_loop.and_then(|at_loop| self.enter(func, at_loop))
    }

    /// The loop's OSR entry, if it is ready; counts the entry.
    pub(crate) fn enter(
        &self,
        func: DefinedFuncIndex,
        at_loop: &LoopLife<M::Code>,
    ) -> Option<M::Addr> {
        let code = at_loop.ready()?;
        at_loop.entries.fetch_add(1, Ordering::Relaxed);
        let key = self.code_key(func, CompileUnit::Loop(at_loop.index), Tier::Optimizer);
        self.shared.log.record(|| Event::OsrEntered { code: key });
        Some(M::addr(&code))
    }

    fn decide(
        &self,
        home: &Arc<M>,
        func: DefinedFuncIndex,
        life: &FuncLife<M::Code>,
        event: PolicyEvent,
    ) -> Decision {
        if self.shared.config.mode != Mode::Tiered {
            return Decision::wait(Budget::Unlimited);
        }
        match self.shared.config.switching {
            Switching::Zeal { .. } => Decision::wait(self.zeal_budget()),
            _ => self
                .shared
                .config
                .policy
                .decide(event, &self.view(home, func, life)),
        }
    }

    fn view(&self, home: &Arc<M>, func: DefinedFuncIndex, life: &FuncLife<M::Code>) -> View {
        let ledger = &life.ledger;
        let born = life.born.get().copied().unwrap_or_default();
        let now = self.log_now();
        let repeatable = matches!(self.shared.config.switching, Switching::Virtual(_));
        View {
            func: self.func_key(func),
            body_bytes: home.facts().body_len(func),
            phase: life.phase.get(),
            units: ledger.units(),
            units_since_request: ledger.units_since_request(),
            entry_exhaustions: ledger.entry_exhaustions.load(Ordering::Relaxed),
            loop_exhaustions: ledger.loop_exhaustions.load(Ordering::Relaxed),
            age: Nanos(now.0.saturating_sub(born.0)),
            age_since_request: Nanos(now.0.saturating_sub(ledger.requested_at().max(born).0)),
            queue_length: self.shared.queue.len() as u32,
            workers: self.shared.crew.nominal(),
            optimizer_ns_per_byte: match repeatable {
                true => None,
                false => self.shared.speeds.ns_per_byte(Tier::Optimizer),
            },
        }
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
        life: &FuncLife<M::Code>,
        budget: Budget,
    ) {
        let units = match budget {
            Budget::Units(units) => i32::try_from(units).unwrap_or(i32::MAX),
            Budget::Unlimited => i32::MAX,
        };
        life.ledger.grant(units);
        home.set_budget(func, units);
    }
}

fn loop_view<C>(life: &LoopLife<C>) -> LoopView {
    LoopView {
        index: life.index,
        depth: life.depth,
        phase: life.phase.get(),
        entries: life.entries.load(Ordering::Relaxed),
    }
}

impl<M: CodeHome> fmt::Debug for Lives<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lives")
            .field("module", &self.key)
            .field("functions", &self.funcs.len())
            .finish_non_exhaustive()
    }
}
