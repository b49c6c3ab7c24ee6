//! Deadlines, and interruptions of everything that a call can be doing.

use std::hint;
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use upshift::{Caller, Engine, Extern, Func, Linker, Module, Store, TimedOut, Trap, WasmBacktrace};

use upshift_spectest::Mode;

use crate::support::modes::engines;
use crate::{in_every_mode, instance};

/// Far longer than an interruption takes, even on a busy machine, and far shorter than the
/// interrupted work.
const SOON: Duration = Duration::from_secs(5);

/// The time after which these tests interrupt.
const SHORT: Duration = Duration::from_millis(30);

const CALLS: &str = r#"(module
    (import "host" "f" (func $f))
    (func (export "spin") (loop (br 0)))
    (func (export "host") (call $f))
    (func (export "fine")))"#;

/// A store with an instance whose `host` is the closure, and typed exports by name.
fn with_host<R>(
    engine: &Engine,
    host: impl upshift::IntoFunc<(), (Caller<'static, ()>,), R>,
) -> (
    Store<()>,
    impl Fn(&mut Store<()>, &str) -> upshift::Result<()>,
) {
    let module = Module::new(engine, CALLS).unwrap();
    let mut store = Store::new(engine, ());
    let func = Func::wrap(&mut store, host);
    let mut linker = Linker::new(engine);
    linker.define(&mut store, "host", "f", func).unwrap();
    let instance = linker.instantiate(&mut store, &module).unwrap();
    let call = move |store: &mut Store<()>, name: &str| {
        let func = instance.get_typed_func::<(), ()>(&mut *store, name)?;
        func.call(store, ())
    };
    (store, call)
}

fn interrupted(result: upshift::Result<()>) -> upshift::Error {
    let error = result.expect_err("the call is endless");
    assert_eq!(error.downcast_ref(), Some(&Trap::Interrupt), "{error:#}");
    error
}

#[test]
fn a_deadline_ends_the_call_and_all_later_ones_until_it_is_moved() {
    in_every_mode(|engine| {
        let (mut store, call) = with_host(engine, |_: Caller<'_, ()>| ());
        store.set_deadline(Some(Instant::now() + SHORT));
        call(&mut store, "fine").unwrap();
        for export in ["spin", "fine", "host"] {
            let error = interrupted(call(&mut store, export));
            assert!(error.is::<TimedOut>(), "{export}: {error:#}");
        }
        store.set_deadline(Some(Instant::now() + Duration::from_secs(3600)));
        call(&mut store, "fine").unwrap();
        store.set_deadline(Some(Instant::now() - SHORT));
        interrupted(call(&mut store, "spin"));
        store.set_deadline(None);
        call(&mut store, "fine").unwrap();
    });
}

#[test]
fn a_limit_lasts_as_long_as_its_guard() {
    in_every_mode(|engine| {
        let (mut store, call) = with_host(engine, |_: Caller<'_, ()>| ());
        let limit = store.arm_timeout(SHORT);
        let error = interrupted(call(&mut store, "spin"));
        let text = format!("{error:#}");
        assert!(text.contains("timed out after 30ms"), "{text}");
        assert_eq!(
            error.downcast_ref::<TimedOut>().unwrap().after(),
            Some(SHORT)
        );
        interrupted(call(&mut store, "fine"));
        drop(limit);
        call(&mut store, "fine").unwrap();

        // Time that passes between two calls does not count for the second one.
        let limit = store.arm_timeout(Duration::from_millis(1));
        thread::sleep(Duration::from_millis(20));
        drop(limit);
        call(&mut store, "fine").unwrap();

        // Dropping an older guard does not remove a newer limit.
        let older = store.arm_timeout(Duration::from_secs(3600));
        let newer = store.arm_timeout(SHORT);
        drop(older);
        interrupted(call(&mut store, "spin"));
        drop(newer);
        let _endless = store.arm_timeout(Duration::MAX);
        call(&mut store, "fine").unwrap();
    });
}

#[test]
fn a_late_interruption_can_be_disarmed() {
    in_every_mode(|engine| {
        let (mut store, call) = with_host(engine, |_: Caller<'_, ()>| ());
        let handle = store.interrupt_handle();
        call(&mut store, "fine").unwrap();
        handle.interrupt();
        store.disarm();
        call(&mut store, "fine").unwrap();
        handle.interrupt();
        handle.disarm();
        call(&mut store, "fine").unwrap();
        store.set_deadline(Some(Instant::now()));
        store.disarm();
        call(&mut store, "fine").unwrap();
        handle.interrupt();
        let error = interrupted(call(&mut store, "fine"));
        assert!(!error.is::<TimedOut>(), "{error:#}");
        call(&mut store, "fine").unwrap();
    });
}

/// Timeouts that fire at about the moment at which a short call ends, again and again: none reaches
/// the next call.
#[test]
fn no_timeout_outlives_its_guard() {
    let engine = Engine::default();
    let (mut store, call) = with_host(&engine, |_: Caller<'_, ()>| ());
    for n in 0..3000_u32 {
        let limit = store.arm_timeout(Duration::from_micros(50));
        (0..n % 1500).for_each(|_| hint::spin_loop());
        let _ = call(&mut store, "fine");
        drop(limit);
        call(&mut store, "fine").unwrap_or_else(|error| panic!("round {n}: {error:#}"));
    }
}

/// An interruption ends the whole call, even if a host function handles the inner call's error.
#[test]
fn host_functions_cannot_swallow_an_interruption() {
    in_every_mode(|engine| {
        let module = Module::new(engine, CALLS).unwrap();
        let mut linker = Linker::new(engine);
        let nested = |mut caller: Caller<'_, ()>| {
            let spin = caller
                .get_export("spin")
                .and_then(Extern::into_func)
                .unwrap();
            for _ in 0..2 {
                let error = spin.call(&mut caller, &[], &mut []).unwrap_err();
                assert_eq!(error.downcast_ref(), Some(&Trap::Interrupt));
            }
        };
        linker.func_wrap("host", "f", nested).unwrap();
        let mut store = Store::new(engine, ());
        let instance = linker.instantiate(&mut store, &module).unwrap();
        let host = instance.get_typed_func::<(), ()>(&mut store, "host");
        let host = host.unwrap();
        let limit = store.arm_timeout(SHORT);
        interrupted(host.call(&mut store, ()));
        drop(limit);
        let handle = store.interrupt_handle();
        let interrupter = thread::spawn(move || {
            thread::sleep(SHORT);
            handle.interrupt();
        });
        interrupted(host.call(&mut store, ()));
        interrupter.join().unwrap();
        let fine = instance.get_typed_func::<(), ()>(&mut store, "fine");
        fine.unwrap().call(&mut store, ()).unwrap();
    });
}

#[test]
fn a_host_function_that_sleeps_can_be_woken() {
    in_every_mode(|engine| {
        let sleeping = |caller: Caller<'_, ()>| caller.interruption().sleep(SOON * 10);
        let (mut store, call) = with_host(engine, sleeping);
        let start = Instant::now();
        let limit = store.arm_timeout(SHORT);
        let error = interrupted(call(&mut store, "host"));
        assert!(error.is::<TimedOut>(), "{error:#}");
        drop(limit);
        let handle = store.interrupt_handle();
        let interrupter = thread::spawn(move || {
            thread::sleep(SHORT);
            handle.interrupt();
        });
        let error = interrupted(call(&mut store, "host"));
        assert!(!error.is::<TimedOut>(), "{error:#}");
        interrupter.join().unwrap();
        assert!(start.elapsed() < SOON);
        call(&mut store, "fine").unwrap();
    });
}

/// Whether the descriptor becomes readable within the time.
fn readable(fd: BorrowedFd<'_>, time: Duration) -> bool {
    let mut fds = [rustix::event::PollFd::new(
        &fd,
        rustix::event::PollFlags::IN,
    )];
    let time = rustix::event::Timespec {
        tv_sec: time.as_secs() as i64,
        tv_nsec: i64::from(time.subsec_nanos()),
    };
    loop {
        match rustix::event::poll(&mut fds, Some(&time)) {
            Err(rustix::io::Errno::INTR) => {}
            ready => return ready.unwrap() > 0,
        }
    }
}

#[test]
fn a_host_function_that_polls_can_be_woken() {
    in_every_mode(|engine| {
        let polling = |caller: Caller<'_, ()>| -> upshift::Result<()> {
            let interruption = caller.interruption();
            let woken = readable(interruption.fd()?, SOON);
            interruption.check()?;
            anyhow::bail!("not interrupted, but woken: {woken}")
        };
        let (mut store, call) = with_host(engine, polling);
        let interruption = store.interruption();
        // Twice: before and after the descriptor exists.
        for _ in 0..2 {
            let limit = store.arm_timeout(SHORT);
            interrupted(call(&mut store, "host"));
            assert!(readable(interruption.fd().unwrap(), Duration::ZERO));
            drop(limit);
            assert!(!readable(interruption.fd().unwrap(), Duration::ZERO));
            call(&mut store, "fine").unwrap();
        }
        // Pending before the first use.
        let other = Store::new(engine, ());
        other.interrupt_handle().interrupt();
        let interruption = other.interruption();
        assert!(interruption.is_pending());
        assert!(readable(interruption.fd().unwrap(), Duration::ZERO));
    });
}

/// A host function that waits without checking: its system calls are disturbed a few times, not a
/// thousand times per second.
#[test]
fn system_calls_of_host_functions_are_not_showered_with_signals() {
    static DISTURBED: AtomicU32 = AtomicU32::new(0);
    let engine = Engine::default();
    let deaf = |_: Caller<'_, ()>| {
        let end = Instant::now() + Duration::from_millis(600);
        while let Some(left) = end.checked_duration_since(Instant::now()) {
            let left = rustix::thread::Timespec {
                tv_sec: 0,
                tv_nsec: left.subsec_nanos().into(),
            };
            if let rustix::thread::NanosleepRelativeResult::Interrupted(_) =
                rustix::thread::nanosleep(&left)
            {
                DISTURBED.fetch_add(1, Ordering::Relaxed);
            }
        }
    };
    let (mut store, call) = with_host(&engine, deaf);
    let handle = store.interrupt_handle();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        // Also when the interrupter repeats itself.
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                handle.interrupt();
                thread::sleep(Duration::from_millis(2));
            }
        });
        interrupted(call(&mut store, "host"));
        stop.store(true, Ordering::Relaxed);
    });
    let disturbed = DISTURBED.load(Ordering::Relaxed);
    assert!(disturbed <= 8, "{disturbed} signals");
}

