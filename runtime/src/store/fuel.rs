//! Fuel of a store, in engines that consume [fuel](upshift_abi::fuel).

use super::Store;

impl Store {
    /// Sets how much fuel is left.
    pub fn set_fuel(&mut self, fuel: u64) {
        let counted = fuel.min(i64::MAX as u64);
        self.fuel_beyond = fuel - counted;
        // SAFETY: the store's own structure; code that reads the counter runs on this thread, and
        // not now.
        unsafe { (*self.vm()).fuel = counted as i64 };
    }

    /// How much fuel is left: 0 also if code has used more than there was.
    pub fn fuel(&self) -> u64 {
        // SAFETY: as in `set_fuel`.
        let counted = unsafe { (*self.vm()).fuel };
        self.fuel_beyond.saturating_add_signed(counted)
    }
}
