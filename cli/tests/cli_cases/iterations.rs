//! `--iterations`: what goes on from one to the next, and what does not.

use crate::{MODES, file, upshift, upshift_with_input};

/// Exits with 0 if its memory is new and it reads one byte; with 1 or 2 otherwise. It leaves a mark
/// in its memory, and works for a while before.
const PROGRAM: &str = r#"(module
    (import "wasi_snapshot_preview1" "fd_read"
        (func $read (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (memory (export "memory") 1)
    (func $work (local $n i32)
        (loop $again
            (local.set $n (i32.add (local.get $n) (i32.const 1)))
            (br_if $again (i32.lt_u (local.get $n) (i32.const 1000000)))))
    (func (export "_start")
        (call $work)
        (if (i32.load (i32.const 0)) (then (call $exit (i32.const 1))))
        (i32.store (i32.const 0) (i32.const 1))
        (i32.store (i32.const 8) (i32.const 32))
        (i32.store (i32.const 12) (i32.const 10))
        (drop (call $read (i32.const 0) (i32.const 8) (i32.const 1) (i32.const 16)))
        (if (i32.ne (i32.load (i32.const 16)) (i32.const 1)) (then (call $exit (i32.const 2))))
        (call $exit (i32.const 0))))"#;

/// Counts its calls, and traps in the fourth.
const LIBRARY: &str = r#"(module
    (global $calls (mut i32) (i32.const 0))
    (func (export "count") (result i32)
        (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
        (if (i32.gt_u (global.get $calls) (i32.const 3)) (then unreachable))
        (global.get $calls)))"#;

/// The figures of each iteration, from the line of JSON.
fn iterations(stderr: &str) -> Vec<serde_json::Value> {
    let mut lines = stderr.lines();
    let line = lines.find(|line| line.starts_with("{\"iterations\""));
    let line = line.unwrap_or_else(|| panic!("{stderr}"));
    let value: serde_json::Value = serde_json::from_str(line).unwrap();
    value["iterations"].as_array().unwrap().clone()
}

#[test]
fn each_iteration_is_a_new_instance_of_code_that_stays() {
    let program = file("iterations.wat", PROGRAM);
    for mode in MODES {
        let args = ["--iterations", "4", "--stats=json", &program];
        let ran = upshift_with_input(&[*mode, &args].concat(), b"x");
        let found = iterations(&ran.stderr);
        assert_eq!(found.len(), 4, "{mode:?}");
        let figure = |number: usize, name: &str| found[number][name].as_u64().unwrap();
        for number in 0..4 {
            assert!(figure(number, "wall") > 0);
            assert!(figure(number, "cpu") >= figure(number, "thread_cpu"));
            assert!(figure(number, "thread_cpu") > 0);
        }
        // Both functions are compiled in the first one. What is optimized in the background may
        // come later, and zeal changes tiers for ever.
        assert!(figure(0, "code_bytes") > 0);
        if mode.contains(&"mode=baseline") || mode.contains(&"mode=optimizer") {
            let later: u64 = (1..4).map(|number| figure(number, "code_bytes")).sum();
            assert_eq!(later, 0, "{mode:?}");
        }
        assert_eq!(ran.success(), "");
    }
    // Statistics are the last line: programs find them there.
    let ran = upshift_with_input(&["--iterations=1", "--stats=json", &program], b"x");
    let last = ran.stderr.lines().last().unwrap().to_owned();
    assert!(last.starts_with("{\"modules_loaded\""), "{last}");
    assert_eq!(iterations(&ran.stderr).len(), 1);
    let table = upshift_with_input(&["--iterations=2", "--stats", &program], b"x").stderr;
    assert!(table.contains("iteration      wall ms"), "{table}");
}

#[test]
fn iterations_end_with_the_first_that_fails() {
    let program = file("iterations-input.wat", PROGRAM);
    // Without input, an iteration exits with 2; so does the whole.
    upshift_with_input(&["--iterations=3", &program], b"").failure(2);
    let library = file("iterations-library.wat", LIBRARY);
    let calls = |times: &str| upshift(&["--iterations", times, "--invoke", "count", &library]);
    assert_eq!(calls("3").success(), "1\n2\n3\n");
    let ran = calls("5");
    assert_eq!(ran.stdout, "1\n2\n3\n");
    let error = ran.failure(134);
    assert!(error.contains("in iteration 3 of"), "{error}");
    let error = upshift(&["--iterations=2", &library]).failure(2);
    assert!(
        error.contains("exports no `_start` to be repeated"),
        "{error}"
    );
    upshift(&["--iterations=0", &library]).failure(2);
    let error = upshift(&["--iterations=2"]).failure(2);
    assert!(error.contains("need a FILE"), "{error}");
}

#[test]
fn a_timeout_is_of_all_iterations_together() {
    let program = file("iterations-long.wat", PROGRAM);
    let args = ["-W", "timeout=0.3s", "--iterations=1000000", &program];
    upshift_with_input(&args, b"x").failure(124);
}
