//! The calling thread's stack, and the limit down to which WebAssembly may use it.
//!
//! A store's stack limit is its configured size below the entry from the host, but never nearer to
//! the end of the thread's real stack than [`HOST_RESERVE`]: so recursion ends in a trap on any
//! thread, however small its stack is. The system is queried once per thread; entering costs a
//! comparison.
//!
//! Asynchronous calls run on stacks of the engine's own; a thread that switches to one says where
//! it is, so these rules hold there as well.
//!
//! A host may have switched to a stack of its own making. The system knows nothing of those, so
//! there only the configured size holds, and such a stack must be made large enough.

use std::cell::Cell;
use std::ffi::CStr;
use std::{mem, ptr};

use upshift_abi::frame::STACK_RESERVE;

use crate::sys::PAGE;

/// Bytes at the end of a stack that WebAssembly leaves to the host: for functions that it calls at
/// its deepest (host functions, compilation at a first call), signal handlers, and small frames
/// that are pushed without a check.
pub const HOST_RESERVE: usize = 256 << 10;

const _: () = assert!(HOST_RESERVE > 2 * STACK_RESERVE as usize);

/// Where a stack is, without its guard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// The lowest usable address.
    low: usize,
    /// The address behind the stack.
    high: usize,
    /// Bytes below `low` that are the guard of a stack of the engine's own; 0 for others.
    guard: usize,
}

impl Bounds {
    /// The empty range of an unknown stack.
    const NONE: Bounds = Bounds {
        low: 0,
        high: 0,
        guard: 0,
    };

    /// A stack of the engine's own, above a guard.
    #[cfg(feature = "async")]
    pub(crate) fn with_guard(low: usize, high: usize, guard: usize) -> Self {
        Self { low, high, guard }
    }

    /// The address behind the stack.
    #[cfg(feature = "async")]
    pub(crate) fn high(self) -> usize {
        self.high
    }

    /// [`limit`] on this stack.
    #[inline]
    pub(crate) fn wasm_limit(self, sp: usize, max: usize) -> usize {
        sp.saturating_sub(max).max(self.low + HOST_RESERVE)
    }

    pub(crate) fn contains(self, address: usize) -> bool {
        (self.low..self.high).contains(&address)
    }
}

thread_local! {
    /// The stack that the calling thread is on; `None` until the system has been queried. Constant
    /// and without a destructor, so a signal handler may read it.
    static BOUNDS: Cell<Option<Bounds>> = const { Cell::new(None) };

    /// How often the calling thread has switched stacks.
    static SWITCHES: Cell<u64> = const { Cell::new(0) };
}

/// Records that the calling thread switches to another stack; returns where the one before is.
///
/// Not inlined: a thread-local variable is at another place in a function that has been resumed on
/// another thread, of which the compiler knows nothing.
#[cfg(feature = "async")]
#[inline(never)]
pub(crate) fn switch(to: Bounds) -> Bounds {
    let before = bounds();
    BOUNDS.set(Some(to));
    SWITCHES.set(SWITCHES.get() + 1);
    before
}

/// How often the calling thread has switched to the stack of an asynchronous call or back. Between
/// two equal answers it has run one call, or none.
pub fn switches() -> u64 {
    SWITCHES.get()
}

/// Whether the address is in the guard below a stack of the engine's own that the calling thread is
/// on. Async-signal-safe.
pub(crate) fn is_in_guard(address: usize) -> bool {
    BOUNDS.get().is_some_and(|stack| {
        let guard = stack.low - stack.guard..stack.low;
        guard.contains(&address)
    })
}

/// The calling thread's stack as the system knows it; no address is inside where it knows none. On
/// other stacks, to which a host can switch, this says nothing of where the stack pointer is.
#[inline]
pub(crate) fn bounds() -> Bounds {
    match BOUNDS.get() {
        Some(bounds) => bounds,
        None => ask(),
    }
}

/// The lowest address that WebAssembly frames may reach, if it enters at `sp` and may use `max`
/// bytes. It can be above `sp`, where the thread has no stack left: then the first call overflows.
#[inline]
pub fn limit(sp: usize, max: usize) -> usize {
    let bounds = bounds();
    if bounds.contains(sp) {
        bounds.wasm_limit(sp, max)
    } else {
        sp.saturating_sub(max)
    }
}

/// The most bytes of the calling thread's stack that WebAssembly may use if it is called from here,
/// whatever the configuration allows; `None` where the system does not know the stack. The rest of
/// the thread's stack is left to host functions.
pub fn available() -> Option<usize> {
    let sp = stack_pointer();
    let bounds = bounds();
    let rest = sp.saturating_sub(bounds.low + HOST_RESERVE);
    bounds.contains(sp).then_some(rest)
}

