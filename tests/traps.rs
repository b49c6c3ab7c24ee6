//! Traps: the right one in every mode, with the same backtrace, also in the middle of a loop that
//! has entered optimized code.
//!
//! Each case is an instruction sequence that must trap. It is placed at the end of a chain of calls
//! and in the last iteration of a long loop. The expected offset of each frame comes from Wasmtime.

#![forbid(unsafe_code)]

mod support {
    pub mod modes;
}
mod trap_cases;

use support::modes::engines;
use trap_cases::{Case, arithmetic_cases, call_cases, memory_cases, table_cases};
use upshift::{Engine, Error, Func, Linker, Module, Store, Tier, Trap, WasmBacktrace};
use upshift_spectest::Mode;

/// A statement that precedes the trap in the loop: without it, Cranelift turns a branch to nothing
/// but a trap into a conditional trap, which it places at the branch.
const PRELUDE: &str = "(global.set $zero_i64 (i64.const 0))";

/// Iterations before the trap: enough for an OSR entry with the low budgets of the test modes.
const ITERATIONS: u32 = 20_000;

/// Function names and module offsets of a backtrace, innermost first.
type Frames = Vec<(String, Option<usize>)>;

/// The exports of a case's module, and the functions on the stack when it traps.
const PLACES: [(&str, &[&str]); 3] = [
    ("called", &["trapping", "middle", "called"]),
    ("looped", &["looping", "looped"]),
    (
        "called in a loop",
        &["trapping", "guarded", "calling", "called in a loop"],
    ),
];

fn module_text(case: &Case) -> String {
    let body = &case.body;
    format!(
        r#"(module $traps
            (type $nullary (func))
            (type $other (func (param i64) (result i64)))
            (memory 1 1)
            (table $table 4 8 funcref)
            (elem (table $table) (i32.const 0) func $callee)
            (elem $passive func $callee $callee)
            (data $bytes "\01\02\03\04")
            {globals}
            (func $callee)
            (func $trapping {body})
            (func $middle (call $trapping))
            (func $called (export "called") (call $middle))
            (func $looping (param $n i32) (local $sum i64)
                (loop $again
                    (local.set $sum (i64.add (local.get $sum) (i64.extend_i32_u (local.get $n))))
                    (if (i32.eqz (local.get $n)) (then {PRELUDE} {body}))
                    (local.set $n (i32.sub (local.get $n) (i32.const 1)))
                    (br $again)))
            (func $looped (export "looped") (call $looping (i32.const {ITERATIONS})))
            (func $guarded (param i32) (if (i32.eqz (local.get 0)) (then (call $trapping))))
            (func $calling (param $n i32)
                (loop $again
                    (call $guarded (local.get $n))
                    (local.set $n (i32.sub (local.get $n) (i32.const 1)))
                    (br $again)))
            (func $"called in a loop" (export "called in a loop")
                (call $calling (i32.const {ITERATIONS}))))"#,
        globals = trap_cases::GLOBALS,
    )
}

/// Runs an export without parameters and results.
fn run(engine: &Engine, text: &str, export: &str) -> Result<(), Error> {
    let module = Module::new(engine, text)?;
    let mut store = Store::new(engine, ());
    let instance = Linker::new(engine).instantiate(&mut store, &module)?;
    instance
        .get_typed_func::<(), ()>(&mut store, export)?
        .call(&mut store, ())
}

fn frames(error: &Error) -> Frames {
    let backtrace = error
        .downcast_ref::<WasmBacktrace>()
        .expect("a trap has a backtrace");
    let frames = backtrace.frames().iter();
    frames
        .map(|frame| {
            (
                frame.func_name().unwrap_or("?").to_string(),
                frame.module_offset(),
            )
        })
        .collect()
}

/// The backtrace that Wasmtime reports.
fn oracle_frames(text: &str, export: &str) -> Frames {
    let engine = wasmtime::Engine::default();
    let module = wasmtime::Module::new(&engine, text).expect("cases are valid");
    let mut store = wasmtime::Store::new(&engine, ());
    let instance =
        wasmtime::Instance::new(&mut store, &module, &[]).expect("cases have no imports");
    let func = instance
        .get_typed_func::<(), ()>(&mut store, export)
        .expect("exported");
    let error = func.call(&mut store, ()).expect_err("cases trap");
    let backtrace = error
        .downcast_ref::<wasmtime::WasmBacktrace>()
        .expect("a backtrace");
    let frames = backtrace.frames().iter();
    frames
        .map(|frame| {
            (
                frame.func_name().unwrap_or("?").to_string(),
                frame.module_offset(),
            )
        })
        .collect()
}

