//! Traps from hardware faults: the signal handlers, one set for the process.
//!
//! A trap is a fault at a listed instruction. The handler recognizes it, records its place, and
//! sends the thread to [`stubs::trapped`], which walks the stack as ordinary code and leaves the
//! activation. An interruption from another thread ([`interrupt`](crate::interrupt)) takes the same
//! way, from any instruction of WebAssembly code.
//!
//! The handler claims a fault only if this thread runs a store, the PC is in that store's code
//! space, the exact instruction is a listed trap site, and (for a memory access) the address is in
//! one of the store's memories. An access of such code to a part of a context that is filled on
//! demand is no trap: the part is filled and the instruction runs again. Everything else goes to
//! the previous handler.

mod x64;

use std::ffi::c_void;
use std::mem;
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::Ordering;

use upshift_abi::TrapCode;
use upshift_abi::vmctx::VmStore;

use crate::code::CodeKind;
use crate::error::RuntimeError;
use crate::interrupt::INTERRUPT_SIGNAL;
use crate::stack;
use crate::store::{Provided, Store, TRAP_SIGNALS, TrapRecord, current_store};
use crate::stubs;
use crate::sys::call_handler;
use x64::Registers;

/// The previous handler of each of `TRAP_SIGNALS`.
static PREVIOUS: OnceLock<[libc::sigaction; TRAP_SIGNALS.len()]> = OnceLock::new();

/// Installs the handlers once per process.
pub fn install_handlers() -> Result<(), RuntimeError> {
    static INSTALLED: OnceLock<Result<(), i32>> = OnceLock::new();
    let result = INSTALLED.get_or_init(|| {
        // SAFETY: `sigaction` is a C struct for which all zeros are valid.
        let mut previous: [libc::sigaction; TRAP_SIGNALS.len()] = unsafe { mem::zeroed() };
        for (signal, old) in TRAP_SIGNALS.into_iter().zip(&mut previous) {
            // SAFETY: a query with a valid place for the result.
            unsafe { libc::sigaction(signal, ptr::null(), old) };
        }
        PREVIOUS.get_or_init(|| previous);
        for signal in TRAP_SIGNALS {
            if !install(signal) {
                return Err(std::io::Error::last_os_error().raw_os_error().unwrap_or(0));
            }
        }
        Ok(())
    });
    result.map_err(|code| {
        let source = std::io::Error::from_raw_os_error(code);
        RuntimeError::system("install signal handlers", source)
    })
}

/// Bytes from address 0 that the system never maps (its `vm.mmap_min_addr` is no less): an
/// access to a field of a null pointer faults there.
const NULL_PAGE: usize = 4096;

/// The handler of all signals of the engine.
unsafe extern "C" fn handle(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    let vm = current_store();
    // SAFETY: the system passes the thread's context; `vm` is null or the store this thread is
    // running.
    let ours = !vm.is_null() && unsafe { take_over(signal, info, context.cast(), vm) };
    if !ours {
        // SAFETY: the system fills the fault address for this signal.
        if signal == libc::SIGSEGV && stack::is_in_guard(unsafe { (*info).si_addr() } as usize) {
            host_stack_overflow();
        }
        // SAFETY: the arguments are the system's own.
        unsafe { chain(signal, info, context) };
    }
}

/// Ends the process because host code has used up the stack of an asynchronous call, as the
/// standard library does for a thread's stack. (WebAssembly never gets there: it compares with its
/// limit.)
fn host_stack_overflow() -> ! {
    const MESSAGE: &[u8] =
        b"\nhost code has overflowed the stack of an asynchronous WebAssembly call: \
        a larger `async_stack_size` or a smaller `max_wasm_stack` leaves it more\n\
        fatal runtime error: stack overflow, aborting\n";
    // SAFETY: async-signal-safe calls, with the bytes of a constant.
    unsafe {
        libc::write(libc::STDERR_FILENO, MESSAGE.as_ptr().cast(), MESSAGE.len());
        libc::abort()
    }
}

