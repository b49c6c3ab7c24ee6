//! Warm starts: a module that is given the profile of an earlier run has its hot functions
//! optimized from the start.
//!
//! Taking up a profile: [`ModuleTiers::warm_up`]. From then on
//!
//! - the first code of a function is followed by the recorded requests for it and its loops, if its
//!   policy wants them ([`Policy::recorded`](crate::Policy::recorded));
//! - policies see the recorded work as a hint ([`Hint::expected_units`](crate::policy::Hint));
//! - the optimizer takes recorded targets of indirect calls for those that nothing was noted of.
//!
//! With background switching a thread gives the recorded functions their first code, in the order
//! of the requests, before anything calls them. In mode `optimizer` that is optimized code.
//!
//! Making a profile: [`ModuleTiers::profile`]. What the run was given and did not contradict is
//! part of it, since code that is optimized from its first call on counts nothing.

use std::collections::{HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock, Weak};

use upshift_abi::targets::CallTargets;
use upshift_abi::{Cancel, CompileUnit, DefinedFuncIndex};
use upshift_profiler::Nanos;

use crate::config::Mode;
use crate::function::{FirstCodeGuard, Function};
use crate::home::CodeHome;
use crate::lifecycle::{LoopPhase, Phase, Step};
use crate::module::{ModuleState, ModuleTiers};
use crate::policy::{Budget, Level, PolicyEvent, Recorded};
use crate::profile::{ModuleDigest, ModuleProfile, ProfileError, RecordedRequest};
use crate::sessions::CompileSessions;
use crate::stored::StoredCode;
use crate::worker;

/// What a module knows of earlier runs.
#[derive(Debug, Default)]
pub(crate) struct Earlier {
    profile: OnceLock<ByFunction>,
    /// The module's digest, once it is known.
    digest: OnceLock<ModuleDigest>,
    /// Code that earlier runs have compiled.
    code: OnceLock<StoredCode>,
}

/// A profile, by function.
#[derive(Debug)]
struct ByFunction {
    profile: ModuleProfile,
    funcs: HashMap<DefinedFuncIndex, OfFunction>,
}

/// What a profile says of a function.
#[derive(Debug, Default)]
struct OfFunction {
    units: u64,
    /// The numbers of its requests.
    requests: Vec<u32>,
}

impl ByFunction {
    fn new(profile: ModuleProfile) -> Self {
        let mut funcs: HashMap<_, OfFunction> = HashMap::new();
        for &(func, units) in &profile.work {
            funcs.entry(func).or_default().units = units;
        }
        for (number, request) in (0..).zip(&profile.requests) {
            let of_func = funcs.entry(request.func).or_default();
            of_func.requests.push(number);
        }
        Self { profile, funcs }
    }
}

impl Earlier {
    pub(crate) fn supply(&self, code: StoredCode) {
        let _ = self.code.set(code);
    }

    pub(crate) fn supplied(&self) -> Option<&StoredCode> {
        self.code.get()
    }

    /// The budget units that the function has used in an earlier run.
    pub(crate) fn units(&self, func: DefinedFuncIndex) -> Option<u64> {
        let of_func = self.profile.get()?.funcs.get(&func)?;
        (of_func.units > 0).then_some(of_func.units)
    }

    /// The targets of indirect calls that are known, with those of an earlier run.
    pub(crate) fn with_targets<M: CodeHome>(&self, home: &M) -> CallTargets {
        let mut targets = home.call_targets();
        if let Some(ByFunction { profile, .. }) = self.profile.get() {
            targets.fill(home.facts(), &profile.targets);
        }
        targets
    }

    /// The requests of an earlier run for the function, with their numbers.
    fn requests(&self, func: DefinedFuncIndex) -> Vec<(u32, RecordedRequest)> {
        let Some(ByFunction { profile, funcs }) = self.profile.get() else {
            return Vec::new();
        };
        let numbers = funcs.get(&func).map_or(&[][..], |one| &one.requests);
        let request = |&number: &u32| (number, profile.requests[number as usize]);
        numbers.iter().map(request).collect()
    }
}

impl<M: CodeHome> ModuleTiers<M> {
    /// The module's digest. Reads the module the first time.
    pub fn digest(&self, home: &Arc<M>) -> ModuleDigest {
        let digest = &self.state.earlier.digest;
        *digest.get_or_init(|| ModuleDigest::of(home.wasm()))
    }

