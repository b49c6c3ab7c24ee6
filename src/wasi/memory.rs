//! The guest's memory during one call: every access is checked, and a bad one returns `EFAULT`.
//!
//! Pointers need not be aligned: WebAssembly's loads and stores don't require it either.

use std::io::{IoSlice, IoSliceMut};
use std::ops::Range;

use super::errno::Errno;

type Result<T> = std::result::Result<T, Errno>;

/// The most buffers that one call transfers, as POSIX's `IOV_MAX` on Linux. Further buffers are not
/// transferred, which the count that the guest gets includes.
const MAX_BUFFERS: usize = 1024;

/// The longest path and text of a link, as POSIX's `PATH_MAX` on Linux. Handling a path takes
/// memory and time by its length, so a longer one goes no further than here.
const MAX_PATH: u32 = 4096;

/// The bytes of the guest's memory, for the length of one call.
pub(crate) struct GuestMemory<'a> {
    bytes: &'a mut [u8],
}

impl<'a> GuestMemory<'a> {
    pub(crate) fn new(bytes: &'a mut [u8]) -> Self {
        Self { bytes }
    }

    /// The range of `count` items of `size` bytes, if it lies within the memory.
    pub(crate) fn range(&self, at: u32, count: u32, size: usize) -> Result<Range<usize>> {
        let start = at as usize;
        let len = (count as usize).checked_mul(size).ok_or(Errno::Fault)?;
        let end = start.checked_add(len).ok_or(Errno::Fault)?;
        if end > self.bytes.len() {
            return Err(Errno::Fault);
        }
        Ok(start..end)
    }

    pub(crate) fn bytes(&self, at: u32, len: u32) -> Result<&[u8]> {
        let range = self.range(at, len, 1)?;
        Ok(&self.bytes[range])
    }

    /// The bytes of a path, or of the text of a link: at most [`MAX_PATH`].
    pub(crate) fn path(&self, at: u32, len: u32) -> Result<&[u8]> {
        let bytes = self.bytes(at, len)?;
        if len > MAX_PATH {
            return Err(Errno::Nametoolong);
        }
        Ok(bytes)
    }

    pub(crate) fn bytes_mut(&mut self, at: u32, len: u32) -> Result<&mut [u8]> {
        let range = self.range(at, len, 1)?;
        Ok(&mut self.bytes[range])
    }

    pub(crate) fn array<const N: usize>(&self, at: u32) -> Result<[u8; N]> {
        let range = self.range(at, 1, N)?;
        self.bytes[range].try_into().map_err(|_| Errno::Fault)
    }

    /// Copies bytes to the memory, all or none.
    pub(crate) fn write(&mut self, at: u32, bytes: &[u8]) -> Result<()> {
        let range = self.range(at, 1, bytes.len())?;
        self.bytes[range].copy_from_slice(bytes);
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
        if let [one] = &buffers[..] {
            return Ok(f(&mut [IoSlice::new(&self.bytes[one.clone()])]));
        }
        let slices = buffers.into_iter().map(|range| &self.bytes[range]);
        Ok(f(&mut slices.map(IoSlice::new).collect::<Vec<_>>()))
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
        let first = match &buffers[..] {
            [] => 0..0,
            [first, ..] => first.clone(),
        };
        if buffers.len() > 1
            && let Some(mut slices) = disjoint(self.bytes, &buffers)
        {
            return Ok(f(&mut slices));
        }
        Ok(f(&mut [IoSliceMut::new(&mut self.bytes[first])]))
    }

    /// The ranges of the non-empty buffers; together at most 4 GiB, so that their length fits a
    /// `size`.
    fn buffers(&self, iovs: u32, count: u32) -> Result<Buffers> {
        let array = self.range(iovs, count, 8)?;
        let mut total = 0_u32;
        let mut buffers = Buffers::default();
        for iovec in self.bytes[array].chunks_exact(8).take(MAX_BUFFERS) {
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
        assert_eq!(memory.bytes(16, 0), Ok(&[][..]));
        assert_eq!(memory.bytes(17, 0), Err(Errno::Fault));
    }

    #[test]
    fn paths_have_a_greatest_length() {
        let mut bytes = vec![b'a'; 8192];
        let memory = GuestMemory::new(&mut bytes);
        assert_eq!(memory.path(1, 4096).map(<[u8]>::len), Ok(4096));
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
