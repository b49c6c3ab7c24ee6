//! Linear memories: reserved once, committed as they grow, never moved.

use std::ptr;

use upshift_abi::plan::MemoryStyle;
use upshift_abi::vmctx::VmMemory;
use upshift_abi::{MemoryType, TrapCode};

use super::limiter::Resource;
use super::{CHUNK_BYTES, MemoryId, Order, Store, checked_range, copy_order};
use crate::error::{Error, RuntimeError};
use crate::image::MemoryImage;
use crate::space::reserve_memory;
use crate::sys::{PAGE, Reservation};

/// A memory of a store.
pub(super) struct MemoryEntry {
    style: MemoryStyle,
    /// The memory's description: in the context of the instance that defines it, or in `own`.
    vm: *mut VmMemory,
    /// The reservation that contains the memory, and its offset there.
    space: MemorySpace,
}

/// The address space of a memory.
pub(super) enum MemorySpace {
    /// Behind the context of an instance, whose allocation lives as long as the store.
    Instance {
        base: *mut u8,
        reserved: usize,
        space: *const Reservation,
        offset: usize,
    },
    /// In a reservation of its own, behind a guard.
    Own {
        space: Reservation,
        guard: usize,
        /// The structure that `vm` points to, unless it is in a context.
        _vm: Option<Box<VmMemory>>,
    },
}

impl MemoryEntry {
    /// Creates a memory in the reservation, from the offset on; its minimum is committed.
    pub fn in_instance(
        style: MemoryStyle,
        vm: *mut VmMemory,
        space: &Reservation,
        offset: usize,
    ) -> Result<Self, Error> {
        let mut entry = Self {
            style,
            vm,
            space: MemorySpace::Instance {
                base: space.base().wrapping_add(offset),
                reserved: space.len() - offset,
                space,
                offset,
            },
        };
        entry.commit_minimum()?;
        Ok(entry)
    }

    /// Creates a memory in a reservation of its own, described by `vm` or, if that is null, by a
    /// structure of its own; its minimum is committed.
    pub fn apart(style: MemoryStyle, vm: *mut VmMemory) -> Result<Self, Error> {
        let guard = style.guard_before() as usize;
        let space = reserve_memory(&style, guard)?;
        let mut own = vm.is_null().then(|| {
            Box::new(VmMemory {
                base: ptr::null_mut(),
                len: 0,
            })
        });
        let vm = own.as_deref_mut().map_or(vm, |own| &raw mut *own);
        let mut entry = Self {
            style,
            vm,
            space: MemorySpace::Own {
                space,
                guard,
                _vm: own,
            },
        };
        entry.commit_minimum()?;
        Ok(entry)
    }

    fn commit_minimum(&mut self) -> Result<(), Error> {
        // SAFETY: `vm` is ours to fill; no other code knows this memory yet.
        unsafe {
            (*self.vm).base = self.base();
            (*self.vm).len = 0;
        }
        let min = self.style.ty().limits.min;
        match self.grow(min) {
            Ok(Some(_)) => Ok(()),
            Ok(None) => Err(Error::Resource(format!(
                "a memory of {min} pages exceeds what this host provides"
            ))),
            Err(error) => Err(error.into()),
        }
    }

    fn base(&self) -> *mut u8 {
        match &self.space {
            MemorySpace::Instance { base, .. } => *base,
            MemorySpace::Own { space, guard, .. } => space.base().wrapping_add(*guard),
        }
    }

    fn reserved(&self) -> usize {
        match &self.space {
            MemorySpace::Instance { reserved, .. } => *reserved,
            MemorySpace::Own { space, guard, .. } => space.len() - guard,
        }
    }

    /// The bytes of address space from its first byte on that it can grow to.
    fn room(&self) -> usize {
        self.reserved() - self.style.guard_after() as usize
    }

    fn contains(&self, addr: usize) -> bool {
        addr.wrapping_sub(self.base() as usize) < self.reserved()
    }

    fn len(&self) -> usize {
        // SAFETY: `vm` lives as long as the entry, and only the store's thread changes it.
        unsafe { (*self.vm).len }
    }

    fn pages(&self) -> u64 {
        self.style.pages(self.len() as u64)
    }

