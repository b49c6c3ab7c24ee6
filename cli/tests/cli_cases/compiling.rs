//! `upshift compile`: code that is made ahead of time runs as if it had been made in the run.

use std::fs;

use super::profiles::program;
use crate::{MATH, file, path, upshift, upshift_with_input};

#[test]
fn compiled_programs_run_if_they_are_trusted() {
    let program = program("ahead.wasm");
    for mode in ["mode=baseline", "mode=optimizer", "mode=tiered"] {
        let out = path(&format!("ahead-{mode}.cwasm"));
        let out = out.to_str().unwrap();
        upshift(&["compile", "-T", mode, &program, "-o", out]).success();
        let error = upshift(&["-T", mode, out]).failure(2);
        let advice = "--allow-precompiled if you trust it";
        assert!(error.contains(advice), "{error}");
        let ran = ["--allow-precompiled", "--stats", "-T", mode, out];
        let stats = upshift(&ran).failure(7);
        let compiled = stats.lines().find_map(|line| {
            let words: Vec<_> = line.split_whitespace().collect();
            let ["functions", "compiled", baseline, optimizer] = *words else {
                return None;
            };
            Some((baseline.to_owned(), optimizer.to_owned()))
        });
        let (baseline, optimizer) = compiled.expect("the table says so");
        // A tiered run may find its loop hot.
        let none = if mode == "mode=tiered" {
            &*optimizer
        } else {
            "0"
        };
        assert_eq!((&*baseline, &*optimizer), ("0", none), "{stats}");
        // The option changes nothing for other files.
        assert_eq!(upshift(&["--allow-precompiled", &program]).failure(7), "");
        let other = upshift(&[
            "--allow-precompiled",
            "-T",
            mode,
            "-W",
            "canonicalize-nans",
            out,
        ]);
        let error = other.failure(1);
        assert!(error.contains("canonicalize_nans: false"), "{error}");
    }
}

#[test]
fn what_can_not_be_compiled_is_named() {
    let wrong = path("ahead-wrong.wasm");
    fs::write(&wrong, b"\0asm\x01\0\0\0\xff").unwrap();
    let out = path("ahead-wrong.cwasm");
    let (wrong, out) = (wrong.to_str().unwrap(), out.to_str().unwrap());
    let error = upshift(&["compile", wrong, "-o", out]).failure(1);
    assert!(error.contains("cannot compile"), "{error}");
    assert!(!fs::exists(out).unwrap());
    let error = upshift(&["compile", "/nowhere.wasm", "-o", out]).failure(1);
    assert!(error.contains("cannot read `/nowhere.wasm`"), "{error}");
    upshift(&["compile", wrong]).failure(2);
}

/// What is read is never what is written, under whichever name.
#[test]
fn outputs_do_not_replace_what_they_are_made_from() {
    let program = file("ahead-itself.wat", MATH);
    let link = path("ahead-link.wat");
    let _ = fs::remove_file(&link);
    std::os::unix::fs::symlink(&program, &link).unwrap();
    let link = link.to_str().unwrap();
    let events = format!("events={link}");
    let trace = format!("trace={program}");
    let run = ["--invoke", "add", &program, "1", "2"];
    for before in [
        &["compile", "-o", &program, &program][..],
        &["compile", "-o", link, &program],
        &["explore", "-o", &program, link],
        &[&["-D", &events], &run[..]].concat(),
        &[&["-D", &trace], &run[..]].concat(),
        &[&["--profile-out", &program], &run[..]].concat(),
    ] {
        let error = upshift(before).failure(1);
        assert!(error.contains("it is the input"), "{before:?}: {error}");
        assert_eq!(fs::read_to_string(&program).unwrap(), MATH, "{before:?}");
    }
    let empty = file("ahead-itself.wasm", b"\0asm\x01\0\0\0");
    let error = upshift(&["bindgen", "-o", &empty, &empty]).failure(1);
    assert!(error.contains("it is the input"), "{error}");
    assert_eq!(fs::read(&empty).unwrap().len(), 8);
    let log = path("ahead-log");
    let log = log.to_str().unwrap();
    let events = format!("events={log}");
    upshift(&[&["-D", &events], &run[..]].concat()).success();
    let before = fs::read(log).unwrap();
    let report = ["report", "--format", "csv", log, "-o", log];
    let error = upshift(&report).failure(1);
    assert!(error.contains("it is the input"), "{error}");
    assert_eq!(fs::read(log).unwrap(), before);
}

/// Programs can come from pipes, which are read once: a shell's `<(command)`, `/dev/stdin`, `-`.
#[test]
fn programs_come_from_pipes() {
    let program = file("ahead-piped.wat", MATH);
    let out = path("ahead-piped.cwasm");
    upshift(&["compile", &program, "-o", out.to_str().unwrap()]).success();
    let compiled = fs::read(&out).unwrap();
    for pipe in ["-", "/dev/stdin"] {
        let compile = ["compile", pipe, "-o", out.to_str().unwrap()];
        upshift_with_input(&compile, MATH.as_bytes()).success();
        assert_eq!(fs::read(&out).unwrap(), compiled);
        let args = ["--invoke", "add", pipe, "1", "2"];
        assert_eq!(upshift_with_input(&args, MATH.as_bytes()).success(), "3\n");
        let error = upshift_with_input(&args, &compiled).failure(2);
        assert!(error.contains("--allow-precompiled if"), "{error}");
        let allowed = [&["--allow-precompiled"], &args[..]].concat();
        assert_eq!(upshift_with_input(&allowed, &compiled).success(), "3\n");
        let error = upshift_with_input(&allowed, &compiled[..500]).failure(1);
        assert!(error.contains("damaged"), "{error}");
    }
}

/// A program that may write to its folder shortens its own file, and goes on in code from there
/// that it has not run before.
#[test]
fn programs_may_destroy_their_own_files() {
    let program = file(
        "ahead-own.wat",
        r#"(module
            (import "wasi_snapshot_preview1" "path_open" (func $open
                (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
            (memory (export "memory") 1)
            (data (i32.const 100) "own.cwasm")
            (func $later (result i32) (i32.const 41))
            (func (export "_start")
                (if (call $open (i32.const 3) (i32.const 0) (i32.const 100) (i32.const 9)
                        (i32.const 8) (i64.const 64) (i64.const 0) (i32.const 0) (i32.const 200))
                    (then (call $exit (i32.const 1))))
                (call $exit (call $later))))"#,
    );
    let folder = path("ahead-own");
    fs::create_dir_all(&folder).unwrap();
    let out = folder.join("own.cwasm");
    upshift(&["compile", &program, "-o", out.to_str().unwrap()]).success();
    let access = format!("--dir={}::/", folder.display());
    let run = ["--allow-precompiled", &access, out.to_str().unwrap()];
    let ran = upshift(&run);
    assert_eq!(ran.code, Some(41), "{}", ran.stderr);
    assert_eq!(fs::metadata(&out).unwrap().len(), 0, "it was shortened");
}
