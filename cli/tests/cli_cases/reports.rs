//! Reports are written: after signals, and never lost without a message where they can't be
//! written.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::{command, file, path, upshift};

/// A program that prints a line and then executes `body`.
fn prints_and(then: &str) -> String {
    format!(
        r#"(module
            (import "wasi_snapshot_preview1" "fd_write"
                (func $write (param i32 i32 i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "fd_read"
                (func $read (param i32 i32 i32 i32) (result i32)))
            (memory (export "memory") 1)
            (data (i32.const 16) "go\n")
            (func (export "_start")
                (i32.store (i32.const 0) (i32.const 16))
                (i32.store (i32.const 4) (i32.const 3))
                (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
                {then}))"#
    )
}

/// Runs until it is stopped.
fn endless() -> String {
    prints_and("(loop (br 0))")
}

/// Waits for input.
fn blocked() -> String {
    prints_and("(drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))")
}

/// Starts a program and waits for its first line.
fn started(args: &[&str]) -> Child {
    let mut child = command(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command runs");
    wait_for_line(&mut child);
    child
}

fn wait_for_line(child: &mut Child) {
    let mut line = [0; 3];
    let stdout = child.stdout.as_mut().expect("piped");
    stdout.read_exact(&mut line).expect("the program starts");
}

fn send(child: &Child, signal: Signal) {
    let pid = Pid::from_child(child);
    kill_process(pid, signal).expect("the process is there");
}

/// Signals the program; returns its standard error and how it ended.
fn stopped_by(mut child: Child, signal: Signal) -> (String, Option<i32>) {
    send(&child, signal);
    let sent = Instant::now();
    let mut stderr = String::new();
    let pipe = child.stderr.as_mut().expect("piped");
    pipe.read_to_string(&mut stderr).expect("Unicode");
    let status = child.wait().expect("it ends");
    assert!(sent.elapsed() < Duration::from_secs(5), "{stderr}");
    (stderr, status.code())
}

#[test]
fn signals_end_a_run_with_its_reports() {
    let (events, trace) = (path("signal.jsonl"), path("signal-trace.json"));
    let debug = format!(
        "story,events={},trace={}",
        events.display(),
        trace.display()
    );
    for (name, program) in [("endless", endless()), ("blocked", blocked())] {
        let program = file(&format!("signal-{name}.wat"), program);
        for (signal, code, says) in [
            (Signal::INT, 130, "error: stopped by SIGINT\n"),
            (Signal::TERM, 143, "error: stopped by SIGTERM\n"),
            (Signal::HUP, 129, "error: stopped by SIGHUP\n"),
        ] {
            let child = started(&["--stats", "-D", &debug, &program]);
            let (stderr, found) = stopped_by(child, signal);
            assert_eq!(found, Some(code), "{name}: {stderr}");
            for part in [says, "functions compiled", "no code   - baseline"] {
                assert!(stderr.contains(part), "{name}: {part}: {stderr}");
            }
            let events = std::fs::read_to_string(&events).unwrap();
            assert!(events.contains("first-call"), "{name}: {events}");
            let trace = std::fs::read_to_string(&trace).unwrap();
            serde_json::from_str::<serde_json::Value>(&trace).unwrap();
        }
    }
}

/// A program that is in a loop for long enough to be optimized there.
const LOOP: &str = r#"(module
    (func (export "_start")
        (local $i i32)
        (loop $next
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if $next (i32.lt_u (local.get $i) (i32.const 30000000))))))"#;

/// A process that is killed has written its events but for the last moments.
#[test]
fn events_survive_a_kill() {
    let events = path("killed.jsonl");
    let debug = format!("events={}", events.display());
    let program = file("killed.wat", endless());
    let mut child = started(&["-D", &debug, &program]);
    let begun = Instant::now();
    let read = || {
        let bytes = std::fs::read(&events).unwrap_or_default();
        upshift::profiler::reader::read(&bytes[..])
    };
    while !read().is_ok_and(|log| !log.records.is_empty()) {
        assert!(begun.elapsed() < Duration::from_secs(20));
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().expect("it runs");
    child.wait().expect("it ends");
    let log = read().unwrap();
    assert_eq!(log.faults, []);
}

/// The signal arrives twice, as where `timeout` signals both the process and its group.
#[test]
fn a_signal_that_comes_twice_loses_no_report() {
    let program = file("signal-twice.wat", endless());
    for _ in 0..5 {
        let child = started(&["--stats", &program]);
        send(&child, Signal::TERM);
        let (stderr, code) = stopped_by(child, Signal::TERM);
        assert_eq!(code, Some(143), "{stderr}");
        assert!(stderr.contains("functions compiled"), "{stderr}");
    }
}

/// The first signal waits to be reported: standard error is a full pipe without a reader.
#[test]
fn a_second_interrupt_does_not_wait() {
    const PIPE: usize = 64 << 10;
    let program = file("signal-impatient.wat", endless());
    let (_reader, mut stderr) = std::io::pipe().expect("the system has pipes");
    stderr.write_all(&[b' '; PIPE]).expect("a pipe takes that");
    let mut command = command(&["--stats", &program]);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(stderr)
        .spawn()
        .expect("the command runs");
    wait_for_line(&mut child);
    send(&child, Signal::INT);
    std::thread::sleep(Duration::from_millis(200));
    assert!(child.try_wait().unwrap().is_none(), "it waits");
    send(&child, Signal::INT);
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

/// The signal is ignored, as by `nohup` and by a shell without job control for background
/// processes.
#[test]
fn an_ignored_signal_stays_ignored() {
    let program = file("signal-ignored.wat", endless());
    let script = "trap '' INT HUP; exec \"$0\" \"$1\"";
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", script, env!("CARGO_BIN_EXE_upshift"), &program]);
    let mut child = shell
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the shell runs");
    wait_for_line(&mut child);
    for signal in [Signal::INT, Signal::HUP] {
        send(&child, signal);
        std::thread::sleep(Duration::from_millis(100));
        assert!(child.try_wait().unwrap().is_none(), "it runs on");
    }
    let (stderr, code) = stopped_by(child, Signal::TERM);
    assert_eq!(code, Some(143), "{stderr}");
}

#[test]
fn report_files_are_opened_before_the_run() {
    let program = file("never-runs.wat", endless());
    for option in ["events", "trace"] {
        let debug = format!("{option}=/no/such/folder/file");
        let stderr = upshift(&["-D", &debug, &program]).failure(1);
        assert!(
            stderr.contains("cannot create `/no/such/folder/file`"),
            "{stderr}"
        );
    }
}

#[test]
fn a_full_disk_is_an_error() {
    let program = file("full-disk.wat", "(module (func (export \"_start\")))");
    for option in ["events", "trace"] {
        let debug = format!("{option}=/dev/full");
        let stderr = upshift(&["-D", &debug, &program]).failure(1);
        assert!(stderr.contains("cannot write `/dev/full`"), "{stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
    }
    let full = || File::options().write(true).open("/dev/full").unwrap();
    for args in [&["--stats"][..], &["--stats=json"], &["-D", "story"]] {
        let mut command = command(&[args, &[&program]].concat());
        let status = command.stderr(full()).status().expect("the command runs");
        assert_eq!(status.code(), Some(1), "{args:?}");
    }
    for args in [
        &["--help"][..],
        &["-W", "help"],
        &["-D", "dump=0", &program],
    ] {
        let output = command(args).stdout(full()).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{args:?}: {stderr}");
        assert!(stderr.contains("No space left"), "{args:?}: {stderr}");
    }
}

#[test]
fn a_full_disk_fails_the_command() {
    let program = file("quiet.wat", "(module (func (export \"_start\")))");
    let stderr = upshift(&["-D", "events=/dev/full", &program]).failure(1);
    assert_eq!(stderr.matches("error:").count(), 1, "{stderr}");
}

/// Reports call the levels of a ladder what `-T tiers` calls them.
#[test]
fn reports_name_the_levels_of_a_ladder() {
    let (program, events) = (file("ladder.wat", LOOP), path("ladder.jsonl"));
    let debug = format!("events={}", events.display());
    let ladder = "switching=sync,tiers=naive,cranelift-none,cranelift-speed";
    upshift(&["-T", ladder, "-D", &debug, &program]).success();
    let log = events.display().to_string();
    for format in ["story", "stats", "perf-map", "chrome", "firefox"] {
        let report = upshift(&["report", "--format", format, &log]).success();
        assert!(report.contains("cranelift-speed"), "{format}: {report}");
        let named = report.contains("[optimizer]") || report.contains("optimizer: ");
        assert!(!named, "{format}: {report}");
    }
}

/// A page of a run, with the code of its functions and beside another run.
#[test]
fn pages_show_runs_with_code_and_comparison() {
    let program = file("page.wat", LOOP);
    let record = |name: &str, policy: &str| {
        let events = path(name);
        let debug = format!("events={}", events.display());
        let tiering = format!("switching=sync,policy={policy}");
        upshift(&["-T", &tiering, "-D", &debug, &program]).success();
        events.display().to_string()
    };
    let (first, second) = (record("a.jsonl", "cost-model"), record("b.jsonl", "never"));
    let out = path("page.html").display().to_string();
    let report = ["report", "--format", "html", &first, "-o", &out];
    upshift(&[&report[..], &["--module", &program, &second]].concat()).success();
    let page = std::fs::read_to_string(&out).unwrap();
    for part in [
        "WebAssembly",
        "i32.const",
        "block0",
        "\"comparison\":{\"by\":\"requests\",\"different\":1",
    ] {
        assert!(page.contains(part), "no {part:?} in {out}");
    }
    assert!(!page.contains("http:") && !page.contains("https:"), "{out}");
    let other = file("other.wat", "(module)");
    let stderr = upshift(&[&report[..], &["--module", &other]].concat()).failure(1);
    assert!(stderr.contains("is no module of this run"), "{stderr}");
    let stderr = upshift(&["report", &first, &second]).failure(2);
    assert!(stderr.contains("--format html"), "{stderr}");
}

#[test]
fn reports_have_help() {
    let help = upshift(&["report", "--help"]).success();
    assert!(
        help.contains("Usage: upshift report [OPTIONS] <LOG>"),
        "{help}"
    );
    assert_eq!(upshift(&["help", "report"]).success(), help);
    assert_eq!(upshift(&["help"]).success(), upshift(&["--help"]).success());
}

/// Whatever can be made of a log is made from its file alone.
#[test]
fn reports_are_made_from_the_file_of_events() {
    let (program, events) = (file("reported.wat", LOOP), path("reported.jsonl"));
    let debug = format!("events={}", events.display());
    upshift(&["-T", "switching=sync", "-D", &debug, &program]).success();
    let log = events.display().to_string();
    let report = |format| upshift(&["report", "--format", format, &log]).success();
    let story = upshift(&["report", &log]).success();
    assert!(story.contains("asked the optimizer for it ("), "{story}");
    assert!(report("stats").contains("OSR entries"));
    assert!(report("perf-map").contains("[optimizer]"));
    let csv = report("csv");
    assert!(csv.starts_with("at,cpu,thread,event,name,"), "{csv}");
    for format in ["chrome", "firefox"] {
        serde_json::from_str::<serde_json::Value>(&report(format)).unwrap();
    }
    // A line that is broken is a warning.
    let mut torn = std::fs::OpenOptions::new()
        .append(true)
        .open(&events)
        .unwrap();
    torn.write_all(b"{\"at\":1").unwrap();
    let output = command(&["report", &log]).output().unwrap();
    assert!(output.status.success());
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(
        stderr.starts_with("warning: `") && stderr.contains(", line "),
        "{stderr}"
    );
    let stderr = upshift(&["report", &program]).failure(1);
    assert!(stderr.contains("no event log"), "{stderr}");
}

/// The program's own exit code tells more than a missing report.
#[test]
fn a_failed_report_keeps_a_programs_exit_code() {
    let program = file(
        "exit-7.wat",
        r#"(module
            (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
            (memory (export "memory") 1)
            (func (export "_start") (call $exit (i32.const 7))))"#,
    );
    let stderr = upshift(&["-D", "events=/dev/full", &program]).failure(7);
    assert!(stderr.contains("cannot write `/dev/full`"), "{stderr}");
}

/// A symbol map goes to a folder that every user may write to, under a name that can be guessed.
#[test]
fn a_symbol_map_is_not_written_through_a_link() {
    let (program, victim) = (file("perf-map.wat", endless()), path("victim"));
    std::fs::write(&victim, "precious").unwrap();
    let script = r#"ln -s "$2" /tmp/perf-$$.map; exec "$0" -D perf-map "$1""#;
    let mut child = std::process::Command::new("sh")
        .args(["-c", script, env!("CARGO_BIN_EXE_upshift"), &program])
        .arg(&victim)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the shell runs");
    let map = format!("/tmp/perf-{}.map", child.id());
    wait_for_line(&mut child);
    // It is written as the program runs, some moments later.
    let begun = Instant::now();
    let has_symbol = || std::fs::read_to_string(&map).is_ok_and(|map| map.contains("_start"));
    while !has_symbol() && begun.elapsed() < Duration::from_secs(20) {
        std::thread::sleep(Duration::from_millis(5));
    }
    let (stderr, code) = stopped_by(child, Signal::KILL);
    let symbols = std::fs::read_to_string(&map);
    std::fs::remove_file(&map).unwrap();
    assert_eq!(code, None, "{stderr}");
    assert!(symbols.unwrap().contains("_start [baseline]"), "{stderr}");
    assert_eq!(std::fs::read_to_string(victim).unwrap(), "precious");
}
