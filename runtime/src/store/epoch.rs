//! The deadline of a store by the engine's epochs, and what happens when it has come.
//!
//! Generated code compares the epoch with a copy of the deadline in its instance's context, so
//! moving the deadline writes to each instance of the store. The comparison is all that code does;
//! when the deadline has come it calls [`Store::new_epoch`] by a stub that preserves all registers.

use std::panic::{AssertUnwindSafe, catch_unwind};

use upshift_abi::TrapCode;

use super::{Pending, Store};
use crate::backtrace::WasmBacktrace;
use crate::error::RuntimeError;

/// What is to happen after the deadline of a store has come, as a callback decides.
#[non_exhaustive]
pub enum UpdateDeadline {
    /// The call ends with [`TrapCode::Interrupt`]. The deadline stays.
    Interrupt,
    /// The call goes on, and the deadline is so many epochs after the current one.
    Continue(u64),
}

/// A callback of a store, called when its deadline has come.
pub type EpochCallback = dyn FnMut(&mut Store) -> anyhow::Result<UpdateDeadline> + Send + Sync;

/// What a store does when its deadline has come.
#[derive(Default)]
enum Behavior {
    /// It traps.
    #[default]
    Trap,
    /// It asks a callback.
    Callback(Box<EpochCallback>),
    /// The callback is running: what it calls traps, unless it has moved the deadline before.
    Asking,
}

/// The deadline of a store.
#[derive(Default)]
pub(super) struct Epochs {
    deadline: u64,
    behavior: Behavior,
}

impl Store {
    /// Sets the deadline to so many epochs after the current one: it has come when that many have
    /// begun. Writes to the context of each instance.
    pub fn set_epoch_deadline(&mut self, ticks_beyond_current: u64) {
        let now = self.runtime.current_epoch();
        self.epochs.deadline = now.saturating_add(ticks_beyond_current);
        for instance in &self.instances {
            // SAFETY: the header of an instance's context, which stands; code that reads the field
            // runs on this thread, and not now.
            unsafe { (*instance.vmctx()).epoch_deadline = self.epochs.deadline };
        }
    }

    /// The epoch from which on code calls the runtime.
    pub(super) fn epoch_deadline(&self) -> u64 {
        self.epochs.deadline
    }

    /// Makes code trap when the deadline has come.
    pub fn epoch_deadline_trap(&mut self) {
        self.epochs.behavior = Behavior::Trap;
    }

    /// Makes code ask a callback when the deadline has come.
    pub fn epoch_deadline_callback(&mut self, callback: Box<EpochCallback>) {
        self.epochs.behavior = Behavior::Callback(callback);
    }

    /// Called when generated code has found that the deadline has come. Returns whether it may go
    /// on; if not, a reason is pending.
    ///
    /// # Safety
    ///
    /// The calling thread is inside the stub of [`Builtin::NewEpoch`](upshift_abi::Builtin), whose
    /// frame stands as the exit frame.
    pub(crate) unsafe fn new_epoch(&mut self) -> bool {
        let scope = self.begin_scope();
        let update = catch_unwind(AssertUnwindSafe(|| self.ask_for_deadline()));
        if self.begin_scope() != scope {
            self.end_scope(scope);
        }
        // SAFETY: guaranteed by the caller.
        let backtrace = |store: &Self| unsafe { WasmBacktrace::capture_at_builtin(store) };
        let pending = match update {
            Err(payload) => Pending::Panic(payload),
            Ok(_) if !self.process.is_current() => {
                Pending::Callback(RuntimeError::Forked.into(), backtrace(self))
            }
            Ok(_) if self.shared.is_interrupted() => {
                Pending::Trap(TrapCode::Interrupt, backtrace(self))
            }
            Ok(Err(error)) => Pending::Callback(error, backtrace(self)),
            Ok(Ok(UpdateDeadline::Interrupt)) => {
                Pending::Trap(TrapCode::Interrupt, backtrace(self))
            }
            Ok(Ok(UpdateDeadline::Continue(delta))) => {
                self.set_epoch_deadline(delta);
                return true;
            }
        };
        self.set_pending(pending);
        false
    }

    /// Asks the callback, if there is one.
    fn ask_for_deadline(&mut self) -> anyhow::Result<UpdateDeadline> {
        match std::mem::replace(&mut self.epochs.behavior, Behavior::Asking) {
            Behavior::Callback(callback) => {
                // Put back even if it panics.
                let mut asking = Asking {
                    store: self,
                    callback: Some(callback),
                };
                asking.run()
            }
            other => {
                self.epochs.behavior = other;
                Ok(UpdateDeadline::Interrupt)
            }
        }
    }
}

/// A callback that runs; put back when this is dropped, unless it has set another behavior.
struct Asking<'s> {
    store: &'s mut Store,
    callback: Option<Box<EpochCallback>>,
}

impl Asking<'_> {
    fn run(&mut self) -> anyhow::Result<UpdateDeadline> {
        let callback = self.callback.as_mut().expect("taken when dropped only");
        callback(self.store)
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        if let (Behavior::Asking, Some(callback)) =
            (&self.store.epochs.behavior, self.callback.take())
        {
            self.store.epochs.behavior = Behavior::Callback(callback);
        }
    }
}
