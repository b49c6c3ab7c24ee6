//! Tiering: when a function is compiled, by which compiler, and when calls and loops switch to the
//! new code.
//!
//! An engine has one [`Tiering`]: two compilers behind `dyn Compiler`, a [`Policy`], a queue of
//! requests and the compile threads that take from it. A module has one [`ModuleTiers`]: the state
//! of each of its functions. The runtime calls it through
//! [`TierHooks`](upshift_runtime::TierHooks): for code at first calls, and when a budget is
//! exhausted.
//!
//! - [`policy`]: decides what is worth optimizing, and when;
//! - [`queue`]: which of the waiting requests is compiled next;
//! - `samples`: what samples find, and what policies are told of it;
//! - [`account`]: what is known of the work that functions do;
//! - [`config`], [`knob`]: all options, by name; [`mod@file`]: what files of options share;
//! - [`lifecycle`], `state`: the states of functions and loops, and how threads change them;
//! - `driver`: when requested code is compiled and installed, for each kind of [`Switching`];
//! - [`home`]: the part of the runtime that this crate uses.
//!
//! # Invariants
//!
//! - Sees compilers as `dyn Compiler` and code as handles: knows no instruction and no address.
//! - A unit of code is requested at most once at a time, whichever threads request it
//!   (compare-and-swap on the phase), and a slot is written only under its function's lock.
//! - The optimizer's failures, panics included, never reach a program: the function keeps its
//!   baseline code. They are counted and logged.
//! - No lock is held during a compilation (except with zeal switching, which is for tests).

#![forbid(unsafe_code)]

pub mod account;
pub mod config;
pub mod file;
pub mod home;
pub mod knob;
pub mod lifecycle;
pub mod policy;
pub mod queue;

mod consult;
mod contest;
mod driver;
mod eager;
mod engine;
mod evidence;
mod first_code;
mod function;
mod ladder;
mod load;
mod logged;
mod module;
mod optimize;
mod overrides;
mod pool;
mod samples;
mod sessions;
mod state;
mod sync;
mod trial;
mod validate;
mod variant;
mod watch;
mod worker;

#[cfg(test)]
mod fake;
#[cfg(test)]
mod tests;

/// The target of log messages about options that have no effect as they are set: what the user
/// should see who has set them. All other messages are about the engine.
pub const OPTIONS: &str = "upshift::options";

pub use config::{ConfigError, Latency, Mode, Switching, TieringConfig, Weights, options};
pub use eager::Validators;
pub use engine::Tiering;
pub use file::FileError;
pub use knob::{Allowed, Knobs};
pub use ladder::{Ladder, Rung};
pub use lifecycle::{LoopPhase, Phase};
pub use load::{LoadError, decode_validated};
pub use logged::decided;
pub use module::ModuleTiers;
pub use policy::{Decision, Level, Memo, Policy, PolicyEvent, View};
pub use queue::Discipline;
pub use samples::{FunctionSamples, SampleSum, Samples};
pub use sessions::Speeds;
