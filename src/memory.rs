//! Linear memories.

use std::fmt;

use upshift_runtime::{MemoryId, OutOfBounds, Store as RawStore};

use crate::error::public;
use crate::handle::Handle;
use crate::val::raw_mut;
use crate::{AsContext, AsContextMut, MemoryType, Result, StoreContext, StoreContextMut};

/// A linear memory of a store.
///
/// A handle: [`Copy`], valid for its store. The bytes are borrowed through the store, so they can't
/// be held across a call into WebAssembly, which may change or grow them.
///
/// All methods panic if the memory belongs to another store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Memory(pub(crate) Handle<MemoryId>);

/// The error of an access to bytes beyond a memory's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryAccessError(());

impl fmt::Display for MemoryAccessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("out of bounds memory access")
    }
}

impl std::error::Error for MemoryAccessError {}

impl From<OutOfBounds> for MemoryAccessError {
    fn from(_: OutOfBounds) -> Self {
        Self(())
    }
}

impl Memory {
    /// Creates a zeroed memory of the type's minimum size.
    ///
    /// Reserves address space as the engine's configuration says; pages are populated when first
    /// accessed.
    ///
    /// # Errors
    ///
    /// If the limits are contradictory, the type is that of a shared memory
    /// ([`SharedMemory::new`](crate::SharedMemory::new) creates those), or the store's limiter or
    /// the system refuses.
    pub fn new(mut store: impl AsContextMut, ty: MemoryType) -> Result<Self> {
        Self::new_in(raw_mut(&mut store), ty)
    }

    /// Creates a memory as [`new`](Self::new) does, in a store whose limiter may be
    /// [asynchronous](crate::Store::limiter_async).
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    #[cfg(feature = "async")]
    pub async fn new_async(
        mut store: impl AsContextMut<Data: Send>,
        ty: MemoryType,
    ) -> Result<Self> {
        let raw = raw_mut(&mut store);
        raw.on_fiber(move |raw| Self::new_in(raw, ty))?.await
    }

    fn new_in(raw: &mut RawStore, ty: MemoryType) -> Result<Self> {
        anyhow::ensure!(
            !ty.is_shared(),
            "a memory of a `shared` type is made by `SharedMemory::new`"
        );
        ty.check()?;
        let id = raw.new_memory(ty.0).map_err(public)?;
        Ok(Self(Handle::new(raw, id)))
    }

    /// The type that the memory was created with.
    pub fn ty(&self, store: impl AsContext) -> MemoryType {
        let raw = store.as_context().raw;
        MemoryType(raw.memory_type(self.0.id_in(raw)))
    }

    /// The memory's bytes.
    pub fn data<'a, T: 'static>(&self, store: impl Into<StoreContext<'a, T>>) -> &'a [u8] {
        let raw = store.into().raw;
        raw.memory_data(self.0.id_in(raw))
    }

    /// The memory's bytes, mutable.
    pub fn data_mut<'a, T: 'static>(
        &self,
        store: impl Into<StoreContextMut<'a, T>>,
    ) -> &'a mut [u8] {
        let raw = store.into().raw;
        let id = self.0.id_in(raw);
        raw.memory_data_mut(id)
    }

    /// The memory's bytes and the embedder's data, both mutable.
    pub fn data_and_store_mut<'a, T: 'static>(
        &self,
        store: impl Into<StoreContextMut<'a, T>>,
    ) -> (&'a mut [u8], &'a mut T) {
        let store = store.into();
        let id = self.0.id_in(store.raw);
        store.memory_and_data(id)
    }

    /// Copies bytes from the memory at `offset` to `buffer`.
    ///
    /// # Errors
    ///
    /// If the range exceeds the memory; nothing is copied then.
    pub fn read(
        &self,
        store: impl AsContext,
        offset: usize,
        buffer: &mut [u8],
    ) -> Result<(), MemoryAccessError> {
        let store = store.as_context();
        let bytes = self
            .data(store)
            .get(offset..)
            .and_then(|bytes| bytes.get(..buffer.len()));
        buffer.copy_from_slice(bytes.ok_or(MemoryAccessError(()))?);
        Ok(())
    }

    /// Copies bytes from `buffer` to the memory at `offset`.
    ///
    /// # Errors
    ///
    /// If the range exceeds the memory; nothing is copied then.
    pub fn write(
        &self,
        mut store: impl AsContextMut,
        offset: usize,
        buffer: &[u8],
    ) -> Result<(), MemoryAccessError> {
        let store = store.as_context_mut();
        let bytes = self.data_mut(store).get_mut(offset..);
        let bytes = bytes.and_then(|bytes| bytes.get_mut(..buffer.len()));
        bytes.ok_or(MemoryAccessError(()))?.copy_from_slice(buffer);
        Ok(())
    }

    /// The number of bytes of a page.
    pub fn page_size(&self, store: impl AsContext) -> u64 {
        self.ty(store).page_size()
    }

    /// The base-2 logarithm of the number of bytes of a page.
    pub fn page_size_log2(&self, store: impl AsContext) -> u8 {
        self.ty(store).page_size_log2()
    }

    /// The size in pages.
    pub fn size(&self, store: impl AsContext) -> u64 {
        let raw = store.as_context().raw;
        raw.memory_pages(self.0.id_in(raw))
    }

    /// The size in bytes.
    pub fn data_size(&self, store: impl AsContext) -> usize {
        let raw = store.as_context().raw;
        raw.memory_len(self.0.id_in(raw))
    }

    /// Grows by `delta` pages and returns the size before. The bytes don't move.
    ///
    /// # Errors
    ///
    /// If the maximum would be exceeded, or, where indexes have 32 bits, 4 GiB less 64 KiB; or if
    /// the store's limiter or the system refuses; nothing changes then.
    pub fn grow(&self, mut store: impl AsContextMut, delta: u64) -> Result<u64> {
        self.grow_in(raw_mut(&mut store), delta)
    }

    /// Grows as [`grow`](Self::grow) does, in a store whose limiter may be
    /// [asynchronous](crate::Store::limiter_async).
    ///
    /// # Errors
    ///
    /// As [`grow`](Self::grow).
    #[cfg(feature = "async")]
    pub async fn grow_async(
        &self,
        mut store: impl AsContextMut<Data: Send>,
        delta: u64,
    ) -> Result<u64> {
        let this = *self;
        let raw = raw_mut(&mut store);
        raw.on_fiber(move |raw| this.grow_in(raw, delta))?.await
    }

    fn grow_in(self, raw: &mut RawStore, delta: u64) -> Result<u64> {
        let id = self.0.id_in(raw);
        let grown = raw.memory_grow(id, delta)?;
        grown.ok_or_else(|| anyhow::anyhow!("failed to grow memory by {delta} pages"))
    }
}
