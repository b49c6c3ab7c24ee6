//! Directories that a guest can access, and operations on names in them.
//!
//! No path leads out of its directory: `cap-std` opens paths with `openat2` where the system has
//! it, and step by step elsewhere. Operations on a name, such as removing it, open the name's
//! parent that way and then use the name alone, which follows no symbolic link.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use cap_fs_ext::{FollowSymlinks, OpenOptionsFollowExt as _};
use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt as _};
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno as Host;

use super::abi::{FdFlags, FileStat, LookupFlags, OpenFlags};
use super::errno::Errno;
use super::file::{Access, SetTime};
use super::host_file::timestamps;

type Result<T> = std::result::Result<T, Errno>;

/// What a guest may do in a directory and everything below.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DirAccess {
    /// The guest may do everything that this process may do.
    #[default]
    ReadWrite,
    /// The guest may change nothing, as on a file system that is mounted read-only.
    ReadOnly,
}

/// An open directory.
pub(crate) struct Directory {
    dir: Dir,
    preopened_as: Option<String>,
    access: DirAccess,
}

/// The parameters of `path_open`.
pub(crate) struct OpenRequest {
    pub(crate) lookup: LookupFlags,
    pub(crate) open: OpenFlags,
    pub(crate) flags: FdFlags,
    /// How the guest wants to access a file.
    pub(crate) access: Access,
}

/// The file or directory that a path led to.
pub(crate) enum Opened {
    File(OwnedFd),
    Directory(Directory),
}

/// The meaning of a slash at the end of a path.
#[derive(Clone, Copy, PartialEq, Eq)]
enum TrailingSlash {
    /// The name must be a directory's; the system checks it.
    OfName,
    /// The path means the directory itself, which must exist.
    IsDirectory,
}

/// The directory that contains the last name of a path.
enum Parent<'a> {
    Own(BorrowedFd<'a>),
    Opened(Dir),
}

impl AsFd for Parent<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Parent::Own(fd) => fd.as_fd(),
            Parent::Opened(dir) => dir.as_fd(),
        }
    }
}

impl Directory {
    /// Opens a directory of the host, which the guest knows by the name `guest`.
    pub(crate) fn preopen(host: &Path, guest: String, access: DirAccess) -> io::Result<Self> {
        let open = |flags| {
            let flags = flags | OFlags::DIRECTORY | OFlags::CLOEXEC;
            rustix::fs::open(host, flags, Mode::empty())
        };
        let fd = match open(OFlags::RDONLY) {
            // The directory can't be listed, but the guest may know names in it.
            Err(Host::ACCESS) => open(OFlags::PATH),
            result => result,
        };
        Ok(Self {
            dir: Dir::from_std_file(File::from(fd?)),
            preopened_as: Some(guest),
            access,
        })
    }

    /// The guest's name of a directory that was open from the start.
    pub(crate) fn preopened_as(&self) -> Option<&str> {
        self.preopened_as.as_deref()
    }

    pub(crate) fn access(&self) -> DirAccess {
        self.access
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }

    /// Returns an error if the directory is read-only.
    fn check_change(&self) -> Result<()> {
        match self.access {
            DirAccess::ReadWrite => Ok(()),
            DirAccess::ReadOnly => Err(Errno::Rofs),
        }
    }

    /// Opens a path, with `O_NONBLOCK`.
    pub(crate) fn open(&self, path: &[u8], request: &OpenRequest) -> Result<Opened> {
        if self.access == DirAccess::ReadOnly {
            return self.open_read_only(path, request);
        }
        self.open_unchecked(path, request)
    }

    /// Opens a path as on a file system that is mounted read-only: what exists and need not change
    /// can be opened.
    fn open_read_only(&self, path: &[u8], request: &OpenRequest) -> Result<Opened> {
        let changing = OpenFlags::CREAT | OpenFlags::EXCL | OpenFlags::TRUNC;
        let creates = request.open.contains(OpenFlags::CREAT);
        let reading = OpenRequest {
            open: request.open - changing,
            access: match request.access.reads() {
                true => Access::Read,
                false => Access::Neither,
            },
            ..*request
        };
        let opened = match self.open_unchecked(path, &reading) {
            Err(Errno::Noent) if creates => return Err(Errno::Rofs),
            result => result?,
        };
        if creates && request.open.contains(OpenFlags::EXCL) {
            return Err(Errno::Exist);
        }
        let writes = request.access.writes() || request.open.contains(OpenFlags::TRUNC);
        match opened {
            Opened::Directory(_) if writes || creates => Err(Errno::Isdir),
            Opened::File(_) if writes => Err(Errno::Rofs),
            opened => Ok(opened),
        }
    }

