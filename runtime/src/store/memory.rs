//! Linear memories: reserved once, committed as they grow, never moved.

use std::ops::Range;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use upshift_abi::plan::MemoryStyle;
use upshift_abi::vmctx::VmMemory;
use upshift_abi::{MemoryType, Sharing, TrapCode};

use super::instance_space::InstanceSpace;
use super::limiter::{Patience, Resource};
use super::{MemoryId, Order, Store, checked_range, copy_order};
use crate::error::{Error, RuntimeError};
use crate::image::MemoryImage;
use crate::shared_memory::SharedMemory;
use crate::space::{growth, reserve_memory};
use crate::sys::{self, Reservation};

/// A memory of a store.
pub(super) struct MemoryEntry {
    style: MemoryStyle,
    /// The memory's description: in the context of the instance that defines it, or in what
    /// `space` owns.
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
    /// In an object that other stores may use at the same time.
    Shared(SharedMemory),
}

const PRIVATE: &str = "only a private memory's bytes can be borrowed";

impl MemoryEntry {
    /// Creates a memory in an instance's space, from the offset on; its minimum is committed.
    pub fn in_instance(
        style: MemoryStyle,
        vm: *mut VmMemory,
        space: &InstanceSpace,
        offset: usize,
    ) -> Result<Self, Error> {
        let mut entry = Self {
            style,
            vm,
            space: MemorySpace::Instance {
                base: space.base().wrapping_add(offset),
                reserved: space.len() - offset,
                space: &raw const **space,
                offset,
            },
        };
        if space.is_prepared() {
            let len = AtomicUsize::new(style.bytes(style.ty().limits.min) as usize);
            let base = entry.base();
            // SAFETY: as in `commit_minimum`.
            unsafe { vm.write(VmMemory { base, len }) };
        } else {
            entry.commit_minimum()?;
        }
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
                len: AtomicUsize::new(0),
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

    /// Makes a shared memory one of the store's.
    pub fn shared(memory: &SharedMemory) -> Self {
        Self {
            style: memory.style(),
            vm: memory.vm().cast_mut(),
            space: MemorySpace::Shared(memory.clone()),
        }
    }

    fn commit_minimum(&mut self) -> Result<(), Error> {
        // SAFETY: `vm` is ours to fill; no other code knows this memory yet.
        unsafe {
            self.vm.write(VmMemory {
                base: self.base(),
                len: AtomicUsize::new(0),
            });
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
            MemorySpace::Shared(memory) => memory.base(),
        }
    }

    /// The bytes of address space from the first byte on.
    fn reserved(&self) -> usize {
        match &self.space {
            MemorySpace::Instance { reserved, .. } => *reserved,
            MemorySpace::Own { space, guard, .. } => space.len() - guard,
            MemorySpace::Shared(memory) => memory.reserved(),
        }
    }

    fn contains(&self, addr: usize) -> bool {
        addr.wrapping_sub(self.base() as usize) < self.reserved()
    }

    fn len(&self) -> usize {
        // SAFETY: `vm` lives as long as the entry.
        unsafe { (*self.vm).len.load(Ordering::Acquire) }
    }

    fn pages(&self) -> u64 {
        self.style.pages(self.len() as u64)
    }

    /// Grows a private memory by pages; returns the previous size, or `None` beyond the maximum or
    /// what is reserved.
    fn grow(&mut self, delta: u64) -> Result<Option<u64>, RuntimeError> {
        let previous = self.pages();
        let Some(growth) = growth(&self.style, self.reserved(), self.len(), delta) else {
            return Ok(None);
        };
        match &self.space {
            MemorySpace::Instance { space, offset, .. } => {
                // SAFETY: the instance's allocation lives as long as the store, which owns this
                // entry.
                let space = unsafe { &**space };
                space.make_writable(offset + growth.accessible, growth.added)?;
            }
            MemorySpace::Own { space, guard, .. } => {
                space.make_writable(guard + growth.accessible, growth.added)?;
            }
            MemorySpace::Shared(_) => {
                unreachable!("a shared memory grows by the lock that the limiter was asked under")
            }
        }
        // SAFETY: as in `len`.
        unsafe { (*self.vm).len.store(growth.len, Ordering::Release) };
        Ok(Some(previous))
    }

    /// The shared memory, if it is one.
    fn as_shared(&self) -> Option<&SharedMemory> {
        match &self.space {
            MemorySpace::Shared(memory) => Some(memory),
            MemorySpace::Instance { .. } | MemorySpace::Own { .. } => None,
        }
    }

    fn bytes(&self) -> &[u8] {
        assert!(self.as_shared().is_none(), "{PRIVATE}");
        // SAFETY: `len` bytes are committed; generated code of this store, the only other writer,
        // is not running while the host borrows the store.
        unsafe { std::slice::from_raw_parts(self.base(), self.len()) }
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        assert!(self.as_shared().is_none(), "{PRIVATE}");
        // SAFETY: as in `bytes`.
        unsafe { std::slice::from_raw_parts_mut(self.base(), self.len()) }
    }

    /// The range of `len` bytes from `start` on, if it is in the memory.
    fn range(&self, start: u64, len: u64) -> Result<Range<usize>, TrapCode> {
        checked_range(start, len, self.len(), TrapCode::MemoryOutOfBounds)
    }
}

impl Store {
    /// Creates a memory that belongs to the host.
    ///
    /// # Errors
    ///
    /// If the system or the store's limiter refuses the memory.
    ///
    /// # Panics
    ///
    /// If the type is that of a shared memory, which no store owns.
    pub fn new_memory(&mut self, ty: MemoryType) -> Result<MemoryId, Error> {
        assert_eq!(ty.sharing, Sharing::Private, "{PRIVATE}");
        self.admit(0, 1, 0)?;
        let style = MemoryStyle::new(ty, &self.runtime.config().memory);
        self.admit_memory(&style)?;
        let entry = MemoryEntry::apart(style, ptr::null_mut())?;
        Ok(self.add_memory(entry))
    }

