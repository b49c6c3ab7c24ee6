//! Fakes for tests: a module that only records what is done to it, compilers that emit no code, and
//! a processor that only uses up budgets.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use bytes::Bytes;
use upshift_abi::targets::CallTargets;
use upshift_abi::{
    Cancel, CompileError, CompileRequest, CompileSession, CompileUnit, CompiledFunction, Compiler,
    Counting, DefinedFuncIndex, LoopIndex, ModuleFacts, OsrEntryInfo, Profile, Tier, WasmOffset,
};
use upshift_profiler::{Detail, EventLog, LogConfig, Nanos};
use upshift_runtime::{BudgetSite, RuntimeError};

use crate::engine::System;
use crate::evidence::Reading;
use crate::home::CodeHome;
use crate::policy::{Decision, Memo, Policy, PolicyEvent, View};
use crate::pool::{self, Spawn};
use crate::{Ladder, ModuleTiers, Rung, Tiering, TieringConfig};

/// A handle to fake code, which has no bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct FakeCode {
    pub(crate) serial: u64,
    pub(crate) func: DefinedFuncIndex,
    pub(crate) unit: CompileUnit,
    pub(crate) tier: Tier,
    /// Whether the code takes from the function's budget.
    pub(crate) counting: bool,
    /// The serial number of the code behind it, and what a call takes, if it is a counter.
    pub(crate) counts: Option<(u64, u32)>,
}

/// A fake module that checks what the runtime relies on.
#[derive(Debug)]
pub(crate) struct FakeHome {
    facts: Arc<ModuleFacts>,
    wasm: Bytes,
    slots: Vec<Mutex<Option<FakeCode>>>,
    budgets: Vec<AtomicI32>,
    placed: AtomicU64,
    /// Whether placing optimized code panics.
    pub(crate) place_panics: AtomicBool,
    pub(crate) retired: Mutex<Vec<FakeCode>>,
}

impl FakeHome {
    /// A module with that many functions, each with two loops.
    pub(crate) fn new(functions: usize) -> Arc<Self> {
        let func = "(func (loop $a (br_if $a (i32.const 0))) (loop $b (br_if $b (i32.const 0))))";
        let wasm = wat::parse_str(format!("(module {})", func.repeat(functions))).unwrap();
        let facts = upshift_abi::facts::decode(&wasm).unwrap().facts;
        Arc::new(Self {
            facts: Arc::new(facts),
            wasm: wasm.into(),
            slots: (0..functions).map(|_| Mutex::new(None)).collect(),
            budgets: (0..functions).map(|_| AtomicI32::new(0)).collect(),
            placed: AtomicU64::new(0),
            place_panics: AtomicBool::new(false),
            retired: Mutex::default(),
        })
    }

    /// The code that calls of the function run.
    pub(crate) fn published(&self, func: u32) -> Option<FakeCode> {
        *self.slots[func as usize].lock().unwrap()
    }
}

impl CodeHome for FakeHome {
    type Code = FakeCode;
    type Addr = FakeCode;

    fn facts(&self) -> &Arc<ModuleFacts> {
        &self.facts
    }

    fn wasm(&self) -> &Bytes {
        &self.wasm
    }

    fn place(
        &self,
        func: DefinedFuncIndex,
        unit: CompileUnit,
        tier: Tier,
        _level: u8,
        code: CompiledFunction,
    ) -> Result<FakeCode, RuntimeError> {
        if tier == Tier::Optimizer && self.place_panics.load(Ordering::Relaxed) {
            panic!("as told");
        }
        let serial = self.placed.fetch_add(1, Ordering::Relaxed);
        Ok(FakeCode {
            serial,
            func,
            unit,
            tier,
            // Code with loops to leave does; see `FakeSession`.
            counting: !code.loops.is_empty(),
            counts: None,
        })
    }

    fn place_counter(&self, code: &FakeCode, weight: u32) -> Result<FakeCode, RuntimeError> {
        let serial = self.placed.fetch_add(1, Ordering::Relaxed);
        let counts = Some((code.serial, weight));
        Ok(FakeCode {
            serial,
            counts,
            ..*code
        })
    }

    fn publish(&self, code: &FakeCode) {
        assert_eq!(code.unit, CompileUnit::Function);
        assert!(
            !self.retired.lock().unwrap().contains(code),
            "retired code is not published"
        );
        *self.slots[code.func.index()].lock().unwrap() = Some(*code);
    }

    fn unpublish(&self, func: DefinedFuncIndex) {
        *self.slots[func.index()].lock().unwrap() = None;
    }

