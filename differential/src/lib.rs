//! Differential testing: generated programs behave alike in every configuration of Upshift and in
//! Wasmtime. Each call has the same results or trap, and leaves the same memories, tables and
//! globals.
//!
//! A program ([`program`]) is a number, from which [`generate`] makes one to three modules that
//! import from each other and from a host ([`host`]) whose functions call back into them; some run
//! on two threads at the same time ([`threads`]). [`run`] runs it in Wasmtime ([`oracle`]) and in
//! Upshift ([`subject`]) by turns and compares; one macro makes both. The few programs that
//! Wasmtime can't run ([`oracle::LACKING`]) are compared between Upshift's configurations
//! ([`configuration`]). A program that differs is made smaller ([`minimize`]) and written to a file
//! ([`case`]), which the tests run again from then on.
//! Programs run in a process of their own ([`supervise`]), so that a crash leaves one behind too.

#![forbid(unsafe_code)]

pub mod additions;
pub mod case;
pub mod configuration;
mod executor;
pub mod generate;
pub mod host;
pub mod legacy;
mod machine;
pub mod minimize;
pub mod oracle;
pub mod program;
pub mod references;
pub mod run;
pub mod standard;
pub mod subject;
pub mod supervise;
pub mod threads;
pub mod value;
pub mod waits;
