//! The context of a guest: its arguments, environment, descriptors, clocks and random bytes.

use std::convert::Infallible;
use std::ffi::OsString;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::os::unix::ffi::OsStringExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;

use super::abi::Rights;
use super::call::Failure;
use super::clock::{Sleep, SystemClocks, WasiClocks};
use super::dir::{DirAccess, Directory};
use super::file::WasiFile;
use super::host_file::HostFile;
use super::pipe::{ReadPipe, WritePipe};
use super::random::{SystemRandom, WasiRandom};
use super::strings::Strings;
use super::table::{Descriptor, Table};
use super::turns::{Turn, Turns};
use super::wait::Waiter;
use crate::{Interruption, Result, WaitClock};

/// The default limit of a guest's descriptors. The system's own limit is usually lower and counts
/// only its own files.
const MAX_DESCRIPTORS: usize = 1 << 16;

/// The context of one guest: arguments, environment, descriptors, clocks, random bytes.
///
/// It belongs to one store at a time and is [`Send`]. Threads of a guest have one each, with the
/// same contents: see [`share`](Self::share).
pub struct WasiCtx {
    contents: Arc<Turns<Contents>>,
    /// How time passes by the clocks.
    time: Sleep,
    /// Counts the contexts with these contents: the guest's threads.
    threads: Arc<()>,
}

/// What a guest sees of the world.
pub(super) struct Contents {
    pub(super) args: Strings,
    pub(super) env: Strings,
    pub(super) table: Table,
    pub(super) clocks: Box<dyn WasiClocks>,
    pub(super) random: Box<dyn WasiRandom>,
}

impl WasiCtx {
    /// Adds a file to the guest's descriptors and returns its number, the lowest that is free.
    /// While the guest runs, the embedder has to tell it the number.
    ///
    /// Waits while a call of another thread uses the same contents.
    ///
    /// # Errors
    ///
    /// If the guest has reached its limit of descriptors.
    pub fn insert_file(&mut self, file: impl WasiFile) -> Result<u32> {
        let Ok(mut contents) = self.lock(|| Ok::<_, Infallible>(()));
        Ok(contents.table.insert(own(Box::new(file)))?)
    }

    /// A context with the same contents, for another thread of the guest: files that one opens are
    /// open for all.
    ///
    /// Calls of threads that have the same contents run one after the other, but for the time for
    /// which they wait: for a descriptor, a clock, or for time to pass. What the system does at
    /// once is part of the call, however long it takes (a large read or write of a file,
    /// `fd_sync`, listing a directory), and so are calls of the embedder's files, clocks and random
    /// numbers. An interruption ends the wait of a thread whose turn it is not.
    #[must_use]
    pub fn share(&self) -> Self {
        Self {
            contents: self.contents.clone(),
            time: self.time,
            threads: self.threads.clone(),
        }
    }

    /// The contents, for the length of a call. Without a lock if no other context has them;
    /// otherwise waits for them, while `check` returns no error.
    pub(super) fn lock<E>(&mut self, check: impl Fn() -> Result<(), E>) -> Result<Locked<'_>, E> {
        if Arc::strong_count(&self.contents) > 1 {
            return Ok(Locked::Shared {
                contents: &self.contents,
                turn: Some(self.contents.take(check)?),
            });
        }
        let contents = Arc::get_mut(&mut self.contents).expect("this is the only reference");
        Ok(Locked::Own(contents.get_mut()))
    }
}

/// Waits of the guest's shared memories take no time while all of its threads wait, if its clocks
/// [let time pass](WasiClocks::sleep) by themselves. The threads are the contexts with the same
/// contents.
impl WaitClock for WasiCtx {
    fn threads(&self) -> Option<Box<dyn Fn() -> usize>> {
        let threads = Arc::downgrade(&self.threads);
        match self.time {
            Sleep::Passed => Some(Box::new(move || threads.strong_count())),
            Sleep::Wait => None,
        }
    }

    fn pass(&mut self, time: Duration, interruption: &Interruption) {
        // Where an interruption is pending the guest goes on no more, so no clock matters.
        if let Ok(mut contents) = self.lock(|| interruption.check()) {
            contents.clocks.sleep(time);
        }
    }
}

/// The contents of a context during a call, locked if other threads have them too.
pub(super) enum Locked<'a> {
    /// No other context has these contents.
    Own(&'a mut Contents),
    /// Other contexts have them, too.
    Shared {
        contents: &'a Turns<Contents>,
        /// Missing while the call waits, and after a wait that has failed.
        turn: Option<Turn<'a, Contents>>,
    },
}

const UNLOCKED: &str = "nothing is used while the call waits, and after a wait that has failed";

