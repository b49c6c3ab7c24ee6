//! Identities of processes: a child made by `fork` must not use its copies of the parent's engines.
//!
//! A child shares code pages and memory images with its parent, and has none of its threads. So
//! everything that would use them asks first whether it is still in the process that made them,
//! which must cost nothing: it is asked at each call into WebAssembly. One word of the process says
//! which it is. The word lies in a page that the system fills with zeros in a child; the first
//! query there gives the child a number of its own.
//!
//! A child of `vfork` or of `clone` with shared memory counts as a thread of its parent.

use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

use rustix::mm::Advice;

use super::{PAGE, Reservation};
use crate::error::RuntimeError;

/// The identity of a process, as opposed to those that it is forked from and forks.
#[derive(Clone, Copy, Debug)]
pub struct Process {
    /// The word: this process's number, or 0 before it has one. Written by the first check in a
    /// process.
    word: &'static AtomicU64,
    number: u64,
}

impl Process {
    /// The calling process.
    pub fn current() -> Self {
        // Numbers are unique in a line of descent: a child goes on where its parent was.
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let word = word();
        let fresh = NEXT.fetch_add(1, Ordering::Relaxed);
        let taken = word.compare_exchange(0, fresh, Ordering::Relaxed, Ordering::Relaxed);
        let number = taken.err().unwrap_or(fresh);
        Self { word, number }
    }

    /// Whether this is the calling process. Two loads, nearly always from the cache.
    #[inline]
    pub fn is_current(&self) -> bool {
        self.word.load(Ordering::Relaxed) == self.number
    }

    /// # Errors
    ///
    /// If this is not the calling process.
    #[inline]
    pub fn check(&self) -> Result<(), RuntimeError> {
        if self.is_current() {
            Ok(())
        } else {
            Err(RuntimeError::Forked)
        }
    }

    /// The number of the process.
    pub(super) fn number(&self) -> u64 {
        self.number
    }
}

/// The word that is zero in a child. It is created without a lock: the thread that holds it might
/// be missing in a child.
fn word() -> &'static AtomicU64 {
    static WORD: AtomicPtr<AtomicU64> = AtomicPtr::new(ptr::null_mut());
    let known = WORD.load(Ordering::Acquire);
    let word = if known.is_null() {
        let made = wiped_word().unwrap_or_else(|error| {
            log::debug!("{error}: the C library tells forked children from their parents");
            reset_word()
        });
        let made = ptr::from_ref(made).cast_mut();
        let stored =
            WORD.compare_exchange(ptr::null_mut(), made, Ordering::AcqRel, Ordering::Acquire);
        stored.err().unwrap_or(made)
    } else {
        known
    };
    // SAFETY: only references to words that are never freed were stored.
    unsafe { &*word }
}

/// Creates a word in a page of its own that the system fills with zeros in children (since Linux
/// 4.14).
fn wiped_word() -> Result<&'static AtomicU64, RuntimeError> {
    let page = Reservation::new(PAGE)?;
    page.make_writable(0, PAGE)?;
    // SAFETY: the page belongs to this function, and only its contents in a child change.
    unsafe { rustix::mm::madvise(page.base().cast(), PAGE, Advice::LinuxWipeOnFork) }
        .map_err(|e| RuntimeError::system("have a page wiped in forked children", e))?;
    let word: *const AtomicU64 = page.base().cast();
    std::mem::forget(page);
    // SAFETY: the page stays mapped, zeroed at first, and is accessed as this word only.
    Ok(unsafe { &*word })
}

/// Creates a word that the C library sets to zero when it forks.
fn reset_word() -> &'static AtomicU64 {
    static WORD: AtomicU64 = AtomicU64::new(0);
    unsafe extern "C" fn in_child() {
        WORD.store(0, Ordering::Relaxed);
    }
    // SAFETY: the function only stores to an atomic word.
    let result = unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
    if result != 0 {
        log::warn!("forked children of this process can't be told from it");
    }
    &WORD
}

/// A value that each process creates for itself and never drops.
#[derive(Debug)]
pub struct PerProcess<T: 'static> {
    /// The value of the process that used it last, or its parent's. Stored with release and loaded
    /// with acquire, so a reader sees the whole value.
    latest: AtomicPtr<(Process, T)>,
}

impl<T: Default + Sync + 'static> PerProcess<T> {
    /// Creates the cell without a value.
    pub const fn new() -> Self {
        Self {
            latest: AtomicPtr::new(ptr::null_mut()),
        }
    }

    /// The calling process's value, and whether this call created it.
    pub fn get(&'static self) -> (&'static T, bool) {
        let latest = self.latest.load(Ordering::Acquire);
        // SAFETY: only leaked boxes are stored below.
        if let Some((process, value)) = unsafe { latest.as_ref() }
            && process.is_current()
        {
            return (value, false);
        }
        let made = Box::into_raw(Box::new((Process::current(), T::default())));
        let stored =
            self.latest
                .compare_exchange(latest, made, Ordering::AcqRel, Ordering::Acquire);
        match stored {
            // SAFETY: the box is never freed.
            Ok(_) => (unsafe { &(*made).1 }, true),
            Err(faster) => {
                // SAFETY: no other thread has seen our box; the other one is never freed, and of
                // this process: its threads are the only ones that store here after a fork.
                unsafe {
                    drop(Box::from_raw(made));
                    (&(*faster).1, false)
                }
            }
        }
    }
}
