//! Samples of what threads do, in every execution mode: where they find it, and that they disturb
//! nothing.

use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use upshift::knobs::{self, Group};
use upshift::profiler::{Activity, Detail, Event, FuncKey, LogConfig, ModuleKey};
use upshift::tiering::{FunctionSamples, Level, Samples};
use upshift::{
    Caller, Config, Engine, Instance, Linker, MemoryType, Module, SharedMemory, Store, Trap,
};
use upshift_abi::DefinedFuncIndex;

use upshift_spectest::Mode;

/// Runs a test in every mode, in engines that sample and inline nothing: what is inlined counts for
/// its caller.
fn in_every_mode(test: impl Fn(&Engine)) {
    in_every_mode_with("none", |_, engine| test(engine));
}

/// Runs a test in every mode, in engines that sample.
fn in_every_mode_with(inline: &str, test: impl Fn(Mode, &Engine)) {
    for mode in Mode::all() {
        eprintln!("mode {mode}");
        let mut config = mode.config();
        config
            .sample_period(Some(Duration::from_micros(200)))
            .event_log(LogConfig {
                detail: Detail::Events,
                capacity: None,
            });
        knobs::set(&mut config, Group::Compile, "inline", inline).unwrap();
        test(*mode, &Engine::new(&config).unwrap());
    }
}

