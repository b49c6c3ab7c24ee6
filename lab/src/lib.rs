//! The tiering lab: what is known of a run is judged here, without running it again.
//!
//! - [`stats`]: medians, intervals and ratios by resampling processes, changepoints of iterations;
//! - [`predicate`]: the language in which an experiment says, before it runs, what its results must
//!   show for a claim to hold;
//! - [`trace`]: recorded runs, and their files;
//! - [`mod@record`]: what was measured in runs, as a trace;
//! - [`workload`]: a trace as work to be done;
//! - [`machine`]: cores and compile threads that do it in virtual time;
//! - [`mod@simulate`]: what a run would take under a policy;
//! - [`bounds`]: how fast a run could be, and how near to that a schedule is known;
//! - [`measure`]: figures of programs, by which claims are judged;
//! - [`experiment`]: files that say what is run and claimed, plans, results and verdicts;
//! - [`host`]: how well the machine at hand measures;
//! - [`log_diff`]: where two runs begin to differ, from their event logs.
//!
//! # Invariants
//!
//! - Compiles and runs no WebAssembly: a recorded run is a file, and what needs a clock is a
//!   process of the engine's command.
//! - Whatever is random is seeded: the same inputs give the same bytes.
//! - Files and expressions come from outside: a broken one is an error that says where, no panic.

#![forbid(unsafe_code)]

pub mod bounds;
pub mod experiment;
pub mod host;
pub mod log_diff;
pub mod machine;
pub mod measure;
pub mod predicate;
pub mod record;
pub mod simulate;
pub mod stats;
pub mod trace;
pub mod workload;
