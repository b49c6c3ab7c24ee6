//! The command's messages: output, errors with their causes, warnings.

use std::io::{self, Write as _};

use anyhow::Context as _;
use upshift::{Error, PrintableLines, Result, Trap};

/// Writes to standard output.
///
/// # Errors
///
/// If it is closed or full.
pub fn out(text: &str) -> Result<()> {
    let mut stdout = io::stdout().lock();
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
    io::stderr().lock().write_all(text.as_bytes())
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
    let _ = err(&format!("error: {}\n", PrintableLines(message)));
}

/// Prints one line with a warning: the run differs from what was requested, but goes on.
pub fn warning(message: &str) {
    let _ = err(&format!("warning: {}\n", PrintableLines(message)));
}

/// Prints one line with a hint at what was probably intended.
pub fn note(message: &str) {
    let _ = err(&format!("note: {}\n", PrintableLines(message)));
}

/// An error with its chain of causes, except those that the message above them ends with.
pub fn error(error: &Error) {
    let mut text = String::new();
    for (i, cause) in error.chain().enumerate() {
        let message = match cause.downcast_ref::<Trap>() {
            Some(trap) => format!("wasm trap: {trap}"),
            None => cause.to_string(),
        };
        if i > 0 && text.trim_end().ends_with(&message) {
            continue;
        }
        match i {
            0 => text += &format!("error: {message}\n"),
            1 => text += &format!("\nCaused by:\n    {}\n", indented(&message)),
            _ => text += &format!("    {}\n", indented(&message)),
        }
    }
    let _ = err(&PrintableLines(text).to_string());
}

fn indented(message: &str) -> String {
    message.trim_end().replace('\n', "\n    ")
}