/// `$long` and `$short` do the same work, `$long` three times as much of it.
const LOOPS: &str = r#"(module
    (import "host" "wait" (func $wait))
    (memory 1)
    (func $work (param $n i32) (local $x i32)
        (loop $next
            (local.set $x (i32.add (i32.mul (local.get $x) (i32.const 31)) (local.get $n)))
            (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
        (i32.store (i32.const 0) (local.get $x)))
    (func $long (param $n i32) (local $x i32)
        (local.set $n (i32.mul (local.get $n) (i32.const 3)))
        (loop $next
            (local.set $x (i32.add (i32.mul (local.get $x) (i32.const 31)) (local.get $n)))
            (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
        (i32.store (i32.const 0) (local.get $x)))
    (func $deep (param $n i32) (result i32)
        (if (result i32) (local.get $n)
            (then (i32.add (i32.const 1) (call $deep (i32.sub (local.get $n) (i32.const 1)))))
            (else (i32.const 0))))
    (func (export "one") (param i32) (call $work (local.get 0)))
    (func (export "two") (param i32)
        (local $rounds i32) (local.set $rounds (i32.const 200))
        (loop $next
            (call $work (local.get 0)) (call $long (local.get 0))
            (br_if $next (local.tee $rounds (i32.sub (local.get $rounds) (i32.const 1))))))
    (func (export "deep") (param i32) (result i32) (call $deep (local.get 0)))
    (func (export "divide") (param i32) (result i32) (i32.div_s (i32.const 1) (local.get 0)))
    (func (export "wait") (call $wait)))"#;

const WORK: u32 = 0;
const LONG: u32 = 1;
const DEEP: u32 = 2;

fn start(engine: &Engine) -> (Store<()>, Instance) {
    let module = Module::new(engine, LOOPS).unwrap();
    let mut linker = Linker::new(engine);
    let wait = |_: Caller<'_, ()>| thread::sleep(Duration::from_millis(100));
    linker.func_wrap("host", "wait", wait).unwrap();
    let mut store = Store::new(engine, ());
    let instance = linker.instantiate(&mut store, &module).unwrap();
    (store, instance)
}

/// Calls an export with the argument, again and again for the time.
fn call_for(store: &mut Store<()>, instance: Instance, name: &str, argument: i32, time: Duration) {
    let func = instance.get_func(&mut *store, name).unwrap();
    let end = Instant::now() + time;
    let mut results = vec![upshift::Val::I32(0); func.ty(&*store).results().len()];
    while Instant::now() < end {
        func.call(&mut *store, &[upshift::Val::I32(argument)], &mut results)
            .unwrap();
    }
}

/// Calls an export until samples have found functions that often: other tests use the processors
/// as well.
fn call_until(store: &mut Store<()>, instance: Instance, name: &str, argument: i32, found: u64) {
    let end = Instant::now() + Duration::from_secs(60);
    while store.engine().samples().of(Activity::Guest).count < found {
        assert!(Instant::now() < end, "{:?}", store.engine().samples());
        call_for(store, instance, name, argument, Duration::from_millis(20));
    }
}

/// Samples in a function, in code of any level.
fn count(samples: &Samples, func: u32) -> u64 {
    count_in(&samples.functions, func)
}

/// Samples of a function in these rows.
fn count_in(rows: &[FunctionSamples], func: u32) -> u64 {
    let own = rows
        .iter()
        .filter(|row| row.func.func == DefinedFuncIndex(func));
    own.map(|row| row.sum.count).sum()
}

#[test]
fn a_loop_gets_nearly_all_samples() {
    in_every_mode(|engine| {
        let (mut store, instance) = start(engine);
        call_until(&mut store, instance, "one", 3_000_000, 200);
        let samples = engine.samples();
        let guest = samples.of(Activity::Guest);
        let found = count(&samples, WORK);
        assert!(found * 10 > guest.count * 9, "{found}: {samples:?}");
        // The mean of times from 0.1 ms on: threads may wait for processors.
        let mean = guest.cpu.0 / guest.count;
        assert!((100_000..20_000_000).contains(&mean), "{mean} ns");
    });
}

#[test]
fn samples_divide_as_time_does() {
    in_every_mode(|engine| {
        let (mut store, instance) = start(engine);
        call_until(&mut store, instance, "two", 3_000, 600);
        let samples = engine.samples();
        let cpu = |func| {
            let rows = samples.functions.iter();
            let own = rows.filter(|row| row.func.func == DefinedFuncIndex(func));
            own.map(|row| row.sum.cpu.0).sum::<u64>() as f64
        };
        // Thrice the work; with six hundred samples a quarter more or less is beyond chance.
        let ratio = cpu(LONG) / cpu(WORK);
        assert!((2.0..4.5).contains(&ratio), "{ratio}: {samples:?}");
    });
}

/// What is inlined is told apart from the function that it is inlined into.
#[test]
fn samples_name_the_body_that_runs() {
    in_every_mode_with("all", |mode, engine| {
        let (mut store, instance) = start(engine);
        call_until(&mut store, instance, "two", 3_000, 600);
        let samples = engine.samples();
        let [work, long] = [WORK, LONG].map(|func| count_in(&samples.bodies, func));
        assert!(work > 60 && work < long, "{work} {long}: {samples:?}");
        let all: u64 = samples.bodies.iter().map(|row| row.sum.count).sum();
        assert_eq!(all, samples.of(Activity::Guest).count);
        if mode == Mode::Optimizer {
            assert_eq!(count(&samples, WORK), 0, "{samples:?}");
        }
    });
}

#[test]
fn deep_recursion_is_sampled_on_any_stack() {
    in_every_mode(|engine| {
        let (mut store, instance) = start(engine);
        call_until(&mut store, instance, "deep", 5_000, 20);
        assert!(count(&engine.samples(), DEEP) > 5, "{:?}", engine.samples());
        let deep = instance
            .get_typed_func::<i32, i32>(&mut store, "deep")
            .unwrap();
        for _ in 0..20 {
            let error = deep.call(&mut store, i32::MAX).unwrap_err();
            assert_eq!(error.downcast_ref(), Some(&Trap::StackOverflow));
        }
    });
}

#[test]
fn traps_are_the_same_while_samples_are_taken() {
    in_every_mode(|engine| {
        let (mut store, instance) = start(engine);
        let divide = instance
            .get_typed_func::<i32, i32>(&mut store, "divide")
            .unwrap();
        let end = Instant::now() + Duration::from_millis(60);
        while Instant::now() < end {
            assert_eq!(divide.call(&mut store, 1).unwrap(), 1);
            let error = divide.call(&mut store, 0).unwrap_err();
            assert_eq!(error.downcast_ref(), Some(&Trap::IntegerDivideByZero));
        }
    });
}

#[test]
fn waiting_is_idle_and_not_disturbed() {
    in_every_mode(|engine| {
        let (mut store, instance) = start(engine);
        let wait = instance
            .get_typed_func::<(), ()>(&mut store, "wait")
            .unwrap();
        let began = Instant::now();
        wait.call(&mut store, ()).unwrap();
        assert!(began.elapsed() >= Duration::from_millis(100));
        let samples = engine.samples();
        let (idle, all) = (samples.of(Activity::Idle).count, samples.total().count);
        assert!(idle > 20 && idle * 10 > all * 7, "{samples:?}");
        assert_eq!(samples.of(Activity::Idle).cpu.0 / 100_000_000, 0);
    });
}

#[test]
fn threads_are_sampled_each() {
    in_every_mode(|engine| {
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    let (mut store, instance) = start(engine);
                    call_for(
                        &mut store,
                        instance,
                        "one",
                        100_000,
                        Duration::from_millis(300),
                    );
                });
            }
        });
        let records = engine.event_log().records();
        let threads = records.iter().filter_map(|record| match record.event {
            Event::Sample {
                activity: Activity::Guest,
                sampled,
                ..
            } => Some(sampled),
            _ => None,
        });
        let threads: std::collections::BTreeSet<u32> = threads.collect();
        assert_eq!(threads.len(), 3);
        let samples = engine.samples();
        let modules = samples.functions.iter().map(|row| row.func.module);
        let modules: std::collections::BTreeSet<ModuleKey> = modules.collect();
        assert_eq!(modules.len(), 3);
    });
}

