//! A first-fit allocator over a range of offsets, with immediate merging.
//!
//! Freed space is reused first; fresh space is taken from one growing end. Code is placed in
//! thousands of pieces and rarely freed, so the free list stays short.

use std::collections::BTreeMap;
use std::ops::Range;

/// The free and fresh parts of a range.
#[derive(Debug)]
pub struct RangeAllocator {
    /// Freed parts by offset; never adjacent to each other or to `fresh`.
    free: BTreeMap<usize, Free>,
    fresh: usize,
    /// The offset from which nothing was used since it was last [cleared](Self::take_used_pages).
    unused: usize,
    end: usize,
    /// Bytes freed since the last [`take_used_pages`](Self::take_used_pages).
    freed: usize,
}

/// A freed part.
#[derive(Clone, Copy, Debug)]
struct Free {
    len: usize,
    /// Whether the part still contains bytes of its last use, or zeros.
    used: bool,
}

impl RangeAllocator {
    pub fn new(start: usize, len: usize) -> Self {
        Self {
            free: BTreeMap::new(),
            fresh: start,
            unused: start,
            end: start + len,
            freed: 0,
        }
    }

    /// Allocates an aligned part. Sizes are multiples of their alignment here, so no space is lost.
    pub fn allocate(&mut self, len: usize, align: usize) -> Option<usize> {
        debug_assert!(len > 0 && len.is_multiple_of(align) || len >= align);
        let fits = |(&offset, &free): (&usize, &Free)| {
            (offset.is_multiple_of(align) && free.len >= len).then_some((offset, free))
        };
        if let Some((offset, free)) = self.free.iter().find_map(fits) {
            self.free.remove(&offset);
            if free.len > len {
                let rest = Free {
                    len: free.len - len,
                    ..free
                };
                self.free.insert(offset + len, rest);
            }
            return Some(offset);
        }
        let offset = self.fresh.next_multiple_of(align);
        let next = offset.checked_add(len)?;
        if next > self.end {
            return None;
        }
        self.fresh = next;
        self.unused = self.unused.max(next);
        Some(offset)
    }

    /// Frees a part that `allocate` returned.
    pub fn free(&mut self, mut offset: usize, mut len: usize) {
        self.freed += len;
        if let Some((&before, &part)) = self.free.range(..offset).next_back()
            && before + part.len == offset
        {
            self.free.remove(&before);
            offset = before;
            len += part.len;
        }
        if let Some(after) = self.free.remove(&(offset + len)) {
            len += after.len;
        }
        if offset + len == self.fresh {
            self.fresh = offset;
        } else {
            self.free.insert(offset, Free { len, used: true });
        }
    }

    /// Bytes freed since [`take_used_pages`](Self::take_used_pages).
    pub fn freed(&self) -> usize {
        self.freed
    }

    /// The whole pages that are free and hold what is left of their last use, to be given back to
    /// the system.
    pub fn take_used_pages(&mut self, page: usize) -> Vec<Range<usize>> {
        let whole = |start: usize, end: usize| start.next_multiple_of(page)..end / page * page;
        let mut pages = Vec::new();
        for (&offset, part) in self.free.iter_mut().filter(|(_, part)| part.used) {
            part.used = false;
            pages.push(whole(offset, offset + part.len));
        }
        pages.push(whole(self.fresh, self.unused.next_multiple_of(page)));
        self.unused = self.fresh;
        self.freed = 0;
        pages.retain(|range| !range.is_empty());
        pages
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

    #[test]
    fn whole_used_pages_are_told_once() {
        let mut ranges = RangeAllocator::new(16, 10 << 12);
        let taken = |ranges: &mut RangeAllocator| {
            let pages = ranges.take_used_pages(4096);
            let numbers = pages
                .iter()
                .map(|range| (range.start >> 12, range.end >> 12));
            numbers.collect::<Vec<_>>()
        };
        let parts: Vec<_> = (0..8).map(|_| ranges.allocate(5000, 8).unwrap()).collect();
        ranges.free(parts[1], 5000);
        assert_eq!(ranges.freed(), 5000);
        assert_eq!(taken(&mut ranges), []);
        // With its neighbour free, a whole page is.
        ranges.free(parts[2], 5000);
        assert_eq!(taken(&mut ranges), [(2, 3)]);
        assert_eq!(taken(&mut ranges), []);
        assert_eq!(ranges.freed(), 0);
        // The last part, and used again.
        ranges.free(parts[7], 5000);
        assert_eq!(taken(&mut ranges), [(9, 10)]);
        assert_eq!(ranges.allocate(10_000, 8), Some(parts[1]));
        ranges.free(parts[1], 10_000);
        assert_eq!(taken(&mut ranges), [(2, 3)]);
    }
}
