//! The call hook: what the embedder wants to know of each change between its own code and
//! WebAssembly.
//!
//! Calls look once, at their beginning, whether there may be a hook, and go another way if so:
//! without one it costs a call in either direction one branch that is predicted.

#[cfg(feature = "async")]
use std::pin::Pin;
#[cfg(feature = "async")]
use std::sync::Arc;

use super::Store;
#[cfg(feature = "async")]
use super::asynchronous::{Place, run_at};
use crate::error::RuntimeError;

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

/// The hook of a store, if it has one.
pub(super) struct HookSlot {
    hook: Option<Box<Hook>>,
    #[cfg(feature = "async")]
    asynchronous: Option<Arc<dyn AsyncHook>>,
    /// Whether calls are kept account of for an observer.
    is_observed: bool,
    /// Whether calls take the other way: there is a hook, the store's limiter is asynchronous,
    /// calls are kept account of, or synchronous ones are refused.
    is_watched: bool,
    /// Whether the hook or the limiter needs the store's calls to be asynchronous.
    needs_async: bool,
    /// Whether synchronous calls are refused, as WebAssembly in the store yields.
    pub(super) refuses_synchronous: bool,
    /// Whether the hook or the observer runs: then nothing that WebAssembly could refer to is
    /// freed, as what is passed between it and the host just then can't be found.
    pub(super) runs: bool,
}

impl HookSlot {
    /// No hook yet; `is_observed` says whether modules are instrumented.
    pub(super) fn new(is_observed: bool) -> Self {
        Self {
            hook: None,
            #[cfg(feature = "async")]
            asynchronous: None,
            is_observed,
            is_watched: is_observed,
            refuses_synchronous: false,
            needs_async: false,
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
        self.hook.hook = Some(hook);
        #[cfg(feature = "async")]
        {
            self.hook.asynchronous = None;
        }
        self.update_hook();
    }

    /// Sets an asynchronous hook, in the same way: the store's calls must be asynchronous then.
    #[cfg(feature = "async")]
    pub fn set_async_call_hook(&mut self, hook: Arc<dyn AsyncHook>) {
        self.hook.asynchronous = Some(hook);
        self.hook.hook = None;
        self.update_hook();
    }

    /// Runs the embedder's code: without asynchronous calls there is nothing that it must not
    /// suspend.
    #[cfg(not(feature = "async"))]
    pub(super) fn in_embedder<R>(&mut self, run: impl FnOnce(&mut Self) -> R) -> R {
        run(self)
    }

    /// Notes whether calls are to look at the slot, when a hook or the limiter was set.
    pub(super) fn update_hook(&mut self) {
        let needs_async = self.limiter.is_async();
        #[cfg(feature = "async")]
        let needs_async = needs_async || self.hook.asynchronous.is_some();
        self.hook.needs_async = needs_async;
        self.hook.is_watched = self.hook.is_observed
            || needs_async
            || self.hook.hook.is_some()
            || self.hook.refuses_synchronous;
    }

    /// Refuses what is synchronous, if the store's hook or limiter is not.
    ///
    /// # Errors
    ///
    /// [`RuntimeError::Asynchronous`].
    pub(super) fn check_async(&self) -> Result<(), RuntimeError> {
        #[cfg(feature = "async")]
        if self.hook.needs_async && self.shared.fiber().is_null() {
            return Err(RuntimeError::Asynchronous);
        }
        Ok(())
    }

    /// Calls the hook, if there is one.
    ///
    /// # Errors
    ///
    /// The hook's.
    #[cold]
    pub(super) fn run_hook(&mut self, change: CallHook) -> anyhow::Result<()> {
        #[cfg(feature = "async")]
        if let Some(hook) = self.hook.asynchronous.take() {
            let result = self.run_async_hook(&*hook, change);
            self.hook.runs = false;
            if self.hook.hook.is_none() {
                // One that was set meanwhile stays.
                self.hook.asynchronous.get_or_insert(hook);
            }
            return result;
        }
        let Some(mut hook) = self.hook.hook.take() else {
            return Ok(());
        };
        self.hook.runs = true;
        let result = self.in_embedder(|store| hook(store, change));
        self.hook.runs = false;
        #[cfg(feature = "async")]
        if self.hook.asynchronous.is_some() {
            return result;
        }
        // One that was set meanwhile stays.
        self.hook.hook.get_or_insert(hook);
        result
    }

    #[cfg(feature = "async")]
    fn run_async_hook(&mut self, hook: &dyn AsyncHook, change: CallHook) -> anyhow::Result<()> {
        let place = match change {
            CallHook::CallingWasm | CallHook::ReturningFromWasm => Place::OfFiber,
            CallHook::CallingHost | CallHook::ReturningFromHost => Place::OfActivation,
        };
        self.hook.runs = true;
        // SAFETY: hooks are called around activations and host functions by this crate only.
        unsafe { run_at(place, self, |store| hook.change(store, change)) }?
    }
}
