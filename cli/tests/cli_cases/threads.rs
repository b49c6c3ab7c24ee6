//! Programs with threads, as a toolchain makes them with `-pthread`.

use crate::{file, upshift, upshift_in_every_mode};

/// The program of `tests/programs/threads/workers.c`.
const WORKERS: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../tests/programs/threads/workers.wasm"
);

/// What the program prints, computed without threads.
fn workers_output() -> String {
    const JOBS: u64 = 400;
    const ROUNDS: u64 = 2000;
    let (mut primes, mut slots) = (0, [0_u64; 64]);
    for job in 0..JOBS {
        let is_prime = |n: &u64| {
            (2..)
                .take_while(|d| d * d <= *n)
                .all(|d| !n.is_multiple_of(d))
        };
        let count = (2..500 + job * 37).filter(is_prime).count() as u64;
        primes += count;
        let mut state = job.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(1);
        for round in 0..ROUNDS {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            slots[(state % 64) as usize] += count + round;
        }
    }
    let sum = |sum: u64, slot: u64| (sum ^ slot).wrapping_mul(0x100_0000_01b3);
    let sum = slots.into_iter().fold(0, sum);
    let hits = JOBS * ROUNDS;
    format!(
        "timed out: 73\ntimed out: 73\nown storage of the first thread: 0\nprimes: {primes}\n\
         hits: {hits}\nslots: {sum}\n"
    )
}

#[test]
fn threads_share_work_in_every_mode() {
    let expected = workers_output();
    upshift_in_every_mode(&[WORKERS], |ran| assert_eq!(ran.success(), expected));
}

#[test]
fn a_program_without_room_for_its_threads_can_say_so() {
    let ran = upshift(&["-W", "max-threads=3", WORKERS]);
    assert_eq!(ran.failure(1), "", "the program's own exit code");
}

fn program(name: &str, thread: &str) -> String {
    let text = format!(
        r#"(module
            (import "env" "memory" (memory 1 1 shared))
            (import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
            (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
            (export "memory" (memory 0))
            (func $in_thread (export "wasi_thread_start") (param i32 i32) {thread})
            (func (export "_start") (drop (call $spawn (i32.const 0)))
                (drop (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const -1)))))"#
    );
    file(name, text)
}

#[test]
fn the_thread_that_fails_is_dumped() {
    let trapping = program("thread-dump.wat", "unreachable");
    let dump = file("thread.core", "");
    let option = format!("coredump={dump}");
    let text = upshift(&["-D", &option, &trapping]).failure(134);
    assert_eq!(text.matches("core dump written").count(), 1, "{text}");
    let bytes = std::fs::read(&dump).unwrap();
    assert!(bytes.windows(9).any(|part| part == b"corestack"));
}

#[test]
fn the_end_of_any_thread_is_the_programs() {
    let trapping = program("thread-trap.wat", "unreachable");
    upshift_in_every_mode(&[&trapping], |ran| {
        let text = ran.failure(134);
        assert!(
            text.contains("unreachable") && text.contains("in_thread"),
            "{text}"
        );
    });
    let exiting = program("thread-exit.wat", "(call $exit (i32.const 9))");
    upshift_in_every_mode(&[&exiting], |ran| assert_eq!(ran.failure(9), ""));
    let endless = program("thread-endless.wat", "(loop (br 0))");
    upshift_in_every_mode(&["-W", "timeout=50ms", &endless], |ran| {
        ran.failure(124);
    });
}

/// A program's imported memory is made for it, so it is one of those that limits are for.
#[test]
fn limits_hold_for_the_memory_of_all_threads() {
    let importing = |name: &str, pages: &str| {
        let text = format!(
            r#"(module (import "env" "memory" (memory {pages} 65535 shared))
                (import "wasi" "thread-spawn" (func (param i32) (result i32)))
                (func (export "wasi_thread_start") (param i32 i32))
                (func (export "grow") (param i32) (result i32)
                    (memory.grow (local.get 0))))"#
        );
        file(name, text)
    };
    let [small, large] = [("thread-small.wat", "1"), ("thread-large.wat", "65535")]
        .map(|(name, pages)| importing(name, pages));
    let run = |option: &str, program: &str, by: &str| {
        upshift(&["-W", option, "--invoke", "grow", program, by])
    };
    for (option, program, what) in [
        (
            "max-memory-size=1M",
            &large,
            "a memory of 65535 pages exceeds",
        ),
        ("max-memories=0", &small, "1 memories"),
    ] {
        let refused = run(option, program, "1").failure(1);
        assert!(refused.contains(what), "{refused}");
    }
    assert_eq!(run("max-memory-size=1M", &small, "15").success(), "1\n");
    assert_eq!(run("max-memory-size=1M", &small, "16").success(), "-1\n");
    // It is counted once.
    assert_eq!(run("max-memories=1", &small, "1").success(), "1\n");
}