    fn retire(&self, code: FakeCode) {
        assert_ne!(
            self.published(code.func.0),
            Some(code),
            "published code is not retired"
        );
        let mut retired = self.retired.lock().unwrap();
        assert!(!retired.contains(&code), "code is retired once");
        let counted = self.published(code.func.0).and_then(|code| code.counts);
        assert_ne!(
            counted.map(|(serial, _)| serial),
            Some(code.serial),
            "code behind a published counter is not retired"
        );
        retired.push(code);
    }

    fn budget(&self, func: DefinedFuncIndex) -> i32 {
        self.budgets[func.index()].load(Ordering::Relaxed)
    }

    fn set_budget(&self, func: DefinedFuncIndex, budget: i32) {
        self.budgets[func.index()].store(budget, Ordering::Relaxed);
    }

    fn call_targets(&self) -> CallTargets {
        CallTargets::default()
    }

    fn addr(code: &FakeCode) -> FakeCode {
        *code
    }

    /// As its compiler made it, but for OSR entries, which are not kept.
    fn artifact(code: &FakeCode) -> Option<CompiledFunction> {
        let a_loop = |index| OsrEntryInfo {
            index: LoopIndex(index),
            wasm: WasmOffset(0),
            depth: 0,
        };
        (code.unit == CompileUnit::Function).then(|| CompiledFunction {
            code: vec![0xcc],
            loops: match code.counting {
                true => vec![a_loop(0), a_loop(1)],
                false => vec![],
            },
            ..CompiledFunction::default()
        })
    }

    fn figures(code: &FakeCode) -> (u64, u32) {
        (code.serial, 1)
    }
}

/// What a fake compiler does with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    Compile,
    /// Return the error that the function is too large.
    Refuse,
    Fail,
    Panic,
    /// Wait until the gate is open, then compile.
    Wait,
    /// Go on until the compilation is cancelled.
    Drag,
    /// Compile to this many bytes of code.
    Swell(usize),
}

type Behaviour = dyn Fn(DefinedFuncIndex, CompileUnit) -> Act + Send + Sync;

/// A compiler that does what its closure says, and records what it was asked to compile.
pub(crate) struct FakeCompiler {
    tier: Tier,
    act: Mutex<Box<Behaviour>>,
    /// The units compiled, in the order in which their compilations began.
    pub(crate) compiled: Mutex<Vec<(DefinedFuncIndex, CompileUnit)>>,
    /// The profiles of their requests.
    pub(crate) profiles: Mutex<Vec<Profile>>,
    gate: (Mutex<bool>, Condvar),
}

impl FakeCompiler {
    pub(crate) fn new(tier: Tier) -> Arc<Self> {
        Self::acting(tier, |_, _| Act::Compile)
    }

    pub(crate) fn acting(
        tier: Tier,
        act: impl Fn(DefinedFuncIndex, CompileUnit) -> Act + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self {
            tier,
            act: Mutex::new(Box::new(act)),
            compiled: Mutex::default(),
            profiles: Mutex::default(),
            gate: Default::default(),
        })
    }

    /// Makes compilations that begin from now on do what `act` says.
    pub(crate) fn behave(
        &self,
        act: impl Fn(DefinedFuncIndex, CompileUnit) -> Act + Send + Sync + 'static,
    ) {
        *self.act.lock().unwrap() = Box::new(act);
    }

    /// Opens the gate: compilations that wait at it go on.
    pub(crate) fn open_gate(&self) {
        *self.gate.0.lock().unwrap() = true;
        self.gate.1.notify_all();
    }

    /// How often each unit was compiled.
    pub(crate) fn counts(&self) -> HashMap<(DefinedFuncIndex, CompileUnit), usize> {
        let mut counts = HashMap::new();
        for &unit in self.compiled.lock().unwrap().iter() {
            *counts.entry(unit).or_default() += 1;
        }
        counts
    }
}

impl Compiler for FakeCompiler {
    fn tier(&self) -> Tier {
        self.tier
    }

    fn session(&self) -> Box<dyn CompileSession + '_> {
        Box::new(FakeSession(self))
    }
}

struct FakeSession<'a>(&'a FakeCompiler);

