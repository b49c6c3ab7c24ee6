//! The command's messages: output, errors with their causes, warnings.

use std::fmt;
use std::io::{self, ErrorKind, StdoutLock, Write as _};
use std::process::ExitCode;

use anyhow::Context as _;
use upshift::{Error, PrintableLines, Result, Trap};

use crate::color::Color;

/// The exit code for output that is not read any more: that of a process which SIGPIPE ended.
pub const CLOSED: u8 = 128 + 13;

/// Standard output or standard error was closed by what read it, as `head` does when it has enough.
/// No failure: the reader has what it wanted.
#[derive(Clone, Copy, Debug)]
pub struct Closed;

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the output is not read any more")
    }
}

impl std::error::Error for Closed {}

impl Closed {
    /// Whether an error came from it.
    pub fn caused(error: &Error) -> bool {
        error.chain().any(|cause| {
            let inner = cause
                .downcast_ref::<io::Error>()
                .and_then(io::Error::get_ref);
            inner.is_some_and(|inner| inner.is::<Self>())
        })
    }

    /// The error of standard output or standard error, told apart from that of any other pipe.
    pub fn mark(error: io::Error) -> io::Error {
        match error.kind() {
            ErrorKind::BrokenPipe => io::Error::new(ErrorKind::BrokenPipe, Self),
            _ => error,
        }
    }
}

/// Standard output, locked, for reports that are written piece by piece.
pub fn stdout() -> impl io::Write {
    Stdout(io::stdout().lock())
}

struct Stdout(StdoutLock<'static>);

impl io::Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes).map_err(Closed::mark)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush().map_err(Closed::mark)
    }
}

/// Writes to standard output.
///
/// # Errors
///
/// If it is closed or full.
pub fn out(text: &str) -> Result<()> {
    let mut stdout = stdout();
    stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
        .context("cannot write standard output")
}

/// Writes to standard error.
///
/// # Errors
///
/// If it is closed or full.
pub fn err(text: &str) -> io::Result<()> {
    let written = io::stderr().lock().write_all(text.as_bytes());
    written.map_err(Closed::mark)
}

/// Writes a line of JSON to standard error.
///
/// # Errors
///
/// If it is closed or full.
pub fn err_json(json: &str) -> io::Result<()> {
    err(&format!("{json}\n"))
}

/// Prints one line with an error. If it can't be written, the exit code still tells.
pub fn error_line(message: &str) {
    let _ = err(&format!(
        "{}: {}\n",
        Color::Error.paint("error"),
        PrintableLines(message)
    ));
}

/// Prints one line with a warning: the run differs from what was requested, but goes on.
pub fn warning(message: &str) {
    let _ = err(&format!(
        "{}: {}\n",
        Color::Warning.paint("warning"),
        PrintableLines(message)
    ));
}

/// Prints one line with a hint at what was probably intended.
pub fn note(message: &str) {
    let _ = err(&format!(
        "{}: {}\n",
        Color::Note.paint("note"),
        PrintableLines(message)
    ));
}

/// Prints why a task failed, and returns the exit code. Nothing is printed if what failed is
/// writing output that is not read any more.
pub fn failure(error: &Error) -> ExitCode {
    if Closed::caused(error) {
        return ExitCode::from(CLOSED);
    }
    self::error(error);
    ExitCode::FAILURE
}

/// An error with its chain of causes, except those that the message above them ends with.
pub fn error(error: &Error) {
    let mut text = String::new();
    let trap = error.downcast_ref::<Trap>().map(Trap::to_string);
    for (i, cause) in error.chain().enumerate() {
        let mut message = cause.to_string();
        if trap.as_ref() == Some(&message) {
            message = format!("wasm trap: {message}");
        }
        if i > 0 && text.trim_end().ends_with(&message) {
            continue;
        }
        match i {
            0 => text += &format!("{message}\n"),
            1 => text += &format!("\nCaused by:\n    {}\n", indented(&message)),
            _ => text += &format!("    {}\n", indented(&message)),
        }
    }
    let _ = err(&format!(
        "{}: {}",
        Color::Error.paint("error"),
        PrintableLines(text)
    ));
}

fn indented(message: &str) -> String {
    message.trim_end().replace('\n', "\n    ")
}
