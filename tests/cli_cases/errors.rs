//! What goes wrong: one clear message and the right exit code, never a panic.

use crate::{MATH, command, file, upshift, upshift_in_every_mode};

#[test]
fn a_trap_exits_134_with_its_backtrace() {
    let program = file(
        "trap.wat",
        r#"(module $traps
            (func $inner (param i32) (drop (i32.div_s (i32.const 1) (local.get 0))))
            (func $outer (call $inner (i32.const 0)))
            (func (export "_start") (call $outer)))"#,
    );
    upshift_in_every_mode(&[&program], |ran| {
        let stderr = ran.failure(134);
        assert!(stderr.starts_with("error: failed to run `"), "{stderr}");
        assert!(
            stderr.contains("wasm trap: integer divide by zero"),
            "{stderr}"
        );
        for frame in ["traps!inner", "traps!outer", "traps!_start"] {
            assert!(stderr.contains(frame), "{stderr}");
        }
    });
}

#[test]
fn exhausted_stacks_are_traps() {
    let program = file(
        "deep.wat",
        "(module (func $f (export \"_start\") (call $f) (call $f)))",
    );
    upshift_in_every_mode(&[&program], |ran| {
        assert!(ran.failure(134).contains("wasm trap: call stack exhausted"));
    });
}

#[test]
fn a_timeout_exits_124() {
    let program = file(
        "endless.wat",
        "(module (func (export \"_start\") (loop (br 0))))",
    );
    upshift_in_every_mode(&["-W", "timeout=100ms", &program], |ran| {
        let stderr = ran.failure(124);
        assert!(stderr.contains("timed out after 100ms"), "{stderr}");
    });
    for (time, shown) in [("0.05", "50ms"), ("0.0012s", "1.2ms")] {
        let timeout = format!("timeout={time}");
        let stderr = upshift(&["-W", &timeout, &program]).failure(124);
        assert!(
            stderr.contains(&format!("timed out after {shown}")),
            "{stderr}"
        );
    }
    for time in ["soon", "-1s", "5 minutes", ""] {
        let timeout = format!("timeout={time}");
        let stderr = upshift(&["-W", &timeout, &program]).failure(2);
        assert!(stderr.contains("500ms, 1.5s, 2m"), "{stderr}");
    }
}

#[test]
fn modules_that_cannot_be_loaded() {
    let says = |path: &str, what: &str| {
        let stderr = upshift(&[path]).failure(1);
        assert!(
            stderr.contains(path) && stderr.contains(what),
            "{what}: {stderr}"
        );
    };
    says("no/such/file.wasm", "No such file");
    says(env!("CARGO_TARGET_TMPDIR"), "directory");
    says(&file("empty.wasm", ""), "not a WebAssembly module");
    says(
        &file("text.wat", "(module (func (unknown)))"),
        "unknown operator or unexpected token",
    );
    says(&file("noise.wasm", [0xff; 100]), "not a WebAssembly module");
    let binary = wat::parse_str(MATH).unwrap();
    says(&file("cut.wasm", &binary[..binary.len() - 60]), "offset");
    let invalid = wat::parse_str("(module (func (export \"_start\") (result i32)))").unwrap();
    says(&file("invalid.wasm", invalid), "type mismatch");
}

#[test]
fn every_truncation_of_a_module_is_an_error_or_runs() {
    let binary = wat::parse_str(MATH).unwrap();
    for len in (0..binary.len()).step_by(7) {
        let path = file(&format!("truncated-{len}.wasm"), &binary[..len]);
        let ran = upshift(&["--invoke", "add", &path, "1", "2"]);
        assert!(matches!(ran.code, Some(0 | 1)), "{len}: {}", ran.stderr);
    }
}

#[test]
fn missing_and_wrong_imports() {
    let missing = file(
        "missing.wat",
        r#"(module (import "env" "log" (func (param i32))))"#,
    );
    let stderr = upshift(&[&missing]).failure(1);
    assert!(
        stderr.contains("unknown import: `env::log` (func (i32) -> ())"),
        "{stderr}"
    );
    let wrong = file(
        "wrong.wat",
        r#"(module (import "wasi_snapshot_preview1" "fd_close" (func (param i64))))"#,
    );
    let stderr = upshift(&[&wrong]).failure(1);
    assert!(
        stderr.contains("wasi_snapshot_preview1::fd_close"),
        "{stderr}"
    );
    let no_memory = file(
        "no-memory.wat",
        r#"(module
            (import "wasi_snapshot_preview1" "fd_close" (func $close (param i32) (result i32)))
            (func (export "_start") (drop (call $close (i32.const 1)))))"#,
    );
    let stderr = upshift(&[&no_memory]).failure(1);
    assert!(
        stderr.contains("must export a memory as `memory`"),
        "{stderr}"
    );
}

#[test]
fn wrong_invocations() {
    let math = file("wrong-invocation.wat", MATH);
    let says = |args: &[&str], code: i32, what: &str| {
        let stderr = upshift(args).failure(code);
        assert!(stderr.contains(what), "{what}: {stderr}");
    };
    says(
        &["--invoke", "sub", &math],
        1,
        "there are `add`, `divide`, `half`",
    );
    says(
        &["--invoke", "add", &math, "1"],
        2,
        "takes 2 arguments, not 1",
    );
    says(
        &["--invoke", "add", &math, "1", "two"],
        2,
        "`two` is no value of type i32",
    );
    says(
        &["--invoke", "divide", &math, "1", "0"],
        134,
        "integer divide by zero",
    );
    says(&["--unknown", &math], 2, "--unknown");
    says(&["-T", "mod=baseline", &math], 2, "mod");
    says(
        &["-C", "opt-level=much", &math],
        2,
        "none|speed|speed-and-size",
    );
    says(&["-W", "max-stack=1", &math], 1, "at least 16 KiB");
    says(&["--dir", "no/such/folder", &math], 1, "no/such/folder");
    says(&["--invoke", "add"], 2, "FILE");
}

/// More than the first thread has, more than any thread can have.
#[test]
fn a_stack_as_large_as_asked_for_is_exhausted_by_a_trap() {
    let program = file(
        "recursion.wat",
        r#"(module (func $f (export "_start") (call $f) (call $f)))"#,
    );
    for size in ["8m", "64m"] {
        let size = format!("max-stack={size}");
        upshift_in_every_mode(&["-W", &size, &program], |ran| {
            let stderr = ran.failure(134);
            assert!(stderr.contains("call stack exhausted"), "{stderr}");
            assert!(!stderr.contains("warning"), "{stderr}");
        });
    }
    let stderr = upshift(&["-W", "max-stack=100000g", &program]).failure(134);
    assert!(stderr.contains("call stack exhausted"), "{stderr}");
    assert!(stderr.starts_with("warning: no thread with"), "{stderr}");
}

#[test]
fn a_closed_pipe_is_an_error() {
    let math = file("pipe.wat", MATH);
    for args in [
        &["--help"][..],
        &["-T", "help"],
        &["--invoke", "add", &math, "1", "2"],
        &["-D", "dump=add", &math],
        &[],
    ] {
        let (reader, writer) = std::io::pipe().expect("the system has pipes");
        drop(reader);
        let output = command(args)
            .stdout(writer)
            .output()
            .expect("the command runs");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{args:?}: {stderr}");
        let lines = stderr.matches("Broken pipe").count();
        assert_eq!(lines, 1, "{args:?}: {stderr}");
        assert!(!stderr.contains("panicked"), "{args:?}: {stderr}");
    }
}
