//! Zeal switching: switches tiers as early and as often as possible, forward and back, to shake out
//! bugs that a sensible policy would meet once in a million runs.
//!
//! Budgets are tiny and random; at each exhausted budget, random numbers decide what happens.
//! Everything happens under one lock per module, compilation included: zeal is for tests.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use upshift_abi::{CompileUnit, DefinedFuncIndex, Tier};
use upshift_profiler::{CodeKey, Nanos};

use super::{Driver, Function, Load, Used};
use crate::engine::Shared;
use crate::home::CodeHome;
use crate::lifecycle::{LoopPhase, LoopStep, Phase, Step};
use crate::policy::{Budget, Decision, Lane, Level, PolicyEvent, Request};
use crate::sessions::CompileSessions;
use crate::state::{LevelCode, LoopState};

/// The highest number of compilations of one function: afterwards zeal switches between the code
/// that exists.
const COMPILATIONS: u32 = 24;

/// The driver of [`Switching::Zeal`](crate::Switching::Zeal). The lock is held while it does
/// something, compilations included.
pub(super) struct Zeal(Mutex<Dice>);

/// A module's random numbers, and how often each function was compiled.
struct Dice {
    rng: fastrand::Rng,
    compilations: HashMap<DefinedFuncIndex, u32>,
}

impl Zeal {
    pub(super) fn new(seed: u64) -> Self {
        Self(Mutex::new(Dice {
            rng: fastrand::Rng::with_seed(seed).fork(),
            compilations: HashMap::new(),
        }))
    }

    fn dice(&self) -> MutexGuard<'_, Dice> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Dice {
    /// A random budget: mostly next to nothing, sometimes enough for a loop to get somewhere.
    fn budget(&mut self) -> Budget {
        Budget::Units(match self.rng.u32(..8) {
            0 => self.rng.u32(..500),
            _ => self.rng.u32(..8),
        })
    }

    /// A level above the first.
    fn level(&mut self, top: Level) -> Level {
        match top {
            // Draws nothing, so that runs with the usual ladder repeat those of earlier versions.
            Level(1) => top,
            Level(top) => Level(self.rng.u8(1..=top)),
        }
    }

    fn may_compile(&mut self, func: DefinedFuncIndex) -> bool {
        let count = self.compilations.entry(func).or_default();
        *count += 1;
        *count <= COMPILATIONS
    }
}

impl<M: CodeHome> Driver<M> for Zeal {
    fn load(&self, _shared: &Shared) -> Load {
        Load {
            queue_length: 0,
            workers: 0,
            busy_workers: 0,
        }
    }

    /// Does something random; may return an OSR entry.
    fn exhausted(&self, function: Function<'_, M>, used: Used) -> Option<M::Addr> {
        let mut dice = self.dice();
        function.grant(dice.budget());
        let funcs = function.home.facts().bodies.len() as u32;
        let other = DefinedFuncIndex(dice.rng.u32(..funcs));
        let other = function.module.function(function.home, other);
        other.zeal_unpublish();
        let roll = dice.rng.u32(..10);
        if function.phase() == Phase::Pinned {
            return None;
        }
        match roll {
            0..2 => None,
            2..5 => {
                let level = dice.level(function.shared().ladder.top());
                function.zeal_recompile(level, &mut dice)
            }
            5 => function.zeal_recompile(Level::FIRST, &mut dice),
            6 => {
                function.zeal_swap(&mut dice);
                None
            }
            _ => {
                let loop_state = function.loop_at(used.site)?;
                function.zeal_loop(loop_state, &mut dice)
            }
        }
    }

    /// Mostly leaves the function unpublished, so that the next call comes here too; or publishes
    /// baseline code; or swaps to the code that it replaced.
    fn called_again(&self, function: Function<'_, M>, _code: &M::Code) -> M::Addr {
        let mut dice = self.dice();
        let roll = dice.rng.u32(..4);
        if roll == 0 && function.phase() != Phase::Pinned {
            function.zeal_swap(&mut dice);
        }
        let installed = function.state.installed();
        let current = installed
            .current
            .as_ref()
            .expect("the function has had its first call");
        if roll == 1 && current.level == Level::FIRST {
            function.home.publish(&current.code);
        }
        M::addr(&current.code)
    }

