//! Guests on several threads that share a memory: waiting and notifying, growth, and code that
//! changes tiers while all of them run it, in every mode.

use std::thread;
use std::time::{Duration, Instant};

use upshift::knobs::{Group, set};
use upshift::{Engine, Instance, LinkError, Linker, MemoryType, Module, SharedMemory, Store};
use upshift::{MemoryBounds, StoreLimitsBuilder, Switching, Tier, TimedOut, Trap};
use upshift::{WaitResult, WasmBacktrace};

use crate::in_every_mode;

const PAGE: usize = 1 << 16;

/// All that a guest does with a shared memory that it imports.
const GUEST: &str = r#"(module
    (import "env" "memory" (memory 1 600 shared))
    (export "memory" (memory 0))
    (func (export "wait32") (param i32 i32 i64) (result i32)
        (memory.atomic.wait32 (local.get 0) (local.get 1) (local.get 2)))
    (func (export "wait64") (param i32 i64 i64) (result i32)
        (memory.atomic.wait64 offset=8 (local.get 0) (local.get 1) (local.get 2)))
    (func (export "notify") (param i32 i32) (result i32)
        (memory.atomic.notify (local.get 0) (local.get 1)))
    (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
    (func (export "copy") (param i32 i32 i32)
        (memory.copy (local.get 0) (local.get 1) (local.get 2)))
    ;; Adds to a counter, through a call and in a loop.
    (func $add (param i32) (drop (i32.atomic.rmw.add (local.get 0) (i32.const 1))))
    (func (export "count") (param $times i32)
        (loop $again
            (call $add (i32.const 64))
            (drop (i64.atomic.rmw.add (i32.const 128) (i64.const 3)))
            (local.set $times (i32.sub (local.get $times) (i32.const 1)))
            (br_if $again (local.get $times))))
    ;; Writes and reads the last bytes of the memory until it has so many pages.
    (func (export "touch") (param $pages i32) (local $size i32) (local $at i32)
        (loop $again
            (local.set $size (memory.size))
            (local.set $at (i32.sub (i32.shl (local.get $size) (i32.const 16)) (i32.const 8)))
            (i64.store (local.get $at) (i64.const -1))
            (if (i64.ne (i64.load (local.get $at)) (i64.const -1)) (then unreachable))
            (memory.fill (local.get $at) (i32.const 255) (i32.const 8))
            (memory.copy (local.get $at) (i32.const 0) (i32.const 0))
            (br_if $again (i32.lt_u (local.get $size) (local.get $pages))))))"#;

/// A memory, and a module that uses it.
struct Shared {
    module: Module,
    memory: SharedMemory,
}

impl Shared {
    fn new(engine: &Engine) -> Self {
        let ty = MemoryType::shared(1, 600);
        Self {
            module: Module::new(engine, GUEST).expect("a valid module"),
            memory: SharedMemory::new(engine, ty).expect("address space"),
        }
    }

    /// An instance in a store of its own.
    fn instance(&self) -> (Store<()>, Instance) {
        let mut store = Store::new(self.module.engine(), ());
        let imports = [self.memory.clone().into()];
        let instance = Instance::new(&mut store, &self.module, &imports);
        (store, instance.expect("the memory fits"))
    }

    /// Waits in an instance of its own.
    fn wait32(&self, at: i32, expected: i32, nanos: i64) -> upshift::Result<i32> {
        let (mut store, instance) = self.instance();
        let wait = instance.get_typed_func::<(i32, i32, i64), i32>(&mut store, "wait32");
        wait?.call(&mut store, (at, expected, nanos))
    }

    /// Calls a function of one parameter in an instance of its own.
    fn call(&self, name: &str, argument: i32) -> upshift::Result<()> {
        let (mut store, instance) = self.instance();
        let func = instance.get_typed_func::<i32, ()>(&mut store, name);
        func?.call(&mut store, argument)
    }

    /// Notifies until as many threads have woken, which may not have begun to wait yet.
    fn notify(&self, at: u64, count: u32) {
        let mut woken = 0;
        while woken < count {
            woken += self.memory.atomic_notify(at, count - woken).unwrap();
            thread::yield_now();
        }
        assert_eq!(woken, count);
    }
}

