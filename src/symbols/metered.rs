//! A reader of bytes that ends when its fuel is used up.

use std::borrow::Cow;
use std::cell::Cell;

use gimli::{EndianSlice, Error, LittleEndian, Reader, ReaderOffsetId, Result};

/// Bytes of which each read takes from fuel that all readers of a question share. Without fuel each
/// read fails as at the end of the bytes, so nothing that reads can go on for long.
#[derive(Clone, Copy, Debug)]
pub(super) struct Metered<'a> {
    bytes: EndianSlice<'a, LittleEndian>,
    fuel: &'a Cell<u64>,
}

/// Bytes that are searched or copied for one unit of fuel.
const BYTES_PER_UNIT: usize = 16;

impl<'a> Metered<'a> {
    pub(super) fn new(bytes: &'a [u8], fuel: &'a Cell<u64>) -> Self {
        Self {
            bytes: EndianSlice::new(bytes, LittleEndian),
            fuel,
        }
    }

    fn spend(&self, bytes: usize) -> Result<()> {
        let units = 1 + (bytes / BYTES_PER_UNIT) as u64;
        match self.fuel.get().checked_sub(units) {
            Some(left) => {
                self.fuel.set(left);
                Ok(())
            }
            None => {
                self.fuel.set(0);
                Err(Error::UnexpectedEof(self.bytes.offset_id()))
            }
        }
    }
}

impl Reader for Metered<'_> {
    type Endian = LittleEndian;
    type Offset = usize;

    fn endian(&self) -> LittleEndian {
        LittleEndian
    }

    fn len(&self) -> usize {
        self.bytes.len()
    }

    fn empty(&mut self) {
        self.bytes.empty();
    }

    fn truncate(&mut self, len: usize) -> Result<()> {
        self.bytes.truncate(len)
    }

    fn offset_from(&self, base: &Self) -> usize {
        self.bytes.offset_from(base.bytes)
    }

    fn offset_id(&self) -> ReaderOffsetId {
        self.bytes.offset_id()
    }

    fn lookup_offset_id(&self, id: ReaderOffsetId) -> Option<usize> {
        self.bytes.lookup_offset_id(id)
    }

    fn find(&self, byte: u8) -> Result<usize> {
        // Not more is searched than there is fuel for.
        let within = usize::try_from(self.fuel.get()).unwrap_or(usize::MAX);
        let within = within.saturating_mul(BYTES_PER_UNIT).min(self.bytes.len());
        let searched = EndianSlice::new(&self.bytes.slice()[..within], LittleEndian);
        match searched.find(byte) {
            Some(found) => self.spend(found).map(|()| found),
            None => {
                self.spend(within)?;
                Err(Error::UnexpectedEof(self.bytes.offset_id()))
            }
        }
    }

    fn skip(&mut self, len: usize) -> Result<()> {
        self.spend(0)?;
        self.bytes.skip(len)
    }

    fn split(&mut self, len: usize) -> Result<Self> {
        self.spend(0)?;
        let bytes = self.bytes.split(len)?;
        Ok(Self { bytes, ..*self })
    }

    fn to_slice(&self) -> Result<Cow<'_, [u8]>> {
        self.spend(0)?;
        Ok(self.bytes.slice().into())
    }

    fn to_string(&self) -> Result<Cow<'_, str>> {
        self.spend(self.bytes.len())?;
        Ok(self.bytes.to_string()?.into())
    }

    fn to_string_lossy(&self) -> Result<Cow<'_, str>> {
        self.spend(self.bytes.len())?;
        Ok(self.bytes.to_string_lossy())
    }

    fn read_slice(&mut self, buffer: &mut [u8]) -> Result<()> {
        self.spend(buffer.len())?;
        Reader::read_slice(&mut self.bytes, buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_end_with_the_fuel() {
        let fuel = Cell::new(3);
        let mut reader = Metered::new(&[1, 2, 3, 4, 5, 6], &fuel);
        let mut copy = reader;
        assert_eq!(reader.read_u8(), Ok(1));
        assert_eq!(copy.read_u16(), Ok(0x201));
        assert_eq!(reader.read_u8(), Ok(2));
        assert!(reader.read_u8().is_err());
        assert!(copy.find(6).is_err());
    }

    #[test]
    fn searches_cost_their_length() {
        let bytes = [0; 1 << 10];
        let fuel = Cell::new(40);
        let reader = Metered::new(&bytes, &fuel);
        assert!(reader.find(1).is_err());
        assert_eq!(fuel.get(), 0);
    }
}
