//! What a plan leaves out because something is missing here, so that readers don't take a short
//! table for the whole.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Why something is not measured, and what would change that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// The program is not in the corpus.
    Program,
    /// The library has not been built.
    Library,
    /// The module that is only loaded is not in the corpus.
    Module,
    /// The engine is not installed.
    Engine,
    /// The engine is not linked into this program.
    Feature,
    /// There is no native program of that name.
    Native,
    /// The engine would take too long for the module.
    Size,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Reason::Program => "cases whose program is missing (scripts/fetch-corpus brings it)",
            Reason::Library => "libraries that are missing (scripts/build-libraries makes them)",
            Reason::Module => {
                "modules that are missing (scripts/fetch-corpus --modules brings them)"
            }
            Reason::Engine => "engines that are not installed (scripts/fetch-engines brings them)",
            Reason::Feature => "engines that are not linked in (--features wasmer)",
            Reason::Native => {
                "native programs that are missing (scripts/build-native and \
                 scripts/build-libraries --native make them)"
            }
            Reason::Size => "modules that are too large for node-turbofan",
        })
    }
}

/// Everything that is left out.
#[derive(Clone, Debug, Default)]
pub struct Dropped(BTreeMap<Reason, BTreeSet<String>>);

impl Dropped {
    /// Notes something, once however often it is noted.
    pub fn note(&mut self, reason: Reason, what: impl Into<String>) {
        self.0.entry(reason).or_default().insert(what.into());
    }

    /// Whether nothing is left out.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A line for each reason.
impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (reason, what) in &self.0 {
            let what: Vec<&str> = what.iter().map(String::as_str).collect();
            writeln!(f, "not measured: {reason}: {}", what.join(", "))?;
        }
        Ok(())
    }
}
