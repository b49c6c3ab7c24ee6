//! Tests of simulations: by hand, against bounds, and of each rule of tiering.

use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use upshift_profiler::Nanos;
use upshift_tiering::policy::{Budget, Needs, builtin, from_spec};
use upshift_tiering::policy::{CostModel, FirstCall, FixedBudget, Lane, Never, Reason, Request};
use upshift_tiering::{Level, Memo, View};

use super::*;
use crate::bounds::{Effort, iar, relaxed, single};
use crate::machine::tests::{two_functions, workload};
use crate::machine::{Switch, Unit};
use crate::trace::Loop;
use crate::trace::tests::random_trace;

fn close(found: f64, expected: f64) {
    assert!(
        (found - expected).abs() < 1e-6,
        "{found}, expected {expected}"
    );
}

/// A unit for each call and iteration.
const ONE: Weights = Weights {
    call: 1,
    iteration: 1,
};

fn run(policy: impl Policy + 'static, workload: &Workload, machine: Machine) -> Simulation {
    let setup = Setup {
        decisions: Keep::All,
        weights: ONE,
        ..Setup::new(Arc::new(policy), machine)
    };
    simulate(workload, &setup)
}

/// The events that the policy heard, with their times.
fn heard(simulation: &Simulation) -> Vec<(usize, &'static str, i64)> {
    let decisions = simulation.decisions.iter();
    decisions
        .map(|one| (one.function, one.event.name(), one.at_ns.round() as i64))
        .collect()
}

#[test]
fn never_runs_all_at_level_0() {
    let simulation = run(Never {}, &two_functions(), Machine::new(2, 1));
    close(simulation.outcome.wall_ns, 265.0);
    assert_eq!(simulation.requests, 0);
    assert_eq!(
        heard(&simulation),
        [(0, "first-code", 2), (1, "first-code", 115)]
    );
}

#[test]
fn first_call_by_hand() {
    let simulation = run(FirstCall {}, &two_functions(), Machine::new(2, 1));
    // `f` is requested at 2 and published at 32. `g` is first called when its slice is over, has
    // its first code 3 ns later, and 60 ns later, of 100 in the slice, its optimized code.
    let first = 32.0 + 60.0 * 80.0 / 110.0;
    close(simulation.outcome.wall_ns, first + 3.0 + 60.0 + 0.4 * 70.0);
    let events = heard(&simulation);
    assert_eq!(events[..2], [(0, "first-code", 2), (0, "dequeued", 2)]);
    assert!(events.contains(&(0, "published", 32)), "{events:?}");
    assert_eq!(events.last(), Some(&(1, "published", 139)));
}

#[test]
fn a_fixed_budget_by_hand() {
    let policy = FixedBudget {
        units: 40.0,
        slices: 2.0,
    };
    let simulation = run(policy, &two_functions(), Machine::new(2, 1));
    // `f` counts a unit in 1.1 ns from 2 on: its policy is asked after 20 and 40 units. Where that
    // is a loop, what is requested is an OSR entry. It takes 30 ns.
    let times: Vec<i64> = heard(&simulation).iter().map(|event| event.2).collect();
    assert_eq!(times[..4], [2, 24, 46, 46], "{:?}", heard(&simulation));
    let done = simulation.outcome.jobs[0];
    close(done.published, 76.0);
    assert_eq!(done.job.unit, Unit::Loop(0));
}

/// Requests the function at its first exhausted budget, in a lane by its number, and does with
/// dequeued requests as told.
#[derive(Debug)]
struct Script {
    withdraws: bool,
    wake: Option<Nanos>,
}

impl Policy for Script {
    fn spec(&self) -> String {
        "script".into()
    }

    fn on(&self, memo: &mut Memo, event: PolicyEvent, view: &View) -> Decision {
        memo.words[0] += 1;
        let wait = Decision::wait(Budget::Units(10));
        let wait = match (self.wake, event) {
            (Some(after), PolicyEvent::FirstCode) => wait.with_wake(after),
            _ => wait,
        };
        match event {
            PolicyEvent::Entry | PolicyEvent::Loop(_) => {
                let request = Request::new(view.top(), Lane::Normal);
                let reason = Reason::new("again").with("events", memo.words[0] as f64);
                wait.with_function(request).because(reason)
            }
            PolicyEvent::Dequeued { .. } if self.withdraws => wait.withdrawing(),
            _ => wait,
        }
    }
}

