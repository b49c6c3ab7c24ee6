//! Zeal switching: switches tiers as early and as often as possible, forward and back, to shake out
//! bugs that a sensible policy would meet once in a million runs.
//!
//! Budgets are tiny and random; at each exhausted budget, random numbers decide what happens.
//! Everything happens under one lock per module, compilation included: zeal is for tests.

use std::collections::HashMap;
use std::sync::{Arc, MutexGuard, PoisonError};

use upshift_abi::{CompileRequest, CompileUnit, DefinedFuncIndex, Tier};
use upshift_profiler::{CodeKey, Event, Nanos, Real};

use crate::home::CodeHome;
use crate::module::ModuleState;
use crate::policy::{Budget, Lane};
use crate::sessions::CompileSessions;
use crate::state::{FuncState, LoopPhase, LoopState, Phase, TierCode};

/// The highest number of compilations of one function: afterwards zeal switches between the code
/// that exists.
const COMPILATIONS: u32 = 24;

/// A module's random numbers, and how often each function was compiled.
#[derive(Debug)]
pub(crate) struct Zeal {
    rng: fastrand::Rng,
    compilations: HashMap<DefinedFuncIndex, u32>,
}

impl Zeal {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            rng: fastrand::Rng::with_seed(seed).fork(),
            compilations: HashMap::new(),
        }
    }

    /// A random budget: mostly next to nothing, sometimes enough for a loop to get somewhere.
    fn budget(&mut self) -> u32 {
        match self.rng.u32(..8) {
            0 => self.rng.u32(..500),
            _ => self.rng.u32(..8),
        }
    }

    fn may_compile(&mut self, func: DefinedFuncIndex) -> bool {
        let count = self.compilations.entry(func).or_default();
        *count += 1;
        *count <= COMPILATIONS
    }
}

impl<M: CodeHome> ModuleState<M> {
    fn zeal_state(&self) -> MutexGuard<'_, Zeal> {
        self.zeal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn zeal_budget(&self) -> Budget {
        Budget::Units(self.zeal_state().budget())
    }

    /// Does something random at an exhausted budget; may return an OSR entry.
    pub(crate) fn zeal(
        &self,
        home: &Arc<M>,
        func: DefinedFuncIndex,
        state: &FuncState<M::Code>,
        loop_state: Option<&LoopState<M::Code>>,
    ) -> Option<M::Addr> {
        let mut zeal = self.zeal_state();
        let budget = zeal.budget();
        self.grant(home, func, state, Budget::Units(budget));
        let other = zeal.rng.u32(..home.facts().bodies.len() as u32);
        self.zeal_unpublish(home, DefinedFuncIndex(other));
        let roll = zeal.rng.u32(..10);
        if state.phase.get() == Phase::Pinned {
            return None;
        }
        match roll {
            0..2 => None,
            2..5 => self.zeal_recompile(home, func, state, Tier::Optimizer, &mut zeal),
            5 => self.zeal_recompile(home, func, state, Tier::Baseline, &mut zeal),
            6 => {
                self.zeal_swap(home, func, state, &mut zeal);
                None
            }
            _ => loop_state
                .and_then(|loop_state| self.zeal_loop(home, func, state, loop_state, &mut zeal)),
        }
    }

    /// Compiles the function again with compiler `tier` and sends calls there.
    fn zeal_recompile(
        &self,
        home: &Arc<M>,
        func: DefinedFuncIndex,
        state: &FuncState<M::Code>,
        tier: Tier,
        zeal: &mut Zeal,
    ) -> Option<M::Addr> {
        let key = self.code_key(func, CompileUnit::Function, tier);
        if !zeal.may_compile(func) {
            self.zeal_swap(home, func, state, zeal);
            return None;
        }
        let mut sessions = CompileSessions::new(&self.shared);
        let code = match tier {
            Tier::Optimizer => self.compile_and_place(home, key, state, Nanos(0), &mut sessions)?,
            Tier::Baseline => {
                let mut request = CompileRequest::new(home.facts(), home.wasm(), func);
                request.profile = state.account.profile();
                let code = sessions.compile(key, request, Nanos(0)).ok()?;
                home.place(func, key.unit, tier, code).ok()?
            }
        };
        let mut installed = state.installed();
        self.zeal_publish(home, key, state, &code, zeal);
        let before = installed.current.replace(TierCode { tier, code });
        let out = match before {
            Some(before) if before.tier != tier => installed.spare.replace(before),
            before => before,
        };
        drop(installed);
        if let Some(TierCode { tier, code }) = out {
            self.retire(home, CodeKey { tier, ..key }, code);
        }
        None
    }

