//! Tests that the runner notices failures: a test suite that can't fail proves nothing.

use std::sync::LazyLock;
use std::time::Duration;

use upshift::Engine;
use upshift_spectest::{Cause, Mode, Report, run_script, run_script_within};

static ENGINE: LazyLock<Engine> = LazyLock::new(|| Mode::Baseline.engine().expect("an engine"));

const MODULE: &str = r#"
    (module
        (func (export "seven") (result i32) (i32.const 7))
        (func (export "nan") (result f32) (f32.const nan:0x600001))
        (func (export "trap") (unreachable))
        (func (export "overflow") (call 3))
        (func (export "ref") (result funcref) (ref.func 2))
        (func)
        (func (export "same") (param externref) (result externref) (local.get 0))
        (global (export "global") i64 (i64.const 9)))
"#;

/// Runs one directive behind [`MODULE`] and returns the message of its failure, if it failed.
fn failure_of(directive: &str) -> Option<String> {
    let report = run_script(&ENGINE, &format!("{MODULE}\n{directive}"));
    assert!(
        report.passed + report.failures.len() == 2,
        "{directive}: {report:?}"
    );
    report.failures.first().map(ToString::to_string)
}

#[test]
fn what_holds_passes() {
    for directive in [
        r#"(assert_return (invoke "seven") (i32.const 7))"#,
        r#"(assert_return (invoke "seven") (either (i32.const 6) (i32.const 7)))"#,
        r#"(assert_return (invoke "nan") (f32.const nan:arithmetic))"#,
        r#"(assert_return (invoke "nan") (f32.const nan:0x600001))"#,
        r#"(assert_return (invoke "same" (ref.extern 3)) (ref.extern 3))"#,
        r#"(assert_return (invoke "same" (ref.null extern)) (ref.null extern))"#,
        r#"(assert_return (invoke "ref") (ref.func))"#,
        r#"(assert_return (invoke "ref") (ref.func 2))"#,
        r#"(assert_malformed_custom (module quote "(@custom)") "missing name")"#,
        r#"(assert_invalid_custom (module quote "(@custom)") "missing name")"#,
        r#"(assert_return (get "global") (i64.const 9))"#,
        r#"(assert_trap (invoke "trap") "unreachable")"#,
        r#"(assert_exhaustion (invoke "overflow") "call stack exhausted")"#,
        r#"(assert_trap (module (func unreachable) (start 0)) "unreachable")"#,
        r#"(assert_invalid (module (func (result i32))) "type mismatch")"#,
        r#"(assert_malformed (module quote "(func") "unexpected token")"#,
        r#"(assert_unlinkable (module (import "a" "b" (func))) "unknown import")"#,
        r#"(module (import "spectest" "print_i32" (func (param i32))))"#,
        r#"(module definition $m (func (export "f")))"#,
        r#"(register "name")"#,
    ] {
        assert_eq!(failure_of(directive), None, "{directive}");
    }
}

