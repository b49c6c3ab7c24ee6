//! On processors without `x64` modules' siblings, the build fails with one message that says so,
//! not with the hundreds that follow from it.
//!
//! All packages with code for a processor depend on this one, so nothing after it is built.

use std::io::Write;
use std::path::Path;
use std::process::Command;

/// A processor that Upshift does not support, and which Rust's installer knows.
const TARGET: &str = "aarch64-unknown-linux-gnu";

/// Whether Rust's library for the target is installed.
fn is_installed() -> bool {
    let mut rustc = Command::new("rustc");
    let found = rustc.args(["--print", "target-libdir", "--target", TARGET]);
    let found = found.output().expect("rustc runs");
    Path::new(String::from_utf8_lossy(&found.stdout).trim()).is_dir()
}

/// Checks this package for the target, offline and in a folder of its own; returns what Cargo says.
fn check() -> String {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(TARGET);
    let output = Command::new(env!("CARGO"))
        .args([
            "check",
            "--locked",
            "--offline",
            "--lib",
            "--target",
            TARGET,
        ])
        .args(["--message-format", "short", "--color", "never"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("CARGO_TARGET_DIR", &folder)
        .env("CARGO_BUILD_BUILD_DIR", &folder)
        .output()
        .expect("cargo runs");
    assert!(!output.status.success(), "it builds");
    String::from_utf8(output.stderr).expect("text")
}

#[test]
fn another_processor_is_refused_with_one_message() {
    if !is_installed() {
        // Directly, as the test harness shows nothing that a passing test prints.
        let skipped = format!("skipped: needs `rustup target add {TARGET}`\n");
        std::io::stderr().write_all(skipped.as_bytes()).unwrap();
        return;
    }
    let messages = check();
    let of = |word: &str| {
        let lines = messages.lines().filter(|line| line.contains(word));
        lines.collect::<Vec<_>>()
    };
    let [message, summary] = of("error: ")[..] else {
        panic!("one error and Cargo's summary:\n{messages}");
    };
    assert!(
        message.contains("Upshift builds on x86-64 Linux only"),
        "{message}"
    );
    assert!(
        summary.contains("could not compile `upshift-abi`"),
        "{summary}"
    );
    assert!(of("warning: ").is_empty(), "{messages}");
}
