//! The one place where WASI functions wait.
//!
//! Nothing else may block for long: whoever would block gets `EAGAIN` and comes here, where the wait
//! ends when the store is interrupted.

use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno as Host;

use super::call::Failure;
use super::errno::Errno;
use super::file::{Interest, Readiness, WasiFile};
use crate::Interruption;

/// How often a file is asked that has no descriptor to wait for.
pub(crate) const ASK_AGAIN: Duration = Duration::from_millis(1);

/// How often an interruption is looked for if there is no descriptor left to wait for it.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// How a call waits: with an eye on its store's interruption.
pub(crate) struct Waiter {
    interruption: Interruption,
}

impl Waiter {
    pub(crate) fn new(interruption: Interruption) -> Self {
        Self { interruption }
    }

    /// Fails if the store was interrupted.
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
        // A process with too many open files can still wait, only less well.
        let slice = match self.interruption.fd() {
            Ok(fd) => {
                fds.push(PollFd::from_borrowed_fd(fd, PollFlags::IN));
                None
            }
            Err(_) => Some(LOOK_AGAIN),
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

    /// The number of descriptors that are ready, 0 also after a signal. Fails if the store was interrupted.
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

    /// Waits until a file is ready.
    pub(crate) fn until_ready(
        &self,
        file: &dyn WasiFile,
        interest: Interest,
    ) -> Result<(), Failure> {
        if let Some(fd) = file.pollable() {
            let mut fds = vec![PollFd::from_borrowed_fd(fd, events(interest))];
            return self.poll(&mut fds, None);
        }
        while file.ready(interest) == Readiness::Waiting {
            self.sleep(ASK_AGAIN)?;
        }
        Ok(())
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
