//! Signals that a process sends are not traps, and don't remove the handlers.

use std::os::unix::process::ExitStatusExt as _;
use std::process::Command;
use std::time::Duration;
use std::{env, process, thread};

use upshift::{Engine, Instance, Module, Store, Trap};

/// An environment variable that is set in the process that is to end by a signal.
const VICTIM: &str = "UPSHIFT_TEST_VICTIM";

const TRAPS: &str = r#"(module (memory 1)
    (func (export "memory") (drop (i32.load (i32.const 65536))))
    (func (export "division") (drop (i32.div_s (i32.const 1) (i32.const 0))))
    (func (export "unreachable") unreachable))"#;

fn traps_still_work(engine: &Engine) {
    let module = Module::new(engine, TRAPS).unwrap();
    let mut store = Store::new(engine, ());
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
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
}

fn send(signal: &str) {
    let status = Command::new("kill")
        .args([signal, &process::id().to_string()])
        .status();
    assert!(status.expect("`kill` can be run").success());
    thread::sleep(Duration::from_millis(50));
}

/// Runs the test in a process of its own, which sends itself a signal.
#[test]
fn victim() {
    let Ok(signal) = env::var(VICTIM) else {
        return;
    };
    let engine = Engine::default();
    traps_still_work(&engine);
    send(&signal);
    traps_still_work(&engine);
    send(&signal);
    traps_still_work(&engine);
}

fn run_victim(signal: &str) -> process::ExitStatus {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", "sandbox_cases::signals::victim"]);
    let output = command.env(VICTIM, signal).output().unwrap();
    output.status
}

/// Signals that the engine handles, sent by a process. Rust's own handler of `SIGSEGV` and `SIGBUS`
/// ignores a signal that is no fault the first time, and would then be removed with the engine's.
#[test]
fn a_segmentation_fault_that_was_sent_leaves_the_handlers() {
    for signal in ["-SEGV", "-BUS", "-URG"] {
        let status = run_victim(signal);
        assert!(status.success(), "{signal}: {status}");
    }
}

/// `SIGILL` and `SIGFPE`: a Rust program has no other handler, so the default action ends the
/// process.
#[test]
fn a_signal_with_the_default_action_ends_the_process() {
    for (signal, number) in [("-FPE", 8), ("-ILL", 4)] {
        let status = run_victim(signal);
        assert_eq!(status.signal(), Some(number), "{signal}: {status}");
    }
}
