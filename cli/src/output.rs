//! Files that keep what they have until what replaces it is whole.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// A file that is written beside the one that is meant, and takes its place at the end. Devices and
/// pipes are written in place.
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
        let is_file = fs::metadata(path).map_or(true, |data| !is_special(&data));
        let mut part = path.as_os_str().to_owned();
        part.push(".part");
        let part = is_file.then(|| PathBuf::from(part));
        Ok(Self {
            file: Some(File::create(part.as_deref().unwrap_or(path))?),
            path: path.to_owned(),
            part,
        })
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
        // A device is not replaced.
        let device = Path::new("/dev/null");
        Output::create(device).unwrap().write(whole).unwrap();
        assert!(!fs::metadata(device).unwrap().is_file());
        fs::remove_dir_all(&folder).unwrap();
    }
}