    /// Grows by pages; returns the previous size, or `None` beyond the maximum or what is reserved.
    fn grow(&mut self, delta: u64) -> Result<Option<u64>, RuntimeError> {
        let previous = self.pages();
        let max = self.style.max_pages();
        let max = max.min(self.style.pages(self.room() as u64));
        let Some(pages) = previous.checked_add(delta).filter(|&pages| pages <= max) else {
            return Ok(None);
        };
        let new = self.style.bytes(pages) as usize;
        // Pages of the memory can be smaller than the system's: what is accessible behind the
        // memory's end contains zeros, as every access is checked.
        let accessible = self.len().next_multiple_of(PAGE);
        let added = new.next_multiple_of(PAGE) - accessible;
        match &self.space {
            MemorySpace::Instance { space, offset, .. } => {
                // SAFETY: the instance's allocation lives as long as the store, which owns this
                // entry.
                let space = unsafe { &**space };
                space.make_writable(offset + accessible, added)?;
            }
            MemorySpace::Own { space, guard, .. } => {
                space.make_writable(guard + accessible, added)?;
            }
        }
        // SAFETY: as in `len`.
        unsafe { (*self.vm).len = new };
        Ok(Some(previous))
    }

    fn bytes(&self) -> &[u8] {
        // SAFETY: `len` bytes are committed; generated code, the only other writer, is not running
        // while the host borrows the store.
        unsafe { std::slice::from_raw_parts(self.base(), self.len()) }
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `bytes`.
        unsafe { std::slice::from_raw_parts_mut(self.base(), self.len()) }
    }
}

impl Store {
    /// Creates a memory that belongs to the host.
    ///
    /// # Errors
    ///
    /// If the system or the store's limiter refuses the memory.
    pub fn new_memory(&mut self, ty: MemoryType) -> Result<MemoryId, Error> {
        self.admit(0, 1, 0)?;
        let style = MemoryStyle::new(ty, &self.runtime.config().memory);
        self.admit_memory(&style)?;
        let entry = MemoryEntry::apart(style, ptr::null_mut())?;
        Ok(self.add_memory(entry))
    }

    pub(super) fn add_memory(&mut self, entry: MemoryEntry) -> MemoryId {
        self.memories.push(entry);
        MemoryId::new(self.memories.len() - 1)
    }

    /// Maps an image over a memory that was just created and not written to.
    pub(super) fn map_image(
        &mut self,
        memory: MemoryId,
        image: &MemoryImage,
    ) -> Result<(), RuntimeError> {
        match &self.memories[memory.index()].space {
            // SAFETY: as in `grow`.
            MemorySpace::Instance { space, offset, .. } => unsafe { image.map(&**space, *offset) },
            MemorySpace::Own { space, guard, .. } => image.map(space, *guard),
        }
    }

    pub(super) fn vm_memory(&self, memory: MemoryId) -> *mut VmMemory {
        self.memories[memory.index()].vm
    }

    /// Whether the address is in a memory of this store or its guard. May be called in a signal
    /// handler while generated code was running.
    pub(crate) fn memory_contains(&self, addr: usize) -> bool {
        self.memories.iter().any(|memory| memory.contains(addr))
    }

    /// The memory's declared type.
    pub fn memory_type(&self, memory: MemoryId) -> MemoryType {
        self.memories[memory.index()].style.ty()
    }

    /// The memory's size in pages.
    pub fn memory_pages(&self, memory: MemoryId) -> u64 {
        self.memories[memory.index()].pages()
    }

    /// The memory's bytes.
    pub fn memory_data(&self, memory: MemoryId) -> &[u8] {
        self.memories[memory.index()].bytes()
    }

    /// The memory's bytes, mutable.
    pub fn memory_data_mut(&mut self, memory: MemoryId) -> &mut [u8] {
        self.memories[memory.index()].bytes_mut()
    }

    /// The memory's bytes and the embedder's data, both mutable.
    pub fn memory_and_data_mut(
        &mut self,
        memory: MemoryId,
    ) -> (&mut [u8], &mut (dyn std::any::Any + Send)) {
        (self.memories[memory.index()].bytes_mut(), &mut *self.data)
    }

