//! A mapping by which profilers of the system notice a file.

use std::os::fd::AsFd;
use std::ptr;

use rustix::mm::{MapFlags, ProtFlags};

use super::{PAGE, Reservation};
use crate::error::RuntimeError;

/// A mapping of a file's first page with the right to execute, which a profiler that watches the
/// process is told of with the file's name; unmapped when dropped. Nothing is executed there, and
/// nothing is read.
#[derive(Debug)]
pub struct ProfilerMark {
    _mapping: Reservation,
}

impl ProfilerMark {
    /// Maps the file, which must be readable.
    ///
    /// # Errors
    ///
    /// If the system refuses: it does for file systems that are mounted with `noexec`.
    pub fn new(file: &impl AsFd) -> Result<Self, RuntimeError> {
        let protection = ProtFlags::READ | ProtFlags::EXEC;
        let (anywhere, flags) = (ptr::null_mut(), MapFlags::PRIVATE);
        // SAFETY: a fresh mapping at an address of the system's choice touches nothing else, and no
        // pointer into it is given out.
        let base = unsafe { rustix::mm::mmap(anywhere, PAGE, protection, flags, file, 0) }
            .map_err(|e| RuntimeError::system("map a file as executable", e))?;
        // SAFETY: the mapping was just created.
        let mapping = unsafe { Reservation::from_mapping(base, PAGE) };
        Ok(Self { _mapping: mapping })
    }
}
