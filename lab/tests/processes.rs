//! Cells that need a clock, with a script in the engine's place.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use upshift_lab::experiment::{
    Environment, Line, Places, Progress, ResultsError, Resume, Sample, read_experiment,
    read_results, run_processes,
};

/// Prints statistics as the engine does: the number of cores as requests, of arguments as
/// compilations; the arguments to a file. Fails if the program is called `bad` and no file `good`
/// exists.
const ENGINE: &str = r#"#!/bin/sh
echo "$@" >> calls
case "$*" in *bad.wasm*) [ -e good ] || { echo "error: no good" >&2; exit 7; } ;; esac
echo guest output
echo guest error >&2
case "$*" in *--iterations=3*) echo "{\"iterations\":[{\"wall\":3000000000,\"cpu\":1},\
{\"wall\":2000000000,\"cpu\":1},{\"wall\":1000000000,\"cpu\":1}]}" >&2 ;; esac
echo "{\"modules_loaded\":1,\"requests_queued\":$(nproc),\"baseline\":{\"cpu\":1000000,\
\"code_bytes\":10},\"optimizer\":{\"cpu\":2000000,\"code_bytes\":5,\"functions\":$#,\
\"osr_units\":0}}" >&2
"#;

const FILE: &str = r#"
[programs]
use = ["one.wasm", "two"]
[[program]]
name = "two"
file = "bad.wasm"
args = ["x"]
options = ["--dir=."]
[measure]
mode = "wall"
processes = 3
cores = [1]
[grid]
policy = ["never", "eager"]
[grid.W]
layout-seed = [1]
"#;

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = format!("upshift-processes-{name}-{}", std::process::id());
        let folder = std::env::temp_dir().join(folder);
        fs::remove_dir_all(&folder).ok();
        fs::create_dir_all(&folder).unwrap();
        for file in ["one.wasm", "bad.wasm"] {
            fs::write(folder.join(file), file).unwrap();
        }
        let engine = folder.join("engine");
        fs::write(&engine, ENGINE).unwrap();
        fs::set_permissions(&engine, fs::Permissions::from_mode(0o755)).unwrap();
        Self(folder)
    }

    fn run(&self, text: &str, resume: Resume) -> Result<Progress, ResultsError> {
        let experiment = read_experiment(text).unwrap_or_else(|error| panic!("{error}"));
        let plan = experiment.plan().unwrap();
        let places = Places {
            folder: self.0.clone(),
            traces: Vec::new(),
        };
        let environment = Environment::current("test");
        let (results, stop) = (self.0.join("results.jsonl"), AtomicBool::new(false));
        let output: (&Path, _, _) = (&results, resume, &environment);
        let engine = self.0.join("engine");
        run_processes(
            &experiment,
            &plan,
            &places,
            &engine,
            output,
            &stop,
            &mut |_| {},
        )
    }

    fn lines(&self) -> Vec<Line> {
        let lines = read_results(&self.0.join("results.jsonl"));
        lines.unwrap_or_else(|error| panic!("{error}")).0
    }

    fn samples(&self) -> Vec<Sample> {
        let lines = self.lines().into_iter();
        let samples = lines.filter_map(|line| match line {
            Line::Sample(sample) => Some(sample),
            _ => None,
        });
        samples.collect()
    }

    fn calls(&self) -> Vec<String> {
        let calls = fs::read_to_string(self.0.join("calls")).unwrap();
        calls.lines().map(str::to_owned).collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

#[test]
fn processes_are_measured_on_their_cores_and_failed_ones_tried_again() {
    let folder = Folder::new("cores");
    let progress = folder.run(FILE, Resume::New).unwrap();
    let expected = Progress {
        planned: 12,
        measured: 6,
        failed: 6,
    };
    assert_eq!(progress, expected);
    let samples = folder.samples();
    assert_eq!(samples.len(), 6);
    for sample in &samples {
        let metric = |name: &str| sample.metrics[name];
        assert_eq!(metric("requests"), 1.0, "cores of the process");
        assert_eq!(metric("compile_cpu"), 0.003);
        assert_eq!(metric("code_bytes"), 15.0);
        assert!(
            metric("wall") > 0.0 && metric("max_rss") > 100_000.0,
            "{sample:?}"
        );
        assert_eq!(metric("guest_cpu"), metric("cpu") - 0.003);
    }
    let failure = folder.lines().into_iter().find_map(|line| match line {
        Line::Failure(failure) => Some(failure.error),
        _ => None,
    });
    assert_eq!(failure.unwrap(), "exit status: 7: error: no good");
    let calls = folder.calls();
    let one = "run --stats=json -W layout-seed=1 -T policy=never one.wasm";
    assert_eq!(
        calls.iter().filter(|call| *call == one).count(),
        3,
        "{calls:?}"
    );
    let two = "run --stats=json --dir=. -W layout-seed=1 -T policy=eager bad.wasm x";
    assert!(calls.iter().any(|call| call == two), "{calls:?}");
    // Only those that failed are run again.
    fs::write(folder.0.join("good"), "").unwrap();
    let progress = folder.run(FILE, Resume::Resume).unwrap();
    assert_eq!((progress.planned, progress.measured), (6, 6));
    assert_eq!(folder.samples().len(), 12);
    assert_eq!(folder.calls().len(), 18);
}

#[test]
fn rounds_are_in_random_order_and_place_code_elsewhere() {
    let folder = Folder::new("rounds");
    fs::write(folder.0.join("good"), "").unwrap();
    let text = FILE
        .replace("[grid.W]\nlayout-seed = [1]\n", "")
        .replace("\"eager\"", "\"fixed-budget:units={1,2,3,4,5,6}\"");
    folder.run(&text, Resume::New).unwrap();
    let calls = folder.calls();
    assert_eq!(calls.len(), 3 * 14);
    let rounds: Vec<Vec<String>> = calls
        .chunks(14)
        .enumerate()
        .map(|(round, calls)| {
            let seed = format!(" -W layout-seed={}", round + 1);
            let without = |call: &String| {
                assert!(call.contains(&seed), "{call}");
                call.replace(&seed, "")
            };
            calls.iter().map(without).collect()
        })
        .collect();
    assert_ne!(rounds[0], rounds[1]);
    let sorted = |round: usize| {
        let mut calls = rounds[round].clone();
        calls.sort();
        calls
    };
    assert_eq!(sorted(0), sorted(1));
}

#[test]
fn cells_whose_interval_stays_wide_get_as_many_processes_as_are_allowed() {
    let folder = Folder::new("stop");
    let text = FILE
        .replace("\"one.wasm\", \"two\"", "\"one.wasm\"")
        .replace("processes = 3", "processes = 3\nstop = 'ci:0.000001:max=5'");
    let progress = folder.run(&text, Resume::New).unwrap();
    assert_eq!((progress.planned, progress.measured), (10, 10));
}

#[test]
fn what_cannot_be_run_is_said_before_anything_runs() {
    let folder = Folder::new("unfit");
    let error = |text: &str| {
        let error = folder.run(text, Resume::New).unwrap_err().to_string();
        assert!(!folder.0.join("calls").exists());
        error
    };
    let many = error(&FILE.replace("cores = [1]", "cores = [1000]"));
    assert!(many.contains("1000 cores are asked for"), "{many}");
    let missing = error(&FILE.replace("bad.wasm", "none.wasm"));
    assert!(missing.contains("none.wasm: No such file"), "{missing}");
    let unknown = error(&FILE.replace("\"one.wasm\"", "\"one\""));
    assert!(unknown.contains("what file is one?"), "{unknown}");
}

#[test]
fn processes_whose_iterations_are_not_all_there_are_measured_again() {
    let folder = Folder::new("iterations");
    let text = FILE
        .replace("processes = 3", "processes = 2\niterations = 3")
        .replace(
            "\"two\"]",
            "\"two\"]\n[[program]]\nname = \"one.wasm\"\ninvoke = \"f\"",
        );
    fs::write(folder.0.join("good"), "").unwrap();
    let progress = folder.run(&text, Resume::New).unwrap();
    assert_eq!((progress.planned, progress.measured), (8, 8));
    let samples = folder.samples();
    assert_eq!(samples.len(), 24);
    for sample in &samples {
        assert_eq!(sample.metrics["wall"], 3.0 - f64::from(sample.iteration));
        assert_eq!(
            sample.metrics.contains_key("max_rss"),
            sample.iteration == 0
        );
    }
    let calls = folder.calls();
    assert!(
        calls.iter().all(|call| call.contains("--iterations=3")),
        "{calls:?}"
    );
    let invoked = calls.iter().filter(|call| call.contains("--invoke=f"));
    assert_eq!(invoked.count(), 4);
    // Killed while the last process' lines were written: two iterations and a part of the first.
    let path = folder.0.join("results.jsonl");
    let whole = fs::read_to_string(&path).unwrap();
    let cut = whole.trim_end().rfind('\n').unwrap() + 30;
    fs::write(&path, &whole[..cut]).unwrap();
    let progress = folder.run(&text, Resume::Resume).unwrap();
    assert_eq!((progress.planned, progress.measured), (1, 1));
    let again = folder.samples();
    let places = |samples: &[Sample]| -> Vec<(String, u32, u32)> {
        let places = samples.iter();
        places
            .map(|sample| (sample.id.clone(), sample.process, sample.iteration))
            .collect()
    };
    assert_eq!(places(&again), places(&samples));
}
