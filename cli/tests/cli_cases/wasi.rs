//! What the command lets a program access of the system, and what not.

use std::process::Stdio;
use std::time::{Duration, Instant};

use super::programs::echo;
use crate::{Ran, command, file, path, upshift};

/// A program that exits with the error of a call: a body that leaves it on the stack, and data at
/// address 0.
fn exits_with_errno_of(body: &str, data: &str) -> String {
    format!(
        r#"(module
            (import "wasi_snapshot_preview1" "path_open"
                (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "poll_oneoff"
                (func $poll (param i32 i32 i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
            (memory (export "memory") 1)
            (data (i32.const 0) "{data}")
            (func (export "_start") (call $exit {body})))"#
    )
}

/// A body that creates a file named `file` in the first directory.
const CREATE: &str = "(call $open (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 4)
    (i32.const 9) (i64.const 0x42) (i64.const 0) (i32.const 1) (i32.const 64))";

/// A body that waits for the subscription at address 0.
const POLL: &str = "(call $poll (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 128))";

/// A subscription to reading descriptor 0.
const STDIN: &str = "\\00\\00\\00\\00\\00\\00\\00\\00\\01";

/// A subscription to a time on the clock: 2⁵⁶ nanoseconds, two years.
const TWO_YEARS: &str = "\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00\
    \\01\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00\\01";

#[test]
fn a_directory_may_be_read_only() {
    let folder = path("read-only");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    let program = file("create.wat", exits_with_errno_of(CREATE, "file"));
    let dir = |suffix: &str| format!("{}::/data{suffix}", folder.display());
    assert_eq!(upshift(&["--dir", &dir(":ro"), &program]).code, Some(69));
    assert!(!folder.join("file").exists());
    assert_eq!(upshift(&["--dir", &dir(""), &program]).code, Some(0));
    assert!(folder.join("file").exists());
    assert_eq!(upshift(&["--dir", &dir(":rw"), &program]).code, Some(0));
}

#[test]
fn standard_input_of_any_kind_can_be_polled() {
    let program = file("poll.wat", exits_with_errno_of(POLL, STDIN));
    let run = |stdin: Stdio| {
        let output = command(&[&program]).stdin(stdin).output().unwrap();
        Ran::from(output).success();
    };
    run(Stdio::null());
    for name in ["/dev/zero", "/", "Cargo.toml"] {
        run(std::fs::File::open(name).unwrap().into());
    }
    // Closed, as by `<&-` in a shell.
    let shell = std::process::Command::new("sh")
        .args(["-c", "exec \"$0\" \"$1\" <&-"])
        .args([env!("CARGO_BIN_EXE_upshift"), &program])
        .output();
    Ran::from(shell.unwrap()).success();
}

#[test]
fn variables_are_all_inherited_if_asked_for() {
    let program = file("inherited.wat", echo("environ"));
    let mut command = command(&["--env-inherit", "--env", "A=given", &program]);
    command.env_clear().env("A", "inherited").env("B", "too");
    let output = command.output().unwrap();
    assert_eq!(output.stdout, b"A=given\0B=too\0");
}

#[test]
fn a_program_is_called_as_one_likes() {
    let program = file("argv0.wat", echo("args"));
    let ran = upshift(&["--argv0", "busybox", &program, "ls"]);
    assert_eq!(ran.success(), "busybox\0ls\0");
}

#[test]
fn virtual_clocks_need_no_time() {
    let program = file("sleep.wat", exits_with_errno_of(POLL, TWO_YEARS));
    upshift(&["-W", "clocks=virtual", &program]).success();
    let stderr = upshift(&["-W", "clocks=sundial", &program]).failure(2);
    assert!(stderr.contains("system|virtual"), "{stderr}");
}

#[test]
fn a_deadline_ends_a_sleep() {
    let program = file("deadline.wat", exits_with_errno_of(POLL, TWO_YEARS));
    let start = Instant::now();
    let ran = upshift(&["-W", "timeout=0.05", &program]);
    assert_ne!(ran.code, Some(0));
    assert!(
        ran.stderr.contains("interrupt") || ran.stderr.contains("timed out"),
        "{}",
        ran.stderr
    );
    assert!(start.elapsed() < Duration::from_secs(60));
}

#[test]
fn random_bytes_follow_a_seed() {
    let program = file(
        "random.wat",
        r#"(module
            (import "wasi_snapshot_preview1" "random_get"
                (func $random (param i32 i32) (result i32)))
            (memory (export "memory") 1)
            (func (export "draw") (result i64)
                (drop (call $random (i32.const 0) (i32.const 8))) (i64.load (i32.const 0))))"#,
    );
    let draw = |args: &[&str]| {
        let args = [args, &["--invoke", "draw", &program]].concat();
        upshift(&args).success()
    };
    let seeded = |seed| draw(&["-W", seed]);
    assert_eq!(seeded("random-seed=7"), seeded("random-seed=7"));
    assert_ne!(seeded("random-seed=7"), seeded("random-seed=8"));
    assert_ne!(draw(&[]), draw(&[]));
}

/// A body that writes to a new file until an error, and exits with that.
const FILLS_A_FILE: &str = r#"(module
    (import "wasi_snapshot_preview1" "path_open"
        (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_filestat_set_size"
        (func $set_size (param i32 i64) (result i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (memory (export "memory") 1)
    (data (i32.const 0) "file\00\00\00\00\00\00\00\00\00\c0")
    (func (export "_start") (local $errno i32)
        (if (call $open (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 4) (i32.const 9)
                (i64.const 0x42) (i64.const 0) (i32.const 0) (i32.const 64))
            (then unreachable))
        (loop $more
            (local.set $errno
                (call $write (i32.load (i32.const 64)) (i32.const 8) (i32.const 1) (i32.const 68)))
            (br_if $more (i32.eqz (local.get $errno))))
        (if (i32.ne (local.get $errno)
                (call $set_size (i32.load (i32.const 64)) (i64.const 0x7fffffffffff)))
            (then unreachable))
        (call $exit (local.get $errno))))"#;

/// Beyond the limit of file sizes the system sends a signal that ends a process.
#[test]
fn a_limit_of_file_sizes_is_an_error_of_the_guest() {
    const FBIG: i32 = 22;
    let folder = path("limited");
    std::fs::create_dir_all(&folder).unwrap();
    let program = file("fill.wat", FILLS_A_FILE);
    let shell = std::process::Command::new("sh")
        .args(["-c", "ulimit -f 1000; exec \"$0\" --dir \"$1\" \"$2\""])
        .args([
            env!("CARGO_BIN_EXE_upshift"),
            folder.to_str().unwrap(),
            &program,
        ])
        .output();
    let ran = Ran::from(shell.unwrap());
    assert_eq!(ran.code, Some(FBIG), "{}", ran.stderr);
    let len = std::fs::metadata(folder.join("file")).unwrap().len();
    assert!((400_000..2_000_000).contains(&len), "{len}");
}
