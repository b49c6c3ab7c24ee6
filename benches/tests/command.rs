//! Tests of the command: what it measures, keeps and prints.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use upshift_benches::corpus::{self, Size};
use upshift_benches::engines::{Engine, Upshift};
use upshift_benches::metric::Metric;
use upshift_benches::record::{Failure, Results, Suite};

fn benches(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_upshift-benches"))
        .args(arguments)
        .output()
        .expect("the command starts")
}

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// Runs part of the quick table and returns the results that it wrote.
fn quick(name: &str, arguments: &[&str]) -> Results {
    let json = file(name);
    let path = json.to_str().expect("UTF-8");
    let output = benches(&[&["quick", "--json", path], arguments].concat());
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    Results::read(&json).expect("the file was written")
}

#[test]
fn a_kernel_on_every_linked_engine() {
    let engines = [
        "upshift",
        "upshift-baseline",
        "upshift-optimizer",
        "upshift-sync",
        "wasmtime",
        "wasmtime-winch",
        "wasmi",
    ];
    let mut arguments = vec!["--suite", "kernels", "--case", "fib", "--launches", "2"];
    arguments.extend(engines.iter().flat_map(|engine| ["--engine", engine]));
    let results = quick("kernel.json", &arguments);
    assert!(results.complete);
    assert_eq!(results.rows.len(), engines.len());
    for row in &results.rows {
        assert_eq!(row.failure, None, "{}", row.engine);
        assert_eq!(row.launches.len(), 2);
        for launch in &row.launches {
            assert_eq!(launch.output, results.rows[0].launches[0].output);
            assert!(launch.iterations.len() >= 4, "{}", row.engine);
            let figures = [Metric::FirstResult, Metric::SteadyCpu, Metric::PeakMemory];
            for metric in figures {
                let figure = launch.figures.get(&metric).copied();
                assert!(figure.is_some_and(|figure| figure > 0.0), "{metric:?}");
            }
        }
    }
    let tiered = results
        .row(Suite::Kernels, "fib", "upshift")
        .expect("a row");
    assert!(
        tiered.launches[0]
            .events
            .iter()
            .any(|event| event.what == "optimized"),
        "{:?}",
        tiered.launches[0].events
    );
}

#[test]
fn a_library_must_print_its_checksum() {
    let arguments = [
        "--suite",
        "libraries",
        "--case",
        "zlib_crc32",
        "--engine",
        "upshift-baseline",
    ];
    let results = quick("library.json", &arguments);
    let row = results.row(Suite::Libraries, "zlib_crc32", "upshift-baseline");
    let row = row.expect("a row");
    assert_eq!(row.failure, None);
    let libraries = corpus::libraries().expect("a manifest");
    let library = libraries.iter().find(|other| other.name == row.case);
    let known = library.expect("it is listed").outcome(Size::Iteration);
    assert_eq!(row.launches[0].output, known.digest());
}

#[test]
fn tiers_lists_hot_functions_and_dumps_their_code() {
    let folder = file("tiers");
    let arguments = [
        "tiers", "--suite", "kernels", "--case", "tak", "--rounds", "2", "--check", "--dump",
    ];
    let run = |limit: &str| {
        let folder = folder.to_str().expect("UTF-8");
        let output = benches(&[&arguments[..], &[folder, "--limit", limit]].concat());
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stdout).into_owned(),
        )
    };
    let (code, text) = run("1000");
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("tak: 0."), "{text}");
    assert!(text.contains("func["), "{text}");
    assert!(text.contains("0 faults"), "{text}");
    let dumps = fs::read_dir(&folder).expect("it was made");
    let dump = dumps.flatten().next().expect("a file").path();
    let dump = fs::read_to_string(dump).expect("it can be read");
    assert!(dump.contains(";; baseline") && dump.contains(";; optimizer"));
    assert!(dump.contains("ret"), "{dump}");
}

#[test]
fn options_are_compared_in_each_compiler() {
    let arguments = ["options", "--rounds", "1", "--case", "fib"];
    let asked = ["--option", "fuel", "--option", "calls"];
    let output = benches(&[&arguments[..], &asked].concat());
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    let stdout = String::from_utf8_lossy(&output.stdout);
    let rows = stdout.lines().map(str::trim_start);
    let rows = rows.filter_map(|line| line.strip_prefix("fib "));
    let rows = rows.map(|row| {
        let cells = row.split_whitespace();
        cells.map(|cell| cell.parse().expect("a number")).collect()
    });
    let rows: Vec<Vec<f64>> = rows.collect();
    let lengths: Vec<_> = rows.iter().map(Vec::len).collect();
    assert_eq!(lengths, [3, 3, 2, 2], "{stdout}");
    // What is told of each call can't be missed even in one run.
    assert!(rows[0][2] > 2.0 && rows[1][2] > 2.0, "{stdout}");
}

