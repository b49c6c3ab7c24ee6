//! References to embedder values that WebAssembly can hold and pass on, but not look into.

use std::any::Any;

use upshift_runtime::Store as RawStore;

use crate::handle::Handle;
use crate::{AsContextMut, StoreContext};

/// A reference to a value of the embedder.
///
/// The value lives as long as its store: references are not collected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ExternRef(Handle<u64>);

impl ExternRef {
    /// Moves a value into the store and returns a reference to it. One allocation.
    pub fn new<V: Any + Send + Sync>(mut store: impl AsContextMut, value: V) -> Self {
        let raw = store.as_context_mut().raw;
        let word = raw.extern_ref_word(Box::new(value));
        Self(Handle::new(raw, word))
    }

    /// The value.
    ///
    /// # Panics
    ///
    /// If the reference belongs to another store.
    pub fn data<'a, T: Send + 'static>(
        &self,
        store: impl Into<StoreContext<'a, T>>,
    ) -> &'a (dyn Any + Send + Sync) {
        let raw = store.into().raw;
        let data = raw.extern_ref_data(self.0.id_in(raw));
        data.expect("references are made by `new` only and live as long as the store")
    }

    pub(crate) fn from_word(store: &RawStore, word: u64) -> Option<Self> {
        (word != 0).then(|| Self(Handle::new(store, word)))
    }

    #[track_caller]
    pub(crate) fn word(self, store: &RawStore) -> u64 {
        self.0.id_in(store)
    }

    pub(crate) fn belongs_to(self, store: &RawStore) -> bool {
        self.0.belongs_to(store)
    }
}