/// Modules and their code come and go while samples of it are under way.
#[test]
fn code_is_freed_while_samples_are_taken() {
    in_every_mode(|engine| {
        let end = Instant::now() + Duration::from_millis(150);
        while Instant::now() < end {
            let (mut store, instance) = start(engine);
            call_for(&mut store, instance, "two", 50, Duration::from_micros(500));
        }
    });
}

/// Samples of engines that run at the same time, on threads of their own and nested on one thread,
/// find each engine's own functions.
#[test]
fn engines_sample_side_by_side() {
    let engines: Vec<Engine> = (0..2)
        .map(|seed| {
            let mut config = Config::new();
            config
                .sample_period(Some(Duration::from_micros(200)))
                .sample_seed(seed);
            Engine::new(&config).unwrap()
        })
        .collect();
    thread::scope(|scope| {
        for engine in &engines {
            scope.spawn(|| {
                let (mut store, instance) = start(engine);
                call_until(&mut store, instance, "one", 100_000, 50);
            });
        }
    });
    // The inner engine's code is host code for the outer one.
    let inner = Mutex::new(start(&engines[1]));
    let before = engines[1].samples().of(Activity::Guest).count;
    let mut linker = Linker::new(&engines[0]);
    let call_inner = move || {
        let (store, instance) = &mut *inner.lock().unwrap();
        call_until(store, *instance, "one", 100_000, before + 50);
    };
    linker.func_wrap("host", "wait", call_inner).unwrap();
    let module = Module::new(&engines[0], LOOPS).unwrap();
    let mut store = Store::new(&engines[0], ());
    let outer = linker.instantiate(&mut store, &module).unwrap();
    let before = engines[0].samples();
    let wait = outer.get_typed_func::<(), ()>(&mut store, "wait").unwrap();
    wait.call(&mut store, ()).unwrap();
    let after = engines[0].samples();
    let host = |samples: &Samples| samples.of(Activity::Host).count;
    assert!(host(&after) > host(&before) + 10, "{before:?} {after:?}");
}

/// Exceptions are thrown and caught, and go through calls, while samples are taken.
#[test]
fn exceptions_are_thrown_while_samples_are_taken() {
    in_every_mode(|engine| {
        let text = r#"(module
            (tag $odd (param i32))
            (func $throw (param i32) (result i32)
                (if (i32.and (local.get 0) (i32.const 1)) (then (throw $odd (local.get 0))))
                (local.get 0))
            (func $deep (param $n i32) (param $left i32) (result i32)
                (if (result i32) (local.get $left)
                    (then (call $deep (local.get $n) (i32.sub (local.get $left) (i32.const 1))))
                    (else (call $throw (local.get $n)))))
            (func (export "sum") (param $n i32) (result i32) (local $sum i32)
                (loop $next
                    (block $caught (result i32)
                        (try_table (result i32) (catch $odd $caught)
                            (call $deep (local.get $n) (i32.const 10))))
                    (local.set $sum (i32.add (local.get $sum)))
                    (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
                (local.get $sum)))"#;
        let module = Module::new(engine, text).unwrap();
        let mut store = Store::new(engine, ());
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        let sum = instance
            .get_typed_func::<i32, i32>(&mut store, "sum")
            .unwrap();
        let end = Instant::now() + Duration::from_secs(60);
        while engine.samples().of(Activity::Guest).count < 50 {
            assert!(Instant::now() < end, "{:?}", engine.samples());
            assert_eq!(sum.call(&mut store, 1000).unwrap(), 500_500);
        }
    });
}

/// Threads of a shared memory wait, notify and add while samples are taken.
#[test]
fn shared_memories_agree_while_samples_are_taken() {
    in_every_mode(|engine| {
        let text = r#"(module
            (import "host" "memory" (memory 1 1 shared))
            (func (export "add") (param $n i32)
                (loop $next
                    (drop (i32.atomic.rmw.add (i32.const 0) (i32.const 1)))
                    (drop (memory.atomic.wait32 (i32.const 8) (i32.const 0) (i64.const 10000)))
                    (drop (memory.atomic.notify (i32.const 8) (i32.const 1)))
                    (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))))"#;
        let module = Module::new(engine, text).unwrap();
        let memory = SharedMemory::new(engine, MemoryType::shared(1, 1)).unwrap();
        let rounds = 2_000;
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    let mut store = Store::new(engine, ());
                    let mut linker = Linker::new(engine);
                    linker
                        .define(&mut store, "host", "memory", memory.clone())
                        .unwrap();
                    let instance = linker.instantiate(&mut store, &module).unwrap();
                    let add = instance
                        .get_typed_func::<i32, ()>(&mut store, "add")
                        .unwrap();
                    add.call(&mut store, rounds).unwrap();
                });
            }
        });
        let mut sum = [0; 4];
        memory.read(0, &mut sum).unwrap();
        assert_eq!(i32::from_le_bytes(sum), 3 * rounds);
        assert!(
            engine.samples().total().count > 20,
            "{:?}",
            engine.samples()
        );
    });
}

