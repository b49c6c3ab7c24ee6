//! Trials: functions whose optimized code is slower go back to baseline code.

use std::sync::atomic::Ordering;

use upshift_abi::{CompileUnit, LoopIndex, Tier};
use upshift_profiler::Event;
use upshift_runtime::BudgetSite;

use super::{LOOP_0, phase};
use crate::Phase;
use crate::fake::{Act, FakeCode, FakeCompiler, Rig};

/// Calls function 0 until its trial has ended, or so often that it never will.
fn until_settled(rig: &Rig) {
    for _ in 0..2_000_000 {
        rig.call(0, 0);
        // A request may be under way, and between its code and the trial the phase is `Optimized`.
        rig.tiering.wait_idle();
        if matches!(phase(rig, 0), Phase::Optimized | Phase::Pinned) {
            return;
        }
    }
}

fn compared(rig: &Rig) -> Vec<(Tier, f64)> {
    let records = rig.tiering.log().records();
    let events = records.iter().filter_map(|record| match record.event {
        Event::TiersCompared { kept, ratio, .. } => Some((kept.tier, ratio)),
        _ => None,
    });
    events.collect()
}

const SETTINGS: &str = "threads=1 policy=fixed-budget:units=100 evidence=on";

#[test]
fn a_function_that_lost_by_optimization_goes_back() {
    let rig = Rig::new(2, SETTINGS).costing(|_| [1_000, 1_500]);
    until_settled(&rig);
    assert_eq!(phase(&rig, 0), Phase::Pinned);
    let published = rig.home.published(0).unwrap();
    assert_eq!((published.tier, published.counts), (Tier::Baseline, None));
    assert!(
        !published.counting,
        "what stays in baseline code counts nothing"
    );
    let [(Tier::Baseline, ratio)] = compared(&rig)[..] else {
        panic!("{:?}", compared(&rig));
    };
    assert!((ratio - 1.5).abs() < 0.01, "{ratio}");
    let stats = rig.tiering.log().stats();
    assert_eq!(
        (stats.functions_compared, stats.functions_sent_back),
        (1, 1)
    );
    // The first baseline code, the optimized code and both counters.
    assert_eq!(rig.home.retired.lock().unwrap().len(), 4);
    assert_eq!(rig.call(0, 1_000), published);
    assert_eq!(rig.optimizer.counts().len(), 1);
}

#[test]
fn a_function_that_gained_stays_and_its_trial_leaves_nothing() {
    let rig = Rig::new(1, SETTINGS).costing(|_| [1_000, 700]);
    until_settled(&rig);
    assert_eq!(phase(&rig, 0), Phase::Optimized);
    let published = rig.home.published(0).unwrap();
    assert_eq!((published.tier, published.counts), (Tier::Optimizer, None));
    assert_eq!(compared(&rig).len(), 1);
    // The first baseline code, that of the trial and both counters.
    assert_eq!(rig.home.retired.lock().unwrap().len(), 4);
}

#[test]
fn trials_are_for_background_switching_and_can_be_switched_off() {
    for settings in [
        "switching=sync policy=fixed-budget:units=100 evidence=on",
        "switching=virtual:fixed=10:per-byte=0 policy=fixed-budget:units=100 evidence=on",
        "threads=1 evidence=off policy=fixed-budget:units=100",
    ] {
        let rig = Rig::new(1, settings).costing(|_| [1_000, 1_500]);
        until_settled(&rig);
        assert_eq!(phase(&rig, 0), Phase::Optimized, "{settings}");
        assert_eq!(
            rig.baseline.counts().values().sum::<usize>(),
            1,
            "{settings}"
        );
        assert_eq!(compared(&rig), [], "{settings}");
    }
}

#[test]
fn a_program_that_tiers_down_loses_little_to_trials() {
    let total = |settings: &str, costs| {
        let rig = Rig::new(1, settings).costing(move |_| costs);
        for _ in 0..200_000 {
            rig.call(0, 0);
            if matches!(
                phase(&rig, 0),
                Phase::Queued | Phase::Optimizing | Phase::Trial
            ) {
                rig.tiering.wait_idle();
            }
        }
        rig.time.load(Ordering::Relaxed) as f64
    };
    // The ledger's time is the machine's, which passes more slowly than the functions'.
    let on = &format!("{SETTINGS} evidence-cost=5");
    let off = &format!("{SETTINGS} evidence=off");
    let gaining = [1_000, 500];
    let (with, without) = (total(on, gaining), total(off, gaining));
    assert!(with / without < 1.03, "{with} {without}");
    let losing = [1_000, 2_000];
    assert!(total(on, losing) / (1_000.0 * 200_000.0) < 1.03);
}

#[test]
fn loops_of_a_function_that_went_back_stay_in_baseline_code() {
    let rig = Rig::new(1, SETTINGS).costing(|_| [1_000, 1_500]);
    // A call that stays in its loop gets an OSR entry.
    while rig.call(0, 100).unit == CompileUnit::Function && phase(&rig, 0) == Phase::Baseline {
        rig.tiering.wait_idle();
    }
    assert!(rig.exhausted(0, LOOP_0).is_some());
    until_settled(&rig);
    assert_eq!(phase(&rig, 0), Phase::Pinned);
    let retired: Vec<FakeCode> = rig.home.retired.lock().unwrap().clone();
    let is_entry = |code: &FakeCode| code.unit == CompileUnit::Loop(LoopIndex(0));
    assert!(retired.iter().any(is_entry), "{retired:?}");
    assert!(rig.exhausted(0, LOOP_0).is_none());
    assert!(rig.exhausted(0, BudgetSite::Loop(LoopIndex(1))).is_none());
}

#[test]
fn optimized_code_stays_where_there_is_nothing_to_compare_it_with() {
    let mut rig = Rig::with(1, SETTINGS, FakeCompiler::new(Tier::Optimizer));
    rig = rig.costing(|_| [1_000, 1_500]);
    rig.call(0, 0);
    rig.baseline.behave(|_, _| Act::Fail);
    until_settled(&rig);
    assert_eq!(phase(&rig, 0), Phase::Optimized);
    assert_eq!(rig.home.published(0).unwrap().counts, None);
}

/// Frames that have been in counting baseline code since before the trial use the same budget.
#[test]
fn windows_with_work_of_older_frames_do_not_count() {
    let rig = Rig::new(1, SETTINGS).costing(|_| [1_000, 1_500]);
    for call in 0..60_000 {
        rig.call(0, 0);
        if phase(&rig, 0).is_under_way() {
            rig.tiering.wait_idle();
        }
        if phase(&rig, 0) == Phase::Trial && call % 50 == 0 {
            rig.exhausted(0, LOOP_0);
        }
    }
    assert_eq!(compared(&rig), []);
}
