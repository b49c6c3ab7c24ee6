//! The stubs: hand-written machine code where generated code calls Rust with a convention of its
//! own. Trampolines, which depend on signatures, come from the baseline compiler instead.
//!
//! Each processor has a module of its own with the same functions.

mod x64;

pub use x64::*;