    /// Tells the module's digest, so that the module is not read for it.
    pub fn set_digest(&self, digest: ModuleDigest) {
        let _ = self.state.earlier.digest.set(digest);
    }

    /// Takes up the profile of an earlier run, best before the module's first instance. With
    /// synchronous switching, what is recorded of functions that have code already is compiled now.
    ///
    /// # Errors
    ///
    /// If the profile is of another module, or the module has one already.
    pub fn warm_up(&self, home: &Arc<M>, profile: ModuleProfile) -> Result<(), ProfileError> {
        let module = self.digest(home);
        if profile.module != module || profile.functions as usize != self.state.funcs.len() {
            let profile = profile.module;
            return Err(ProfileError::OtherModule { profile, module });
        }
        self.state.remember_home(home);
        let given = self.state.earlier.profile.set(ByFunction::new(profile));
        given.map_err(|_| ProfileError::GivenBefore)?;
        if self.state.shared.config.mode != Mode::Baseline {
            self.state.driver.warm_up(&self.state);
        }
        Ok(())
    }

    /// What the module's run has shown up to now, and the run that it was given the profile of.
    /// Any thread, while the program runs: figures may then be of slightly different moments.
    /// Reads the module the first time, and looks at each function.
    pub fn profile(&self, home: &Arc<M>) -> ModuleProfile {
        let state = &self.state;
        let mut requests = Vec::new();
        let mut work = Vec::new();
        for (func, cell) in home.facts().defined_funcs().zip(&state.funcs) {
            let own = cell.get().map_or(0, |_| {
                let function = state.function(home, func);
                function.add_requests(&mut requests);
                function.units_so_far()
            });
            let units = own.max(state.earlier.units(func).unwrap_or(0));
            if units > 0 {
                work.push((func, units));
            }
        }
        requests.sort_by_key(|found| (found.req, found.since));
        let targets = state.earlier.with_targets(&**home);
        ModuleProfile {
            module: self.digest(home),
            functions: state.funcs.len() as u32,
            levels: state.shared.ladder.rungs().len() as u8,
            requests: requests.into_iter().map(|found| found.request).collect(),
            work,
            targets: targets.noted(home.facts()),
        }
    }
}

/// A request that was found in a function's state.
struct Found {
    /// The number of the request; 0 where code was made without one.
    req: u32,
    /// When the function got its first code.
    since: Nanos,
    request: RecordedRequest,
}

