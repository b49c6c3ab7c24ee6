//! What is known to be in memory: loads of what was loaded or stored just before take that value.
//!
//! Code compiled with few optimizations keeps its variables on the stack in linear memory, and all
//! code reads the global that points to this stack again after each use. What is known holds
//! along straight-line code, over branches that are not taken, and until a store that may
//! overlap or a call; that a check has passed holds beyond both. An access that was forwarded can't
//! trap: the one before it, at the same address, did not, and memories never shrink.

use cranelift_codegen::ir::{Opcode, Type, Value};
use upshift_abi::{GlobalIndex, MemoryIndex};

/// The most places whose contents are remembered: the search is linear.
const MAX_PLACES: usize = 16;

/// Bytes of a linear memory, at a constant distance from a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bytes {
    pub(crate) memory: MemoryIndex,
    pub(crate) base: Value,
    pub(crate) offset: u64,
    pub(crate) size: u32,
}

impl Bytes {
    /// Whether the two have no byte in common, whatever the value of their base is. Two memories
    /// may be the same.
    fn is_apart(self, other: Self) -> bool {
        let end = |bytes: Self| bytes.offset.saturating_add(bytes.size.into());
        (self.memory, self.base) == (other.memory, other.base)
            && (end(self) <= other.offset || end(other) <= self.offset)
    }
}

/// What has been read: the same bytes can be read as different values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reading {
    pub(crate) bytes: Bytes,
    pub(crate) opcode: Opcode,
    pub(crate) ty: Type,
}

/// What is known at the current position.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    memory: Vec<(Reading, Value)>,
    /// Where the next reading goes once all places are taken.
    oldest: usize,
    globals: Vec<(GlobalIndex, Value)>,
    ranges: Vec<InRange>,
}

/// A memory's length is at least the value plus this many bytes, and that sum is below 2^64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct InRange {
    memory: MemoryIndex,
    base: Value,
    end: u64,
}

impl Contents {
    /// Forgets everything: other code may lead here.
    pub(crate) fn forget(&mut self) {
        self.forget_contents();
        self.ranges.clear();
    }

    /// Forgets what a call may have changed. Memories never shrink.
    pub(crate) fn forget_contents(&mut self) {
        self.memory.clear();
        self.globals.clear();
    }

    /// Forgets what memories contain: what other threads have written may be visible from here on.
    pub(crate) fn forget_memories(&mut self) {
        self.memory.clear();
        self.oldest = 0;
    }

    /// Whether a check has shown that this many bytes behind a value are inside the memory.
    pub(crate) fn is_in_range(&self, memory: MemoryIndex, base: Value, end: u64) -> bool {
        self.ranges
            .iter()
            .any(|known| (known.memory, known.base) == (memory, base) && end <= known.end)
    }

    /// Notes what a check has shown.
    pub(crate) fn note_range(&mut self, memory: MemoryIndex, base: Value, end: u64) {
        self.ranges
            .retain(|known| (known.memory, known.base) != (memory, base));
        if self.ranges.len() == MAX_PLACES {
            self.ranges.remove(0);
        }
        self.ranges.push(InRange { memory, base, end });
    }

    /// The value that a load would read.
    pub(crate) fn load(&self, reading: Reading) -> Option<Value> {
        let known = self.memory.iter().find(|(known, _)| *known == reading);
        known.map(|&(_, value)| value)
    }

    /// Notes what a load has read, or that a store has written a value that this would read.
    pub(crate) fn note(&mut self, reading: Reading, value: Value) {
        if self.memory.len() < MAX_PLACES {
            self.memory.push((reading, value));
            return;
        }
        self.memory[self.oldest] = (reading, value);
        self.oldest = (self.oldest + 1) % MAX_PLACES;
    }

    /// Forgets what a store to the bytes may have changed.
    pub(crate) fn overwrite(&mut self, bytes: Bytes) {
        self.memory.retain(|(known, _)| known.bytes.is_apart(bytes));
        self.oldest = 0;
    }

    /// The value of a global.
    pub(crate) fn global(&self, global: GlobalIndex) -> Option<Value> {
        let known = self.globals.iter().find(|(known, _)| *known == global);
        known.map(|&(_, value)| value)
    }

    /// Notes the value of a global that the module defines.
    pub(crate) fn note_global(&mut self, global: GlobalIndex, value: Value) {
        self.globals.retain(|(known, _)| *known != global);
        if self.globals.len() < MAX_PLACES {
            self.globals.push((global, value));
        }
    }
}