    /// Sends calls to the other tier's code, if it exists.
    fn zeal_swap(
        &self,
        home: &Arc<M>,
        func: DefinedFuncIndex,
        state: &FuncState<M::Code>,
        zeal: &mut Zeal,
    ) {
        let mut installed = state.installed();
        let installed = &mut *installed;
        if let (Some(current), Some(spare)) = (&mut installed.current, &mut installed.spare) {
            std::mem::swap(current, spare);
            let key = self.code_key(func, CompileUnit::Function, current.tier);
            self.zeal_publish(home, key, state, &current.code, zeal);
        }
    }

    /// Publishes code; the function's lock is held. Optimized code has no budget and would not come
    /// to the runtime again, so mostly the function is unpublished: its next call is a first call.
    fn zeal_publish(
        &self,
        home: &Arc<M>,
        key: CodeKey,
        state: &FuncState<M::Code>,
        code: &M::Code,
        zeal: &mut Zeal,
    ) {
        self.publish(home, key, code);
        state.phase.set(phase_in(key.tier));
        if key.tier == Tier::Optimizer && zeal.rng.u32(..8) > 0 {
            home.unpublish(key.func.func);
        }
    }

    /// Makes the next call of the function a first call, if it has code.
    fn zeal_unpublish(&self, home: &Arc<M>, func: DefinedFuncIndex) {
        let state = self.func(func);
        if state.installed().current.is_some() {
            home.unpublish(func);
        }
    }

    /// Handles a first call of a function that has code: mostly leaves it unpublished, so that the
    /// next call comes here too; or publishes baseline code; or swaps to the code that it replaced.
    pub(crate) fn zeal_first_call(
        &self,
        home: &Arc<M>,
        func: DefinedFuncIndex,
        state: &FuncState<M::Code>,
    ) -> M::Addr {
        let mut zeal = self.zeal_state();
        let roll = zeal.rng.u32(..4);
        if roll == 0 && state.phase.get() != Phase::Pinned {
            self.zeal_swap(home, func, state, &mut zeal);
        }
        let installed = state.installed();
        let current = installed
            .current
            .as_ref()
            .expect("the function has had its first call");
        if roll == 1 && current.tier == Tier::Baseline {
            home.publish(&current.code);
        }
        M::addr(&current.code)
    }

    /// Returns the loop's OSR entry, often compiled again.
    fn zeal_loop(
        &self,
        home: &Arc<M>,
        func: DefinedFuncIndex,
        state: &FuncState<M::Code>,
        loop_state: &LoopState<M::Code>,
        zeal: &mut Zeal,
    ) -> Option<M::Addr> {
        let key = self.code_key(func, CompileUnit::Loop(loop_state.index), Tier::Optimizer);
        let phase = loop_state.phase.get();
        let wanted = match phase {
            LoopPhase::Idle => true,
            LoopPhase::Ready => zeal.rng.u32(..2) == 0,
            LoopPhase::Queued | LoopPhase::Optimizing | LoopPhase::Failed => false,
        };
        if wanted && zeal.may_compile(func) {
            self.shared.log.record(|| Event::RequestQueued {
                code: key,
                level: 1,
                lane: Lane::Urgent.name().into(),
                priority: Real(0.0),
                queue_length: 0,
            });
            let mut sessions = CompileSessions::new(&self.shared);
            let code = self.compile_and_place(home, key, state, Nanos(0), &mut sessions)?;
            self.install_osr_entry(home, key, loop_state, code);
        }
        self.enter(func, loop_state)
    }
}

fn phase_in(tier: Tier) -> Phase {
    match tier {
        Tier::Baseline => Phase::Baseline,
        Tier::Optimizer => Phase::Optimized,
    }
}
