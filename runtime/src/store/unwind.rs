//! Unwinding: where execution continues when a host function or a builtin does not return to the
//! WebAssembly code that called it.
//!
//! Every way out is a [`Destination`], found by one function. An exception, thrown by WebAssembly
//! or by a host function, goes to the innermost frame whose artifact lists a handler for the call
//! that it is at. All else (traps, other errors, panics, interruptions), and exceptions that no
//! frame handles, go to the entry frame of the activation, the outermost handler.

use std::ops::ControlFlow;

use upshift_abi::frame::ENTRY_FRAME_SIZE;

use super::Store;
use super::call::Pending;
use super::core_dump::PreservedRegisters;
use super::exceptions::ThrownException;
use super::walk::walk_activation;
use crate::backtrace::WasmBacktrace;

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
    /// The exception; 0 at the entry frame.
    pub exception: u64,
}

impl Store {
    /// The destination of the pending reason. If that is a handler, nothing is pending any more.
    /// `entry_handler` is the code that leaves the activation from its entry frame, `preserved` are
    /// the registers of the code that is left.
    ///
    /// # Safety
    ///
    /// The calling thread is inside the store's innermost activation. If an error is pending, the
    /// frame of the host trampoline or stub that leaves WebAssembly stands: `exit_fp`.
    pub(crate) unsafe fn destination(
        &mut self,
        entry_handler: usize,
        preserved: &PreservedRegisters,
    ) -> Destination {
        if let Some(exception) = self.pending_exception() {
            // SAFETY: guaranteed by the caller.
            if let Some(mut handler) = unsafe { self.handler() } {
                handler.exception = exception;
                self.pending = None;
                self.exceptions.caught(exception);
                // As where a host function returns: WebAssembly runs on, and can be interrupted.
                self.retry_interruption();
                return handler;
            }
            // SAFETY: guaranteed by the caller.
            unsafe { self.leave_uncaught() };
        }
        // SAFETY: guaranteed by the caller.
        unsafe { self.record_core_dump(preserved) };
        Destination {
            pc: entry_handler,
            sp: self.entry_fp() - ENTRY_FRAME_SIZE as usize,
            fp: self.entry_fp(),
            exception: 0,
        }
    }

    /// The word of the pending exception, if what is pending is one.
    fn pending_exception(&self) -> Option<u64> {
        match &self.pending {
            Some(Pending::Exception(word)) => Some(*word),
            Some(Pending::Host(error, _)) => {
                let thrown: &ThrownException = error.downcast_ref()?;
                self.thrown_word(thrown)
            }
            _ => None,
        }
    }

    /// Makes an error of the pending exception, which no handler of the activation gets.
    ///
    /// # Safety
    ///
    /// As for [`destination`](Self::destination).
    #[cold]
    unsafe fn leave_uncaught(&mut self) {
        if let Some(Pending::Exception(word)) = self.pending {
            // SAFETY: WebAssembly threw it by a builtin, whose stub's frame stands.
            let backtrace = unsafe { WasmBacktrace::capture_at_builtin(self) };
            let error = self.uncaught(word).into();
            self.pending = Some(Pending::Host(error, backtrace));
        }
    }

    /// The innermost handler in the innermost activation, if there is one.
    ///
    /// # Safety
    ///
    /// As for [`destination`](Self::destination), with an exception pending.
    unsafe fn handler(&self) -> Option<Destination> {
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
                    exception: 0,
                });
                ControlFlow::Break(())
            })
        };
        found
    }
}
