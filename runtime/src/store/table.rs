//! Tables: vectors of reference words.

use upshift_abi::vmctx::VmTable;
use upshift_abi::{TableType, TrapCode};

use super::{Store, TableId, checked_range};
use crate::error::Error;

/// Elements that a table can have here; the specification allows any limit below 2^32.
const MAX_ELEMENTS: u64 = 10_000_000;

/// A table of a store.
pub(super) struct TableEntry {
    ty: TableType,
    /// In the context of the instance that defines it, or in `own`.
    vm: *mut VmTable,
    _own: Option<Box<VmTable>>,
    elements: Vec<usize>,
}

impl TableEntry {
    /// A table of its minimum size, described by `vm` or, if that is null, by a structure of its own.
    pub fn new(ty: TableType, vm: *mut VmTable, init: u64) -> Result<Self, Error> {
        let mut own = vm.is_null().then(|| {
            Box::new(VmTable {
                base: std::ptr::null_mut(),
                len: 0,
            })
        });
        let vm = own.as_deref_mut().map_or(vm, |own| &raw mut *own);
        let mut entry = Self {
            ty,
            vm,
            _own: own,
            elements: Vec::new(),
        };
        entry
            .grow(ty.limits.min, init)
            .map(|_| entry)
            .ok_or_else(|| {
                let min = ty.limits.min;
                Error::Resource(format!(
                    "a table of {min} elements exceeds the limit of {MAX_ELEMENTS}"
                ))
            })
    }

    fn grow(&mut self, delta: u64, init: u64) -> Option<u64> {
        let previous = self.elements.len() as u64;
        let max = self.ty.limits.max.unwrap_or(MAX_ELEMENTS).min(MAX_ELEMENTS);
        let len = previous.checked_add(delta).filter(|&len| len <= max)?;
        self.elements.try_reserve_exact(delta as usize).ok()?;
        self.elements.resize(len as usize, init as usize);
        // SAFETY: `vm` lives as long as the entry: in the store's instance or in `own`.
        unsafe {
            (*self.vm).base = self.elements.as_mut_ptr();
            (*self.vm).len = self.elements.len();
        }
        Some(previous)
    }

    /// The elements. Generated code writes them too, through `vm`, while the host does not borrow the store.
    fn elements(&self) -> &[usize] {
        // SAFETY: `vm` describes `self.elements`; reading through its pointer sees what generated code wrote.
        unsafe { std::slice::from_raw_parts((*self.vm).base, (*self.vm).len) }
    }

    fn elements_mut(&mut self) -> &mut [usize] {
        // SAFETY: as in `elements`.
        unsafe { std::slice::from_raw_parts_mut((*self.vm).base, (*self.vm).len) }
    }
}

impl Store {
    /// Makes a table of the host's, filled with the word.
    ///
    /// # Errors
    ///
    /// If its minimum exceeds the limit of 10,000,000 elements.
    ///
    /// # Safety
    ///
    /// As for [`table_set`](Self::table_set).
    pub unsafe fn new_table(&mut self, ty: TableType, init: u64) -> Result<TableId, Error> {
        let entry = TableEntry::new(ty, std::ptr::null_mut(), init)?;
        Ok(self.add_table(entry))
    }

    pub(super) fn add_table(&mut self, entry: TableEntry) -> TableId {
        self.tables.push(entry);
        TableId::new(self.tables.len() - 1)
    }

    pub(super) fn vm_table(&self, table: TableId) -> *mut VmTable {
        self.tables[table.index()].vm
    }

    /// The table's declared type.
    pub fn table_type(&self, table: TableId) -> TableType {
        self.tables[table.index()].ty
    }

    /// Its number of elements.
    pub fn table_len(&self, table: TableId) -> u64 {
        self.tables[table.index()].elements().len() as u64
    }

    /// An element's word; `None` out of bounds.
    pub fn table_get(&self, table: TableId, index: u64) -> Option<u64> {
        let index = usize::try_from(index).ok()?;
        self.tables[table.index()]
            .elements()
            .get(index)
            .map(|&word| word as u64)
    }

    /// Sets an element; false out of bounds.
    ///
    /// # Safety
    ///
    /// The word is 0 or a reference of this store, of the table's type: generated code calls through it.
    pub unsafe fn table_set(&mut self, table: TableId, index: u64, word: u64) -> bool {
        self.table_write(table, index, &[word]).is_ok()
    }

    /// Grows it: the previous length, or `None` beyond the maximum.
    ///
    /// # Safety
    ///
    /// As for [`table_set`](Self::table_set).
    pub unsafe fn table_grow(&mut self, table: TableId, delta: u64, word: u64) -> Option<u64> {
        self.table_extend(table, delta, word)
    }

    pub(crate) fn table_extend(&mut self, table: TableId, delta: u64, word: u64) -> Option<u64> {
        self.tables[table.index()].grow(delta, word)
    }

    pub(crate) fn table_write(
        &mut self,
        table: TableId,
        dst: u64,
        words: &[u64],
    ) -> Result<(), TrapCode> {
        let elements = self.tables[table.index()].elements_mut();
        let len = words.len() as u64;
        let range = checked_range(dst, len, elements.len(), TrapCode::TableOutOfBounds)?;
        for (element, &word) in elements[range].iter_mut().zip(words) {
            *element = word as usize;
        }
        Ok(())
    }

    pub(crate) fn table_fill(
        &mut self,
        table: TableId,
        dst: u64,
        word: u64,
        len: u64,
    ) -> Result<(), TrapCode> {
        let elements = self.tables[table.index()].elements_mut();
        let range = checked_range(dst, len, elements.len(), TrapCode::TableOutOfBounds)?;
        elements[range].fill(word as usize);
        Ok(())
    }

    pub(crate) fn table_copy(
        &mut self,
        to: TableId,
        from: TableId,
        dst: u64,
        src: u64,
        len: u64,
    ) -> Result<(), TrapCode> {
        let trap = TrapCode::TableOutOfBounds;
        let src = checked_range(src, len, self.tables[from.index()].elements().len(), trap)?;
        let dst = checked_range(dst, len, self.tables[to.index()].elements().len(), trap)?;
        if to == from {
            self.tables[to.index()]
                .elements_mut()
                .copy_within(src, dst.start);
        } else {
            let [to, from] = self
                .tables
                .get_disjoint_mut([to.index(), from.index()])
                .expect("two tables of this store");
            to.elements_mut()[dst].copy_from_slice(&from.elements()[src]);
        }
        Ok(())
    }
}
