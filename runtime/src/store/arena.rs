//! Containers for a store's many items: pinned items, and maps whose keys the runtime chooses.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// Items that never move and are freed together. Cheaper than a box each.
#[derive(Debug)]
pub struct Arena<T> {
    /// The items. Each chunk is allocated once, at its full capacity.
    chunks: Vec<Vec<T>>,
}

impl<T> Default for Arena<T> {
    fn default() -> Self {
        Self { chunks: Vec::new() }
    }
}

impl<T> Arena<T> {
    /// Makes room for that many more items at once.
    pub fn reserve(&mut self, count: usize) {
        let room = |chunk: &Vec<T>| chunk.capacity() - chunk.len();
        if self.chunks.last().map_or(0, room) < count {
            self.chunks.push(Vec::with_capacity(count));
        }
    }

    /// The item at an address; `None` if no item is there.
    pub fn at(&self, address: usize) -> Option<&T> {
        let chunk = self.chunks.iter().find(|chunk| {
            let range = chunk.as_ptr_range();
            (range.start as usize..range.end as usize).contains(&address)
        })?;
        let offset = address - chunk.as_ptr() as usize;
        let is_item = offset.is_multiple_of(size_of::<T>());
        is_item.then(|| &chunk[offset / size_of::<T>()])
    }

    /// Adds an item. Its address is stable until the arena is dropped.
    pub fn push(&mut self, item: T) -> *mut T {
        const FIRST: usize = 8;
        const LARGEST: usize = 256;
        let full = self
            .chunks
            .last()
            .is_none_or(|chunk| chunk.len() == chunk.capacity());
        if full {
            let capacity = self
                .chunks
                .last()
                .map_or(FIRST, |chunk| 2 * chunk.capacity());
            self.chunks
                .push(Vec::with_capacity(capacity.clamp(FIRST, LARGEST)));
        }
        let chunk = self.chunks.last_mut().expect("just made");
        let at = chunk.len();
        chunk.push(item);
        chunk.as_mut_ptr().wrapping_add(at)
    }
}

/// A map from addresses or ids of our own, which no attacker can choose to make it slow.
pub type WordMap<K, V> = HashMap<K, V, BuildHasherDefault<WordHasher>>;

/// A hasher for one word.
#[derive(Debug, Default)]
pub struct WordHasher(u64);

impl Hasher for WordHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(byte.into());
        }
    }

    fn write_u32(&mut self, word: u32) {
        self.write_u64(word.into());
    }

    fn write_u64(&mut self, word: u64) {
        // Fibonacci hashing; the map uses the lowest and the highest bits.
        let product = (self.0 ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = product ^ product >> 32;
    }

    fn write_usize(&mut self, word: usize) {
        self.write_u64(word as u64);
    }
}