#[test]
fn calls_and_instances() {
    let engines = [
        "--engine", "upshift", "--engine", "wasmi", "--engine", "wasmtime",
    ];
    let suites = ["--suite", "calls", "--suite", "instances"];
    let results = quick("calls.json", &[&suites[..], &engines].concat());
    for engine in ["upshift", "wasmi", "wasmtime"] {
        let calls = results.row(Suite::Calls, "calls", engine).expect("a row");
        assert_eq!(calls.failure, None);
        assert_eq!(calls.samples(Metric::Indirect).len(), 1);
        let instances = results.row(Suite::Instances, "fib", engine).expect("a row");
        assert_eq!(instances.failure, None);
        assert!(instances.samples(Metric::Instance)[0] > 0.0);
    }
}

#[test]
fn a_refusal_is_told_from_an_error() {
    let arguments = [
        "--suite",
        "kernels",
        "--case",
        "tail_calls",
        "--engine",
        "wasmtime-winch",
    ];
    let results = quick("refused.json", &arguments);
    let failure = results.rows[0]
        .failure
        .as_ref()
        .expect("Winch has no tail calls");
    assert!(
        matches!(failure, Failure::Refused(why) if why.contains("tail calls")),
        "{failure:?}"
    );
}

#[test]
fn a_variant_takes_part_and_a_wrong_one_is_refused() {
    let variant = ["--variant", "single=mode=optimizer,regalloc=single-pass"];
    let arguments = [
        "--suite", "kernels", "--case", "bits", "--engine", "upshift",
    ];
    let results = quick("variant.json", &[&arguments[..], &variant].concat());
    let row = results
        .row(Suite::Kernels, "bits", "upshift-single")
        .expect("a row");
    assert_eq!(row.failure, None);
    let output = benches(&["quick", "--variant", "x=no-such-option=1"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("no-such-option"));
}

#[test]
fn a_run_compares_with_itself_as_unchanged_and_can_be_drawn() {
    let arguments = [
        "--suite", "kernels", "--case", "crc", "--engine", "upshift", "--engine", "wasmtime",
    ];
    quick("again.json", &arguments);
    let (json, page) = (file("again.json"), file("again.html"));
    let (json, page) = (json.to_str().expect("UTF-8"), page.to_str().expect("UTF-8"));
    let output = benches(&["compare", json, json]);
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{stdout}");
    assert!(stdout.contains("Nothing changed beyond noise"), "{stdout}");
    assert!(benches(&["page", json, page]).status.success());
    let html = std::fs::read_to_string(page).expect("the page was written");
    assert!(html.contains("<svg") && !html.contains("NaN"));
}

#[test]
fn a_run_can_be_resumed_with_more_processes() {
    let arguments = [
        "--suite",
        "kernels",
        "--case",
        "crc",
        "--engine",
        "upshift-baseline",
    ];
    let first = quick("resumed.json", &arguments);
    let more = ["--launches", "2", "--resume"];
    let second = quick("resumed.json", &[&arguments[..], &more].concat());
    assert_eq!(second.rows[0].launches.len(), 2);
    assert_eq!(second.rows[0].launches[0], first.rows[0].launches[0]);
    assert_eq!(second.started, first.started);
    let other = [
        "--suite", "kernels", "--case", "bits", "--engine", "wasmi", "--resume",
    ];
    let third = quick("resumed.json", &other);
    assert_eq!(
        (third.cases.len(), third.engines.len(), third.rows.len()),
        (2, 2, 2)
    );
    assert_eq!(
        third.row(Suite::Kernels, "crc32", "upshift-baseline"),
        Some(&second.rows[0])
    );
}

#[test]
fn unknown_engines_are_named() {
    let output = benches(&["quick", "--engine", "nothing"]);
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("there is no engine `nothing`"), "{stderr}");
}

/// A program called `wazero` that takes the real one's options, checks that it was given a module,
/// and prints a file.
fn stand_in(printed: &Path) -> PathBuf {
    let folder = file("path");
    let program = folder.join("wazero");
    let script = format!(
        r#"#!/bin/sh
[ "$1" = version ] && echo v9.8.7 && exit
[ "$1" = run ] || exit 2
shift
while case "$1" in -mount=*:* | -env=*=*) true ;; *) false ;; esac do shift; done
[ "$(head -c 4 "$1" | tail -c 3)" = asm ] && [ "$2" -gt 0 ] || exit 2
cat '{}'
"#,
        printed.display()
    );
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(&program, script).expect("a script");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("executable");
    folder
}

