//! The one-pass baseline compiler: function body to machine code.
//!
//! A function's body is decoded, validated if asked to, and compiled operator by operator in one
//! pass, in time and memory linear in its size. The compiler keeps an abstract operand stack whose
//! entries are registers, constants, references to locals or slots of the frame, so that most
//! operators emit one or two instructions and `local.get`, constants and conversions between
//! integer sizes often none.
//!
//! - [`Baseline`] is the compiler, [`BaselineOptions`] its options;
//! - `visit` turns wasmparser's visits into calls of the handlers in `op`;
//! - `func_gen` is the state of one compilation, `alloc` its register allocation, `fixed` the
//!   registers that instructions fix, `state` the abstract state, `merge` what happens where
//!   control flow joins, `region` the clauses around an operator, `frame` prologue, epilogue and
//!   traps, `counter` the budget's counters, `fuel` what takes fuel,
//!   `epoch` what looks for deadlines;
//! - `check` follows, in debug builds, where every value is;
//! - `x64` is what depends on the processor: `reg` has its registers, `asm` writes bytes,
//!   `trampoline` makes the code between Rust and WebAssembly.
//!
//! # Invariants
//!
//! - A compilation is a pure function of the request and the options: no clock, no threads, no
//!   global state, no unsafe code.
//! - Work per operator is bounded by the number of registers and by the operator's own size;
//!   nothing is proportional to the number of locals, labels or stack entries of the function.
//! - Nothing here knows the optimizer. What both agree on is in `upshift-abi`.

#![forbid(unsafe_code)]

mod alloc;
mod check;
mod control;
mod counter;
mod describe;
mod epoch;
mod fixed;
mod frame;
mod fuel;
mod func_gen;
mod lookahead;
mod merge;
mod observe;
mod op;
mod options;
mod peek;
mod region;
mod runs;
mod session;
mod signature;
mod state;
#[cfg(test)]
mod testing;
mod value;
mod visit;
mod x64;

pub use options::{Ablation, BaselineOptions, Counters, Features};
pub use session::Baseline;
pub use x64::trampoline::TrampolineCompiler;

use x64::{asm, reg};