/// Endless loops of one bulk operation each. All time passes in builtins, where a signal has no
/// effect.
const BULK_LOOPS: [(&str, &str); 11] = [
    (
        "memory.copy up",
        "(memory.copy (i32.const 0) (i32.const 8) (i32.const 67108856))",
    ),
    (
        "memory.copy down",
        "(memory.copy (i32.const 8) (i32.const 0) (i32.const 67108856))",
    ),
    (
        "memory.fill",
        "(memory.fill (i32.const 0) (i32.const 1) (i32.const 67108864))",
    ),
    (
        "memory.init",
        "(memory.init $data (i32.const 0) (i32.const 0) (i32.const 60000))",
    ),
    ("memory.grow", "(drop (memory.grow (i32.const 0)))"),
    ("data.drop", "(data.drop $dropped)"),
    (
        "table.copy",
        "(table.copy $t $t (i32.const 1) (i32.const 0) (i32.const 3999999))",
    ),
    (
        "table.fill",
        "(table.fill $t (i32.const 0) (ref.func $f) (i32.const 4000000))",
    ),
    (
        "table.init",
        "(table.init $t $elem (i32.const 0) (i32.const 0) (i32.const 10000))",
    ),
    (
        "table.grow",
        "(drop (table.grow $t (ref.func $f) (i32.const 0)))",
    ),
    ("elem.drop", "(elem.drop $dropped)"),
];