impl<M: CodeHome> Function<'_, M> {
    /// Adds what optimized code was requested for, if it did not prove slower.
    fn add_requests(&self, to: &mut Vec<Found>) {
        let (code, req) = self.state.code.requested();
        let top = self.shared().ladder.top();
        let since = self.state.first_code_at.get().copied().unwrap_or_default();
        let func = self.index;
        let mut add = |req, unit, level| {
            if level > Level::FIRST {
                to.push(Found {
                    req,
                    since,
                    request: RecordedRequest { func, unit, level },
                });
            }
        };
        let level = match code.phase {
            Phase::Queued | Phase::Optimizing => top,
            _ => code.level,
        };
        add(req.0, CompileUnit::Function, level);
        for loop_state in self.state.loop_states() {
            let level = match loop_state.phase.get() {
                LoopPhase::Queued | LoopPhase::Optimizing => top,
                LoopPhase::Ready => loop_state.ready().map_or(top, |code| code.level),
                LoopPhase::Idle | LoopPhase::Failed | LoopPhase::Closed => Level::FIRST,
            };
            let unit = CompileUnit::Loop(loop_state.index);
            add(loop_state.request.load(Ordering::Relaxed), unit, level);
        }
    }

    /// The budget units that the function has used, those of its present budget included.
    fn units_so_far(&self) -> u64 {
        let left = self.home.budget(self.index);
        self.state.account.units() + self.state.granted.used_by(left)
    }

    /// Makes the requests of an earlier run for the function, which has code, if its policy wants
    /// them.
    pub(crate) fn request_recorded(&self) {
        if self.shared().config.mode != Mode::Tiered {
            return;
        }
        for (order, request) in self.module.earlier.requests(self.index) {
            let loop_state = match request.unit {
                CompileUnit::Function => None,
                CompileUnit::Loop(index) => match self.state.loop_state(index) {
                    Some(loop_state) => Some(loop_state),
                    None => continue,
                },
            };
            let event = PolicyEvent::Recorded(Recorded {
                order,
                level: self.level_now(request.level),
                site: loop_state.map(|loop_state| loop_state.view()),
            });
            let decision = self.decide(event);
            self.carry_out(&decision, loop_state);
            // So that frames in baseline code find soon what was requested.
            if let Budget::Units(units) = self.next_budget(loop_state, Budget::Unlimited) {
                self.lower_budget(units);
            }
        }
    }

    /// The level of this engine's ladder that a recorded one stands for: its own, and the highest
    /// for the highest.
    fn level_now(&self, recorded: Level) -> Level {
        let ladder = &self.shared().ladder;
        let earlier = self.module.earlier.profile.get();
        let levels = earlier.map_or(0, |earlier| earlier.profile.levels);
        match recorded.next().0 >= levels {
            true => ladder.top(),
            false => ladder.clamp(recorded),
        }
    }

    /// Gives the function its first code, if it has none, on a thread that is not calling it.
    fn prepare(&self, sessions: &mut CompileSessions<'_>) {
        if !self.state.code.step(Step::BeginFirstCode) {
            // It has code, perhaps since before there was a profile, or gets it now.
            if self.phase() == Phase::Baseline {
                self.request_recorded();
            }
            return;
        }
        let guard = FirstCodeGuard(Some(self.state));
        let closed = || self.shared().queue.is_closed();
        let mut request = self.compile_request();
        request.cancel = Cancel::when(&closed);
        let level = match self.shared().config.mode {
            Mode::Optimizer => self.shared().ladder.top(),
            Mode::Tiered | Mode::Baseline => Level::FIRST,
        };
        if let Err(error) = self.first_code(guard, level, request, sessions) {
            // Its first call reports that, if there is one.
            log::debug!("{} is not prepared: {error}", self.key());
        }
    }
}

impl<M: CodeHome> ModuleState<M> {
    /// The functions that a profile has requests for, in their order.
    fn recorded_funcs(&self) -> Vec<DefinedFuncIndex> {
        let Some(ByFunction { profile, .. }) = self.earlier.profile.get() else {
            return Vec::new();
        };
        let mut funcs: Vec<_> = profile.requests.iter().map(|one| one.func).collect();
        let mut seen = HashSet::new();
        funcs.retain(|func| seen.insert(*func));
        funcs
    }

    /// Makes the recorded requests for functions that have code.
    pub(crate) fn request_recorded(&self) {
        let Some(home) = self.home() else { return };
        for func in self.recorded_funcs() {
            let function = self.function(&home, func);
            if function.phase() == Phase::Baseline {
                function.request_recorded();
            }
        }
    }

    /// Starts a thread that gives all recorded functions their first code. Where the system refuses
    /// one, their first calls do.
    pub(crate) fn prepare_in_background(&self) {
        let funcs = self.recorded_funcs();
        if funcs.is_empty() {
            return;
        }
        let (module, shared) = (self.this.clone(), self.shared.clone());
        shared.queue.begin_beside();
        let task = {
            let shared = shared.clone();
            move || {
                worker::lower_priority(shared.config.knobs.nice);
                let run = || prepare_all(&module, &funcs);
                if catch_unwind(AssertUnwindSafe(run)).is_err() {
                    shared.optimizer_failed(&"panic while a warm start was prepared");
                }
                shared.queue.done();
            }
        };
        let spawned = shared.pool.spawn("upshift-warm-up".into(), Box::new(task));
        if let Err(error) = spawned {
            shared.queue.done();
            log::debug!("functions are prepared by their first calls: no thread ({error})");
        }
    }
}

/// Gives functions their first code, as long as module and engine are there.
fn prepare_all<M: CodeHome>(module: &Weak<ModuleState<M>>, funcs: &[DefinedFuncIndex]) {
    let Some(shared) = module.upgrade().map(|module| module.shared.clone()) else {
        return;
    };
    let mut sessions = CompileSessions::new(&shared);
    for &func in funcs {
        let Some(module) = module.upgrade() else {
            return;
        };
        let home = module.home().filter(|_| !shared.queue.is_closed());
        let Some(home) = home else { return };
        module.function(&home, func).prepare(&mut sessions);
    }
}
