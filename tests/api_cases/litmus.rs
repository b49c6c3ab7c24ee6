//! Races on shared memories: small programs for several threads, and what their memory model
//! forbids, in every mode.

use std::sync::Barrier;
use std::thread;

use upshift::{Engine, Instance, Linker, MemoryType, Module, SharedMemory, Store};

use crate::in_every_mode;

/// What the programs share: one page that can grow to four.
const MEMORY: &str = "(import \"m\" \"m\" (memory 1 4 shared))";

fn memory(engine: &Engine) -> SharedMemory {
    SharedMemory::new(engine, MemoryType::shared(1, 4)).expect("a memory")
}

/// Instantiates the module on each of several threads, which all begin at the same time; returns
/// what each has made of it.
fn on_threads<T: Send>(
    engine: &Engine,
    memory: &SharedMemory,
    text: &str,
    threads: usize,
    run: impl Fn(&mut Store<()>, Instance, usize) -> T + Sync,
) -> Vec<T> {
    let module = Module::new(engine, format!("(module {MEMORY} {text})")).expect("a module");
    let barrier = Barrier::new(threads);
    let thread = |n| {
        let mut store = Store::new(engine, ());
        let mut linker = Linker::new(engine);
        linker
            .define(&mut store, "m", "m", memory.clone())
            .expect("one definition");
        let instance = linker
            .instantiate(&mut store, &module)
            .expect("an instance");
        barrier.wait();
        run(&mut store, instance, n)
    };
    thread::scope(|scope| {
        let handles: Vec<_> = (0..threads)
            .map(|n| scope.spawn(move || thread(n)))
            .collect();
        handles.into_iter().map(|h| h.join().unwrap()).collect()
    })
}

/// Calls an export of two parameters on several threads: the thread's number and a count.
fn call_on_threads(
    engine: &Engine,
    memory: &SharedMemory,
    text: &str,
    (threads, count): (usize, i32),
) -> Vec<i32> {
    on_threads(engine, memory, text, threads, |store, instance, n| {
        let run = instance.get_typed_func::<(i32, i32), i32>(&mut *store, "run");
        let run = run.expect("it is exported");
        run.call(store, (n as i32, count)).expect("no trap")
    })
}

fn word(memory: &SharedMemory, at: usize) -> u64 {
    let mut bytes = [0; 8];
    memory.read(at, &mut bytes).expect("in bounds");
    u64::from_le_bytes(bytes)
}

/// A loop that runs its body as often as the second parameter says, and counts in a local what goes
/// wrong. A trap would leave other threads waiting.
fn repeated(locals: &str, body: &str) -> String {
    format!(
        "(func (export \"run\") (param $thread i32) (param $count i32) (result i32)
            (local $wrong i32) {locals}
            (loop $again
                {body}
                (local.set $count (i32.sub (local.get $count) (i32.const 1)))
                (br_if $again (local.get $count)))
            (local.get $wrong))"
    )
}

/// Waits until both of two threads are here, as often as both call it.
const BEGIN_TOGETHER: &str = "
    (drop (i32.atomic.rmw.add (i32.const 0) (i32.const 1)))
    (local.set $target (i32.add (local.get $target) (i32.const 2)))
    (loop $wait
        (br_if $wait (i32.lt_s (i32.atomic.load (i32.const 0)) (local.get $target))))";

#[test]
fn no_increment_is_lost() {
    const THREADS: usize = 4;
    const COUNT: i32 = 20_000;
    let body = "
        ;; With the result dropped, and used.
        (drop (i32.atomic.rmw.add (i32.const 0) (i32.const 1)))
        (local.set $sum (i32.add (local.get $sum)
            (i32.atomic.rmw.sub (i32.const 8) (i32.const -1))))
        (drop (i64.atomic.rmw.add (i32.const 16) (i64.const 0x1_0000_0001)))
        (drop (i32.atomic.rmw16.add_u (i32.const 24) (i32.const 1)))
        (local.set $sum (i32.add (local.get $sum)
            (i32.atomic.rmw8.add_u (i32.const 33) (i32.const 1))))
        ;; Each thread inverts a bit of its own: what it finds is what it left.
        (local.set $sum (i32.atomic.rmw.xor (i32.const 40)
            (i32.shl (i32.const 1) (local.get $thread))))
        (local.set $wrong (i32.add (local.get $wrong)
            (i32.ne (local.get $bit)
                (i32.and (i32.shr_u (local.get $sum) (local.get $thread)) (i32.const 1)))))
        (local.set $bit (i32.xor (local.get $bit) (i32.const 1)))
        ;; Compare and exchange.
        (loop $retry
            (local.set $old (i64.atomic.load (i32.const 48)))
            (br_if $retry (i64.ne (local.get $old)
                (i64.atomic.rmw.cmpxchg (i32.const 48) (local.get $old)
                    (i64.add (local.get $old) (i64.const 1))))))
        ;; Plain accesses under a lock, which the winner of an exchange has.
        (loop $locked
            (br_if $locked (i32.atomic.rmw.xchg (i32.const 64) (i32.const 1))))
        (i64.store (i32.const 128) (i64.add (i64.load (i32.const 128)) (i64.const 1)))
        (i32.atomic.store (i32.const 64) (i32.const 0))";
    let text = repeated("(local $sum i32) (local $bit i32) (local $old i64)", body);
    in_every_mode(|engine| {
        let memory = memory(engine);
        let wrong = call_on_threads(engine, &memory, &text, (THREADS, COUNT));
        assert_eq!(wrong, [0; THREADS]);
        let all = THREADS as u64 * COUNT as u64;
        assert_eq!(word(&memory, 0), all);
        assert_eq!(word(&memory, 8), all);
        assert_eq!(word(&memory, 16), all | all << 32);
        assert_eq!(word(&memory, 24), all & 0xffff);
        assert_eq!(word(&memory, 32), (all & 0xff) << 8);
        assert_eq!(word(&memory, 40), 0);
        assert_eq!(word(&memory, 48), all);
        assert_eq!(word(&memory, 128), all);
    });
}