impl CompileSession for FakeSession<'_> {
    fn compile(&mut self, request: CompileRequest<'_>) -> Result<CompiledFunction, CompileError> {
        let CompileRequest {
            func,
            unit,
            cancel,
            profile,
            counting,
            ..
        } = request;
        let mut bytes = 1;
        self.0.compiled.lock().unwrap().push((func, unit));
        self.0.profiles.lock().unwrap().push(profile);
        let act = (self.0.act.lock().unwrap())(func, unit);
        match act {
            Act::Compile => {}
            Act::Refuse => {
                return Err(CompileError::TooLarge {
                    func,
                    limit: "as told".to_string(),
                });
            }
            Act::Fail => {
                return Err(CompileError::Internal {
                    func,
                    tier: self.0.tier,
                    message: "as told".to_string(),
                });
            }
            Act::Drag => {
                while !cancel.is_requested() {
                    std::hint::spin_loop();
                }
                return Err(CompileError::Cancelled { func });
            }
            Act::Swell(to) => bytes = to,
            Act::Panic => panic!("as told"),
            Act::Wait => {
                let mut open = self.0.gate.0.lock().unwrap();
                while !*open {
                    open = self.0.gate.1.wait(open).unwrap();
                }
            }
        }
        let a_loop = |index| OsrEntryInfo {
            index: LoopIndex(index),
            wasm: WasmOffset(0),
            depth: 0,
        };
        Ok(CompiledFunction {
            code: vec![0xcc; bytes],
            loops: match (self.0.tier, counting) {
                (Tier::Baseline, Counting::AsConfigured) => vec![a_loop(0), a_loop(1)],
                _ => vec![],
            },
            ..CompiledFunction::default()
        })
    }
}

/// A configuration with these settings: `name=value`, separated by spaces.
fn configured(settings: &str) -> TieringConfig {
    let mut config = TieringConfig::default();
    for setting in settings.split_whitespace() {
        let (name, value) = setting.split_once('=').unwrap();
        config.set(name, value).unwrap();
    }
    config
}

type Script = dyn Fn(&mut Memo, PolicyEvent, &View) -> Decision + Send + Sync;

/// A policy that decides as a closure does.
struct Scripted(Box<Script>);

impl fmt::Debug for Scripted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scripted")
    }
}

impl Policy for Scripted {
    fn spec(&self) -> String {
        "scripted".into()
    }

    fn on(&self, memo: &mut Memo, event: PolicyEvent, view: &View) -> Decision {
        (self.0)(memo, event, view)
    }
}

/// What a call of fake code takes, in nanoseconds: in the baseline's and in the optimizer's.
pub(crate) type Costs = [u64; 2];

/// A module with tiering, and the compilers behind it.
pub(crate) struct Rig {
    /// The time of the clock that trials read.
    pub(crate) time: Arc<AtomicU64>,
    /// What calls take; see [`Rig::costs`].
    pub(crate) costs: Box<dyn Fn(u32) -> Costs + Send + Sync>,
    pub(crate) home: Arc<FakeHome>,
    pub(crate) tiers: Arc<ModuleTiers<FakeHome>>,
    pub(crate) tiering: Tiering,
    pub(crate) baseline: Arc<FakeCompiler>,
    pub(crate) optimizer: Arc<FakeCompiler>,
}

impl Rig {
    /// A rig with these settings: `name=value`, separated by spaces.
    pub(crate) fn new(functions: usize, settings: &str) -> Self {
        Self::with(functions, settings, FakeCompiler::new(Tier::Optimizer))
    }

    pub(crate) fn with(functions: usize, settings: &str, optimizer: Arc<FakeCompiler>) -> Self {
        Self::spawning(functions, settings, optimizer, Box::new(pool::spawn))
    }

    /// A rig with compile threads from `spawn`.
    pub(crate) fn spawning(
        functions: usize,
        settings: &str,
        optimizer: Arc<FakeCompiler>,
        spawn: Box<Spawn>,
    ) -> Self {
        let config = configured(settings);
        Self::of(functions, config, optimizer, None, spawn)
    }

    /// A rig with three levels of code.
    pub(crate) fn with_three(
        functions: usize,
        settings: &str,
        middle: Arc<FakeCompiler>,
        top: Arc<FakeCompiler>,
    ) -> Self {
        let config = configured(settings);
        Self::of(functions, config, middle, Some(top), Box::new(pool::spawn))
    }

    /// A rig whose policy decides as the closure does.
    pub(crate) fn deciding(
        functions: usize,
        settings: &str,
        decide: impl Fn(&mut Memo, PolicyEvent, &View) -> Decision + Send + Sync + 'static,
    ) -> Self {
        Self::deciding_and_spawning(functions, settings, decide, Box::new(pool::spawn))
    }

