//! Benchmarks and the comparison with other engines, and the pieces of them that tests share.
//!
//! - [`corpus`]: what there is to run: own kernels, and large programs that others built;
//! - [`engines`]: one way to load and run a program, whichever engine does it;
//! - [`measure`]: wall and processor time, interleaved rounds, medians, geometric means;
//! - [`suites`]: what is measured: compile speed, kernels, whole programs;
//! - [`report`]: tables for people and JSON for programs, from one set of rows.
//!
//! # Invariants
//!
//! - Engines are used through their public APIs only.
//! - Engines that are compared take turns inside each round, in one process, so that a slow spell
//!   of the machine hits all of them.
//! - A result is measured only if it is right: every run's output is compared.

#![forbid(unsafe_code)]

pub mod corpus;
pub mod engines;
pub mod measure;
pub mod report;
pub mod suites;