#[test]
fn the_log_has_each_sample() {
    in_every_mode(|engine| {
        let (mut store, instance) = start(engine);
        call_until(&mut store, instance, "one", 300_000, 20);
        let (samples, records) = (engine.samples(), engine.event_log().records());
        let func = FuncKey {
            module: ModuleKey(0),
            func: DefinedFuncIndex(WORK),
        };
        let logged = records.iter().filter(
            |record| matches!(record.event, Event::Sample { func: Some(of), .. } if of == func),
        );
        // One more can have been taken since.
        assert!(logged.count() as u64 >= count(&samples, WORK));
        let stats = engine.event_log().stats();
        assert!(stats.samples_guest >= samples.of(Activity::Guest).count);
    });
}

#[test]
fn an_engine_that_does_not_sample_has_none() {
    let engine = Engine::default();
    let (mut store, instance) = start(&engine);
    call_for(
        &mut store,
        instance,
        "one",
        100_000,
        Duration::from_millis(20),
    );
    assert_eq!(engine.samples(), Samples::default());
}

/// The levels of a program's code are told apart.
#[test]
fn samples_have_the_level_of_the_code() {
    let mut config = Config::new();
    config.sample_period(Some(Duration::from_micros(200)));
    knobs::set(&mut config, Group::Compile, "inline", "none").unwrap();
    for (strategy, level) in [
        (upshift::Strategy::Baseline, Level(0)),
        (upshift::Strategy::Optimizer, Level(1)),
    ] {
        let engine = Engine::new(config.strategy(strategy)).unwrap();
        let (mut store, instance) = start(&engine);
        call_until(&mut store, instance, "one", 300_000, 40);
        let func = FuncKey {
            module: ModuleKey(0),
            func: DefinedFuncIndex(WORK),
        };
        let samples = engine.samples();
        assert!(samples.of_function(func, level).count > 20, "{samples:?}");
    }
}

/// The policy of samples optimizes what runs, whichever thread compiles.
#[test]
fn jikes_optimizes_what_samples_find() {
    for switching in ["sync", "background"] {
        let mut config = Config::new();
        let settings = [
            ("switching", switching),
            ("policy", "jikes:quantum-ms=0.5"),
            ("threads", "1"),
        ];
        for (name, value) in settings {
            knobs::set(&mut config, Group::Tiering, name, value).unwrap();
        }
        knobs::set(&mut config, Group::Compile, "inline", "none").unwrap();
        let engine = Engine::new(&config).unwrap();
        let (mut store, instance) = start(&engine);
        let func = FuncKey {
            module: ModuleKey(0),
            func: DefinedFuncIndex(WORK),
        };
        let end = Instant::now() + Duration::from_secs(60);
        while engine.samples().of_function(func, Level(1)).count < 10 {
            assert!(Instant::now() < end, "{switching}: {:?}", engine.samples());
            call_for(
                &mut store,
                instance,
                "one",
                30_000,
                Duration::from_millis(20),
            );
        }
        let first = engine.samples().of_function(func, Level(0));
        assert!(first.count >= 3, "{switching}: {:?}", engine.samples());
    }
}
