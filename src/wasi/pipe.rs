//! Streams that connect a guest to the embedder's readers and writers.

use std::fmt;
use std::io::{self, Cursor, IoSlice, IoSliceMut, Read, Write};
use std::sync::{Arc, PoisonError, RwLock};

use super::errno::Errno;
use super::file::{Access, WasiFile};

/// A file from which a guest reads what an embedder's reader yields. Clones share the reader.
///
/// ```
/// use upshift::wasi::{WasiCtxBuilder, pipe::ReadPipe};
///
/// let mut builder = WasiCtxBuilder::new();
/// builder.stdin(ReadPipe::from("two\nlines\n"));
/// ```
pub struct ReadPipe<R> {
    reader: Arc<RwLock<R>>,
}

impl<R: Read> ReadPipe<R> {
    /// Creates a pipe from a reader. While the reader waits, the call can't be interrupted.
    pub fn new(reader: R) -> Self {
        Self::from_shared(Arc::new(RwLock::new(reader)))
    }

    /// Creates a pipe from a reader that the embedder goes on using.
    pub fn from_shared(reader: Arc<RwLock<R>>) -> Self {
        Self { reader }
    }

    /// Takes the reader out of the pipe.
    ///
    /// # Errors
    ///
    /// The pipe itself, if another clone of it exists.
    pub fn try_into_inner(self) -> Result<R, Self> {
        match Arc::try_unwrap(self.reader) {
            Ok(reader) => Ok(reader.into_inner().unwrap_or_else(PoisonError::into_inner)),
            Err(reader) => Err(Self { reader }),
        }
    }
}

impl<R> Clone for ReadPipe<R> {
    fn clone(&self) -> Self {
        Self {
            reader: Arc::clone(&self.reader),
        }
    }
}

impl<R> fmt::Debug for ReadPipe<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadPipe").finish_non_exhaustive()
    }
}

/// Implements conversions from a text or bytes to a pipe that yields them.
macro_rules! full_pipes {
    ($($source:ty => $bytes:ty),*) => {$(
        impl From<$source> for ReadPipe<Cursor<$bytes>> {
            fn from(source: $source) -> Self {
                Self::new(Cursor::new(source.into()))
            }
        }
    )*};
}
full_pipes!(Vec<u8> => Vec<u8>, &[u8] => Vec<u8>, String => String, &str => String);

impl<R: Read + Send + Sync + 'static> WasiFile for ReadPipe<R> {
    fn access(&self) -> Access {
        Access::Read
    }

    fn read(&mut self, buffers: &mut [IoSliceMut<'_>]) -> Result<usize, Errno> {
        let mut reader = self.reader.write().unwrap_or_else(PoisonError::into_inner);
        Ok(retry(|| reader.read_vectored(buffers))?)
    }
}

/// A file whose writes go to an embedder's writer. Clones share the writer.
///
/// ```
/// # fn main() -> upshift::Result<()> {
/// use upshift::wasi::{WasiCtxBuilder, pipe::WritePipe};
///
/// let stdout = WritePipe::new_in_memory();
/// let ctx = WasiCtxBuilder::new().stdout(stdout.clone()).build()?;
/// // ... run the guest, drop its store ...
/// drop(ctx);
/// let printed = stdout.try_into_inner().expect("the only clone").into_inner();
/// assert!(printed.is_empty());
/// # Ok(())
/// # }
/// ```
pub struct WritePipe<W> {
    writer: Arc<RwLock<W>>,
}

impl<W: Write> WritePipe<W> {
    /// Creates a pipe into a writer. What the guest writes is flushed at once.
    pub fn new(writer: W) -> Self {
        Self::from_shared(Arc::new(RwLock::new(writer)))
    }

    /// Creates a pipe into a writer that the embedder goes on using.
    pub fn from_shared(writer: Arc<RwLock<W>>) -> Self {
        Self { writer }
    }

    /// Takes the writer out of the pipe.
    ///
    /// # Errors
    ///
    /// The pipe itself, if another clone of it exists.
    pub fn try_into_inner(self) -> Result<W, Self> {
        match Arc::try_unwrap(self.writer) {
            Ok(writer) => Ok(writer.into_inner().unwrap_or_else(PoisonError::into_inner)),
            Err(writer) => Err(Self { writer }),
        }
    }
}

impl WritePipe<Cursor<Vec<u8>>> {
    /// Creates a pipe into memory, without a limit.
    pub fn new_in_memory() -> Self {
        Self::new(Cursor::new(Vec::new()))
    }
}

impl<W> Clone for WritePipe<W> {
    fn clone(&self) -> Self {
        Self {
            writer: Arc::clone(&self.writer),
        }
    }
}

impl<W> fmt::Debug for WritePipe<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WritePipe").finish_non_exhaustive()
    }
}

impl<W: Write + Send + Sync + 'static> WasiFile for WritePipe<W> {
    fn access(&self) -> Access {
        Access::Write
    }

    fn write(&mut self, buffers: &[IoSlice<'_>]) -> Result<usize, Errno> {
        let mut writer = self.writer.write().unwrap_or_else(PoisonError::into_inner);
        let count = retry(|| writer.write_vectored(buffers))?;
        retry(|| writer.flush())?;
        Ok(count)
    }
}

/// Repeats an operation that a signal interrupted: the guest is not told of signals.
fn retry<T>(mut operation: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match operation() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_can_be_taken_out() {
        let pipe = WritePipe::new_in_memory();
        let mut shared = pipe.clone();
        let buffers = [IoSlice::new(b"two "), IoSlice::new(b"parts")];
        assert_eq!(shared.write(&buffers), Ok(9));
        let pipe = pipe.try_into_inner().unwrap_err();
        drop(shared);
        assert_eq!(pipe.try_into_inner().unwrap().into_inner(), b"two parts");
    }

    #[test]
    fn reading_ends() {
        let mut pipe = ReadPipe::from("abc");
        let mut bytes = [0; 2];
        let mut read = || pipe.read(&mut [IoSliceMut::new(&mut bytes)]);
        assert_eq!((read(), read(), read()), (Ok(2), Ok(1), Ok(0)));
    }
}
