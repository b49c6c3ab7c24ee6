//! An embedder's own tiering policy that decides on samples: `cargo run --example sampling_policy`.
//!
//! The policy says how often it wants samples, and the engine takes them: a thread of its own looks
//! where the threads are that run WebAssembly, at random times. A function in which three samples
//! were is optimized. Calls and iterations are of no interest to it.

use std::sync::Arc;
use std::time::Duration;

use upshift::profiler::Activity;
use upshift::tiering::policy::{Budget, Lane, Needs, Reason, Request};
use upshift::tiering::{Decision, Memo, Policy, PolicyEvent, TieringConfig, View};
use upshift::{Config, Engine, Instance, Module, Result, Store};

/// A policy that optimizes what samples find often enough.
#[derive(Debug)]
struct Seen {
    /// How often.
    times: u64,
}

impl Policy for Seen {
    fn spec(&self) -> String {
        format!("seen:times={}", self.times)
    }

    fn needs(&self) -> Needs {
        Needs::samples(Duration::from_millis(1))
    }

    fn on(&self, memo: &mut Memo, event: PolicyEvent, view: &View) -> Decision {
        // A running loop looks this often whether there is code to go on in.
        let wait = Decision::wait(Budget::Units(1_000_000));
        match event {
            PolicyEvent::Sampled(count) => {
                memo.words[0] += u64::from(count);
                let reason = Reason::new("seen").with("times", memo.words[0] as f64);
                if memo.words[0] < self.times || !view.can_rise() {
                    return wait.because(reason);
                }
                let request = Request::new(view.top(), Lane::Normal);
                wait.with_function(request).because(reason)
            }
            PolicyEvent::Loop(site) if memo.words[0] >= self.times && site.can_rise() => {
                let request = Request::new(view.top(), Lane::Urgent);
                wait.with_osr(request).because(Reason::new("old code"))
            }
            _ => wait.because(Reason::new("no sample")),
        }
    }
}

const PROGRAM: &str = r#"(module
    (func $mix (param $x i64) (result i64)
        (i64.xor (i64.mul (local.get $x) (i64.const 0x9e3779b97f4a7c15))
            (i64.shr_u (local.get $x) (i64.const 29))))
    (func (export "mixed") (param $n i64) (result i64) (local $x i64)
        (loop $next
            (local.set $x (call $mix (i64.add (local.get $x) (local.get $n))))
            (br_if $next (i64.ne (i64.const 0)
                (local.tee $n (i64.sub (local.get $n) (i64.const 1))))))
        (local.get $x)))"#;

fn main() -> Result<()> {
    let tiering = TieringConfig {
        policy: Arc::new(Seen { times: 3 }),
        ..TieringConfig::default()
    };
    let mut config = Config::new();
    config.tiering(tiering);
    let engine = Engine::new(&config)?;
    let module = Module::new(&engine, PROGRAM)?;
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[])?;
    let mixed = instance.get_typed_func::<i64, i64>(&mut store, "mixed")?;
    println!("mixed: {:x}\n", mixed.call(&mut store, 300_000_000)?);
    let samples = engine.samples();
    println!("function  level  samples  processor time");
    for row in &samples.functions {
        println!(
            "{:>8}  {:>5}  {:>7}  {}",
            row.func.func.0, row.level.0, row.sum.count, row.sum.cpu
        );
    }
    for activity in Activity::ALL {
        println!("{}: {}", activity.name(), samples.of(activity).count);
    }
    Ok(())
}
