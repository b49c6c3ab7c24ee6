//! Files that keep what they have until what replaces it is whole.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// How many names are tried for a file that is written.
const NAMES: u32 = 100;

/// A file that is written beside the one that is meant, and takes its place at the end. Devices and
/// pipes are written in place; of a link, the file that it leads to is replaced.
#[derive(Debug)]
pub struct Output {
    file: Option<File>,
    path: PathBuf,
    /// The file that is written; `None` if that is the one that is meant, or it is in place.
    part: Option<PathBuf>,
}

impl Output {
    /// Creates the file, so that a name that can't be written is reported at once.
    pub fn create(path: &Path) -> io::Result<Self> {
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let is_file = fs::metadata(&path).map_or(true, |data| !is_special(&data));
        let (part, file) = if is_file {
            let (part, file) = create_beside(&path)?;
            (Some(part), file)
        } else {
            (None, File::create(&path)?)
        };
        Ok(Self {
            file: Some(file),
            path,
            part,
        })
    }

    /// As [`create`](Self::create), for what is made from the file `input`.
    ///
    /// # Errors
    ///
    /// Also if both are the same file, which would be lost.
    pub fn create_from(path: &Path, input: &Path) -> io::Result<Self> {
        apart(path, input)?;
        Self::create(path)
    }

    /// Writes the file and puts it in its place. Without this the one that is meant stays as it is.
    pub fn write(mut self, content: impl FnOnce(File) -> io::Result<()>) -> io::Result<()> {
        if let Some(file) = self.file.take() {
            content(file)?;
        }
        if let Some(part) = &self.part {
            fs::rename(part, &self.path)?;
        }
        self.part = None;
        Ok(())
    }
}

/// Creates a file beside another one: a new one, as what is there can be another program's, or be
/// written by another process at this time.
fn create_beside(path: &Path) -> io::Result<(PathBuf, File)> {
    let mut taken = io::Error::from(ErrorKind::AlreadyExists);
    for number in 0..NAMES {
        let mut part = path.as_os_str().to_owned();
        part.push(format!(".{}-{number}.part", std::process::id()));
        match File::create_new(&part) {
            Ok(file) => return Ok((part.into(), file)),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => taken = error,
            Err(error) => return Err(error),
        }
    }
    Err(taken)
}

/// Checks that a file that is to be written is not the one that is read.
///
/// # Errors
///
/// If it is, under whichever name. Devices and pipes can be both.
pub fn apart(output: &Path, input: &Path) -> io::Result<()> {
    let (Ok(output), Ok(input)) = (fs::metadata(output), fs::metadata(input)) else {
        return Ok(());
    };
    let id = |data: &fs::Metadata| (data.dev(), data.ino());
    match output.is_file() && id(&output) == id(&input) {
        true => Err(io::Error::other("it is the input, which would be lost")),
        false => Ok(()),
    }
}

/// A folder counts as a file, so that creating it fails.
fn is_special(data: &fs::Metadata) -> bool {
    !data.is_file() && !data.is_dir()
}

impl Drop for Output {
    fn drop(&mut self) {
        if let Some(part) = &self.part {
            let _ = fs::remove_file(part);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_file_keeps_what_it_has_until_the_new_one_is_whole() {
        let folder = std::env::temp_dir().join(format!("upshift-output-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("x");
        fs::write(&path, "old").unwrap();
        let fails = |mut file: File| {
            file.write_all(b"half")?;
            Err(io::ErrorKind::StorageFull.into())
        };
        assert!(Output::create(&path).unwrap().write(fails).is_err());
        drop(Output::create(&path).unwrap());
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        let whole = |mut file: File| file.write_all(b"new");
        Output::create(&path).unwrap().write(whole).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "nothing is left");
        // Two that write the same file do not meet, and what others have there stays.
        let parts = [
            "x.part".to_owned(),
            format!("x.{}-0.part", std::process::id()),
        ];
        for part in &parts {
            fs::write(folder.join(part), "another's").unwrap();
        }
        let (one, other) = (
            Output::create(&path).unwrap(),
            Output::create(&path).unwrap(),
        );
        one.write(|mut file| file.write_all(b"one")).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "one");
        other.write(|mut file| file.write_all(b"other")).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "other");
        for part in &parts {
            assert_eq!(fs::read_to_string(folder.join(part)).unwrap(), "another's");
        }
        // Through a link, the file is written that it leads to.
        let link = folder.join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        Output::create(&link).unwrap().write(whole).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert!(Output::create_from(&link, &path).is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        // A device is not replaced.
        let device = Path::new("/dev/null");
        Output::create(device).unwrap().write(whole).unwrap();
        assert!(!fs::metadata(device).unwrap().is_file());
        fs::remove_dir_all(&folder).unwrap();
    }
}
