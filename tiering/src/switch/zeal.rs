//! Zeal: switch as early and as often as possible, forward, back and sideways, to shake out bugs
//! that a sensible policy would meet once in a million runs.
//!
//! Budgets are tiny and random; at each exhausted budget dice decide what happens. All under one
//! lock per module, compilation included: zeal is for tests.

use std::collections::HashMap;
use std::sync::{Arc, MutexGuard, PoisonError};

use upshift_abi::{CompileRequest, CompileUnit, DefinedFuncIndex, Tier};
use upshift_profiler::{CodeKey, Event, Nanos};

use crate::bench::Bench;
use crate::home::CodeHome;
use crate::life::{FuncLife, LoopLife, LoopPhase, Phase, Piece};
use crate::module::Lives;
use crate::policy::Budget;

/// Compilations of one function at most: afterwards zeal plays with the code that is there.
const COMPILATIONS: u32 = 24;

/// A module's dice.
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

    /// Mostly next to nothing; now and then enough for a loop to get somewhere.
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

impl<M: CodeHome> Lives<M> {
    fn dice(&self) -> MutexGuard<'_, Zeal> {
        self.zeal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn zeal_budget(&self) -> Budget {
        Budget::Units(self.dice().budget())
    }

    /// What zeal does at an exhausted budget.
    pub(crate) fn zeal(
        &self,
        home: &Arc<M>,
        func: DefinedFuncIndex,
        life: &FuncLife<M::Code>,
        at_loop: Option<&LoopLife<M::Code>>,
    ) -> Option<M::Addr> {
        let mut dice = self.dice();
        let budget = dice.budget();
        self.grant(home, func, life, Budget::Units(budget));
        let somebody = dice.rng.u32(..home.facts().bodies.len() as u32);
        self.zeal_unpublish(home, DefinedFuncIndex(somebody));
        let roll = dice.rng.u32(..10);
        if life.phase.get() == Phase::Pinned {
            return None;
        }
        match roll {
            0..2 => None,
            2..5 => self.zeal_functions(home, func, life, Tier::Optimizer, &mut dice),
            5 => self.zeal_functions(home, func, life, Tier::Baseline, &mut dice),
            6 => {
                self.zeal_swap(home, func, life, &mut dice);
                None
            }
            _ => at_loop.and_then(|at_loop| self.zeal_loop(home, func, life, at_loop, &mut dice)),
        }
    }

    /// Makes the function anew in the tier and sends calls there.
    fn zeal_functions(
        &self,
        home: &Arc<M>,
        func: DefinedFuncIndex,
        life: &FuncLife<M::Code>,
        tier: Tier,
        dice: &mut Zeal,
    ) -> Option<M::Addr> {
        let key = self.code_key(func, CompileUnit::Function, tier);
        if !dice.may_compile(func) {
            self.zeal_swap(home, func, life, dice);
            return None;
        }
        let mut bench = Bench::new(&self.shared);
        let code = match tier {
            Tier::Optimizer => self.make(home, key, life, Nanos(0), &mut bench)?,
            Tier::Baseline => {
                let request = CompileRequest::new(home.facts(), home.wasm(), func);
                let code = bench.compile(key, request, Nanos(0)).ok()?;
                home.place(func, key.unit, tier, code).ok()?
            }
        };
        let mut held = life.held();
        self.zeal_publish(home, key, life, &code, dice);
        let before = held.current.replace(Piece { tier, code });
        let out = match before {
            Some(before) if before.tier != tier => held.spare.replace(before),
            before => before,
        };
        drop(held);
        if let Some(Piece { tier, code }) = out {
            self.retire(home, CodeKey { tier, ..key }, code);
        }
        None
    }

    /// Sends calls to the other tier's code, if there is some.
    fn zeal_swap(
        &self,
        home: &Arc<M>,
        func: DefinedFuncIndex,
        life: &FuncLife<M::Code>,
        dice: &mut Zeal,
    ) {
        let mut held = life.held();
        let held = &mut *held;
        if let (Some(current), Some(spare)) = (&mut held.current, &mut held.spare) {
            std::mem::swap(current, spare);
            let key = self.code_key(func, CompileUnit::Function, current.tier);
            self.zeal_publish(home, key, life, &current.code, dice);
        }
    }

    /// Sends calls to the code; the function's lock is held. Optimized code has no budget, so zeal would
    /// not hear of the function any more: mostly, the next call is made a first call again.
    fn zeal_publish(
        &self,
        home: &Arc<M>,
        key: CodeKey,
        life: &FuncLife<M::Code>,
        code: &M::Code,
        dice: &mut Zeal,
    ) {
        self.publish(home, key, code);
        life.phase.set(phase_in(key.tier));
        if key.tier == Tier::Optimizer && dice.rng.u32(..8) > 0 {
            home.unpublish(key.func.func);
        }
    }

    /// Makes the next call of the function a first call, if it has had one.
    fn zeal_unpublish(&self, home: &Arc<M>, func: DefinedFuncIndex) {
        let life = self.func(func);
        if life.held().current.is_some() {
            home.unpublish(func);
        }
    }

    /// A first call of a function that has code: mostly leaves it so, that the next call comes here
    /// too; or sends calls to baseline code again; or goes back to the code from before.
    pub(crate) fn zeal_first_call(
        &self,
        home: &Arc<M>,
        func: DefinedFuncIndex,
        life: &FuncLife<M::Code>,
    ) -> M::Addr {
        let mut dice = self.dice();
        let roll = dice.rng.u32(..4);
        if roll == 0 && life.phase.get() != Phase::Pinned {
            self.zeal_swap(home, func, life, &mut dice);
        }
        let held = life.held();
        let piece = held
            .current
            .as_ref()
            .expect("the function has had its first call");
        if roll == 1 && piece.tier == Tier::Baseline {
            home.publish(&piece.code);
        }
        M::addr(&piece.code)
    }

    /// Enters the loop's optimized code, often made anew.
    fn zeal_loop(
        &self,
        home: &Arc<M>,
        func: DefinedFuncIndex,
        life: &FuncLife<M::Code>,
        at_loop: &LoopLife<M::Code>,
        dice: &mut Zeal,
    ) -> Option<M::Addr> {
        let key = self.code_key(func, CompileUnit::Loop(at_loop.index), Tier::Optimizer);
        let phase = at_loop.phase.get();
        let wanted = match phase {
            LoopPhase::Idle => true,
            LoopPhase::Ready => dice.rng.u32(..2) == 0,
            LoopPhase::Queued | LoopPhase::Optimizing | LoopPhase::Failed => false,
        };
        if wanted && dice.may_compile(func) {
            self.shared.log.record(|| Event::RequestQueued {
                code: key,
                lane: 0,
                queue_length: 0,
            });
            let mut bench = Bench::new(&self.shared);
            let code = self.make(home, key, life, Nanos(0), &mut bench)?;
            self.open_loop(home, key, at_loop, code);
        }
        self.enter(func, at_loop)
    }
}

fn phase_in(tier: Tier) -> Phase {
    match tier {
        Tier::Baseline => Phase::Baseline,
        Tier::Optimizer => Phase::Optimized,
    }
}
