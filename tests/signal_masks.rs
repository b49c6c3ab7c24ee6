//! Signals that are blocked where WebAssembly is entered, as a thread inherits them from the one
//! that started it, or from the process that started this one: traps, deadlines and samples work.

mod support {
    pub mod modes;
}

use std::thread;
use std::time::{Duration, Instant};
use std::{mem, ptr};

use upshift::profiler::Activity;
use upshift::{Config, Engine, Instance, Linker, Module, Store, Trap};

/// The signals that an engine uses.
const ALL: [libc::c_int; 6] = [
    libc::SIGSEGV,
    libc::SIGBUS,
    libc::SIGILL,
    libc::SIGFPE,
    libc::SIGURG,
    libc::SIGPROF,
];

const PROGRAM: &str = r#"(module
    (import "host" "block" (func $block))
    (memory 1)
    (func (export "memory") (drop (i32.load (i32.const 65536))))
    (func (export "division") (drop (i32.div_s (i32.const 1) (i32.const 0))))
    (func (export "unreachable") unreachable)
    (func (export "block") (call $block))
    (func (export "spin") (param $n i32)
        (loop $next
            (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
    (func (export "forever") (loop $next (br $next))))"#;

/// Blocks signals in the calling thread.
fn block(signals: &[libc::c_int]) {
    // SAFETY: the set is initialized before it is used, and the signals are valid numbers.
    unsafe {
        let mut set: libc::sigset_t = mem::zeroed();
        libc::sigemptyset(&mut set);
        for &signal in signals {
            libc::sigaddset(&mut set, signal);
        }
        assert_eq!(
            libc::pthread_sigmask(libc::SIG_BLOCK, &set, ptr::null_mut()),
            0
        );
    }
}

fn start(engine: &Engine) -> (Store<()>, Instance) {
    let module = Module::new(engine, PROGRAM).unwrap();
    let mut linker = Linker::new(engine);
    linker
        .func_wrap("host", "block", || block(&[libc::SIGPROF]))
        .unwrap();
    let mut store = Store::new(engine, ());
    let instance = linker.instantiate(&mut store, &module).unwrap();
    (store, instance)
}

/// Runs a test on a thread that has inherited a mask which blocks all of the engine's signals.
fn with_all_blocked(test: impl FnOnce() + Send) {
    thread::scope(|scope| {
        let parent = scope.spawn(|| {
            block(&ALL);
            thread::scope(|scope| scope.spawn(test).join().unwrap());
        });
        parent.join().unwrap();
    });
}

fn sampling_engine() -> Engine {
    let mut config = Config::new();
    config.sample_period(Some(Duration::from_micros(200)));
    Engine::new(&config).unwrap()
}

/// Spins until samples have found an activity that often.
fn spin_until(store: &mut Store<()>, instance: Instance, activity: Activity, found: u64) {
    let spin = instance
        .get_typed_func::<i32, ()>(&mut *store, "spin")
        .unwrap();
    let end = Instant::now() + Duration::from_secs(30);
    while store.engine().samples().of(activity).count < found {
        assert!(Instant::now() < end, "{:?}", store.engine().samples());
        spin.call(&mut *store, 1_000_000).unwrap();
    }
}

#[test]
fn traps_and_deadlines_work() {
    // SAFETY: only sets a timer, whose signal ends a test that hangs.
    unsafe { libc::alarm(300) };
    for (mode, engine) in support::modes::engines() {
        eprintln!("mode {mode}");
        with_all_blocked(|| {
            let (mut store, instance) = start(engine);
            for (export, expected) in [
                ("memory", Trap::MemoryOutOfBounds),
                ("division", Trap::IntegerDivideByZero),
                ("unreachable", Trap::Unreachable),
            ] {
                let func = instance
                    .get_typed_func::<(), ()>(&mut store, export)
                    .unwrap();
                let error = func.call(&mut store, ()).unwrap_err();
                assert_eq!(error.downcast_ref(), Some(&expected));
            }
            store.set_deadline(Some(Instant::now() + Duration::from_millis(20)));
            let forever = instance
                .get_typed_func::<(), ()>(&mut store, "forever")
                .unwrap();
            let error = forever.call(&mut store, ()).unwrap_err();
            assert_eq!(error.downcast_ref(), Some(&Trap::Interrupt));
        });
    }
}

#[test]
fn samples_are_taken() {
    with_all_blocked(|| {
        // The thread has entered WebAssembly before, of an engine that does not sample.
        let (mut store, instance) = start(&Engine::default());
        let spin = instance
            .get_typed_func::<i32, ()>(&mut store, "spin")
            .unwrap();
        spin.call(&mut store, 1).unwrap();
        let engine = sampling_engine();
        let (mut store, instance) = start(&engine);
        spin_until(&mut store, instance, Activity::Guest, 20);
        assert_eq!(engine.samples().of(Activity::Missed).count, 0);
    });
}

/// What a host function blocks is its own matter, but does not go unseen.
#[test]
fn samples_that_a_host_function_prevents_are_counted() {
    thread::spawn(|| {
        let engine = sampling_engine();
        let (mut store, instance) = start(&engine);
        let block = instance
            .get_typed_func::<(), ()>(&mut store, "block")
            .unwrap();
        block.call(&mut store, ()).unwrap();
        spin_until(&mut store, instance, Activity::Missed, 3);
    })
    .join()
    .unwrap();
}

/// An engine that ends while a thread has not answered leaves other engines their samples: more end
/// here than threads can be asked at once.
#[test]
fn engines_that_end_without_an_answer_leave_others_their_samples() {
    for _ in 0..120 {
        thread::spawn(|| {
            let engine = sampling_engine();
            let (mut store, instance) = start(&engine);
            let block = instance
                .get_typed_func::<(), ()>(&mut store, "block")
                .unwrap();
            block.call(&mut store, ()).unwrap();
            let spin = instance
                .get_typed_func::<i32, ()>(&mut store, "spin")
                .unwrap();
            let end = Instant::now() + Duration::from_millis(20);
            while Instant::now() < end {
                spin.call(&mut store, 100_000).unwrap();
            }
        })
        .join()
        .unwrap();
    }
    thread::spawn(|| {
        let engine = sampling_engine();
        let (mut store, instance) = start(&engine);
        spin_until(&mut store, instance, Activity::Guest, 20);
    })
    .join()
    .unwrap();
}
