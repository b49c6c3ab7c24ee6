//! HotSpot's policy for Java, with feedback from the queue.

use std::time::Duration;

use upshift_knobs::{TimeUnit, Value, types};

use super::ladder::{Step, counted, next_level};
use super::registry::policy;
use super::threshold::{Weights, leave_loop, rise, units};
use super::{Decision, Lane, Memo, Policy, PolicyEvent, Reason, Request, View};

policy! {
    ///
    /// OpenJDK, `src/hotspot/share/compiler/compilationPolicy.cpp` and `compiler_globals.hpp`. With
    /// i calls and b iterations in code of its level, a method is compiled if i >= Inv * s, or if
    /// i >= Min * s and i + b >= Comp * s; a loop is left if b >= Back * s. The scale is
    /// s = 1 + queue / (feedback * threads). Tier 3 (quick code that counts) has the thresholds
    /// 200, 100, 2000 and 60,000 and the feedback 5; tier 4 has 5000, 600, 15,000 and 40,000 and
    /// 3. The queue hands out the method with the greatest (rate + 1) * (i + 1) * (b + 1)
    /// (`-T queue=hottest`); one without an event for 50 ms is dropped, unless it has ten times
    /// what tier 3 asks for (`TieredOldPercentage`).
    ///
    /// With two levels, all functions begin in tier 3's role. Tier 2 (C1 without profile, while
    /// C2's queue is long) has no counterpart. Approximated: one queue and one number of threads
    /// for all levels; calls and iterations are estimates from where budgets ran out, so while a
    /// request waits budgets are short (1024 calls, as HotSpot's own notifications are).
    HotSpot = "hotspot",
        "HotSpot's: calls and iterations, thresholds rise with the length of the queue" {
        t3_invocation: f64 = Value::Real(200.0), "t3-inv", types::real("calls", 0.0, 1e15),
            "calls until code of a level between";
        t3_min: f64 = Value::Real(100.0), "t3-min", types::real("calls", 0.0, 1e15),
            "calls at least, where calls and iterations count together";
        t3_compile: f64 = Value::Real(2_000.0), "t3-comp", types::real("events", 0.0, 1e15),
            "calls and iterations together until code of a level between";
        t3_backedge: f64 = Value::Real(60_000.0), "t3-back",
            types::real("iterations", 0.0, 1e15),
            "iterations until a loop is left for a level between";
        t3_feedback: f64 = Value::Real(5.0), "t3-feedback",
            types::real("requests", 0.0, 1e6),
            "queue length per thread that doubles these thresholds, 0 is never";
        t4_invocation: f64 = Value::Real(5_000.0), "t4-inv", types::real("calls", 0.0, 1e15),
            "calls until code of the top level";
        t4_min: f64 = Value::Real(600.0), "t4-min", types::real("calls", 0.0, 1e15),
            "calls at least, where calls and iterations count together";
        t4_compile: f64 = Value::Real(15_000.0), "t4-comp", types::real("events", 0.0, 1e15),
            "calls and iterations together until code of the top level";
        t4_backedge: f64 = Value::Real(40_000.0), "t4-back",
            types::real("iterations", 0.0, 1e15),
            "iterations until a loop is left for the top level";
        t4_feedback: f64 = Value::Real(3.0), "t4-feedback",
            types::real("requests", 0.0, 1e6),
            "queue length per thread that doubles these thresholds, 0 is never";
        stale: Duration = Value::Time(Duration::from_millis(50)), "stale-ms",
            types::time(TimeUnit::Milliseconds),
            "a request whose function had no event for so long is dropped, 0 is never";
        old_percent: f64 = Value::Real(1_000.0), "old-percent",
            types::real("percent", 0.0, 1e9),
            "part of the t3 thresholds from which on no request is dropped";
    }
}

/// The thresholds of one step, scaled.
#[derive(Clone, Copy, Debug)]
struct Thresholds {
    invocation: f64,
    min: f64,
    compile: f64,
    backedge: f64,
}

impl Thresholds {
    fn scaled(self, scale: f64) -> Self {
        Self {
            invocation: self.invocation * scale,
            min: self.min * scale,
            compile: self.compile * scale,
            backedge: self.backedge * scale,
        }
    }

    fn is_called_enough(self, i: f64, b: f64) -> bool {
        i >= self.invocation || (i >= self.min && i + b >= self.compile)
    }

    fn is_looping_enough(self, b: f64) -> bool {
        b >= self.backedge
    }

