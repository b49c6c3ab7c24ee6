//! `upshift report --format firefox`, opened by the Firefox Profiler's own parser.
//!
//! Mozilla publishes the viewer's code as a command, `@firefox-devtools/profiler-cli` on npm. It
//! reads a profile as the site does: it recognizes the format, upgrades it to the current version
//! and makes the tables that the views show. What it then says of threads, markers, functions and
//! counters is compared with the event log. `UPSHIFT_PROFILER_CLI` names its script,
//! `profiler-cli.js`, which `node` runs; without it the test is skipped. What the format demands of
//! every profile is checked in any case by the profiler's own tests
//! (`profiler/src/firefox/check.rs`).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;
use upshift::profiler::reader::{self, LogFile};
use upshift::profiler::{Activity, Event};

use crate::{file, path, upshift};

/// A program that takes some tenths of a second in two functions.
const PROGRAM: &str = r#"(module
    (func $leaf (param $n i32) (result i32) (local $x i32)
        (loop $next
            (local.set $x (i32.add (i32.mul (local.get $x) (i32.const 31)) (local.get $n)))
            (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
        (local.get $x))
    (func (export "_start") (local $n i32)
        (local.set $n (i32.const 3000))
        (loop $next
            (drop (call $leaf (i32.const 100000)))
            (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))))"#;

/// The viewer's command with a profile loaded. Ends its server when dropped.
struct Viewer {
    script: PathBuf,
    folder: PathBuf,
}

impl Viewer {
    fn load(script: PathBuf, folder: PathBuf, profile: &Path) -> Self {
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        let viewer = Self { script, folder };
        // On a busy machine the command gives up waiting for its server, which then goes on.
        let loaded = viewer.run(&["load", profile.to_str().unwrap()]);
        let begun = Instant::now();
        while viewer.run(&["status"]).is_err() {
            let waited = begun.elapsed();
            assert!(waited < Duration::from_secs(60), "{loaded:?}");
            std::thread::sleep(Duration::from_millis(200));
        }
        viewer
    }

    /// Its answer, or its error.
    fn run(&self, args: &[&str]) -> Result<String, String> {
        let mut node = Command::new("node");
        node.arg(&self.script).args(args);
        node.env("PROFILER_CLI_SESSION_DIR", &self.folder);
        node.env("PROFILER_CLI_NO_SYMBOLICATE", "1");
        let output = node.output().expect("node is there");
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        match output.status.success() {
            true => Ok(text(&output.stdout)),
            false => Err(text(&output.stderr)),
        }
    }

    fn json(&self, args: &[&str]) -> Value {
        let answer = self.run(&[args, &["--json"]].concat());
        let answer = answer.unwrap_or_else(|error| panic!("{args:?}: {error}"));
        serde_json::from_str(&answer).unwrap()
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        let _ = self.run(&["stop", "--all"]);
    }
}

type Counts = BTreeMap<String, u64>;

/// The named counts in a list of objects, but for zeros.
fn counts(list: &Value, name: &str, count: &str) -> Counts {
    let list = list.as_array().unwrap().iter();
    let pair = |item: &Value| {
        let name = item[name].as_str().unwrap().to_owned();
        (name, item[count].as_u64().unwrap())
    };
    list.map(pair).filter(|pair| pair.1 > 0).collect()
}

/// For each thread, by its name in the viewer: markers, or functions with their samples.
fn expected(log: &LogFile) -> BTreeMap<String, Counts> {
    let mut threads: BTreeMap<String, Counts> = BTreeMap::new();
    for record in &log.records {
        let (thread, what) = match &record.event {
            Event::Sample {
                activity,
                func,
                site,
                level,
                sampled,
                ..
            } => {
                let what = match (func, level) {
                    (Some(func), Some(level)) => {
                        let level = &log.names.levels()[usize::from(*level)];
                        let part = site.map_or(String::new(), |site| format!(" loop {site}"));
                        format!("{level}: {}{part}", log.names.of(*func))
                    }
                    _ => activity.name().to_owned(),
                };
                let idle = *activity == Activity::Idle;
                (
                    format!("samples of thread {sampled}"),
                    Some(what).filter(|_| !idle),
                )
            }
            event => {
                // A compilation is one marker, from its end's record.
                let starts = matches!(event, Event::CompileStarted { .. });
                let what = Some(event.name().to_owned()).filter(|_| !starts);
                (format!("thread {}", record.thread), what)
            }
        };
        let counts = threads.entry(thread).or_default();
        if let Some(what) = what {
            *counts.entry(what).or_default() += 1;
        }
    }
    threads
}

#[test]
fn the_viewer_shows_what_the_log_has() {
    let script = std::env::var_os("UPSHIFT_PROFILER_CLI").map(PathBuf::from);
    let Some(script) = script.filter(|script| script.is_file()) else {
        eprintln!(
            "SKIPPED: UPSHIFT_PROFILER_CLI names no profiler-cli.js \
             (npm install @firefox-devtools/profiler-cli)"
        );
        return;
    };
    let (program, events) = (file("firefox.wat", PROGRAM), path("firefox.log"));
    let debug = format!("sample=1ms,events={}", events.display());
    upshift(&["-D", &debug, &program]).success();
    let profile = path("firefox.json");
    let (events, output) = (events.to_str().unwrap(), profile.to_str().unwrap());
    upshift(&["report", "--format", "firefox", "-o", output, events]).success();
    let log = reader::read(&std::fs::read(events).unwrap()[..]).unwrap();
    let viewer = Viewer::load(script, path("firefox-viewer"), &profile);

    let meta = viewer.json(&["profile", "meta"]);
    assert_eq!(meta["product"], format!("Upshift {}", log.header.upshift));
    assert!(
        meta["preprocessedProfileVersion"].as_u64() > Some(55),
        "{meta}"
    );

    let mut shown = BTreeMap::new();
    let threads = viewer.json(&["thread", "list", "--limit", "1000"]);
    for thread in threads["threads"].as_array().unwrap() {
        let (handle, name) = (thread["threadHandle"].as_str(), thread["name"].as_str());
        let (handle, name) = (handle.unwrap(), name.unwrap().to_owned());
        let counts = match name.starts_with("samples of ") {
            true => {
                let answer = viewer.json(&["thread", "functions", "--thread", handle]);
                counts(&answer["functions"], "name", "selfSamples")
            }
            false => {
                let answer = viewer.json(&["thread", "markers", "--thread", handle]);
                counts(&answer["byType"], "markerName", "count")
            }
        };
        assert_eq!(thread["pid"], log.header.pid.to_string());
        shown.insert(name, counts);
    }
    let expected = expected(&log);
    assert_eq!(shown, expected);
    let sampled = expected.keys().any(|name| name.starts_with("samples of "));
    assert!(sampled, "the program was not sampled: {expected:?}");

    let queue =
        |event: &Event| matches!(event, Event::RequestQueued { .. } | Event::Dequeued { .. });
    let changes = log.records.iter().filter(|record| queue(&record.event));
    let counters = viewer.json(&["counter", "list"]);
    let counter = &counters["counters"][0];
    assert_eq!(counter["name"], "queue");
    assert_eq!(counter["rangeSampleCount"], changes.count());
}
