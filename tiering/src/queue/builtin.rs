//! The built-in queue disciplines, and their registry.

use std::sync::Arc;

use upshift_knobs::types::{self, Type};
use upshift_knobs::{Shape, Value, ValueError, Values, Variant};

use super::{Discipline, Waiting};
use crate::policy::mix;
use crate::variant::{list, variant};

variant! { dyn Discipline;
    Fifo = "fifo", "In the order of arrival" {}
}

variant! { dyn Discipline;
    Lifo = "lifo", "The latest request first" {}
}

variant! { dyn Discipline;
    Lanes = "lanes", "By the lane of the request, in a lane in the order of arrival" {
        reprioritise: bool = Value::Switch(false), "reprioritise", types::SWITCH,
            "a later request for a function that waits moves it to that request's lane";
    }
}

variant! { dyn Discipline;
    ///
    /// HotSpot's: the method with the greatest (rate + 1)(i + 1)(b + 1), where i are calls, b
    /// iterations and the rate both per millisecond (`CompilationPolicy::weight`,
    /// `src/hotspot/share/compiler/compilationPolicy.cpp`).
    Hottest = "hottest", "The function with the most calls and iterations, at the highest rate" {}
}

variant! { dyn Discipline;
    ///
    /// The controller's queue of Jikes RVM (`AnalyticModel.java`): a function is expected to run
    /// for as long again as it ran.
    Benefit = "benefit", "The function that gains most if it runs as long again as it ran" {
        speedup: f64 = Value::Real(1.5), "speedup", types::real("", 1.01, 1000.0),
            "how much faster optimized code is, until that is measured";
        unit_ns: f64 = Value::Real(2.0), "unit-ns", types::real("ns", 0.001, 1e6),
            "time that a budget unit stands for";
        fixed_us: f64 = Value::Real(100.0), "fixed-us", types::real("us", 0.0, 1e9),
            "cost of any compilation";
        ns_per_byte: f64 = Value::Real(1250.0), "ns-per-byte", types::real("ns", 0.0, 1e9),
            "cost of a compilation for each byte of the body, until that is measured";
    }
}

variant! { dyn Discipline;
    ///
    /// The greedy order of Smith's rule (W. E. Smith, *Various optimizers for single-stage
    /// production*, 1956): with one compile thread it minimizes the sum of what all functions lose
    /// by waiting, if each gains at a constant rate.
    Density = "density", "The function that gains most for each nanosecond of its compilation" {
        speedup: f64 = Value::Real(1.5), "speedup", types::real("", 1.01, 1000.0),
            "how much faster optimized code is, until that is measured";
        unit_ns: f64 = Value::Real(2.0), "unit-ns", types::real("ns", 0.001, 1e6),
            "time that a budget unit stands for";
        fixed_us: f64 = Value::Real(100.0), "fixed-us", types::real("us", 0.0, 1e9),
            "cost of any compilation";
        ns_per_byte: f64 = Value::Real(1250.0), "ns-per-byte", types::real("ns", 0.0, 1e9),
            "cost of a compilation for each byte of the body, until that is measured";
    }
}

variant! { dyn Discipline;
    Shortest = "shortest", "The function with the shortest body" {}
}

variant! { dyn Discipline;
    ///
    /// V8's queue of top-tier units (`src/wasm/module-compiler.cc`): by the priority of the latest
    /// request, which with `-T policy=v8-budget` is the number of budgets used up.
    V8Prio = "v8-prio", "By the policy's priority alone, whatever the lane" {}
}

variant! { dyn Discipline;
    Random = "random", "In an order at random, to compare others with" {
        seed: u64 = Value::Number(1), "seed", types::count("", 0, u64::MAX),
            "seed of the order";
    }
}

list! { dyn Discipline;
    Lanes, Fifo, Lifo, Hottest, Benefit, Density, Shortest, V8Prio, Random,
}

impl Discipline for Fifo {
    fn spec(&self) -> String {
        self.to_spec()
    }

    fn rank(&self, _waiting: &Waiting) -> f64 {
        0.0
    }
}

impl Discipline for Lifo {
    fn spec(&self) -> String {
        self.to_spec()
    }

