//! How the policy is asked, and how its decisions are carried out.

use std::sync::atomic::Ordering;

use upshift_abi::CompileUnit;
use upshift_profiler::{Event, Nanos};
use upshift_runtime::BudgetSite;

use crate::account::UsedBy;
use crate::config::Mode;
use crate::driver::Used;
use crate::engine::Shared;
use crate::function::Function;
use crate::home::CodeHome;
use crate::lifecycle::{LoopPhase, Phase, Step};
use crate::logged;
use crate::policy::{Budget, Decision, Hint, Level, LevelView, LoopView, PolicyEvent, View};
use crate::state::{LevelCode, LoopState};

impl<'a, M: CodeHome> Function<'a, M> {
    /// Handles an exhausted budget: sets the next one, and returns the loop's OSR entry if it is
    /// ready.
    pub(crate) fn budget_exhausted(&self, site: BudgetSite) -> Option<M::Addr> {
        let account = &self.state.account;
        let units = self.state.granted.used(self.home.budget(self.index));
        account.exhausted(
            units,
            match site {
                BudgetSite::Entry => UsedBy::Calls,
                BudgetSite::Loop(_) => UsedBy::Loops,
            },
        );
        self.shared().log.record(|| Event::BudgetExhausted {
            func: self.key(),
            site: match site {
                BudgetSite::Entry => None,
                BudgetSite::Loop(index) => Some(index.0),
            },
            units: account.units(),
        });
        if self.shared().config.mode != Mode::Tiered {
            self.grant(Budget::Unlimited);
            return None;
        }
        self.module.driver.exhausted(*self, Used { site, units })
    }

    /// Handles a call of code that is counted before it: asks the policy if the budget has run out.
    /// Returns the code to call.
    pub(crate) fn counted_call(&self, code: &M::Code) -> M::Addr {
        if self.counts_calls() && self.home.budget(self.index) < 0 {
            self.budget_exhausted(BudgetSite::Entry);
        }
        let installed = self.state.installed();
        let code = installed
            .current
            .as_ref()
            .map_or(code, |current| &current.code);
        M::addr(code)
    }

    /// Whether calls of the function's code are counted before it, because it is of a level between
    /// the first and the last.
    pub(crate) fn counts_calls(&self) -> bool {
        let code = self.state.code.get();
        code.phase != Phase::Trial && self.shared().ladder.counts_calls(code.level)
    }

    /// Asks the policy what to do at an exhausted budget, and does it.
    pub(crate) fn consult_policy(&self, site: BudgetSite) -> Option<M::Addr> {
        let loop_state = self.loop_at(site);
        if self.phase() == Phase::Pinned {
            // No code of the function comes any more, but an OSR entry may be there.
            self.grant(Budget::Unlimited);
            return loop_state.and_then(|loop_state| self.enter(loop_state));
        }
        if self.is_under_way(loop_state) {
            self.shared().start_missing_workers();
        }
        if self.phase() == Phase::Trial {
            // By a frame that has been in baseline code since before the trial.
            self.spoil_window();
        }
        let decision = self.decide(match site {
            BudgetSite::Entry => PolicyEvent::Entry,
            BudgetSite::Loop(index) => PolicyEvent::Loop(match loop_state {
                Some(loop_state) => loop_state.view(),
                None => LoopView {
                    index,
                    depth: 0,
                    phase: LoopPhase::Closed,
                    entries: 0,
                },
            }),
        });
        self.carry_out(&decision, loop_state);
        self.grant(self.next_budget(loop_state, decision.budget));
        loop_state.and_then(|loop_state| self.enter(loop_state))
    }

