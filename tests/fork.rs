//! What a child made by `fork` can do: it uses engines of its own, and leaves its parent's alone.

mod support {
    pub mod watchdog;
}

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use support::watchdog::Watchdog;
use upshift::{
    Caller, Config, Engine, Error, Instance, Linker, Module, Result, Store, Strategy, Trap,
};
use upshift_spectest::Mode;

/// Lets one test run at a time: the standard library captures backtraces of errors under a lock,
/// which another test might hold at the moment of a fork.
fn one_at_a_time() -> MutexGuard<'static, ()> {
    static LOCK: Mutex<()> = Mutex::new(());
    LOCK.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The number of seconds after which a child counts as hanging.
const HANG_SECONDS: u32 = 60;

/// Forks: the child runs `test` and ends, and a panic in it is one in the parent.
#[track_caller]
fn in_child(test: impl FnOnce()) {
    let (mut here, mut there) = UnixStream::pair().unwrap();
    // SAFETY: the child is a copy of this thread; it only runs `test`, and leaves without unwinding
    // into the test harness or running exit handlers.
    let child = unsafe { libc::fork() };
    assert!(child >= 0, "fork");
    if child == 0 {
        drop(here);
        // SAFETY: only sets a timer, whose signal kills a child that hangs.
        unsafe { libc::alarm(HANG_SECONDS) };
        let result = catch_unwind(AssertUnwindSafe(test));
        if let Err(panic) = &result {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
            let _ = there.write_all(text.unwrap_or("a panic").as_bytes());
        }
        // SAFETY: ends the process at once.
        unsafe { libc::_exit(result.is_err().into()) };
    }
    drop(there);
    let mut said = String::new();
    here.read_to_string(&mut said).unwrap();
    let mut status = 0;
    // SAFETY: waits for the child of this process.
    let waited = unsafe { libc::waitpid(child, &mut status, 0) };
    assert_eq!((waited, status), (child, 0), "in the child: {said}");
}

#[track_caller]
fn assert_forked<T>(result: Result<T>) {
    let error = result
        .err()
        .expect("an engine of the parent's is of no use");
    let text = format!("{error:#}");
    assert!(text.contains("made before `fork`"), "{text}");
}