#[test]
fn waits_end_by_another_value_by_time_or_by_a_notification() {
    in_every_mode(|engine| {
        let shared = Shared::new(engine);
        shared.memory.write(16, &7_u64.to_le_bytes()).unwrap();
        assert_eq!(shared.wait32(16, 8, -1).unwrap(), 1, "another value");
        let start = Instant::now();
        assert_eq!(shared.wait32(16, 7, 5_000_000).unwrap(), 2, "no one wakes");
        assert!(start.elapsed() >= Duration::from_millis(5));
        assert_eq!(shared.wait32(16, 7, 0).unwrap(), 2, "the time is over");

        let (mut store, instance) = shared.instance();
        let wait64 = instance.get_typed_func::<(i32, i64, i64), i32>(&mut store, "wait64");
        let wait64 = wait64.unwrap();
        assert_eq!(wait64.call(&mut store, (8, 8, -1)).unwrap(), 1);
        assert_eq!(wait64.call(&mut store, (8, 7, 1)).unwrap(), 2);

        for (at, trap) in [
            (18, Trap::UnalignedAtomic),
            (PAGE as i32, Trap::MemoryOutOfBounds),
        ] {
            let error = shared.wait32(at, 0, 0).unwrap_err();
            assert_eq!(error.downcast_ref(), Some(&trap));
            assert_eq!(shared.memory.atomic_wait32(at as u64, 0, None), Err(trap));
            assert_eq!(shared.memory.atomic_notify(at as u64, 1), Err(trap));
        }
        let over = Some(Duration::ZERO);
        assert_eq!(
            shared.memory.atomic_wait64(16, 6, over),
            Ok(WaitResult::Mismatch)
        );
        assert_eq!(
            shared.memory.atomic_wait64(16, 7, over),
            Ok(WaitResult::TimedOut)
        );
    });
}

#[test]
fn a_notification_wakes_as_many_as_it_is_told() {
    in_every_mode(|engine| {
        let shared = Shared::new(engine);
        thread::scope(|scope| {
            let guests = [(); 3].map(|()| scope.spawn(|| shared.wait32(32, 0, -1)));
            let host = scope.spawn(|| shared.memory.atomic_wait32(32, 0, None));
            let other = scope.spawn(|| shared.wait32(36, 0, -1));
            shared.notify(32, 2);
            shared.notify(32, 2);
            assert_eq!(shared.memory.atomic_notify(32, u32::MAX), Ok(0));
            for guest in guests {
                assert_eq!(guest.join().unwrap().unwrap(), 0);
            }
            assert_eq!(host.join().unwrap(), Ok(WaitResult::Ok));
            let (mut store, instance) = shared.instance();
            let notify = instance.get_typed_func::<(i32, i32), i32>(&mut store, "notify");
            let notify = notify.unwrap();
            while notify.call(&mut store, (36, -1)).unwrap() == 0 {
                thread::yield_now();
            }
            assert_eq!(other.join().unwrap().unwrap(), 0);
        });
    });
}

fn waits_end(engine: &Engine) {
    let shared = Shared::new(engine);
    let (mut store, instance) = shared.instance();
    let wait = instance.get_typed_func::<(i32, i32, i64), i32>(&mut store, "wait32");
    let wait = wait.unwrap();
    let mut wait_until = |interrupt: &dyn Fn(&mut Store<()>)| {
        interrupt(&mut store);
        let error = wait.call(&mut store, (64, 0, -1)).unwrap_err();
        assert_eq!(error.downcast_ref(), Some(&Trap::Interrupt), "{error:#}");
        assert_eq!(shared.memory.atomic_notify(64, 1), Ok(0), "it has left");
        error
    };
    wait_until(&|store| {
        let handle = store.interrupt_handle();
        thread::spawn(move || {
            thread::sleep(Duration::from_millis(10));
            handle.interrupt();
        });
    });
    let error = wait_until(&|store| {
        store.set_deadline(Some(Instant::now() + Duration::from_millis(10)));
    });
    assert!(error.downcast_ref::<TimedOut>().is_some(), "{error:#}");
    // The deadline has passed already.
    wait_until(&|_| ());
}

