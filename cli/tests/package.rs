//! What Cargo builds: the command and its installation share one build, and embedders build nothing
//! that only the command needs.

#![forbid(unsafe_code)]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

/// Packages with the features that a build of the selected packages switches on, tests aside.
fn built(selection: &[&str]) -> BTreeSet<String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["tree", "--locked", "--offline", "--edges", "no-dev"])
        .args(["--prefix", "none", "--no-dedupe", "--format", "{p} {f}"])
        .args(selection)
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
        .output()
        .expect("cargo can be run");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    let lines = String::from_utf8(output.stdout).expect("Unicode");
    let lines = lines.lines().filter(|line| !line.is_empty());
    lines.map(|line| line.trim().to_string()).collect()
}

/// `cargo run` builds the default members, `cargo install --path cli` this package.
#[test]
fn running_and_installing_need_one_build() {
    let (run, install) = (built(&[]), built(&["--package", "upshift-cli"]));
    let differing: Vec<_> = run.symmetric_difference(&install).collect();
    assert!(differing.is_empty(), "{differing:#?}");
    let cranelift = |line: &&String| line.starts_with("cranelift-codegen v");
    assert_eq!(install.iter().filter(cranelift).count(), 1, "{install:#?}");
}

#[test]
fn embedders_build_nothing_of_the_command() {
    let library = built(&["--package", "upshift"]);
    for name in [
        "clap",
        "iced-x86",
        "serde",
        "serde_core",
        "serde_json",
        "signal-hook",
        "upshift-cli",
    ] {
        let found = library
            .iter()
            .find(|line| line.starts_with(&format!("{name} v")));
        assert_eq!(found, None);
    }
    assert!(library.iter().any(|line| line.starts_with("wasmparser v")));
}
