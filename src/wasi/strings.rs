//! Arguments and environment variables, in the layout that a guest reads.

use super::errno::Errno;
use super::memory::GuestMemory;
use crate::Result;

/// A list of strings, each terminated by a NUL.
pub(super) struct Strings {
    bytes: Vec<u8>,
    /// The offset at which each string starts.
    starts: Vec<u32>,
}

impl Strings {
    /// # Errors
    ///
    /// If a string contains a NUL, or all together have more than 4 GiB.
    pub(super) fn new(strings: Vec<Vec<u8>>) -> Result<Self> {
        let mut bytes = Vec::new();
        let mut starts = Vec::new();
        for string in strings {
            let text = String::from_utf8_lossy(&string);
            anyhow::ensure!(!string.contains(&0), "{text:?} contains a NUL");
            starts.push(u32::try_from(bytes.len())?);
            bytes.extend_from_slice(&string);
            bytes.push(0);
        }
        u32::try_from(bytes.len())?;
        Ok(Self { bytes, starts })
    }

    /// Writes the number of strings and their size in bytes to the guest's memory.
    pub(super) fn write_sizes(
        &self,
        memory: &mut GuestMemory<'_>,
        count: u32,
        size: u32,
    ) -> Result<(), Errno> {
        // Both numbers fit 32 bits: `new` has checked the larger one, the size.
        memory.write_u32(count, self.starts.len() as u32)?;
        memory.write_u32(size, self.bytes.len() as u32)
    }

    /// Writes the strings, and a pointer to each, to the guest's memory.
    pub(super) fn write(
        &self,
        memory: &mut GuestMemory<'_>,
        pointers: u32,
        buffer: u32,
    ) -> Result<(), Errno> {
        memory.range(pointers, self.starts.len() as u32, 4)?;
        memory.write(buffer, &self.bytes)?;
        for (i, start) in (0..).zip(&self.starts) {
            // The last string ends within the memory, so no pointer overflows.
            memory.write_u32(pointers + 4 * i, buffer + start)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_and_pointers_are_written() {
        let strings = Strings::new(vec![b"one".to_vec(), b"".to_vec(), b"two".to_vec()]).unwrap();
        let mut bytes = vec![0xff; 64];
        let mut memory = GuestMemory::new(&mut bytes);
        strings.write_sizes(&mut memory, 0, 4).unwrap();
        strings.write(&mut memory, 8, 32).unwrap();
        assert_eq!(strings.write(&mut memory, 60, 32), Err(Errno::Fault));
        assert_eq!(strings.write(&mut memory, 8, 60), Err(Errno::Fault));
        assert_eq!(bytes[..8], [3, 0, 0, 0, 9, 0, 0, 0]);
        assert_eq!(bytes[8..20], [32, 0, 0, 0, 36, 0, 0, 0, 37, 0, 0, 0]);
        assert_eq!(&bytes[32..42], b"one\0\0two\0\xff");
        assert!(Strings::new(vec![b"a\0b".to_vec()]).is_err());
    }
}
