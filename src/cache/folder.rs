//! The folder of a cache: files that appear as a whole, are found by name, and go when they take
//! too much room.
//!
//! Several processes may use a folder at the same time. A file is written beside its place and
//! renamed, so a reader sees an old file, a new one, or none. What removes files holds a lock on
//! the folder's file `lock`; who does not get it leaves that to the process that has it. A file
//! that a process has opened can be read to its end whatever happens to its name.
//!
//! The folder is opened once, and files are found from there: what was asked of it holds for the
//! folder that is used, whatever happens to its path. Others may be able to write to it, so names
//! in it are not trusted: links are not followed, pipes are not waited for, and files are written
//! to only if they are new.

use std::ffi::{OsStr, OsString};
use std::fs::{DirBuilder, File};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use rustix::fs::{
    AtFlags, Dir, FileType, FlockOperation, Mode, OFlags, RawMode, Stat, flock, fstat, open,
    openat, renameat, statat, unlinkat,
};
use rustix::io::Errno;

/// After what time a file that was never renamed is taken for that of a process that was killed.
const ABANDONED: Duration = Duration::from_secs(3600);

/// What the name of a file ends with while it is written.
const PART: &str = "part";

/// The file that is locked while others are removed.
const LOCK: &str = "lock";

/// How many names are tried for a file that is written. One can be taken by a process that has the
/// same number in another container, or had it.
const NAMES: usize = 100;

/// A folder of files; see the [module](self).
#[derive(Debug)]
pub(super) struct Folder {
    directory: OwnedFd,
    /// Where it was when it was opened, for messages.
    path: PathBuf,
    /// The bytes that all files may take together.
    limit: u64,
}

/// A file of the folder.
struct Entry {
    name: OsString,
    /// When it was used last: seconds and nanoseconds.
    used: (i64, u64),
    bytes: u64,
}

impl Folder {
    /// The folder at the path, which is created for this user alone if it does not exist.
    ///
    /// # Errors
    ///
    /// If it can't be created, or can't be written to.
    pub(super) fn open(path: &Path, limit: u64) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        let folder = Self {
            directory: open(path, flags, Mode::empty())?,
            path: path.to_owned(),
            limit,
        };
        folder.lock_file()?;
        Ok(folder)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the folder is this user's, and no other user can write to it.
    pub(super) fn is_private(&self) -> bool {
        fstat(&self.directory).is_ok_and(|data| is_own(data.st_uid, data.st_mode))
    }

    /// Opens a file of the folder. What is no plain file is refused.
    fn file(&self, name: &str, flags: OFlags) -> io::Result<File> {
        let flags = flags | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = openat(&self.directory, name, flags, Mode::RUSR | Mode::WUSR)?;
        let file = File::from(file);
        match file.metadata()?.is_file() {
            true => Ok(file),
            false => Err(io::Error::other("it is no plain file")),
        }
    }

    fn lock_file(&self) -> io::Result<File> {
        self.file(LOCK, OFlags::CREATE | OFlags::WRONLY)
    }

