//! Supervision of the guest, which runs on a thread of its own, and of signals that end it.
//!
//! The guest's thread has a stack that suits the configuration, whatever the limits of the
//! process's first thread are. The first thread waits for the guest's end or for a signal. A signal
//! interrupts the guest, and the run ends as any other, with its reports; a guest that does not end
//! within [`GRACE`], because the host is blocked on its behalf, is abandoned.
//!
//! Where the system refuses a thread, the guest runs on the first one, and signals keep their
//! default actions.

use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::{flag, low_level};
use upshift::{Config, InterruptHandle, Result, available_stack};

use crate::report;

/// How long a guest may take to end after a signal.
const GRACE: Duration = Duration::from_millis(300);

/// The signals that end a run in an orderly way, with their names.
const SIGNALS: [(i32, &str); 3] = [(SIGHUP, "SIGHUP"), (SIGINT, "SIGINT"), (SIGTERM, "SIGTERM")];

/// How the guest ended.
pub enum Ended {
    /// The guest returned, with or without an error.
    Returned(Result<()>),
    /// A signal was sent to this process. The guest may still be running.
    Signal(Signal),
}

/// One of [`SIGNALS`].
#[derive(Clone, Copy, Debug)]
pub struct Signal(i32);

impl Signal {
    /// The exit code that a shell reports for a process that the signal ended.
    pub fn exit_code(self) -> u8 {
        128 + self.0 as u8
    }

    /// The signal's name, as `SIGINT`.
    pub fn name(self) -> &'static str {
        let found = SIGNALS.iter().find(|(number, _)| *number == self.0);
        found.map_or("a signal", |(_, name)| name)
    }
}

/// The place where the guest's thread stores the handle that interrupts it, once it has a store;
/// that of its latest store, if it has several in turn.
#[derive(Debug, Default)]
pub struct HandleSlot(Mutex<Option<InterruptHandle>>);

impl HandleSlot {
    /// Stores the handle of a store that is about to run.
    pub fn set(&self, handle: InterruptHandle) {
        *lock(&self.0) = Some(handle);
    }

    fn get(&self) -> Option<InterruptHandle> {
        lock(&self.0).clone()
    }
}

/// Makes writing beyond a file size limit (`ulimit -f`) an error instead of the process's end.
pub fn survive_file_size_limit() {
    // Any handler does, even one that sets a flag that is never read.
    if let Err(error) = flag::register(SIGXFSZ, Arc::default()) {
        report::warning(&format!(
            "exceeding a file size limit will be fatal: {error}"
        ));
    }
}

/// Runs the guest with a stack that suits the configuration, and waits for its end.
pub fn run<F>(config: &Config, guest: F) -> Ended
where
    F: FnOnce(&HandleSlot) -> Result<()> + Send + 'static,
{
    let (bell, ringer) = match UnixStream::pair() {
        Ok((bell, ringer)) => (bell, Arc::new(ringer)),
        Err(_) => return Ended::Returned(guest(&HandleSlot::default())),
    };
    let shared = Arc::new(Shared {
        handle: HandleSlot::default(),
        ended: AtomicBool::new(false),
    });
    // A closure that could not be spawned is dropped; so the thread takes it from here, and has to
    // wait until signals are watched.
    let guest = Arc::new(Mutex::new(Some(guest)));
    let mut waiting = lock(&guest);
    let spawned = Builder::new()
        .name("upshift-guest".into())
        .stack_size(config.thread_stack_size())
        .spawn({
            let (guest, shared, ringer) = (guest.clone(), shared.clone(), ringer.clone());
            move || {
                let end = EndBell { shared, ringer };
                let guest = lock(&guest).take();
                let guest = guest.expect("only this thread takes it, if it was started");
                guest(&end.shared.handle)
            }
        });
    match spawned {
        Ok(thread) => {
            let received = watch_signals(&ringer);
            drop(waiting);
            let supervisor = Supervisor {
                shared,
                bell,
                received,
            };
            supervisor.wait(thread)
        }
        Err(error) => {
            let guest = waiting.take().expect("the thread was not started");
            warn_of_small_stack(config, &error);
            Ended::Returned(guest(&HandleSlot::default()))
        }
    }
}

