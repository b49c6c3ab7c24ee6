//! The call hook: what the embedder wants to know of each change between its own code and
//! WebAssembly.
//!
//! Calls look once, at their beginning, whether there is a hook, and go another way if so: without
//! one it costs a call in either direction one branch that is predicted.

use super::Store;

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

/// The hook of a store, if it has one.
pub(super) struct HookSlot {
    hook: Option<Box<Hook>>,
    /// Whether calls take the other way: there is a hook, or calls are kept account of for an
    /// observer.
    is_watched: bool,
    /// Whether the hook or the observer runs: then nothing that WebAssembly could refer to is
    /// freed, as what is passed between it and the host just then can't be found.
    pub(super) runs: bool,
}

impl HookSlot {
    /// No hook yet; `is_observed` says whether modules are instrumented.
    pub(super) fn new(is_observed: bool) -> Self {
        Self {
            hook: None,
            is_watched: is_observed,
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
        self.hook.is_watched = true;
    }

    /// Calls the hook, if there is one.
    ///
    /// # Errors
    ///
    /// The hook's.
    #[cold]
    pub(super) fn run_hook(&mut self, change: CallHook) -> anyhow::Result<()> {
        let Some(mut hook) = self.hook.hook.take() else {
            return Ok(());
        };
        self.hook.runs = true;
        let result = hook(self, change);
        self.hook.runs = false;
        // One that was set meanwhile stays.
        self.hook.hook.get_or_insert(hook);
        result
    }
}
