//! Samples of the addresses at which a thread runs, for profilers in the process itself.
//!
//! A timer of the system sends SIGPROF to one thread; the handler stores the interrupted program
//! counter. The event log says where each function's code is, so that samples become functions.
//!
//! Protocol: `THREAD` is the id of the thread that has a sampler, or 0. That thread claims it by a
//! compare-and-exchange, and gives it up when the sampler ends, which is on the same thread, as a
//! sampler is not `Send`. `CURRENT` points at its buffer meanwhile. The handler does nothing on any
//! other thread, and on this one it interrupts the owner of the buffer, which can't free it before
//! the handler returns.

use std::ffi::c_void;
use std::marker::PhantomData;
use std::mem;
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI32, AtomicPtr, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use crate::error::RuntimeError;
use crate::sys::interrupted_pc;

/// A profiler of the thread that started it. There is at most one in the process.
///
/// Uses SIGPROF, whose handler stays installed, and a timer of real time: a thread that waits is
/// sampled as well.
#[derive(Debug)]
pub struct Sampler {
    timer: libc::timer_t,
    buffer: Box<Buffer>,
    /// Neither `Send` nor `Sync`: see the module's protocol.
    _own_thread: PhantomData<*mut ()>,
}

/// What a [`Sampler`] has found.
#[derive(Clone, Debug, Default)]
pub struct Samples {
    /// Program counters, in the order in which they were taken.
    pub pcs: Vec<u64>,
    /// The number of samples that there was no room for.
    pub lost: usize,
}

#[derive(Debug)]
struct Buffer {
    pcs: Vec<AtomicU64>,
    taken: AtomicUsize,
}

static THREAD: AtomicI32 = AtomicI32::new(0);
static CURRENT: AtomicPtr<Buffer> = AtomicPtr::new(ptr::null_mut());

impl Sampler {
    /// Starts to sample the calling thread, with room for this many samples.
    ///
    /// # Errors
    ///
    /// If there is a sampler already, or the system refuses the handler or the timer.
    pub fn start(interval: Duration, capacity: usize) -> Result<Self, RuntimeError> {
        install()?;
        let pcs = (0..capacity).map(|_| AtomicU64::new(0)).collect();
        let taken = AtomicUsize::new(0);
        let buffer = Box::new(Buffer { pcs, taken });
        let claim = THREAD.compare_exchange(0, thread(), Ordering::Relaxed, Ordering::Relaxed);
        if claim.is_err() {
            let busy = std::io::Error::from(std::io::ErrorKind::ResourceBusy);
            return Err(RuntimeError::system("start a second sampler", busy));
        }
        let place: *const Buffer = &*buffer;
        CURRENT.store(place.cast_mut(), Ordering::Relaxed);
        match start_timer(interval) {
            Ok(timer) => Ok(Self {
                timer,
                buffer,
                _own_thread: PhantomData,
            }),
            Err(error) => {
                release();
                Err(RuntimeError::system("start a timer", error))
            }
        }
    }

    /// Stops sampling and returns what was found.
    pub fn stop(self) -> Samples {
        let taken = self.buffer.taken.load(Ordering::Relaxed);
        let kept = taken.min(self.buffer.pcs.len());
        let pcs = self.buffer.pcs[..kept].iter();
        Samples {
            pcs: pcs.map(|pc| pc.load(Ordering::Relaxed)).collect(),
            lost: taken - kept,
        }
    }
}

/// A signal that is still on its way finds no sampler.
impl Drop for Sampler {
    fn drop(&mut self) {
        // SAFETY: the timer is this sampler's own, and is deleted here only.
        unsafe { libc::timer_delete(self.timer) };
        release();
    }
}

/// Gives up the calling thread's claim, before its buffer is freed.
fn release() {
    CURRENT.store(ptr::null_mut(), Ordering::Relaxed);
    THREAD.store(0, Ordering::Relaxed);
}

/// The calling thread's id. May be called in a signal handler.
fn thread() -> i32 {
    // SAFETY: has no arguments and can't fail.
    unsafe { libc::gettid() }
}

/// Installs the handler once per process.
fn install() -> Result<(), RuntimeError> {
    static INSTALLED: OnceLock<Result<(), i32>> = OnceLock::new();
    let result = INSTALLED.get_or_init(|| {
        // SAFETY: all zeros are a valid `sigaction`, the handler has the signature that
        // `SA_SIGINFO` demands, and it only does what a signal handler may.
        let done = unsafe {
            let mut action: libc::sigaction = mem::zeroed();
            action.sa_sigaction = handle as *const () as usize;
            action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_RESTART;
            libc::sigfillset(&mut action.sa_mask);
            // Faults of this handler itself would be bugs, and must not go unseen.
            for fault in [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE] {
                libc::sigdelset(&mut action.sa_mask, fault);
            }
            libc::sigaction(libc::SIGPROF, &action, ptr::null_mut()) == 0
        };
        if done {
            return Ok(());
        }
        Err(std::io::Error::last_os_error().raw_os_error().unwrap_or(0))
    });
    result.map_err(|code| {
        let source = std::io::Error::from_raw_os_error(code);
        RuntimeError::system("install a signal handler", source)
    })
}

/// Starts a timer that sends SIGPROF to the calling thread.
fn start_timer(interval: Duration) -> std::io::Result<libc::timer_t> {
    let interval = libc::timespec {
        tv_sec: interval.as_secs().cast_signed(),
        tv_nsec: interval.subsec_nanos().into(),
    };
    let times = libc::itimerspec {
        it_interval: interval,
        it_value: interval,
    };
    // SAFETY: all arguments are valid places, and all zeros are a valid `sigevent`; the timer ends
    // with the process if not before.
    unsafe {
        let mut event: libc::sigevent = mem::zeroed();
        event.sigev_notify = libc::SIGEV_THREAD_ID;
        event.sigev_signo = libc::SIGPROF;
        event.sigev_notify_thread_id = thread();
        let mut timer: libc::timer_t = ptr::null_mut();
        if libc::timer_create(libc::CLOCK_MONOTONIC, &mut event, &mut timer) != 0 {
            return Err(std::io::Error::last_os_error());
        }
        if libc::timer_settime(timer, 0, &times, ptr::null_mut()) != 0 {
            let error = std::io::Error::last_os_error();
            libc::timer_delete(timer);
            return Err(error);
        }
        Ok(timer)
    }
}

/// Stores the interrupted program counter.
unsafe extern "C" fn handle(_: libc::c_int, _: *mut libc::siginfo_t, context: *mut c_void) {
    if THREAD.load(Ordering::Relaxed) != thread() {
        return;
    }
    // SAFETY: null, or the buffer that this thread owns and can't free meanwhile.
    let Some(buffer) = (unsafe { CURRENT.load(Ordering::Relaxed).as_ref() }) else {
        return;
    };
    let at = buffer.taken.fetch_add(1, Ordering::Relaxed);
    if let Some(pc) = buffer.pcs.get(at) {
        // SAFETY: the system passes the thread's context.
        let interrupted = unsafe { interrupted_pc(context.cast()) };
        pc.store(interrupted, Ordering::Relaxed);
    }
}
