//! Interruptions at any instruction: each ends its call with a trap, and none the process.
//!
//! Each shape keeps running code that is about to change a frame: tail calls that move arguments
//! over their own frame, prologues, trampolines, stubs, builtins, entries into optimized loops.
//! `UPSHIFT_STORM` is the number of interruptions per shape and mode; without it, a time limit ends
//! the test.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use upshift::{Engine, Linker, Module, Store, Trap};

use crate::in_every_mode;

/// The time between two interruptions: somewhat more than a call takes to end.
const PERIOD: Duration = Duration::from_micros(15);

/// Two functions that call each other in tail position, with `one` and `other` arguments.
fn tail_calls(one: usize, other: usize) -> String {
    // A word that is no address on x86-64: a stack walk that takes it for a frame pointer faults.
    let args = |count| "(i64.const 0x4141414141414141)".repeat(count);
    let params = |count| format!("(param {})", "i64 ".repeat(count));
    format!(
        "(module
            (func (export \"f\") (return_call $one {}))
            (func $one {} (return_call $other {}))
            (func $other {} (return_call $one {})))",
        args(one),
        params(one),
        args(other),
        params(other),
        args(one),
    )
}

/// Like `tail_calls`, with work in between that leaves copies of the arguments all over the stack,
/// so that memory which is not a frame yet looks like a frame that a guest made.
fn tail_calls_over_litter() -> String {
    let params = "i64 ".repeat(40);
    let locals: String = (0..40).fold(String::new(), |mut text, n| {
        let _ = write!(text, "(local.get {n})");
        text
    });
    let litter = "(i64.const 0x4141414141414141)".repeat(40);
    format!(
        "(module
            (func (export \"f\") (return_call $small))
            (func $small (call $litter {litter}) (return_call $large {litter}))
            (func $litter (param {params}) (call $leaf {locals}))
            (func $leaf (param {params}))
            (func $large (param {params}) (call $litter {locals}) (return_call $small)))"
    )
}

fn shapes() -> Vec<(&'static str, String)> {
    let endless = |body: &str| format!("(module {body})");
    vec![
        ("growing tail calls", tail_calls(0, 40)),
        ("shrinking tail calls", tail_calls(40, 9)),
        ("tail calls over litter", tail_calls_over_litter()),
        (
            "prologues of large frames",
            format!(
                "(module (memory 1)
                    (func (export \"f\") (loop (call $large) (br 0)))
                    (func $large {} (call $leaf) {})
                    (func $leaf))",
                "(i64.load (i32.const 0))".repeat(600),
                "drop ".repeat(600),
            ),
        ),
        (
            "host functions",
            endless(
                "(import \"host\" \"register\" (func $r (param i32) (result i32)))
                 (import \"host\" \"array\"
                    (func $a (param i32 i32 i32 i32 i32 i32 i32) (result i32)))
                 (func (export \"f\")
                    (loop (br_if 0 (call $r (call $a (i32.const 1) (i32.const 1) (i32.const 1)
                        (i32.const 1) (i32.const 1) (i32.const 1) (i32.const 1))))))",
            ),
        ),
        (
            "builtins",
            endless(
                "(memory 1 2) (table 10 funcref)
                 (func (export \"f\") (loop
                    (memory.fill (i32.const 0) (i32.const 0) (i32.const 64))
                    (table.copy (i32.const 0) (i32.const 1) (i32.const 5))
                    (drop (memory.grow (i32.const 0)))
                    (br 0)))",
            ),
        ),
        (
            "loops that are entered and left",
            endless(
                "(func (export \"f\") (loop (call $loop) (br 0)))
                 (func $loop (local i32) (local.set 0 (i32.const 100))
                    (loop (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))))",
            ),
        ),
        (
            "calls through a table",
            endless(
                "(table funcref (elem $g)) (type $t (func (param i64)))
                 (func $g (param i64))
                 (func (export \"f\")
                    (loop (call_indirect (type $t) (i64.const 7) (i32.const 0)) (br 0)))",
            ),
        ),
    ]
}

/// The limits that end a shape, whichever is reached first.
#[derive(Clone, Copy)]
struct Limit {
    interruptions: u32,
    time: Duration,
}

#[test]
fn a_storm_of_interruptions_ends_calls_and_nothing_else() {
    let limit = match std::env::var("UPSHIFT_STORM") {
        Ok(number) => Limit {
            interruptions: number.parse().expect("UPSHIFT_STORM is a number"),
            time: Duration::MAX,
        },
        Err(_) => Limit {
            interruptions: 500,
            time: Duration::from_millis(400),
        },
    };
    in_every_mode(|engine| {
        for (name, text) in shapes() {
            let start = Instant::now();
            let calls = storm(engine, &text, limit);
            eprintln!("  {name}: {calls} in {:?}", start.elapsed());
        }
    });
}

/// Runs a shape up to the limit; returns how many calls were interrupted.
fn storm(engine: &Engine, text: &str, limit: Limit) -> u32 {
    let module = Module::new(engine, text).expect("a valid module");
    let mut linker = Linker::<()>::new(engine);
    linker
        .func_wrap("host", "register", |value: i32| value)
        .unwrap();
    let array = |a: i32, _: i32, _: i32, _: i32, _: i32, _: i32, _: i32| a;
    linker.func_wrap("host", "array", array).unwrap();
    let mut store = Store::new(engine, ());
    let instance = linker.instantiate(&mut store, &module).unwrap();
    let f = instance.get_typed_func::<(), ()>(&mut store, "f").unwrap();
    let handle = store.interrupt_handle();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Acquire) {
                handle.interrupt();
                thread::sleep(PERIOD);
            }
        });
        let start = Instant::now();
        let mut calls = 0;
        while calls < limit.interruptions && start.elapsed() < limit.time {
            let error = f.call(&mut store, ()).unwrap_err();
            assert_eq!(error.downcast_ref(), Some(&Trap::Interrupt), "{error}");
            calls += 1;
        }
        done.store(true, Ordering::Release);
        calls
    })
}
