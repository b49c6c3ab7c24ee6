//! Warm starts: a module with the profile of an earlier run computes the same in every mode,
//! whatever the profile says, and optimizes from the start what was hot.

use upshift::knobs::{self, Group};
use upshift::profiler::{Detail, Event, LogConfig};
use upshift::{Config, Engine, Instance, Module, ModuleProfile, ProfileError, Store};

use crate::in_every_mode;

/// A loop that calls `$leaf` by a table of one function, and a trap above 1000.
const TEXT: &str = r#"(module
    (type $t (func (param i64) (result i64)))
    (table funcref (elem $leaf))
    (func $leaf (type $t) (i64.mul (local.get 0) (i64.const 3)))
    (func $cold (export "cold") (result i32) (i32.const 7))
    (func (export "run") (param $n i64) (result i64) (local $sum i64)
        (if (i64.gt_u (local.get $n) (i64.const 1000000)) (then unreachable))
        (loop $next
            (local.set $sum (i64.add (local.get $sum)
                (call_indirect (type $t) (local.get $n) (i32.const 0))))
            (local.set $n (i64.sub (local.get $n) (i64.const 1)))
            (br_if $next (i64.ne (local.get $n) (i64.const 0))))
        (local.get $sum)))"#;

fn run(module: &Module, n: i64) -> upshift::Result<i64> {
    let mut store = Store::new(module.engine(), ());
    let instance = Instance::new(&mut store, module, &[])?;
    instance
        .get_typed_func::<i64, i64>(&mut store, "run")?
        .call(&mut store, n)
}

fn expected(n: i64) -> i64 {
    (1..=n).map(|n| 3 * n).sum()
}

fn engine(options: &[(&str, &str)]) -> Engine {
    let mut config = Config::new();
    for (name, value) in options {
        knobs::set(&mut config, Group::Tiering, name, value).unwrap();
    }
    config.event_log(LogConfig {
        detail: Detail::Events,
        capacity: None,
    });
    Engine::new(&config).unwrap()
}

/// The profile of a run in which the loop and `$leaf` got hot.
fn profile() -> ModuleProfile {
    let options = [("switching", "sync"), ("policy", "fixed-budget:units=1000")];
    let module = Module::new(&engine(&options), TEXT).unwrap();
    assert_eq!(run(&module, 100_000).unwrap(), expected(100_000));
    let profile = module.profile();
    assert_eq!(profile.module(), module.digest());
    assert!(profile.requests().len() >= 2, "{profile:?}");
    profile
}

#[test]
fn a_warm_start_computes_the_same_in_every_mode() {
    let profile = profile();
    in_every_mode(|engine| {
        let module = Module::new(engine, TEXT).unwrap();
        module.warm_up(profile.clone()).unwrap();
        for n in [1, 10, 5_000] {
            assert_eq!(run(&module, n).unwrap(), expected(n));
        }
        let trap = run(&module, 2_000_000).unwrap_err();
        let trap = trap.downcast_ref::<upshift::Trap>();
        assert_eq!(trap, Some(&upshift::Trap::Unreachable));
        let again = module.profile();
        assert_eq!(ModuleProfile::from_bytes(&again.to_bytes()), Ok(again));
    });
}

/// Before anything has run, what was hot is optimized, and the log says why.
#[test]
fn what_was_hot_is_optimized_before_it_runs() {
    let engine = engine(&[]);
    let module = Module::new(&engine, TEXT).unwrap();
    module.warm_up(profile()).unwrap();
    engine.wait_idle();
    let stats = engine.event_log().stats();
    assert!(stats.optimizer.functions >= 1, "{stats:?}");
    assert_eq!(stats.functions_called, 0);
    let reasons: Vec<String> = engine
        .event_log()
        .records()
        .into_iter()
        .filter_map(|record| match record.event {
            Event::Decided { decision, .. } => Some(decision.reason.to_string()),
            _ => None,
        })
        .collect();
    let recorded = "recorded in an earlier run".to_owned();
    assert!(reasons.contains(&recorded), "{reasons:?}");
    assert_eq!(run(&module, 10_000).unwrap(), expected(10_000));
}

/// The optimizer guesses the target of the indirect call by the profile, though nothing has run.
#[test]
fn recorded_targets_are_taken_over() {
    let noted = |with_targets: bool| {
        let profile = profile();
        let engine = engine(&[]);
        let module = Module::new(&engine, TEXT).unwrap();
        module.warm_up(profile).unwrap();
        engine.wait_idle();
        match with_targets {
            true => module.profile().to_bytes(),
            false => Module::new(&engine, TEXT).unwrap().profile().to_bytes(),
        }
    };
    // The pair of the call and its function are known without a call.
    assert!(noted(true).len() > noted(false).len());
    let cell = |bytes: &[u8]| ModuleProfile::from_bytes(bytes).unwrap().targets().len();
    assert_eq!((cell(&noted(true)), cell(&noted(false))), (1, 0));
}

#[test]
fn profiles_of_other_modules_are_refused() {
    let engine = Engine::default();
    let other = Module::new(&engine, "(module (func))").unwrap();
    let refused = other.warm_up(profile()).unwrap_err();
    assert!(matches!(
        refused.downcast_ref(),
        Some(ProfileError::OtherModule { .. })
    ));
    let module = Module::new(&engine, TEXT).unwrap();
    module.warm_up(profile()).unwrap();
    let again = module.warm_up(profile()).unwrap_err();
    assert_eq!(again.downcast_ref(), Some(&ProfileError::GivenBefore));
}
