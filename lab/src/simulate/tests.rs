//! Tests of simulations: by hand; against bounds; and of each rule of tiering.

mod against_bounds;
mod golden;
mod rules;

use std::sync::Arc;

use upshift_profiler::Nanos;
use upshift_tiering::policy::{Budget, FirstCall, FixedBudget, Lane, Never, Reason, Request};
use upshift_tiering::{Level, Memo, View};

use super::*;
use crate::machine::tests::{two_functions, workload};
use crate::machine::{Switch, Unit};
use crate::workload::Scale;

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

/// Asks to be woken again and again, and is never asked otherwise.
#[derive(Debug)]
struct Restless;

impl Policy for Restless {
    fn spec(&self) -> String {
        "restless".into()
    }

    fn on(&self, _memo: &mut Memo, _event: PolicyEvent, _view: &View) -> Decision {
        let wait = Decision::wait(Budget::Unlimited).because(Reason::new("restless"));
        wait.with_wake(Nanos(1_000_000))
    }
}

/// Policies that look at a fixed period need ever more questions for a longer run. One that needs
/// too many is an error, in no time.
#[test]
fn a_run_of_decades_is_cut() {
    let thousands = Scale {
        work: 1e6,
        ..Scale::default()
    };
    let short = two_functions();
    let long = short.scaled(thousands).scaled(thousands).scaled(thousands);
    let jikes = upshift_tiering::policy::from_spec("jikes").unwrap();
    for policy in [jikes, Arc::new(Restless)] {
        let spec = policy.spec();
        let setup = Setup {
            most_asked: 1_000,
            ..Setup::new(policy, Machine::new(1, 1))
        };
        simulate(&short, &setup).whole().unwrap();
        let cut = simulate(&long, &setup).whole().unwrap_err();
        // A sample and the question that follows from it are counted each.
        assert!((1_000..1_010).contains(&cut.asked), "{cut}");
        assert_eq!(cut.policy, spec);
        assert!((0.1e9..60e9).contains(&cut.at_ns), "{cut}");
        assert!(cut.to_string().contains("shorten the run"), "{cut}");
    }
}
