//! Tables: reference words, in memory that the system provides where elements are not null.
//!
//! A module of a few bytes can declare tables of gigabytes, so a null element must not cost memory.

use std::ops::Range;
use std::sync::Arc;

use upshift_abi::plan::MAX_TABLE_ELEMENTS;
use upshift_abi::vmctx::VmTable;
use upshift_abi::{ElemIndex, TableType, TrapCode};

use super::limiter::Resource;
use super::on_demand::OnDemand;
use super::references::is_collected;
use super::{Instance, Order, Store, TableId, checked_range, copy_order};
use crate::error::{Error, RuntimeError};
use crate::sys::Reservation;

/// The most bytes of elements that are in ordinary memory: a mapping takes whole pages and system
/// calls.
const SMALL_BYTES: usize = 4096;

/// The size of an element in bytes.
const WORD: usize = size_of::<usize>();

/// A table of a store.
pub(super) struct TableEntry {
    ty: TableType,
    /// The table's description: in the context of the instance that defines it, or in `own`.
    vm: *mut VmTable,
    _own: Option<Box<VmTable>>,
    elements: Elements,
}

/// The memory of a table's elements, with zeros beyond the table's length.
enum Elements {
    Small(Vec<usize>),
    /// A mapping, which takes memory only where elements are not null.
    Mapped(Reservation),
    /// The context of the instance that defines the table, filled on demand; the number of elements
    /// that the table had at first.
    OnDemand(Arc<OnDemand>, usize),
}

impl Elements {
    fn base(&mut self) -> *mut usize {
        match self {
            Elements::Small(words) => words.as_mut_ptr(),
            Elements::Mapped(space) => space.base().cast(),
            Elements::OnDemand(part, _) => part.elements(),
        }
    }

    fn capacity(&self) -> usize {
        match self {
            Elements::Small(words) => words.len(),
            Elements::Mapped(space) => space.len() / size_of::<usize>(),
            Elements::OnDemand(_, len) => *len,
        }
    }

    /// Fills all elements, so that this crate can read and write them.
    fn settle(&self) -> Result<(), RuntimeError> {
        match self {
            Elements::OnDemand(part, _) => part.fill_table(),
            Elements::Small(_) | Elements::Mapped(_) => Ok(()),
        }
    }

    /// Makes room for `len` elements, of which there will never be more than `max`.
    fn reserve(&mut self, len: usize, max: usize) -> Result<(), RuntimeError> {
        let capacity = self.capacity();
        if len <= capacity {
            return Ok(());
        }
        let bytes = |len: usize| len * size_of::<usize>();
        // A table that grows is likely to grow again.
        let wanted = if capacity == 0 {
            len
        } else {
            len.max(2 * capacity).min(max)
        };
        match self {
            Elements::Small(words) if bytes(len) <= SMALL_BYTES => {
                let wanted = wanted.min(SMALL_BYTES / size_of::<usize>());
                let reserved = words.try_reserve_exact(wanted - capacity);
                reserved.map_err(|_| RuntimeError::out_of_memory("get memory for a table"))?;
                words.resize(wanted, 0);
            }
            Elements::Small(_) | Elements::OnDemand(..) => {
                self.settle()?;
                let space = Reservation::zeroed(bytes(wanted).next_multiple_of(SMALL_BYTES))?;
                // SAFETY: the new mapping is longer than what is copied, which is filled, and no
                // other code knows it.
                unsafe {
                    let to = space.base().cast();
                    self.base().copy_to_nonoverlapping(to, capacity);
                }
                *self = Elements::Mapped(space);
            }
            Elements::Mapped(space) => {
                space.lengthen(bytes(wanted).next_multiple_of(SMALL_BYTES))?;
            }
        }
        Ok(())
    }
}

