//! The optimizing compiler: function body to machine code through Cranelift.
//!
//! [`Optimizer`] implements [`upshift_abi::Compiler`]: from a WebAssembly body and the module's
//! facts it builds CLIF, lets Cranelift optimize and encode it, and returns the same inert
//! [`upshift_abi::CompiledFunction`] as every other tier.
//!
//! - [`options`]: the options, all chosen at run time;
//! - `translate`: the state of one translation: operand and control stacks, calls, OSR entries;
//! - `op`: one handler per WebAssembly operator, by group;
//! - `fold`: integer arithmetic with constants;
//! - `artifact`: conversion of Cranelift's result to the artifact that the tiers share;
//! - `x64`: what depends on the processor.
//!
//! # Invariants
//!
//! - A pure function of request and options: no clock, no thread, no global state, no live pointer.
//! - Knows no other tier. What the tiers agree on (calling convention, layouts, traps, frames)
//!   comes from `upshift-abi`; no offset is written here.
//! - Valid WebAssembly never panics; a bug of Cranelift's that shows as an error is reported as
//!   [`upshift_abi::CompileError::Internal`].

#![forbid(unsafe_code)]

mod artifact;
mod compiler;
mod fold;
mod isa;
mod names;
mod op;
pub mod options;
mod pass;
mod signature;
mod translate;
mod trap;
mod x64;

pub use compiler::{Dump, Optimizer};
pub use isa::OptimizerError;
pub use options::{
    Arithmetic, Bulk, Constants, Cpu, Dispatch, Inline, MemoryBase, NullChecks, OptLevel,
    OptimizerOptions, Regalloc, SelfCalls,
};
