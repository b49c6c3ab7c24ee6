//! A first-fit allocator over a range of offsets, with immediate merging.
//!
//! Fresh space is handed out from one growing end; what is freed is reused first. Code comes in thousands of
//! pieces and is freed rarely, so the free list stays short.

use std::collections::BTreeMap;

/// Free and fresh parts of a range.
#[derive(Debug)]
pub struct RangeAllocator {
    /// Freed parts: offset to length; never adjacent to each other or to `fresh`.
    free: BTreeMap<usize, usize>,
    fresh: usize,
    end: usize,
}

impl RangeAllocator {
    pub fn new(start: usize, len: usize) -> Self {
        Self {
            free: BTreeMap::new(),
            fresh: start,
            end: start + len,
        }
    }

    /// An aligned part of the size. Sizes are multiples of their alignment here, so no space is lost.
    pub fn allocate(&mut self, len: usize, align: usize) -> Option<usize> {
        debug_assert!(len > 0 && len.is_multiple_of(align) || len >= align);
        let fits = |(&offset, &free): (&usize, &usize)| {
            (offset.is_multiple_of(align) && free >= len).then_some((offset, free))
        };
        if let Some((offset, free)) = self.free.iter().find_map(fits) {
            self.free.remove(&offset);
            if free > len {
                self.free.insert(offset + len, free - len);
            }
            return Some(offset);
        }
        let offset = self.fresh.next_multiple_of(align);
        let next = offset.checked_add(len)?;
        if next > self.end {
            return None;
        }
        self.fresh = next;
        Some(offset)
    }

    /// Takes back a part that `allocate` gave.
    pub fn free(&mut self, mut offset: usize, mut len: usize) {
        if let Some((&before, &before_len)) = self.free.range(..offset).next_back()
            && before + before_len == offset
        {
            self.free.remove(&before);
            offset = before;
            len += before_len;
        }
        if let Some(&after_len) = self.free.get(&(offset + len)) {
            self.free.remove(&(offset + len));
            len += after_len;
        }
        if offset + len == self.fresh {
            self.fresh = offset;
        } else {
            self.free.insert(offset, len);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merges_neighbours_and_reuses_space() {
        let mut ranges = RangeAllocator::new(0, 256);
        let parts: Vec<_> = (0..4).map(|_| ranges.allocate(64, 16).unwrap()).collect();
        assert_eq!(ranges.allocate(16, 16), None);
        ranges.free(parts[0], 64);
        ranges.free(parts[2], 64);
        ranges.free(parts[1], 64);
        assert_eq!(ranges.allocate(192, 16), Some(0));
        ranges.free(parts[3], 64);
        ranges.free(0, 192);
        assert_eq!(ranges.allocate(256, 16), Some(0));
    }
}