/// Prints a warning if this thread's stack is smaller than the one that was refused.
fn warn_of_small_stack(config: &Config, refused: &std::io::Error) {
    let wanted = config.thread_stack_size();
    if let Some(available) = available_stack()
        && available < config.max_wasm_stack_bytes()
    {
        report::warning(&format!(
            "no thread with {wanted} bytes of stack ({refused}): the program may use {available} \
             bytes, see -W max-stack"
        ));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The data that the guest's thread and the first thread share.
struct Shared {
    handle: HandleSlot,
    /// Set by the guest's thread, with release, before the bell rings for the guest's end, which
    /// tells that from a signal.
    ended: AtomicBool,
}

/// Rings when the guest's thread ends, by a panic as well.
struct EndBell {
    shared: Arc<Shared>,
    ringer: Arc<UnixStream>,
}

impl Drop for EndBell {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Release);
        // The other end is open as long as the first thread waits, and a byte fits.
        let _ = (&*self.ringer).write(&[0]);
    }
}

/// The number of the last signal that arrived, or 0.
#[derive(Default)]
struct Received {
    signal: Arc<AtomicUsize>,
    /// Whether another SIGINT ends the process at once.
    impatient: Arc<AtomicBool>,
}

/// Makes signals ring the bell: all of them, or none if there are no descriptors for all, so that
/// the guest gets those that are left. A signal that is ignored (as by `nohup`, or in a shell's
/// background) stays ignored.
fn watch_signals(ringer: &UnixStream) -> Received {
    let received = Received::default();
    let ignored = ignored_signals();
    let watched = SIGNALS
        .iter()
        .filter(|(signal, _)| ignored & (1 << (signal - 1)) == 0);
    let ringers = watched.map(|signal| Ok((signal, ringer.try_clone()?)));
    match ringers.collect::<std::io::Result<Vec<_>>>() {
        Ok(ringers) => {
            for (&(signal, name), ringer) in ringers {
                if let Err(error) = watch(signal, &received, ringer) {
                    report::warning(&format!("{name} will end the run without reports: {error}"));
                }
            }
        }
        Err(error) => report::warning(&format!(
            "signals will end the run without reports: {error}"
        )),
    }
    received
}

fn watch(signal: i32, received: &Received, ringer: UnixStream) -> std::io::Result<()> {
    // In the order in which a signal runs them.
    if signal == SIGINT {
        let status = i32::from(Signal(signal).exit_code());
        flag::register_conditional_shutdown(signal, status, received.impatient.clone())?;
    }
    let number = received.signal.clone();
    flag::register_usize(signal, number, signal as usize)?;
    low_level::pipe::register(signal, ringer)?;
    Ok(())
}

/// The signals that this process ignores, one bit each from bit 0 for signal 1. Without `/proc`
/// none are known.
fn ignored_signals() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0)
}

/// The first thread's state while the guest runs on another.
struct Supervisor {
    shared: Arc<Shared>,
    bell: UnixStream,
    received: Received,
}

impl Supervisor {
    fn wait(self, guest: JoinHandle<Result<()>>) -> Ended {
        self.listen(None);
        if let Some(signal) = self.signal() {
            // From now on the user need not wait for anything.
            self.received.impatient.store(true, Ordering::Release);
            match self.shared.handle.get() {
                Some(handle) => handle.interrupt(),
                // The program is still being loaded, so there is nothing to interrupt.
                None => return Ended::Signal(signal),
            }
            self.listen(Some(GRACE));
            return Ended::Signal(signal);
        }
        Ended::Returned(guest.join().unwrap_or_else(|panic| resume_unwind(panic)))
    }

    fn signal(&self) -> Option<Signal> {
        match self.received.signal.load(Ordering::Acquire) {
            0 => None,
            signal => Some(Signal(signal as i32)),
        }
    }

    /// Returns when the guest has ended; without a timeout, also when a signal arrives.
    fn listen(&self, timeout: Option<Duration>) {
        self.bell
            .set_read_timeout(timeout)
            .expect("the timeout is not zero");
        while !self.shared.ended.load(Ordering::Acquire) {
            match (&self.bell).read(&mut [0]) {
                Ok(_) if timeout.is_none() && self.signal().is_some() => return,
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    }
}
