//! What exceptions leave of frames: registers that callers keep, locals and operands that handlers
//! find, the stack pointer, and the values that travel.

use upshift::{
    AsContextMut, Extern, FuncType, Instance, Module, Store, Tag, TagType, Trap, Val, ValType,
};

use crate::{in_every_mode, instance};

fn call(store: &mut Store<()>, instance: &Instance, name: &str, argument: i32) -> i32 {
    let func = instance.get_typed_func::<i32, i32>(&mut *store, name);
    let result = func.expect("exported").call(&mut *store, argument);
    result.unwrap_or_else(|error| panic!("{name}({argument}): {error:?}"))
}

/// Calls each exported function with small numbers, often enough for every tier.
fn check(module: &str, expected: fn(&str, i32) -> i32) {
    in_every_mode(|engine| {
        let (mut store, instance) = instance(engine, module);
        let exports = instance.exports(&mut store);
        let names: Vec<String> = exports.map(|export| export.name().to_string()).collect();
        assert!(!names.is_empty());
        for name in &names {
            for n in (0..24).cycle().take(240) {
                let result = call(&mut store, &instance, name, n);
                assert_eq!(result, expected(name, n), "{name}({n})");
            }
        }
    });
}

/// Callers have sums in registers that calls preserve; what they call changes these registers,
/// throws from below, and catches.
#[test]
fn callers_keep_their_registers() {
    const MODULE: &str = r#"(module
        (tag $odd (param i32))
        (func $throw (param i32) (result i32)
            (local i32 i32 i32 i32 i32 i32)
            (local.set 1 (call $id (i32.const 1)))
            (local.set 2 (call $id (i32.const 2)))
            (local.set 3 (call $id (i32.const 3)))
            (local.set 4 (call $id (i32.const 4)))
            (local.set 5 (call $id (i32.const 5)))
            (local.set 6 (call $id (i32.const 6)))
            (if (i32.and (local.get 0) (i32.const 1)) (then (throw $odd (local.get 0))))
            (i32.add (i32.mul (local.get 1) (local.get 2)) (i32.add (local.get 3)
                (i32.add (local.get 4) (i32.add (local.get 5) (local.get 6))))))
        (func $id (param i32) (result i32) (local.get 0))
        (func $catch (param i32) (result i32)
            (block $caught (result i32)
                (try_table (result i32) (catch $odd $caught) (call $throw (local.get 0)))
                (i32.sub (i32.const 20))))
        (func $jump (param i32) (result i32)
            (if (i32.eqz (local.get 0)) (then (return_call $id (i32.const 0))))
            (block $caught (result i32)
                (try_table (result i32) (catch $odd $caught) (call $throw (local.get 0)))
                (drop) (return_call $id (i32.const 0))))
        (func $jump_last (param i32) (result i32)
            (block $caught (result i32)
                (try_table (result i32) (catch $odd $caught)
                    (drop (call $throw (local.get 0)))
                    (return_call $id (i32.const 0))))
            (return_call $id))
        (func $old (param i32) (result i32)
            try (result i32)
                (call $throw (local.get 0)) (drop) (i32.const 0)
            catch $odd
                (call $id)
            end)
        (func (export "sums") (param $n i32) (result i32)
            (local $i i32) (local $a i32) (local $b i32) (local $c i32) (local $d i32)
            (loop $next
                (local.set $a (i32.add (local.get $a) (call $catch (local.get $i))))
                (local.set $b (i32.add (local.get $b) (call $jump (local.get $i))))
                (local.set $c (i32.add (local.get $c) (call $jump_last (local.get $i))))
                (local.set $d (i32.add (local.get $d) (call $old (local.get $i))))
                (local.set $i (i32.add (local.get $i) (i32.const 1)))
                (br_if $next (i32.le_u (local.get $i) (local.get $n))))
            (i32.add (local.get $a) (i32.add (i32.mul (local.get $b) (i32.const 10))
                (i32.add (i32.mul (local.get $c) (i32.const 100))
                    (i32.mul (local.get $d) (i32.const 1000))))))
    )"#;
    check(MODULE, |_, n| {
        (0..=n).filter(|i| i % 2 == 1).sum::<i32>() * 1111
    });
}