#[test]
fn interruptions_and_deadlines_end_waits() {
    in_every_mode(waits_end);
    waits_end(&virtual_time());
}

/// An engine whose compilations take virtual time.
fn virtual_time() -> Engine {
    let mut config = upshift::Config::new();
    set(&mut config, Group::Tiering, "switching", "virtual").unwrap();
    Engine::new(&config).unwrap()
}

/// All threads run the same functions, which change tiers meanwhile: no count is lost.
#[test]
fn functions_change_tiers_while_many_threads_run_them() {
    const THREADS: u32 = 6;
    const TIMES: i32 = 20_000;
    let count = |engine: &Engine| {
        let shared = Shared::new(engine);
        thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| shared.call("count", TIMES).unwrap());
            }
        });
        let mut bytes = [0; 72];
        shared.memory.read(64, &mut bytes).unwrap();
        let times = THREADS * TIMES as u32;
        assert_eq!(bytes[..4], times.to_le_bytes());
        assert_eq!(bytes[64..], (3 * u64::from(times)).to_le_bytes());
    };
    in_every_mode(count);
    count(&virtual_time());
}

fn growth_races(engine: &Engine) {
    const PAGES: i32 = 300;
    let shared = Shared::new(engine);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| shared.call("touch", PAGES).unwrap());
        }
        let (mut store, instance) = shared.instance();
        let grow = instance.get_typed_func::<i32, i32>(&mut store, "grow");
        let grow = grow.unwrap();
        for pages in 1..PAGES {
            assert_eq!(grow.call(&mut store, 1).unwrap(), pages);
        }
        assert_eq!(grow.call(&mut store, 301).unwrap(), -1);
        assert_eq!(grow.call(&mut store, 0).unwrap(), PAGES);
    });
}

#[test]
fn a_memory_grows_while_other_threads_use_its_last_bytes() {
    in_every_mode(growth_races);
    let mut config = upshift::Config::new();
    growth_races(&Engine::new(config.memory_bounds(MemoryBounds::Explicit)).unwrap());
}

#[test]
fn the_limiter_of_the_growing_store_is_asked() {
    let engine = Engine::default();
    let shared = Shared::new(&engine);
    let limits = StoreLimitsBuilder::new().memory_size(3 * PAGE).build();
    let mut store = Store::new(&engine, limits);
    store.limiter(|limits| limits);
    let imports = [shared.memory.clone().into()];
    let instance = Instance::new(&mut store, &shared.module, &imports).unwrap();
    let grow = instance.get_typed_func::<i32, i32>(&mut store, "grow");
    let grow = grow.unwrap();
    assert_eq!(grow.call(&mut store, 2).unwrap(), 1);
    assert_eq!(grow.call(&mut store, 1).unwrap(), -1, "the limit");
    let (mut other, instance) = shared.instance();
    let grow = instance.get_typed_func::<i32, i32>(&mut other, "grow");
    assert_eq!(grow.unwrap().call(&mut other, 1).unwrap(), 3);
    assert_eq!(shared.memory.size(), 4);
}

#[test]
fn a_defined_memory_outlives_its_instance() {
    const DEFINES: &str = r#"(module
        (memory (export "memory") 1 600 shared)
        (memory $private 1)
        (data (i32.const 40) "written once")
        (data $late "late")
        (func (export "init") (memory.init $late (i32.const 60) (i32.const 0) (i32.const 4))
            (memory.copy 0 $private (i32.const 100) (i32.const 0) (i32.const 70000))))"#;
    in_every_mode(|engine| {
        let memory = {
            let module = Module::new(engine, DEFINES).unwrap();
            let mut store = Store::new(engine, ());
            let instance = Instance::new(&mut store, &module, &[]).unwrap();
            assert!(instance.get_memory(&mut store, "memory").is_none());
            let init = instance.get_typed_func::<(), ()>(&mut store, "init");
            let error = init.unwrap().call(&mut store, ()).unwrap_err();
            assert_eq!(error.downcast_ref(), Some(&Trap::MemoryOutOfBounds));
            instance.get_shared_memory(&mut store, "memory").unwrap()
        };
        let module = Module::new(engine, GUEST).unwrap();
        let shared = Shared { module, memory };
        let (mut store, instance) = shared.instance();
        let copy = instance.get_typed_func::<(i32, i32, i32), ()>(&mut store, "copy");
        copy.unwrap().call(&mut store, (42, 40, 30)).unwrap();
        let mut bytes = [0; 26];
        shared.memory.read(40, &mut bytes).unwrap();
        assert_eq!(&bytes, b"wrwritten once\0\0\0\0\0\0\0\0late");
        let again = instance.get_shared_memory(&mut store, "memory").unwrap();
        again.write(0, b"same").unwrap();
        shared.memory.read(0, &mut bytes[..4]).unwrap();
        assert_eq!(&bytes[..4], b"same");
    });
}

