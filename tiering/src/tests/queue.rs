//! Tests of queue disciplines in the engine: the order, changed urgencies, stale requests.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use upshift_profiler::{DropReason, Event};

use super::*;
use crate::policy::{Budget, Decision, Lane, Level, Memo, Policy, PolicyEvent, Request, View};
use crate::{TieringConfig, pool, queue};

/// Requests all functions but the fifth at each entry; the priority is how often the function came
/// there.
#[derive(Debug)]
struct Counting;

impl Policy for Counting {
    fn spec(&self) -> String {
        "counting".into()
    }

    fn on(&self, memo: &mut Memo, event: PolicyEvent, view: &View) -> Decision {
        let wait = Decision::wait(Budget::Units(10));
        match event {
            PolicyEvent::Entry if view.func.func.0 != 4 => {
                memo.words[0] += 1;
                let request = Request::new(Level(1), Lane::Normal);
                wait.with_function(request.with_priority(memo.words[0] as f64))
            }
            _ => wait,
        }
    }
}

/// A rig with that policy, whose optimizer waits for the gate, and where all functions have code.
fn counting(functions: usize, settings: &str) -> Rig {
    let optimizer = FakeCompiler::acting(Tier::Optimizer, |_, _| Act::Wait);
    let mut config = TieringConfig {
        policy: Arc::new(Counting),
        ..TieringConfig::default()
    };
    for setting in settings.split_whitespace() {
        let (name, value) = setting.split_once('=').unwrap();
        config.set(name, value).unwrap();
    }
    let rig = Rig::of(functions, config, optimizer, None, Box::new(pool::spawn));
    for func in 0..functions as u32 {
        rig.first_call(func);
    }
    rig
}

/// A rig whose one compile thread is held by function 0: further requests wait.
fn held(functions: usize, settings: &str) -> Rig {
    let rig = counting(functions, settings);
    rig.exhausted(0, BudgetSite::Entry);
    while rig.tiering.queue_length() > 0 {
        thread::yield_now();
    }
    rig
}

/// The functions in the order in which they were compiled.
fn compiled(rig: &Rig) -> Vec<u32> {
    rig.optimizer.open_gate();
    rig.tiering.wait_idle();
    let compiled = rig.optimizer.compiled.lock().unwrap();
    compiled.iter().map(|(func, _)| func.0).collect()
}

#[test]
fn the_discipline_orders_what_waits() {
    for (spec, order) in [("fifo", [0, 1, 2, 3]), ("lifo", [0, 3, 2, 1])] {
        let rig = held(4, &format!("threads=1 queue={spec}"));
        for func in 1..4 {
            rig.exhausted(func, BudgetSite::Entry);
        }
        assert_eq!(compiled(&rig), order, "{spec}");
    }
}

/// In virtual time, too: function 0 is compiled until its latency has passed, by the work of
/// function 4.
#[test]
fn virtual_compile_threads_obey_the_discipline() {
    for (spec, order) in [
        ("lanes", [0, 1, 2, 3]),
        ("lifo", [0, 3, 2, 1]),
        ("v8-prio", [0, 2, 1, 3]),
    ] {
        let settings = format!("switching=virtual:fixed=1000:per-byte=0 queue={spec}");
        let rig = counting(5, &settings);
        rig.optimizer.open_gate();
        for func in [0, 1, 2, 3, 2] {
            rig.exhausted(func, BudgetSite::Entry);
        }
        for _ in 0..5_000 {
            rig.call(4, 0);
        }
        assert_eq!(compiled(&rig), order, "{spec}");
    }
}

/// Later requests for a function that waits change its priority, unless the discipline is one that
/// looks at none.
#[test]
fn requests_that_wait_become_more_urgent() {
    for (spec, order) in [("v8-prio", [0, 2, 3, 1]), ("lanes", [0, 1, 2, 3])] {
        let rig = held(4, &format!("threads=1 queue={spec}"));
        for func in [1, 2, 3, 2, 3, 2] {
            rig.exhausted(func, BudgetSite::Entry);
        }
        assert_eq!(compiled(&rig), order, "{spec}");
    }
}

#[test]
fn hot_functions_overtake_by_what_they_do_while_they_wait() {
    let rig = held(3, "threads=1 queue=hottest");
    rig.exhausted(1, BudgetSite::Entry);
    rig.exhausted(2, BudgetSite::Entry);
    for _ in 0..200 {
        rig.call(2, 0);
    }
    assert_eq!(compiled(&rig), [0, 2, 1]);
}

#[test]
fn requests_of_functions_that_rest_are_dropped_and_can_be_made_again() {
    let rig = held(3, "threads=1 stale-ms=100");
    rig.exhausted(1, BudgetSite::Entry);
    rig.exhausted(2, BudgetSite::Entry);
    thread::sleep(Duration::from_millis(150));
    for _ in 0..30 {
        rig.call(2, 0);
    }
    assert_eq!(compiled(&rig), [0, 2]);
    assert_eq!(phase(&rig, 1), Phase::Baseline);
    let records = rig.tiering.log().records();
    let dropped: Vec<_> = records
        .iter()
        .filter_map(|record| match &record.event {
            Event::RequestDropped { code, why, .. } => Some((code.func.func.0, *why)),
            _ => None,
        })
        .collect();
    assert_eq!(dropped, [(1, DropReason::Stale)]);
    rig.exhausted(1, BudgetSite::Entry);
    assert_eq!(compiled(&rig), [0, 2, 1]);
}

#[test]
fn the_discipline_is_an_option() {
    let mut config = TieringConfig::default();
    assert_eq!(config.queue.spec(), queue::default().spec());
    config.set("queue", "random:seed=9").unwrap();
    assert_eq!(config.queue.spec(), "random:seed=9");
    let refused = config.set("queue", "hotest").unwrap_err().to_string();
    assert!(refused.ends_with("did you mean `hottest`?"), "{refused}");
}
