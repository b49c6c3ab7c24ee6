//! Fuel: the same is used, and it ends at the same operator, whatever code runs.

use std::sync::LazyLock;

use upshift::knobs::Group;
use upshift::{
    Caller, Config, Engine, Instance, Linker, Module, Store, Trap, UpdateDeadline, WasmBacktrace,
};
use upshift_spectest::Mode;

use crate::support::configs::{changed, configs};

/// Engines that consume fuel, however code is made; some look for epochs, too.
static ENGINES: LazyLock<Vec<(String, Engine)>> = LazyLock::new(|| {
    let tiers = "naive,cranelift-none,cranelift-speed";
    let mut configs = configs(&[
        (Mode::Optimizer, Group::Compile, "bulk", "call"),
        (Mode::TieredSync, Group::Tiering, "tiers", tiers),
    ]);
    configs.extend(changed("epochs", |config| config.epoch_interruption(true)));
    let engine = |(name, mut config): (String, Config)| {
        (name, Engine::new(config.consume_fuel(true)).unwrap())
    };
    configs.into_iter().map(engine).collect()
});

/// How a call ended, and what was left.
#[derive(Debug, PartialEq)]
struct End {
    /// The result, or the trap and the offsets of the frames' operators.
    result: Result<i64, (Option<Trap>, Vec<Option<usize>>)>,
    left: u64,
    /// What the host function found at each of its calls.
    seen: Vec<u64>,
}

/// Runs the export `run` of a module in a new store with so much fuel. The module may import a host
/// function that notes what is left, and adds what it is told to.
fn run(engine: &Engine, module: &Module, argument: i64, fuel: u64) -> End {
    let mut store = Store::new(engine, Vec::new());
    store.set_fuel(u64::MAX).unwrap();
    // Where code looks for epochs, it calls this each time.
    store.epoch_deadline_callback(|_| Ok(UpdateDeadline::Continue(0)));
    let mut linker = Linker::new(engine);
    let host = |mut caller: Caller<'_, Vec<u64>>, more: i64| {
        let left = caller.get_fuel()?;
        caller.data_mut().push(left);
        if more > 0 {
            caller.set_fuel(left + more as u64)?;
        }
        Ok(())
    };
    linker.func_wrap("host", "add", host).unwrap();
    let instance = linker.instantiate(&mut store, module).unwrap();
    let run = instance.get_typed_func::<i64, i64>(&mut store, "run");
    let run = run.unwrap();
    store.set_fuel(fuel).unwrap();
    let result = run.call(&mut store, argument);
    End {
        result: result.map_err(|error| {
            let frames = error.downcast_ref::<WasmBacktrace>().unwrap().frames();
            let offsets = frames.iter().map(|frame| frame.module_offset());
            (error.downcast_ref::<Trap>().copied(), offsets.collect())
        }),
        left: store.get_fuel().unwrap(),
        seen: store.into_data(),
    }
}