    fn open_unchecked(&self, path: &[u8], request: &OpenRequest) -> Result<Opened> {
        let truncates = request.open.contains(OpenFlags::TRUNC);
        let creates = request.open.contains(OpenFlags::CREAT);
        let exclusive = creates && request.open.contains(OpenFlags::EXCL);
        let writes = request.access.writes() || truncates;
        let mut flags = OFlags::NONBLOCK | OFlags::NOCTTY;
        flags.set(
            OFlags::DIRECTORY,
            request.open.contains(OpenFlags::DIRECTORY),
        );
        flags.set(OFlags::APPEND, request.flags.contains(FdFlags::APPEND));
        flags.set(OFlags::DSYNC, request.flags.contains(FdFlags::DSYNC));
        let mut options = OpenOptions::new();
        options
            .read(request.access.reads() || !writes)
            .write(writes)
            .truncate(truncates)
            .follow(follow(request.lookup));
        if writes {
            options.create(creates).create_new(exclusive);
        } else {
            // `OpenOptions` creates only files that are opened for writing, the system also others.
            flags.set(OFlags::CREATE, creates);
            flags.set(OFlags::EXCL, exclusive);
        }
        options.custom_flags(flags.bits().cast_signed());
        let file = self.dir.open_with(as_path(path), &options)?.into_std();
        self.opened(file)
    }

    fn opened(&self, file: File) -> Result<Opened> {
        let stat = rustix::fs::fstat(&file)?;
        if rustix::fs::FileType::from_raw_mode(stat.st_mode) != rustix::fs::FileType::Directory {
            return Ok(Opened::File(file.into()));
        }
        Ok(Opened::Directory(Self {
            dir: Dir::from_std_file(file),
            preopened_as: None,
            access: self.access,
        }))
    }

    /// Opens a path with `O_PATH`, which only allows reading metadata.
    fn open_path(&self, path: &[u8]) -> Result<OwnedFd> {
        let mut options = OpenOptions::new();
        options
            .read(true)
            .follow(FollowSymlinks::Yes)
            .custom_flags(OFlags::PATH.bits().cast_signed());
        Ok(self
            .dir
            .open_with(as_path(path), &options)?
            .into_std()
            .into())
    }

