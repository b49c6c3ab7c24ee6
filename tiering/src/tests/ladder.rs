//! Tests of ladders with three levels.

use std::sync::{Arc, Mutex};

use super::*;
use crate::policy::{Budget, Decision, Lane, Level, PolicyEvent, Request};

/// A rig whose policy is that of HotSpot: the middle level soon, the highest later.
fn rig(settings: &str) -> Rig {
    let [middle, top] = [(); 2].map(|()| FakeCompiler::new(Tier::Optimizer));
    Rig::with_three(2, settings, middle, top)
}

/// Calls the function until it runs code of the level; returns how many calls that took.
fn until(rig: &Rig, level: u8) -> u32 {
    for calls in 1..200_000 {
        rig.call(0, 0);
        let state = rig.tiers.state.function(&rig.home, DefinedFuncIndex(0));
        if state.state.code.get().level == Level(level) {
            return calls;
        }
        if calls % 64 == 0 {
            std::thread::yield_now();
        }
    }
    panic!("level {level} is not reached");
}

#[test]
fn functions_climb_every_level_in_every_driver() {
    let drivers = ["sync", "background", "virtual:fixed=100,per-byte=0"];
    for driver in drivers {
        let rig = rig(&format!("switching={driver} threads=1 policy=hotspot"));
        let middle = until(&rig, 1);
        assert!(rig.home.published(0).unwrap().counts.is_some(), "{driver}");
        let top = until(&rig, 2);
        assert!(top > 0 && middle > 100, "{driver}: {middle} {top}");
        rig.tiering.wait_idle();
        let published = rig.home.published(0).unwrap();
        assert_eq!((published.tier, published.counts), (Tier::Optimizer, None));
        // The code of both lower levels, and the counter.
        assert_eq!(rig.home.retired.lock().unwrap().len(), 3, "{driver}");
    }
}

#[test]
fn the_policy_is_asked_about_code_of_the_middle_level() {
    let [middle, top] = [(); 2].map(|()| FakeCompiler::new(Tier::Optimizer));
    let rig = Rig::with_three_deciding(
        1,
        "switching=sync",
        middle,
        top.clone(),
        |_, event, view| {
            let wait = Decision::wait(Budget::Units(10));
            match (event, view.level) {
                (PolicyEvent::Entry, Level(0)) => {
                    wait.with_function(Request::new(Level(1), Lane::Normal))
                }
                // Calls of counted code alone.
                (PolicyEvent::Entry, Level(1)) if view.calls > 100 => {
                    wait.with_function(Request::new(Level(7), Lane::Normal))
                }
                _ => wait,
            }
        },
    );
    until(&rig, 1);
    let calls = until(&rig, 2);
    assert!((60..110).contains(&calls), "{calls}");
    assert_eq!(top.counts().len(), 1);
}

#[test]
fn a_middle_level_that_fails_pins_and_a_top_level_that_fails_stays_below() {
    for failing in 0..2 {
        let compilers = [0, 1].map(|n| {
            let act = if n == failing {
                Act::Fail
            } else {
                Act::Compile
            };
            FakeCompiler::acting(Tier::Optimizer, move |_, _| act)
        });
        let [middle, top] = compilers;
        let settings = "switching=sync policy=hotspot";
        let rig = Rig::with_three(1, settings, middle, top);
        for _ in 0..30_000 {
            rig.call(0, 0);
        }
        assert_eq!(phase(&rig, 0), Phase::Pinned);
        let state = rig.tiers.state.function(&rig.home, DefinedFuncIndex(0));
        assert_eq!(state.state.code.get().level, Level(failing as u8));
        // Nothing is asked about a pinned function, so its calls are not counted any more.
        assert_eq!(rig.home.published(0).unwrap().counts, None);
        let retired = rig.home.retired.lock().unwrap();
        let counters = retired.iter().filter(|code| code.counts.is_some());
        assert_eq!(counters.count(), failing);
    }
}