/// Handlers find the newest values of locals of every kind, whichever call throws, and the operands
/// below the block.
#[test]
fn handlers_find_locals_and_operands() {
    const MODULE: &str = r#"(module
        (tag $stop)
        (func $at (param i32 i32) (if (i32.eq (local.get 0) (local.get 1)) (then (throw $stop))))
        (func (export "locals") (param $n i32) (result i32)
            (local $a i32) (local $b i64) (local $c f64) (local $d f32) (local $v v128)
            (local.get $n)
            (i32.add (local.get $n) (i32.const 100))
            (block $caught
                (try_table (catch $stop $caught)
                    (i32.const 1000)
                    (local.set $a (i32.const 1))
                    (call $at (local.get $n) (i32.const 0))
                    (local.set $b (i64.add (i64.extend_i32_u (local.get $a)) (i64.const 1)))
                    (call $at (local.get $n) (i32.const 1))
                    (local.set $c (f64.convert_i64_u (local.get $b)))
                    (local.set $d (f32.const 3))
                    (call $at (local.get $n) (i32.const 2))
                    (local.set $v (i32x4.splat (local.get $a)))
                    (local.set $a (i32.const 7))
                    (call $at (local.get $n) (i32.const 3))
                    (drop)
                    (throw $stop)))
            (i32.add) (i32.add (local.get $a)) (i32.add (i32.wrap_i64 (local.get $b)))
            (i32.add (i32.trunc_f64_s (local.get $c))) (i32.add (i32.trunc_f32_s (local.get $d)))
            (i32.add (i32x4.extract_lane 2 (local.get $v))))
        ;; The loop assigns `$x` first on every way but those of exceptions.
        (func (export "loop") (param $n i32) (result i32) (local $x i32) (local $i i32)
            (block $caught
                (try_table (catch $stop $caught)
                    (loop $next
                        (call $at (local.get $n) (local.get $i))
                        (local.set $x (i32.mul (local.get $i) (i32.const 3)))
                        (local.set $i (i32.add (local.get $i) (i32.const 1)))
                        (br_if $next (i32.lt_u (local.get $i) (i32.const 16))))))
            (i32.add (local.get $x) (i32.mul (local.get $i) (i32.const 100))))
        ;; A loop without calls, which has its budget in a register.
        (func (export "throwing loop") (param $n i32) (result i32) (local $x i32)
            (block $caught
                (try_table (catch_all $caught)
                    (loop $next
                        (if (i32.ge_u (local.get $x) (local.get $n)) (then (throw $stop)))
                        (local.set $x (i32.add (local.get $x) (i32.const 1)))
                        (br $next))))
            (local.get $x))
        ;; Out of a loop's region and back into the loop.
        (func (export "again") (param $n i32) (result i32) (local $x i32) (local $sum i32)
            (loop $next
                (block $caught
                    (try_table (catch $stop $caught)
                        (call $at (i32.and (local.get $x) (i32.const 1)) (i32.const 1))
                        (local.set $sum (i32.add (local.get $sum) (local.get $x)))))
                (local.set $x (i32.add (local.get $x) (i32.const 1)))
                (br_if $next (i32.lt_u (local.get $x) (local.get $n))))
            (local.get $sum))
        ;; The clause's label is the loop itself.
        (func (export "loop label") (param $n i32) (result i32) (local $x i32)
            (loop $next
                (local.set $x (i32.add (local.get $x) (i32.const 1)))
                (try_table (catch $stop $next)
                    (call $at (i32.lt_u (local.get $x) (local.get $n)) (i32.const 1))))
            (local.get $x))
    )"#;
    check(MODULE, |name, n| match name {
        "locals" => {
            let assigned = [1, 2, 2 + 3, 7 - 1 + 1];
            let passed = (n as usize).min(3);
            2 * n + 100 + assigned[..=passed].iter().sum::<i32>()
        }
        "loop" => match n {
            0 => 0,
            1..16 => 3 * (n - 1) + 100 * n,
            _ => 3 * 15 + 1600,
        },
        "throwing loop" => n,
        "again" => (0..n.max(1)).filter(|x| x % 2 == 0).sum(),
        "loop label" => n.max(1),
        _ => unreachable!("{name}"),
    });
}