impl TableEntry {
    /// Creates a table of its minimum size, described by `vm` or, if that is null, by a structure
    /// of its own.
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
            elements: Elements::Small(Vec::new()),
        };
        entry.describe(0);
        let min = ty.limits.min;
        match entry.grow(min, init)? {
            Some(_) => Ok(entry),
            None => Err(Error::Resource(format!(
                "a table of {min} elements exceeds the limit of {MAX_TABLE_ELEMENTS}"
            ))),
        }
    }

    /// Creates a table of its minimum size whose elements, with their initial values, are filled on
    /// demand.
    pub fn on_demand(ty: TableType, vm: *mut VmTable, part: &Arc<OnDemand>) -> Self {
        let len = ty.limits.min as usize;
        let mut entry = Self {
            ty,
            vm,
            _own: None,
            elements: Elements::OnDemand(part.clone(), len),
        };
        entry.describe(len);
        entry
    }

    fn len(&self) -> usize {
        // SAFETY: `vm` lives as long as the entry: in the store's instance or in `own`.
        unsafe { (*self.vm).len }
    }

    fn describe(&mut self, len: usize) {
        let base = self.elements.base();
        // SAFETY: as in `len`.
        unsafe { self.vm.write(VmTable { base, len }) };
    }

    /// Grows by elements; returns the previous length, or `None` beyond the maximum.
    fn grow(&mut self, delta: u64, init: u64) -> Result<Option<u64>, RuntimeError> {
        let (previous, max) = (self.len() as u64, self.ty.max_len());
        let Some(len) = previous.checked_add(delta).filter(|&len| len <= max) else {
            return Ok(None);
        };
        self.elements.reserve(len as usize, max as usize)?;
        self.describe(len as usize);
        // New elements are null already; writing nulls would take memory.
        if init != 0 {
            self.elements_mut()?[previous as usize..].fill(init as usize);
        }
        Ok(Some(previous))
    }

    /// The elements. Generated code writes them too, through `vm`, while the host does not borrow
    /// the store.
    ///
    /// # Errors
    ///
    /// If the system refuses memory for elements that are filled on demand.
    fn elements(&self) -> Result<&[usize], RuntimeError> {
        self.elements.settle()?;
        // SAFETY: `vm` describes `self.elements`; reading through its pointer sees what generated
        // code wrote.
        Ok(unsafe { std::slice::from_raw_parts((*self.vm).base, (*self.vm).len) })
    }

    /// The elements of a table of references to what the store collects; empty for others.
    pub fn collected_words(&self) -> &[usize] {
        match is_collected(self.ty.element) {
            // Only function references are filled on demand, so this can't fail.
            true => self.elements().unwrap_or_default(),
            false => &[],
        }
    }

    fn elements_mut(&mut self) -> Result<&mut [usize], RuntimeError> {
        self.elements.settle()?;
        // SAFETY: as in `elements`.
        Ok(unsafe { std::slice::from_raw_parts_mut((*self.vm).base, (*self.vm).len) })
    }
}