    /// Grows the memory by pages; returns the previous size in pages, or `None` if the maximum, the
    /// limiter or the system forbids it.
    ///
    /// # Errors
    ///
    /// The limiter's error.
    pub fn memory_grow(&mut self, memory: MemoryId, delta: u64) -> anyhow::Result<Option<u64>> {
        let entry = &self.memories[memory.index()];
        let (current, style) = (entry.pages(), entry.style);
        if delta == 0 {
            return Ok(Some(current));
        }
        let desired = style.bytes(current.saturating_add(delta));
        let bytes = style.bytes(current);
        if !self.may_grow(Resource::Memory, bytes, desired, style.max_bytes())? {
            return Ok(None);
        }
        let error = match self.memories[memory.index()].grow(delta) {
            Ok(Some(previous)) => return Ok(Some(previous)),
            Ok(None) => anyhow::anyhow!(
                "a memory of {current} pages can't grow by {delta}: that exceeds its maximum"
            ),
            Err(error) => error.into(),
        };
        self.grow_failed(Resource::Memory, error)?;
        Ok(None)
    }

    /// The instruction `memory.copy`.
    ///
    /// # Errors
    ///
    /// As for all bulk operations: the trap for a range out of bounds, before anything is written;
    /// or [`TrapCode::Interrupt`], when a part is done.
    pub(crate) fn memory_copy(
        &mut self,
        to: MemoryId,
        from: MemoryId,
        dst: u64,
        src: u64,
        len: u64,
    ) -> Result<(), TrapCode> {
        let trap = TrapCode::MemoryOutOfBounds;
        if to == from && len <= CHUNK_BYTES as u64 {
            let data = self.memory_data_mut(to);
            let src = checked_range(src, len, data.len(), trap)?;
            let dst = checked_range(dst, len, data.len(), trap)?;
            data.copy_within(src, dst.start);
            return self.check_interruption();
        }
        let src = checked_range(src, len, self.memory_data(from).len(), trap)?;
        let dst = checked_range(dst, len, self.memory_data(to).len(), trap)?;
        let order = copy_order(dst.start, src.start);
        let (dst, src) = (dst.start, src.start);
        self.in_parts(len as usize, 1, order, |store, start, count| {
            let source = src + start..src + start + count;
            let target = dst + start;
            if to == from {
                store.memory_data_mut(to).copy_within(source, target);
                return Ok(());
            }
            let source = store.memory_data(from)[source].as_ptr();
            let target = store.memory_data_mut(to)[target..target + count].as_mut_ptr();
            // SAFETY: both ranges were checked, and different memories don't overlap.
            unsafe { ptr::copy_nonoverlapping(source, target, count) };
            Ok(())
        })
    }

    /// The instruction `memory.fill`; errors as [`memory_copy`](Self::memory_copy)'s.
    pub(crate) fn memory_fill(
        &mut self,
        memory: MemoryId,
        dst: u64,
        value: u8,
        len: u64,
    ) -> Result<(), TrapCode> {
        let data = self.memory_data_mut(memory);
        let range = checked_range(dst, len, data.len(), TrapCode::MemoryOutOfBounds)?;
        if range.len() <= CHUNK_BYTES {
            data[range].fill(value);
            return self.check_interruption();
        }
        self.in_parts(range.len(), 1, Order::Forward, |store, start, count| {
            let start = range.start + start;
            store.memory_data_mut(memory)[start..start + count].fill(value);
            Ok(())
        })
    }

    /// The instruction `memory.init`, with the bytes of the segment; errors as
    /// [`memory_copy`](Self::memory_copy)'s.
    pub(crate) fn memory_init(
        &mut self,
        memory: MemoryId,
        data: &[u8],
        dst: u64,
        src: u64,
        len: u64,
    ) -> Result<(), TrapCode> {
        let trap = TrapCode::MemoryOutOfBounds;
        let source = &data[checked_range(src, len, data.len(), trap)?];
        let dst = checked_range(dst, len, self.memory_data(memory).len(), trap)?.start;
        self.in_parts(source.len(), 1, Order::Forward, |store, start, count| {
            let target = &mut store.memory_data_mut(memory)[dst + start..dst + start + count];
            target.copy_from_slice(&source[start..start + count]);
            Ok(())
        })
    }
}
