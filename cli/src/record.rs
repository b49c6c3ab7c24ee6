//! The reports of a run: statistics, story, events, trace, symbol map, jitdump.
//!
//! Files are opened before the run, so that a name that can't be written is reported at once. The
//! events, the symbol map and the jitdump file are written while it goes on, the others after it,
//! however it ended. A report that can't be written makes the command fail.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use upshift::profiler::chrome::chrome_trace;
use upshift::profiler::file::EventFile;
use upshift::profiler::format::{ClockUnit, FORMAT, Header, Machine};
use upshift::profiler::perf_map::perf_map_line;
use upshift::profiler::{EventLog, Names, Nanos, Record, story};
use upshift::{Config, Engine, JitDump, Printable, Result, knobs};

use crate::options::{Options, StatsFormat};
use crate::output::apart;
use crate::report;

/// An open report file.
#[derive(Debug)]
struct Target {
    path: PathBuf,
    file: File,
}

impl Target {
    /// Creates the file, which is not that of the program.
    fn create(path: &Option<PathBuf>, program: &Path) -> Result<Option<Self>> {
        let Some(path) = path else { return Ok(None) };
        let file = apart(path, program).and_then(|()| File::create(path));
        let file = created(path, file)?;
        let path = path.clone();
        Ok(Some(Self { path, file }))
    }
}

/// The file of the event log.
#[derive(Debug)]
struct Events {
    path: PathBuf,
    file: EventFile,
}

/// The reports that the options request.
#[derive(Debug)]
pub struct Recorder {
    stats: Option<StatsFormat>,
    story: bool,
    /// What the events' file says about the run: these options, and what the engine is.
    seed: Option<u64>,
    events: Option<Target>,
    trace: Option<Target>,
    symbols: Option<SymbolMap>,
    jit_dump: Option<JitDump>,
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
        let events = Target::create(&around.events, &options.file)?;
        let trace = Target::create(&around.trace, &options.file)?;
        let mut symbols = None;
        if around.perf_map {
            let path = PathBuf::from(format!("/tmp/perf-{}.map", std::process::id()));
            let file = created(&path, create_afresh(&path))?;
            symbols = Some(SymbolMap::new(path, file));
        }
        let jit_dump = around.jitdump.as_ref().map(JitDump::create).transpose()?;
        Ok(Self {
            stats: options.stats,
            story: around.story,
            seed: around.random_seed,
            events,
            trace,
            symbols,
            jit_dump,
        })
    }

    /// The file to which an engine that is recorded has to write its code.
    pub fn jit_dump(&self) -> Option<&JitDump> {
        self.jit_dump.as_ref()
    }

    /// Starts the reports that are written while the engine runs.
    pub fn start(self, engine: &Engine) -> Started {
        let log = engine.event_log();
        if let Some(symbols) = self.symbols.clone() {
            let observe = move |records: &[Record], names: &Names| {
                for record in records {
                    if let Some(line) = perf_map_line(record, names) {
                        symbols.add(&line);
                    }
                }
            };
            log.observe(observe);
        }
        let header = || header(engine, self.seed);
        let events = self.events.map(|Target { path, file }| {
            let file = EventFile::new(file, &header());
            file.attach(log);
            Events { path, file }
        });
        Started {
            stats: self.stats,
            story: self.story,
            events,
            trace: self.trace,
            symbols: self.symbols,
            jit_dump: self.jit_dump,
        }
    }
}

/// The reports of a run that has begun.
#[derive(Debug)]
pub struct Started {
    stats: Option<StatsFormat>,
    story: bool,
    events: Option<Events>,
    trace: Option<Target>,
    symbols: Option<SymbolMap>,
    jit_dump: Option<JitDump>,
}

impl Started {
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
        let named = |path: &Path| format!("`{}`", Printable(path.display()));
        if let Some(Events { path, file }) = self.events {
            check(&named(&path), file.finish());
        }
        if let Some(Target { path, file }) = self.trace {
            check(&named(&path), write_trace(file, log));
        }
        if let Some(symbols) = self.symbols {
            let written = std::mem::replace(&mut symbols.output().result, Ok(()));
            check(&named(&symbols.path), written);
        }
        if let Some(dump) = self.jit_dump {
            check(&named(dump.path()), dump.finish());
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

/// What the events' file says about the run.
fn header(engine: &Engine, seed: Option<u64>) -> Header {
    let defaults = knobs::entries(&Config::new());
    let entries = knobs::entries(engine.config());
    let value = |name: &str| {
        let entry = entries.iter().find(|entry| entry.info.name == name);
        entry.map_or(String::new(), |entry| entry.value.clone())
    };
    let changed = entries
        .iter()
        .zip(&defaults)
        .filter(|(entry, default)| entry.value != default.value);
    let started = SystemTime::now().duration_since(UNIX_EPOCH);
    Header {
        format: FORMAT,
        upshift: env!("CARGO_PKG_VERSION").into(),
        pid: std::process::id(),
        started: Nanos::from(started.unwrap_or_default())
            .0
            .saturating_sub(engine.event_log().now().0),
        settings: changed
            .map(|(entry, _)| (entry.info.name.into(), entry.value.clone()))
            .collect(),
        policy: value("policy"),
        levels: engine.event_log().names().levels(),
        machine: Machine::current(),
        seed,
        clock: match value("switching").starts_with("virtual") {
            true => ClockUnit::Units,
            false => ClockUnit::Ns,
        },
    }
}

/// The error that a report could not be written.
#[derive(Debug)]
pub struct Incomplete;

fn write_trace(file: File, log: &EventLog) -> io::Result<()> {
    let mut out = BufWriter::new(file);
    serde_json::to_writer(&mut out, &chrome_trace(&log.records(), &log.names()))?;
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
