//! When retired code can be freed: epochs at host entry and exit, with all the cost on the
//! collector.
//!
//! A thread may run code that it found in a slot until it has left WebAssembly. So code that was
//! taken out of its slot at epoch e can be freed once every store that is inside WebAssembly
//! entered it at epoch e or later.
//!
//! Protocol: entering is a plain store of the current epoch to the store's own cell, followed by
//! the loads of slots; leaving stores 0. The collector (after the slot was overwritten and the
//! epoch moved) runs a barrier on every thread of the process (`membarrier`) and then reads the
//! cells. If it does not see an entry, that entry's slot loads come after the barrier and see the
//! new slot; the expensive fence between the cell's store and the slot's load is thus paid by the
//! collector, not by each call. Without `membarrier`, entering fences. (Method: asymmetric barriers
//! as in userspace RCU, Desnoyers et al., IEEE TPDS 2012.)

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, compiler_fence, fence};
use std::sync::{Arc, Mutex, Weak};

use super::{CodeRef, POISON};
use crate::sys;

/// A store's cell: 0 outside WebAssembly, else the epoch at which it entered.
#[derive(Debug, Default)]
pub struct ActiveEpoch(AtomicU64);

impl ActiveEpoch {
    /// The store left WebAssembly.
    #[inline]
    pub fn leave(&self) {
        self.0.store(0, Ordering::Release);
    }
}

/// Retired bytes that make a collection worth its barrier.
const COLLECT_BYTES: usize = 1 << 20;

/// As the bytes kept by the last collection: there will be no other.
const NEVER: usize = usize::MAX - COLLECT_BYTES;

#[derive(Debug, Default)]
struct Garbage {
    codes: Vec<(u64, CodeRef)>,
    bytes: usize,
    /// `bytes` after the last collection: what is left then is in use for long.
    kept: usize,
}

/// The cells of the stores there are, and of some that are gone.
#[derive(Debug, Default)]
struct Cells {
    list: Vec<Weak<ActiveEpoch>>,
    /// The length at which those that are gone are removed: twice what was left the last time, so
    /// that a store pays for a constant number of them however many there are.
    sweep_at: usize,
}

/// Fewer cells than this are not worth a sweep.
const MIN_CELLS: usize = 64;

/// Retired code and who may be running it.
#[derive(Debug)]
pub struct Reclaimer {
    epoch: AtomicU64,
    cells: Mutex<Cells>,
    garbage: Mutex<Garbage>,
    membarrier: AtomicBool,
}

impl Reclaimer {
    pub fn new() -> Self {
        Self {
            epoch: AtomicU64::new(1),
            cells: Mutex::default(),
            garbage: Mutex::default(),
            membarrier: AtomicBool::new(sys::register_membarrier()),
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
        cell.0
            .store(self.epoch.load(Ordering::Acquire), Ordering::Relaxed);
        if self.membarrier.load(Ordering::Relaxed) {
            compiler_fence(Ordering::SeqCst);
        } else {
            fence(Ordering::SeqCst);
        }
    }

    /// Takes code whose slot was overwritten; true if a collection is due.
    pub fn retire(&self, code: CodeRef) -> bool {
        let mut garbage = self.garbage.lock().expect(POISON);
        let epoch = self.epoch.fetch_add(1, Ordering::SeqCst) + 1;
        garbage.bytes += code.len();
        garbage.codes.push((epoch, code));
        garbage.bytes >= garbage.kept + COLLECT_BYTES
    }

    /// Takes out what no thread can be running.
    pub fn collect(&self) -> Vec<CodeRef> {
        let mut garbage = self.garbage.lock().expect(POISON);
        if garbage.codes.is_empty() {
            return Vec::new();
        }
        if self.membarrier.load(Ordering::Relaxed) {
            if !sys::membarrier_all_threads() {
                // A filter of system calls that came after the registration, say. Stores have
                // entered without a fence, so there is no other way to know who can be running
                // what.
                if garbage.kept != NEVER {
                    log::warn!("membarrier is refused from now on: replaced code keeps its memory");
                    garbage.kept = NEVER;
                }
                return Vec::new();
            }
        } else {
            fence(Ordering::SeqCst);
        }
        let cells = self.cells.lock().expect(POISON);
        let active = cells.list.iter().filter_map(Weak::upgrade);
        let entered = active
            .map(|cell| cell.0.load(Ordering::Acquire))
            .filter(|&e| e != 0);
        let oldest = entered.min().unwrap_or(u64::MAX);
        let (freed, kept) = std::mem::take(&mut garbage.codes)
            .into_iter()
            .partition(|&(retired, _)| retired <= oldest);
        let freed: Vec<(u64, CodeRef)> = freed;
        garbage.codes = kept;
        garbage.bytes -= freed.iter().map(|(_, code)| code.len()).sum::<usize>();
        garbage.kept = garbage.bytes;
        freed.into_iter().map(|(_, code)| code).collect()
    }
}
