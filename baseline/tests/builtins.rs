//! Calls of builtins: those that walk the stack have a call site, from which backtraces take the
//! instruction.

use upshift_abi::facts::decode;
use upshift_abi::{CompileRequest, CompiledFunction, Compiler, DefinedFuncIndex, RelocationTarget};
use upshift_baseline::{Baseline, BaselineOptions, Features};

/// Compiles the only function, for a processor without any extension; with its module.
fn compile(body: &str) -> (CompiledFunction, Vec<u8>) {
    let text = format!("(module (memory 1) (func {body}))");
    let wasm = wat::parse_str(text).expect("a valid module");
    let mut facts = decode(&wasm).expect("a valid module").facts;
    facts.number_types();
    let compiler = Baseline::new(BaselineOptions {
        features: Features::default(),
        ..BaselineOptions::default()
    });
    let request = CompileRequest::new(&facts, &wasm, DefinedFuncIndex(0));
    let function = compiler.session().compile(request).expect("compiles");
    (function, wasm)
}

#[test]
fn a_builtin_that_walks_has_a_call_site() {
    let (function, wasm) = compile("(drop (memory.grow (i32.const 1)))");
    let [site] = &function.sites.calls[..] else {
        panic!("one call: {:?}", function.sites.calls);
    };
    const MEMORY_GROW: u8 = 0x40;
    assert_eq!(wasm[site.wasm.index()], MEMORY_GROW);
    // The call is `call [rip + cell]`, whose cell ends the instruction.
    let cells = function.relocations.iter();
    let mut cells = cells.filter(|cell| matches!(cell.target, RelocationTarget::Builtin(_)));
    assert!(cells.any(|cell| cell.offset.0 + 4 == site.code.0));
}

#[test]
fn a_leaf_has_none() {
    let (function, _) = compile("(drop (f32.ceil (f32.const 1.5)))");
    let cells = function.relocations.iter();
    let mut cells = cells.filter(|cell| matches!(cell.target, RelocationTarget::Builtin(_)));
    assert!(cells.next().is_some(), "rounding is a builtin here");
    assert!(function.sites.calls.is_empty());
}
