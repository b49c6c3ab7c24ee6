//! Deadlines by epochs: they end calls or run a callback in the middle of WebAssembly, whatever
//! code runs, and what the callback does is seen by the code behind it.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use anyhow::anyhow;
use upshift::knobs::{self, Group};
use upshift::{
    AsContextMut, Caller, Config, Engine, Extern, ExternRef, Instance, Linker, Module, Store,
    StoreContextMut, ThrownException, Trap, UpdateDeadline, Val, WasmBacktrace,
};
use upshift_spectest::Mode;

/// Engines whose code looks for deadlines: every mode, and what changes where code is inlined,
/// entered, optimized, or also consumes fuel.
static ENGINES: LazyLock<Vec<(String, Engine)>> = LazyLock::new(|| {
    let mut configs: Vec<_> = Mode::all()
        .iter()
        .map(|mode| (mode.to_string(), mode.config()))
        .collect();
    let options = [
        (Mode::Optimizer, "opt-level", "speed"),
        (Mode::Optimizer, "inline", "none"),
        (Mode::Optimizer, "regalloc", "single-pass"),
        (Mode::Zeal, "opt-level", "speed"),
        (Mode::Zeal, "bounds", "explicit"),
        (Mode::Baseline, "register-locals", "n"),
        (Mode::Baseline, "bounds", "explicit"),
        (Mode::Optimizer, "bounds", "explicit"),
    ];
    for (mode, name, value) in options {
        let mut config = mode.config();
        let group = match name {
            "bounds" => Group::Wasm,
            _ => Group::Compile,
        };
        knobs::set(&mut config, group, name, value).unwrap();
        configs.push((format!("{mode}, {name}={value}"), config));
    }
    for mode in [
        Mode::Baseline,
        Mode::Optimizer,
        Mode::TieredSync,
        Mode::Zeal,
    ] {
        let mut config = mode.config();
        config.consume_fuel(true);
        configs.push((format!("{mode}, fuel"), config));
    }
    let engine = |(name, mut config): (String, Config)| {
        (name, Engine::new(config.epoch_interruption(true)).unwrap())
    };
    configs.into_iter().map(engine).collect()
});

/// Runs a test with each engine, and names the engine if it fails.
fn in_every_engine(test: impl Fn(&Engine)) {
    for (name, engine) in &*ENGINES {
        eprintln!("engine: {name}");
        test(engine);
    }
}

fn store<T: Send + 'static>(engine: &Engine, data: T) -> Store<T> {
    let mut store = Store::new(engine, data);
    // Of those that consume it, for which this is not an error.
    let _ = store.set_fuel(u64::MAX);
    store
}

/// The instance of a module that imports nothing.
fn instance<T: Send + 'static>(store: &mut Store<T>, text: &str) -> Instance {
    let module = Module::new(store.engine(), text).unwrap();
    Instance::new(store, &module, &[]).unwrap()
}

#[track_caller]
fn interrupted<T: std::fmt::Debug>(result: upshift::Result<T>) {
    let error = result.unwrap_err();
    assert_eq!(error.downcast_ref(), Some(&Trap::Interrupt), "{error:#}");
}

/// Code that does not end, however it does not.
const ENDLESS: &[&str] = &[
    r#"(func (export "run") (loop (br 0)))"#,
    r#"(func (export "run") (loop (loop (br 1))))"#,
    r#"(func (export "run") (local $n i32)
        (loop
            (if (i32.and (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 1))
                (then (br 1)))
            (br 0)))"#,
    // An interpreter's dispatch.
    r#"(memory 1)
       (func (export "run") (local $pc i32)
        (loop $next
            (block $c (block $b (block $a
                (br_table $a $b $c (i32.load8_u (local.get $pc))))
                (local.set $pc (i32.and (i32.add (local.get $pc) (i32.const 1)) (i32.const 255)))
                (br $next))
                (local.set $pc (i32.const 3)) (br $next))
            (br $next)))"#,
    r#"(func $f (export "run") (return_call $f))"#,
    r#"(type $f (func)) (table funcref (elem $f))
       (func $f (export "run") (return_call_indirect (type $f) (i32.const 0)))"#,
    r#"(type $f (func)) (elem declare func $f)
       (func $f (export "run") (type $f) (return_call_ref $f (ref.func $f)))"#,
    r#"(func $f (export "run") (call $f) (call $f))"#,
    r#"(tag $t) (func $throw (throw $t))
       (func (export "run")
           (loop $next
               (block $caught (try_table (catch $t $caught) (call $throw)))
               (br $next)))"#,
    r#"(tag $t)
       (func (export "run") (loop $next (try_table (catch_all $next) (throw $t))))"#,
    r#"(tag $t)
       (func (export "run") (loop $next try (throw $t) catch_all (br $next) end))"#,
];

