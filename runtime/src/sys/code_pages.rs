//! Pages of code: executable where they are mapped, and not writable there or anywhere else.
//!
//! There are two ways to write them. Pages of a memory file are written by a system call on the
//! file, so that no writable mapping of code ever exists: a stray write of the host has no address
//! to hit. Where memory files are refused, or where profilers have to recognize the mapping, the
//! pages are shared anonymous memory, and each write maps a second, writable window to them for as
//! long as it takes.

use std::ffi::c_void;
use std::ptr::NonNull;

use rustix::mm::{Advice, MapFlags, MprotectFlags, MremapFlags, ProtFlags};

use super::{MemoryFile, PAGE, Process, Reservation};
use crate::config::CodeMapping;
use crate::error::RuntimeError;

/// Executable pages at the beginning of a reservation, which outlives them. A forked child shares
/// them with its parent, so only the process that created them writes them.
#[derive(Debug)]
pub struct CodePages {
    base: NonNull<u8>,
    len: usize,
    process: Process,
    /// The file of the pages; `None` if they are anonymous.
    file: Option<MemoryFile>,
}

// SAFETY: only addresses; writes through windows and files go to ranges that the caller owns.
unsafe impl Send for CodePages {}
// SAFETY: as for `Send`.
unsafe impl Sync for CodePages {}

impl CodePages {
    /// Replaces the beginning of the reservation. Where the system refuses memory files, the pages
    /// are anonymous, and slower to write.
    ///
    /// # Errors
    ///
    /// If the system refuses executable memory.
    pub fn new(
        space: &Reservation,
        len: usize,
        mapping: CodeMapping,
        process: Process,
    ) -> Result<Self, RuntimeError> {
        assert!(len <= space.len());
        let file = match mapping {
            CodeMapping::Anonymous => None,
            CodeMapping::MemoryFile => memory_file(len)
                .inspect_err(|error| {
                    log::warn!(
                        "{error}: code goes to anonymous memory, which takes longer to write"
                    );
                })
                .ok(),
        };
        let protection = ProtFlags::READ | ProtFlags::EXEC;
        let flags = MapFlags::SHARED | MapFlags::FIXED | MapFlags::NORESERVE;
        let start = space.base().cast::<c_void>();
        // SAFETY: `MAP_FIXED` replaces pages of a reservation that is not in use yet.
        let mapped = unsafe {
            match &file {
                Some(file) => rustix::mm::mmap(start, len, protection, flags, file.0.as_file(), 0),
                None => rustix::mm::mmap_anonymous(start, len, protection, flags),
            }
        };
        mapped.map_err(|e| RuntimeError::system("map executable memory", e))?;
        Ok(Self {
            base: NonNull::new(space.base()).expect("a reservation is not at address zero"),
            len,
            process,
            file,
        })
    }

    /// Writes the parts one behind the other. The range must be the caller's alone, and nothing may
    /// be executing there.
    ///
    /// # Errors
    ///
    /// If the system has no memory for the pages, or in a child.
    ///
    /// # Panics
    ///
    /// If the parts end beyond the pages.
    pub fn write(&self, offset: usize, parts: &[&[u8]]) -> Result<(), RuntimeError> {
        let len = parts.iter().map(|part| part.len()).sum();
        self.assert_inside(offset, len);
        self.process.check()?;
        match &self.file {
            Some(file) => file.write(offset as u64, parts),
            None => self.window(offset, len, |bytes| {
                let mut rest = bytes;
                for part in parts {
                    let (place, behind) = rest.split_at_mut(part.len());
                    place.copy_from_slice(part);
                    rest = behind;
                }
            }),
        }
    }

    /// Returns the memory of whole pages to the system; they read as zeros from now on. Nothing may
    /// be executing there.
    ///
    /// # Errors
    ///
    /// If the system refuses, or in a child: the pages then stay as they are.
    ///
    /// # Panics
    ///
    /// If the range is not inside the pages.
    pub fn discard(&self, offset: usize, len: usize) -> Result<(), RuntimeError> {
        self.assert_inside(offset, len);
        debug_assert!(offset.is_multiple_of(PAGE) && len.is_multiple_of(PAGE));
        self.process.check()?;
        match &self.file {
            Some(file) => file.punch_hole(offset as u64, len as u64),
            None => {
                let window = self.map_window(offset, len)?;
                // SAFETY: the window belongs to this call, and the caller owns the pages behind it.
                unsafe { rustix::mm::madvise(window.base().cast(), len, Advice::LinuxRemove) }
                    .map_err(|e| RuntimeError::system("give code pages back", e))
            }
        }
    }

    fn assert_inside(&self, offset: usize, len: usize) {
        assert!(offset.checked_add(len).is_some_and(|end| end <= self.len));
    }

    /// Lets `write` change a range through a window that exists only meanwhile, at an address that
    /// the system chooses.
    fn window(
        &self,
        offset: usize,
        len: usize,
        write: impl FnOnce(&mut [u8]),
    ) -> Result<(), RuntimeError> {
        let first = offset / PAGE * PAGE;
        let window = self.map_window(first, offset + len - first)?;
        // SAFETY: the window is mapped, readable and writable; the range in it is the caller's
        // alone.
        write(unsafe { std::slice::from_raw_parts_mut(window.base().add(offset - first), len) });
        Ok(())
    }

    /// A writable mapping of anonymous pages, from a page's beginning on.
    fn map_window(&self, offset: usize, len: usize) -> Result<Reservation, RuntimeError> {
        let len = len.next_multiple_of(PAGE);
        // SAFETY: an old length of 0 creates a second mapping of shared pages, at a fresh address,
        // and leaves the first as it is. The window then gains the right to write and loses that to
        // execute.
        unsafe {
            let start = self.base.as_ptr().add(offset).cast::<c_void>();
            let window = rustix::mm::mremap(start, 0, len, MremapFlags::MAYMOVE)
                .map_err(|e| RuntimeError::system("map a window to write code", e))?;
            let window = Reservation::from_mapping(window, len);
            rustix::mm::mprotect(
                window.base().cast(),
                len,
                MprotectFlags::READ | MprotectFlags::WRITE,
            )
            .map_err(|e| RuntimeError::system("make a window to write code writable", e))?;
            Ok(window)
        }
    }
}

fn memory_file(len: usize) -> Result<MemoryFile, RuntimeError> {
    let file = MemoryFile::new("upshift-code")?;
    file.set_len(len as u64)?;
    Ok(file)
}
