//! Benchmarks and the comparison with other engines, and the pieces of them that tests share.
//!
//! From what there is to what is seen:
//!
//! - [`places`]: where the source tree and the large programs are on this machine;
//! - [`corpus`]: what there is to run: own kernels, and large programs that others built;
//! - [`engines`]: one way to load and run a program with each engine that is linked in;
//! - [`contender`]: who takes part: those engines in each configuration, and programs from outside;
//! - [`plan`]: which of them do which [`task`]s, how often, and what is [`dropped`];
//! - [`run`]: carries it out, each task in a [`process`] of its own, where a [`worker`] does it
//!   and [`measure`]s;
//! - [`record`]: the samples, as JSON, by [`metric`];
//! - [`tiers`]: compares both tiers' code of each hot function;
//! - [`options`]: compares code with options that add to it to code without;
//! - [`tables`], [`summary`], [`page`], [`compare`]: what people make of them, with [`stats`].
//!
//! # Invariants
//!
//! - Engines are used through their public APIs only.
//! - Engines that are compared take turns in random order, so that a slow spell of the machine hits
//!   all of them.
//! - Only correct runs are measured: every run's output is compared.
//! - Files contain samples; summaries are computed where they are shown.

#![forbid(unsafe_code)]

pub mod compare;
pub mod contender;
pub mod corpus;
pub mod dropped;
pub mod engines;
pub mod measure;
pub mod metric;
pub mod options;
pub mod page;
pub mod places;
pub mod plan;
pub mod process;
pub mod record;
pub mod run;
pub mod summary;
pub mod table;
pub mod tables;
pub mod task;
pub mod tiers;
pub mod worker;

pub use upshift_lab::stats;
