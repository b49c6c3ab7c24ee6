//! Many threads call a function while its code is replaced, retired and freed under them.
//!
//! Every version returns its own number. Should a caller ever run freed or half-written code, it
//! would crash or return a number that was never published.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use upshift_abi::vmctx::VmVal;
use upshift_abi::{Cancel, CompileUnit, CompiledFunction, DefinedFuncIndex, FuncIndex, Tier};
use upshift_runtime::module::FirstCallError;
use upshift_runtime::{
    BudgetSite, CodeAddr, Counts, ModuleCode, Runtime, RuntimeConfig, Store, TierHooks,
};

const FUNC: DefinedFuncIndex = DefinedFuncIndex(0);

/// `mov eax, number; ret`, padded so that pieces have different sizes.
fn version(number: u32) -> CompiledFunction {
    let mut code = vec![0xb8];
    code.extend(number.to_le_bytes());
    code.push(0xc3);
    code.resize(8 + (number as usize * 37) % 5000, 0xcc);
    CompiledFunction {
        code,
        ..CompiledFunction::default()
    }
}

/// Hooks that publish version 1 at the first call, and count first calls.
fn first_version(first_calls: &Arc<AtomicU32>) -> Arc<dyn TierHooks> {
    let first_calls = first_calls.clone();
    Arc::new(support::FirstCalls(move |_: &Arc<ModuleCode>, _| {
        first_calls.fetch_add(1, Ordering::Relaxed);
        version(1)
    }))
}

fn module(runtime: &Arc<Runtime>, hooks: Arc<dyn TierHooks>) -> Arc<ModuleCode> {
    let text = r#"(module (func (export "f") (result i32) i32.const 0))"#;
    support::module(runtime, text, hooks)
}

/// Calls the module's function until told to stop, and checks every result.
fn call_until(module: &Arc<ModuleCode>, stop: &AtomicBool, newest: &AtomicU32) -> u64 {
    let mut store = Store::new(module.runtime(), Box::new(()));
    let instance = store.instantiate(module, &[]).unwrap();
    let func = support::func(&mut store, instance, FuncIndex(0));
    let mut calls = 0;
    while !stop.load(Ordering::Relaxed) {
        let oldest = newest.load(Ordering::Acquire);
        let mut values = [VmVal::default()];
        // SAFETY: the function has no parameters.
        unsafe { store.call(func, &mut values) }.unwrap();
        let seen = values[0].bits[0] as u32;
        let known = newest.load(Ordering::Acquire).max(1) + 1;
        assert!(
            (oldest..=known).contains(&seen),
            "version {seen} of {oldest}..={known}"
        );
        calls += 1;
    }
    calls
}

#[test]
fn hammer_publishing_and_reclamation() {
    let runtime = support::runtime(RuntimeConfig::default());
    let first_calls = Arc::default();
    let module = module(&runtime, first_version(&first_calls));
    let (stop, newest) = (AtomicBool::new(false), AtomicU32::new(0));
    std::thread::scope(|scope| {
        let callers: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| call_until(&module, &stop, &newest)))
            .collect();
        while first_calls.load(Ordering::Relaxed) == 0 {
            std::thread::yield_now();
        }
        // All callers that race for the first call are through before versions move on.
        std::thread::sleep(Duration::from_millis(50));
        newest.store(1, Ordering::Release);
        let deadline = Instant::now() + Duration::from_secs(2);
        let mut number = 1;
        while Instant::now() < deadline {
            number += 1;
            let code = version(number);
            let code = module
                .place(FUNC, CompileUnit::Function, Tier::Optimizer, 1, code)
                .unwrap();
            let old = module.published(FUNC).expect("the function was called");
            module.publish(&code);
            newest.store(number, Ordering::Release);
            module.retire(old);
        }
        stop.store(true, Ordering::Relaxed);
        for caller in callers {
            assert!(caller.join().unwrap() > 0);
        }
        assert!(number > 1000, "only {number} versions");
    });
    runtime.collect_garbage();
    let stats = runtime.code_stats();
    assert_eq!(stats.retired, 0, "no one runs anything now: {stats:?}");
    assert!(stats.freed > 0);
}

#[test]
fn a_dropped_module_frees_its_code() {
    let runtime = support::runtime(RuntimeConfig::default());
    let module = module(&runtime, support::no_hooks());
    let code = module
        .place(FUNC, CompileUnit::Function, Tier::Baseline, 0, version(7))
        .unwrap();
    module.publish(&code);
    drop(code);
    assert!(runtime.code_stats().baseline > 0);
    drop(module);
    assert_eq!(runtime.code_stats().baseline, 0);
}

/// Counts first calls; the first makes code and lets calls go through a counter before it.
struct CountedCalls {
    first_calls: AtomicU32,
    /// The units that each first call grants.
    units: i32,
}

impl TierHooks for CountedCalls {
    fn on_first_call(
        &self,
        module: &Arc<ModuleCode>,
        func: DefinedFuncIndex,
        _: Cancel<'_>,
    ) -> Result<CodeAddr, FirstCallError> {
        if self.first_calls.fetch_add(1, Ordering::Relaxed) == 0 {
            let code = module.place(func, CompileUnit::Function, Tier::Optimizer, 1, version(7))?;
            let counter = module.place_counter(&code, 1)?;
            module.publish(&counter);
            module.set_budget(func, self.units);
            return Ok(code.addr());
        }
        assert_eq!(module.budget(func), -1);
        module.set_budget(func, self.units);
        Ok(module.published(func).expect("the counter").addr())
    }

    fn on_budget_exhausted(
        &self,
        _: &Arc<ModuleCode>,
        _: DefinedFuncIndex,
        _: BudgetSite,
    ) -> Option<CodeAddr> {
        unreachable!("the code does not count")
    }

    fn budget_counts(&self, _: DefinedFuncIndex) -> Counts {
        Counts::Calls
    }
}

#[test]
fn a_counter_is_a_first_call_when_the_budget_is_gone() {
    let runtime = support::runtime(RuntimeConfig::default());
    let hooks = Arc::new(CountedCalls {
        first_calls: AtomicU32::new(0),
        units: 9,
    });
    let module = module(&runtime, hooks.clone());
    let mut store = Store::new(&runtime, Box::new(()));
    let instance = store.instantiate(&module, &[]).unwrap();
    let func = support::func(&mut store, instance, FuncIndex(0));
    for call in 0..100 {
        let mut values = [VmVal::default()];
        // SAFETY: the function has no parameters.
        unsafe { store.call(func, &mut values) }.unwrap();
        assert_eq!(values[0].bits[0] as u32, 7);
        // Call 0 is a first call and takes nothing, calls 1 to 9 take a unit each. Call 10 finds
        // none, is a first call and then goes through the counter, as this hook says.
        let first_calls = hooks.first_calls.load(Ordering::Relaxed);
        assert_eq!(
            first_calls,
            1 + u32::saturating_sub(call, 1) / 9,
            "call {call}"
        );
    }
}
