//! Waiting and notifying: `memory.atomic.wait32`, `memory.atomic.wait64`, `memory.atomic.notify`.
//!
//! All of them check alignment first, then bounds, as atomic accesses in generated code do. A
//! memory of one store has no other thread that could wait for it or wake it: a wait traps, and
//! `memory.atomic.notify` wakes none.

use upshift_abi::{Sharing, TrapCode};

use super::{MemoryId, Store};

impl Store {
    /// The instruction `memory.atomic.notify`: returns the number of threads that it woke.
    ///
    /// # Errors
    ///
    /// The trap for an address, the sum of two numbers, that is not aligned or out of bounds.
    pub(crate) fn memory_atomic_notify(
        &mut self,
        memory: MemoryId,
        address: (u64, u64),
        _count: u32,
    ) -> Result<u32, TrapCode> {
        self.atomic_address(memory, address, size_of::<u32>())?;
        Ok(0)
    }

    /// The instruction `memory.atomic.wait32`, with a time in nanoseconds; negative ones, as signed
    /// numbers, never end. Returns 0 if another thread has woken this one, 1 if the memory contains
    /// another value than expected, 2 at the end of the time.
    ///
    /// # Errors
    ///
    /// The trap for an address, the sum of two numbers, that is not aligned or out of bounds, or
    /// for a memory that is not shared.
    pub(crate) fn memory_atomic_wait32(
        &mut self,
        memory: MemoryId,
        address: (u64, u64),
        _expected: u32,
        _timeout: u64,
    ) -> Result<u32, TrapCode> {
        self.waiting_address(memory, address, size_of::<u32>())?;
        unreachable!("no memory is shared")
    }

    /// The instruction `memory.atomic.wait64`, see
    /// [`memory_atomic_wait32`](Self::memory_atomic_wait32).
    pub(crate) fn memory_atomic_wait64(
        &mut self,
        memory: MemoryId,
        address: (u64, u64),
        _expected: u64,
        _timeout: u64,
    ) -> Result<u32, TrapCode> {
        self.waiting_address(memory, address, size_of::<u64>())?;
        unreachable!("no memory is shared")
    }

    /// The address of a wait, checked.
    fn waiting_address(
        &self,
        memory: MemoryId,
        address: (u64, u64),
        size: usize,
    ) -> Result<u64, TrapCode> {
        let address = self.atomic_address(memory, address, size)?;
        match self.memory_type(memory).sharing {
            Sharing::Private => Err(TrapCode::ExpectedSharedMemory),
            Sharing::Shared => Ok(address),
        }
    }

    /// The address of an atomic access of so many bytes, checked.
    fn atomic_address(
        &self,
        memory: MemoryId,
        (base, offset): (u64, u64),
        size: usize,
    ) -> Result<u64, TrapCode> {
        let size = size as u64;
        if !base.wrapping_add(offset).is_multiple_of(size) {
            return Err(TrapCode::UnalignedAtomic);
        }
        let len = self.memory_data(memory).len() as u64;
        base.checked_add(offset)
            .filter(|address| address.checked_add(size).is_some_and(|end| end <= len))
            .ok_or(TrapCode::MemoryOutOfBounds)
    }
}
