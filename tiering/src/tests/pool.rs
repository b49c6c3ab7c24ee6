//! Tests of compile threads that are refused, stuck or left behind, and of limits of compilations.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use upshift_profiler::Event;

use super::*;
use crate::pool::{self, Task};

/// An optimizer whose compilation of function 0 ends only when it is cancelled.
fn dragging() -> Arc<FakeCompiler> {
    FakeCompiler::acting(Tier::Optimizer, |func, _| match func.0 {
        0 => Act::Drag,
        _ => Act::Compile,
    })
}

/// Waits until `done` returns true, at most 20 seconds.
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

/// A refused thread is requested again later.
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

/// One function that takes forever keeps a thread busy, but other functions are still compiled.
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
    // A thread that waits for function 1 calls the hook now and then.
    wait_for("function 1 is optimized", || {
        rig.exhausted(1, BudgetSite::Entry);
        phase(&rig, 1) == Phase::Optimized
    });
    assert_eq!(phase(&rig, 0), Phase::Optimizing);
    rig.tiering.wait_idle();
    assert_eq!(started.load(Ordering::Relaxed), 2);
    assert_eq!(phase(&rig, 0), Phase::Pinned);
    // Either the helper or the first thread has left.
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
    // A limit is no failure of the optimizer.
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

/// Dropping an engine or a module does not wait for a compilation, and the thread ends soon after.
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
        // The thread kept nothing of the module.
        assert!(state.upgrade().is_none() && home_gone.upgrade().is_none());
        assert_eq!(shared.log.stats().requests_dropped, 1);
    }
}

/// Dropping does not wait even for a compiler that never checks for cancellation.
#[test]
fn dropping_does_not_wait_for_a_deaf_compiler() {
    let optimizer = FakeCompiler::acting(Tier::Optimizer, |_, _| Act::Wait);
    let rig = Rig::with(3, "policy=first-call threads=1", optimizer);
    rig.first_call(0);
    wait_for("the thread begins", || phase(&rig, 0) == Phase::Optimizing);
    rig.first_call(1);
    let shared = rig.tiering.shared().clone();
    let gate = rig.optimizer.clone();
    // The gate opens only after all this is dropped: a drop that waited would never end.
    drop(rig);
    assert_eq!(shared.pool.size(), 1);
    gate.open_gate();
    wait_for("the thread ends", || shared.pool.size() == 0);
    assert_eq!(shared.log.stats().requests_dropped, 2);
    assert_eq!(shared.log.stats().optimizer.refused, 0);
}
