//! Functions whose tiers are compared while they run yield what they should in each tier.

use std::time::{Duration, Instant};

use upshift::knobs::{self, Group};
use upshift::profiler::{Detail, Event};
use upshift::{Config, Engine, Instance, Module, Store, Tier, WasmBacktrace};

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
    Engine::new(&config(options)).unwrap()
}

fn config(options: &[(&str, &str)]) -> Config {
    let mut config = Config::new();
    for (name, value) in options {
        knobs::set(&mut config, Group::Tiering, name, value).unwrap();
    }
    config.compile_threads(1);
    config
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

/// A loop over ten floats, which the optimizer's single-pass register allocator keeps in memory: it
/// takes more than three times as long as the baseline's code. Traps above 100.
fn many_floats() -> String {
    let local = |index: usize| format!("(local.get {})", 2 + index % 10);
    let set = |index: usize, value: String| format!("(local.set {} {value})\n", 2 + index);
    let first = (0..10).map(|i| set(i, format!("(f64.add (local.get $x) (f64.const {i}))")));
    let steps = (0..10).map(|i| {
        let sum = format!("(f64.add {} {})", local(i), local(i + 3));
        set(i, format!("(f64.mul {sum} (f64.const 0.5))"))
    });
    let sum = (1..10).fold(local(0), |sum, i| format!("(f64.add {sum} {})", local(i)));
    let [first, steps]: [String; 2] = [first.collect(), steps.collect()];
    format!(
        r#"(module
        (func $mix (param $n i32) (param $x f64) (result f64)
            (local f64 f64 f64 f64 f64 f64 f64 f64 f64 f64)
            (if (f64.gt (local.get $x) (f64.const 100)) (then (unreachable)))
            {first}
            (loop
                {steps}
                (br_if 0 (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
            {sum})
        (func (export "run") (param $n i32) (param $x f64) (result f64) (local $sum f64)
            (loop
                (local.set $sum (call $mix (i32.const 50) (local.get $x)))
                (br_if 0 (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
            (local.get $sum)))"#
    )
}

/// A comparison that other processes disturb may end in doubt, which leaves the function as it is,
/// whatever the ratio. So there are several, each by an engine of its own, until one is beyond
/// doubt; every second one measures for five times as long at once, as machines differ in what
/// disturbs.
#[test]
fn what_optimizing_made_slower_is_sent_back() {
    const COMPARISONS: usize = 16;
    let doubtful: Vec<f64> = (0..COMPARISONS)
        .map_while(|n| compare_many_floats(["0.1", "0.5"][n % 2]))
        .collect();
    assert!(
        doubtful.len() < COMPARISONS,
        "none is sent back: {doubtful:?}"
    );
}

/// Compares the tiers of a function that the optimizer has made slower. If its baseline code is
/// kept, checks that it is; else returns the ratio. Windows take `window_ms` milliseconds.
fn compare_many_floats(window_ms: &str) -> Option<f64> {
    let mut config = config(&[
        ("policy", "fixed-budget:units=1000"),
        ("evidence", "on"),
        ("evidence-cost", "100"),
        ("evidence-window-ms", window_ms),
    ]);
    knobs::set(&mut config, Group::Compile, "regalloc", "single-pass").unwrap();
    let engine = Engine::new(&config).unwrap();
    engine.event_log().set_detail(Detail::Events);
    let module = Module::new(&engine, many_floats()).unwrap();
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    let run = instance
        .get_typed_func::<(i32, f64), f64>(&mut store, "run")
        .unwrap();
    let first = run.call(&mut store, (1, 1.0)).unwrap();
    let start = Instant::now();
    let (kept, ratio) = loop {
        assert_eq!(run.call(&mut store, (1_000, 1.0)).unwrap(), first);
        let records = engine.event_log().records();
        let compared = records.iter().find_map(|record| match record.event {
            Event::TiersCompared { kept, ratio, .. } if kept.func.func.0 == 0 => {
                Some((kept, ratio))
            }
            _ => None,
        });
        if let Some(compared) = compared {
            break compared;
        }
        assert!(start.elapsed() < Duration::from_secs(60), "{records:?}");
    };
    if kept.tier == Tier::Optimizer {
        assert_eq!(engine.event_log().stats().functions_pinned, 0);
        return Some(ratio);
    }
    assert!(ratio > 1.0, "{ratio}");
    assert_eq!(engine.event_log().stats().functions_pinned, 1);
    // The code that runs from now on.
    let error = run.call(&mut store, (1, 1000.0)).unwrap_err();
    let backtrace = error.downcast_ref::<WasmBacktrace>().unwrap();
    assert_eq!(backtrace.frames()[0].tier(), Some(Tier::Baseline));
    None
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
