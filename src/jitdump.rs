//! [`JitDump`]: a file with the code of engines, for `perf`.
//!
//! Each piece of code is written when it is placed, before it can run, with the time and its bytes.
//! So a sample belongs to the latest piece at its address, also where a place is used again. The
//! file is complete up to the last record at any moment, whatever ends the process.

use std::borrow::Cow;
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Context as _;
use rustix::process::{Resource, getrlimit};
use rustix::time::{ClockId, clock_gettime};
use upshift_abi::{Printable, demangle};
use upshift_profiler::jitdump::{self, Code, Line};
use upshift_profiler::{Nanos, Text, symbol};
use upshift_runtime::code::{CodeObserver, FunctionCode, NewCode, NewCodeKind, Trampoline};
use upshift_runtime::{Process, ProfilerMark};

use crate::Result;

/// A jitdump file: the code of engines with its bytes, names and times, from which `perf` makes
/// symbols that can be disassembled.
///
/// ```sh
/// perf record -k mono program              # with the clock of the file
/// perf inject --jit -i perf.data -o jit.data
/// perf report -i jit.data                  # or: perf annotate -i jit.data
/// ```
///
/// Functions have the names of [`WasmBacktrace`](crate::WasmBacktrace)s and the level of their code
/// (`main [optimizer]`, `main loop 0 [optimizer]` for an OSR entry); trampolines between Rust and
/// WebAssembly, call counters and first-call thunks are named as such. What stands for line numbers
/// are offsets of instructions in the module.
///
/// Unlike a symbol map, the file is right for code that is replaced, and it needs no particular
/// [`CodeMapping`](crate::CodeMapping).
///
/// Give it to engines with [`Config::jit_dump`](crate::Config::jit_dump). Clones share the file,
/// which is thread-safe; what they record is written in the order of its times. A forked child
/// writes nothing to it.
#[derive(Clone)]
pub struct JitDump {
    inner: Arc<Inner>,
}

struct Inner {
    path: PathBuf,
    process: Process,
    /// How `perf` notices the file.
    _mark: ProfilerMark,
    /// Bytes that a file of this process may have.
    limit: u64,
    state: Mutex<State>,
}

struct State {
    file: File,
    /// Bytes of the records that are written as a whole.
    written: u64,
    /// The pieces of code so far.
    pieces: u64,
    /// The record that is being made, and the lines of its code: kept for their memory.
    record: Vec<u8>,
    lines: Vec<Line>,
    /// What went wrong first.
    error: Option<io::Error>,
    /// Whether nothing is written any more: after an error, or after the last record.
    closed: bool,
}