/// What a thread has written before it sets a flag is seen by another that finds the flag set, also
/// by a plain load of what it had loaded before.
#[test]
fn a_message_comes_before_its_flag() {
    const COUNT: i32 = 1000;
    let body = format!(
        "{BEGIN_TOGETHER}
        (local.set $n (i32.add (local.get $n) (i32.const 1)))
        (if (local.get $thread)
            (then
                (i32.store offset=256 (local.get $at) (local.get $n))
                (i64.store offset=264 (local.get $at) (i64.extend_i32_u (local.get $n)))
                (i32.atomic.store offset=128 (local.get $at) (local.get $n)))
            (else
                (loop $spin
                    (local.set $before (i32.load offset=256 (local.get $at)))
                    (local.set $long (i64.load offset=264 (local.get $at)))
                    (local.set $flag (i32.atomic.load offset=128 (local.get $at)))
                    (local.set $now (i32.load offset=256 (local.get $at)))
                    (local.set $wrong (i32.add (local.get $wrong)
                        (i32.lt_u (local.get $now) (local.get $flag))))
                    (local.set $wrong (i32.add (local.get $wrong)
                        (i32.lt_u (local.get $now) (local.get $before))))
                    (local.set $wrong (i32.add (local.get $wrong)
                        (i64.lt_u (i64.load offset=264 (local.get $at))
                            (i64.extend_i32_u (local.get $flag)))))
                    (br_if $spin (i32.lt_u (local.get $flag) (local.get $n))))))"
    );
    let locals = "(local $at i32) (local $n i32) (local $flag i32) (local $before i32)
        (local $now i32) (local $long i64) (local $target i32)";
    let text = repeated(locals, &body);
    in_every_mode(|engine| {
        let wrong = call_on_threads(engine, &memory(engine), &text, (2, COUNT));
        assert_eq!(wrong, [0, 0]);
    });
}

/// Two threads write a word each and read the other's: at least one sees what the other has
/// written, if a fence is between or all accesses are atomic.
#[test]
fn of_two_writers_one_sees_the_other() {
    const COUNT: i32 = 1000;
    for (write, read) in [
        (
            "(i32.store (local.get $own) (i32.const 1)) (atomic.fence)",
            "i32.load",
        ),
        (
            "(i32.atomic.store (local.get $own) (i32.const 1))",
            "i32.atomic.load",
        ),
        (
            "(i64.atomic.store8 (local.get $own) (i64.const 1))",
            "i32.atomic.load",
        ),
    ] {
        // Words of both threads for each round, and what each has read.
        let body = format!(
            "(local.set $own (i32.add (i32.shl (local.get $count) (i32.const 4))
                (i32.shl (local.get $thread) (i32.const 2))))
             (local.set $other (i32.xor (local.get $own) (i32.const 4)))
             {BEGIN_TOGETHER}
             {write}
             (local.set $seen ({read} (local.get $other)))
             (i32.store offset=8 (local.get $own) (local.get $seen))"
        );
        let locals = "(local $own i32) (local $other i32) (local $target i32) (local $seen i32)";
        let text = repeated(locals, &body);
        in_every_mode(|engine| {
            let memory = memory(engine);
            call_on_threads(engine, &memory, &text, (2, COUNT));
            for round in 1..=COUNT as usize {
                let [own, seen] = [word(&memory, 16 * round), word(&memory, 16 * round + 8)];
                assert_eq!(own, 1 << 32 | 1, "{write} in round {round}");
                assert_ne!(seen, 0, "{write} in round {round}");
            }
        });
    }
}

/// A thread sees that another has grown the memory, and can use what was added.
#[test]
fn a_grown_memory_can_be_used_at_once() {
    let text = "
        (func (export \"run\") (param $thread i32) (param $count i32) (result i32)
            (local $pages i32)
            (if (i32.eqz (local.get $thread)) (then
                (loop $delay
                    (local.set $count (i32.sub (local.get $count) (i32.const 1)))
                    (br_if $delay (local.get $count)))
                (if (i32.ne (memory.grow (i32.const 2)) (i32.const 1)) (then (unreachable)))
                (return (memory.size))))
            (loop $wait
                (br_if $wait (i32.eq (memory.size) (i32.const 1))))
            (local.set $pages (memory.size))
            (i32.store (i32.sub (i32.shl (local.get $pages) (i32.const 16)) (i32.const 4))
                (local.get $thread))
            (local.get $pages))";
    in_every_mode(|engine| {
        for _ in 0..20 {
            let pages = call_on_threads(engine, &memory(engine), text, (3, 1000));
            assert_eq!(pages, [3; 3]);
        }
    });
}
