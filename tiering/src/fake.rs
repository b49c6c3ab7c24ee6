//! Fakes for tests: a module that only records what is done to it, compilers that emit no code, and
//! a processor that only uses up budgets.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use upshift_abi::{
    Cancel, CompileError, CompileRequest, CompileSession, CompileUnit, CompiledFunction, Compiler,
    DefinedFuncIndex, LoopIndex, ModuleFacts, OsrEntryInfo, Profile, Tier, WasmOffset,
};
use upshift_profiler::{Detail, EventLog, LogConfig};
use upshift_runtime::{BudgetSite, RuntimeError};

use crate::home::CodeHome;
use crate::pool::{self, Spawn};
use crate::{ModuleTiers, Tiering, TieringConfig};

/// A handle to fake code, which has no bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct FakeCode {
    pub(crate) serial: u64,
    pub(crate) func: DefinedFuncIndex,
    pub(crate) unit: CompileUnit,
    pub(crate) tier: Tier,
}

/// A fake module that checks what the runtime relies on.
#[derive(Debug)]
pub(crate) struct FakeHome {
    facts: Arc<ModuleFacts>,
    wasm: Arc<[u8]>,
    slots: Vec<Mutex<Option<FakeCode>>>,
    budgets: Vec<AtomicI32>,
    placed: AtomicU64,
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

    fn wasm(&self) -> &Arc<[u8]> {
        &self.wasm
    }

    fn place(
        &self,
        func: DefinedFuncIndex,
        unit: CompileUnit,
        tier: Tier,
        _code: CompiledFunction,
    ) -> Result<FakeCode, RuntimeError> {
        let serial = self.placed.fetch_add(1, Ordering::Relaxed);
        Ok(FakeCode {
            serial,
            func,
            unit,
            tier,
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
        retired.push(code);
    }

    fn budget(&self, func: DefinedFuncIndex) -> i32 {
        self.budgets[func.index()].load(Ordering::Relaxed)
    }

    fn set_budget(&self, func: DefinedFuncIndex, budget: i32) {
        self.budgets[func.index()].store(budget, Ordering::Relaxed);
    }

    fn addr(code: &FakeCode) -> FakeCode {
        *code
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
    act: Box<Behaviour>,
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
            act: Box::new(act),
            compiled: Mutex::default(),
            profiles: Mutex::default(),
            gate: Default::default(),
        })
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
            ..
        } = request;
        let mut bytes = 1;
        self.0.compiled.lock().unwrap().push((func, unit));
        self.0.profiles.lock().unwrap().push(profile);
        match (self.0.act)(func, unit) {
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
            loops: if self.0.tier == Tier::Baseline {
                vec![a_loop(0), a_loop(1)]
            } else {
                vec![]
            },
            ..CompiledFunction::default()
        })
    }
}

/// A module with tiering, and the compilers behind it.
pub(crate) struct Rig {
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
        let mut config = TieringConfig::default();
        for setting in settings.split_whitespace() {
            let (name, value) = setting.split_once('=').unwrap();
            config.set(name, value).unwrap();
        }
        let log = Arc::new(EventLog::new(&LogConfig {
            detail: Detail::Events,
            capacity: None,
        }));
        let baseline = FakeCompiler::new(Tier::Baseline);
        let tiers: [Arc<dyn Compiler>; 2] = [baseline.clone(), optimizer.clone()];
        let [first, second] = tiers;
        let tiering = Tiering::with_spawn(config, first, Some(second), log, spawn).unwrap();
        let home = FakeHome::new(functions);
        let tiers = ModuleTiers::new(&tiering, home.facts());
        Self {
            home,
            tiers,
            tiering,
            baseline,
            optimizer,
        }
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
        let code = self
            .home
            .published(func)
            .unwrap_or_else(|| self.first_call(func));
        if code.tier == Tier::Optimizer {
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
        let cell = &self.home.budgets[func as usize];
        let left = cell.load(Ordering::Relaxed).wrapping_sub(1);
        cell.store(left, Ordering::Relaxed);
        if left < 0 {
            self.exhausted(func, site)
        } else {
            None
        }
    }
}
