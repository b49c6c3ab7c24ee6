//! `upshift compile`: code that is made ahead of time runs as if it had been made in the run.

use std::fs;

use super::profiles::program;
use crate::{path, upshift};

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