/// Programs, with the arguments that they are called with.
const PROGRAMS: &[(&str, &str, &[i64])] = &[
    (
        "straight code and blocks",
        r#"(func (export "run") (param i64) (result i64)
            (block (nop) (drop (i64.const 1)) (block))
            (if (i64.eqz (local.get 0)) (then (return (i64.const 5))))
            (if (result i64) (i64.eq (local.get 0) (i64.const 1))
                (then (i64.add (local.get 0) (i64.const 6)))
                (else (block (result i64) (i64.const 1) (i64.const 3) (br 1)))))"#,
        &[0, 1, 2],
    ),
    (
        "loops in loops, with several ways through them",
        r#"(memory 1)
        (func (export "run") (param $n i64) (result i64) (local $i i64) (local $sum i64)
            (loop $outer
                (local.set $i (local.get $n))
                (loop $inner
                    (block $next
                        (br_if $next (i64.eqz (i64.and (local.get $i) (i64.const 1))))
                        (local.set $sum (i64.add (local.get $sum) (local.get $i)))
                        (i64.store (i32.const 8) (local.get $sum)))
                    (local.set $i (i64.sub (local.get $i) (i64.const 1)))
                    (br_if $inner (i64.gt_s (local.get $i) (i64.const 0))))
                (local.set $n (i64.sub (local.get $n) (i64.const 1)))
                (br_if $outer (i64.gt_s (local.get $n) (i64.const 0))))
            (i64.load (i32.const 8)))"#,
        &[3, 5],
    ),
    (
        "a loop that begins with a loop, tables of branches",
        r#"(func (export "run") (param $n i64) (result i64) (local $sum i64)
            (block $out
                (loop $a
                    (loop $b
                        (local.set $n (i64.sub (local.get $n) (i64.const 1)))
                        (block $x (block $y (block $z
                            (br_table $x $y $z $a $b $out
                                (i32.wrap_i64 (local.get $n)))
                        ) (local.set $sum (i64.add (local.get $sum) (i64.const 1))))
                        (local.set $sum (i64.mul (local.get $sum) (i64.const 3))))
                        (br_if $b (i64.ge_s (local.get $n) (i64.const 0))))))
            (local.get $sum))"#,
        &[5, 6, 9],
    ),
    (
        "calls: recursion, small functions in loops, references",
        r#"(type $f (func (param i64) (result i64)))
        (table funcref (elem $double $half $double))
        (func $double (param i64) (result i64) (i64.add (local.get 0) (local.get 0)))
        (func $half (param i64) (result i64)
            (if (result i64) (i64.eqz (i64.and (local.get 0) (i64.const 1)))
                (then (i64.shr_u (local.get 0) (i64.const 1)))
                (else (call $double (local.get 0)))))
        (func $fib (param i64) (result i64)
            (if (i64.lt_s (local.get 0) (i64.const 2)) (then (return (local.get 0))))
            (i64.add (call $fib (i64.sub (local.get 0) (i64.const 1)))
                     (call $fib (i64.sub (local.get 0) (i64.const 2)))))
        (func $count (param i64) (result i64)
            (loop (br_if 0 (i64.gt_s
                (local.tee 0 (i64.sub (local.get 0) (i64.const 1))) (i64.const 0))))
            (local.get 0))
        (func (export "run") (param $n i64) (result i64) (local $i i64)
            (local.set $i (local.get $n))
            (loop
                (local.set $n (i64.add (call $half (local.get $n)) (call $count (i64.const 2))))
                (local.set $n (call_indirect (type $f) (local.get $n)
                    (i32.and (i32.wrap_i64 (local.get $i)) (i32.const 1))))
                (br_if 0 (i64.gt_s
                    (local.tee $i (i64.sub (local.get $i) (i64.const 1))) (i64.const 0))))
            (i64.add (local.get $n) (call $fib (i64.const 4))))"#,
        &[1, 3],
    ),
    (
        "tail calls",
        r#"(type $f (func (param i64) (result i64)))
        (table funcref (elem $odd))
        (func $even (param i64) (result i64)
            (if (i64.eqz (local.get 0)) (then (return (i64.const 1))))
            (return_call_indirect (type $f) (i64.sub (local.get 0) (i64.const 1)) (i32.const 0)))
        (func $odd (param i64) (result i64)
            (if (i64.eqz (local.get 0)) (then (return (i64.const 0))))
            (return_call $even (i64.sub (local.get 0) (i64.const 1))))
        (func (export "run") (param i64) (result i64) (return_call $even (local.get 0)))"#,
        &[0, 9],
    ),
    (
        "exceptions, caught in loops, in the same function and from calls",
        r#"(tag $t (param i64)) (tag $other)
        (func $maybe (param i64) (result i64)
            (if (i64.eqz (i64.rem_u (local.get 0) (i64.const 3)))
                (then (throw $t (i64.mul (local.get 0) (i64.const 2)))))
            (if (i64.eqz (i64.rem_u (local.get 0) (i64.const 4))) (then (throw $other)))
            (local.get 0))
        (func (export "run") (param $n i64) (result i64) (local $sum i64)
            (loop $next
                (block $caught (result i64)
                    (block $any
                        (try_table (catch $t $caught) (catch_all $any)
                            (local.set $sum (i64.add (local.get $sum) (call $maybe (local.get $n))))
                            (if (i64.eq (local.get $n) (i64.const 2)) (then
                                (throw $t (i64.const 100)))))
                        (local.set $sum (i64.add (local.get $sum) (i64.const 1))))
                    (i64.const 1000))
                (local.set $sum (i64.add (local.get $sum)))
                (br_if $next (i64.gt_s
                    (local.tee $n (i64.sub (local.get $n) (i64.const 1))) (i64.const 0))))
            (local.get $sum))"#,
        &[1, 5],
    ),
    (
        "exceptions of the older form",
        r#"(tag $t (param i64)) (tag $other)
        (func $maybe (param i64) (result i64)
            (if (i64.eqz (i64.rem_u (local.get 0) (i64.const 3)))
                (then (throw $t (i64.mul (local.get 0) (i64.const 2)))))
            (if (i64.eqz (i64.rem_u (local.get 0) (i64.const 4))) (then (throw $other)))
            (local.get 0))
        (func (export "run") (param $n i64) (result i64) (local $sum i64)
            (loop $next
                try
                    (local.set $sum (i64.add (local.get $sum) (call $maybe (local.get $n))))
                catch $t
                    (local.set $sum (i64.add (local.get $sum)))
                catch_all
                    try
                        rethrow 1
                    catch $other
                        (local.set $sum (i64.add (local.get $sum) (i64.const 1)))
                    end
                end
                try
                    try
                        (if (i64.eq (local.get $n) (i64.const 2)) (then (throw $other)))
                    delegate 0
                catch_all
                    (local.set $sum (i64.mul (local.get $sum) (i64.const 2)))
                end
                (br_if $next (i64.gt_s
                    (local.tee $n (i64.sub (local.get $n) (i64.const 1))) (i64.const 0))))
            (local.get $sum))"#,
        &[1, 5],
    ),
    (
        "ranges",
        r#"(memory 1) (table 20 funcref) (elem func $run $run) (data "0123456789")
        (func $run (export "run") (param $n i64) (result i64) (local $len i32)
            (local.set $len (i32.wrap_i64 (local.get $n)))
            (loop
                (memory.fill (i32.const 0) (i32.const 7) (local.get $len))
                (memory.fill (i32.const 3) (i32.const 8) (i32.const 5))
                (memory.copy (i32.const 1) (i32.const 2) (local.get $len))
                (memory.copy (i32.const 30) (i32.const 2) (i32.const 0))
                (memory.copy (i32.const 30) (i32.const 2) (i32.const 9))
                (memory.init 0 (i32.const 8) (i32.const 0) (i32.const 3))
                (table.fill (i32.const 0) (ref.null func) (local.get $len))
                (table.copy (i32.const 0) (i32.const 5) (i32.const 2))
                (table.init 0 (i32.const 0) (i32.const 0) (i32.const 2))
                (drop (table.grow (ref.null func) (i32.const 2)))
                (drop (memory.grow (i32.const 1)))
                (br_if 0 (i64.gt_s
                    (local.tee $n (i64.sub (local.get $n) (i64.const 8))) (i64.const 0))))
            (i64.load (i32.const 4)))"#,
        &[0, 10],
    ),
    (
        "wide ranges, beyond any fuel and any memory",
        r#"(memory i64 1)
        (func (export "run") (param $n i64) (result i64)
            (memory.fill (i64.const 0) (i32.const 7) (i64.shr_u (local.get $n) (i64.const 1)))
            (memory.fill (i64.const 0) (i32.const 7) (local.get $n))
            (i64.load (i64.const 4)))"#,
        &[10, -1, i64::MAX, 1 << 61, 70_000],
    ),
    (
        "traps",
        r#"(memory 1)
        (func $check (param i64) (result i64)
            (i64.load (i32.wrap_i64 (i64.div_u (i64.const 65530) (local.get 0)))))
        (func (export "run") (param $n i64) (result i64) (local $sum i64)
            (loop
                (local.set $sum (i64.add (local.get $sum) (call $check (local.get $n))))
                (local.set $sum (i64.add (local.get $sum)
                    (i64.load (i32.shl (i32.wrap_i64 (local.get $n)) (i32.const 14)))))
                (local.set $n (i64.sub (local.get $n) (i64.const 1)))
                (br 0))
            (unreachable))"#,
        &[1, 3, 5],
    ),
    (
        "host functions that look, and add",
        r#"(import "host" "add" (func $add (param i64)))
        (func $with (param i64) (call $add (local.get 0)))
        (func (export "run") (param $n i64) (result i64)
            (call $with (i64.const 0))
            (loop
                (call $add (i64.const 3))
                (call $with (i64.const 2))
                (call $add (i64.const 0))
                (br_if 0 (i64.gt_s
                    (local.tee $n (i64.sub (local.get $n) (i64.const 1))) (i64.const 0))))
            (local.get $n))"#,
        &[2, 4],
    ),
];

