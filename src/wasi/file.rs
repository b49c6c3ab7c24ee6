//! What can stand behind a descriptor that is no directory.

use std::io::{IoSlice, IoSliceMut, SeekFrom};
use std::os::fd::BorrowedFd;

use super::abi::{FdFlags, FileStat, FileType, ReceiveFlags, ShutdownFlags};
use super::errno::Errno;

/// A file of the embedder's own: a stream, a device, anything that a guest can read or write.
///
/// Every method has a default, which is what a file without the ability says; a file that can only be
/// written implements [`write`](Self::write) and [`access`](Self::access).
///
/// # Waiting
///
/// [`read`](Self::read) and [`write`](Self::write) should not wait. A file that has nothing to read yet
/// returns [`Errno::Again`]; unless its flags have [`FdFlags::NONBLOCK`], the call then waits for
/// [`pollable`](Self::pollable), or asks [`ready`](Self::ready) every millisecond, and tries again.
/// While it waits, the store can be interrupted; while a method waits by itself, it can't.
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
    /// What it is; from it, the guest's `isatty` learns whether it talks to a terminal.
    fn file_type(&self) -> FileType {
        FileType::Unknown
    }

    /// Whether it can be read, written, or both.
    fn access(&self) -> Access {
        Access::ReadWrite
    }

    /// Whether it has a position that [`seek`](Self::seek) moves.
    fn seekable(&self) -> bool {
        false
    }

    /// Its flags.
    fn flags(&self) -> FdFlags {
        FdFlags::empty()
    }

    /// Sets `APPEND` and `NONBLOCK`; the others can't be changed and are not passed.
    fn set_flags(&mut self, flags: FdFlags) -> Result<(), Errno> {
        if flags == self.flags() {
            Ok(())
        } else {
            Err(Errno::Notsup)
        }
    }

    /// Reads into the buffers, in their order, and returns how many bytes; 0 is the end.
    fn read(&mut self, buffers: &mut [IoSliceMut<'_>]) -> Result<usize, Errno> {
        Err(Errno::Badf)
    }

    /// Writes the buffers, in their order, and returns how many bytes. If it is less than all, and the
    /// file has no `NONBLOCK`, it is called again with the rest.
    fn write(&mut self, buffers: &[IoSlice<'_>]) -> Result<usize, Errno> {
        Err(Errno::Badf)
    }

    /// Reads at an offset; the position stays.
    fn read_at(&mut self, buffers: &mut [IoSliceMut<'_>], offset: u64) -> Result<usize, Errno> {
        Err(Errno::Spipe)
    }

    /// Writes at an offset; the position stays.
    fn write_at(&mut self, buffers: &[IoSlice<'_>], offset: u64) -> Result<usize, Errno> {
        Err(Errno::Spipe)
    }

    /// Moves the position and returns it.
    fn seek(&mut self, to: SeekFrom) -> Result<u64, Errno> {
        Err(Errno::Spipe)
    }

    /// What is known of the file.
    fn stat(&self) -> Result<FileStat, Errno> {
        Ok(FileStat {
            file_type: self.file_type(),
            ..FileStat::default()
        })
    }

    /// Cuts the file, or extends it with zeros.
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

    /// Says how a range is going to be used; changes no result.
    fn advise(&mut self, offset: u64, len: u64, advice: Advice) -> Result<(), Errno> {
        Err(Errno::Spipe)
    }

    /// Returns when what was written has reached the device.
    fn sync(&mut self, what: Synchronize) -> Result<(), Errno> {
        Ok(())
    }

    /// Whether a read or a write would return at once, be it with an error. Not asked of a file that has
    /// a [`pollable`](Self::pollable) descriptor.
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

    /// Sends over a socket.
    fn send(&mut self, buffers: &[IoSlice<'_>]) -> Result<usize, Errno> {
        Err(Errno::Notsock)
    }

    /// Shuts directions of a socket down.
    fn shutdown(&mut self, how: ShutdownFlags) -> Result<(), Errno> {
        Err(Errno::Notsock)
    }
}

/// Which ways data can go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// The guest can read.
    Read,
    /// The guest can write.
    Write,
    /// The guest can do both.
    ReadWrite,
    /// The guest can do neither; what is left are size, times and the like.
    Neither,
}

impl Access {
    /// From whether the guest can read and whether it can write.
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

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// That there is something to read, or the end.
    Read,
    /// That there is room to write.
    Write,
}

/// Whether an operation would return at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// It would; about so many bytes could be transferred.
    Ready {
        /// The number of bytes; 0 if it is not known.
        bytes: u64,
    },
    /// It would, and the other side is gone.
    HungUp,
    /// It would wait.
    Waiting,
}

/// What a time is set to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetTime {
    /// It stays.
    Keep,
    /// The present.
    Now,
    /// Nanoseconds since 1970.
    At(u64),
}

/// What has to reach the device.
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
    /// It was not, or there are no datagrams.
    Whole,
    /// It was; the rest is lost.
    Cut,
}

/// How a range of a file is going to be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Advice {
    /// Nothing is known.
    Normal,
    /// In rising order.
    Sequential,
    /// In no order.
    Random,
    /// Soon.
    WillNeed,
    /// Not soon.
    DontNeed,
    /// Once.
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
