//! Tiering: when a function is compiled, by which compiler, and when calls and loops switch to the new code.
//!
//! [`Tiering`] is what an engine has one of: two compilers behind `dyn Compiler`, a [`Policy`],
//! a queue and the threads that serve it. [`ModuleTiers`] is what a module has one of: the state of
//! each of its functions. The runtime asks it for code at first calls and reports exhausted
//! budgets ([`TierHooks`](upshift_runtime::TierHooks)).
//!
//! - [`policy`]: who decides what is worth optimizing;
//! - [`config`], [`knob`]: everything that can be chosen, by name;
//! - [`state`]: the states of functions and loops, and the protocol between threads;
//! - [`home`]: the little that this crate needs of the runtime.
//!
//! # Invariants
//!
//! - Sees compilers as `dyn Compiler` and code as handles: knows no instruction and no address.
//! - A piece of code is requested at most once at a time, whatever threads ask (compare-and-swap on
//!   the state), and a slot is written only under its function's lock.
//! - The optimizer's failures, panics included, never reach a program: the function keeps its
//!   baseline code. They are counted and logged.
//! - No lock is held while something is compiled (but for zeal, which is not for production).

#![forbid(unsafe_code)]

pub mod config;
pub mod home;
pub mod knob;
pub mod policy;
pub mod state;

mod eager;
mod engine;
mod first_code;
mod module;
mod pool;
mod queue;
mod sessions;
mod switch;
mod worker;

#[cfg(test)]
mod fake;
#[cfg(test)]
mod tests;

pub use config::{ConfigError, Latency, Mode, Switching, TieringConfig};
pub use eager::{Validators, validate_all};
pub use engine::Tiering;
pub use knob::{KnobInfo, KnobKind, Knobs};
pub use module::ModuleTiers;
pub use policy::{Policy, PolicyEvent};
pub use sessions::Speeds;
pub use state::{LoopPhase, Phase};
