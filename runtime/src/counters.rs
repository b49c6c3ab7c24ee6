//! The counters of instrumented modules: each instance adds to cells of its own, and what a module
//! has counted is the sum over all instances that there were.
//!
//! An instance gets a *block*, a cell for each counter, and gives it back when it is dropped, with
//! what it contains: the next instance goes on from there. So there are as many blocks as there
//! were instances at the same time, and sums need no other memory.
//!
//! Protocol: the cells of a block are written by generated code of the one thread that runs its
//! instance, with plain additions, and read by any thread with relaxed loads: a sum that is made
//! while code runs has counted what its thread has been seen to do. Blocks change hands under the
//! lock.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The counters of a module.
#[derive(Debug, Default)]
pub struct Counters {
    count: usize,
    blocks: Mutex<Blocks>,
}

#[derive(Debug, Default)]
struct Blocks {
    all: Vec<Arc<[AtomicU64]>>,
    free: Vec<usize>,
}

/// The counters of an instance.
#[derive(Debug)]
pub(crate) struct CounterBlock {
    counters: Arc<Counters>,
    number: usize,
    cells: Arc<[AtomicU64]>,
}

impl Counters {
    /// So many counters.
    pub(crate) fn new(count: usize) -> Arc<Self> {
        Arc::new(Self {
            count,
            blocks: Mutex::default(),
        })
    }

    fn blocks(&self) -> MutexGuard<'_, Blocks> {
        self.blocks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A block for an instance; `None` if the module counts nothing.
    pub(crate) fn take(self: &Arc<Self>) -> Option<CounterBlock> {
        if self.count == 0 {
            return None;
        }
        let mut blocks = self.blocks();
        let number = blocks.free.pop().unwrap_or_else(|| {
            let block = (0..self.count).map(|_| AtomicU64::new(0));
            blocks.all.push(block.collect());
            blocks.all.len() - 1
        });
        Some(CounterBlock {
            counters: self.clone(),
            number,
            cells: blocks.all[number].clone(),
        })
    }

    /// The number of counters.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// What each counter has counted, in all instances. Any thread, while programs run; takes a
    /// lock.
    pub fn sums(&self) -> Vec<u64> {
        let mut sums = vec![0_u64; self.count];
        for block in &self.blocks().all {
            for (sum, cell) in sums.iter_mut().zip(&**block) {
                *sum = sum.wrapping_add(cell.load(Ordering::Relaxed));
            }
        }
        sums
    }
}

impl CounterBlock {
    /// The first cell, for generated code. The cells stay where they are as long as this exists.
    pub(crate) fn cells(&self) -> *const AtomicU64 {
        self.cells.as_ptr()
    }
}

impl Drop for CounterBlock {
    fn drop(&mut self) {
        self.counters.blocks().free.push(self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_used_again_with_what_they_contain() {
        let counters = Counters::new(2);
        let add = |block: &CounterBlock, n: usize| {
            block.cells[n].fetch_add(1, Ordering::Relaxed);
        };
        let first = counters.take().unwrap();
        add(&first, 0);
        let second = counters.take().unwrap();
        add(&second, 0);
        add(&second, 1);
        drop(first);
        let third = counters.take().unwrap();
        add(&third, 1);
        assert_eq!(counters.sums(), [2, 2]);
        assert_eq!(counters.blocks().all.len(), 2);
        assert!(Counters::new(0).take().is_none());
    }
}
