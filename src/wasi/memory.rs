//! The guest's memory during one call: every access is checked, and a bad one returns `EFAULT`.
//!
//! Pointers need not be aligned: WebAssembly's loads and stores don't require it either.
//!
//! The bytes of a shared memory can't be borrowed, as other threads of the guest may write them:
//! they are copied, and what a call works with is the copy.

use std::borrow::Cow;
use std::io::{IoSlice, IoSliceMut};
use std::ops::Range;

use super::errno::Errno;
use crate::SharedMemory;

type Result<T> = std::result::Result<T, Errno>;

/// The most buffers that one call transfers, as POSIX's `IOV_MAX` on Linux. Further buffers are not
/// transferred, which the count that the guest gets includes.
const MAX_BUFFERS: usize = 1024;

/// The longest path and text of a link, as POSIX's `PATH_MAX` on Linux. Handling a path takes
/// memory and time by its length, so a longer one goes no further than here.
const MAX_PATH: u32 = 4096;

/// The most bytes that one call transfers between a file and a shared memory: as many are copied.
/// Guests repeat calls that transfer less than they asked for.
const MAX_COPIED: usize = 1 << 20;

/// The bytes of the guest's memory, for the length of one call.
pub(crate) enum GuestMemory<'a> {
    Private(&'a mut [u8]),
    Shared(SharedMemory),
}

impl<'a> GuestMemory<'a> {
    pub(crate) fn new(bytes: &'a mut [u8]) -> Self {
        Self::Private(bytes)
    }

    fn len(&self) -> usize {
        match self {
            Self::Private(bytes) => bytes.len(),
            Self::Shared(memory) => memory.data_size(),
        }
    }

    /// The range of `count` items of `size` bytes, if it lies within the memory.
    pub(crate) fn range(&self, at: u32, count: u32, size: usize) -> Result<Range<usize>> {
        let start = at as usize;
        let len = (count as usize).checked_mul(size).ok_or(Errno::Fault)?;
        let end = start.checked_add(len).ok_or(Errno::Fault)?;
        if end > self.len() {
            return Err(Errno::Fault);
        }
        Ok(start..end)
    }

