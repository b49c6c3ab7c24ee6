//! The options of the optimizer, all chosen at run time.
//!
//! No option changes what a program computes, only how fast the code is, how fast it is compiled
//! and how it traps; [`OptimizerOptions::canonicalize_nans`] removes a freedom that the standard
//! leaves.

use upshift_abi::SpectreMitigation;

/// How much Cranelift's middle end optimizes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OptLevel {
    /// Not at all: the translation's order of instructions, which is the producer's, stays.
    #[default]
    None,
    /// Optimize for speed.
    Speed,
    /// As `Speed`, and prefer small code.
    SpeedAndSize,
}

/// Which register allocator Cranelift uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Regalloc {
    /// The backtracking allocator: slow, with good code.
    #[default]
    Backtracking,
    /// The single-pass allocator: fast, with poor code.
    SinglePass,
}

/// Which processor features the code may use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Cpu {
    /// The features of the processor that the compiler runs on.
    #[default]
    Native,
    /// The features that every x86-64 processor has. These don't suffice for vectors.
    Baseline,
    /// These, and SSE's instructions up to SSE4.1, the least with which vectors are compiled.
    Sse41,
}

/// How a function calls itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SelfCalls {
    /// With a direct call: code that recurses stays in the version that it is in.
    #[default]
    Direct,
    /// Through its slot, like any other function.
    Slot,
}

/// Which calls are replaced by the body of the function that they call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Inline {
    /// None.
    None,
    /// Calls of small functions of the same module.
    Direct,
    /// The same, and indirect calls that have had one target, which is compared with.
    #[default]
    All,
}

/// How `call_indirect` finds null elements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum NullChecks {
    /// With a comparison.
    #[default]
    Explicit,
    /// By the fault that reading the type of the null reference raises; the runtime must
    /// recognize faults near address 0.
    Fault,
}

/// How accesses address a memory that the module defines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum MemoryBase {
    /// From the `VmContext*`, with the distance in the displacement: no register, longer
    /// instructions.
    Displacement,
    /// From its base, loaded from the context at the function's entry: an extra register, shorter
    /// instructions.
    #[default]
    Register,
}

/// Which instructions integer arithmetic with constants becomes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Arithmetic {
    /// Those of WebAssembly.
    AsWritten,
    /// Cheaper ones: shifts and additions for products, products for quotients, nothing for what is
    /// known.
    #[default]
    Simplified,
}

/// How `memory.copy` and `memory.fill` of few bytes are compiled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Bulk {
    /// As loads and stores, if the number is constant, else as calls that only do what is quick.
    #[default]
    Inline,
    /// As those of many bytes.
    Call,
}

/// How the ends of an interpreter's operations reach the next one: loops that begin with a branch
/// through a table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Dispatch {
    /// All by the one indirect jump of the loop.
    Shared,
    /// Each by a copy of it, whose target is easier to predict.
    #[default]
    Copied,
}

/// Where constants are made that branches pass on, as the values of locals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Constants {
    /// Where the body has them: registers hold them up to the last branch.
    AsWritten,
    /// Where they are passed.
    #[default]
    WherePassed,
}

/// The optimizer's options.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OptimizerOptions {
    /// How much Cranelift's middle end optimizes.
    pub opt_level: OptLevel,
    /// Which register allocator Cranelift uses.
    pub regalloc: Regalloc,
    /// How accesses address a memory that the module defines.
    pub memory_base: MemoryBase,
    /// Which instructions integer arithmetic with constants becomes.
    pub arithmetic: Arithmetic,
    /// Where constants are made that branches pass on.
    pub constants: Constants,
    /// How short copies and fills of memory are compiled.
    pub bulk: Bulk,
    /// How interpreters reach the next operation.
    pub dispatch: Dispatch,
    /// Whether every NaN that an instruction computes gets the same bits.
    pub canonicalize_nans: bool,
    /// Whether relaxed vector operators do what the deterministic profile says, which needs a
    /// processor that rounds a product and a sum once.
    pub deterministic_relaxed_simd: bool,
    /// Whether to run Cranelift's verifier between its passes; for tests, about doubles the time.
    pub verify: bool,
    /// Which processor features the code uses.
    pub cpu: Cpu,
    /// How functions call themselves.
    pub self_calls: SelfCalls,
    /// Which calls are replaced by the body of the function that they call.
    pub inline: Inline,
    /// How `call_indirect` finds null elements.
    pub null_checks: NullChecks,
    /// Which bounds checks hold speculatively.
    pub spectre: SpectreMitigation,
    /// Whether the code consumes the store's [fuel](upshift_abi::fuel).
    pub fuel: bool,
    /// Whether the code looks, at entries and loop headers, whether the store's deadline has come,
    /// an [epoch](upshift_abi::Builtin::NewEpoch).
    pub epochs: bool,
}