    /// The directory that contains the last name of a path, and the name.
    fn parent<'p>(&self, path: &'p [u8], slash: TrailingSlash) -> Result<(Parent<'_>, &'p OsStr)> {
        let (dir, name) = match split(path) {
            Some((dir, name)) if slash == TrailingSlash::OfName || !name.ends_with(b"/") => {
                (dir, name)
            }
            _ => (path, &b"."[..]),
        };
        let parent = match dir {
            _ if path.is_empty() => return Err(Errno::Noent),
            [] => Parent::Own(self.fd()),
            dir => Parent::Opened(self.dir.open_dir(as_path(dir))?),
        };
        Ok((parent, OsStr::from_bytes(name)))
    }

    pub(crate) fn stat(&self) -> Result<FileStat> {
        Ok(rustix::fs::fstat(self.fd())?.into())
    }

    pub(crate) fn stat_path(&self, path: &[u8], lookup: LookupFlags) -> Result<FileStat> {
        if lookup.contains(LookupFlags::SYMLINK_FOLLOW) {
            return Ok(rustix::fs::fstat(self.open_path(path)?)?.into());
        }
        let (parent, name) = self.parent(path, TrailingSlash::IsDirectory)?;
        Ok(rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)?.into())
    }

    pub(crate) fn set_times(&self, accessed: SetTime, modified: SetTime) -> Result<()> {
        set_times_of(self.fd(), accessed, modified)
    }

    pub(crate) fn set_times_path(
        &self,
        path: &[u8],
        lookup: LookupFlags,
        accessed: SetTime,
        modified: SetTime,
    ) -> Result<()> {
        self.check_change()?;
        if lookup.contains(LookupFlags::SYMLINK_FOLLOW) {
            return set_times_of(self.open_path(path)?.as_fd(), accessed, modified);
        }
        let (parent, name) = self.parent(path, TrailingSlash::IsDirectory)?;
        let times = timestamps(accessed, modified);
        Ok(rustix::fs::utimensat(
            parent,
            name,
            &times,
            AtFlags::SYMLINK_NOFOLLOW,
        )?)
    }

    pub(crate) fn create_directory(&self, path: &[u8]) -> Result<()> {
        self.check_change()?;
        let (parent, name) = self.parent(path, TrailingSlash::OfName)?;
        Ok(rustix::fs::mkdirat(
            parent,
            name,
            Mode::from_raw_mode(0o777),
        )?)
    }

    pub(crate) fn remove_directory(&self, path: &[u8]) -> Result<()> {
        self.check_change()?;
        let (parent, name) = self.parent(path, TrailingSlash::OfName)?;
        Ok(rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR)?)
    }

    pub(crate) fn unlink_file(&self, path: &[u8]) -> Result<()> {
        self.check_change()?;
        let (parent, name) = self.parent(path, TrailingSlash::IsDirectory)?;
        Ok(rustix::fs::unlinkat(parent, name, AtFlags::empty())?)
    }

    pub(crate) fn rename(&self, old: &[u8], to: &Directory, new: &[u8]) -> Result<()> {
        self.check_change()?;
        to.check_change()?;
        let (old_parent, old_name) = self.parent(old, TrailingSlash::OfName)?;
        let (new_parent, new_name) = to.parent(new, TrailingSlash::OfName)?;
        Ok(rustix::fs::renameat(
            old_parent, old_name, new_parent, new_name,
        )?)
    }

    pub(crate) fn link(&self, old: &[u8], to: &Directory, new: &[u8]) -> Result<()> {
        // A link in a writable directory would make a file of a read-only one writable.
        self.check_change()?;
        to.check_change()?;
        let (old_parent, old_name) = self.parent(old, TrailingSlash::IsDirectory)?;
        let (new_parent, new_name) = to.parent(new, TrailingSlash::IsDirectory)?;
        let flags = AtFlags::empty();
        Ok(rustix::fs::linkat(
            old_parent, old_name, new_parent, new_name, flags,
        )?)
    }

    /// Creates a symbolic link. An absolute text is refused: it would name a file of the host.
    pub(crate) fn symlink(&self, text: &[u8], path: &[u8]) -> Result<()> {
        self.check_change()?;
        if text.starts_with(b"/") {
            return Err(Errno::Perm);
        }
        let (parent, name) = self.parent(path, TrailingSlash::IsDirectory)?;
        Ok(rustix::fs::symlinkat(
            OsStr::from_bytes(text),
            parent,
            name,
        )?)
    }

    /// The text of a symbolic link. An absolute one is refused: it would reveal names of the host.
    pub(crate) fn read_link(&self, path: &[u8]) -> Result<Vec<u8>> {
        let (parent, name) = self.parent(path, TrailingSlash::IsDirectory)?;
        let text = rustix::fs::readlinkat(parent, name, Vec::new())?.into_bytes();
        match text.starts_with(b"/") {
            true => Err(Errno::Perm),
            false => Ok(text),
        }
    }

    /// Whether a path leads to a named pipe.
    pub(crate) fn is_fifo(&self, path: &[u8]) -> bool {
        let stat = self
            .open_path(path)
            .ok()
            .and_then(|fd| rustix::fs::fstat(fd).ok());
        let ty = stat.map(|stat| rustix::fs::FileType::from_raw_mode(stat.st_mode));
        ty == Some(rustix::fs::FileType::Fifo)
    }
}

/// Sets the times of an open file, which may have been opened with `O_PATH`.
fn set_times_of(fd: BorrowedFd<'_>, accessed: SetTime, modified: SetTime) -> Result<()> {
    let times = timestamps(accessed, modified);
    match rustix::fs::utimensat(fd, "", &times, AtFlags::EMPTY_PATH) {
        // Linux before 5.8.
        Err(Host::INVAL | Host::NOENT) => Ok(rustix::fs::futimens(fd, &times)?),
        result => Ok(result?),
    }
}

fn as_path(path: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(path))
}

fn follow(lookup: LookupFlags) -> FollowSymlinks {
    match lookup.contains(LookupFlags::SYMLINK_FOLLOW) {
        true => FollowSymlinks::Yes,
        false => FollowSymlinks::No,
    }
}

/// Splits a path into directory and last name, the latter with the slashes behind it. `None` if the
/// path ends in no name, but in a dot or two, or is the root or empty.
fn split(path: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = path.iter().rposition(|&byte| byte != b'/')? + 1;
    let start = path[..end].iter().rposition(|&byte| byte == b'/');
    let start = start.map_or(0, |slash| slash + 1);
    match &path[start..end] {
        b"." | b".." => None,
        _ => Some(path.split_at(start)),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn paths_are_split_before_their_last_name() {
        let split = |path: &'static str| {
            super::split(path.as_bytes())
                .map(|(dir, name)| [dir, name].map(|part| str::from_utf8(part).unwrap()))
        };
        assert_eq!(split("a"), Some(["", "a"]));
        assert_eq!(split("a//"), Some(["", "a//"]));
        assert_eq!(split("a/b"), Some(["a/", "b"]));
        assert_eq!(split("/a"), Some(["/", "a"]));
        assert_eq!(split("a/../b/"), Some(["a/../", "b/"]));
        for path in ["", "/", "//", ".", "..", "a/.", "a/..", "a/./", "../"] {
            assert_eq!(split(path), None, "{path}");
        }
    }
}