fn bulk_loops() -> String {
    let loops: String = BULK_LOOPS
        .iter()
        .map(|(name, body)| format!(r#"(func (export "{name}") (loop {body} (br 0)))"#))
        .collect();
    let bytes = "x".repeat(60_000);
    let funcs = "$f ".repeat(10_000);
    format!(
        r#"(module
            (memory 1024) (table $t 4000000 funcref)
            (data $data "{bytes}") (data $dropped "x")
            (elem $elem func {funcs}) (elem $dropped func $f)
            (func $f) {loops} (func (export "fine")))"#
    )
}

#[test]
fn bulk_operations_are_interrupted() {
    in_every_mode(|engine| {
        let (mut store, instance) = instance(engine, &bulk_loops());
        for (name, _) in BULK_LOOPS {
            let endless = instance.get_typed_func::<(), ()>(&mut store, name).unwrap();
            let start = Instant::now();
            let limit = store.arm_timeout(SHORT);
            let error = interrupted(endless.call(&mut store, ()));
            drop(limit);
            assert!(start.elapsed() < SOON, "{name}: {:?}", start.elapsed());
            let backtrace = error.downcast_ref::<WasmBacktrace>().expect(name);
            assert_eq!(backtrace.frames().len(), 1, "{name}: {error:#}");
            assert_eq!(backtrace.frames()[0].func_name(), Some(name));
        }
        let fine = instance.get_typed_func::<(), ()>(&mut store, "fine");
        fine.unwrap().call(&mut store, ()).unwrap();
    });
}

/// Encodes an unsigned number as LEB128.
fn leb(mut n: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while n >= 0x80 {
        bytes.push((n & 0x7f | 0x80) as u8);
        n >>= 7;
    }
    bytes.push(n as u8);
    bytes
}

fn section(id: u8, contents: &[u8]) -> Vec<u8> {
    [&[id][..], &leb(contents.len()), contents].concat()
}

/// A module whose only function, `f: (i32) -> ()`, has a body of about `bytes` bytes.
fn module_with_large_body(bytes: usize) -> Vec<u8> {
    // local.get 0, i32.const 3, i32.mul, local.get 0, i32.xor, local.set 0
    let operators = [0x20, 0, 0x41, 3, 0x6c, 0x20, 0, 0x73, 0x21, 0];
    let body = [
        &[0][..],
        &operators.repeat(bytes / operators.len()),
        &[0x0b],
    ]
    .concat();
    [
        b"\0asm\x01\0\0\0".to_vec(),
        section(1, &[1, 0x60, 1, 0x7f, 0]),
        section(3, &[1, 0]),
        section(7, &[1, 1, b'f', 0, 0]),
        section(10, &[&[1][..], &leb(body.len()), &body].concat()),
    ]
    .concat()
}

/// Neither the thread that compiles nor a second thread that calls the same function has to wait
/// for the end of a compilation.
#[test]
fn first_calls_of_huge_functions_are_interrupted() {
    for (mode, engine) in engines() {
        let bytes = match mode {
            Mode::Baseline | Mode::TieredBackground => 7 << 20,
            Mode::Optimizer => 1 << 20,
            _ => continue,
        };
        let wasm = module_with_large_body(bytes);
        let first_call = |limit: Duration| {
            let module = Module::new(engine, &wasm).unwrap();
            let call = || {
                let mut store = Store::new(engine, ());
                let instance = Linker::new(engine).instantiate(&mut store, &module);
                let f = instance.unwrap().get_typed_func::<i32, ()>(&mut store, "f");
                let _limit = store.arm_timeout(limit);
                f.unwrap().call(&mut store, 1)
            };
            let start = Instant::now();
            let results = thread::scope(|scope| {
                let other = scope.spawn(call);
                [call(), other.join().unwrap()]
            });
            (start.elapsed(), results)
        };
        let (uninterrupted, results) = first_call(SOON * 10);
        for result in results {
            result.unwrap();
        }
        let (time, results) = first_call(Duration::from_millis(5));
        for result in results {
            let error = interrupted(result);
            let backtrace = error.downcast_ref::<WasmBacktrace>();
            assert!(backtrace.is_none_or(|backtrace| backtrace.frames().len() <= 1));
        }
        eprintln!("mode {mode}: {uninterrupted:?}, interrupted after {time:?}");
        assert!(
            time < uninterrupted / 2,
            "mode {mode}: {time:?} of {uninterrupted:?}"
        );
    }
}
