//! The interface of compilers: pure functions from a body and facts to an artifact.

use std::fmt;

use wasmparser::{FuncToValidate, ValidatorResources};

use crate::artifact::CompiledFunction;
use crate::facts::ModuleFacts;
use crate::features::MissingFeature;
use crate::index::{DefinedFuncIndex, LoopIndex, WasmOffset};
use crate::targets::CallTargets;
use crate::types::FuncType;
use crate::values::DescribedCode;

/// The compiler that a piece of code is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Tier {
    /// The baseline compiler: one pass, fast to compile.
    Baseline,
    /// The optimizer: Cranelift.
    Optimizer,
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Tier::Baseline => "baseline",
            Tier::Optimizer => "optimizer",
        })
    }
}

/// How accesses beyond a memory's length are caught.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MemoryBounds {
    /// By pages that can't be accessed: a 32-bit index plus a 32-bit offset stay inside the
    /// reservation (8 GiB), so generated code checks nothing. 64-bit indexes are compared with the
    /// memory's length, and pages that can't be accessed catch what offsets add.
    #[default]
    GuardPages,
    /// By a comparison with the memory's length before each access.
    Explicit,
}

/// Which bounds checks also hold in code that runs speculatively, behind a branch that the
/// processor predicted wrongly (Spectre, variant 1). There, the index is replaced by one that is in
/// bounds, without a branch.
///
/// Guard pages need no such check: what they catch can't be read speculatively either.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SpectreMitigation {
    /// No bounds checks hold speculatively.
    None,
    /// The bounds checks of tables hold speculatively.
    #[default]
    Tables,
    /// Those of tables, and explicit ones of memories.
    All,
}

impl SpectreMitigation {
    /// Whether the checks of tables hold speculatively.
    pub fn of_tables(self) -> bool {
        self != Self::None
    }

    /// Whether the explicit checks of memories hold speculatively.
    pub fn of_memories(self) -> bool {
        self == Self::All
    }
}

/// The part of a function that is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CompileUnit {
    /// The whole function.
    Function,
    /// The function from a loop header on, as an OSR entry (see [`frame`](crate::frame)).
    Loop(LoopIndex),
}

/// Lets a compilation be given up: the caller says when, compilers check between operators and
/// passes. Compilers know no clocks and no threads; this is where those reach them.
#[derive(Clone, Copy, Default)]
pub struct Cancel<'a>(Option<&'a dyn Fn() -> bool>);

impl<'a> Cancel<'a> {
    /// The condition of compilations that run to their end.
    pub const NEVER: Self = Self(None);

    /// Cancels once `requested` returns true. It is called on the compiling thread, every few
    /// thousand operators and a few times afterwards, so it may take a microsecond.
    pub fn when(requested: &'a dyn Fn() -> bool) -> Self {
        Self(Some(requested))
    }

    /// Whether to cancel: compilers then return [`CompileError::Cancelled`] soon.
    pub fn is_requested(self) -> bool {
        self.0.is_some_and(|requested| requested())
    }
}

impl fmt::Debug for Cancel<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Some(_) => "Cancel::when(..)",
            None => "Cancel::NEVER",
        })
    }
}

/// What earlier runs of a function have shown. All figures are estimates: threads count without
/// synchronization.
///
/// The default is that of a function that has not run, or whose runs are not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    /// Budget units that the function has used since its first code: entries and back edges.
    pub units: u64,
    /// How often the function's budget ran out at its entry.
    pub entry_exhaustions: u32,
    /// How often the function's budget ran out at a back edge.
    pub loop_exhaustions: u32,
}

/// Whether baseline code takes part in tiering.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Counting {
    /// It counts and can enter OSR entries, as far as the compiler's options say.
    #[default]
    AsConfigured,
    /// It is for a function that stays in baseline code: nothing is counted, and calls of the
    /// function by itself skip its slot, as those in optimized code do.
    Never,
}

/// A request to compile one function.
#[derive(Debug)]
pub struct CompileRequest<'a> {
    /// The module that the function belongs to.
    pub facts: &'a ModuleFacts,
    /// The module's bytes.
    pub wasm: &'a [u8],
    /// The function.
    pub func: DefinedFuncIndex,
    /// The part of the function to compile.
    pub unit: CompileUnit,
    /// The validator to validate the body with in the same pass; then other bodies of the module
    /// may be invalid. `None`: all are valid already.
    pub validate: Option<FuncToValidate<ValidatorResources>>,
    /// Whether to fill [`CompiledFunction::sources`].
    pub sources: bool,
    /// The condition under which to cancel.
    pub cancel: Cancel<'a>,
    /// What earlier runs have shown.
    pub profile: Profile,
    /// Whether baseline code counts; optimized code never does.
    pub counting: Counting,
    /// What indirect calls have called; `None` if that was not noted.
    pub targets: Option<&'a CallTargets>,
}

impl<'a> CompileRequest<'a> {
    /// Creates a request for a whole, already validated function.
    pub fn new(facts: &'a ModuleFacts, wasm: &'a [u8], func: DefinedFuncIndex) -> Self {
        Self {
            facts,
            wasm,
            func,
            unit: CompileUnit::Function,
            validate: None,
            sources: false,
            cancel: Cancel::NEVER,
            profile: Profile::default(),
            counting: Counting::default(),
            targets: None,
        }
    }

