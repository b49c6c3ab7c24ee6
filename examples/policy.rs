//! An embedder's own tiering policy, and what it did: `cargo run --example policy`.
//!
//! The policy requests optimized code for a function after a number of calls, whatever the
//! function's size, and for a loop when its function's budget runs out there for the second time.

use std::sync::Arc;

use upshift::tiering::policy::{Budget, Lane, Reason, Request};
use upshift::tiering::{Decision, Memo, Policy, PolicyEvent, TieringConfig, View};
use upshift::{Config, Engine, Instance, Module, Result, Store, Switching};

/// A policy that counts calls, as early JITs did.
#[derive(Debug)]
struct Calls {
    limit: u32,
}

impl Policy for Calls {
    fn spec(&self) -> String {
        format!("calls:limit={}", self.limit)
    }

    fn on(&self, _memo: &mut Memo, event: PolicyEvent, view: &View) -> Decision {
        // A budget of that many calls, at the weight that the engine gives each (see below).
        let wait = Decision::wait(Budget::Units(self.limit));
        let function = Request::new(view.top(), Lane::Normal);
        match event {
            PolicyEvent::Entry => wait
                .with_function(function)
                .because(Reason::new("many calls").with("units", view.units as f64)),
            PolicyEvent::Loop(_) if view.loop_exhaustions >= 2 => wait
                .with_function(function)
                .with_osr(Request::new(view.top(), Lane::Urgent))
                .because(Reason::new("twice in a loop")),
            _ => wait,
        }
    }
}

const PROGRAM: &str = r#"(module
    (func $square (param i64) (result i64) (i64.mul (local.get 0) (local.get 0)))
    (func $once (export "sum") (param $n i64) (result i64) (local $sum i64)
        (loop $next
            (local.set $sum (i64.add (local.get $sum) (call $square (local.get $n))))
            (br_if $next (i64.ne (i64.const 0)
                (local.tee $n (i64.sub (local.get $n) (i64.const 1))))))
        (local.get $sum)))"#;

fn main() -> Result<()> {
    let tiering = TieringConfig {
        policy: Arc::new(Calls { limit: 1_000 }),
        // The running thread waits for the optimizer, so that each run is the same.
        switching: Switching::Synchronous,
        ..TieringConfig::default()
    };
    let mut config = Config::new();
    config.tiering(tiering).budget_units(1, 1);
    let engine = Engine::new(&config)?;
    let module = Module::new(&engine, PROGRAM)?;
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[])?;
    let sum = instance.get_typed_func::<i64, i64>(&mut store, "sum")?;
    println!(
        "the sum of squares is {}\n",
        sum.call(&mut store, 1_000_000)?
    );
    println!("{}", engine.event_log().stats());
    Ok(())
}
