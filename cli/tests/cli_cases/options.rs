//! Help, statistics, event files and the built-in story.

use std::path::Path;

use crate::{MATH, file, path, upshift};

#[test]
fn help_teaches() {
    let help = upshift(&["--help"]).success();
    for part in [
        "Examples:",
        "--dir <HOST[::GUEST][:ro]>",
        "--invoke <NAME>",
        "-T help",
        "134",
    ] {
        assert!(help.contains(part), "{part}: {help}");
    }
    assert!(upshift(&["--version"]).success().starts_with("upshift "));
}

#[test]
fn every_group_lists_its_options() {
    let groups = [
        ("-T", ["mode", "policy", "threads", "call-units"]),
        ("-C", ["opt-level", "regalloc", "eager", "fuse-compare"]),
        (
            "-W",
            ["max-stack", "bounds", "canonicalize-nans", "timeout"],
        ),
        ("-D", ["story", "events", "trace", "perf-map"]),
    ];
    for (group, options) in groups {
        let help = upshift(&[group, "help"]).success();
        for option in options {
            assert!(help.contains(option), "{group} {option}: {help}");
        }
    }
}

/// The text of `OPTIONS.md`: the help of the command and of each group of options.
fn options_page() -> String {
    let mut page = String::from(
        "# Options of `upshift`\n\n\
         Made from the command's help, which is made from the registry of options \
         (`upshift::knobs`);\n\
         `BLESS=1 cargo test --workspace --test cli options_page` writes it anew. What is in \
         brackets is the default.\n",
    );
    let groups = [&["--help"][..], &["-T", "help"], &["-C", "help"]];
    for args in groups
        .into_iter()
        .chain([&["-W", "help"][..], &["-D", "help"]])
    {
        let help = upshift(args).success();
        let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
        let (title, text) = (args.join(" "), lines.join("\n"));
        page += &format!("\n## `upshift {title}`\n\n```text\n{}\n```\n", text.trim());
    }
    page
}

#[test]
fn the_options_page_is_what_help_prints() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("OPTIONS.md");
    let page = options_page();
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &page).expect("the source tree is writable");
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == page, "cli/OPTIONS.md is old; BLESS=1 writes it");
}

/// Each setting that stands in README's examples.
#[test]
fn readme_names_no_option_that_does_not_exist() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = std::fs::read_to_string(path).unwrap();
    let lines = readme.lines().filter(|line| line.starts_with("upshift "));
    let mut settings = 0;
    for line in lines {
        let words: Vec<&str> = line.split_whitespace().collect();
        for pair in words.windows(2) {
            if ["-T", "-C", "-W", "-D"].contains(&pair[0]) {
                let list = format!("{},help", pair[1]);
                upshift(&[pair[0], &list]).success();
                settings += 1;
            }
        }
    }
    assert!(settings >= 5, "{settings}");
}

#[test]
fn sizes_and_times_have_suffixes_and_ranges() {
    let takes = |group: &str, setting: &str| {
        let list = format!("{setting},help");
        upshift(&[group, &list]).success();
    };
    for stack in ["64k", "64K", "64KiB", "1MiB", "2G", "65536"] {
        takes("-W", &format!("max-stack={stack}"));
    }
    for time in ["500ms", "2s", "1m", "1.5", "none"] {
        takes("-W", &format!("timeout={time}"));
    }
    takes("-T", "max-compile-ms=2s,helper-after-ms=50");
    let refused = |group: &str, setting: &str, message: &str| {
        let stderr = upshift(&[group, setting]).failure(2);
        assert_eq!(stderr, format!("error: -{} {message}\n", &group[1..]));
    };
    refused(
        "-T",
        "policy=cost-model:speedup=0.5",
        "policy=cost-model:speedup takes a number from 1.01 to 1000, not `0.5`",
    );
    refused(
        "-T",
        "mode=basline",
        "mode takes tiered|baseline|optimizer, not `basline`; did you mean `baseline`?",
    );
    refused(
        "-W",
        "code-space=2G",
        "code-space takes a size (65536, 512K, 64M, 1G) from 1M to 1G, not `2G`",
    );
    let stderr = upshift(&["-W", "max-memory=1G"]).failure(2);
    assert!(
        stderr.contains("did you mean `max-memory-size`?"),
        "{stderr}"
    );
    let stderr = upshift(&["-T", "timeout=1s"]).failure(2);
    assert!(stderr.contains("; -W has it"), "{stderr}");
}

#[test]
fn statistics_come_as_a_table_or_as_json() {
    let math = file("stats.wat", MATH);
    let ran = upshift(&["--stats", "--invoke", "add", &math, "1", "2"]);
    assert_eq!(ran.stdout, "3\n");
    assert!(ran.stderr.contains("functions compiled"), "{}", ran.stderr);
    let ran = upshift(&[
        "--stats=json",
        "-T",
        "mode=baseline",
        "--invoke",
        "add",
        &math,
        "1",
        "2",
    ]);
    let stats: serde_json::Value = serde_json::from_str(&ran.stderr).expect(&ran.stderr);
    assert_eq!(stats["baseline"]["functions"], 1);
    assert_eq!(stats["optimizer"]["functions"], 0);
}

