//! The context of a call of a WASI function, and how the call can fail.

use super::abi::Preview;
use super::ctx::Locked;
use super::errno::Errno;
use super::memory::GuestMemory;
use super::wait::Waiter;

/// The context of one call of a WASI function.
pub(crate) struct Call<'a> {
    pub(crate) ctx: Locked<'a>,
    pub(crate) memory: GuestMemory<'a>,
    pub(crate) waiter: Waiter,
    pub(crate) preview: Preview,
}

/// The reason why a WASI function failed.
pub(crate) enum Failure {
    /// The guest gets this error number and goes on.
    Errno(Errno),
    /// The guest ends with this error: it exited, or was interrupted.
    Stop(crate::Error),
}

pub(crate) type Result<T = (), E = Failure> = std::result::Result<T, E>;

impl From<Errno> for Failure {
    fn from(errno: Errno) -> Self {
        Failure::Errno(errno)
    }
}

impl From<rustix::io::Errno> for Failure {
    fn from(error: rustix::io::Errno) -> Self {
        Failure::Errno(error.into())
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Failure::Errno(error.into())
    }
}
