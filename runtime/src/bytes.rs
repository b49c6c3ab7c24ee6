//! The bytes of a module while they arrive: what has arrived can be read, by any thread, while more
//! is written behind it.
//!
//! A module's bytes have one allocation of their final size from the start, so they are written
//! once and never moved or copied. They are private to the process: a mapping of the file would
//! change with it, and bodies that were validated could be others when they are compiled.

use std::marker::PhantomData;
use std::slice;
use std::sync::Arc;

use bytes::Bytes;

use crate::sys;

/// Bytes of a known length, zero until they are written.
#[derive(Debug)]
pub struct ArrivingBytes {
    bytes: Arc<[u8]>,
    arrived: usize,
}

/// Writes [`ArrivingBytes`] in order.
#[derive(Debug)]
pub struct BytesWriter<'a> {
    base: *mut u8,
    len: usize,
    arrived: &'a mut usize,
    _bytes: PhantomData<&'a mut [u8]>,
}

impl ArrivingBytes {
    /// Allocates `len` bytes. Large ones take memory only where they are written.
    pub fn new(len: usize) -> Self {
        // SAFETY: zeros are valid bytes.
        let mut bytes: Arc<[u8]> = unsafe { Arc::new_zeroed_slice(len).assume_init() };
        sys::prefer_huge_pages(Arc::get_mut(&mut bytes).expect("not shared yet"));
        Self { bytes, arrived: 0 }
    }

    /// A writer that goes on where the last one stopped.
    pub fn writer(&mut self) -> BytesWriter<'_> {
        let bytes = Arc::get_mut(&mut self.bytes).expect("bytes are shared only by `finish`");
        BytesWriter {
            base: bytes.as_mut_ptr(),
            len: bytes.len(),
            arrived: &mut self.arrived,
            _bytes: PhantomData,
        }
    }

    /// All bytes that have arrived. Copies them if there are fewer than the length promised.
    pub fn finish(self) -> Bytes {
        if self.arrived == self.bytes.len() {
            Bytes::from_owner(self.bytes)
        } else {
            Bytes::copy_from_slice(&self.bytes[..self.arrived])
        }
    }
}

impl<'a> BytesWriter<'a> {
    /// Lets `write` write to the bytes that have not arrived, at most `limit` of them, and say how
    /// many it has written, from the first on. Returns that number; 0 if all have arrived.
    ///
    /// # Errors
    ///
    /// The error of `write`: nothing has arrived then.
    ///
    /// # Panics
    ///
    /// If `write` returns more than it could have written.
    pub fn write<E>(
        &mut self,
        limit: usize,
        write: impl FnOnce(&mut [u8]) -> Result<usize, E>,
    ) -> Result<usize, E> {
        let space = limit.min(self.len - *self.arrived);
        // SAFETY: `writer` borrows all bytes for this writer's lifetime, these lie in them and are
        // initialized, and the slices that `arrived` returns end before them.
        let rest = unsafe { slice::from_raw_parts_mut(self.base.add(*self.arrived), space) };
        let written = write(rest)?;
        assert!(written <= space, "{written} of {space} bytes written");
        *self.arrived += written;
        Ok(written)
    }

    /// The bytes that have arrived until now.
    pub fn arrived(&self) -> &'a [u8] {
        // SAFETY: `writer` borrows all bytes for 'a, and this writer, the only one, writes only
        // behind these from now on: their number never decreases.
        unsafe { slice::from_raw_parts(self.base, *self.arrived) }
    }

    /// Whether all bytes have arrived.
    pub fn is_complete(&self) -> bool {
        *self.arrived == self.len
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_arrived_is_read_while_more_is_written() {
        let mut bytes = ArrivingBytes::new(5);
        let mut writer = bytes.writer();
        let write = |writer: &mut BytesWriter<'_>, limit, data: &[u8]| {
            writer.write(limit, |rest| {
                let n = rest.len().min(data.len());
                rest[..n].copy_from_slice(&data[..n]);
                Ok::<_, ()>(n)
            })
        };
        assert_eq!(write(&mut writer, 2, b"abcdef"), Ok(2));
        let first = writer.arrived();
        assert_eq!(write(&mut writer, 9, b"cdefgh"), Ok(3));
        assert_eq!((first, writer.arrived()), (&b"ab"[..], &b"abcde"[..]));
        assert!(writer.is_complete());
        assert_eq!(write(&mut writer, 9, b"x"), Ok(0));
        assert_eq!(*bytes.finish(), *b"abcde");
    }

    #[test]
    fn a_source_that_ends_early_leaves_what_it_gave() {
        let mut bytes = ArrivingBytes::new(5);
        let mut writer = bytes.writer();
        assert_eq!(writer.write(5, |_| Err("broken")), Err("broken"));
        let written = writer.write(5, |rest| {
            rest[..2].copy_from_slice(b"ab");
            Ok::<_, ()>(2)
        });
        assert_eq!((written, writer.is_complete()), (Ok(2), false));
        assert_eq!(*bytes.finish(), *b"ab");
    }
}