    fn rank(&self, waiting: &Waiting) -> f64 {
        waiting.order as f64
    }
}

impl Discipline for Lanes {
    fn spec(&self) -> String {
        self.to_spec()
    }

    fn watches(&self) -> bool {
        self.reprioritise
    }

    fn rank(&self, waiting: &Waiting) -> f64 {
        -f64::from(waiting.request.lane as u8)
    }
}

impl Discipline for Hottest {
    fn spec(&self) -> String {
        self.to_spec()
    }

    fn watches(&self) -> bool {
        true
    }

    fn rank(&self, waiting: &Waiting) -> f64 {
        let figures = waiting.figures;
        let (i, b) = (figures.calls as f64, figures.iterations as f64);
        (figures.rate + 1.0) * (i + 1.0) * (b + 1.0)
    }
}

/// What a compilation costs and gains, in nanoseconds: the function is expected to run for as long
/// again as it ran.
struct Outlook {
    cost: f64,
    gain: f64,
}

impl Outlook {
    fn new(waiting: &Waiting, speedup: f64, unit_ns: f64, fixed_us: f64, ns_per_byte: f64) -> Self {
        let figures = waiting.figures;
        let per_byte = figures.ns_per_byte.unwrap_or(ns_per_byte);
        let speedup = figures.speedup.unwrap_or(speedup).max(1e-3);
        Self {
            cost: fixed_us * 1e3 + per_byte * f64::from(figures.body_bytes),
            gain: figures.units as f64 * unit_ns * (1.0 - 1.0 / speedup),
        }
    }
}

impl Discipline for Benefit {
    fn spec(&self) -> String {
        self.to_spec()
    }

    fn watches(&self) -> bool {
        true
    }

    fn rank(&self, waiting: &Waiting) -> f64 {
        let (speedup, unit_ns) = (self.speedup, self.unit_ns);
        let outlook = Outlook::new(waiting, speedup, unit_ns, self.fixed_us, self.ns_per_byte);
        outlook.gain - outlook.cost
    }
}

impl Discipline for Density {
    fn spec(&self) -> String {
        self.to_spec()
    }

    fn watches(&self) -> bool {
        true
    }

    fn rank(&self, waiting: &Waiting) -> f64 {
        let (speedup, unit_ns) = (self.speedup, self.unit_ns);
        let outlook = Outlook::new(waiting, speedup, unit_ns, self.fixed_us, self.ns_per_byte);
        outlook.gain / outlook.cost.max(1.0)
    }
}

impl Discipline for Shortest {
    fn spec(&self) -> String {
        self.to_spec()
    }

    fn watches(&self) -> bool {
        true
    }

    fn rank(&self, waiting: &Waiting) -> f64 {
        -f64::from(waiting.figures.body_bytes)
    }
}

impl Discipline for V8Prio {
    fn spec(&self) -> String {
        self.to_spec()
    }

    fn watches(&self) -> bool {
        true
    }

    fn rank(&self, waiting: &Waiting) -> f64 {
        waiting.request.priority
    }
}

impl Discipline for Random {
    fn spec(&self) -> String {
        self.to_spec()
    }

    fn rank(&self, waiting: &Waiting) -> f64 {
        (mix(self.seed ^ mix(waiting.order)) >> 11) as f64
    }
}

/// The discipline of engines that set none: lanes.
pub fn default() -> Arc<dyn Discipline> {
    Arc::new(Lanes::default())
}

/// The built-in disciplines: names, help and parameters, in the order in which help shows them.
pub fn builtin() -> &'static [Variant] {
    VARIANTS
}

/// Creates a built-in discipline from `name` or `name:param=value:param=value`.
///
/// # Errors
///
/// If there is no such discipline or parameter, or a value is out of its range.
pub fn from_spec(spec: &str) -> Result<Arc<dyn Discipline>, ValueError> {
    DISCIPLINE.values.parse(spec).map(DISCIPLINE.read)
}

/// What an option that chooses a discipline takes. One that is not built in is shown as it says.
pub(crate) const DISCIPLINE: Type<Arc<dyn Discipline>> = Type {
    values: Values::of(Shape::Variant(VARIANTS)),
    read: |value| match value {
        Value::Variant(index, params) => MAKERS[index](&params),
        _ => default(),
    },
    show: |discipline| Value::Text(discipline.spec()),
};

