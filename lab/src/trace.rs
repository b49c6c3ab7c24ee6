//! Recorded traces: what a program did, and what its code costs at each level.
//!
//! A trace has what a run's tiering depends on and nothing of the run's own tiering: how often each
//! function was entered and each loop repeated, in slices of time, and for each function and level
//! the cost of compiling and the time of a unit of work. From that a run under any policy can be
//! computed.
//!
//! # The file
//!
//! Eight bytes of magic, a version (four bytes, little endian), the header, the functions, the
//! slices, whether the recording ran to its end, and the SHA-256 of all bytes before it. Integers
//! are unsigned LEB128, floating-point numbers eight bytes, texts and lists have their length in
//! front. Functions of slices are stored as differences, so a count takes three to five bytes.
//!
//! Reading trusts nothing: lengths are bounded by what is left of the file, so that no length makes
//! it allocate much more than the file is long, and each rule that is stated at a field is checked.

mod check;
mod decode;
mod encode;
mod recorder;

use std::io::{self, Write};

pub use check::{Invalid, MAX_SLOWDOWN};
pub use decode::{Fault, ReadError};
pub use recorder::{Cell, Recorder, SnapshotError};

/// The first bytes of a file.
const MAGIC: [u8; 8] = *b"UPTRACE\n";

/// The version of the encoding that is written, and the only one that is read.
pub const VERSION: u32 = 4;

/// A recorded run.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    /// What ran, and where.
    pub header: Header,
    /// The functions, by ascending index.
    pub functions: Vec<Function>,
    /// What they did, in the order of time.
    pub slices: Vec<Slice>,
    /// Whether the program was recorded to its end.
    pub complete: bool,
}

/// What ran, and where.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Header {
    /// The program's name.
    pub program: String,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// The SHA-256 of the module.
    pub module: [u8; 32],
    /// The engine's settings, as on a command line.
    pub settings: String,
    /// The seed of the guest's random numbers and clocks.
    pub seed: u64,
    /// The machine: processor, cores, system.
    pub machine: String,
    /// Bytes of the bodies of all functions that the module defines. Less than those of the
    /// functions that are here: there are no others.
    pub module_bytes: u64,
    /// The number of functions that the module defines, likewise.
    pub module_funcs: u32,
    /// For each number of busy compile threads, from 0, the factor by which the program's thread
    /// was slower on the machine, beyond its share of the cores. From 1 to [`MAX_SLOWDOWN`] each;
    /// the last one holds for more threads. Empty: not measured, taken as 1.
    pub slowdown: Vec<f64>,
    /// What it took the program's thread to ask the policy at the end of a budget, in nanoseconds;
    /// 0 if that was not measured.
    pub ask_ns: f64,
    /// The levels of code, lowest first: at least one.
    pub levels: Vec<Level>,
}

/// A level of code: a compiler with its options.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Level {
    /// Its name.
    pub name: String,
    /// Whether its code counts entries and iterations, so that a policy hears of them.
    pub counting: Counting,
}

/// Whether code of a level counts what it does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Counting {
    /// It subtracts from a budget.
    #[default]
    Counts,
    /// Calls are counted before it; its loops run without.
    Calls,
    /// It runs without.
    Silent,
}

/// A function that the module defines.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Function {
    /// Its index among the functions that the module defines.
    pub index: u32,
    /// Its name; empty if the module gives none.
    pub name: String,
    /// The length of its body, in bytes.
    pub body_bytes: u32,
    /// Its loops, by ascending offset.
    pub loops: Vec<Loop>,
    /// The part of its iterations that are made in calls which last: such calls go on in the code
    /// in which they began, unless their loop has an OSR entry. From 0 to 1.
    pub lasting: f64,
    /// What compiling an OSR entry takes, as a part of what compiling the whole function takes;
    /// `None` if that was not seen: as much.
    pub osr_part: Option<f64>,
    /// What its code costs: one for each of the header's levels.
    pub costs: Vec<Cost>,
}

/// A loop of a function.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Loop {
    /// Where it begins, in bytes from the start of the body.
    pub offset: u32,
    /// The number of loops around it.
    pub depth: u32,
}

/// What a function's code of one level costs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cost {
    /// Processor time of compiling the function, in nanoseconds.
    pub compile_ns: f64,
    /// The length of the machine code, in bytes.
    pub code_bytes: u32,
    /// Nanoseconds for each unit at each [`Site`]: an entry, or an iteration of a loop.
    pub unit_ns: Vec<f64>,
}

/// A place where a function counts: 0 is its entry, `n + 1` the back edge of its loop `n`.
pub type Site = u32;

/// A stretch of time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Slice {
    /// When it began, in nanoseconds of the guest's thread since it started; not before the end of
    /// the slice before.
    pub from: u64,
    /// When it ended; not before it began.
    pub to: u64,
    /// How much of it was spent outside of WebAssembly; at most all.
    pub host_ns: u64,
    /// What was counted, by ascending function and site.
    pub counts: Vec<Count>,
}

/// How often a site was passed in a slice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// The position of the function in [`Trace::functions`].
    pub function: u32,
    /// The site.
    pub site: Site,
    /// How often, whatever the site takes from a budget: at least once.
    pub units: u64,
}

impl Trace {
    /// Writes the trace to a file.
    ///
    /// # Errors
    ///
    /// `InvalidData` if the trace breaks a rule, so that each file that is written can be read; and
    /// those of the writer.
    pub fn write(&self, mut writer: impl Write) -> io::Result<()> {
        check::trace(self).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        writer.write_all(&encode::trace(self))?;
        writer.flush()
    }

    /// Reads a trace from the bytes of a whole file.
    ///
    /// # Errors
    ///
    /// If the bytes are no such file, of another version, cut, changed, or break a rule. The error
    /// says at which byte, and in which part of the file.
    pub fn read(bytes: &[u8]) -> Result<Self, ReadError> {
        decode::trace(bytes)
    }
}

#[cfg(test)]
pub(crate) mod tests;
