//! Models of the registry: a thread that finds a start sees what was written before it was added,
//! and finds its own however its neighbors come and go.

use std::sync::Arc;

use loom::cell::UnsafeCell;
use loom::sync::atomic::AtomicU64;
use loom::thread;
use upshift_abi::artifact::CODE_ALIGN;

use super::Registry;
use crate::error::RuntimeError;

/// The bitmap's memory: loom's atomics are larger than words, so they can't lie in a mapping.
#[derive(Debug)]
pub struct Bits(Box<[AtomicU64]>);

impl Bits {
    pub fn new(words: usize) -> Result<Self, RuntimeError> {
        Ok(Self((0..words).map(|_| AtomicU64::new(0)).collect()))
    }

    pub fn make_writable(&self, _: usize, _: usize) -> Result<(), RuntimeError> {
        Ok(())
    }

    pub fn words(&self) -> &[AtomicU64] {
        &self.0
    }
}

/// The bytes of code of a word of the bitmap.
const WORD: usize = CODE_ALIGN * 64;

/// The header of a piece of code, written before its start is added.
struct Header(UnsafeCell<u32>);

// SAFETY: loom checks, in each order of steps that it runs, that accesses don't race.
unsafe impl Sync for Header {}

impl Header {
    fn write(&self, value: u32) {
        // SAFETY: loom checks that no access happens meanwhile.
        self.0.with_mut(|header| unsafe { *header = value });
    }

    fn read(&self) -> u32 {
        // SAFETY: loom checks that no write happens meanwhile.
        self.0.with(|header| unsafe { *header })
    }
}

#[test]
fn who_reads_a_start_reads_its_header() {
    loom::model(|| {
        let registry = Arc::new(Registry::new(2 * WORD).unwrap());
        registry.cover(2 * WORD).unwrap();
        let header = Arc::new(Header(UnsafeCell::new(0)));
        let reader = {
            let (registry, header) = (registry.clone(), header.clone());
            thread::spawn(move || {
                // From the second word, so that the search goes on to the first.
                if let Some(start) = registry.start_before(WORD + CODE_ALIGN) {
                    assert_eq!(start, CODE_ALIGN);
                    assert_eq!(header.read(), 7);
                }
            })
        };
        header.write(7);
        registry.insert(CODE_ALIGN);
        reader.join().unwrap();
    });
}

#[test]
fn neighbors_do_not_hide_a_start() {
    loom::model(|| {
        let registry = Arc::new(Registry::new(WORD).unwrap());
        registry.cover(WORD).unwrap();
        let own = 4 * CODE_ALIGN;
        registry.insert(2 * CODE_ALIGN);
        registry.insert(own);
        let neighbor = {
            let registry = registry.clone();
            thread::spawn(move || {
                registry.remove(2 * CODE_ALIGN);
                registry.insert(9 * CODE_ALIGN);
            })
        };
        let other = {
            let registry = registry.clone();
            thread::spawn(move || registry.insert(12 * CODE_ALIGN))
        };
        assert_eq!(registry.start_before(own + 3 * CODE_ALIGN), Some(own));
        neighbor.join().unwrap();
        other.join().unwrap();
        let found = [3, 8, 11, 63].map(|at| registry.start_before(at * CODE_ALIGN));
        let expected = [None, Some(own), Some(9 * CODE_ALIGN), Some(12 * CODE_ALIGN)];
        assert_eq!(found, expected);
    });
}