    /// Creates a shared memory that this store uses from the start, as one of its memories.
    ///
    /// # Errors
    ///
    /// If the system or the store's limiter refuses the memory.
    ///
    /// # Panics
    ///
    /// If the type is not that of a shared memory.
    pub fn new_shared_memory(&mut self, ty: MemoryType) -> Result<SharedMemory, Error> {
        self.admit(0, 1, 0)?;
        let style = MemoryStyle::new(ty, &self.runtime.config().memory);
        self.admit_memory(&style)?;
        let memory = SharedMemory::with_style(&self.runtime, style)?;
        self.add_memory(MemoryEntry::shared(&memory));
        Ok(memory)
    }

    /// The id of a shared memory in this store, which uses it from now on.
    ///
    /// # Panics
    ///
    /// If the memory was made for another runtime.
    pub fn use_shared_memory(&mut self, memory: &SharedMemory) -> MemoryId {
        assert!(
            Arc::ptr_eq(memory.runtime(), &self.runtime),
            "a shared memory was used with a store of another engine"
        );
        match self.shared_memories.get(&memory.vm().addr()) {
            Some(&known) => known,
            None => self.add_memory(MemoryEntry::shared(memory)),
        }
    }

    /// The shared memory with the id; `None` if the memory is private.
    pub fn shared_memory(&self, memory: MemoryId) -> Option<&SharedMemory> {
        self.memories[memory.index()].as_shared()
    }

    pub(super) fn add_memory(&mut self, entry: MemoryEntry) -> MemoryId {
        let id = MemoryId::new(self.memories.len());
        if let Some(memory) = entry.as_shared() {
            self.shared_memories.insert(memory.vm().addr(), id);
        }
        self.memories.push(entry);
        id
    }