impl JitDump {
    /// Creates `jit-PID.dump` in a folder, and maps its first page: that is how a `perf record` of
    /// this process learns of the file. One that an earlier process with the same number left
    /// behind is replaced; links are not followed.
    ///
    /// # Errors
    ///
    /// If the file can't be created, or can't be mapped as executable: then the file system is
    /// probably mounted with `noexec`.
    pub fn create(folder: impl AsRef<Path>) -> Result<Self> {
        let process = std::process::id();
        let path = folder.as_ref().join(format!("jit-{process}.dump"));
        let shown = path.display().to_string();
        let file = create_afresh(&path);
        let file = file.with_context(|| format!("cannot create `{}`", Printable(&shown)))?;
        let mark = ProfilerMark::new(&file);
        let mark = mark.with_context(|| format!("`perf` can't see `{}`", Printable(&shown)))?;
        let mut state = State {
            file,
            written: 0,
            pieces: 0,
            record: Vec::new(),
            lines: Vec::new(),
            error: None,
            closed: false,
        };
        let limit = getrlimit(Resource::Fsize).current.unwrap_or(u64::MAX);
        jitdump::header(&mut state.record, process, now());
        state.flush(limit);
        let inner = Inner {
            path,
            process: Process::current(),
            _mark: mark,
            limit,
            state: Mutex::new(state),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// The file's path.
    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    /// Ends the file, and says whether all records were written: code that engines place later is
    /// not recorded. Dropping the last clone, those of engines included, ends the file as well.
    ///
    /// # Errors
    ///
    /// The first error of writing, after which nothing more was written; only the first call
    /// returns it.
    pub fn finish(&self) -> io::Result<()> {
        self.inner.close();
        self.inner.state().error.take().map_or(Ok(()), Err)
    }

    /// What an engine tells of its code, given the names of its levels.
    pub(crate) fn observer(&self, levels: Vec<Text>) -> Box<dyn CodeObserver> {
        let inner = self.inner.clone();
        Box::new(Observer { inner, levels })
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self) {
        // A child shares the file and its position.
        if !self.process.is_current() {
            return;
        }
        let mut state = self.state();
        jitdump::close(&mut state.record, now());
        state.flush(self.limit);
        state.closed = true;
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.close();
    }
}

impl State {
    /// Writes the record that was made. If it can't be written as a whole, what was written of it
    /// is cut off, and nothing more is written.
    fn flush(&mut self, limit: u64) {
        if !self.closed {
            let len = self.record.len() as u64;
            // Beyond the limit, the system would end the process with a signal.
            let written = match self.written.saturating_add(len) <= limit {
                true => self.file.write_all(&self.record),
                false => Err(ErrorKind::FileTooLarge.into()),
            };
            match written {
                Ok(()) => self.written += len,
                Err(error) => {
                    // If it can't be cut, readers find a torn record, and stop there.
                    let _ = self.file.set_len(self.written);
                    self.error = Some(error);
                    self.closed = true;
                }
            }
        }
        self.record.clear();
    }
}

/// What writes the code of one engine.
struct Observer {
    inner: Arc<Inner>,
    /// The names of the engine's levels, lowest first.
    levels: Vec<Text>,
}

impl Observer {
    fn name(&self, kind: &NewCodeKind<'_>) -> String {
        match kind {
            NewCodeKind::Function(code) => {
                let level = self.levels.get(usize::from(code.level));
                let level = level.map_or("", |level| &**level);
                symbol(&function_name(code), code.unit, level)
            }
            NewCodeKind::Counter(code) => symbol(&function_name(code), code.unit, "call counter"),
            NewCodeKind::Trampoline(Trampoline::Entry) => "[trampoline into WebAssembly]".into(),
            NewCodeKind::Trampoline(Trampoline::Host) => "[trampoline to the host]".into(),
            NewCodeKind::FirstCallThunks => "[first-call thunks]".into(),
        }
    }
}

impl CodeObserver for Observer {
    fn placed(&self, code: &NewCode<'_>) {
        if !self.inner.process.is_current() {
            return;
        }
        let name = self.name(&code.kind);
        let source = match code.kind {
            NewCodeKind::Function(function) => source_name(function),
            _ => String::new(),
        };
        let mut state = self.inner.state();
        let State {
            pieces,
            record,
            lines,
            ..
        } = &mut *state;
        let address = code.start as u64;
        lines.clear();
        lines.extend(code.sources.iter().map(|run| Line {
            address: address + u64::from(run.code.0),
            line: run.wasm.0,
        }));
        let piece = Code {
            name: &name,
            index: *pieces,
            process: std::process::id(),
            thread: rustix::thread::gettid()
                .as_raw_nonzero()
                .get()
                .cast_unsigned(),
            address,
            bytes: code.bytes,
            lines,
            source: &source,
        };
        // The time is read under the lock, so that later records have later times.
        jitdump::load(record, now(), &piece);
        *pieces += 1;
        state.flush(self.inner.limit);
    }
}

fn function_name(code: &FunctionCode) -> String {
    let index = code.facts.func_index(code.func);
    let name = code.facts.func_name(index).map(demangle::shown);
    name.map_or_else(|| format!("func[{}]", index.0), Cow::into_owned)
}

/// What stands for the file of a function's lines: its module.
fn source_name(code: &FunctionCode) -> String {
    let name = code.facts.names.module();
    Printable(name.unwrap_or("module")).to_string()
}

/// The time of the clock that `perf record -k mono` uses.
fn now() -> Nanos {
    let time = clock_gettime(ClockId::Monotonic);
    Nanos(time.tv_sec.cast_unsigned() * 1_000_000_000 + time.tv_nsec.cast_unsigned())
}

/// Creates a file, never through a link: the folder may be one that every user may write to.
fn create_afresh(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    match options.open(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            std::fs::remove_file(path)?;
            options.open(path)
        }
        result => result,
    }
}

impl fmt::Debug for JitDump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JitDump")
            .field("path", &self.inner.path)
            .finish_non_exhaustive()
    }
}
