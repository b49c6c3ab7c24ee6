//! A log's file in [format 3](crate::format), written while the program runs.
//!
//! What is written is valid line by line at any moment, also if the process is killed. Where the
//! disk is full, the torn end is cut off, nothing more is written, and the error is kept for
//! [`finish`](EventFile::finish).

use std::fs::File;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use crate::event::Event;
use crate::format::{Header, ModuleLine};
use crate::key::ModuleKey;
use crate::log::{EventLog, Record};
use crate::names::Names;

/// A file that the events of a log are written to. Clones share it.
#[derive(Clone, Debug)]
pub struct EventFile {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    file: File,
    /// Bytes of the complete lines that were written.
    written: u64,
    /// Lines of one batch: kept for its memory.
    lines: Vec<u8>,
    error: Option<io::Error>,
}

impl EventFile {
    /// Writes the header to an empty file.
    pub fn new(file: File, header: &Header) -> Self {
        let mut state = State {
            file,
            written: 0,
            lines: Vec::new(),
            error: None,
        };
        state.line(header);
        state.flush();
        Self {
            state: Arc::new(Mutex::new(state)),
        }
    }

    /// Writes all events that the log stores from now on.
    pub fn attach(&self, log: &EventLog) {
        let file = self.clone();
        log.observe(move |records, names| {
            let mut state = file.state();
            for record in records {
                state.record(record, names);
            }
            state.flush();
        });
    }

    /// Says whether everything that the log has [collected](EventLog::collect) was written.
    ///
    /// # Errors
    ///
    /// The first error of writing; only the first call returns it.
    pub fn finish(&self) -> io::Result<()> {
        self.state().error.take().map_or(Ok(()), Err)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn record(&mut self, record: &Record, names: &Names) {
        if let Event::ModuleLoaded { module, .. } = record.event {
            self.module(module, names);
        }
        self.line(record);
    }

    fn module(&mut self, module: ModuleKey, names: &Names) {
        if let Some(facts) = names.facts(module) {
            self.line(&ModuleLine::new(module, facts));
        }
    }

    fn line(&mut self, line: &impl Serialize) {
        serde_json::to_writer(&mut self.lines, line).expect("memory takes all that serializes");
        self.lines.push(b'\n');
    }

    fn flush(&mut self) {
        if self.error.is_none() {
            match self.file.write_all(&self.lines) {
                Ok(()) => self.written += self.lines.len() as u64,
                Err(error) => {
                    self.error = Some(error);
                    self.cut();
                }
            }
        }
        self.lines.clear();
    }

    /// Removes what was written of the last lines. A pipe keeps it.
    fn cut(&mut self) {
        let is_file = self.file.metadata().is_ok_and(|meta| meta.is_file());
        if is_file && let Err(error) = self.file.set_len(self.written) {
            // The reader reports the torn line.
            drop(error);
        }
    }
}
