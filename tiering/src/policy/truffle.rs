//! Truffle's policy.

use std::time::Duration;

use upshift_knobs::{TimeUnit, Value, types};

use super::ladder::{Step, next_level};
use super::registry::policy;
use super::threshold::{Weights, leave_loop, rise};
use super::{Decision, Lane, Memo, Policy, PolicyEvent, Reason, Request, View};

policy! {
    ///
    /// Graal, `truffle/src/com.oracle.truffle.runtime/…/OptimizedCallTarget.java`,
    /// `OptimizedRuntimeOptions.java` and `TraversingCompilationQueue.md`. A call target is
    /// compiled by the first tier at 400 calls and iterations together, by the last at 10,000, both
    /// times a scale that follows the load (requests in the queue per thread): from 0.1 without
    /// load to 1 at a load of 10, 1 up to 90, and rising as steeply beyond. At least 1 and 3 of
    /// them must be calls. A loop is left at 100,352 iterations. The queue hands out the greatest
    /// (calls + iterations) * rate, times 15 in the first tier; a request is dropped if its target
    /// has not run for a while (pull request 13101, March 2026).
    ///
    /// Counts are those since the function's first code, at all levels. With two levels the step to
    /// the top is the last tier's. Approximated: the rate is the engine's since the event before;
    /// the time after which requests are dropped is a choice of our own; calls and iterations are
    /// estimates from where budgets ran out.
    Truffle = "truffle",
        "Truffle's: calls and iterations together, thresholds follow the queue's load" {
        first: f64 = Value::Real(400.0), "first", types::real("events", 0.0, 1e15),
            "calls and iterations until code of a level between";
        last: f64 = Value::Real(10_000.0), "last", types::real("events", 0.0, 1e15),
            "calls and iterations until code of the top level";
        first_calls: f64 = Value::Real(1.0), "first-calls", types::real("calls", 0.0, 1e15),
            "how many must be calls for code of a level between";
        last_calls: f64 = Value::Real(3.0), "last-calls", types::real("calls", 0.0, 1e15),
            "how many must be calls for code of the top level";
        osr: f64 = Value::Real(100_352.0), "osr", types::real("iterations", 1.0, 1e15),
            "iterations until a loop is left";
        min_scale: f64 = Value::Real(0.1), "min-scale", types::real("", 0.0, 1.0),
            "factor of the thresholds while the queue is empty";
        min_load: f64 = Value::Real(10.0), "min-load", types::real("requests", 1.0, 1e6),
            "load from which on the factor is 1";
        max_load: f64 = Value::Real(90.0), "max-load", types::real("requests", 1.0, 1e6),
            "load from which on it rises";
        first_bonus: f64 = Value::Real(15.0), "first-bonus", types::real("", 0.0, 1e6),
            "factor of the priority of requests for a level between";
        stale: Duration = Value::Time(Duration::from_millis(100)), "stale-ms",
            types::time(TimeUnit::Milliseconds),
            "a request whose function had no event for so long is dropped, 0 is never";
    }
}

impl Truffle {
    /// The factor of the thresholds at this load of the queue.
    fn scale(&self, load: f64) -> f64 {
        let slope = (1.0 - self.min_scale) / self.min_load;
        match load {
            load if load < self.min_load => self.min_scale + slope * load,
            load if load > self.max_load => 1.0 + slope * (load - self.max_load),
            _ => 1.0,
        }
    }

    /// The memo's first word is the time of the last event of the running code.
    fn is_stale(&self, memo: &Memo, view: &View) -> bool {
        let idle = view.now.0.saturating_sub(memo.words[0]);
        !self.stale.is_zero() && u128::from(idle) > self.stale.as_nanos()
    }
}

impl Policy for Truffle {
    fn spec(&self) -> String {
        self.to_spec()
    }

    fn on(&self, memo: &mut Memo, event: PolicyEvent, view: &View) -> Decision {
        let weights = Weights {
            call: 1.0,
            iteration: 1.0,
        };
        let events = weights.count(view.calls, view.iterations);
        let (unscaled, min_calls, bonus) = match Step::of(view) {
            Step::Quick => (self.first, self.first_calls, self.first_bonus),
            Step::Best => (self.last, self.last_calls, 1.0),
        };
        let load = f64::from(view.queue_length) / f64::from(view.workers.max(1));
        let scale = self.scale(load);
        let threshold = unscaled * scale;
        let reason = |text| {
            Reason::new(text)
                .with("events", events)
                .with("threshold", threshold)
                .with("scale", scale)
        };
        let due = events >= threshold && view.calls as f64 >= min_calls;
        let missing = if due { threshold } else { threshold - events };
        let budget = weights.budget(view, missing.min(self.osr), threshold.min(self.osr));
        let wait = Decision::wait(budget);
        match event {
            PolicyEvent::Dequeued { .. } if self.is_stale(memo, view) => {
                return wait.withdrawing().because(reason("stale"));
            }
            PolicyEvent::Entry | PolicyEvent::Loop(_) => memo.words[0] = view.now.0,
            _ => return wait.because(reason("counting")),
        }
        let mut decision = wait.because(reason("counting"));
        let level = next_level(view);
        if view.iterations as f64 >= self.osr {
            let request = Request::new(level, Lane::Urgent);
            decision = leave_loop(decision.because(reason("loops")), event, request);
        }
        if due {
            let priority = bonus * events * view.event_rate();
            let request = Request::new(level, Lane::Normal).with_priority(priority);
            decision = rise(decision.because(reason("due")), view, request);
        }
        decision
    }
}