fn check(case: &Case) {
    let text = module_text(case);
    for (export, names) in PLACES {
        let expected = oracle_frames(&text, export);
        assert_eq!(
            names,
            expected.iter().map(|frame| &frame.0).collect::<Vec<_>>()
        );
        for (mode, engine) in engines() {
            let what = format!("{} in {export}, mode {mode}", case.name);
            let error = run(engine, &text, export).expect_err(&what);
            assert_eq!(error.downcast_ref(), Some(&case.trap), "{what}: {error:#}");
            assert_eq!(frames(&error), expected, "{what}");
            check_tier(mode, export, &error, &what);
        }
    }
}

/// In modes that switch on the running thread, the loop has entered optimized code by the time of
/// the trap.
fn check_tier(mode: Mode, export: &str, error: &Error, what: &str) {
    let backtrace = error
        .downcast_ref::<WasmBacktrace>()
        .expect("checked before");
    let frames = backtrace.frames();
    let tier = frames[0].tier();
    // The functions with the loop are called by the export.
    let looping = frames[frames.len() - 2].tier();
    match mode {
        Mode::Baseline => assert_eq!(tier, Some(Tier::Baseline), "{what}"),
        Mode::Optimizer => assert_eq!(tier, Some(Tier::Optimizer), "{what}"),
        Mode::TieredSync if export != "called" => {
            assert_eq!(looping, Some(Tier::Optimizer), "{what}")
        }
        _ => {}
    }
}

#[test]
fn memory_accesses_beyond_the_end() {
    memory_cases().iter().for_each(check);
}

#[test]
fn arithmetic_without_a_result() {
    arithmetic_cases().iter().for_each(check);
}

#[test]
fn indirect_calls_that_cannot_be_made() {
    call_cases().iter().for_each(check);
}

#[test]
fn table_accesses_beyond_the_end() {
    table_cases().iter().for_each(check);
}

/// Loads, operators that use them as `L`, which the optimizer may compile as one instruction, and
/// the types of those operators' results. `$x` has the load's type.
const MERGED: [(&str, &str, &str); 16] = [
    ("i32.load", "(i32.add L $x)", "i32"),
    ("i32.load", "(i32.add $x L)", "i32"),
    ("i32.load", "(i32.sub $x L)", "i32"),
    ("i32.load", "(i32.and $x L)", "i32"),
    ("i32.load", "(i32.or $x L)", "i32"),
    ("i32.load", "(i32.xor L $x)", "i32"),
    ("i32.load", "(i32.mul $x L)", "i32"),
    ("i32.load", "(i32.lt_u $x L)", "i32"),
    ("i32.load", "(i32.shl L $x)", "i32"),
    ("i64.load", "(i64.add L $x)", "i64"),
    ("i64.load", "(i64.mul $x L)", "i64"),
    ("i64.load32_u", "(i64.or $x L)", "i64"),
    ("f32.load", "(f32.add $x L)", "f32"),
    ("f64.load", "(f64.mul L $x)", "f64"),
    ("f64.load", "(f64.sub $x L)", "f64"),
    ("f64.load", "(f64.gt $x L)", "i32"),
];

/// A loop whose accesses are in bounds for a while. Around the one that traps first are so many
/// others that the optimizer uses their trap codes again.
fn merging_module((load, expression, result): (&str, &str, &str), inlined: bool) -> String {
    let load = format!("({load} offset=65000 (local.get $n))");
    let operand = match inlined {
        true => "(call $get (local.get $n))",
        false => &load,
    };
    let expression = expression.replace('L', operand);
    let others = (0..250).map(|i| {
        let other = format!("(i32.load offset={} (local.get $n))", 8 * i);
        format!("(local.set $s (i32.add (local.get $s) {other}))")
    });
    let others: String = others.collect();
    let ty = &load[1..4];
    format!(
        r#"(module
            (memory 1 1)
            (func $get (param $n i32) (result {ty}) {load})
            (func $looping (param $n i32) (param $x {ty}) (local $s i32)
                (loop $again
                    {others}
                    ({result}.store (i32.const 0) {expression})
                    {others}
                    (i32.store (i32.const 8) (local.get $s))
                    (local.set $n (i32.add (local.get $n) (i32.const 1)))
                    (br $again)))
            (func $run (export "run") (call $looping (i32.const 0) ({ty}.const 1))))"#,
        expression = expression.replace("$x", "(local.get $x)"),
    )
}