/// Calls with arguments on the stack and results in memory throw as often as not: the stack pointer
/// is the frame's again.
#[test]
fn handlers_get_the_stack_pointer_back() {
    let params = "i64 ".repeat(20);
    let results = "i64 ".repeat(9);
    let many: String = (0..20).map(|n| format!("(i64.const {n})")).collect();
    let returned = "(local.get 7)".repeat(9);
    let module = format!(
        r#"(module
        (tag $odd (param i64))
        (type $wide (func (param {params}) (result {results})))
        (table funcref (elem $wide))
        (global $n (mut i64) (i64.const 0))
        (func $wide (type $wide)
            (if (i64.ne (i64.and (global.get $n) (i64.const 1)) (i64.const 0))
                (then (throw $odd (local.get 19))))
            {returned})
        (func $sum (param {results}) (result i64) (i64.add (local.get 0) (local.get 8)))
        (func (export "run") (param i32) (result i32) (local $i i32) (local $sum i64)
            (loop $next
                (global.set $n (i64.extend_i32_u (local.get $i)))
                (block $caught (result i64)
                    (try_table (result i64) (catch $odd $caught)
                        {many} (call $wide) (call $sum)))
                (block $caught (result i64)
                    (try_table (result i64) (catch $odd $caught)
                        {many} (i32.const 0) (call_indirect (type $wide)) (call $sum)))
                (local.set $sum (i64.add (i64.add (local.get $sum))))
                (local.set $i (i32.add (local.get $i) (i32.const 1)))
                (br_if $next (i32.le_u (local.get $i) (local.get 0))))
            (i32.wrap_i64 (local.get $sum)))
    )"#
    );
    in_every_mode(|engine| {
        let (mut store, instance) = instance(engine, &module);
        let expected = |n: i32| {
            (0..=n)
                .map(|i| 2 * if i % 2 == 1 { 19 } else { 14 })
                .sum::<i32>()
        };
        for n in [0, 1, 2, 7, 20_000] {
            assert_eq!(call(&mut store, &instance, "run", n), expected(n), "{n}");
        }
    });
}

/// Values of every kind, few and many, arrive where they are caught: at labels and in blocks.
#[test]
fn values_travel() {
    let types = "i32 i64 f32 f64 v128 ".repeat(6);
    let thrown: String = (0..30)
        .map(|n| match n % 5 {
            0 => format!("(i32.add (local.get 0) (i32.const {n}))"),
            1 => format!("(i64.add (i64.extend_i32_u (local.get 0)) (i64.const {n}))"),
            2 => format!("(f32.add (f32.convert_i32_u (local.get 0)) (f32.const {n}))"),
            3 => format!("(f64.add (f64.convert_i32_u (local.get 0)) (f64.const {n}))"),
            _ => format!("(i32x4.splat (i32.add (local.get 0) (i32.const {n})))"),
        })
        .collect();
    let kinds = [
        "(local.set $sum (i32.add (local.get $sum)))",
        "(i32.wrap_i64)",
        "(i32.trunc_f32_s)",
        "(i32.trunc_f64_s)",
        "(i32x4.extract_lane 3)",
    ];
    let summed: String = (0..30)
        .rev()
        .map(|n| match n % 5 {
            0 => kinds[0].to_string(),
            kind => format!("{}{}", kinds[kind], kinds[0]),
        })
        .collect();
    let module = format!(
        r#"(module
        (tag $few (param i32 f64 v128 i64))
        (tag $many (param {types}))
        (func $throw_few (param i32)
            (throw $few (local.get 0) (f64.const 2) (v128.const i32x4 1 2 3 4) (i64.const 5)))
        (func $throw_many (param i32) (throw $many {thrown}))
        (func $sum_few (param i32 f64 v128 i64) (result i32)
            (i32.add (i32.add (local.get 0) (i32.trunc_f64_s (local.get 1)))
                (i32.add (i32x4.extract_lane 3 (local.get 2)) (i32.wrap_i64 (local.get 3)))))
        (func (export "few") (param i32) (result i32)
            (block $caught (result i32 f64 v128 i64)
                (try_table (catch $few $caught) (call $throw_few (local.get 0)))
                (unreachable))
            (call $sum_few))
        (func (export "few, known") (param i32) (result i32)
            (block $caught (result i32 f64 v128 i64)
                (try_table (catch $few $caught)
                    (throw $few (local.get 0)
                        (f64.const 2) (v128.const i32x4 1 2 3 4) (i64.const 5)))
                (unreachable))
            (return (call $sum_few)))
        (func (export "few, old") (param i32) (result i32)
            try
                (call $throw_few (local.get 0))
            catch $many
                unreachable
            catch $few
                (return (call $sum_few))
            end
            unreachable)
        (func (export "many") (param i32) (result i32) (local $sum i32)
            (block $caught (result {types})
                (try_table (catch $many $caught) (call $throw_many (local.get 0)))
                (unreachable))
            {summed} (local.get $sum))
        (func (export "many, with a reference") (param i32) (result i32)
            (local $sum i32) (local $ref exnref)
            (block $caught (result {types} exnref)
                (try_table (catch_ref $many $caught) (call $throw_many (local.get 0)))
                (unreachable))
            (local.set $ref) {summed}
            (block $again (result {types})
                (try_table (catch $many $again) (throw_ref (local.get $ref)))
                (unreachable))
            {summed} (local.get $sum))
        (func (export "many, old") (param i32) (result i32) (local $sum i32)
            try
                try
                    (call $throw_many (local.get 0))
                catch $many
                    {summed} rethrow 0
                end
            catch $few
                unreachable
            catch $many
                {summed}
            end
            (local.get $sum))
    )"#
    );
    check(&module, |name, n| {
        let many = 30 * n + 29 * 30 / 2;
        match name {
            "few" | "few, known" | "few, old" => n + 2 + 4 + 5,
            "many" => many,
            _ => 2 * many,
        }
    });
}

