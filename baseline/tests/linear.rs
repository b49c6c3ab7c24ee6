//! Compile time and code size stay linear in the size of a body, whatever its shape.
//!
//! Each shape is compiled at two sizes, four times apart; the time per byte may grow by a factor
//! that only a superlinear compiler exceeds, so that a busy machine does not fail the test.

use std::fmt::Write as _;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use upshift_abi::facts::decode;
use upshift_abi::{CompileRequest, Compiler, DefinedFuncIndex};
use upshift_baseline::{Baseline, BaselineOptions, Counters};

/// The processor time of the calling thread, which other processes do not add to.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Compiles the only function and returns the shortest time of five.
fn compile(text: &str) -> (Duration, usize) {
    let wasm = wat::parse_str(text).expect("a valid module");
    let mut facts = decode(&wasm).expect("a valid module").facts;
    facts.number_types();
    let compiler = Baseline::new(BaselineOptions {
        counters: Counters {
            entry: Some(1),
            loops: Some(1),
        },
        ..BaselineOptions::default()
    });
    let mut session = compiler.session();
    let mut best = Duration::MAX;
    let mut size = 0;
    for _ in 0..5 {
        let request = CompileRequest::new(&facts, &wasm, DefinedFuncIndex(0));
        let start = cpu_time();
        size = session.compile(request).expect("compiles").code.len();
        best = best.min(cpu_time() - start);
    }
    (best, size)
}

fn assert_linear(shape: fn(usize) -> String, small: usize) {
    let (small_time, small_size) = compile(&shape(small));
    let (large_time, large_size) = compile(&shape(4 * small));
    assert!(
        large_size <= 5 * small_size,
        "{small_size} bytes of code became {large_size}"
    );
    let limit = small_time.max(Duration::from_micros(200)) * 12;
    assert!(large_time < limit, "{small_time:?} became {large_time:?}");
}

#[test]
fn branches_with_many_locals() {
    assert_linear(
        |n| {
            let mut body = String::from("(block $out ");
            for i in 0..n {
                write!(
                    body,
                    "(local.set {i} (i32.add (local.get {i}) (i32.const 1)))"
                )
                .expect("infallible");
                write!(body, "(br_if $out (local.get {i}))").expect("infallible");
            }
            format!("(module (func (local {}) {body})))", "i32 ".repeat(n))
        },
        10_000,
    );
}

#[test]
fn nested_blocks() {
    assert_linear(
        |n| {
            format!(
                "(module (func (param i32) {}{}))",
                "block local.get 0 br_if 0 ".repeat(n),
                "end ".repeat(n)
            )
        },
        20_000,
    );
}

#[test]
fn nested_loops_above_operands() {
    assert_linear(
        |n| {
            let open = "local.get 0 i32.const 7 loop local.get 0 br_if 0 ".repeat(n);
            let close = "end drop drop ".repeat(n);
            format!("(module (func (param i32) {open}{close}))")
        },
        10_000,
    );
}

/// Regions, each with calls and clauses of its own, in each other and one behind another.
#[test]
fn many_try_regions() {
    const TAGS: &str = "(tag $e (param i32)) (tag $f) (func $f)";
    assert_linear(
        |n| {
            let open = "block try_table (catch $f 0) call $f ".repeat(n);
            let close = "call $f end end ".repeat(n);
            format!("(module {TAGS} (func {open}{close}))")
        },
        10_000,
    );
    assert_linear(
        |n| {
            let one = "block (result i32) try_table (catch $e 0) (catch_all 1)
                local.get 0 i32.const 1 i32.add local.set 0 call $f local.get 0 throw $e
                end unreachable end local.set 0 ";
            format!(
                "(module {TAGS} (func (param i32) block {} end))",
                one.repeat(n)
            )
        },
        5_000,
    );
    assert_linear(
        |n| {
            let open = "try ".repeat(n);
            let close = "call $f catch $f call $f catch_all rethrow 0 end ".repeat(n);
            format!("(module {TAGS} (func call $f {open}{close}))")
        },
        5_000,
    );
    assert_linear(
        |n| {
            let open = "try i32.const 1 throw $e delegate 0 try ".repeat(n);
            let close = format!("call $f delegate {} ", n / 2).repeat(n / 2);
            let rest = "catch_all end ".repeat(n - n / 2);
            format!("(module {TAGS} (func {open}{close}{rest}))")
        },
        5_000,
    );
}

