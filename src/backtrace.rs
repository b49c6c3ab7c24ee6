//! Backtraces: the functions that were active when an error happened, for people.

use std::borrow::Cow;
use std::fmt;
use std::sync::OnceLock;

use upshift_abi::{Printable, demangle};
use upshift_runtime as runtime;
use upshift_runtime::FramePlace;

use crate::{AsContext, Tier};

/// Whether backtraces have files and lines, see
/// [`Config::wasm_backtrace_details`](crate::Config::wasm_backtrace_details).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WasmBacktraceDetails {
    /// Yes, where a module has debug information. This is the default: nothing is read before a
    /// backtrace is printed.
    Enable,
    /// No.
    Disable,
    /// As `Enable` if the environment variable `UPSHIFT_BACKTRACE_DETAILS` is `1`, as `Disable`
    /// otherwise.
    Environment,
}

/// The functions that were active when an error happened, innermost first: those of WebAssembly,
/// and those of the host that they called.
///
/// It is part of the error, found by `downcast_ref`, and printed behind it. Its size is bounded
/// however deep the stack was: of a deep one it has both ends. Names, files and lines are found
/// when they are asked for.
///
/// ```
/// # #[cfg(feature = "wat")]
/// # fn main() -> upshift::Result<()> {
/// use upshift::{Engine, Instance, Module, Store, Trap, WasmBacktrace};
///
/// let engine = Engine::default();
/// let module = Module::new(&engine, r#"
///     (module $game
///         (func $step unreachable)
///         (func (export "run") (call $step)))
/// "#)?;
/// let mut store = Store::new(&engine, ());
/// let instance = Instance::new(&mut store, &module, &[])?;
/// let run = instance.get_typed_func::<(), ()>(&mut store, "run")?;
/// let error = run.call(&mut store, ()).unwrap_err();
///
/// assert_eq!(error.to_string(), "unreachable");
/// assert_eq!(error.downcast_ref::<Trap>(), Some(&Trap::Unreachable));
/// let backtrace: &WasmBacktrace = error.downcast_ref().unwrap();
/// let names: Vec<_> = backtrace.frames().iter().map(|frame| frame.func_name()).collect();
/// assert_eq!(names, [Some("step"), Some("run")]);
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "wat"))]
/// # fn main() {}
/// ```
#[derive(Clone, Debug)]
pub struct WasmBacktrace {
    frames: Vec<FrameInfo>,
    omitted: usize,
}

impl WasmBacktrace {
    /// Frames kept at each end of the stack.
    pub const KEPT: usize = runtime::BACKTRACE_KEPT;

    /// The functions that are active in a store at this moment: for a host function, which is the
    /// innermost frame. Empty outside WebAssembly, and if
    /// [`Config::wasm_backtrace`](crate::Config::wasm_backtrace) is off.
    ///
    /// Cost: a walk over all frames of the stack.
    ///
    /// ```
    /// # #[cfg(feature = "wat")]
    /// # fn main() -> upshift::Result<()> {
    /// use upshift::{Caller, Engine, Linker, Module, Store, WasmBacktrace};
    ///
    /// let engine = Engine::default();
    /// let mut linker = Linker::new(&engine);
    /// linker.func_wrap("env", "who_calls", |caller: Caller<'_, ()>| {
    ///     let backtrace = WasmBacktrace::capture(&caller);
    ///     assert_eq!(backtrace.frames()[0].import(), Some(("env", "who_calls")));
    ///     assert_eq!(backtrace.frames()[1].func_name(), Some("main"));
    /// })?;
    /// let module = Module::new(&engine, r#"
    ///     (module (import "env" "who_calls" (func $who))
    ///         (func (export "main") (call $who)))
    /// "#)?;
    /// let mut store = Store::new(&engine, ());
    /// let instance = linker.instantiate(&mut store, &module)?;
    /// instance.get_typed_func::<(), ()>(&mut store, "main")?.call(&mut store, ())?;
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "wat"))]
    /// # fn main() {}
    /// ```
    pub fn capture(store: impl AsContext) -> Self {
        let store = store.as_context();
        match store.raw.runtime().config().backtraces {
            true => Self::new(runtime::WasmBacktrace::of(store.raw)),
            false => Self::new(runtime::WasmBacktrace::default()),
        }
    }

    /// As [`capture`](Self::capture), also if [`Config::wasm_backtrace`] is off.
    ///
    /// [`Config::wasm_backtrace`]: crate::Config::wasm_backtrace
    pub fn force_capture(store: impl AsContext) -> Self {
        Self::new(runtime::WasmBacktrace::of(store.as_context().raw))
    }

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

    pub(crate) fn new(backtrace: runtime::WasmBacktrace) -> Self {
        Self {
            frames: backtrace.frames.into_iter().map(FrameInfo::new).collect(),
            omitted: backtrace.omitted,
        }
    }
}