/// Directives that must fail, each with a part of the runner's message.
const WRONG: &[(&str, &str)] = &[
    (
        r#"(assert_return (invoke "seven") (i32.const 8))"#,
        "result 0 is I32(7)",
    ),
    (
        r#"(assert_return (invoke "seven") (i64.const 7))"#,
        "result 0 is I32(7)",
    ),
    (
        r#"(assert_return (invoke "seven"))"#,
        "1 results, expected 0",
    ),
    (
        r#"(assert_return (invoke "seven") (either (i32.const 6) (i64.const 7)))"#,
        "result 0",
    ),
    (
        r#"(assert_return (invoke "nan") (f32.const nan:canonical))"#,
        "0x7fe00001",
    ),
    (
        r#"(assert_return (invoke "nan") (f32.const nan:0x600002))"#,
        "0x7fe00001",
    ),
    (
        r#"(assert_return (invoke "same" (ref.extern 3)) (ref.extern 4))"#,
        "result 0",
    ),
    (
        r#"(assert_return (invoke "same" (ref.extern 3)) (ref.null extern))"#,
        "result 0",
    ),
    (
        r#"(assert_return (invoke "same" (ref.null extern)) (ref.extern 0))"#,
        "result 0",
    ),
    (
        r#"(assert_return (invoke "same" (ref.null extern)) (ref.null func))"#,
        "result 0",
    ),
    (r#"(assert_return (invoke "trap"))"#, "unreachable"),
    (
        r#"(assert_return (invoke "absent"))"#,
        "no function is exported",
    ),
    (
        r#"(assert_return (get "global") (i64.const 8))"#,
        "result 0 is I64(9)",
    ),
    (
        r#"(assert_return (get "seven") (i64.const 8))"#,
        "no global is exported",
    ),
    (
        r#"(assert_trap (invoke "seven") "unreachable")"#,
        "expected the trap",
    ),
    (
        r#"(assert_trap (invoke "trap") "integer overflow")"#,
        "trapped with",
    ),
    (
        r#"(assert_trap (module (import "a" "b" (func))) "unreachable")"#,
        "not a trap",
    ),
    (
        r#"(assert_exhaustion (invoke "seven") "call stack exhausted")"#,
        "expected the trap",
    ),
    (
        r#"(assert_invalid (module (func)) "type mismatch")"#,
        "accepted",
    ),
    (
        r#"(assert_invalid (module (func (result i32))) "unknown global")"#,
        "refused with",
    ),
    (
        r#"(assert_invalid (module (type (struct)) (func (result i32))) "type mismatch")"#,
        "`gc`",
    ),
    (
        r#"(assert_malformed (module quote "(func)") "unexpected token")"#,
        "accepted",
    ),
    (
        r#"(assert_unlinkable (module) "unknown import")"#,
        "instantiated",
    ),
    (
        r#"(assert_unlinkable (module (func unreachable) (start 0)) "unknown import")"#,
        "not an error of linking",
    ),
    (
        r#"(assert_unlinkable (module (import "a" "b" (func))) "incompatible")"#,
        "refused with",
    ),
    (
        r#"(assert_exception (invoke "seven"))"#,
        "expected an exception",
    ),
    (r#"(assert_exception (invoke "trap"))"#, "not an exception"),
    (
        r#"(thread $t (shared (module $absent)))"#,
        "there is no instance named absent",
    ),
    (r#"(wait $t)"#, "no thread t runs"),
    (r#"(assert_return (invoke "ref") (ref.func 0))"#, "result 0"),
    (
        r#"(assert_return (invoke "ref") (ref.func 5))"#,
        "function 5 is not exported",
    ),
    (
        r#"(assert_malformed_custom (module quote "(func)") "unexpected token")"#,
        "accepted",
    ),
    (
        r#"(assert_invalid_custom (module quote "(func)") "unexpected token")"#,
        "accepted",
    ),
    (r#"(module (import "a" "b" (func)))"#, "unknown import"),
    (
        r#"(module (import "spectest" "print_i32" (func (param i64))))"#,
        "incompatible import type",
    ),
    (
        r#"(module instance $a $b)"#,
        "there is no module definition named b",
    ),
    (
        r#"(register "name" $absent)"#,
        "there is no instance named absent",
    ),
    (r#"(invoke "trap")"#, "unreachable"),
];

#[test]
fn what_does_not_hold_fails() {
    for (directive, message) in WRONG {
        let failure = failure_of(directive).unwrap_or_else(|| panic!("{directive} passes"));
        assert!(failure.contains(message), "{directive}: {failure}");
        assert!(failure.starts_with("12:"), "{directive}: {failure}");
    }
}

/// The lines of the failures, and whether each is due to a missing proposal.
fn failures(report: &Report) -> Vec<(usize, Option<&str>)> {
    let failures = report.failures.iter();
    let failures = failures.map(|failure| match &failure.cause {
        Cause::Wrong => (failure.line, None),
        Cause::Refused { proposal } => (failure.line, Some(&**proposal)),
    });
    failures.collect()
}

#[test]
fn directives_that_cannot_be_read_do_not_hide_others() {
    let script = r#"(module (func (export "f") (result i32) (i32.const 1)))
        ;; a comment with a (parenthesis
        (assert_return (invoke "f") (i32.const 1))
        (assert_nothing (invoke "f"))
        (module (func (no.such.operator)))
        (assert_return (invoke "f") (i32.const 1))
        (module (@name "a(b"))
        (assert_return"#;
    let report = run_script(&ENGINE, script);
    // The fourth asks for an instance of the third.
    assert_eq!(
        failures(&report),
        [(4, None), (5, None), (6, None), (8, None)]
    );
    assert_eq!(report.passed, 3, "{report:?}");
}

#[test]
fn nothing_takes_the_place_of_a_refused_module() {
    let script = r#"
        (module $a (func (export "f") (result i32) (i32.const 1)))
        (register "a" $a)
        (module $a (type (struct)) (func (export "f") (result i32) (i32.const 1)))
        (assert_return (invoke "f") (i32.const 1))
        (assert_return (invoke $a "f") (i32.const 1))
        (module (import "a" "f" (func)))
        (register "a" $a)
        (module (import "a" "f" (func (result i32))))
        (module $b (func $start unreachable) (start $start))
        (invoke "f")
        (module instance $c $a)"#;
    let report = run_script(&ENGINE, script);
    let gc = Some("gc");
    let expected = [
        (4, gc),
        (5, gc),
        (6, gc),
        (7, None),
        (8, gc),
        (9, gc),
        (10, None),
        (11, None),
        (12, None),
    ];
    assert_eq!(failures(&report), expected, "{report:?}");
}

#[test]
fn named_modules_can_be_imported_from() {
    let script = r#"
        (module $a (func (export "f") (result i32) (i32.const 1)))
        (module $b (func (export "f") (result i32) (i32.const 2)))
        (register "a" $b)
        (module (import "a" "f" (func (result i32))) (export "f" (func 0)))
        (assert_return (invoke "f") (i32.const 2))
        (module (import "b" "f" (func (result i32))) (export "f" (func 0)))
        (assert_return (invoke "f") (i32.const 2))
        (assert_unlinkable (module (import "c" "f" (func))) "unknown import")"#;
    let report = run_script(&ENGINE, script);
    assert!(report.is_success(), "{report:?}");
}

#[test]
fn what_runs_too_long_fails_alone() {
    let script = r#"
        (module (func (export "loop") (loop (br 0))) (func (export "nop")))
        (invoke "loop")
        (assert_trap (invoke "loop") "unreachable")
        (assert_return (invoke "nop"))"#;
    let report = run_script_within(&ENGINE, script, Duration::from_millis(20));
    assert_eq!(failures(&report), [(3, None), (4, None)], "{report:?}");
    assert!(report.failures[0].message.contains("20ms"), "{report:?}");
}

/// Directives find by name what earlier ones have defined.
#[test]
fn names_connect_directives() {
    let script = r#"
        (module $counter
            (global $n (export "n") (mut i32) (i32.const 0))
            (func (export "next") (result i32)
                (global.set $n (i32.add (global.get $n) (i32.const 1)))
                (global.get $n)))
        (register "counter" $counter)
        (module $user
            (import "counter" "next" (func $next (result i32)))
            (func (export "twice") (result i32) (drop (call $next)) (call $next)))
        (assert_return (invoke "twice") (i32.const 2))
        (assert_return (invoke $counter "next") (i32.const 3))
        (assert_return (get $counter "n") (i32.const 3))
        (module definition $fresh (global (export "g") (mut i32) (i32.const 5)))
        (module instance $a $fresh)
        (module instance $b $fresh)
        (assert_return (get $a "g") (i32.const 5))
        (assert_return (get "g") (i32.const 5))
    "#;
    let report = run_script(&ENGINE, script);
    assert!(report.is_success(), "{report:?}");
    assert_eq!(report.passed, 11);
}

/// Threads run at the same time, and share nothing but memories.
#[test]
fn threads_wait_for_each_other_and_are_reported_where_they_fail() {
    let script = r#"
        (module $Mem
            (memory (export "shared") 1 1 shared)
            (func (export "f")))
        (thread $waits (shared (module $Mem))
            (register "mem" $Mem)
            (module
                (memory (import "mem" "shared") 1 10 shared)
                (func (export "wait") (result i32)
                    (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const -1))))
            (assert_return (invoke "wait") (i32.const 0))
            (assert_return (invoke "wait") (i32.const 7)))
        (thread $notifies (shared (module $Mem))
            (register "mem" $Mem)
            (module
                (memory (import "mem" "shared") 1 1 shared)
                (func (export "notify")
                    (loop
                        (br_if 0 (i32.eqz
                            (memory.atomic.notify (i32.const 0) (i32.const 1)))))
                    (i32.atomic.store (i32.const 0) (i32.const 1))))
            (assert_return (invoke "notify"))
            (invoke $Mem "f")
            (invoke "absent"))
        (wait $waits)
        (wait $notifies)
        (wait $waits)
        (module (import "spectest" "shared_memory" (memory 1 2 shared)))
        (thread $alone (assert_trap (module (func unreachable) (start 0)) "integer overflow"))"#;
    let report = run_script(&ENGINE, script);
    let lines = [12, 23, 24, 27, 29];
    assert_eq!(
        failures(&report),
        lines.map(|line| (line, None)),
        "{report:?}"
    );
    assert_eq!(report.passed, 13, "{report:?}");
}
