//! Numbers and layouts of preview 1 and of its predecessor, preview 0.

use bitflags::bitflags;

use super::errno::Errno;

/// The version of WASI, with its layouts, that a module was compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Preview {
    /// `wasi_unstable`, which old toolchains emit: some structs differ.
    Zero,
    /// `wasi_snapshot_preview1`.
    One,
}

bitflags! {
    /// The operations that a descriptor allows: preview 1's `rights`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) struct Rights: u64 {
        const FD_DATASYNC = 1;
        const FD_READ = 1 << 1;
        const FD_SEEK = 1 << 2;
        const FD_FDSTAT_SET_FLAGS = 1 << 3;
        const FD_SYNC = 1 << 4;
        const FD_TELL = 1 << 5;
        const FD_WRITE = 1 << 6;
        const FD_ADVISE = 1 << 7;
        const FD_ALLOCATE = 1 << 8;
        const PATH_CREATE_DIRECTORY = 1 << 9;
        const PATH_CREATE_FILE = 1 << 10;
        const PATH_LINK_SOURCE = 1 << 11;
        const PATH_LINK_TARGET = 1 << 12;
        const PATH_OPEN = 1 << 13;
        const FD_READDIR = 1 << 14;
        const PATH_READLINK = 1 << 15;
        const PATH_RENAME_SOURCE = 1 << 16;
        const PATH_RENAME_TARGET = 1 << 17;
        const PATH_FILESTAT_GET = 1 << 18;
        const PATH_FILESTAT_SET_SIZE = 1 << 19;
        const PATH_FILESTAT_SET_TIMES = 1 << 20;
        const FD_FILESTAT_GET = 1 << 21;
        const FD_FILESTAT_SET_SIZE = 1 << 22;
        const FD_FILESTAT_SET_TIMES = 1 << 23;
        const PATH_SYMLINK = 1 << 24;
        const PATH_REMOVE_DIRECTORY = 1 << 25;
        const PATH_UNLINK_FILE = 1 << 26;
        const POLL_FD_READWRITE = 1 << 27;
        const SOCK_SHUTDOWN = 1 << 28;
        const SOCK_ACCEPT = 1 << 29;

        /// The rights that are meaningful for files, except for seeking, reading and writing.
        const FILE = Self::FD_DATASYNC.bits() | Self::FD_FDSTAT_SET_FLAGS.bits()
            | Self::FD_SYNC.bits() | Self::FD_ADVISE.bits() | Self::FD_ALLOCATE.bits()
            | Self::FD_FILESTAT_GET.bits() | Self::FD_FILESTAT_SET_SIZE.bits()
            | Self::FD_FILESTAT_SET_TIMES.bits() | Self::POLL_FD_READWRITE.bits();
        /// The rights that are meaningful for files with a position.
        const POSITION = Self::FD_SEEK.bits() | Self::FD_TELL.bits();
        /// The rights that are meaningful for sockets only.
        const SOCKET = Self::SOCK_SHUTDOWN.bits() | Self::SOCK_ACCEPT.bits();
        /// The rights that are meaningful for directories.
        const DIRECTORY = Self::PATH_CREATE_DIRECTORY.bits() | Self::PATH_CREATE_FILE.bits()
            | Self::PATH_LINK_SOURCE.bits() | Self::PATH_LINK_TARGET.bits()
            | Self::PATH_OPEN.bits() | Self::FD_READDIR.bits() | Self::PATH_READLINK.bits()
            | Self::PATH_RENAME_SOURCE.bits() | Self::PATH_RENAME_TARGET.bits()
            | Self::PATH_FILESTAT_GET.bits() | Self::PATH_FILESTAT_SET_SIZE.bits()
            | Self::PATH_FILESTAT_SET_TIMES.bits() | Self::FD_FILESTAT_GET.bits()
            | Self::FD_FILESTAT_SET_TIMES.bits() | Self::PATH_SYMLINK.bits()
            | Self::PATH_REMOVE_DIRECTORY.bits() | Self::PATH_UNLINK_FILE.bits()
            | Self::POLL_FD_READWRITE.bits();
    }
}

