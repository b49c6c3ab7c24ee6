//! `--profile-out` and `--profile-in`: what a run writes, and what the next one does with it.

use std::ffi::OsStr;
use std::fs;
use std::process::{Command, Stdio};

use crate::{Ran, command, file, path, upshift, upshift_in_every_mode};

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

pub(super) fn program(name: &str) -> String {
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

/// A folder for a cache that does not exist yet.
fn cache(name: &str) -> (String, String) {
    let folder = path(name);
    let _ = fs::remove_dir_all(&folder);
    let folder = folder.into_os_string().into_string().unwrap();
    (format!("cache={folder}"), folder)
}

#[test]
fn a_cache_warms_the_next_run() {
    let program = program("cached.wasm");
    let (option, folder) = cache("a-cache");
    upshift(&[HOT, &["-C", &option, &program]].concat()).failure(7);
    let files = || fs::read_dir(&folder).unwrap().count();
    assert_eq!(files(), 3, "a profile, code, and the file to lock");
    let log = file("cached.log", "");
    let events = format!("events={log}");
    upshift(&["-C", &option, "-D", &events, &program]).failure(7);
    let log = fs::read_to_string(&log).unwrap();
    assert!(log.contains("recorded in an earlier run"), "{log}");
    upshift_in_every_mode(&["-C", &option, &program], |ran| {
        assert_eq!(ran.failure(7), "");
    });
    // Both would say what was hot.
    let profile = file("cached.prof", "");
    let both = ["-C", &option, "--profile-in", &profile, &program];
    let error = upshift(&both).failure(2);
    assert!(error.contains("profiles come from the cache"), "{error}");
}

/// Two processes at once, again and again: each finds a whole entry, or none.
#[test]
fn processes_share_a_cache() {
    let program = program("shared.wasm");
    let (option, folder) = cache("shared-cache");
    let start = || {
        let args = [HOT, &["-C", &option, &program]].concat();
        command(&args).stderr(Stdio::piped()).spawn().unwrap()
    };
    for _ in 0..10 {
        for child in [start(), start(), start()] {
            let ran = Ran::from(child.wait_with_output().unwrap());
            assert_eq!(ran.failure(7), "");
        }
        // The next round begins with an entry that is damaged, or with none.
        for entry in fs::read_dir(&folder).unwrap() {
            let entry = entry.unwrap().path();
            assert_ne!(entry.extension().and_then(OsStr::to_str), Some("part"));
            if entry.extension().is_some() {
                fs::remove_file(entry).unwrap();
            }
        }
    }
}

#[test]
fn a_cache_that_can_not_be_used_is_warned_of() {
    let program = program("warned.wasm");
    for folder in ["/proc/nowhere", "/dev/null"] {
        let option = format!("cache={folder}");
        let warning = upshift(&[HOT, &["-C", &option, &program]].concat()).failure(7);
        let expected = format!("no cache in `{folder}`");
        assert!(warning.contains(&expected), "{warning}");
    }
    // A damaged entry.
    let (option, folder) = cache("damaged-cache");
    upshift(&[HOT, &["-C", &option, &program]].concat()).failure(7);
    for entry in fs::read_dir(&folder).unwrap() {
        let entry = entry.unwrap().path();
        if entry.extension().is_some() {
            let bytes = fs::read(&entry).unwrap();
            fs::write(&entry, &bytes[..bytes.len() / 2]).unwrap();
        }
    }
    let warning = upshift(&["-C", &option, &program]).failure(7);
    assert!(warning.contains("the profile is damaged"), "{warning}");
    // No more bytes may be written: what a full disk does.
    let (option, folder) = cache("full-cache");
    fs::create_dir(&folder).unwrap();
    let args = ["-c", "ulimit -f 0 && exec \"$@\"", "sh"].map(OsStr::new);
    let upshift = [env!("CARGO_BIN_EXE_upshift"), "-C", &option];
    let ran = Command::new("sh")
        .args(args)
        .args(upshift)
        .args(HOT)
        .arg(&program)
        .output();
    let warning = Ran::from(ran.unwrap()).failure(7);
    assert!(
        warning.contains("warning: the cache is as it was"),
        "{warning}"
    );
    let files = fs::read_dir(&folder).unwrap();
    assert_eq!(files.count(), 1, "the file to lock");
}
