//! Generated programs behave alike in every tier and in Wasmtime: every call has the same result or
//! trap, and leaves the same memory and globals. Programs with `externref`, which Wasmtime runs
//! only with a garbage collector that it is built without here, are compared between the tiers.
//!
//! A program is a number: `UPSHIFT_FUZZ_SEED=<number>` runs that program alone. While a program
//! runs, it is in the file `differential-<number>.wasm` in the test target's folder; a crash leaves
//! it there. The test runs as many programs as fit its time, from the same numbers each time;
//! `UPSHIFT_FUZZ_SECONDS` sets another time, and then the numbers start anew at each run.

#![forbid(unsafe_code)]

mod differential_engines;
mod support {
    pub mod modes;
}

use std::path::Path;
use std::sync::LazyLock;
use std::time::{Duration, Instant, SystemTime};

use differential_engines::{Machine, Oracle, Outcome, Subject, Value};
use fastrand::Rng;
use support::modes::engines;
use upshift::{Trap, ValType};
use upshift_spectest::Mode;

/// How long the test runs by default.
const SECONDS: u64 = 20;
/// The fewest programs, and calls that return, in the time: below that the test has become
/// worthless.
const AT_LEAST: u64 = 50;
/// Loop iterations and calls until a generated program ends itself.
const FUEL: u32 = 1000;
/// How often each export is called, with different arguments.
const CALLS: usize = 3;

/// The modes that differ in what code they run. Tiering in the background runs the same code as
/// these, at times that nothing controls.
const MODES: [Mode; 4] = [
    Mode::Baseline,
    Mode::Optimizer,
    Mode::Zeal,
    Mode::ExplicitBounds,
];

static ORACLE: LazyLock<wasmtime::Engine> = LazyLock::new(|| {
    let mut config = wasmtime::Config::new();
    config.max_wasm_stack(1 << 20);
    // It may choose otherwise where the standard leaves a choice.
    config.wasm_relaxed_simd(false);
    config.wasm_custom_page_sizes(true);
    config.wasm_wide_arithmetic(true);
    wasmtime::Engine::new(&config).expect("an engine can be made")
});

#[test]
fn generated_programs_agree_with_wasmtime() {
    if let Ok(seed) = std::env::var("UPSHIFT_FUZZ_SEED") {
        let run = run_program(seed.parse().expect("a number"));
        assert!(run.is_some(), "there is no such program");
        return;
    }
    let seconds = std::env::var("UPSHIFT_FUZZ_SECONDS").ok();
    let seconds = seconds.map(|seconds| seconds.parse().expect("a number"));
    let first = if seconds.is_some() { start_number() } else { 0 };
    let end = Instant::now() + Duration::from_secs(seconds.unwrap_or(SECONDS));
    let mut seed = first;
    let mut totals = Totals::default();
    while Instant::now() < end {
        if let Some(run) = run_program(seed) {
            totals.add(&run);
        }
        seed += 1;
    }
    println!("from UPSHIFT_FUZZ_SEED={first}: {totals:?}");
    assert!(
        totals.programs >= AT_LEAST && totals.returned >= AT_LEAST,
        "too little in the time"
    );
}

fn start_number() -> u64 {
    let time = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    time.expect("the clock is right").as_secs() << 32
}

/// Counts of what happened, from which the test knows whether the programs are worth running.
#[derive(Debug, Default)]
struct Totals {
    programs: u64,
    without_oracle: u64,
    returned: u64,
    trapped: u64,
}

impl Totals {
    fn add(&mut self, run: &Run) {
        let calls = run.history.iter().filter(|(name, _)| name.contains('('));
        let returned = calls.clone().filter(|(_, outcome)| outcome.is_ok()).count() as u64;
        self.programs += 1;
        self.without_oracle += u64::from(!run.by_oracle);
        self.returned += returned;
        self.trapped += calls.count() as u64 - returned;
    }
}

/// The history of a program on which all engines agree.
struct Run {
    history: History,
    by_oracle: bool,
}

/// Runs one program in all engines; `None` if no program has the number.
fn run_program(seed: u64) -> Option<Run> {
    let mut rng = Rng::with_seed(seed).fork();
    let wasm = generate(&mut rng)?;
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("differential-{seed}.wasm"));
    std::fs::write(&path, &wasm).expect("the test target's folder is writable");
    let oracle = Oracle::new(&ORACLE, &wasm);
    let by_oracle = oracle.is_some();
    let mut expected = oracle.map(|mut oracle| history(&mut oracle, &rng));
    for (mode, engine) in engines().filter(|(mode, _)| MODES.contains(mode)) {
        let actual = history(&mut Subject::new(engine, &wasm), &rng);
        let place = path.display();
        let what = format!("UPSHIFT_FUZZ_SEED={seed}, mode {mode}, {place}");
        match &expected {
            Some(expected) => compare(expected, &actual, &what),
            None => expected = Some(actual),
        }
    }
    std::fs::remove_file(&path).expect("written above");
    let history = expected?;
    Some(Run { history, by_oracle })
}

/// The history of a program: each call and its outcome, then a digest of memory and globals.
type History = Vec<(String, Outcome)>;

