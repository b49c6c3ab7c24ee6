//! Tests of the command: its output and its exit codes.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const GOOD: &str = r#"(module (func (export "f") (result i32) (i32.const 1)))
(assert_return (invoke "f") (i32.const 1))"#;
const BAD: &str = r#"(module (func (export "f") (result i32) (i32.const 1)))
(assert_return (invoke "f") (i32.const 2))"#;

/// Creates a folder with scripts, anew for each test.
fn folder(test: &str, files: &[(&str, &str)]) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("spectest-cli")
        .join(test);
    let _ = std::fs::remove_dir_all(&folder);
    for (name, text) in files {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().expect("below the folder")).expect("writable");
        std::fs::write(path, text).expect("writable");
    }
    folder
}

fn spectest(arguments: &[&str]) -> Output {
    let command = env!("CARGO_BIN_EXE_upshift-spectest");
    Command::new(command)
        .args(arguments)
        .output()
        .expect("the command starts")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("UTF-8")
}

#[test]
fn success_in_every_mode() {
    let folder = folder(
        "success",
        &[("a.wast", GOOD), ("sub/b.wast", GOOD), ("c.txt", BAD)],
    );
    let output = spectest(&[folder.to_str().expect("UTF-8")]);
    let stdout = text(&output.stdout);
    assert!(output.status.success(), "{stdout}");
    for mode in upshift_spectest::Mode::all() {
        let total = format!("{mode}: 2 files, 4 passed, 0 failed\n");
        assert!(stdout.contains(&total), "{stdout}");
    }
    assert!(stdout.contains("b.wast: 2 passed, 0 failed"), "{stdout}");
}

#[test]
fn failures_say_where() {
    let folder = folder("failure", &[("a.wast", BAD), ("b.wast", GOOD)]);
    let output = spectest(&[
        "--mode",
        "baseline,zeal",
        "-q",
        folder.to_str().expect("UTF-8"),
    ]);
    assert_eq!(output.status.code(), Some(1));
    let stderr = text(&output.stderr);
    assert!(
        stderr.contains("a.wast:2:2: result 0 is I32(1)"),
        "{stderr}"
    );
    let stdout = text(&output.stdout);
    assert_eq!(
        stdout,
        "baseline: 2 files, 3 passed, 1 failed\nzeal: 2 files, 3 passed, 1 failed\n"
    );
}

#[test]
fn wrong_usage() {
    let empty = folder("empty", &[("a.txt", GOOD)]);
    let empty = empty.to_str().expect("UTF-8");
    for arguments in [
        &[][..],
        &["--mode", "fast", "."],
        &[empty],
        &["/absent.wast"],
    ] {
        let output = spectest(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(!output.stderr.is_empty(), "{arguments:?}");
    }
}

#[test]
fn help_lists_the_modes() {
    let output = spectest(&["--help"]);
    assert!(output.status.success());
    let help = text(&output.stdout);
    for mode in upshift_spectest::Mode::all() {
        assert!(help.contains(&mode.to_string()), "{help}");
    }
}
