//! Tests of profiles: what runs leave in them, and what runs that are given one do.

use std::io;
use std::time::{Duration, Instant};

use upshift_profiler::Event;

use super::*;
use crate::policy::{Decision, PolicyEvent};
use crate::pool;
use crate::{Level, ModuleProfile, ProfileError, RecordedRequest};

const HOT: &str = "policy=fixed-budget:units=100";

/// The profile of a run in which loop 0 of function 3, then function 1, then function 3 got hot,
/// and function 2 did not.
fn recorded(functions: usize) -> ModuleProfile {
    let rig = Rig::new(functions, &format!("switching=sync {HOT}"));
    rig.call(2, 0);
    rig.call(3, 1_000);
    for _ in 0..200 {
        rig.call(1, 0);
    }
    rig.call(3, 1_000);
    rig.tiers.profile(&rig.home)
}

fn request(func: u32, unit: CompileUnit) -> RecordedRequest {
    RecordedRequest {
        func: DefinedFuncIndex(func),
        unit,
        level: Level(1),
    }
}

const LOOP: CompileUnit = CompileUnit::Loop(LoopIndex(0));

/// The reasons of the decisions on recorded requests, and the functions.
fn reasons(rig: &Rig) -> Vec<(u32, String)> {
    let records = rig.tiering.log().records();
    let decided = records.iter().filter_map(|record| match &record.event {
        Event::Decided { func, decision } if &*decision.trigger.name == "recorded" => {
            Some((func.func.0, decision.reason.to_string()))
        }
        _ => None,
    });
    decided.collect()
}

/// Waits until `done`.
fn await_that(done: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !done() {
        assert!(Instant::now() < deadline);
        std::thread::yield_now();
    }
}

#[test]
fn a_profile_has_what_got_hot_in_its_order() {
    let profile = recorded(5);
    let function = CompileUnit::Function;
    let expected = [request(3, LOOP), request(1, function), request(3, function)];
    assert_eq!(profile.requests(), expected);
    let work: Vec<u32> = profile.work().iter().map(|(func, _)| func.0).collect();
    assert_eq!(work, [1, 2, 3]);
    assert!(profile.work()[2].1 >= 100, "{profile:?}");
}

#[test]
fn in_the_background_it_is_optimized_before_the_first_call() {
    let rig = Rig::new(5, &format!("threads=1 {HOT}"));
    rig.tiers.warm_up(&rig.home, recorded(5)).unwrap();
    rig.tiering.wait_idle();
    assert_eq!(phase(&rig, 1), Phase::Optimized);
    assert_eq!(phase(&rig, 3), Phase::Optimized);
    assert_eq!(phase(&rig, 2), Phase::Uncompiled, "it was not hot");
    assert_eq!(rig.call(1, 0).tier, Tier::Optimizer);
    assert_eq!(rig.tiering.log().stats().functions_called, 0);
    let function = CompileUnit::Function;
    let compiled = rig.optimizer.compiled.lock().unwrap().clone();
    let expected = [(3, LOOP), (3, function), (1, function)];
    let expected = expected.map(|(func, unit)| (DefinedFuncIndex(func), unit));
    assert_eq!(compiled, expected);
    let because = |func| (func, "recorded in an earlier run".to_owned());
    assert_eq!(reasons(&rig), [because(3), because(3), because(1)]);
}

#[test]
fn synchronously_and_in_virtual_time_it_is_optimized_at_the_first_call() {
    for switching in ["sync", "virtual:fixed=1,per-byte=0"] {
        let rig = Rig::new(5, &format!("switching={switching} {HOT}"));
        rig.tiers.warm_up(&rig.home, recorded(5)).unwrap();
        assert!(rig.baseline.counts().is_empty(), "nothing is called yet");
        rig.call(1, 0);
        rig.call(2, 0);
        rig.call(1, 5);
        assert_eq!(rig.call(1, 0).tier, Tier::Optimizer, "{switching}");
        assert_eq!(phase(&rig, 2), Phase::Baseline);
        assert_eq!(reasons(&rig).len(), 1);
    }
}

