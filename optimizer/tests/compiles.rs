//! Every operator in scope compiles, as a function and as an OSR entry, with every option, and
//! Cranelift's verifier finds nothing wrong.

mod common;

use common::{Module, checked, compile, optimizer};
use upshift_abi::{
    CompileError, CompileUnit, LoopIndex, MemoryBounds, MemoryOptions, SpectreMitigation,
};
use upshift_optimizer::{
    Arithmetic, Bulk, Constants, Cpu, Dispatch, Inline, MemoryBase, NullChecks, OptLevel,
    Optimizer, OptimizerOptions, Regalloc, SelfCalls,
};

/// What operators need around them.
const SURROUNDINGS: &str = r#"
    (type $t (func (param i32 i64) (result i32)))
    (import "m" "f" (func $imported (type $t)))
    (import "m" "t" (table $it 1 funcref))
    (import "m" "g" (global $ig (mut i64)))
    (memory 1 10)
    (table $t0 4 4 funcref)
    (table $t1 2 externref)
    (global $g32 (mut i32) (i32.const 1))
    (global $g64 (mut i64) (i64.const 2))
    (global $gf32 (mut f32) (f32.const 3))
    (global $gf64 (mut f64) (f64.const 4))
    (global $c i32 (i32.const 42))
    (global $ce externref (ref.null extern))
    (data $d "abc")
    (elem $e func $own)
    (elem (table $t0) (i32.const 0) func $own $imported)
    (func $own (type $t) (i32.const 7))
"#;

/// Operands and result of an instruction, and the instruction.
fn numeric() -> Vec<(String, &'static str, &'static str)> {
    let mut ops = Vec::new();
    for ty in ["i32", "i64"] {
        for op in "clz ctz popcnt extend8_s extend16_s".split(' ') {
            ops.push((format!("{ty}.{op}"), ty, ty));
        }
        ops.push((format!("{ty}.eqz"), ty, "i32"));
        for op in
            "add sub mul div_s div_u rem_s rem_u and or xor shl shr_s shr_u rotl rotr".split(' ')
        {
            ops.push((format!("{ty}.{op} "), ty, ty));
        }
        for op in "eq ne lt_s lt_u gt_s gt_u le_s le_u ge_s ge_u".split(' ') {
            ops.push((format!("{ty}.{op} "), ty, "i32"));
        }
    }
    for ty in ["f32", "f64"] {
        for op in "abs neg ceil floor trunc nearest sqrt".split(' ') {
            ops.push((format!("{ty}.{op}"), ty, ty));
        }
        for op in "add sub mul div min max copysign".split(' ') {
            ops.push((format!("{ty}.{op} "), ty, ty));
        }
        for op in "eq ne lt gt le ge".split(' ') {
            ops.push((format!("{ty}.{op} "), ty, "i32"));
        }
        for int in ["i32", "i64"] {
            for sign in ["s", "u"] {
                ops.push((format!("{int}.trunc_{ty}_{sign}"), ty, int));
                ops.push((format!("{int}.trunc_sat_{ty}_{sign}"), ty, int));
                ops.push((format!("{ty}.convert_{int}_{sign}"), int, ty));
            }
        }
    }
    for (op, from, to) in [
        ("i64.extend32_s", "i64", "i64"),
        ("i32.wrap_i64", "i64", "i32"),
        ("i64.extend_i32_s", "i32", "i64"),
        ("i64.extend_i32_u", "i32", "i64"),
        ("f32.demote_f64", "f64", "f32"),
        ("f64.promote_f32", "f32", "f64"),
        ("i32.reinterpret_f32", "f32", "i32"),
        ("i64.reinterpret_f64", "f64", "i64"),
        ("f32.reinterpret_i32", "i32", "f32"),
        ("f64.reinterpret_i64", "i64", "f64"),
    ] {
        ops.push((op.to_string(), from, to));
    }
    ops
}

/// One function for each numeric instruction; a space behind its name marks two operands.
fn numeric_functions() -> String {
    let functions = numeric().into_iter().map(|(op, from, to)| {
        let params = if op.ends_with(' ') { 2 } else { 1 };
        let list = [from; 2][..params].join(" ");
        let gets: String = (0..params).map(|i| format!("(local.get {i})")).collect();
        format!("(func (param {list}) (result {to}) ({op} {gets}))\n")
    });
    functions.collect()
}

