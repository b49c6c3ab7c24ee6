//! Shared memories: linear memories that threads access at the same time, each through a store of
//! its own.
//!
//! A shared memory is an object that no store owns. Every store that uses it, and every handle of
//! the embedder, holds it, so it is freed with its last user and never under another one. Its
//! [`VmMemory`] lies in the object, and contexts lead to it by a pointer, also that of the instance
//! which defines it. The address space for all that it can grow to is reserved at once, so neither
//! its base nor that structure ever moves.
//!
//! # No Rust reference to its bytes
//!
//! Generated code of other threads may write any byte at any time, so a `&[u8]` or `&mut [u8]` to
//! them is never formed. The runtime copies bytes with [`sys::copy_racing`] and
//! [`sys::fill_racing`], and the embedder gets cells ([`SharedMemory::data`]).

use std::cell::UnsafeCell;
use std::fmt;
use std::slice;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use upshift_abi::plan::MemoryStyle;
use upshift_abi::vmctx::VmMemory;
use upshift_abi::{MemoryType, Sharing, TrapCode};

use crate::error::{Error, RuntimeError};
use crate::interrupt::Interruption;
use crate::parking::{Limit, ParkingLot, WaitResult};
use crate::range::checked_range;
use crate::runtime::Runtime;
use crate::space::{growth, reserve_memory};
use crate::sys::{self, Reservation};

/// A shared memory. A cheap clone, which any thread may use and keep.
#[derive(Clone)]
pub struct SharedMemory {
    inner: Arc<Inner>,
}

struct Inner {
    runtime: Arc<Runtime>,
    style: MemoryStyle,
    /// What contexts lead to. Its length has its protocol at the field.
    vm: VmMemory,
    space: Reservation,
    /// Locked while the memory grows, from before the limiter is asked: what it allows is what
    /// happens. Neither a length is read nor a byte accessed under it.
    growth: Mutex<()>,
    /// The threads that wait for addresses of this memory.
    waiting: ParkingLot,
}

// SAFETY: `vm.base` leads to the reservation, which the object owns; all accesses through it are
// those of generated code or of the functions in `sys` for bytes that threads share. The length is
// atomic.
unsafe impl Send for Inner {}
// SAFETY: as above.
unsafe impl Sync for Inner {}

/// The exclusive right to grow a shared memory.
pub(crate) struct Growing<'a> {
    memory: &'a Inner,
    _lock: MutexGuard<'a, ()>,
}

/// Bytes beyond a memory's length were to be accessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfBounds;

impl SharedMemory {
    /// Creates a zeroed shared memory of the type's minimum size, for all stores of the runtime.
    /// Address space is reserved for its maximum.
    ///
    /// # Errors
    ///
    /// If the system refuses address space or memory.
    ///
    /// # Panics
    ///
    /// If the type is not that of a shared memory.
    pub fn new(runtime: &Arc<Runtime>, ty: MemoryType) -> Result<Self, Error> {
        let style = MemoryStyle::new(ty, &runtime.config().memory);
        Self::with_style(runtime, style)
    }

