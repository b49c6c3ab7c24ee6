//! The decisions of the built-in policies.

use super::registry::{CostModel, FirstCall, FixedBudget, Never};
use super::{Budget, Decision, Lane, Policy, PolicyEvent, View};
use crate::state::{LoopPhase, Phase};

impl Policy for Never {
    fn spec(&self) -> String {
        self.to_spec()
    }

    fn decide(&self, _event: PolicyEvent, _view: &View) -> Decision {
        Decision::wait(Budget::Unlimited)
    }
}

impl Policy for FirstCall {
    fn spec(&self) -> String {
        self.to_spec()
    }

    fn decide(&self, event: PolicyEvent, _view: &View) -> Decision {
        match event {
            // A loop of the first call gets its OSR entry at its first back edge.
            PolicyEvent::FirstCode => Decision {
                function: Some(Lane::Normal),
                ..Decision::wait(Budget::Units(0))
            },
            PolicyEvent::Entry => Decision {
                function: Some(Lane::Normal),
                ..Decision::wait(Budget::Units(1_000))
            },
            PolicyEvent::Loop(_) => Decision {
                function: Some(Lane::Normal),
                osr: Some(Lane::Urgent),
                budget: Budget::Units(1_000),
            },
        }
    }
}

impl Policy for FixedBudget {
    fn spec(&self) -> String {
        self.to_spec()
    }

    fn decide(&self, event: PolicyEvent, view: &View) -> Decision {
        let work = view.units_since_request as f64;
        let slice = self.units / self.slices.max(1.0);
        at_threshold(event, view, work / self.units, slice)
    }
}

impl Policy for CostModel {
    fn spec(&self) -> String {
        self.to_spec()
    }

    fn decide(&self, event: PolicyEvent, view: &View) -> Decision {
        let threshold = self.threshold(view);
        let slice = threshold / self.slices.max(1.0) / self.unit_ns.max(1e-3);
        at_threshold(event, view, self.work(view) / threshold, slice)
    }
}

impl CostModel {
    /// Nanoseconds of work after which the function should be optimized.
    ///
    /// This is the ski-rental problem: running on in baseline code is renting, compiling is buying.
    /// A compilation of `c` ns makes what follows `speedup` times faster; had it been done from the
    /// start, it would have paid for itself after `c / (1 - 1/speedup)` ns of baseline time.
    /// Buying at that point costs at most twice what a clairvoyant pays. `alpha` moves the
    /// point: on an idle core a compilation costs less than its time.
    pub fn threshold(&self, view: &View) -> f64 {
        let per_byte = match view.optimizer_ns_per_byte {
            Some(measured) if self.measured > 0.0 => measured,
            _ => self.ns_per_byte,
        };
        let cost = self.fixed_us * 1e3 + per_byte * f64::from(view.body_bytes);
        let break_even = cost / (1.0 - 1.0 / self.speedup.max(1.01));
        self.alpha * break_even * self.queue_scale(view)
    }

    /// Nanoseconds of work that the function has done since the last request for it.
    ///
    /// What a unit takes depends on the code: an iteration of an interpreter's loop takes ten times
    /// as long as one that adds up numbers. But the function has not worked longer than it is old,
    /// which for those that matter is close.
    pub fn work(&self, view: &View) -> f64 {
        let units = view.units_since_request as f64;
        let most = (self.max_unit_ns * units).min(view.age_since_request.0 as f64);
        most.max(self.unit_ns * units)
    }

    /// The factor by which the queue raises the threshold: with a long queue, requests would wait
    /// anyway.
    fn queue_scale(&self, view: &View) -> f64 {
        if self.feedback == 0.0 {
            return 1.0;
        }
        let threads = f64::from(view.workers.max(1));
        1.0 + f64::from(view.queue_length) / (self.feedback * threads)
    }
}

/// Decides after an amount of work, checking a few times on the way.
///
/// What to optimize follows from where the work is done. A function that runs out at its entry is
/// called often: optimize it as a whole. One that runs out in a loop may have been called once and
/// never again, so make an OSR entry first, which serves the call that runs now; if the entry has
/// been used before, or the budget has run out at the function's entry too, then there are
/// many calls, and the whole function is wanted as well.
///
/// `done` is the work so far as a fraction of the threshold, `slice` the units until the next
/// check.
fn at_threshold(event: PolicyEvent, view: &View, done: f64, slice: f64) -> Decision {
    let due = done >= 1.0;
    let mut decision = Decision::wait(Budget::Units(slice.clamp(0.0, i32::MAX as f64) as u32));
    match event {
        PolicyEvent::FirstCode => {}
        PolicyEvent::Entry if view.phase == Phase::Baseline => {
            // Far over the threshold: an earlier request was dropped.
            let lane = if done >= 2.0 {
                Lane::High
            } else {
                Lane::Normal
            };
            decision.function = due.then_some(lane);
        }
        // These calls started before calls switched to optimized code.
        PolicyEvent::Entry => {}
        PolicyEvent::Loop(site) => {
            let called_again = site.entries > 0 || view.entry_exhaustions > 0;
            if called_again && view.phase == Phase::Baseline && (due || site.entries > 0) {
                decision.function = Some(Lane::High);
            }
            if due && site.phase == LoopPhase::Idle {
                decision.osr = Some(Lane::Urgent);
            }
        }
    }
    decision
}

