//! An embedder's own tiering policy that remembers, and the decisions that it took and why:
//! `cargo run --example stateful_policy`.
//!
//! The policy wants *steady* work: it looks at each function every few thousand budget units and
//! requests it once it has been about as fast three times in a row. What it remembers of a function
//! are a few words beside the function (the memo), so the policy itself is a value that threads
//! share, and a run can be decided again from its log.

use std::sync::{Arc, Mutex};

use upshift::tiering::policy::{Budget, Lane, Reason, Request};
use upshift::tiering::{Decision, Memo, Policy, PolicyEvent, TieringConfig, View};
use upshift::{Config, Engine, Instance, Module, Result, Store, Switching};

/// A policy that waits until a function works at a steady rate.
#[derive(Debug)]
struct Steady {
    /// How much the rate may differ from the one before: 0.2 is a fifth.
    tolerance: f64,
    /// How often in a row it must not.
    times: u64,
    /// What was decided, for the reader of this example. Tiering logs decisions by itself.
    told: Arc<Mutex<Vec<String>>>,
}

/// What the words of the memo mean.
mod word {
    /// The last rate, a floating-point number.
    pub const RATE: usize = 0;
    /// How often in a row the rate was steady.
    pub const STEADY: usize = 1;
}

impl Steady {
    /// Counts how often in a row the rate was about the same.
    fn remember(&self, memo: &mut Memo, view: &View) -> u64 {
        let before = memo.real(word::RATE);
        let steady = (view.rate - before).abs() <= self.tolerance * before;
        memo.set_real(word::RATE, view.rate);
        memo.words[word::STEADY] = if steady {
            memo.words[word::STEADY] + 1
        } else {
            0
        };
        memo.words[word::STEADY]
    }

    fn decide(&self, memo: &mut Memo, event: PolicyEvent, view: &View) -> Decision {
        let wait = Decision::wait(Budget::Units(5_000));
        let in_loop = match event {
            PolicyEvent::Entry => false,
            PolicyEvent::Loop(_) => true,
            // First code, a request that was taken from the queue, new code: nothing was measured.
            _ => return wait.because(Reason::new("no work yet")),
        };
        let steady = self.remember(memo, view);
        if steady < self.times {
            let reason = Reason::new("not steady").with("times", steady as f64);
            return wait.because(reason);
        }
        let reason = Reason::new("steady").with("times", steady as f64);
        // Among functions that wait for a compile thread, those with much work are first.
        let function = Request::new(view.top(), Lane::Normal).with_priority(view.units as f64);
        let decision = wait.with_function(function).because(reason);
        match in_loop {
            true => decision.with_osr(Request::new(view.top(), Lane::Urgent)),
            false => decision,
        }
    }
}

impl Policy for Steady {
    fn spec(&self) -> String {
        format!("steady:tolerance={}:times={}", self.tolerance, self.times)
    }

    fn on(&self, memo: &mut Memo, event: PolicyEvent, view: &View) -> Decision {
        let decision = self.decide(memo, event, view);
        let line = format!(
            "function {} at {}: {decision}",
            view.func.func.0,
            event.name()
        );
        if let Ok(mut told) = self.told.lock() {
            told.push(line);
        }
        decision
    }
}

const PROGRAM: &str = r#"(module
    (func $square (param i64) (result i64) (i64.mul (local.get 0) (local.get 0)))
    (func (export "sum") (param $n i64) (result i64) (local $sum i64)
        (loop $next
            (local.set $sum (i64.add (local.get $sum) (call $square (local.get $n))))
            (br_if $next (i64.ne (i64.const 0)
                (local.tee $n (i64.sub (local.get $n) (i64.const 1))))))
        (local.get $sum)))"#;

fn main() -> Result<()> {
    let told = Arc::new(Mutex::new(Vec::new()));
    let tiering = TieringConfig {
        policy: Arc::new(Steady {
            // Virtual time passes with the work, so in this example each rate is the same.
            tolerance: 0.2,
            times: 3,
            told: told.clone(),
        }),
        switching: Switching::Virtual(Default::default()),
        ..TieringConfig::default()
    };
    let mut config = Config::new();
    config.tiering(tiering);
    let engine = Engine::new(&config)?;
    let module = Module::new(&engine, PROGRAM)?;
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[])?;
    let sum = instance.get_typed_func::<i64, i64>(&mut store, "sum")?;
    println!(
        "the sum of squares is {}\n",
        sum.call(&mut store, 1_000_000)?
    );
    let told = told.lock().expect("no policy panics");
    println!("the first of {} decisions:", told.len());
    told.iter().take(12).for_each(|line| println!("  {line}"));
    let requests = told.iter().filter(|line| line.contains("; function"));
    println!("\n{} of them requested a function", requests.count());
    println!("\n{}", engine.event_log().stats());
    Ok(())
}
