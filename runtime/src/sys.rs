//! Address space and threads: the one module to edit when porting to another system.
//!
//! - `code_pages`: memory that is executable, and the ways to write it;
//! - `mark`: how profilers of the system notice a file;
//! - `process`: which process something belongs to;
//! - `signals`: handlers, and which signals threads block;
//! - `x64`: what depends on the processor.

mod code_pages;
mod mark;
mod process;
mod signals;
mod x64;

use std::cell::Cell;
use std::ffi::c_void;
use std::io::{self, IoSlice, Read as _, Write as _};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd as _, OwnedFd};
use std::ptr::{self, NonNull};
use std::time::Duration;

use memfd::{Memfd, MemfdOptions};
use rustix::mm::{Advice, MapFlags, MprotectFlags, ProtFlags};
use rustix::process::Resource;

use crate::error::RuntimeError;

pub use code_pages::CodePages;
pub use mark::ProfilerMark;
pub use process::{PerProcess, Process};
pub use signals::{blocks_signal, call_handler, handler_of, signal_thread, unblock};
pub use x64::{copy_racing, fill_racing, interrupted_pc, preserved_registers};

/// The unit in which the system maps and protects memory.
pub const PAGE: usize = upshift_abi::vmctx::PAGE_SIZE as usize;

/// A range of reserved address space; unmapped when dropped.
#[derive(Debug)]
pub struct Reservation {
    base: NonNull<u8>,
    len: usize,
}

// SAFETY: a reservation is an address range that it owns alone; accesses to the memory behind it
// are the responsibility of the holders of pointers into it.
unsafe impl Send for Reservation {}
// SAFETY: as for `Send`; its methods change page protections only, which the system serializes.
unsafe impl Sync for Reservation {}

impl Reservation {
    /// Reserves address space without access and without committing memory.
    pub fn new(len: usize) -> Result<Self, RuntimeError> {
        let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
        // SAFETY: a fresh anonymous mapping at an address of the system's choice touches nothing
        // else.
        let base =
            unsafe { rustix::mm::mmap_anonymous(ptr::null_mut(), len, ProtFlags::empty(), flags) }
                .map_err(|e| RuntimeError::system("reserve address space", e))?;
        // SAFETY: the mapping was just created.
        Ok(unsafe { Self::from_mapping(base, len) })
    }

    /// Takes ownership of a mapping.
    ///
    /// # Safety
    ///
    /// The range is mapped, and nothing else unmaps it.
    unsafe fn from_mapping(base: *mut c_void, len: usize) -> Self {
        let base = NonNull::new(base.cast());
        Self {
            base: base.expect("nothing is mapped at address zero"),
            len,
        }
    }

    /// Maps zeroed memory that may be read and written and takes space only where it is touched.
    pub fn zeroed(len: usize) -> Result<Self, RuntimeError> {
        let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: as in `new`.
        let base = unsafe { rustix::mm::mmap_anonymous(ptr::null_mut(), len, protection, flags) }
            .map_err(|e| RuntimeError::system("get memory", e))?;
        Ok(Self {
            base: NonNull::new(base.cast()).expect("mmap never returns null without MAP_FIXED"),
            len,
        })
    }

    /// Lengthens what [`zeroed`](Self::zeroed) made; the contents move with their pages, without
    /// being copied, and zeros follow. No address in it may be kept.
    pub fn lengthen(&mut self, len: usize) -> Result<(), RuntimeError> {
        let flags = rustix::mm::MremapFlags::MAYMOVE;
        // SAFETY: the mapping is ours and one as a whole; the exclusive borrow says that it is not
        // in use.
        let base = unsafe { rustix::mm::mremap(self.base().cast(), self.len, len, flags) }
            .map_err(|e| RuntimeError::system("get memory", e))?;
        self.base = NonNull::new(base.cast()).expect("mremap returns no null");
        self.len = len;
        Ok(())
    }

    /// The first address.
    pub fn base(&self) -> *mut u8 {
        self.base.as_ptr()
    }

