//! The folder of a cache: files that appear as a whole, are found by name, and go when they take
//! too much room.
//!
//! Several processes may use a folder at the same time. A file is written beside its place and
//! renamed, so a reader sees an old file, a new one, or none. What removes files holds a lock on
//! the folder's file `lock`; who does not get it leaves that to the process that has it. A file
//! that a process has opened can be read to its end whatever happens to its name.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use rustix::fs::{FlockOperation, flock};

/// After what time a file that was never renamed is taken for that of a process that was killed.
const ABANDONED: Duration = Duration::from_secs(3600);

/// What the name of a file ends with while it is written.
const PART: &str = "part";

/// The file that is locked while others are removed.
const LOCK: &str = "lock";

/// A folder of files; see the [module](self).
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    /// The bytes that all files may take together.
    limit: u64,
}

/// A file of the folder.
struct Entry {
    path: PathBuf,
    used: SystemTime,
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
        let folder = Self {
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
        let data = fs::metadata(&self.path);
        let own = rustix::process::geteuid().as_raw();
        data.is_ok_and(|data| data.uid() == own && data.mode() & 0o022 == 0)
    }

    fn lock_file(&self) -> io::Result<File> {
        OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(self.path.join(LOCK))
    }

    /// The content of the file, which counts as used now; `None` if there is none.
    ///
    /// # Errors
    ///
    /// If it can't be read.
    pub(super) fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        let file = match File::open(self.path.join(name)) {
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
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        if bytes.len() as u64 > self.limit {
            log::debug!("{name} is larger than the cache: {} bytes", bytes.len());
            return Ok(());
        }
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let part = format!("{name}-{}-{number}.{PART}", std::process::id());
        let part = self.path.join(part);
        let mut options = OpenOptions::new();
        let options = options.write(true).create(true).truncate(true).mode(0o600);
        let written = options
            .open(&part)
            .and_then(|mut file| file.write_all(bytes))
            .and_then(|()| fs::rename(&part, self.path.join(name)));
        if written.is_err() {
            let _ = fs::remove_file(&part);
        }
        written?;
        self.make_room()
    }

    /// Removes the file, if it is there.
    pub(super) fn remove(&self, name: &str) {
        let _ = fs::remove_file(self.path.join(name));
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
            match fs::remove_file(&entry.path) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
            total -= entry.bytes;
        }
        // Closing the file unlocks it.
        Ok(())
    }

    /// The files that count, without those that are being written, of which abandoned ones go.
    fn entries(&self) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let path = entry?.path();
            // It may have gone since.
            let Ok(data) = fs::symlink_metadata(&path) else {
                continue;
            };
            let Ok(used) = data.modified() else { continue };
            match path.extension().and_then(|extension| extension.to_str()) {
                Some(PART) if used.elapsed().is_ok_and(|age| age > ABANDONED) => {
                    let _ = fs::remove_file(&path);
                }
                Some(extension) if super::EXTENSIONS.contains(&extension) && data.is_file() => {
                    let bytes = data.len();
                    entries.push(Entry { path, used, bytes });
                }
                // Not the cache's.
                _ => {}
            }
        }
        Ok(entries)
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

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
