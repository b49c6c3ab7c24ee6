//! Watches a process that runs programs: where generated code crashes it or does not end, the
//! program that ran is in a file, and an error says so.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

/// How often the process is looked at.
const INTERVAL: Duration = Duration::from_millis(100);

/// How a process ended that did not end by itself.
#[derive(Debug)]
pub enum Failure {
    /// It could not be started or watched.
    Unwatched(io::Error),
    /// A signal ended it.
    Crashed {
        /// The signal's number.
        signal: i32,
        /// Where the program is.
        program: PathBuf,
    },
    /// It ran one program for too long, and was killed.
    Hung {
        /// Where the program is.
        program: PathBuf,
    },
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unwatched(error) => write!(f, "the programs' process can't run: {error}"),
            Self::Crashed { signal, program } => {
                write!(f, "signal {signal} while {} ran", program.display())
            }
            Self::Hung { program } => write!(f, "{} does not end", program.display()),
        }
    }
}

impl std::error::Error for Failure {}

/// Runs a process that writes each program to a file before it runs it, to its end, or until it has
/// run one program for `patience`.
///
/// # Errors
///
/// If it did not end by itself.
pub fn watch(
    command: &mut Command,
    program: &Path,
    patience: Duration,
) -> Result<ExitStatus, Failure> {
    let mut child = command.spawn().map_err(Failure::Unwatched)?;
    let mut written = None;
    let mut since = Instant::now();
    loop {
        if let Some(status) = child.try_wait().map_err(Failure::Unwatched)? {
            let crash = status.signal().map(|signal| Failure::Crashed {
                signal,
                program: program.to_path_buf(),
            });
            return crash.map_or(Ok(status), Err);
        }
        let now = modified(program);
        if now != written {
            (written, since) = (now, Instant::now());
        }
        if since.elapsed() > patience {
            child.kill().map_err(Failure::Unwatched)?;
            child.wait().map_err(Failure::Unwatched)?;
            return Err(Failure::Hung {
                program: program.to_path_buf(),
            });
        }
        thread::sleep(INTERVAL);
    }
}

fn modified(file: &Path) -> Option<SystemTime> {
    file.metadata().and_then(|data| data.modified()).ok()
}
