//! Waiting and notifying: `memory.atomic.wait32`, `memory.atomic.wait64`, `memory.atomic.notify`.
//!
//! All of them check alignment first, then bounds, as atomic accesses in generated code do. Threads
//! wait in the [shared memory](SharedMemory). A memory of one store has no other thread that could
//! wait for it or wake it: a wait traps, and `memory.atomic.notify` wakes none.

use std::time::Duration;

use upshift_abi::TrapCode;

use super::{MemoryId, Store};
use crate::shared_memory::{SharedMemory, atomic_offset};

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
        count: u32,
    ) -> Result<u32, TrapCode> {
        let address = self.atomic_address(memory, address, size_of::<u32>())?;
        match self.shared_memory(memory) {
            Some(memory) => memory.notify(address, count),
            None => Ok(0),
        }
    }

    /// The instruction `memory.atomic.wait32`, with a time in nanoseconds; negative ones, as signed
    /// numbers, never end. Returns 0 if another thread has woken this one, 1 if the memory contains
    /// another value than expected, 2 at the end of the time.
    ///
    /// # Errors
    ///
    /// The trap for an address, the sum of two numbers, that is not aligned or out of bounds, for a
    /// memory that is not shared, or for an interruption that ends the wait.
    pub(crate) fn memory_atomic_wait32(
        &mut self,
        memory: MemoryId,
        address: (u64, u64),
        expected: u32,
        timeout: u64,
    ) -> Result<u32, TrapCode> {
        let (memory, address) = self.waiting_place(memory, address, size_of::<u32>())?;
        let interruption = Some(&self.interruption());
        let result = memory.wait32(address, expected, duration(timeout), interruption)?;
        Ok(result as u32)
    }

    /// The instruction `memory.atomic.wait64`, see
    /// [`memory_atomic_wait32`](Self::memory_atomic_wait32).
    pub(crate) fn memory_atomic_wait64(
        &mut self,
        memory: MemoryId,
        address: (u64, u64),
        expected: u64,
        timeout: u64,
    ) -> Result<u32, TrapCode> {
        let (memory, address) = self.waiting_place(memory, address, size_of::<u64>())?;
        let interruption = Some(&self.interruption());
        let result = memory.wait64(address, expected, duration(timeout), interruption)?;
        Ok(result as u32)
    }

    /// The memory and the address of a wait, checked.
    fn waiting_place(
        &self,
        memory: MemoryId,
        address: (u64, u64),
        size: usize,
    ) -> Result<(&SharedMemory, u64), TrapCode> {
        let address = self.atomic_address(memory, address, size)?;
        let memory = self.shared_memory(memory);
        Ok((memory.ok_or(TrapCode::ExpectedSharedMemory)?, address))
    }

    /// The address of an atomic access of so many bytes, checked.
    fn atomic_address(
        &self,
        memory: MemoryId,
        address: (u64, u64),
        size: usize,
    ) -> Result<u64, TrapCode> {
        let offset = atomic_offset(address, size, self.memory_len(memory))?;
        Ok(offset as u64)
    }
}

/// A time in nanoseconds; `None` for a negative number, which never ends.
fn duration(timeout: u64) -> Option<Duration> {
    let nanos = u64::try_from(timeout.cast_signed()).ok()?;
    Some(Duration::from_nanos(nanos))
}
