//! V8's policy for WebAssembly.

use upshift_knobs::{Value, types};

use super::registry::policy;
use super::threshold::{Weights, leave_loop};
use super::{Decision, Lane, Memo, Policy, PolicyEvent, Reason, Request, View};

policy! {
    ///
    /// V8 14.6: `src/wasm/baseline/liftoff-compiler.cc` (`TierupCheck`), `src/flags/flag-
    /// definitions.h` (`wasm_tiering_budget`, 13,000,000; 1,800,000 until 2024),
    /// `src/wasm/module-compiler.cc` (`TriggerTierUp`). Liftoff's code takes the length of the
    /// machine code between two checks from its function's budget B, at back edges and at returns,
    /// and 20 more for the check, 40 for the entry, but at most B/4 at once. When the budget is
    /// used up, it starts over and the function's priority rises by one; at priority 1 and at each
    /// power of two from 4 on the function is put into the queue with that priority. There is no
    /// on-stack replacement.
    ///
    /// Approximated: what is executed between two checks is not known here. A call counts as all
    /// of the function's code, an iteration as `loop-share` of it. Calls and iterations are
    /// estimates from where budgets ran out, and the policy may be asked a sixteenth of B late.
    V8Budget = "v8-budget",
        "V8's: a function is optimized after it has executed so many bytes of code" {
        budget: f64 = Value::Real(13_000_000.0), "budget", types::real("bytes", 1.0, 1e15),
            "bytes of executed code after which the priority rises";
        loop_share: f64 = Value::Real(0.5), "loop-share", types::real("", 0.0, 1.0),
            "part of a function's code that an iteration executes";
        osr: bool = Value::Switch(false), "osr", types::SWITCH,
            "also request code for the loop in which the budget was used up, unlike V8";
    }
}

impl V8Budget {
    /// What each check takes besides the code (`kTierUpCostForCheck`).
    const CHECK: f64 = 20.0;
    /// What a function's entry takes (`kTierUpCostForFunctionEntry`).
    const ENTRY: f64 = 40.0;

    fn weights(&self, view: &View) -> Weights {
        let most = (self.budget / 4.0).max(1.0);
        let code = f64::from(view.code_bytes);
        Weights {
            call: (code + Self::ENTRY + Self::CHECK).min(most),
            iteration: (self.loop_share * code + Self::CHECK).min(most),
        }
    }
}

/// Whether a function whose priority rises from one to the other is put into the queue: at 1, and
/// at powers of two from 4 on.
fn queued_between(before: u64, now: u64) -> bool {
    let first = before < 1 && now >= 1;
    // The greatest power of two that is not above.
    let power = 1_u64 << now.max(1).ilog2();
    first || (power >= 4 && before < power)
}

impl Policy for V8Budget {
    fn spec(&self) -> String {
        self.to_spec()
    }

    /// The memo's first word is the priority.
    fn on(&self, memo: &mut Memo, event: PolicyEvent, view: &View) -> Decision {
        let weights = self.weights(view);
        let executed = weights.count(view.calls, view.iterations);
        let before = memo.words[0];
        // The weights change with the code, but the priority never falls.
        let priority = ((executed / self.budget) as u64).max(before);
        let missing = (priority as f64 + 1.0) * self.budget - executed;
        let reason = |text| {
            Reason::new(text)
                .with("executed", executed)
                .with("budget", self.budget)
                .with("priority", priority as f64)
        };
        let wait = Decision::wait(weights.budget(view, missing, self.budget));
        if !matches!(event, PolicyEvent::Entry | PolicyEvent::Loop(_)) {
            return wait.because(reason("counting"));
        }
        memo.words[0] = priority;
        let request = Request::new(view.top(), Lane::Normal).with_priority(priority as f64);
        let mut decision = wait.because(reason("budget left"));
        if self.osr && priority > 0 {
            let urgent = Request {
                lane: Lane::Urgent,
                ..request
            };
            decision = leave_loop(decision, event, urgent);
        }
        if queued_between(before, priority) && (view.can_rise() || view.phase.is_under_way()) {
            decision = decision
                .with_function(request)
                .because(reason("budget used up"));
        }
        decision
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_queued_at_one_and_at_powers_of_two_from_four() {
        let queued: Vec<u64> = (1..40).filter(|&n| queued_between(n - 1, n)).collect();
        assert_eq!(queued, [1, 4, 8, 16, 32]);
        assert!(queued_between(5, 9));
        assert!(!queued_between(0, 0) && !queued_between(8, 15));
    }
}
