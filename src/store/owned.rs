//! What a store owns besides its items: the embedder's data, which need not be [`Send`].

#![allow(
    unsafe_code,
    reason = "a store whose data stays on its thread is told from others by its type"
)]

use upshift_runtime::Store as RawStore;

use crate::Engine;

/// The embedder's data and this crate's own, which the runtime's store owns.
pub(super) struct Owned<T> {
    pub(super) engine: Engine,
    pub(super) data: T,
}

/// A store that owns the data.
pub(super) fn store<T: 'static>(engine: &Engine, data: T) -> RawStore {
    let owned = Box::new(Owned {
        engine: engine.clone(),
        data,
    });
    // SAFETY: the caller and all views of the store, which are the only ways to it, have `T` as a
    // parameter: they are `Send` only if it is. Asynchronous calls demand that it is.
    unsafe { RawStore::with_data(engine.runtime(), owned) }
}

pub(super) fn owned<T: 'static>(raw: &RawStore) -> &Owned<T> {
    raw.data().downcast_ref().unwrap_or_else(|| wrong_type())
}

pub(super) fn owned_mut<T: 'static>(raw: &mut RawStore) -> &mut Owned<T> {
    raw.data_mut()
        .downcast_mut()
        .unwrap_or_else(|| wrong_type())
}

/// Panics because a view's type parameter is not that of the store. This can't happen: only
/// `Store::new` connects the two, and each typed callback is registered through a view of the same
/// type.
#[cold]
pub(super) fn wrong_type() -> ! {
    unreachable!("a store was viewed with another data type than its own")
}
