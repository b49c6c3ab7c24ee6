//! The address space that an engine reserves, and how it adapts to less.
//!
//! With guard pages a memory takes 8 GiB and a bit, of which nothing is used but addresses: what an
//! index and an offset can reach, and what is before the memory (see `upshift_abi::plan`). Where
//! that much can't be reserved (`ulimit -v`, some containers), an engine checks bounds explicitly,
//! and divides what there is between its code and its memories.

use upshift_abi::plan::MemoryStyle;
use upshift_abi::{MemoryBounds, MemoryOptions};

use crate::code::code_space_bytes;
use crate::config::RuntimeConfig;
use crate::error::RuntimeError;
use crate::sys::{PAGE, Reservation};

/// The granularity of the parts of the address space.
const GRANULE: usize = 1 << 16;

impl RuntimeConfig {
    /// The configuration adapted to the address space that this process can reserve now: the same,
    /// or explicit bounds, smaller memories and less room for code. Changes go to the log as a
    /// warning.
    pub fn fitted(self) -> Self {
        let memory = self.memory.usual_space() as usize;
        let wanted = code_space_bytes(self.code_space_bytes) + memory;
        if Reservation::new(wanted).is_ok() {
            return self;
        }
        let available = available(wanted);
        let share = |part: usize| available / part / GRANULE * GRANULE;
        let fitted = Self {
            memory: MemoryOptions {
                bounds: MemoryBounds::Explicit,
                reservation: self.memory.reservation.min(share(4)),
            },
            code_space_bytes: self.code_space_bytes.min(share(8)),
            instance_spaces: 0,
            ..self
        };
        log::warn!(
            "only {} MiB of address space can be had, not {}: memory accesses are checked \
             explicitly, a memory has at most {} MiB (or its minimum), and there is room for {} \
             MiB of code",
            available >> 20,
            wanted >> 20,
            fitted.memory.reservation >> 20,
            fitted.code_space_bytes >> 20,
        );
        fitted
    }
}

/// Reserves address space for a memory, behind that many bytes for other things.
///
/// A memory with explicit bounds gets less than its maximum where that can't be reserved, and grows
/// no further.
///
/// # Errors
///
/// If not even the memory's minimum can be reserved.
pub(crate) fn reserve_memory(
    style: &MemoryStyle,
    before: usize,
) -> Result<Reservation, RuntimeError> {
    let space = style.space();
    let (least, mut wanted) = (*space.start() as usize, *space.end() as usize);
    loop {
        match Reservation::new(before.saturating_add(wanted)) {
            Err(_) if wanted > least => wanted = (wanted / 2).max(least),
            result => return result,
        }
    }
}

/// The growth of a memory that is possible.
pub(crate) struct Growth {
    /// The memory's new length in bytes.
    pub len: usize,
    /// The bytes from its first one on that are accessible before: whole pages of the system.
    pub accessible: usize,
    /// How many more are to become so.
    pub added: usize,
}

/// The growth by so many pages of a memory with that length and that much address space from its
/// first byte on; `None` beyond its maximum or what the address space holds.
///
/// Pages of a memory can be smaller than the system's: what is accessible behind the memory's end
/// contains zeros, as every access is checked.
pub(crate) fn growth(
    style: &MemoryStyle,
    reserved: usize,
    len: usize,
    delta: u64,
) -> Option<Growth> {
    let room = reserved - style.guard_after() as usize;
    let max = style.max_pages().min(style.pages(room as u64));
    let pages = style.pages(len as u64).checked_add(delta)?;
    if pages > max {
        return None;
    }
    let (new, accessible) = (style.bytes(pages) as usize, len.next_multiple_of(PAGE));
    Some(Growth {
        len: new,
        accessible,
        added: new.next_multiple_of(PAGE) - accessible,
    })
}

/// About the largest size that can be reserved at once, below a size that can't.
fn available(mut refused: usize) -> usize {
    const STEP: usize = 1 << 20;
    let mut granted = 0;
    while refused - granted > STEP {
        let middle = granted + (refused - granted) / 2;
        match Reservation::new(middle) {
            Ok(_) => granted = middle,
            Err(_) => refused = middle,
        }
    }
    granted
}
