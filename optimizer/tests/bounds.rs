//! Bodies that are cheap to write and would be expensive to compile: each is compiled in bounded
//! time, or refused.

mod common;

use std::cell::Cell;
use std::fmt::Write;
use std::time::{Duration, Instant};

use common::Module;
use upshift_abi::{
    Cancel, CompileError, CompileRequest, CompileUnit, CompiledFunction, Compiler, LoopIndex,
};
use upshift_optimizer::{Optimizer, OptimizerOptions};

/// Far above what each of them takes, far below what it took without bounds: minutes.
const LIMIT: Duration = Duration::from_secs(20);

fn compile(
    name: &str,
    module: &Module,
    unit: CompileUnit,
) -> Result<CompiledFunction, CompileError> {
    let optimizer = Optimizer::new(OptimizerOptions::default()).unwrap();
    let start = Instant::now();
    let result = optimizer.session().compile(module.request(0, unit));
    let time = start.elapsed();
    let bytes = module.request(0, unit).body().len();
    let outcome = match &result {
        Ok(code) => format!("{} bytes of code", code.code.len()),
        Err(error) => error.to_string(),
    };
    println!("{name}: {bytes} bytes of body, {time:?}: {outcome}");
    assert!(time < LIMIT, "{name} took {time:?}");
    result
}

fn assert_refused(result: &Result<CompiledFunction, CompileError>) {
    let refused = matches!(result, Err(CompileError::TooLarge { .. }));
    assert!(refused, "{:?}", result.as_ref().map(|code| code.code.len()));
}

/// So many loops in each other; `inside` is the body of the n-th from inside.
fn nest(head: &str, depth: usize, mut inside: impl FnMut(usize, &mut String)) -> String {
    let mut text = format!("(module (func (export \"f\") (param i32) {head}");
    text.push_str(&" loop".repeat(depth));
    for n in 0..depth {
        inside(n, &mut text);
        text.push_str(" end");
    }
    text.push_str("))");
    text
}

/// Each loop reads a local that nothing writes, so that each is alive in all loops around.
#[test]
fn nested_loops_that_read() {
    let locals = format!("(local{})", " i64".repeat(5_000));
    let text = nest(&locals, 3_000, |n, text| {
        write!(text, " local.get {} drop i32.const 0 br_if 0", n + 1).unwrap();
    });
    let module = Module::new(&text);
    assert_refused(&compile("reads", &module, CompileUnit::Function));
    let inner = CompileUnit::Loop(LoopIndex(2_999));
    assert_refused(&compile("reads, entered", &module, inner));
}

/// Each loop writes another local, which then needs a value of its own in each loop around.
#[test]
fn nested_loops_that_write() {
    let locals = format!("(local{})", " i64".repeat(3_000));
    let text = nest(&locals, 3_000, |n, text| {
        let local = n + 1;
        write!(
            text,
            " local.get {local} i64.const 1 i64.add local.set {local}"
        )
        .unwrap();
        text.push_str(" local.get 0 br_if 0");
    });
    let module = Module::new(&text);
    assert_refused(&compile("writes", &module, CompileUnit::Function));

    let text = nest(&locals, 100, |n, text| {
        for local in (n * 29 + 1)..=(n * 29 + 29) {
            write!(
                text,
                " local.get {local} i64.const 1 i64.add local.set {local}"
            )
            .unwrap();
        }
        text.push_str(" local.get 0 br_if 0");
    });
    let module = Module::new(&text);
    let _ = compile("fewer loops", &module, CompileUnit::Function);
    let _ = compile(
        "fewer loops, entered",
        &module,
        CompileUnit::Loop(LoopIndex(99)),
    );
}

/// Many locals and many loops behind each other: the frontend's map has an entry for each pair.
#[test]
fn many_locals_and_many_loops() {
    const LOCALS: usize = 8_000;
    let mut text = format!(
        "(module (func (export \"f\") (param i32) (local{})",
        " i32".repeat(LOCALS)
    );
    for n in 0..20_000 {
        let local = 1 + n * 7 % LOCALS;
        write!(
            text,
            " loop local.get {local} i32.const 1 i32.add local.set {local} local.get 0 br_if 0 end"
        )
        .unwrap();
    }
    text.push_str("))");
    compile("pairs", &Module::new(&text), CompileUnit::Function).unwrap();
}

/// Operands that wait below nested blocks around a loop that is entered.
#[test]
fn operands_below_an_entered_loop() {
    const DEPTH: usize = 8_000;
    let mut text = String::from("(module (func (export \"f\") (param i32) (result i32)");
    text.push_str(&" local.get 0 block (result i32)".repeat(DEPTH));
    text.push_str(" loop local.get 0 br_if 0 end local.get 0");
    text.push_str(&" local.get 0 br_if 0 end i32.add".repeat(DEPTH));
    text.push_str("))");
    let module = Module::new(&text);
    compile("operands", &module, CompileUnit::Function).unwrap();
    compile(
        "operands, entered",
        &module,
        CompileUnit::Loop(LoopIndex(0)),
    )
    .unwrap();
}

/// Two bytes that move a thousand operands.
#[test]
fn branches_with_a_thousand_operands() {
    let types = " i64".repeat(1_000);
    let mut text = format!("(module (type $t (func (param{types}) (result{types})))");
    text.push_str(" (func (export \"f\") (type $t)");
    (0..1_000).for_each(|n| write!(text, " local.get {n}").unwrap());
    text.push_str(" block (type $t)");
    text.push_str(&" i32.const 1 br_if 0".repeat(3_000));
    text.push_str(" end))");
    let module = Module::new(&text);
    assert_refused(&compile("branches", &module, CompileUnit::Function));

    let mut text = format!("(module (type $t (func (param{types}) (result{types})))");
    text.push_str(" (func (export \"f\") (type $t)");
    (0..1_000).for_each(|n| write!(text, " local.get {n}").unwrap());
    text.push_str(&" call 0".repeat(6_000));
    text.push_str("))");
    assert_refused(&compile(
        "calls",
        &Module::new(&text),
        CompileUnit::Function,
    ));
}

/// A compilation that is not wanted any more stops, and the session goes on with the next.
#[test]
fn a_cancelled_compilation_stops() {
    let text = format!(
        "(module (func (export \"f\") (param i32){}))",
        " local.get 0 drop".repeat(50_000)
    );
    let module = Module::new(&text);
    let optimizer = Optimizer::new(OptimizerOptions::default()).unwrap();
    let mut session = optimizer.session();
    let asked = Cell::new(0);
    for patience in [0, 3, 100] {
        asked.set(0);
        let enough = || {
            asked.set(asked.get() + 1);
            asked.get() > patience
        };
        let request = CompileRequest {
            cancel: Cancel::when(&enough),
            ..module.request(0, CompileUnit::Function)
        };
        let result = session.compile(request);
        assert!(matches!(result, Err(CompileError::Cancelled { .. })));
        assert_eq!(asked.get(), patience + 1);
    }
    session
        .compile(module.request(0, CompileUnit::Function))
        .unwrap();
}
