//! Background compilation: bounded, fair, and never waited for.

use std::fmt::Write;
use std::time::{Duration, Instant};

use upshift::{Config, Engine, Module, Store};

use crate::instance;

/// An engine with one compile thread and a policy that requests everything soon.
fn engine() -> Engine {
    let mut config = Config::new();
    upshift::knobs::set(
        &mut config,
        upshift::knobs::Group::Tiering,
        "policy",
        "fixed-budget:units=1000",
    )
    .unwrap();
    config.compile_threads(1);
    Engine::new(&config).unwrap()
}

/// Thousands of nested loops that each read another local: 33 KB that took Cranelift more than a
/// minute and 0.85 GB. The function keeps its baseline code, and the next one is optimized.
#[test]
fn a_hostile_function_starves_nobody() {
    const DEPTH: usize = 3_000;
    let mut text = String::from("(module (func (export \"hostile\") (param i32) (local");
    text.push_str(&" i64".repeat(DEPTH));
    text.push(')');
    text.push_str(&" loop".repeat(DEPTH));
    for n in 0..DEPTH {
        write!(text, " local.get {} drop i32.const 0 br_if 0 end", n + 1).unwrap();
    }
    text.push_str(
        ") (func (export \"hot\") (param i32) (result i32)
            (loop (local.set 0 (i32.sub (local.get 0) (i32.const 1)))
                (br_if 0 (local.get 0)))
            (local.get 0)))",
    );
    let engine = engine();
    let (mut store, instance) = instance(&engine, &text);
    let hostile = instance
        .get_typed_func::<i32, ()>(&mut store, "hostile")
        .unwrap();
    let hot = instance
        .get_typed_func::<i32, i32>(&mut store, "hot")
        .unwrap();
    let start = Instant::now();
    let stats = || engine.event_log().stats();
    while stats().functions_pinned == 0 {
        hostile.call(&mut store, 0).unwrap();
        assert!(start.elapsed() < Duration::from_secs(30), "not refused");
    }
    while stats().optimizer.functions == 0 {
        hot.call(&mut store, 100).unwrap();
        assert!(start.elapsed() < Duration::from_secs(30), "starved");
    }
    let stats = stats();
    assert!(stats.optimizer.refused > 0);
    assert_eq!(stats.optimizer.failures, 0);
}

/// A module and its engine are dropped while Cranelift compiles a large function.
#[test]
fn dropping_does_not_wait_for_the_optimizer() {
    let mut text =
        String::from("(module (memory 1) (func (export \"large\") (param i32) (result i32)");
    for n in 0..15_000 {
        write!(
            text,
            " (if (i32.eq (local.get 0) (i32.const {n})) (then
                (i32.store (local.get 0) (i32.const {n}))
                (local.set 0 (i32.mul (local.get 0) (i32.const {n})))))"
        )
        .unwrap();
    }
    text.push_str(" (local.get 0)))");
    let wasm = wat::parse_str(&text).unwrap();
    // Several attempts, because the machine may be busy at one moment or another.
    let quickest = (0..5).map(|_| {
        let engine = engine();
        let module = Module::from_binary(&engine, &wasm).unwrap();
        let mut store = Store::new(&engine, ());
        let instance = upshift::Instance::new(&mut store, &module, &[]).unwrap();
        let large = instance
            .get_typed_func::<i32, i32>(&mut store, "large")
            .unwrap();
        while engine.event_log().stats().requests_queued == 0 {
            large.call(&mut store, -1).unwrap();
        }
        std::thread::sleep(Duration::from_millis(20));
        let stats = engine.event_log().stats();
        let finished = stats.optimizer.functions + stats.optimizer.osr_units;
        assert_eq!(finished, 0, "the function is too small for this test");
        let start = Instant::now();
        drop((store, module, engine));
        start.elapsed()
    });
    let quickest = quickest.min().unwrap();
    assert!(quickest < Duration::from_millis(100), "took {quickest:?}");
}