    /// The length in bytes.
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
        // SAFETY: the range is inside the mapping of `self`; pages only gain access rights.
        unsafe {
            let start = self.base().add(offset).cast::<c_void>();
            rustix::mm::mprotect(start, len, MprotectFlags::READ | MprotectFlags::WRITE)
        }
        .map_err(|e| RuntimeError::system("commit memory", e))
    }

    /// Provides the pages of a writable, page-aligned part at once: cheaper than one fault for each
    /// if all will be written. A kernel that can't (before Linux 5.14) leaves them to faults.
    pub fn populate(&self, offset: usize, len: usize) {
        assert!(offset.checked_add(len).is_some_and(|end| end <= self.len));
        // SAFETY: the range is inside the mapping of `self`; contents don't change.
        let _ = unsafe {
            let start = self.base().add(offset).cast::<c_void>();
            rustix::mm::madvise(start, len, Advice::LinuxPopulateWrite)
        };
    }

    /// Returns the memory of a writable, page-aligned part to the system; the part reads as zeros
    /// from now on.
    ///
    /// # Panics
    ///
    /// If the part is not inside the reservation.
    ///
    /// # Safety
    ///
    /// Nothing refers to the contents.
    pub unsafe fn discard(&self, offset: usize, len: usize) -> Result<(), RuntimeError> {
        assert!(offset.checked_add(len).is_some_and(|end| end <= self.len));
        if len == 0 {
            return Ok(());
        }
        // SAFETY: the range is inside the private mapping of `self`, and the caller promises that
        // its contents are not in use.
        unsafe {
            let start = self.base().add(offset).cast::<c_void>();
            rustix::mm::madvise(start, len, Advice::LinuxDontNeed)
        }
        .map_err(|e| RuntimeError::system("return memory", e))
    }

    /// Returns the memory of a page-aligned part to the system and takes access to it away, as it
    /// was when the space was reserved.
    ///
    /// # Panics
    ///
    /// If the part is not inside the reservation.
    ///
    /// # Safety
    ///
    /// Nothing refers to the contents.
    pub unsafe fn revoke(&self, offset: usize, len: usize) -> Result<(), RuntimeError> {
        assert!(offset.checked_add(len).is_some_and(|end| end <= self.len));
        if len == 0 {
            return Ok(());
        }
        let flags = MapFlags::PRIVATE | MapFlags::NORESERVE | MapFlags::FIXED;
        // SAFETY: `MAP_FIXED` replaces pages of our own reservation, whose contents are not in use,
        // as the caller promises.
        unsafe {
            let start = self.base().add(offset).cast::<c_void>();
            rustix::mm::mmap_anonymous(start, len, ProtFlags::empty(), flags)
        }
        .map(drop)
        .map_err(|e| RuntimeError::system("return memory", e))
    }

    /// Makes a page-aligned part readable: zeros, which take no memory and count towards no limit.
    ///
    /// # Panics
    ///
    /// If the part is not inside the reservation.
    #[cfg_attr(loom, allow(dead_code))] // Used by the mapped bitmap only, which models replace.
    pub fn make_readable(&self, offset: usize, len: usize) -> Result<(), RuntimeError> {
        assert!(offset.checked_add(len).is_some_and(|end| end <= self.len));
        // SAFETY: the range is inside the mapping of `self`; pages only gain access rights.
        unsafe {
            let start = self.base().add(offset).cast::<c_void>();
            rustix::mm::mprotect(start, len, MprotectFlags::READ)
        }
        .map_err(|e| RuntimeError::system("make memory readable", e))
    }

    /// Replaces a page-aligned part by the contents of a file at a page-aligned position; writes to
    /// it stay private to this reservation.
    pub fn map_private(
        &self,
        offset: usize,
        len: usize,
        file: &MemoryFile,
        position: u64,
    ) -> Result<(), RuntimeError> {
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        self.map_file(offset, len, file, position, protection, MapFlags::PRIVATE)
    }

    fn map_file(
        &self,
        offset: usize,
        len: usize,
        file: &MemoryFile,
        position: u64,
        protection: ProtFlags,
        sharing: MapFlags,
    ) -> Result<(), RuntimeError> {
        assert!(offset.checked_add(len).is_some_and(|end| end <= self.len));
        // SAFETY: `MAP_FIXED` replaces pages of our own reservation, which are not in use yet.
        unsafe {
            let start = self.base().add(offset).cast::<c_void>();
            let flags = sharing | MapFlags::FIXED | MapFlags::NORESERVE;
            rustix::mm::mmap(start, len, protection, flags, file.0.as_file(), position)
        }
        .map(drop)
        .map_err(|e| RuntimeError::system("map a memory file", e))
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and pointers into it are gone before their owner is.
        let result = unsafe { rustix::mm::munmap(self.base().cast(), self.len) };
        debug_assert!(result.is_ok(), "unmapping our own reservation can't fail");
    }
}

/// A file without a name in memory; its unwritten parts are zeros that cost nothing.
#[derive(Debug)]
pub struct MemoryFile(Memfd);

impl MemoryFile {
    /// Creates an empty file; the name is for people who look into `/proc`.
    pub fn new(name: &str) -> Result<Self, RuntimeError> {
        let file = MemfdOptions::default().close_on_exec(true).create(name);
        file.map(Self)
            .map_err(|e| RuntimeError::system("create a memory file", io::Error::other(e)))
    }

    /// Sets the length.
    ///
    /// # Errors
    ///
    /// If the process may not have files of that size (`RLIMIT_FSIZE`). That is checked here, as
    /// the system would send a signal that ends the process by default.
    pub fn set_len(&self, len: u64) -> Result<(), RuntimeError> {
        let limit = rustix::process::getrlimit(Resource::Fsize).current;
        let resized = match limit {
            Some(limit) if limit < len => Err(io::ErrorKind::FileTooLarge.into()),
            _ => self.0.as_file().set_len(len),
        };
        resized.map_err(|e| RuntimeError::system("resize a memory file", e))
    }

