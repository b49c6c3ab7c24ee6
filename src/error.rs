//! The error type of this crate, and the typed leaves that callers find in it by downcast.

use std::fmt;

use upshift_abi::facts::DecodeError;
use upshift_abi::{CompileError, Printable};
use upshift_runtime as runtime;
use upshift_runtime::Frame;

pub use upshift_abi::MissingFeature;
pub use upshift_abi::Tier;
pub use upshift_abi::TrapCode as Trap;
pub use upshift_runtime::{LinkError, ThrownException, TimedOut};

/// The error of fallible functions: opaque, with a chain of causes.
///
/// `downcast_ref` finds these leaves: [`Trap`], [`TimedOut`], [`WasmBacktrace`], [`Exit`],
/// [`LinkError`], [`UnknownImport`], [`MissingFeature`], [`ThrownException`], and the errors that
/// host functions returned.
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

/// The WebAssembly functions that were running when an error happened, innermost first.
///
/// It is the outermost context of the error, so it is printed with it. Its size is bounded however
/// deep the stack was: of a deep one it has both ends.
#[derive(Clone, Debug)]
pub struct WasmBacktrace {
    frames: Vec<FrameInfo>,
    omitted: usize,
}

impl WasmBacktrace {
    /// Frames kept at each end of the stack.
    pub const KEPT: usize = runtime::BACKTRACE_KEPT;

    /// The frames, innermost first. If some are [omitted](Self::omitted), these are the
    /// [`KEPT`](Self::KEPT) innermost and behind them the [`KEPT`](Self::KEPT) outermost ones.
    pub fn frames(&self) -> &[FrameInfo] {
        &self.frames
    }

    /// How many frames between the innermost and the outermost ones are left out; 0 if
    /// [`frames`](Self::frames) has all.
    pub fn omitted(&self) -> usize {
        self.omitted
    }

    fn new(backtrace: runtime::WasmBacktrace) -> Self {
        Self {
            frames: backtrace.frames.into_iter().map(FrameInfo).collect(),
            omitted: backtrace.omitted,
        }
    }
}

/// Of frames that repeat themselves, as those of a recursion do, the first ones are printed, and
/// how often they are there. Numbers are those of all frames, the innermost first.
impl fmt::Display for WasmBacktrace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("error while executing WebAssembly, at")?;
        let inner = match self.omitted {
            0 => self.frames.len(),
            _ => Self::KEPT.min(self.frames.len()),
        };
        let (inner, outer) = self.frames.split_at(inner);
        write_folded(f, inner, 0)?;
        if self.omitted > 0 {
            write!(f, "\n    ... {} frames omitted ...", self.omitted)?;
        }
        write_folded(f, outer, inner.len() + self.omitted)
    }
}

/// The longest sequence of frames whose repetitions are recognized: calls of so many functions that
/// lead to the first one again.
const LONGEST_CYCLE: usize = 5;

/// The least number of times that frames repeat themselves to be printed once.
const LEAST_TIMES: usize = 3;

/// Writes adjacent frames, of which the first has the number.
fn write_folded(f: &mut fmt::Formatter<'_>, frames: &[FrameInfo], number: usize) -> fmt::Result {
    let mut at = 0;
    while at < frames.len() {
        let rest = &frames[at..];
        // The shortest cycle, so that a cycle is not taken for two of itself.
        let cycles = (1..=LONGEST_CYCLE).map(|length| (length, repetitions(rest, length)));
        let folded = cycles.into_iter().find(|(_, times)| *times >= LEAST_TIMES);
        let (length, times) = folded.unwrap_or((1, 1));
        for (i, frame) in rest[..length].iter().enumerate() {
            write!(f, "\n    {}: {frame}", number + at + i)?;
        }
        match length {
            _ if times == 1 => {}
            1 => write!(f, "\n    ... this frame {times} times ...")?,
            _ => write!(f, "\n    ... these {length} frames {times} times ...")?,
        }
        at += length * times;
    }
    Ok(())
}

/// How often the first frames, so many of them, are there one after the other. 0 if there are
/// fewer frames.
fn repetitions(frames: &[FrameInfo], length: usize) -> usize {
    let mut cycles = frames.chunks_exact(length);
    let Some(first) = cycles.next() else {
        return 0;
    };
    let is_first = |cycle: &&[FrameInfo]| {
        let mut pairs = cycle.iter().zip(first);
        pairs.all(|(frame, first)| frame.is_same_place(first))
    };
    1 + cycles.take_while(is_first).count()
}

/// One frame of a [`WasmBacktrace`]. Names are found when they are requested.
#[derive(Clone, Debug)]
pub struct FrameInfo(runtime::Frame);

impl FrameInfo {
    /// The module's name, from its name section.
    pub fn module_name(&self) -> Option<&str> {
        self.0.facts.name.as_deref()
    }

    /// The function's index in its module.
    pub fn func_index(&self) -> u32 {
        self.0.func.0
    }

    /// The function's name: from the name section, else from an export.
    pub fn func_name(&self) -> Option<&str> {
        self.0.func_name()
    }

    /// The offset in the module's bytes of the instruction that was executing.
    pub fn module_offset(&self) -> Option<usize> {
        self.0.wasm.map(|offset| offset.0 as usize)
    }

    /// The offset of that instruction in the function's body.
    pub fn func_offset(&self) -> Option<usize> {
        let Frame { facts, func, .. } = &self.0;
        let body = &facts.bodies[facts.defined_func(*func)?.index()];
        self.module_offset()?.checked_sub(body.start as usize)
    }

    /// The tier of the code that was running.
    pub fn tier(&self) -> Tier {
        self.0.tier
    }

    /// Whether the frames are printed the same.
    fn is_same_place(&self, other: &Self) -> bool {
        let place = |frame: &Self| {
            let frame = &frame.0;
            (frame.module, frame.func, frame.wasm, frame.tier)
        };
        place(self) == place(other)
    }
}

impl fmt::Display for FrameInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.module_offset() {
            Some(offset) => write!(f, "{offset:#8x} - ")?,
            None => write!(f, "{:>8} - ", "?")?,
        }
        let module = self.module_name().unwrap_or("<unknown>");
        write!(f, "{}", Printable(module))?;
        match self.func_name() {
            Some(name) => write!(f, "!{}", Printable(name))?,
            None => write!(f, "!<wasm function {}>", self.func_index())?,
        }
        write!(f, " ({})", self.tier())
    }
}

/// Converts a runtime error to the public one.
#[cold]
pub(crate) fn public(error: runtime::Error) -> Error {
    match error {
        runtime::Error::Trap { code, backtrace } => with_backtrace(Error::new(code), backtrace),
        runtime::Error::TimedOut { timeout, backtrace } => {
            with_backtrace(Error::new(Trap::Interrupt).context(timeout), backtrace)
        }
        runtime::Error::Host { error, backtrace } => with_backtrace(error, backtrace),
        runtime::Error::Link(error) => Error::new(error),
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

/// Adds the backtrace, unless the error came through an inner call that has added its own, more
/// precise one.
fn with_backtrace(error: Error, backtrace: runtime::WasmBacktrace) -> Error {
    if backtrace.frames.is_empty() || error.is::<WasmBacktrace>() {
        return error;
    }
    error.context(WasmBacktrace::new(backtrace))
}