#[cfg(test)]
mod tests {
    use upshift_abi::{DefinedFuncIndex, LoopIndex};
    use upshift_profiler::{FuncKey, ModuleKey, Nanos};

    use super::super::LoopView;
    use super::*;

    fn view(body_bytes: u32, units: u64) -> View {
        View {
            func: FuncKey {
                module: ModuleKey(0),
                func: DefinedFuncIndex(0),
            },
            body_bytes,
            phase: Phase::Baseline,
            units,
            units_since_request: units,
            entry_exhaustions: 0,
            loop_exhaustions: 0,
            age: Nanos(0),
            age_since_request: Nanos(0),
            queue_length: 0,
            workers: 1,
            optimizer_ns_per_byte: None,
        }
    }

    fn loop_event(phase: LoopPhase, entries: u32) -> PolicyEvent {
        PolicyEvent::Loop(LoopView {
            index: LoopIndex(0),
            depth: 0,
            phase,
            entries,
        })
    }

    #[test]
    fn the_break_even_point_of_a_634_byte_function() {
        let model = CostModel {
            speedup: 2.0,
            ..CostModel::default()
        };
        // (100 us + 634 * 1.25 us) / (1 - 1/2), in ns.
        assert_eq!(model.threshold(&view(634, 0)), 1_785_000.0);
        let quarter = CostModel {
            alpha: 0.25,
            ..model
        };
        assert_eq!(quarter.threshold(&view(634, 0)), 1_785_000.0 / 4.0);
    }

    #[test]
    fn measured_speed_and_queue_move_the_threshold() {
        let model = CostModel {
            measured: 1.0,
            feedback: 5.0,
            ..CostModel::default()
        };
        let plain = model.threshold(&view(1_000, 0));
        let faster = View {
            optimizer_ns_per_byte: Some(625.0),
            ..view(1_000, 0)
        };
        assert!(model.threshold(&faster) < plain);
        let crowded = View {
            queue_length: 10,
            workers: 2,
            ..view(1_000, 0)
        };
        assert_eq!(model.threshold(&crowded), 2.0 * plain);
    }

    #[test]
    fn work_lies_between_what_units_take_at_least_and_at_most() {
        let model = CostModel::default();
        let aged = |ns| View {
            age_since_request: Nanos(ns),
            ..view(100, 1_000)
        };
        assert_eq!(model.work(&aged(0)), 1_000.0);
        assert_eq!(model.work(&aged(2_500)), 2_500.0);
        assert_eq!(model.work(&aged(1_000_000)), 4_000.0);
    }

    #[test]
    fn a_function_that_is_called_often_is_optimized_as_a_whole() {
        let policy = FixedBudget {
            units: 1_000.0,
            slices: 4.0,
        };
        let early = policy.decide(PolicyEvent::Entry, &view(10, 999));
        assert_eq!(early, Decision::wait(Budget::Units(250)));
        let due = policy.decide(PolicyEvent::Entry, &view(10, 1_000));
        assert_eq!((due.function, due.osr), (Some(Lane::Normal), None));
    }

    #[test]
    fn a_function_stuck_in_its_first_call_gets_an_osr_entry_only() {
        let policy = FixedBudget {
            units: 1_000.0,
            slices: 4.0,
        };
        let due = policy.decide(loop_event(LoopPhase::Idle, 0), &view(10, 1_000));
        assert_eq!((due.function, due.osr), (None, Some(Lane::Urgent)));
    }

    #[test]
    fn an_osr_entry_that_was_used_before_calls_for_the_function() {
        let policy = FixedBudget {
            units: 1_000.0,
            slices: 4.0,
        };
        let again = policy.decide(loop_event(LoopPhase::Ready, 1), &view(10, 3));
        assert_eq!((again.function, again.osr), (Some(Lane::High), None));
        let optimized = View {
            phase: Phase::Optimized,
            ..view(10, 5_000)
        };
        let straggler = policy.decide(loop_event(LoopPhase::Idle, 0), &optimized);
        assert_eq!(
            (straggler.function, straggler.osr),
            (None, Some(Lane::Urgent))
        );
    }

    #[test]
    fn never_and_first_call_do_what_they_say() {
        let never = Never {}.decide(PolicyEvent::Entry, &view(10, u64::MAX));
        assert_eq!(never, Decision::wait(Budget::Unlimited));
        let first = FirstCall {}.decide(PolicyEvent::FirstCode, &view(10, 0));
        assert!(first.function.is_some());
    }
}
