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

type Result<T, E = Errno> = std::result::Result<T, E>;

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
        mut fill: impl FnMut(&mut [u8]) -> Result<(), E>,
    ) -> Result<(), E> {
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
                let mut copy = vec![0; copied_bytes(&buffers)];
                each_part(&buffers, copy.len(), |at, part| {
                    memory.read(at, &mut copy[part]).map_err(fault)
                })?;
                Ok(f(&mut [IoSlice::new(&copy)]))
            }
        }
    }

    /// Calls `f` with the buffers that an array of `iovec` describes, to be written to. It returns
    /// how many bytes it has produced, of which no more are counted than there is room for, and
    /// what else it found out. If buffers overlap, only the first one is passed on.
    ///
    /// Of a shared memory only the bytes that were produced change, none if `f` fails: other
    /// threads may store to the others while `f` waits.
    pub(crate) fn with_buffers_mut<R, E: From<Errno>>(
        &mut self,
        iovs: u32,
        count: u32,
        f: impl FnOnce(&mut [IoSliceMut<'_>]) -> Result<(usize, R), E>,
    ) -> Result<(usize, R), E> {
        let buffers = self.buffers(iovs, count)?;
        let order = order(&buffers);
        let buffers = match order {
            Some(_) => &buffers[..],
            None => &buffers[..1],
        };
        let room = buffers.iter().map(Range::len).sum();
        match self {
            Self::Private(bytes) => {
                let (count, more) = match (buffers, order) {
                    ([], _) => f(&mut [IoSliceMut::new(&mut [])])?,
                    ([one], _) => f(&mut [IoSliceMut::new(&mut bytes[one.clone()])])?,
                    (_, order) => f(&mut slices(bytes, buffers, order.unwrap_or_default()))?,
                };
                Ok((count.min(room), more))
            }
            Self::Shared(memory) => {
                let mut produced = vec![0; copied_bytes(buffers)];
                let (count, more) = f(&mut [IoSliceMut::new(&mut produced)])?;
                let count = count.min(produced.len());
                each_part(buffers, count, |at, part| {
                    memory.write(at, &produced[part]).map_err(fault)
                })?;
                Ok((count, more))
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

/// How many bytes of buffers are transferred by copies.
fn copied_bytes(buffers: &[Range<usize>]) -> usize {
    let total: usize = buffers.iter().map(Range::len).sum();
    total.min(MAX_COPIED)
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

/// The positions of the ranges by their addresses, or `None` if two of them overlap. Empty for one
/// range, which needs no order.
fn order(ranges: &[Range<usize>]) -> Option<Vec<usize>> {
    if ranges.len() <= 1 {
        return Some(Vec::new());
    }
    let mut order: Vec<usize> = (0..ranges.len()).collect();
    order.sort_unstable_by_key(|&i| ranges[i].start);
    let disjoint = |pair: &[usize]| ranges[pair[0]].end <= ranges[pair[1]].start;
    order.windows(2).all(disjoint).then_some(order)
}

/// The ranges, which don't overlap and whose positions by address are given, as slices.
fn slices<'a>(
    mut bytes: &'a mut [u8],
    ranges: &[Range<usize>],
    order: Vec<usize>,
) -> Vec<IoSliceMut<'a>> {
    let mut slices: Vec<(usize, &mut [u8])> = Vec::with_capacity(ranges.len());
    let mut passed = 0;
    for i in order {
        let range = &ranges[i];
        let skipped = range.start - passed;
        let (slice, rest) = bytes.split_at_mut(skipped).1.split_at_mut(range.len());
        slices.push((i, slice));
        bytes = rest;
        passed = range.end;
    }
    slices.sort_unstable_by_key(|&(i, _)| i);
    let slices = slices.into_iter().map(|(_, slice)| IoSliceMut::new(slice));
    slices.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Engine, MemoryType};

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
                Ok::<_, Errno>((9, ()))
            })
            .unwrap();
        assert_eq!((bytes[91], bytes[62], bytes[53]), (1, 2, 3));
    }

    #[test]
    fn of_overlapping_buffers_the_first_is_written() {
        let mut bytes = vec![0; 128];
        bytes[..16].copy_from_slice(&iovecs(&[(90, 8), (94, 8)]));
        let mut memory = GuestMemory::new(&mut bytes);
        let fill = |slices: &mut [IoSliceMut<'_>]| {
            slices.iter_mut().for_each(|slice| slice.fill(1));
            Ok::<_, Errno>((16, slices.len()))
        };
        assert_eq!(memory.with_buffers_mut(0, 2, fill), Ok((8, 1)));
        let lens = memory.with_buffers(0, 2, |slices| slices.len());
        assert_eq!(lens, Ok(2));

        let (_, mut memory) = shared(&[(90, 8), (94, 8)]);
        assert_eq!(memory.with_buffers_mut(0, 2, fill), Ok((8, 1)));
        assert_eq!(memory.array(90), Ok([1, 1, 1, 1, 1, 1, 1, 1, 0, 0]));
    }

    /// A shared memory with an array of `iovec` at 0.
    fn shared(list: &[(u32, u32)]) -> (SharedMemory, GuestMemory<'static>) {
        let ty = MemoryType::shared(1, 1);
        let memory = SharedMemory::new(&Engine::default(), ty).unwrap();
        memory.write(0, &iovecs(list)).unwrap();
        (memory.clone(), GuestMemory::Shared(memory))
    }

    #[test]
    fn what_is_stored_during_a_call_stays_but_where_it_reads() {
        let (stored, mut memory) = shared(&[(60, 4), (40, 8)]);
        let read = |slices: &mut [IoSliceMut<'_>]| {
            // As another thread does while the call waits.
            stored.write(40, b"abcdefgh").unwrap();
            slices[0][..6].copy_from_slice(b"123456");
            Ok::<_, Errno>((6, ()))
        };
        assert_eq!(memory.with_buffers_mut(0, 2, read), Ok((6, ())));
        assert_eq!(memory.array(60), Ok(*b"1234"));
        assert_eq!(memory.array(40), Ok(*b"56cdefgh"));
    }

    #[test]
    fn a_failed_call_changes_nothing() {
        let (stored, mut memory) = shared(&[(40, 8)]);
        let fail = |slices: &mut [IoSliceMut<'_>]| {
            stored.write(40, b"abcdefgh").unwrap();
            slices[0][..6].copy_from_slice(b"123456");
            Err::<(usize, ()), _>(Errno::Again)
        };
        assert_eq!(memory.with_buffers_mut(0, 1, fail), Err(Errno::Again));
        assert_eq!(memory.array(40), Ok(*b"abcdefgh"));
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
