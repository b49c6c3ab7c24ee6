//! Output that is not read any more, as in `upshift … | head`: each task ends without a word, and
//! as a process does that SIGPIPE ended.

use std::fs;

use crate::{MATH, Ran, command, file, path, upshift};

/// Runs the command with a standard output whose reader has gone.
fn into_closed_pipe(args: &[&str]) -> Ran {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let mut command = command(args);
    command.stdout(writer);
    command.output().expect("the command runs").into()
}

#[track_caller]
fn ends_quietly(args: &[&str]) {
    let ran = into_closed_pipe(args);
    assert_eq!((ran.code, &*ran.stderr), (Some(141), ""), "{args:?}");
}

#[test]
fn every_task_ends_quietly() {
    let math = file("pipes-math.wat", MATH);
    let log = file("pipes.log", "");
    upshift(&[
        "-D",
        &format!("events={log}"),
        "--invoke",
        "add",
        &math,
        "1",
        "2",
    ])
    .success();
    for args in [
        &["--help"][..],
        &["--version"],
        &["-T", "help"],
        &["--invoke", "add", &math, "1", "2"],
        &["--iterations", "2", "--invoke", "add", &math, "1", "2"],
        &["-D", "dump=add", &math],
        &["report", "--help"],
        &["report", "--format", "csv", &log],
        &["report", "--format", "story", &log],
        &["report", "--format", "html", &log],
        &["hints", "--help"],
        &["lab", "--help"],
        &["lab", "policies"],
        &["lab", "diff", &log, &log],
    ] {
        ends_quietly(args);
    }
}

/// Reports that go to files are whole, though what went to standard output is lost.
#[test]
fn files_are_written_nevertheless() {
    let math = file("pipes-files.wat", MATH);
    let log = path("pipes-files.log");
    let events = format!("events={}", log.display());
    ends_quietly(&["-D", &events, "--invoke", "add", &math, "1", "2"]);
    let log = fs::read_to_string(log).unwrap();
    assert!(log.lines().count() > 1, "{log}");
}

/// A pipe that is not the command's own output is an error as any other.
#[test]
fn other_errors_are_told() {
    let full = into_closed_pipe(&["report", "/nonexistent.log"]);
    let error = full.failure(1);
    assert!(error.contains("cannot read"), "{error}");
}
