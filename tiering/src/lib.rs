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
//! - [`profile`], `warm`: what a run has shown, kept for the next start of a module; `stored`: the
//!   code that it has compiled;
//! - [`account`]: what is known of the work that functions do;
//! - [`config`], [`knob`]: all options, by name; [`mod@file`]: what files of options share;
//! - [`lifecycle`], `state`: the states of functions and loops, and how threads change them;
//! - `driver`: when requested code is compiled and installed, for each kind of [`Switching`];
//! - [`home`]: the part of the runtime that this crate uses.
//!
//! # For embedders
//!
//! The root package exports this crate as `upshift::tiering`. A policy or a queue's discipline of
//! one's own is a value of one's own type that implements [`Policy`] or [`Discipline`], and is set
//! in a [`TieringConfig`]:
//!
//! ```
//! use std::sync::Arc;
//! use upshift_tiering::policy::{Budget, Lane, Reason, Request};
//! use upshift_tiering::{Decision, Memo, Policy, PolicyEvent, TieringConfig, View};
//!
//! /// Optimizes small functions at their first exhausted budget, and others when they have done as
//! /// many budget units for each byte of their bodies.
//! #[derive(Debug)]
//! struct BySize {
//!     small: u32,
//!     units_per_byte: u64,
//! }
//!
//! impl Policy for BySize {
//!     fn spec(&self) -> String {
//!         let Self { small, units_per_byte } = self;
//!         format!("by-size:small={small}:units-per-byte={units_per_byte}")
//!     }
//!
//!     fn on(&self, memo: &mut Memo, event: PolicyEvent, view: &View) -> Decision {
//!         // The memo is the function's own: how often it was asked about.
//!         memo.words[0] += 1;
//!         let wait = Decision::wait(Budget::Units(5_000));
//!         let enough = u64::from(view.body_bytes) * self.units_per_byte;
//!         let due = view.body_bytes <= self.small || view.units >= enough;
//!         match event {
//!             PolicyEvent::Entry | PolicyEvent::Loop(_) if due && view.can_rise() => wait
//!                 .with_function(Request::new(view.top(), Lane::Normal))
//!                 .because(Reason::new("due").with("units", view.units as f64)),
//!             _ => wait,
//!         }
//!     }
//! }
//!
//! let policy = Arc::new(BySize { small: 50, units_per_byte: 100 });
//! let config = TieringConfig { policy, ..TieringConfig::default() };
//! assert_eq!(config.policy.spec(), "by-size:small=50:units-per-byte=100");
//! ```
//!
//! - *Units.* A budget unit is what baseline code subtracts: [`Weights`] for a call and an
//!   iteration, 10 and 5 unless the engine is told otherwise. Times are [nanoseconds] of tiering's
//!   clock; in virtual time that is one for each unit.
//! - *Threads.* One policy and one discipline serve all functions and threads. Calls with the memo
//!   of one function never overlap; calls for different functions do. Policies are mostly called on
//!   threads that run WebAssembly, some on compile threads; disciplines on compile threads only,
//!   under the queue's lock. Neither may block, or call the engine.
//! - *Panics.* Where a discipline panics, `fifo` chooses; [`Tiering::discipline_panics`] counts it.
//!   A policy's panic ends the call that asked, on a compile thread the request.
//! - *What is stable.* Names and meanings in [`policy`], [`queue`], [`config`] and [`knob`], and of
//!   what this page re-exports of them. Events, views, decisions and figures are `non_exhaustive`:
//!   they will grow, so match with a wildcard, and make a [`View`] by [`View::new`]. What else is
//!   public ([`home`], [`lifecycle`], [`account`], [`ModuleTiers`]) is for the packages of this
//!   repository, and changes with them.
//!
//! [nanoseconds]: upshift_profiler::Nanos
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
pub mod profile;
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
mod stored;
mod sync;
mod trial;
mod validate;
mod variant;
mod warm;
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
pub use profile::{ModuleDigest, ModuleProfile, ProfileError, RecordedRequest};
pub use queue::Discipline;
pub use samples::{FunctionSamples, SampleSum, Samples};
pub use sessions::Speeds;
pub use stored::StoredCode;