    /// Removes all memories but so many of the first ones. Nothing may refer to the others.
    pub(super) fn truncate_memories(&mut self, count: usize) {
        self.shared_memories.retain(|_, id| id.index() < count);
        self.memories.truncate(count);
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
            MemorySpace::Shared(_) => unreachable!("a shared memory has no image"),
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

    /// The memory's size in bytes.
    pub fn memory_len(&self, memory: MemoryId) -> usize {
        self.memories[memory.index()].len()
    }

    /// The memory's bytes.
    ///
    /// # Panics
    ///
    /// If the memory is shared, as in the two methods below: its bytes can't be borrowed.
    pub fn memory_data(&self, memory: MemoryId) -> &[u8] {
        self.memories[memory.index()].bytes()
    }

    /// The memory's bytes, mutable.
    pub fn memory_data_mut(&mut self, memory: MemoryId) -> &mut [u8] {
        self.memories[memory.index()].bytes_mut()
    }

    /// The memory's bytes and the embedder's data, both mutable.
    pub fn memory_and_data_mut(&mut self, memory: MemoryId) -> (&mut [u8], &mut dyn std::any::Any) {
        (self.memories[memory.index()].bytes_mut(), &mut *self.data)
    }

    /// Grows the memory by pages; returns the previous size in pages, or `None` if the maximum, the
    /// limiter or the system forbids it.
    ///
    /// # Errors
    ///
    /// The limiter's error.
    pub fn memory_grow(&mut self, memory: MemoryId, delta: u64) -> anyhow::Result<Option<u64>> {
        if delta == 0 {
            return Ok(Some(self.memory_pages(memory)));
        }
        // What the limiter allows must be what happens, so no other thread grows meanwhile.
        let shared = self.shared_memory(memory).cloned();
        let growing = shared.as_ref().map(SharedMemory::growing);
        let entry = &self.memories[memory.index()];
        let (current, style) = (entry.pages(), entry.style);
        let desired = style.bytes(current.saturating_add(delta));
        let bytes = style.bytes(current);
        let patience = match growing {
            Some(_) => Patience::Hurries,
            None => Patience::Waits,
        };
        let maximum = style.max_bytes();
        if !self.may_grow_with(patience, Resource::Memory, bytes, desired, maximum)? {
            return Ok(None);
        }
        let grown = match growing {
            Some(growing) => growing.grow(delta),
            None => self.memories[memory.index()].grow(delta),
        };
        let error = match grown {
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
        let (target, source) = (&self.memories[to.index()], &self.memories[from.index()]);
        let (src, dst) = (source.range(src, len)?, target.range(dst, len)?);
        let order = match to == from {
            true => copy_order(dst.start, src.start),
            false => Order::Forward,
        };
        let target = target.base().wrapping_add(dst.start);
        let source = source.base().wrapping_add(src.start);
        self.in_parts(len as usize, 1, order, |_, start, count| {
            let (source, target) = (source.wrapping_add(start), target.wrapping_add(start));
            // SAFETY: both ranges are in memories of the store, which never move or shrink, and no
            // reference to their bytes exists while the store is borrowed.
            unsafe { sys::copy_racing(source, target, count) };
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
        let memory = &self.memories[memory.index()];
        let range = memory.range(dst, len)?;
        let target = memory.base().wrapping_add(range.start);
        self.in_parts(range.len(), 1, Order::Forward, |_, start, count| {
            // SAFETY: as in `memory_copy`.
            unsafe { sys::fill_racing(target.wrapping_add(start), value, count) };
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
        let source = checked_range(src, len, data.len(), TrapCode::MemoryOutOfBounds)?;
        let source = &data[source];
        let memory = &self.memories[memory.index()];
        let target = memory.range(dst, len)?.start;
        let target = memory.base().wrapping_add(target);
        self.in_parts(source.len(), 1, Order::Forward, |_, start, count| {
            let source = &source[start..start + count];
            // SAFETY: as in `memory_copy`; the segment is not in a memory.
            unsafe {
                sys::copy_racing(source.as_ptr(), target.wrapping_add(start), count);
            }
            Ok(())
        })
    }
}