    /// The state of the loop where a budget ran out, if the loop can have an OSR entry.
    pub(crate) fn loop_at(&self, site: BudgetSite) -> Option<&'a LoopState<M::Code>> {
        match site {
            BudgetSite::Entry => None,
            BudgetSite::Loop(index) => self.state.loop_state(index),
        }
    }

    /// Whether optimized code of the function or the loop is queued or being compiled.
    fn is_under_way(&self, loop_state: Option<&LoopState<M::Code>>) -> bool {
        let in_loop = loop_state.is_some_and(|loop_state| loop_state.phase.get().is_under_way());
        in_loop || self.phase().is_under_way()
    }

    /// Asks the policy. It decides nothing outside of mode `tiered`.
    pub(crate) fn decide(&self, event: PolicyEvent) -> Decision {
        match self.shared().config.mode {
            Mode::Tiered => self.module.driver.decide(*self, event),
            Mode::Baseline | Mode::Optimizer => Decision::wait(Budget::Unlimited),
        }
    }

    /// Asks the configured policy.
    pub(crate) fn ask_policy(&self, event: PolicyEvent) -> Decision {
        let mut view = self.view();
        let mut memo = self.state.memo();
        let policy = self.module.policy(self.index);
        let decision = match &event {
            PolicyEvent::Recorded(recorded) => {
                if view.phase == Phase::Compiling {
                    // What it will be in a moment.
                    view.phase = Phase::Baseline;
                }
                policy.recorded(&mut memo, recorded, &view)
            }
            _ => policy.on(&mut memo, event, &view),
        };
        let log = &self.shared().log;
        log.trace(|| logged::decided(event, &view, &decision, &memo));
        decision
    }

    /// Does what the policy has decided, but for the budget.
    pub(crate) fn carry_out(&self, decision: &Decision, loop_state: Option<&LoopState<M::Code>>) {
        if decision.withdraw {
            self.state.code.step(Step::Drop);
        }
        if let (Some(osr), Some(loop_state)) = (decision.osr, loop_state) {
            self.request(CompileUnit::Loop(loop_state.index), osr);
        }
        if let Some(request) = decision.function {
            self.request(CompileUnit::Function, request);
        }
        if let Some(after) = decision.wake {
            self.module.driver.wake(*self, after);
        }
    }

    /// Tells the policy of an event outside of running code, and does what it decides. Of its
    /// budget only so much is granted as is less than what the function has left.
    pub(crate) fn tell(&self, event: PolicyEvent) {
        if self.phase() == Phase::Pinned {
            return;
        }
        let decision = self.decide(event);
        self.carry_out(&decision, None);
        if let (PolicyEvent::Wake | PolicyEvent::Sampled(_), Budget::Units(units)) =
            (event, decision.budget)
        {
            self.lower_budget(units);
        }
    }

    /// Lowers the function's budget to so many units, if more are left.
    pub(crate) fn lower_budget(&self, units: u32) {
        let left = self.home.budget(self.index);
        if self.phase() != Phase::Trial && i64::from(left) > i64::from(units) {
            self.charge();
            self.grant(Budget::Units(units));
        }
    }

    /// The loop's OSR entry, if it is ready; counts one entry.
    pub(crate) fn enter(&self, loop_state: &LoopState<M::Code>) -> Option<M::Addr> {
        let LevelCode { level, code, .. } = loop_state.ready()?;
        loop_state.entries.fetch_add(1, Ordering::Relaxed);
        let key = self.code_key(CompileUnit::Loop(loop_state.index), level);
        self.shared().log.record(|| Event::OsrEntered {
            code: key,
            address: M::figures(&code).0,
        });
        Some(M::addr(&code))
    }

    /// The budget that the policy wants, but at most so much that the function finds soon what is
    /// under way for it.
    pub(crate) fn next_budget(
        &self,
        loop_state: Option<&LoopState<M::Code>>,
        wanted: Budget,
    ) -> Budget {
        let wanted = match wanted {
            Budget::Units(units) => units,
            Budget::Unlimited => u32::MAX,
        };
        let most = match self.module.driver.units_until_due(*self) {
            Some(units) => units,
            None if self.is_under_way(loop_state) => self.shared().config.knobs.poll,
            None => u32::MAX,
        };
        Budget::Units(wanted.min(most))
    }

    /// The time that policies see.
    pub(crate) fn now(&self) -> Nanos {
        self.module.driver.now(self.module)
    }

    /// What the policy sees.
    pub(crate) fn view(&self) -> View {
        let shared = self.shared();
        let load = self.module.driver.load(shared);
        let code = self.state.code.get();
        let mut view = View {
            now: self.now(),
            level: code.level,
            phase: code.phase,
            body_bytes: self.home.facts().body_len(self.index),
            code_bytes: self.state.code_bytes(),
            module_bytes: self.module.bytes,
            module_funcs: self.module.funcs.len() as u32,
            queue_length: load.queue_length,
            workers: load.workers,
            busy_workers: load.busy_workers,
            // Runs in virtual time must not depend on the machine.
            cores: match self.module.driver.may_measure() {
                true => shared.cores,
                false => load.workers + 1,
            },
            levels: shared.ladder.rungs().len() as u8,
            level_views: self.level_views(),
            hint: self.hint(),
            ..View::new(self.key())
        };
        let first_code_at = self.state.first_code_at.get().copied().unwrap_or_default();
        let account = &self.state.account;
        account.show(&mut view, shared.config.weights, first_code_at);
        view.since_new_code = Nanos(view.now.0.saturating_sub(self.new_code_at().0));
        view
    }

    /// When a function last got its first code, by the clock of [`now`](Self::now).
    fn new_code_at(&self) -> Nanos {
        let new_code_at = self.module.driver.new_code_at(self.shared());
        Nanos(new_code_at.load(Ordering::Relaxed))
    }

    /// What the module's compilation hints say of the function, and the profile of an earlier run,
    /// which knows the work better.
    fn hint(&self) -> Option<Hint> {
        let facts = self.home.facts();
        let hints = &facts.hints.hints.functions;
        let hint = match hints.is_empty() {
            true => None,
            false => hints.get(&facts.func_index(self.index)).and_then(Hint::of),
        };
        match self.module.earlier.units(self.index) {
            None => hint,
            expected_units => Some(Hint {
                expected_units,
                ..hint.unwrap_or_default()
            }),
        }
    }

    /// What is known of each level: nothing where runs must repeat exactly.
    fn level_views(&self) -> [LevelView; View::LEVELS] {
        let mut views = [LevelView::default(); View::LEVELS];
        if self.module.driver.may_measure() {
            let Shared { speeds, ladder, .. } = &**self.shared();
            for (n, view) in views.iter_mut().enumerate().take(ladder.rungs().len()) {
                view.ns_per_byte = speeds.ns_per_byte(Level(n as u8));
            }
            views[usize::from(ladder.top().0)].speedup = speeds.speedup();
        }
        views
    }
}

impl<C: Clone> LoopState<C> {
    /// What the policy sees of the loop.
    pub(crate) fn view(&self) -> LoopView {
        LoopView {
            index: self.index,
            depth: self.depth,
            phase: self.phase.get(),
            entries: self.entries.load(Ordering::Relaxed),
        }
    }
}