    /// The policy is not asked.
    fn decide(&self, _function: Function<'_, M>, _event: PolicyEvent) -> Decision {
        Decision::wait(self.dice().budget())
    }

    fn request(&self, _function: Function<'_, M>, _key: CodeKey, _request: Request) {
        unreachable!("no policy is asked");
    }

    /// No policy decides.
    fn sampled(&self, _function: Function<'_, M>) {}

    fn wake(&self, _function: Function<'_, M>, _after: Nanos) {
        unreachable!("no policy is asked");
    }
}

impl<M: CodeHome> Function<'_, M> {
    /// Compiles the function again at the level and sends calls there.
    fn zeal_recompile(&self, level: Level, dice: &mut Dice) -> Option<M::Addr> {
        let key = self.code_key(CompileUnit::Function, level);
        if !dice.may_compile(self.index) {
            self.zeal_swap(dice);
            return None;
        }
        let mut sessions = CompileSessions::new(self.shared());
        let code = match key.tier {
            Tier::Optimizer => self.compile_and_place(key, &mut sessions)?,
            Tier::Baseline => {
                let mut request = self.compile_request();
                request.profile = self.state.account.profile();
                let code = sessions.compile(key, request, Nanos(0)).ok()?;
                self.home
                    .place(self.index, key.unit, key.tier, key.level, code)
                    .ok()?
            }
        };
        let mut installed = self.state.installed();
        self.zeal_publish(key, &code, dice);
        let before = installed.current.replace(LevelCode::new(level, code));
        let out = match before {
            Some(before) if before.level != level => installed.spare.replace(before),
            before => before,
        };
        drop(installed);
        if let Some(out) = out {
            self.retire_level(out);
        }
        None
    }

    /// Sends calls to the other level's code, if it exists.
    fn zeal_swap(&self, dice: &mut Dice) {
        let mut installed = self.state.installed();
        let installed = &mut *installed;
        if let (Some(current), Some(spare)) = (&mut installed.current, &mut installed.spare) {
            std::mem::swap(current, spare);
            let key = self.code_key(CompileUnit::Function, current.level);
            self.zeal_publish(key, &current.code, dice);
        }
    }

    /// Publishes code; the function's lock is held. Optimized code has no budget and would not come
    /// to the runtime again, so mostly the function is unpublished: its next call is a first call.
    fn zeal_publish(&self, key: CodeKey, code: &M::Code, dice: &mut Dice) {
        self.publish(key, code);
        self.state.code.step(Step::Switch(Level(key.level)));
        if key.tier == Tier::Optimizer && dice.rng.u32(..8) > 0 {
            self.home.unpublish(self.index);
        }
    }

    /// Makes the next call of the function a first call, if it has code.
    fn zeal_unpublish(&self) {
        // The slot is written under the lock.
        let installed = self.state.installed();
        if installed.current.is_some() {
            self.home.unpublish(self.index);
        }
    }

    /// Returns the loop's OSR entry, often compiled again.
    fn zeal_loop(&self, loop_state: &LoopState<M::Code>, dice: &mut Dice) -> Option<M::Addr> {
        let level = dice.level(self.shared().ladder.top());
        let key = self.code_key(CompileUnit::Loop(loop_state.index), level);
        let wanted = match loop_state.phase.get() {
            LoopPhase::Idle => true,
            LoopPhase::Ready => dice.rng.u32(..2) == 0,
            _ => false,
        };
        if wanted && dice.may_compile(self.index) {
            // Of an entry that is ready these steps are not possible, and it is replaced.
            loop_state.phase.step(LoopStep::Request);
            loop_state.phase.step(LoopStep::Begin);
            self.log_request(key, Request::new(level, Lane::Urgent), 0);
            let mut sessions = CompileSessions::new(self.shared());
            let code = self.compile_and_place(key, &mut sessions)?;
            self.install_osr_entry(key, loop_state, code);
        }
        self.enter(loop_state)
    }
}
