//! Files of the system: opened by the guest, inherited from this process, or given by the embedder.

use std::io::{self, IoSlice, IoSliceMut, SeekFrom, Write as _};
use std::num::NonZeroU64;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::OnceLock;

use rustix::event::{PollFd, Timespec, poll};
use rustix::fs::{OFlags, Timespec as FileTime, Timestamps, UTIME_NOW, UTIME_OMIT};
use rustix::io::{Errno as Host, ReadWriteFlags};

use super::abi::{FdFlags, FileStat, FileType, ReceiveFlags, ShutdownFlags};
use super::errno::Errno;
use super::file::{Access, Advice, Cut, Interest, SetTime, Synchronize, WasiFile};
use super::socket;

/// A file, device, pipe or socket of the system, as a [`WasiFile`].
///
/// Reads and writes go to the system directly, without a buffer in between.
#[derive(Debug)]
pub struct HostFile {
    fd: Descriptor,
    kind: Kind,
    sharing: Sharing,
    access: Access,
    flags: FdFlags,
    /// `APPEND` if a shared description is in that mode, which the guest must not end.
    fixed: FdFlags,
}

#[derive(Debug)]
enum Descriptor {
    Owned(OwnedFd),
    Stdin,
    Stdout,
    Stderr,
}

/// The kind of a file, as far as it matters for reading and writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A regular file: never waits.
    Regular,
    /// A terminal: waits, has no position.
    Terminal,
    /// Another device: may wait.
    Device(FileType),
    /// A device of the kernel's own, such as `/dev/null`: never waits.
    Instant,
    /// A pipe, or something else without a position.
    Pipe,
    /// A socket, of this type.
    Socket(FileType),
}

/// Whether other users have the same open file description.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sharing {
    /// The description was opened for the guest, with `O_NONBLOCK`: an operation that would wait
    /// fails with `EAGAIN`.
    Own,
    /// Others use the description too, so its flags must stay as they are; each operation is
    /// preceded by a poll.
    Shared,
}

/// How many bytes can be written without waiting to a pipe that has any room.
const PIPE_ROOM: usize = 4096;

/// The most bytes that one system call transfers. A system call that copies to a file or a device
/// can't be interrupted, so it must be short; longer transfers take several calls.
const ROUND: usize = 4 << 20;

impl HostFile {
    /// Creates a file from a descriptor that the embedder opened. The guest can do what the
    /// descriptor allows.
    ///
    /// # Errors
    ///
    /// If the descriptor is a directory, or the system refuses to say what it is.
    pub fn new(fd: impl Into<OwnedFd>) -> io::Result<Self> {
        let fd = fd.into();
        let access = access_of(fd.as_fd())?;
        let kind = kind_of(fd.as_fd())?;
        if kind == Kind::Device(FileType::Directory) {
            return Err(Host::ISDIR.into());
        }
        let fd = Descriptor::Owned(fd);
        Ok(Self::from_parts(fd, kind, Sharing::Shared, access))
    }

    /// This process's standard input.
    pub fn stdin() -> Self {
        Self::stream(Descriptor::Stdin, Access::Read)
    }

    /// This process's standard output. What Rust's own `stdout` has buffered is written first.
    pub fn stdout() -> Self {
        Self::stream(Descriptor::Stdout, Access::Write)
    }

    /// This process's standard error.
    pub fn stderr() -> Self {
        Self::stream(Descriptor::Stderr, Access::Write)
    }

    /// Creates a stream of this process; if it is closed, each operation on it returns that error.
    fn stream(fd: Descriptor, access: Access) -> Self {
        let kind = kind_of(fd.as_fd()).unwrap_or(Kind::Pipe);
        Self::from_parts(fd, kind, Sharing::Shared, access)
    }

    /// Creates a file from a descriptor that was opened for the guest with `O_NONBLOCK`.
    pub(super) fn opened(fd: OwnedFd, access: Access, flags: FdFlags) -> Result<Self, Errno> {
        let kind = kind_of(fd.as_fd())?;
        let mut file = Self::from_parts(Descriptor::Owned(fd), kind, Sharing::Own, access);
        file.flags = flags;
        Ok(file)
    }

    fn from_parts(fd: Descriptor, kind: Kind, sharing: Sharing, access: Access) -> Self {
        let flags = match sharing {
            Sharing::Own => None,
            Sharing::Shared => rustix::fs::fcntl_getfl(fd.as_fd()).ok(),
        };
        let fixed = match flags.is_some_and(|flags| flags.contains(OFlags::APPEND)) {
            true => FdFlags::APPEND,
            false => FdFlags::empty(),
        };
        Self {
            fd,
            kind,
            sharing,
            access,
            flags: fixed,
            fixed,
        }
    }

    fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Returns `EAGAIN` if the operation would wait.
    fn would_not_wait(&self, interest: Interest) -> Result<(), Errno> {
        let asks = match (self.kind, self.sharing) {
            (Kind::Regular | Kind::Instant | Kind::Socket(_), _) => false,
            (_, Sharing::Shared) => true,
            // Without a writer, a non-blocking read of a pipe finds its end at once; a blocking one
            // has to wait for the first writer.
            (Kind::Pipe, Sharing::Own) => {
                interest == Interest::Read && !self.flags.contains(FdFlags::NONBLOCK)
            }
            (_, Sharing::Own) => false,
        };
        if !asks {
            return Ok(());
        }
        let events = super::wait::events(interest);
        let mut fds = [PollFd::from_borrowed_fd(self.fd(), events)];
        match poll(&mut fds, Some(&NOW)) {
            Ok(0) => Err(Errno::Again),
            // An operation on a descriptor that can't be polled returns the error itself.
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// Writes the part of the buffers that can be written without waiting in between.
    fn write_now(&self, buffers: &[IoSlice<'_>]) -> Result<usize, Errno> {
        let total: usize = buffers.iter().map(|buffer| buffer.len()).sum();
        let cut = self.sharing == Sharing::Shared
            && matches!(self.kind, Kind::Pipe | Kind::Terminal)
            && total > PIPE_ROOM;
        let first = buffers.iter().find(|buffer| !buffer.is_empty());
        let written = match first {
            Some(first) if cut => {
                let len = first.len().min(PIPE_ROOM);
                retry(|| rustix::io::write(self.fd(), &first[..len]))
            }
            _ if self.appends_alone() => retry(|| {
                // At the present position, which the flag moves to the end.
                rustix::io::pwritev2(self.fd(), buffers, u64::MAX, ReadWriteFlags::APPEND)
            }),
            _ => retry(|| rustix::io::writev(self.fd(), buffers)),
        };
        Ok(written?)
    }

    /// Whether the guest appends to a file whose description it shares with users that don't
    /// append.
    fn appends_alone(&self) -> bool {
        let appends = (self.flags - self.fixed).contains(FdFlags::APPEND);
        self.sharing == Sharing::Shared && self.kind == Kind::Regular && appends
    }

    /// The offset of the next write.
    fn write_position(&self) -> Result<u64, Errno> {
        if self.flags.contains(FdFlags::APPEND) {
            return Ok(self.stat()?.size);
        }
        Ok(rustix::fs::tell(self.fd())?)
    }

    /// Calls `write` with the part that fits below this process's limit of file sizes. Beyond it,
    /// the system would send `SIGXFSZ`, which ends the process.
    fn within_limit(
        &self,
        buffers: &[IoSlice<'_>],
        position: impl FnOnce() -> Result<u64, Errno>,
        write: impl FnOnce(&[IoSlice<'_>]) -> Result<usize, Errno>,
    ) -> Result<usize, Errno> {
        let limit = match size_limit() {
            Some(limit) if self.kind == Kind::Regular => limit,
            _ => return write(buffers),
        };
        let room = limit.saturating_sub(position()?);
        let room = usize::try_from(room).unwrap_or(usize::MAX);
        let Some(first) = buffers.iter().find(|buffer| !buffer.is_empty()) else {
            return write(buffers);
        };
        if room == 0 {
            return Err(Errno::Fbig);
        }
        if buffers.iter().map(|buffer| buffer.len()).sum::<usize>() <= room {
            return write(buffers);
        }
        write(&[IoSlice::new(&first[..first.len().min(room)])])
    }
}

impl AsFd for Descriptor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Descriptor::Owned(fd) => fd.as_fd(),
            Descriptor::Stdin => rustix::stdio::stdin(),
            Descriptor::Stdout => rustix::stdio::stdout(),
            Descriptor::Stderr => rustix::stdio::stderr(),
        }
    }
}

impl WasiFile for HostFile {
    fn file_type(&self) -> FileType {
        match self.kind {
            Kind::Regular => FileType::RegularFile,
            Kind::Terminal | Kind::Instant => FileType::CharacterDevice,
            Kind::Device(ty) | Kind::Socket(ty) => ty,
            Kind::Pipe => FileType::Unknown,
        }
    }

    fn access(&self) -> Access {
        self.access
    }

    /// Also true for devices that are not terminals, whatever seeking them means: guests recognize
    /// terminals by this.
    fn seekable(&self) -> bool {
        matches!(self.kind, Kind::Regular | Kind::Device(_) | Kind::Instant)
    }

    fn flags(&self) -> FdFlags {
        self.flags
    }

    fn set_flags(&mut self, flags: FdFlags) -> Result<(), Errno> {
        if self.sharing == Sharing::Own {
            let append = flags.contains(FdFlags::APPEND);
            let mut host = rustix::fs::fcntl_getfl(self.fd())?;
            host.set(OFlags::APPEND, append);
            rustix::fs::fcntl_setfl(self.fd(), host)?;
        }
        let changing = FdFlags::APPEND | FdFlags::NONBLOCK;
        self.flags = (self.flags - changing) | (flags & changing) | self.fixed;
        Ok(())
    }

    fn read(&mut self, buffers: &mut [IoSliceMut<'_>]) -> Result<usize, Errno> {
        if let Kind::Socket(_) = self.kind {
            let flags = ReceiveFlags::empty();
            return socket::receive(self.fd(), buffers, flags).map(|(count, _)| count);
        }
        self.would_not_wait(Interest::Read)?;
        with_round_mut(buffers, |buffers| {
            Ok(retry(|| rustix::io::readv(self.fd(), buffers))?)
        })
    }

    fn write(&mut self, buffers: &[IoSlice<'_>]) -> Result<usize, Errno> {
        if let Kind::Socket(_) = self.kind {
            return socket::send(self.fd(), buffers);
        }
        if let Descriptor::Stdout = self.fd {
            // What can't be written stays in Rust's buffer, whose owner will get the error.
            let _ = io::stdout().flush();
        }
        self.would_not_wait(Interest::Write)?;
        with_round(buffers, |buffers| {
            self.within_limit(buffers, || self.write_position(), |now| self.write_now(now))
        })
    }

    fn read_at(&mut self, buffers: &mut [IoSliceMut<'_>], offset: u64) -> Result<usize, Errno> {
        with_round_mut(buffers, |buffers| {
            Ok(retry(|| rustix::io::preadv(self.fd(), buffers, offset))?)
        })
    }

    fn write_at(&mut self, buffers: &[IoSlice<'_>], offset: u64) -> Result<usize, Errno> {
        let write =
            |now: &[IoSlice<'_>]| Ok(retry(|| rustix::io::pwritev(self.fd(), now, offset))?);
        // Linux appends in spite of the offset if the file is in that mode.
        let position = || match self.flags.contains(FdFlags::APPEND) {
            true => self.write_position(),
            false => Ok(offset),
        };
        with_round(buffers, |buffers| {
            self.within_limit(buffers, position, write)
        })
    }

    fn seek(&mut self, to: SeekFrom) -> Result<u64, Errno> {
        let to = match to {
            SeekFrom::Start(offset) => rustix::fs::SeekFrom::Start(offset),
            SeekFrom::Current(delta) => rustix::fs::SeekFrom::Current(delta),
            SeekFrom::End(delta) => rustix::fs::SeekFrom::End(delta),
        };
        Ok(rustix::fs::seek(self.fd(), to)?)
    }

    fn stat(&self) -> Result<FileStat, Errno> {
        let stat = FileStat::from(rustix::fs::fstat(self.fd())?);
        let file_type = match self.kind {
            Kind::Socket(ty) => ty,
            _ => stat.file_type,
        };
        Ok(FileStat { file_type, ..stat })
    }

    fn set_size(&mut self, size: u64) -> Result<(), Errno> {
        if size_limit().is_some_and(|limit| size > limit) {
            return Err(Errno::Fbig);
        }
        let size = i64::try_from(size).map_err(|_| Errno::Inval)?;
        Ok(retry(|| {
            rustix::fs::ftruncate(self.fd(), size.unsigned_abs())
        })?)
    }

    fn set_times(&mut self, accessed: SetTime, modified: SetTime) -> Result<(), Errno> {
        Ok(rustix::fs::futimens(
            self.fd(),
            &timestamps(accessed, modified),
        )?)
    }

    fn advise(&mut self, offset: u64, len: u64, advice: Advice) -> Result<(), Errno> {
        use rustix::fs::Advice as Host;
        let advice = match advice {
            Advice::Normal => Host::Normal,
            Advice::Sequential => Host::Sequential,
            Advice::Random => Host::Random,
            Advice::WillNeed => Host::WillNeed,
            Advice::DontNeed => Host::DontNeed,
            Advice::NoReuse => Host::NoReuse,
        };
        Ok(rustix::fs::fadvise(
            self.fd(),
            offset,
            NonZeroU64::new(len),
            advice,
        )?)
    }

    fn sync(&mut self, what: Synchronize) -> Result<(), Errno> {
        Ok(retry(|| match what {
            Synchronize::Data => rustix::fs::fdatasync(self.fd()),
            Synchronize::All => rustix::fs::fsync(self.fd()),
        })?)
    }

    fn pollable(&self) -> Option<BorrowedFd<'_>> {
        Some(self.fd())
    }

    fn accept(&mut self, flags: FdFlags) -> Result<Box<dyn WasiFile>, Errno> {
        let fd = socket::accept(self.fd())?;
        Ok(Box::new(Self::opened(fd, Access::ReadWrite, flags)?))
    }

    fn receive(
        &mut self,
        buffers: &mut [IoSliceMut<'_>],
        flags: ReceiveFlags,
    ) -> Result<(usize, Cut), Errno> {
        socket::receive(self.fd(), buffers, flags)
    }

    fn send(&mut self, buffers: &[IoSlice<'_>]) -> Result<usize, Errno> {
        socket::send(self.fd(), buffers)
    }

    fn shutdown(&mut self, how: ShutdownFlags) -> Result<(), Errno> {
        socket::shutdown(self.fd(), how)
    }
}

/// Calls `f` with the first [`ROUND`] bytes of the buffers.
fn with_round<R>(buffers: &[IoSlice<'_>], f: impl FnOnce(&[IoSlice<'_>]) -> R) -> R {
    let total: usize = buffers.iter().map(|buffer| buffer.len()).sum();
    if total <= ROUND {
        return f(buffers);
    }
    let mut room = ROUND;
    let mut first = Vec::new();
    for buffer in buffers {
        let len = buffer.len().min(room);
        first.push(IoSlice::new(&buffer[..len]));
        room -= len;
        if room == 0 {
            break;
        }
    }
    f(&first)
}

/// Calls `f` with the first [`ROUND`] bytes of the buffers, to be written to.
fn with_round_mut<R>(
    buffers: &mut [IoSliceMut<'_>],
    f: impl FnOnce(&mut [IoSliceMut<'_>]) -> R,
) -> R {
    let total: usize = buffers.iter().map(|buffer| buffer.len()).sum();
    if total <= ROUND {
        return f(buffers);
    }
    let mut room = ROUND;
    let mut first = Vec::new();
    for buffer in buffers {
        let len = buffer.len().min(room);
        first.push(IoSliceMut::new(&mut buffer[..len]));
        room -= len;
        if room == 0 {
            break;
        }
    }
    f(&mut first)
}

const NOW: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 0,
};

fn access_of(fd: BorrowedFd<'_>) -> io::Result<Access> {
    let flags = rustix::fs::fcntl_getfl(fd)?;
    Ok(match flags & OFlags::RWMODE {
        OFlags::RDONLY => Access::Read,
        OFlags::WRONLY => Access::Write,
        _ => Access::ReadWrite,
    })
}

fn kind_of(fd: BorrowedFd<'_>) -> io::Result<Kind> {
    // Major number of the memory devices, and minor numbers of those that never wait: null, zero,
    // full, urandom.
    const INSTANT: (u32, [u32; 4]) = (1, [3, 5, 7, 9]);
    let stat = rustix::fs::fstat(fd)?;
    let device = stat.st_rdev;
    let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
    let instant = major == INSTANT.0 && INSTANT.1.contains(&minor);
    let ty = FileType::from(rustix::fs::FileType::from_raw_mode(stat.st_mode));
    Ok(match ty {
        FileType::RegularFile => Kind::Regular,
        FileType::CharacterDevice if instant => Kind::Instant,
        FileType::CharacterDevice if rustix::termios::isatty(fd) => Kind::Terminal,
        FileType::CharacterDevice | FileType::BlockDevice | FileType::Directory => Kind::Device(ty),
        FileType::SocketStream | FileType::SocketDgram => Kind::Socket(socket::file_type(fd)),
        FileType::Unknown | FileType::SymbolicLink => Kind::Pipe,
    })
}

/// Converts times to the system's.
pub(super) fn timestamps(accessed: SetTime, modified: SetTime) -> Timestamps {
    let special = |tv_nsec| FileTime { tv_sec: 0, tv_nsec };
    let time = |time| match time {
        SetTime::Keep => special(UTIME_OMIT),
        SetTime::Now => special(UTIME_NOW),
        SetTime::At(time) => FileTime {
            tv_sec: (time / 1_000_000_000).cast_signed(),
            tv_nsec: (time % 1_000_000_000).cast_signed(),
        },
    };
    Timestamps {
        last_access: time(accessed),
        last_modification: time(modified),
    }
}

/// The largest file that this process may write, if there is a limit. Read once: in a program that
/// lowers its own limit later, exceeding it raises a signal.
fn size_limit() -> Option<u64> {
    static LIMIT: OnceLock<Option<u64>> = OnceLock::new();
    *LIMIT.get_or_init(|| rustix::process::getrlimit(rustix::process::Resource::Fsize).current)
}

/// Repeats an operation that a signal interrupted: the guest is not told of signals, and long waits
/// happen elsewhere.
pub(super) fn retry<T>(mut operation: impl FnMut() -> Result<T, Host>) -> Result<T, Host> {
    loop {
        match operation() {
            Err(Host::INTR) => {}
            result => return result,
        }
    }
}
