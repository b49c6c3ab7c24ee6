//! From hardware faults to traps, and out of WebAssembly.
//!
//! A trap is a fault at a listed instruction. The handler (`signals`) recognizes it, notes where it happened, and
//! sends the thread to `stubs::trapped`, which walks the stack as
//! ordinary code and leaves the activation. Interruption from another thread takes the same way
//! (`interrupt`), from any instruction of WebAssembly code.

mod backtrace;
mod frames;
mod interrupt;
mod signals;
mod watchdog;

use std::cell::Cell;
use std::ptr;

use upshift_abi::TrapCode;
use upshift_abi::vmctx::VmStore;

pub use frames::{Frame, KEPT as BACKTRACE_KEPT, WasmBacktrace};
pub use interrupt::{ArmedTimeout, InterruptHandle, Interruption, StoreShared, TimedOut};
pub use signals::install_handlers;

use crate::store::{Pending, Store};

thread_local! {
    /// The store that this thread is running, innermost if they nest; null outside WebAssembly.
    /// Constant and without a destructor, so a signal handler may read it.
    static CURRENT: Cell<*mut VmStore> = const { Cell::new(ptr::null_mut()) };
}

/// Makes the store the thread's current one; the previous one is to be restored afterwards.
#[inline]
pub fn replace_current(vm: *mut VmStore) -> *mut VmStore {
    CURRENT.replace(vm)
}

/// Where a trap happened.
#[derive(Clone, Copy, Debug)]
pub struct TrapRecord {
    /// Why.
    pub code: TrapCode,
    /// The instruction.
    pub pc: usize,
    /// The stack pointer there: all frames are above it.
    pub sp: usize,
    /// The frame pointer: of the instruction's function, or of its caller where the function has no frame.
    pub fp: usize,
}

/// Turns the handler's note into a pending trap with a backtrace.
///
/// # Safety
///
/// Called by the `trapped` stub only: `vm` is the store that the calling thread runs.
pub unsafe extern "sysv64" fn record_trap(vm: *mut VmStore) {
    // SAFETY: the stub passes the running store's `VmStore`; nobody else uses the store now.
    let store = unsafe { &mut *(*vm).host.cast::<Store>() };
    let Some(record) = store.take_trap_record() else {
        unreachable!("the handler leaves a record before it sends a thread here");
    };
    // SAFETY: the thread is still inside the activation that trapped, so its frames stand.
    let backtrace = unsafe { WasmBacktrace::capture(store, &record) };
    store.set_pending(Pending::Trap(record.code, backtrace));
}