bitflags! {
    /// How a descriptor reads and writes: preview 1's `fdflags`.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct FdFlags: u16 {
        /// Data is written at the end of the file.
        const APPEND = 1;
        /// A write returns when the data has reached the device.
        const DSYNC = 1 << 1;
        /// An operation that would block fails with [`Errno::Again`].
        const NONBLOCK = 1 << 2;
        /// A read returns when what it read has reached the device.
        const RSYNC = 1 << 3;
        /// A write returns when data and metadata have reached the device.
        const SYNC = 1 << 4;
    }

    /// How `path_open` opens: preview 1's `oflags`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) struct OpenFlags: u16 {
        const CREAT = 1;
        const DIRECTORY = 1 << 1;
        const EXCL = 1 << 2;
        const TRUNC = 1 << 3;
    }

    /// How a path is resolved: preview 1's `lookupflags`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) struct LookupFlags: u32 {
        const SYMLINK_FOLLOW = 1;
    }

    /// Which times are set, and to what: preview 1's `fstflags`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) struct TimeFlags: u16 {
        const ATIM = 1;
        const ATIM_NOW = 1 << 1;
        const MTIM = 1 << 2;
        const MTIM_NOW = 1 << 3;
    }

    /// How a socket receives: preview 1's `riflags`.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct ReceiveFlags: u16 {
        /// The data stays in the queue.
        const PEEK = 1;
        /// On a stream: wait until the buffers are full.
        const WAITALL = 1 << 1;
    }

    /// Which directions of a socket are shut down: preview 1's `sdflags`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct ShutdownFlags: u8 {
        /// Receiving is shut down.
        const READ = 1;
        /// Sending is shut down.
        const WRITE = 1 << 1;
    }
}

/// Implements the conversion of flags that a guest passed: all bits must be known.
macro_rules! known_flags {
    ($($flags:ident: $bits:ty),*) => {$(
        impl $flags {
            /// # Errors
            ///
            /// [`Errno::Inval`] if a bit has no meaning.
            pub(crate) fn from_guest(bits: u32) -> Result<Self, Errno> {
                let bits = <$bits>::try_from(bits).ok();
                bits.and_then(Self::from_bits).ok_or(Errno::Inval)
            }
        }
    )*};
}
known_flags!(FdFlags: u16, OpenFlags: u16, LookupFlags: u32, TimeFlags: u16, ReceiveFlags: u16,
    ShutdownFlags: u8);

/// The type of a file: preview 1's `filetype`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum FileType {
    /// None of the others: a pipe, for example.
    #[default]
    Unknown = 0,
    /// A block device.
    BlockDevice = 1,
    /// A character device.
    CharacterDevice = 2,
    /// A directory.
    Directory = 3,
    /// A regular file.
    RegularFile = 4,
    /// A datagram socket.
    SocketDgram = 5,
    /// A byte-stream socket.
    SocketStream = 6,
    /// A symbolic link.
    SymbolicLink = 7,
}

impl FileType {
    /// Whether the file is a socket.
    pub fn is_socket(self) -> bool {
        matches!(self, FileType::SocketDgram | FileType::SocketStream)
    }
}

impl From<rustix::fs::FileType> for FileType {
    fn from(ty: rustix::fs::FileType) -> Self {
        use rustix::fs::FileType as Host;
        match ty {
            Host::RegularFile => FileType::RegularFile,
            Host::Directory => FileType::Directory,
            Host::Symlink => FileType::SymbolicLink,
            Host::CharacterDevice => FileType::CharacterDevice,
            Host::BlockDevice => FileType::BlockDevice,
            Host::Socket => FileType::SocketStream,
            Host::Fifo | Host::Unknown => FileType::Unknown,
        }
    }
}

/// The metadata of a file. Times are nanoseconds since 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FileStat {
    /// The number of the device that the file is on.
    pub device: u64,
    /// The file's number on the device.
    pub inode: u64,
    /// The type of the file.
    pub file_type: FileType,
    /// The number of the file's names.
    pub links: u64,
    /// The size in bytes; of a symbolic link, the length of its text.
    pub size: u64,
    /// When the file was last read.
    pub accessed: u64,
    /// When the file's data was last changed.
    pub modified: u64,
    /// When the file's metadata was last changed.
    pub changed: u64,
}

impl FileStat {
    /// The struct `filestat` for a guest.
    pub(crate) fn encode(&self, preview: Preview) -> Encoded {
        let mut out = Encoded::default();
        out.u64(0, self.device);
        out.u64(8, self.inode);
        out.u8(16, self.file_type as u8);
        // Preview 0 had 32 bits for the number of links.
        let size = match preview {
            Preview::One => {
                out.u64(24, self.links);
                32
            }
            Preview::Zero => {
                out.u32(20, u32::try_from(self.links).unwrap_or(u32::MAX));
                24
            }
        };
        for (i, value) in [self.size, self.accessed, self.modified, self.changed]
            .into_iter()
            .enumerate()
        {
            out.u64(size + 8 * i, value);
        }
        out
    }
}

