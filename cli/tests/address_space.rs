//! Tests of the command with little address space, and with limits on files and data.

#![forbid(unsafe_code)]

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::LazyLock;

const PROGRAM: &str = r#"(module (memory 1)
    (data (i32.const 100) "Hello")
    (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
    (func (export "load") (param i32) (result i32)
        (drop (memory.grow (i32.const 100)))
        (i32.load (local.get 0)))
    (func (export "sum") (param i32) (result i32) (local i32)
        (loop
            (local.set 1 (i32.add (local.get 1) (local.get 0)))
            (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
        (local.get 1)))"#;

/// The program in a file.
static FILE: LazyLock<PathBuf> = LazyLock::new(|| {
    let file = format!("upshift-space-{}.wat", std::process::id());
    let file = std::env::temp_dir().join(file);
    fs::write(&file, PROGRAM).unwrap();
    file
});

/// Calls a function of the program in a process with limits.
fn limited(limits: &str, options: &str, call: &str) -> Output {
    let (name, arg) = call.split_once(' ').unwrap();
    let upshift = env!("CARGO_BIN_EXE_upshift");
    let file = FILE.display();
    let command =
        format!("{limits}; exec '{upshift}' -D log {options} --invoke {name} '{file}' {arg}");
    let output = Command::new("sh").args(["-c", &command]).output();
    output.expect("a shell")
}

#[track_caller]
fn answers(output: &Output, answer: &str) -> String {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{:?}: {said}", output.status);
    let printed = String::from_utf8_lossy(&output.stdout);
    assert_eq!(printed.trim(), answer, "{said}");
    said
}

#[test]
fn programs_run_in_little_address_space() {
    for kilobytes in [9_000_000, 3_000_000, 1_000_000, 400_000] {
        let limits = format!("ulimit -v {kilobytes}");
        for mode in [
            "mode=baseline",
            "mode=optimizer",
            "switching=sync",
            "threads=1",
        ] {
            let options = format!("-T {mode}");
            let run = |call: &str| limited(&limits, &options, call);
            let said = answers(&run("sum 100000"), "705082704");
            assert!(
                said.contains("warning") || said.contains("address space"),
                "{said}"
            );
            answers(&run("grow 100"), "1");
            // Beyond what is reserved.
            answers(&run("grow 65535"), "-1");
            answers(&run("load 100"), "1819043144");
            let output = run("load 6619136");
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(134), "{said}");
            assert!(said.contains("out of bounds memory access"), "{said}");
        }
    }
}

/// Memory files count as files, and what is writable as data.
#[test]
fn programs_run_with_little_data_and_small_files() {
    for limits in [
        "ulimit -f 1000",
        "ulimit -f 0",
        "ulimit -d 50000",
        "ulimit -f 0 -d 50000 -v 1000000",
    ] {
        for mapping in ["memory-file", "anonymous"] {
            let options = format!("-W code-mapping={mapping} -T threads=1");
            answers(&limited(limits, &options, "sum 100000"), "705082704");
            answers(&limited(limits, &options, "load 100"), "1819043144");
        }
    }
}
