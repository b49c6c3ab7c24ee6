//! Functions whose tiers are compared while they run yield what they should in each tier.

use std::time::{Duration, Instant};

use upshift::{Config, Engine, Instance, Module, Store};

/// `fib` calls itself; `turn` and `back` tail-call each other with arguments on the stack; `many`
/// has results in memory. The loop calls all of them.
const TEXT: &str = r#"(module
    (func $fib (param i32) (result i32)
        (if (result i32) (i32.lt_u (local.get 0) (i32.const 2))
            (then (local.get 0))
            (else (i32.add
                (call $fib (i32.sub (local.get 0) (i32.const 1)))
                (call $fib (i32.sub (local.get 0) (i32.const 2)))))))
    (func $turn (param i32 i64 i64 i64 i64 i64 i64 i64 f64) (result i64)
        (if (i32.eqz (local.get 0)) (then (return (local.get 7))))
        (return_call $back (i32.sub (local.get 0) (i32.const 1))
            (local.get 7) (local.get 1) (local.get 2) (local.get 3) (local.get 4) (local.get 5)
            (local.get 6) (local.get 8) (i64.const 1)))
    (func $back (param i32 i64 i64 i64 i64 i64 i64 i64 f64 i64) (result i64)
        (return_call $turn (local.get 0)
            (i64.add (local.get 1) (local.get 9))
            (local.get 2) (local.get 3) (local.get 4) (local.get 5) (local.get 6) (local.get 7)
            (local.get 8)))
    (func $many (param i64) (result i64 i64 i64 i64 i64 i64)
        (local.get 0) (i64.const 1) (i64.const 2) (i64.const 3) (i64.const 4)
        (i64.mul (local.get 0) (i64.const 5)))
    (func (export "run") (param $n i32) (result i64) (local $sum i64)
        (loop
            (local.set $sum (i64.add (local.get $sum)
                (i64.extend_i32_u (call $fib (i32.const 8)))))
            (local.set $sum (i64.add (local.get $sum)
                (call $turn (i32.const 14) (i64.const 1) (i64.const 2) (i64.const 3) (i64.const 4)
                    (i64.const 5) (i64.const 6) (i64.const 7) (f64.const 0.5))))
            (call $many (local.get $sum))
            (drop) (drop) (drop) (drop) (drop)
            (local.set $sum)
            (br_if 0 (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
        (local.get $sum)))"#;

/// One round adds `fib(8)`, and 7, which is turned twice around and raised at each turn.
const ROUND: i64 = 21 + 7 + 2;

fn engine(options: &[(&str, &str)]) -> Engine {
    let mut config = Config::new();
    for (name, value) in options {
        let group = upshift::knobs::Group::Tiering;
        upshift::knobs::set(&mut config, group, name, value).unwrap();
    }
    config.compile_threads(1);
    Engine::new(&config).unwrap()
}

/// Runs the program until `enough` functions were compared; each thread has its own instance.
fn run_until_compared(engine: &Engine, module: &Module, enough: u64) {
    let mut store = Store::new(engine, ());
    let instance = Instance::new(&mut store, module, &[]).unwrap();
    let run = instance
        .get_typed_func::<i32, i64>(&mut store, "run")
        .unwrap();
    let start = Instant::now();
    while engine.event_log().stats().functions_compared < enough {
        assert_eq!(run.call(&mut store, 1_000).unwrap(), 1_000 * ROUND);
        assert!(
            start.elapsed() < Duration::from_secs(60),
            "{:?}",
            engine.event_log().stats()
        );
    }
}

#[test]
fn what_is_on_trial_yields_the_same() {
    let options = [
        ("policy", "fixed-budget:units=1000"),
        ("evidence", "on"),
        ("evidence-cost", "100"),
    ];
    let engine = engine(&options);
    let module = Module::new(&engine, TEXT).unwrap();
    run_until_compared(&engine, &module, 3);
    let stats = engine.event_log().stats();
    assert_eq!(stats.optimizer.failures, 0);
    assert!(stats.baseline.functions > 5, "code for trials: {stats:?}");
}

/// The threads take from the same budgets and end each other's windows.
#[test]
fn hammer_trials_by_threads() {
    let options = [
        ("policy", "fixed-budget:units=1000"),
        ("evidence", "on"),
        ("evidence-cost", "100"),
        ("evidence-window-ms", "0.01"),
    ];
    let engine = engine(&options);
    let module = Module::new(&engine, TEXT).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| run_until_compared(&engine, &module, 1));
        }
    });
}

#[test]
fn without_evidence_nothing_is_compared() {
    let engine = engine(&[("policy", "fixed-budget:units=1000"), ("evidence", "off")]);
    let module = Module::new(&engine, TEXT).unwrap();
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    let run = instance
        .get_typed_func::<i32, i64>(&mut store, "run")
        .unwrap();
    for _ in 0..20 {
        run.call(&mut store, 1_000).unwrap();
    }
    engine.wait_idle();
    let stats = engine.event_log().stats();
    assert!(stats.optimizer.functions > 0);
    assert_eq!((stats.functions_compared, stats.functions_pinned), (0, 0));
}