/// A module with enough data for an image, and functions to compile.
fn text() -> String {
    let data = "upshift!".repeat(8192);
    format!(
        r#"(module (memory 4) (data (i32.const 0) "{data}")
            (func (export "byte") (param i32) (result i32) (i32.load8_u (local.get 0)))
            (func (export "a") (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))
            (func (export "b") (param i32) (result i32) (i32.mul (local.get 0) (i32.const 7)))
            (func (export "c") (param i32) (result i32) (i32.sub (local.get 0) (i32.const 100)))
            (func (export "sum") (param i32) (result i32) (local i32)
                (loop
                    (local.set 1 (i32.add (local.get 1) (local.get 0)))
                    (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
                (local.get 1))
            (func (export "outside") (param i32) (result i32) (i32.load (i32.const 0x7fff0000)))
            (func (export "endless") (param i32) (result i32) (loop (br 0)) (unreachable)))"#
    )
}

fn call(store: &mut Store<()>, instance: Instance, name: &str, value: i32) -> Result<i32> {
    let func = instance.get_typed_func::<i32, i32>(&mut *store, name)?;
    func.call(store, value)
}

#[test]
fn a_child_leaves_its_parents_engine_alone() {
    let _one = one_at_a_time();
    for mode in Mode::all() {
        eprintln!("mode {mode}");
        let engine = mode.engine().unwrap();
        let module = Module::new(&engine, text()).unwrap();
        // The second instance maps the image.
        let mut first = Store::new(&engine, ());
        Instance::new(&mut first, &module, &[]).unwrap();
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        assert_eq!(call(&mut store, instance, "byte", 0).unwrap(), 117);
        assert_eq!(call(&mut store, instance, "a", 0).unwrap(), 1);

        let mut of_parent = Some((first, store, module, engine));
        in_child(|| {
            let (first, mut store, module, engine) = of_parent.take().unwrap();
            assert_forked(call(&mut store, instance, "c", 1));
            assert_forked(call(&mut store, instance, "a", 1));
            assert_forked(Instance::new(&mut store, &module, &[]));
            let mut own = Store::new(&engine, ());
            assert_forked(Instance::new(&mut own, &module, &[]));
            assert_forked(Module::new(&engine, text()));
            drop((first, store, own, module, engine));
        });
        let (_first, mut store, _module, _engine) = of_parent.unwrap();
        assert_eq!(call(&mut store, instance, "b", 1).unwrap(), 7);
        assert_eq!(call(&mut store, instance, "c", 1).unwrap(), -99);
        assert_eq!(call(&mut store, instance, "byte", 60_000).unwrap(), 117);
    }
}

/// Runs, tiers up, traps and is interrupted, with an engine of the child's own.
fn exercise(mode: Mode) {
    let engine = mode.engine().unwrap();
    let module = Module::new(&engine, text()).unwrap();
    for _ in 0..3 {
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        for _ in 0..20 {
            let sum = call(&mut store, instance, "sum", 10_000).unwrap();
            assert_eq!(sum, 50_005_000);
        }
        engine.wait_idle();
        assert_eq!(call(&mut store, instance, "byte", 60_000).unwrap(), 117);
        let trap = |error: Error| error.downcast_ref::<Trap>().copied();
        let error = call(&mut store, instance, "outside", 0).unwrap_err();
        assert_eq!(trap(error), Some(Trap::MemoryOutOfBounds));
        let watchdog = Watchdog::start(store.interrupt_handle(), Duration::from_millis(5));
        let error = call(&mut store, instance, "endless", 0).unwrap_err();
        drop(watchdog);
        assert_eq!(trap(error), Some(Trap::Interrupt));
        let timeout = store.arm_timeout(Duration::from_millis(5));
        let error = call(&mut store, instance, "endless", 0).unwrap_err();
        drop(timeout);
        assert_eq!(trap(error), Some(Trap::Interrupt));
    }
}

#[test]
fn a_child_has_engines_of_its_own() {
    let _one = one_at_a_time();
    for &mode in Mode::all() {
        eprintln!("mode {mode}");
        exercise(mode);
        // Also in a child of the child.
        in_child(|| {
            exercise(mode);
            in_child(|| exercise(mode));
            exercise(mode);
        });
        exercise(mode);
    }
}

/// A host function returns twice, in two processes; only the parent's WebAssembly goes on.
#[test]
fn a_host_function_may_fork() {
    let _one = one_at_a_time();
    for mode in Mode::all() {
        let engine = mode.engine().unwrap();
        let module = r#"(module (import "host" "fork" (func $fork (result i32)))
            (func (export "run") (result i32) (i32.add (call $fork) (i32.const 40))))"#;
        let module = Module::new(&engine, module).unwrap();
        for returns_in_child in [false, true] {
            let mut linker = Linker::new(&engine);
            let fork = move |_: Caller<'_, ()>| -> i32 {
                if !returns_in_child {
                    in_child(|| ());
                    return 2;
                }
                // SAFETY: the child returns from the call below and ends there.
                match unsafe { libc::fork() } {
                    0 => 0,
                    child => child,
                }
            };
            linker.func_wrap("host", "fork", fork).unwrap();
            let mut store = Store::new(&engine, ());
            let instance = linker.instantiate(&mut store, &module).unwrap();
            let parent = std::process::id();
            let run = instance.get_typed_func::<(), i32>(&mut store, "run");
            let result = run.unwrap().call(&mut store, ());
            if !returns_in_child {
                assert_eq!(result.unwrap(), 42);
                continue;
            }
            if std::process::id() != parent {
                let said = catch_unwind(AssertUnwindSafe(|| assert_forked(result)));
                // SAFETY: ends the child.
                unsafe { libc::_exit(said.is_err().into()) };
            }
            let child = result.unwrap();
            let mut status = 0;
            // SAFETY: waits for the child of this process.
            unsafe { libc::waitpid(child - 40, &mut status, 0) };
            assert_eq!(status, 0, "the child got another result than an error");
        }
    }
}

/// Locks that other threads hold at the moment of the fork stay locked in the child.
#[test]
fn a_child_drops_what_busy_threads_were_using() {
    let _one = one_at_a_time();
    let engine = Engine::new(Config::new().strategy(Strategy::Tiered)).unwrap();
    let module = Module::new(&engine, text()).unwrap();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let load = || {
            while !stop.load(Ordering::Relaxed) {
                let module = Module::new(&engine, text()).unwrap();
                let mut store = Store::new(&engine, ());
                let instance = Instance::new(&mut store, &module, &[]).unwrap();
                call(&mut store, instance, "sum", 100_000).unwrap();
            }
        };
        let threads = [scope.spawn(load), scope.spawn(load)];
        let mut store = Store::new(&engine, ());
        Instance::new(&mut store, &module, &[]).unwrap();
        let mut kept = Some((store, engine.clone(), module));
        for _ in 0..100 {
            in_child(|| drop(kept.take()));
            thread::sleep(Duration::from_millis(1));
        }
        stop.store(true, Ordering::Relaxed);
        for thread in threads {
            thread.join().unwrap();
        }
    });
}