/// A frame that is in baseline code since before finds the OSR entry.
#[test]
fn a_recorded_loop_is_left_at_its_first_question() {
    let rig = Rig::new(
        5,
        "switching=sync function-tier-up=off policy=fixed-budget:units=1000000000",
    );
    rig.tiers.warm_up(&rig.home, recorded(5)).unwrap();
    rig.first_call(3);
    let entry = rig.exhausted(3, LOOP_0).expect("it is ready");
    assert_eq!((entry.tier, entry.unit), (Tier::Optimizer, LOOP));
}

#[test]
fn functions_that_have_code_are_requested_at_once() {
    for settings in ["switching=sync", "threads=1"] {
        let rig = Rig::new(
            5,
            &format!("{settings} policy=fixed-budget:units=1000000000"),
        );
        rig.call(1, 0);
        rig.tiers.warm_up(&rig.home, recorded(5)).unwrap();
        rig.tiering.wait_idle();
        assert_eq!(phase(&rig, 1), Phase::Optimized, "{settings}");
    }
}

#[test]
fn policies_that_do_not_want_it_are_obeyed() {
    for policy in ["never", "hinted-ski-rental:speedup=2"] {
        let rig = Rig::new(5, &format!("threads=1 policy={policy}"));
        rig.tiers.warm_up(&rig.home, recorded(5)).unwrap();
        rig.tiering.wait_idle();
        assert_eq!(phase(&rig, 1), Phase::Baseline, "{policy}");
        assert!(rig.optimizer.counts().is_empty(), "{policy}");
        assert_eq!(reasons(&rig).len(), 3);
    }
}

#[test]
fn policies_see_the_recorded_work() {
    use std::sync::{Arc, Mutex};
    let profile = recorded(5);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let told = seen.clone();
    let rig = Rig::deciding(5, "switching=sync", move |_, event, view| {
        if event == PolicyEvent::FirstCode {
            told.lock().unwrap().push(view.hint);
        }
        Decision::wait(crate::policy::Budget::Unlimited)
    });
    rig.tiers.warm_up(&rig.home, profile.clone()).unwrap();
    rig.call(2, 0);
    rig.call(4, 0);
    let seen = seen.lock().unwrap();
    let of_2 = profile.work()[1].1;
    assert_eq!(seen[0].unwrap().expected_units, Some(of_2));
    assert_eq!(seen[1], None);
}

/// Optimized code counts nothing, so what was hot before is what is known to be hot.
#[test]
fn a_warm_run_has_the_profile_that_it_was_given() {
    let given = recorded(5);
    let rig = Rig::new(5, &format!("threads=1 {HOT}"));
    rig.tiers.warm_up(&rig.home, given.clone()).unwrap();
    rig.tiering.wait_idle();
    rig.call(1, 0);
    let next = rig.tiers.profile(&rig.home);
    let sorted = |profile: &ModuleProfile| {
        let mut requests = profile.requests().to_vec();
        requests.sort_by_key(|one| (one.func, one.unit == CompileUnit::Function));
        requests
    };
    assert_eq!(sorted(&next), sorted(&given));
    assert_eq!(next.work(), given.work());
}

#[test]
fn optimizer_mode_compiles_ahead() {
    let rig = Rig::new(5, "mode=optimizer");
    rig.call(3, 0);
    rig.call(1, 0);
    let profile = rig.tiers.profile(&rig.home);
    let function = CompileUnit::Function;
    assert_eq!(
        profile.requests(),
        [request(3, function), request(1, function)]
    );
    let next = Rig::new(5, "mode=optimizer");
    next.tiers.warm_up(&next.home, profile).unwrap();
    next.tiering.wait_idle();
    assert_eq!(
        (phase(&next, 1), phase(&next, 3)),
        (Phase::Optimized, Phase::Optimized)
    );
    assert_eq!(phase(&next, 2), Phase::Uncompiled);
}