#[cfg(test)]
mod tests {
    use upshift_profiler::Nanos;

    use super::super::Figures;
    use super::*;
    use crate::policy::{Lane, Level, Request};

    /// The orders of the requests, as they are taken.
    fn taken(spec: &str, waiting: &[Waiting]) -> Vec<u64> {
        let discipline = from_spec(spec).unwrap();
        let mut left = waiting.to_vec();
        let mut taken = Vec::new();
        while !left.is_empty() {
            let index = discipline.choose(&left);
            taken.push(left.swap_remove(index).order);
        }
        taken
    }

    /// Four requests, whose figures are in another order each.
    fn four() -> Vec<Waiting> {
        let rows = [
            // (lane, priority, body, calls, iterations, rate, units)
            (Lane::Low, 4.0, 100, 10, 100, 1.0, 1_000_000),
            (Lane::Normal, 1.0, 400, 1_000, 0, 0.0, 4_000_000),
            (Lane::Urgent, 8.0, 50, 0, 3_000, 0.0, 100_000),
            (Lane::Normal, 2.0, 5_000, 500, 0, 4.0, 20_000_000),
        ];
        let waiting = rows.iter().enumerate().map(|(order, row)| Waiting {
            order: order as u64,
            request: Request::new(Level(1), row.0).with_priority(row.1),
            figures: Figures {
                body_bytes: row.2,
                calls: row.3,
                iterations: row.4,
                rate: row.5,
                units: row.6,
                idle: Nanos(0),
                ..Figures::default()
            },
            ..Waiting::default()
        });
        waiting.collect()
    }

    #[test]
    fn each_discipline_has_its_order() {
        for (spec, order) in [
            ("lanes", [2, 1, 3, 0]),
            ("fifo", [0, 1, 2, 3]),
            ("lifo", [3, 2, 1, 0]),
            // 2 * 11 * 101 = 2222, 1001, 3001, 5 * 501 = 2505.
            ("hottest", [2, 3, 0, 1]),
            // A third of 2 ns a unit: 667, 2667, 67, 13,333 us. Costs: 225, 600, 162.5, 6350 us.
            ("benefit", [3, 1, 0, 2]),
            // 2.96, 4.44, 0.41, 2.1.
            ("density", [1, 0, 3, 2]),
            ("shortest", [2, 0, 1, 3]),
            ("v8-prio", [2, 0, 3, 1]),
        ] {
            assert_eq!(taken(spec, &four()), order, "{spec}");
        }
    }

    #[test]
    fn measured_costs_change_the_order() {
        let mut waiting = four();
        // Almost free: 13,333 us for 105.
        waiting[3].figures.ns_per_byte = Some(1.0);
        assert_eq!(taken("density", &waiting), [3, 1, 0, 2]);
        // Not faster at all.
        waiting[3].figures.speedup = Some(1.0);
        assert_eq!(taken("density", &waiting), [1, 0, 2, 3]);
    }

    #[test]
    fn a_random_order_repeats_with_its_seed() {
        let waiting: Vec<Waiting> = (0..50)
            .map(|order| Waiting {
                order,
                ..Waiting::default()
            })
            .collect();
        let once = taken("random:seed=7", &waiting);
        assert_eq!(once, taken("random:seed=7", &waiting));
        assert_ne!(once, taken("random:seed=8", &waiting));
        assert_ne!(once, taken("fifo", &waiting));
    }

    #[test]
    fn each_discipline_takes_each_request_once_whatever_its_figures() {
        let mut waiting = four();
        waiting[0].figures.rate = f64::NAN;
        waiting[1].request.priority = f64::NAN;
        waiting[2].figures.units = u64::MAX;
        waiting[3].figures.speedup = Some(0.0);
        for variant in builtin() {
            let mut taken = taken(variant.name, &waiting);
            taken.sort_unstable();
            assert_eq!(taken, [0, 1, 2, 3], "{}", variant.name);
            let spec = from_spec(variant.name).unwrap().spec();
            assert_eq!(from_spec(&spec).unwrap().spec(), spec);
        }
    }
}
