//! How often each function is called, and which way each branch goes, of a program that tiers up
//! meanwhile: `cargo run --example observe`.
//!
//! Branches are counted in place, two counters each; calls are told to an observer, which finds the
//! slowest argument too: the one with the most calls below it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use upshift::observe::{
    AbortReason, BranchCounter, Instrument, InstrumentedFunc, Observed, Observer,
};
use upshift::{Config, Engine, Instance, Module, Result, Store, StoreContextMut, Val};

/// Collatz: the number of steps to 1, for all numbers up to one; every other call through a helper
/// that the optimizer inlines.
const PROGRAM: &str = r#"(module
    (func $halve (param i64) (result i64) (i64.shr_u (local.get 0) (i64.const 1)))
    (func $steps (param $n i64) (result i32)
        (local $count i32)
        (block $done
            (loop $next
                (br_if $done (i64.eq (local.get $n) (i64.const 1)))
                (local.set $count (i32.add (local.get $count) (i32.const 1)))
                (if (i64.eqz (i64.and (local.get $n) (i64.const 1)))
                    (then (local.set $n (call $halve (local.get $n))))
                    (else (local.set $n (i64.add (i64.const 1)
                        (i64.mul (local.get $n) (i64.const 3))))))
                (br $next)))
        (local.get $count))
    (func (export "longest") (param $limit i64) (result i32)
        (local $n i64) (local $steps i32) (local $most i32)
        (loop $next
            (local.set $n (i64.add (local.get $n) (i64.const 1)))
            (local.set $steps (call $steps (local.get $n)))
            (if (i32.gt_u (local.get $steps) (local.get $most))
                (then (local.set $most (local.get $steps))))
            (br_if $next (i64.lt_u (local.get $n) (local.get $limit))))
        (local.get $most)))"#;

/// Listens to all functions, and counts all branches with a condition.
#[derive(Clone, Default)]
struct Branches(Arc<Mutex<Vec<(String, u32, BranchCounter)>>>);

impl Instrument for Branches {
    fn instrument(&self, func: &mut InstrumentedFunc<'_>) {
        func.listen(0);
        let name = func.name().unwrap_or("?").to_owned();
        for &operator in &*func.operators() {
            if let Some(counter) = func.count_branch(operator) {
                let mut branches = self.0.lock().expect("no panic under the lock");
                branches.push((name.clone(), operator.offset(), counter));
            }
        }
    }
}

/// What the observer has found, as the data of the store.
#[derive(Default)]
struct Found {
    calls: BTreeMap<String, u64>,
    /// For each call that is under way, its argument and the calls below it.
    open: Vec<(i64, u64)>,
    /// The argument of `steps` with the most calls below, and how many.
    slowest: (i64, u64),
}

struct Calls;

impl Found {
    fn end(&mut self, func: &Observed<'_>) {
        let Some((argument, below)) = self.open.pop() else {
            return;
        };
        if let Some((_, outer)) = self.open.last_mut() {
            *outer += below + 1;
        }
        if func.name() == Some("steps") && below > self.slowest.1 {
            self.slowest = (argument, below);
        }
    }
}

impl Observer<Found> for Calls {
    fn before(
        &mut self,
        mut store: StoreContextMut<'_, Found>,
        func: &Observed<'_>,
        params: &[Val],
    ) -> Result<()> {
        let found = store.data_mut();
        *found
            .calls
            .entry(func.name().unwrap_or("?").into())
            .or_default() += 1;
        found.open.push((params[0].unwrap_i64(), 0));
        Ok(())
    }

    fn after(
        &mut self,
        mut store: StoreContextMut<'_, Found>,
        func: &Observed<'_>,
        _: &[Val],
    ) -> Result<()> {
        store.data_mut().end(func);
        Ok(())
    }

    fn abort(
        &mut self,
        mut store: StoreContextMut<'_, Found>,
        func: &Observed<'_>,
        _: AbortReason,
    ) {
        store.data_mut().end(func);
    }
}

fn main() -> Result<()> {
    let branches = Branches::default();
    let mut config = Config::new();
    config.instrument(branches.clone());
    let engine = Engine::new(&config)?;
    let module = Module::new(&engine, PROGRAM)?;
    let mut store = Store::new(&engine, Found::default());
    store.observer(Calls);
    let instance = Instance::new(&mut store, &module, &[])?;
    let longest = instance.get_typed_func::<i64, i32>(&mut store, "longest")?;
    let most = longest.call(&mut store, 3000)?;
    println!("at most {most} steps; calls:");
    for (name, calls) in &store.data().calls {
        println!("  {calls:>8}  {name}");
    }
    let (argument, halvings) = store.data().slowest;
    println!("the most halvings are those of {argument}: {halvings}\nbranches:");
    let counters = module.counters();
    for (name, offset, branch) in &*branches.0.lock().expect("no panic under the lock") {
        let (taken, not_taken) = branch.directions(&counters);
        let share = 20 * taken / (taken + not_taken).max(1);
        let bar = format!("{:.<20}", "#".repeat(share as usize));
        println!("  {name:>8} at {offset:#05x}  {bar}  true {taken:>7}, false {not_taken:>7}");
    }
    assert_eq!((most, argument), (216, 2919));
    Ok(())
}
