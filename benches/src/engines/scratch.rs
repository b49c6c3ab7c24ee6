//! A temporary directory for one run's output files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result};

use super::{Job, Outcome};

/// A directory that exists for one run and is removed when dropped.
pub struct Scratch(PathBuf);

impl Scratch {
    /// Creates a fresh, empty directory.
    pub fn new() -> Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("upshift-run-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).with_context(|| path.display().to_string())?;
        Ok(Self(path))
    }

    /// The path of the directory.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The outcome of a run that wrote here. A missing output file is left out, so that it shows as
    /// a difference.
    pub fn outcome(&self, job: &Job, exit: i32, stdout: Vec<u8>) -> Outcome {
        let file = |name: &String| Some((name.clone(), std::fs::read(self.0.join(name)).ok()?));
        let files: BTreeMap<_, _> = job.outputs.iter().filter_map(file).collect();
        Outcome {
            exit,
            stdout,
            files,
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // A leftover directory does no harm, and a destructor can't return an error.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