    /// The budget until one of the conditions can hold, at least a sixteenth of all of it.
    fn budget(self, view: &View, i: f64, b: f64) -> super::Budget {
        let at_least = |missing: f64, whole: f64| missing.max(whole / 16.0);
        let by_calls = at_least(self.invocation - i, self.invocation);
        let together = (self.compile - i - b).max(self.min - i);
        let calls = by_calls.min(at_least(together, self.compile));
        let iterations = at_least(self.backedge - b, self.backedge);
        // A budget ends for either kind of event: as soon as calls alone or iterations alone could
        // meet a condition. Iterations count for the common one, too, once there are calls enough.
        let iterations = match i >= self.min {
            true => iterations.min(at_least(together, self.compile)),
            false => iterations,
        };
        let calls = calls * f64::from(view.call_units.max(1));
        units(calls.min(iterations * f64::from(view.loop_units.max(1))))
    }
}

impl HotSpot {
    /// Calls after which a method tells HotSpot of itself in code of tier 3
    /// (`Tier3InvokeNotifyFreqLog`).
    const NOTIFY: f64 = 1024.0;

    fn tier3(&self) -> Thresholds {
        Thresholds {
            invocation: self.t3_invocation,
            min: self.t3_min,
            compile: self.t3_compile,
            backedge: self.t3_backedge,
        }
    }

    fn tier4(&self) -> Thresholds {
        Thresholds {
            invocation: self.t4_invocation,
            min: self.t4_min,
            compile: self.t4_compile,
            backedge: self.t4_backedge,
        }
    }

    /// Whether a request for the function is not worth its compilation any more: it has had no
    /// event for a time, and not many before.
    fn is_stale(&self, memo: &Memo, view: &View) -> bool {
        let idle = view.now.0.saturating_sub(memo.words[2]);
        let (i, b) = (view.calls as f64, view.iterations as f64);
        let old = self.tier3().scaled(self.old_percent / 100.0);
        let is_old = old.is_called_enough(i, b) || old.is_looping_enough(b);
        !self.stale.is_zero() && u128::from(idle) > self.stale.as_nanos() && !is_old
    }
}

impl Policy for HotSpot {
    fn spec(&self) -> String {
        self.to_spec()
    }

    /// The memo's first two words are those of `ladder::counted`, the third is the time of the last
    /// event of the running code.
    fn on(&self, memo: &mut Memo, event: PolicyEvent, view: &View) -> Decision {
        let (i, b) = counted(memo, event, view);
        let (i, b) = (i as f64, b as f64);
        let (thresholds, feedback) = match Step::of(view) {
            Step::Quick => (self.tier3(), self.t3_feedback),
            Step::Best => (self.tier4(), self.t4_feedback),
        };
        let scale = match feedback > 0.0 {
            true => {
                1.0 + f64::from(view.queue_length) / (feedback * f64::from(view.workers.max(1)))
            }
            false => 1.0,
        };
        let thresholds = thresholds.scaled(scale);
        let reason = |text| {
            Reason::new(text)
                .with("calls", i)
                .with("iterations", b)
                .with("scale", scale)
        };
        if let PolicyEvent::Dequeued { .. } = event {
            let wait = Decision::wait(thresholds.budget(view, i, b));
            return match self.is_stale(memo, view) {
                true => wait.withdrawing().because(reason("stale")),
                false => wait.because(reason("still wanted")),
            };
        }
        if !matches!(event, PolicyEvent::Entry | PolicyEvent::Loop(_)) {
            return Decision::wait(thresholds.budget(view, i, b)).because(reason("counting"));
        }
        memo.words[2] = view.now.0;
        let notify = Weights {
            call: 1.0,
            iteration: 1.0 / 8.0,
        };
        let budget = match view.phase.is_under_way() {
            true => notify.budget(view, Self::NOTIFY, Self::NOTIFY),
            false => thresholds.budget(view, i, b),
        };
        let mut decision = Decision::wait(budget).because(reason("counting"));
        let level = next_level(view);
        if thresholds.is_looping_enough(b) {
            let request = Request::new(level, Lane::Urgent);
            decision = leave_loop(decision.because(reason("loops")), event, request);
        }
        if thresholds.is_called_enough(i, b) {
            let priority = (view.event_rate() + 1.0) * (i + 1.0) * (b + 1.0);
            let request = Request::new(level, Lane::Normal).with_priority(priority);
            decision = rise(decision.because(reason("called")), view, request);
        }
        decision
    }
}
