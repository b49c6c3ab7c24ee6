//! Interpreters: loops that branch through a table, whose dispatch code the optimizer copies.

use upshift::{Trap, WasmBacktrace};

use crate::{in_every_mode, instance};

/// An interpreter of the program in its memory, which counts down from the parameter.
const INTERPRETER: &str = r#"(module
    (memory 1)
    (data (i32.const 0) "\00\02\03\01\04\02\00\05\06")
    (data (i32.const 100) "\00\02\03\07")
    (func (export "run") (param $rounds i32) (param $pc i32) (result i32) (local $sum i32)
        (loop $next
            (block $far (block $halt (block $again (block $less (block $xor (block $double
                (block $decrement (block $increment
                    (br_table $increment $decrement $double $xor $less $again $halt $far
                        (i32.load8_u (local.get $pc))))
                (local.set $sum (i32.add (local.get $sum) (i32.const 1)))
                (local.set $pc (i32.add (local.get $pc) (i32.const 1)))
                (br $next))
                (local.set $sum (i32.sub (local.get $sum) (i32.const 1)))
                (local.set $pc (i32.add (local.get $pc) (i32.const 1)))
                (br $next))
                (local.set $sum (i32.mul (local.get $sum) (i32.const 2)))
                (local.set $pc (i32.add (local.get $pc) (i32.const 1)))
                (br $next))
                (local.set $sum (i32.xor (local.get $sum) (i32.const 0x55)))
                (local.set $pc (i32.add (local.get $pc) (i32.const 1)))
                (br $next))
                (local.set $sum (i32.sub (local.get $sum) (local.get $rounds)))
                (local.set $pc (i32.add (local.get $pc) (i32.const 1)))
                (br $next))
                (local.set $pc (i32.add (local.get $pc) (i32.const 1)))
                (if (local.tee $rounds (i32.sub (local.get $rounds) (i32.const 1)))
                    (then (local.set $pc (i32.const 0))))
                (br $next))
                (return (local.get $sum)))
            (local.set $pc (i32.const -16))
            (br $next))
        (unreachable)))"#;

/// What the program computes.
fn expected(rounds: i32) -> i32 {
    (1..=rounds).rev().fold(0, |sum: i32, left| {
        let sum = ((sum.wrapping_add(1).wrapping_mul(2) ^ 0x55) - 1).wrapping_sub(left);
        sum.wrapping_mul(2).wrapping_add(1)
    })
}

#[test]
fn interpreters_compute() {
    in_every_mode(|engine| {
        let (mut store, instance) = instance(engine, INTERPRETER);
        let run = instance.get_typed_func::<(i32, i32), i32>(&mut store, "run");
        let run = run.unwrap();
        for rounds in [1, 2, 5000, 7] {
            assert_eq!(run.call(&mut store, (rounds, 0)).unwrap(), expected(rounds));
        }
    });
}

/// The first and the last load of an opcode trap at the operator, whichever copy runs it.
#[test]
fn traps_in_copies_have_the_operators_position() {
    let wasm = wat::parse_str(INTERPRETER).unwrap();
    let load = load_position(&wasm);
    in_every_mode(|engine| {
        let (mut store, instance) = instance(engine, INTERPRETER);
        let run = instance.get_typed_func::<(i32, i32), i32>(&mut store, "run");
        let run = run.unwrap();
        run.call(&mut store, (5000, 0)).unwrap();
        for pc in [100, -16] {
            let error = run.call(&mut store, (1, pc)).unwrap_err();
            let backtrace = error.downcast_ref::<WasmBacktrace>().unwrap();
            assert_eq!(backtrace.frames()[0].module_offset(), Some(load));
            assert_eq!(error.downcast::<Trap>().unwrap(), Trap::MemoryOutOfBounds);
        }
    });
}

/// The position of the module's only load.
fn load_position(wasm: &[u8]) -> usize {
    const I32_LOAD8_U: [u8; 3] = [0x2d, 0, 0];
    let mut found = (0..wasm.len()).filter(|&at| wasm[at..].starts_with(&I32_LOAD8_U));
    let position = found.next().unwrap();
    assert_eq!(found.next(), None);
    position
}

/// A table as long as a masked selector reaches needs no check; a shorter one does.
#[test]
fn masked_selectors_reach_the_default_of_short_tables() {
    let text = |entries: usize, selector: &str| {
        let blocks = "(block ".repeat(9);
        let targets: String = (0..entries).map(|target| format!("{target} ")).collect();
        let cases = (0..9).map(|case| format!(") (return (i32.const {case}))"));
        let cases: String = cases.collect();
        format!(
            "(module (memory 1) (data (i32.const 0) \"\\00\\01\\02\\03\\04\\05\\06\\07\\08\\ff\")
                (func (export \"run\") (param i32) (result i32)
                    {blocks} (br_table {targets} 8 {selector}) {cases} (unreachable)))"
        )
    };
    let masked = "(i32.and (local.get 0) (i32.const 7))";
    let wide = "(i32.wrap_i64 (i64.and (i64.extend_i32_s (local.get 0)) (i64.const -8)))";
    let loaded = "(i32.load8_u (local.get 0))";
    in_every_mode(|engine| {
        for entries in [7, 8] {
            let select = |selector, input, number: u32| {
                let (mut store, instance) = instance(engine, &text(entries, selector));
                let run = instance.get_typed_func::<u32, u32>(&mut store, "run");
                let expected = if (number as usize) < entries {
                    number
                } else {
                    8
                };
                let result = run.unwrap().call(&mut store, input).unwrap();
                assert_eq!(result, expected, "{selector} {input} {entries}");
            };
            for input in [0, 1, 6, 7, 8, 15, u32::MAX] {
                select(masked, input, input & 7);
                select(wide, input, input & !7);
            }
            for (input, number) in [(0, 0), (6, 6), (7, 7), (8, 8), (9, 255)] {
                select(loaded, input, number);
            }
        }
    });
}
