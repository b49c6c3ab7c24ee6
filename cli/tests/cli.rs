//! Tests of the command as a process: what it runs, prints and returns.

#![forbid(unsafe_code)]

mod cli_cases {
    mod bindgen;
    mod commands;
    mod compiling;
    mod errors;
    mod experiments;
    mod explore;
    mod firefox;
    mod hints;
    mod iterations;
    mod lab;
    mod observed;
    mod options;
    mod perf;
    mod pipes;
    mod profiles;
    mod programs;
    mod reports;
    mod threads;
    mod wasi;
}

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The tiering options of each execution mode.
const MODES: &[&[&str]] = &[
    &["-T", "mode=baseline"],
    &["-T", "mode=optimizer"],
    &["-T", "switching=sync"],
    &[],
    &["-T", "switching=zeal"],
    &["-W", "bounds=explicit"],
];

/// The output of a process and how it ended.
struct Ran {
    stdout: String,
    stderr: String,
    code: Option<i32>,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            stdout: String::from_utf8(output.stdout).expect("Unicode"),
            stderr: String::from_utf8(output.stderr).expect("Unicode"),
            code: output.status.code(),
        }
    }
}

impl Ran {
    /// Checks that it succeeded, and returns its standard output.
    #[track_caller]
    fn success(self) -> String {
        assert_eq!(self.code, Some(0), "{}", self.stderr);
        self.stdout
    }

    /// Checks that it failed with the code, and returns its standard error.
    #[track_caller]
    fn failure(self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{}", self.stderr);
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
        self.stderr
    }
}

fn command(args: &[impl AsRef<OsStr>]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_upshift"));
    command.args(args).stdin(Stdio::null());
    command
}

fn upshift(args: &[impl AsRef<OsStr>]) -> Ran {
    command(args).output().expect("the command runs").into()
}

/// Runs the command like `upshift`, in every mode.
fn upshift_in_every_mode(args: &[&str], check: impl Fn(Ran)) {
    for mode in MODES {
        eprintln!("{mode:?}");
        check(upshift(&[*mode, args].concat()));
    }
}

/// Runs the command with bytes on its standard input.
fn upshift_with_input(args: &[&str], input: &[u8]) -> Ran {
    let mut command = command(args);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("the command runs");
    let mut stdin = child.stdin.take().expect("piped");
    stdin.write_all(input).expect("the command reads its input");
    drop(stdin);
    child.wait_with_output().expect("the command ends").into()
}

/// The path of a file in the tests' own folder.
fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// Writes a file and returns its path as text. Each name is one test's.
fn file(name: &str, contents: impl AsRef<[u8]>) -> String {
    let path = path(name);
    std::fs::write(&path, contents).expect("the folder is writable");
    path.into_os_string().into_string().expect("Unicode")
}

const MATH: &str = r#"(module $math
    (func $add (export "add") (param i32 i32) (result i32)
        (i32.add (local.get 0) (local.get 1)))
    (func (export "divide") (param i64 i64) (result i64 i64)
        (i64.div_s (local.get 0) (local.get 1)) (i64.rem_s (local.get 0) (local.get 1)))
    (func (export "half") (param f64) (result f64) (f64.div (local.get 0) (f64.const 2))))"#;
