//! A module's memory, with checked access by address.

use std::ops::Range;

use super::{GuestValue, Ptr};
use crate::Result;

/// A borrowed memory of a module. Nothing runs in the module meanwhile, so that it can neither grow
/// nor change what is borrowed from it.
#[derive(Debug)]
pub struct GuestMemory<'a>(&'a mut [u8]);

impl<'a> GuestMemory<'a> {
    /// The memory with these bytes.
    pub fn new(bytes: &'a mut [u8]) -> Self {
        Self(bytes)
    }

    /// All bytes.
    pub fn data(&self) -> &[u8] {
        self.0
    }

    /// All bytes, mutable.
    pub fn data_mut(&mut self) -> &mut [u8] {
        self.0
    }

    /// So many bytes from an address.
    ///
    /// # Errors
    ///
    /// If they exceed the memory.
    pub fn bytes(&self, from: Ptr<u8>, length: u32) -> Result<&[u8]> {
        let range = self.range(from.address(), u64::from(length))?;
        Ok(&self.0[range])
    }

    /// So many bytes from an address, mutable.
    ///
    /// # Errors
    ///
    /// If they exceed the memory.
    pub fn bytes_mut(&mut self, from: Ptr<u8>, length: u32) -> Result<&mut [u8]> {
        let range = self.range(from.address(), u64::from(length))?;
        Ok(&mut self.0[range])
    }

    /// The text of so many bytes from an address.
    ///
    /// # Errors
    ///
    /// If it exceeds the memory or is no UTF-8.
    pub fn text(&self, from: Ptr<u8>, length: u32) -> Result<&str> {
        Ok(std::str::from_utf8(self.bytes(from, length)?)?)
    }

    /// The bytes from an address to the next zero, without it.
    ///
    /// # Errors
    ///
    /// If there is no zero in the memory behind the address.
    pub fn c_bytes(&self, from: Ptr<u8>) -> Result<&[u8]> {
        let bytes = self.0.get(from.address() as usize..).unwrap_or(&[]);
        match bytes.iter().position(|&byte| byte == 0) {
            Some(end) => Ok(&bytes[..end]),
            None => anyhow::bail!("the text at {from:?} does not end within the module's memory"),
        }
    }

    /// The text from an address to the next zero.
    ///
    /// # Errors
    ///
    /// If there is no zero behind it, or it is no UTF-8.
    pub fn c_text(&self, from: Ptr<u8>) -> Result<&str> {
        Ok(std::str::from_utf8(self.c_bytes(from)?)?)
    }

    /// The value at an address. Alignment is not asked for.
    ///
    /// # Errors
    ///
    /// If it exceeds the memory.
    pub fn read<T: GuestValue>(&self, from: Ptr<T>) -> Result<T> {
        let range = self.range(from.address(), T::SIZE as u64)?;
        Ok(T::read(&self.0[range]))
    }

    /// Writes a value to an address.
    ///
    /// # Errors
    ///
    /// If it exceeds the memory; nothing is written then.
    pub fn write<T: GuestValue>(&mut self, to: Ptr<T>, value: &T) -> Result<()> {
        let range = self.range(to.address(), T::SIZE as u64)?;
        value.write(&mut self.0[range]);
        Ok(())
    }

    /// Copies as many values from an address as there is room for.
    ///
    /// # Errors
    ///
    /// If they exceed the memory; nothing is copied then.
    pub fn read_all<T: GuestValue>(&self, from: Ptr<T>, values: &mut [T]) -> Result<()> {
        let range = self.range(from.address(), size_of_all(values))?;
        T::read_all(&self.0[range], values);
        Ok(())
    }

    /// So many values from an address.
    ///
    /// # Errors
    ///
    /// If they exceed the memory.
    pub fn read_vec<T: GuestValue>(&self, from: Ptr<T>, length: u32) -> Result<Vec<T>> {
        let size = u64::from(length) * T::SIZE as u64;
        let bytes = &self.0[self.range(from.address(), size)?];
        Ok((0..length as usize)
            .map(|index| T::read(&bytes[index * T::SIZE..]))
            .collect())
    }

    /// Copies values to an address.
    ///
    /// # Errors
    ///
    /// If they exceed the memory; nothing is copied then.
    pub fn write_all<T: GuestValue>(&mut self, to: Ptr<T>, values: &[T]) -> Result<()> {
        let range = self.range(to.address(), size_of_all(values))?;
        T::write_all(values, &mut self.0[range]);
        Ok(())
    }

    fn range(&self, from: u32, size: u64) -> Result<Range<usize>> {
        let end = u64::from(from) + size;
        anyhow::ensure!(
            end <= self.0.len() as u64,
            "{size} bytes at {from:#x} exceed the module's memory of {} bytes",
            self.0.len()
        );
        Ok(from as usize..end as usize)
    }
}

/// The bytes that these values have in a module; a 64-bit number, as a struct without fields has
/// none and any number of them may come.
fn size_of_all<T: GuestValue>(values: &[T]) -> u64 {
    values.len() as u64 * T::SIZE as u64
}
