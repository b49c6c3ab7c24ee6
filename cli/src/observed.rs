//! What a run is observed for: calls (`-D calls`) and coverage (`-D coverage`).

use std::io;
use std::path::Path;

use upshift::observe::{Instrument, InstrumentedFunc, InstrumentedImport};
use upshift::{Config, Module, Printable, Result};

use crate::calls::{CallLog, Selection};
use crate::coverage::Coverage;
use crate::invoke::UsageError;
use crate::options::Options;
use crate::output::Output;
use crate::record::Incomplete;
use crate::report;

/// The files of a run that is observed.
pub struct Observed {
    /// The tree of calls.
    pub calls: Option<CallLog>,
    coverage: Option<(Coverage, Output)>,
}

/// What is observed of each module.
struct Wanted {
    /// The functions whose calls are.
    selection: Option<Selection>,
    coverage: Option<Coverage>,
}

impl Instrument for Wanted {
    fn instrument(&self, func: &mut InstrumentedFunc<'_>) {
        if let Some(selection) = &self.selection {
            selection.listen(func);
        }
        if let Some(coverage) = &self.coverage {
            coverage.count(func);
        }
    }

    fn instrument_import(&self, import: &mut InstrumentedImport<'_>) {
        if let Some(selection) = &self.selection {
            selection.listen_to_import(import);
        }
    }
}

impl Observed {
    /// Creates the files.
    ///
    /// # Errors
    ///
    /// If one can't be created, or functions are chosen for a tree that is not asked for.
    pub fn open(options: &Options) -> Result<Self> {
        let around = &options.around;
        anyhow::ensure!(
            around.calls.is_some() || around.calls_of.is_none(),
            UsageError(
                "-D calls-of chooses functions for -D calls=FILE, which is not given".into()
            )
        );
        Ok(Self {
            calls: around.calls.as_deref().map(CallLog::create).transpose()?,
            coverage: around.coverage.as_deref().map(Coverage::new).transpose()?,
        })
    }

    /// Has the engine instrument what is observed.
    pub fn instrument(&self, options: &Options, config: &mut Config) {
        if self.calls.is_none() && self.coverage.is_none() {
            return;
        }
        let selection = self.calls.is_some();
        let selection = selection.then(|| Selection::new(options.around.calls_of.clone()));
        let coverage = self.coverage.as_ref().map(|(coverage, _)| coverage.clone());
        config.instrument(Wanted {
            selection,
            coverage,
        });
    }

    /// Writes what is left, at the end of the run; coverage if the module was loaded.
    ///
    /// # Errors
    ///
    /// If something can't be written; the reason has been printed.
    pub fn write(self, module: Option<&Module>) -> Result<(), Incomplete> {
        let mut result = Ok(());
        let mut check = |path: &Path, written: io::Result<()>| {
            if let Err(error) = written {
                let path = Printable(path.display());
                report::error_line(&format!("cannot write `{path}`: {error}"));
                result = Err(Incomplete);
            }
        };
        if let Some(calls) = self.calls {
            check(calls.path(), calls.finish());
        }
        if let Some(((coverage, output), module)) = self.coverage.zip(module) {
            check(coverage.path(), coverage.write(module, output));
        }
        result
    }
}
