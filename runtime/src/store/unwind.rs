//! Unwinding: where execution continues when a host function or a builtin does not return to the
//! WebAssembly code that called it.
//!
//! Every way out is a [`Destination`], found by one function. An [`Exception`] goes to the
//! innermost frame whose artifact lists a handler for the call that it is at. All else (traps,
//! other errors, panics, interruptions), and exceptions that no frame handles, go to the entry
//! frame of the activation, the outermost handler.

use std::ops::ControlFlow;

use upshift_abi::frame::ENTRY_FRAME_SIZE;

use super::Store;
use super::call::Pending;
use super::walk::walk_activation;
use crate::error::Exception;

/// The registers with which execution continues. All others are undefined: what a handler needs
/// is in its frame.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Destination {
    /// The handler's first instruction.
    pub pc: usize,
    /// The stack pointer, at the end of the frame.
    pub sp: usize,
    /// The frame pointer.
    pub fp: usize,
    /// The exception's word; 0 at the entry frame.
    pub payload: u64,
}

impl Store {
    /// The destination of the pending reason. If that is a handler, nothing is pending any more.
    /// `entry_handler` is the code that leaves the activation from its entry frame.
    ///
    /// # Safety
    ///
    /// The calling thread is inside the store's innermost activation. If an error is pending, the
    /// frame of the host trampoline or stub that leaves WebAssembly stands: `exit_fp`.
    pub(crate) unsafe fn destination(&mut self, entry_handler: usize) -> Destination {
        // SAFETY: guaranteed by the caller.
        if let Some(handler) = unsafe { self.handler() } {
            self.pending = None;
            // As where a host function returns: WebAssembly runs on, and can be interrupted.
            self.retry_interruption();
            return handler;
        }
        Destination {
            pc: entry_handler,
            sp: self.entry_fp() - ENTRY_FRAME_SIZE as usize,
            fp: self.entry_fp(),
            payload: 0,
        }
    }

    /// The innermost handler of the pending exception in the innermost activation; `None` if there
    /// is no such handler, or if what is pending is no exception.
    ///
    /// # Safety
    ///
    /// As for [`destination`](Self::destination).
    unsafe fn handler(&self) -> Option<Destination> {
        let Some(Pending::Host(error, _)) = &self.pending else {
            return None;
        };
        let &Exception(payload) = error.downcast_ref()?;
        if !self.process.is_current() {
            // In a forked child no WebAssembly code may run on.
            return None;
        }
        let placed = self.runtime.code().hold_placed();
        let (entry_fp, exit_fp) = (self.entry_fp(), self.exit_fp());
        let mut found = None;
        // SAFETY: the stack is readable from the exit frame, which stands, to the entry frame.
        let _ = unsafe {
            walk_activation(&placed, entry_fp, exit_fp, exit_fp, &mut |caller| {
                let Some(pc) = caller.meta.handler_of(caller.return_address) else {
                    return ControlFlow::Continue(());
                };
                found = Some(Destination {
                    pc,
                    sp: caller.fp - caller.meta.frame_size as usize,
                    fp: caller.fp,
                    payload,
                });
                ControlFlow::Break(())
            })
        };
        found
    }
}
