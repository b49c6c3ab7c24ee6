//! Modules with their compiled code as bytes: what they compute and how they fail is the same in
//! another engine, without compiling, and whatever is wrong with the bytes is an error.

#![cfg(feature = "wat")]

use upshift::knobs::{self, Group};
use upshift::profiler::Stats;
use upshift::{
    Config, Engine, Instance, Module, Precompiled, SerializedError, Store, Strategy, Trap,
    WasmBacktrace,
};
use upshift_spectest::Mode;

/// A loop, an indirect call, globals, memory, an exception, numbers in the code's data, and traps.
const TEXT: &str = r#"(module $kept
    (type $t (func (param i64) (result i64)))
    (table funcref (elem $leaf $odd))
    (memory 1)
    (tag $tag (param i64))
    (global $calls (mut i64) (i64.const 0))
    (func $leaf (type $t) (i64.mul (local.get 0) (i64.const 3)))
    (func $odd (param f64) (result f64) (f64.add (local.get 0) (f64.const 0.1)))
    (func $count (global.set $calls (i64.add (global.get $calls) (i64.const 1))))
    (func $thrown (param i64) (result i64)
        (block $caught (result i64)
            (try_table (catch $tag $caught) (throw $tag (local.get 0)))
            (unreachable)))
    (func (export "run") (param $n i64) (result i64) (local $sum i64)
        (if (i64.gt_u (local.get $n) (i64.const 1000000)) (then unreachable))
        (loop $next
            (call $count)
            (i64.store (i32.const 8) (i64.add (i64.load (i32.const 8)) (local.get $n)))
            (local.set $sum (i64.add (local.get $sum)
                (call_indirect (type $t) (call $thrown (local.get $n)) (i32.const 0))))
            (local.set $n (i64.sub (local.get $n) (i64.const 1)))
            (br_if $next (i64.ne (local.get $n) (i64.const 0))))
        (i64.add (local.get $sum) (i64.trunc_f64_s (call $odd (f64.const 0.5)))))
    (func (export "wrong") (result i64)
        (call_indirect (type $t) (i64.const 1) (i32.const 1))))"#;

fn run(module: &Module, n: i64) -> upshift::Result<i64> {
    let mut store = Store::new(module.engine(), ());
    let instance = Instance::new(&mut store, module, &[])?;
    let run = instance.get_typed_func::<i64, i64>(&mut store, "run")?;
    run.call(&mut store, n)
}

/// The trap of an indirect call with another type, and the offsets of its frames.
fn wrong(module: &Module) -> (Trap, Vec<Option<usize>>) {
    let mut store = Store::new(module.engine(), ());
    let instance = Instance::new(&mut store, module, &[]).unwrap();
    let wrong = instance.get_typed_func::<(), i64>(&mut store, "wrong");
    let error = wrong.unwrap().call(&mut store, ()).unwrap_err();
    let frames = error.downcast_ref::<WasmBacktrace>().unwrap().frames();
    let offsets = frames.iter().map(|frame| frame.module_offset());
    (*error.downcast_ref().unwrap(), offsets.collect())
}

fn check(module: &Module) {
    for n in [1, 10, 5_000] {
        assert_eq!(run(module, n).unwrap(), 3 * n * (n + 1) / 2);
    }
    let trap = run(module, 2_000_000).unwrap_err();
    assert_eq!(trap.downcast_ref(), Some(&Trap::Unreachable));
    let (trap, offsets) = wrong(module);
    assert_eq!(trap, Trap::IndirectCallTypeMismatch);
    assert_eq!(offsets.len(), 1);
    assert!(offsets[0].is_some());
}

fn stored(module: &Module, engine: &Engine) -> Module {
    let bytes = module.serialize().unwrap();
    // SAFETY: the bytes are what `serialize` has returned just now.
    unsafe { Module::deserialize(engine, bytes) }.unwrap()
}