#[test]
fn what_does_not_end_is_ended() {
    in_every_engine(|engine| {
        for text in ENDLESS {
            let mut store = store(engine, 0);
            // As many looks as there is stack for.
            store.epoch_deadline_callback(|mut store| {
                *store.data_mut() += 1;
                Ok(match *store.data() {
                    2000.. => UpdateDeadline::Interrupt,
                    _ => UpdateDeadline::Continue(0),
                })
            });
            let instance = instance(&mut store, &format!("(module {text})"));
            let run = instance.get_typed_func::<(), ()>(&mut store, "run");
            let run = run.unwrap();
            interrupted(run.call(&mut store, ()));
            assert_eq!(*store.data(), 2000, "{text}");
            // The deadline has not moved, and the callback interrupts from now on.
            interrupted(run.call(&mut store, ()));
        }
    });
}

/// Another thread begins epochs, as embedders do, and ends what runs on several threads at once.
#[test]
fn an_epoch_ends_all_stores_whose_deadline_it_is() {
    in_every_engine(|engine| {
        let text = format!("(module {})", ENDLESS[2]);
        let module = Module::new(engine, text).unwrap();
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            let spin = |deadline| {
                let mut store = store(engine, ());
                store.set_epoch_deadline(deadline);
                let instance = Instance::new(&mut store, &module, &[]).unwrap();
                let run = instance.get_typed_func::<(), ()>(&mut store, "run");
                interrupted(run.unwrap().call(&mut store, ()));
            };
            let threads = [1, 3, 5].map(|deadline| scope.spawn(move || spin(deadline)));
            scope.spawn(|| {
                while !done.load(Relaxed) {
                    thread::sleep(Duration::from_millis(2));
                    engine.increment_epoch();
                }
            });
            threads
                .into_iter()
                .for_each(|thread| thread.join().unwrap());
            done.store(true, Relaxed);
        });
    });
}

#[test]
fn deadlines_are_so_many_epochs_ahead() {
    in_every_engine(|engine| {
        let mut store = store(engine, ());
        let text = r#"(module (func (export "run")))"#;
        let first = instance(&mut store, text);
        let first = first.get_typed_func::<(), ()>(&mut store, "run").unwrap();
        interrupted(first.call(&mut store, ()));
        store.set_epoch_deadline(2);
        // Instances from before and after.
        let second = instance(&mut store, text);
        let second = second.get_typed_func::<(), ()>(&mut store, "run").unwrap();
        for run in [first, second] {
            run.call(&mut store, ()).unwrap();
        }
        engine.increment_epoch();
        for run in [first, second] {
            run.call(&mut store, ()).unwrap();
        }
        engine.increment_epoch();
        for run in [first, second] {
            interrupted(run.call(&mut store, ()));
            interrupted(run.call(&mut store, ()));
        }
        store.set_epoch_deadline(u64::MAX);
        engine.increment_epoch();
        first.call(&mut store, ()).unwrap();
        store.set_epoch_deadline(0);
        interrupted(second.call(&mut store, ()));
        let mut other = self::store(engine, ());
        other.set_epoch_deadline(1);
        let other_run = instance(&mut other, text);
        let other_run = other_run.get_typed_func::<(), ()>(&mut other, "run");
        other_run.unwrap().call(&mut other, ()).unwrap();
    });
}

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

