//! `upshift hints`: a run's hints in a copy of its module, and the module without them again.

use crate::{file, path, upshift};

/// A function with a loop that runs a thousand times, called by a table a hundred times, and one
/// that is called once.
const PROGRAM: &str = r#"(module
    (type $t (func (param i32) (result i32)))
    (table funcref (elem $hot))
    (func $once)
    (func $hot (type $t) (local $sum i32)
        (loop $next
            (local.set $sum (i32.add (local.get $sum) (local.get 0)))
            (br_if $next (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
        (local.get $sum))
    (func $never)
    (func $main (export "_start") (local $n i32)
        (call $once)
        (local.set $n (i32.const 100))
        (loop $next
            (drop (call_indirect (type $t) (i32.const 1000) (i32.const 0)))
            (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))))"#;

#[test]
fn hints_are_written_from_a_run_read_and_taken_out() {
    let plain = wat::parse_str(PROGRAM).unwrap();
    let program = file("hints.wasm", &plain);
    let hinted = file("hinted.wasm", "");
    let stripped = file("stripped.wasm", "");
    upshift(&["hints", "write", "-o", &hinted, &program]).success();
    let table = upshift(&["hints", "read", &hinted]).success();
    let row = |name: &str| {
        let row = table.lines().find(|line| line.starts_with(name));
        let row = row.unwrap_or_else(|| panic!("{name}: {table}"));
        row.split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    // The order of first calls, and 100 calls of 10 units with 1000 iterations of 5.
    assert_eq!(row("hot")[1..4], ["2", "0", "501000"]);
    assert!(row("hot").contains(&"x512".into()), "{table}");
    assert_eq!(row("once")[1..4], ["1", "once", "10"]);
    assert_eq!(row("main")[1], "0");
    assert_eq!(row("main").last().unwrap(), "hot", "{table}");
    assert!(!table.contains("never"), "{table}");
    // Written again, they replace what was there.
    let again = file("again.wasm", "");
    upshift(&["hints", "write", "-o", &again, &hinted]).success();
    assert_eq!(
        std::fs::read(&again).unwrap(),
        std::fs::read(&hinted).unwrap()
    );
    upshift(&["hints", "strip", &hinted, "-o", &stripped]).success();
    assert_eq!(std::fs::read(path("stripped.wasm")).unwrap(), plain);
    let none = upshift(&["hints", "read", &stripped]).success();
    assert_eq!(none, "the module has no compilation hints\n");
    for policy in ["policy=hinted-ski-rental", "mode=optimizer"] {
        upshift(&["-T", policy, &hinted]).success();
    }
}

#[test]
fn mistakes_are_named() {
    let text = file("hints.txt", "no module");
    for task in [
        &["hints", "read", &text][..],
        &["hints", "strip", &text, "-o", "/dev/null"],
        &["hints", "write", "-o", "/dev/null", &text],
    ] {
        let error = upshift(task).failure(1);
        assert!(error.contains("hints.txt"), "{error}");
    }
    for wrong in [
        &["hints"][..],
        &["hints", "write"],
        &["hints", "write", "-o", "/dev/null"],
        &["hints", "write", "-o", "/dev/null", "-"],
        &["hints", "guess"],
    ] {
        upshift(wrong).failure(2);
    }
}
