//! Errors: one clear message and the right exit code, never a panic.

use crate::{MATH, file, upshift, upshift_in_every_mode};

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
fn a_core_dump_is_written_if_the_program_fails() {
    let program = file(
        "dumped.wat",
        r#"(module $dumped
            (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
            (memory (export "memory") 1)
            (data (i32.const 16) "evidence")
            (func (export "crash") (param i32) (unreachable))
            (func (export "_start") (call $exit (i32.const 3))))"#,
    );
    let dump = file("dump.core", "");
    let option = format!("coredump={dump}");
    let read = || std::fs::read(&dump).unwrap();
    assert_eq!(upshift(&["-D", &option, &program]).failure(3), "");
    assert!(read().is_empty(), "an exit is no failure");
    let stderr = upshift(&["-D", &option, "--invoke", "crash", &program, "77"]).failure(134);
    assert!(stderr.contains("core dump written to `"), "{stderr}");
    assert!(stderr.contains("wasm trap: unreachable"), "{stderr}");
    let bytes = read();
    for part in ["corestack", "dumped.wat", "evidence"] {
        let found = bytes
            .windows(part.len())
            .any(|bytes| bytes == part.as_bytes());
        assert!(found, "{part}");
    }
    let stderr = upshift(&[
        "-D",
        "coredump=/nowhere/x",
        "--invoke",
        "crash",
        &program,
        "1",
    ]);
    let stderr = stderr.failure(134);
    assert!(
        stderr.contains("cannot write the core dump `/nowhere/x`"),
        "{stderr}"
    );
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
    says(&["-W", "max-stack=1", &math], 2, "of at least 16K");
    says(&["--dir", "no/such/folder", &math], 1, "no/such/folder");
    says(&["--invoke", "add"], 2, "FILE");
}

/// A stack size beyond the first thread's, and one beyond any thread's.
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
fn names_from_modules_do_not_control_terminals() {
    let program = |name: &str, fields: &str| {
        let text = format!(r#"(module (@name "m\1b[31m\0a") {fields})"#);
        file(name, &text)
    };
    let hot = r#"(func $f (@name "f\1b[31m\c2\9b\e2\80\ae") (local i32)
        (loop (br_if 0 (i32.lt_u (local.tee 0 (i32.add (local.get 0) (i32.const 1)))
            (i32.const 3000000)))))
        (func (export "_start") (call $f) (call $f) (call $f) unreachable)"#;
    let traps = r#"(func (@name "f\1b[31m\0aerror: no") (export "_start") unreachable)"#;
    let import = r#"(import "a\1b[31m" "b\0ac" (func)) (func (export "_start"))"#;
    let export = r#"(func (export "bad\0aname\1b[31m"))"#;
    let [hot, traps, import, export] = [
        program("hot\u{1b}[31m.wat", hot),
        program("traps\u{1b}[31m.wat", traps),
        program("import.wat", import),
        program("export.wat", export),
    ];
    let invoke_bad = ["--invoke", "bad\nname\u{1b}[31m", &export, "1"];
    let cases: [(&[&str], i32); 8] = [
        (
            &["-D", "story", "--stats", "-T", "switching=sync", &hot],
            134,
        ),
        (&[&traps], 134),
        (&[&import], 1),
        (&[&export], 0),
        (&["--invoke", "none\u{1b}", &export], 1),
        (&invoke_bad, 2),
        (&["-D", "dump=f\u{1b}", &traps], 1),
        (&["no\u{1b}such\nfile"], 1),
    ];
    for (args, code) in cases {
        let ran = upshift(args);
        assert_eq!(ran.code, Some(code), "{args:?}: {}", ran.stderr);
        for text in [&ran.stdout, &ran.stderr] {
            let bad = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
            assert!(!text.contains(bad), "{args:?}: {text:?}");
            assert!(!text.contains("\nerror: no"), "{args:?}: {text:?}");
        }
        if args.len() == 1 || args == invoke_bad {
            assert!(ran.stderr.contains("\\u{1b}"), "{args:?}: {}", ran.stderr);
        }
    }
}

#[test]
fn ladders_that_are_not_possible_are_wrong_usage() {
    let program = file("ladder.wat", MATH);
    for (tiers, message) in [
        ("cranelift-none,baseline", "can't be tier"),
        ("baseline,baseline", "can't be tier"),
        ("baseline", "needs an optimizer"),
    ] {
        let tiers = format!("tiers={tiers}");
        let stderr = upshift(&["-T", &tiers, &program]).failure(2);
        assert!(stderr.contains(message), "{stderr}");
    }
}

#[test]
fn a_rule_for_no_function_is_warned_of() {
    let program = file(
        "ruled.wat",
        "(module (func $start (export \"_start\") (nop)))",
    );
    let rules = file(
        "rules.toml",
        "[[function]]\nname = 'start'\nnever = true\n\n\
         [[function]]\nname = 'strat'\nnever = true\n",
    );
    let setting = format!("override={rules}");
    let ran = upshift(&["-T", &setting, &program]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let stderr = ran.stderr;
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(
        stderr.starts_with("warn: -T override: ")
            && stderr.ends_with("rules.toml: line 5: no function's name is like `strat`\n"),
        "{stderr}"
    );
}