impl From<rustix::fs::Stat> for FileStat {
    fn from(stat: rustix::fs::Stat) -> Self {
        Self {
            device: stat.st_dev,
            inode: stat.st_ino,
            file_type: rustix::fs::FileType::from_raw_mode(stat.st_mode).into(),
            #[allow(clippy::useless_conversion, reason = "32 bits on some processors")]
            links: u64::from(stat.st_nlink),
            size: u64::try_from(stat.st_size).unwrap_or(0),
            accessed: nanoseconds(stat.st_atime, stat.st_atime_nsec),
            modified: nanoseconds(stat.st_mtime, stat.st_mtime_nsec),
            changed: nanoseconds(stat.st_ctime, stat.st_ctime_nsec),
        }
    }
}

/// Converts a time to nanoseconds since 1970. A time that WASI can't express, before 1970 or after
/// 2554, becomes the nearest that it can.
fn nanoseconds(seconds: i64, nanoseconds: u64) -> u64 {
    let Ok(seconds) = u64::try_from(seconds) else {
        return 0;
    };
    seconds
        .saturating_mul(1_000_000_000)
        .saturating_add(nanoseconds)
}

/// A small struct in little-endian bytes, with fields at the specification's offsets.
pub(crate) struct Encoded {
    bytes: [u8; 64],
    len: usize,
}

impl Default for Encoded {
    fn default() -> Self {
        Self {
            bytes: [0; 64],
            len: 0,
        }
    }
}

impl Encoded {
    fn put<const N: usize>(&mut self, at: usize, value: [u8; N]) {
        self.bytes[at..at + N].copy_from_slice(&value);
        self.len = self.len.max(at + N);
    }

    pub(crate) fn u8(&mut self, at: usize, value: u8) {
        self.put(at, [value]);
    }

    pub(crate) fn u16(&mut self, at: usize, value: u16) {
        self.put(at, value.to_le_bytes());
    }

    pub(crate) fn u32(&mut self, at: usize, value: u32) {
        self.put(at, value.to_le_bytes());
    }

    pub(crate) fn u64(&mut self, at: usize, value: u64) {
        self.put(at, value.to_le_bytes());
    }

    /// The bytes up to the end of the last field.
    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// The clocks of WASI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockId {
    /// The real-time clock: nanoseconds since 1970, as the system's administrator sets them.
    Realtime,
    /// The monotonic clock: nanoseconds since some moment, never going back.
    Monotonic,
    /// The processor time of the process.
    ProcessCpuTime,
    /// The processor time of the thread.
    ThreadCpuTime,
}

impl ClockId {
    pub(crate) fn from_guest(id: u32) -> Result<Self, Errno> {
        match id {
            0 => Ok(ClockId::Realtime),
            1 => Ok(ClockId::Monotonic),
            2 => Ok(ClockId::ProcessCpuTime),
            3 => Ok(ClockId::ThreadCpuTime),
            _ => Err(Errno::Inval),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_that_wasi_lacks_become_the_nearest() {
        assert_eq!(nanoseconds(-1, 999_999_999), 0);
        assert_eq!(nanoseconds(i64::MIN, 0), 0);
        assert_eq!(nanoseconds(i64::MAX, 0), u64::MAX);
        assert_eq!(nanoseconds(2, 3), 2_000_000_003);
    }

    #[test]
    fn the_previews_differ_in_filestat() {
        let stat = FileStat {
            links: 7,
            size: 9,
            changed: 11,
            ..FileStat::default()
        };
        let one = stat.encode(Preview::One);
        assert_eq!((one.bytes[24], one.bytes[32], one.bytes[56]), (7, 9, 11));
        assert_eq!(one.as_slice().len(), 64);
        let zero = stat.encode(Preview::Zero);
        assert_eq!((zero.bytes[20], zero.bytes[24], zero.bytes[48]), (7, 9, 11));
        assert_eq!(zero.as_slice().len(), 56);
    }

    #[test]
    fn flags_without_meaning_are_refused() {
        assert_eq!(FdFlags::from_guest(0x1_0001), Err(Errno::Inval));
        assert_eq!(FdFlags::from_guest(32), Err(Errno::Inval));
        assert_eq!(
            FdFlags::from_guest(5),
            Ok(FdFlags::APPEND | FdFlags::NONBLOCK)
        );
    }
}
