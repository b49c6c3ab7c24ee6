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
use upshift_tiering::{Allowed, Decision, Level, Phase, PolicyEvent, View};

use super::function::Function;
use super::queue::{Queue, Taken, Waiting};
use super::{Cut, Decided, Keep, Setup, Simulation};
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
    /// Whether a compile thread takes a request at this moment: it counts as busy.
    takes: bool,
    new_code_at: Nanos,
    /// For each level, nanoseconds and bytes of what was compiled so far.
    compiled: Vec<(f64, f64)>,
    figures: Simulation,
    /// The samples up to now, those included that found no function.
    samples: u64,
}

impl<'a> Tiering<'a> {
    pub(super) fn new(workload: &'a Workload, setup: &'a Setup) -> Self {
        Self {
            functions: workload
                .functions
                .iter()
                .map(|code| Function::new(code, &setup.knobs))
                .collect(),
            queue: Queue::default(),
            takes: false,
            new_code_at: Nanos(0),
            compiled: vec![(0.0, 0.0); workload.levels()],
            figures: Simulation::default(),
            samples: 0,
            workload,
            setup,
        }
    }

    /// The figures of a run that is over, but for its outcome.
    pub(super) fn into_figures(self) -> Simulation {
        self.figures
    }

    /// Whether the policy may not be asked any more. From then on nothing calls for it: budgets
    /// have no end, and there are no wake-ups and no samples.
    fn is_cut(&mut self, run: &mut Run<'_>) -> bool {
        let asked = self.figures.asked + self.samples;
        if asked < self.setup.most_asked {
            return false;
        }
        self.figures.cut.get_or_insert_with(|| {
            run.end_samples();
            Cut {
                asked,
                at_ns: run.now(),
                policy: self.setup.policy.spec(),
            }
        });
        true
    }

    /// Asks the policy.
    fn decide(&mut self, run: &Run<'_>, function: usize, event: PolicyEvent) -> Decision {
        let view = self.view(run, function);
        let state = &mut self.functions[function];
        let decision = self.setup.policy.on(&mut state.memo, event, &view);
        self.figures.asked += 1;
        if self.setup.decisions == Keep::All {
            self.figures.decisions.push(Decided {
                at_ns: run.now(),
                function,
                event,
                view,
                decision,
                memo: state.memo,
            });
        }
        decision
    }

    fn view(&self, run: &Run<'_>, function: usize) -> View {
        let code = &self.workload.functions[function];
        let mut view = View::new(func_key(function));
        let state = &self.functions[function];
        view.now = time(run);
        view.level = state.code.level;
        view.phase = state.code.phase;
        view.body_bytes = code.body_bytes;
        view.code_bytes = code.code_bytes[run.level(function)];
        view.module_bytes = self.workload.module_bytes;
        view.module_funcs = self.workload.module_funcs;
        view.hint = self.setup.hints.get(function).copied().flatten();
        view.since_new_code = Nanos(view.now.0.saturating_sub(self.new_code_at.0));
        view.queue_length = self.queue.len() as u32;
        view.workers = self.setup.machine.workers;
        view.busy_workers = run.busy_workers() as u32 + u32::from(self.takes);
        view.cores = self.setup.machine.cores;
        view.levels = self.workload.levels() as u8;
        if run.may_measure() {
            for (level, &(ns, bytes)) in view.level_views.iter_mut().zip(&self.compiled) {
                *level = LevelView {
                    ns_per_byte: (bytes > 0.0).then(|| ns / bytes),
                    speedup: None,
                };
            }
        }
        let (account, weights) = (&state.account, self.setup.weights);
        account.show(&mut view, weights, state.first_code_at);
        view
    }