/// A program in which each look is inside handlers of all kinds.
const CATCHING: &str = r#"(module
    (tag $t)
    (func $spin (loop (br 0)))
    (func (export "run") (result i32)
        (block $caught
            (try_table (catch_all $caught)
                (loop $next (try_table (catch_all $next) (call $spin)))))
        (i32.const 1))
    (func (export "throw") (throw $t)))"#;

#[test]
fn no_handler_catches_what_a_callback_ends() {
    in_every_engine(|engine| {
        let mut store = store(engine, 0);
        let instance = instance(&mut store, CATCHING);
        let run = instance.get_typed_func::<(), i32>(&mut store, "run");
        let run = run.unwrap();
        interrupted(run.call(&mut store, ()));

        store.epoch_deadline_callback(|mut store| {
            *store.data_mut() += 1;
            match *store.data() {
                ..10 => Ok(UpdateDeadline::Continue(0)),
                10..20 => Err(anyhow!("look {}", store.data())),
                _ => panic!("look {}", store.data()),
            }
        });
        let error = run.call(&mut store, ()).unwrap_err();
        assert!(format!("{error:?}").contains("look 10"), "{error:?}");
        let frames = error.downcast_ref::<WasmBacktrace>().unwrap().frames();
        assert_eq!(frames.len(), 2, "{error:?}");
        *store.data_mut() = 19;
        let panicked = catch_unwind(AssertUnwindSafe(|| run.call(&mut store, ())));
        let panicked = panicked.unwrap_err();
        assert_eq!(panicked.downcast_ref(), Some(&"look 20".to_owned()));
        // Callback and store are as before.
        *store.data_mut() = 10;
        let error = run.call(&mut store, ()).unwrap_err();
        assert!(format!("{error:?}").contains("look 11"), "{error:?}");
        store.epoch_deadline_trap();
        interrupted(run.call(&mut store, ()));
        assert_eq!(*store.data(), 11);
        // Not even an exception of the guest.
        let throw = instance.get_typed_func::<(), ()>(&mut store, "throw");
        let throw = throw.unwrap();
        store.epoch_deadline_callback(move |mut store| {
            store.set_epoch_deadline(1);
            throw.call(&mut store, ())?;
            Ok(UpdateDeadline::Continue(1))
        });
        let error = run.call(&mut store, ()).unwrap_err();
        assert!(error.is::<ThrownException>(), "{error:?}");
        assert!(store.as_context_mut().take_pending_exception().is_some());
    });
}

/// A callback may set another, or none, from within.
#[test]
fn a_callback_may_be_replaced_by_itself() {
    in_every_engine(|engine| {
        let mut store = store(engine, 0);
        store.epoch_deadline_callback(|mut store| {
            *store.data_mut() += 1;
            store.epoch_deadline_callback(|mut store| {
                *store.data_mut() += 10;
                store.epoch_deadline_trap();
                Ok(UpdateDeadline::Continue(0))
            });
            Ok(UpdateDeadline::Continue(0))
        });
        let instance = instance(&mut store, &format!("(module {})", ENDLESS[0]));
        let run = instance.get_typed_func::<(), ()>(&mut store, "run");
        interrupted(run.unwrap().call(&mut store, ()));
        assert_eq!(*store.data(), 11);
    });
}

