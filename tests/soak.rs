//! Many threads with many stores of one engine, with deadlines, limits and drops at random: every
//! call returns what it must, and the process does not grow.
//!
//! By default it runs for seconds. `UPSHIFT_SOAK=600 cargo test --workspace --test soak --
//! --nocapture` runs 64 threads with up to 64 stores each for ten minutes.

#![forbid(unsafe_code)]

mod support {
    pub mod modes;
}

use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use fastrand::Rng;
use upshift::{
    Engine, Error, Extern, Instance, Linker, Module, Store, StoreLimits, StoreLimitsBuilder,
    TimedOut, Trap,
};

const GUEST: &str = r#"(module
    (import "host" "add" (func $add (param i32 i32) (result i32)))
    (memory (export "bytes") 1)
    (table $t 10 funcref) (elem declare func $sum)
    (func $sum (export "sum") (param $n i32) (result i32) (local $sum i32)
        (loop $next
            (local.set $sum (call $add (local.get $sum) (local.get $n)))
            (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
        (local.get $sum))
    (func (export "spin") (loop (br 0)))
    (func (export "copy") (loop (memory.copy (i32.const 0) (i32.const 8) (i32.const 60000)) (br 0)))
    (func $deep (export "deep") (call $deep))
    (func (export "memory") (param i32) (result i32) (memory.grow (local.get 0)))
    (func (export "table") (param i32) (result i32) (table.grow $t (ref.func $sum) (local.get 0)))
    (func (export "wrong") (param i32) (result i32) (i32.load (local.get 0))))"#;

const MEMORY_LIMIT: usize = 8 << 16;
const TABLE_LIMIT: usize = 1000;

/// How much load the test makes.
#[derive(Clone, Copy)]
struct Load {
    threads: u64,
    stores: usize,
    time: Duration,
}

impl Load {
    fn chosen() -> Self {
        match std::env::var("UPSHIFT_SOAK") {
            Ok(seconds) => Self {
                threads: 64,
                stores: 64,
                time: Duration::from_secs(seconds.parse().expect("UPSHIFT_SOAK is in seconds")),
            },
            Err(_) => Self {
                threads: 8,
                stores: 16,
                time: Duration::from_millis(700),
            },
        }
    }
}

/// A store with an instance.
struct Guest {
    store: Store<StoreLimits>,
    instance: Instance,
}

impl Guest {
    fn new(linker: &Linker<StoreLimits>, module: &Module) -> Self {
        let limits = StoreLimitsBuilder::new()
            .memory_size(MEMORY_LIMIT)
            .table_elements(TABLE_LIMIT)
            .instances(2)
            .build();
        let mut store = Store::new(module.engine(), limits);
        store.limiter(|limits| limits);
        let instance = linker.instantiate(&mut store, module);
        let instance = instance.expect("within the limits");
        Self { store, instance }
    }

    fn call(&mut self, export: &str, argument: i32) -> Result<i32, Error> {
        let func = self.instance.get_func(&mut self.store, export);
        let func = func.expect("an export").typed::<i32, i32>(&self.store)?;
        func.call(&mut self.store, argument)
    }

    fn run(&mut self, export: &str) -> Result<(), Error> {
        let func = self
            .instance
            .get_typed_func::<(), ()>(&mut self.store, export);
        func?.call(&mut self.store, ())
    }

    /// Does one random action, and checks its result.
    fn act(&mut self, rng: &mut Rng) {
        match rng.u32(..10) {
            0..4 => {
                let n = rng.i32(1..2000);
                assert_eq!(self.call("sum", n).unwrap(), n * (n + 1) / 2);
            }
            4 => {
                let limit = self
                    .store
                    .arm_timeout(Duration::from_micros(rng.u64(0..3000)));
                let error = self.run(rng.choice(["spin", "copy"]).unwrap()).unwrap_err();
                assert!(error.is::<TimedOut>(), "{error:?}");
                assert_eq!(error.downcast_ref(), Some(&Trap::Interrupt));
                drop(limit);
            }
            5 => {
                let handle = self.store.interrupt_handle();
                let error = thread::scope(|scope| {
                    scope.spawn(move || handle.interrupt());
                    self.run("spin").unwrap_err()
                });
                assert_eq!(error.downcast_ref(), Some(&Trap::Interrupt));
            }
            6 => {
                // An interruption that comes too late is withdrawn.
                self.store.interrupt_handle().interrupt();
                self.store.disarm();
            }
            7 => {
                self.call("memory", rng.i32(0..4)).unwrap();
                self.call("table", rng.i32(0..400)).unwrap();
                let memory = self.instance.get_export(&mut self.store, "bytes");
                if let Some(Extern::Memory(memory)) = memory {
                    assert!(memory.data_size(&self.store) <= MEMORY_LIMIT);
                }
            }
            8 => {
                let error = self.run("deep").unwrap_err();
                assert_eq!(error.downcast_ref(), Some(&Trap::StackOverflow));
            }
            _ => {
                let error = self.call("wrong", MEMORY_LIMIT as i32).unwrap_err();
                assert_eq!(error.downcast_ref(), Some(&Trap::MemoryOutOfBounds));
            }
        }
    }
}

fn worker(engine: &Engine, wasm: &[u8], load: Load, seed: u64, actions: &AtomicU64) {
    let mut rng = Rng::with_seed(seed);
    let end = Instant::now() + load.time;
    let mut linker = Linker::<StoreLimits>::new(engine);
    linker.func_wrap("host", "add", i32::wrapping_add).unwrap();
    while Instant::now() < end {
        // A module of its own each time: its code is dropped with the last store that runs it.
        let module = Module::new(engine, wasm).unwrap();
        let mut guests: Vec<Guest> = Vec::new();
        for _ in 0..rng.usize(1..4 * load.stores) {
            if Instant::now() >= end {
                break;
            }
            if guests.is_empty() || guests.len() < load.stores && rng.u32(..4) == 0 {
                guests.push(Guest::new(&linker, &module));
            }
            let at = rng.usize(..guests.len());
            match rng.u32(..8) {
                0 => drop(guests.swap_remove(at)),
                _ => guests[at].act(&mut rng),
            }
            actions.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The resident memory of this process, in bytes.
fn resident() -> usize {
    let statm = fs::read_to_string("/proc/self/statm").expect("Linux has it");
    let pages = statm
        .split_whitespace()
        .nth(1)
        .and_then(|pages| pages.parse::<usize>().ok());
    pages.expect("the second number is the resident size") * 4096
}

fn soak(engine: &Engine, load: Load) {
    let wasm = wat::parse_str(GUEST).unwrap();
    let actions = AtomicU64::new(0);
    let (mut early, mut late) = (0, 0);
    thread::scope(|scope| {
        for seed in 0..load.threads {
            let (wasm, actions) = (&wasm, &actions);
            scope.spawn(move || worker(engine, wasm, load, seed, actions));
        }
        thread::sleep(load.time / 3);
        early = resident();
        // Measured while all threads still run.
        thread::sleep(load.time * 3 / 5);
        late = resident();
    });
    eprintln!(
        "  {} actions, {} MiB after a third, {} MiB near the end",
        actions.into_inner(),
        early >> 20,
        late >> 20
    );
    assert!(
        late < early + early / 4 + (32 << 20),
        "{early} bytes became {late}"
    );
}

#[test]
fn stores_on_many_threads_come_and_go() {
    let load = Load::chosen();
    for (mode, engine) in support::modes::engines() {
        eprintln!("mode {mode}");
        soak(engine, load);
    }
}
