//! Models of reclamation, with a fence at each entry: in no order of steps is code freed that a
//! store can be running. (Loom has no barrier on all threads, so the other kind of fence is tested
//! by `runtime/tests/hammer.rs` only.)

use std::sync::Arc;

use loom::cell::UnsafeCell;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

use super::{ActiveEpoch, EntryFence, Reclaimer};

/// The memory of a piece of code: read by stores that run it, written when it is freed. Loom
/// panics if a read and a write are not ordered.
#[derive(Debug)]
struct Code(UnsafeCell<bool>);

// SAFETY: loom checks, in each order of steps that it runs, that accesses don't race.
unsafe impl Sync for Code {}

/// An engine with one slot and the code that it has led and leads to.
struct Engine {
    reclaimer: Reclaimer<usize>,
    /// The index in `codes` of the current code; written and read like a `VmSlot`.
    slot: AtomicUsize,
    codes: Vec<Code>,
}

impl Engine {
    fn new(versions: usize) -> Arc<Self> {
        let codes = (0..versions).map(|_| Code(UnsafeCell::new(false)));
        Arc::new(Self {
            reclaimer: Reclaimer::new(EntryFence::Own),
            slot: AtomicUsize::new(0),
            codes: codes.collect(),
        })
    }

    /// Enters WebAssembly, runs what the slot leads to and leaves.
    fn run(&self, cell: &ActiveEpoch) {
        self.reclaimer.enter(cell);
        let current = self.slot.load(Ordering::Acquire);
        // SAFETY: loom checks that no write happens meanwhile.
        let freed = self.codes[current].0.with(|freed| unsafe { *freed });
        assert!(!freed, "a store runs code that has been freed");
        cell.leave();
    }

    /// Publishes a version of the code and retires the one before.
    fn replace(&self, version: usize) {
        let before = self.slot.load(Ordering::Relaxed);
        self.slot.store(version, Ordering::Release);
        self.reclaimer.retire(before, 1);
    }

    /// Frees what can be freed; returns how many pieces.
    fn collect(&self) -> usize {
        let codes = self.reclaimer.collect();
        for &code in &codes {
            // SAFETY: loom checks that no access happens meanwhile.
            self.codes[code].0.with_mut(|freed| unsafe {
                assert!(!*freed, "code is freed twice");
                *freed = true;
            });
        }
        codes.len()
    }
}

/// A store that enters twice while code is replaced.
#[test]
fn code_outlives_the_stores_that_entered_before() {
    loom::model(|| {
        let engine = Engine::new(2);
        let cell = engine.reclaimer.register();
        let store = {
            let (engine, cell) = (engine.clone(), cell.clone());
            thread::spawn(move || {
                engine.run(&cell);
                engine.run(&cell);
            })
        };
        engine.replace(1);
        let freed = engine.collect();
        store.join().unwrap();
        assert_eq!(freed + engine.collect(), 1, "all stores have left");
    });
}

/// Two threads collect while a store enters and code is replaced a second time.
#[test]
fn collections_agree() {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(|| {
        let engine = Engine::new(3);
        let cell = engine.reclaimer.register();
        let store = {
            let (engine, cell) = (engine.clone(), cell.clone());
            thread::spawn(move || engine.run(&cell))
        };
        engine.replace(1);
        let other = {
            let engine = engine.clone();
            thread::spawn(move || engine.collect())
        };
        engine.replace(2);
        let freed = engine.collect();
        store.join().unwrap();
        let freed = freed + other.join().unwrap();
        assert_eq!(freed + engine.collect(), 2, "all stores have left");
    });
}
