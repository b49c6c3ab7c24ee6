//! The tiering lab: what is known of a run is judged here, without running it again.
//!
//! - [`stats`]: medians, intervals and ratios by resampling processes, changepoints of iterations;
//! - [`predicate`]: the language in which an experiment says, before it runs, what its results must
//!   show for a claim to hold;
//! - [`trace`]: recorded runs, and their files.
//!
//! # Invariants
//!
//! - Whatever is random is seeded: the same inputs give the same bytes.
//! - Files and expressions come from outside: a broken one is an error that says where, no panic.

#![forbid(unsafe_code)]

pub mod predicate;
pub mod stats;
pub mod trace;
