//! Errors of the runtime.

use std::fmt;
use std::time::Duration;

use upshift_abi::{CompileError, Printable, TrapCode};

use crate::backtrace::WasmBacktrace;

/// The system or the code space refused something.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// A system call failed.
    #[error("cannot {what}: {source}")]
    System {
        /// What was tried.
        what: &'static str,
        /// The system's answer.
        source: std::io::Error,
    },
    /// In a child made by `fork`, something of the parent was used.
    #[error(
        "this engine was made before `fork` and belongs to the parent process; make a new one in the child"
    )]
    Forked,
    /// No room for more code.
    #[error(
        "the code space is full ({bytes} bytes more were needed); give the engine a larger one or fewer modules"
    )]
    CodeSpaceFull {
        /// Bytes that were asked for.
        bytes: usize,
    },
}

impl RuntimeError {
    pub(crate) fn system(what: &'static str, source: impl Into<std::io::Error>) -> Self {
        RuntimeError::System {
            what,
            source: source.into(),
        }
    }

    pub(crate) fn out_of_memory(what: &'static str) -> Self {
        Self::system(what, std::io::ErrorKind::OutOfMemory)
    }
}

/// An import does not fit what the module asks for.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// Fewer or more externs than imports.
    #[error("expected {expected} imports, found {found}")]
    Count {
        /// Imports of the module.
        expected: usize,
        /// Externs given.
        found: usize,
    },
    /// The extern has another type.
    #[error(
        "incompatible import type for `{}::{}`: expected {expected}, found {found}",
        Printable(module),
        Printable(name)
    )]
    Type {
        /// The import's first name.
        module: String,
        /// The import's second name.
        name: String,
        /// The type the module asks for.
        expected: String,
        /// The type given.
        found: String,
    },
}

/// Why a call into WebAssembly did not return. (A host function's panic resumes as a panic.)
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// WebAssembly trapped.
    #[error("{code}")]
    Trap {
        /// Why.
        code: TrapCode,
        /// Where, innermost frame first.
        backtrace: WasmBacktrace,
    },
    /// A deadline ended the call.
    #[error("{timeout}")]
    TimedOut {
        /// Which one.
        timeout: TimedOut,
        /// Where, innermost frame first.
        backtrace: WasmBacktrace,
    },
    /// A host function failed.
    #[error("{error}")]
    Host {
        /// What it returned.
        error: anyhow::Error,
        /// Where it was called from, innermost frame first.
        backtrace: WasmBacktrace,
    },
    /// The imports don't fit.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// The system refused memory, or code space is full.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// A function could not be compiled when it was first called.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// A memory or table is larger than this host can provide, or the store's limiter refuses it.
    #[error("{0}")]
    Resource(String),
}

impl Error {
    pub(crate) fn trap(code: TrapCode) -> Self {
        Error::Trap {
            code,
            backtrace: WasmBacktrace::default(),
        }
    }

    /// An error of the embedder's outside of WebAssembly.
    pub(crate) fn from_host(error: anyhow::Error) -> Self {
        Error::Host {
            error,
            backtrace: WasmBacktrace::default(),
        }
    }
}

impl From<Box<Error>> for Error {
    fn from(error: Box<Error>) -> Self {
        *error
    }
}

/// A deadline has passed: the context of a [`TrapCode::Interrupt`] that was made by a deadline and
/// not by a handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimedOut {
    after: Option<Duration>,
}

impl TimedOut {
    pub(crate) fn new(after: Option<Duration>) -> Self {
        Self { after }
    }

    /// How much time the calls were given, if the deadline was set as a duration.
    pub fn after(&self) -> Option<Duration> {
        self.after
    }
}

impl fmt::Display for TimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.after {
            Some(after) => write!(f, "timed out after {after:?}"),
            None => f.write_str("timed out: the deadline has passed"),
        }
    }
}

impl std::error::Error for TimedOut {}
