//! The errors of the runtime.

use std::fmt;
use std::time::Duration;

use upshift_abi::{CompileError, Printable, TrapCode};

use crate::backtrace::WasmBacktrace;

/// The system or the code space refused a resource.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// A system call failed.
    #[error("cannot {what}: {source}")]
    System {
        /// What the runtime tried to do.
        what: &'static str,
        /// The system's error.
        source: std::io::Error,
    },
    /// A child made by `fork` used something of its parent.
    #[error(
        "this engine was made before `fork` and belongs to the parent process; make a new one in \
         the child"
    )]
    Forked,
    /// The data of a module that was stored is not what it was then.
    #[error("the serialized module is damaged: its data was changed")]
    Damaged,
    /// A synchronous call came to what can wait, or is in a store that allows asynchronous calls
    /// only.
    #[error(
        "{0}, so a synchronous call is not possible: use `call_async`, `instantiate_async`, \
         `grow_async` or `new_async` instead"
    )]
    NeedsAsync(AsyncReason),
    /// An asynchronous limiter did not answer at once where nothing can wait for it.
    #[error(
        "the store's asynchronous limiter did not answer at once about a shared memory, which \
         other threads wait to grow meanwhile"
    )]
    NoWait,
    /// The future of an asynchronous call was dropped.
    #[error("the call was cancelled")]
    Cancelled,
    /// A type of references names a function type that the engine does not know.
    #[error(
        "the type of references names a function type that no module and no store of this engine \
         uses"
    )]
    UnknownType,
    /// The code space has no room for more code.
    #[error(
        "the code space is full ({bytes} bytes more were needed); give the engine a larger one or \
         fewer modules"
    )]
    CodeSpaceFull {
        /// The number of bytes that were requested.
        bytes: usize,
    },
}

/// Why a call must be asynchronous.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AsyncReason {
    /// WebAssembly has called an asynchronous host function.
    #[error("WebAssembly has called an asynchronous host function")]
    HostFunction,
    /// The store's call hook or limiter is asynchronous.
    #[error("the store has an asynchronous call hook or limiter")]
    HookOrLimiter,
    /// WebAssembly yields to the executor of its call.
    #[error("WebAssembly in this store yields to an executor")]
    Yields,
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

/// An import does not fit the module's declaration.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// There are fewer or more externs than imports.
    #[error("expected {expected} imports, found {found}")]
    Count {
        /// The number of the module's imports.
        expected: usize,
        /// The number of externs given.
        found: usize,
    },
    /// An extern has another type than the import.
    #[error(
        "incompatible import type for `{}::{}`: expected {expected}, found {found}",
        Printable(module),
        Printable(name)
    )]
    Type {
        /// The name of the module to import from.
        module: String,
        /// The name of the item to import.
        name: String,
        /// The type of the import.
        expected: String,
        /// The type of the extern.
        found: String,
    },
}

/// The reason why a call into WebAssembly did not return. (A host function's panic resumes as a
/// panic.)
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// WebAssembly trapped.
    #[error("{code}")]
    Trap {
        /// The reason of the trap.
        code: TrapCode,
        /// The active functions, innermost first.
        backtrace: WasmBacktrace,
    },
    /// A deadline ended the call.
    #[error("{timeout}")]
    TimedOut {
        /// The deadline that passed.
        timeout: TimedOut,
        /// The active functions, innermost first.
        backtrace: WasmBacktrace,
    },
    /// A host function failed.
    #[error("{error}")]
    Host {
        /// The error that the host function returned.
        error: anyhow::Error,
        /// The active functions, innermost first.
        backtrace: WasmBacktrace,
    },
    /// The imports don't fit the module.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// The system refused memory, or code space is full.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// A function could not be compiled at its first call.
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

    /// Wraps an error of the embedder outside of WebAssembly.
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

/// A deadline has passed: the context of a [`TrapCode::Interrupt`] that was caused by a deadline
/// and not by a handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimedOut {
    after: Option<Duration>,
}

impl TimedOut {
    pub(crate) fn new(after: Option<Duration>) -> Self {
        Self { after }
    }

    /// The time that the calls were given, if the deadline was set as a duration.
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
