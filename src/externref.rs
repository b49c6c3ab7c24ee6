//! References to embedder values, which WebAssembly can store and pass on, but not inspect.

use std::any::Any;

use upshift_runtime::Store as RawStore;

use crate::handle::Handle;
use crate::{AsContext, AsContextMut, StoreContext, StoreContextMut};

/// A reference to a value of the embedder.
///
/// The value lives as long as WebAssembly of its store can reach it (in a table, a global or a
/// running function), and as long as the scope lasts in which the embedder got a reference to it:
/// in a host function, until it returns; in a [`RootScope`], until that is dropped; otherwise until
/// the store is dropped. Unreachable values are freed from time to time when new ones are created,
/// by [`Store::gc`](crate::Store::gc), and with the store.
///
/// A handle: [`Copy`], valid for its store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ExternRef(Handle<u64>);

impl ExternRef {
    /// Moves a value into the store and returns a reference to it. One allocation.
    pub fn new<V: Any + Send + Sync>(mut store: impl AsContextMut, value: V) -> Self {
        let raw = store.as_context_mut().raw;
        let word = raw.extern_ref_word(Box::new(value));
        Self(Handle::new(raw, word))
    }

    /// The value, as [`Any`].
    ///
    /// # Panics
    ///
    /// If the reference belongs to another store, or is used after its scope when its value has
    /// been freed.
    #[track_caller]
    pub fn data<'a, T: 'static>(
        &self,
        store: impl Into<StoreContext<'a, T>>,
    ) -> &'a (dyn Any + Send + Sync) {
        let raw = store.into().raw;
        let data = raw.extern_ref_data(self.0.id_in(raw));
        data.unwrap_or_else(|| freed())
    }

    pub(crate) fn from_word(store: &mut RawStore, word: u64) -> Option<Self> {
        let exists = word != 0 && store.root_extern(word);
        exists.then(|| Self(Handle::new(store, word)))
    }

    #[track_caller]
    pub(crate) fn word(self, store: &RawStore) -> u64 {
        let word = self.0.id_in(store);
        match store.extern_ref_data(word) {
            Some(_) => word,
            None => freed(),
        }
    }

    pub(crate) fn belongs_to(self, store: &RawStore) -> bool {
        self.0.belongs_to(store)
    }
}

#[cold]
#[track_caller]
fn freed() -> ! {
    panic!("an ExternRef was used after the scope in which it was made, and its value was freed")
}

/// A scope of references: a view of a store in which the references that the embedder gets keep
/// their values only until the scope is dropped.
///
/// It is accepted wherever a store is. Use it around work that creates many references outside of
/// host functions.
///
/// ```
/// # fn main() -> upshift::Result<()> {
/// use upshift::{ExternRef, RootScope, Store};
///
/// let engine = upshift::Engine::default();
/// let mut store = Store::new(&engine, ());
/// for n in 0..1000 {
///     let mut scope = RootScope::new(&mut store);
///     let value = ExternRef::new(&mut scope, vec![n; 1000]);
///     assert!(value.data(&scope).is::<Vec<i32>>());
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct RootScope<C: AsContextMut> {
    store: C,
    scope: usize,
}

impl<C: AsContextMut> RootScope<C> {
    /// Begins a scope.
    pub fn new(mut store: C) -> Self {
        let scope = store.as_context_mut().raw.begin_scope();
        Self { store, scope }
    }
}

impl<C: AsContextMut> Drop for RootScope<C> {
    fn drop(&mut self) {
        self.store.as_context_mut().raw.end_scope(self.scope);
    }
}

impl<C: AsContextMut> AsContext for RootScope<C> {
    type Data = C::Data;

    fn as_context(&self) -> StoreContext<'_, C::Data> {
        self.store.as_context()
    }
}

impl<C: AsContextMut> AsContextMut for RootScope<C> {
    fn as_context_mut(&mut self) -> StoreContextMut<'_, C::Data> {
        self.store.as_context_mut()
    }
}
