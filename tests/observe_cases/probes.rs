//! Probes: at operators, with the topmost operand.

use upshift::observe::{InstrumentedFunc, OperatorKind};

use crate::{nothing, same_everywhere};

/// All operators, with their operands; tags are offsets in the module.
fn everything(func: &mut InstrumentedFunc<'_>) {
    for operator in &*func.operators() {
        func.probe_operand(operator.offset(), operator.offset().into());
    }
}

const TEXT: &str = r#"(module
    (memory 1)
    (table funcref (elem $f $g))
    (type $t (func (param i32) (result i32)))
    (global $global (mut f64) (f64.const 1.5))
    (func $f (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))
    (func $g (param i32) (result i32)
        (local i32)
        (local.set 1 (i32.eqz (local.get 0)))
        (select (i32.const 3) (local.get 1) (i32.lt_s (local.get 0) (local.get 1))))
    (func $floats (param f64) (result i32)
        (global.set $global (f64.add (global.get $global) (local.get 0)))
        (f64.gt (global.get $global) (f64.const 100)))
    (func $run (export "run") (param i32) (result i32)
        (local $sum i32)
        (loop $next
            (block $out
                (block $two
                    (block $one
                        (br_table $one $two $out (i32.rem_u (local.get 0) (i32.const 4))))
                    (local.set $sum (i32.add (local.get $sum)
                        (call_indirect (type $t) (local.get 0)
                            (i32.and (local.get 0) (i32.const 1)))))
                    (br $out))
                (i32.store (i32.const 8) (local.get $sum))
                (local.set $sum (i32.add (i32.load (i32.const 8)) (call $f (i32.const 2)))))
            (if (call $floats (f64.const 2.25))
                (then (local.set $sum (i32.add (local.get $sum) (i32.const 1))))
                (else (local.set $sum (i32.sub (local.get $sum) (i32.const 1)))))
            (loop $inner
                (loop $innermost
                    (local.set 0 (i32.sub (local.get 0) (i32.const 1)))
                    (br_if $innermost (i32.eq (local.get 0) (i32.const 7)))))
            (br_if $next (i32.gt_s (local.get 0) (i32.const 0))))
        (local.get $sum)))"#;

#[test]
fn operators_are_probed_with_their_operands() {
    let told = same_everywhere(everything, TEXT, &[1, 9, 200], &nothing);
    assert!(told.len() > 3000);
}

#[test]
fn calls_and_probes_together() {
    let both = |func: &mut InstrumentedFunc<'_>| {
        func.listen(0);
        everything(func);
    };
    same_everywhere(both, TEXT, &[9, 100], &nothing);
}

#[test]
fn conditions_indexes_and_addresses_are_seen() {
    let chosen = |func: &mut InstrumentedFunc<'_>| {
        for operator in &*func.operators() {
            let tag = match operator.kind() {
                OperatorKind::BrIf => 1,
                OperatorKind::BrTable => 2,
                OperatorKind::CallIndirect => 3,
                OperatorKind::Load => 4,
                OperatorKind::If => 5,
                OperatorKind::Loop => 6,
                _ => continue,
            };
            func.probe_operand(operator.offset(), tag);
        }
    };
    let told = same_everywhere(chosen, TEXT, &[3, 8], &nothing);
    let expected = "run@6 None|run@2 Some(\"3\")|run@5 Some(\"0\")|run@6 None|run@6 None\
        |run@1 Some(\"0\")|run@1 Some(\"1\")\
        |run@6 None|run@2 Some(\"2\")|run@5 Some(\"0\")|run@6 None|run@6 None\
        |run@1 Some(\"0\")|run@1 Some(\"1\")\
        |run@6 None|run@2 Some(\"1\")|run@4 Some(\"8\")|run@5 Some(\"0\")|run@6 None|run@6 None\
        |run@1 Some(\"0\")|run@1 Some(\"0\")|= 0\
        |run@6 None|run@2 Some(\"0\")|run@3 Some(\"0\")|run@5 Some(\"0\")|run@6 None|run@6 None\
        |run@1 Some(\"1\")|run@6 None|run@1 Some(\"0\")|run@1 Some(\"1\")";
    assert_eq!(told.join("|").get(..expected.len()), Some(expected));
}

#[test]
fn probes_in_handlers_and_around_exceptions() {
    let text = r#"(module
        (tag $tag (param i64))
        (func $throw (param i64) (throw $tag (local.get 0)))
        (func $run (export "run") (param i32) (result i32)
            (local $sum i64)
            (loop $next
                (block $caught (result i64)
                    (try_table (catch $tag $caught)
                        (call $throw (i64.extend_i32_u (local.get 0))))
                    (unreachable))
                (local.set $sum (i64.add (local.get $sum)))
                try
                    (call $throw (local.get $sum))
                catch $tag
                    (local.set $sum)
                catch_all
                    (unreachable)
                end
                (br_if $next (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
            (i32.wrap_i64 (local.get $sum))))"#;
    let told = same_everywhere(everything, text, &[2, 60], &nothing);
    assert!(told.contains(&"= 3".to_owned()) && told.contains(&"= 1830".to_owned()));
}

/// References are passed as the API has them: functions of all ways of making them, values of the
/// host, exceptions, and null.
#[test]
fn references_are_operands() {
    let text = r#"(module
        (type $t (func (param i32) (result i32)))
        (table $funcs 4 funcref)
        (elem (table $funcs) (i32.const 0) func $f $run)
        (table $externs 2 externref)
        (tag $tag (param i32))
        (func $f (type $t) (local.get 0))
        (func $null (param (ref null $t)) (result i32)
            (block $is_null (br_on_null $is_null (local.get 0)) (drop) (return (i32.const 1)))
            (i32.const 0))
        (func $run (export "run") (type $t)
            (local $sum i32)
            (loop $next
                (local.set $sum (i32.add (local.get $sum)
                    (call_ref $t (i32.const 5) (ref.func $f))))
                (local.set $sum (i32.add (local.get $sum) (call $null (ref.func $f))))
                (local.set $sum (i32.add (local.get $sum) (call $null (ref.null $t))))
                (local.set $sum (i32.add (local.get $sum) (ref.is_null
                    (table.get $funcs (i32.and (local.get 0) (i32.const 3))))))
                (table.set $externs (i32.const 0) (table.get $externs (i32.const 1)))
                (block $caught (result i32)
                    (block $again (result i32 exnref)
                        (try_table (catch_ref $tag $again)
                            (throw $tag (local.get 0)))
                        (unreachable))
                    (drop)
                    (br $caught))
                (local.set $sum (i32.add (local.get $sum)))
                (br_if $next (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
            (local.get $sum)))"#;
    let told = same_everywhere(everything, text, &[3, 200], &nothing);
    let count = |what: &str| {
        let ends = format!("Some(\"{what}\")");
        told.iter().filter(|line| line.ends_with(&ends)).count()
    };
    // In front of `call_ref`, of `br_on_null`, of `drop` and of `ref.is_null`, 203 times each.
    assert!(count("func:true") >= 3 * 203, "{}", count("func:true"));
    assert!(count("func:false") >= 203);
    assert!(count("extern:false") >= 203);
    assert!(count("exn:true") >= 203);
}

#[test]
#[should_panic(expected = "no operator of this function begins at offset 0x1")]
fn only_operators_can_be_probed() {
    let mut config = upshift::Config::new();
    config.instrument(|func: &mut InstrumentedFunc<'_>| func.probe(1, 0));
    let engine = upshift::Engine::new(&config).unwrap();
    let _ = upshift::Module::new(&engine, TEXT);
}