fn module(engine: &Engine, body: &str) -> Module {
    Module::new(engine, format!("(module {body})")).unwrap()
}

/// With each amount of fuel that is not enough, and some that are, a program ends in the same way
/// everywhere.
#[test]
fn fuel_ends_at_the_same_operator_in_all_code() {
    for (program, body, arguments) in PROGRAMS {
        let modules: Vec<_> = ENGINES.iter().map(|(_, it)| module(it, body)).collect();
        for &argument in *arguments {
            let used = u64::MAX - run(&ENGINES[0].1, &modules[0], argument, u64::MAX).left;
            // What is charged for ranges makes too many amounts to try all.
            let step = 1 + used / 300;
            for fuel in (0..used + 3 * step).step_by(step as usize).chain([used]) {
                let expected = run(&ENGINES[0].1, &modules[0], argument, fuel);
                for ((name, engine), module) in ENGINES.iter().zip(&modules).skip(1) {
                    let found = run(engine, module, argument, fuel);
                    assert_eq!(
                        found, expected,
                        "{program}, argument {argument}, fuel {fuel}: {name}"
                    );
                }
            }
        }
    }
}

/// The first module of [`PROGRAMS`], worked out by hand.
#[test]
fn operators_cost_what_they_do_in_wasmtime() {
    for (name, engine) in &*ENGINES {
        let module = module(engine, PROGRAMS[0].1);
        // Entry, i64.const; local.get, i64.eqz, if; then i64.const.
        let ends = [(0, 6), (1, 5 + 4 + 3), (2, 5 + 4 + 3)];
        for (argument, used) in ends {
            let end = run(engine, &module, argument, 1000);
            assert!(end.result.is_ok());
            assert_eq!(1000 - end.left, used, "{name}, {argument}");
            let enough = run(engine, &module, argument, used);
            assert_eq!((enough.result, enough.left), (end.result, 0), "{name}");
        }
    }
}

