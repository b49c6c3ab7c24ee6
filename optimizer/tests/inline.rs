//! Inlining: what is inlined, up to which limits, and which functions each instruction belongs to.

mod common;

use std::fmt::Write;

use common::{Module, checked, compile, optimizer};
use upshift_abi::targets::{self, CallTargets};
use upshift_abi::{
    CompileUnit, CompiledFunction, Compiler, DefinedFuncIndex, FuncIndex, LoopIndex, TrapCode,
    WasmOffset,
};
use upshift_optimizer::{Inline, Optimizer, OptimizerOptions};

/// The functions that were inlined, in order.
fn inlined(compiled: &CompiledFunction) -> Vec<u32> {
    let details = compiled.sites.details.as_deref();
    let copies = details.map_or(&[][..], |details| &details.inlined);
    copies.iter().map(|copy| copy.func.0).collect()
}

fn compiled(text: &str) -> CompiledFunction {
    compile(&optimizer(), &Module::new(text), 0, CompileUnit::Function).unwrap()
}

#[test]
fn a_trap_belongs_to_the_chain_of_calls() {
    let module = Module::new(
        "(module
            (memory 1)
            (func (param i32) (result i32) (nop) (call 1 (local.get 0)))
            (func (param i32) (result i32) (nop) (nop) (call 2 (local.get 0)))
            (func (param i32) (result i32) (i32.load (local.get 0))))",
    );
    let compiled = compile(&optimizer(), &module, 0, CompileUnit::Function).unwrap();
    let [site] = &*compiled.sites.traps else {
        panic!("one trap: {:?}", compiled.sites)
    };
    assert_eq!(site.trap, TrapCode::MemoryOutOfBounds);
    let sources = compiled.sites.sources(site.code, Some(site.wasm));
    let opcode = |wasm: u32| module.wasm[wasm as usize];
    let sources = sources.map(|source| (source.func, opcode(source.wasm.unwrap().0)));
    let function = |func| Some(DefinedFuncIndex(func));
    const CALL: u8 = 0x10;
    const I32_LOAD: u8 = 0x28;
    let expected = [(function(2), I32_LOAD), (function(1), CALL), (None, CALL)];
    assert_eq!(sources.collect::<Vec<_>>(), expected);
}

#[test]
fn an_osr_entry_inlines_in_its_loop() {
    let module = Module::new(
        "(module
            (func (param i32)
                (loop
                    (br_if 0 (local.tee 0 (call 1 (local.get 0))))))
            (func (param i32) (result i32) (loop (nop)) (i32.sub (local.get 0) (i32.const 1))))",
    );
    let entry = CompileUnit::Loop(LoopIndex(0));
    let compiled = compile(&optimizer(), &module, 0, entry).unwrap();
    assert_eq!(inlined(&compiled), [1]);
    assert!(compiled.sites.calls.is_empty());
}

#[test]
fn what_can_not_or_need_not_be_inlined() {
    // A tail call would keep the caller's frame.
    let tail = "(module (func (call 1)) (func (return_call 0)))";
    assert_eq!(inlined(&compiled(tail)), []);
    let large = format!(
        "(module (func (call 1)) (func {}))",
        "(drop (i32.load (i32.const 0)))".repeat(49)
    );
    let large = large.replace("(module", "(module (memory 1)");
    assert_eq!(inlined(&compiled(&large)), []);
    let locals = format!(
        "(module (func (call 1)) (func {}))",
        "(local i32)".repeat(30)
    );
    assert_eq!(inlined(&compiled(&locals)), []);
    let off = OptimizerOptions {
        inline: Inline::None,
        ..checked()
    };
    let off = Optimizer::new(off).unwrap();
    let module = Module::new("(module (func (call 1)) (func))");
    let compiled =
        |optimizer: &Optimizer| compile(optimizer, &module, 0, CompileUnit::Function).unwrap();
    assert_eq!(inlined(&compiled(&off)), []);
    assert_eq!(inlined(&compiled(&optimizer())), [1]);
}

