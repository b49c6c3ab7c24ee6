//! Linear memories that several threads access at the same time.

use std::cell::UnsafeCell;
use std::time::Duration;

pub use upshift_runtime::WaitResult;

use upshift_runtime::{SharedMemory as RawSharedMemory, WaitLimit};

use crate::error::public;
use crate::val::raw_mut;
use crate::{AsContextMut, Engine, MemoryAccessError, MemoryType, Result, Trap};

/// A linear memory that instances on several threads access at the same time, each in a store of
/// its own.
///
/// It belongs to no store: a cheap clone, [`Send`] and [`Sync`]. The memory exists until its last
/// clone and the last store that uses it are dropped. Instances import it, where the module
/// declares a `shared` memory, or define one themselves, which
/// [`get_shared_memory`](crate::Instance::get_shared_memory) returns.
///
/// Creating one reserves address space for the type's maximum; pages are populated when first
/// accessed. Neither growing nor an access moves the bytes.
///
/// ```
/// use std::thread;
/// use upshift::{Engine, MemoryType, SharedMemory};
///
/// let memory = SharedMemory::new(&Engine::default(), MemoryType::shared(1, 2))?;
/// thread::scope(|scope| {
///     scope.spawn(|| memory.write(0, b"from another thread"));
/// });
/// let mut bytes = [0; 4];
/// memory.read(0, &mut bytes)?;
/// assert_eq!(&bytes, b"from");
/// assert_eq!(memory.grow(1)?, 1);
/// # Ok::<(), upshift::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct SharedMemory(pub(crate) RawSharedMemory);

impl SharedMemory {
    /// Creates a zeroed memory of the type's minimum size.
    ///
    /// No store's limiter is asked.
    ///
    /// # Errors
    ///
    /// If the type is not that of a shared memory, its limits are contradictory or without a
    /// maximum, or the system refuses the address space.
    pub fn new(engine: &Engine, ty: MemoryType) -> Result<Self> {
        anyhow::ensure!(
            ty.is_shared(),
            "a memory of a type that is not `shared` is made by `Memory::new`"
        );
        ty.check()?;
        RawSharedMemory::new(engine.runtime(), ty.0)
            .map(Self)
            .map_err(public)
    }

    /// Creates a memory like [`new`](Self::new) for imports of a store's instances: it is one of
    /// the store's memories, and its limiter is asked.
    pub(crate) fn new_in(mut store: impl AsContextMut, ty: MemoryType) -> Result<Self> {
        ty.check()?;
        let memory = raw_mut(&mut store).new_shared_memory(ty.0);
        memory.map(Self).map_err(public)
    }

    /// The type that the memory was created with.
    pub fn ty(&self) -> MemoryType {
        MemoryType(self.0.ty())
    }

    /// The number of bytes of a page.
    pub fn page_size(&self) -> u64 {
        self.ty().page_size()
    }

    /// The base-2 logarithm of the number of bytes of a page.
    pub fn page_size_log2(&self) -> u8 {
        self.ty().page_size_log2()
    }

    /// The size in pages at this moment. It may grow meanwhile, and never decreases.
    pub fn size(&self) -> u64 {
        self.0.pages()
    }

    /// The size in bytes at this moment.
    pub fn data_size(&self) -> usize {
        self.0.len()
    }

    /// The memory's bytes, as many as there are at this moment.
    ///
    /// Guests write them at any time, so they are cells, which safe code can't read or write: an
    /// embedder that does so by unsafe code needs atomic accesses. [`read`](Self::read) and
    /// [`write`](Self::write) copy bytes.
    pub fn data(&self) -> &[UnsafeCell<u8>] {
        self.0.data()
    }

    /// Copies bytes from the memory at `offset` to `buffer`.
    ///
    /// The copy is not atomic: of bytes that other threads write meanwhile, some may be old and
    /// some new.
    ///
    /// # Errors
    ///
    /// If the range exceeds the memory; nothing is copied then.
    pub fn read(&self, offset: usize, buffer: &mut [u8]) -> Result<(), MemoryAccessError> {
        self.0.read(offset, buffer).map_err(MemoryAccessError::from)
    }

    /// Copies bytes from `buffer` to the memory at `offset`. The copy is not atomic.
    ///
    /// # Errors
    ///
    /// If the range exceeds the memory; nothing is copied then.
    pub fn write(&self, offset: usize, buffer: &[u8]) -> Result<(), MemoryAccessError> {
        self.0
            .write(offset, buffer)
            .map_err(MemoryAccessError::from)
    }

    /// Grows by `delta` pages and returns the size before. Waits while another thread grows the
    /// memory. No store's limiter is asked: it is the guest's `memory.grow` that asks the one of
    /// its store.
    ///
    /// # Errors
    ///
    /// If the maximum would be exceeded, or, where indexes have 32 bits, 4 GiB less 64 KiB; or if
    /// the system refuses; nothing changes then.
    pub fn grow(&self, delta: u64) -> Result<u64> {
        let grown = self.0.grow(delta)?;
        grown.ok_or_else(|| anyhow::anyhow!("failed to grow memory by {delta} pages"))
    }

    /// What the instruction `memory.atomic.wait32` does: if the four bytes at the address contain
    /// `expected`, waits until another thread notifies that address, or the time is over; without a
    /// timeout, that is never.
    ///
    /// The wait belongs to no store, so no store's interruption ends it.
    ///
    /// # Errors
    ///
    /// [`Trap::UnalignedAtomic`] if the address is no multiple of four,
    /// [`Trap::MemoryOutOfBounds`] if the bytes are not in the memory.
    pub fn atomic_wait32(
        &self,
        addr: u64,
        expected: u32,
        timeout: Option<Duration>,
    ) -> Result<WaitResult, Trap> {
        self.0.wait32(addr, expected, &limit(timeout), None)
    }

    /// What the instruction `memory.atomic.wait64` does: like
    /// [`atomic_wait32`](Self::atomic_wait32) with eight bytes.
    ///
    /// # Errors
    ///
    /// As those of `atomic_wait32`, for a multiple of eight.
    pub fn atomic_wait64(
        &self,
        addr: u64,
        expected: u64,
        timeout: Option<Duration>,
    ) -> Result<WaitResult, Trap> {
        self.0.wait64(addr, expected, &limit(timeout), None)
    }

    /// What the instruction `memory.atomic.notify` does: wakes at most `count` threads that wait
    /// for the address, those first that have waited longest, and returns how many.
    ///
    /// # Errors
    ///
    /// As those of [`atomic_wait32`](Self::atomic_wait32).
    pub fn atomic_notify(&self, addr: u64, count: u32) -> Result<u32, Trap> {
        self.0.notify(addr, count)
    }
}

fn limit(timeout: Option<Duration>) -> WaitLimit<'static> {
    timeout.map_or(WaitLimit::None, WaitLimit::after)
}