/// Sends the thread out of WebAssembly if the signal is a trap or an interruption of the store.
///
/// # Safety
///
/// In a signal handler of the thread that is running the store.
unsafe fn take_over(
    signal: libc::c_int,
    info: *mut libc::siginfo_t,
    context: *mut libc::ucontext_t,
    vm: *mut VmStore,
) -> bool {
    // SAFETY: the system's context of this thread, which is stopped here.
    let mut registers = Registers::new(unsafe { &mut *context });
    let (pc, sp, fp) = (registers.pc(), registers.sp(), registers.fp());
    let context = registers.context();
    // SAFETY: the store outlives its activation; only fields that no code is changing are read:
    // generated code was running, or (for an interruption) anything, but then the lookup fails.
    let store = unsafe { (*vm).host.cast::<Store>() };
    // SAFETY: as above; the code at `pc` is running on this thread if it is in the code space.
    let meta = unsafe { (*store).runtime().code().lookup(pc) };
    let Some(meta) = meta else {
        return false;
    };
    if !matches!(meta.kind, CodeKind::Function(_)) {
        if signal == INTERRUPT_SIGNAL {
            // SAFETY: as above; the handler only reads the pointer to the part that threads share.
            unsafe { (*store).shared().retry_soon() };
        }
        return false;
    }
    let provided = match signal {
        // SAFETY: the system fills the fault address for this signal; the store is as above.
        libc::SIGSEGV => unsafe { (*store).provide((*info).si_addr() as usize) },
        _ => Provided::NotOurs,
    };
    let code = if provided == Provided::Filled {
        return true;
    } else if provided == Provided::Refused {
        TrapCode::OutOfMemory
    } else if signal == INTERRUPT_SIGNAL {
        // SAFETY: an atomic field of the running store.
        if unsafe { (*vm).interrupt.load(Ordering::Acquire) } == 0 {
            return false;
        }
        // Where the frame is being changed, no walk can start: the watchdog's next signal strikes
        // another place.
        if meta.is_frame_moving(pc) {
            // SAFETY: as above; the handler only reads the pointer to the part that threads share.
            unsafe { (*store).shared().retry_soon() };
            return false;
        }
        TrapCode::Interrupt
    } else {
        // SAFETY: as above. A signal that a process sends is unrelated to the instruction that it
        // strikes.
        let sent = unsafe { was_sent(info) };
        let Some(site) = meta.trap_at(pc).filter(|_| !sent) else {
            return false;
        };
        let explained = match signal {
            libc::SIGSEGV | libc::SIGBUS => {
                // SAFETY: the system fills the fault address for these signals.
                let address = unsafe { (*info).si_addr() } as usize;
                match site.trap {
                    // SAFETY: the store is as above.
                    TrapCode::MemoryOutOfBounds => unsafe { (*store).memory_contains(address) },
                    // A call through a null element or reference may read the null descriptor
                    // instead of testing it.
                    TrapCode::UninitializedElement | TrapCode::NullReference => address < NULL_PAGE,
                    _ => false,
                }
            }
            libc::SIGFPE => matches!(
                site.trap,
                TrapCode::IntegerDivideByZero | TrapCode::IntegerOverflow
            ),
            _ => true,
        };
        if !explained {
            return false;
        }
        site.trap
    };
    // SAFETY: generated code was running, so nothing else is using the store's trap record.
    unsafe {
        let record = TrapRecord {
            code,
            pc,
            sp,
            fp,
            context,
        };
        Store::set_trap_record(store, record);
    }
    // `sp` is within the stack: functions compare with the limit before they move it far.
    registers.go_to(stubs::trapped as *const () as usize, vm as usize);
    true
}

/// Passes the signal to the previous handler.
///
/// # Safety
///
/// With the arguments of a signal handler.
unsafe fn chain(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    let position = TRAP_SIGNALS.iter().position(|&s| s == signal);
    let Some(previous) = position.and_then(|i| Some(&PREVIOUS.get()?[i])) else {
        return;
    };
    match previous.sa_sigaction {
        libc::SIG_IGN => {}
        libc::SIG_DFL if signal == INTERRUPT_SIGNAL => {}
        libc::SIG_DFL => {
            // SAFETY: restores the default action: returning repeats the fault, and the process
            // ends as it would have without the engine.
            unsafe { libc::sigaction(signal, previous, ptr::null_mut()) };
            // SAFETY: as for this function. A sent signal is not repeated by an instruction.
            if unsafe { was_sent(info) } {
                // SAFETY: async-signal-safe. The signal is delivered as soon as the handler
                // returns.
                unsafe { libc::raise(signal) };
            }
        }
        // SAFETY: as for this function; the previous action has a handler.
        _ => unsafe { call_handler(previous, signal, info, context) },
    }
    // Rust's own handler of stack overflows, for one, resets a signal that it can't explain to the
    // default action, so that the fault repeats and ends the process. A signal that was sent does
    // not repeat: without this, the next trap of any store would end the process instead.
    // SAFETY: as for this function.
    if previous.sa_sigaction != libc::SIG_DFL && unsafe { was_sent(info) } {
        install(signal);
    }
}

/// Whether a process sent the signal, rather than a fault of this thread.
///
/// # Safety
///
/// With the argument of a signal handler.
unsafe fn was_sent(info: *const libc::siginfo_t) -> bool {
    // SAFETY: the system fills the code for every signal; codes of the kernel's own are positive.
    unsafe { (*info).si_code <= 0 }
}

/// Makes [`handle`] the signal's handler; returns false if the system refuses. May be called in a
/// signal handler.
fn install(signal: libc::c_int) -> bool {
    // SAFETY: all zeros are a valid `sigaction`, the handler has the signature that
    // `SA_SIGINFO` demands, and it only does what a signal handler may.
    unsafe {
        let mut action: libc::sigaction = mem::zeroed();
        action.sa_sigaction = handle as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        action.sa_flags |= match signal {
            INTERRUPT_SIGNAL => libc::SA_RESTART,
            _ => libc::SA_NODEFER,
        };
        // Interruptions and samples come in bursts, and the signal stack has room for few frames:
        // further signals wait until the handler has returned.
        libc::sigemptyset(&mut action.sa_mask);
        libc::sigaddset(&mut action.sa_mask, INTERRUPT_SIGNAL);
        libc::sigaddset(&mut action.sa_mask, libc::SIGPROF);
        libc::sigaction(signal, &action, ptr::null_mut()) == 0
    }
}