/// What the callback calls is WebAssembly like any other: its deadline has come, too.
#[test]
fn what_a_callback_calls_has_the_same_deadline() {
    in_every_engine(|engine| {
        let mut store = store(engine, None);
        let instance = instance(&mut store, r#"(module (func (export "run")))"#);
        let run = instance.get_typed_func::<(), ()>(&mut store, "run");
        let run = run.unwrap();
        *store.data_mut() = Some(run);
        store.epoch_deadline_callback(|mut store| {
            let run = store.data().unwrap();
            interrupted(run.call(&mut store, ()));
            store.set_epoch_deadline(1);
            run.call(&mut store, ()).unwrap();
            Ok(UpdateDeadline::Continue(1))
        });
        run.call(&mut store, ()).unwrap();
        run.call(&mut store, ()).unwrap();
    });
}

/// A host function is not stopped; the look behind it is.
#[test]
fn deadlines_come_during_host_calls() {
    const TEXT: &str = r#"(module
        (import "host" "tick" (func $tick (param i32)))
        (func $leaf)
        (func (export "run") (param $n i32)
            (loop
                (call $tick (local.get $n))
                (call $tick (i32.const -1))
                (br_if 0 (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))))"#;
    in_every_engine(|engine| {
        let mut linker = Linker::new(engine);
        let tick = |mut caller: Caller<'_, Vec<i32>>, n: i32| {
            caller.data_mut().push(n);
            if n == 5 {
                caller.engine().increment_epoch();
            }
        };
        linker.func_wrap("host", "tick", tick).unwrap();
        let module = Module::new(engine, TEXT).unwrap();
        let mut store = store(engine, Vec::new());
        store.set_epoch_deadline(1);
        let instance = linker.instantiate(&mut store, &module).unwrap();
        let run = instance.get_typed_func::<i32, ()>(&mut store, "run");
        let run = run.unwrap();
        interrupted(run.call(&mut store, 7));
        assert_eq!(*store.data(), [7, -1, 6, -1, 5, -1]);
        // Or goes on: a later trap is at its own operator.
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|mut store| {
            store.data_mut().push(0);
            Ok(UpdateDeadline::Continue(1))
        });
        store.data_mut().clear();
        run.call(&mut store, 6).unwrap();
        let first = [6, -1, 5, -1, 0, 4, -1, 3, -1];
        assert_eq!(store.data()[..first.len()], first);
    });
}

/// Errors name the operator at which code has looked, and later traps their own.
#[test]
fn backtraces_begin_at_the_look() {
    const TEXT: &str = r#"(module
        (func $inner (param $n i32) (result i32)
            (loop (br_if 0 (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
            (i32.div_u (i32.const 1) (local.get $n)))
        (func (export "run") (param $n i32) (result i32) (call $inner (local.get $n))))"#;
    let expected = RefCell::new([None, None]);
    in_every_engine(|engine| {
        let places = |error: upshift::Error| {
            let frames = error.downcast_ref::<WasmBacktrace>().unwrap().frames();
            let place = |frame: &upshift::FrameInfo| (frame.func_index(), frame.module_offset());
            frames.iter().map(place).collect::<Vec<_>>()
        };
        let mut store = store(engine, 0);
        store.epoch_deadline_callback(|mut store| {
            *store.data_mut() += 1;
            Ok(match *store.data() {
                10 => UpdateDeadline::Interrupt,
                _ => UpdateDeadline::Continue(0),
            })
        });
        let instance = instance(&mut store, TEXT);
        let run = instance.get_typed_func::<i32, i32>(&mut store, "run");
        let run = run.unwrap();
        let interrupted = places(run.call(&mut store, 50).unwrap_err());
        let divided = places(run.call(&mut store, 50).unwrap_err());
        assert!(interrupted[0].1 < divided[0].1);
        assert_eq!((interrupted.len(), divided.len()), (2, 2));
        let mut expected = expected.borrow_mut();
        for (expected, found) in expected.iter_mut().zip([interrupted, divided]) {
            assert_eq!(*expected.get_or_insert(found.clone()), found);
        }
    });
}

/// An interruption while the callback runs ends the call, and one by a deadline of the clock.
#[test]
fn interruptions_count_beside_epochs() {
    in_every_engine(|engine| {
        let mut store = store(engine, ());
        let handle = store.interrupt_handle();
        store.epoch_deadline_callback(move |_| {
            handle.interrupt();
            Ok(UpdateDeadline::Continue(u64::MAX))
        });
        let instance = instance(&mut store, &format!("(module {})", ENDLESS[2]));
        let run = instance.get_typed_func::<(), ()>(&mut store, "run");
        let run = run.unwrap();
        interrupted(run.call(&mut store, ()));
        // The deadline has not moved.
        interrupted(run.call(&mut store, ()));
        store.epoch_deadline_callback(|_| Ok(UpdateDeadline::Continue(0)));
        let limit = store.arm_timeout(Duration::from_millis(20));
        let error = run.call(&mut store, ()).unwrap_err();
        assert!(error.is::<upshift::TimedOut>(), "{error:#}");
        drop(limit);
    });
}
