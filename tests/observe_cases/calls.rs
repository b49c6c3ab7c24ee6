//! Calls and their ends: by returning, tail calls, exceptions, traps, errors.

use anyhow::anyhow;
use upshift::observe::InstrumentedFunc;
use upshift::{Caller, Linker, Val};

use crate::{Told, nothing, same_everywhere};

fn all(func: &mut InstrumentedFunc<'_>) {
    func.listen(func.index().into());
}

#[test]
fn calls_are_told_with_arguments_and_results() {
    let text = r#"(module
        (func $leaf (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))
        (func $early (param i32) (result i32)
            (if (local.get 0) (then (return (i32.const 7))))
            (block (br_if 1 (i32.const 5) (i32.eqz (local.get 0))) (drop))
            (i32.const 9))
        (func $unused (param i32 i64 f32 f64) (result f64 i64 f32 i32 i64 i64 i64)
            (f64.const 0.5) (i64.const -1) (f32.const 2.5) (i32.const 4)
            (i64.const 5) (i64.const 6) (i64.const 7))
        (func $vector (param v128) (result v128)
            (i32x4.add (local.get 0) (v128.const i32x4 1 2 3 4)))
        (func $run (export "run") (param i32) (result i32)
            (call $leaf (call $early (local.get 0)))
            (call $unused (i32.const 1) (i64.const 2) (f32.const 3) (f64.const 4.25))
            (drop) (drop) (drop) (drop) (drop) (drop) (drop)
            (drop (call $vector (v128.const i64x2 -1 0)))))"#;
    let told = same_everywhere(all, text, &[0, 1], &nothing);
    let expected = "\
        (run 0|(early 0|early)5|(leaf 5|leaf)6|(unused 1,2,3,4.25|unused)0.5,-1,2.5,4,5,6,7\
        |(vector 0xffffffffffffffff|vector)0x4000000030000000100000000|run)6|= 6\
        |(run 1|(early 1|early)7|(leaf 7|leaf)8|(unused 1,2,3,4.25|unused)0.5,-1,2.5,4,5,6,7\
        |(vector 0xffffffffffffffff|vector)0x4000000030000000100000000|run)8|= 8";
    assert_eq!(told.join("|"), expected);
}

/// Loops that become hot and are entered in the middle, around calls that are inlined and that are
/// not, direct and indirect.
#[test]
fn nothing_is_lost_or_doubled_where_tiers_change() {
    let text = r#"(module
        (type $t (func (param i32) (result i32)))
        (table funcref (elem $small $large))
        (func $small (param i32) (result i32) (i32.mul (local.get 0) (i32.const 3)))
        (func $large (param i32) (result i32)
            (local i32)
            (loop
                (local.set 1 (i32.add (local.get 1) (call $small (local.get 0))))
                (local.set 0 (i32.sub (local.get 0) (i32.const 1)))
                (br_if 0 (i32.gt_s (local.get 0) (i32.const 0))))
            (local.get 1))
        (func $fib (param i32) (result i32)
            (if (result i32) (i32.lt_s (local.get 0) (i32.const 2))
                (then (local.get 0))
                (else (i32.add
                    (call $fib (i32.sub (local.get 0) (i32.const 1)))
                    (call $fib (i32.sub (local.get 0) (i32.const 2)))))))
        (func $run (export "run") (param i32) (result i32)
            (local $sum i32)
            (loop $next
                (local.set $sum (i32.add (local.get $sum) (call $small (local.get 0))))
                (local.set $sum (i32.xor (local.get $sum)
                    (call_indirect (type $t)
                        (i32.rem_u (local.get 0) (i32.const 7)) (i32.const 1))))
                (local.set $sum (i32.sub (local.get $sum)
                    (call_indirect (type $t) (local.get 0) (i32.const 0))))
                (local.set $sum (i32.add (local.get $sum)
                    (call $fib (i32.rem_u (local.get 0) (i32.const 6)))))
                (local.set 0 (i32.sub (local.get 0) (i32.const 1)))
                (br_if $next (local.get 0)))
            (local.get $sum)))"#;
    let told = same_everywhere(all, text, &[3, 400, 30], &nothing);
    let small = told
        .iter()
        .filter(|line| line.starts_with("(small"))
        .count();
    // Two in each iteration, and those of `large`, one at least.
    let in_large = |n: u32| (1..=n).map(|n| (n % 7).max(1)).sum::<u32>() + 2 * n;
    let expected: u32 = [3, 400, 30].map(in_large).iter().sum();
    assert_eq!(small, expected as usize);
}

