//! Address space and threads: the one module to edit when porting to another system.

use std::cell::Cell;
use std::ffi::c_void;
use std::ptr::{self, NonNull};

use rustix::mm::{MapFlags, MprotectFlags, ProtFlags};

use crate::error::RuntimeError;

/// A range of reserved address space; unmapped when dropped.
#[derive(Debug)]
pub struct Reservation {
    base: NonNull<u8>,
    len: usize,
}

// SAFETY: a reservation is an address range that it owns alone; what is done with the memory behind it is the
// business of those who hold pointers into it.
unsafe impl Send for Reservation {}
// SAFETY: as for `Send`; its methods change page protections only, which the system serializes.
unsafe impl Sync for Reservation {}

impl Reservation {
    /// Reserves address space without access and without committing memory.
    pub fn new(len: usize) -> Result<Self, RuntimeError> {
        let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
        // SAFETY: a fresh anonymous mapping at an address of the system's choice touches nothing else.
        let base =
            unsafe { rustix::mm::mmap_anonymous(ptr::null_mut(), len, ProtFlags::empty(), flags) }
                .map_err(|e| RuntimeError::system("reserve address space", e))?;
        Ok(Self {
            base: NonNull::new(base.cast()).expect("mmap never returns null without MAP_FIXED"),
            len,
        })
    }

    /// Its first address.
    pub fn base(&self) -> *mut u8 {
        self.base.as_ptr()
    }

    /// Its bytes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Makes a page-aligned part readable and writable.
    ///
    /// # Panics
    ///
    /// If the part is not inside the reservation.
    pub fn make_writable(&self, offset: usize, len: usize) -> Result<(), RuntimeError> {
        assert!(offset.checked_add(len).is_some_and(|end| end <= self.len));
        if len == 0 {
            return Ok(());
        }
        // SAFETY: the range is inside our own mapping; pages only gain access rights.
        unsafe {
            let start = self.base().add(offset).cast::<c_void>();
            rustix::mm::mprotect(start, len, MprotectFlags::READ | MprotectFlags::WRITE)
        }
        .map_err(|e| RuntimeError::system("commit memory", e))
    }

    /// Replaces a page-aligned part by a shared mapping of a file.
    pub fn map_file(
        &self,
        offset: usize,
        len: usize,
        file: &memfd::Memfd,
        protection: ProtFlags,
    ) -> Result<(), RuntimeError> {
        assert!(offset.checked_add(len).is_some_and(|end| end <= self.len));
        // SAFETY: `MAP_FIXED` replaces pages of our own reservation, which nobody uses yet.
        unsafe {
            let start = self.base().add(offset).cast::<c_void>();
            let flags = MapFlags::SHARED | MapFlags::FIXED | MapFlags::NORESERVE;
            rustix::mm::mmap(start, len, protection, flags, file.as_file(), 0)
        }
        .map(drop)
        .map_err(|e| RuntimeError::system("map the code space", e))
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and whoever held pointers into it is gone before its owner is.
        let result = unsafe { rustix::mm::munmap(self.base().cast(), self.len) };
        debug_assert!(result.is_ok(), "unmapping our own reservation can't fail");
    }
}

/// Makes `membarrier` available to this process; false where the kernel lacks it.
pub fn register_membarrier() -> bool {
    membarrier(libc::MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED)
}

/// A full memory barrier on every running thread of the process.
pub fn membarrier_all_threads() -> bool {
    membarrier(libc::MEMBARRIER_CMD_PRIVATE_EXPEDITED)
}

fn membarrier(command: libc::c_int) -> bool {
    // SAFETY: the call takes no pointers.
    unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
}

/// Sends a signal to one thread of this process. A thread that is gone is no error.
pub fn signal_thread(thread: i32, signal: libc::c_int) {
    // SAFETY: the call takes no pointers; a stale thread id fails or reaches a thread whose handler ignores it.
    unsafe {
        libc::syscall(libc::SYS_tgkill, libc::getpid(), thread, signal);
    }
}

/// The system's number for the calling thread; asked once per thread.
#[inline]
pub fn thread_id() -> i32 {
    thread_local! {
        static ID: Cell<i32> = const { Cell::new(0) };
    }
    if ID.get() == 0 {
        ID.set(rustix::thread::gettid().as_raw_nonzero().get());
    }
    ID.get()
}
