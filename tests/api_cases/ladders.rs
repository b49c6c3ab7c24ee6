//! Ladders of other tiers than the usual two: the same values in each, and every tier is reached.

use std::collections::BTreeSet;

use upshift::knobs::{self, Group};
use upshift::profiler::{Detail, Event, LogConfig};
use upshift::{Config, Engine, Instance, Module, Store};

/// A function that is called often, from a loop that runs long, and calls itself through a table.
const TEXT: &str = r#"(module
    (type $t (func (param i64) (result i64)))
    (table funcref (elem $step))
    (func $step (type $t)
        (if (result i64) (i64.eqz (i64.and (local.get 0) (i64.const 7)))
            (then (i64.const 1))
            (else (i64.add (local.get 0)
                (call_indirect (type $t) (i64.sub (local.get 0) (i64.const 1)) (i32.const 0))))))
    (func (export "run") (param $n i64) (result i64) (local $sum i64)
        (loop $next
            (local.set $sum (i64.add (local.get $sum) (call $step (local.get $n))))
            (local.set $n (i64.sub (local.get $n) (i64.const 1)))
            (br_if $next (i64.ne (local.get $n) (i64.const 0))))
        (local.get $sum)))"#;

fn expected(n: i64) -> i64 {
    fn step(n: i64) -> i64 {
        if n & 7 == 0 { 1 } else { n + step(n - 1) }
    }
    (1..=n).map(step).sum()
}

/// Runs the program, and returns its result and the levels of code that were published.
fn run(tiers: &[&str], settings: &[(&str, &str)], n: i64) -> (i64, BTreeSet<u8>) {
    let mut config = Config::new();
    config.tiers(tiers.iter().copied()).event_log(LogConfig {
        detail: Detail::Events,
        capacity: None,
    });
    for (name, value) in settings {
        knobs::set(&mut config, Group::Tiering, name, value).unwrap();
    }
    let engine = Engine::new(&config).unwrap();
    let module = Module::new(&engine, TEXT).unwrap();
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    let func = instance
        .get_typed_func::<i64, i64>(&mut store, "run")
        .unwrap();
    let mut result = 0;
    for _ in 0..20 {
        result = func.call(&mut store, n).unwrap();
        engine.wait_idle();
    }
    let records = engine.event_log().records();
    let levels = records.iter().filter_map(|record| match &record.event {
        Event::Published { code, .. } => Some(code.level),
        _ => None,
    });
    (result, levels.collect())
}

#[test]
fn every_ladder_gives_the_same_values_and_is_climbed() {
    let ladders: [&[&str]; 5] = [
        &["baseline", "cranelift"],
        &["naive", "cranelift-speed"],
        &["baseline", "cranelift-none", "cranelift-speed"],
        &[
            "naive",
            "cranelift-fast",
            "cranelift-none",
            "cranelift-speed",
        ],
        &["baseline", "cranelift-fast", "cranelift"],
    ];
    let drivers = ["sync", "background", "virtual:fixed=1000,per-byte=1"];
    for tiers in ladders {
        for driver in drivers {
            let settings = [
                ("switching", driver),
                ("policy", "hotspot"),
                ("threads", "1"),
            ];
            let (result, levels) = run(tiers, &settings, 20_000);
            assert_eq!(result, expected(20_000), "{tiers:?} {driver}");
            let climbed = [0, 1, tiers.len() as u8 - 1];
            assert!(
                levels.is_superset(&climbed.into()),
                "{tiers:?} {driver}: {levels:?}"
            );
        }
        for seed in ["1", "2", "3"] {
            let zeal = format!("zeal:seed={seed}");
            let (result, levels) = run(tiers, &[("switching", &zeal)], 300);
            assert_eq!(result, expected(300), "{tiers:?} {zeal}");
            assert_eq!(levels.len(), tiers.len(), "{tiers:?} {zeal}: {levels:?}");
        }
        let (result, levels) = run(tiers, &[("mode", "optimizer")], 300);
        assert_eq!(result, expected(300), "{tiers:?}");
        assert_eq!(levels, [tiers.len() as u8 - 1].into(), "{tiers:?}");
    }
}

#[test]
fn ladders_that_are_not_possible_say_why() {
    let refused = |tiers: &[&str]| {
        let mut config = Config::new();
        config.tiers(tiers.iter().copied());
        format!("{:#}", Engine::new(&config).map(|_| ()).unwrap_err())
    };
    assert_eq!(
        refused(&["basline"]),
        "there is no tier `basline` (there are baseline, naive, cranelift, cranelift-none, \
         cranelift-fast, cranelift-speed); did you mean `baseline`?"
    );
    assert!(refused(&["cranelift", "baseline"]).contains("`cranelift` can't be tier 0"));
    assert!(refused(&["baseline", "naive"]).contains("`naive` can't be tier 1"));
    assert!(refused(&["baseline"]).contains("needs an optimizer"));
    let many = [
        "baseline",
        "cranelift",
        "cranelift",
        "cranelift",
        "cranelift",
    ];
    assert!(refused(&many).contains("5 tiers are not possible; from 1 to 4 are"));
}

#[test]
fn a_ladder_is_set_by_name() {
    let mut config = Config::new();
    let value = "naive,cranelift-none,cranelift-speed";
    knobs::set(&mut config, Group::Tiering, "tiers", value).unwrap();
    let entries = knobs::entries(&config);
    let tiers = entries
        .iter()
        .find(|entry| entry.info.name == "tiers")
        .unwrap();
    assert_eq!(tiers.value, "naive+cranelift-none+cranelift-speed");
    let error = knobs::set(&mut config, Group::Tiering, "tiers", "baseline,cranlift").unwrap_err();
    assert!(
        error.to_string().ends_with("did you mean `cranelift`?"),
        "{error}"
    );
}
