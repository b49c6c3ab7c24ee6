//! Policies that take no notice of how a function runs, or only of how much.

use upshift_knobs::{Value, types};

use super::registry::policy;
use super::threshold::{Work, at_threshold};
use super::{Budget, Decision, Lane, Memo, Policy, PolicyEvent, Reason, Recorded, Request, View};

policy! {
    Never = "never", "Nothing is ever optimized" {}
}

policy! {
    FirstCall = "first-call",
        "Every function is optimized as soon as it has code, its loops as soon as they repeat" {}
}

policy! {
    ///
    /// What engines do whose optimizer works through a module while the baseline's code runs: the
    /// multi-tier mode of WAMR 2 (`core/iwasm/compilation/…`, `jit_compiler.c`: four threads take
    /// every fourth function), V8 before its dynamic tiering (2021). Theirs begins when the module
    /// is loaded; this one when the function is called for the first time, as functions are
    /// compiled lazily. No running loop is left.
    Eager = "eager",
        "Every function is optimized at its first call, behind all urgent requests" {}
}

policy! {
    FixedBudget = "fixed-budget",
        "A function is optimized after the same amount of work, whatever its size" {
        units: f64 = Value::Real(1_000_000.0), "units", types::real("units", 1.0, 1e18),
            "work until something is optimized";
        slices: f64 = Value::Real(4.0), "slices", types::real("", 1.0, 1000.0),
            "how often the policy is asked until then";
    }
}

impl Policy for Never {
    fn spec(&self) -> String {
        self.to_spec()
    }

    fn on(&self, _memo: &mut Memo, _event: PolicyEvent, _view: &View) -> Decision {
        Decision::wait(Budget::Unlimited).because(Reason::new("never"))
    }

    fn recorded(&self, _memo: &mut Memo, _recorded: &Recorded, _view: &View) -> Decision {
        Decision::wait(Budget::Unlimited).because(Reason::new("never"))
    }
}

impl Policy for FirstCall {
    fn spec(&self) -> String {
        self.to_spec()
    }

    fn on(&self, _memo: &mut Memo, event: PolicyEvent, view: &View) -> Decision {
        let function = Request::new(view.top(), Lane::Normal);
        let wait = Decision::wait(Budget::Units(1_000)).because(Reason::new("called"));
        match event {
            // A loop of the first call gets its OSR entry at its first back edge.
            PolicyEvent::FirstCode => Decision::wait(Budget::Units(0))
                .with_function(function)
                .because(Reason::new("called")),
            PolicyEvent::Entry => wait.with_function(function),
            PolicyEvent::Loop(_) => wait
                .with_function(function)
                .with_osr(Request::new(view.top(), Lane::Urgent)),
            _ => wait,
        }
    }
}

impl Eager {
    /// Units after which the policy is asked again, in case the request was dropped.
    const AGAIN: u32 = 10_000_000;
}

impl Policy for Eager {
    fn spec(&self) -> String {
        self.to_spec()
    }

    fn on(&self, _memo: &mut Memo, event: PolicyEvent, view: &View) -> Decision {
        let wait = Decision::wait(Budget::Units(Self::AGAIN));
        match event {
            PolicyEvent::FirstCode | PolicyEvent::Entry | PolicyEvent::Loop(_)
                if view.can_rise() =>
            {
                // In the order of the module, as a thread that works through it takes them.
                let priority = -f64::from(view.func.func.0);
                let request = Request::new(view.top(), Lane::Low).with_priority(priority);
                wait.with_function(request).because(Reason::new("has code"))
            }
            _ => wait.because(Reason::new("requested before")),
        }
    }
}

impl Policy for FixedBudget {
    fn spec(&self) -> String {
        self.to_spec()
    }

    fn on(&self, _memo: &mut Memo, event: PolicyEvent, view: &View) -> Decision {
        let work = Work {
            done: view.units_since_request as f64,
            threshold: self.units,
        };
        at_threshold(event, view, work, self.units / self.slices.max(1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{decide, lanes, loop_event, view};
    use super::super::{Level, LoopPhase, Phase};
    use super::*;

    const BUDGET: FixedBudget = FixedBudget {
        units: 1_000.0,
        slices: 4.0,
    };

    #[test]
    fn a_function_that_is_called_often_is_optimized_as_a_whole() {
        let early = decide(&BUDGET, PolicyEvent::Entry, &view(10, 999));
        assert_eq!(
            (lanes(&early), early.budget),
            ((None, None), Budget::Units(250))
        );
        assert_eq!(
            early.reason.to_string(),
            "not yet: work=999, threshold=1000"
        );
        let due = decide(&BUDGET, PolicyEvent::Entry, &view(10, 1_000));
        assert_eq!(lanes(&due), (Some(Lane::Normal), None));
    }

    #[test]
    fn a_function_stuck_in_its_first_call_gets_an_osr_entry_only() {
        let due = decide(&BUDGET, loop_event(LoopPhase::Idle, 0), &view(10, 1_000));
        assert_eq!(lanes(&due), (None, Some(Lane::Urgent)));
    }

    #[test]
    fn an_osr_entry_that_was_used_before_calls_for_the_function() {
        let again = decide(&BUDGET, loop_event(LoopPhase::Ready, 1), &view(10, 3));
        assert_eq!(lanes(&again), (Some(Lane::High), None));
        let optimized = View {
            phase: Phase::Optimized,
            level: Level(1),
            ..view(10, 5_000)
        };
        let straggler = decide(&BUDGET, loop_event(LoopPhase::Idle, 0), &optimized);
        assert_eq!(lanes(&straggler), (None, Some(Lane::Urgent)));
    }

    #[test]
    fn never_and_first_call_do_what_they_say() {
        let never = decide(&Never {}, PolicyEvent::Entry, &view(10, u64::MAX));
        assert_eq!(
            (lanes(&never), never.budget),
            ((None, None), Budget::Unlimited)
        );
        let first = decide(&FirstCall {}, PolicyEvent::FirstCode, &view(10, 0));
        assert_eq!(first.function, Some(Request::new(Level(1), Lane::Normal)));
    }
}
