//! Runs `.wast` scripts, the form in which the WebAssembly specification states its tests, in every
//! execution mode of the engine.
//!
//! Invariants:
//! - It uses the engine through the embedding API only, as any embedder would.
//! - An assertion that can't be run has failed: nothing is skipped.
//! - The reasons of traps and refusals are compared with the specification's wording ([`wording`]),
//!   so that a module refused for the wrong reason is noticed.

#![forbid(unsafe_code)]

mod host;
mod mode;
mod report;
mod runner;
mod value;
pub mod wording;

pub use mode::Mode;
pub use report::{Failure, Report};
pub use runner::{run_script, valid_modules};