#[test]
fn what_was_refused_is_not_recorded() {
    let failing = FakeCompiler::acting(Tier::Optimizer, |_, _| Act::Fail);
    let rig = Rig::with(1, "switching=sync policy=fixed-budget:units=10", failing);
    for _ in 0..100 {
        rig.call(0, 0);
    }
    assert_eq!(phase(&rig, 0), Phase::Pinned);
    assert_eq!(rig.tiers.profile(&rig.home).requests(), []);
}

#[test]
fn another_modules_profile_is_refused_and_a_second_one_too() {
    let rig = Rig::new(5, HOT);
    let other = rig.tiers.warm_up(&rig.home, recorded(6)).unwrap_err();
    assert!(matches!(other, ProfileError::OtherModule { .. }), "{other}");
    rig.tiers.warm_up(&rig.home, recorded(5)).unwrap();
    let again = rig.tiers.warm_up(&rig.home, recorded(5));
    assert_eq!(again, Err(ProfileError::GivenBefore));
}

/// Loops that do not exist, and levels that this ladder does not have.
#[test]
fn a_profile_that_does_not_fit_changes_nothing_else() {
    let mut profile = recorded(5);
    let levels = 4;
    profile.levels = levels;
    profile.requests[0].unit = CompileUnit::Loop(LoopIndex(77));
    profile.requests[1].level = Level(3);
    profile.requests[2].level = Level(2);
    let rig = Rig::new(5, &format!("threads=1 {HOT}"));
    rig.tiers.warm_up(&rig.home, profile).unwrap();
    rig.tiering.wait_idle();
    assert_eq!(
        (phase(&rig, 1), phase(&rig, 3)),
        (Phase::Optimized, Phase::Optimized)
    );
    assert_eq!(rig.optimizer.counts().len(), 2);
}

/// Without a thread, first calls do it.
#[test]
fn where_the_system_has_no_thread_it_begins_with_the_calls() {
    let optimizer = FakeCompiler::new(Tier::Optimizer);
    let refuse = |name: String, task: pool::Task| match &*name {
        "upshift-warm-up" => Err(io::ErrorKind::WouldBlock.into()),
        _ => pool::spawn(name, task),
    };
    let rig = Rig::spawning(5, &format!("threads=1 {HOT}"), optimizer, Box::new(refuse));
    rig.tiers.warm_up(&rig.home, recorded(5)).unwrap();
    rig.tiering.wait_idle();
    assert_eq!(phase(&rig, 1), Phase::Uncompiled);
    rig.call(1, 0);
    await_that(|| phase(&rig, 1) == Phase::Optimized);
}

/// Threads call what the warm start is about to compile; each function is compiled once.
#[test]
fn hammer_a_warm_start() {
    const FUNCTIONS: u32 = 300;
    let rig = Rig::new(FUNCTIONS as usize, "switching=sync policy=first-call");
    (0..FUNCTIONS).for_each(|func| {
        rig.call(func, 0);
    });
    let profile = rig.tiers.profile(&rig.home);
    assert_eq!(profile.requests().len(), FUNCTIONS as usize);
    let rig = Rig::new(FUNCTIONS as usize, &format!("threads=2 {HOT}"));
    rig.tiers.warm_up(&rig.home, profile).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                (0..FUNCTIONS).for_each(|func| {
                    rig.call(func, 2);
                })
            });
        }
    });
    rig.tiering.wait_idle();
    assert!((0..FUNCTIONS).all(|func| phase(&rig, func) == Phase::Optimized));
    assert!(rig.baseline.counts().values().all(|&count| count == 1));
    assert!(rig.optimizer.counts().values().all(|&count| count == 1));
}

/// A module or an engine that goes away while it is warmed up waits for nothing.
#[test]
fn dropping_ends_a_warm_start() {
    let profile = recorded(5);
    for _ in 0..20 {
        let Rig {
            home,
            tiers,
            tiering,
            ..
        } = Rig::new(5, &format!("threads=1 {HOT}"));
        tiers.warm_up(&home, profile.clone()).unwrap();
        drop((home, tiers));
        drop(tiering);
    }
}