/// What the bytes are refused for.
fn refused(engine: &Engine, bytes: &[u8]) -> SerializedError {
    // SAFETY: bytes that a test has changed are refused, as their checksum is wrong, or they are
    // of an engine with other options.
    let module = unsafe { Module::deserialize(engine, bytes) };
    let error = module.expect_err("it is refused");
    error.downcast_ref::<SerializedError>().unwrap().clone()
}

fn compiled(engine: &Engine) -> u64 {
    let Stats {
        baseline,
        optimizer,
        ..
    } = engine.event_log().stats();
    baseline.functions + optimizer.functions + optimizer.osr_units
}

#[test]
fn stored_code_is_not_compiled_again_in_any_mode() {
    for &mode in Mode::all() {
        let makes = mode.engine().unwrap();
        // Types that the other engine does not meet.
        let _other = Module::new(&makes, "(module (type (func (param f32 f32 i32))))").unwrap();
        let first = Module::new(&makes, TEXT).unwrap();
        // Twice, as what is hot in both together is optimized in the second.
        check(&first);
        check(&first);
        makes.wait_idle();
        let runs = mode.engine().unwrap();
        let second = stored(&first, &runs);
        check(&second);
        assert_eq!(wrong(&first), wrong(&second), "{mode}");
        runs.wait_idle();
        if !matches!(mode, Mode::Zeal | Mode::TieredBackground) {
            // Zeal makes code at random; in the background it is chance what gets hot.
            assert_eq!(compiled(&runs), 0, "{mode}");
        }
        // And once more, without what the first engine still knows.
        let third = stored(&second, &mode.engine().unwrap());
        check(&third);
        assert_eq!(third.digest(), first.digest());
        assert_eq!(third.name(), Some("kept"));
    }
}

#[test]
fn optimized_code_runs_from_the_first_call_on() {
    let mut config = Config::new();
    for (name, value) in [("switching", "sync"), ("policy", "fixed-budget:units=1000")] {
        knobs::set(&mut config, Group::Tiering, name, value).unwrap();
    }
    let first = Module::new(&Engine::new(&config).unwrap(), TEXT).unwrap();
    check(&first);
    let engine = Engine::default();
    let second = stored(&first, &engine);
    assert_eq!(run(&second, 3).unwrap(), 18);
    assert_eq!(compiled(&engine), 0);
    assert!(
        engine.code_stats().optimizer > 0,
        "{:?}",
        engine.code_stats()
    );
    // A function that nothing called is compiled when something does.
    let text = r#"(module (func (export "a") (result i32) (i32.const 1))
        (func (export "run") (param i64) (result i64) (local.get 0)))"#;
    let first = Module::new(&Engine::default(), text).unwrap();
    assert_eq!(run(&first, 7).unwrap(), 7);
    let second = stored(&first, &engine);
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &second, &[]).unwrap();
    let a = instance.get_typed_func::<(), i32>(&mut store, "a").unwrap();
    assert_eq!(a.call(&mut store, ()).unwrap(), 1);
    assert_eq!(compiled(&engine), 1);
}

#[test]
fn a_module_is_compiled_ahead_of_time() {
    for strategy in [Strategy::Baseline, Strategy::Optimizer, Strategy::Tiered] {
        let engine = Engine::new(Config::new().strategy(strategy)).unwrap();
        let bytes = engine.precompile_module(TEXT.as_bytes()).unwrap();
        assert_eq!(
            Engine::detect_precompiled(&bytes),
            Some(Precompiled::Module)
        );
        assert_eq!(Engine::detect_precompiled(TEXT.as_bytes()), None);
        let runs = Engine::new(engine.config()).unwrap();
        // SAFETY: the bytes are what `precompile_module` has returned just now.
        let module = unsafe { Module::deserialize(&runs, &bytes) }.unwrap();
        assert_eq!(run(&module, 10).unwrap(), 165);
        assert_eq!(compiled(&runs), 0, "{strategy:?}");
    }
    assert!(
        Engine::default()
            .precompile_module(b"(module (func")
            .is_err()
    );
}

