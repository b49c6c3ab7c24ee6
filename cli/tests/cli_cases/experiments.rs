//! `upshift lab run` and what judges, merges, exports and compares its results.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::{Ran, path, upshift};

/// Two programs, one of which works.
const FILE: &str = r#"
title = "Work takes time"
[programs]
use = ["work", "start.wat"]
[[program]]
name = "work"
file = "work.wat"
[measure]
mode = "wall"
processes = 2
cores = [1]
[base]
policy = "never"
[grid]
policy = ["eager", "cost-model:alpha={0.1,1}"]
[grid.W]
layout-seed = [3]
[[verdict]]
id = "W1"
text = "what works has code"
holds = "min(code_bytes, '') > 0"
refuted = "max(code_bytes, '') <= 0"
effect = "max(code_bytes, 'base=yes')"
"#;

const WORK: &str = r#"(module (func (export "_start") (local $n i32)
    (loop $again
        (local.set $n (i32.add (local.get $n) (i32.const 1)))
        (br_if $again (i32.lt_u (local.get $n) (i32.const 1000000))))))"#;

/// A folder with an experiment.
fn folder(name: &str, text: &str) -> PathBuf {
    let folder = path(name);
    fs::remove_dir_all(&folder).ok();
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("work.wat"), WORK).unwrap();
    let start = "(module (func (export \"_start\")))";
    fs::write(folder.join("start.wat"), start).unwrap();
    fs::write(folder.join("x.toml"), text).unwrap();
    folder
}

/// Runs a task of the lab in a folder.
fn lab(folder: &PathBuf, args: &[&str]) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_upshift"));
    command.arg("lab").args(args).current_dir(folder);
    command.output().expect("the command runs").into()
}

#[test]
fn an_experiment_is_run_in_shards_merged_exported_and_judged() {
    let folder = folder("experiment", FILE);
    let preview = lab(&folder, &["run", "x.toml", "--dry-run"]).success();
    assert!(
        preview.starts_with("8 cells in shard 0/1, 16 processes"),
        "{preview}"
    );
    assert!(preview.contains("about "), "{preview}");
    for shard in ["0/2", "1/2"] {
        lab(&folder, &["run", "x.toml", "-o", "out", "--shard", shard]).success();
    }
    let merged = lab(&folder, &["merge", "out", "-o", "all.jsonl"]).success();
    assert!(merged.contains("W1       holds"), "{merged}");
    assert!(merged.ends_with("holds, by 16 samples\n"), "{merged}");
    // The shards' results are those of a whole run: nothing is left to do.
    fs::create_dir(folder.join("whole")).unwrap();
    fs::copy(folder.join("all.jsonl"), folder.join("whole/results.jsonl")).unwrap();
    let again = lab(&folder, &["run", "x.toml", "-o", "whole", "--resume"]);
    assert!(
        again.stderr.contains("0 of 0 processes"),
        "{}",
        again.stderr
    );
    assert_eq!(again.success(), merged);
    let again = lab(&folder, &["run", "x.toml", "-o", "whole"]).failure(1);
    assert!(again.contains("--resume"), "{again}");
    let table = lab(&folder, &["export", "out"]).success();
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines.len(), 17);
    assert!(
        lines[0].starts_with("id,program,W.layout-seed,cores,policy,process"),
        "{table}"
    );
    assert!(
        lines[0].contains("code_bytes,compilations,compile_cpu,cpu"),
        "{table}"
    );
    // Another experiment must not be mixed in.
    fs::write(
        folder.join("x.toml"),
        FILE.replace("Work takes", "Work took"),
    )
    .unwrap();
    let other = lab(&folder, &["run", "x.toml", "-o", "out", "--resume"]).failure(1);
    assert!(other.contains("another experiment"), "{other}");
}

#[test]
fn a_full_disk_ends_a_run_that_can_be_resumed() {
    let folder = folder("experiment-full", FILE);
    // A limit of a few blocks on files: as a disk that is full after some lines.
    let script = "ulimit -f 3; exec \"$0\" lab run x.toml -o out";
    let mut command = Command::new("sh");
    command.args(["-c", script, env!("CARGO_BIN_EXE_upshift")]);
    let full: Ran = command.current_dir(&folder).output().unwrap().into();
    let error = full.failure(1);
    assert!(
        error.contains("out/results.jsonl: File too large"),
        "{error}"
    );
    let done = lab(&folder, &["run", "x.toml", "-o", "out", "--resume"]);
    assert!(!done.stderr.contains("16 of 16"), "{}", done.stderr);
    assert!(done.success().ends_with("holds, by 16 samples\n"));
}

#[test]
fn mistakes_are_found_before_anything_runs() {
    let folder = folder("experiment-wrong", &FILE.replace("alpha", "alpah"));
    let error = lab(&folder, &["run", "x.toml", "-o", "out"]).failure(2);
    assert!(error.contains("line 15"), "{error}");
    assert!(error.contains("alpah"), "{error}");
    for (shard, code) in [("2/2", 2), ("x", 2), ("slurm", 2)] {
        lab(&folder, &["run", "x.toml", "-o", "out", "--shard", shard]).failure(code);
    }
    assert!(!folder.join("out").exists());
    upshift(&["lab", "run", "x.toml"]).failure(2);
    upshift(&["lab", "verify"]).failure(2);
    let none = upshift(&["lab", "verify", "/nonexistent"]).failure(1);
    assert!(none.contains("/nonexistent"), "{none}");
}

