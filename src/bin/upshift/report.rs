//! What the command prints besides the guest's own output.

use std::io::{self, Write as _};

use std::path::Path;

use upshift::profiler::chrome::chrome_trace;
use upshift::profiler::perf_map::perf_map;
use upshift::profiler::story;
use upshift::{Engine, Error, Trap};

use crate::options::{Options, StatsFormat};

/// Writes to standard output. A closed pipe is no error: nobody is interested in the rest.
pub fn out(text: &str) {
    let mut stdout = io::stdout().lock();
    let _ = stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush());
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

/// Prints and writes what the options ask for, after a run.
pub fn after(engine: &Engine, options: &Options) {
    let log = engine.event_log();
    let around = &options.around;
    match options.stats {
        Some(StatsFormat::Table) => err(&format!("\n{}", log.stats())),
        Some(StatsFormat::Json) => err(&(to_json(&log.stats()) + "\n")),
        None => {}
    }
    if around.story {
        err(&format!("\n{}", story(log)));
    }
    if let Some(path) = &around.events {
        let lines: String = log
            .records()
            .iter()
            .map(|record| to_json(record) + "\n")
            .collect();
        write(path, &lines);
    }
    if let Some(path) = &around.trace {
        write(path, &to_json(&chrome_trace(&log.records(), &log.names())));
    }
    if around.perf_map {
        let path = format!("/tmp/perf-{}.map", std::process::id());
        write(path.as_ref(), &perf_map(&log.records(), &log.names()));
    }
}

fn to_json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("reports consist of numbers, strings, lists and objects")
}

/// The program has run already: a file that can't be written is worth a message, no more.
fn write(path: &Path, text: &str) {
    if let Err(error) = std::fs::write(path, text) {
        error_line(&format!("cannot write `{}`: {error}", path.display()));
    }
}
