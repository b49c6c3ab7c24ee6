//! `upshift explore`: the page's data, which functions it has, and the page in a browser.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::{file, path, upshift};

const PROGRAM: &str = r#"(module $m
    (memory 1)
    (func $sum (export "sum") (param $n i32) (result i32) (local $s i32)
        (loop $l
            (local.set $s (i32.add (local.get $s) (i32.load (local.get $n))))
            (local.set $n (i32.sub (local.get $n) (i32.const 4)))
            (br_if $l (local.get $n)))
        (local.get $s))
    (func $_ZN3foo3barE (param i32) (result i32) (i32.mul (local.get 0) (i32.const 3)))
    (func $caller (export "caller") (param i32) (result i32)
        (i32.xor (call $_ZN3foo3barE (local.get 0)) (i32.const 7))))"#;

/// The page's data.
fn data(page: &str) -> Value {
    let (_, rest) = page.split_once("id=\"data\">").expect("the page has data");
    let (data, _) = rest.split_once("</script>").unwrap();
    serde_json::from_str(data).unwrap()
}

fn names(data: &Value) -> Vec<&str> {
    let functions = data["functions"].as_array().unwrap().iter();
    functions
        .map(|function| function["name"].as_str().unwrap())
        .collect()
}

#[test]
fn every_form_says_what_each_line_comes_from() {
    let program = file("explore.wat", PROGRAM);
    let page = upshift(&["explore", &program]).success();
    let data = data(&page);
    assert_eq!(names(&data), ["sum", "caller", "foo::bar"]);
    let titles = [
        "WebAssembly",
        "Baseline code",
        "CLIF, optimized",
        "Optimized code",
    ];
    assert_eq!(data["forms"], serde_json::json!(titles));
    let lines = |function: usize, form: usize| -> Vec<(Option<u64>, String)> {
        let form = &data["functions"][function]["forms"][form];
        let offsets = form["offsets"]
            .as_array()
            .unwrap()
            .iter()
            .map(Value::as_u64);
        let text = form["text"]
            .as_str()
            .unwrap()
            .split('\n')
            .map(str::to_owned);
        let lines: Vec<_> = offsets.zip(text).collect();
        assert_eq!(lines.len(), form["offsets"].as_array().unwrap().len());
        lines
    };
    let at = |function, form, part: &str| {
        let lines = lines(function, form);
        let found = lines.iter().find(|(_, text)| text.contains(part));
        found
            .unwrap_or_else(|| panic!("{part} in {lines:#?}"))
            .0
            .expect("a place")
    };
    // The load of the loop: in each form it is the same instruction's.
    let load = at(0, 0, "i32.load");
    for (form, part) in [(1, "["), (2, "load"), (3, "[")] {
        let of_load = lines(0, form);
        let mut of_load = of_load.iter().filter(|(offset, _)| *offset == Some(load));
        assert!(
            of_load.any(|(_, text)| text.contains(part)),
            "{form}: {:#?}",
            lines(0, form)
        );
    }
    // What was inlined comes from where it stands in the module, in CLIF and in machine code.
    let multiply = at(2, 0, "i32.mul");
    for form in [2, 3] {
        let inlined = lines(1, form);
        let mut inlined = inlined.iter().map(|(offset, _)| *offset);
        assert!(
            inlined.any(|offset| offset == Some(multiply)),
            "{form}: {:#?}",
            lines(1, form)
        );
    }
}

#[test]
fn functions_are_chosen_by_pattern_and_number() {
    let program = file("explore-some.wat", PROGRAM);
    let chosen = |arguments: &[&str]| {
        let page = upshift(&[&["explore"], arguments, &[&program]].concat()).success();
        let data = data(&page);
        names(&data)
            .into_iter()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(chosen(&["-f", "foo::*"]), ["foo::bar"]);
    assert_eq!(chosen(&["-f", "_ZN3foo3barE"]), ["foo::bar"]);
    assert_eq!(chosen(&["-f", "s?m", "-f", "2"]), ["sum", "caller"]);
    assert_eq!(chosen(&["--limit", "1"]), ["sum"]);
    let ran = upshift(&["explore", "--limit", "1", &program]);
    assert!(
        ran.stderr.contains("the 1 largest of 3 functions"),
        "{}",
        ran.stderr
    );
    let stderr = upshift(&["explore", "-f", "calle", &program]).failure(1);
    assert!(stderr.contains("did you mean `caller`?"), "{stderr}");
    let stderr = upshift(&["explore", "-f", "zzz*", &program]).failure(1);
    assert!(stderr.contains("zzz*"), "{stderr}");
    let stderr = upshift(&["explore", "-C", "opt-levl=none", &program]).failure(2);
    assert!(stderr.contains("did you mean `opt-level`?"), "{stderr}");
    let inlined = upshift(&["explore", &program]).success();
    let apart = upshift(&["explore", "-C", "inline=none", &program]).success();
    assert_ne!(data(&inlined)["functions"], data(&apart)["functions"]);
}

fn chromium() -> Option<PathBuf> {
    let chosen = std::env::var_os("UPSHIFT_CHROMIUM").map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let mut found = std::env::split_paths(&path)
        .flat_map(|folder| names.map(|name| folder.join(name)))
        .filter(|program| program.is_file());
    chosen.or_else(|| found.next())
}

/// Chromium opens the page with `?test`, in which case the page goes through its functions and
/// leaves what it found in its document. Skipped where there is no Chromium.
#[test]
fn the_page_works_in_a_browser() {
    let Some(program) = chromium() else {
        eprintln!("skipped: there is no Chromium (Debian's package `chromium`)");
        return;
    };
    let module = file("explore-browser.wat", PROGRAM);
    let page = path("explore-browser.html").display().to_string();
    upshift(&["explore", &module, "-o", &page]).success();
    let profile = path("explore-profile").display().to_string();
    let output = Command::new(program)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"])
        .arg(format!("--user-data-dir={profile}"))
        .args(["--virtual-time-budget=20000", "--window-size=1400,1000"])
        .arg(format!("file://{page}?test"))
        .output()
        .expect("Chromium starts");
    let found = String::from_utf8_lossy(&output.stdout);
    let (_, json) = found
        .split_once("<pre id=\"selftest\">")
        .expect("the page has tested itself");
    let (json, _) = json.split_once("</pre>").unwrap();
    let json = json
        .replace("&gt;", ">")
        .replace("&lt;", "<")
        .replace("&amp;", "&");
    let results: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(results["failures"], serde_json::json!([]));
    assert_eq!(results["functions"], 3);
}