#[test]
fn two_logs_part_at_the_first_decision_that_differs() {
    let folder = folder("experiment-diff", FILE);
    let run = |log: &str, policy: &str| {
        let events = format!("events={log}");
        let mut command = Command::new(env!("CARGO_BIN_EXE_upshift"));
        command.args([
            "-T",
            "switching=virtual",
            "-T",
            policy,
            "-D",
            &events,
            "work.wat",
        ]);
        assert!(command.current_dir(&folder).status().unwrap().success());
    };
    run("a.ndjson", "policy=fixed-budget:units=1000");
    run("b.ndjson", "policy=fixed-budget:units=1000");
    run("c.ndjson", "policy=never");
    let same = lab(&folder, &["diff", "a.ndjson", "b.ndjson"]).success();
    assert!(same.contains(", 0 are not"), "{same}");
    let differ = lab(&folder, &["diff", "a.ndjson", "c.ndjson"]);
    assert_eq!(differ.code, Some(1), "{}", differ.stderr);
    let text = differ.stdout;
    assert!(
        text.starts_with("policy: fixed-budget:units=1000:slices=4 / never\n"),
        "{text}"
    );
    assert!(
        text.contains("The first that differs is decision"),
        "{text}"
    );
    assert!(text.contains("/ never\n"), "{text}");
}

#[test]
fn the_machine_is_checked_with_a_program() {
    let folder = folder("experiment-check", FILE);
    let text = lab(&folder, &["check", "--processes", "2", "work.wat"]).success();
    assert!(text.contains("cores"), "{text}");
    assert!(text.contains("wall  the same twice: "), "{text}");
}

#[test]
fn iterations_are_classified_and_shown() {
    let text = FILE
        .replace("\"work\", \"start.wat\"", "\"work\"")
        .replace(
            "processes = 2",
            "processes = 2\niterations = 12\nclassify = \"thread_cpu\"",
        )
        .replace(
            "min(code_bytes, '') > 0",
            "share(class, '', 'flat or warmup') >= 0",
        )
        .replace(
            "max(code_bytes, '') <= 0",
            "share(class, '', 'inconsistent') < 0",
        )
        .replace(
            "max(code_bytes, 'base=yes')",
            "median(thread_cpu, 'base=yes')",
        );
    let folder = folder("experiment-iterations", &text);
    let judged = lab(&folder, &["run", "x.toml", "-o", "out"]).success();
    assert!(judged.contains("W1       holds"), "{judged}");
    let table = lab(&folder, &["export", "out"]).success();
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines.len(), 1 + 4 * 2 * 12);
    assert!(lines[0].contains(",class,pair,segment,"), "{table}");
    lab(&folder, &["report", "out", "-o", "x.html"]).success();
    let page = fs::read_to_string(folder.join("x.html")).unwrap();
    assert!(page.contains("each is a faint line"), "no warm-up");
    assert!(page.contains("thread_cpu"), "the metric is named");
}

#[test]
fn both_measures_and_simulates_each_cell() {
    let text = FILE
        .replace("\"work\", \"start.wat\"", "\"work\"")
        .replace("mode = \"wall\"", "mode = \"both\"")
        .replace("[grid.W]\nlayout-seed = [3]\n", "")
        .replace(
            "min(code_bytes, '') > 0",
            "ratio(wall, 'by=trace', 'by=clock') > 0",
        )
        .replace(
            "max(code_bytes, '') <= 0",
            "ratio(wall, 'by=trace', 'by=clock') <= 0",
        )
        .replace(
            "max(code_bytes, 'base=yes')",
            "ratio(cpu, 'by=trace', 'by=clock')",
        );
    let folder = folder("experiment-both", &text);
    // Recordings need samples.
    let longer = WORK.replace("1000000", "100000000");
    fs::write(folder.join("work.wat"), longer).unwrap();
    lab(
        &folder,
        &["record", "--runs", "1", "-o", "work.trace", "work.wat"],
    )
    .success();
    let preview = lab(&folder, &["run", "x.toml", "--dry-run"]).success();
    assert!(preview.starts_with("8 cells in shard 0/1"), "{preview}");
    let judged = lab(&folder, &["run", "x.toml", "-o", "out"]).success();
    assert!(judged.contains("W1       holds"), "{judged}");
    assert!(judged.ends_with("holds, by 16 samples\n"), "{judged}");
    let again = lab(&folder, &["run", "x.toml", "-o", "out", "--resume"]);
    assert!(
        again.stderr.contains("0 of 0 processes"),
        "{}",
        again.stderr
    );
    assert_eq!(
        lab(&folder, &["merge", "out", "out", "-o", "m.jsonl"]).success(),
        judged
    );
    let table = lab(&folder, &["export", "out"]).success();
    for by in ["clock", "trace"] {
        assert_eq!(table.matches(&format!(",{by},")).count(), 8, "{table}");
    }
}