/// One function for each load and store, with small and large offsets.
fn memory_functions() -> String {
    let mut functions = String::new();
    for offset in ["0", "8", "0x7fffffff", "0xffffffff"] {
        for (ty, suffixes) in [
            ("i32", "load load8_s load8_u load16_s load16_u"),
            (
                "i64",
                "load load8_s load8_u load16_s load16_u load32_s load32_u",
            ),
            ("f32", "load"),
            ("f64", "load"),
        ] {
            for load in suffixes.split(' ') {
                let op = format!("{ty}.{load} offset={offset}");
                functions += &format!("(func (param i32) (result {ty}) ({op} (local.get 0)))\n");
                functions += &format!("(func (result {ty}) ({op} (i32.const -4)))\n");
            }
        }
        for (ty, suffixes) in [
            ("i32", "store store8 store16"),
            ("i64", "store store8 store16 store32"),
            ("f32", "store"),
            ("f64", "store"),
        ] {
            for store in suffixes.split(' ') {
                let op = format!("{ty}.{store} offset={offset}");
                functions +=
                    &format!("(func (param i32 {ty}) ({op} (local.get 0) (local.get 1)))\n");
            }
        }
    }
    functions
}

const OTHER_FUNCTIONS: &str = r#"
    (func (result i32) (memory.size))
    (func (param i32) (result i32) (memory.grow (local.get 0)))
    (func (param i32 i32 i32) (memory.copy (local.get 0) (local.get 1) (local.get 2)))
    (func (param i32 i32 i32) (memory.fill (local.get 0) (local.get 1) (local.get 2)))
    (func (param i32 i32 i32) (memory.init $d (local.get 0) (local.get 1) (local.get 2)))
    (func (data.drop $d))
    (func (result i32) (table.size $t0))
    (func (result i32) (table.size $t1))
    (func (result i32) (table.size $it))
    (func (param i32) (result funcref) (table.get $t0 (local.get 0)))
    (func (param i32) (result externref) (table.get $t1 (local.get 0)))
    (func (param i32 funcref) (table.set $it (local.get 0) (local.get 1)))
    (func (param i32 externref) (table.set $t1 (local.get 0) (local.get 1)))
    (func (param externref i32) (result i32) (table.grow $t1 (local.get 0) (local.get 1)))
    (func (param i32 externref i32) (table.fill $t1 (local.get 0) (local.get 1) (local.get 2)))
    (func (param i32 i32 i32) (table.copy $t0 $it (local.get 0) (local.get 1) (local.get 2)))
    (func (param i32 i32 i32) (table.init $t0 $e (local.get 0) (local.get 1) (local.get 2)))
    (func (elem.drop $e))
    (func (result funcref) (ref.func $own))
    (func (result funcref) (ref.func $imported))
    (func (result i32) (ref.is_null (ref.null extern)))
    (func (global.set $g32 (i32.add (global.get $g32) (global.get $c))))
    (func (global.set $g64 (global.get $ig)))
    (func (global.set $ig (global.get $g64)))
    (func (global.set $gf32 (global.get $gf32)))
    (func (global.set $gf64 (f64.const nan:0x123)))
    (func (result externref) (global.get $ce))
    (func (param i32 i64) (result i32) (call $own (local.get 0) (local.get 1)))
    (func (param i32 i64) (result i32) (call $imported (local.get 0) (local.get 1)))
    (func (param i32 i64) (result i32)
        (call_indirect $t0 (type $t) (local.get 0) (local.get 1) (local.get 0)))
    (func (param i32 i64) (result i32)
        (call_indirect $it (type $t) (local.get 0) (local.get 1) (local.get 0)))
    (func (param i32 i64) (result i32) (return_call $own (local.get 0) (local.get 1)))
    (func (param i32 i64) (result i32) (return_call $imported (local.get 0) (local.get 1)))
    (func (param i32 i64) (result i32)
        (return_call_indirect $t0 (type $t) (local.get 0) (local.get 1) (local.get 0)))
    (func $many_results (result i32 i64 f32 f64 i32 i64 f32 f64 i32 i64 f32 f64 i32 i64 f32 f64)
        (i32.const 1) (i64.const 2) (f32.const 3) (f64.const 4)
        (i32.const 5) (i64.const 6) (f32.const 7) (f64.const 8)
        (i32.const 9) (i64.const 10) (f32.const 11) (f64.const 12)
        (i32.const 13) (i64.const 14) (f32.const 15) (f64.const 16))
    (func (result i32 i64 f32 f64 i32 i64 f32 f64 i32 i64 f32 f64 i32 i64 f32 f64)
        (call $many_results))
    (func (result i32 i64 f32 f64 i32 i64 f32 f64 i32 i64 f32 f64 i32 i64 f32 f64)
        (return_call $many_results))
    (func $many_params
        (param i32 i64 i32 i64 i32 i64 i32 i64 i32 f32 f64 f32 f64 f32 f64 f32 f64 f32)
        (result i32)
        (local.get 8))
    (func (param i32) (result i32)
        (return_call $many_params
            (local.get 0) (i64.const 1) (local.get 0) (i64.const 1) (local.get 0) (i64.const 1)
            (local.get 0) (i64.const 1) (local.get 0) (f32.const 1) (f64.const 1) (f32.const 1)
            (f64.const 1) (f32.const 1) (f64.const 1) (f32.const 1) (f64.const 1) (f32.const 1)))
    (func $recursive (param i32) (result i32)
        (if (result i32) (i32.eqz (local.get 0))
            (then (i32.const 1))
            (else (call $recursive (i32.sub (local.get 0) (i32.const 1))))))
    (func $tail (param i32) (result i32)
        (if (i32.eqz (local.get 0)) (then (return (i32.const 1))))
        (return_call $tail (i32.sub (local.get 0) (i32.const 1))))
    (func (param i32) (result i32) (local.get 0) (local.tee 0) (nop) (drop) (unreachable))
    (func (param i32 f64 f64) (result f64) (select (local.get 1) (local.get 2) (local.get 0)))
    (func (param i32 funcref) (result funcref)
        (select (result funcref) (local.get 1) (ref.null func) (local.get 0)))
    (func (param i32) (result i32 i32)
        (i32.const 2)
        (if (param i32) (result i32 i32) (local.get 0)
            (then (i32.const 3))
            (else (drop) (i32.const 4) (i32.const 5))))
    (func (param i32) (result i32)
        (i32.const 1)
        (if (param i32) (result i32) (local.get 0) (then (i32.const 1) (i32.add))))
    (func (param i32) (result i32)
        (block $a (result i32)
            (block $b (result i32)
                (block $c (result i32)
                    (br_table $a $b $c $a $b (i32.const 5) (local.get 0)))
                (i32.const 1) (i32.add))
            (i32.const 2) (i32.add)))
    (func (param i32) (result i32)
        (block $a (block $b (br_table $a $b (local.get 0))) (return (i32.const 1)))
        (i32.const 2))
    (func (result i32) (block (result i32) (unreachable)
        (block (if (i32.const 0) (then (loop (br 0))) (else)))))
    (func (param i32) (loop (br_if 0 (local.get 0)) (br 1)) )
    (func (return) (loop (br 0)) (drop (i32.const 1)) )