#[test]
fn functions_are_chosen() {
    let text = r#"(module
        (func $f (param i32) (result i32) (call $g (local.get 0)))
        (func $g (param i32) (result i32) (call $h (local.get 0)))
        (func $h (param i32) (result i32) (local.get 0))
        (func (export "run") (param i32) (result i32)
            (loop
                (drop (call $f (local.get 0)))
                (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
            (i32.const 1)))"#;
    let only_g = |func: &mut InstrumentedFunc<'_>| {
        if func.name() == Some("g") {
            func.listen(1);
        }
    };
    let told = same_everywhere(only_g, text, &[100], &nothing);
    assert_eq!(told.len(), 2 * 100 + 1);
    assert_eq!(told[..2], ["(g 100", "g)100"]);
}

#[test]
fn tail_calls_end_their_function() {
    let text = r#"(module
        (type $t (func (param i32 i32) (result i32)))
        (table funcref (elem $odd $missing))
        (func $missing (param i64))
        (func $even (param i32 i32) (result i32)
            (if (i32.eqz (local.get 0)) (then (return (local.get 1))))
            (return_call_indirect (type $t) (i32.sub (local.get 0) (i32.const 1))
                (i32.add (local.get 1) (i32.const 1)) (i32.const 0)))
        (func $odd (type $t)
            (if (i32.eqz (local.get 0)) (then (return (i32.const -1))))
            (if (i32.eq (local.get 0) (i32.const 1001)) (then
                (return_call_indirect (type $t) (local.get 0) (local.get 1) (i32.const 1))))
            (return_call $even (i32.sub (local.get 0) (i32.const 1)) (local.get 1)))
        (func $run (export "run") (param i32) (result i32)
            (call $even (local.get 0) (i32.const 0))))"#;
    let told = same_everywhere(all, text, &[2, 1002, 900], &nothing);
    let first = "(run 2|(even 2,0|even)!TailCall|(odd 1,1|odd)!TailCall|(even 0,1|even)1|run)1|= 1";
    assert_eq!(told[..9].join("|"), first);
    let wrong = "(even 1002,0|even)!TailCall|(odd 1001,1|odd)!TailCall\
        |run)!Trap(IndirectCallTypeMismatch)|= indirect call type mismatch";
    assert_eq!(told[10..16].join("|"), wrong);
}

/// What throws is inlined or not, at several depths; what catches is listened to or not.
const THROWING: &str = r#"(module
    (tag $tag (param i32))
    (tag $other)
    (func $throw (param i32)
        (if (i32.rem_u (local.get 0) (i32.const 3))
            (then (throw $tag (local.get 0)))))
    (func $deep (param i32)
        (call $throw (local.get 0)))
    (func $large (param i32) (result i32)
        (local i32)
        (loop
            (call $deep (local.get 0))
            (br_if 0 (i32.lt_u (local.tee 1 (i32.add (local.get 1) (i32.const 1)))
                (i32.const 3))))
        (local.get 1))
    (func $try (param i32) (result i32)
        (block $other
            (return (block $caught (result i32)
                (try_table (result i32) (catch $other $other) (catch $tag $caught)
                    (call $large (local.get 0))))))
        (i32.const -1))
    (func $try_small (param i32) (result i32)
        (block $caught (result i32)
            (try_table (catch $tag $caught) (call $throw (local.get 0)))
            (i32.const 50)))
    (func $known (param i32) (result i32)
        (block $caught (result i32)
            (try_table (catch $tag $caught) (throw $tag (local.get 0)))
            (unreachable)))
    (func $older (param i32) (result i32)
        try (result i32)
            try (result i32)
                (call $large (local.get 0))
            catch $other
                (i32.const 0)
            end
        catch $tag
            (i32.add (i32.const 1000))
        catch_all
            (i32.const -2)
        end)
    (func $again (param i32) (result i32)
        (block $caught (result i32 exnref)
            (try_table (catch_ref $tag $caught) (call $deep (local.get 0)))
            (return (i32.const 8)))
        (throw_ref))
    (func $run (export "run") (param i32) (result i32)
        (local $n i32) (local $sum i32)
        (local.set $n (local.get 0))
        (loop $next
            (local.set $sum (i32.add (local.get $sum) (call $try (local.get $n))))
            (local.set $sum (i32.add (local.get $sum) (call $try_small (local.get $n))))
            (local.set $sum (i32.add (local.get $sum) (call $known (local.get $n))))
            (local.set $sum (i32.add (local.get $sum) (call $older (local.get $n))))
            (local.set $n (i32.sub (local.get $n) (i32.const 1)))
            (br_if $next (local.get $n)))
        (drop (call $again (i32.add (local.get 0) (i32.const 1))))
        (local.get $sum)))"#;