    /// A rig whose policy decides as the closure does, with threads from `spawn`.
    pub(crate) fn deciding_and_spawning(
        functions: usize,
        settings: &str,
        decide: impl Fn(&mut Memo, PolicyEvent, &View) -> Decision + Send + Sync + 'static,
        spawn: Box<Spawn>,
    ) -> Self {
        let mut config = configured(settings);
        config.policy = Arc::new(Scripted(Box::new(decide)));
        Self::of(
            functions,
            config,
            FakeCompiler::new(Tier::Optimizer),
            None,
            spawn,
        )
    }

    /// A rig with three levels of code, whose policy decides as the closure does.
    pub(crate) fn with_three_deciding(
        functions: usize,
        settings: &str,
        middle: Arc<FakeCompiler>,
        top: Arc<FakeCompiler>,
        decide: impl Fn(&mut Memo, PolicyEvent, &View) -> Decision + Send + Sync + 'static,
    ) -> Self {
        let mut config = configured(settings);
        config.policy = Arc::new(Scripted(Box::new(decide)));
        Self::of(functions, config, middle, Some(top), Box::new(pool::spawn))
    }

    /// A rig with this configuration, and with compile threads from `spawn`.
    pub(crate) fn of(
        functions: usize,
        config: TieringConfig,
        optimizer: Arc<FakeCompiler>,
        above: Option<Arc<FakeCompiler>>,
        spawn: Box<Spawn>,
    ) -> Self {
        let more = above.map(|compiler| compiler as Arc<dyn Compiler>);
        let log = Arc::new(EventLog::new(&LogConfig {
            detail: Detail::Events,
            capacity: None,
        }));
        let baseline = FakeCompiler::new(Tier::Baseline);
        let compilers: [Arc<dyn Compiler>; 2] = [baseline.clone(), optimizer.clone()];
        let names = ["baseline", "optimizer", "second optimizer"];
        let rungs = names.into_iter().zip(compilers.into_iter().chain(more));
        let ladder = Ladder::new(rungs.map(|(name, compiler)| Rung {
            name: name.into(),
            compiler,
        }));
        let time = Arc::new(AtomicU64::new(0));
        let clock = {
            let time = time.clone();
            Box::new(move || Reading {
                thread: thread::current().id(),
                switches: 0,
                time: Nanos(time.load(Ordering::Relaxed)),
            })
        };
        let system = System { spawn, clock };
        let tiering = Tiering::with_system(config, ladder.unwrap(), log, system).unwrap();
        let home = FakeHome::new(functions);
        let tiers = ModuleTiers::new(&tiering, home.facts());
        Self {
            time,
            costs: Box::new(|_| [0, 0]),
            home,
            tiers,
            tiering,
            baseline,
            optimizer,
        }
    }

    /// Makes calls of each function take the time that `costs` says.
    pub(crate) fn costing(mut self, costs: impl Fn(u32) -> Costs + Send + Sync + 'static) -> Self {
        self.costs = Box::new(costs);
        self
    }

    pub(crate) fn first_call(&self, func: u32) -> FakeCode {
        self.tiers
            .state
            .first_call(&self.home, DefinedFuncIndex(func), Cancel::NEVER)
            .unwrap()
    }

    pub(crate) fn exhausted(&self, func: u32, site: BudgetSite) -> Option<FakeCode> {
        self.tiers
            .state
            .budget_exhausted(&self.home, DefinedFuncIndex(func), site)
    }

    /// Calls the function as generated code would: through its slot, with a first call if need be;
    /// then runs `rounds` rounds of its loop 0. Returns the code that the call ended in.
    pub(crate) fn call(&self, func: u32, rounds: u32) -> FakeCode {
        let code = match self.home.published(func) {
            None => self.first_call(func),
            Some(code) => match code.counts {
                Some((_, weight)) if self.take(func, weight) < 0 => self.first_call(func),
                _ => code,
            },
        };
        let cost = (self.costs)(func)[code.tier as usize];
        self.time.fetch_add(cost, Ordering::Relaxed);
        if !code.counting {
            return code;
        }
        self.spend(func, BudgetSite::Entry);
        for _ in 0..rounds {
            if let Some(entry) = self.spend(func, BudgetSite::Loop(LoopIndex(0))) {
                return entry;
            }
        }
        code
    }

    fn spend(&self, func: u32, site: BudgetSite) -> Option<FakeCode> {
        if self.take(func, 1) < 0 {
            self.exhausted(func, site)
        } else {
            None
        }
    }

    /// Takes so much from the function's budget; returns what is left.
    fn take(&self, func: u32, weight: u32) -> i32 {
        let cell = &self.home.budgets[func as usize];
        let left = cell.load(Ordering::Relaxed).wrapping_sub_unsigned(weight);
        cell.store(left, Ordering::Relaxed);
        left
    }
}
