//! What a callback at an epoch's deadline changes is seen by the code behind it, and what that code
//! has in registers stays.

use upshift::{Caller, Extern, ExternRef, Linker, Module, StoreContextMut, UpdateDeadline, Val};

use super::epochs::{ENGINES, in_every_engine, instance, store};

/// What the callback of [`changing`] changes, read in ways that code may remember: before and
/// behind a loop's header, at the entry of a function, and through what was in bounds or not.
const READS: &str = r#"(module
    (global $g (export "g") (mut i64) (i64.const 0))
    (memory (export "m") 1 1000)
    (table $t (export "t") 1 1000 funcref)
    (export "seven" (func $seven))
    (elem declare func $seven)
    (func $seven (result i64) (i64.const 7))
    (func $big (param i64) (result i64)
        (i64.add (local.get 0) (i64.add (global.get $g)
            (i64.add (i64.load (i32.const 8))
            (i64.add (i64.load (i32.const 8)) (global.get $g))))))
    (func (export "run") (param $n i32) (result i64)
        (local $sum i64) (local $inner i32)
        (loop $outer
            (global.set $g (i64.add (global.get $g) (i64.const 1)))
            (i64.store (i32.const 8) (i64.add (i64.load (i32.const 8)) (i64.const 1)))
            (local.set $inner (i32.const 2))
            (loop $inner
                (local.set $sum (i64.add (i64.mul (local.get $sum) (i64.const 31))
                    (global.get $g)))
                (local.set $sum (i64.add (i64.mul (local.get $sum) (i64.const 31))
                    (i64.load (i32.const 8))))
                (local.set $sum (i64.add (i64.mul (local.get $sum) (i64.const 31))
                    (i64.extend_i32_u (memory.size))))
                (local.set $sum (i64.add (i64.mul (local.get $sum) (i64.const 31))
                    (i64.extend_i32_u (table.size $t))))
                ;; The last bytes, which the look before has added.
                (local.set $sum (i64.add (i64.mul (local.get $sum) (i64.const 31))
                    (i64.load (i32.sub (i32.shl (memory.size) (i32.const 16)) (i32.const 8)))))
                ;; The last element, too.
                (local.set $sum (i64.add (i64.mul (local.get $sum) (i64.const 31))
                    (i64.extend_i32_u (ref.is_null
                        (table.get $t (i32.sub (table.size $t) (i32.const 1)))))))
                (br_if $inner (local.tee $inner (i32.sub (local.get $inner) (i32.const 1)))))
            (br_if $outer (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
        (call $big (local.get $sum))))"#;

struct Exports {
    global: upshift::Global,
    memory: upshift::Memory,
    table: upshift::Table,
    seven: upshift::Func,
    looks: u64,
}

/// Adds a page with a value at its end, an element, and to a global and a memory.
fn changing(mut store: StoreContextMut<'_, Option<Exports>>) -> upshift::Result<UpdateDeadline> {
    let Some(exports) = store.data_mut() else {
        return Ok(UpdateDeadline::Continue(0));
    };
    exports.looks += 1;
    let looks = exports.looks;
    let (global, memory, table) = (exports.global, exports.memory, exports.table);
    let seven = exports.seven;
    let Val::I64(value) = global.get(&mut store) else {
        unreachable!("an i64");
    };
    global.set(&mut store, Val::I64(value + 100)).unwrap();
    memory.grow(&mut store, 1).unwrap();
    let data = memory.data_mut(&mut store);
    let last = data.len() - 8;
    data[last..].copy_from_slice(&looks.to_le_bytes());
    data[8..16].copy_from_slice(&(looks * 3).to_le_bytes());
    table.grow(&mut store, 1, seven.into()).unwrap();
    Ok(UpdateDeadline::Continue(0))
}

/// What `run` of [`READS`] returns, for a function `$big` that looks at its entry or not.
fn expected(rounds: u64, entry: bool) -> i64 {
    let (mut looks, mut global, mut word, mut sum) = (0_u64, 0_u64, 0_u64, 0_u64);
    let mut look = |global: &mut u64, word: &mut u64| {
        looks += 1;
        *global += 100;
        *word = looks * 3;
        looks
    };
    look(&mut global, &mut word);
    for _ in 0..rounds {
        look(&mut global, &mut word);
        global += 1;
        word += 1;
        for _ in 0..2 {
            let looks = look(&mut global, &mut word);
            for value in [global, word, 1 + looks, 1 + looks, looks, 0] {
                sum = sum.wrapping_mul(31).wrapping_add(value);
            }
        }
    }
    if entry {
        look(&mut global, &mut word);
    }
    sum.wrapping_add(2 * global).wrapping_add(2 * word) as i64
}

#[test]
fn code_sees_what_the_callback_has_changed() {
    const ROUNDS: i32 = 30;
    for (name, engine) in &*ENGINES {
        let mut store = store(engine, None);
        store.epoch_deadline_callback(changing);
        let instance = instance(&mut store, READS);
        let mut export = |name: &str| instance.get_export(&mut store, name).unwrap();
        let [
            Extern::Global(global),
            Extern::Memory(memory),
            Extern::Table(table),
            Extern::Func(seven),
        ] = ["g", "m", "t", "seven"].map(&mut export)
        else {
            unreachable!("exports of these kinds");
        };
        let run = instance.get_typed_func::<i32, i64>(&mut store, "run");
        let run = run.unwrap();
        *store.data_mut() = Some(Exports {
            global,
            memory,
            table,
            seven,
            looks: 0,
        });
        let found = run.call(&mut store, ROUNDS).unwrap();
        // Inlined functions don't look.
        let possible = [true, false].map(|entry| expected(ROUNDS as u64, entry));
        assert!(possible.contains(&found), "{name}: {found}");
    }
}

/// Many values are alive in registers of all kinds across looks, and the callback uses them all.
#[test]
fn registers_are_kept() {
    const TEXT: &str = r#"(module
        (func (export "mix") (param $n i32) (result i64 f64)
            (local $a i64) (local $b i64) (local $c i64) (local $d i64) (local $e i64)
            (local $f i64) (local $g i64) (local $p f64) (local $q f64) (local $r f64)
            (local $s f64) (local $t f32) (local $v v128) (local $w v128)
            (local.set $a (i64.const 1)) (local.set $b (i64.const 3))
            (local.set $p (f64.const 1.5)) (local.set $q (f64.const 0.25))
            (local.set $w (v128.const i32x4 1 2 3 4))
            (loop
                (local.set $a (i64.add (i64.mul (local.get $a) (i64.const 17)) (local.get $b)))
                (local.set $b (i64.xor (local.get $c) (local.get $a)))
                (local.set $c (i64.rotl (local.get $d) (local.get $b)))
                (local.set $d (i64.sub (local.get $e) (local.get $a)))
                (local.set $e (i64.add (local.get $f) (local.get $c)))
                (local.set $f (i64.xor (local.get $g) (local.get $d)))
                (local.set $g (i64.add (local.get $a) (i64.extend_i32_u (local.get $n))))
                (local.set $p (f64.add (local.get $p) (f64.mul (local.get $q) (f64.const 0.5))))
                (local.set $q (f64.sub (local.get $r) (local.get $q)))
                (local.set $r (f64.add (local.get $s) (local.get $p)))
                (local.set $s (f64.promote_f32 (local.get $t)))
                (local.set $t (f32.demote_f64 (f64.mul (local.get $q) (f64.const 0.125))))
                (local.set $v (i32x4.add (local.get $v) (local.get $w)))
                (local.set $w (i32x4.mul (local.get $w) (local.get $v)))
                (br_if 0 (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
            (i64.xor (i64x2.extract_lane 0 (local.get $v))
                (i64.xor (i64x2.extract_lane 1 (local.get $w))
                    (i64.xor (local.get $a) (i64.xor (local.get $e) (local.get $g)))))
            (f64.add (local.get $p) (f64.add (local.get $q)
                (f64.add (local.get $r) (local.get $s))))))"#;
    in_every_engine(|engine| {
        let mut store = store(engine, None);
        store.set_epoch_deadline(u64::MAX);
        let instance = instance(&mut store, TEXT);
        let mix = instance.get_typed_func::<i32, (i64, f64)>(&mut store, "mix");
        let mix = mix.unwrap();
        *store.data_mut() = Some(mix);
        let expected = mix.call(&mut store, 50).unwrap();
        store.epoch_deadline_callback(|mut store| {
            // The same function, with its own values in the same registers.
            store.set_epoch_deadline(1);
            let mix = store.data().unwrap();
            mix.call(&mut store, 9)?;
            Ok(UpdateDeadline::Continue(0))
        });
        store.set_epoch_deadline(0);
        for _ in 0..3 {
            assert_eq!(mix.call(&mut store, 50).unwrap(), expected);
        }
    });
}

/// References that are in registers only, while the callback collects and makes others.
#[test]
fn references_are_kept() {
    const TEXT: &str = r#"(module
        (import "host" "make" (func $make (param i64) (result externref)))
        (import "host" "number" (func $number (param externref) (result i64)))
        (tag $t (param i32))
        (func (export "keep") (param $n i32) (param $number i64) (result i64)
            (local $ref externref)
            (local.set $ref (call $make (local.get $number)))
            (loop
                (br_if 0 (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
            (call $number (local.get $ref)))
        (func (export "catch") (param $n i32) (result i32) (local $exn exnref)
            (block $caught (result i32 exnref)
                (try_table (catch_ref $t $caught) (throw $t (local.get $n)))
                (unreachable))
            (local.set $exn)
            (drop)
            (loop
                (br_if 0 (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
            (block $again (result i32)
                (try_table (catch $t $again) (throw_ref (local.get $exn)))
                (unreachable))))"#;
    in_every_engine(|engine| {
        let mut store = store(engine, ());
        store.epoch_deadline_callback(|mut store| {
            for other in 0..4_u64 {
                ExternRef::new(&mut store, other);
            }
            store.gc();
            Ok(UpdateDeadline::Continue(0))
        });
        let mut linker = Linker::new(engine);
        let make =
            |caller: Caller<'_, ()>, number: i64| Some(ExternRef::new(caller, number as u64));
        linker.func_wrap("host", "make", make).unwrap();
        let number = |caller: Caller<'_, ()>, value: Option<ExternRef>| {
            let value = value.unwrap();
            let data = value.data(&caller).downcast_ref::<u64>();
            data.map(|&number| number as i64).unwrap()
        };
        linker.func_wrap("host", "number", number).unwrap();
        let module = Module::new(engine, TEXT).unwrap();
        let instance = linker.instantiate(&mut store, &module).unwrap();
        let keep = instance.get_typed_func::<(i32, i64), i64>(&mut store, "keep");
        let keep = keep.unwrap();
        let catch = instance.get_typed_func::<i32, i32>(&mut store, "catch");
        let catch = catch.unwrap();
        for number in [11, 12, 13] {
            assert_eq!(keep.call(&mut store, (20, number)).unwrap(), number);
            assert_eq!(catch.call(&mut store, 20).unwrap(), 20);
        }
    });
}