"#;

fn everything() -> Module {
    let functions = [numeric_functions(), memory_functions()].concat();
    Module::new(&format!(
        "(module {SURROUNDINGS} {functions} {OTHER_FUNCTIONS})"
    ))
}

fn compile_all(options: OptimizerOptions, module: &Module) {
    let optimizer = Optimizer::new(options.clone()).unwrap();
    for (func, unit) in module.units() {
        match compile(&optimizer, module, func, unit) {
            Ok(_) => {}
            Err(CompileError::Internal { message, .. })
                if message.ends_with("unreachable code") => {}
            Err(error) => panic!("{options:?} {unit:?}: {error}"),
        }
    }
}

#[test]
fn every_operator_with_default_options() {
    compile_all(checked(), &everything());
}

#[test]
fn every_operator_with_other_options() {
    let mut module = everything();
    let explicit = MemoryOptions::with_bounds(MemoryBounds::Explicit);
    module.facts.plan_for(explicit);
    compile_all(
        OptimizerOptions {
            opt_level: OptLevel::None,
            regalloc: Regalloc::SinglePass,
            memory_base: MemoryBase::Register,
            arithmetic: Arithmetic::AsWritten,
            constants: Constants::AsWritten,
            bulk: Bulk::Call,
            dispatch: Dispatch::Shared,
            canonicalize_nans: true,
            deterministic_relaxed_simd: true,
            verify: true,
            cpu: Cpu::Baseline,
            self_calls: SelfCalls::Slot,
            inline: Inline::None,
            null_checks: NullChecks::Fault,
            spectre: SpectreMitigation::All,
            fuel: true,
            epochs: true,
        },
        &module,
    );
}

