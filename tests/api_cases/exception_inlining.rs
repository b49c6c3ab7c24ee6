//! Exceptions through optimized code: across functions that are inlined, from OSR entries inside of
//! regions and clauses, with all that a handler must find in its frame.

use upshift::{Engine, FuncType, Linker, Module, Store, Tag, TagType, TypedFunc, ValType};

use crate::{in_every_mode, instance};

/// Rounds of the loops: enough for an OSR entry with the low budgets of the test modes.
const ROUNDS: u32 = 3000;

/// Calls a function of a module in every mode, often enough for each tier, and compares its result.
fn check(text: &str, argument: u32, expected: u64) {
    in_every_mode(|engine: &Engine| {
        let (mut store, instance) = instance(engine, text);
        let run: TypedFunc<u32, u64> = instance.get_typed_func(&mut store, "run").unwrap();
        for _ in 0..3 {
            let result = run.call(&mut store, argument);
            let result = result.unwrap_or_else(|error| panic!("{error:?}"));
            assert_eq!(result, expected);
        }
    });
}

/// What small functions throw finds the clauses around their calls, through regions of their own,
/// and the locals are those at the call.
#[test]
fn copies_throw_to_the_regions_around_their_calls() {
    let text = r#"(module
        (tag $small (param i32))
        (tag $large (param i64 v128))
        (tag $never)
        (func $check (param i32) (result i32)
            (if (i32.eqz (i32.and (local.get 0) (i32.const 3)))
                (then (throw $small (local.get 0))))
            (local.get 0))
        (func $middle (param i32) (result i32)
            (block
                (try_table (result i32) (catch $never 0) (call $check (local.get 0)))
                (return (i32.add (i32.const 1))))
            (unreachable))
        (func $large (param i32)
            (throw $large (i64.extend_i32_u (local.get 0)) (v128.const i64x2 5 6)))
        (func (export "run") (param $n i32) (result i64)
            (local $sum i64) (local $before i64) (local $vector v128)
            loop $next
                block $done
                    block $large (result i64 v128)
                        block $small (result i32)
                            try_table (catch $large $large) (catch $small $small)
                                (local.set $before (i64.const 1000))
                                (local.set $sum (i64.add (local.get $sum)
                                    (i64.extend_i32_u (call $middle (local.get $n)))))
                                (local.set $before (i64.const 2000))
                                (if (i32.and (local.get $n) (i32.const 1))
                                    (then (call $large (local.get $n))))
                            end
                            br $done
                        end
                        i64.extend_i32_u
                        (v128.const i64x2 0 0)
                    end
                    local.set $vector
                    (i64x2.extract_lane 1 (local.get $vector))
                    i64.add
                    local.get $before
                    i64.mul
                    local.get $sum
                    i64.add
                    local.set $sum
                end
                (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1))))
            end
            local.get $sum))"#;
    let expected = (1..=u64::from(ROUNDS)).map(|n| match n % 4 {
        0 => 1000 * n,
        1 | 3 => n + 1 + 2000 * (n + 6),
        _ => n + 1,
    });
    check(text, ROUNDS, expected.sum());
}

