//! The tiering state of one module: the states of its functions, and the driver that moves them.
//!
//! This file is what running threads call: first calls and exhausted budgets.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock, Weak};

use upshift_abi::values::DescribedCode;
use upshift_abi::{
    Cancel, CompileError, CompileRequest, Counting, DefinedFuncIndex, ModuleFacts, WasmOffset,
};
use upshift_profiler::{Event, FuncKey, ModuleKey};
use upshift_runtime::module::FirstCallError;
use upshift_runtime::{BudgetSite, CodeAddr, Counts, ModuleCode, TierHooks};

use crate::config::Mode;
use crate::driver::{self, Driver};
use crate::engine::{Shared, Tiering};
use crate::function::{FirstCodeGuard, Function};
use crate::home::CodeHome;
use crate::lifecycle::Phase;
use crate::policy::{Level, Policy};
use crate::sessions::CompileSessions;
use crate::state::{FirstCallAction, FuncState};
use crate::warm::Earlier;

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
    home: OnceLock<Weak<M>>,
    pub(crate) funcs: Box<[FuncCell<M::Code>]>,
    /// Bytes of all bodies.
    pub(crate) bytes: u64,
    pub(crate) this: Weak<Self>,
    pub(crate) driver: Box<dyn Driver<M>>,
    /// The functions' own policies, in the order of the functions; empty if none has one.
    policies: Box<[Option<Arc<dyn Policy>>]>,
    /// What earlier runs of the module have shown.
    pub(crate) earlier: Earlier,
}

impl<M: CodeHome> ModuleTiers<M> {
    /// Tiering for a module with these declarations, which is about to be created.
    pub fn new(tiering: &Tiering, facts: &Arc<ModuleFacts>) -> Arc<Self> {
        Self::driven(tiering, facts, driver::new(tiering.config()))
    }

    /// Like [`new`](Self::new), with this driver.
    pub(crate) fn driven(
        tiering: &Tiering,
        facts: &Arc<ModuleFacts>,
        driver: Box<dyn Driver<M>>,
    ) -> Arc<Self> {
        let shared = tiering.shared().clone();
        for malformed in &facts.hints.malformed {
            log::warn!("{malformed}");
        }
        let state = Arc::new_cyclic(|this| ModuleState {
            key: shared.log.add_module(facts),
            driver,
            policies: shared.overrides.of(facts, &shared.config.policy),
            shared,
            home: OnceLock::new(),
            funcs: facts.defined_funcs().map(|_| OnceLock::new()).collect(),
            bytes: facts.body_bytes(),
            this: this.clone(),
            earlier: Earlier::default(),
        });
        Arc::new(Self { state })
    }

    /// The function's phase at this moment.
    pub fn phase(&self, func: DefinedFuncIndex) -> Phase {
        self.state.funcs[func.index()]
            .get()
            .map_or(Phase::Uncompiled, |state| state.code.phase())
    }

    /// The policy that decides on the function: the engine's, or one of its own.
    pub fn policy(&self, func: DefinedFuncIndex) -> &dyn Policy {
        self.state.policy(func)
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

    fn describe(
        &self,
        module: &Arc<ModuleCode>,
        func: DefinedFuncIndex,
        at: WasmOffset,
        counting: Counting,
    ) -> Option<DescribedCode> {
        let mut request = CompileRequest::new(module.facts(), module.wasm(), func);
        request.counting = counting;
        let compiler = self.state.shared.ladder.compiler(Level::FIRST);
        let describe = || compiler.session().describe(request, Some(at));
        // A fault of the compiler costs the values, not the dump.
        catch_unwind(AssertUnwindSafe(describe)).ok().flatten()
    }

    fn budget_counts(&self, func: DefinedFuncIndex) -> Counts {
        match self.phase(func) {
            Phase::Trial => Counts::Calls,
            _ => Counts::Work,
        }
    }
}

impl<M: CodeHome> ModuleState<M> {
    /// The policy that decides on the function.
    pub(crate) fn policy(&self, func: DefinedFuncIndex) -> &dyn Policy {
        let own = self.policies.get(func.index()).and_then(Option::as_ref);
        &**own.unwrap_or(&self.shared.config.policy)
    }

    pub(crate) fn func_key(&self, func: DefinedFuncIndex) -> FuncKey {
        FuncKey {
            module: self.key,
            func,
        }
    }

    pub(crate) fn function<'a>(
        &'a self,
        home: &'a Arc<M>,
        func: DefinedFuncIndex,
    ) -> Function<'a, M> {
        let state = self.funcs[func.index()].get_or_init(|| Box::new(FuncState::new()));
        Function {
            module: self,
            home,
            index: func,
            state,
        }
    }

    /// Records the module that this state belongs to.
    pub(crate) fn remember_home(&self, home: &Arc<M>) {
        self.home.get_or_init(|| Arc::downgrade(home));
    }

    /// The module that this state belongs to; `None` if it is gone.
    pub(crate) fn home(&self) -> Option<Arc<M>> {
        self.home.get().and_then(Weak::upgrade)
    }

    /// The function's code, compiled if there is none, unless `cancel` is requested.
    pub(crate) fn first_call(
        &self,
        home: &Arc<M>,
        func: DefinedFuncIndex,
        cancel: Cancel<'_>,
    ) -> Result<M::Addr, FirstCallError> {
        self.remember_home(home);
        let function = self.function(home, func);
        match function.state.begin_first_call(cancel) {
            FirstCallAction::Cancelled => Err(CompileError::Cancelled { func }.into()),
            // Another thread compiled it first, or the driver has made the call come here.
            FirstCallAction::Call(code) => Ok(self.driver.called_again(function, &code)),
            FirstCallAction::Compile => {
                let guard = FirstCodeGuard(Some(function.state));
                let func = function.key();
                self.shared.log.record(|| Event::FirstCall { func });
                let code = match self.shared.config.mode {
                    Mode::Optimizer => function.optimized_first_code(guard, cancel)?,
                    Mode::Baseline | Mode::Tiered => {
                        let mut request = function.compile_request();
                        request.cancel = cancel;
                        let mut sessions = CompileSessions::new(&self.shared);
                        function.first_code(guard, Level::FIRST, request, &mut sessions)?
                    }
                };
                Ok(M::addr(&code))
            }
        }
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
        self.function(home, func).budget_exhausted(site)
    }
}

impl<M: CodeHome> Drop for ModuleState<M> {
    fn drop(&mut self) {
        // A forked child has no thread for wake-ups, and one may have held the lock.
        if self.shared.process.is_current() {
            self.shared.ticker.forget(self.key);
        }
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