/// More fuel than the counter has room for, and none.
#[test]
fn any_amount_can_be_set() {
    let (_, engine) = &ENGINES[0];
    let mut store = Store::new(engine, ());
    assert_eq!(store.get_fuel().unwrap(), 0);
    for fuel in [0, 1, i64::MAX as u64, i64::MAX as u64 + 1, u64::MAX] {
        store.set_fuel(fuel).unwrap();
        assert_eq!(store.get_fuel().unwrap(), fuel);
    }
    let module = Module::new(engine, r#"(module (func (export "f")))"#).unwrap();
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    let f = instance.get_typed_func::<(), ()>(&mut store, "f").unwrap();
    f.call(&mut store, ()).unwrap();
    assert_eq!(store.get_fuel().unwrap(), u64::MAX - 1);
    store.set_fuel(0).unwrap();
    let error = f.call(&mut store, ()).unwrap_err();
    assert_eq!(error.downcast_ref(), Some(&Trap::OutOfFuel));
}

/// Code that runs without end uses up any fuel, however it does not end.
#[test]
fn what_does_not_end_runs_out() {
    let endless = [
        r#"(func (export "run") (param i64) (result i64) (loop (br 0)) (unreachable))"#,
        r#"(func (export "run") (param i64) (result i64) (loop (loop (br 1))) (unreachable))"#,
        r#"(func $f (export "run") (param i64) (result i64) (return_call $f (local.get 0)))"#,
        r#"(type $f (func (param i64) (result i64))) (table funcref (elem $f))
           (func $f (export "run") (param i64) (result i64)
               (return_call_indirect (type $f) (local.get 0) (i32.const 0)))"#,
        r#"(type $f (func (param i64) (result i64))) (elem declare func $f)
           (func $f (export "run") (type $f) (return_call_ref $f (local.get 0) (ref.func $f)))"#,
        r#"(tag $t) (func $throw (throw $t))
           (func (export "run") (param i64) (result i64)
               (loop $next
                   (block $caught (try_table (catch $t $caught) (call $throw)))
                   (br $next))
               (unreachable))"#,
        r#"(tag $t)
           (func (export "run") (param i64) (result i64)
               (loop $next (try_table (catch_all $next) (throw $t)) (unreachable))
               (unreachable))"#,
        r#"(memory 1)
           (func (export "run") (param i64) (result i64)
               (loop (memory.fill (i32.const 0) (i32.const 0) (i32.const 60000)) (br 0))
               (unreachable))"#,
    ];
    for body in endless {
        let mut expected = None;
        for (name, engine) in &*ENGINES {
            let end = run(engine, &module(engine, body), 0, 30_000);
            let (trap, _) = end.result.as_ref().unwrap_err();
            assert_eq!(*trap, Some(Trap::OutOfFuel), "{name}: {body}");
            assert_eq!(*expected.get_or_insert(end.left), end.left, "{name}");
        }
    }
}

/// Threads of a program with a shared memory have fuel each.
#[test]
fn each_store_has_fuel_of_its_own() {
    const TEXT: &str = r#"(module
        (import "env" "memory" (memory 1 1 shared))
        (func (export "run") (param $n i32)
            (loop
                (drop (i32.atomic.rmw.add (i32.const 0) (i32.const 1)))
                (br_if 0 (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))))"#;
    for (name, engine) in &*ENGINES {
        let module = Module::new(engine, TEXT).unwrap();
        let ty = upshift::MemoryType::shared(1, 1);
        let memory = upshift::SharedMemory::new(engine, ty).unwrap();
        let thread = |rounds: u32| {
            let mut store = Store::new(engine, ());
            store.set_fuel(1 << 20).unwrap();
            store.set_epoch_deadline(1);
            let memory = memory.clone().into();
            let instance = Instance::new(&mut store, &module, &[memory]).unwrap();
            let run = instance.get_typed_func::<u32, ()>(&mut store, "run");
            run.unwrap().call(&mut store, rounds).unwrap();
            (1 << 20) - store.get_fuel().unwrap()
        };
        let used = std::thread::scope(|scope| {
            let threads = [100, 10_000].map(|rounds| scope.spawn(move || thread(rounds)));
            threads.map(|thread| thread.join().unwrap())
        });
        assert_eq!(used, [1 + 800, 1 + 80_000], "{name}");
    }
}

#[test]
fn engines_without_fuel_say_so() {
    let mut store = Store::new(&Engine::default(), ());
    for error in [
        store.set_fuel(1).unwrap_err(),
        store.get_fuel().unwrap_err(),
    ] {
        assert!(error.to_string().contains("consume_fuel"), "{error}");
    }
}
