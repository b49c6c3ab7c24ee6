//! Ranges of memories, tables and segments that a guest names.

use std::ops::Range;

use upshift_abi::TrapCode;

/// The end of a range of `len` items at `start`, if it is within `size`.
pub fn checked_range(
    start: u64,
    len: u64,
    size: usize,
    trap: TrapCode,
) -> Result<Range<usize>, TrapCode> {
    match start.checked_add(len) {
        Some(end) if end <= size as u64 => Ok(start as usize..end as usize),
        _ => Err(trap),
    }
}
