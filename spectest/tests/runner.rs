//! Tests that the runner notices failures: a test suite that can't fail proves nothing.

use std::sync::LazyLock;

use upshift::Engine;
use upshift_spectest::{Mode, run_script};

static ENGINE: LazyLock<Engine> = LazyLock::new(|| Mode::Baseline.engine().expect("an engine"));

const MODULE: &str = r#"
    (module
        (func (export "seven") (result i32) (i32.const 7))
        (func (export "nan") (result f32) (f32.const nan:0x600001))
        (func (export "trap") (unreachable))
        (func (export "overflow") (call 3))
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
        r#"(assert_invalid (module (func (result v128))) "type mismatch")"#,
        "SIMD",
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
        r#"(assert_exception (invoke "trap"))"#,
        "exceptions are not supported",
    ),
    (
        r#"(thread $t (invoke "seven"))"#,
        "threads are not supported",
    ),
    (r#"(module (import "a" "b" (func)))"#, "unknown import"),
    (
        r#"(module (import "spectest" "print_i32" (func (param i64))))"#,
        "incompatible import type",
    ),
    (r#"(module instance $a $b)"#, "no such module definition"),
    (
        r#"(register "name" $absent)"#,
        "no instance is named absent",
    ),
    (r#"(invoke "trap")"#, "unreachable"),
];

#[test]
fn what_does_not_hold_fails() {
    for (directive, message) in WRONG {
        let failure = failure_of(directive).unwrap_or_else(|| panic!("{directive} passes"));
        assert!(failure.contains(message), "{directive}: {failure}");
        assert!(failure.starts_with("10:"), "{directive}: {failure}");
    }
}

#[test]
fn a_script_that_cannot_be_read_is_one_failure() {
    let report = run_script(&ENGINE, "(module)\n(assert_return");
    assert_eq!(report.passed, 0);
    assert_eq!(report.failures.len(), 1);
    assert_eq!(report.failures[0].line, 2, "{report:?}");
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
