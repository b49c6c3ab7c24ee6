//! Compile threads that are refused, stuck, or left behind; compilations that are bounded.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use upshift_profiler::Event;

use super::*;
use crate::pool::{self, Task};

/// An optimizer that never ends with function 0 by itself.
fn dragging() -> Arc<FakeCompiler> {
    FakeCompiler::acting(Tier::Optimizer, |func, _| match func.0 {
        0 => Act::Drag,
        _ => Act::Compile,
    })
}

/// Waits for what a compile thread is to do.
fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(20), "{what}");
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn threads_start_with_the_first_request() {
    let rig = Rig::new(1, "policy=fixed-budget:units=50 threads=2");
    assert_eq!(rig.tiering.shared().pool.size(), 0);
    rig.call(0, 0);
    assert_eq!(rig.tiering.shared().pool.size(), 0);
    for _ in 0..200 {
        rig.call(0, 0);
    }
    rig.tiering.wait_idle();
    assert_eq!(phase(&rig, 0), Phase::Optimized);
    assert_eq!(rig.tiering.shared().pool.size(), 1);
}

#[test]
fn without_threads_the_caller_compiles() {
    let refused = |_: String, _: Task| Err(io::ErrorKind::WouldBlock.into());
    let optimizer = FakeCompiler::new(Tier::Optimizer);
    let rig = Rig::spawning(3, "policy=first-call", optimizer, Box::new(refused));
    for func in 0..3 {
        rig.first_call(func);
        assert_eq!(phase(&rig, func), Phase::Optimized);
    }
    assert_eq!(rig.tiering.queue_length(), 0);
    rig.tiering.wait_idle();
}

/// A system that has no thread now may have one later.
#[test]
fn refused_threads_are_asked_for_again() {
    let refuse = Arc::new(AtomicBool::new(true));
    let spawn = {
        let refuse = refuse.clone();
        move |name, task| match refuse.load(Ordering::Relaxed) {
            true => Err(io::ErrorKind::WouldBlock.into()),
            false => pool::spawn(name, task),
        }
    };
    let optimizer = FakeCompiler::new(Tier::Optimizer);
    let rig = Rig::spawning(2, "policy=first-call", optimizer, Box::new(spawn));
    rig.first_call(0);
    assert_eq!(phase(&rig, 0), Phase::Optimized);
    refuse.store(false, Ordering::Relaxed);
    rig.first_call(1);
    rig.tiering.wait_idle();
    assert_eq!(phase(&rig, 1), Phase::Optimized);
    assert_eq!(rig.tiering.shared().pool.size(), 1);
}

/// One function that takes forever keeps the only thread, but not the others' code from being made.
#[test]
fn a_stuck_thread_gets_a_helper_that_leaves_again() {
    let settings = "policy=first-call threads=1 helper-after-ms=20 max-compile-ms=400";
    let started = Arc::new(AtomicU32::new(0));
    let spawn = {
        let started = started.clone();
        move |name, task| {
            started.fetch_add(1, Ordering::Relaxed);
            pool::spawn(name, task)
        }
    };
    let rig = Rig::spawning(2, settings, dragging(), Box::new(spawn));
    rig.first_call(0);
    wait_for("the thread begins", || rig.tiering.queue_length() == 0);
    rig.first_call(1);
    // Whoever waits for function 1 comes by now and then.
    wait_for("function 1 is optimized", || {
        rig.exhausted(1, BudgetSite::Entry);
        phase(&rig, 1) == Phase::Optimized
    });
    assert_eq!(phase(&rig, 0), Phase::Optimizing);
    rig.tiering.wait_idle();
    assert_eq!(started.load(Ordering::Relaxed), 2);
    assert_eq!(phase(&rig, 0), Phase::Pinned);
    // The helper left behind its job, or the first thread did when it was free again.
    rig.exhausted(1, LOOP_0);
    rig.tiering.wait_idle();
    assert_eq!(rig.tiering.shared().pool.size(), 1);
}

