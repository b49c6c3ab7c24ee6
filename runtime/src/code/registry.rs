//! From a PC to the start of the code that holds it: a bitmap with one bit per possible start.
//!
//! Protocol: `insert` sets a bit with release order after the code's header is written;
//! `start_before` loads with acquire order, so a thread that reads the bit reads the header too. A
//! bit is cleared before its range is reused. A reader asks only for PCs inside code that can't be
//! freed meanwhile, and between the start of that code and the PC no bit ever changes, so it needs
//! no lock.

#[cfg(all(test, loom))]
mod models;

use upshift_abi::artifact::CODE_ALIGN;

use crate::error::RuntimeError;
use crate::sync::{AtomicUsize, Ordering};

#[cfg(not(all(test, loom)))]
use mapped::Bits;
#[cfg(all(test, loom))]
use models::Bits;

/// The number of bytes of the bitmap that become writable at once.
const STEP: usize = 64 << 10;

/// The starts of all placed code.
#[derive(Debug)]
pub struct Registry {
    /// The bitmap: readable throughout, as zeros; writable where code has been.
    bits: Bits,
    /// The number of bytes of `bits` that are writable. Written by [`cover`](Self::cover) only.
    writable: AtomicUsize,
}

impl Registry {
    /// Creates a registry for this many bytes of code.
    pub fn new(code_bytes: usize) -> Result<Self, RuntimeError> {
        Ok(Self {
            bits: Bits::new(code_bytes.div_ceil(CODE_ALIGN * 64))?,
            writable: AtomicUsize::new(0),
        })
    }

    /// Makes the bitmap writable for starts below the offset. Not called by two threads at once.
    ///
    /// # Errors
    ///
    /// If the system refuses the memory.
    pub fn cover(&self, end: usize) -> Result<(), RuntimeError> {
        let needed = end.div_ceil(CODE_ALIGN * 8).next_multiple_of(STEP);
        let writable = self.writable.load(Ordering::Relaxed);
        if needed > writable {
            self.bits.make_writable(writable, needed - writable)?;
            self.writable.store(needed, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Adds a start, which must be [covered](Self::cover).
    pub fn insert(&self, offset: usize) {
        let bit = offset / CODE_ALIGN;
        self.bits.words()[bit / 64].fetch_or(1 << (bit % 64), Ordering::Release);
    }

    /// Removes a start.
    pub fn remove(&self, offset: usize) {
        let bit = offset / CODE_ALIGN;
        self.bits.words()[bit / 64].fetch_and(!(1 << (bit % 64)), Ordering::Release);
    }

    /// The last start at or before the offset. Linear in the distance, 1 KiB of code a step.
    pub fn start_before(&self, offset: usize) -> Option<usize> {
        let bit = offset / CODE_ALIGN;
        let words = self.bits.words();
        let mut index = bit / 64;
        let mut word = words.get(index)?.load(Ordering::Acquire) & (u64::MAX >> (63 - bit % 64));
        while word == 0 {
            index = index.checked_sub(1)?;
            word = words[index].load(Ordering::Acquire);
        }
        Some((index * 64 + 63 - word.leading_zeros() as usize) * CODE_ALIGN)
    }
}

/// The bitmap's memory.
#[cfg(not(all(test, loom)))]
mod mapped {
    use std::sync::atomic::AtomicU64;

    use super::STEP;
    use crate::error::RuntimeError;
    use crate::sys::Reservation;

    #[derive(Debug)]
    pub struct Bits {
        memory: Reservation,
        words: usize,
    }

    impl Bits {
        /// Reserves this many words, which read as zeros.
        pub fn new(words: usize) -> Result<Self, RuntimeError> {
            let memory = Reservation::new((words * 8).next_multiple_of(STEP))?;
            memory.make_readable(0, memory.len())?;
            Ok(Self { memory, words })
        }

        pub fn make_writable(&self, offset: usize, bytes: usize) -> Result<(), RuntimeError> {
            self.memory.make_writable(offset, bytes)
        }

        pub fn words(&self) -> &[AtomicU64] {
            // SAFETY: the reservation holds this many zeroed words and is only accessed as atomics.
            unsafe { std::slice::from_raw_parts(self.memory.base().cast(), self.words) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_nearest_start() {
        let registry = Registry::new(1 << 20).unwrap();
        registry.cover(1 << 20).unwrap();
        assert_eq!(registry.start_before(4096), None);
        for start in [0, 1024 - 16, 1024, 500_000 / 16 * 16] {
            registry.insert(start);
        }
        assert_eq!(registry.start_before(1023), Some(1008));
        assert_eq!(registry.start_before(1024), Some(1024));
        assert_eq!(registry.start_before(300_000), Some(1024));
        assert_eq!(registry.start_before(500_000), Some(500_000 / 16 * 16));
        registry.remove(1024);
        assert_eq!(registry.start_before(300_000), Some(1008));
        assert_eq!(registry.start_before(2 << 20), None);
    }
}
