//! Tiering in a simulation: what the engine does with a policy's decisions, without threads.
//!
//! Steps between states are the engine's (`function.rs`). The rest repeats its `consult.rs` and
//! `optimize.rs`, under the same names. A function is claimed before it is requested, so it waits
//! once; a budget is cut while something is under way; published code exhausts the budget.

use upshift_abi::DefinedFuncIndex;
use upshift_profiler::{FuncKey, ModuleKey, Nanos};
use upshift_tiering::lifecycle::{LoopStep, Step};
use upshift_tiering::policy::{Budget, LevelView, Request};
use upshift_tiering::queue::Figures;
use upshift_tiering::{Decision, Level, Phase, PolicyEvent, View};

use super::function::Function;
use super::queue::{Queue, Taken, Waiting};
use super::{Decided, Keep, Setup, Simulation};
use crate::machine::{Director, Done, Job, Run, Unit, Weights};
use crate::workload::Workload;

/// The key of a function, of the one module that there is.
fn func_key(function: usize) -> FuncKey {
    FuncKey {
        module: ModuleKey(0),
        func: DefinedFuncIndex(function as u32),
    }
}

/// Tiering for the functions of a workload.
pub(super) struct Tiering<'a> {
    workload: &'a Workload,
    setup: &'a Setup,
    functions: Vec<Function>,
    queue: Queue,
    new_code_at: Nanos,
    /// For each level, nanoseconds and bytes of what was compiled so far.
    compiled: Vec<(f64, f64)>,
    figures: Simulation,
}

impl<'a> Tiering<'a> {
    pub(super) fn new(workload: &'a Workload, setup: &'a Setup) -> Self {
        Self {
            functions: workload.functions.iter().map(Function::new).collect(),
            queue: Queue::default(),
            new_code_at: Nanos(0),
            compiled: vec![(0.0, 0.0); workload.levels()],
            figures: Simulation::default(),
            workload,
            setup,
        }
    }

    /// The figures of a run that is over, but for its outcome.
    pub(super) fn into_figures(self) -> Simulation {
        self.figures
    }

    /// Asks the policy.
    fn decide(&mut self, run: &Run<'_>, function: usize, event: PolicyEvent) -> Decision {
        let view = self.view(run, function);
        let state = &mut self.functions[function];
        state.rate = view.rate;
        let decision = self.setup.policy.on(&mut state.memo, event, &view);
        self.figures.asked += 1;
        if self.setup.decisions == Keep::All {
            self.figures.decisions.push(Decided {
                at_ns: run.now(),
                function,
                event,
                decision,
            });
        }
        decision
    }

    fn view(&mut self, run: &Run<'_>, function: usize) -> View {
        let now = time(run);
        let since = |then: Nanos| Nanos(now.0.saturating_sub(then.0));
        let code = &self.workload.functions[function];
        let mut view = View::new(func_key(function));
        let state = &mut self.functions[function];
        let account = &mut state.account;
        view.now = now;
        view.level = state.code.level;
        view.phase = state.code.phase;
        view.body_bytes = code.body_bytes;
        view.code_bytes = code.code_bytes[run.level(function)];
        view.module_bytes = self.workload.module_bytes;
        view.module_funcs = self.workload.module_funcs;
        view.units = account.units();
        let weights = self.setup.weights;
        let counted = |units: u64, weight: u32| units.checked_div(weight.into()).unwrap_or(0);
        view.calls = counted(account.calls(), weights.call);
        view.iterations = counted(account.iterations(), weights.iteration);
        view.call_units = weights.call;
        view.loop_units = weights.iteration;
        view.samples = state.samples;
        view.hint = self.setup.hints.get(function).copied().flatten();
        view.units_since_request = account.units_since_request();
        view.entry_exhaustions = account.entry_exhaustions;
        view.loop_exhaustions = account.loop_exhaustions;
        view.rate = account.rate(now);
        view.age = since(state.first_code_at);
        view.age_since_request = since(account.requested_at().max(state.first_code_at));
        view.since_new_code = since(self.new_code_at);
        view.queue_length = self.queue.len() as u32;
        view.workers = self.setup.machine.workers;
        view.busy_workers = run.busy_workers() as u32;
        view.cores = self.setup.machine.cores;
        view.levels = self.workload.levels() as u8;
        for (level, &(ns, bytes)) in view.level_views.iter_mut().zip(&self.compiled) {
            *level = LevelView {
                ns_per_byte: (bytes > 0.0).then(|| ns / bytes),
                speedup: None,
            };
        }
        view
    }

