//! Tables of references.

use upshift_runtime::{Store as RawStore, TableId};

use crate::handle::Handle;
use crate::val::raw_mut;
use crate::{AsContext, AsContextMut, Ref, Result, TableType, words};

/// A table of a store.
///
/// A handle: [`Copy`], valid for its store.
///
/// All methods panic if the table, or a reference that is passed in, belongs to another store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Table(pub(crate) Handle<TableId>);

impl Table {
    /// Creates a table of the type's minimum size, filled with `init`.
    ///
    /// # Errors
    ///
    /// If `init` is of another type, the limits are contradictory, the store's limiter refuses,
    /// there is no memory for it, or if the elements' type refers to a function type that no module
    /// and no store of the engine uses.
    pub fn new(mut store: impl AsContextMut, ty: TableType, init: Ref) -> Result<Self> {
        Self::new_in(raw_mut(&mut store), ty, init)
    }

    /// Creates a table as [`new`](Self::new) does, in a store whose limiter may be
    /// [asynchronous](crate::Store::limiter_async).
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    #[cfg(feature = "async")]
    pub async fn new_async(
        mut store: impl AsContextMut<Data: Send>,
        ty: TableType,
        init: Ref,
    ) -> Result<Self> {
        let raw = raw_mut(&mut store);
        raw.on_fiber(move |raw| Self::new_in(raw, ty, init))?.await
    }

    fn new_in(raw: &mut RawStore, ty: TableType, init: Ref) -> Result<Self> {
        anyhow::ensure!(
            ty.maximum().is_none_or(|maximum| ty.minimum() <= maximum),
            "the minimum of a table must not exceed its maximum"
        );
        let id = words::new_table(raw, ty.0, init)?;
        Ok(Self(Handle::new(raw, id)))
    }

    /// The type that the table was created with.
    pub fn ty(&self, store: impl AsContext) -> TableType {
        let raw = store.as_context().raw;
        TableType(raw.table_type(self.0.id_in(raw)))
    }

    /// The element, or `None` beyond the end.
    pub fn get(&self, mut store: impl AsContextMut, index: u64) -> Option<Ref> {
        let raw = raw_mut(&mut store);
        let id = self.0.id_in(raw);
        words::table_get(raw, id, index)
    }

    /// Replaces an element.
    ///
    /// # Errors
    ///
    /// If `value` is of another type or `index` is beyond the end.
    pub fn set(&self, mut store: impl AsContextMut, index: u64, value: Ref) -> Result<()> {
        let raw = raw_mut(&mut store);
        let id = self.0.id_in(raw);
        let set = words::table_set(raw, id, index, value)?;
        anyhow::ensure!(set, "table element index out of bounds");
        Ok(())
    }

    /// The number of elements.
    pub fn size(&self, store: impl AsContext) -> u64 {
        let raw = store.as_context().raw;
        raw.table_len(self.0.id_in(raw))
    }

    /// Appends `delta` elements `init` and returns the size before.
    ///
    /// # Errors
    ///
    /// If `init` is of another type, the maximum would be exceeded, the store's limiter refuses, or
    /// there is no memory for it; nothing changes then.
    pub fn grow(&self, mut store: impl AsContextMut, delta: u64, init: Ref) -> Result<u64> {
        self.grow_in(raw_mut(&mut store), delta, init)
    }

    /// Appends elements as [`grow`](Self::grow) does, in a store whose limiter may be
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
        init: Ref,
    ) -> Result<u64> {
        let this = *self;
        let raw = raw_mut(&mut store);
        raw.on_fiber(move |raw| this.grow_in(raw, delta, init))?
            .await
    }

    fn grow_in(self, raw: &mut RawStore, delta: u64, init: Ref) -> Result<u64> {
        let id = self.0.id_in(raw);
        let grown = words::table_grow(raw, id, delta, init)?;
        grown.ok_or_else(|| anyhow::anyhow!("failed to grow table by {delta} elements"))
    }

    /// Copies `len` elements from `src_index` of one table to `dst_index` of another or the same.
    ///
    /// # Errors
    ///
    /// If the elements of `src_table` are no elements of `dst_table` by their type, or a range
    /// exceeds its table; nothing changes then.
    pub fn copy(
        mut store: impl AsContextMut,
        dst_table: &Table,
        dst_index: u64,
        src_table: &Table,
        src_index: u64,
        len: u64,
    ) -> Result<()> {
        let raw = raw_mut(&mut store);
        let (to, from) = (dst_table.0.id_in(raw), src_table.0.id_in(raw));
        words::table_copy(raw, (to, dst_index), (from, src_index), len)
    }

    /// Sets `len` elements from `index` to `value`.
    ///
    /// # Errors
    ///
    /// If `value` is of another type or the range exceeds the table; nothing changes then.
    pub fn fill(
        &self,
        mut store: impl AsContextMut,
        index: u64,
        value: Ref,
        len: u64,
    ) -> Result<()> {
        let end = index
            .checked_add(len)
            .filter(|&end| end <= self.size(&store));
        let end = end.ok_or(crate::Trap::TableOutOfBounds)?;
        (index..end).try_for_each(|index| self.set(&mut store, index, value))
    }
}