    /// The content of the file, which counts as used now; `None` if there is none.
    ///
    /// # Errors
    ///
    /// If it can't be read.
    pub(super) fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        let file = self.file(name, OFlags::RDONLY);
        self.content(file)
    }

    /// As [`read`](Self::read), for what is trusted as this user's own: the file must be this
    /// user's, and no other user may be able to write to it. In a folder that is private now, files
    /// can be of a time when it was not.
    ///
    /// # Errors
    ///
    /// If it can't be read, or is not this user's alone.
    pub(super) fn read_own(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        let own = |file: File| {
            let data = file.metadata()?;
            match is_own(data.uid(), data.mode()) {
                true => Ok(file),
                false => Err(io::Error::other("others can write to it")),
            }
        };
        self.content(self.file(name, OFlags::RDONLY).and_then(own))
    }

    fn content(&self, file: io::Result<File>) -> io::Result<Option<Vec<u8>>> {
        let file = match file {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        // Of a file that is not the cache's, no more is read than a cache may have.
        let mut bytes = Vec::new();
        let mut content = (&file).take(self.limit.saturating_add(1));
        content.read_to_end(&mut bytes)?;
        // Where that is refused, the file may go earlier than others.
        let _ = file.set_modified(SystemTime::now());
        Ok(Some(bytes))
    }

    /// Writes the file in place of the one that may be there, and makes room for it. One that is
    /// larger than the whole cache is not written.
    ///
    /// # Errors
    ///
    /// If the file can't be written: then the old one stays.
    pub(super) fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        if bytes.len() as u64 > self.limit {
            log::debug!("{name} is larger than the cache: {} bytes", bytes.len());
            return Ok(());
        }
        let (part, mut file) = self.new_part(name)?;
        let written = file
            .write_all(bytes)
            .and_then(|()| Ok(renameat(&self.directory, &part, &self.directory, name)?));
        if written.is_err() {
            self.remove(&part);
        }
        written?;
        self.make_room()
    }

    /// Creates a file under a name that no other has.
    fn new_part(&self, name: &str) -> io::Result<(String, File)> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let mut taken = io::Error::from(ErrorKind::AlreadyExists);
        for _ in 0..NAMES {
            let number = NUMBER.fetch_add(1, Ordering::Relaxed);
            let part = format!("{name}-{}-{number}.{PART}", std::process::id());
            match self.file(&part, OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY) {
                Ok(file) => return Ok((part, file)),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => taken = error,
                Err(error) => return Err(error),
            }
        }
        Err(taken)
    }

    /// Removes the file, if it is there.
    pub(super) fn remove(&self, name: &str) {
        let _ = unlinkat(&self.directory, name, AtFlags::empty());
    }

    /// Removes the files that were not used for the longest time, until the others fit the limit,
    /// unless another process is doing that; and what killed processes have left.
    fn make_room(&self) -> io::Result<()> {
        let lock = self.lock_file()?;
        if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
            return Ok(());
        }
        let mut entries = self.entries()?;
        entries.sort_by_key(|entry| entry.used);
        let mut total: u64 = entries.iter().map(|entry| entry.bytes).sum();
        for entry in entries {
            if total <= self.limit {
                break;
            }
            match unlinkat(&self.directory, &entry.name, AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(error) => return Err(error.into()),
            }
            total -= entry.bytes;
        }
        // Closing the file unlocks it.
        Ok(())
    }

    /// The files that count, without those that are being written, of which abandoned ones go.
    fn entries(&self) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for entry in Dir::read_from(&self.directory)? {
            let entry = entry?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            let extension = Path::new(name).extension().and_then(OsStr::to_str);
            let Some(extension) = extension else { continue };
            if extension != PART && !super::EXTENSIONS.contains(&extension) {
                // Not the cache's.
                continue;
            }
            // It may have gone since.
            let Ok(data) = statat(&self.directory, name, AtFlags::SYMLINK_NOFOLLOW) else {
                continue;
            };
            if extension == PART {
                if age(&data).is_some_and(|age| age > ABANDONED) {
                    let _ = unlinkat(&self.directory, name, AtFlags::empty());
                }
            } else if FileType::from_raw_mode(data.st_mode) == FileType::RegularFile {
                entries.push(Entry {
                    name: name.to_owned(),
                    used: (data.st_mtime, data.st_mtime_nsec),
                    bytes: data.st_size.unsigned_abs(),
                });
            }
        }
        Ok(entries)
    }
}

/// Whether something belongs to this user, and no other user can write to it.
fn is_own(user: u32, mode: RawMode) -> bool {
    user == rustix::process::geteuid().as_raw() && mode & 0o022 == 0
}

