//! The engine's warnings on standard error: always those about options that have no effect, and
//! with `-D log` all of them, and errors.

use log::{Level, LevelFilter, Log, Metadata, Record};

use upshift::PrintableLines;

use crate::color::Color;
use crate::report;

/// What is printed.
pub enum Logger {
    /// What users should know of their options.
    Options,
    /// Every warning and error.
    All,
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        match self {
            Logger::Options => metadata.target() == upshift::tiering::OPTIONS,
            Logger::All => true,
        }
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let color = match record.level() {
            Level::Error => Color::Error,
            Level::Warn => Color::Warning,
            _ => Color::Note,
        };
        let level = color.paint(&record.level().as_str().to_ascii_lowercase());
        let _ = report::err(&format!("{level}: {}\n", PrintableLines(record.args())));
    }

    fn flush(&self) {}
}

/// Starts printing.
pub fn install(logger: &'static Logger) {
    if log::set_logger(logger).is_ok() {
        log::set_max_level(LevelFilter::Warn);
    }
}
