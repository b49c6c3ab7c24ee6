//! Simulations of random programs, compared with what no policy can do better.

use std::sync::Arc;

use fastrand::Rng;
use upshift_profiler::Nanos;
use upshift_tiering::policy::{CostModel, builtin, from_spec};

use super::super::*;
use super::{ONE, Script, run};
use crate::bounds::{Effort, free, iar, relaxed, single};
use crate::machine::Switch;
use crate::machine::tests::workload;
use crate::trace::tests::random_trace;

/// All built-in policies, some with parameters that suit short runs, and one of this test.
fn policies() -> Vec<Arc<dyn Policy>> {
    let specs = [
        "fixed-budget:units=10",
        "fixed-budget:units=100:slices=1",
        "cost-model:alpha=0.1:fixed-us=0:ns-per-byte=0.001",
        "cost-model:measured=on:feedback=1:fixed-us=0.1",
        "ski-rental:random=on:fixed-us=0:ns-per-byte=0.01",
        "hinted-ski-rental:fixed-us=0:ns-per-byte=0.01",
        "jikes:quantum-ms=0.0001",
        "v8-budget:budget=2000",
        "wizard",
    ];
    let names = builtin().iter().map(|variant| variant.name);
    let specs = names.chain(specs);
    let mut policies: Vec<_> = specs.map(|spec| from_spec(spec).expect(spec)).collect();
    policies.push(Arc::new(Script {
        withdraws: false,
        wake: Some(Nanos(20)),
    }));
    policies
}

#[test]
fn no_policy_is_below_the_bounds_and_all_repeat() {
    let mut random = Rng::with_seed(12);
    let entry = Machine {
        switch: Switch::Entry,
        ..Machine::new(2, 1)
    };
    let pairs = [(1, 0), (1, 1), (2, 1), (3, 2)];
    let mut machines = pairs
        .map(|(cores, workers)| Machine::new(cores, workers))
        .to_vec();
    machines.push(entry);
    for case in 0..60 {
        let workload = Workload::new(&random_trace(&mut random));
        for machine in &machines {
            let bound = relaxed(&workload, machine) * (1.0 - 1e-9);
            for policy in policies() {
                for queue in ["lanes", "hottest", "random:seed=3"] {
                    let setup = Setup {
                        queue: upshift_tiering::queue::from_spec(queue).unwrap(),
                        decisions: Keep::All,
                        hints: hints_of(&workload, Weights::default()),
                        ..Setup::new(policy.clone(), machine.clone())
                    };
                    let simulation = simulate(&workload, &setup);
                    let wall = simulation.outcome.wall_ns;
                    assert!(wall >= bound, "case {case}: {wall} < {bound}, {setup:?}");
                    assert_eq!(simulation, simulate(&workload, &setup), "case {case}");
                }
            }
        }
    }
}

/// What the policy `cost-model` promises where its figures are right: what a run takes beyond
/// optimized code that costs nothing is at most twice what it takes at best. One core, the guest's
/// thread compiles; units of 1 ns and of 2/3 ns optimized.
#[test]
fn ski_rental_is_at_most_twice_the_best() {
    let mut random = Rng::with_seed(13);
    let model = CostModel {
        unit_ns: 1.0,
        max_unit_ns: 1.0,
        fixed_us: 0.0,
        ns_per_byte: 100.0,
        slices: 50.0,
        ..CostModel::default()
    };
    let mut worst: f64 = 0.0;
    for _ in 0..300 {
        // Bodies have ten bytes, so a compilation takes 1000 ns, and pays after 3000.
        let functions = random.usize(1..6);
        let costs = vec![(0.0, 1000.0); functions];
        let mut slices = Vec::new();
        for _ in 0..20 {
            let mut parts = Vec::new();
            for function in 0..functions {
                if random.bool() {
                    let units = f64::from(random.u32(1..600));
                    parts.push((function, units, 0.0, units, units / 1.5));
                }
            }
            slices.push(parts);
        }
        let slices: Vec<_> = slices.iter().map(|parts| (0.0, parts.as_slice())).collect();
        let workload = workload(&costs, &slices);
        let simulation = run(model.clone(), &workload, Machine::new(1, 0));
        let ideal = free(&workload);
        let best = single(&workload) - ideal;
        // A threshold is noticed at most a fiftieth of it late, for each function.
        let late = functions as f64 * 3000.0 / 50.0;
        let found = simulation.outcome.wall_ns - ideal;
        assert!(found <= 2.0 * best + late, "{found}, at best {best}");
        worst = worst.max(found / best);
    }
    assert!(worst > 1.5, "the cases are hard: at worst {worst}");
}

