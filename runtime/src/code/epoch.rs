//! Reclamation of retired code: epochs at host entry and exit, with all the cost on the collector.
//!
//! A thread may run code that it found in a slot until it has left WebAssembly. So code that was
//! taken out of its slot at epoch e can be freed once every store that is inside WebAssembly
//! entered it at epoch e or later.
//!
//! Protocol: entering is a release store of the current epoch to the store's own cell, followed by
//! the loads of slots; leaving stores 0. The collector (after the slot was overwritten and the
//! epoch moved) runs a barrier on every thread of the process (`membarrier`) and then reads the
//! cells. If it does not see an entry, that entry's slot loads come after the barrier and see the
//! new slot; the expensive fence between the cell's store and the slot's load is thus paid by the
//! collector, not by each call. Without `membarrier`, entering fences. (Method: asymmetric barriers
//! as in userspace RCU, Desnoyers et al., IEEE TPDS 2012.)

#[cfg(all(test, loom))]
mod models;

use std::sync::atomic::compiler_fence;
use std::sync::{Arc, Weak};

use super::POISON;
use crate::sync::{AtomicU64, Mutex, Ordering, fence};
use crate::sys;

/// A store's cell: 0 outside WebAssembly, else the epoch at which the store entered it. Written by
/// the thread that runs the store, read by collectors.
#[derive(Debug, Default)]
pub struct ActiveEpoch(AtomicU64);

impl ActiveEpoch {
    /// Records that the store has left WebAssembly.
    #[inline]
    pub fn leave(&self) {
        self.0.store(0, Ordering::Release);
    }
}

/// The number of retired bytes that justify a collection's barrier.
const COLLECT_BYTES: usize = 1 << 20;

/// The value of `kept` that prevents further collections.
const NEVER: usize = usize::MAX - COLLECT_BYTES;

/// Code that waits, each piece with the epoch at which it was retired and its length.
#[derive(Debug)]
struct Garbage<C> {
    codes: Vec<(u64, usize, C)>,
    bytes: usize,
    /// The number of bytes that the last collection left: they are in use for long.
    kept: usize,
}

/// The cells of all stores, and of some that have been dropped.
#[derive(Debug, Default)]
struct Cells {
    list: Vec<Weak<ActiveEpoch>>,
    /// The number of cells at which those of dropped stores are removed: twice the number after the
    /// last sweep, so that the cost per store is constant however many exist.
    sweep_at: usize,
}

/// The fewest cells that are swept.
const MIN_CELLS: usize = 64;

/// Where the fence is between a store's entry and its loads of slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryFence {
    /// Each entry has one.
    Own,
    /// Collections run one on all threads of the process.
    Collections,
}

impl EntryFence {
    /// That of collections, if the system has `membarrier` for this process.
    pub fn cheapest() -> Self {
        match sys::register_membarrier() {
            true => Self::Collections,
            false => Self::Own,
        }
    }
}

/// The retired code of an engine, and the cells that tell whether a store can be running it. `C` is
/// a handle that frees code when it is dropped.
#[derive(Debug)]
pub struct Reclaimer<C> {
    epoch: AtomicU64,
    cells: Mutex<Cells>,
    garbage: Mutex<Garbage<C>>,
    entry_fence: EntryFence,
}

impl<C> Reclaimer<C> {
    pub fn new(entry_fence: EntryFence) -> Self {
        let garbage = Garbage {
            codes: Vec::new(),
            bytes: 0,
            kept: 0,
        };
        Self {
            epoch: AtomicU64::new(1),
            cells: Mutex::default(),
            garbage: Mutex::new(garbage),
            entry_fence,
        }
    }

    pub fn register(&self) -> Arc<ActiveEpoch> {
        let cell = Arc::new(ActiveEpoch::default());
        let mut cells = self.cells.lock().expect(POISON);
        if cells.list.len() >= cells.sweep_at {
            cells.list.retain(|cell| cell.strong_count() > 0);
            cells.sweep_at = (2 * cells.list.len()).max(MIN_CELLS);
            let room = cells.sweep_at;
            cells.list.shrink_to(room);
        }
        cells.list.push(Arc::downgrade(&cell));
        cell
    }

    /// The store enters WebAssembly. A thread that runs a barrier on all threads sees the entry, or
    /// what this thread loads afterwards is loaded after that barrier.
    #[inline]
    pub fn enter(&self, cell: &ActiveEpoch) {
        // Release, though the store was left with release already: a collector that reads this
        // value, not the 0 before it, must be ordered behind the store's earlier runs as well.
        cell.0
            .store(self.epoch.load(Ordering::Acquire), Ordering::Release);
        match self.entry_fence {
            EntryFence::Own => fence(Ordering::SeqCst),
            EntryFence::Collections => compiler_fence(Ordering::SeqCst),
        }
    }

    /// Retires code of this length whose slot was overwritten; returns whether a collection is due.
    pub fn retire(&self, code: C, bytes: usize) -> bool {
        let mut garbage = self.garbage.lock().expect(POISON);
        let epoch = self.epoch.fetch_add(1, Ordering::SeqCst) + 1;
        garbage.bytes += bytes;
        garbage.codes.push((epoch, bytes, code));
        garbage.bytes >= garbage.kept + COLLECT_BYTES
    }

    /// Takes out what no thread can be running.
    pub fn collect(&self) -> Vec<C> {
        let mut garbage = self.garbage.lock().expect(POISON);
        if garbage.codes.is_empty() {
            return Vec::new();
        }
        match self.entry_fence {
            EntryFence::Own => fence(Ordering::SeqCst),
            EntryFence::Collections if sys::membarrier_all_threads() => {}
            EntryFence::Collections => {
                // The barrier was refused, by a system call filter that was installed after the
                // registration, say. Stores have entered without a fence, so there is no other way
                // to know which code they can be running.
                if garbage.kept != NEVER {
                    log::warn!("membarrier is refused from now on: replaced code keeps its memory");
                    garbage.kept = NEVER;
                }
                return Vec::new();
            }
        }
        let cells = self.cells.lock().expect(POISON);
        let active = cells.list.iter().filter_map(Weak::upgrade);
        let entered = active
            .map(|cell| cell.0.load(Ordering::Acquire))
            .filter(|&e| e != 0);
        let oldest = entered.min().unwrap_or(u64::MAX);
        // A store that was dropped has no cell to read: its runs are ordered before the release
        // with which its last handle went, and that before this.
        fence(Ordering::Acquire);
        let (freed, kept) = std::mem::take(&mut garbage.codes)
            .into_iter()
            .partition(|&(retired, ..)| retired <= oldest);
        let freed: Vec<(u64, usize, C)> = freed;
        garbage.codes = kept;
        garbage.bytes -= freed.iter().map(|(_, bytes, _)| bytes).sum::<usize>();
        garbage.kept = garbage.bytes;
        freed.into_iter().map(|(.., code)| code).collect()
    }
}
