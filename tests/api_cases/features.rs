//! Switches of features: what is off is refused with the name of the switch, what is on works, and
//! what the engine does not have is refused as such.

use upshift::{Config, Engine, Feature, FeatureConflict, MissingFeature, Module};

/// For each feature, a module that needs it in its declarations or in a body.
fn module_with(feature: Feature) -> &'static str {
    match feature {
        Feature::BulkMemory => {
            "(memory 1) (func (memory.fill (i32.const 0) (i32.const 0) (i32.const 1)))"
        }
        Feature::CustomPageSizes => "(memory 1 (pagesize 1))",
        Feature::Exceptions => "(tag) (func (throw 0))",
        Feature::ExtendedConst => "(global i32 (i32.add (i32.const 1) (i32.const 2)))",
        Feature::FunctionReferences => "(type $f (func)) (func (param (ref $f)))",
        Feature::LegacyExceptions => "(func try catch_all end)",
        Feature::Memory64 => "(memory i64 1)",
        Feature::MultiMemory => "(memory 1) (memory 1)",
        Feature::MultiValue => "(func (result i32 i32) (i32.const 1) (i32.const 2))",
        Feature::ReferenceTypes => "(func (param externref))",
        Feature::RelaxedSimd => {
            "(func (param v128 v128) (result v128)
                (f32x4.relaxed_min (local.get 0) (local.get 1)))"
        }
        Feature::Simd => "(func (result v128) (v128.const i64x2 1 2))",
        Feature::TailCall => "(func (return_call 0))",
        Feature::Threads => "(memory 1) (func (drop (i32.atomic.load (i32.const 0))))",
        Feature::WideArithmetic => {
            "(func (param i64 i64) (result i64 i64)
                (i64.mul_wide_u (local.get 0) (local.get 1)))"
        }
    }
}

/// A configuration with this feature and all that need it off, and nothing else.
fn without(feature: Feature) -> Config {
    let mut config = Config::new();
    for &other in Feature::ALL {
        config.wasm_feature(other, !needs(other, feature));
    }
    config
}

/// Whether a feature can't be on without another, or is that one.
fn needs(feature: Feature, other: Feature) -> bool {
    let mut needed = feature.needs().iter();
    feature == other || needed.any(|&needed| needs(needed, other))
}

fn assemble(module: &str) -> Vec<u8> {
    wat::parse_str(format!("(module {module})")).expect("text that can be assembled")
}

#[test]
fn a_feature_that_is_off_is_refused_by_the_name_of_its_switch() {
    for &feature in Feature::ALL {
        let wasm = assemble(module_with(feature));
        for eager in [false, true] {
            let mut config = without(feature);
            let engine = Engine::new(config.eager(eager)).expect("nothing needs the feature");
            let error = Module::new(&engine, &wasm).expect_err("the feature is off");
            let missing: &MissingFeature = error.downcast_ref().expect("the typed error");
            assert_eq!(missing.feature(), Some(feature));
            assert!(
                (8..wasm.len() as u64).contains(&missing.offset()),
                "{error:#}"
            );
            let switch = format!(
                "`-W {}=yes` or `Config::{}(true)` switches it on",
                feature.name(),
                feature.setter()
            );
            assert!(format!("{error:#}").contains(&switch), "{error:#}");

            let engine =
                Engine::new(config.wasm_feature(feature, true)).expect("all needs are met");
            Module::new(&engine, &wasm).expect("the feature is on");
        }
    }
}

#[test]
fn a_feature_that_the_engine_lacks_is_refused_as_such() {
    let engine = Engine::default();
    for (module, place) in [
        ("(type (func)) (type (func)) (type (struct))", "type 2"),
        ("(global anyref (ref.null any))", "global 0"),
        (
            "(import \"a\" \"b\" (global i32)) (global eqref (ref.null eq))",
            "global 1",
        ),
        (
            "(import \"a\" \"b\" (func)) (import \"a\" \"c\" (table 1 anyref))",
            "import 1",
        ),
        (
            "(func (drop (i31.get_s (ref.i31 (i32.const 1)))))",
            "the module",
        ),
    ] {
        let error = Module::new(&engine, assemble(module)).expect_err("garbage collection");
        let missing: &MissingFeature = error.downcast_ref().expect("the typed error");
        assert_eq!(missing.feature(), None, "{error:#}");
        assert_eq!(missing.name(), "gc");
        assert!(
            format!("{error:#}")
                .contains(&format!("Upshift does not support GC ({place} needs `gc`")),
            "{error:#}"
        );
    }
}

/// Wasmtime's switches of what is missing do not promise it silently.
#[test]
fn a_switch_of_what_the_engine_lacks_can_only_be_off() {
    type Switch = fn(&mut Config, bool) -> &mut Config;
    let switches: [(Switch, &str); 4] = [
        (Config::wasm_gc, "GC: `Config::wasm_gc`"),
        (Config::wasm_component_model, "components"),
        (Config::wasm_stack_switching, "stack switching"),
        (Config::wasm_shared_everything_threads, "shared types"),
    ];
    for (switch, words) in switches {
        let mut config = Config::new();
        switch(&mut config, false);
        assert!(Engine::new(&config).is_ok());
        switch(&mut config, true);
        let error = Engine::new(&config).unwrap_err().to_string();
        let expected = format!("Upshift does not support {words}");
        assert!(error.starts_with(&expected), "{error}");
        switch(&mut config, false);
        assert!(Engine::new(&config).is_ok());
    }
}

#[test]
fn a_component_is_called_one() {
    for bytes in ["(component)", "(component (core module $m (func)))"] {
        let bytes = wat::parse_str(bytes).unwrap();
        let error = Module::new(&Engine::default(), bytes).expect_err("no module");
        let message = format!("{error:#}");
        assert!(message.contains("this is a component"), "{message}");
        assert!(message.contains("wasm32-wasip1"), "{message}");
    }
}

#[test]
fn a_mistake_is_no_missing_feature() {
    let error = Module::new(&Engine::default(), assemble("(func (result i32))"));
    assert!(!error.expect_err("no result").is::<MissingFeature>());
}

#[test]
fn a_feature_without_one_that_it_needs_is_a_contradiction() {
    let mut config = Config::new();
    let error = Engine::new(config.wasm_bulk_memory(false)).expect_err("reference types need it");
    let conflict: &FeatureConflict = error.downcast_ref().expect("the typed error");
    assert_eq!(conflict.feature, Feature::ReferenceTypes);
    assert_eq!(conflict.needed, Feature::BulkMemory);
    assert_eq!(
        error.to_string(),
        "the feature `reference-types` needs the feature `bulk-memory`, which is off: switch both \
         off, or both on"
    );
    config.wasm_reference_types(false).wasm_exceptions(false);
    config.wasm_legacy_exceptions(false);
    Engine::new(config.wasm_function_references(false)).expect("all five are off");
}