#[test]
fn a_program_from_outside_is_measured_and_its_output_compared() {
    let kernels = corpus::kernels().expect("the manifest is there");
    let fib = kernels.iter().find(|kernel| kernel.name == "fib");
    let fib = fib.expect("a kernel");
    let loaded = Upshift::tiered().load(&fib.wasm().expect("a module"));
    let outcome = loaded.expect("valid").run(&fib.job(Size::Iteration));
    let printed = file("printed.txt");
    let folder = stand_in(&printed);
    let path = std::env::var("PATH").expect("there is one");
    let json = file("outside.json");
    for (text, right) in [
        (outcome.expect("it runs").stdout, true),
        (b"something else\n".to_vec(), false),
    ] {
        fs::write(&printed, text).expect("a file");
        let output = Command::new(env!("CARGO_BIN_EXE_upshift-benches"))
            .args(["quick", "--suite", "kernels", "--case", "fib", "--json"])
            .arg(&json)
            .args(["--engine", "wasmtime", "--engine", "wazero"])
            .env("PATH", format!("{}:{path}", folder.display()))
            .output()
            .expect("the command starts");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{stderr}");
        let results = Results::read(&json).expect("the file was written");
        let engine = results.engines.iter().find(|engine| engine.id == "wazero");
        assert_eq!(engine.expect("it took part").version, "9.8.7");
        let row = results.row(Suite::Kernels, "fib", "wazero").expect("a row");
        if right {
            assert_eq!(row.failure, None);
            assert!(row.launches[0].iterations.len() >= 4);
            assert!(row.samples(Metric::PeakMemory)[0] > 0.0);
        } else {
            assert!(matches!(row.failure, Some(Failure::Error(_))), "{row:?}");
        }
    }
}

/// An empty folder outside of any source tree, with a copy of the command.
fn elsewhere(name: &str) -> (PathBuf, PathBuf) {
    let folder = std::env::temp_dir().join(format!("{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir(&folder).expect("a folder");
    let copy = folder.join("copied");
    let command = env!("CARGO_BIN_EXE_upshift-benches");
    if fs::hard_link(command, &copy).is_err() {
        fs::copy(command, &copy).expect("a copy");
    }
    (folder, copy)
}

/// Runs a command in a folder, with no variable that names places.
fn in_folder(folder: &Path, command: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(command);
    command.args(arguments).current_dir(folder);
    command
        .env_remove("UPSHIFT_TREE")
        .env_remove("UPSHIFT_CORPUS");
    command.output().expect("the command starts")
}

/// It neither reads nor writes in the checkout that it was built in, and fetches nothing.
#[test]
fn a_copied_command_asks_where_the_tree_is() {
    let (folder, copy) = elsewhere("upshift-benches-copied");
    let kernel = ["quick", "--suite", "kernels", "--case", "fib"];
    let engine = ["--engine", "wasmi", "--json", "fib.json"];
    let kernel = [&kernel[..], &engine].concat();
    let output = in_folder(&folder, &copy, &kernel);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("name one by --tree"), "{stderr}");
    let entries = fs::read_dir(&folder).expect("the folder").count();
    assert_eq!(entries, 1, "only the command itself");

    let tree = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let output = in_folder(&folder, &copy, &[&["--tree", tree][..], &kernel].concat());
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    let results = Results::read(&folder.join("fib.json")).expect("the file was written");
    assert_eq!(results.rows[0].failure, None);
    fs::remove_dir_all(folder).expect("it is ours");
}

#[test]
fn cases_without_their_programs_are_listed_once() {
    let corpus = file("no-corpus");
    fs::create_dir_all(&corpus).expect("a folder");
    let corpus = corpus.to_str().expect("UTF-8");
    let json = file("dropped.json");
    let json = json.to_str().expect("UTF-8");
    let load = ["--corpus", corpus, "quick", "--suite", "load"];
    let more = ["--suite", "kernels", "--case", "ruby", "--case", "crc32"];
    let engine = ["--engine", "upshift-baseline", "--json", json];
    let arguments = [&load[..], &more, &engine].concat();
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let command = Path::new(env!("CARGO_BIN_EXE_upshift-benches"));
    let output = in_folder(here, command, &arguments);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    let line = "not measured: cases whose program is missing (scripts/fetch-corpus brings it): \
                load/ruby\n";
    assert_eq!(stderr.matches(line).count(), 1, "{stderr}");
    let left = fs::read_dir(corpus).expect("the folder").count();
    assert_eq!(left, 0, "nothing is fetched");

    let arguments = [&load[..], &engine].concat();
    let output = in_folder(here, command, &arguments);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("nothing is left to measure"), "{stderr}");
    assert!(stderr.contains("load/ruby"), "{stderr}");
}
