//! SpiderMonkey's policy for WebAssembly.

use upshift_knobs::{Value, types};

use super::registry::policy;
use super::threshold::{Weights, leave_loop, rise, units};
use super::{Budget, Decision, Lane, Memo, Policy, PolicyEvent, Reason, Request, View};

policy! {
    ///
    /// SpiderMonkey, `js/src/wasm/WasmHeuristics.h` (`LazyTieringHeuristics`) and the comment *Lazy
    /// Tier-Up* in `WasmBaselineCompile.cpp`. The threshold is a quarter of what Ion's compilation
    /// is estimated to cost, 30,000 instructions and 4,000 for each byte of the body, scaled by a
    /// level from 1 (never) to 9 (at once): a factor of about three each, 1 at the default of 5. A
    /// module whose code section is no longer than 150,000 bytes is one level more eager (bug
    /// 1965195). An entry and a loop header take clamp(bytes/20, 1, 127) from the counter, where
    /// bytes are those of the function and of the loop. A function is requested once; at most one
    /// task of the second tier runs at a time (here: `-T threads=1`). There is no on-stack
    /// replacement.
    ///
    /// Approximated: a loop is `loop-share` of its function's body; the code section is the sum of
    /// the bodies; calls and iterations are estimates from where budgets ran out.
    SmCost = "sm-cost",
        "SpiderMonkey's: a threshold from the estimated cost of the compilation" {
        level: u32 = Value::Number(5), "level", types::count_u32("", 1, 9),
            "eagerness, from 1 (never) to 9 (at once)";
        small_module: f64 = Value::Real(150_000.0), "small-module",
            types::real("bytes", 0.0, 1e12),
            "modules up to this size are one level more eager";
        loop_share: f64 = Value::Real(0.5), "loop-share", types::real("", 0.0, 1.0),
            "part of a function's body that a loop is taken to be";
        osr: bool = Value::Switch(false), "osr", types::SWITCH,
            "also request code for the loop in which the counter ran out, unlike SpiderMonkey";
    }
}

impl SmCost {
    /// The factors of the levels 2 to 8, as the source has them.
    const SCALE: [f64; 7] = [27.0, 9.0, 3.0, 1.0, 0.333, 0.111, 0.037];

    /// What the counter starts at; `None` at level 1, which never optimizes.
    fn threshold(&self, view: &View) -> Option<f64> {
        let small = view.module_bytes as f64 <= self.small_module;
        let level = (self.level + u32::from(small)).clamp(1, 9);
        match level {
            1 => None,
            9 => Some(0.0),
            level => {
                let cost = 0.25 * (30_000.0 + 4_000.0 * f64::from(view.body_bytes));
                Some((cost * Self::SCALE[level as usize - 2]).clamp(10.0, 2e9))
            }
        }
    }

    fn weights(&self, view: &View) -> Weights {
        let step = |bytes: f64| (bytes / 20.0).floor().clamp(1.0, 127.0);
        let body = f64::from(view.body_bytes);
        Weights {
            call: step(body),
            iteration: step(self.loop_share * body),
        }
    }
}

impl Policy for SmCost {
    fn spec(&self) -> String {
        self.to_spec()
    }

    fn on(&self, _memo: &mut Memo, event: PolicyEvent, view: &View) -> Decision {
        let Some(threshold) = self.threshold(view) else {
            return Decision::wait(Budget::Unlimited).because(Reason::new("level 1: never"));
        };
        let weights = self.weights(view);
        let counted = weights.count(view.calls, view.iterations);
        let reason = |text| {
            Reason::new(text)
                .with("counted", counted)
                .with("threshold", threshold)
        };
        if counted < threshold {
            let budget = weights.budget(view, threshold - counted, threshold);
            return Decision::wait(budget).because(reason("counting"));
        }
        // Asked again only in case the queue drops the request.
        let mut decision = Decision::wait(units(f64::from(view.call_units).max(1.0) * 1e5));
        decision = decision.because(reason("counter ran out"));
        match event {
            // A threshold of zero is reached before the first call.
            PolicyEvent::FirstCode | PolicyEvent::Entry | PolicyEvent::Loop(_) => {
                if self.osr {
                    let urgent = Request::new(view.top(), Lane::Urgent);
                    decision = leave_loop(decision, event, urgent);
                }
                rise(decision, view, Request::new(view.top(), Lane::Normal))
            }
            _ => decision,
        }
    }
}
