//! What the command prints besides the guest's own output.

use std::io::{self, Write as _};

use upshift::{Error, Trap};

/// Writes to standard output. A closed pipe is no error: nobody is interested in the rest.
pub fn out(text: &str) {
    let mut stdout = io::stdout().lock();
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}

/// Writes to standard error, as far as somebody reads it.
pub fn err(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// One line that says what is wrong.
pub fn error_line(message: &str) {
    err(&format!("error: {message}\n"));
}

/// An error with its chain of causes.
pub fn error(error: &Error) {
    let mut text = String::new();
    for (i, cause) in error.chain().enumerate() {
        let message = match cause.downcast_ref::<Trap>() {
            Some(trap) => format!("wasm trap: {trap}"),
            None => cause.to_string(),
        };
        match i {
            0 => text += &format!("error: {message}\n"),
            1 => text += &format!("\nCaused by:\n    {}\n", indented(&message)),
            _ => text += &format!("    {}\n", indented(&message)),
        }
    }
    err(&text);
}

fn indented(message: &str) -> String {
    message.trim_end().replace('\n', "\n    ")
}
