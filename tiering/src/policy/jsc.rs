//! JavaScriptCore's policy for WebAssembly.

use upshift_knobs::{Value, types};

use super::ladder::{Step, counted, next_level};
use super::registry::policy;
use super::threshold::{Weights, leave_loop, rise};
use super::{Budget, Decision, Lane, LoopPhase, Memo, Policy, PolicyEvent, Reason, Request, View};

policy! {
    ///
    /// WebKit, `Source/JavaScriptCore/runtime/OptionsList.h` and `wasm/WasmTierUpCount.h`, with
    /// pull request 69999 (July 2026). Points: an entry adds clamp(15 * size / 128, 1, 15), an
    /// iteration 1. At 150 points the interpreter's code gives way to BBQ's, at 50,000 that to
    /// OMG's; after a request the counter is set so that it is looked at again after 50 and 500.
    /// Functions whose body costs more than 100,000 are never compiled by OMG. A loop enters OMG's
    /// code once the function has some.
    ///
    /// With two levels the step to the top is OMG's; with more, those below are BBQ's, and counts
    /// begin anew at each level. Approximated: the size and the cost of a body are its bytes; calls
    /// and iterations are estimates from where budgets ran out.
    JscPoints = "jsc-points",
        "JavaScriptCore's: points for calls and iterations, fewer for small functions" {
        omg: f64 = Value::Real(50_000.0), "omg", types::real("points", 0.0, 1e15),
            "points until code of the top level";
        bbq: f64 = Value::Real(150.0), "bbq", types::real("points", 0.0, 1e15),
            "points until code of a level between";
        entry: f64 = Value::Real(15.0), "entry", types::real("points", 0.0, 1e6),
            "points for a call at most";
        iteration: f64 = Value::Real(1.0), "iteration", types::real("points", 0.0, 1e6),
            "points for an iteration";
        size_reference: f64 = Value::Real(128.0), "size-reference",
            types::real("bytes", 0.0, 1e9),
            "body from which on a call has all points, 0 is any (before July 2026)";
        omg_soon: f64 = Value::Real(500.0), "omg-soon", types::real("points", 1.0, 1e15),
            "points until the next look after a request to the top level";
        bbq_soon: f64 = Value::Real(50.0), "bbq-soon", types::real("points", 1.0, 1e15),
            "points until the next look after a request to a level between";
        max_cost: f64 = Value::Real(100_000.0), "max-cost", types::real("bytes", 0.0, 1e12),
            "larger bodies never reach the top level";
    }
}

impl JscPoints {
    fn weights(&self, view: &View) -> Weights {
        let call = match self.size_reference {
            reference if reference > 0.0 => {
                let share = self.entry * f64::from(view.body_bytes) / reference;
                share.clamp(1.0_f64.min(self.entry), self.entry)
            }
            _ => self.entry,
        };
        Weights {
            call,
            iteration: self.iteration,
        }
    }
}

impl Policy for JscPoints {
    fn spec(&self) -> String {
        self.to_spec()
    }

    fn on(&self, memo: &mut Memo, event: PolicyEvent, view: &View) -> Decision {
        let (calls, iterations) = counted(memo, event, view);
        let weights = self.weights(view);
        let points = weights.count(calls, iterations);
        let step = Step::of(view);
        let (threshold, soon) = match step {
            Step::Quick => (self.bbq, self.bbq_soon),
            Step::Best => (self.omg, self.omg_soon),
        };
        let reason = |text| {
            Reason::new(text)
                .with("points", points)
                .with("threshold", threshold)
        };
        if step == Step::Best && f64::from(view.body_bytes) > self.max_cost {
            let reason = Reason::new("too large").with("body", view.body_bytes.into());
            return Decision::wait(Budget::Unlimited).because(reason);
        }
        if points < threshold {
            let budget = weights.budget(view, threshold - points, threshold);
            return Decision::wait(budget).because(reason("counting"));
        }
        let decision = Decision::wait(weights.budget(view, soon, soon)).because(reason("due"));
        let level = next_level(view);
        match event {
            // The function first; a loop that still runs its old code then is left.
            PolicyEvent::Loop(site) if !view.can_rise() && site.phase == LoopPhase::Idle => {
                match view.phase.is_under_way() {
                    true => decision.because(reason("function under way")),
                    false => leave_loop(decision, event, Request::new(level, Lane::Urgent)),
                }
            }
            PolicyEvent::FirstCode | PolicyEvent::Entry | PolicyEvent::Loop(_) => {
                rise(decision, view, Request::new(level, Lane::Normal))
            }
            _ => decision,
        }
    }
}