impl Locked<'_> {
    /// Lets other threads use the contents while the function waits. Afterwards a number may be
    /// another file's.
    ///
    /// # Errors
    ///
    /// That of the function, or of an interruption while another thread uses the contents. The
    /// call must use them no more then, as it does not have them again.
    pub(super) fn unlocked(
        &mut self,
        waiter: &Waiter,
        wait: impl FnOnce() -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        if let Locked::Shared { turn, .. } = self {
            *turn = None;
        }
        wait()?;
        if let Locked::Shared { contents, turn } = self {
            *turn = Some(contents.take(|| waiter.check())?);
        }
        Ok(())
    }

    /// Lets other threads use the contents in the middle of a long call, as
    /// [`unlocked`](Self::unlocked), which also checks for an interruption.
    pub(super) fn pause(&mut self, waiter: &Waiter) -> Result<(), Failure> {
        self.unlocked(waiter, || waiter.check())
    }
}

impl Deref for Locked<'_> {
    type Target = Contents;

    fn deref(&self) -> &Contents {
        match self {
            Locked::Own(contents) => contents,
            Locked::Shared { turn, .. } => turn.as_ref().map(|turn| &**turn).expect(UNLOCKED),
        }
    }
}

impl DerefMut for Locked<'_> {
    fn deref_mut(&mut self) -> &mut Contents {
        match self {
            Locked::Own(contents) => contents,
            Locked::Shared { turn, .. } => turn.as_mut().map(|turn| &mut **turn).expect(UNLOCKED),
        }
    }
}

impl fmt::Debug for WasiCtx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WasiCtx").finish_non_exhaustive()
    }
}

fn own(file: Box<dyn WasiFile>) -> Descriptor {
    Descriptor::file(file, DirAccess::ReadWrite, Rights::all())
}

/// Builds a [`WasiCtx`]. At first the guest sees nothing: no arguments, no variables, empty
/// streams.
#[derive(Default)]
pub struct WasiCtxBuilder {
    args: Vec<Vec<u8>>,
    env: Vec<(Vec<u8>, Vec<u8>)>,
    stdin: Option<Box<dyn WasiFile>>,
    stdout: Option<Box<dyn WasiFile>>,
    stderr: Option<Box<dyn WasiFile>>,
    dirs: Vec<Directory>,
    files: Vec<Box<dyn WasiFile>>,
    clocks: Option<Box<dyn WasiClocks>>,
    random: Option<Box<dyn WasiRandom>>,
    max_descriptors: Option<usize>,
}

impl WasiCtxBuilder {
    /// Creates a builder for a guest that sees nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends an argument; the first one is the program's name.
    pub fn arg(&mut self, arg: impl Into<OsString>) -> &mut Self {
        self.args.push(arg.into().into_vec());
        self
    }

    /// Appends arguments.
    pub fn args(&mut self, args: impl IntoIterator<Item = impl Into<String>>) -> &mut Self {
        self.args
            .extend(args.into_iter().map(|arg| arg.into().into_bytes()));
        self
    }