    /// What a queue discipline sees of a function, as the engine's `watch.rs` says.
    fn figures_of(&self, run: &Run<'_>, waiting: &Waiting) -> Figures {
        /// A function that has had no event for so long has come to a rest.
        const AT_REST: Nanos = Nanos(25_000_000);
        let (state, weights) = (&self.functions[waiting.function], self.setup.weights);
        let counted = |units: u64, weight: u32| units.checked_div(weight.into()).unwrap_or(0);
        let account = &state.account;
        let mut figures = Figures::default();
        figures.body_bytes = self.workload.functions[waiting.function].body_bytes;
        figures.units = account.units();
        figures.calls = counted(account.calls(), weights.call);
        figures.iterations = counted(account.iterations(), weights.iteration);
        figures.idle = Nanos(time(run).0.saturating_sub(account.active_at().0));
        if figures.idle <= AT_REST {
            let events = figures.calls as f64 + figures.iterations as f64;
            figures.rate = state.rate * events / (figures.units.max(1) as f64);
        }
        let level = usize::from(waiting.seen.request.level.0);
        let compiled = self.compiled.get(level);
        let measured = compiled.filter(|(_, bytes)| *bytes > 0.0);
        figures.ns_per_byte = measured.map(|(ns, bytes)| ns / bytes);
        figures
    }

    /// Does what the policy has decided, but for the budget.
    fn carry_out(
        &mut self,
        run: &mut Run<'_>,
        function: usize,
        decision: &Decision,
        at: Option<u32>,
    ) {
        if decision.withdraw && self.functions[function].step(Step::Drop) {
            self.figures.withdrawn += 1;
        }
        if let (Some(osr), Some(index)) = (decision.osr, at) {
            self.request(run, function, Unit::Loop(index), osr);
        }
        if let Some(request) = decision.function {
            self.request(run, function, Unit::Function, request);
        }
        if let Some(after) = decision.wake {
            run.wake(function, after.0 as f64);
        }
    }

    /// Requests code. Declines what is under way, done, impossible or switched off.
    fn request(&mut self, run: &Run<'_>, function: usize, unit: Unit, request: Request) {
        let knobs = &self.setup.knobs;
        let top = Level(self.workload.levels() as u8 - 1);
        let request = Request {
            level: request.level.min(top),
            ..request
        };
        if self.workload.functions[function].body_bytes > knobs.max_optimize_bytes {
            self.functions[function].step(Step::Refuse);
            return;
        }
        let is_allowed = match unit {
            Unit::Function => knobs.function_tier_up,
            Unit::Loop(_) => {
                knobs.osr && self.functions[function].osr_requests < knobs.osr_per_function
            }
        };
        if !is_allowed {
            return;
        }
        let state = &mut self.functions[function];
        if !state.claim(unit, request.level) {
            if state.is_under_way(unit) {
                self.figures.deduplicated += 1;
                if unit == Unit::Function && self.setup.queue.watches() {
                    self.queue.reprioritise(function, request);
                }
            }
            return;
        }
        state.account.requested(time(run));
        if self.queue.len() >= knobs.queue_cap as usize {
            self.figures.dropped += 1;
            state.unclaim(unit);
            return;
        }
        self.figures.requests += 1;
        let key = func_key(function);
        let waiting = Waiting::new(function, key, unit, request, run.now());
        self.queue.push(waiting);
    }

    /// Sets the function's budget: the one that the policy wants, but a short one while something
    /// is under way.
    fn grant(&mut self, run: &mut Run<'_>, function: usize, wanted: Budget, at: Option<u32>) {
        let wanted = match wanted {
            Budget::Units(units) => units,
            Budget::Unlimited => i32::MAX as u32,
        };
        let units = [Some(Unit::Function), at.map(Unit::Loop)];
        let state = &self.functions[function];
        let under_way = units
            .into_iter()
            .flatten()
            .any(|unit| state.is_under_way(unit));
        let limit = if under_way {
            self.setup.knobs.poll
        } else {
            i32::MAX as u32
        };
        self.set_budget(run, function, wanted.min(limit));
    }

    fn set_budget(&mut self, run: &mut Run<'_>, function: usize, units: u32) {
        // A budget of no units is found exhausted when the first one is taken.
        let units = f64::from(units.max(1));
        self.functions[function].account.granted = units;
        run.set_budget(function, units);
    }

    /// Deals with a budget that is used up, or with a loop that has come to its OSR entry.
    fn consult(&mut self, run: &mut Run<'_>, function: usize, at: Option<u32>) {
        let state = &mut self.functions[function];
        state.account.exhausted(at);
        if state.code.phase == Phase::Pinned {
            self.grant(run, function, Budget::Unlimited, at);
        } else {
            let event = at.map_or(PolicyEvent::Entry, |index| {
                PolicyEvent::Loop(state.loop_view(index))
            });
            let decision = self.decide(run, function, event);
            self.carry_out(run, function, &decision, at);
            self.grant(run, function, decision.budget, at);
        }
        if let Some(index) = at {
            self.functions[function].enter(index);
        }
    }

