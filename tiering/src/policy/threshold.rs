//! What policies share that compare an amount of work with a threshold.

use super::{Budget, Decision, Lane, LoopPhase, PolicyEvent, Reason, Request, View};

/// The work that a function has done, and after how much it is optimized: in the same unit.
#[derive(Clone, Copy)]
pub(super) struct Work {
    pub(super) done: f64,
    pub(super) threshold: f64,
}

impl Work {
    pub(super) fn is_due(self) -> bool {
        self.done >= self.threshold
    }

    pub(super) fn reason(self) -> Reason {
        let text = if self.is_due() { "worth it" } else { "not yet" };
        let reason = Reason::new(text).with("work", self.done);
        reason.with("threshold", self.threshold)
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
pub(super) fn at_threshold(event: PolicyEvent, view: &View, work: Work, slice: f64) -> Decision {
    let due = work.is_due();
    let mut decision = Decision::wait(units(slice)).because(work.reason());
    let request = |lane| Request::new(view.top(), lane);
    let for_function = match event {
        PolicyEvent::Entry => true,
        // The work of a loop that can't be left counts for the function as a whole.
        PolicyEvent::Loop(site) => site.phase == LoopPhase::Closed,
        _ => false,
    };
    match event {
        PolicyEvent::Entry | PolicyEvent::Loop(_) if for_function && view.can_rise() => {
            // Far over the threshold: an earlier request was dropped.
            let lane = match work.done >= 2.0 * work.threshold {
                true => Lane::High,
                false => Lane::Normal,
            };
            decision.function = due.then(|| request(lane));
        }
        PolicyEvent::Loop(site) => {
            let called_again = site.entries > 0 || view.entry_exhaustions > 0;
            if called_again && view.can_rise() && (due || site.entries > 0) {
                decision.function = Some(request(Lane::High));
                if !due {
                    let reason = Reason::new("its OSR entry is used");
                    decision.reason = reason.with("entries", f64::from(site.entries));
                }
            }
            if due && site.can_rise() {
                decision.osr = Some(request(Lane::Urgent));
            }
        }
        // At an entry in another phase: the call started before calls switched to optimized code.
        _ => {}
    }
    decision
}

/// A budget of about so many units: at least one, and unlimited beyond what a budget holds.
pub(super) fn units(units: f64) -> Budget {
    match units {
        units if units >= f64::from(i32::MAX) => Budget::Unlimited,
        // Rounded up, so that the budget runs out behind the threshold and not a unit before it.
        // Not a number only where a parameter is infinite: asked again soon.
        units => Budget::Units((units.ceil() as u32).max(1)),
    }
}

/// What an engine counts for a call of a function and for an iteration of its loops, in units of
/// its own.
#[derive(Clone, Copy, Debug)]
pub(super) struct Weights {
    pub(super) call: f64,
    pub(super) iteration: f64,
}

impl Weights {
    /// What the engine would have counted for so many calls and iterations.
    pub(super) fn count(self, calls: u64, iterations: u64) -> f64 {
        self.call * calls as f64 + self.iteration * iterations as f64
    }

    /// The budget that lasts until the count has grown by `missing`, whether by calls or by
    /// iterations, but not less than a sixteenth of `whole`: that much later than the engine the
    /// policy may decide, for the sake of few questions.
    pub(super) fn budget(self, view: &View, missing: f64, whole: f64) -> Budget {
        let per_unit = |weight: f64, units: u32| match units {
            0 => 0.0,
            units => weight / f64::from(units),
        };
        let call = per_unit(self.call, view.call_units);
        let fastest = call.max(per_unit(self.iteration, view.loop_units));
        if fastest <= 0.0 {
            return Budget::Unlimited;
        }
        units(missing.max(whole / 16.0) / fastest)
    }
}

/// The decision with a request for the function, where it would be taken.
pub(super) fn rise(decision: Decision, view: &View, request: Request) -> Decision {
    match view.can_rise() {
        true => decision.with_function(request),
        false => decision,
    }
}

/// The decision with a request for an OSR entry of the event's loop, where it is in one and the
/// request would be taken.
pub(super) fn leave_loop(decision: Decision, event: PolicyEvent, request: Request) -> Decision {
    match event {
        PolicyEvent::Loop(site) if site.can_rise() => decision.with_osr(request),
        _ => decision,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_last_until_the_engine_would_have_decided() {
        let view = View::default();
        // 10 units a call: 4 points a unit. 5 units an iteration: 0.2 points a unit.
        let weights = Weights {
            call: 40.0,
            iteration: 1.0,
        };
        assert_eq!(weights.count(3, 7), 127.0);
        assert_eq!(weights.budget(&view, 1_000.0, 1_600.0), Budget::Units(250));
        // No less than 1600 / 16 points.
        assert_eq!(weights.budget(&view, 1.0, 1_600.0), Budget::Units(25));
        assert_eq!(weights.budget(&view, 1e18, 1e18), Budget::Unlimited);
        let uncounted = View {
            call_units: 0,
            loop_units: 0,
            ..view
        };
        assert_eq!(weights.budget(&uncounted, 1.0, 1.0), Budget::Unlimited);
        assert_eq!(units(f64::NAN), Budget::Units(1));
    }
}