    /// Creates a memory like [`new`](Self::new), as it was planned for the runtime.
    pub(crate) fn with_style(runtime: &Arc<Runtime>, style: MemoryStyle) -> Result<Self, Error> {
        let ty = style.ty();
        assert_eq!(ty.sharing, Sharing::Shared, "a private memory has a store");
        let guard = style.guard_before() as usize;
        let space = reserve_memory(&style, guard)?;
        let inner = Inner {
            runtime: runtime.clone(),
            style,
            vm: VmMemory {
                base: space.base().wrapping_add(guard),
                len: AtomicUsize::new(0),
            },
            space,
            growth: Mutex::new(()),
            waiting: ParkingLot::default(),
        };
        let min = ty.limits.min;
        if inner.grow(min)?.is_none() {
            return Err(Error::Resource(format!(
                "a shared memory of {min} pages exceeds what this host provides"
            )));
        }
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// The runtime whose stores can use the memory.
    pub fn runtime(&self) -> &Arc<Runtime> {
        &self.inner.runtime
    }

    /// The declared type.
    pub fn ty(&self) -> MemoryType {
        self.inner.style.ty()
    }

    /// The size in bytes at this moment; it never decreases. What was written by the thread that
    /// grew the memory before it did is visible.
    pub fn len(&self) -> usize {
        self.inner.len()
    }

    /// Whether the memory has no bytes at this moment.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The size in pages at this moment.
    pub fn pages(&self) -> u64 {
        self.inner.style.pages(self.len() as u64)
    }

    /// Grows by pages; returns the previous size in pages, or `None` beyond the maximum or what is
    /// reserved. No limiter is asked. Waits while another thread grows the memory.
    ///
    /// # Errors
    ///
    /// If the system refuses memory.
    pub fn grow(&self, delta: u64) -> Result<Option<u64>, RuntimeError> {
        self.growing().grow(delta)
    }

    /// Waits until no other thread is growing the memory, and keeps them from it.
    pub(crate) fn growing(&self) -> Growing<'_> {
        Growing {
            memory: &self.inner,
            // A limiter that has panicked under the lock leaves nothing half done.
            _lock: (self.inner.growth.lock()).unwrap_or_else(PoisonError::into_inner),
        }
    }

    /// The bytes, which other threads may be accessing. The slice ends where the memory ended when
    /// it was made.
    pub fn data(&self) -> &[UnsafeCell<u8>] {
        let base: *const UnsafeCell<u8> = self.inner.vm.base.cast();
        // SAFETY: as many bytes are accessible, and stay so as long as the object, which `self`
        // holds. A reference to cells does not say that nothing else changes what is in them.
        unsafe { slice::from_raw_parts(base, self.len()) }
    }

    /// Copies bytes out of the memory. Of those that other threads write meanwhile, each is the old
    /// or the new one.
    ///
    /// # Errors
    ///
    /// If the range exceeds the memory; nothing is copied then.
    pub fn read(&self, offset: usize, buffer: &mut [u8]) -> Result<(), OutOfBounds> {
        let source = self.inner.at(offset, buffer.len())?;
        // SAFETY: the range is in the memory, and the buffer, a reference, is not.
        unsafe { sys::copy_racing(source, buffer.as_mut_ptr(), buffer.len()) };
        Ok(())
    }

    /// Copies bytes into the memory. Threads that read them meanwhile see old and new ones.
    ///
    /// # Errors
    ///
    /// If the range exceeds the memory; nothing is copied then.
    pub fn write(&self, offset: usize, bytes: &[u8]) -> Result<(), OutOfBounds> {
        let target = self.inner.at(offset, bytes.len())?;
        // SAFETY: the range is in the memory, and the bytes, behind a reference, are not.
        unsafe { sys::copy_racing(bytes.as_ptr(), target, bytes.len()) };
        Ok(())
    }

    /// Waits while the four bytes at the address contain the value: until another thread notifies
    /// this one, the time is over, or a store is interrupted.
    ///
    /// # Errors
    ///
    /// The trap for an address that is not aligned or out of bounds, or for the interruption.
    pub fn wait32(
        &self,
        address: u64,
        expected: u32,
        limit: &Limit<'_>,
        interruption: Option<&Interruption>,
    ) -> Result<WaitResult, TrapCode> {
        let place = self.inner.atomic(address, size_of::<u32>())?;
        // SAFETY: aligned, and in the memory, which `self` holds; other accesses of these bytes are
        // atomic or those of machine code.
        let word = unsafe { AtomicU32::from_ptr(place.cast()) };
        let is_expected = || word.load(Ordering::SeqCst) == expected;
        self.wait(address, is_expected, limit, interruption)
    }

    /// Waits like [`wait32`](Self::wait32), while eight bytes contain the value.
    ///
    /// # Errors
    ///
    /// As those of `wait32`.
    pub fn wait64(
        &self,
        address: u64,
        expected: u64,
        limit: &Limit<'_>,
        interruption: Option<&Interruption>,
    ) -> Result<WaitResult, TrapCode> {
        let place = self.inner.atomic(address, size_of::<u64>())?;
        // SAFETY: as in `wait32`.
        let word = unsafe { AtomicU64::from_ptr(place.cast()) };
        let is_expected = || word.load(Ordering::SeqCst) == expected;
        self.wait(address, is_expected, limit, interruption)
    }