impl Store {
    /// Creates a table that belongs to the host, filled with the word.
    ///
    /// # Errors
    ///
    /// If the table's minimum exceeds the limit of 10,000,000 elements.
    ///
    /// # Safety
    ///
    /// As for [`table_set`](Self::table_set).
    pub unsafe fn new_table(&mut self, ty: TableType, init: u64) -> Result<TableId, Error> {
        self.admit(0, 0, 1)?;
        self.admit_table(&ty)?;
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

    /// The table's number of elements.
    pub fn table_len(&self, table: TableId) -> u64 {
        self.tables[table.index()].len() as u64
    }

    /// An element's word; `None` out of bounds, or if the system refuses the memory.
    pub fn table_get(&self, table: TableId, index: u64) -> Option<u64> {
        let index = usize::try_from(index).ok()?;
        let elements = self.tables[table.index()]
            .elements()
            .map_err(refused)
            .ok()?;
        elements.get(index).map(|&word| word as u64)
    }

    /// Sets an element; returns false out of bounds.
    ///
    /// # Safety
    ///
    /// The word is 0 or a reference of this store, of the table's type: generated code calls
    /// through it.
    pub unsafe fn table_set(&mut self, table: TableId, index: u64, word: u64) -> bool {
        self.table_write(table, index, &[word]).is_ok()
    }

    /// Grows a table; returns the previous length, or `None` if the maximum, the limiter or the
    /// system forbids it.
    ///
    /// # Errors
    ///
    /// The limiter's error; and [`TrapCode::Interrupt`] if an interruption is pending: not all new
    /// elements are the word then.
    ///
    /// # Safety
    ///
    /// As for [`table_set`](Self::table_set).
    pub unsafe fn table_grow(
        &mut self,
        table: TableId,
        delta: u64,
        word: u64,
    ) -> anyhow::Result<Option<u64>> {
        self.table_extend(table, delta, word)
    }

    pub(crate) fn table_extend(
        &mut self,
        table: TableId,
        delta: u64,
        word: u64,
    ) -> anyhow::Result<Option<u64>> {
        let entry = &self.tables[table.index()];
        let (current, max) = (entry.len() as u64, entry.ty.limits.max);
        if delta == 0 {
            return Ok(Some(current));
        }
        let desired = current.saturating_add(delta);
        if !self.may_grow(Resource::Table, current, desired, max)? {
            return Ok(None);
        }
        let error = match self.tables[table.index()].grow(delta, 0) {
            Ok(Some(previous)) => {
                // New elements are null already; writing nulls would take memory.
                if word != 0 && self.table_fill(table, previous, word, delta).is_err() {
                    return Err(self.interruption().error());
                }
                return Ok(Some(previous));
            }
            Ok(None) => anyhow::anyhow!(
                "a table of {current} elements can't grow by {delta}: that exceeds its maximum"
            ),
            Err(error) => error.into(),
        };
        self.grow_failed(Resource::Table, error)?;
        Ok(None)
    }

    pub(crate) fn table_write(
        &mut self,
        table: TableId,
        dst: u64,
        words: &[u64],
    ) -> Result<(), TrapCode> {
        let elements = self.tables[table.index()].elements_mut().map_err(refused)?;
        let len = words.len() as u64;
        let range = checked_range(dst, len, elements.len(), TrapCode::TableOutOfBounds)?;
        for (element, &word) in elements[range].iter_mut().zip(words) {
            *element = word as usize;
        }
        Ok(())
    }

    /// The instruction `table.fill`; errors as [`memory_copy`](Self::memory_copy)'s.
    pub(crate) fn table_fill(
        &mut self,
        table: TableId,
        dst: u64,
        word: u64,
        len: u64,
    ) -> Result<(), TrapCode> {
        let range = self.table_range(table, dst, len)?;
        self.in_parts(range.len(), WORD, Order::Forward, |store, start, count| {
            let start = range.start + start;
            let table = &mut store.tables[table.index()];
            table.elements_mut().map_err(refused)?[start..start + count].fill(word as usize);
            Ok(())
        })
    }

    /// Copies elements from one table to another or the same, as `table.copy` does.
    ///
    /// # Errors
    ///
    /// If a range exceeds its table (nothing changes then), or the store is interrupted.
    ///
    /// # Safety
    ///
    /// The element type of `from` matches that of `to`.
    pub unsafe fn copy_elements(
        &mut self,
        to: TableId,
        from: TableId,
        dst: u64,
        src: u64,
        len: u64,
    ) -> Result<(), TrapCode> {
        self.table_copy(to, from, dst, src, len)
    }

    /// The instruction `table.copy`; errors as [`memory_copy`](Self::memory_copy)'s.
    pub(crate) fn table_copy(
        &mut self,
        to: TableId,
        from: TableId,
        dst: u64,
        src: u64,
        len: u64,
    ) -> Result<(), TrapCode> {
        let src = self.table_range(from, src, len)?.start;
        let dst = self.table_range(to, dst, len)?.start;
        let order = copy_order(dst, src);
        self.in_parts(len as usize, WORD, order, |store, start, count| {
            let source = src + start..src + start + count;
            let target = dst + start;
            if to == from {
                let table = &mut store.tables[to.index()];
                let elements = table.elements_mut().map_err(refused)?;
                elements.copy_within(source, target);
                return Ok(());
            }
            let [to, from] = store
                .tables
                .get_disjoint_mut([to.index(), from.index()])
                .expect("two tables of this store");
            let from = &from.elements().map_err(refused)?[source];
            to.elements_mut().map_err(refused)?[target..target + count].copy_from_slice(from);
            Ok(())
        })
    }

    /// The instruction `table.init`; errors as [`memory_copy`](Self::memory_copy)'s.
    pub(crate) fn table_init(
        &mut self,
        table: TableId,
        instance: &Instance,
        segment: ElemIndex,
        dst: u64,
        src: u64,
        len: u64,
    ) -> Result<(), TrapCode> {
        let source = instance.element_range(segment, src, len)?;
        let target = self.table_range(table, dst, len)?.start;
        let order = Order::Forward;
        self.in_parts(source.len(), WORD, order, |store, start, count| {
            let source = source.start + start..source.start + start + count;
            let words = instance.elements(store, segment, source);
            let table = &mut store.tables[table.index()];
            let elements = table.elements_mut().map_err(refused)?;
            for (element, word) in elements[target + start..].iter_mut().zip(words) {
                *element = word as usize;
            }
            Ok(())
        })
    }

    /// A range of elements, if it is within the table.
    fn table_range(&self, table: TableId, start: u64, len: u64) -> Result<Range<usize>, TrapCode> {
        let size = self.tables[table.index()].len();
        checked_range(start, len, size, TrapCode::TableOutOfBounds)
    }
}

/// The trap where the system refuses memory for elements.
#[cold]
fn refused(error: RuntimeError) -> TrapCode {
    log::error!("a table's elements can't be had: {error}");
    TrapCode::OutOfMemory
}
