//! Signals: their handlers, sending them to threads, and which of them threads block.

use std::ffi::c_void;
use std::{fs, mem, ptr};

/// Calls the handler of a signal's action, for a handler that was installed in its place.
/// Async-signal-safe if that handler is.
///
/// # Safety
///
/// The action was in force for the signal and has a handler: neither `SIG_DFL` nor `SIG_IGN`. The
/// other arguments are those of a signal handler.
pub unsafe fn call_handler(
    action: &libc::sigaction,
    signal: libc::c_int,
    info: *mut libc::siginfo_t,
    context: *mut c_void,
) {
    let handler = action.sa_sigaction;
    if action.sa_flags & libc::SA_SIGINFO != 0 {
        // SAFETY: installed with SA_SIGINFO, so the handler has this signature.
        let handler: extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut c_void) =
            unsafe { mem::transmute(handler) };
        handler(signal, info, context);
    } else {
        // SAFETY: installed without SA_SIGINFO, so the handler has this signature.
        let handler: extern "C" fn(libc::c_int) = unsafe { mem::transmute(handler) };
        handler(signal);
    }
}

/// Sends a signal to one thread of this process. It is no error if the thread has ended.
pub fn signal_thread(thread: i32, signal: libc::c_int) {
    // SAFETY: the call takes no pointers; a stale thread id fails or reaches a thread whose handler
    // ignores it.
    unsafe {
        libc::syscall(libc::SYS_tgkill, libc::getpid(), thread, signal);
    }
}

/// The address of a signal's handler; `None` if it has none.
pub fn handler_of(signal: libc::c_int) -> Option<usize> {
    // SAFETY: all zeros are a valid `sigaction`, and the call is a query with a valid place.
    let action = unsafe {
        let mut action: libc::sigaction = mem::zeroed();
        (libc::sigaction(signal, ptr::null(), &mut action) == 0).then_some(action)
    };
    let handler = action?.sa_sigaction;
    (handler != libc::SIG_DFL && handler != libc::SIG_IGN).then_some(handler)
}

/// Lets the calling thread get the signals. Those that are pending arrive at once.
pub fn unblock(signals: &[libc::c_int]) {
    // SAFETY: the set is initialized before it is used; the signals are valid numbers, and no
    // place for the old mask is given.
    unsafe {
        let mut set: libc::sigset_t = mem::zeroed();
        libc::sigemptyset(&mut set);
        for &signal in signals {
            libc::sigaddset(&mut set, signal);
        }
        libc::pthread_sigmask(libc::SIG_UNBLOCK, &set, ptr::null_mut());
    }
}

/// Whether a thread of this process blocks the signal; `None` if the thread has ended, or where
/// there is no `/proc`.
pub fn blocks_signal(thread: i32, signal: libc::c_int) -> Option<bool> {
    let status = fs::read_to_string(format!("/proc/self/task/{thread}/status")).ok()?;
    let mask = status
        .lines()
        .find_map(|line| line.strip_prefix("SigBlk:"))?;
    let mask = u64::from_str_radix(mask.trim(), 16).ok()?;
    Some(mask >> (signal - 1) & 1 == 1)
}
