//! Fuel of a store, in engines that consume [fuel](upshift_abi::fuel).
//!
//! Generated code counts down to zero. What the counter has no room for, and what comes after the
//! next yield, is kept beside it; code that finds less than nothing in the counter calls the stub
//! `out_of_fuel`, which takes of that or traps.

use std::num::NonZeroU64;

use upshift_abi::TrapCode;

use super::Store;
use super::epoch::Left;

impl Store {
    /// Sets how much fuel is left.
    pub fn set_fuel(&mut self, fuel: u64) {
        let most = self.fuel_interval.map_or(u64::MAX, NonZeroU64::get);
        let counted = fuel.min(most).min(i64::MAX as u64);
        self.fuel_beyond = fuel - counted;
        // SAFETY: the store's own structure; code that reads the counter runs on this thread, and
        // not now.
        unsafe { (*self.vm()).fuel = counted as i64 };
    }

    /// How much fuel is left: 0 also if code has used more than there was.
    pub fn fuel(&self) -> u64 {
        self.fuel_beyond.saturating_add_signed(self.counted_fuel())
    }

    fn counted_fuel(&self) -> i64 {
        // SAFETY: as in `set_fuel`.
        unsafe { (*self.vm()).fuel }
    }

    /// Makes code yield to the executor of its asynchronous call whenever so many units were used,
    /// or never. If it is to yield, synchronous calls are errors from now on.
    #[cfg(feature = "async")]
    pub fn fuel_async_yield_interval(&mut self, interval: Option<NonZeroU64>) {
        if interval.is_some() {
            self.set_yields();
        }
        self.fuel_interval = interval;
        self.set_fuel(self.fuel());
    }

    /// Called when generated code has found less than nothing in the counter. Returns whether it
    /// may go on; if not, a reason is pending.
    ///
    /// The fiber may be suspended here, as in [`new_epoch`](Self::new_epoch).
    ///
    /// # Safety
    ///
    /// The calling thread is inside the stub of [`Builtin::OutOfFuel`](upshift_abi::Builtin), whose
    /// frame stands as the exit frame.
    pub(crate) unsafe fn refuel(&mut self) -> bool {
        // SAFETY: guaranteed by the caller.
        match unsafe { self.next_fuel() } {
            Ok(()) => true,
            Err(left) => {
                // SAFETY: as above.
                unsafe { self.leave_code(left) };
                false
            }
        }
    }

    /// # Safety
    ///
    /// As for [`refuel`](Self::refuel).
    unsafe fn next_fuel(&mut self) -> Result<(), Left> {
        let left = self.fuel_beyond.checked_add_signed(self.counted_fuel());
        let left = left.ok_or(Left::Trapped(TrapCode::OutOfFuel))?;
        self.set_fuel(left);
        #[cfg(feature = "async")]
        if self.fuel_interval.is_some() {
            // SAFETY: guaranteed by the caller.
            unsafe { self.yield_now() }.map_err(Left::Failed)?;
        }
        self.may_go_on()
    }
}
