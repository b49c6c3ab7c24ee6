//! The one error type, and the typed leaves that callers find in it by downcast.

use std::fmt;

use upshift_runtime as runtime;

pub use upshift_abi::Tier;
pub use upshift_abi::TrapCode as Trap;
pub use upshift_runtime::LinkError;

/// What fallible functions return: an opaque error with a chain of causes.
///
/// These leaves can be asked for with `downcast_ref`: [`Trap`], [`WasmBacktrace`], [`Exit`],
/// [`LinkError`], [`UnknownImport`], and whatever host functions returned.
pub type Error = anyhow::Error;

/// [`std::result::Result`] with [`Error`].
pub type Result<T, E = Error> = anyhow::Result<T, E>;

/// The guest asked to end the program, with this exit code: WASI's `proc_exit`.
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

/// A module imports something that nobody defined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownImport {
    pub(crate) module: String,
    pub(crate) name: String,
    pub(crate) ty: String,
}

impl UnknownImport {
    /// The import's first name.
    pub fn module(&self) -> &str {
        &self.module
    }

    /// The import's second name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for UnknownImport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "unknown import: `{}::{}` ({}) has not been defined",
            self.module, self.name, self.ty
        )
    }
}

impl std::error::Error for UnknownImport {}

/// The WebAssembly functions that were running when an error happened, innermost first.
///
/// It is the outermost context of such an error, so it also prints with it.
#[derive(Clone, Debug)]
pub struct WasmBacktrace {
    frames: Vec<FrameInfo>,
}

impl WasmBacktrace {
    /// The frames, innermost first.
    pub fn frames(&self) -> &[FrameInfo] {
        &self.frames
    }

    fn new(backtrace: &runtime::WasmBacktrace) -> Self {
        Self {
            frames: backtrace.frames.iter().map(FrameInfo::new).collect(),
        }
    }
}

/// Frames shown at each end of a long backtrace.
const SHOWN: usize = 16;

impl fmt::Display for WasmBacktrace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("error while executing WebAssembly, at")?;
        let omitted = self.frames.len().saturating_sub(2 * SHOWN);
        for (i, frame) in self.frames.iter().enumerate() {
            if omitted > 0 && i == SHOWN {
                write!(f, "\n    ... {omitted} frames ...")?;
            }
            if omitted == 0 || !(SHOWN..SHOWN + omitted).contains(&i) {
                write!(f, "\n    {i}: {frame}")?;
            }
        }
        Ok(())
    }
}

/// One frame of a [`WasmBacktrace`].
#[derive(Clone, Debug)]
pub struct FrameInfo {
    module_name: Option<Box<str>>,
    func_index: u32,
    func_name: Option<Box<str>>,
    module_offset: Option<u32>,
    tier: Tier,
}

impl FrameInfo {
    fn new(frame: &runtime::Frame) -> Self {
        let facts = &frame.facts;
        Self {
            module_name: facts.name.clone(),
            func_index: frame.func.0,
            func_name: frame.func_name().map(Into::into),
            module_offset: frame.wasm.map(|offset| offset.0),
            tier: frame.tier,
        }
    }

    /// The module's name, from its name section.
    pub fn module_name(&self) -> Option<&str> {
        self.module_name.as_deref()
    }

    /// The function's index in its module.
    pub fn func_index(&self) -> u32 {
        self.func_index
    }

    /// The function's name: from the name section, else from an export.
    pub fn func_name(&self) -> Option<&str> {
        self.func_name.as_deref()
    }

    /// Offset in the module's bytes of the instruction that was executing.
    pub fn module_offset(&self) -> Option<usize> {
        self.module_offset.map(|offset| offset as usize)
    }

    /// Which compiler made the code that was running.
    pub fn tier(&self) -> Tier {
        self.tier
    }
}

impl fmt::Display for FrameInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.module_offset {
            Some(offset) => write!(f, "{offset:#8x} - ")?,
            None => write!(f, "{:>8} - ", "?")?,
        }
        f.write_str(self.module_name().unwrap_or("<unknown>"))?;
        match self.func_name() {
            Some(name) => write!(f, "!{name}")?,
            None => write!(f, "!<wasm function {}>", self.func_index)?,
        }
        write!(f, " ({})", self.tier)
    }
}

/// Turns a runtime error into the public one.
#[cold]
pub(crate) fn public(error: runtime::Error) -> Error {
    match error {
        runtime::Error::Trap { code, backtrace } => with_backtrace(Error::new(code), &backtrace),
        runtime::Error::Host { error, backtrace } => with_backtrace(error, &backtrace),
        runtime::Error::Link(error) => Error::new(error),
        runtime::Error::Compile(error) => Error::new(error),
        other => Error::new(other),
    }
}

/// Adds the backtrace, unless the error came through an inner call that has added its own, which
/// is the more precise one.
fn with_backtrace(error: Error, backtrace: &runtime::WasmBacktrace) -> Error {
    if backtrace.frames.is_empty() || error.is::<WasmBacktrace>() {
        return error;
    }
    error.context(WasmBacktrace::new(backtrace))
}
