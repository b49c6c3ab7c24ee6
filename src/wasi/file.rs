//! [`WasiFile`]: what a guest's descriptor can refer to, other than directories.

use std::io::{IoSlice, IoSliceMut, SeekFrom};
use std::os::fd::BorrowedFd;

use super::abi::{FdFlags, FileStat, FileType, ReceiveFlags, ShutdownFlags};
use super::errno::Errno;

/// A file that the embedder implements: a stream, a device, anything that a guest can read or
/// write.
///
/// Every method has a default, which is right for a file without the ability; a file that can only
/// be written implements [`write`](Self::write) and [`access`](Self::access).
///
/// # Waiting
///
/// [`read`](Self::read) and [`write`](Self::write) should not wait. A file that has nothing to read
/// yet returns [`Errno::Again`]; unless its flags have [`FdFlags::NONBLOCK`], the call then waits
/// until [`pollable`](Self::pollable) is ready, or calls [`ready`](Self::ready) every millisecond,
/// and tries again. While it waits, the store can be interrupted; while a method waits by itself,
/// it can't.
///
/// ```
/// use std::io::IoSlice;
/// use upshift::wasi::{Access, Errno, WasiCtxBuilder, WasiFile};
///
/// /// Counts the bytes that are written to it.
/// struct Counter(std::sync::mpsc::Sender<usize>);
///
/// impl WasiFile for Counter {
///     fn access(&self) -> Access {
///         Access::Write
///     }
///
///     fn write(&mut self, buffers: &[IoSlice<'_>]) -> Result<usize, Errno> {
///         let count = buffers.iter().map(|buffer| buffer.len()).sum();
///         self.0.send(count).map_err(|_| Errno::Pipe)?;
///         Ok(count)
///     }
/// }
///
/// let (sender, receiver) = std::sync::mpsc::channel();
/// let ctx = WasiCtxBuilder::new().stdout(Counter(sender)).build();
/// ```
#[allow(
    unused_variables,
    reason = "the defaults' parameters have names for the documentation"
)]
pub trait WasiFile: Send + 'static {
    /// The type of the file, by which the guest's `isatty` recognizes a terminal.
    fn file_type(&self) -> FileType {
        FileType::Unknown
    }

    /// Whether the file can be read, written, or both.
    fn access(&self) -> Access {
        Access::ReadWrite
    }

    /// Whether the file has a position that [`seek`](Self::seek) moves.
    fn seekable(&self) -> bool {
        false
    }

    /// The file's flags.
    fn flags(&self) -> FdFlags {
        FdFlags::empty()
    }

    /// Sets the flags `APPEND` and `NONBLOCK`; the others can't be changed and are not passed.
    fn set_flags(&mut self, flags: FdFlags) -> Result<(), Errno> {
        if flags == self.flags() {
            Ok(())
        } else {
            Err(Errno::Notsup)
        }
    }

    /// Reads into the buffers, in their order, and returns the number of bytes; 0 is the end.
    fn read(&mut self, buffers: &mut [IoSliceMut<'_>]) -> Result<usize, Errno> {
        Err(Errno::Badf)
    }

    /// Writes the buffers, in their order, and returns the number of bytes. If that is less than
    /// all, and the file has no `NONBLOCK`, it is called again with the rest.
    fn write(&mut self, buffers: &[IoSlice<'_>]) -> Result<usize, Errno> {
        Err(Errno::Badf)
    }

    /// Reads at an offset; the position does not change.
    fn read_at(&mut self, buffers: &mut [IoSliceMut<'_>], offset: u64) -> Result<usize, Errno> {
        Err(Errno::Spipe)
    }

    /// Writes at an offset; the position does not change.
    fn write_at(&mut self, buffers: &[IoSlice<'_>], offset: u64) -> Result<usize, Errno> {
        Err(Errno::Spipe)
    }

    /// Moves the position and returns the new one.
    fn seek(&mut self, to: SeekFrom) -> Result<u64, Errno> {
        Err(Errno::Spipe)
    }

    /// The file's metadata.
    fn stat(&self) -> Result<FileStat, Errno> {
        Ok(FileStat {
            file_type: self.file_type(),
            ..FileStat::default()
        })
    }

    /// Truncates the file, or extends it with zeros.
    fn set_size(&mut self, size: u64) -> Result<(), Errno> {
        Err(Errno::Inval)
    }

    /// Sets the times of the last access and of the last modification.
    fn set_times(&mut self, accessed: SetTime, modified: SetTime) -> Result<(), Errno> {
        Err(Errno::Notsup)
    }

    /// Reserves space for a range of the file.
    fn allocate(&mut self, offset: u64, len: u64) -> Result<(), Errno> {
        Err(Errno::Notsup)
    }

    /// Tells the file how a range is going to be used; changes no result.
    fn advise(&mut self, offset: u64, len: u64, advice: Advice) -> Result<(), Errno> {
        Err(Errno::Spipe)
    }

    /// Blocks until the device has stored what was written.
    fn sync(&mut self, what: Synchronize) -> Result<(), Errno> {
        Ok(())
    }

    /// Whether a read or a write would return at once, be it with an error. Not called for a file
    /// that has a [`pollable`](Self::pollable) descriptor.
    fn ready(&self, interest: Interest) -> Readiness {
        Readiness::Ready { bytes: 0 }
    }

    /// A descriptor of the system that becomes ready when the file does.
    fn pollable(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    /// Accepts a connection.
    fn accept(&mut self, flags: FdFlags) -> Result<Box<dyn WasiFile>, Errno> {
        Err(Errno::Notsock)
    }

    /// Receives from a socket; returns the count, and whether a datagram was cut.
    fn receive(
        &mut self,
        buffers: &mut [IoSliceMut<'_>],
        flags: ReceiveFlags,
    ) -> Result<(usize, Cut), Errno> {
        Err(Errno::Notsock)
    }

    /// Sends over a socket; returns the number of bytes.
    fn send(&mut self, buffers: &[IoSlice<'_>]) -> Result<usize, Errno> {
        Err(Errno::Notsock)
    }

    /// Shuts down directions of a socket.
    fn shutdown(&mut self, how: ShutdownFlags) -> Result<(), Errno> {
        Err(Errno::Notsock)
    }
}

/// Which of reading and writing a guest can do with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// The guest can read.
    Read,
    /// The guest can write.
    Write,
    /// The guest can do both.
    ReadWrite,
    /// The guest can do neither; size, times and the like remain.
    Neither,
}

impl Access {
    /// The access of a guest that can read, write, both or neither.
    pub(crate) fn from_rights(reads: bool, writes: bool) -> Self {
        match (reads, writes) {
            (true, true) => Access::ReadWrite,
            (true, false) => Access::Read,
            (false, true) => Access::Write,
            (false, false) => Access::Neither,
        }
    }

    /// Whether the guest can read.
    pub fn reads(self) -> bool {
        matches!(self, Access::Read | Access::ReadWrite)
    }

    /// Whether the guest can write.
    pub fn writes(self) -> bool {
        matches!(self, Access::Write | Access::ReadWrite)
    }
}

/// The condition that a guest waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// There is something to read, or the end.
    Read,
    /// There is room to write.
    Write,
}

/// Whether an operation on a file would return at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// The operation would return at once, having transferred about this many bytes.
    Ready {
        /// The number of bytes; 0 if it is not known.
        bytes: u64,
    },
    /// The operation would return at once, because the other side is gone.
    HungUp,
    /// The operation would wait.
    Waiting,
}

/// The value that a time of a file is set to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetTime {
    /// The time is not changed.
    Keep,
    /// The present time.
    Now,
    /// This many nanoseconds since 1970.
    At(u64),
}

/// What the device must have stored when synchronizing returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Synchronize {
    /// The data, and what is needed to read it again.
    Data,
    /// Data and all metadata.
    All,
}

/// Whether a received datagram was longer than the buffers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// The datagram fit into the buffers, or the socket has no datagrams.
    Whole,
    /// The datagram was longer than the buffers; the rest is lost.
    Cut,
}

/// How a range of a file is going to be used: advice for the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Advice {
    /// Nothing is known about future uses.
    Normal,
    /// The range will be used in rising order.
    Sequential,
    /// The range will be used in no order.
    Random,
    /// The range will be used soon.
    WillNeed,
    /// The range will not be used soon.
    DontNeed,
    /// The range will be used once.
    NoReuse,
}

impl Advice {
    pub(crate) fn from_guest(advice: u32) -> Result<Self, Errno> {
        const ALL: [Advice; 6] = [
            Advice::Normal,
            Advice::Sequential,
            Advice::Random,
            Advice::WillNeed,
            Advice::DontNeed,
            Advice::NoReuse,
        ];
        ALL.get(advice as usize).copied().ok_or(Errno::Inval)
    }
}