/// A load that is merged into the operator that uses its value traps as itself, and in the function
/// that it was inlined from.
#[test]
fn loads_that_are_merged_into_other_instructions() {
    for case in MERGED {
        for inlined in [false, true] {
            let text = merging_module(case, inlined);
            let wasm = wat::parse_str(&text).expect("valid");
            for (mode, engine) in engines() {
                let what = format!("{case:?}, inlined: {inlined}, mode {mode}");
                let error = run(engine, &text, "run").expect_err(&what);
                assert_eq!(error.downcast_ref(), Some(&Trap::MemoryOutOfBounds));
                let frames = frames(&error);
                let names: Vec<&str> = frames.iter().map(|frame| &*frame.0).collect();
                let expected: &[&str] = match inlined {
                    true => &["get", "looping", "run"],
                    false => &["looping", "run"],
                };
                assert_eq!(names, expected, "{what}");
                let offset = frames[0].1.expect("known");
                let load = 0x28..=0x35;
                assert!(load.contains(&wasm[offset]), "{what}: {offset:#x}");
                // The immediate that no other load has.
                assert_eq!(wasm[offset + 2..][..3], [0xe8, 0xfb, 0x03], "{what}");
            }
        }
    }
}

/// Sequences that nearly trap and must not.
#[test]
fn limits_that_are_not_exceeded() {
    let bodies = [
        "(drop (i32.rem_s (global.get $min_i32) (global.get $minus_one_i32)))",
        "(drop (i64.rem_s (global.get $min_i64) (global.get $minus_one_i64)))",
        "(drop (i32.load (i32.const 65532)))",
        "(drop (i64.load offset=65528 (global.get $zero_i32)))",
        "(drop (i32.load8_u offset=65535 (global.get $zero_i32)))",
        "(i64.store (i32.const 65528) (i64.const 1))",
        "(drop (i32.trunc_f64_s (f64.const 2147483647.9)))",
        "(drop (i32.trunc_f64_s (f64.const -2147483648.9)))",
        "(drop (i32.trunc_f64_u (f64.const -0.9)))",
        "(drop (i32.trunc_f32_u (f32.const 4294967040)))",
        "(drop (i64.trunc_f64_s (f64.const -9223372036854775808)))",
        "(drop (i64.trunc_f64_u (f64.const 18446744073709549568)))",
        "(memory.fill (i32.const 65536) (i32.const 0) (i32.const 0))",
        "(table.fill $table (i32.const 4) (ref.null func) (i32.const 0))",
        "(call_indirect $table (type $nullary) (i32.const 0))",
    ];
    for body in bodies {
        let case = Case::new(body, body, Trap::Unreachable);
        for (mode, engine) in engines() {
            run(engine, &module_text(&case), "called")
                .unwrap_or_else(|error| panic!("{body}, mode {mode}: {error:#}"));
        }
    }
}

