//! The reports of a run: statistics, story, events, trace, symbol map.
//!
//! Files are opened before the run, so that a name that can't be written is known at once, and
//! written after it, however it ended. A report that can't be written makes the command fail.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use upshift::profiler::chrome::chrome_trace;
use upshift::profiler::perf_map::perf_map;
use upshift::profiler::{EventLog, story};
use upshift::{Engine, Printable, Result};

use crate::options::{Options, StatsFormat};
use crate::report;

/// What a report file is filled with.
#[derive(Clone, Copy, Debug)]
enum Content {
    Events,
    Trace,
    PerfMap,
}

/// A report file that is open.
#[derive(Debug)]
struct Target {
    content: Content,
    path: PathBuf,
    file: File,
}

/// The reports that the options ask for.
#[derive(Debug)]
pub struct Recorder {
    stats: Option<StatsFormat>,
    story: bool,
    files: Vec<Target>,
}

impl Recorder {
    /// Opens the report files.
    ///
    /// # Errors
    ///
    /// If one can't be made.
    pub fn open(options: &Options) -> Result<Self> {
        let around = &options.around;
        let mut files = Vec::new();
        let mut open = |content, path: PathBuf, opened: io::Result<File>| -> Result<()> {
            let file =
                opened.with_context(|| format!("cannot create `{}`", Printable(path.display())))?;
            files.push(Target {
                content,
                path,
                file,
            });
            Ok(())
        };
        if let Some(path) = &around.events {
            open(Content::Events, path.clone(), File::create(path))?;
        }
        if let Some(path) = &around.trace {
            open(Content::Trace, path.clone(), File::create(path))?;
        }
        if around.perf_map {
            let path = PathBuf::from(format!("/tmp/perf-{}.map", std::process::id()));
            let opened = create_afresh(&path);
            open(Content::PerfMap, path, opened)?;
        }
        Ok(Self {
            stats: options.stats,
            story: around.story,
            files,
        })
    }

    /// Writes all reports, as far as possible, and says what could not be written.
    ///
    /// # Errors
    ///
    /// If a report could not be written; the reasons have been printed.
    pub fn write(self, engine: &Engine) -> Result<(), Incomplete> {
        let log = engine.event_log();
        let mut result = Ok(());
        let mut check = |what: &str, written: io::Result<()>| {
            if let Err(error) = written {
                report::error_line(&format!("cannot write {what}: {error}"));
                result = Err(Incomplete);
            }
        };
        for target in self.files {
            let what = format!("`{}`", Printable(target.path.display()));
            check(&what, write(target, log));
        }
        match self.stats {
            Some(StatsFormat::Table) => {
                check("statistics", report::err(&format!("\n{}", log.stats())));
            }
            Some(StatsFormat::Json) => {
                check("statistics", report::err_json(&to_json(&log.stats())));
            }
            None => {}
        }
        if self.story {
            check("the story", report::err(&format!("\n{}", story(log))));
        }
        result
    }
}

/// Not every report was written.
#[derive(Debug)]
pub struct Incomplete;

fn write(target: Target, log: &EventLog) -> io::Result<()> {
    let mut out = BufWriter::new(target.file);
    match target.content {
        Content::Events => {
            for record in log.records() {
                serde_json::to_writer(&mut out, &record)?;
                out.write_all(b"\n")?;
            }
        }
        Content::Trace => {
            serde_json::to_writer(&mut out, &chrome_trace(&log.records(), &log.names()))?;
        }
        Content::PerfMap => out.write_all(perf_map(&log.records(), &log.names()).as_bytes())?,
    }
    out.flush()
}

/// Creates a file in a directory that everyone may write to: never through a link, and never one that
/// someone else has put there. What an earlier process with the same number left behind is replaced.
fn create_afresh(path: &Path) -> io::Result<File> {
    let create = || OpenOptions::new().write(true).create_new(true).open(path);
    match create() {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            std::fs::remove_file(path)?;
            create()
        }
        result => result,
    }
}

fn to_json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("reports consist of numbers, strings, lists and objects")
}