    /// The bytes of the function's body, from its local declarations to its `end`.
    pub fn body(&self) -> &'a [u8] {
        let range = &self.facts.bodies[self.func.index()];
        &self.wasm[range.start as usize..range.end as usize]
    }

    /// Checks that the body is what was validated, if that was in another process.
    ///
    /// # Errors
    ///
    /// [`CompileError::Damaged`] if it is not.
    pub fn check(&self) -> Result<(), CompileError> {
        match self.facts.body_is_intact(self.func, self.wasm) {
            true => Ok(()),
            false => Err(CompileError::Damaged { func: self.func }),
        }
    }

    /// The offset of the body in the module.
    pub fn body_offset(&self) -> WasmOffset {
        WasmOffset(self.facts.bodies[self.func.index()].start)
    }

    /// The function's type.
    pub fn func_type(&self) -> &'a FuncType {
        self.facts.defined_func_type(self.func)
    }
}

/// The reason why a function was not compiled.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// The body is not valid WebAssembly.
    #[error("{func} at offset {offset:#x}: {message}")]
    Invalid {
        /// The function.
        func: DefinedFuncIndex,
        /// Offset in the module.
        offset: u32,
        /// What is invalid.
        message: String,
    },
    /// The body needs a feature that is off or not supported.
    #[error("{func}: {missing}")]
    MissingFeature {
        /// The function.
        func: DefinedFuncIndex,
        /// The feature.
        missing: MissingFeature,
    },
    /// The function exceeds a limit of the compiler, which the message names with its value.
    #[error("{func}: {limit}")]
    TooLarge {
        /// The function.
        func: DefinedFuncIndex,
        /// The limit, and its value.
        limit: String,
    },
    /// The module was stored with the validated body, and that was changed since.
    #[error("{func}: the serialized module is damaged: it was changed")]
    Damaged {
        /// The function.
        func: DefinedFuncIndex,
    },
    /// The request's [`Cancel`] requested it.
    #[error("{func}: the compilation was given up")]
    Cancelled {
        /// The function.
        func: DefinedFuncIndex,
    },
    /// A bug in the compiler.
    #[error("{func}: internal error of the {tier} compiler: {message}")]
    Internal {
        /// The function.
        func: DefinedFuncIndex,
        /// The compiler.
        tier: Tier,
        /// What the compiler found.
        message: String,
    },
}

impl CompileError {
    /// The error of an invalid body.
    pub fn invalid(func: DefinedFuncIndex, error: &wasmparser::Error) -> Self {
        match MissingFeature::from_wasm(error) {
            Some(missing) => CompileError::MissingFeature { func, missing },
            None => CompileError::Invalid {
                func,
                offset: u32::try_from(error.offset()).unwrap_or(u32::MAX),
                message: error.message().to_string(),
            },
        }
    }
}

/// A compiler: immutable, shared by all threads; the work is done in sessions.
pub trait Compiler: Send + Sync {
    /// The tier that the compiler is of.
    fn tier(&self) -> Tier;

    /// Opens a session for one thread, with the buffers that successive compilations reuse.
    fn session(&self) -> Box<dyn CompileSession + '_>;
}

/// One thread's use of a [`Compiler`].
pub trait CompileSession {
    /// Compiles a function.
    ///
    /// The result depends on the request and the compiler's options only.
    ///
    /// # Errors
    ///
    /// If the body is invalid (only where the request asks to validate), exceeds a limit, the
    /// request was cancelled, or the compiler has a bug. The session stays usable.
    fn compile(&mut self, request: CompileRequest<'_>) -> Result<CompiledFunction, CompileError>;

    /// Compiles a function as [`compile`](Self::compile) does and says where its values are at the
    /// sites of the instruction at `at`, or at all sites. `None` if the compiler can't say, or the
    /// function can't be compiled.
    fn describe(
        &mut self,
        request: CompileRequest<'_>,
        at: Option<WasmOffset>,
    ) -> Option<DescribedCode> {
        let _ = (request, at);
        None
    }
}

/// How values pass between Rust and WebAssembly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passing {
    /// Through an array, which works for every signature.
    Array,
    /// In the registers where both sides expect them, for signatures that are
    /// [*native*](crate::callconv::is_native).
    Native,
}

/// Generates the code between Rust and WebAssembly; one piece per signature and way of passing
/// values.
pub trait Trampolines: Send + Sync {
    /// Calls a function, see [`frame`](crate::frame). Through an array: `extern "sysv64" fn(vmctx,
    /// code, values: *mut VmVal, store: *mut VmStore) -> u32` calls `code` with arguments from
    /// `values` and writes the results there; result 1 means that the activation was unwound.
    /// Native: `extern "sysv64" fn(func: *const VmFuncRef, arguments...) -> NativeResult`.
    ///
    /// # Panics
    ///
    /// If the values are to pass natively and the type is not native.
    fn entry(&self, ty: &FuncType, passing: Passing) -> CompiledFunction;

    /// Generates a function of the type that calls
    /// [`VmHostContext::call`](crate::vmctx::VmHostContext::call).
    ///
    /// # Panics
    ///
    /// As [`entry`](Self::entry).
    fn host(&self, ty: &FuncType, passing: Passing) -> CompiledFunction;
}