/// A `throw` looks for its clause in the regions around it.
#[test]
fn throws_below_many_regions() {
    assert_linear(
        |n| {
            let open = "try_table (catch $f 0) ".repeat(n);
            let throws = "block i32.const 1 throw $e end ".repeat(n);
            let close = "end ".repeat(n);
            format!("(module (tag $e (param i32)) (tag $f) (func block {open}{throws}{close} end))")
        },
        5_000,
    );
    assert_linear(
        |n| {
            let clauses = "(catch $f 0) ".repeat(n);
            let throws = "block i32.const 1 throw $e end ".repeat(n);
            format!(
                "(module (tag $e (param i32)) (tag $f)
                   (func block try_table {clauses}{throws} end end))"
            )
        },
        2_000,
    );
}

#[test]
fn deep_stack_of_aliases() {
    assert_linear(
        |n| {
            let push = "local.get 0 local.get 1 ".repeat(n);
            let set = "i32.const 1 local.set 0 ".repeat(n);
            let drop = "drop drop ".repeat(n);
            format!("(module (func (param i32 i32) {push}{set}{drop}))")
        },
        20_000,
    );
}

/// Each assignment looks for the operands that stand for the local's old value, which lie deep.
#[test]
fn aliases_below_a_tall_stack() {
    assert_linear(
        |n| {
            let locals = "i32 ".repeat(n);
            let push: String = (0..n).map(|i| format!("local.get {i} ")).collect();
            let above = "i32.const 0 ".repeat(n);
            let set: String = (0..n)
                .map(|i| format!("i32.const 1 local.set {i} "))
                .collect();
            let drop = "drop drop ".repeat(n);
            format!("(module (func (local {locals}) {push}{above}{set}{drop}))")
        },
        10_000,
    );
}

#[test]
fn large_tables() {
    assert_linear(
        |n| {
            let targets = "0 1 2 ".repeat(n);
            format!(
                "(module (func (param i32) block block block
                   local.get 0 br_table {targets}0 end end end))"
            )
        },
        5_000,
    );
}

/// Operators that name a thousand operands with two bytes don't become a thousand moves each.
#[test]
fn a_thousand_operands_at_once() {
    let types = " i64".repeat(1_000);
    let gets: String = (0..1_000).map(|n| format!(" local.get {n}")).collect();
    let shapes = [
        ("br_if", " i32.const 1 br_if 0", ""),
        (
            "br_table",
            " block (type $t) i32.const 1 br_table 0 1 0 1 0 end",
            "",
        ),
        ("call", " call $f", ""),
        ("call_indirect", " i32.const 0 call_indirect (type $t)", ""),
        ("block", " block (type $t) end", ""),
        ("if", " i32.const 1 if (type $t) else end", ""),
        ("return", " local.get $k if (type $t) return end", ""),
        ("tail", " local.get $k if (type $t) return_call $f end", ""),
        ("loop", " loop (type $t) local.get $k br_if 0 end", ""),
    ];
    for (name, operator, end) in shapes {
        let body = operator.repeat(1_000);
        let text = format!(
            "(module (type $t (func (param{types}) (result{types}))) (table funcref (elem $f))
             (func $f (type $t) (local $k i32) {gets} {body} {end}))"
        );
        let (time, size) = compile(&text);
        let wasm = wat::parse_str(&text).expect("a valid module");
        let bytes = decode(&wasm)
            .expect("a valid module")
            .facts
            .body_len(DefinedFuncIndex(0));
        println!("{name}: {bytes} bytes of body, {size} bytes of code, {time:?}");
        assert!(
            size < 60 * bytes as usize,
            "{name}: {bytes} bytes of body became {size}"
        );
    }
}

#[test]
fn a_long_operator_behind_many_loops_is_read_once() {
    let body = |loops: usize, entries: usize| {
        format!(
            "(module (func (param i32) {} local.get 0 br_table {} {}))",
            "loop ".repeat(loops),
            "0 ".repeat(entries),
            "end ".repeat(loops)
        )
    };
    let (one, _) = compile(&body(1, 100_000));
    let (many, _) = compile(&body(60, 100_000));
    assert!(many < one * 4, "{one:?} with one loop, {many:?} with 60");
}
