//! The call hook: what the embedder wants to know of each change between its own code and
//! WebAssembly.
//!
//! Calls look once, at their beginning, whether there may be a hook, and go another way if so:
//! without one it costs a call in either direction one branch that is predicted.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
#[cfg(feature = "async")]
use std::pin::Pin;
#[cfg(feature = "async")]
use std::sync::Arc;

use super::Store;
#[cfg(feature = "async")]
use super::asynchronous::{Place, run_at};
use crate::error::{AsyncReason, RuntimeError};

/// A change between the host and WebAssembly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CallHook {
    /// The host calls a WebAssembly function.
    CallingWasm,
    /// A WebAssembly function that the host has called ends, by whatever way.
    ReturningFromWasm,
    /// WebAssembly calls a host function.
    CallingHost,
    /// A host function that WebAssembly has called ends, with its results or an error.
    ReturningFromHost,
}

impl CallHook {
    /// Whether host code runs next.
    pub fn entering_host(&self) -> bool {
        matches!(self, Self::ReturningFromWasm | Self::CallingHost)
    }

    /// Whether WebAssembly runs next.
    pub fn exiting_host(&self) -> bool {
        matches!(self, Self::ReturningFromHost | Self::CallingWasm)
    }
}

/// A hook of a store.
pub type Hook = dyn FnMut(&mut Store, CallHook) -> anyhow::Result<()> + Send + Sync;

/// An asynchronous hook of a store.
#[cfg(feature = "async")]
pub trait AsyncHook: Send + Sync {
    /// Is told of a change, and may wait.
    fn change<'a>(&'a self, store: &'a mut Store, change: CallHook) -> HookFuture<'a>;
}

/// The answer of an [`AsyncHook`].
#[cfg(feature = "async")]
pub type HookFuture<'a> = Pin<Box<dyn Future<Output = anyhow::Result<()>> + Send + 'a>>;

/// A hook of either kind.
enum AnyHook {
    Sync(Box<Hook>),
    #[cfg(feature = "async")]
    Async(Arc<dyn AsyncHook>),
}

/// The hook of a store, if it has one, and why calls take another way.
pub(super) struct HookSlot {
    hook: Option<AnyHook>,
    /// Whether calls are kept account of for an observer.
    is_observed: bool,
    /// Whether calls take the other way: there is a hook, calls are kept account of, or
    /// synchronous ones are refused.
    is_watched: bool,
    /// Whether WebAssembly in the store yields.
    yields: bool,
    /// Why synchronous calls are refused, if they are.
    needs_async: Option<AsyncReason>,
    /// Whether the hook or the observer runs: then nothing that WebAssembly could refer to is
    /// freed, as what is passed between it and the host just then can't be found.
    pub(super) runs: bool,
}

impl HookSlot {
    /// No hook yet; `is_observed` says whether modules are instrumented.
    pub(super) fn new(is_observed: bool) -> Self {
        Self {
            hook: None,
            is_observed,
            is_watched: is_observed,
            yields: false,
            needs_async: None,
            runs: false,
        }
    }

    #[inline]
    pub(super) fn is_watched(&self) -> bool {
        self.is_watched
    }
}

impl Store {
    /// Sets the hook, which is called at each change from now on. It is not called for what it
    /// calls itself.
    pub fn set_call_hook(&mut self, hook: Box<Hook>) {
        self.hook.hook = Some(AnyHook::Sync(hook));
        self.update_hook();
    }

    /// Sets an asynchronous hook, in the same way: the store's calls must be asynchronous then.
    #[cfg(feature = "async")]
    pub fn set_async_call_hook(&mut self, hook: Arc<dyn AsyncHook>) {
        self.hook.hook = Some(AnyHook::Async(hook));
        self.update_hook();
    }

    /// Runs the embedder's code: without asynchronous calls there is nothing that it must not
    /// suspend.
    #[cfg(not(feature = "async"))]
    pub(super) fn in_embedder<R>(&mut self, run: impl FnOnce(&mut Self) -> R) -> R {
        run(self)
    }

    /// Makes synchronous calls errors from now on, as WebAssembly in this store yields.
    #[cfg(feature = "async")]
    pub(super) fn set_yields(&mut self) {
        self.hook.yields = true;
        self.update_hook();
    }

    /// Notes whether calls are to look at the slot, and whether synchronous ones are refused, when
    /// what that follows from was set.
    pub(super) fn update_hook(&mut self) {
        let waits = self.limiter.is_async();
        #[cfg(feature = "async")]
        let waits = waits || matches!(self.hook.hook, Some(AnyHook::Async(_)));
        self.hook.needs_async = match (waits, self.hook.yields) {
            (true, _) => Some(AsyncReason::HookOrLimiter),
            (false, true) => Some(AsyncReason::Yields),
            (false, false) => None,
        };
        self.hook.is_watched =
            self.hook.is_observed || self.hook.hook.is_some() || self.hook.needs_async.is_some();
    }

    /// Refuses to enter WebAssembly from where it could not be suspended, in a store whose hook or
    /// limiter may wait or whose code may yield.
    ///
    /// # Errors
    ///
    /// [`RuntimeError::NeedsAsync`].
    pub(super) fn check_async(&self) -> Result<(), RuntimeError> {
        #[cfg(feature = "async")]
        if let Some(reason) = self.hook.needs_async {
            self.suspendable(Place::OfFiber, reason)?;
        }
        Ok(())
    }

    /// Calls the hook, if there is one.
    ///
    /// # Errors
    ///
    /// The hook's.
    ///
    /// # Panics
    ///
    /// If the hook does: it stays the store's hook.
    #[cold]
    pub(super) fn run_hook(&mut self, change: CallHook) -> anyhow::Result<()> {
        let Some(mut hook) = self.hook.hook.take() else {
            return Ok(());
        };
        self.hook.runs = true;
        let ended = catch_unwind(AssertUnwindSafe(|| match &mut hook {
            AnyHook::Sync(hook) => self.in_embedder(|store| hook(store, change)),
            #[cfg(feature = "async")]
            AnyHook::Async(hook) => self.run_async_hook(&**hook, change),
        }));
        self.hook.runs = false;
        // One that was set meanwhile stays.
        self.hook.hook.get_or_insert(hook);
        self.update_hook();
        ended.unwrap_or_else(|payload| resume_unwind(payload))
    }

    #[cfg(feature = "async")]
    fn run_async_hook(&mut self, hook: &dyn AsyncHook, change: CallHook) -> anyhow::Result<()> {
        let place = match change {
            CallHook::CallingWasm | CallHook::ReturningFromWasm => Place::OfFiber,
            CallHook::CallingHost | CallHook::ReturningFromHost => Place::OfActivation,
        };
        let reason = AsyncReason::HookOrLimiter;
        // SAFETY: hooks are called around activations and host functions by this crate only.
        unsafe { run_at(place, reason, self, |store| hook.change(store, change)) }?
    }
}
