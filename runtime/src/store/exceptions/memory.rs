//! The bound on the memory of exceptions, which stores of one guest share.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The most bytes of memory for exceptions that a store, or several which share this bound, have.
pub(in crate::store) const MAX_BYTES: usize = 64 << 20;

/// Counts the memory that exceptions of a store take, or those of several stores: of the threads of
/// one guest, which could else have as many times the most as it has threads.
///
/// Clones count together.
#[derive(Clone, Debug, Default)]
pub struct ExceptionMemory(Arc<AtomicUsize>);

impl ExceptionMemory {
    /// The bytes that may still be taken. Other threads may take them first.
    pub(super) fn left(&self) -> usize {
        MAX_BYTES.saturating_sub(self.0.load(Ordering::Relaxed))
    }

    /// Whether most of it is taken: what exceptions have left behind is to be used again first.
    pub(super) fn is_short(&self) -> bool {
        self.left() < MAX_BYTES / 2
    }

    /// Takes memory, if that much is left.
    pub(super) fn take(&self, bytes: usize) -> bool {
        // Only a number: nothing else is read or written by it.
        let order = Ordering::Relaxed;
        let taken = (self.0).fetch_update(order, order, |taken| {
            let taken = taken + bytes;
            (taken <= MAX_BYTES).then_some(taken)
        });
        taken.is_ok()
    }

    /// Gives memory back.
    pub(super) fn give_back(&self, bytes: usize) {
        self.0.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Counts memory that was taken elsewhere, even beyond the bound.
    pub(super) fn add(&self, bytes: usize) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_take_from_the_same() {
        let first = ExceptionMemory::default();
        let second = first.clone();
        assert!(first.take(MAX_BYTES / 2));
        assert!(!second.is_short());
        assert!(second.take(MAX_BYTES / 2));
        assert!(first.is_short());
        assert!(!first.take(1));
        first.add(1);
        assert_eq!(second.left(), 0);
        second.give_back(2);
        assert!(first.take(1) && !first.take(1));
    }
}
