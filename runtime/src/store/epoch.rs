//! The deadline of a store by the engine's epochs, and what happens when it has come.
//!
//! Generated code compares the epoch with a copy of the deadline in its instance's context, so
//! moving the deadline writes to each instance of the store. The comparison is all that code does;
//! when the deadline has come it calls [`Store::new_epoch`] by a stub that preserves all registers.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
#[cfg(feature = "async")]
use std::{future::Future, pin::Pin};

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
    /// The call, an asynchronous one, yields once to its executor, and then goes on: the deadline
    /// is so many epochs after the one that is current then. An error ends a synchronous call.
    #[cfg(feature = "async")]
    Yield(u64),
    /// As [`Yield`](Self::Yield), with a future that decides how long: the call is pending while
    /// the future is, as if a host function waited for it.
    #[cfg(feature = "async")]
    YieldCustom(u64, Pin<Box<dyn Future<Output = ()> + Send>>),
}

impl fmt::Debug for UpdateDeadline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Interrupt => f.write_str("Interrupt"),
            Self::Continue(delta) => write!(f, "Continue({delta})"),
            #[cfg(feature = "async")]
            Self::Yield(delta) => write!(f, "Yield({delta})"),
            #[cfg(feature = "async")]
            Self::YieldCustom(delta, _) => write!(f, "YieldCustom({delta}, ..)"),
        }
    }
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

/// The reason why code is left that has called a stub.
pub(super) enum Left {
    Trapped(TrapCode),
    Failed(anyhow::Error),
    Panicked(Box<dyn Any + Send>),
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

    /// Makes code yield once to the executor of its asynchronous call when the deadline has come,
    /// and then go on to one that is so many epochs later. Synchronous calls are errors from now
    /// on.
    #[cfg(feature = "async")]
    pub fn epoch_deadline_async_yield_and_update(&mut self, delta: u64) {
        self.set_yields();
        self.epoch_deadline_callback(Box::new(move |_| Ok(UpdateDeadline::Yield(delta))));
    }

    /// Called when generated code has found that the deadline has come. Returns whether it may go
    /// on; if not, a reason is pending.
    ///
    /// The fiber may be suspended here, and resumed on another thread: what may use thread-local
    /// variables is in functions of its own.
    ///
    /// # Safety
    ///
    /// The calling thread is inside the stub of [`Builtin::NewEpoch`](upshift_abi::Builtin), whose
    /// frame stands as the exit frame.
    pub(crate) unsafe fn new_epoch(&mut self) -> bool {
        let update = self.update_deadline();
        // SAFETY: guaranteed by the caller.
        let delta = update.and_then(|update| unsafe { self.follow(update) });
        match delta.and_then(|delta| self.may_go_on().map(|()| delta)) {
            Ok(delta) => {
                self.set_epoch_deadline(delta);
                true
            }
            Err(left) => {
                // SAFETY: as above.
                unsafe { self.leave_code(left) };
                false
            }
        }
    }

    /// Does what the callback has decided; returns the distance of the next deadline.
    ///
    /// # Safety
    ///
    /// As for [`new_epoch`](Self::new_epoch).
    unsafe fn follow(&mut self, update: UpdateDeadline) -> Result<u64, Left> {
        match update {
            UpdateDeadline::Interrupt => Err(Left::Trapped(TrapCode::Interrupt)),
            UpdateDeadline::Continue(delta) => Ok(delta),
            #[cfg(feature = "async")]
            UpdateDeadline::Yield(delta) => {
                // SAFETY: guaranteed by the caller.
                unsafe { self.yield_now() }.map_err(Left::Failed)?;
                Ok(delta)
            }
            #[cfg(feature = "async")]
            UpdateDeadline::YieldCustom(delta, future) => {
                // SAFETY: guaranteed by the caller.
                unsafe { self.wait_for(future) }.map_err(Left::Failed)?;
                Ok(delta)
            }
        }
    }

    /// Whether code may go on that has called a stub which preserves registers: it was not
    /// interrupted meanwhile, and this is not a forked child.
    pub(super) fn may_go_on(&self) -> Result<(), Left> {
        if !self.process.is_current() {
            return Err(Left::Failed(RuntimeError::Forked.into()));
        }
        self.check_interruption().map_err(Left::Trapped)
    }

    /// Records why code is left.
    ///
    /// # Safety
    ///
    /// The calling thread is inside a stub, whose frame stands as the exit frame.
    #[cold]
    #[inline(never)]
    pub(super) unsafe fn leave_code(&mut self, left: Left) {
        // SAFETY: guaranteed by the caller.
        let backtrace = |store: &Self| unsafe { WasmBacktrace::capture_at_builtin(store) };
        let pending = match left {
            Left::Trapped(code) => Pending::Trap(code, backtrace(self)),
            Left::Failed(error) => Pending::Callback(error, backtrace(self)),
            Left::Panicked(payload) => Pending::Panic(payload),
        };
        self.set_pending(pending);
    }

    /// Asks the callback, with handles of its own.
    #[inline(never)]
    fn update_deadline(&mut self) -> Result<UpdateDeadline, Left> {
        let scope = self.begin_scope();
        let update = catch_unwind(AssertUnwindSafe(|| self.ask_for_deadline()));
        if self.begin_scope() != scope {
            self.end_scope(scope);
        }
        update.map_err(Left::Panicked)?.map_err(Left::Failed)
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
        self.store.in_embedder(callback)
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
