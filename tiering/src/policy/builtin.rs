//! The decisions of the built-in policies.

use super::registry::{CostModel, FirstCall, FixedBudget, Never};
use super::{Budget, Decision, Lane, Memo, Policy, PolicyEvent, Reason, Request, View};
use crate::state::{LoopPhase, Phase};

impl Policy for Never {
    fn spec(&self) -> String {
        self.to_spec()
    }

    fn on(&self, _memo: &mut Memo, _event: PolicyEvent, _view: &View) -> Decision {
        Decision::wait(Budget::Unlimited)
    }
}

impl Policy for FirstCall {
    fn spec(&self) -> String {
        self.to_spec()
    }

    fn on(&self, _memo: &mut Memo, event: PolicyEvent, view: &View) -> Decision {
        let function = Request::new(view.top(), Lane::Normal);
        let wait = Decision::wait(Budget::Units(1_000));
        match event {
            // A loop of the first call gets its OSR entry at its first back edge.
            PolicyEvent::FirstCode => Decision::wait(Budget::Units(0)).with_function(function),
            PolicyEvent::Entry => wait.with_function(function),
            PolicyEvent::Loop(_) => wait
                .with_function(function)
                .with_osr(Request::new(view.top(), Lane::Urgent)),
            _ => wait,
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

impl Policy for CostModel {
    fn spec(&self) -> String {
        self.to_spec()
    }

    fn on(&self, _memo: &mut Memo, event: PolicyEvent, view: &View) -> Decision {
        let work = Work {
            done: self.work(view),
            threshold: self.threshold(view),
        };
        let slice = work.threshold / self.slices.max(1.0) / self.unit_ns.max(1e-3);
        at_threshold(event, view, work, slice)
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
        let per_byte = match view.at(view.top()).ns_per_byte {
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
/// `slice` are the units until the next check.
fn at_threshold(event: PolicyEvent, view: &View, work: Work, slice: f64) -> Decision {
    let due = work.done >= work.threshold;
    let wait = Decision::wait(Budget::Units(slice.clamp(0.0, i32::MAX as f64) as u32));
    let mut decision = wait.because(work.reason(due));
    let request = |lane| Request::new(view.top(), lane);
    match event {
        PolicyEvent::Entry if view.phase == Phase::Baseline => {
            // Far over the threshold: an earlier request was dropped.
            let lane = match work.done >= 2.0 * work.threshold {
                true => Lane::High,
                false => Lane::Normal,
            };
            decision.function = due.then(|| request(lane));
        }
        PolicyEvent::Loop(site) => {
            let called_again = site.entries > 0 || view.entry_exhaustions > 0;
            if called_again && view.phase == Phase::Baseline && (due || site.entries > 0) {
                decision.function = Some(request(Lane::High));
            }
            if due && site.phase == LoopPhase::Idle {
                decision.osr = Some(request(Lane::Urgent));
            }
        }
        // At an entry in another phase: the call started before calls switched to optimized code.
        _ => {}
    }
    decision
}

/// The work that a function has done, and after how much it is optimized: in the same unit.
#[derive(Clone, Copy)]
struct Work {
    done: f64,
    threshold: f64,
}

impl Work {
    fn reason(self, due: bool) -> Reason {
        let text = if due { "worth it" } else { "not yet" };
        let reason = Reason::new(text).with("work", self.done);
        reason.with("threshold", self.threshold)
    }
}

#[cfg(test)]
mod tests {
    use upshift_abi::LoopIndex;
    use upshift_profiler::Nanos;

    use super::super::{Level, LoopView};
    use super::*;

    fn view(body_bytes: u32, units: u64) -> View {
        View {
            body_bytes,
            units,
            units_since_request: units,
            ..View::default()
        }
    }

    /// What the policy decides on a function's first event.
    fn decide(policy: &impl Policy, event: PolicyEvent, view: &View) -> Decision {
        policy.on(&mut Memo::default(), event, view)
    }

    /// The lanes of a decision's requests, for the function and for the loop.
    fn lanes(decision: &Decision) -> (Option<Lane>, Option<Lane>) {
        let lane = |request: Option<Request>| request.map(|request| request.lane);
        (lane(decision.function), lane(decision.osr))
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
        let mut faster = view(1_000, 0);
        faster.level_views[1].ns_per_byte = Some(625.0);
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
        let early = decide(&policy, PolicyEvent::Entry, &view(10, 999));
        assert_eq!(
            (lanes(&early), early.budget),
            ((None, None), Budget::Units(250))
        );
        assert_eq!(
            early.reason.to_string(),
            "not yet: work=999, threshold=1000"
        );
        let due = decide(&policy, PolicyEvent::Entry, &view(10, 1_000));
        assert_eq!(lanes(&due), (Some(Lane::Normal), None));
    }

    #[test]
    fn a_function_stuck_in_its_first_call_gets_an_osr_entry_only() {
        let policy = FixedBudget {
            units: 1_000.0,
            slices: 4.0,
        };
        let due = decide(&policy, loop_event(LoopPhase::Idle, 0), &view(10, 1_000));
        assert_eq!(lanes(&due), (None, Some(Lane::Urgent)));
    }

    #[test]
    fn an_osr_entry_that_was_used_before_calls_for_the_function() {
        let policy = FixedBudget {
            units: 1_000.0,
            slices: 4.0,
        };
        let again = decide(&policy, loop_event(LoopPhase::Ready, 1), &view(10, 3));
        assert_eq!(lanes(&again), (Some(Lane::High), None));
        let optimized = View {
            phase: Phase::Optimized,
            ..view(10, 5_000)
        };
        let straggler = decide(&policy, loop_event(LoopPhase::Idle, 0), &optimized);
        assert_eq!(lanes(&straggler), (None, Some(Lane::Urgent)));
    }

    #[test]
    fn never_and_first_call_do_what_they_say() {
        let never = decide(&Never {}, PolicyEvent::Entry, &view(10, u64::MAX));
        assert_eq!(never, Decision::wait(Budget::Unlimited));
        let first = decide(&FirstCall {}, PolicyEvent::FirstCode, &view(10, 0));
        assert_eq!(first.function, Some(Request::new(Level(1), Lane::Normal)));
    }
}
