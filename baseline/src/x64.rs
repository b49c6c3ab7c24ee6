//! What the baseline knows of x86-64: its registers, the encoding of its instructions, and the code
//! between Rust and WebAssembly.
//!
//! The rest of the crate says which instructions to emit, with dynasm's `asm!` or the encoder's
//! functions: it names registers and instructions, but no encoding.

pub(crate) mod asm;
pub(crate) mod reg;
// dynasm converts register numbers, also those that are bytes already.
#[allow(clippy::useless_conversion)]
pub(crate) mod trampoline;
