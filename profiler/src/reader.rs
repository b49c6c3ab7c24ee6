//! Reads a log's file of [format 3](crate::format).
//!
//! Files may be cut, or written by a later version: lines that can't be read are reported with
//! their numbers, events and fields that this version does not know are passed over.

use std::fmt;
use std::io::{self, BufRead};

use serde::Deserialize;

use crate::event::Event;
use crate::format::{FORMAT, Header, ModuleLine};
use crate::key::Nanos;
use crate::log::Record;
use crate::names::Names;

/// What a log's file contains.
#[derive(Clone, Debug, Default)]
pub struct LogFile {
    /// What the run is.
    pub header: Header,
    /// The names of the functions.
    pub names: Names,
    /// All records that could be read, sorted by time.
    pub records: Vec<Record>,
    /// The first lines that could not be read, at most [`FAULTS`].
    pub faults: Vec<Fault>,
    /// How many lines could not be read.
    pub broken: u64,
    /// How many records were passed over: this version does not know their events.
    pub unknown: u64,
}

/// How many lines that can't be read are kept in [`LogFile::faults`].
pub const FAULTS: usize = 100;

/// A line that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The line's number, from 1.
    pub line: u64,
    /// What is wrong with it.
    pub problem: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.problem)
    }
}

/// Why a file could not be read at all.
#[derive(Debug)]
pub enum ReadError {
    /// Reading failed.
    Io(io::Error),
    /// The first line is no header of an event log.
    NoLog(String),
    /// The file has another format.
    Format(u32),
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReadError::Io(error) => error.fmt(f),
            ReadError::NoLog(problem) => {
                write!(f, "no event log: its first line is no header ({problem})")
            }
            ReadError::Format(format) => {
                write!(f, "its format is {format}; this version reads {FORMAT}")
            }
        }
    }
}

impl std::error::Error for ReadError {}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        ReadError::Io(error)
    }
}

impl LogFile {
    /// When the last record was made.
    pub fn end(&self) -> Nanos {
        self.records.last().map_or(Nanos(0), |record| record.at)
    }

    fn fault(&mut self, line: u64, problem: String) {
        self.broken += 1;
        if self.faults.len() < FAULTS {
            self.faults.push(Fault { line, problem });
        }
    }
}

/// Reads a file. Takes memory in proportion to it.
///
/// # Errors
///
/// If reading fails, or the first line is not the header of a log in this format.
pub fn read(mut input: impl BufRead) -> Result<LogFile, ReadError> {
    let mut bytes = Vec::new();
    input.read_until(b'\n', &mut bytes)?;
    let mut file = LogFile {
        header: header(&bytes)?,
        ..LogFile::default()
    };
    file.names.set_levels(file.header.levels.clone());
    for number in 2.. {
        bytes.clear();
        if input.read_until(b'\n', &mut bytes)? == 0 {
            break;
        }
        match line(&bytes) {
            Ok(Line::Record(record)) => file.records.push(*record),
            Ok(Line::Module(module)) => file.names.insert_rows(module.module, module.functions),
            Ok(Line::Unknown) => file.unknown += 1,
            Err(error) => file.fault(number, error.to_string()),
        }
    }
    file.records.sort_by_key(|record| record.at);
    Ok(file)
}

fn header(bytes: &[u8]) -> Result<Header, ReadError> {
    #[derive(Deserialize)]
    struct Version {
        format: u32,
    }
    let version: Version =
        serde_json::from_slice(bytes).map_err(|error| ReadError::NoLog(error.to_string()))?;
    if version.format != FORMAT {
        return Err(ReadError::Format(version.format));
    }
    serde_json::from_slice(bytes).map_err(|error| ReadError::NoLog(error.to_string()))
}

/// What a line behind the first can be.
enum Line {
    Record(Box<Record>),
    Module(ModuleLine),
    Unknown,
}

fn line(bytes: &[u8]) -> Result<Line, serde_json::Error> {
    /// What tells lines apart.
    #[derive(Deserialize)]
    struct Kind<'a> {
        event: Option<&'a str>,
        functions: Option<serde::de::IgnoredAny>,
    }
    let error = match serde_json::from_slice::<Record>(bytes) {
        Ok(record) => return Ok(Line::Record(Box::new(record))),
        Err(error) => error,
    };
    match serde_json::from_slice(bytes) {
        Ok(Kind {
            event: Some(event), ..
        }) if !Event::NAMES.contains(&event) => Ok(Line::Unknown),
        Ok(Kind {
            event: None,
            functions: Some(_),
        }) => Ok(Line::Module(serde_json::from_slice(bytes)?)),
        _ => Err(error),
    }
}

#[cfg(test)]
mod tests;