    /// Sets an environment variable, or replaces it.
    pub fn env(&mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> &mut Self {
        let (name, value) = (name.into().into_vec(), value.into().into_vec());
        match self.env.iter_mut().find(|(other, _)| *other == name) {
            Some((_, old)) => *old = value,
            None => self.env.push((name, value)),
        }
        self
    }

    /// Sets all environment variables of this process.
    pub fn inherit_env(&mut self) -> &mut Self {
        for (name, value) in std::env::vars_os() {
            // The system allows names that no program can find.
            if !name.is_empty() && !name.as_encoded_bytes().contains(&b'=') {
                self.env(name, value);
            }
        }
        self
    }

    /// Sets the file that is the guest's standard input; see [`pipe`](super::pipe).
    pub fn stdin(&mut self, file: impl WasiFile) -> &mut Self {
        self.stdin = Some(Box::new(file));
        self
    }

    /// Sets the file that is the guest's standard output; see [`pipe`](super::pipe).
    pub fn stdout(&mut self, file: impl WasiFile) -> &mut Self {
        self.stdout = Some(Box::new(file));
        self
    }

    /// Sets the file that is the guest's standard error; see [`pipe`](super::pipe).
    pub fn stderr(&mut self, file: impl WasiFile) -> &mut Self {
        self.stderr = Some(Box::new(file));
        self
    }

    /// Gives the guest this process's standard input.
    pub fn inherit_stdin(&mut self) -> &mut Self {
        self.stdin(HostFile::stdin())
    }

    /// Gives the guest this process's standard output.
    pub fn inherit_stdout(&mut self) -> &mut Self {
        self.stdout(HostFile::stdout())
    }

    /// Gives the guest this process's standard error.
    pub fn inherit_stderr(&mut self) -> &mut Self {
        self.stderr(HostFile::stderr())
    }

    /// Gives the guest the three standard streams of this process.
    pub fn inherit_stdio(&mut self) -> &mut Self {
        self.inherit_stdin().inherit_stdout().inherit_stderr()
    }

    /// Gives the guest a directory of the host, under the name `guest`, to do there whatever this
    /// process may do.
    ///
    /// # Errors
    ///
    /// If the directory can't be opened.
    pub fn preopened_dir(
        &mut self,
        host_path: impl AsRef<Path>,
        guest_path: impl Into<String>,
    ) -> Result<&mut Self> {
        self.preopened_dir_with(host_path, guest_path, DirAccess::ReadWrite)
    }

    /// Gives the guest a directory of the host, under the name `guest`, with limited access.
    ///
    /// # Errors
    ///
    /// If the directory can't be opened.
    pub fn preopened_dir_with(
        &mut self,
        host_path: impl AsRef<Path>,
        guest_path: impl Into<String>,
        access: DirAccess,
    ) -> Result<&mut Self> {
        let host_path = host_path.as_ref();
        let dir = Directory::preopen(host_path, guest_path.into(), access)
            .with_context(|| format!("cannot open the directory `{}`", host_path.display()))?;
        self.dirs.push(dir);
        Ok(self)
    }

    /// Gives the guest a file that the embedder implements. Files get the numbers after those of
    /// the directories, which follow the three streams.
    pub fn file(&mut self, file: impl WasiFile) -> &mut Self {
        self.files.push(Box::new(file));
        self
    }

    /// Sets the guest's clocks; by default the system's.
    pub fn clocks(&mut self, clocks: impl WasiClocks) -> &mut Self {
        self.clocks = Some(Box::new(clocks));
        self
    }

    /// Sets the source of the guest's random bytes; by default the system.
    pub fn random(&mut self, random: impl WasiRandom) -> &mut Self {
        self.random = Some(Box::new(random));
        self
    }

    /// Sets how many descriptors the guest can have at once; by default 65,536. Each takes about a
    /// hundred bytes besides the file that it refers to.
    pub fn max_descriptors(&mut self, max: usize) -> &mut Self {
        self.max_descriptors = Some(max);
        self
    }

    /// Creates the context, and leaves an empty builder.
    ///
    /// # Errors
    ///
    /// If an argument or variable contains a NUL, if a variable's name is empty or contains `=`, if
    /// together they exceed 4 GiB, or if there are more files than the guest can have.
    pub fn build(&mut self) -> Result<WasiCtx> {
        let collected = std::mem::take(self);
        let args = Strings::new(collected.args).context("bad argument")?;
        let env = environment(collected.env).context("bad environment variable")?;
        let mut table = Table::new(collected.max_descriptors.unwrap_or(MAX_DESCRIPTORS));
        let none: fn() -> Box<dyn WasiFile> = || Box::new(WritePipe::new(std::io::sink()));
        let empty = || Box::new(ReadPipe::new(std::io::empty())) as Box<dyn WasiFile>;
        table.insert(own(collected.stdin.unwrap_or_else(empty)))?;
        table.insert(own(collected.stdout.unwrap_or_else(none)))?;
        table.insert(own(collected.stderr.unwrap_or_else(none)))?;
        for dir in collected.dirs {
            table.insert(Descriptor::directory(dir, Rights::all()))?;
        }
        for file in collected.files {
            table.insert(own(file))?;
        }
        let system_clocks = || Box::new(SystemClocks::new()) as Box<dyn WasiClocks>;
        let system_random = || Box::new(SystemRandom) as Box<dyn WasiRandom>;
        let mut clocks = collected.clocks.unwrap_or_else(system_clocks);
        // Sleeping for no time changes no clock, and tells how they run.
        let time = clocks.sleep(Duration::ZERO);
        let contents = Contents {
            args,
            env,
            table,
            clocks,
            random: collected.random.unwrap_or_else(system_random),
        };
        Ok(WasiCtx {
            contents: Arc::new(Turns::new(contents)),
            time,
            threads: Arc::new(()),
        })
    }
}

/// The variables in the form `NAME=VALUE`.
fn environment(variables: Vec<(Vec<u8>, Vec<u8>)>) -> Result<Strings> {
    for (name, _) in &variables {
        let text = String::from_utf8_lossy(name);
        anyhow::ensure!(!name.is_empty(), "a name is empty");
        anyhow::ensure!(!name.contains(&b'='), "the name {text:?} contains `=`");
    }
    let joined = |(name, value): (Vec<u8>, Vec<u8>)| [name, value].join(&b'=');
    Strings::new(variables.into_iter().map(joined).collect())
}

impl fmt::Debug for WasiCtxBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WasiCtxBuilder").finish_non_exhaustive()
    }
}