    /// Writes the parts one behind the other.
    pub fn write(&self, position: u64, parts: &[&[u8]]) -> Result<(), RuntimeError> {
        let mut slices: Vec<_> = parts.iter().map(|part| IoSlice::new(part)).collect();
        let (mut rest, mut position) = (&mut slices[..], position);
        IoSlice::advance_slices(&mut rest, 0);
        while !rest.is_empty() {
            match rustix::io::pwritev(self.0.as_file(), rest, position) {
                Ok(0) => {
                    let source = io::Error::from(io::ErrorKind::WriteZero);
                    return Err(RuntimeError::system("write a memory file", source));
                }
                Ok(written) => {
                    IoSlice::advance_slices(&mut rest, written);
                    position += written as u64;
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(e) => return Err(RuntimeError::system("write a memory file", e)),
            }
        }
        Ok(())
    }

    /// Lets `write` change a page-aligned part that is mapped nowhere else. (A module can have tens
    /// of thousands of segments, so this is one mapping and not one call to the system each.)
    pub fn fill(
        &self,
        position: u64,
        len: usize,
        write: impl FnOnce(&mut [u8]),
    ) -> Result<(), RuntimeError> {
        let window = Reservation::new(len)?;
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        window.map_file(0, len, self, position, protection, MapFlags::SHARED)?;
        // SAFETY: the window is mapped, readable, writable and exclusive while it exists.
        write(unsafe { std::slice::from_raw_parts_mut(window.base(), len) });
        Ok(())
    }

    /// Returns the memory of a part to the system; the part reads as zeros from now on.
    pub fn punch_hole(&self, position: u64, len: u64) -> Result<(), RuntimeError> {
        let flags = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
        let file = self.0.as_file().as_raw_fd();
        // SAFETY: the call takes no pointers, and the descriptor is open.
        let result = unsafe { libc::fallocate(file, flags, position as i64, len as i64) };
        if result == 0 {
            return Ok(());
        }
        let error = io::Error::last_os_error();
        Err(RuntimeError::system(
            "give a memory file's pages back",
            error,
        ))
    }
}

/// A flag with a descriptor that is readable while the flag is set.
#[derive(Debug)]
pub struct Event(std::fs::File);

impl Event {
    /// Creates a flag that is not set.
    pub fn new() -> io::Result<Self> {
        // SAFETY: the call takes no pointers.
        let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: just made, and owned here alone.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }.into()))
    }

    /// Sets the flag.
    pub fn set(&self) {
        // The counter has room for more settings than a process can make, and the call can't fail
        // otherwise.
        let _ = (&self.0).write(&1_u64.to_ne_bytes());
    }

    /// Clears the flag; harmless if it is not set.
    pub fn reset(&self) {
        // Fails without blocking if the flag is not set.
        let _ = (&self.0).read(&mut [0; 8]);
    }
}

impl AsFd for Event {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Asks the system to back memory that is going to be written with huge pages where it can: one
/// fault each instead of 512.
pub fn prefer_huge_pages(bytes: &mut [u8]) {
    const HUGE: usize = 2 << 20;
    let skipped = bytes.as_ptr().align_offset(HUGE);
    let len = bytes.len().saturating_sub(skipped) & !(HUGE - 1);
    if len > 0 {
        // SAFETY: the range lies in `bytes`, and the advice changes no content.
        let advised = unsafe {
            let start = bytes.as_mut_ptr().add(skipped).cast();
            rustix::mm::madvise(start, len, Advice::LinuxHugepage)
        };
        if let Err(error) = advised {
            log::debug!("no huge pages: {error}");
        }
    }
}

/// Registers this process for `membarrier`; returns false where the kernel lacks it.
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

/// The processor time of a thread of this process; `None` if there is none of the number.
pub fn cpu_time_of(thread: i32) -> Option<Duration> {
    // The number of a thread's clock is part of the kernel's interface: its complement, and the
    // bits for processor time (2) of a thread (4).
    let clock = (!thread << 3) | 6;
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: a query with a valid place for the result.
    let result = unsafe { libc::clock_gettime(clock, &mut time) };
    (result == 0).then(|| Duration::new(time.tv_sec.cast_unsigned(), time.tv_nsec as u32))
}

/// The system's number of the calling thread; queried once per thread, and once more in a child,
/// where the thread has another.
#[inline]
pub fn thread_id(process: &Process) -> i32 {
    thread_local! {
        static ID: Cell<(u64, i32)> = const { Cell::new((0, 0)) };
    }
    let (asked_in, id) = ID.get();
    if asked_in == process.number() {
        return id;
    }
    let id = rustix::thread::gettid().as_raw_nonzero().get();
    ID.set((process.number(), id));
    id
}