#[test]
fn only_a_shared_memory_fits_where_one_is_imported() {
    let engine = Engine::default();
    let shared = Shared::new(&engine);
    let private = r#"(module (import "env" "memory" (memory 1)))"#;
    let private = Module::new(&engine, private).unwrap();
    let mut store = Store::new(&engine, ());
    let memory = upshift::Memory::new(&mut store, MemoryType::new(1, Some(600))).unwrap();
    for (module, import) in [
        (&private, shared.memory.clone().into()),
        (&shared.module, memory.into()),
    ] {
        let error = Instance::new(&mut store, module, &[import]).unwrap_err();
        assert!(error.downcast_ref::<LinkError>().is_some(), "{error:#}");
        assert!(error.to_string().contains("shared memory"), "{error:#}");
    }
    let mut linker = Linker::new(&engine);
    let filled = linker.define_unknown_imports_as_default_values(&mut store, &shared.module);
    filled.unwrap();
    linker.instantiate(&mut store, &shared.module).unwrap();
}

#[test]
#[should_panic(expected = "another engine")]
fn a_memory_is_not_used_with_another_engine() {
    let other = Shared::new(&Engine::default());
    let shared = Shared::new(&Engine::default());
    let mut store = Store::new(shared.module.engine(), ());
    let _ = Instance::new(&mut store, &shared.module, &[other.memory.into()]);
}

/// Threads count what they run in cells of their own, and what they have counted adds up: a
/// function that none of them runs often enough alone is optimized, and so is a loop.
#[test]
fn what_threads_count_adds_up() {
    const COUNTED: &str = r#"(module
        (import "env" "memory" (memory 1 600 shared))
        (func (export "trap") unreachable)
        (func $often (export "often") (param i32)
            (if (i32.eqz (local.get 0)) (then unreachable)))
        (func (export "loop") (param i32)
            (loop $again
                (call $often (i32.const 1))
                (br_if $again (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
            unreachable))"#;
    let mut config = upshift::Config::new();
    config.switching(Switching::Synchronous);
    let (group, policy) = (Group::Tiering, "fixed-budget:units=100000:slices=1");
    set(&mut config, group, "policy", policy).unwrap();
    let engine = Engine::new(&config).unwrap();
    let ty = MemoryType::shared(1, 600);
    let shared = Shared {
        module: Module::new(&engine, COUNTED).unwrap(),
        memory: SharedMemory::new(&engine, ty).unwrap(),
    };
    let tier = |name, argument| {
        let error = shared.call(name, argument).unwrap_err();
        let backtrace: &WasmBacktrace = error.downcast_ref().expect("of a trap");
        backtrace.frames()[0].tier().unwrap()
    };
    assert_eq!(tier("often", 0), Tier::Baseline);
    // Each thread uses a small part of the budget only.
    for _ in 0..40 {
        let (mut store, instance) = shared.instance();
        let often = instance.get_typed_func::<i32, ()>(&mut store, "often");
        let often = often.unwrap();
        for _ in 0..1500 {
            often.call(&mut store, 1).unwrap();
        }
    }
    assert_eq!(tier("often", 0), Tier::Optimizer);
    assert_eq!(tier("loop", 1), Tier::Baseline);
    assert_eq!(tier("loop", 1_000_000), Tier::Optimizer);
}
