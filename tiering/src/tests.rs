//! Tests of the states of functions and loops, without machine code.

mod background;
mod driver;
mod events;
mod evidence;
mod first_call;
mod ladder;
mod load;
mod logged;
mod overrides;
mod pool;
mod queue;
mod replay;
mod validate;
mod warm;

use std::time::{Duration, Instant};

use upshift_abi::{Cancel, CompileUnit, DefinedFuncIndex, LoopIndex, Profile, Tier};
use upshift_runtime::BudgetSite;

use crate::fake::{Act, FakeCompiler, Rig};
use crate::{Ladder, Phase, Rung, Tiering};

const LOOP_0: BudgetSite = BudgetSite::Loop(LoopIndex(0));

fn phase(rig: &Rig, func: u32) -> Phase {
    rig.tiers.phase(DefinedFuncIndex(func))
}

#[test]
fn a_function_called_often_is_optimized_and_its_baseline_code_retired() {
    let rig = Rig::new(2, "switching=sync policy=fixed-budget:units=100");
    let first = rig.call(0, 0);
    assert_eq!(
        (first.tier, phase(&rig, 0)),
        (Tier::Baseline, Phase::Baseline)
    );
    for _ in 0..200 {
        rig.call(0, 0);
    }
    assert_eq!(phase(&rig, 0), Phase::Optimized);
    assert_eq!(rig.home.published(0).unwrap().tier, Tier::Optimizer);
    assert_eq!(*rig.home.retired.lock().unwrap(), [first]);
    assert_eq!(phase(&rig, 1), Phase::Uncompiled);
}

#[test]
fn a_function_called_once_is_left_in_its_loop() {
    let rig = Rig::new(1, "switching=sync policy=fixed-budget:units=100");
    let code = rig.call(0, 1_000);
    assert_eq!(
        (code.tier, code.unit),
        (Tier::Optimizer, CompileUnit::Loop(LoopIndex(0)))
    );
    // Only the loop was worth optimizing; the second call shows that the function is too.
    assert_eq!(phase(&rig, 0), Phase::Baseline);
    assert_eq!(rig.optimizer.counts().len(), 1);
    rig.call(0, 1_000);
    assert_eq!(phase(&rig, 0), Phase::Optimized);
    let stats = rig.tiering.log().stats();
    assert_eq!((stats.osr_entries, stats.optimizer.osr_units), (2, 1));
}

#[test]
fn compilers_are_told_how_the_function_has_run() {
    for switching in ["switching=sync", "threads=1"] {
        let rig = Rig::new(1, &format!("{switching} policy=fixed-budget:units=100"));
        let deadline = Instant::now() + Duration::from_secs(60);
        while phase(&rig, 0) != Phase::Optimized {
            assert!(
                Instant::now() < deadline,
                "{switching}: {:?}",
                phase(&rig, 0)
            );
            rig.call(0, 0);
        }
        assert_eq!(rig.baseline.profiles.lock().unwrap()[0], Profile::default());
        let profiles = rig.optimizer.profiles.lock().unwrap();
        let profile = profiles[0];
        assert!(profile.units >= 100, "{profile:?}");
        assert!(profile.entry_exhaustions > 0 && profile.loop_exhaustions == 0);
    }
}

#[test]
fn ablations_switch_off_what_they_say() {
    let rig = Rig::new(1, "switching=sync policy=fixed-budget:units=10 osr=off");
    assert_eq!(rig.call(0, 1_000).tier, Tier::Baseline);
    assert!(rig.optimizer.counts().is_empty());

    let rig = Rig::new(
        1,
        "switching=sync policy=fixed-budget:units=10 function-tier-up=off",
    );
    rig.call(0, 1_000);
    rig.call(0, 1_000);
    assert_eq!(phase(&rig, 0), Phase::Baseline);

    let rig = Rig::new(
        1,
        "switching=sync policy=fixed-budget:units=10 max-optimize-bytes=3",
    );
    rig.call(0, 1_000);
    assert_eq!(phase(&rig, 0), Phase::Pinned);
    assert!(rig.optimizer.counts().is_empty());

    let rig = Rig::new(1, "switching=sync policy=fixed-budget:units=10 retire=off");
    for _ in 0..50 {
        rig.call(0, 0);
    }
    assert_eq!(phase(&rig, 0), Phase::Optimized);
    assert!(rig.home.retired.lock().unwrap().is_empty());
}