/// An exception passes frames with arguments on the stack and areas for results; the handler's
/// stack pointer is right, and its callers find their registers as they were.
#[test]
fn frames_are_left_as_they_were() {
    let text = r#"(module
        (type $many (func (param i32 i32 i64 i64 i64 i64 i64 i64 i64 f64)
                          (result i64 i64 i64 i64 i64 f64 f64)))
        (tag $t (param i64 f64))
        (func $deep (type $many)
            (if (i32.eqz (local.get 0))
                (then
                    (if (i32.and (local.get 1) (i32.const 1))
                        (then (throw $t (i64.extend_i32_u (local.get 1)) (local.get 9))))
                    (return (local.get 2) (local.get 3) (local.get 4) (local.get 5) (local.get 6)
                        (local.get 9) (f64.const 1))))
            (call $deep
                (i32.sub (local.get 0) (i32.const 1)) (local.get 1)
                (local.get 3) (local.get 4) (local.get 5) (local.get 6) (local.get 7)
                (local.get 8) (local.get 2) (local.get 9)))
        (func $catch (param $n i32) (result i64) (local $x i64) (local $f f64)
            (local.set $x (i64.mul (i64.extend_i32_u (local.get $n)) (i64.const 3)))
            block $caught (result i64 f64)
                (i32.const 10)
                local.get $n
                try_table (param i32 i32) (result i64 i64 i64 i64 i64 f64 f64) (catch $t $caught)
                    (i64.const 1) (i64.const 2) (i64.const 3) (i64.const 4) (i64.const 5)
                    (i64.const 6) (local.get $x) (f64.convert_i32_u (local.get $n))
                    call $deep
                end
                f64.add
                i64.trunc_f64_u
                i64.add i64.add i64.add i64.add i64.add
                return
            end
            local.set $f
            (i64.trunc_f64_u (f64.mul (local.get $f) (f64.const 2)))
            i64.add
            local.get $x
            i64.add)
        (func (export "run") (param $n i32) (result i64)
            (local $a i64) (local $b i64) (local $c i64) (local $d i64) (local $e i64)
            (local $f i64) (local $g i64)
            loop
                (local.set $a (i64.add (local.get $a) (call $catch (local.get $n))))
                (local.set $b (i64.add (local.get $b) (i64.const 1)))
                (local.set $c (i64.add (local.get $c) (i64.const 2)))
                (local.set $d (i64.xor (local.get $d) (local.get $a)))
                (local.set $e (i64.add (local.get $e) (i64.const 4)))
                (local.set $f (i64.add (local.get $f) (i64.const 5)))
                (local.set $g (i64.xor (local.get $g) (local.get $d)))
                (br_if 0 (local.tee $n (i32.sub (local.get $n) (i32.const 1))))
            end
            (i64.add (i64.add (i64.add (local.get $a) (local.get $b))
                              (i64.add (local.get $c) (local.get $d)))
                     (i64.add (i64.add (local.get $e) (local.get $f)) (local.get $g)))))"#;
    let (mut a, mut d, mut g) = (0_u64, 0, 0);
    for n in (1..=u64::from(ROUNDS)).rev() {
        // After ten rotations of seven values the five are those from the fourth on.
        let rotated = 4 + 5 + 6 + 3 * n + 1;
        a += if n % 2 == 1 {
            n + 2 * n + 3 * n
        } else {
            rotated + n + 1
        };
        d ^= a;
        g ^= d;
    }
    let counted = (1 + 2 + 4 + 5) * u64::from(ROUNDS);
    check(text, ROUNDS, a + d + g + counted);
}

/// Loops that become hot inside of regions and clauses: an OSR entry handles what is thrown from
/// then on, and has the exceptions that clauses around it caught.
#[test]
fn osr_entries_are_in_regions_and_clauses() {
    let text = r#"(module
        (tag $n (param i32))
        (tag $end (param i64))
        (func $throw (param i32) (throw $n (local.get 0)))
        (func $unless (param i32) (param i64)
            (if (i32.eqz (local.get 0)) (then (throw $end (local.get 1)))))
        (func (export "run") (param $n i32) (result i64) (local $sum i64) (local $i i32)
            (i64.const 5)
            try $whole (result i64)
                i64.const 6
                try $outer
                    local.get $n
                    call $throw
                catch_all
                    (local.set $i (local.get $n))
                    i64.const 7
                    try $inner (param i64) (result i64)
                        loop
                            (local.set $sum (i64.add (local.get $sum) (i64.const 10)))
                            (local.set $i (i32.sub (local.get $i) (i32.const 1)))
                            (call $unless (local.get $i) (local.get $sum))
                            br 0
                        end
                        unreachable
                    catch $n
                        unreachable
                    catch $end
                        (local.set $sum (i64.add (local.get $sum)))
                        (local.set $i (local.get $n))
                        loop
                            (local.set $sum (i64.add (local.get $sum) (i64.const 3)))
                            (local.set $i (i32.sub (local.get $i) (i32.const 1)))
                            (br_if 0 (local.get $i))
                        end
                        try
                            rethrow $inner
                        catch $n
                            unreachable
                        catch $end
                            (local.set $sum (i64.add (local.get $sum)))
                        end
                        i64.const 8
                    end
                    (local.set $sum (i64.add (local.get $sum)))
                    (local.set $i (local.get $n))
                    block
                        loop
                            (local.set $sum (i64.add (local.get $sum) (i64.const 1)))
                            (local.set $i (i32.sub (local.get $i) (i32.const 1)))
                            (br_if 0 (local.get $i))
                        end
                        try
                            rethrow $outer
                        delegate $outer
                    end
                end
                (local.set $sum (i64.add (local.get $sum)))
                local.get $sum
            catch $n
                i64.extend_i32_u
                i64.const 100000
                i64.mul
                local.get $sum
                i64.add
            end
            i64.add))"#;
    let n = u64::from(ROUNDS);
    let sum = 10 * n + 10 * n + 3 * n + 10 * n + n + 8;
    check(text, ROUNDS, 5 + 100_000 * n + sum);
}

