//! Functions that the optimizer inlines behave as called ones: values, backtraces from host
//! functions, interruption.

use std::time::Duration;

use upshift::{Linker, Module, Store, Trap, WasmBacktrace};

use crate::support::watchdog::Watchdog;
use crate::{in_every_mode, instance};

/// Rounds of the loops: enough for an OSR entry with the low budgets of the test modes.
const ROUNDS: u32 = 5000;

/// Names of a backtrace's functions, innermost first.
fn names(error: &upshift::Error) -> Vec<String> {
    let backtrace = error.downcast_ref::<WasmBacktrace>().unwrap();
    let frames = backtrace.frames().iter();
    frames
        .map(|frame| frame.func_name().unwrap_or("?").into())
        .collect()
}

/// Each call finds its locals zeroed, whatever the copies before it left in theirs; a function with
/// several ways out yields the right one's values.
#[test]
fn each_call_starts_anew() {
    let text = r#"(module
        (func $count (param i32) (result i32 i64 f64 i32) (local i32 i64 f64)
            (local.set 1 (i32.add (local.get 1) (local.get 0)))
            (local.set 2 (i64.add (local.get 2) (i64.extend_i32_u (local.get 1))))
            (local.set 3 (f64.add (local.get 3) (f64.convert_i32_u (local.get 1))))
            (if (i32.and (local.get 0) (i32.const 1))
                (then (return (local.get 1) (local.get 2) (local.get 3) (i32.const 7))))
            (local.get 1) (local.get 2) (local.get 3) (i32.const 9))
        (func $sum (param i32) (result i64) (local i32 i64 f64 i32)
            (call $count (local.get 0))
            (local.set 4) (local.set 3) (local.set 2) (local.set 1)
            (i64.add
                (i64.add (i64.extend_i32_u (local.get 1)) (local.get 2))
                (i64.add (i64.trunc_f64_u (local.get 3)) (i64.extend_i32_u (local.get 4)))))
        (func (export "run") (param $n i32) (result i64) (local $sum i64)
            (loop
                (local.set $sum (i64.add (local.get $sum)
                    (i64.add (call $sum (local.get $n)) (call $sum (i32.const 3)))))
                (br_if 0 (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
            (local.get $sum)))"#;
    let rounds = u64::from(ROUNDS);
    // Three times the argument, and 7 or 9; for each number, and for 3.
    let numbers = 3 * rounds * (rounds + 1) / 2 + rounds / 2 * (7 + 9);
    let expected = numbers + rounds * (9 + 7);
    in_every_mode(|engine| {
        let (mut store, instance) = instance(engine, text);
        let run = instance
            .get_typed_func::<u32, u64>(&mut store, "run")
            .unwrap();
        for _ in 0..3 {
            assert_eq!(run.call(&mut store, ROUNDS).unwrap(), expected);
        }
    });
}

/// The functions around a call of the host are those of the source, inlined or not.
#[test]
fn host_functions_see_inlined_callers() {
    let text = r#"(module
        (import "host" "fail" (func $fail (param i32)))
        (func $inner (param i32) (call $fail (local.get 0)))
        (func $middle (param i32) (if (local.get 0) (then (call $inner (local.get 0)))))
        (func $outer (export "run") (param $n i32)
            (loop
                (call $middle (i32.eqz (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
                (br_if 0 (local.get $n)))))"#;
    in_every_mode(|engine| {
        let module = Module::new(engine, text).unwrap();
        let mut store = Store::new(engine, ());
        let mut linker = Linker::new(engine);
        let fail = |_: u32| -> upshift::Result<()> { Err(upshift::Error::msg("no")) };
        linker.func_wrap("host", "fail", fail).unwrap();
        let instance = linker.instantiate(&mut store, &module).unwrap();
        let run = instance
            .get_typed_func::<u32, ()>(&mut store, "run")
            .unwrap();
        let error = run.call(&mut store, ROUNDS).unwrap_err();
        assert_eq!(names(&error), ["fail", "inner", "middle", "outer"]);
    });
}

/// An interruption strikes anywhere in the loop: in the function itself, or in the one that is
/// inlined, in which case the backtrace has both. The baseline calls it: at the first and last
/// instructions of a function, which has no frame there, a backtrace misses the caller.
#[test]
fn interruption_in_an_inlined_function() {
    let text = r#"(module
        (memory 1)
        (func $turn (param i32)
            (i64.store (i32.const 8) (i64.div_u (i64.load (i32.const 8)) (i64.const 3)))
            (i32.store (local.get 0) (i32.const 1)))
        (func $run (export "run") (loop (call $turn (i32.const 0)) (br 0))))"#;
    in_every_mode(|engine| {
        let (mut store, instance) = instance(engine, text);
        let run = instance
            .get_typed_func::<(), ()>(&mut store, "run")
            .unwrap();
        for _ in 0..5 {
            let watchdog = Watchdog::start(store.interrupt_handle(), Duration::from_millis(10));
            let error = run.call(&mut store, ()).unwrap_err();
            drop(watchdog);
            assert_eq!(error.downcast_ref(), Some(&Trap::Interrupt));
            if error.downcast_ref::<WasmBacktrace>().is_none() {
                // On a busy machine the interruption came before the call had begun.
                continue;
            }
            let names = names(&error);
            let possible: [&[&str]; 3] = [&["turn", "run"], &["run"], &["turn"]];
            assert!(possible.iter().any(|&stack| names == stack), "{names:?}");
        }
    });
}

/// An indirect call that has had one target is compared with it: other targets, null and functions
/// of other types still do what they should, as does what is inlined.
#[test]
fn an_indirect_call_that_changes_its_target() {
    let text = r#"(module
        (type $t (func (param i32) (result i32)))
        (type $other (func))
        (table 8 8 funcref)
        (elem (i32.const 0) func $double $square $divide $wrong)
        (func $double (type $t) (i32.mul (local.get 0) (i32.const 2)))
        (func $square (type $t) (i32.mul (local.get 0) (local.get 0)))
        (func $divide (type $t) (i32.div_u (i32.const 100) (local.get 0)))
        (func $wrong)
        (func $call (param $f i32) (param $x i32) (result i32)
            (call_indirect (type $t) (local.get $x) (local.get $f)))
        (func $run (export "run") (param $f i32) (param $x i32) (param $n i32) (result i32)
            (local $sum i32)
            (loop
                (local.set $sum (i32.add (local.get $sum)
                    (i32.add
                        (call $call (local.get $f) (local.get $x))
                        (call_indirect (type $t) (local.get $x) (local.get $f)))))
                (br_if 0 (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
            (local.get $sum)))"#;
    for first in 0..3 {
        in_every_mode(|engine| {
            let (mut store, instance) = instance(engine, text);
            let run = instance.get_typed_func::<(u32, u32, u32), u32>(&mut store, "run");
            let run = run.unwrap();
            let results = [2 * 5, 5 * 5, 100 / 5];
            for (f, result) in (first..3).zip(&results[first as usize..]).chain([(0, &10)]) {
                for rounds in [ROUNDS, ROUNDS, 1] {
                    let sum = run.call(&mut store, (f, 5, rounds)).unwrap();
                    assert_eq!(sum, 2 * rounds * result);
                }
            }
            let traps = [
                ((2, 0), Trap::IntegerDivideByZero),
                ((3, 0), Trap::IndirectCallTypeMismatch),
                ((4, 0), Trap::UninitializedElement),
                ((9, 0), Trap::UndefinedElement),
            ];
            for ((f, x), trap) in traps {
                let error = run.call(&mut store, (f, x, 1)).unwrap_err();
                assert_eq!(error.downcast_ref(), Some(&trap));
                let expected: &[&str] = match f {
                    2 => &["divide", "call", "run"],
                    _ => &["call", "run"],
                };
                assert_eq!(names(&error), expected);
            }
        });
    }
}

/// The same for calls of typed references: other targets and null do what they should.
#[test]
fn a_call_of_a_reference_that_changes_its_target() {
    let text = r#"(module
        (type $t (func (param i32) (result i32)))
        (global $f (mut (ref null $t)) (ref.null $t))
        (elem declare func $double $square $divide)
        (func $double (type $t) (i32.mul (local.get 0) (i32.const 2)))
        (func $square (type $t) (i32.mul (local.get 0) (local.get 0)))
        (func $divide (type $t) (i32.div_u (i32.const 100) (local.get 0)))
        (func (export "choose") (param $f i32)
            (if (i32.eq (local.get $f) (i32.const 0)) (then (global.set $f (ref.func $double))))
            (if (i32.eq (local.get $f) (i32.const 1)) (then (global.set $f (ref.func $square))))
            (if (i32.eq (local.get $f) (i32.const 2)) (then (global.set $f (ref.func $divide))))
            (if (i32.eq (local.get $f) (i32.const 3)) (then (global.set $f (ref.null $t)))))
        (func $call (param $x i32) (result i32)
            (call_ref $t (local.get $x) (global.get $f)))
        (func $tail (param $x i32) (result i32)
            (return_call_ref $t (local.get $x) (global.get $f)))
        (func $run (export "run") (param $x i32) (param $n i32) (result i32)
            (local $sum i32)
            (loop
                (local.set $sum (i32.add (local.get $sum)
                    (i32.add (call $tail (local.get $x))
                        (i32.add
                            (call $call (local.get $x))
                            (call_ref $t (local.get $x) (global.get $f))))))
                (br_if 0 (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
            (local.get $sum)))"#;
    for first in 0..3 {
        in_every_mode(|engine| {
            let (mut store, instance) = instance(engine, text);
            let choose = instance.get_typed_func::<i32, ()>(&mut store, "choose");
            let run = instance.get_typed_func::<(u32, u32), u32>(&mut store, "run");
            let (choose, run) = (choose.unwrap(), run.unwrap());
            let results = [2 * 5, 5 * 5, 100 / 5];
            for f in (first..3).chain([0]) {
                choose.call(&mut store, f).unwrap();
                for rounds in [ROUNDS, ROUNDS, 1] {
                    let sum = run.call(&mut store, (5, rounds)).unwrap();
                    assert_eq!(sum, 3 * rounds * results[f as usize]);
                }
            }
            for (f, x, trap) in [
                (2, 0, Trap::IntegerDivideByZero),
                (3, 5, Trap::NullReference),
            ] {
                choose.call(&mut store, f).unwrap();
                let error = run.call(&mut store, (x, 1)).unwrap_err();
                assert_eq!(error.downcast_ref(), Some(&trap));
            }
        });
    }
}

/// The same table in two instances of a module: the reference of one is not that of the other.
#[test]
fn an_indirect_call_to_another_instance() {
    let text = r#"(module
        (type $t (func (result i32)))
        (import "a" "table" (table $table 2 funcref))
        (global $own (mut i32) (i32.const 0))
        (func $get (type $t) (global.get $own))
        (func (export "set") (param i32 i32)
            (global.set $own (local.get 0))
            (table.set $table (local.get 1) (ref.func $get)))
        (elem declare func $get)
        (func (export "run") (param $f i32) (param $n i32) (result i32) (local $sum i32)
            (loop
                (local.set $sum (i32.add (local.get $sum)
                    (call_indirect $table (type $t) (local.get $f))))
                (br_if 0 (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
            (local.get $sum)))"#;
    in_every_mode(|engine| {
        let table = Module::new(engine, r#"(module (table (export "table") 2 funcref))"#).unwrap();
        let module = Module::new(engine, text).unwrap();
        let mut store = Store::new(engine, ());
        let mut linker = Linker::new(engine);
        let table = linker.instantiate(&mut store, &table).unwrap();
        linker.instance(&mut store, "a", table).unwrap();
        let instances = [0, 1].map(|number: u32| {
            let instance = linker.instantiate(&mut store, &module).unwrap();
            let set = instance.get_typed_func::<(u32, u32), ()>(&mut store, "set");
            set.unwrap().call(&mut store, (3 + number, number)).unwrap();
            instance
        });
        for instance in [0, 1, 1, 0].map(|number: usize| instances[number]) {
            let run = instance.get_typed_func::<(u32, u32), u32>(&mut store, "run");
            let run = run.unwrap();
            for f in [0, 1] {
                let sum = run.call(&mut store, (f, ROUNDS)).unwrap();
                assert_eq!(sum, (3 + f) * ROUNDS);
            }
        }
    });
}
