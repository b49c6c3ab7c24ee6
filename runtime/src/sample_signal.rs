//! The signal handler of the sampler: where the interrupted thread is.
//!
//! It runs on the thread's alternate stack where there is one, like the handlers of traps, which
//! block its signal while they run. It changes nothing but slots, so it can interrupt anything.

use std::ffi::c_void;
use std::mem;
use std::ptr;
use std::sync::OnceLock;

use crate::code::CodeKind;
use crate::error::RuntimeError;
use crate::sampler::{Place, SAMPLE_SIGNAL, SampledCode, answer, is_compiling};
use crate::store::{Store, current_store};
use crate::sys::{self, call_handler, interrupted_pc};

/// The handler before ours.
static PREVIOUS: OnceLock<libc::sigaction> = OnceLock::new();

/// Installs the handler once per process.
pub fn install_handler() -> Result<(), RuntimeError> {
    static INSTALLED: OnceLock<Result<(), i32>> = OnceLock::new();
    let result = INSTALLED.get_or_init(|| {
        // SAFETY: all zeros are a valid `sigaction`, and the first call is a query with a valid
        // place. The handler has the signature that `SA_SIGINFO` demands, and it only does what a
        // signal handler may.
        let done = unsafe {
            let mut previous: libc::sigaction = mem::zeroed();
            libc::sigaction(SAMPLE_SIGNAL, ptr::null(), &mut previous);
            PREVIOUS.get_or_init(|| previous);
            let mut action: libc::sigaction = mem::zeroed();
            action.sa_sigaction = handle as *const () as usize;
            action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_RESTART;
            libc::sigfillset(&mut action.sa_mask);
            // Faults of this handler itself would be bugs, and must not go unseen.
            for fault in [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE] {
                libc::sigdelset(&mut action.sa_mask, fault);
            }
            libc::sigaction(SAMPLE_SIGNAL, &action, ptr::null_mut()) == 0
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

/// Whether the handler is still the signal's.
pub fn is_in_force() -> bool {
    sys::handler_of(SAMPLE_SIGNAL) == Some(handle as *const () as usize)
}

/// Answers the slots that ask for this thread; passes on what the sampler did not send.
unsafe extern "C" fn handle(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: has no arguments and can't fail, so it leaves `errno` alone.
    let thread = unsafe { libc::gettid() };
    // SAFETY: the system passes the thread's context.
    let pc = unsafe { interrupted_pc(context.cast()) } as usize;
    // SAFETY: in a signal handler of this thread.
    let asked = answer(thread, |engine| unsafe { place(pc, engine) });
    // SAFETY: the system fills the code for every signal.
    let sent_to_thread = unsafe { (*info).si_code } == libc::SI_TKILL;
    if !(asked && sent_to_thread) {
        // SAFETY: the arguments are the system's own.
        unsafe { pass_on(signal, info, context) };
    }
}

/// Where the calling thread was interrupted, for a sampler.
///
/// # Safety
///
/// In a signal handler of the thread whose program counter it is.
unsafe fn place(pc: usize, engine: usize) -> Place {
    if is_compiling() {
        return Place::Compile;
    }
    let vm = current_store();
    if vm.is_null() {
        return Place::Host;
    }
    // SAFETY: as for traps: the store outlives its activation, and only what never changes is read.
    let runtime = unsafe { (*(*vm).host.cast::<Store>()).runtime() };
    let asking = runtime.sampler().map(|sampler| sampler.identity());
    if asking != Some(engine) {
        return Place::Host;
    }
    // SAFETY: the thread is inside WebAssembly, and if the program counter is in the code space it
    // runs that code, which stays placed until it has left.
    let Some(meta) = (unsafe { runtime.code().lookup(pc) }) else {
        return Place::Host;
    };
    let CodeKind::Function(function) = &meta.kind else {
        return Place::Host;
    };
    let innermost = meta.sources(pc, None).next();
    let inlined = innermost.and_then(|source| source.func);
    Place::Guest(SampledCode {
        module: function.module,
        func: function.func,
        body: inlined.unwrap_or(function.func),
        unit: function.unit,
        tier: function.tier,
        level: function.level,
    })
}

/// Passes the signal to the previous handler. One that the process ends by is ignored: it can be
/// the rest of a request that was withdrawn.
///
/// # Safety
///
/// With the arguments of a signal handler.
unsafe fn pass_on(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    let Some(previous) = PREVIOUS.get() else {
        return;
    };
    match previous.sa_sigaction {
        libc::SIG_IGN | libc::SIG_DFL => {}
        // SAFETY: as for this function; the previous action has a handler.
        _ => unsafe { call_handler(previous, signal, info, context) },
    }
}
