//! The typed event log of tiering, and what is generated from it.
//!
//! The tiering crate records each step in a function's life as an [`Event`]. The [`EventLog`]
//! stamps it, adds it to the totals in [`Stats`] and, if configured to, stores it or writes it to a
//! file as it happens (`file`), from which it is read back (`reader`). From stored events come a
//! timeline for people ([`story()`]), a trace for trace viewers (`chrome`), a profile for the
//! Firefox Profiler (`firefox`), a table (`csv`) and a symbol map for `perf` ([`perf_map`]);
//! [`jitdump`] has the records of `perf`'s other format, which need the code's bytes. The
//! feature `serde` adds files, and all that is JSON or made of it.
//!
//! # Invariants
//!
//! - Knows no compiler, no policy and no live code: an address is a number to print.
//! - Nothing here influences what runs: a log can be switched off without changing a result.
//! - Every event and every metric exists once, in the tables of [`event`] and [`stats`], of which
//!   `REPORTS.md` is made.

#![forbid(unsafe_code)]

#[cfg(feature = "serde")]
pub mod chrome;
#[cfg(feature = "serde")]
pub mod csv;
pub mod decided;
pub mod event;
mod figures;
#[cfg(feature = "serde")]
pub mod file;
#[cfg(feature = "serde")]
pub mod firefox;
#[cfg(feature = "serde")]
pub mod format;
pub mod jitdump;
pub mod key;
#[cfg(feature = "serde")]
mod labels;
pub mod log;
pub mod names;
mod pending;
pub mod perf_map;
#[cfg(all(test, feature = "serde"))]
mod random;
#[cfg(feature = "serde")]
pub mod reader;
#[cfg(test)]
mod reports;
mod ring;
#[cfg(feature = "serde")]
mod serialize;
pub mod stats;
pub mod story;
pub mod text;

pub use decided::Decided;
pub use event::{Activity, DropReason, Event, LoopSite};
pub use key::{CodeKey, FuncKey, ModuleKey, Nanos, ReqId, Timeline};
pub use log::{Detail, EventLog, LogConfig, Record};
pub use names::{Names, symbol};
pub use stats::{Stats, TierStats};
pub use story::{Story, story};
pub use text::{Real, Text};
