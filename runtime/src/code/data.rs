//! The data part of a code space: memory that becomes writable as it is used.
//!
//! It does not become writable all at once, because limits on a process's data (`RLIMIT_DATA`) and
//! strict overcommit count what is writable, used or not.

use super::alloc::RangeAllocator;
use crate::error::RuntimeError;
use crate::sys::Reservation;

/// The granularity and alignment of allocations.
const ALIGN: usize = 64;

/// The number of bytes that become writable at once.
const STEP: usize = 1 << 20;

/// The allocator of the data part.
#[derive(Debug)]
pub struct DataPart {
    ranges: RangeAllocator,
    /// The offset up to which the part is writable.
    writable: usize,
    end: usize,
}

impl DataPart {
    /// A data part at a page-aligned place of a reservation.
    pub fn new(start: usize, len: usize) -> Self {
        Self {
            ranges: RangeAllocator::new(start, len),
            writable: start,
            end: start + len,
        }
    }

    /// The size of an allocation: `bytes` rounded up.
    pub fn rounded(bytes: usize) -> usize {
        bytes.max(1).next_multiple_of(ALIGN)
    }

    /// Allocates a writable part of the reservation, of the [rounded](Self::rounded) size.
    ///
    /// # Errors
    ///
    /// If the part is full, or the system refuses the memory.
    pub fn allocate(&mut self, space: &Reservation, bytes: usize) -> Result<usize, RuntimeError> {
        let bytes = Self::rounded(bytes);
        let offset = self.ranges.allocate(bytes, ALIGN);
        let offset = offset.ok_or(RuntimeError::CodeSpaceFull { bytes })?;
        if offset + bytes > self.writable {
            let end = (offset + bytes).next_multiple_of(STEP).min(self.end);
            if let Err(error) = space.make_writable(self.writable, end - self.writable) {
                self.ranges.free(offset, bytes);
                return Err(error);
            }
            self.writable = end;
        }
        Ok(offset)
    }

    /// Frees a part that `allocate` returned.
    pub fn free(&mut self, offset: usize, bytes: usize) {
        self.ranges.free(offset, bytes);
    }
}