    /// The bytes of a range that is in the memory.
    fn copied(&self, range: Range<usize>) -> Result<Cow<'_, [u8]>> {
        match self {
            Self::Private(bytes) => Ok(Cow::Borrowed(&bytes[range])),
            Self::Shared(memory) => {
                let mut copy = vec![0; range.len()];
                memory.read(range.start, &mut copy).map_err(fault)?;
                Ok(Cow::Owned(copy))
            }
        }
    }

    /// The bytes of a path, or of the text of a link: at most [`MAX_PATH`].
    pub(crate) fn path(&self, at: u32, len: u32) -> Result<Cow<'_, [u8]>> {
        let range = self.range(at, len, 1)?;
        if len > MAX_PATH {
            return Err(Errno::Nametoolong);
        }
        self.copied(range)
    }

    /// Lets a function fill a range, piece by piece, of at most so many bytes each.
    pub(crate) fn fill_pieces<E: From<Errno>>(
        &mut self,
        at: u32,
        len: u32,
        piece_bytes: usize,
        mut fill: impl FnMut(&mut [u8]) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        let range = self.range(at, len, 1)?;
        match self {
            Self::Private(bytes) => bytes[range].chunks_mut(piece_bytes).try_for_each(fill),
            Self::Shared(memory) => {
                let mut copy = vec![0; range.len().min(piece_bytes)];
                for start in range.clone().step_by(piece_bytes) {
                    let piece = &mut copy[..piece_bytes.min(range.end - start)];
                    fill(piece)?;
                    memory.write(start, piece).map_err(fault)?;
                }
                Ok(())
            }
        }
    }

    pub(crate) fn array<const N: usize>(&self, at: u32) -> Result<[u8; N]> {
        let range = self.range(at, 1, N)?;
        let mut array = [0; N];
        match self {
            Self::Private(bytes) => array.copy_from_slice(&bytes[range]),
            Self::Shared(memory) => memory.read(range.start, &mut array).map_err(fault)?,
        }
        Ok(array)
    }

    /// Copies bytes to the memory, all or none.
    pub(crate) fn write(&mut self, at: u32, bytes: &[u8]) -> Result<()> {
        let range = self.range(at, 1, bytes.len())?;
        match self {
            Self::Private(memory) => memory[range].copy_from_slice(bytes),
            Self::Shared(memory) => memory.write(range.start, bytes).map_err(fault)?,
        }
        Ok(())
    }

    pub(crate) fn write_u16(&mut self, at: u32, value: u16) -> Result<()> {
        self.write(at, &value.to_le_bytes())
    }

    pub(crate) fn write_u32(&mut self, at: u32, value: u32) -> Result<()> {
        self.write(at, &value.to_le_bytes())
    }

    pub(crate) fn write_u64(&mut self, at: u32, value: u64) -> Result<()> {
        self.write(at, &value.to_le_bytes())
    }

    /// Calls `f` with the buffers that an array of `iovec` describes, to be read from.
    pub(crate) fn with_buffers<R>(
        &self,
        iovs: u32,
        count: u32,
        f: impl FnOnce(&mut [IoSlice<'_>]) -> R,
    ) -> Result<R> {
        let buffers = self.buffers(iovs, count)?;
        match self {
            Self::Private(bytes) => {
                if let [one] = &buffers[..] {
                    return Ok(f(&mut [IoSlice::new(&bytes[one.clone()])]));
                }
                let slices = buffers.into_iter().map(|range| &bytes[range]);
                Ok(f(&mut slices.map(IoSlice::new).collect::<Vec<_>>()))
            }
            Self::Shared(memory) => {
                let mut copy = vec![0; buffers.copied_bytes()];
                each_part(&buffers, copy.len(), |at, part| {
                    memory.read(at, &mut copy[part]).map_err(fault)
                })?;
                Ok(f(&mut [IoSlice::new(&copy)]))
            }
        }
    }

    /// Calls `f` with the buffers that an array of `iovec` describes, to be written to. If buffers
    /// overlap, only the first one is passed on.
    pub(crate) fn with_buffers_mut<R>(
        &mut self,
        iovs: u32,
        count: u32,
        f: impl FnOnce(&mut [IoSliceMut<'_>]) -> R,
    ) -> Result<R> {
        let buffers = self.buffers(iovs, count)?;
        match self {
            Self::Private(bytes) => {
                let first = match &buffers[..] {
                    [] => 0..0,
                    [first, ..] => first.clone(),
                };
                if buffers.len() > 1
                    && let Some(mut slices) = disjoint(bytes, &buffers)
                {
                    return Ok(f(&mut slices));
                }
                Ok(f(&mut [IoSliceMut::new(&mut bytes[first])]))
            }
            Self::Shared(memory) => {
                // What is not read stays as it is, unless another thread changes it meanwhile.
                let mut copy = vec![0; buffers.copied_bytes()];
                each_part(&buffers, copy.len(), |at, part| {
                    memory.read(at, &mut copy[part]).map_err(fault)
                })?;
                let result = f(&mut [IoSliceMut::new(&mut copy)]);
                each_part(&buffers, copy.len(), |at, part| {
                    memory.write(at, &copy[part]).map_err(fault)
                })?;
                Ok(result)
            }
        }
    }

    /// The ranges of the non-empty buffers; together at most 4 GiB, so that their length fits a
    /// `size`.
    fn buffers(&self, iovs: u32, count: u32) -> Result<Buffers> {
        let array = self.range(iovs, count, 8)?;
        let mut total = 0_u32;
        let mut buffers = Buffers::default();
        let array = array.start..array.end.min(array.start + 8 * MAX_BUFFERS);
        for iovec in self.copied(array)?.chunks_exact(8) {
            let [at, len] = [&iovec[..4], &iovec[4..]]
                .map(|word| word.try_into().map_or(0, u32::from_le_bytes));
            let range = self.range(at, len, 1)?;
            let Some(sum) = total.checked_add(len) else {
                break;
            };
            total = sum;
            if len > 0 {
                buffers.push(range);
            }
        }
        Ok(buffers)
    }
}

/// The error of an access that has been checked: a memory never shrinks.
fn fault(_: crate::MemoryAccessError) -> Errno {
    Errno::Fault
}

/// Calls a function for each buffer with its address and the part of a copy of at most `len` bytes
/// that belongs there.
fn each_part(
    buffers: &[Range<usize>],
    len: usize,
    mut f: impl FnMut(usize, Range<usize>) -> Result<()>,
) -> Result<()> {
    let mut done = 0;
    for buffer in buffers {
        let count = buffer.len().min(len - done);
        f(buffer.start, done..done + count)?;
        done += count;
    }
    Ok(())
}

/// A list of ranges. The usual list, with one element, is not allocated.
#[derive(Default)]
enum Buffers {
    #[default]
    None,
    One([Range<usize>; 1]),
    Many(Vec<Range<usize>>),
}

impl Buffers {
    fn push(&mut self, range: Range<usize>) {
        *self = match std::mem::take(self) {
            Buffers::None => Buffers::One([range]),
            Buffers::One([first]) => Buffers::Many(vec![first, range]),
            Buffers::Many(mut many) => {
                many.push(range);
                Buffers::Many(many)
            }
        };
    }

    /// How many bytes are transferred by copies.
    fn copied_bytes(&self) -> usize {
        let total: usize = self.iter().map(Range::len).sum();
        total.min(MAX_COPIED)
    }

    fn into_iter(self) -> impl Iterator<Item = Range<usize>> {
        let (one, many) = match self {
            Buffers::None => (None, Vec::new()),
            Buffers::One([one]) => (Some(one), Vec::new()),
            Buffers::Many(many) => (None, many),
        };
        one.into_iter().chain(many)
    }
}

impl std::ops::Deref for Buffers {
    type Target = [Range<usize>];

    fn deref(&self) -> &[Range<usize>] {
        match self {
            Buffers::None => &[],
            Buffers::One(one) => one,
            Buffers::Many(many) => many,
        }
    }
}

/// The ranges as slices in their order, or `None` if two of them overlap.
fn disjoint<'a>(mut bytes: &'a mut [u8], ranges: &[Range<usize>]) -> Option<Vec<IoSliceMut<'a>>> {
    let mut order: Vec<usize> = (0..ranges.len()).collect();
    order.sort_unstable_by_key(|&i| ranges[i].start);
    let mut slices: Vec<(usize, &mut [u8])> = Vec::with_capacity(ranges.len());
    let mut passed = 0;
    for i in order {
        let range = &ranges[i];
        let skipped = range.start.checked_sub(passed)?;
        let (slice, rest) = bytes.split_at_mut(skipped).1.split_at_mut(range.len());
        slices.push((i, slice));
        bytes = rest;
        passed = range.end;
    }
    slices.sort_unstable_by_key(|&(i, _)| i);
    let slices = slices.into_iter().map(|(_, slice)| IoSliceMut::new(slice));
    Some(slices.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn iovecs(list: &[(u32, u32)]) -> Vec<u8> {
        let words = list.iter().flat_map(|&(at, len)| [at, len]);
        words.flat_map(u32::to_le_bytes).collect()
    }

    #[test]
    fn accesses_outside_are_faults() {
        let mut bytes = vec![0; 16];
        let mut memory = GuestMemory::new(&mut bytes);
        assert_eq!(memory.write_u32(12, 1), Ok(()));
        assert_eq!(memory.write_u32(13, 1), Err(Errno::Fault));
        assert_eq!(memory.write_u64(u32::MAX, 1), Err(Errno::Fault));
        assert_eq!(memory.range(0, u32::MAX, 48), Err(Errno::Fault));
        assert_eq!(memory.range(16, 0, 1), Ok(16..16));
        assert_eq!(memory.range(17, 0, 1), Err(Errno::Fault));
    }

    #[test]
    fn paths_have_a_greatest_length() {
        let mut bytes = vec![b'a'; 8192];
        let memory = GuestMemory::new(&mut bytes);
        assert_eq!(memory.path(1, 4096).map(|path| path.len()), Ok(4096));
        assert_eq!(memory.path(1, 4097), Err(Errno::Nametoolong));
        assert_eq!(memory.path(1, 8192), Err(Errno::Fault));
    }

    #[test]
    fn buffers_keep_their_order_and_may_be_empty() {
        let mut bytes = vec![0; 128];
        bytes[..32].copy_from_slice(&iovecs(&[(90, 2), (40, 0), (60, 3), (50, 4)]));
        let mut memory = GuestMemory::new(&mut bytes);
        memory
            .with_buffers_mut(0, 4, |slices| {
                let lens: Vec<usize> = slices.iter().map(|slice| slice.len()).collect();
                assert_eq!(lens, [2, 3, 4]);
                for (i, slice) in slices.iter_mut().enumerate() {
                    slice.fill(i as u8 + 1);
                }
            })
            .unwrap();
        assert_eq!((bytes[91], bytes[62], bytes[53]), (1, 2, 3));
    }

    #[test]
    fn of_overlapping_buffers_the_first_is_written() {
        let mut bytes = vec![0; 128];
        bytes[..16].copy_from_slice(&iovecs(&[(90, 8), (94, 8)]));
        let mut memory = GuestMemory::new(&mut bytes);
        let lens = memory.with_buffers_mut(0, 2, |slices| slices.len());
        assert_eq!(lens, Ok(1));
        let lens = memory.with_buffers(0, 2, |slices| slices.len());
        assert_eq!(lens, Ok(2));
    }

    #[test]
    fn many_buffers_are_cut_and_bad_ones_refused() {
        let mut bytes = vec![0; 1 << 16];
        bytes[..16384].copy_from_slice(&iovecs(&[(30_000, 1); 2048]));
        let memory = GuestMemory::new(&mut bytes);
        assert_eq!(
            memory.with_buffers(0, 2048, |slices| slices.len()),
            Ok(1024)
        );
        bytes[..8].copy_from_slice(&iovecs(&[(0, 0x1_0001)]));
        let memory = GuestMemory::new(&mut bytes);
        assert_eq!(memory.with_buffers(0, 1, |_| ()), Err(Errno::Fault));
    }
}
