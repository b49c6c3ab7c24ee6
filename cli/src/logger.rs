//! `-D log`: prints the engine's warnings and errors on standard error.

use log::{LevelFilter, Log, Metadata, Record};

use upshift::PrintableLines;

use crate::report;

struct Logger;

impl Log for Logger {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let level = record.level().as_str().to_ascii_lowercase();
        let _ = report::err(&format!("{level}: {}\n", PrintableLines(record.args())));
    }

    fn flush(&self) {}
}

/// Starts printing warnings and errors.
pub fn install() {
    if log::set_logger(&Logger).is_ok() {
        log::set_max_level(LevelFilter::Warn);
    }
}