#[test]
fn options_are_combined() {
    let math = file("combined.wat", MATH);
    let options = "switching=sync,osr=false,policy=fixed-budget:units=10:slices=2";
    let ran = upshift(&[
        "-T",
        options,
        "-C",
        "opt-level=none,regalloc=single-pass",
        "--invoke",
        "add",
        &math,
        "1",
        "2",
    ]);
    assert_eq!(ran.success(), "3\n");
}

#[test]
fn events_go_to_files() {
    let math = file("events.wat", MATH);
    let events = path("events.jsonl");
    let trace = path("trace.json");
    let debug = format!("events={},trace={}", events.display(), trace.display());
    upshift(&["-D", &debug, "--invoke", "add", &math, "1", "2"]).success();
    let events = std::fs::File::open(events).unwrap();
    let log = upshift::profiler::reader::read(std::io::BufReader::new(events)).unwrap();
    assert_eq!(log.faults, []);
    let names = log.records.iter().map(|record| record.event.name());
    let names: Vec<_> = names.collect();
    for name in [
        "module-loaded",
        "module-identified",
        "first-call",
        "decided",
        "published",
    ] {
        assert!(names.contains(&name), "{name}: {names:?}");
    }
    assert!(
        log.header.policy.starts_with("cost-model"),
        "{:?}",
        log.header
    );
    assert_ne!(log.header.machine.cores, 0);
    let trace = std::fs::read_to_string(trace).unwrap();
    serde_json::from_str::<serde_json::Value>(&trace).unwrap();
}

/// Calls a function whose small loops are left in every way, and runs each of them long enough to
/// use the budget up.
const LOOPS: &str = r#"(module
    (func $leave (param $how i32) (param $rounds i32) (result i32)
        (local $n i32)
        (block $out
            (loop $outer
                (local.set $n (local.get $rounds))
                (loop $inner
                    (if (i32.eqz (local.get $n)) (then (br $out)))
                    (br_if $outer (i32.gt_s
                        (local.tee $how (i32.sub (local.get $how) (i32.const 1)))
                        (i32.const 4)))
                    (if (i32.eq (local.get $n) (i32.add (local.get $how) (i32.const 900)))
                        (then (return (i32.const 1))))
                    (local.set $n (i32.sub (local.get $n) (i32.const 1)))
                    (br_if $out (i32.eq (local.get $n) (i32.const 3)))
                    (br_if $inner (i32.ne (local.get $n) (i32.const 8))))
                (local.set $n (i32.const 2))))
        (local.get $n))
    (func (export "run") (result i32)
        (local $i i32) (local $sum i32)
        (loop $next
            (local.set $sum (i32.add (local.get $sum)
                (call $leave (i32.and (local.get $i) (i32.const 7)) (local.get $i))))
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if $next (i32.lt_u (local.get $i) (i32.const 3000))))
        (local.get $sum)))"#;

/// A small loop keeps the budget in a register if its operators were read ahead, else in memory.
#[test]
fn units_are_the_same_wherever_the_budget_is() {
    let loops = file("loops.wat", LOOPS);
    let log = path("budgets.jsonl");
    let debug = format!("events={}", log.display());
    let exhausted = |lookahead: &str| -> Vec<String> {
        let policy = "switching=virtual,policy=fixed-budget:units=100000000:slices=1000";
        let args = ["-T", policy, "-C", lookahead, "-D", &debug];
        upshift(&[&args[..], &["--invoke", "run", &loops]].concat()).success();
        let events = std::fs::read_to_string(&log).unwrap();
        let events = events
            .lines()
            .filter(|line| line.contains("budget-exhausted"));
        events
            .map(|line| line[line.find("\"func\"").expect("a function")..].to_owned())
            .collect()
    };
    let in_registers = exhausted("loop-lookahead=64");
    assert!(in_registers.len() > 50, "{in_registers:?}");
    assert_eq!(in_registers, exhausted("loop-lookahead=0"));
}

#[test]
fn no_file_tells_the_story() {
    let ran = upshift(&[] as &[&str]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stdout.contains("built-in"), "{}", ran.stdout);
    assert!(ran.stderr.contains("census"), "{}", ran.stderr);
    let lines = ran.stderr.lines().count();
    assert!(lines < 50, "{lines} lines are more than a screenful");
}

#[test]
fn a_function_can_be_looked_at() {
    let math = file("dump.wat", MATH);
    let dump = upshift(&["-D", "dump=add", &math]).success();
    for part in ["iadd", ";; baseline: ", ";; optimizer: ", "ret"] {
        assert!(dump.contains(part), "{part}: {dump}");
    }
    let stderr = upshift(&["-D", "dump=sub", &math]).failure(1);
    assert!(stderr.contains("no function `sub`"), "{stderr}");
    let stderr = upshift(&["-D", "dump=ad", &math]).failure(1);
    assert!(
        stderr.contains("no function `ad`; did you mean `add`?"),
        "{stderr}"
    );
}