#[test]
fn exceptions_end_the_calls_that_they_leave() {
    let told = same_everywhere(all, THROWING, &[2, 300], &nothing);
    let first = "(run 2|(try 2|(large 2|(deep 2|(throw 2|throw)!Exception|deep)!Exception\
        |large)!Exception|try)2|(try_small 2|(throw 2|throw)!Exception|try_small)2\
        |(known 2|known)2|(older 2|(large 2|(deep 2|(throw 2|throw)!Exception|deep)!Exception\
        |large)!Exception|older)1002|";
    assert!(told.join("|").starts_with(first), "{:#?}", &told[..30]);
}

#[test]
fn what_catches_need_not_be_listened_to() {
    for chosen in [
        &["throw"][..],
        &["deep", "large"],
        &["throw", "older", "run"],
    ] {
        let some = move |func: &mut InstrumentedFunc<'_>| {
            if chosen.contains(&func.name().unwrap()) {
                func.listen(0);
            }
        };
        let told = same_everywhere(some, THROWING, &[2, 100], &nothing);
        assert!(told.iter().any(|line| line.ends_with(")!Exception")));
    }
}

/// Traps, errors and exceptions of the host leave several activations.
#[test]
fn calls_end_with_the_call_from_the_host() {
    let text = r#"(module
        (import "host" "fail" (func $fail (param i32)))
        (func $divide (param i32) (result i32) (i32.div_u (i32.const 1) (local.get 0)))
        (func $deep (param i32) (result i32)
            (call $fail (local.get 0))
            (call $divide (local.get 0)))
        (func $inner (export "inner") (param i32) (result i32) (call $deep (local.get 0)))
        (func $run (export "run") (param i32) (result i32) (call $deep (local.get 0))))"#;
    let define = |linker: &mut Linker<Told>| {
        let fail = |mut caller: Caller<'_, Told>, n: i32| {
            match n {
                1 => return Err(anyhow!("the host fails")),
                5.. => {
                    let inner = caller.get_export("inner").and_then(|it| it.into_func());
                    let mut results = [Val::I32(0)];
                    let called = inner
                        .unwrap()
                        .call(&mut caller, &[Val::I32(n - 5)], &mut results);
                    caller.data_mut().push(format!("inner {}", called.is_ok()));
                }
                _ => {}
            }
            Ok(())
        };
        linker.func_wrap("host", "fail", fail).unwrap();
    };
    let told = same_everywhere(all, text, &[0, 1, 2, 5, 6, 10], &define);
    let text = told.join("|");
    let trap = "(run 0|(deep 0|(divide 0|divide)!Trap(IntegerDivideByZero)\
        |deep)!Trap(IntegerDivideByZero)|run)!Trap(IntegerDivideByZero)|= integer divide by zero";
    assert!(text.starts_with(trap), "{text}");
    assert!(text.contains("(run 1|(deep 1|deep)!Error|run)!Error|= the host fails"));
    let inner = "(run 6|(deep 6|(inner 1|(deep 1|deep)!Error|inner)!Error|inner false\
        |(divide 6|divide)0|deep)0|run)0|= 0";
    assert!(text.contains(inner), "{text}");
}

#[test]
fn exhausted_stacks_end_all_calls() {
    let text = r#"(module
        (func $down (param i32) (result i32)
            (i32.add (i32.const 1) (call $down (i32.add (local.get 0) (i32.const 1)))))
        (func $run (export "run") (param i32) (result i32) (call $down (local.get 0))))"#;
    // How deep the stack is depends on the code, so only the balance is compared.
    for (mode, engine) in crate::engines(all) {
        eprintln!("mode {mode}");
        let module = upshift::Module::new(&engine, text).unwrap();
        let told = crate::events(&engine, &module, &[0, 0], &nothing);
        crate::assert_balanced(&told);
        let ends = told.iter().filter(|line| line.starts_with('='));
        assert!(ends.clone().all(|end| end.contains("call stack exhausted")));
        assert!(told.len() > 1000);
    }
}