    /// What a queue discipline sees of a function, as the engine's `watch.rs` says.
    fn figures_of(&self, run: &Run<'_>, waiting: &Waiting) -> Figures {
        let account = &self.functions[waiting.function].account;
        let mut figures = account.figures(self.setup.weights, time(run));
        figures.body_bytes = self.workload.functions[waiting.function].body_bytes;
        let level = usize::from(waiting.seen.request.level.0);
        let compiled = self.compiled.get(level);
        let measured = compiled.filter(|(_, bytes)| *bytes > 0.0 && run.may_measure());
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
        if decision.withdraw {
            // What waits in the queue is counted when it is taken.
            self.functions[function].step(Step::Drop);
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
    fn request(&mut self, run: &mut Run<'_>, function: usize, unit: Unit, request: Request) {
        let knobs = &self.setup.knobs;
        let top = Level(self.workload.levels() as u8 - 1);
        let request = Request {
            level: request.level.min(top),
            ..request
        };
        let body_bytes = self.workload.functions[function].body_bytes;
        let looks = self.setup.queue.watches() || !knobs.stale.is_zero();
        if unit == Unit::Function && looks {
            self.queue.reprioritise(function, request);
        }
        let state = &mut self.functions[function];
        match knobs.allows(unit.into(), body_bytes, state.osr_requests) {
            Allowed::Yes => {}
            Allowed::No => return,
            Allowed::Never => {
                state.step(Step::Refuse);
                return;
            }
        }
        let number = self.queue.next_number();
        if !state.claim(unit, request.level, number) {
            self.figures.deduplicated += u64::from(state.is_under_way(unit));
            return;
        }
        state.account.requested(time(run));
        if self.queue.len() >= knobs.queue_cap as usize {
            self.figures.dropped += 1;
            state.unclaim(unit, number);
            return;
        }
        self.figures.requests += 1;
        let key = func_key(function);
        let waiting = Waiting::new(function, key, unit, request, run.now());
        self.queue.push(waiting);
        run.serve(self);
    }

    /// Sets the function's budget.
    fn grant(&mut self, run: &mut Run<'_>, function: usize, budget: Budget) {
        /// The most that a budget's cell holds.
        const MOST: u32 = i32::MAX as u32;
        let units = match budget {
            Budget::Units(units) => units.min(MOST),
            Budget::Unlimited => MOST,
        };
        let budget = run.set_budget(function, f64::from(units));
        self.functions[function].grant(budget);
    }

    /// The budget that the policy wants, but a short one while something is under way for the
    /// function.
    fn next_budget(
        &self,
        run: &Run<'_>,
        function: usize,
        at: Option<u32>,
        wanted: Budget,
    ) -> Budget {
        let units = [Some(Unit::Function), at.map(Unit::Loop)];
        let state = &self.functions[function];
        let mut units = units.into_iter().flatten();
        let most = match run.units_until_due(function, || self.queue.has(function)) {
            Some(units) => units as u32,
            None if units.any(|unit| state.is_under_way(unit)) => self.setup.knobs.poll,
            None => u32::MAX,
        };
        match wanted {
            Budget::Units(units) => Budget::Units(units.min(most)),
            Budget::Unlimited => Budget::Units(most),
        }
    }

    /// Deals with a budget that is used up, or with a loop that has come to its OSR entry.
    fn consult(&mut self, run: &mut Run<'_>, function: usize, at: Option<u32>) {
        let used = self.functions[function].exhausted(run.budget_left(function), at);
        run.pass(used as f64, self);
        if self.is_cut(run) {
            run.set_budget(function, f64::INFINITY);
            return;
        }
        let state = &mut self.functions[function];
        if state.code.phase == Phase::Pinned {
            self.grant(run, function, Budget::Unlimited);
        } else {
            let event = at.map_or(PolicyEvent::Entry, |index| {
                PolicyEvent::Loop(state.loop_view(index))
            });
            let decision = self.decide(run, function, event);
            self.carry_out(run, function, &decision, at);
            let budget = self.next_budget(run, function, at, decision.budget);
            self.grant(run, function, budget);
        }
        if let Some(index) = at
            && self.functions[function].enter(index)
        {
            run.enter(function);
        }
    }

    /// Tells the policy of an event outside of running code, and does what it decides. Of its
    /// budget only so much is granted as is less than what the function has left.
    fn tell(&mut self, run: &mut Run<'_>, function: usize, event: PolicyEvent) {
        if self.functions[function].code.phase == Phase::Pinned || self.is_cut(run) {
            return;
        }
        let decision = self.decide(run, function, event);
        self.carry_out(run, function, &decision, None);
        let lowers = matches!(event, PolicyEvent::Wake | PolicyEvent::Sampled(_));
        if let (true, Budget::Units(units)) = (lowers, decision.budget)
            && run.budget_left(function) > f64::from(units)
        {
            self.charge(run, function);
            self.grant(run, function, Budget::Units(units));
        }
    }

    /// Takes note of what the function has used of its budget.
    fn charge(&mut self, run: &mut Run<'_>, function: usize) {
        let state = &mut self.functions[function];
        let counting = self.workload.counting[usize::from(state.code.level.0)];
        let used = state.charge(run.budget_left(function), counting);
        run.owe(used as f64);
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
        let number = waiting.seen.order;
        if !self.functions[function].is_queued(unit, number) {
            self.figures.withdrawn += 1;
            return None;
        }
        // Where the running thread compiles, nothing waits, and no policy is asked.
        if self.setup.machine.workers > 0 {
            let event = PolicyEvent::Dequeued {
                level: waiting.seen.request.level,
                waited: Nanos((run.now() - waiting.since) as u64),
            };
            self.takes = true;
            let decision = self.decide(run, function, event);
            self.takes = false;
            if decision.withdraw {
                self.figures.withdrawn += 1;
                self.functions[function].unclaim(unit, number);
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
                    self.functions[waiting.function].unclaim(waiting.unit, waiting.seen.order);
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
        self.grant(run, function, decision.budget);
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
        self.charge(run, function);
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
        self.grant(run, function, Budget::Units(0));
    }

    fn sampled(&mut self, run: &mut Run<'_>, function: Option<usize>) {
        self.samples += 1;
        let is_cut = self.is_cut(run);
        let Some(function) = function.filter(|_| !is_cut) else {
            return;
        };
        self.functions[function].account.sampled();
        self.tell(run, function, PolicyEvent::Sampled(1));
    }

    fn keeps_times(&self) -> bool {
        self.setup.times == Keep::All
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
