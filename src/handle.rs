//! Handles: ids of a store's items that are checked, at each use, against the store.

use upshift_runtime::{Store as RawStore, StoreId};

/// An id of the runtime, and the store that it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Handle<I> {
    store: StoreId,
    id: I,
}

impl<I: Copy> Handle<I> {
    pub(crate) fn new(store: &RawStore, id: I) -> Self {
        Self {
            store: store.id(),
            id,
        }
    }

    pub(crate) fn of_store(store: StoreId, id: I) -> Self {
        Self { store, id }
    }

    /// The id, after checking that it belongs to `store`: one comparison.
    ///
    /// # Panics
    ///
    /// If the handle belongs to another store.
    #[inline]
    #[track_caller]
    pub(crate) fn id_in(self, store: &RawStore) -> I {
        if self.store != store.id() {
            wrong_store();
        }
        self.id
    }

    pub(crate) fn belongs_to(self, store: &RawStore) -> bool {
        self.store == store.id()
    }
}

#[cold]
#[track_caller]
fn wrong_store() -> ! {
    panic!("an object was used with a store that it does not belong to")
}
