//! Tests of single rules of tiering.

use std::sync::Arc;
use std::time::Duration;

use upshift_tiering::policy::{Budget, Lane, Needs, Request, from_spec};
use upshift_tiering::{Memo, View};

use super::super::*;
use super::{ONE, heard, run};
use crate::machine::Switch;
use crate::machine::tests::workload;
use crate::trace::Loop;

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
        queue: upshift_tiering::queue::from_spec("v8-prio").unwrap(),
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
