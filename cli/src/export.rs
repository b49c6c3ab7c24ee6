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

use upshift_report::{Input, Report};

use crate::output::apart;
use crate::{code, report};

const EXAMPLES: &str = "\
Examples:
  upshift -D events=x.log x.wasm args                    record a run
  upshift report x.log                                   tell what happened
  upshift report --format html -o x.html x.log           a page: timeline, functions, decisions
  upshift report --format html --module x.wasm -o x.html x.log    the same, with code
  upshift report --format html -o both.html x.log y.log  what differs between two runs
  upshift report --format firefox -o x.json x.log        a profile for profiler.firefox.com
  upshift report --format csv x.log | sort -t, -k3       a table for other programs";

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
    /// A page with timeline, functions and decisions, for a browser; with a second LOG, what
    /// differs between both runs
    Html,
}

/// Makes reports from an event log that `upshift -D events=FILE` has written.
///
/// A log has no code, so files that need it are written as the program runs: `-D jitdump`.
#[derive(Parser, Debug)]
#[command(
    name = "upshift report",
    bin_name = "upshift report",
    version,
    after_help = EXAMPLES
)]
pub struct Arguments {
    /// What to make of it
    #[arg(long, value_enum, default_value = "story")]
    format: Format,

    /// Where to write it; otherwise to standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// The program that ran: with `--format html`, the page shows code of its functions
    #[arg(long, value_name = "PROGRAM")]
    module: Option<PathBuf>,

    /// The event log
    #[arg(value_name = "LOG")]
    log: PathBuf,

    /// Another event log that the page compares with
    #[arg(value_name = "LOG2")]
    other: Option<PathBuf>,
}

/// Makes the report. Lines of the log that can't be read are warnings.
pub fn run(arguments: &Arguments) -> ExitCode {
    let of_pages = arguments.module.is_some() || arguments.other.is_some();
    if of_pages && arguments.format != Format::Html {
        report::error_line("a second log and --module are for `--format html`");
        return ExitCode::from(2);
    }
    match export(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => report::failure(&error),
    }
}

fn export(arguments: &Arguments) -> Result<()> {
    let write = writer(arguments, read(&arguments.log)?)?;
    let flushed = |mut out: BufWriter<Box<dyn Write>>| {
        write(&mut out)?;
        out.flush()
    };
    match &arguments.output {
        Some(output) => {
            let cannot = || format!("cannot write `{}`", Printable(output.display()));
            apart(output, &arguments.log).with_context(cannot)?;
            let file = File::create(output).with_context(cannot)?;
            flushed(BufWriter::new(Box::new(file))).with_context(cannot)
        }
        None => flushed(BufWriter::new(Box::new(report::stdout())))
            .context("cannot write standard output"),
    }
}

/// Reads a log, and warns of what of it is missing.
fn read(path: &Path) -> Result<LogFile> {
    let shown = Printable(path.display());
    let cannot = || format!("cannot read `{shown}`");
    let file = File::open(path).with_context(cannot)?;
    let log = reader::read(BufReader::new(file)).with_context(cannot)?;
    warn(&log, path);
    Ok(log)
}

/// The HTML page of one run, or two.
fn page(arguments: &Arguments, log: LogFile) -> Result<String> {
    let code = match &arguments.module {
        Some(module) => code::of(module, &log)?,
        None => Vec::new(),
    };
    let label = |path: &Path| path.display().to_string();
    let mut runs = vec![Input {
        label: label(&arguments.log),
        log,
        code,
    }];
    if let Some(other) = &arguments.other {
        runs.push(Input {
            label: label(other),
            log: read(other)?,
            code: Vec::new(),
        });
    }
    let report = Report {
        title: "Tiering report".into(),
        runs,
        sections: Vec::new(),
    };
    Ok(report.render())
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

/// Writes a report.
type Writer = Box<dyn FnOnce(&mut dyn Write) -> io::Result<()>>;

/// What writes the report that is wanted: whatever can fail before a file is created has been done.
fn writer(arguments: &Arguments, log: LogFile) -> Result<Writer> {
    Ok(match arguments.format {
        Format::Story => {
            let end = log.end();
            let story = Story::new(log.records, log.names, end, Default::default());
            Box::new(move |out| write!(out, "{story}"))
        }
        Format::Stats => {
            let mut stats = Stats::default();
            for record in &log.records {
                stats.apply(record.at, &record.event);
            }
            stats.name_levels(&log.names);
            stats.elapsed = log.end();
            Box::new(move |out| write!(out, "{stats}"))
        }
        Format::Chrome => {
            let trace = chrome_trace(&log.records, &log.names);
            Box::new(move |out| Ok(serde_json::to_writer(out, &trace)?))
        }
        Format::Firefox => {
            let profile = firefox_profile(&log.header, &log.records, &log.names);
            Box::new(move |out| Ok(serde_json::to_writer(out, &profile)?))
        }
        Format::PerfMap => Box::new(move |out| {
            let lines = log.records.iter();
            let mut lines = lines.filter_map(|record| perf_map_line(record, &log.names));
            lines.try_for_each(|line| out.write_all(line.as_bytes()))
        }),
        Format::Csv => Box::new(move |mut out| write_csv(&log.records, &log.names, &mut out)),
        Format::Html => {
            let page = page(arguments, log)?;
            Box::new(move |out| out.write_all(page.as_bytes()))
        }
    })
}