#[test]
fn zeal_switches_between_three_levels() {
    let rig = rig("switching=zeal:seed=5");
    let mut seen = [0_u32; 3];
    for _ in 0..2_000 {
        rig.call(0, 9);
        rig.call(1, 3);
        let state = rig.tiers.state.function(&rig.home, DefinedFuncIndex(0));
        seen[usize::from(state.state.code.get().level.0)] += 1;
    }
    assert!(seen.iter().all(|&times| times > 20), "{seen:?}");
}

#[test]
fn the_highest_level_is_the_first_in_mode_optimizer() {
    let rig = rig("mode=optimizer");
    rig.call(0, 0);
    let state = rig.tiers.state.function(&rig.home, DefinedFuncIndex(0));
    assert_eq!(state.state.code.get().level, Level(2));
}

/// The job of the request that was withdrawn stays in the queue, and must not take the new claim.
#[test]
fn a_withdrawn_request_does_not_stand_for_the_next_one() {
    for driver in ["background", "virtual:fixed=1000,per-byte=0"] {
        let middle = FakeCompiler::acting(Tier::Optimizer, |_, _| Act::Wait);
        let top = FakeCompiler::new(Tier::Optimizer);
        if driver != "background" {
            middle.open_gate();
        }
        let rig = Rig::with_three_deciding(
            2,
            &format!("switching={driver} threads=1 queue=fifo"),
            middle.clone(),
            top.clone(),
            |memo, event, view| {
                let wait = Decision::wait(Budget::Units(0));
                let request = |level| Request::new(Level(level), Lane::Normal);
                match event {
                    PolicyEvent::Dequeued { level, .. } => {
                        // Only of a request that counts.
                        assert!(view.func.func.0 == 1 || level == Level(2));
                        wait
                    }
                    PolicyEvent::Entry => {
                        memo.words[0] += 1;
                        match (view.func.func.0, memo.words[0]) {
                            (0, 1) | (1, 1) => wait.with_function(request(1)),
                            (0, 2) => wait.withdrawing().with_function(request(2)),
                            _ => wait,
                        }
                    }
                    _ => wait,
                }
            },
        );
        // Occupies the one thread.
        rig.call(1, 0);
        rig.call(1, 0);
        while rig.tiering.queue_length() > 0 {
            std::thread::yield_now();
        }
        (0..3).for_each(|_| _ = rig.call(0, 0));
        assert_eq!(phase(&rig, 0), Phase::Queued);
        middle.open_gate();
        rig.tiering.wait_idle();
        (0..4_000).for_each(|_| _ = rig.call(1, 0));
        let state = rig.tiers.state.function(&rig.home, DefinedFuncIndex(0));
        assert_eq!(state.state.code.get().level, Level(2), "{driver}");
        let levels = [&middle, &top].map(|compiler| compiler.counts().len());
        assert_eq!(levels, [1, 1], "{driver}");
        let stats = rig.tiering.log().stats();
        assert_eq!(stats.optimizer.failures, 0, "{driver}");
    }
}

/// Calls take from budgets what they take in baseline code, and count as calls.
#[test]
fn budgets_mean_the_same_at_middle_levels() {
    let [middle, top] = [(); 2].map(|()| FakeCompiler::new(Tier::Optimizer));
    let seen = Arc::new(Mutex::new(Vec::new()));
    let rig = Rig::with_three_deciding(1, "switching=sync", middle, top, {
        let seen = seen.clone();
        move |_, event, view| {
            seen.lock()
                .unwrap()
                .push((event.name(), view.calls, view.units));
            // 10 units for each call: every third one.
            let wait = Decision::wait(Budget::Units(20));
            let level = view.level.next();
            match event {
                PolicyEvent::Entry if view.level == Level(0) || view.calls >= 8 => {
                    wait.with_function(Request::new(level, Lane::Normal))
                }
                _ => wait,
            }
        }
    });
    // Baseline code of the rig takes 1, so 21 units are 2 calls.
    assert_eq!(until(&rig, 1), 21);
    assert_eq!(until(&rig, 2), 6);
    let seen = seen.lock().unwrap();
    let expected = [
        ("first-code", 0, 0),
        ("entry", 2, 21),
        ("published", 2, 21),
        ("entry", 5, 51),
        ("entry", 8, 81),
        ("published", 8, 81),
    ];
    assert_eq!(*seen, expected);
}
