//! One interface to load and run a program with every linked engine.

mod micro;
mod ruby;
mod scratch;
mod upshift;
#[cfg(feature = "wasmer")]
mod wasmer;
mod wasmi;
mod wasmtime;

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Result;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub use self::micro::CallCosts;
pub use self::scratch::Scratch;
pub use self::upshift::{Upshift, run as run_upshift};
#[cfg(feature = "wasmer")]
pub use self::wasmer::Wasmer;
pub use self::wasmi::Wasmi;
pub use self::wasmtime::Wasmtime;
use crate::record::TierEvent;

/// How a program is run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Driver {
    /// As a command: by its export `_start`.
    #[default]
    Command,
    /// As Ruby's library: by exported functions that take a script as a string.
    Ruby,
    /// As a command that starts threads: by WASI's `thread-spawn`, with an imported shared memory.
    Threads,
}

/// The description of one run of a program.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Arguments, the program's name first.
    pub args: Vec<String>,
    /// Environment variables.
    pub env: Vec<(String, String)>,
    /// Directories: the guest's name and the host's. An empty one for output is at `/tmp`.
    pub mounts: Vec<(String, PathBuf)>,
    /// Files under `/tmp` that are part of the result.
    pub outputs: Vec<String>,
    /// How the program is started.
    pub driver: Driver,
}

/// The result of a run. Equal runs compare equal.
#[derive(Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The exit code.
    pub exit: i32,
    /// The bytes printed to standard output.
    pub stdout: Vec<u8>,
    /// The contents of the job's output files.
    pub files: BTreeMap<String, Vec<u8>>,
}

impl std::fmt::Debug for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let files = self.files.iter().map(|(name, bytes)| (name, bytes.len()));
        f.debug_struct("Outcome")
            .field("exit", &self.exit)
            .field("stdout", &String::from_utf8_lossy(&self.stdout))
            .field("files", &files.collect::<Vec<_>>())
            .finish()
    }
}

impl Outcome {
    /// The digest of a run's output, as [`crate::task`] defines it.
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(format!("{}\n", self.exit));
        hash.update(&self.stdout);
        for (name, bytes) in &self.files {
            hash.update(format!("{name}\n"));
            hash.update(bytes);
        }
        let digest = hash.finalize();
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// An engine in one configuration.
pub trait Engine {
    /// The engine's name in tables.
    fn name(&self) -> String;

    /// Loads a module in the binary format: does all that the engine does before a run can start.
    ///
    /// # Errors
    ///
    /// If the engine does not accept the module.
    fn load(&self, wasm: &[u8]) -> Result<Box<dyn Loaded>>;

    /// Measures calls of each kind with `drivers/calls.wat`, which imports a function of
    /// `drivers/imported.wat`: `count` calls each, after ten times as many to warm up.
    ///
    /// # Errors
    ///
    /// If the engine does not accept the modules.
    fn calls(&self, wasm: &[u8], imported: &[u8], count: u32) -> Result<CallCosts>;
}

/// A loaded module.
pub trait Loaded {
    /// Runs the module in an instance of its own.
    ///
    /// # Errors
    ///
    /// If the module traps, or the job's directories can't be opened. An exit code is no error.
    fn run(&self, job: &Job) -> Result<Outcome>;

    /// Creates an instance in a store of its own and drops both, `count` times. Imported functions
    /// trap.
    ///
    /// # Errors
    ///
    /// If the module imports anything but functions, or its start function traps.
    fn instantiate(&self, count: u32) -> Result<()>;

    /// The bytes of machine code that exist now, if the engine reports them.
    fn machine_code(&self) -> Option<u64> {
        None
    }

    /// Functions and loops that have changed tiers, with times since the engine was created.
    fn events(&self) -> Vec<TierEvent> {
        Vec::new()
    }
}