/// A function is shown under a name, and the same name finds it.
#[test]
fn functions_have_the_names_that_programmers_gave_them() {
    let raw = "_ZN4game5World4step17h0123456789abcdefE";
    let module = file(
        "mangled.wat",
        format!(
            r#"(module $engine (func $f (@name "{raw}") unreachable) (func (call $f))
                (func (export "_start") (call 1)))"#
        ),
    );
    let stderr = upshift(&[&module]).failure(134);
    let shown = |after: &str| {
        let line = stderr.lines().find(|line| line.contains(after)).unwrap();
        let (_, name) = line.split_once(" - ").unwrap();
        name.rsplit_once(" (").unwrap().0.to_owned()
    };
    let (named, unnamed) = (shown("World"), shown("<wasm"));
    assert_eq!(named, "engine!game::World::step");
    let short = named.strip_prefix("engine!").unwrap();
    for form in [
        &named,
        short,
        raw,
        "0",
        "func[0]",
        &unnamed,
        "<wasm function 1>",
        "func[1]",
    ] {
        upshift(&["-D", &format!("dump={form}"), &module]).success();
    }
    for value in ["backtrace=n", "backtrace"] {
        let stderr = upshift(&["-D", value, &module]).failure(134);
        assert_eq!(stderr.contains("World"), value == "backtrace", "{stderr}");
    }
    let program = file(
        "mangled-loop.wat",
        format!(r#"(module (func $f (@name "{raw}")) (func (export "_start") (call $f)))"#),
    );
    let ran = upshift(&[
        "-T",
        "switching=sync,policy=constant:threshold=1",
        "-D",
        "story",
        &program,
    ]);
    assert!(!ran.stderr.contains(raw), "{}", ran.stderr);
}

#[test]
fn programs_are_limited() {
    let growing = file(
        "limits.wat",
        r#"(module (memory 1) (table 1 funcref)
            (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
            (func (export "elements") (param i32) (result i32)
                (table.grow (ref.null func) (local.get 0))))"#,
    );
    let run = |option: &str, function: &str, by: &str| {
        upshift(&["-W", option, "--invoke", function, &growing, by])
    };
    for size in [
        "max-memory-size=1M",
        "max-memory-size=1024k",
        "max-memory-size=1048576",
    ] {
        assert_eq!(run(size, "grow", "15").success(), "1\n");
        assert_eq!(run(size, "grow", "16").success(), "-1\n");
    }
    assert_eq!(
        run("max-table-elements=10", "elements", "9").success(),
        "1\n"
    );
    assert_eq!(
        run("max-table-elements=10", "elements", "10").success(),
        "-1\n"
    );
    let trapped = run("max-memory-size=1M,trap-on-grow-failure", "grow", "16").failure(1);
    assert!(trapped.contains("1114112 bytes of memory"), "{trapped}");
    for (option, what) in [
        ("max-memories=0", "1 memories"),
        ("max-tables=0", "1 tables"),
        ("max-instances=0", "1 instances"),
        (
            "max-memory-size=1K",
            "a memory of 1 pages exceeds the store's limit",
        ),
    ] {
        let refused = run(option, "grow", "1").failure(1);
        assert!(refused.contains(what), "{refused}");
    }
    for wrong in [
        "max-memory-size=64X",
        "max-memory-size=",
        "max-memory-size=99999999999G",
    ] {
        let refused = run(wrong, "grow", "1").failure(2);
        assert!(
            refused.contains("takes a size (65536, 512K, 64M, 1G)"),
            "{refused}"
        );
    }
}

/// Fuel ends a program as a trap does, at the same operator in each mode, and is told of.
#[test]
fn fuel_is_limited_and_told_of() {
    let spin = r#"(module (func (export "spin") (param i32)
        (loop (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))))"#;
    let spin = file("fuel.wat", spin);
    for mode in ["baseline", "optimizer", "tiered"] {
        let run = |fuel: &str, stats: &str, rounds: &str| {
            let (mode, fuel) = (format!("mode={mode}"), format!("fuel={fuel}"));
            let options = ["-T", &mode, "-W", &fuel, stats, "--invoke", "spin"];
            upshift(&[&options[..], &[spin.as_str(), rounds]].concat())
        };
        let ran = run("1M", "--stats=json", "100000");
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        let told = format!(
            r#"{{"fuel":{{"given":1048576,"used":{}}}}}"#,
            1 + 5 * 100_000
        );
        assert!(ran.stderr.contains(&told), "{}", ran.stderr);
        let ran = run("1K", "--stats", "100000");
        assert_eq!(ran.code, Some(134), "{}", ran.stderr);
        assert!(ran.stderr.contains("all fuel consumed"), "{}", ran.stderr);
        assert!(
            ran.stderr.contains("fuel: 1024 of 1024 used"),
            "{}",
            ran.stderr
        );
    }
}
