//! `upshift hints`: a run's hints in a copy of its module, and the module without them again.

use std::path::Path;
use std::process::Command;

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

/// The event log for other purposes does not take the order of first calls from the hints, and
/// units are those of the options.
#[test]
fn hints_have_order_and_units_whatever_else_is_recorded() {
    // First calls in the opposite order of indexes.
    let program = r#"(module
        (func $third) (func $second)
        (func $first (local $n i32)
            (local.set $n (i32.const 3))
            (loop $next
                (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
        (func $main (export "_start") (call $first) (call $second) (call $third)))"#;
    let program = file("order.wasm", wat::parse_str(program).unwrap());
    let hinted = file("order-hinted.wasm", "");
    let events = format!("events={}", path("order.log").display());
    for (settings, units) in [
        (&[][..], "25"),
        (&["-T", "call-units=70,loop-units=200"][..], "670"),
    ] {
        let recorded = [&["-D", &events][..], settings].concat();
        for settings in [settings, &recorded] {
            let write = ["hints", "write", "-o", &hinted];
            upshift(&[&write[..], settings, &[&program]].concat()).success();
            let table = upshift(&["hints", "read", &hinted]).success();
            let rows: Vec<Vec<&str>> = table
                .lines()
                .map(|line| line.split_whitespace().collect())
                .collect();
            for (place, name) in ["main", "first", "second", "third"].iter().enumerate() {
                let row = rows.iter().find(|row| row[0] == *name);
                assert_eq!(row.unwrap()[1], place.to_string(), "{settings:?}: {table}");
            }
            let row = rows.iter().find(|row| row[0] == "first").unwrap();
            assert_eq!(row[3], units, "{settings:?}: {table}");
        }
    }
    let log = std::fs::read_to_string(path("order.log")).unwrap();
    assert!(log.contains("first-call"), "{log}");
}

/// Node.js with a V8 that reads the proposal's hints: what `UPSHIFT_NODE` names, what
/// `scripts/fetch-engines` fetches, or what is installed.
fn node() -> Result<std::path::PathBuf, String> {
    let fetched = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus/.engines/node");
    let chosen = std::env::var_os("UPSHIFT_NODE").map(Into::into);
    let node = match chosen {
        Some(chosen) => chosen,
        None if fetched.is_file() => fetched,
        None => "node".into(),
    };
    let options = Command::new(&node).arg("--v8-options").output();
    let options = options.map_err(|error| format!("there is no Node.js: {error}"))?;
    let options = String::from_utf8_lossy(&options.stdout);
    match options.contains("--trace-wasm-compilation-hints") {
        true => Ok(node),
        false => Err("this Node.js's V8 knows no `metadata.code` hints; 26 does \
             (scripts/fetch-engines)"
            .into()),
    }
}

/// V8 compiles what our hints rank first before it is called, and optimizes it at once, which it
/// does with no function of the module without hints.
#[test]
fn v8_follows_the_hints() {
    let node = match node() {
        Ok(node) => node,
        Err(reason) => return eprintln!("SKIPPED: {reason}"),
    };
    let plain = file("v8-plain.wasm", wat::parse_str(PROGRAM).unwrap());
    let hinted = file("v8-hinted.wasm", "");
    upshift(&["hints", "write", "-o", &hinted, &plain]).success();
    // Waits for compilations in the background.
    let script = file(
        "v8-hints.js",
        "const bytes = require('fs').readFileSync(process.argv[2]);\n\
         new WebAssembly.Instance(new WebAssembly.Module(bytes), {}).exports._start();\n\
         setTimeout(() => {}, 1000);\n",
    );
    // The functions by index, as they are compiled: by Liftoff, and by TurboFan.
    let compiled = |flags: &[&str], module: &str| {
        let mut node = Command::new(&node);
        node.args(flags).arg("--trace-wasm-compilation-times");
        let output = node.args([&script, module]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        let functions = |compiler: &str| -> Vec<u32> {
            let lines = text.lines().filter(|line| line.contains(compiler));
            let index = |line: &str| line.split_once('#')?.1.split(' ').next()?.parse().ok();
            lines.filter_map(index).collect()
        };
        (functions(" using Liftoff,"), functions(" using TurboFan,"))
    };
    const HOT: u32 = 1;
    const MAIN: u32 = 3;
    let with = ["--experimental-wasm-compilation-hints"];
    let (first, optimized) = compiled(&with, &hinted);
    let place = |func| first.iter().position(|&found| found == func);
    assert!(
        place(HOT) < place(MAIN) && place(HOT).is_some(),
        "{first:?}"
    );
    assert_eq!(optimized, [HOT]);
    for (flags, module) in [(&with[..], &plain), (&[][..], &hinted)] {
        let (first, optimized) = compiled(flags, module);
        assert_eq!(first.first(), Some(&MAIN), "{flags:?} {module}");
        assert!(optimized.is_empty(), "{flags:?} {module}: {optimized:?}");
    }
}