/// Ways into and out of regions: parameters, branches and returns out of them, code that can't be
/// reached.
#[test]
fn regions_are_left() {
    const MODULE: &str = r#"(module
        (tag $e (param i32))
        (tag $f)
        (func $throw (param i32) (throw $e (local.get 0)))
        (func $pass (param i32) (result i32)
            (if (i32.and (local.get 0) (i32.const 1)) (then (call $throw (local.get 0))))
            (local.get 0))
        (func (export "params") (param i32) (result i32)
            (local.get 0) (i32.const 3)
            (block $caught (param i32 i32) (result i32)
                (try_table (param i32 i32) (result i32) (catch $e $caught)
                    (drop) (call $pass))
                (br $caught)))
        (func (export "old params") (param i32) (result i32)
            (local.get 0) (i32.const 3)
            try (param i32 i32) (result i32)
                drop call $pass
            catch $e
            end)
        (func (export "branches") (param i32) (result i32)
            (block $out (result i32)
                (block $caught (result i32)
                    (try_table (catch $e $caught)
                        (if (i32.eqz (i32.and (local.get 0) (i32.const 1)))
                            (then (br $out (local.get 0))))
                        (br_if $out (call $pass (local.get 0)) (i32.const 1))
                        (return))
                    (unreachable))
                (br $out)))
        (func (export "returns") (param i32) (result i32)
            try
                (return (call $pass (local.get 0)))
            catch $e
                return
            end
            unreachable)
        (func (export "unreachable") (param i32) (result i32)
            try (result i32)
                (throw $e (local.get 0))
                (throw $e) (call $throw)
                try $in (result i32)
                    (call $pass (i32.const 1))
                catch $f
                    rethrow 0
                end
            catch $e
                return
                (rethrow 0)
            catch_all
                (throw_ref (ref.null exn))
            end)
    )"#;
    check(MODULE, |_, n| n);
}

/// Blocks that catch in blocks that catch, in the older form, and delegating out of them.
#[test]
fn catching_blocks_nest() {
    const MODULE: &str = r#"(module
        (tag $e (param i32))
        (func $throw (param i32) (throw $e (local.get 0)))
        (func $pass (param i32) (result i32)
            (if (i32.and (local.get 0) (i32.const 1)) (then (call $throw (local.get 0))))
            (local.get 0))
        (func (export "in a catch") (param i32) (result i32)
            try (result i32)
                (call $throw (local.get 0)) (i32.const 0)
            catch $e
                try (param i32) (result i32)
                    (call $pass) (drop) (call $throw (local.get 0)) (i32.const 0)
                catch $e
                    try (param i32) (result i32)
                        (call $throw) (i32.const 0)
                    catch_all
                        try (result i32)
                            rethrow 2
                        catch $e
                        end
                    end
                end
            end)
        (func $delegates (param i32) (result i32)
            try (result i32)
                try (result i32)
                    (call $pass (local.get 0))
                delegate 1
            catch_all
                unreachable
            end)
        (func (export "to the caller") (param i32) (result i32)
            (block $caught (result i32)
                (try_table (result i32) (catch $e $caught) (call $delegates (local.get 0)))))
        (func (export "out of a catch") (param i32) (result i32)
            try $outer (result i32)
                try $middle (result i32)
                    (call $throw (i32.const 1)) (i32.const 0)
                catch $e
                    drop
                    try (result i32)
                        (call $pass (local.get 0))
                    delegate $middle
                end
            catch $e
            end)
        (func (export "nothing thrown") (param i32) (result i32)
            try (result i32)
                try (result i32)
                    local.get 0
                catch $e
                    drop rethrow 0
                catch_all
                    unreachable
                end
            delegate 0)
    )"#;
    check(MODULE, |_, n| n);
}

