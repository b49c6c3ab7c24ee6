//! Golden tests: `golden/<op>/<case>.wat` holds a module and, as comments at its end, what becomes
//! of its functions. `BLESS=1` writes the expectations anew.
//!
//! Lines that begin with `;;!` say what is shown, one line for each: `clif`, `optimized` or
//! `vcode`, then the function's index and, for an OSR entry, the loop's. A line that begins with
//! `;;@` names options.

mod common;

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use common::{Module, checked, optimizer};
use upshift_abi::{CompileUnit, LoopIndex, MemoryBounds, MemoryOptions, SpectreMitigation};
use upshift_optimizer::{Cpu, Dump, Inline, Optimizer, OptimizerOptions};

#[test]
fn golden() {
    let bless = std::env::var_os("BLESS").is_some();
    let optimizer = optimizer();
    let mut wrong = Vec::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let cases = cases(&root);
    assert!(!cases.is_empty());
    for path in cases {
        let text = fs::read_to_string(&path).unwrap();
        let input: String = text
            .split_inclusive('\n')
            .take_while(|line| !is_result(line))
            .collect();
        let special = options(&input).map(|options| Optimizer::new(options).unwrap());
        let actual = format!(
            "{input}{}",
            show(special.as_ref().unwrap_or(&optimizer), &input)
        );
        if actual == text {
            continue;
        }
        if bless {
            fs::write(&path, actual).unwrap();
        } else {
            wrong.push(format!("{}:\n{actual}", path.display()));
        }
    }
    assert!(
        wrong.is_empty(),
        "BLESS=1 accepts these as right:\n{}",
        wrong.join("\n")
    );
}

/// The options that the case asks for, if it does.
fn options(input: &str) -> Option<OptimizerOptions> {
    let words = words(input)?;
    let mut options = checked();
    options.cpu = Cpu::Baseline;
    for word in words.split(' ') {
        match word {
            // An option of the engine, see `bounds`.
            "explicit" => {}
            "fuel" => options.fuel = true,
            "epochs" => options.epochs = true,
            "no-inline" => options.inline = Inline::None,
            "no-spectre" => options.spectre = SpectreMitigation::None,
            "spectre" => options.spectre = SpectreMitigation::All,
            other => panic!("no such option: {other}"),
        }
    }
    Some(options)
}

/// The words of the line that changes options.
fn words(input: &str) -> Option<&str> {
    input.lines().find_map(|line| line.strip_prefix(";;@ "))
}

/// How the case wants accesses beyond memories to be caught.
fn bounds(input: &str) -> MemoryBounds {
    match words(input).is_some_and(|words| words.split(' ').any(|word| word == "explicit")) {
        true => MemoryBounds::Explicit,
        false => MemoryBounds::GuardPages,
    }
}

fn cases(folder: &Path) -> Vec<PathBuf> {
    let mut result = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            result.extend(cases(&path));
        } else if path.extension().is_some_and(|extension| extension == "wat") {
            result.push(path);
        }
    }
    result.sort();
    result
}

fn is_result(line: &str) -> bool {
    line.starts_with(";; ")
}

fn show(optimizer: &Optimizer, input: &str) -> String {
    let mut module = Module::new(input);
    module
        .facts
        .plan_for(MemoryOptions::with_bounds(bounds(input)));
    let mut result = String::new();
    for line in input.lines().filter_map(|line| line.strip_prefix(";;! ")) {
        let mut words = line.split(' ');
        let dump = match words.next() {
            Some("clif") => Dump::Clif,
            Some("optimized") => Dump::OptimizedClif,
            Some("vcode") => Dump::Vcode,
            other => panic!("no such dump: {other:?}"),
        };
        let mut number = || words.next().map(|word| word.parse::<u32>().unwrap());
        let func = number().expect("a function index");
        let unit = number().map_or(CompileUnit::Function, |n| CompileUnit::Loop(LoopIndex(n)));
        let text = optimizer.dump(module.request(func, unit), dump).unwrap();
        writeln!(result, ";; {line}").unwrap();
        for line in text.lines() {
            writeln!(result, "{}", format!(";;   {line}").trim_end()).unwrap();
        }
    }
    result
}