#[test]
fn baseline_mode_never_asks_the_policy() {
    let rig = Rig::new(1, "mode=baseline policy=first-call");
    for _ in 0..10 {
        rig.call(0, 1_000);
    }
    assert!(rig.optimizer.counts().is_empty());
    assert_eq!(rig.tiering.workers(), 0);
}

#[test]
fn optimizer_mode_optimizes_at_the_first_call_or_falls_back() {
    let failing = FakeCompiler::acting(Tier::Optimizer, |func, _| match func.0 {
        1 => Act::Fail,
        _ => Act::Compile,
    });
    let rig = Rig::with(2, "mode=optimizer", failing.clone());
    assert_eq!(rig.call(0, 0).tier, Tier::Optimizer);
    assert_eq!(rig.call(1, 1_000).tier, Tier::Baseline);
    assert_eq!(
        (phase(&rig, 0), phase(&rig, 1)),
        (Phase::Optimized, Phase::Pinned)
    );
    assert_eq!(rig.tiering.failures(), 1);

    let strict = Rig::with(2, "mode=optimizer fail-fast=on", failing);
    let state = &strict.tiers.state;
    assert!(
        state
            .first_call(&strict.home, DefinedFuncIndex(1), Cancel::NEVER)
            .is_err()
    );
    assert_eq!(phase(&strict, 1), Phase::Uncompiled);
}

#[test]
fn a_failing_optimizer_pins_and_is_counted() {
    for act in [Act::Fail, Act::Panic] {
        let optimizer = FakeCompiler::acting(Tier::Optimizer, move |_, _| act);
        let rig = Rig::with(1, "switching=sync policy=fixed-budget:units=10", optimizer);
        for _ in 0..100 {
            assert_eq!(rig.call(0, 0).tier, Tier::Baseline);
        }
        assert_eq!(phase(&rig, 0), Phase::Pinned);
        assert_eq!(
            (rig.tiering.failures(), rig.optimizer.counts().len()),
            (1, 1)
        );
        assert_eq!(rig.tiering.log().stats().optimizer.failures, 1);
    }
}

#[test]
fn a_loop_that_cannot_be_optimized_does_not_pin_its_function() {
    let optimizer = FakeCompiler::acting(Tier::Optimizer, |_, unit| match unit {
        CompileUnit::Loop(_) => Act::Fail,
        CompileUnit::Function => Act::Compile,
    });
    let rig = Rig::with(1, "switching=sync policy=fixed-budget:units=10", optimizer);
    assert_eq!(rig.call(0, 100).tier, Tier::Baseline);
    for _ in 0..100 {
        rig.call(0, 0);
    }
    assert_eq!(phase(&rig, 0), Phase::Optimized);
    assert_eq!(rig.tiering.failures(), 1);
}

#[test]
fn loops_per_function_are_limited() {
    let rig = Rig::new(
        1,
        "switching=sync policy=first-call osr-per-function=1 function-tier-up=off",
    );
    rig.first_call(0);
    assert!(rig.exhausted(0, LOOP_0).is_some());
    assert!(rig.exhausted(0, BudgetSite::Loop(LoopIndex(1))).is_none());
}

#[test]
fn a_mode_without_its_optimizer_is_refused() {
    let rung = |tier| Rung {
        name: "fake".into(),
        compiler: FakeCompiler::new(tier),
    };
    let alone = Ladder::new([rung(Tier::Baseline)]).unwrap();
    let result = Tiering::new(Default::default(), alone, Default::default());
    assert!(result.is_err());
    assert!(Ladder::new([rung(Tier::Optimizer)]).is_err());
    assert!(Ladder::new([rung(Tier::Baseline), rung(Tier::Baseline)]).is_err());
    assert!(
        Ladder::new((0..5).map(|n| rung(if n == 0 {
            Tier::Baseline
        } else {
            Tier::Optimizer
        })))
        .is_err()
    );
}
