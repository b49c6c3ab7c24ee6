//! The error type of this crate, and the typed leaves that callers find in it by downcast.

use std::fmt;

use upshift_abi::facts::DecodeError;
use upshift_abi::{CompileError, Printable};
use upshift_runtime as runtime;

pub use upshift_abi::MissingFeature;
pub use upshift_abi::Tier;
pub use upshift_abi::TrapCode as Trap;
pub use upshift_runtime::{LinkError, ThrownException, TimedOut};

use crate::{MemoryAccessError, WasmBacktrace, WasmCoreDump};

/// The error of fallible functions: opaque, with a chain of causes.
///
/// `downcast_ref` finds these leaves: [`Trap`], [`TimedOut`], [`WasmBacktrace`], [`WasmCoreDump`],
/// [`Exit`], [`LinkError`], [`UnknownImport`], [`MissingFeature`], [`ThrownException`], and the
/// errors that host functions returned.
///
/// Of a trap, `{error}` is the trap alone, `{error:#}` the trap and the backtrace, once, and
/// `{error:?}` the same over several lines. So it is of host functions' errors that have no causes
/// and are a message (`anyhow!`), an `io::Error` or one of the types above. Those of other types
/// have the [`WasmBacktrace`] in front of them, as in Wasmtime: `{error:#}` prints everything.
pub type Error = anyhow::Error;

/// [`std::result::Result`] with [`Error`].
pub type Result<T, E = Error> = anyhow::Result<T, E>;

/// The guest ended the program with this exit code: WASI's `proc_exit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit(pub i32);

/// Wasmtime's name of [`Exit`].
pub type I32Exit = Exit;

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "exited with status {}", self.0)
    }
}

impl std::error::Error for Exit {}

/// A module's import is not defined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownImport {
    pub(crate) module: String,
    pub(crate) name: String,
    pub(crate) ty: String,
}

impl UnknownImport {
    /// The name of the module to import from.
    pub fn module(&self) -> &str {
        &self.module
    }

    /// The name of the item to import.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for UnknownImport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "unknown import: `{}::{}` ({}) has not been defined",
            Printable(&self.module),
            Printable(&self.name),
            self.ty
        )
    }
}

impl std::error::Error for UnknownImport {}

/// Converts the error of a call into the store, which may have left a core dump there.
#[cold]
pub(crate) fn of_call(store: &mut runtime::Store, error: runtime::Error) -> Error {
    let dump = store.take_core_dump();
    let dump = dump.map(|dump| WasmCoreDump::new(store, *dump));
    with_dump(error, dump)
}

/// Converts a runtime error to the public one.
#[cold]
pub(crate) fn public(error: runtime::Error) -> Error {
    with_dump(error, None)
}

fn with_dump(error: runtime::Error, dump: Option<WasmCoreDump>) -> Error {
    match error {
        runtime::Error::Trap { code, backtrace } => trapped(code, traced(backtrace, dump)),
        runtime::Error::TimedOut { timeout, backtrace } => {
            trapped(Trap::Interrupt, traced(backtrace, dump)).context(timeout)
        }
        runtime::Error::Host { error, backtrace } => with_trace(error, backtrace, dump),
        runtime::Error::Link(error) => Error::new(error),
        runtime::Error::Runtime(error) => Error::new(error),
        runtime::Error::Compile(error) => invalid_body(error),
        other => Error::new(other),
    }
}

/// Converts the refusal of a module's declarations to the public error.
pub(crate) fn refusal(error: DecodeError) -> Error {
    match error {
        DecodeError::MissingFeature(missing) => missing.into(),
        other => other.into(),
    }
}

/// Converts the refusal of a function's body to the public error.
pub(crate) fn invalid_body(error: CompileError) -> Error {
    match error {
        CompileError::MissingFeature { func, missing } => Error::new(missing).context(func),
        other => other.into(),
    }
}

/// Backtrace and core dump as an error, if there is either: the backtrace in front.
fn traced(backtrace: runtime::WasmBacktrace, dump: Option<WasmCoreDump>) -> Option<Error> {
    let backtrace = (!backtrace.frames.is_empty()).then(|| WasmBacktrace::new(backtrace));
    match (backtrace, dump.map(Error::new)) {
        (Some(backtrace), Some(dump)) => Some(dump.context(backtrace)),
        (Some(backtrace), None) => Some(Error::new(backtrace)),
        (None, dump) => dump,
    }
}

/// The error of a trap: the trap, and behind it where it was.
fn trapped(trap: Trap, trace: Option<Error>) -> Error {
    match trace {
        Some(trace) => trace.context(trap),
        None => Error::new(trap),
    }
}

/// Adds backtrace and core dump to a host function's error, unless it came through an inner call
/// that has added its own, more precise ones.
///
/// An error of one of the common types, without causes of its own, keeps its place in front of the
/// backtrace. Of any other one, which must still be found by its type and whose causes must stay
/// behind it, the backtrace is the outermost context.
fn with_trace(
    mut error: Error,
    backtrace: runtime::WasmBacktrace,
    dump: Option<WasmCoreDump>,
) -> Error {
    if error.is::<WasmBacktrace>() || error.is::<WasmCoreDump>() {
        return error;
    }
    let has_causes = error.chain().nth(1).is_some();
    macro_rules! in_front {
        ($($leaf:ty),* $(,)?) => {
            if has_causes || !(false $(|| error.is::<$leaf>())*) {
                return behind_trace(error, backtrace, dump);
            }
            let Some(trace) = traced(backtrace, dump) else {
                return error;
            };
            $(error = match error.downcast::<$leaf>() {
                Ok(leaf) => return trace.context(leaf),
                Err(error) => error,
            };)*
        };
    }
    in_front!(
        &'static str,
        String,
        Trap,
        Exit,
        TimedOut,
        ThrownException,
        LinkError,
        UnknownImport,
        MissingFeature,
        MemoryAccessError,
        runtime::RuntimeError,
        std::io::Error,
    );
    error
}

/// The error with the backtrace as its outermost context.
fn behind_trace(
    error: Error,
    backtrace: runtime::WasmBacktrace,
    dump: Option<WasmCoreDump>,
) -> Error {
    let error = match dump {
        Some(dump) => error.context(dump),
        None => error,
    };
    match backtrace.frames.is_empty() {
        true => error,
        false => error.context(WasmBacktrace::new(backtrace)),
    }
}