impl std::error::Error for WasmBacktrace {}

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
            frame.write_symbols(f)?;
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

/// What a frame of a backtrace belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameKind {
    /// A function of WebAssembly.
    Wasm,
    /// A function of the host, which WebAssembly has called: it failed, was interrupted, or has
    /// called back.
    Host,
}

/// One frame of a [`WasmBacktrace`]. Names, files and lines are found when they are requested.
#[derive(Clone, Debug)]
pub struct FrameInfo {
    frame: runtime::Frame,
    symbols: OnceLock<Box<[FrameSymbol]>>,
}

impl FrameInfo {
    pub(crate) fn new(frame: runtime::Frame) -> Self {
        Self {
            frame,
            symbols: OnceLock::new(),
        }
    }

    /// Whether the function is one of WebAssembly or of the host.
    pub fn kind(&self) -> FrameKind {
        match self.frame.place {
            FramePlace::Wasm { .. } => FrameKind::Wasm,
            FramePlace::Host => FrameKind::Host,
        }
    }

    /// The name of the module that the function belongs to, from its name section. For a function
    /// of the host, that of the module that imports it.
    pub fn module_name(&self) -> Option<&str> {
        self.frame.facts.names.module()
    }

    /// The function's index in its module. For a function of the host, its index in the module that
    /// imports it; `u32::MAX` if none does, because the host has put it in a table.
    pub fn func_index(&self) -> u32 {
        self.frame.func.map_or(u32::MAX, |func| func.0)
    }

    /// The function's name as it stands in the module: in the name section, else of an export or an
    /// import. [`demangled_name`](Self::demangled_name) is for people.
    pub fn func_name(&self) -> Option<&str> {
        self.frame.func_name()
    }

