//! Tests of runs that repeat: virtual time and zeal.

use upshift_profiler::{Event, Nanos, Stats};

use super::*;

/// Runs a made-up program; returns the events, with times removed, and the statistics.
fn run(settings: &str) -> (Vec<Event>, Stats) {
    let rig = Rig::new(5, settings);
    for round in 0..300_u32 {
        for func in 0..5 {
            rig.call(func, (round * 7 + func) % 40);
        }
    }
    rig.call(4, 3_000);
    let without_times = |mut event: Event| {
        match &mut event {
            Event::CompileFinished {
                time,
                cpu_time,
                queue_wait,
                ..
            } => {
                (*time, *cpu_time, *queue_wait) = (Nanos(0), Nanos(0), Nanos(0));
            }
            Event::CompileStarted { queue_wait, .. } => *queue_wait = Nanos(0),
            Event::Retired { age, .. } => *age = None,
            _ => {}
        }
        event
    };
    let records = rig.tiering.log().records();
    let events = records
        .into_iter()
        .map(|record| without_times(record.event))
        .collect();
    (events, rig.tiering.log().stats())
}

#[test]
fn virtual_time_repeats_exactly() {
    let settings = "switching=virtual:fixed=500,per-byte=3 policy=fixed-budget:units=200";
    let (events, stats) = run(settings);
    assert_eq!(events, run(settings).0);
    assert!(
        stats.optimizer.functions > 0 && stats.osr_entries > 0,
        "{stats}"
    );
}

#[test]
fn virtual_time_switches_when_the_latency_has_passed() {
    let settings = "switching=virtual:fixed=1000,per-byte=0 policy=fixed-budget:units=100,slices=1";
    let rig = Rig::new(1, settings);
    let mut calls = 0;
    while rig.call(0, 0).tier == Tier::Baseline {
        calls += 1;
        assert!(calls < 5_000);
    }
    // A hundred units until the request, a thousand more until it is due; each exhausted budget
    // costs one extra.
    assert!((1_100..1_110).contains(&calls), "{calls}");
    assert_eq!(rig.optimizer.counts().len(), 1);
}

#[test]
fn zeal_repeats_with_its_seed_and_tries_everything() {
    let (events, stats) = run("switching=zeal:seed=3");
    assert_eq!(events, run("switching=zeal:seed=3").0);
    assert_ne!(events, run("switching=zeal:seed=4").0);
    assert!(stats.osr_entries > 20, "{stats}");
    assert!(
        stats.baseline.functions > 5 && stats.optimizer.functions > 5,
        "{stats}"
    );
    assert!(stats.retired_bytes > 0, "{stats}");
}

#[test]
fn zeal_outlives_a_failing_optimizer() {
    let failing = FakeCompiler::acting(Tier::Optimizer, |func, _| match func.0 % 2 {
        0 => Act::Fail,
        _ => Act::Compile,
    });
    let rig = Rig::with(4, "switching=zeal:seed=1", failing);
    for _ in 0..500 {
        for func in 0..4 {
            rig.call(func, 9);
        }
    }
    assert_eq!(
        (phase(&rig, 0), phase(&rig, 2)),
        (Phase::Pinned, Phase::Pinned)
    );
    assert!(rig.tiering.failures() >= 2);
}
