//! Golden tests: `golden/<family>/<case>.wat` holds a module and, in comments at its end, the code
//! expected for each of its functions. `BLESS=1` rewrites the expectations.
//!
//! A first line `;;! option …` changes options: `explicit`, `canonicalize`, `counters`, `epochs`,
//! `fuel`, `plain` (no optional processor features), `sse41` (no other one).

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use iced_x86::{Decoder, DecoderOptions, Formatter, Instruction, IntelFormatter};
use upshift_abi::facts::decode;
use upshift_abi::{
    CodeOffset, CompileRequest, CompiledFunction, Compiler, MemoryBounds, MemoryOptions,
    SpectreMitigation,
};
use upshift_baseline::{Ablation, Baseline, BaselineOptions, Counters, Features};

const MARK: &str = ";; === expected code ===";

#[test]
fn golden() {
    let mut files = Vec::new();
    collect(Path::new("tests/golden"), &mut files);
    assert!(!files.is_empty(), "no golden tests found");
    let bless = std::env::var_os("BLESS").is_some();
    let mut failed = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).expect("readable");
        let source = text.split(MARK).next().unwrap_or_default().trim_end();
        let now = format!(
            "{source}\n\n{MARK}\n{}",
            expectation(source, options(source))
        );
        if now == text {
            continue;
        }
        if bless {
            std::fs::write(&file, now).expect("writable");
        } else {
            failed.push(format!("{}:\n{now}", file.display()));
        }
    }
    assert!(
        failed.is_empty(),
        "code differs; BLESS=1 accepts it:\n{}",
        failed.join("\n")
    );
}

/// Each switch may change code, but nothing else: with debug assertions, the compiler checks its
/// own state between operators.
#[test]
fn every_ablation_compiles() {
    let mut files = Vec::new();
    collect(Path::new("tests/golden"), &mut files);
    for file in files {
        let source = std::fs::read_to_string(&file).expect("readable");
        let usual = options(&source);
        for ablation in Ablation::each() {
            assert!(!expectation(&source, BaselineOptions { ablation, ..usual }).is_empty());
        }
    }
}

fn collect(dir: &Path, files: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> = std::fs::read_dir(dir)
        .expect("readable")
        .map(|entry| entry.expect("readable").path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "wat") {
            files.push(path);
        }
    }
}

fn options(source: &str) -> BaselineOptions {
    let all = Features {
        sse42: true,
        avx: true,
        fma: true,
        sse41: true,
        popcnt: true,
        lzcnt: true,
        bmi1: true,
        bmi2: true,
    };
    let mut options = BaselineOptions {
        features: all,
        ..BaselineOptions::default()
    };
    for word in words(source) {
        match word {
            // An option of the engine, see `bounds`.
            "explicit" => {}
            "no-spectre" => options.spectre = SpectreMitigation::None,
            "spectre" => options.spectre = SpectreMitigation::All,
            "fuel" => options.fuel = true,
            "epochs" => options.epochs = true,
            "canonicalize" => options.canonicalize_nans = true,
            "counters" => {
                options.counters = Counters {
                    entry: Some(10),
                    loops: Some(300),
                };
            }
            "plain" => options.features = Features::default(),
            "sse41" => {
                options.features = Features {
                    sse41: true,
                    ..Features::default()
                }
            }
            other => panic!("unknown option {other}"),
        }
    }
    options
}

/// The words of the line that changes options.
fn words(source: &str) -> impl Iterator<Item = &str> {
    let first = source.lines().next().unwrap_or_default();
    let words = first.strip_prefix(";;!").unwrap_or_default();
    words.split_whitespace()
}

/// How the case wants accesses beyond memories to be caught.
fn bounds(source: &str) -> MemoryBounds {
    match words(source).any(|word| word == "explicit") {
        true => MemoryBounds::Explicit,
        false => MemoryBounds::GuardPages,
    }
}

fn expectation(source: &str, options: BaselineOptions) -> String {
    let wasm = wat::parse_str(source).expect("a valid module");
    let decoded = decode(&wasm).expect("a valid module");
    let mut facts = decoded.facts;
    facts.number_types();
    facts.plan_for(MemoryOptions::with_bounds(bounds(source)));
    let compiler = Baseline::new(options);
    let mut session = compiler.session();
    let mut text = String::new();
    for (func, validator) in facts.defined_funcs().zip(decoded.validators) {
        let mut request = CompileRequest::new(&facts, &wasm, func);
        let trusted = session.compile(request).expect("compiles");
        request = CompileRequest::new(&facts, &wasm, func);
        request.validate = Some(validator);
        let validated = session.compile(request).expect("valid");
        assert_eq!(trusted, validated, "validation changes nothing");
        let name = facts.func_name(facts.func_index(func)).unwrap_or("");
        writeln!(text, ";; {func} {name}").expect("infallible");
        disassemble(&trusted, &mut text);
    }
    text
}

fn disassemble(function: &CompiledFunction, text: &mut String) {
    let code = function.instructions();
    let mut decoder = Decoder::with_ip(64, code, 0, DecoderOptions::NONE);
    let mut formatter = IntelFormatter::new();
    formatter.options_mut().set_branch_leading_zeros(false);
    formatter
        .options_mut()
        .set_space_after_operand_separator(true);
    let mut instruction = Instruction::default();
    while decoder.can_decode() {
        decoder.decode_out(&mut instruction);
        let mut line = String::new();
        formatter.format(&instruction, &mut line);
        let (start, end) = (instruction.ip() as u32, instruction.next_ip() as u32);
        let mut notes = Vec::new();
        let relocations = function.relocations.iter();
        for relocation in relocations.filter(|r| (start..end).contains(&r.offset.0)) {
            assert_eq!(relocation.offset.0 as i32 - relocation.addend, end as i32);
            let field = decoder.get_constant_offsets(&instruction);
            assert_eq!(
                relocation.offset.0,
                start + field.displacement_offset() as u32
            );
            notes.push(relocation.target.to_string());
        }
        if let Some(site) = function.sites.trap_at(CodeOffset(start)) {
            notes.push(format!("trap: {}", site.trap));
        }
        let notes = notes.join(", ");
        let separator = if notes.is_empty() { "" } else { " ; " };
        writeln!(text, ";; {start:4x}  {line}{separator}{notes}").expect("infallible");
    }
    // Lines begin at multiples of 16, as the section does if it has to.
    let mut at = code.len();
    while at < function.code.len() {
        let end = (at + 1).next_multiple_of(16).min(function.code.len());
        let bytes = &function.code[at..end];
        writeln!(text, ";; {at:4x}  data {bytes:02x?}").expect("infallible");
        at = end;
    }
}