#[test]
fn imported_memory() {
    let functions = memory_functions();
    let module = format!("(module (import \"m\" \"m\" (memory 1)) {functions})");
    let mut module = Module::new(&module);
    for bounds in [MemoryBounds::GuardPages, MemoryBounds::Explicit] {
        module.facts.plan_for(MemoryOptions::with_bounds(bounds));
        compile_all(checked(), &module);
    }
}

#[test]
fn shapes_of_loops() {
    let module = Module::new(include_str!("loops.wat"));
    compile_all(checked(), &module);
    let unoptimized = OptimizerOptions {
        opt_level: OptLevel::None,
        ..checked()
    };
    compile_all(unoptimized, &module);
}

/// A test that takes seconds instead of milliseconds if something is quadratic.
fn compile_large(functions: &str) {
    let module = Module::new(&format!("(module (memory 1) {functions})"));
    let optimizer = Optimizer::new(OptimizerOptions::default()).unwrap();
    for (func, unit) in module.units() {
        compile(&optimizer, &module, func, unit).unwrap();
    }
}

#[test]
fn many_locals() {
    let locals = "i32 i64 f32 f64 ".repeat(12_400);
    compile_large(&format!(
        "(func (param i32) (local {locals})
            (block (loop (br_if 1 (local.get 40001)) (local.set 40001 (local.get 0)) (br 0))))"
    ));
}

#[test]
fn a_large_branch_table() {
    let targets = "$a $b $c $d ".repeat(10_000);
    compile_large(&format!(
        "(func (param i32 i32 i32) (result i32)
            (loop $d (result i32)
                (block $a (result i32) (block $b (result i32) (block $c (result i32)
                    (local.set 1 (i32.add (local.get 1) (local.get 2)))
                    (br_table {targets} $a (i32.const 7) (local.get 0)))
                    (local.set 2)  (local.get 1))
                    (i32.add (local.get 2)))))",
        targets = targets.replace("$d", "$a"),
    ));
}

#[test]
fn deep_nesting_over_many_operands() {
    let depth = 500;
    let open = "(i32.const 1) (block (result i32) ".repeat(depth);
    let close = ") (i32.add)".repeat(depth);
    compile_large(&format!(
        "(func (param i32) (result i32)
            {open} (loop (br_if 0 (local.get 0))) (i32.const 1) {close})"
    ));
}

#[test]
fn loops_that_are_not_there() {
    let module = Module::new("(module (func (return) (loop)))");
    let optimizer = optimizer();
    for (index, what) in [(0, "loop 0 is unreachable code"), (1, "there is no loop 1")] {
        let unit = CompileUnit::Loop(LoopIndex(index));
        let error = compile(&optimizer, &module, 0, unit).unwrap_err();
        assert!(error.to_string().contains(what), "{error}");
    }
}

#[test]
fn a_session_survives_errors() {
    let module = Module::new("(module (func (return) (loop)))");
    let optimizer = optimizer();
    let mut session = upshift_abi::Compiler::session(&optimizer);
    for _ in 0..3 {
        let unreachable = CompileUnit::Loop(LoopIndex(0));
        assert!(session.compile(module.request(0, unreachable)).is_err());
        let function = CompileUnit::Function;
        assert!(session.compile(module.request(0, function)).is_ok());
    }
}

#[test]
fn results_do_not_depend_on_the_session() {
    let module = everything();
    let optimizer = optimizer();
    let mut session = upshift_abi::Compiler::session(&optimizer);
    for func in (0..module.facts.bodies.len() as u32).rev() {
        let unit = CompileUnit::Function;
        let reused = session.compile(module.request(func, unit)).unwrap();
        let fresh = compile(&optimizer, &module, func, unit).unwrap();
        assert_eq!(reused, fresh);
    }
}