/// Every kind of endless recursion is the same trap, and the store can still be used.
#[test]
fn deep_recursion() {
    let text = r#"(module
        (type $nullary (func))
        (table 1 1 funcref)
        (elem (i32.const 0) func $indirect)
        (func $direct (export "direct") (call $direct))
        (func $ping (export "mutual") (call $pong))
        (func $pong (call $ping))
        (func $indirect (export "indirect") (call_indirect (type $nullary) (i32.const 0)))
        (func $deep (export "large frames") (call $large (i64.const 1)))
        (func $large (param i64) (result i64)
            (local i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64)
            (local.set 1 (i64.add (local.get 0) (i64.const 1)))
            (local.set 2 (i64.mul (local.get 1) (i64.const 3)))
            (i64.add (i64.add (call $large (local.get 2)) (local.get 1)) (local.get 2)))
        (func $shallow (export "shallow") (result i32) (i32.const 7)))"#;
    let text = text.replace(
        "(call $large (i64.const 1))",
        "(drop (call $large (i64.const 1)))",
    );
    for (mode, engine) in engines() {
        let module = Module::new(engine, &text).expect("valid");
        let mut store = Store::new(engine, ());
        let instance = Linker::new(engine)
            .instantiate(&mut store, &module)
            .expect("no imports");
        for export in ["direct", "mutual", "indirect", "large frames"] {
            let func = instance
                .get_typed_func::<(), ()>(&mut store, export)
                .expect("exported");
            let error = func.call(&mut store, ()).expect_err(export);
            let trap = error.downcast_ref();
            assert_eq!(
                trap,
                Some(&Trap::StackOverflow),
                "{export}, mode {mode}: {error:#}"
            );
            let backtrace: &WasmBacktrace = error.downcast_ref().expect("a backtrace");
            let depth = backtrace.frames().len() + backtrace.omitted();
            assert!(depth > 100, "{export}, mode {mode}: only {depth} frames");
            let shallow = instance
                .get_typed_func::<(), i32>(&mut store, "shallow")
                .expect("exported");
            assert_eq!(
                shallow.call(&mut store, ()).expect("the store is intact"),
                7
            );
        }
    }
}

/// A module that calls `host.f` from a function and, after many iterations, from a loop.
const HOST_CALLER: &str = r#"(module $traps
    (import "host" "f" (func $f))
    (func $called (export "called") (call $f))
    (func $looped (export "looped") (local $n i32)
        (loop $again
            (local.set $n (i32.add (local.get $n) (i32.const 1)))
            (if (i32.eq (local.get $n) (i32.const 20000)) (then (call $f)))
            (br_if $again (i32.lt_u (local.get $n) (i32.const 20001))))))"#;

fn call_host<R>(
    engine: &Engine,
    export: &str,
    host: impl upshift::IntoFunc<(), (), R>,
) -> Result<(), Error> {
    let module = Module::new(engine, HOST_CALLER)?;
    let mut store = Store::new(engine, ());
    let func = Func::wrap(&mut store, host);
    let mut linker = Linker::new(engine);
    linker.define(&mut store, "host", "f", func)?;
    let instance = linker.instantiate(&mut store, &module)?;
    instance
        .get_typed_func::<(), ()>(&mut store, export)?
        .call(&mut store, ())
}

/// The host's own error value is returned, with the frames that led to it.
#[test]
fn host_errors() {
    #[derive(Debug, PartialEq, thiserror::Error)]
    #[error("the disk is full")]
    struct DiskFull(u32);

    for export in ["called", "looped"] {
        let mut expected: Option<Frames> = None;
        for (mode, engine) in engines() {
            let fail = || -> upshift::Result<()> { Err(DiskFull(3).into()) };
            let error = call_host(engine, export, fail).expect_err("the host fails");
            assert_eq!(
                error.downcast_ref(),
                Some(&DiskFull(3)),
                "mode {mode}: {error:#}"
            );
            assert!(error.downcast_ref::<Trap>().is_none(), "mode {mode}");
            let frames = frames(&error);
            assert_eq!(frames[0].0, "f", "mode {mode}");
            assert_eq!(frames[1].0, export, "mode {mode}");
            assert_eq!(
                *expected.get_or_insert(frames.clone()),
                frames,
                "mode {mode}"
            );
        }
    }
}

/// A host function may end the call with a trap of its choice.
#[test]
fn host_traps() {
    for (mode, engine) in engines() {
        let trap = || -> upshift::Result<()> { Err(Trap::IntegerOverflow.into()) };
        let error = call_host(engine, "called", trap).expect_err("the host traps");
        assert_eq!(
            error.downcast_ref(),
            Some(&Trap::IntegerOverflow),
            "mode {mode}"
        );
    }
}

/// A host panic passes through WebAssembly frames as the same panic.
#[test]
fn host_panics() {
    for (mode, engine) in engines() {
        for export in ["called", "looped"] {
            let panicking = || -> () { std::panic::panic_any(41_u64) };
            let call = std::panic::AssertUnwindSafe(|| call_host(engine, export, panicking));
            let payload = std::panic::catch_unwind(call).expect_err("the panic comes out");
            assert_eq!(payload.downcast_ref(), Some(&41_u64), "mode {mode}");
        }
    }
}
