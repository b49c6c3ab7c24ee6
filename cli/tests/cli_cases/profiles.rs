//! `--profile-out` and `--profile-in`: what a run writes, and what the next one does with it.

use std::fs;

use crate::{file, path, upshift, upshift_in_every_mode};

/// A function that gets hot, a trap if it is told to, and an exit code.
const PROGRAM: &str = r#"(module
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (func $hot (param i32) (result i32) (i32.mul (local.get 0) (i32.const 3)))
    (func $main (export "_start") (local $n i32)
        (loop $next
            (drop (call $hot (local.get $n)))
            (local.set $n (i32.add (local.get $n) (i32.const 1)))
            (br_if $next (i32.lt_u (local.get $n) (i32.const 100000))))
        (call $exit (i32.const 7)))
    (func (export "trap") (call $main) unreachable)
    (func (export "nothing")))"#;

const HOT: &[&str] = &["-T", "switching=sync,policy=fixed-budget:units=1000"];

fn program(name: &str) -> String {
    file(name, wat::parse_str(PROGRAM).unwrap())
}

#[test]
fn a_profile_is_written_and_read_back() {
    let program = program("profiles.wasm");
    let profile = file("profiles.prof", "");
    let out = ["--profile-out", &profile, &program];
    upshift(&[HOT, &out].concat()).failure(7);
    assert!(fs::read(&profile).unwrap().starts_with(b"upshiftP"));
    upshift_in_every_mode(&["--profile-in", &profile, &program], |ran| {
        ran.failure(7);
    });
    // The policy's reason is in the log.
    let log = file("profiles.log", "");
    let events = format!("events={log}");
    let background = ["-T", "switching=background", "-D", &events];
    upshift(&[&background[..], &["--profile-in", &profile, &program]].concat()).failure(7);
    let log = fs::read_to_string(&log).unwrap();
    assert!(log.contains("recorded in an earlier run"), "{log}");
    // It may take the place of the one that it was made with.
    let both = [
        "--profile-in",
        &profile,
        "--profile-out",
        &profile,
        &program,
    ];
    upshift(&both).failure(7);
    assert!(fs::read(&profile).unwrap().starts_with(b"upshiftP"));
    assert!(!path("profiles.prof.part").exists());
}

#[test]
fn it_is_written_however_the_run_ends() {
    let program = program("ends.wasm");
    for (name, code) in [("trap", 7), ("nothing", 0)] {
        let profile = file("ends.prof", "");
        let out = ["--profile-out", &profile, "--invoke", name, &program];
        let ran = upshift(&[HOT, &out].concat());
        assert_eq!(ran.code, Some(code), "{}", ran.stderr);
        assert!(fs::read(&profile).unwrap().starts_with(b"upshiftP"));
    }
}

#[test]
fn mistakes_are_named() {
    let program = program("mistakes.wasm");
    let profile = file("mistakes.prof", "");
    upshift(&["--profile-out", &profile, &program]).failure(7);
    let with = |profile: &str| upshift(&["--profile-in", profile, &program]).failure(1);
    let error = with("/nowhere/x.prof");
    assert!(
        error.contains("cannot use the profile `/nowhere/x.prof`"),
        "{error}"
    );
    let error = with(&program);
    assert!(error.contains("this is no profile of a module"), "{error}");
    let mut bytes = fs::read(&profile).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    let damaged = file("damaged.prof", &bytes);
    let error = with(&damaged);
    assert!(error.contains("the profile is damaged"), "{error}");
    let other = file("other.wat", "(module (func (export \"_start\")))");
    let error = upshift(&["--profile-in", &profile, &other]).failure(1);
    assert!(
        error.contains("the profile is of another module"),
        "{error}"
    );
    let error = upshift(&["--profile-out", "/nowhere/x.prof", &program]).failure(1);
    assert!(error.contains("cannot create `/nowhere/x.prof`"), "{error}");
    let error = upshift(&["--profile-out", "/dev/full", &program]).failure(7);
    assert!(
        error.contains("cannot write the profile `/dev/full`"),
        "{error}"
    );
    upshift(&["--profile-in", &profile]).failure(2);
    let trace = path("profiles.trace");
    let record = [
        "lab",
        "record",
        "-o",
        trace.to_str().unwrap(),
        "--profile-in",
        &profile,
    ];
    let error = upshift(&[&record[..], &[&program]].concat()).failure(1);
    assert!(error.contains("for single runs"), "{error}");
}
