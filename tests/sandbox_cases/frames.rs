//! Frames of any size: a stack overflow is a trap, and nothing below the guest's stack changes.

use std::hint::black_box;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Barrier;
use std::thread;

use upshift::{Engine, Instance, Module, Store, Trap, TypedFunc};

use crate::in_every_mode;

/// Bytes that each canary thread watches, of its default stack of 2 MiB.
const CANARY: usize = 1_800_000;
const PATTERN: u8 = 0x5a;

/// A module whose `f` keeps `count` operands, 8 bytes of its baseline frame each, while it calls a
/// function. In binary, because the text would be megabytes.
fn with_operands(count: usize) -> Vec<u8> {
    let body = [
        &[0][..],
        &[0x20, 0].repeat(count), // local.get 0
        &[0x10, 1],               // call 1
        &[0x1a].repeat(count),    // drop
        &[0x0b],
    ]
    .concat();
    let code = [&[2], &*leb(body.len()), &body, &[2, 0, 0x0b]].concat();
    [
        b"\0asm\x01\0\0\0",
        &*section(1, b"\x02\x60\x01\x7f\x00\x60\x00\x00"),
        &*section(3, b"\x02\x00\x01"),
        &*section(7, b"\x01\x01f\x00\x00"),
        &*section(10, &code),
    ]
    .concat()
}

fn section(id: u8, contents: &[u8]) -> Vec<u8> {
    [&[id], &*leb(contents.len()), contents].concat()
}

fn leb(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value > 0x7f {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

/// A module whose `f` calls itself without end, with `count` operands below a loop that is hot
/// enough for an OSR entry, whose frame is at least as large.
fn recursive_loop(operands: usize) -> String {
    let push: String = (0..operands)
        .map(|n| format!("(i32.load offset={} (local.get 0))\n", 4 * n))
        .collect();
    let add = "i32.add\n".repeat(operands - 1);
    format!(
        "(module (memory 4) (global $sum (mut i32) (i32.const 0))
            (func $f (export \"f\") (param i32) (local $n i32)
                (local.set $n (i32.const 400))
                {push}
                (loop $l
                    (local.set $n (i32.sub (local.get $n) (i32.const 1)))
                    (br_if $l (local.get $n))
                    (call $f (local.get $n)))
                {add}
                (global.set $sum)))"
    )
}

/// Runs `guest` on a thread whose stack is between those of threads with canaries on them.
fn among_canaries(guest: impl FnOnce() + Send) {
    const CANARIES: usize = 4;
    let (ready, done) = (Barrier::new(CANARIES + 2), Barrier::new(CANARIES + 2));
    let watch = || {
        let mut bytes = [PATTERN; CANARY];
        let bytes = black_box(&mut bytes);
        ready.wait();
        done.wait();
        bytes.iter().filter(|&&byte| byte != PATTERN).count()
    };
    thread::scope(|scope| {
        // Stacks of threads lie below those of threads that were started before.
        let above = scope.spawn(watch);
        let guest = scope.spawn(|| {
            ready.wait();
            // After a failure, the canary threads must still be told to end.
            let result = catch_unwind(AssertUnwindSafe(guest));
            done.wait();
            result
        });
        let below: Vec<_> = (1..CANARIES).map(|_| scope.spawn(watch)).collect();
        ready.wait();
        done.wait();
        if let Err(panic) = guest.join().expect("panics are caught") {
            resume_unwind(panic);
        }
        for canary in below.into_iter().chain([above]) {
            let changed = canary.join().expect("canaries don't panic");
            assert_eq!(changed, 0, "bytes were changed on another thread's stack");
        }
    });
}

fn overflows(engine: &Engine, module: &Module) {
    among_canaries(|| {
        let mut store = Store::new(engine, ());
        let instance = Instance::new(&mut store, module, &[]).unwrap();
        let f: TypedFunc<i32, ()> = instance.get_typed_func(&mut store, "f").unwrap();
        for _ in 0..2 {
            let error = f.call(&mut store, 0x4141).unwrap_err();
            assert_eq!(error.downcast_ref(), Some(&Trap::StackOverflow));
        }
    });
}

/// Frames of 1.2 MB, 3.2 MB and 20 MB in baseline code.
#[test]
fn a_frame_larger_than_the_stack_is_a_trap() {
    // In the other modes the code can be the optimizer's, which needs no slot for an operand that
    // is a local's value.
    let engine = Engine::new(upshift::Config::new().strategy(upshift::Strategy::Baseline)).unwrap();
    for operands in [150_000, 400_000, 2_500_000] {
        let module = Module::new(&engine, with_operands(operands)).unwrap();
        overflows(&engine, &module);
    }
}

#[test]
fn an_optimized_frame_larger_than_the_stack_is_a_trap() {
    in_every_mode(|engine| {
        // Distinct values, all live across a call: the optimizer must spill them.
        let module = Module::new(engine, recursive_loop(4_000)).unwrap();
        overflows(engine, &module);
    });
}

/// Arguments and results that a call passes on the stack are part of what is compared with the
/// limit.
#[test]
fn calls_with_many_values_overflow_as_well() {
    let values = |keyword| format!("({keyword} {})", "i64 ".repeat(990));
    let zeros = "(i64.const 0)".repeat(990);
    let drops = "drop ".repeat(990);
    let text = format!(
        "(module
            (func $many {params} {results} (call $f (i32.const 0)) {zeros})
            (func $f (export \"f\") (param i32) (call $many {zeros}) {drops}))",
        params = values("param"),
        results = values("result"),
    );
    in_every_mode(|engine| overflows(engine, &Module::new(engine, &text).unwrap()));
}
