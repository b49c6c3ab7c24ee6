//! Trees of calls and coverage.

use crate::{MATH, file, path, upshift, upshift_in_every_mode};

/// Calls itself, calls in tail position, and traps for 0.
const PROGRAM: &str = r#"(module
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (memory (export "memory") 1)
    (func $fib (param i32) (result i32)
        (if (result i32) (i32.lt_s (local.get 0) (i32.const 2))
            (then (local.get 0))
            (else (i32.add
                (call $fib (i32.sub (local.get 0) (i32.const 1)))
                (call $fib (i32.sub (local.get 0) (i32.const 2)))))))
    (func $never (drop (call $fib (i32.const 9))))
    (func $check (param i32)
        (if (i32.ne (local.get 0) (i32.const 1)) (then (call $never)))
        (return_call $last (i32.div_s (i32.const 8) (local.get 0))))
    (func $last (param i32) (call $exit (local.get 0)))
    (func $begin (export "_start")
        (call $check (call $fib (i32.const 2)))))"#;

const TREE: &str = "\
begin()
  fib(2)
    fib(1) = 1
    fib(0) = 0
  = 1
  check(1) -> tail call
  last(8)
    wasi_snapshot_preview1.proc_exit(8) ! ended
  ! ended
! ended
";

fn read(path: &std::path::Path) -> String {
    std::fs::read_to_string(path).expect("it was written")
}

#[test]
fn calls_are_a_tree() {
    let program = file("calls.wat", PROGRAM);
    let out = path("calls.txt");
    let option = format!("calls={}", out.display());
    upshift_in_every_mode(&["-D", &option, &program], |ran| {
        assert_eq!(ran.code, Some(8), "{}", ran.stderr);
        assert_eq!(read(&out), TREE);
    });
    let chosen = ["-D", &option, "-D", "calls-of=f?b", &program];
    assert_eq!(upshift(&chosen).code, Some(8));
    assert_eq!(read(&out), "fib(2)\n  fib(1) = 1\n  fib(0) = 0\n= 1\n");
    for chosen in ["proc_*", "wasi_snapshot_preview1.proc_exit", "0"] {
        let chosen = format!("calls-of={chosen}");
        assert_eq!(
            upshift(&["-D", &option, "-D", &chosen, &program]).code,
            Some(8)
        );
        let expected = "wasi_snapshot_preview1.proc_exit(8) ! ended\n";
        assert_eq!(read(&out), expected, "{chosen}");
    }
    let trap = [
        "-D",
        &option,
        "--invoke",
        "divide",
        &file("calls-math.wat", MATH),
        "7",
        "0",
    ];
    upshift(&trap).failure(134);
    assert_eq!(read(&out), "divide(7, 0) ! integer divide by zero\n");
    let several = [
        "-D",
        &option,
        "--invoke",
        "divide",
        &file("calls-math.wat", MATH),
        "7",
        "2",
    ];
    upshift(&several).success();
    assert_eq!(read(&out), "divide(7, 2) = 3, 1\n");
}

#[test]
fn wrong_files_and_choices_are_refused() {
    let program = file("observed-wrong.wat", PROGRAM);
    let error = upshift(&["-D", "calls-of=fib", &program]).failure(2);
    assert!(error.contains("calls-of"), "{error}");
    for option in ["calls=/nowhere/calls", "coverage=/nowhere/coverage"] {
        let error = upshift(&["-D", option, &program]).failure(1);
        assert!(error.contains("cannot create `/nowhere/"), "{error}");
    }
}

#[test]
fn coverage_tells_what_has_run() {
    let program = file("coverage.wat", PROGRAM);
    let (text, json) = (path("coverage.txt"), path("coverage.json"));
    for out in [&text, &json] {
        let option = format!("coverage={}", out.display());
        upshift_in_every_mode(&["-D", &option, &program], |ran| {
            assert_eq!(ran.code, Some(8), "{}", ran.stderr);
            let summary = "coverage: functions 4 of 5 (80.0 %)\n";
            assert!(ran.stderr.contains(summary), "{}", ran.stderr);
            assert!(ran.stderr.contains("branch directions 3 of 4 (75.0 %)"));
        });
    }
    let text = read(&text);
    let line = |end: &str| {
        let found = text.lines().find(|line| line.contains(end));
        found
            .unwrap_or_else(|| panic!("no {end} in\n{text}"))
            .trim()
            .to_owned()
    };
    assert!(line("  fib").starts_with("3  fib"));
    assert!(line("i32.lt_s").starts_with("3  0x"));
    assert!(line(";; true 2, false 1").contains("if (result i32)"));
    assert!(line(";; true 0, false 1").contains("if"));
    assert!(line("i32.div_s").starts_with("1  0x"));
    assert!(line("  never").starts_with("0  never"));
    let json: serde_json::Value = serde_json::from_str(&read(&json)).unwrap();
    let functions = json["functions"].as_array().unwrap();
    assert_eq!(functions.len(), 5);
    let fib = functions.iter().find(|it| it["name"] == "fib").unwrap();
    assert_eq!(fib["calls"], 3);
    assert_eq!(fib["branches"][0]["true"], 2);
    assert_eq!(fib["branches"][0]["false"], 1);
}

/// Each target of a table has a count.
#[test]
fn targets_of_tables_are_covered() {
    let text = r#"(module
        (func $choose (param i32) (result i32)
            (block $default (block $a
                (br_table $a $default $a $default (local.get 0)))
                (return (i32.const 1)))
            (i32.const 2))
        (func (export "run") (result i32)
            (i32.add (call $choose (i32.const 0))
                (i32.add (call $choose (i32.const 2)) (call $choose (i32.const 9))))))"#;
    let program = file("table.wat", text);
    let (text, json) = (path("table.txt"), path("table.json"));
    for out in [&text, &json] {
        let option = format!("coverage={}", out.display());
        let ran = upshift(&["-D", &option, "--invoke", "run", &program]);
        let summary = "branch directions 3 of 4 (75.0 %)";
        assert!(ran.stderr.contains(summary), "{}", ran.stderr);
    }
    assert!(
        read(&text).contains(";; targets [1, 0, 1, 1]\n"),
        "{}",
        read(&text)
    );
    let json: serde_json::Value = serde_json::from_str(&read(&json)).unwrap();
    let table = &json["functions"][0]["tables"][0];
    assert_eq!(table["targets"], serde_json::json!([1, 0, 1, 1]));
}

/// By lines, for a program with debug information.
#[test]
fn lines_are_covered() {
    let program = "../tests/programs/debug/lines.wasm";
    let out = path("coverage.info");
    let option = format!("coverage={}", out.display());
    let ran = upshift(&["-D", &option, "--invoke", "run", program, "2", "7"]);
    assert!(ran.stderr.contains("coverage: functions"), "{}", ran.stderr);
    let info = read(&out);
    let section = info
        .split("end_of_record")
        .find(|it| it.contains("lines.rs\n"));
    let section = section.unwrap_or_else(|| panic!("no section of the file in\n{info}"));
    let hits = section.lines().filter_map(|line| {
        let (line, count) = line.strip_prefix("DA:")?.split_once(',')?;
        Some((line.parse::<u32>().unwrap(), count.parse::<u64>().unwrap()))
    });
    let hits: Vec<_> = hits.collect();
    assert!(hits.iter().any(|&(_, count)| count > 0), "{section}");
    assert!(section.contains("\nLF:") && section.contains("\nFNDA:"));
}