#[test]
fn recursion_is_inlined_to_a_depth() {
    let text = "(module (func (param i32) (result i32)
        (if (result i32) (local.get 0)
            (then (i32.add (call 0 (i32.sub (local.get 0) (i32.const 1)))
                           (call 0 (i32.sub (local.get 0) (i32.const 2)))))
            (else (i32.const 1)))))";
    assert_eq!(inlined(&compiled(text)), [0, 0]);
    let mutual = "(module (func (call 1)) (func (call 0)))";
    assert_eq!(inlined(&compiled(mutual)), [1, 0, 1]);
}

/// Chains in which each function calls the next one twice would double with each link.
#[test]
fn growth_is_limited() {
    let mut chain = String::from("(module ");
    for func in 1..=40 {
        write!(chain, "(func (call {func}) (call {func}))").unwrap();
    }
    chain.push_str("(func))");
    let copies = inlined(&compiled(&chain)).len();
    assert!((2..=100).contains(&copies), "{copies}");

    // A body of many calls.
    let calls = "(drop (call 1 (local.get 0)))".repeat(20_000);
    let callee = "(func (param i32) (result i32) (i32.popcnt (i32.clz (local.get 0)))))";
    let many = |body: &str| {
        let module = format!("(module (func (param i32) {body}) {callee}");
        inlined(&compiled(&module)).len()
    };
    let copies = many(&calls);
    assert!((1000..=2500).contains(&copies), "{copies}");
    let copies = many(&format!("(loop {calls})"));
    assert!((2500..=5000).contains(&copies), "{copies}");
}

/// The only target of an indirect call is inlined behind a comparison; one of another type is not.
#[test]
fn the_only_target_of_an_indirect_call_is_inlined() {
    only_targets_are_inlined(
        "(module
            (type $t (func (result i32)))
            (table 2 funcref)
            (elem (i32.const 0) func $other $target)
            (func (param i32) (result i32) (call_indirect (type $t) (local.get 0)))
            (func $other)
            (func $target (type $t) (i32.const 5)))",
        0x11,
    );
}

/// So is that of a call of a reference, in a module without tables.
#[test]
fn the_only_target_of_a_call_by_reference_is_inlined() {
    only_targets_are_inlined(
        "(module
            (type $t (func (result i32)))
            (elem declare func $other $target)
            (func (param (ref $t)) (result i32) (call_ref $t (local.get 0)))
            (func $other)
            (func $target (type $t) (i32.const 5)))",
        0x14,
    );
}

/// Compiles the first function, whose call has the opcode, with targets among the other two.
fn only_targets_are_inlined(text: &str, opcode: u8) {
    let module = Module::new(text);
    let facts = &module.facts;
    let position = module
        .wasm
        .windows(2)
        .rposition(|bytes| bytes == [opcode, 0]);
    let call = WasmOffset(position.unwrap() as u32);
    let [last, all] = targets::cells_of(facts, call);
    let with = |last_target: u32, all_targets: u32| {
        let mut cells = vec![0; targets::cells(facts) as usize];
        cells[last.index()] = last_target;
        cells[all.index()] = all_targets;
        let targets = CallTargets(cells.into());
        let mut request = module.request(0, CompileUnit::Function);
        request.targets = Some(&targets);
        inlined(&optimizer().session().compile(request).unwrap())
    };
    let reference = |func| {
        let number = facts.func_ref(FuncIndex(func)).unwrap();
        facts.layout.func_ref(number).0
    };
    let (other, target) = (reference(1), reference(2));
    assert_eq!(with(target, target), [2]);
    assert_eq!(with(target, target | 1 << 31), []);
    assert_eq!(with(other, other), []);
    assert_eq!(with(target + 1, target + 1), []);
    assert_eq!(with(0, 0), []);
}