#[test]
fn a_compilation_has_a_limit_of_time() {
    let rig = Rig::with(
        1,
        "policy=first-call threads=1 max-compile-ms=30",
        dragging(),
    );
    rig.first_call(0);
    rig.tiering.wait_idle();
    assert_eq!(phase(&rig, 0), Phase::Pinned);
    let stats = rig.tiering.log().stats();
    assert_eq!((stats.optimizer.refused, stats.optimizer.failures), (1, 0));
    // It is no failure of the optimizer.
    assert_eq!(rig.tiering.failures(), 0);
    let records = rig.tiering.log().records();
    let reason = records.iter().find_map(|record| match &record.event {
        Event::Pinned { reason, .. } => Some(reason.to_string()),
        _ => None,
    });
    let reason = reason.expect("the function was pinned");
    assert!(reason.contains("max-compile-ms"), "{reason}");
}

#[test]
fn code_out_of_proportion_is_not_used() {
    for settings in [
        "policy=first-call threads=1",
        "policy=first-call switching=sync",
        "mode=optimizer",
    ] {
        let optimizer = FakeCompiler::acting(Tier::Optimizer, |func, _| match func.0 {
            0 => Act::Swell(100_000),
            1 => Act::Refuse,
            _ => Act::Swell(3_000),
        });
        let rig = Rig::with(3, settings, optimizer);
        for func in 0..3 {
            rig.first_call(func);
        }
        rig.tiering.wait_idle();
        let phases = [0, 1, 2].map(|func| phase(&rig, func));
        let expected = [Phase::Pinned, Phase::Pinned, Phase::Optimized];
        assert_eq!(phases, expected, "{settings}");
        assert_eq!(rig.home.published(0).unwrap().tier, Tier::Baseline);
        assert_eq!(rig.tiering.failures(), 0);
    }
}

/// Neither an engine nor a module waits for a compilation when it is dropped, and the thread ends soon
/// after.
#[test]
fn dropping_never_waits() {
    for engine_first in [true, false] {
        let rig = Rig::with(
            1,
            "policy=first-call threads=1 max-compile-ms=0",
            dragging(),
        );
        rig.first_call(0);
        wait_for("the thread begins", || phase(&rig, 0) == Phase::Optimizing);
        let shared = rig.tiering.shared().clone();
        let Rig {
            home,
            tiers,
            tiering,
            ..
        } = rig;
        let (state, home_gone) = (Arc::downgrade(&tiers.state), Arc::downgrade(&home));
        let start = Instant::now();
        match engine_first {
            true => drop((tiering, tiers, home)),
            false => {
                drop((tiers, home));
                // The compilation ends because its module is gone; the thread goes on.
                wait_for("the compilation ends", || {
                    shared.log.stats().requests_dropped == 1
                });
                assert_eq!(shared.pool.size(), 1);
                drop(tiering);
            }
        }
        assert!(start.elapsed() < Duration::from_secs(10));
        wait_for("the thread ends", || shared.pool.size() == 0);
        // Nothing of the module was kept by the thread.
        assert!(state.upgrade().is_none() && home_gone.upgrade().is_none());
        assert_eq!(shared.log.stats().requests_dropped, 1);
    }
}

/// While a compiler that looks at nothing is at work, dropping returns at once all the same.
#[test]
fn dropping_does_not_wait_for_a_deaf_compiler() {
    let optimizer = FakeCompiler::acting(Tier::Optimizer, |_, _| Act::Wait);
    let rig = Rig::with(3, "policy=first-call threads=1", optimizer);
    rig.first_call(0);
    wait_for("the thread begins", || phase(&rig, 0) == Phase::Optimizing);
    rig.first_call(1);
    let shared = rig.tiering.shared().clone();
    let gate = rig.optimizer.clone();
    // Nobody opens the gate before all this is dropped: a drop that waited would never end.
    drop(rig);
    assert_eq!(shared.pool.size(), 1);
    gate.open_gate();
    wait_for("the thread ends", || shared.pool.size() == 0);
    assert_eq!(shared.log.stats().requests_dropped, 2);
    assert_eq!(shared.log.stats().optimizer.refused, 0);
}
