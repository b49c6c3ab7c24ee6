//! `upshift report`: what can be made from an event log's file, long after its run.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, ValueEnum};
use upshift::profiler::chrome::chrome_trace;
use upshift::profiler::csv::write_csv;
use upshift::profiler::firefox::firefox_profile;
use upshift::profiler::perf_map::perf_map_line;
use upshift::profiler::reader::{self, LogFile};
use upshift::profiler::{Stats, Story};
use upshift::{Printable, Result};

use crate::report;

/// What to make of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// What happened, in one screenful
    Story,
    /// The totals of the records, as `--stats` prints them
    Stats,
    /// A trace for chrome://tracing and Perfetto
    Chrome,
    /// A profile for profiler.firefox.com
    Firefox,
    /// A symbol map for `perf report`
    PerfMap,
    /// A table: a row for each record, a column for each field
    Csv,
}

/// Makes reports from an event log that `upshift -D events=FILE` has written.
#[derive(Parser, Debug)]
#[command(name = "upshift report", bin_name = "upshift report", version)]
pub struct Arguments {
    /// What to make of it
    #[arg(long, value_enum, default_value = "story")]
    format: Format,

    /// Where to write it; otherwise to standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// The event log
    #[arg(value_name = "LOG")]
    log: PathBuf,
}

/// Makes the report. Lines of the log that can't be read are warnings.
pub fn run(arguments: &Arguments) -> ExitCode {
    match export(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report::error(&error);
            ExitCode::FAILURE
        }
    }
}

fn export(arguments: &Arguments) -> Result<()> {
    let path = Printable(arguments.log.display());
    let cannot = || format!("cannot read `{path}`");
    let file = File::open(&arguments.log).with_context(cannot)?;
    let log = reader::read(BufReader::new(file)).with_context(cannot)?;
    warn(&log, &arguments.log);
    match &arguments.output {
        Some(output) => {
            let cannot = || format!("cannot write `{}`", Printable(output.display()));
            let file = File::create(output).with_context(cannot)?;
            write(&log, arguments.format, BufWriter::new(file)).with_context(cannot)
        }
        None => {
            let out = BufWriter::new(io::stdout().lock());
            write(&log, arguments.format, out).context("cannot write standard output")
        }
    }
}

/// Says what of the log is missing.
fn warn(log: &LogFile, path: &Path) {
    let path = Printable(path.display());
    for fault in log.faults.iter().take(3) {
        report::warning(&format!("`{path}`, {fault}"));
    }
    if log.broken > 3 {
        report::warning(&format!("`{path}`: {} lines can't be read", log.broken));
    }
    if log.unknown > 0 {
        let unknown = log.unknown;
        report::warning(&format!(
            "`{path}`: {unknown} records are of a later version"
        ));
    }
}

fn write(log: &LogFile, format: Format, mut out: impl Write) -> io::Result<()> {
    match format {
        Format::Story => {
            let (records, names) = (log.records.clone(), log.names.clone());
            let story = Story::new(records, names, log.end(), Default::default());
            write!(out, "{story}")?;
        }
        Format::Stats => {
            let mut stats = Stats::default();
            for record in &log.records {
                stats.apply(record.at, &record.event);
            }
            stats.name_levels(&log.names);
            stats.elapsed = log.end();
            write!(out, "{stats}")?;
        }
        Format::Chrome => {
            serde_json::to_writer(&mut out, &chrome_trace(&log.records, &log.names))?;
        }
        Format::Firefox => {
            let profile = firefox_profile(&log.header, &log.records, &log.names);
            serde_json::to_writer(&mut out, &profile)?;
        }
        Format::PerfMap => {
            for record in &log.records {
                if let Some(line) = perf_map_line(record, &log.names) {
                    out.write_all(line.as_bytes())?;
                }
            }
        }
        Format::Csv => write_csv(&log.records, &log.names, &mut out)?,
    }
    out.flush()
}
