//! Deadlines by epochs: when code stops, and what happens then; yields by epochs and fuel.

use upshift_runtime::{Store as RawStore, UpdateDeadline};

use super::{AsContextMut, Store, StoreContextMut};
use crate::Result;

impl<T: 'static> Store<T> {
    /// Sets the deadline of this store to so many epochs after the current one: it has come when
    /// [`increment_epoch`](crate::Engine::increment_epoch) was called that many times; with 0 it
    /// has come already. Counts in engines whose code looks for it: see
    /// [`Config::epoch_interruption`](crate::Config::epoch_interruption). A new store's has come.
    ///
    /// Costs a store into memory for each instance.
    pub fn set_epoch_deadline(&mut self, ticks_beyond_current: u64) {
        self.as_context_mut()
            .set_epoch_deadline(ticks_beyond_current);
    }

    /// Makes calls trap with [`Trap::Interrupt`](crate::Trap::Interrupt) when the
    /// [deadline](Self::set_epoch_deadline) has come, as they do by default. The deadline stays, so
    /// further calls trap at once until it is moved.
    pub fn epoch_deadline_trap(&mut self) {
        self.as_context_mut().epoch_deadline_trap();
    }

    /// Sets a function that is called when the [deadline](Self::set_epoch_deadline) has come, in
    /// the middle of WebAssembly, and decides what happens: an [`UpdateDeadline`], or an error,
    /// with which the call ends. No handler of the guest catches that.
    ///
    /// It may do what a host function may: call functions, write memories and globals, grow tables.
    /// The deadline has still come while it runs, so WebAssembly that it calls traps unless it has
    /// moved the deadline before. A panic goes through the call, as a host function's does.
    /// [Call hooks](Self::call_hook) are not told of it.
    ///
    /// ```
    /// # #[cfg(feature = "wat")]
    /// # fn main() -> upshift::Result<()> {
    /// use upshift::{Config, Engine, Instance, Module, Store, UpdateDeadline};
    ///
    /// let engine = Engine::new(Config::new().epoch_interruption(true))?;
    /// let module = Module::new(&engine, r#"(module (func (export "count") (param i32)
    ///     (loop (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))))"#)?;
    /// let mut store = Store::new(&engine, 0);
    /// // Never ahead: the function is called at each look.
    /// store.epoch_deadline_callback(|mut store| {
    ///     *store.data_mut() += 1;
    ///     Ok(UpdateDeadline::Continue(0))
    /// });
    /// let instance = Instance::new(&mut store, &module, &[])?;
    /// let count = instance.get_typed_func::<i32, ()>(&mut store, "count")?;
    /// count.call(&mut store, 10)?;
    /// assert_eq!(store.into_data(), 1 + 10);
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "wat"))]
    /// # fn main() {}
    /// ```
    pub fn epoch_deadline_callback<F>(&mut self, callback: F)
    where
        F: FnMut(StoreContextMut<'_, T>) -> Result<UpdateDeadline> + Send + Sync + 'static,
    {
        self.as_context_mut().epoch_deadline_callback(callback);
    }

    /// Makes calls yield once to their executor when the [deadline](Self::set_epoch_deadline) has
    /// come, in the middle of WebAssembly, and go on to a deadline that is `delta` epochs after the
    /// one that is current then: so guests share a thread that loop. Feature `async`.
    ///
    /// A yield wakes the call's task at once and returns [`Pending`](std::task::Poll::Pending).
    /// Calls and instantiations in this store have to be asynchronous from now on, also after
    /// [`epoch_deadline_trap`](Self::epoch_deadline_trap): synchronous ones are errors, those of
    /// host functions and callbacks too.
    #[cfg(feature = "async")]
    pub fn epoch_deadline_async_yield_and_update(&mut self, delta: u64) {
        self.as_context_mut()
            .epoch_deadline_async_yield_and_update(delta);
    }

    /// Makes calls yield once to their executor whenever so many units of fuel were used, or never.
    /// Feature `async`; see [`Config::consume_fuel`](crate::Config::consume_fuel), and
    /// [`epoch_deadline_async_yield_and_update`](Self::epoch_deadline_async_yield_and_update) for
    /// what a yield is, and for calls, which have to be asynchronous from now on.
    ///
    /// # Errors
    ///
    /// If the engine does not consume fuel, or the interval is 0.
    #[cfg(feature = "async")]
    pub fn fuel_async_yield_interval(&mut self, interval: Option<u64>) -> Result<()> {
        self.as_context_mut().fuel_async_yield_interval(interval)
    }
}

impl<T: 'static> StoreContextMut<'_, T> {
    /// Makes calls yield when the deadline has come, as
    /// [`Store::epoch_deadline_async_yield_and_update`] does.
    #[cfg(feature = "async")]
    pub fn epoch_deadline_async_yield_and_update(&mut self, delta: u64) {
        self.raw.epoch_deadline_async_yield_and_update(delta);
    }

    /// Makes calls yield by fuel, as [`Store::fuel_async_yield_interval`] does.
    ///
    /// # Errors
    ///
    /// If the engine does not consume fuel, or the interval is 0.
    #[cfg(feature = "async")]
    pub fn fuel_async_yield_interval(&mut self, interval: Option<u64>) -> Result<()> {
        super::check_fuel(self.engine())?;
        let interval = match interval {
            None => None,
            Some(units) => {
                let units = std::num::NonZeroU64::new(units);
                Some(units.ok_or_else(|| anyhow::anyhow!("an interval of fuel is not 0"))?)
            }
        };
        self.raw.fuel_async_yield_interval(interval);
        Ok(())
    }

    /// Sets the deadline by epochs, as [`Store::set_epoch_deadline`] does: for the running call
    /// too.
    pub fn set_epoch_deadline(&mut self, ticks_beyond_current: u64) {
        self.raw.set_epoch_deadline(ticks_beyond_current);
    }

    /// Makes calls trap when the deadline has come, as [`Store::epoch_deadline_trap`] does.
    pub fn epoch_deadline_trap(&mut self) {
        self.raw.epoch_deadline_trap();
    }

    /// Sets a function that is called when the deadline has come, as
    /// [`Store::epoch_deadline_callback`] does.
    pub fn epoch_deadline_callback<F>(&mut self, mut callback: F)
    where
        F: FnMut(StoreContextMut<'_, T>) -> Result<UpdateDeadline> + Send + Sync + 'static,
    {
        let callback = move |raw: &mut RawStore| callback(StoreContextMut::new(raw));
        self.raw.epoch_deadline_callback(Box::new(callback));
    }
}
