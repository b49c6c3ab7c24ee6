//! `upshift lab`: usage, lists, and files that are no traces.

use crate::{file, upshift};

#[test]
fn policies_are_listed_with_their_parameters() {
    let all = upshift(&["lab", "policies"]).success();
    assert!(all.contains("cost-model") && all.contains("alpha"), "{all}");
    assert!(all.contains("hottest"), "{all}");
    let one = upshift(&["lab", "policies", "v8-budget"]).success();
    assert!(
        !one.contains("cost-model") && !one.contains("Queue"),
        "{one}"
    );
    let none = upshift(&["lab", "policies", "v9"]).failure(2);
    assert!(none.contains("no policy or discipline `v9`"), "{none}");
}

#[test]
fn what_is_no_trace_is_an_error_with_the_files_name() {
    let none = upshift(&["lab", "bounds", "/nonexistent.trace"]).failure(1);
    assert!(none.contains("cannot read `/nonexistent.trace`"), "{none}");
    let text = file("lab.trace", "UPTRACE\n");
    let short = upshift(&["lab", "simulate", &text]).failure(1);
    assert!(short.contains("lab.trace"), "{short}");
}

#[test]
fn wrong_usage_exits_with_2() {
    for arguments in [
        &["lab", "simulate", "x", "-T", "polcy=never"][..],
        &["lab", "simulate", "x", "--scale", "speed=0"],
        &["lab", "bounds", "x", "--slowdown", "0.5"],
        &["lab", "bounds", "x", "--cores", "0"],
        &["lab", "guess"],
        &["lab"],
    ] {
        upshift(arguments).failure(2);
    }
}

/// Calls a function with a loop some million times, whose result it exits with if it is wrong.
const WORK: &str = r#"(module
    (func $work (param $n i32) (result i32) (local $sum i32)
        (loop $next
            (local.set $sum (i32.xor (i32.mul (local.get $sum) (i32.const 33)) (local.get $n)))
            (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
        (local.get $sum))
    (func (export "_start") (local $n i32)
        (loop $next
            (drop (call $work (i32.const 1000)))
            (br_if $next
                (i32.lt_u
                    (local.tee $n (i32.add (local.get $n) (i32.const 1)))
                    (i32.const 40000))))))"#;

#[test]
fn what_is_recorded_can_be_simulated_bounded_and_validated() {
    let program = file("recorded.wat", WORK);
    let trace = file("recorded.trace", "");
    upshift(&["lab", "record", "--runs=1", "-o", &trace, &program]).success();
    let simulated = upshift(&["lab", "simulate", &trace, "--json"]).success();
    let field = |text: &str, name: &str| -> f64 {
        let from = text.find(&format!("\"{name}\":")).expect(name) + name.len() + 3;
        let rest = &text[from..];
        rest[..rest.find([',', '}']).unwrap()].parse().unwrap()
    };
    assert!(field(&simulated, "compilations") >= 1.0, "{simulated}");
    let bounds = upshift(&["lab", "bounds", &trace, "--json"]).success();
    let (wall, relaxed) = (field(&simulated, "wall_ns"), field(&bounds, "relaxed_ns"));
    assert!(relaxed <= wall * 1.000_001, "{relaxed} {wall}");
    // Forty million iterations take from 10 to 400 ms.
    assert!((10e6..400e6).contains(&wall), "{wall}");
    let arguments = ["--runs=1", "--policy=first-call", "--json", "--cores=1"];
    let validate = ["lab", "validate", "--trace", &trace];
    let validate: Vec<&str> = validate.iter().chain(&arguments).copied().collect();
    let validated = upshift(&[&validate[..], &[&program]].concat()).success();
    assert_eq!(field(&validated, "overlap"), 1.0, "{validated}");
    let factor = field(&validated, "simulated_wall_ns") / field(&validated, "real_wall_ns");
    assert!((0.3..3.0).contains(&factor), "{validated}");
}

#[test]
fn each_run_of_a_recording_has_the_time_of_its_option() {
    let program = file(
        "endless.wat",
        r#"(module (func (export "_start") (loop (br 0))))"#,
    );
    let starts = file(
        "endless-start.wat",
        r#"(module (func $start (loop (br 0))) (start $start) (func (export "_start")))"#,
    );
    let trace = file("endless.trace", "");
    for program in [&program, &starts] {
        let record = &[
            "lab",
            "record",
            "-W",
            "timeout=100ms",
            "-o",
            &trace,
            program,
        ];
        let ended = upshift(record).failure(1);
        assert!(ended.contains("timed out after 100ms"), "{ended}");
    }
}

#[test]
fn a_program_that_does_not_repeat_itself_is_not_recorded() {
    let clock = r#"(module
        (import "wasi_snapshot_preview1" "fd_filestat_get"
            (func $stat (param i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "path_open" (func $open
            (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
        (memory (export "memory") 1)
        (data (i32.const 0) "once")
        (func $again)
        ;; Creates a file where there was none: only the first run can.
        (func (export "_start")
            (if (i32.eqz (call $open (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 4)
                    (i32.const 5) (i64.const 64) (i64.const 0) (i32.const 0) (i32.const 100)))
                (then (call $again)))))"#;
    let program = file("once.wat", clock);
    let folder = crate::path("once");
    std::fs::create_dir_all(&folder).unwrap();
    let _ = std::fs::remove_file(folder.join("once"));
    let dir = format!("{}::/", folder.display());
    let trace = file("once.trace", "");
    let refused = upshift(&["lab", "record", "-o", &trace, "--dir", &dir, &program]).failure(1);
    assert!(refused.contains("repeat"), "{refused}");
}
