//! .NET's policy: count calls once no new code has appeared for a while.

use std::time::Duration;

use upshift_knobs::{TimeUnit, Value, types};
use upshift_profiler::Nanos;

use super::registry::policy;
use super::threshold::{leave_loop, rise, units};
use super::{Decision, Lane, Memo, Policy, PolicyEvent, Reason, Request, View};

policy! {
    ///
    /// CoreCLR, `src/coreclr/vm/tieredcompilation.cpp` and `inc/clrconfigvalues.h`. A method is
    /// promoted at 30 calls (`TC_CallCountThreshold`), which are counted only from when no method
    /// got its first code for 100 ms (`TC_CallCountingDelayMs`), ten times as long where the
    /// process has one processor (`TC_DelaySingleProcMultiplier`). From the 30th call on none is
    /// counted, also while the method waits in the queue. Loops are left at 1000 iterations
    /// (`TC_OnStackReplacement_InitialCounter`), whatever the timer says.
    ///
    /// Approximated: iterations are those of all calls and loops of the function, estimated from
    /// where budgets ran out.
    DotNet = "dotnet",
        "NET's: so many calls, counted from when no new code has appeared for a while" {
        calls: f64 = Value::Real(30.0), "calls", types::real("calls", 1.0, 1e15),
            "calls until a function is optimized";
        quiet: Duration = Value::Time(Duration::from_millis(100)), "quiet-ms",
            types::time(TimeUnit::Milliseconds),
            "time without any function's first code before calls count";
        single: f64 = Value::Real(10.0), "single", types::real("", 1.0, 1e6),
            "factor of that time where the process may use one core only";
        iterations: f64 = Value::Real(1_000.0), "iterations",
            types::real("iterations", 1.0, 1e15),
            "iterations until a loop is left";
    }
}

impl DotNet {
    /// Set in the memo's first word once calls count.
    const COUNTING: u64 = 1;

    /// How long there must be no new code.
    fn delay(&self, view: &View) -> Nanos {
        let factor = if view.cores == 1 { self.single } else { 1.0 };
        Nanos((self.quiet.as_nanos() as f64 * factor) as u64)
    }

    /// The budget in which loops repeat as often as it takes to leave one, if calls use the part of
    /// it that they have used so far: at most sixteen times what iterations alone would take.
    fn loop_budget(&self, view: &View) -> f64 {
        let per_iteration = f64::from(view.loop_units.max(1));
        let by_loops = view.iterations as f64 * per_iteration;
        // Not a number before anything was used.
        let with_calls = (view.units as f64 / by_loops).max(1.0);
        self.iterations * per_iteration * with_calls.min(16.0)
    }
}

impl Policy for DotNet {
    fn spec(&self) -> String {
        self.to_spec()
    }

    /// The memo's first word is whether calls count, the second the calls before they did.
    fn on(&self, memo: &mut Memo, event: PolicyEvent, view: &View) -> Decision {
        let per_call = f64::from(view.call_units.max(1));
        let loops = self.loop_budget(view);
        let quiet = view.since_new_code;
        let delay = self.delay(view);
        if memo.words[0] != Self::COUNTING {
            if quiet < delay {
                // A budget for loops. That calls use it up as well does not matter.
                let left = Nanos(delay.0 - quiet.0);
                let reason = Reason::new("code is still new")
                    .with("quiet_ns", quiet.0 as f64)
                    .with("delay_ns", delay.0 as f64);
                let wait = Decision::wait(units(loops)).with_wake(left).because(reason);
                return self.leave(wait, event, view);
            }
            memo.words[..2].copy_from_slice(&[Self::COUNTING, view.calls]);
        }
        let calls = view.calls.saturating_sub(memo.words[1]) as f64;
        let due = calls >= self.calls;
        let text = if due { "called" } else { "counting" };
        let reason = Reason::new(text)
            .with("calls", calls)
            .with("threshold", self.calls);
        let missing = (self.calls - calls).max(self.calls / 2.0);
        let budget = match view.can_rise() {
            true => (missing * per_call).min(loops),
            // Calls that count no more change nothing until new code is there.
            false => loops,
        };
        let wait = Decision::wait(units(budget)).because(reason);
        let decision = self.leave(wait, event, view);
        match event {
            PolicyEvent::Dequeued { .. } | PolicyEvent::Published(_) => decision,
            _ if due => rise(decision, view, Request::new(view.top(), Lane::Normal)),
            _ => decision,
        }
    }
}

impl DotNet {
    /// Leaves a loop that has repeated often enough.
    fn leave(&self, decision: Decision, event: PolicyEvent, view: &View) -> Decision {
        match view.iterations as f64 >= self.iterations {
            true => leave_loop(decision, event, Request::new(view.top(), Lane::Urgent)),
            false => decision,
        }
    }
}
