//! `-D calls`: the tree of a program's calls, as they happen.
//!
//! ```text
//! _start()
//!   fib(3)
//!     fib(2)
//!       fib(1) = 1
//!       fib(0) = 0
//!     = 1
//!     fib(1) = 1
//!   = 2
//! = exited
//! ```
//!
//! Functions of the host are shown by the names that they are imported by. A call that calls
//! nothing which is listened to takes one line; the end of any other stands below what it has
//! called, as far in as its beginning. Each thread of a program has a tree of its own, whose lines
//! begin with its number from the second thread on.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Context as _;
use upshift::observe::{AbortReason, InstrumentedFunc, InstrumentedImport, Observed, Observer};
use upshift::{Instance, Printable, Result, StoreContextMut, Val};

use crate::explore::is_like;
use crate::run::Program;

/// The file to which calls are written.
#[derive(Clone, Debug)]
pub struct CallLog {
    path: PathBuf,
    output: Arc<Mutex<Output>>,
}

#[derive(Debug)]
struct Output {
    file: BufWriter<File>,
    /// The first error of writing.
    result: io::Result<()>,
    /// The thread whose last line has no end yet, as it may still get its result.
    unfinished: Option<u32>,
    threads: u32,
}

/// Which functions are listened to.
#[derive(Clone, Debug)]
pub struct Selection {
    pattern: Option<String>,
}

/// Writes the calls of one thread.
pub struct Tracer {
    log: CallLog,
    thread: u32,
    depth: usize,
    /// Names of functions, by instance and index.
    names: HashMap<(Instance, u32), Box<str>>,
}

impl CallLog {
    /// Creates the file.
    ///
    /// # Errors
    ///
    /// If it can't be created.
    pub fn create(path: &Path) -> Result<Self> {
        let file = File::create(path);
        let file =
            file.with_context(|| format!("cannot create `{}`", Printable(path.display())))?;
        let output = Output {
            file: BufWriter::with_capacity(1 << 16, file),
            result: Ok(()),
            unfinished: None,
            threads: 0,
        };
        Ok(Self {
            path: path.to_owned(),
            output: Arc::new(Mutex::new(output)),
        })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn output(&self) -> MutexGuard<'_, Output> {
        self.output.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The observer of another thread's store.
    pub fn tracer(&self) -> Tracer {
        let mut output = self.output();
        output.threads += 1;
        Tracer {
            log: self.clone(),
            thread: output.threads - 1,
            depth: 0,
            names: HashMap::new(),
        }
    }

    /// Writes what is left, at the end of the run.
    ///
    /// # Errors
    ///
    /// The first error of writing the file.
    pub fn finish(&self) -> io::Result<()> {
        let mut output = self.output();
        output.end_line();
        let flushed = output.file.flush();
        std::mem::replace(&mut output.result, Ok(())).and(flushed)
    }
}

impl Output {
    fn write(&mut self, text: &str) {
        if self.result.is_ok() {
            self.result = self.file.write_all(text.as_bytes());
        }
    }

    fn end_line(&mut self) {
        if self.unfinished.take().is_some() {
            self.write("\n");
        }
    }
}

impl Selection {
    /// All functions, or those that a pattern or an index means.
    pub fn new(pattern: Option<String>) -> Self {
        Self { pattern }
    }

    /// Listens to a function if it is chosen.
    pub fn listen(&self, func: &mut InstrumentedFunc<'_>) {
        let chosen = match &self.pattern {
            None => true,
            Some(pattern) => {
                let index = format!("func[{}]", func.index());
                pattern.parse() == Ok(func.index())
                    || match func.demangled_name() {
                        Some(name) => is_like(pattern, &name),
                        None => is_like(pattern, &index),
                    }
            }
        };
        if chosen {
            func.listen(0);
        }
    }

    /// Listens to a function of the host if it is chosen: by its index, its own name, or that with
    /// its module's.
    pub fn listen_to_import(&self, import: &mut InstrumentedImport<'_>) {
        let chosen = match &self.pattern {
            None => true,
            Some(pattern) => {
                let full = host_name(import.module(), import.name());
                pattern.parse() == Ok(import.index())
                    || is_like(pattern, import.name())
                    || is_like(pattern, &full)
            }
        };
        if chosen {
            import.listen(0);
        }
    }
}

/// The name of a function of the host.
fn host_name(module: &str, name: &str) -> String {
    format!("{module}.{name}")
}

fn values(values: &[Val]) -> String {
    let mut text = String::new();
    for (n, value) in values.iter().enumerate() {
        if n > 0 {
            text.push_str(", ");
        }
        text += &crate::invoke::show(value);
    }
    text
}

impl Tracer {
    fn name(&mut self, func: &Observed<'_>) -> Box<str> {
        let key = (func.instance(), func.index());
        let name =
            self.names
                .entry(key)
                .or_insert_with(|| match (func.import(), func.demangled_name()) {
                    (Some((module, name)), _) => {
                        Printable(host_name(module, name)).to_string().into()
                    }
                    (None, Some(name)) => Printable(name).to_string().into(),
                    (None, None) => format!("func[{}]", func.index()).into(),
                });
        name.clone()
    }

    /// Begins a line, as far in as the depth.
    fn line(&self, output: &mut Output, text: &str) {
        output.end_line();
        let mut line = String::new();
        if self.thread > 0 {
            let _ = write!(line, "[{}] ", self.thread);
        }
        let _ = write!(line, "{:width$}{text}", "", width = 2 * self.depth);
        output.write(&line);
        output.unfinished = Some(self.thread);
    }

    /// A call ends: in its own line, if that is the last one.
    fn end(&mut self, depth: usize, end: &str) {
        let is_leaf = depth == self.depth;
        self.depth = depth - 1;
        let log = self.log.clone();
        let mut output = log.output();
        if is_leaf && output.unfinished == Some(self.thread) {
            output.write(&format!(" {end}"));
        } else {
            self.line(&mut output, end);
        }
        output.end_line();
    }
}

impl Observer<Program> for Tracer {
    fn before(
        &mut self,
        _: StoreContextMut<'_, Program>,
        func: &Observed<'_>,
        params: &[Val],
    ) -> Result<()> {
        let text = format!("{}({})", self.name(func), values(params));
        let log = self.log.clone();
        let mut output = log.output();
        self.line(&mut output, &text);
        self.depth += 1;
        Ok(())
    }

    fn after(
        &mut self,
        _: StoreContextMut<'_, Program>,
        _: &Observed<'_>,
        results: &[Val],
    ) -> Result<()> {
        let end = match results {
            [] => "returned".to_owned(),
            results => format!("= {}", values(results)),
        };
        self.end(self.depth, &end);
        Ok(())
    }

    fn abort(&mut self, _: StoreContextMut<'_, Program>, _: &Observed<'_>, reason: AbortReason) {
        let end = match reason {
            AbortReason::TailCall => "-> tail call".to_owned(),
            AbortReason::Exception => "! exception".to_owned(),
            AbortReason::Trap(trap) => format!("! {trap}"),
            _ => "! ended".to_owned(),
        };
        self.end(self.depth, &end);
    }
}