#[test]
fn requests_are_made_once_and_may_be_withdrawn() {
    let script = |withdraws| Script {
        withdraws,
        wake: None,
    };
    let machine = Machine::new(2, 1);
    let simulation = run(script(false), &two_functions(), machine.clone());
    assert_eq!((simulation.requests, simulation.withdrawn), (2, 0));
    assert!(simulation.deduplicated > 0);
    let simulation = run(script(true), &two_functions(), machine);
    assert!(simulation.withdrawn > 5);
    assert_eq!(simulation.withdrawn, simulation.requests);
    assert!(simulation.outcome.jobs.is_empty());
}

#[test]
fn memos_are_kept_for_each_function_and_alarms_ring() {
    let script = Script {
        withdraws: false,
        wake: Some(Nanos(50)),
    };
    let simulation = run(script, &two_functions(), Machine::new(2, 1));
    let woken: Vec<_> = heard(&simulation)
        .into_iter()
        .filter(|one| one.1 == "wake")
        .collect();
    assert_eq!(woken.len(), 2);
    assert_eq!(woken[0], (0, "wake", 52));
    for function in 0..2 {
        let of_function = simulation
            .decisions
            .iter()
            .filter(|one| one.function == function);
        let counts = of_function.enumerate().filter_map(|(number, one)| {
            let (_, count) = *one.decision.reason.numbers().first()?;
            Some((number as f64 + 1.0, count))
        });
        assert!(counts.into_iter().all(|(number, count)| number == count));
    }
}

#[test]
fn a_full_queue_drops_and_limits_hold() {
    let workload = two_functions();
    let mut setup = Setup::new(Arc::new(FirstCall {}), Machine::new(2, 1));
    setup.knobs.max_optimize_bytes = 9;
    let simulation = simulate(&workload, &setup);
    assert_eq!(simulation.requests, 0);
    close(simulation.outcome.wall_ns, 265.0);
    setup.knobs = Knobs {
        function_tier_up: false,
        osr: false,
        ..Knobs::default()
    };
    assert_eq!(simulate(&workload, &setup).requests, 0);
    // Three functions at once, one thread, and room for one more.
    let parts: Vec<_> = (0..3)
        .map(|function| (function, 1.0, 9.0, 100.0, 50.0))
        .collect();
    let crowd = crate::machine::tests::workload(&[(0.0, 500.0); 3], &[(0.0, &parts)]);
    setup.knobs = Knobs {
        queue_cap: 1,
        osr: false,
        ..Knobs::default()
    };
    let simulation = simulate(&crowd, &setup);
    assert_eq!(simulation.requests, 2);
    assert!(simulation.dropped >= 1);
}