/// How long ago a file was written; `None` if that is in the future.
fn age(data: &Stat) -> Option<Duration> {
    let since = Duration::from_secs(data.st_mtime.try_into().ok()?);
    let then = SystemTime::UNIX_EPOCH.checked_add(since)?;
    then.elapsed().ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    use std::{fs, thread};

    use super::*;

    fn scratch(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("upshift-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        path
    }

    fn names(folder: &Folder) -> Vec<String> {
        let entries = fs::read_dir(folder.path()).unwrap();
        let name = |entry: io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string();
        let mut names: Vec<_> = entries.map(|entry| name(entry).unwrap()).collect();
        names.retain(|name| name != LOCK);
        names.sort();
        names
    }

    #[test]
    fn files_are_read_as_they_were_written_last() {
        let folder = Folder::open(&scratch("cache-files"), 100).unwrap();
        assert_eq!(folder.read("a.profile").unwrap(), None);
        for content in [&b"first"[..], b"second", b""] {
            folder.write("a.profile", content).unwrap();
            assert_eq!(folder.read("a.profile").unwrap().as_deref(), Some(content));
        }
        assert_eq!(names(&folder), ["a.profile"]);
        folder.remove("a.profile");
        folder.remove("a.profile");
        assert_eq!(folder.read("a.profile").unwrap(), None);
        fs::remove_dir_all(folder.path()).unwrap();
    }

    #[test]
    fn what_was_not_used_for_longest_goes_first() {
        let folder = Folder::open(&scratch("cache-room"), 100).unwrap();
        let age = |name: &str, seconds| {
            let file = File::options().write(true).open(folder.path().join(name));
            let then = SystemTime::now() - Duration::from_secs(seconds);
            file.unwrap().set_modified(then).unwrap();
        };
        for (name, seconds) in [("a.profile", 30), ("b.profile", 20), ("c.profile", 10)] {
            folder.write(name, &[1; 30]).unwrap();
            age(name, seconds);
        }
        fs::write(folder.path().join("of-others.txt"), [0; 1000]).unwrap();
        fs::write(folder.path().join("x-1-0.part"), [0; 10]).unwrap();
        fs::write(folder.path().join("y-1-0.part"), [0; 10]).unwrap();
        age("x-1-0.part", 10_000);
        // Reading it makes it the latest.
        folder.read("a.profile").unwrap().unwrap();
        folder.write("d.profile", &[1; 60]).unwrap();
        let left = ["a.profile", "d.profile", "of-others.txt", "y-1-0.part"];
        assert_eq!(names(&folder), left);
        // What is larger than all is not kept at all, and nothing goes for it.
        folder.write("e.profile", &[1; 101]).unwrap();
        assert_eq!(names(&folder), left);
        fs::remove_dir_all(folder.path()).unwrap();
    }

    #[test]
    fn a_folder_that_can_not_be_is_an_error() {
        assert!(Folder::open(Path::new("/proc/nowhere"), 1).is_err());
        assert!(Folder::open(Path::new("/dev/null"), 1).is_err());
    }

    /// What others may have put there: links and pipes under the names that are written and read.
    #[test]
    fn names_in_the_folder_are_not_trusted() {
        let folder = Folder::open(&scratch("cache-traps"), 100).unwrap();
        let at = |name: &str| folder.path().join(name);
        let victim = scratch("cache-victim");
        fs::write(&victim, "mine").unwrap();
        // The next names of files that are written, and what they replace.
        let process = std::process::id();
        for number in 0..50 {
            symlink(&victim, at(&format!("a.profile-{process}-{number}.part"))).unwrap();
        }
        symlink(&victim, at("a.profile")).unwrap();
        assert!(folder.read("a.profile").is_err());
        folder.write("a.profile", b"new").unwrap();
        assert_eq!(
            folder.read("a.profile").unwrap().as_deref(),
            Some(&b"new"[..])
        );
        assert_eq!(fs::read_to_string(&victim).unwrap(), "mine");

        let pipe = |name: &str| {
            let mode = Mode::RUSR | Mode::WUSR;
            rustix::fs::mkfifoat(&folder.directory, name, mode).unwrap();
        };
        pipe("b.profile");
        assert!(folder.read("b.profile").is_err());
        fs::remove_file(at(LOCK)).unwrap();
        pipe(LOCK);
        assert!(Folder::open(folder.path(), 100).is_err());
        fs::remove_file(at(LOCK)).unwrap();
        symlink(scratch("cache-victim-2"), at(LOCK)).unwrap();
        assert!(Folder::open(folder.path(), 100).is_err());
        fs::remove_file(victim).unwrap();
        fs::remove_dir_all(folder.path()).unwrap();
    }

    #[test]
    fn what_is_trusted_is_of_this_user_alone() {
        let path = scratch("cache-own");
        let folder = Folder::open(&path, 100).unwrap();
        assert!(folder.is_private());
        folder.write("a.code", b"code").unwrap();
        assert_eq!(
            folder.read_own("a.code").unwrap().as_deref(),
            Some(&b"code"[..])
        );
        // A file of a time when others could write to it.
        fs::set_permissions(path.join("a.code"), fs::Permissions::from_mode(0o666)).unwrap();
        assert!(folder.read_own("a.code").is_err());
        assert!(folder.read("a.code").unwrap().is_some());
        assert_eq!(folder.read_own("b.code").unwrap(), None);
        // Another folder that takes the path is not the one that was found to be private.
        let elsewhere = scratch("cache-elsewhere");
        fs::rename(&path, &elsewhere).unwrap();
        fs::create_dir(&path).unwrap();
        fs::write(path.join("c.code"), "evil").unwrap();
        assert_eq!(folder.read_own("c.code").unwrap(), None);
        folder.write("d.code", b"code").unwrap();
        assert!(elsewhere.join("d.code").exists());
        fs::remove_dir_all(path).unwrap();
        fs::remove_dir_all(elsewhere).unwrap();
    }

    /// Threads stand for processes: they share nothing but the folder.
    #[test]
    fn hammer_a_folder() {
        let path = scratch("cache-hammer");
        let content = |n: u8| vec![n; 1_000 + usize::from(n)];
        thread::scope(|scope| {
            for seed in 0..4_u8 {
                let path = &path;
                scope.spawn(move || {
                    let folder = Folder::open(path, 5_000).unwrap();
                    for round in 0..200_u8 {
                        let n = round.wrapping_mul(7).wrapping_add(seed) % 16;
                        let name = format!("{}.profile", n % 8);
                        folder.write(&name, &content(n)).unwrap();
                        if let Some(read) = folder.read(&name).unwrap() {
                            let first = read[0];
                            assert_eq!(read, content(first), "a file is whole");
                        }
                    }
                });
            }
        });
        let folder = Folder::open(&path, 5_000).unwrap();
        folder.write("0.profile", &content(0)).unwrap();
        let bytes: u64 = folder.entries().unwrap().iter().map(|one| one.bytes).sum();
        assert!(bytes <= 5_000, "{bytes}");
        assert!(names(&folder).iter().all(|name| !name.ends_with(PART)));
        fs::remove_dir_all(path).unwrap();
    }
}
