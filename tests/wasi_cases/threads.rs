//! Threads of a guest: one descriptor table for all, and calls over a shared memory.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use upshift::wasi::{
    Errno, HostFile, VirtualClocks, WasiCtx, WasiCtxBuilder, WasiRandom, WasiThreads, add_to_linker,
};
use upshift::{Engine, Exit, Linker, Module, Result, Store, TimedOut, Trap};

/// What modules with threads have in common. Text is at 1024, an `iovec` of it at 16.
const COMMON: &str = r#"
    (import "env" "memory" (memory 2 2 shared))
    (import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_read"
        (func $read (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_write"
        (func $write (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_close" (func $close (param i32) (result i32)))
    (import "wasi_snapshot_preview1" "clock_time_get"
        (func $time (param i32 i64 i32) (result i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (export "memory" (memory 0))
    (func $for_ever (drop (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const -1))))
    (func $check (param i32) (if (local.get 0) (then unreachable)))"#;

/// Runs a guest whose standard input and output are the stream, with at most two more threads.
fn run(stream: &UnixStream, body: &str, time: Option<Duration>) -> Result<()> {
    let file = || HostFile::new(stream.try_clone().unwrap()).unwrap();
    let mut wasi = WasiCtxBuilder::new();
    wasi.stdin(file()).stdout(file());
    run_with(&mut wasi, &format!("(module {COMMON} {body})"), time)
}

fn run_with(wasi: &mut WasiCtxBuilder, module: &str, time: Option<Duration>) -> Result<()> {
    let engine = Engine::default();
    let module = Module::new(&engine, module).unwrap();
    let mut linker = Linker::<WasiCtx>::new(&engine);
    add_to_linker(&mut linker, |wasi| wasi).unwrap();
    assert!(WasiThreads::<WasiCtx>::are_used_by(&module));
    let mut threads = WasiThreads::new({
        let engine = engine.clone();
        move |wasi: &mut WasiCtx| {
            let mut store = Store::new(&engine, wasi.share());
            store.wait_clock(|wasi| wasi);
            store
        }
    });
    let mut store = Store::new(&engine, wasi.build().unwrap());
    store.wait_clock(|wasi| wasi);
    let _limit = time.map(|time| store.arm_timeout(time));
    let added = threads.max_threads(2);
    added.add_to_linker(&mut store, &mut linker, &module)?;
    let module = linker.instantiate_pre(&module)?;
    threads.run(&mut store, &module, |store, instance| {
        let start = instance.get_typed_func::<(), ()>(&mut *store, "_start")?;
        start.call(store, ())
    })
}

/// One thread waits for input, another writes meanwhile, and ends all by an exit.
#[test]
fn a_thread_that_waits_for_input_keeps_no_other_from_writing() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let guest = std::thread::spawn(move || {
        run(
            &theirs,
            r#"(data (i32.const 1024) "from a thread") (data (i32.const 16) "\00\04\00\00\0d")
            (func (export "wasi_thread_start") (param $id i32) (param $argument i32)
                (call $check (i32.ne (local.get $argument) (i32.const 99)))
                (call $check (i32.lt_s (local.get $id) (i32.const 1)))
                (call $check (call $write
                    (i32.const 1) (i32.const 16) (i32.const 1) (i32.const 40)))
                (call $check (i32.ne (i32.load (i32.const 40)) (i32.const 13)))
                ;; What the first thread reads comes only now.
                (call $for_ever))
            (func (export "_start")
                (call $check (i32.lt_s (call $spawn (i32.const 99)) (i32.const 1)))
                (i32.store (i32.const 48) (i32.const 2048))
                (i32.store (i32.const 52) (i32.const 70000))
                (call $check (call $read
                    (i32.const 0) (i32.const 48) (i32.const 1) (i32.const 44)))
                (call $check (i32.ne (i32.load (i32.const 44)) (i32.const 5)))
                (call $check (i32.ne (i32.load8_u (i32.const 2052)) (i32.const 33)))
                (call $exit (i32.const 7)))"#,
            None,
        )
    });
    let mut text = [0; 13];
    (&ours).read_exact(&mut text).unwrap();
    assert_eq!(&text, b"from a thread");
    (&ours).write_all(b"read!").unwrap();
    let error = guest.join().unwrap().unwrap_err();
    assert_eq!(error.downcast_ref(), Some(&Exit(7)), "{error:#}");
}

#[test]
fn the_first_thread_to_fail_ends_all() {
    let (_ours, theirs) = UnixStream::pair().unwrap();
    let body = |thread: &str| {
        format!(
            r#"(func (export "wasi_thread_start") (param i32 i32) {thread})
            (func (export "_start") (drop (call $spawn (i32.const 0))) (call $for_ever))"#
        )
    };
    let error = run(&theirs, &body("unreachable"), None).unwrap_err();
    let trap = Some(&Trap::Unreachable);
    assert_eq!(error.downcast_ref(), trap, "{error:#}");
    let error = run(&theirs, &body("(call $exit (i32.const 3))"), None).unwrap_err();
    assert_eq!(error.downcast_ref(), Some(&Exit(3)), "{error:#}");
    let time = Duration::from_millis(50);
    let error = run(&theirs, &body("(loop (br 0))"), Some(time)).unwrap_err();
    assert!(error.downcast_ref::<TimedOut>().is_some(), "{error:#}");
}

#[test]
fn threads_end_with_the_first_and_have_its_descriptors() {
    let (_ours, theirs) = UnixStream::pair().unwrap();
    let body = r#"
        (func (export "wasi_thread_start") (param i32 i32)
            (call $check (call $close (i32.const 1)))
            (i32.atomic.store (i32.const 64) (i32.const 1))
            (drop (memory.atomic.notify (i32.const 64) (i32.const 1)))
            (loop (br 0)))
        (func (export "_start")
            (drop (call $spawn (i32.const 0)))
            (drop (memory.atomic.wait32 (i32.const 64) (i32.const 0) (i64.const -1)))
            ;; EBADF: the other thread has closed it.
            (call $check (i32.ne (call $close (i32.const 1)) (i32.const 8))))"#;
    run(&theirs, body, None).unwrap();
}

#[test]
fn a_guest_has_no_more_threads_than_it_may() {
    let (_ours, theirs) = UnixStream::pair().unwrap();
    let body = r#"
        (func (export "wasi_thread_start") (param i32 i32) (call $for_ever))
        (func (export "_start")
            (call $check (i32.ne (call $spawn (i32.const 0)) (i32.const 1)))
            (call $check (i32.ne (call $spawn (i32.const 0)) (i32.const 2)))
            ;; EAGAIN, negative.
            (call $check (i32.ne (call $spawn (i32.const 0)) (i32.const -6))))"#;
    run(&theirs, body, None).unwrap();
    let error = run(&theirs, "", None).unwrap_err();
    assert!(error.to_string().contains("wasi_thread_start"), "{error:#}");
}

/// Refusals take longer and longer while no thread ends, so that threads which ask in a loop leave
/// the processors to others.
#[test]
fn a_guest_that_asks_for_threads_in_a_loop_is_slowed() {
    let (_ours, theirs) = UnixStream::pair().unwrap();
    let body = r#"
        (func (export "wasi_thread_start") (param i32 i32)
            (loop
                (drop (call $spawn (i32.const 0)))
                (drop (i32.atomic.rmw.add (i32.const 64) (i32.const 1)))
                (br 0)))
        (func (export "_start")
            (drop (call $spawn (i32.const 0)))
            (drop (call $spawn (i32.const 0)))
            ;; 300 ms, in which each of them could ask a hundred thousand times.
            (drop (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const 300_000_000)))
            (call $check (i32.gt_u (i32.atomic.load (i32.const 64)) (i32.const 2000)))
            (call $check (i32.eqz (i32.atomic.load (i32.const 64)))))"#;
    run(&theirs, body, None).unwrap();
}

/// With virtual clocks, waits take no time while all threads wait, and the clocks show what has
/// passed: a thread of its own and a group, in which one wakes another in between.
#[test]
fn virtual_waits_end_when_all_threads_wait() {
    let start = Instant::now();
    let body = r#"
        (func $hours (result i64)
            (call $check (call $time (i32.const 1) (i64.const 1) (i32.const 80)))
            (i64.div_u (i64.load (i32.const 80)) (i64.const 3_600_000_000_000)))
        (func $wait (param $at i32) (param $hours i64) (result i32)
            (memory.atomic.wait32 (local.get $at) (i32.const 0)
                (i64.mul (local.get $hours) (i64.const 3_600_000_000_000))))
        (func (export "wasi_thread_start") (param i32 i32)
            (call $check (i32.ne (call $wait (i32.const 64) (i64.const 5)) (i32.const 0)))
            (call $check (i64.ne (call $hours) (i64.const 9)))
            (call $check (i32.ne (call $wait (i32.const 64) (i64.const 2)) (i32.const 2)))
            (call $check (i64.ne (call $hours) (i64.const 11)))
            (call $exit (i32.const 4)))
        (func (export "_start") (local $n i32)
            ;; Alone; then another value, for which no time passes.
            (call $check (i32.ne (call $wait (i32.const 72) (i64.const 6)) (i32.const 2)))
            (i32.store (i32.const 72) (i32.const 1))
            (call $check (i32.ne (call $wait (i32.const 72) (i64.const 6)) (i32.const 1)))
            (call $check (i64.ne (call $hours) (i64.const 6)))
            (drop (call $spawn (i32.const 0)))
            (call $check (i32.ne (call $wait (i32.const 68) (i64.const 3)) (i32.const 2)))
            (call $check (i64.ne (call $hours) (i64.const 9)))
            (call $check (i32.ne
                (memory.atomic.notify (i32.const 64) (i32.const 1)) (i32.const 1)))
            (call $for_ever))"#;
    let mut wasi = WasiCtxBuilder::new();
    wasi.clocks(VirtualClocks::new());
    let error = run_with(&mut wasi, &format!("(module {COMMON} {body})"), None).unwrap_err();
    assert_eq!(error.downcast_ref(), Some(&Exit(4)), "{error:#}");
    assert!(start.elapsed() < Duration::from_secs(60));
}

/// All threads' exceptions have the memory that those of one store would have: three threads that
/// each keep so many mebibytes of them.
#[test]
fn threads_share_the_memory_of_exceptions() {
    let keeping = |mebibytes: u32| {
        // One takes 512 bytes.
        let count = mebibytes << 11;
        let body = format!(
            r#"(tag $link (param v128 v128 v128 v128 v128 v128 v128 v128
                v128 v128 v128 v128 v128 v128 v128 v128 exnref))
            (func $vectors (result v128 v128 v128 v128 v128 v128 v128 v128
                v128 v128 v128 v128 v128 v128 v128 v128)
                {})
            (func $keep (local $last exnref) (local $left i32)
                (local.set $left (i32.const {count}))
                (loop $again
                    (block $caught (result exnref)
                        (try_table (catch_all_ref $caught)
                            (throw $link (call $vectors) (local.get $last)))
                        (unreachable))
                    (local.set $last)
                    (br_if $again
                        (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
                ;; All three keep theirs until the last one has them.
                (drop (i32.atomic.rmw.add (i32.const 64) (i32.const 1)))
                (loop $others
                    (br_if $others (i32.ne (i32.atomic.load (i32.const 64)) (i32.const 3))))
                (drop (ref.is_null (local.get $last))))
            (func (export "wasi_thread_start") (param i32 i32) (call $keep))
            (func (export "_start")
                (drop (call $spawn (i32.const 0)))
                (drop (call $spawn (i32.const 0)))
                (call $keep))"#,
            "(v128.const i64x2 1 2)".repeat(16)
        );
        let (_ours, theirs) = UnixStream::pair().unwrap();
        run(&theirs, &body, None)
    };
    keeping(14).unwrap();
    let error = keeping(30).unwrap_err();
    assert_eq!(error.downcast_ref(), Some(&Trap::OutOfMemory), "{error:#}");
}

/// Random bytes that take their time: a gibibyte takes most of a minute.
struct Slow;

impl WasiRandom for Slow {
    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), Errno> {
        std::thread::sleep(Duration::from_millis(50));
        buffer.fill(1);
        Ok(())
    }
}

/// Runs a guest whose second thread fills a gibibyte with slow random bytes, again and again, while
/// the first one, once it has begun, does something else. Returns the error, which must come soon.
fn while_a_call_is_long(first: &str, time: Option<Duration>) -> upshift::Error {
    let module = format!(
        r#"(module
        (import "env" "memory" (memory 16385 16385 shared))
        (import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
        (import "wasi_snapshot_preview1" "random_get"
            (func $random (param i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "sched_yield" (func $yield (result i32)))
        (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
        (export "memory" (memory 0))
        (func (export "wasi_thread_start") (param i32 i32)
            (loop
                (drop (call $random (i32.const 65536) (i32.const 0x4000_0000)))
                (br 0)))
        (func (export "_start")
            (drop (call $spawn (i32.const 0)))
            (loop (br_if 0 (i32.eqz (i32.atomic.load (i32.const 65536)))))
            {first}))"#
    );
    let start = Instant::now();
    let error = run_with(WasiCtxBuilder::new().random(Slow), &module, time).unwrap_err();
    assert!(start.elapsed() < Duration::from_secs(25), "{error:#}");
    error
}

#[test]
fn a_deadline_ends_threads_while_one_has_the_context_for_long() {
    let first = "(loop (drop (call $random (i32.const 65536) (i32.const 0x4000_0000))) (br 0))";
    let error = while_a_call_is_long(first, Some(Duration::from_millis(200)));
    assert!(error.downcast_ref::<TimedOut>().is_some(), "{error:#}");
}

#[test]
fn a_long_call_lets_others_use_the_context() {
    let first = "(drop (call $yield)) (drop (call $yield)) (call $exit (i32.const 5))";
    let error = while_a_call_is_long(first, None);
    assert_eq!(error.downcast_ref(), Some(&Exit(5)), "{error:#}");
}