#[test]
fn a_good_schedule_is_better_than_the_policies_on_average() {
    let mut random = Rng::with_seed(14);
    let machine = Machine::new(2, 1);
    let mut ratios = Vec::new();
    for _ in 0..60 {
        let workload = Workload::new(&random_trace(&mut random));
        let best = iar(&workload, &machine, Effort { runs: 500 }).wall_ns;
        if best > 0.0 {
            let setup = Setup::new(
                from_spec("fixed-budget:units=100").unwrap(),
                machine.clone(),
            );
            ratios.push(simulate(&workload, &setup).outcome.wall_ns / best);
        }
    }
    assert!(crate::stats::geomean(ratios.iter().copied()).unwrap() > 1.05);
    assert!(ratios.iter().all(|ratio| *ratio > 0.999), "{ratios:?}");
}

/// Predictions that are right make ski rental cheaper, and wrong ones dearer, by no more than they
/// may: what a run takes beyond optimized code that costs nothing is at most 1 + lambda and
/// 1 + 1/lambda times the best. One core, the guest's thread compiles.
#[test]
fn hinted_ski_rental_is_consistent_and_robust() {
    let mut random = Rng::with_seed(15);
    let spec = "hinted-ski-rental:lambda=0.5:fixed-us=0:ns-per-byte=100:max-unit-ns=1:slices=50";
    let plain = "ski-rental:fixed-us=0:ns-per-byte=100:max-unit-ns=1:slices=50";
    let wall = |workload: &Workload, spec, hints| {
        let setup = Setup {
            hints,
            weights: ONE,
            ..Setup::new(from_spec(spec).unwrap(), Machine::new(1, 0))
        };
        simulate(workload, &setup).outcome.wall_ns
    };
    let mut sums = [0.0; 3];
    for _ in 0..200 {
        // Bodies have ten bytes, so a compilation takes 1000 ns, and pays after 3000.
        let units = 10.0_f64.powf(2.0 + 2.5 * random.f64()).round();
        let slices = vec![[(0, units / 20.0, 0.0, units / 20.0, units / 30.0)]; 20];
        let slices: Vec<_> = slices.iter().map(|parts| (0.0, &parts[..])).collect();
        let one = workload(&[(0.0, 1000.0)], &slices);
        let right = hints_of(&one, ONE);
        let mut wrong = right.clone();
        let expected = if units < 3000.0 { 1 << 40 } else { 0 };
        wrong[0].as_mut().unwrap().expected_units = Some(expected);
        let ideal = free(&one);
        let (best, late) = (single(&one) - ideal, 2.0 * 3000.0 / 50.0);
        let found = [
            wall(&one, spec, right),
            wall(&one, plain, vec![]),
            wall(&one, spec, wrong),
        ];
        for ((found, limit), sum) in found.into_iter().zip([1.5, 2.0, 3.0]).zip(&mut sums) {
            let found = found - ideal;
            assert!(
                found <= limit * best + late,
                "{units} units: {found}, {limit} times {best}"
            );
            *sum += found / best;
        }
    }
    assert!(sums[0] < sums[1] && sums[1] < sums[2], "{sums:?}");
}