#[test]
fn damaged_bytes_are_refused() {
    let engine = Engine::default();
    let module = Module::new(&engine, TEXT).unwrap();
    check(&module);
    let bytes = module.serialize().unwrap();
    let stride = (bytes.len() / 500).max(1);
    let mut pieces = 0;
    for at in (0..bytes.len()).step_by(stride) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x20;
        // SAFETY: bytes that are damaged by accident are refused or not used.
        let error = match unsafe { Module::deserialize(&engine, &damaged) } {
            Ok(module) => {
                // It is in a piece of code, which is compiled again then.
                check(&module);
                pieces += 1;
                continue;
            }
            Err(error) => error.downcast::<SerializedError>().unwrap(),
        };
        match at {
            0..8 => assert_eq!(error, SerializedError::NotSerialized),
            8 => assert!(matches!(error, SerializedError::Version(_)), "{error}"),
            _ => assert_eq!(error, SerializedError::Damaged, "byte {at}"),
        }
    }
    assert!(pieces > 100, "{pieces}");
    for len in (0..bytes.len()).step_by(stride) {
        refused(&engine, &bytes[..len]);
    }
    assert_eq!(
        refused(&engine, b"\0asm\x01\0\0\0"),
        SerializedError::NotSerialized
    );
}

/// Bodies and data have checksums of their own, which are compared when they are read first: none
/// is compiled, inlined or written that was changed.
#[test]
fn what_a_damaged_module_reads_late_is_refused_then() {
    const PARTS: &str = r#"(module
        (memory (export "memory") 1)
        (func $inner (export "inner") (param i32) (result i32)
            (i32.mul (local.get 0) (i32.const 0x1234567)))
        (func (export "outer") (param i32) (result i32)
            (i32.add (call $inner (local.get 0)) (i32.const 1)))
        (data (i32.const 16) "the data of this module"))"#;
    for strategy in [Strategy::Baseline, Strategy::Optimizer] {
        let engine = Engine::new(Config::new().strategy(strategy)).unwrap();
        let module = Module::new(&engine, PARTS).unwrap();
        let wasm = module.wasm().to_vec();
        let bytes = module.serialize().unwrap();
        let start = bytes.windows(wasm.len()).position(|part| part == wasm);
        let start = start.expect("the module is among the bytes");
        let body = module.body_range(0).unwrap();
        let text = b"the data of this module";
        let data = wasm.windows(text.len()).position(|part| part == text);
        let data = data.unwrap();
        let damaged = |at: usize| {
            let mut damaged = bytes.clone();
            damaged[start + at] ^= 1;
            // SAFETY: the damage is to what has checksums.
            unsafe { Module::deserialize(&engine, &damaged) }.unwrap()
        };
        for at in body {
            let module = damaged(at as usize);
            let mut store = Store::new(&engine, ());
            let instance = Instance::new(&mut store, &module, &[]).unwrap();
            let mut call = |name| {
                let func = instance.get_typed_func::<i32, i32>(&mut store, name);
                func.unwrap().call(&mut store, 3)
            };
            for name in ["inner", "outer"] {
                let error = format!("{:#}", call(name).unwrap_err());
                assert!(error.contains("damaged"), "{strategy:?}, {name}: {error}");
            }
        }
        for at in data..data + text.len() {
            let module = damaged(at);
            let mut store = Store::new(&engine, ());
            let error = Instance::new(&mut store, &module, &[]).unwrap_err();
            assert!(error.to_string().contains("damaged"), "{error}");
        }
    }
}

#[test]
fn another_engine_refuses_and_says_where_it_differs() {
    let bytes = Engine::default()
        .precompile_module(TEXT.as_bytes())
        .unwrap();
    let options: [(_, fn(&mut Config)); 2] = [
        ("canonicalize_nans", |config| {
            config.canonicalize_nans(true);
        }),
        ("epochs", |config| {
            config.epoch_interruption(true);
        }),
    ];
    for (name, set) in options {
        let mut config = Config::new();
        set(&mut config);
        let error = refused(&Engine::new(&config).unwrap(), &bytes).to_string();
        let option = |value| format!("{name}: {value}");
        assert!(error.contains(&option(false)), "{error}");
        assert!(error.contains(&option(true)), "{error}");
    }
}
