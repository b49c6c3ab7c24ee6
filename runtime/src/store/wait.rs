//! Waiting and notifying: `memory.atomic.wait32`, `memory.atomic.wait64`, `memory.atomic.notify`.
//!
//! All of them check alignment first, then bounds, as atomic accesses in generated code do. Threads
//! wait in the [shared memory](SharedMemory). A memory of one store has no other thread that could
//! wait for it or wake it: a wait traps, and `memory.atomic.notify` wakes none.

use std::any::Any;
use std::time::Duration;

use upshift_abi::TrapCode;

use super::{MemoryId, Store};
use crate::interrupt::Interruption;
use crate::parking::{Limit as WaitLimit, WaitResult};
use crate::shared_memory::{SharedMemory, atomic_offset};

/// The clock by which `memory.atomic.wait32` and `memory.atomic.wait64` of a store wait, if that is
/// not the system's.
pub trait WaitClock {
    /// If the time of waits is virtual, what returns the number of threads that can notify or wait,
    /// the calling one included: a wait ends, as if its time had passed, when all of them wait in
    /// one shared memory and none has less time left. It is called often, and without other locks
    /// than those of a memory's queues.
    ///
    /// While others run, a wait takes as long as it says: what they compute takes real time.
    fn threads(&self) -> Option<Box<dyn Fn() -> usize>>;

    /// Called after a virtual wait whose time has passed, so that the guest's clocks show it. What
    /// takes long ends with the interruption.
    fn pass(&mut self, time: Duration, interruption: &Interruption);
}

/// Returns the clock in the embedder's data.
pub type FindWaitClock =
    Box<dyn (for<'a> FnMut(&'a mut dyn Any) -> &'a mut dyn WaitClock) + Send + Sync>;

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
        self.wait(timeout, |limit, interruption| {
            memory.wait32(address, expected, limit, Some(interruption))
        })
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
        self.wait(timeout, |limit, interruption| {
            memory.wait64(address, expected, limit, Some(interruption))
        })
    }

    /// Waits by the store's clock.
    fn wait(
        &mut self,
        timeout: u64,
        wait: impl FnOnce(&WaitLimit<'_>, &Interruption) -> Result<WaitResult, TrapCode>,
    ) -> Result<u32, TrapCode> {
        let interruption = self.interruption();
        let mut clock = self.wait_clock.as_mut().map(|find| find(&mut *self.data));
        let threads = clock.as_ref().and_then(|clock| clock.threads());
        let result = match (duration(timeout), threads) {
            (None, _) => wait(&WaitLimit::None, &interruption)?,
            (Some(time), None) => wait(&WaitLimit::after(time), &interruption)?,
            (Some(time), Some(threads)) => {
                let threads = &*threads;
                let result = wait(&WaitLimit::Virtual { time, threads }, &interruption)?;
                if let (WaitResult::TimedOut, Some(clock)) = (result, &mut clock) {
                    clock.pass(time, &interruption);
                }
                result
            }
        };
        Ok(result as u32)
    }

    /// Sets the clock of this store's waits.
    pub fn set_wait_clock(&mut self, clock: FindWaitClock) {
        self.wait_clock = Some(clock);
    }

    /// The memory and the address of a wait, checked.
    fn waiting_place(
        &self,
        memory: MemoryId,
        address: (u64, u64),
        size: usize,
    ) -> Result<(SharedMemory, u64), TrapCode> {
        let address = self.atomic_address(memory, address, size)?;
        let memory = self.shared_memory(memory).cloned();
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
