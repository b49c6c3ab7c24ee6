//! Tests of background compilation: switching, duplicates, order, failures, shutdown.

use std::sync::Arc;
use std::thread;

use upshift_profiler::Event;

use super::*;

const SETTINGS: &str = "policy=fixed-budget:units=50 threads=1";

/// An optimizer whose compilations wait until the gate opens.
fn stuck() -> Arc<FakeCompiler> {
    FakeCompiler::acting(Tier::Optimizer, |_, _| Act::Wait)
}

#[test]
fn calls_switch_over_while_the_caller_goes_on() {
    let rig = Rig::with(1, SETTINGS, stuck());
    for _ in 0..500 {
        assert_eq!(rig.call(0, 0).tier, Tier::Baseline);
    }
    assert!(matches!(phase(&rig, 0), Phase::Queued | Phase::Optimizing));
    rig.optimizer.open_gate();
    rig.tiering.wait_idle();
    assert_eq!(rig.call(0, 0).tier, Tier::Optimizer);
    assert_eq!(rig.optimizer.counts().len(), 1);
}

#[test]
fn a_running_loop_finds_its_entry_at_a_poll() {
    let rig = Rig::with(1, "policy=fixed-budget:units=50 threads=1 poll=10", stuck());
    assert_eq!(rig.call(0, 500).tier, Tier::Baseline);
    rig.optimizer.open_gate();
    rig.tiering.wait_idle();
    let code = rig.call(0, 20);
    assert_eq!(code.unit, CompileUnit::Loop(LoopIndex(0)));
}

#[test]
fn what_is_under_way_is_not_asked_for_again() {
    let rig = Rig::with(1, "policy=first-call threads=1", stuck());
    rig.first_call(0);
    for _ in 0..5 {
        rig.exhausted(0, BudgetSite::Entry);
        rig.exhausted(0, LOOP_0);
    }
    rig.optimizer.open_gate();
    rig.tiering.wait_idle();
    assert!(rig.optimizer.counts().values().all(|&count| count == 1));
    let stats = rig.tiering.log().stats();
    assert_eq!(stats.requests_queued, 2);
    assert_eq!(stats.requests_deduplicated, 14);
}

#[test]
fn loops_go_before_functions() {
    let rig = Rig::with(4, "policy=first-call threads=1", stuck());
    // The first request occupies the one thread; the others wait in their lanes.
    rig.first_call(0);
    while rig.tiering.queue_length() > 0 {
        thread::yield_now();
    }
    rig.first_call(1);
    rig.first_call(2);
    rig.exhausted(2, LOOP_0);
    rig.optimizer.open_gate();
    rig.tiering.wait_idle();
    let order = rig.optimizer.compiled.lock().unwrap().clone();
    let function = |n| (DefinedFuncIndex(n), CompileUnit::Function);
    let entry = (DefinedFuncIndex(2), CompileUnit::Loop(LoopIndex(0)));
    assert_eq!(order, [function(0), entry, function(1), function(2)]);
}

#[test]
fn a_panicking_worker_pins_and_goes_on() {
    let optimizer = FakeCompiler::acting(Tier::Optimizer, |func, _| match func.0 {
        0 => Act::Panic,
        _ => Act::Compile,
    });
    let rig = Rig::with(2, "policy=first-call threads=1", optimizer);
    rig.first_call(0);
    rig.first_call(1);
    rig.tiering.wait_idle();
    assert_eq!(
        (phase(&rig, 0), phase(&rig, 1)),
        (Phase::Pinned, Phase::Optimized)
    );
    assert_eq!(rig.call(0, 1_000).tier, Tier::Baseline);
    assert_eq!(rig.tiering.failures(), 1);
}

#[test]
fn a_full_queue_drops_and_is_asked_again() {
    let rig = Rig::with(3, "policy=first-call threads=1 queue-cap=1", stuck());
    rig.first_call(0);
    while rig.tiering.queue_length() > 0 {
        thread::yield_now();
    }
    rig.first_call(1);
    rig.first_call(2);
    assert_eq!(
        (phase(&rig, 1), phase(&rig, 2)),
        (Phase::Queued, Phase::Baseline)
    );
    rig.optimizer.open_gate();
    rig.tiering.wait_idle();
    rig.exhausted(2, BudgetSite::Entry);
    rig.tiering.wait_idle();
    assert_eq!(phase(&rig, 2), Phase::Optimized);
    assert_eq!(rig.tiering.log().stats().requests_dropped, 1);
}

#[test]
fn modules_that_are_gone_are_skipped() {
    let rig = Rig::with(2, "policy=first-call threads=1", stuck());
    rig.first_call(0);
    while rig.optimizer.counts().is_empty() {
        thread::yield_now();
    }
    rig.first_call(1);
    let Rig {
        home,
        tiers,
        tiering,
        optimizer,
        ..
    } = rig;
    drop((home, tiers));
    optimizer.open_gate();
    tiering.wait_idle();
    assert_eq!(optimizer.counts().len(), 1);
    // The code that was being compiled is dropped too: its module is gone.
    assert_eq!(tiering.log().stats().requests_dropped, 2);
}

#[test]
fn shutdown_drops_what_waits() {
    let rig = Rig::with(9, "policy=first-call threads=2", stuck());
    for func in 0..9 {
        rig.first_call(func);
    }
    while rig.tiering.queue_length() > 7 {
        thread::yield_now();
    }
    let Rig {
        tiering,
        optimizer,
        tiers,
        ..
    } = rig;
    let shared = tiering.shared().clone();
    drop(tiering);
    optimizer.open_gate();
    while shared.pool.size() > 0 {
        thread::yield_now();
    }
    assert_eq!(optimizer.counts().len(), 2);
    assert_eq!(shared.log.stats().requests_dropped, 7);
    assert_eq!(tiers.phase(DefinedFuncIndex(8)), Phase::Queued);
}

/// Many threads run the same functions while compile threads replace their code; nothing is
/// compiled or retired twice (the fakes check), and all functions end in optimized code.
#[test]
fn hammer_calls_against_workers() {
    let rig = Rig::new(20, "policy=fixed-budget:units=30 threads=3 poll=5");
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for round in 0..400 {
                    for func in 0..20 {
                        rig.call(func, round % 7);
                    }
                }
            });
        }
    });
    rig.tiering.wait_idle();
    assert!(rig.optimizer.counts().values().all(|&count| count == 1));
    assert!((0..20).all(|func| phase(&rig, func) == Phase::Optimized));
    let records = rig.tiering.log().records();
    let published = |tier| {
        let of_tier =
            |event: &Event| matches!(event, Event::Published { code, .. } if code.tier == tier);
        records
            .iter()
            .filter(|record| of_tier(&record.event))
            .count()
    };
    assert_eq!(
        (published(Tier::Baseline), published(Tier::Optimizer)),
        (20, 20)
    );
}
