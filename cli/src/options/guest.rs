//! Options on what the program can access: directories, variables, clocks, random bytes.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest as _, Sha256};
use upshift::Result;
use upshift::wasi::pipe::{ReadPipe, WritePipe};
use upshift::wasi::{DirAccess, SeededRandom, VirtualClocks, WasiCtx, WasiCtxBuilder};
use upshift_knobs::types::{self, Type};
use upshift_knobs::{choices, knobs};

use super::Around;

/// What the program can access.
#[derive(Clone, Debug, Default)]
pub struct Guest {
    /// The directories of the host that the program gets.
    pub dirs: Vec<Dir>,
    /// The environment variables that the program gets.
    pub env: Vec<(String, String)>,
    /// The variables of this process that the program gets besides.
    pub inherited: Inherited,
    /// The program's name as its first argument, instead of its file's name.
    pub argv0: Option<String>,
}

/// A directory that the program gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dir {
    host: PathBuf,
    guest: String,
    access: DirAccess,
}

/// The variables of this process that a program gets without being given them by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Inherited {
    /// No variable of this process.
    #[default]
    Nothing,
    /// All variables of this process.
    All,
}

/// The standard streams of the program.
#[derive(Clone, Debug)]
pub enum Streams {
    /// Those of this process.
    Inherited,
    /// Input is read from memory; output and errors are those of this process.
    Fed(Vec<u8>),
    /// Input is read from memory; what is written is dropped, but for its digest.
    Repeated(Arc<Repeated>),
}

/// The standard streams of a run that repeats another.
#[derive(Debug, Default)]
pub struct Repeated {
    /// What the program can read.
    pub input: Vec<u8>,
    /// The digest of what it has written so far.
    pub written: Mutex<Sha256>,
}

/// Where a run that repeats another writes.
struct Digested(Arc<Repeated>);

impl Write for Digested {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut digest = self
            .0
            .written
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        digest.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The clocks of the program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Clocks {
    /// The system's clocks.
    #[default]
    System,
    /// Virtual clocks, which show the same times in each run.
    Virtual,
}

const CLOCKS: Type<Clocks> = choices!(Clocks { "system" => System, "virtual" => Virtual });

knobs! {
    /// The options of `-W` on what the program can access.
    pub const GUEST: Around {
        Wasm "clocks": Mode CLOCKS => clocks,
            "virtual: times are the same in each run; sleeping takes none, \
             nor do waits of all threads";
        Wasm "random-seed": Mode types::count_or_none("", 0, u64::MAX) => random_seed,
            "random bytes are the same in each run with the same seed";
    }
}

impl Guest {
    /// Whether no option was given.
    pub fn is_empty(&self) -> bool {
        self.dirs.is_empty()
            && self.env.is_empty()
            && self.inherited == Inherited::Nothing
            && self.argv0.is_none()
    }

    /// Whether the program may write to files of the host.
    pub fn writes(&self) -> bool {
        let mut dirs = self.dirs.iter();
        dirs.any(|dir| dir.access == DirAccess::ReadWrite)
    }

    /// The WASI context for the program of a file.
    pub fn context(
        &self,
        file: &Path,
        args: &[String],
        around: &Around,
        streams: Streams,
    ) -> Result<WasiCtx> {
        let mut wasi = WasiCtxBuilder::new();
        match streams {
            Streams::Inherited => wasi.inherit_stdio(),
            Streams::Fed(input) => wasi.inherit_stdio().stdin(ReadPipe::from(input)),
            Streams::Repeated(repeated) => wasi
                .stdin(ReadPipe::from(repeated.input.clone()))
                .stdout(WritePipe::new(Digested(repeated.clone())))
                .stderr(WritePipe::new(Digested(repeated))),
        };
        let name = || file.file_name().map_or("-".into(), ToOwned::to_owned);
        wasi.arg(self.argv0.clone().map_or_else(name, Into::into))
            .args(args);
        if self.inherited == Inherited::All {
            wasi.inherit_env();
        }
        for (name, value) in &self.env {
            wasi.env(name, value);
        }
        for dir in &self.dirs {
            wasi.preopened_dir_with(&dir.host, dir.guest.as_str(), dir.access)?;
        }
        if around.clocks == Clocks::Virtual {
            wasi.clocks(VirtualClocks::new());
        }
        if let Some(seed) = around.random_seed {
            wasi.random(SeededRandom::new(seed));
        }
        wasi.build()
    }
}

impl Dir {
    /// `HOST`, `HOST::GUEST`, and either with `:ro` or `:rw` behind it. A name that ends in one of
    /// these needs another.
    pub fn parse(text: &str) -> Self {
        let (text, access) = match text.strip_suffix(":ro") {
            Some(text) => (text, DirAccess::ReadOnly),
            None => (
                text.strip_suffix(":rw").unwrap_or(text),
                DirAccess::ReadWrite,
            ),
        };
        let (host, guest) = text.split_once("::").unwrap_or((text, text));
        Self {
            host: host.into(),
            guest: guest.into(),
            access,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_have_names_and_may_be_read_only() {
        let parse = |text| {
            let dir = Dir::parse(text);
            (dir.host, dir.guest, dir.access)
        };
        let dir = |host: &str, guest: &str, access| (host.into(), guest.into(), access);
        assert_eq!(parse("a"), dir("a", "a", DirAccess::ReadWrite));
        assert_eq!(parse("a::/b"), dir("a", "/b", DirAccess::ReadWrite));
        assert_eq!(parse("a:ro"), dir("a", "a", DirAccess::ReadOnly));
        assert_eq!(parse("a::/b:ro"), dir("a", "/b", DirAccess::ReadOnly));
        assert_eq!(parse("a:ro:rw"), dir("a:ro", "a:ro", DirAccess::ReadWrite));
        assert_eq!(parse("a:b"), dir("a:b", "a:b", DirAccess::ReadWrite));
    }
}
