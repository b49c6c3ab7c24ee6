//! Policies that weigh what a compilation costs against what it saves: the cost model, and what
//! other files share of it.

use upshift_knobs::{Value, types};

use super::threshold::{Work, at_threshold};
use super::{Decision, Memo, Policy, PolicyEvent, View};

/// Declares a policy that compares the time that a function has worked with what compiling it
/// costs: its own parameters, then those of [`Costs`].
macro_rules! costed_policy {
    (
        $(#[$doc:meta])*
        $policy:ident = $name:literal, $help:literal { $($own:tt)* }
    ) => {
        crate::policy::registry::policy! {
            $(#[$doc])*
            $policy = $name, $help {
                $($own)*
                fixed_us: f64 = Value::Real(100.0), "fixed-us", types::real("us", 0.0, 1e9),
                    "cost of any compilation";
                ns_per_byte: f64 = Value::Real(1250.0), "ns-per-byte",
                    types::real("ns", 0.0, 1e9),
                    "cost of a compilation for each byte of the body";
                measured: bool = Value::Switch(false), "measured", types::SWITCH,
                    "use the measured cost per byte and speedup as soon as there are any";
                speedup: f64 = Value::Real(1.5), "speedup", types::real("", 1.01, 1000.0),
                    "how much faster optimized code is";
                unit_ns: f64 = Value::Real(1.0), "unit-ns", types::real("ns", 0.001, 1e6),
                    "time that a budget unit stands for at least";
                max_unit_ns: f64 = Value::Real(4.0), "max-unit-ns",
                    types::real("ns", 0.001, 1e6),
                    "time that a budget unit stands for at most";
                slices: f64 = Value::Real(4.0), "slices", types::real("", 1.0, 1000.0),
                    "how often the policy is asked until the threshold";
            }
        }

        impl $policy {
            /// The parameters that say what compilations cost and save.
            fn costs(&self) -> crate::policy::cost::Costs {
                crate::policy::cost::Costs {
                    fixed_us: self.fixed_us,
                    ns_per_byte: self.ns_per_byte,
                    measured: self.measured,
                    speedup: self.speedup,
                    unit_ns: self.unit_ns,
                    max_unit_ns: self.max_unit_ns,
                    slices: self.slices,
                }
            }
        }
    };
}
pub(super) use costed_policy;

/// What a compilation costs and saves, and what a budget unit takes in time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Costs {
    pub(super) fixed_us: f64,
    pub(super) ns_per_byte: f64,
    pub(super) measured: bool,
    pub(super) speedup: f64,
    pub(super) unit_ns: f64,
    pub(super) max_unit_ns: f64,
    pub(super) slices: f64,
}

impl Costs {
    /// Nanoseconds of work after which a compilation from the start would have paid for itself.
    ///
    /// A compilation of `c` ns makes what follows `speedup` times faster, so it saves
    /// `1 - 1/speedup` of the time in the first level's code: `c` is saved after
    /// `c / (1 - 1/speedup)` ns of that.
    pub(super) fn break_even(&self, view: &View) -> f64 {
        let top = view.at(view.top());
        let (per_byte, speedup) = match self.measured {
            true => (
                top.ns_per_byte.unwrap_or(self.ns_per_byte),
                top.speedup.unwrap_or(self.speedup),
            ),
            false => (self.ns_per_byte, self.speedup),
        };
        let cost = self.fixed_us * 1e3 + per_byte * f64::from(view.body_bytes);
        cost / (1.0 - 1.0 / speedup.max(1.01))
    }

    /// Nanoseconds of work that the function has done since the last request for it.
    ///
    /// What a unit takes depends on the code: an iteration of an interpreter's loop takes ten times
    /// as long as one that adds up numbers. But the function has not worked longer than it is old,
    /// which for those that matter is close.
    pub(super) fn work(&self, view: &View) -> f64 {
        let units = view.units_since_request as f64;
        let most = (self.max_unit_ns * units).min(view.age_since_request.0 as f64);
        most.max(self.unit_ns * units)
    }

    /// Decides at this many nanoseconds of work.
    pub(super) fn decide(&self, event: PolicyEvent, view: &View, threshold: f64) -> Decision {
        let done = self.work(view);
        let slice = threshold / self.slices.max(1.0) / self.unit_ns.max(1e-3);
        at_threshold(event, view, Work { done, threshold }, slice)
    }
}

costed_policy! {
    ///
    /// The ski-rental problem: running on in baseline code is renting, compiling is buying. Buying
    /// at the break-even point costs at most twice what a clairvoyant pays (Karlin, Manasse,
    /// McGeoch, Owicki: *Competitive randomized algorithms for nonuniform problems*, SODA 1990).
    /// `alpha` moves the point: on an idle core a compilation costs less than its time, and with a
    /// long queue (`feedback`) requests would wait anyway. With one core there is no idle one, so
    /// that a compilation which does not pay delays the program by all of its time: `single` makes
    /// them rarer there. Jikes RVM's rule with two levels, where
    /// a function is expected to run for as long again as it has run (Arnold and others, OOPSLA
    /// 2000), decides at the same point with `alpha=1`.
    CostModel = "cost-model",
        "A function is optimized once its work so far could have paid for the compilation" {
        alpha: f64 = Value::Real(1.0), "alpha", types::real("", 0.0, 1000.0),
            "fraction of the break-even point to wait for, less is earlier";
        single: f64 = Value::Real(3.0), "single", types::real("", 0.0, 1e6),
            "factor of that point where the process may use one core only";
        feedback: f64 = Value::Real(0.0), "feedback", types::real("requests", 0.0, 1e6),
            "queue length per thread that doubles the threshold, 0 is never";
    }
}

impl CostModel {
    /// Nanoseconds of work after which the function should be optimized.
    pub fn threshold(&self, view: &View) -> f64 {
        let cores = if view.cores == 1 { self.single } else { 1.0 };
        self.alpha * cores * self.costs().break_even(view) * self.queue_scale(view)
    }

    /// Nanoseconds of work that the function has done since the last request for it, which lie
    /// between what its units take at least and at most.
    pub fn work(&self, view: &View) -> f64 {
        self.costs().work(view)
    }

    /// The factor by which the queue raises the threshold.
    fn queue_scale(&self, view: &View) -> f64 {
        if self.feedback == 0.0 {
            return 1.0;
        }
        let threads = f64::from(view.workers.max(1));
        1.0 + f64::from(view.queue_length) / (self.feedback * threads)
    }
}

impl Policy for CostModel {
    fn spec(&self) -> String {
        self.to_spec()
    }

    fn on(&self, _memo: &mut Memo, event: PolicyEvent, view: &View) -> Decision {
        self.costs().decide(event, view, self.threshold(view))
    }
}

#[cfg(test)]
mod tests {
    use upshift_profiler::Nanos;

    use super::super::testing::view;
    use super::*;

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
    fn one_core_raises_the_threshold() {
        let model = CostModel::default();
        let two = view(634, 0);
        let one = View { cores: 1, ..two };
        assert_eq!(model.threshold(&one), 3.0 * model.threshold(&two));
        let same = CostModel {
            single: 1.0,
            ..model
        };
        assert_eq!(same.threshold(&one), same.threshold(&two));
    }

    #[test]
    fn measured_speed_and_queue_move_the_threshold() {
        let model = CostModel {
            measured: true,
            feedback: 5.0,
            ..CostModel::default()
        };
        let plain = model.threshold(&view(1_000, 0));
        let mut faster = view(1_000, 0);
        faster.level_views[1].ns_per_byte = Some(625.0);
        assert!(model.threshold(&faster) < plain);
        let mut better = view(1_000, 0);
        better.level_views[1].speedup = Some(2.0);
        assert!(model.threshold(&better) < plain);
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
}