    /// Tells the policy of an event outside of running code, and does what it decides. Of its
    /// budget only so much is granted as is less than what the function has left.
    fn tell(&mut self, run: &mut Run<'_>, function: usize, event: PolicyEvent) {
        if self.functions[function].code.phase == Phase::Pinned {
            return;
        }
        let decision = self.decide(run, function, event);
        self.carry_out(run, function, &decision, None);
        let lowers = matches!(event, PolicyEvent::Wake | PolicyEvent::Sampled(_));
        if let (true, Budget::Units(units)) = (lowers, decision.budget)
            && run.budget_left(function) > f64::from(units)
        {
            self.charge(run, function);
            self.grant(run, function, Budget::Units(units), None);
        }
    }

    /// Takes note of what the function has used of its budget.
    fn charge(&mut self, run: &Run<'_>, function: usize) {
        let account = &mut self.functions[function].account;
        let used = account.granted - run.budget_left(function);
        account.charge(used.clamp(0.0, account.granted));
    }

    fn compiled(&mut self, function: usize, level: usize) {
        let code = &self.workload.functions[function];
        let (ns, bytes) = &mut self.compiled[level];
        *ns += code.compile_ns[level];
        *bytes += f64::from(code.body_bytes);
    }

    /// Claims a request that was taken from the queue for a compile thread.
    fn begin(&mut self, run: &Run<'_>, waiting: Waiting) -> Option<Job> {
        let (function, unit) = (waiting.function, waiting.unit);
        if !self.functions[function].is_queued(unit) {
            return None;
        }
        // Where the running thread compiles, nothing waits, and no policy is asked.
        if self.setup.machine.workers > 0 {
            let event = PolicyEvent::Dequeued {
                level: waiting.seen.request.level,
                waited: Nanos((run.now() - waiting.since) as u64),
            };
            if self.decide(run, function, event).withdraw {
                self.figures.withdrawn += 1;
                self.functions[function].unclaim(unit);
                return None;
            }
        }
        let level = usize::from(waiting.seen.request.level.0);
        let begins = self.functions[function].begin(unit);
        begins.then_some(Job {
            function,
            level,
            unit,
        })
    }
}

impl Director for Tiering<'_> {
    fn next(&mut self, run: &mut Run<'_>) -> Option<Job> {
        loop {
            let stale = self.setup.knobs.stale;
            let stale = (!stale.is_zero()).then(|| Nanos::from(stale));
            // Apart from the rest, which looks at functions: the queue is put back at once.
            let mut queue = std::mem::take(&mut self.queue);
            let discipline = &*self.setup.queue;
            let taken = queue.pop(discipline, stale, run.now(), |one| {
                self.figures_of(run, one)
            });
            self.queue = queue;
            match taken? {
                Taken::Compile(waiting) => {
                    if let Some(job) = self.begin(run, waiting) {
                        return Some(job);
                    }
                }
                Taken::Stale(waiting) => {
                    self.figures.stale += 1;
                    self.functions[waiting.function].unclaim(waiting.unit);
                }
            }
        }
    }

    fn first_code(&mut self, run: &mut Run<'_>, function: usize) {
        let now = time(run);
        self.compiled(function, 0);
        self.new_code_at = now;
        let state = &mut self.functions[function];
        state.first_code_at = now;
        state.step(Step::BeginFirstCode);
        let decision = self.decide(run, function, PolicyEvent::FirstCode);
        self.functions[function].step(Step::FinishFirstCode {
            level: Level::FIRST,
            pinned: false,
        });
        self.grant(run, function, decision.budget, None);
        self.carry_out(run, function, &decision, None);
    }

    fn exhausted(&mut self, run: &mut Run<'_>, function: usize, at: Option<u32>) {
        self.consult(run, function, at);
    }

    fn entered(&mut self, run: &mut Run<'_>, function: usize, at: u32) {
        self.consult(run, function, Some(at));
    }

    fn published(&mut self, run: &mut Run<'_>, done: Done) {
        let (function, level) = (done.job.function, done.job.level);
        self.compiled(function, level);
        let level = Level(level as u8);
        match done.job.unit {
            Unit::Function => {
                self.functions[function].step(Step::Install(level));
                self.tell(run, function, PolicyEvent::Published(level));
            }
            Unit::Loop(index) => {
                self.functions[function].loop_step(index, LoopStep::Install);
            }
        }
        self.charge(run, function);
        self.set_budget(run, function, 0);
    }

    fn sampled(&mut self, run: &mut Run<'_>, function: usize) {
        self.functions[function].samples += 1;
        self.tell(run, function, PolicyEvent::Sampled(1));
    }

    fn sample_period(&self) -> Option<f64> {
        let period = self.setup.policy.needs().sample_period;
        period.map(|period| period.as_nanos() as f64)
    }

    fn weights(&self) -> Weights {
        Weights {
            call: self.setup.weights.call.into(),
            iteration: self.setup.weights.iteration.into(),
        }
    }

    fn woken(&mut self, run: &mut Run<'_>, function: usize) {
        self.tell(run, function, PolicyEvent::Wake);
    }
}

fn time(run: &Run<'_>) -> Nanos {
    Nanos(run.now() as u64)
}