    fn wait(
        &self,
        address: u64,
        is_expected: impl FnOnce() -> bool,
        limit: &Limit<'_>,
        interruption: Option<&Interruption>,
    ) -> Result<WaitResult, TrapCode> {
        let _registered = interruption.map(Interruption::park);
        let stop = || interruption.is_some_and(Interruption::is_pending);
        let waiting = &self.inner.waiting;
        let result = waiting.wait(address, is_expected, limit, stop);
        result.map_err(|_| TrapCode::Interrupt)
    }

    /// Wakes at most `count` threads that wait for the address, those that have waited longest, and
    /// returns how many.
    ///
    /// # Errors
    ///
    /// The trap for an address that is not one of four aligned bytes in the memory.
    pub fn notify(&self, address: u64, count: u32) -> Result<u32, TrapCode> {
        self.inner.atomic(address, size_of::<u32>())?;
        Ok(self.inner.waiting.notify(address, count))
    }

    /// The style that the memory was made with.
    pub(crate) fn style(&self) -> MemoryStyle {
        self.inner.style
    }

    /// The structure that contexts lead to. It lives as long as the object.
    pub(crate) fn vm(&self) -> *const VmMemory {
        &raw const self.inner.vm
    }

    /// The first byte's address.
    pub(crate) fn base(&self) -> *mut u8 {
        self.inner.vm.base
    }

    /// The bytes of address space from the first byte on: what accesses of generated code can lead
    /// to.
    pub(crate) fn reserved(&self) -> usize {
        self.inner.reserved()
    }
}

impl Inner {
    fn len(&self) -> usize {
        self.vm.len.load(Ordering::Acquire)
    }

    /// The bytes of address space from the first byte on.
    fn reserved(&self) -> usize {
        self.space.len() - self.style.guard_before() as usize
    }

    /// Grows by pages: by the thread that holds the lock, or that has not shared the object yet.
    fn grow(&self, delta: u64) -> Result<Option<u64>, RuntimeError> {
        let len = self.vm.len.load(Ordering::Relaxed);
        let Some(growth) = growth(&self.style, self.reserved(), len, delta) else {
            return Ok(None);
        };
        let start = self.style.guard_before() as usize + growth.accessible;
        self.space.make_writable(start, growth.added)?;
        self.vm.len.store(growth.len, Ordering::Release);
        Ok(Some(self.style.pages(len as u64)))
    }

    /// The address of that many bytes, if it is aligned and they are in the memory.
    fn atomic(&self, address: u64, size: usize) -> Result<*mut u8, TrapCode> {
        let offset = atomic_offset((address, 0), size, self.len())?;
        Ok(self.vm.base.wrapping_add(offset))
    }

    /// The address of a range, if it is in the memory.
    fn at(&self, offset: usize, len: usize) -> Result<*mut u8, OutOfBounds> {
        let end = offset.checked_add(len).ok_or(OutOfBounds)?;
        if end > self.len() {
            return Err(OutOfBounds);
        }
        Ok(self.vm.base.wrapping_add(offset))
    }
}

/// The offset of so many bytes at the sum of two numbers, if it is aligned, which is checked first,
/// and they are in a memory of that length.
pub(crate) fn atomic_offset(
    (base, offset): (u64, u64),
    size: usize,
    len: usize,
) -> Result<usize, TrapCode> {
    if !base.wrapping_add(offset).is_multiple_of(size as u64) {
        return Err(TrapCode::UnalignedAtomic);
    }
    let offset = base
        .checked_add(offset)
        .ok_or(TrapCode::MemoryOutOfBounds)?;
    checked_range(offset, size as u64, len, TrapCode::MemoryOutOfBounds).map(|range| range.start)
}

impl Growing<'_> {
    /// Grows like [`SharedMemory::grow`].
    pub fn grow(&self, delta: u64) -> Result<Option<u64>, RuntimeError> {
        self.memory.grow(delta)
    }
}

impl fmt::Debug for SharedMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedMemory")
            .field("ty", &self.ty())
            .field("pages", &self.pages())
            .finish_non_exhaustive()
    }
}
