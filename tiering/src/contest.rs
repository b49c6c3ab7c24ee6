//! Trials: running a function's optimized and baseline code by turns, to keep the faster one.
//!
//! Optimized code counts nothing, so during a trial the function's slot leads to a *counter* before
//! the code of one of the tiers, a few instructions that take 1 from the function's budget. When
//! the budget is gone the call is a first call, which comes here: a window has ended. The clock is
//! read, [`Trial`] says what to measure next, and the slot is stored. The baseline code of a trial
//! is compiled for it, and counts nothing either, so that it can stay.
//!
//! Only background switching has trials: what they find depends on the machine, and the other kinds
//! of switching repeat exactly. OSR entries are not measured: they are left only with their
//! function. Those of a function that is sent back are withdrawn.

use upshift_abi::{CompileError, CompileUnit, CompiledFunction, Tier};
use upshift_profiler::{CodeKey, Event};

use crate::config::Switching;
use crate::evidence::{Candidate, Reading};
use crate::function::Function;
use crate::home::CodeHome;
use crate::lifecycle::{Phase, Step as StateStep};
use crate::policy::{Lane, Level, Request};
use crate::pool::{WorkerPool, Workers};
use crate::state::{InstalledCode, LevelCode};
use crate::sync::MutexGuard;
use crate::trial::{Ask, Finding, Step, Trial};
use crate::worker::{self, Job};

/// The code of both tiers in a trial, and the window that is being measured.
#[derive(Debug)]
pub(crate) struct Contest<C> {
    trial: Trial,
    optimized: Contestant<C>,
    baseline: Baseline<C>,
    /// `None` before the first call.
    window: Option<Window>,
    /// What the trial has cost so far, as the ledger knows.
    lost: i64,
}

/// Code in a trial, and the counter before it.
#[derive(Clone, Debug)]
struct Contestant<C> {
    code: C,
    counter: C,
}

/// The baseline's code in a trial.
#[derive(Debug)]
enum Baseline<C> {
    Missing,
    Requested,
    Ready(Contestant<C>),
}

/// A number of calls whose time is measured.
#[derive(Clone, Copy, Debug)]
struct Window {
    tier: Tier,
    start: Reading,
    /// Whether something else has set or used the budget, so that the number of calls is not known.
    void: bool,
}

/// What to do about a trial once the function's lock is free.
enum After {
    Nothing,
    RequestBaseline,
}

/// The most that threads may have taken from an exhausted budget at the same time.
const THREADS_AT_ONCE: i32 = 64;

impl<C: Clone> Contest<C> {
    fn contestant(&self, tier: Tier) -> &Contestant<C> {
        match (tier, &self.baseline) {
            (Tier::Baseline, Baseline::Ready(contestant)) => contestant,
            _ => &self.optimized,
        }
    }

    /// The code that calls run now.
    fn running(&self) -> &C {
        let tier = self.window.map_or(Tier::Optimizer, |window| window.tier);
        &self.contestant(tier).code
    }
}

