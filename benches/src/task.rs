//! The contract between the command and the processes that it measures.
//!
//! Each process gets one [`Task`] as JSON in its last argument, does it, and prints one
//! [`Launch`](crate::record::Launch) as JSON in the last line of its standard output; or, if the
//! engine refuses the module or fails, `{"refused": "…"}` or `{"error": "…"}`. Peak memory is added
//! by the parent, which asks the system.
//!
//! An engine of another language takes part with a driver that does the same: `drivers/driver.mjs`
//! for those that run JavaScript.
//!
//! # Output digests
//!
//! Two runs agree if the SHA-256 of these bytes is the same: the exit code in decimal, a newline,
//! standard output, and for each of the job's output files that exists, in the order of their
//! names, its name, a newline, and its content.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::engines::Job;

/// Work for one process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "kind")]
pub enum Task {
    /// Loads the module once. Figures: `load-wall`, `load-cpu`, `machine-code` if the engine
    /// reports it.
    Load {
        /// The module, in the binary format.
        wasm: PathBuf,
    },
    /// Loads the module, then runs the job, each time in an instance of its own, until the number
    /// of iterations or the time is used up, but once at least. Figures as for loading, and
    /// `first-result`, `total-wall`, `total-cpu`; iterations; the output digest of every run, which
    /// must be the same.
    Run {
        /// The module, in the binary format.
        wasm: PathBuf,
        /// The job to run.
        job: Job,
        /// The highest number of iterations.
        iterations: u32,
        /// The time in seconds since loading began after which no new iteration starts.
        seconds: f64,
    },
    /// Measures calls with the module `drivers/calls.wat`, which says how. Figures: `host-to-wasm`,
    /// `wasm-to-host`, `direct`, `indirect`, `import`.
    Calls {
        /// That module, in the binary format.
        wasm: PathBuf,
        /// The module whose function it imports.
        imported: PathBuf,
        /// The number of calls of each kind, after ten times as many to warm up.
        count: u32,
    },
    /// Loads the module, then creates an instance and drops it, `count` times after as many to warm
    /// up, with imports that do nothing; no start function or `_start` is run beyond what
    /// instantiating does. Figure: `instance`.
    Instances {
        /// The module, in the binary format.
        wasm: PathBuf,
        /// The number of instances.
        count: u32,
    },
}
