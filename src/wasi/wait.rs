//! The one place where WASI functions block.
//!
//! No other code may block for long: an operation that would block returns `EAGAIN`, and the
//! function waits here, where an interruption of the store ends the wait.

use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno as Host;

use super::call::Failure;
use super::ctx::Locked;
use super::errno::Errno;
use super::file::Interest;
use super::table::Entry;
use crate::Interruption;

/// How often to check whether a file is ready that has no descriptor to poll.
pub(crate) const READY_POLL_INTERVAL: Duration = Duration::from_millis(1);

/// How often to check for an interruption if no descriptor is left to poll for it.
const INTERRUPT_POLL_INTERVAL: Duration = Duration::from_millis(10);

/// Lets a call wait until files are ready, time has passed or its store is interrupted.
pub(crate) struct Waiter {
    interruption: Interruption,
}

impl Waiter {
    pub(crate) fn new(interruption: Interruption) -> Self {
        Self { interruption }
    }

    /// Returns an error if the store was interrupted.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        self.interruption.check().map_err(Failure::Stop)
    }

    /// Waits until a descriptor is ready or the time has passed; the descriptors' events say which.
    pub(crate) fn poll<'a>(
        &'a self,
        fds: &mut Vec<PollFd<'a>>,
        timeout: Option<Duration>,
    ) -> Result<(), Failure> {
        if timeout == Some(Duration::ZERO) {
            return self.poll_once(fds, timeout).map(drop);
        }
        let own = fds.len();
        // Without a descriptor for interruptions (too many open files), wait in slices.
        let slice = match self.interruption.fd() {
            Ok(fd) => {
                fds.push(PollFd::from_borrowed_fd(fd, PollFlags::IN));
                None
            }
            Err(_) => Some(INTERRUPT_POLL_INTERVAL),
        };
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let result = loop {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            let wait = [left, slice].into_iter().flatten().min();
            match self.poll_once(fds, wait) {
                Ok(0) if left != Some(Duration::ZERO) => {}
                result => break result,
            }
        };
        fds.truncate(own);
        result.map(drop)
    }

    /// Returns the number of descriptors that are ready, 0 also after a signal; an error if the
    /// store was interrupted.
    fn poll_once(
        &self,
        fds: &mut [PollFd<'_>],
        timeout: Option<Duration>,
    ) -> Result<usize, Failure> {
        let timeout = timeout.map(timespec);
        let ready = match poll(fds, timeout.as_ref()) {
            Err(Host::INTR) => 0,
            result => result.map_err(Errno::from)?,
        };
        self.check()?;
        Ok(ready)
    }

    pub(crate) fn sleep(&self, time: Duration) -> Result<(), Failure> {
        self.poll(&mut Vec::new(), Some(time))
    }

    /// Waits until a file, found by its number, is ready, or may be: other threads use the context
    /// meanwhile.
    pub(crate) fn until_ready(
        &self,
        ctx: &mut Locked<'_>,
        fd: u32,
        interest: Interest,
    ) -> Result<(), Failure> {
        let Entry::File(file) = &ctx.table.get(fd)?.entry else {
            return Ok(());
        };
        let Some(fd) = file.pollable() else {
            return ctx.unlocked(self, || self.sleep(READY_POLL_INTERVAL));
        };
        if let Locked::Own(_) = ctx {
            return self.poll(
                &mut vec![PollFd::from_borrowed_fd(fd, events(interest))],
                None,
            );
        }
        // Another thread may close the file meanwhile. Without a descriptor, wait in slices.
        let fd = fd.try_clone_to_owned();
        ctx.unlocked(self, || match fd {
            Ok(fd) => self.poll(&mut vec![PollFd::new(&fd, events(interest))], None),
            Err(_) => self.sleep(READY_POLL_INTERVAL),
        })
    }
}

pub(crate) fn events(interest: Interest) -> PollFlags {
    match interest {
        Interest::Read => PollFlags::IN,
        Interest::Write => PollFlags::OUT,
    }
}

fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: duration.subsec_nanos().into(),
    }
}
