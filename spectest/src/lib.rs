//! Runs `.wast` scripts, the form in which the WebAssembly specification states its tests, in every
//! execution mode of the engine.
//!
//! Invariants:
//! - It uses the engine through the embedding API only, as any embedder would.
//! - An assertion that can't be run has failed: nothing is skipped. If it was refused for want of a
//!   proposal, or depends on what was, the failure names the proposal.
//! - The reasons of traps and refusals are compared with the specification's wording ([`wording`]),
//!   so that a module refused for the wrong reason is noticed.

#![forbid(unsafe_code)]

mod host;
mod mode;
mod names;
mod report;
mod runner;
mod script;
mod unsupported;
mod value;
pub mod wording;

pub use mode::Mode;
pub use report::{Cause, Failure, Report};
pub use runner::{Load, TIME_LIMIT, run_script, run_script_loading, run_script_within};
pub use script::valid_modules;