#[test]
fn a_loop_that_never_ends_gets_an_osr_entry_and_calls_ask_for_the_function() {
    // One call for two slices, then many.
    let looping = workload(
        &[(0.0, 100.0)],
        &[
            (0.0, &[(0, 1.0, 999.0, 1000.0, 500.0)]),
            (0.0, &[(0, 0.0, 1000.0, 1000.0, 500.0)]),
            (0.0, &[(0, 10.0, 990.0, 1000.0, 500.0)]),
            (0.0, &[(0, 10.0, 990.0, 1000.0, 500.0)]),
        ],
    );
    let policy = || FixedBudget {
        units: 100.0,
        slices: 4.0,
    };
    let machine = Machine {
        switch: Switch::Entry,
        ..Machine::new(2, 1)
    };
    let simulation = run(policy(), &looping, machine.clone());
    let units: Vec<Unit> = simulation
        .outcome
        .jobs
        .iter()
        .map(|done| done.job.unit)
        .collect();
    assert_eq!(units, [Unit::Loop(0), Unit::Function]);
    // Requested at 100, published at 200; the first two slices end at 600 and 1100.
    close(simulation.outcome.jobs[0].published, 200.0);
    assert!(
        simulation.outcome.wall_ns < 2300.0,
        "{:?}",
        simulation.outcome
    );
    let mut setup = Setup::new(Arc::new(policy()), machine);
    setup.weights = ONE;
    setup.knobs.osr = false;
    let without = simulate(&looping, &setup);
    assert!(without.outcome.wall_ns > 2900.0, "{:?}", without.outcome);
}

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
                for queue in [
                    Discipline::Lanes,
                    Discipline::Hottest,
                    Discipline::Random(3),
                ] {
                    let setup = Setup {
                        queue,
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

/// What the policy `cost-model` promises: at most twice the best, where its figures are right. One
/// core, the guest's thread compiles; units of 1 ns and of 2/3 ns optimized.
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
        let best = single(&workload);
        // A threshold is noticed at most a fiftieth of it late, for each function.
        let late = functions as f64 * 3000.0 / 50.0;
        assert!(simulation.outcome.wall_ns <= 2.0 * best + late);
        worst = worst.max(simulation.outcome.wall_ns / best);
    }
    assert!(worst > 1.1, "the cases are hard: at worst {worst}");
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

#[test]
fn levels_above_the_ladder_are_its_highest() {
    #[derive(Debug)]
    struct High;
    impl Policy for High {
        fn spec(&self) -> String {
            "high".into()
        }

        fn on(&self, _memo: &mut Memo, _event: PolicyEvent, _view: &View) -> Decision {
            let request = Request::new(Level(9), Lane::Normal);
            Decision::wait(Budget::Units(10)).with_function(request)
        }
    }
    let simulation = run(High, &two_functions(), Machine::new(2, 1));
    assert_eq!(simulation.outcome.jobs[0].job.level, 1);
}

/// A policy that is one function.
#[derive(Debug)]
struct Ask(fn(&mut Memo, PolicyEvent, &View) -> Decision);

impl Policy for Ask {
    fn spec(&self) -> String {
        "ask".into()
    }

    fn on(&self, memo: &mut Memo, event: PolicyEvent, view: &View) -> Decision {
        (self.0)(memo, event, view)
    }
}

/// Requests the function when ten units are used up, and asks for no event from then on.
const ONCE: Ask = Ask(|_, event, view| match event {
    PolicyEvent::FirstCode => Decision::wait(Budget::Units(10)),
    _ => {
        let request = Request::new(view.top(), Lane::Normal);
        Decision::wait(Budget::Unlimited).with_function(request)
    }
});

/// A call that loops through three slices of 1000 ns and as many units, then one of calls.
fn one_long_call(compile_ns: f64) -> Workload {
    let looping = (0, 0.0, 1000.0, 1000.0, 500.0);
    workload(
        &[(0.0, compile_ns)],
        &[
            (0.0, &[(0, 1.0, 999.0, 1000.0, 500.0)]),
            (0.0, &[looping]),
            (0.0, &[looping]),
            (0.0, &[(0, 1000.0, 0.0, 1000.0, 500.0)]),
        ],
    )
}

#[test]
fn budgets_are_short_while_something_is_under_way() {
    let mut setup = Setup::new(Arc::new(ONCE), Machine::new(2, 1));
    (setup.weights, setup.decisions) = (ONE, Keep::All);
    let events = |setup: &Setup| heard(&simulate(&one_long_call(1e6), setup)).len();
    // The first code, ten units, the dequeued request.
    assert_eq!(events(&setup), 3);
    setup.knobs.poll = 100;
    // And every hundred of the other 3990 units.
    assert_eq!(events(&setup), 3 + 39);
}

#[test]
fn code_that_is_published_ends_the_budget_of_running_loops() {
    let entry = Machine {
        switch: Switch::Entry,
        ..Machine::new(2, 1)
    };
    let simulation = run(ONCE, &one_long_call(1490.0), entry);
    let events = heard(&simulation);
    // Published at 1500, where the loop runs on in old code.
    assert_eq!(
        events[events.len() - 2..],
        [(0, "published", 1500), (0, "loop", 1501)]
    );
}

#[test]
fn a_function_has_so_many_osr_entries_at_most() {
    let policy = Ask(|_, event, view| {
        let wait = Decision::wait(Budget::Units(10));
        match event {
            PolicyEvent::Loop(_) => wait.with_osr(Request::new(view.top(), Lane::Urgent)),
            _ => wait,
        }
    });
    let mut two_loops = one_long_call(500.0);
    two_loops.functions[0].loops.push(Loop {
        offset: 7,
        depth: 1,
    });
    two_loops.loops = vec![(0, 500.0), (1, 500.0)];
    for stretch in &mut two_loops.stretches {
        stretch.parts[0].loops = (0, 2);
    }
    let entry = Machine {
        switch: Switch::Entry,
        ..Machine::new(2, 1)
    };
    let mut setup = Setup::new(Arc::new(policy), entry);
    setup.weights = ONE;
    setup.knobs.osr_per_function = 0;
    assert_eq!(simulate(&two_loops, &setup).requests, 0);
    setup.knobs.osr_per_function = 1;
    assert_eq!(simulate(&two_loops, &setup).requests, 1);
}

#[test]
fn a_request_that_is_made_again_takes_its_new_priority() {
    // All want to be compiled; the last one ever more.
    let policy = Ask(|memo, event, view| {
        memo.words[0] += u64::from(event == PolicyEvent::Entry);
        let urgency = if view.func.func.0 == 2 {
            memo.words[0] as f64
        } else {
            1.5
        };
        let request = Request::new(view.top(), Lane::Normal).with_priority(urgency);
        Decision::wait(Budget::Units(10)).with_function(request)
    });
    let slice: Vec<_> = (0..3)
        .map(|function| (function, 100.0, 0.0, 100.0, 50.0))
        .collect();
    let three = workload(
        &[(0.0, 150.0); 3],
        &[(0.0, &slice), (0.0, &slice), (0.0, &slice)],
    );
    let setup = Setup {
        queue: Discipline::Priority,
        weights: ONE,
        ..Setup::new(Arc::new(policy), Machine::new(2, 1))
    };
    let jobs = simulate(&three, &setup).outcome.jobs;
    let order: Vec<usize> = jobs.iter().map(|done| done.job.function).collect();
    assert_eq!(order, [0, 2, 1]);
}

/// Samples each microsecond.
#[derive(Debug)]
struct Sampler;

impl Policy for Sampler {
    fn spec(&self) -> String {
        "sampler".into()
    }

    fn needs(&self) -> Needs {
        Needs::samples(Duration::from_micros(1))
    }

    fn on(&self, memo: &mut Memo, event: PolicyEvent, view: &View) -> Decision {
        if let PolicyEvent::Sampled(count) = event {
            memo.words[0] += u64::from(count);
            assert_eq!(memo.words[0], u64::from(view.samples));
        }
        Decision::wait(Budget::Unlimited)
    }
}

#[test]
fn samples_find_functions_by_their_time() {
    let parts = [(0, 10.0, 0.0, 3e6, 1e6), (1, 1.0, 0.0, 6e6, 1e6)];
    let workload = workload(&[(0.0, 1e9), (0.0, 1e9)], &[(1e6, &parts)]);
    let simulation = run(Sampler, &workload, Machine::new(2, 1));
    let count = |function| {
        let decisions = simulation.decisions.iter();
        let of_function = decisions.filter(|one| one.function == function);
        of_function
            .filter(|one| one.event == PolicyEvent::Sampled(1))
            .count() as f64
    };
    // A sample in each microsecond, of which the host has a tenth.
    let found = (count(0), count(1));
    assert!(
        (found.0 - 3000.0).abs() < 200.0 && (found.1 - 6000.0).abs() < 200.0,
        "{found:?}"
    );
}

#[test]
fn budgets_are_in_weighted_units_and_views_in_calls() {
    let policy = from_spec("fixed-budget:units=100:slices=1").unwrap();
    let mut setup = Setup::new(policy, Machine::new(2, 1));
    setup.decisions = Keep::All;
    // 20 calls of 10 units in 200 ns.
    let calls = workload(&[(0.0, 1e9)], &[(0.0, &[(0, 20.0, 0.0, 200.0, 100.0)])]);
    assert_eq!(heard(&simulate(&calls, &setup))[1], (0, "entry", 100));
    setup.weights = ONE;
    assert_eq!(heard(&simulate(&calls, &setup)).len(), 1);
    // 40 iterations of 5.
    let loops = workload(&[(0.0, 1e9)], &[(0.0, &[(0, 0.0, 40.0, 200.0, 100.0)])]);
    setup.weights = Weights::default();
    assert_eq!(heard(&simulate(&loops, &setup))[1], (0, "loop", 100));
    let both = workload(&[(0.0, 1e9)], &[(0.0, &[(0, 20.0, 4.0, 200.0, 100.0)])]);
    let hints = hints_of(&both, Weights::default());
    assert_eq!(hints[0].unwrap().expected_units, Some(220));
}

/// Predictions that are right make ski rental cheaper, and wrong ones dearer, by no more than they
/// may: 1 + lambda and 1 + 1/lambda of the best. One core, the guest's thread compiles.
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
        let (best, late) = (single(&one), 2.0 * 3000.0 / 50.0);
        let found = [
            wall(&one, spec, right),
            wall(&one, plain, vec![]),
            wall(&one, spec, wrong),
        ];
        for ((found, limit), sum) in found.into_iter().zip([1.5, 2.0, 3.0]).zip(&mut sums) {
            assert!(
                found <= limit * best + late,
                "{units} units: {found}, {limit} times {best}"
            );
            *sum += found / best;
        }
    }
    assert!(sums[0] < sums[1] && sums[1] < sums[2], "{sums:?}");
}