/// Runs every export some times with arguments from the generator. Stops at a stack overflow: the
/// depth at which it happens is the one thing that may differ, and with it the state.
fn history(machine: &mut dyn Machine, rng: &Rng) -> History {
    let mut rng = rng.clone();
    let mut history = vec![("instantiate".to_string(), machine.instantiate())];
    if history[0].1.is_err() {
        return history;
    }
    for (name, params) in machine.functions() {
        // Each function starts with full fuel and fresh memory.
        if machine.instantiate().is_err() {
            return history;
        }
        for _ in 0..CALLS {
            let arguments: Vec<_> = params.iter().map(|&ty| argument(ty, &mut rng)).collect();
            let outcome = machine.call(&name, &arguments);
            let overflow = outcome == Err(Some(Trap::StackOverflow));
            history.push((format!("{name}({arguments:?})"), outcome));
            if overflow {
                return history;
            }
        }
        history.push(("state".to_string(), Ok(machine.state())));
    }
    history
}

/// Checks that the histories are the same up to the first stack overflow in either.
fn compare(expected: &History, actual: &History, what: &str) {
    let overflow = Err(Some(Trap::StackOverflow));
    for (expected, actual) in expected.iter().zip(actual) {
        if expected.1 == overflow || actual.1 == overflow {
            return;
        }
        assert_eq!(expected, actual, "expected first; {what}");
    }
    assert_eq!(expected.len(), actual.len(), "{what}");
}

/// An argument: mostly a small or special number, which takes more ways through a program than a
/// random one.
fn argument(ty: ValType, rng: &mut Rng) -> Value {
    let special = [
        0,
        1,
        2,
        7,
        0x7fff_ffff,
        0x8000_0000,
        0xffff_ffff,
        u64::MAX,
        1 << 63,
    ];
    let integer = match rng.usize(..3) {
        0 => rng.u64(..),
        1 => rng.u64(..) % 256,
        _ => special[rng.usize(..special.len())],
    };
    let floats = [
        0.0,
        -0.0,
        1.0,
        -1.5,
        1e10,
        1e-310,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::NAN,
    ];
    let float = floats[rng.usize(..floats.len())];
    match ty {
        ValType::I32 => Value::I32(integer as i32),
        ValType::I64 => Value::I64(integer as i64),
        ValType::F32 => Value::F32((float as f32).to_bits()),
        ValType::F64 => Value::F64(float.to_bits()),
        ValType::V128 => Value::V128(match rng.usize(..3) {
            0 => u128::from(integer) << 64 | u128::from(float.to_bits()),
            1 => u128::from((float as f32).to_bits()) * 0x0000_0001_0000_0001_0000_0001_0000_0001,
            _ => rng.u128(..),
        }),
        ValType::Ref(_) => Value::NullRef,
    }
}

/// Generates a program of the supported standard that ends; `None` if the number leads to none.
fn generate(rng: &mut Rng) -> Option<Vec<u8>> {
    let config = program_config(rng);
    let words = 512 + rng.usize(..2048);
    let bytes: Vec<u8> = (0..words).flat_map(|_| rng.u64(..).to_le_bytes()).collect();
    let mut input = arbitrary::Unstructured::new(&bytes);
    let mut module = wasm_smith::Module::new(config, &mut input).ok()?;
    module.ensure_termination(FUEL).ok()?;
    Some(module.to_bytes())
}

/// The generator's configuration: everything that the supported standard has, and nothing else;
/// small, closed, with deterministic NaNs. Without the minimums most programs would be empty.
fn program_config(rng: &mut Rng) -> wasm_smith::Config {
    let reference_types = rng.usize(..4) == 0;
    let simd = rng.usize(..3) == 0;
    wasm_smith::Config {
        canonicalize_nans: true,
        export_everything: true,
        disallow_traps: rng.usize(..4) > 0,
        max_imports: 0,
        min_types: 3,
        max_types: 8,
        min_funcs: 1 + rng.usize(..6),
        max_funcs: 8,
        max_instructions: 20 + rng.usize(..500),
        min_globals: rng.usize(..4),
        max_globals: 6,
        min_memories: 1,
        max_memories: 1 + rng.usize(..3),
        max_memory32_bytes: 4 << 16,
        max_memory64_bytes: 4 << 16,
        memory_max_size_required: true,
        memory_offset_choices: wasm_smith::MemoryOffsetChoices(90, 9, 1),
        max_data_segments: 3,
        min_tables: u32::from(reference_types),
        max_tables: 1 + usize::from(reference_types),
        max_table_elements: 100,
        table_max_size_required: true,
        min_element_segments: rng.usize(..2),
        max_element_segments: 4,
        reference_types_enabled: reference_types,
        exceptions_enabled: false,
        gc_enabled: false,
        memory64_enabled: rng.bool(),
        custom_page_sizes_enabled: rng.usize(..4) == 0,
        compact_imports_enabled: false,
        relaxed_simd_enabled: simd && rng.usize(..4) == 0,
        simd_enabled: simd,
        threads_enabled: false,
        wide_arithmetic_enabled: rng.bool(),
        ..wasm_smith::Config::default()
    }
}
