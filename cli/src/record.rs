//! The reports of a run: statistics, story, events, trace, symbol map.
//!
//! Files are opened before the run, so that a name that can't be written is reported at once, and
//! written after it, however it ended; the symbol map while it goes on. A report that can't be
//! written makes the command fail.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Context as _;
use upshift::profiler::chrome::chrome_trace;
use upshift::profiler::perf_map::perf_map_line;
use upshift::profiler::{EventLog, Names, Record, story};
use upshift::{Engine, Printable, Result};

use crate::options::{Options, StatsFormat};
use crate::report;

/// The content of a report file.
#[derive(Clone, Copy, Debug)]
enum Content {
    Events,
    Trace,
}

/// An open report file.
#[derive(Debug)]
struct Target {
    content: Content,
    path: PathBuf,
    file: File,
}

/// The reports that the options request.
#[derive(Debug)]
pub struct Recorder {
    stats: Option<StatsFormat>,
    story: bool,
    files: Vec<Target>,
    symbols: Option<SymbolMap>,
}

/// An open symbol map. It is written while the program runs, so that profilers can name code of a
/// process that is killed.
#[derive(Clone, Debug)]
struct SymbolMap {
    path: PathBuf,
    output: Arc<Mutex<SymbolOutput>>,
}

/// The file of a symbol map, and the first error of writing it.
#[derive(Debug)]
struct SymbolOutput {
    file: File,
    result: io::Result<()>,
}

impl SymbolMap {
    fn new(path: PathBuf, file: File) -> Self {
        let output = SymbolOutput {
            file,
            result: Ok(()),
        };
        Self {
            path,
            output: Arc::new(Mutex::new(output)),
        }
    }

    fn output(&self) -> MutexGuard<'_, SymbolOutput> {
        self.output.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, line: &str) {
        let mut output = self.output();
        if output.result.is_ok() {
            output.result = output.file.write_all(line.as_bytes());
        }
    }
}

impl Recorder {
    /// Opens the report files.
    ///
    /// # Errors
    ///
    /// If a file can't be created.
    pub fn open(options: &Options) -> Result<Self> {
        let around = &options.around;
        let contents = [
            (Content::Events, &around.events),
            (Content::Trace, &around.trace),
        ];
        let mut files = Vec::new();
        for (content, path) in contents {
            if let Some(path) = path {
                files.push(Target {
                    content,
                    path: path.clone(),
                    file: created(path, File::create(path))?,
                });
            }
        }
        let mut symbols = None;
        if around.perf_map {
            let path = PathBuf::from(format!("/tmp/perf-{}.map", std::process::id()));
            let file = created(&path, create_afresh(&path))?;
            symbols = Some(SymbolMap::new(path, file));
        }
        Ok(Self {
            stats: options.stats,
            story: around.story,
            files,
            symbols,
        })
    }

    /// Starts the reports that are written while the engine runs.
    pub fn start(&self, engine: &Engine) {
        if let Some(symbols) = self.symbols.clone() {
            let observe = move |records: &[Record], names: &Names| {
                for record in records {
                    if let Some(line) = perf_map_line(record, names) {
                        symbols.add(&line);
                    }
                }
            };
            engine.event_log().observe(observe);
        }
    }

    /// Writes all reports, as far as possible, and prints why others could not be written.
    ///
    /// # Errors
    ///
    /// If a report could not be written; the reasons have been printed.
    pub fn write(self, engine: &Engine) -> Result<(), Incomplete> {
        let log = engine.event_log();
        log.collect();
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
        if let Some(symbols) = self.symbols {
            let what = format!("`{}`", Printable(symbols.path.display()));
            check(
                &what,
                std::mem::replace(&mut symbols.output().result, Ok(())),
            );
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

/// The error that a report could not be written.
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
    }
    out.flush()
}

fn created(path: &Path, opened: io::Result<File>) -> Result<File> {
    opened.with_context(|| format!("cannot create `{}`", Printable(path.display())))
}

/// Creates a file in a directory that every user may write to: never through a link, and never a
/// file that another user has put there. A file that an earlier process with the same number left
/// behind is replaced.
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
