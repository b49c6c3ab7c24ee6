//! What instances with budgets of their own take from a function's budget, and when tiering hears
//! of it: hand-made code counts as the baseline's does.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use upshift_abi::frame::ENTRY_SITE;
use upshift_abi::{Builtin, Cancel, DefinedFuncIndex, FuncIndex, RelocationTarget};
use upshift_runtime::module::FirstCallError;
use upshift_runtime::{
    BudgetSite, CodeAddr, Counts, FuncId, ModuleCode, RuntimeConfig, Store, TierHooks,
};

use support::{Code, FirstCalls};

const FUNC: DefinedFuncIndex = DefinedFuncIndex(0);

/// The units that a call takes.
const CALL: i32 = 100;

/// The units that the function has at first.
const UNITS: i32 = 1_000_000;

/// Code that takes a call's weight from the instance's own budget.
fn counting(module: &ModuleCode) -> Code {
    let budget = module.facts().layout.budget(FUNC).expect("a shared memory");
    let mut code = Code::default();
    // push rbp; mov rbp, rsp; push rdi; push rdi
    code.bytes(&[0x55, 0x48, 0x89, 0xe5, 0x57, 0x57]);
    // sub dword ptr [rdi + budget], CALL; jns 10
    code.bytes(&[0x81, 0xaf]);
    code.bytes(&budget.disp().to_le_bytes());
    code.bytes(&CALL.to_le_bytes());
    code.bytes(&[0x79, 10]);
    // push 0; push site
    code.bytes(&[0x6a, 0, 0x6a, ENTRY_SITE as u8]);
    code.call(RelocationTarget::Builtin(Builtin::TierUp));
    // leave; ret
    code.bytes(&[0xc9, 0xc3]);
    code
}

/// Grants [`UNITS`] at first, and counts how often the budget is gone.
#[derive(Default)]
struct Hooks {
    counts_calls: AtomicBool,
    exhaustions: AtomicU32,
}

impl TierHooks for Hooks {
    fn on_first_call(
        &self,
        module: &Arc<ModuleCode>,
        func: DefinedFuncIndex,
        cancel: Cancel<'_>,
    ) -> Result<CodeAddr, FirstCallError> {
        module.set_budget(func, UNITS);
        let code = |module: &Arc<ModuleCode>, _| counting(module).0;
        FirstCalls(code).on_first_call(module, func, cancel)
    }

    fn on_budget_exhausted(
        &self,
        _: &Arc<ModuleCode>,
        _: DefinedFuncIndex,
        _: BudgetSite,
    ) -> Option<CodeAddr> {
        self.exhaustions.fetch_add(1, Ordering::Relaxed);
        None
    }

    fn budget_counts(&self, _: DefinedFuncIndex) -> Counts {
        match self.counts_calls.load(Ordering::Relaxed) {
            true => Counts::Calls,
            false => Counts::Work,
        }
    }
}

/// A module with a shared memory, and its hooks.
struct Counted {
    module: Arc<ModuleCode>,
    hooks: Arc<Hooks>,
}

impl Counted {
    fn new() -> Self {
        let text = r#"(module (memory 1 1 shared) (func (export "count")))"#;
        let runtime = support::runtime(RuntimeConfig::default());
        let hooks = Arc::new(Hooks::default());
        let module = support::module(&runtime, text, hooks.clone());
        Self { module, hooks }
    }

    /// An instance, in a store of its own, and its function.
    fn instance(&self) -> (Store, FuncId) {
        let mut store = Store::new(self.module.runtime(), Box::new(()));
        let instance = store.instantiate(&self.module, &[]).unwrap();
        let func = support::func(&mut store, instance, FuncIndex(0));
        (store, func)
    }

    fn exhaustions(&self) -> u32 {
        self.hooks.exhaustions.load(Ordering::Relaxed)
    }
}

fn call(store: &mut Store, func: FuncId) {
    // SAFETY: the function has neither parameters nor results.
    unsafe { store.call(func, &mut []) }.unwrap();
}

/// Frames of baseline code may be older than a trial. They take nothing from the budget by which a
/// window's calls are counted, and tiering hears that they run.
#[test]
fn a_budget_that_counts_calls_is_left_alone() {
    let counted = Counted::new();
    let (mut store, func) = counted.instance();
    call(&mut store, func);
    assert_eq!(counted.exhaustions(), 0);
    let work = counted.module.budget(FUNC);
    assert!(work < UNITS - CALL, "{work}");

    let (mut store, func) = counted.instance();
    counted.hooks.counts_calls.store(true, Ordering::Relaxed);
    call(&mut store, func);
    assert_eq!(
        (counted.exhaustions(), counted.module.budget(FUNC)),
        (1, work)
    );
    for _ in 0..100 {
        call(&mut store, func);
    }
    assert_eq!(counted.module.budget(FUNC), work);
    // Each credit lasts for several calls, but not for long.
    let exhaustions = counted.exhaustions();
    assert!((20..60).contains(&exhaustions), "{exhaustions}");

    counted.hooks.counts_calls.store(false, Ordering::Relaxed);
    for _ in 0..10 {
        call(&mut store, func);
    }
    assert_eq!(counted.exhaustions(), exhaustions);
    assert!(counted.module.budget(FUNC) < work);
}

/// What an instance draws counts as used, so those that call a function once draw little.
#[test]
fn an_instance_draws_little_at_first_and_then_more() {
    let counted = Counted::new();
    let (mut store, func) = counted.instance();
    let mut before = UNITS;
    let mut draws = Vec::new();
    for used in (CALL..).step_by(CALL as usize) {
        call(&mut store, func);
        let left = counted.module.budget(FUNC);
        if left != before {
            draws.push(before - left);
            before = left;
        }
        if UNITS - used < UNITS / 2 {
            break;
        }
    }
    // The units by which the call overdrew, fewer than a call takes, and the part.
    let parts = (0..8).map(|n| 256 << n);
    for (draw, part) in draws.iter().zip(parts) {
        assert!((part..=part + CALL).contains(draw), "{part}: {draws:?}");
    }
    assert!(draws.len() > 8, "{draws:?}");
    assert!(
        draws.iter().all(|&draw| draw <= (1 << 16) + CALL),
        "{draws:?}"
    );
    assert_eq!(counted.exhaustions(), 0);
}

/// Instances leave what they have not used to others: that of many threads that each call a
/// function once adds up to what the calls take.
#[test]
fn a_dropped_instance_gives_back_what_it_has_not_used() {
    let counted = Counted::new();
    let mut calls = 0;
    for round in 0..1000 {
        let (mut store, func) = counted.instance();
        for _ in 0..=round % 10 {
            call(&mut store, func);
            calls += 1;
        }
    }
    assert_eq!(counted.module.budget(FUNC), UNITS - calls * CALL);
    assert_eq!(counted.exhaustions(), 0);
}

/// A credit was not drawn, so it is not given back.
#[test]
fn a_dropped_instance_gives_back_nothing_of_a_credit() {
    let counted = Counted::new();
    let (mut store, func) = counted.instance();
    call(&mut store, func);
    drop(store);
    assert_eq!(counted.module.budget(FUNC), UNITS - CALL);
    let (mut store, func) = counted.instance();
    counted.hooks.counts_calls.store(true, Ordering::Relaxed);
    call(&mut store, func);
    counted.hooks.counts_calls.store(false, Ordering::Relaxed);
    drop(store);
    assert_eq!(counted.module.budget(FUNC), UNITS - CALL);
}