/// A clause whose tag may be that of another import is asked before a later one of the same index.
#[test]
fn imported_tags_may_be_the_same() {
    const MODULE: &str = r#"(module
        (import "" "a" (tag $a (param i32)))
        (import "" "b" (tag $b (param i32)))
        (tag $own (param i32))
        (func (export "run") (param i32) (result i32)
            (block $as_a (result i32)
                (block $as_b (result i32)
                    (try_table (catch $own $as_a) (catch $b $as_b) (catch $a $as_a)
                        (throw $a (local.get 0)))
                    (unreachable))
                (i32.add (i32.const 100))))
        (func (export "nested") (param i32) (result i32)
            (block $as_b (result i32)
                (try_table (catch $b $as_b)
                    (block $as_own (result i32)
                        (try_table (catch $own $as_own) (throw $a (local.get 0)))
                        (unreachable))
                    (drop))
                (unreachable))
            (i32.add (i32.const 100))))"#;
    in_every_mode(|engine| {
        let module = Module::new(engine, MODULE).unwrap();
        let mut store = Store::new(engine, ());
        let ty = TagType::new(FuncType::new(engine, [ValType::I32], []));
        let [first, second] = [0, 1].map(|_| Tag::new(&mut store, &ty).unwrap());
        for (other, expected) in [(second, 5), (first, 105)] {
            let imports: [Extern; 2] = [first.into(), other.into()];
            let instance = Instance::new(&mut store, &module, &imports).unwrap();
            assert_eq!(call(&mut store, &instance, "run", 5), expected);
            let nested = instance.get_func(&mut store, "nested").unwrap();
            let mut results = [Val::I32(0)];
            let result = nested.call(&mut store, &[Val::I32(5)], &mut results);
            if expected == 105 {
                result.unwrap();
                assert!(matches!(results, [Val::I32(105)]));
            } else {
                result.unwrap_err();
                assert!(store.as_context_mut().take_pending_exception().is_some());
            }
        }
    });
}

#[test]
fn null_is_not_thrown() {
    const MODULE: &str = r#"(module
        (func (export "constant") (throw_ref (ref.null exn)))
        (func (export "variable") (local exnref)
            (block $caught (try_table (catch_all $caught) (throw_ref (local.get 0))))))"#;
    in_every_mode(|engine| {
        let (mut store, instance) = instance(engine, MODULE);
        for name in ["constant", "variable"] {
            let func = instance.get_typed_func::<(), ()>(&mut store, name).unwrap();
            let error = func.call(&mut store, ()).unwrap_err();
            assert_eq!(error.downcast_ref(), Some(&Trap::NullReference), "{name}");
        }
    });
}

/// Through a thousand regions of one function, and through as many frames.
#[test]
fn exceptions_pass_many_regions() {
    let open = "try_table (catch $other 0) ".repeat(1_000);
    let old = "try ".repeat(1_000);
    let module = format!(
        r#"(module
        (tag $e (param i32))
        (tag $other)
        (func $throw (param i32) (result i32) (throw $e (local.get 0)))
        (func (export "regions") (param i32) (result i32)
            (block $caught (result i32)
                try_table (catch $e $caught)
                    block {open} (drop (call $throw (local.get 0))) {close} end
                end
                unreachable))
        (func (export "old regions") (param i32) (result i32)
            try (result i32)
                {old} (drop (call $throw (local.get 0))) {old_close}
                unreachable
            catch $e
            end)
        (func $down (param i32 i32) (result i32)
            (if (i32.eqz (local.get 1)) (then (return (call $throw (local.get 0)))))
            (block
                (try_table (catch $other 0)
                    (return (call $down
                        (local.get 0) (i32.sub (local.get 1) (i32.const 1))))))
            (unreachable))
        (func (export "frames") (param i32) (result i32)
            (block $caught (result i32)
                (try_table (result i32) (catch $e $caught)
                    (call $down (local.get 0) (i32.const 1000)))))
    )"#,
        close = "end ".repeat(1_000),
        old_close = "catch $other end ".repeat(1_000),
    );
    check(&module, |_, n| n);
}