/// A loop that becomes hot in a clause of the older form: the exception that `rethrow` throws
/// behind it was caught before the OSR entry.
#[test]
fn osr_entries_keep_what_was_caught_before() {
    let text = r#"(module
        (tag $t (param i64))
        (tag $u)
        (func $throw (param i64) (throw $t (local.get 0)))
        (func (export "run") (param $n i32) (result i64) (local $sum i64)
            (i64.const 1000)
            try (result i64)
                try
                    (call $throw (i64.const 7))
                catch $u
                catch $t
                    drop
                    block
                        loop
                            (local.set $sum (i64.add (local.get $sum) (i64.const 1)))
                            (br_if 0 (local.tee $n (i32.sub (local.get $n) (i32.const 1))))
                        end
                        rethrow 1
                    end
                end
                (i64.const 5)
            catch $t
                local.get $sum
                i64.add
            end
            i64.add))"#;
    check(text, ROUNDS, 1000 + 7 + u64::from(ROUNDS));
}

/// As for the older form: a loop in a region that is left by exceptions only, again and again.
#[test]
fn osr_entries_catch_what_is_thrown_from_then_on() {
    let text = r#"(module
        (tag $t (param i32))
        (tag $other)
        (func $step (param i32) (result i32)
            (if (i32.eqz (i32.rem_u (local.get 0) (i32.const 50)))
                (then (throw $t (local.get 0))))
            (i32.sub (local.get 0) (i32.const 1)))
        (func (export "run") (param $n i32) (result i64) (local $sum i64) (local $e exnref)
            loop $outer
                block $thrown (result i32 exnref)
                    try_table (catch_ref $t $thrown)
                        loop $inner
                            (local.set $sum (i64.add (local.get $sum) (i64.const 1)))
                            (local.set $n (call $step (local.get $n)))
                            br $inner
                        end
                    end
                    unreachable
                end
                local.set $e
                i64.extend_i32_u
                local.get $sum
                i64.add
                local.set $sum
                block $again (result i32)
                    try_table (catch $t $again)
                        (throw_ref (local.get $e))
                    end
                    unreachable
                end
                i32.const 1
                i32.sub
                local.tee $n
                i32.const 0
                i32.gt_s
                br_if $outer
            end
            local.get $sum))"#;
    let rounds = (0..=u64::from(ROUNDS)).rev();
    // The last round is that of 0, which begins only if the one before ended above 0.
    let counted = rounds.map(|n| 1 + if n % 50 == 0 { n } else { 0 });
    check(text, ROUNDS, counted.sum());
}

/// Whether two imported tags are the same is known to instances only, also where the throw and its
/// clause stand in the same function.
#[test]
fn imported_tags_may_be_the_same() {
    let text = r#"(module
        (import "m" "a" (tag $a (param i32)))
        (import "m" "b" (tag $b (param i32)))
        (tag $own (param i32))
        (func $throw (param i32) (throw $a (local.get 0)))
        (func (export "run") (param $n i32) (result i64) (local $sum i64)
            loop
                block $all
                    block $values (result i32)
                        (try_table (catch $own $values) (catch $b $values) (catch_all $all)
                            (call $throw (local.get $n)))
                        unreachable
                    end
                    i64.extend_i32_u
                    local.get $sum
                    i64.add
                    local.set $sum
                end
                (br_if 0 (local.tee $n (i32.sub (local.get $n) (i32.const 1))))
            end
            local.get $sum))"#;
    in_every_mode(|engine| {
        let module = Module::new(engine, text).unwrap();
        let mut store = Store::new(engine, ());
        let ty = TagType::new(FuncType::new(engine, [ValType::I32], []));
        let [one, two] = [(); 2].map(|()| Tag::new(&mut store, &ty).unwrap());
        let sum = u64::from(ROUNDS) * u64::from(ROUNDS + 1) / 2;
        for (b, expected) in [(one, sum), (two, 0)] {
            let mut linker = Linker::new(engine);
            linker.define(&store, "m", "a", one).unwrap();
            linker.define(&store, "m", "b", b).unwrap();
            let instance = linker.instantiate(&mut store, &module).unwrap();
            let run: TypedFunc<u32, u64> = instance.get_typed_func(&mut store, "run").unwrap();
            for _ in 0..3 {
                assert_eq!(run.call(&mut store, ROUNDS).unwrap(), expected);
            }
        }
    });
}
