//! A section's bytes: a vector that is kept longer than what was written, so that an instruction
//! of up to eight bytes is one store and one bounds check.

use dynasmrt::{AssemblyOffset, DynasmApi};

/// Code being written. dynasm's macros write to it as they do to its own assemblers.
#[derive(Default)]
pub(crate) struct CodeBuffer {
    /// Written bytes, then zeroes or leftovers.
    bytes: Vec<u8>,
    len: usize,
}

impl CodeBuffer {
    /// Forgets the contents.
    pub(crate) fn clear(&mut self) {
        self.len = 0;
    }

    /// Bytes written.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// What was written.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// Appends the low `count` bytes of `value`, at most eight.
    #[inline]
    pub(crate) fn put(&mut self, value: u64, count: usize) {
        debug_assert!(count <= 8);
        if let Some(room) = self.room::<8>() {
            *room = value.to_le_bytes();
            self.len += count;
        } else {
            self.put_in_larger(value, count, 0, 0);
        }
    }

    /// Appends the low `count` bytes of `value`, at most seven, and `more_count` bytes of `more`.
    #[inline]
    pub(crate) fn put_two(&mut self, value: u64, count: usize, more: u64, more_count: usize) {
        debug_assert!(count < 8 && more_count <= 8);
        if let Some(room) = self.room::<16>() {
            room[..8].copy_from_slice(&value.to_le_bytes());
            room[count & 7..][..8].copy_from_slice(&more.to_le_bytes());
            self.len += count + more_count;
        } else {
            self.put_in_larger(value, count, more, more_count);
        }
    }

    /// The bytes behind what was written, if there are so many.
    #[inline]
    fn room<const N: usize>(&mut self) -> Option<&mut [u8; N]> {
        self.bytes.get_mut(self.len..)?.first_chunk_mut()
    }

    /// Makes room first. Callers that end with this need no registers across a call.
    #[cold]
    #[inline(never)]
    fn put_in_larger(&mut self, value: u64, count: usize, more: u64, more_count: usize) {
        self.grow();
        for (value, count) in [(value, count), (more, more_count)] {
            self.bytes[self.len..][..8].copy_from_slice(&value.to_le_bytes());
            self.len += count;
        }
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self) {
        let larger = (self.bytes.len() * 2).max(16 << 10);
        self.bytes.resize(larger, 0);
    }

    /// Overwrites a byte.
    pub(crate) fn set_byte(&mut self, at: usize, value: u8) {
        self.bytes[at] = value;
    }

    /// Overwrites four bytes.
    pub(crate) fn set_i32(&mut self, at: usize, value: i32) {
        self.bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
    }
}

impl Extend<u8> for CodeBuffer {
    #[inline]
    fn extend<T: IntoIterator<Item = u8>>(&mut self, iter: T) {
        for byte in iter {
            self.push(byte);
        }
    }
}

impl<'a> Extend<&'a u8> for CodeBuffer {
    #[inline]
    fn extend<T: IntoIterator<Item = &'a u8>>(&mut self, iter: T) {
        for &byte in iter {
            self.push(byte);
        }
    }
}

impl DynasmApi for CodeBuffer {
    #[inline]
    fn offset(&self) -> AssemblyOffset {
        AssemblyOffset(self.len)
    }

    #[inline]
    fn push(&mut self, byte: u8) {
        if let Some(room) = self.bytes.get_mut(self.len) {
            *room = byte;
        } else {
            self.grow();
            self.bytes[self.len] = byte;
        }
        self.len += 1;
    }

    #[inline]
    fn push_i32(&mut self, value: i32) {
        self.put(u64::from(value as u32), 4);
    }

    #[inline]
    fn push_u32(&mut self, value: u32) {
        self.put(u64::from(value), 4);
    }

    #[inline]
    fn push_i64(&mut self, value: i64) {
        self.put(value as u64, 8);
    }

    #[inline]
    fn push_u64(&mut self, value: u64) {
        self.put(value, 8);
    }

    fn align(&mut self, alignment: usize, with: u8) {
        while !self.len.is_multiple_of(alignment) {
            self.push(with);
        }
    }
}
