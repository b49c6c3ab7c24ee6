//! Tests of first calls: one by one, by many threads at once, and of whole modules.

use std::sync::Barrier;
use std::thread;

use upshift_abi::facts::decode;
use upshift_profiler::Event;

use super::*;
use crate::home::CodeHome;

/// Threads race for the first calls of many functions; each function is compiled once, and all
/// threads get the same code.
#[test]
fn hammer_first_calls() {
    const THREADS: usize = 4;
    const FUNCTIONS: u32 = 500;
    let rig = Rig::new(FUNCTIONS as usize, "policy=never");
    let barrier = Barrier::new(THREADS);
    let run = || {
        barrier.wait();
        (0..FUNCTIONS)
            .map(|func| rig.first_call(func))
            .collect::<Vec<_>>()
    };
    let seen: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(run)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    assert!(seen.windows(2).all(|pair| pair[0] == pair[1]));
    assert!(rig.baseline.counts().values().all(|&count| count == 1));
    assert_eq!(
        rig.tiering.log().stats().functions_called,
        u64::from(FUNCTIONS)
    );
}

#[test]
fn compile_all_leaves_no_first_call() {
    for threads in [1, 3] {
        let settings = format!("policy=never eager-threads={threads}");
        let rig = Rig::new(50, &settings);
        let validators = decode(rig.home.wasm()).unwrap().validators;
        rig.tiers
            .compile_all(&rig.home, Tier::Baseline, Some(validators))
            .unwrap();
        assert!((0..50).all(|func| rig.home.published(func).is_some()));
        assert_eq!(rig.tiering.log().stats().functions_called, 0);
        assert_eq!(rig.baseline.counts().len(), 50);
    }
}

#[test]
fn compile_all_with_the_optimizer_reports_the_first_failure() {
    let failing = FakeCompiler::acting(Tier::Optimizer, |func, _| match func.0 {
        20 | 30 => Act::Fail,
        _ => Act::Compile,
    });
    let rig = Rig::with(50, "mode=optimizer fail-fast=on eager-threads=3", failing);
    let error = rig
        .tiers
        .compile_all(&rig.home, Tier::Optimizer, None)
        .unwrap_err();
    assert!(error.to_string().contains("def20"), "{error}");
}

/// The optimizer inlines: it must see no body that is not known to be valid.
#[test]
fn nothing_is_requested_before_all_bodies_are_valid() {
    for switching in ["sync", "background", "virtual:fixed=0,per-byte=0"] {
        let settings = format!("switching={switching} policy=first-call eager-threads=2");
        let compile = |rig: &Rig| {
            let validators = decode(rig.home.wasm()).unwrap().validators;
            let tiers = &rig.tiers;
            tiers.compile_all(&rig.home, Tier::Baseline, Some(validators))
        };
        let invalid = Rig::new(9, &settings);
        invalid.baseline.behave(|func, _| match func.0 {
            8 => Act::Fail,
            _ => Act::Compile,
        });
        assert!(compile(&invalid).is_err());
        assert!(invalid.optimizer.counts().is_empty(), "{switching}");

        let rig = Rig::new(9, &settings);
        compile(&rig).unwrap();
        rig.tiering.wait_idle();
        let records = rig.tiering.log().records();
        let mut kinds = records.iter().map(|record| &record.event);
        let first_request = kinds.position(|event| matches!(event, Event::RequestQueued { .. }));
        let first_request = first_request.expect("each function is requested");
        let is_first_code = |event: &Event| match event {
            Event::CompileFinished { code, .. } => code.tier == Tier::Baseline,
            _ => false,
        };
        let before = records[..first_request].iter();
        let compiled = before.filter(|record| is_first_code(&record.event));
        assert_eq!(compiled.count(), 9, "{switching}");
        assert_eq!(rig.tiering.log().stats().requests_queued, 9);
    }
}
