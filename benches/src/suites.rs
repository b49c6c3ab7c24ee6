//! What is measured. Each suite makes tables; the command prints them and collects their JSON.

pub mod compile;
pub mod kernels;
pub mod programs;

use std::io::Write;

/// What suites need to know from the command line.
#[derive(Clone, Debug)]
pub struct Options {
    /// Interleaved rounds; medians are over them.
    pub rounds: usize,
    /// Only what has this in its name; everything if empty.
    pub only: String,
}

impl Options {
    fn wants(&self, name: &str) -> bool {
        name.contains(&self.only)
    }
}

/// Tells whoever waits what is being measured.
fn progress(what: &str) {
    // Without a standard error there is nobody to tell.
    let _ = writeln!(std::io::stderr(), "  measuring {what} …");
}
