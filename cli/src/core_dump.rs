//! `-D coredump=FILE`: writes the state of a program that failed, for debuggers.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use upshift::{Error, Exit, Printable, Store, WasmCoreDump};

use crate::options::Options;
use crate::report;

/// Writes the core dump of a run, once: of the thread that fails first.
pub struct CoreDumps {
    file: PathBuf,
    /// The program's name in the dump.
    name: String,
    written: AtomicBool,
}

impl CoreDumps {
    /// What writes the dump, if the option is given.
    pub fn new(options: &Options) -> Option<Self> {
        Some(Self {
            file: options.around.coredump.clone()?,
            name: options.file.display().to_string(),
            written: AtomicBool::new(false),
        })
    }

    /// Writes the dump of an error of the store, unless the program has ended by itself, and says
    /// so.
    pub fn write<T: Send + 'static>(&self, store: &mut Store<T>, error: &Error) {
        let Some(dump) = error.downcast_ref::<WasmCoreDump>() else {
            return;
        };
        let is_wanted = !error.is::<Exit>() && dump.belongs_to(&*store);
        if !is_wanted || self.written.swap(true, Ordering::Relaxed) {
            return;
        }
        let file = Printable(self.file.display());
        match self.try_write(store, dump) {
            Ok(()) => report::note(&format!("core dump written to `{file}`")),
            Err(error) => {
                report::error_line(&format!("cannot write the core dump `{file}`: {error}"));
            }
        }
    }

    fn try_write<T: Send + 'static>(
        &self,
        store: &mut Store<T>,
        dump: &WasmCoreDump,
    ) -> io::Result<()> {
        let mut to = BufWriter::new(File::create(&self.file)?);
        dump.write_to(store, &self.name, &mut to)?;
        to.flush()
    }
}