    /// The function's name as its programmer wrote it, for names that compilers of Rust and C++
    /// have mangled (with the feature `demangle`). Else as [`func_name`](Self::func_name).
    pub fn demangled_name(&self) -> Option<Cow<'_, str>> {
        self.func_name().map(demangle::shown)
    }

    /// The names by which a function of the host is imported: of the module to import from, and its
    /// own. `None` for a function of WebAssembly.
    pub fn import(&self) -> Option<(&str, &str)> {
        if self.kind() == FrameKind::Wasm {
            return None;
        }
        let import = self.frame.facts.func_import(self.frame.func?)?;
        Some((&import.module, &import.name))
    }

    /// The offset in the module's bytes of the instruction that was executing. `None` for a
    /// function of the host.
    ///
    /// It is exact for traps and calls. An interruption strikes anywhere: then it is that of the
    /// nearest instruction before that the code's tables have, which is at least the loop or the
    /// function.
    pub fn module_offset(&self) -> Option<usize> {
        match self.frame.place {
            FramePlace::Wasm { wasm, .. } => Some(wasm.0 as usize),
            FramePlace::Host => None,
        }
    }

    /// The offset in the module's bytes where the function's body begins. `None` for a function of
    /// the host.
    pub fn func_start(&self) -> Option<usize> {
        let facts = &self.frame.facts;
        let defined = facts.defined_func(self.frame.func?)?;
        Some(facts.bodies.get(defined.index())?.start as usize)
    }

    /// The offset of the instruction that was executing from the [start](Self::func_start) of its
    /// function.
    pub fn func_offset(&self) -> Option<usize> {
        self.module_offset()?.checked_sub(self.func_start()?)
    }

    /// The tier of the code that was running. `None` for a function of the host.
    pub fn tier(&self) -> Option<Tier> {
        match self.frame.place {
            FramePlace::Wasm { tier, .. } => Some(tier),
            FramePlace::Host => None,
        }
    }

    /// The functions of the source program at this frame, innermost first, with file and line: the
    /// one of this frame is the last, and those before it were inlined into it by the module's
    /// compiler. Empty without debug information (DWARF in the module), without the feature
    /// `addr2line`, or if [`Config::wasm_backtrace_details`] is off.
    ///
    /// Cost: the first call on a module reads a part of its debug information, up to seconds for
    /// hundreds of megabytes; later calls read little. Whatever it contains, that takes time and
    /// memory in proportion to its size at most.
    ///
    /// [`Config::wasm_backtrace_details`]: crate::Config::wasm_backtrace_details
    pub fn symbols(&self) -> &[FrameSymbol] {
        self.symbols.get_or_init(|| self.find_symbols())
    }

    #[cfg(feature = "addr2line")]
    fn find_symbols(&self) -> Box<[FrameSymbol]> {
        let source = &self.frame.source;
        let Some(offset) = self.module_offset() else {
            return Box::default();
        };
        let found = source.found(crate::symbols::DebugInfo::find);
        found.map_or_else(Box::default, |debug| debug.symbols(source.wasm(), offset))
    }

    #[cfg(not(feature = "addr2line"))]
    fn find_symbols(&self) -> Box<[FrameSymbol]> {
        Box::default()
    }

    /// Whether the frames are printed the same.
    fn is_same_place(&self, other: &Self) -> bool {
        let place = |frame: &Self| (frame.frame.module, frame.frame.func, frame.frame.place);
        place(self) == place(other)
    }

    /// Writes the lines on the source program behind that of the frame.
    fn write_symbols(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let symbols = self.symbols();
        for (i, symbol) in symbols.iter().enumerate() {
            // The frame has the name of the outermost function already.
            let name = symbol.name().filter(|_| i + 1 < symbols.len());
            match (name, symbol.file()) {
                (None, None) => {}
                (Some(name), None) => write!(f, "\n           inlined {}", Printable(name))?,
                (Some(name), Some(_)) => {
                    write!(f, "\n           inlined {} at {symbol}", Printable(name))?;
                }
                (None, Some(_)) => write!(f, "\n           at {symbol}")?,
            }
        }
        Ok(())
    }
}

/// Offset, module and function, and the tier: all of one line. Files and lines are part of the
/// backtrace's text.
impl fmt::Display for FrameInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Some(offset), Some(tier)) = (self.module_offset(), self.tier()) else {
            write!(f, "{:>8} - host function", "")?;
            return match self.import() {
                Some((module, name)) => {
                    let name = demangle::shown(name);
                    write!(f, " {}::{}", Printable(module), Printable(name))
                }
                None => Ok(()),
            };
        };
        let module = self.module_name().unwrap_or("<unknown>");
        write!(f, "{offset:#8x} - {}", Printable(module))?;
        match self.demangled_name() {
            Some(name) => write!(f, "!{}", Printable(name))?,
            None => write!(f, "!<wasm function {}>", self.func_index())?,
        }
        write!(f, " ({tier})")
    }
}

/// A place in the source program, see [`FrameInfo::symbols`]. Each part may be unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FrameSymbol {
    pub(crate) name: Option<Box<str>>,
    pub(crate) file: Option<Box<str>>,
    pub(crate) line: Option<u32>,
    pub(crate) column: Option<u32>,
}

impl FrameSymbol {
    /// The function's name, demangled.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The path of the file where the function was compiled.
    pub fn file(&self) -> Option<&str> {
        self.file.as_deref()
    }

    /// The line, from 1.
    pub fn line(&self) -> Option<u32> {
        self.line
    }

    /// The column, from 1.
    pub fn column(&self) -> Option<u32> {
        self.column
    }
}

/// `file:line:column`, as far as known.
impl fmt::Display for FrameSymbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Printable(self.file().unwrap_or("<unknown>")))?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
            if let Some(column) = self.column {
                write!(f, ":{column}")?;
            }
        }
        Ok(())
    }
}