/// An address in the caller's frame, near the stack pointer.
#[inline(always)]
pub fn stack_pointer() -> usize {
    let marker = 0u8;
    &raw const marker as usize
}

#[cold]
fn ask() -> Bounds {
    let bounds = from_thread().or_else(from_process).unwrap_or(Bounds::NONE);
    BOUNDS.set(Some(bounds));
    bounds
}

/// The stack's range according to the thread library. For the process's first thread it reads
/// `/proc/self/maps`.
fn from_thread() -> Option<Bounds> {
    // SAFETY: the attributes are initialized by `pthread_getattr_np` if it succeeds, read only
    // then, and destroyed once; the other pointers lead to locals.
    unsafe {
        let mut attributes: libc::pthread_attr_t = mem::zeroed();
        if libc::pthread_getattr_np(libc::pthread_self(), &mut attributes) != 0 {
            return None;
        }
        let (mut base, mut size, mut guard) = (ptr::null_mut(), 0, 0);
        let known = libc::pthread_attr_getstack(&attributes, &mut base, &mut size) == 0
            && libc::pthread_attr_getguardsize(&attributes, &mut guard) == 0;
        libc::pthread_attr_destroy(&mut attributes);
        let start = base as usize;
        // Older C libraries count the guard as part of the stack.
        known.then(|| Bounds {
            low: start.saturating_add(guard),
            high: start.saturating_add(size),
            guard: 0,
        })
    }
}

/// The stack of the process's first thread, without `/proc`: it ends with the program's file name,
/// where the kernel put it, and may grow down to its resource limit.
fn from_process() -> Option<Bounds> {
    /// The size to assume where the stack may grow without a limit: the kernel then keeps far more
    /// than this free below it.
    const UNLIMITED: u64 = 1 << 30;
    // SAFETY: a query without pointers; the kernel's result is null or a string that stays for the
    // life of the process.
    let name_end = unsafe {
        let name = libc::getauxval(libc::AT_EXECFN) as *const libc::c_char;
        if name.is_null() {
            return None;
        }
        name as usize + CStr::from_ptr(name).count_bytes() + 1
    };
    let high = name_end.next_multiple_of(PAGE);
    let limit = rustix::process::getrlimit(rustix::process::Resource::Stack).current;
    let size = usize::try_from(limit.unwrap_or(UNLIMITED)).ok()?;
    Some(Bounds {
        low: high.saturating_sub(size),
        high,
        guard: 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs `check` on a thread with a stack of the size.
    fn on_stack(size: usize, check: impl FnOnce() + Send + 'static) {
        let thread = std::thread::Builder::new().stack_size(size);
        thread
            .spawn(check)
            .expect("a thread")
            .join()
            .expect("passes");
    }

    #[test]
    fn a_large_limit_ends_above_the_real_stack() {
        on_stack(1 << 20, || {
            let sp = stack_pointer();
            let limit = limit(sp, 1 << 40);
            // The C library may hand out a finished thread's stack, of up to four times the size.
            assert!(limit < sp && sp - limit < 4 << 20);
            let available = available().expect("a thread's stack is known");
            assert!(available.abs_diff(sp - limit) < 4096);
        });
    }

    #[test]
    fn a_small_limit_is_kept() {
        on_stack(2 << 20, || {
            let sp = stack_pointer();
            assert_eq!(limit(sp, 64 << 10), sp - (64 << 10));
        });
    }

    #[test]
    fn a_stack_that_is_too_small_has_nothing_left() {
        on_stack(HOST_RESERVE / 2, || {
            let sp = stack_pointer();
            assert!(limit(sp, 64 << 10) > sp);
            assert_eq!(available(), Some(0));
        });
    }

    #[test]
    fn other_stacks_are_unknown() {
        on_stack(1 << 20, || {
            let heap = vec![0u8; 1 << 20];
            let sp = heap.as_ptr() as usize + (1 << 19);
            assert_eq!(limit(sp, 1 << 18), sp - (1 << 18));
        });
    }

    /// The test's own thread is not the first, so the two can be compared only from outside of this
    /// stack.
    #[test]
    fn the_first_threads_stack_is_found_without_proc() {
        let found = from_process().expect("the kernel says where");
        let maps = std::fs::read_to_string("/proc/self/maps").expect("tests have it");
        let line = maps.lines().find(|line| line.ends_with("[stack]"));
        let (_, rest) = line.expect("a stack").split_once('-').expect("a range");
        let end = rest.split(' ').next().expect("an end");
        assert_eq!(Ok(found.high), usize::from_str_radix(end, 16));
    }
}
