//! The contracts between both compilers and the runtime, and nothing else.
//!
//! Two compilers emit code that calls each other without adapters, replaces each other while it
//! runs, and traps the same way. They can do so because everything that they share is fixed here:
//!
//! - [`index`], [`types`]: the module's index spaces and value types as newtypes and enums;
//! - [`kind`]: the machine representation of values: register class, width, size of slots;
//! - [`facts`]: the declarations of a module, decoded once;
//! - [`features`]: the proposals that modules may use, and which of them are on;
//! - [`plan`]: the decisions about each memory and table;
//! - [`vmctx`]: the `repr(C)` structures that generated code reads, and their offsets;
//! - [`callconv`]: the locations of arguments and results at a call;
//! - [`frame`]: the parts of a stack frame that other code than its owner reads;
//! - [`trap`], [`builtin`]: the one list of traps and the one list of runtime functions;
//! - [`atomic`]: the one list of atomic accesses;
//! - [`demangle`]: names of functions as their programmers wrote them;
//! - [`printable`]: names from modules, made safe to show;
//! - [`counted`]: where the code of a recorded module counts;
//! - [`fuel`]: where code takes fuel, and how much;
//! - [`artifact`], [`sites`], [`compiler`]: the requests to a compiler and what it returns;
//! - [`values`]: where values are in baseline code, for core dumps.
//!
//! # Invariants
//!
//! - Data only: this crate knows no operating system, follows no pointer, and names no compiler.
//! - No number that describes a layout is written outside this crate; offsets come from
//!   `offset_of!`.
//! - Every list (traps, builtins, atomic accesses, value types, value kinds, features) exists once,
//!   here.

#![forbid(unsafe_code)]

#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
compile_error!(
    "Upshift builds on x86-64 Linux only; another processor needs a sibling of each `x64` module \
     and of the baseline's handlers"
);

pub mod artifact;
pub mod atomic;
pub mod builtin;
pub mod callconv;
pub mod codec;
pub mod compiler;
pub mod counted;
pub mod demangle;
pub mod exception;
pub mod facts;
pub mod features;
pub mod frame;
pub mod fuel;
pub mod hints;
pub mod index;
pub mod kind;
pub mod observe;
pub mod plan;
pub mod printable;
pub mod sites;
pub mod stored;
pub mod targets;
pub mod throw;
pub mod trap;
pub mod types;
pub mod values;
pub mod vmctx;

pub use artifact::{CompiledFunction, OsrEntryInfo, Relocation, RelocationTarget};
pub use builtin::Builtin;
pub use compiler::{
    Cancel, CompileError, CompileRequest, CompileSession, CompileUnit, Compiler, Counting,
    MemoryBounds, Profile, SpectreMitigation, Tier,
};
pub use facts::ModuleFacts;
pub use features::{Feature, FeatureConflict, Features, MissingFeature};
pub use index::*;
pub use kind::{Kind, RegClass, Width};
pub use plan::{MemoryOptions, MemoryPlan, ModulePlan, TablePlan};
pub use printable::{Printable, PrintableLines};
pub use sites::{CallSite, Sites, TrapSite};
pub use trap::TrapCode;
pub use types::{
    FuncType, GlobalType, HeapType, IndexKind, Limits, MemoryType, RefType, Sharing, TableType,
    TypeId, ValType,
};