impl<M: CodeHome> Function<'_, M> {
    /// Whether the speeds of both tiers are compared.
    pub(crate) fn compares_tiers(&self) -> bool {
        let config = &self.shared().config;
        config.knobs.evidence && config.switching == Switching::Background
    }

    /// Makes a function that runs optimized code wait for its trial.
    pub(crate) fn await_trial(&self) {
        // Code of a level between goes on to the next one.
        let is_last = self.state.code.get().level == self.shared().ladder.top();
        if self.compares_tiers() && is_last {
            let target = self.module.this.clone();
            let func = self.key();
            self.shared().ledger.wait(Candidate { target, func });
            self.begin_trials();
        }
    }

    /// Begins the trials that there is room for, of any module.
    pub(crate) fn begin_trials(&self) {
        if !self.compares_tiers() {
            return;
        }
        let knobs = &self.shared().config.knobs;
        let next = || {
            let ledger = &self.shared().ledger;
            ledger.next(self.shared().timeline.now(), knobs.evidence_cost)
        };
        while let Some(next) = next() {
            match next.target.upgrade() {
                Some(target) => target.try_out(next.func),
                None => self.shared().ledger.leaves(next.func),
            }
        }
    }

    /// Puts a counter before the function's optimized code: from now on it is on trial.
    pub(crate) fn begin_trial(&self) {
        let top = self.shared().ladder.top();
        let mut installed = self.state.installed();
        let code = match &installed.current {
            Some(current) if current.level == top && self.phase() == Phase::Optimized => {
                current.code.clone()
            }
            _ => return self.shared().ledger.leaves(self.key()),
        };
        let counter = match self.home.place_counter(&code, 1) {
            Ok(counter) => counter,
            Err(error) => {
                log::debug!("{} is not compared: {error}", self.key());
                return self.shared().ledger.leaves(self.key());
            }
        };
        if !self.state.code.step(StateStep::BeginTrial) {
            drop(installed);
            self.home.retire(counter);
            return self.shared().ledger.leaves(self.key());
        }
        let target = self.shared().config.knobs.evidence_window.into();
        self.home.publish(&counter);
        installed.trial = Some(Box::new(Contest {
            trial: Trial::new(u64::from(self.index.0), target),
            optimized: Contestant { code, counter },
            baseline: Baseline::Missing,
            window: None,
            lost: 0,
        }));
        // The next call comes to the runtime.
        self.state.granted.set(0);
        self.home.set_budget(self.index, 0);
    }

    /// Handles a first call of a function that has code: in a trial a window has ended. Returns the
    /// code to call, which is `code` where there is no trial.
    pub(crate) fn window_ended(&self, code: &M::Code) -> M::Addr {
        let now = (self.shared().clock)();
        let mut installed = self.state.installed();
        let Some(contest) = &mut installed.trial else {
            return M::addr(code);
        };
        let left = self.home.budget(self.index);
        if left >= 0 {
            // Another thread has begun the next window since the call took from the budget.
            return M::addr(contest.running());
        }
        let step = self.next_step(contest, now, left);
        let (tier, calls, after) = match step {
            Step::Measure { tier, calls } => (tier, calls, After::Nothing),
            Step::NeedBaseline { calls } => {
                let after = match contest.baseline {
                    Baseline::Missing => After::RequestBaseline,
                    Baseline::Requested | Baseline::Ready(_) => After::Nothing,
                };
                (Tier::Optimizer, calls, after)
            }
            Step::End(finding) => {
                let code = self.settle(installed, finding);
                self.begin_trials();
                return M::addr(&code);
            }
            Step::GiveUp => {
                let code = self.keep_optimized(installed);
                self.begin_trials();
                return M::addr(&code);
            }
            Step::PutOff => {
                let code = self.keep_optimized(installed);
                self.await_trial();
                return M::addr(&code);
            }
        };
        contest.window = Some(Window {
            tier,
            start: now,
            void: false,
        });
        let contestant = contest.contestant(tier).clone();
        if let After::RequestBaseline = after {
            contest.baseline = Baseline::Requested;
        }
        self.home.publish(&contestant.counter);
        // This call is the window's first.
        let calls = i32::try_from(calls - 1).unwrap_or(i32::MAX);
        self.state.granted.set(calls);
        self.home.set_budget(self.index, calls);
        drop(installed);
        if let After::RequestBaseline = after {
            self.request_baseline();
        }
        M::addr(&contestant.code)
    }

    /// The step behind a window that ended now, with so much left of the budget.
    fn next_step(&self, contest: &mut Contest<M::Code>, now: Reading, left: i32) -> Step {
        let Some(window) = contest.window else {
            return contest.trial.first();
        };
        let (ledger, knobs) = (&self.shared().ledger, &self.shared().config.knobs);
        ledger.comes_back(self.key(), self.shared().timeline.now());
        let ask = |ask| {
            let now = self.shared().timeline.now();
            match ask {
                Ask::Turn => ledger.takes_turn(self.key(), now),
                Ask::Loss(loss) => ledger.affords(loss, now, knobs.evidence_cost),
            }
        };
        let sound = !window.void && left >= -THREADS_AT_ONCE;
        let step = match now.since(window.start) {
            Some(time) if sound => contest.trial.window(time, ask),
            _ => contest.trial.window_void(ask),
        };
        let cost = contest.trial.cost().max(0);
        ledger.lose(cost - contest.lost);
        contest.lost = cost;
        step
    }

    /// Notes that something else than calls has used the function's budget, or sets it.
    pub(crate) fn spoil_window(&self) {
        if let Some(contest) = &mut self.state.installed().trial
            && let Some(window) = &mut contest.window
        {
            window.void = true;
        }
    }

    /// Requests baseline code for a trial.
    fn request_baseline(&self) {
        let key = self.code_key(CompileUnit::Function, Level::FIRST);
        let job = Job {
            target: self.module.this.clone(),
            key,
            request: Request::new(Level::FIRST, Lane::High),
            queued: self.shared().timeline.now(),
        };
        if self.shared().queue.push(job).is_err() {
            if let Some(contest) = &mut self.state.installed().trial {
                contest.baseline = Baseline::Missing;
            }
        } else if WorkerPool::start_workers(self.shared()) == Workers::Refused {
            worker::run_one_job(self.shared());
        }
    }

    /// Lets baseline code take part in its function's trial; the trial ends without it if there is
    /// none.
    pub(crate) fn enter_baseline(
        &self,
        key: CodeKey,
        result: Result<CompiledFunction, CompileError>,
    ) {
        let placed = result.map_err(|error| error.to_string()).and_then(|code| {
            let code = self
                .home
                .place(self.index, key.unit, key.tier, key.level, code);
            let code = code.map_err(|error| error.to_string())?;
            match self.home.place_counter(&code, 1) {
                Ok(counter) => Ok(Contestant { code, counter }),
                Err(error) => {
                    self.home.retire(code);
                    Err(error.to_string())
                }
            }
        });
        let mut installed = self.state.installed();
        let Some(contest) = &mut installed.trial else {
            // Given up meanwhile.
            drop(installed);
            if let Ok(Contestant { code, counter }) = placed {
                self.home.retire(counter);
                self.home.retire(code);
            }
            return;
        };
        match placed {
            Ok(contestant) => {
                contest.baseline = Baseline::Ready(contestant);
                contest.trial.provide_baseline();
            }
            Err(error) => {
                log::debug!("{} is not compared: {error}", key.func);
                self.keep_optimized(installed);
            }
        }
    }

    /// Ends a trial with what it has found. Returns the code that the function keeps.
    fn settle(
        &self,
        installed: MutexGuard<'_, InstalledCode<M::Code>>,
        finding: Finding,
    ) -> M::Code {
        self.shared().speeds.compared(finding.ratio);
        let ladder = &self.shared().ladder;
        self.shared().log.record(|| Event::TiersCompared {
            kept: self.code_key(CompileUnit::Function, ladder.level_of(finding.better)),
            calls: finding.calls,
            baseline: finding.baseline,
            optimized: finding.optimized,
            ratio: finding.ratio,
            low: finding.interval.0,
            high: finding.interval.1,
        });
        match finding.better {
            Tier::Optimizer => self.keep_optimized(installed),
            Tier::Baseline => self.send_back(installed, finding.ratio),
        }
    }

    /// Ends a trial in favour of the optimized code.
    fn keep_optimized(&self, mut installed: MutexGuard<'_, InstalledCode<M::Code>>) -> M::Code {
        self.shared().ledger.leaves(self.key());
        let contest = installed.trial.take().expect("the caller has seen it");
        let Contestant { code, counter } = contest.optimized;
        self.home.publish(&code);
        self.state.code.step(StateStep::Keep);
        drop(installed);
        self.home.retire(counter);
        if let Baseline::Ready(Contestant { code, counter }) = contest.baseline {
            self.home.retire(counter);
            let key = self.code_key(CompileUnit::Function, Level::FIRST);
            self.retire(key, code);
        }
        self.exhaust_budget();
        code
    }

    /// Ends a trial in favour of the baseline code, which the function keeps for good.
    fn send_back(
        &self,
        mut installed: MutexGuard<'_, InstalledCode<M::Code>>,
        ratio: f64,
    ) -> M::Code {
        self.shared().ledger.leaves(self.key());
        let contest = installed.trial.take().expect("the caller has seen it");
        let top = self.shared().ladder.top();
        let Baseline::Ready(back) = contest.baseline else {
            unreachable!("the baseline's code was measured");
        };
        let baseline = self.code_key(CompileUnit::Function, Level::FIRST);
        self.home.publish(&back.code);
        self.shared()
            .log
            .record(|| Self::published(baseline, &back.code));
        installed.current = Some(LevelCode::new(Level::FIRST, back.code.clone()));
        self.state.code.step(StateStep::SendBack);
        self.log_pinned(|| format!("its optimized code took {ratio:.2} of the time"));
        drop(installed);
        self.home.retire(back.counter);
        self.home.retire(contest.optimized.counter);
        let optimized = self.code_key(CompileUnit::Function, top);
        self.retire(optimized, contest.optimized.code);
        for loop_state in self.state.loop_states() {
            if let Some(LevelCode { level, code, .. }) = loop_state.withdraw() {
                let unit = CompileUnit::Loop(loop_state.index);
                self.retire(self.code_key(unit, level), code);
            }
        }
        back.code
    }
}
