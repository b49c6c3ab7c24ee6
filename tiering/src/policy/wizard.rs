//! Wizard's dynamic policy.

use upshift_knobs::{Value, types};

use super::ladder::next_level;
use super::registry::policy;
use super::threshold::{Weights, leave_loop, rise};
use super::{Decision, Lane, Memo, Policy, PolicyEvent, Reason, Request, View};

policy! {
    ///
    /// Wizard (2026-07), `src/engine/Tuning.v3` (`fastIntTierUpThreshold` 10,
    /// `postOsrTierUpThreshold` 1) and `--mode=dyn`. An entry and an iteration take one from the
    /// function's counter; at 0 the running thread compiles the whole function and goes on in it,
    /// also in the middle of a loop. After such a replacement the next call compiles at once.
    /// Wizard compiles synchronously: use `-T switching=sync` with this policy.
    ///
    /// Approximated: Wizard's compiler makes one piece of code with an entry for each loop; here
    /// the loop's entry and the function are two requests. The optimizer costs hundreds of times
    /// what Wizard's compiler does, so this is the most eager of all engines' policies.
    Wizard = "wizard",
        "Wizard's: ten calls and iterations, then the function and the running loop" {
        threshold: f64 = Value::Real(10.0), "threshold", types::real("events", 1.0, 1e15),
            "calls and iterations until a function is optimized";
        after_osr: f64 = Value::Real(1.0), "after-osr", types::real("events", 1.0, 1e15),
            "the same for a function one of whose loops was left before";
    }
}

impl Policy for Wizard {
    fn spec(&self) -> String {
        self.to_spec()
    }

    fn on(&self, _memo: &mut Memo, event: PolicyEvent, view: &View) -> Decision {
        let weights = Weights {
            call: 1.0,
            iteration: 1.0,
        };
        let counted = weights.count(view.calls, view.iterations);
        let threshold = match event {
            PolicyEvent::Loop(site) if site.entries > 0 => self.after_osr,
            _ => self.threshold,
        };
        let due = counted >= threshold;
        let reason = Reason::new(if due { "due" } else { "counting" })
            .with("counted", counted)
            .with("threshold", threshold);
        let missing = if due { threshold } else { threshold - counted };
        let wait = Decision::wait(weights.budget(view, missing, threshold)).because(reason);
        let level = next_level(view);
        match event {
            PolicyEvent::Entry | PolicyEvent::Loop(_) if due => {
                let decision = leave_loop(wait, event, Request::new(level, Lane::Urgent));
                rise(decision, view, Request::new(level, Lane::Normal))
            }
            _ => wait,
        }
    }
}
