//! Stores, and the views of a store that functions take.

mod epoch;
#[cfg(feature = "async")]
mod hook;
mod owned;

use std::marker::PhantomData;
use std::time::{Duration, Instant};

use upshift_runtime::{
    ArmedTimeout, CallHook, InterruptHandle, Interruption, ResourceLimiter, Store as RawStore,
    WaitClock,
};

#[cfg(feature = "async")]
use upshift_runtime::ResourceLimiterAsync;

#[cfg(feature = "async")]
pub use hook::CallHookHandler;
use owned::{Owned, owned, owned_mut, wrong_type};

use crate::{Engine, Result};

/// A collection of instances, functions, memories, tables and globals, with the embedder's data.
///
/// Everything created in a store lives until the store is dropped, and can be used with this store
/// only. A store is used by one thread at a time: it is [`Send`] if its data is, and not [`Sync`].
/// Creating one is cheap: nothing is compiled and no memory reserved.
///
/// ```
/// # fn main() -> upshift::Result<()> {
/// let engine = upshift::Engine::default();
/// let mut store = upshift::Store::new(&engine, 41);
/// *store.data_mut() += 1;
/// assert_eq!(store.into_data(), 42);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Store<T: 'static> {
    raw: RawStore,
    _data: PhantomData<T>,
}

impl<T: 'static> Store<T> {
    /// Creates a store without instances that owns `data`.
    pub fn new(engine: &Engine, data: T) -> Self {
        Self {
            raw: owned::store(engine, data),
            _data: PhantomData,
        }
    }

    /// Counts the memory of this store's exceptions in common with that of other stores.
    #[cfg(feature = "wasi")]
    pub(crate) fn share_exception_memory(&mut self, memory: &upshift_runtime::ExceptionMemory) {
        self.raw.share_exception_memory(memory);
    }

    /// The embedder's data.
    pub fn data(&self) -> &T {
        &owned::<T>(&self.raw).data
    }

    /// The embedder's data, mutable.
    pub fn data_mut(&mut self) -> &mut T {
        &mut owned_mut::<T>(&mut self.raw).data
    }

    /// Drops everything but the embedder's data, and returns that.
    pub fn into_data(self) -> T {
        let owned = self.raw.into_data().downcast::<Owned<T>>();
        owned.unwrap_or_else(|_| wrong_type()).data
    }

    /// The engine that the store was created with.
    pub fn engine(&self) -> &Engine {
        &owned::<T>(&self.raw).engine
    }

    /// Frees the exceptions, and the values of [`ExternRef`](crate::ExternRef)s, that are
    /// unreachable: neither an [`ExnRef`](crate::ExnRef) or `ExternRef` in its scope nor
    /// WebAssembly of this store refers to them. Takes time in proportion to their number, and to
    /// the tables that can contain them. Creating many does this from time to time by itself, so
    /// only embedders that need memory back at once call it.
    pub fn gc(&mut self) {
        self.raw.collect_exceptions();
        self.raw.collect_externs();
    }

    /// Sets the limiter that decides, from now on, what the instances of this store may allocate.
    /// It is part of the embedder's data, often a [`StoreLimits`](crate::StoreLimits). Without a
    /// limiter a store may allocate what modules declare and the system grants.
    ///
    /// ```
    /// # fn main() -> upshift::Result<()> {
    /// use upshift::{Memory, MemoryType, Store, StoreLimits, StoreLimitsBuilder};
    ///
    /// let engine = upshift::Engine::default();
    /// let limits = StoreLimitsBuilder::new().memory_size(1 << 20).memories(1).build();
    /// let mut store = Store::new(&engine, limits);
    /// store.limiter(|limits| limits);
    /// assert!(Memory::new(&mut store, MemoryType::new(17, None)).is_err());
    /// let memory = Memory::new(&mut store, MemoryType::new(1, None))?;
    /// assert!(memory.grow(&mut store, 15).is_ok());
    /// assert!(memory.grow(&mut store, 1).is_err());
    /// assert!(Memory::new(&mut store, MemoryType::new(1, None)).is_err());
    /// # Ok(())
    /// # }
    /// ```
    pub fn limiter(
        &mut self,
        mut limiter: impl (FnMut(&mut T) -> &mut dyn ResourceLimiter) + Send + Sync + 'static,
    ) {
        self.raw.set_limiter(Box::new(move |data| {
            let owned: &mut Owned<T> = data.downcast_mut().unwrap_or_else(|| wrong_type());
            limiter(&mut owned.data)
        }));
    }

    /// Sets an asynchronous limiter, in place of any other, as [`limiter`](Self::limiter) does:
    /// while it waits for its decision, the call that asked does, and its thread is free.
    ///
    /// From then on the store's calls must be asynchronous, instances be made by
    /// [`Instance::new_async`](crate::Instance::new_async) and its like, and memories and tables by
    /// `new_async` and `grow_async`: else they fail. So do those that a host function makes
    /// synchronously, where the limiter is asked.
    ///
    /// ```
    /// # #[cfg(feature = "wat")]
    /// # fn main() -> upshift::Result<()> {
    /// # fn block_on<T>(future: impl Future<Output = T>) -> T {
    /// #     let mut future = std::pin::pin!(future);
    /// #     let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    /// #     loop {
    /// #         if let std::task::Poll::Ready(value) = future.as_mut().poll(&mut context) {
    /// #             break value;
    /// #         }
    /// #     }
    /// # }
    /// use upshift::{Engine, Instance, Module, ResourceLimiterAsync, Result, Store};
    ///
    /// struct Quota(usize);
    ///
    /// #[async_trait::async_trait]
    /// impl ResourceLimiterAsync for Quota {
    ///     async fn memory_growing(
    ///         &mut self, current: usize, desired: usize, _: Option<usize>,
    ///     ) -> Result<bool> {
    ///         // Others could be asked here for memory that they don't need.
    ///         std::future::ready(()).await;
    ///         let allowed = desired - current <= self.0;
    ///         self.0 -= if allowed { desired - current } else { 0 };
    ///         Ok(allowed)
    ///     }
    ///     async fn table_growing(
    ///         &mut self, _: usize, _: usize, _: Option<usize>,
    ///     ) -> Result<bool> {
    ///         Ok(true)
    ///     }
    /// }
    ///
    /// let engine = Engine::default();
    /// let module = Module::new(&engine, r#"(module (memory 1)
    ///     (func (export "grow") (result i32) (memory.grow (i32.const 1))))"#)?;
    /// let mut store = Store::new(&engine, Quota(2 << 16));
    /// store.limiter_async(|quota| quota);
    /// block_on(async {
    ///     let instance = Instance::new_async(&mut store, &module, &[]).await?;
    ///     let grow = instance.get_typed_func::<(), i32>(&mut store, "grow")?;
    ///     assert_eq!(grow.call_async(&mut store, ()).await?, 1);
    ///     assert_eq!(grow.call_async(&mut store, ()).await?, -1);
    ///     assert!(grow.call(&mut store, ()).is_err());
    ///     Ok(())
    /// })
    /// # }
    /// # #[cfg(not(feature = "wat"))]
    /// # fn main() {}
    /// ```
    #[cfg(feature = "async")]
    pub fn limiter_async(
        &mut self,
        mut limiter: impl (FnMut(&mut T) -> &mut dyn ResourceLimiterAsync) + Send + Sync + 'static,
    ) where
        T: Send,
    {
        self.raw.set_async_limiter(Box::new(move |data| {
            let owned: &mut Owned<T> = data.downcast_mut().unwrap_or_else(|| wrong_type());
            limiter(&mut owned.data)
        }));
    }

    /// Sets the clock of this store's `memory.atomic.wait32` and `memory.atomic.wait64`, which is
    /// part of the embedder's data. Without one they wait by the system's clock.
    ///
    /// A [`WasiCtx`](crate::wasi::WasiCtx) is such a clock: with
    /// [`VirtualClocks`](crate::wasi::VirtualClocks), waits end at once whose time would pass while
    /// all threads of the guest wait.
    pub fn wait_clock(
        &mut self,
        mut clock: impl (FnMut(&mut T) -> &mut dyn WaitClock) + Send + Sync + 'static,
    ) {
        self.raw.set_wait_clock(Box::new(move |data| {
            let owned: &mut Owned<T> = data.downcast_mut().unwrap_or_else(|| wrong_type());
            clock(&mut owned.data)
        }));
    }

    /// Sets how much fuel WebAssembly in this store may still use; see
    /// [`Config::consume_fuel`](crate::Config::consume_fuel). A new store has none. Two stores into
    /// memory.
    ///
    /// # Errors
    ///
    /// If the engine does not consume fuel.
    pub fn set_fuel(&mut self, fuel: u64) -> Result<()> {
        self.as_context_mut().set_fuel(fuel)
    }

    /// How much fuel WebAssembly in this store may still use: 0 also if it has used more than there
    /// was, as code is charged in pieces.
    ///
    /// # Errors
    ///
    /// If the engine does not consume fuel.
    pub fn get_fuel(&self) -> Result<u64> {
        self.as_context().get_fuel()
    }

    /// Sets a function that is called at each change between the host and WebAssembly, from now on:
    /// to measure what each of them does, or to switch what belongs to either. It replaces the one
    /// before; what it calls itself is not told.
    ///
    /// An error that it returns before a call is that of the call, which is not made; one that it
    /// returns after a call takes the place of the call's results, or error. It is called after
    /// calls that fail, too. While it runs, nothing is freed that [`gc`](Self::gc) would free.
    ///
    /// Without a hook, calls cost what they cost without this method, but for a branch that is
    /// predicted.
    ///
    /// ```
    /// # fn main() -> upshift::Result<()> {
    /// use upshift::{CallHook, Engine, Func, Store};
    ///
    /// let mut store = Store::new(&Engine::default(), Vec::new());
    /// store.call_hook(|mut store, change| {
    ///     store.data_mut().push(change);
    ///     Ok(())
    /// });
    /// let func = Func::wrap(&mut store, || ()).typed::<(), ()>(&store)?;
    /// func.call(&mut store, ())?;
    /// use CallHook::{CallingHost, CallingWasm, ReturningFromHost, ReturningFromWasm};
    /// let changes = [CallingWasm, CallingHost, ReturningFromHost, ReturningFromWasm];
    /// assert_eq!(store.into_data(), changes);
    /// # Ok(())
    /// # }
    /// ```
    pub fn call_hook<F>(&mut self, mut hook: F)
    where
        F: FnMut(StoreContextMut<'_, T>, CallHook) -> Result<()> + Send + Sync + 'static,
    {
        let hook = move |raw: &mut RawStore, change| hook(StoreContextMut::new(raw), change);
        self.raw.set_call_hook(Box::new(hook));
    }

    /// Sets a function that is called at each change between the host and WebAssembly, as
    /// [`call_hook`](Self::call_hook) does, in place of any other, and that may wait: the call
    /// waits then, and its thread is free. Dropping the call drops what the hook waits for.
    ///
    /// From then on calls and instantiations in the store must be asynchronous: others fail before
    /// they begin, and so does a synchronous call that a host function or the hook makes. A panic
    /// of the hook goes on where the call is polled.
    #[cfg(feature = "async")]
    pub fn call_hook_async(&mut self, hook: impl CallHookHandler<T> + Sync + 'static)
    where
        T: Send,
    {
        self.raw.set_async_call_hook(hook::of(hook));
    }

    /// A handle with which any thread can stop WebAssembly that runs in this store: the call
    /// returns [`Trap::Interrupt`](crate::Trap::Interrupt).
    ///
    /// WebAssembly pays nothing for it while it runs. A host function is not stopped, but can check
    /// its [`Interruption`]; the call ends when it returns. Bulk operations on memories and tables
    /// stop halfway, and what they have written stays. If nothing runs, the next call is stopped,
    /// unless [`disarm`](Self::disarm) withdraws the interruption before.
    pub fn interrupt_handle(&self) -> InterruptHandle {
        self.raw.interrupt_handle()
    }

    /// The interruption of this store, by which host code finds out that the call that it is part
    /// of is to end. Clones a reference count.
    pub fn interruption(&self) -> Interruption {
        self.raw.interruption()
    }

    /// Sets the time after which no call into this store runs: a running call is interrupted, later
    /// calls end at once, with [`Trap::Interrupt`](crate::Trap::Interrupt) below a
    /// [`TimedOut`](crate::TimedOut), until the deadline is set again. `None` removes the deadline.
    /// Waiting host functions are told through their [`Interruption`].
    ///
    /// Costs some 100 ns, and starts a thread for the whole process the first time.
    ///
    /// ```
    /// # #[cfg(feature = "wat")]
    /// # fn main() -> upshift::Result<()> {
    /// # use std::time::{Duration, Instant};
    /// # use upshift::{Engine, Instance, Module, Store, TimedOut, Trap};
    /// let engine = Engine::default();
    /// let module = Module::new(&engine, r#"(module (func (export "spin") (loop (br 0))))"#)?;
    /// let mut store = Store::new(&engine, ());
    /// let instance = Instance::new(&mut store, &module, &[])?;
    /// let spin = instance.get_typed_func::<(), ()>(&mut store, "spin")?;
    /// store.set_deadline(Some(Instant::now() + Duration::from_millis(20)));
    /// let error = spin.call(&mut store, ()).unwrap_err();
    /// assert!(error.is::<TimedOut>());
    /// assert_eq!(error.downcast_ref(), Some(&Trap::Interrupt));
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "wat"))]
    /// # fn main() {}
    /// ```
    pub fn set_deadline(&mut self, deadline: Option<Instant>) {
        self.raw.set_deadline(deadline);
    }

    /// Limits the total time of the calls that are made while the returned value exists. Dropping
    /// it removes the limit, even if the time is over by then: the next call is not affected.
    ///
    /// There is one deadline: this replaces the one that was set before, and one set later replaces
    /// this. Costs as much as [`set_deadline`](Self::set_deadline).
    ///
    /// ```
    /// # fn main() -> upshift::Result<()> {
    /// # use std::time::Duration;
    /// # let engine = upshift::Engine::default();
    /// # let mut store = upshift::Store::new(&engine, ());
    /// # let func = upshift::Func::wrap(&mut store, || ()).typed::<(), ()>(&store)?;
    /// let limit = store.arm_timeout(Duration::from_millis(500));
    /// func.call(&mut store, ())?;
    /// drop(limit);
    /// # Ok(())
    /// # }
    /// ```
    pub fn arm_timeout(&mut self, time: Duration) -> ArmedTimeout {
        self.raw.arm_timeout(time)
    }

    /// Removes the deadline, and withdraws interruptions that have not ended a call: the next call
    /// runs.
    ///
    /// An interruption that a handle makes afterwards ends the next call. Where another thread
    /// would interrupt after a time, use a deadline instead, which can't come late.
    pub fn disarm(&mut self) {
        self.raw.disarm();
    }
}

fn check_fuel(engine: &Engine) -> Result<()> {
    anyhow::ensure!(
        engine.config().consume_fuel,
        "this engine does not consume fuel: `Config::consume_fuel` is off"
    );
    Ok(())
}

/// A shared view of a store, the parameter of read-only methods.
#[derive(Debug)]
pub struct StoreContext<'a, T: 'static> {
    pub(crate) raw: &'a RawStore,
    _data: PhantomData<&'a T>,
}

impl<T: 'static> Clone for StoreContext<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: 'static> Copy for StoreContext<'_, T> {}

impl<'a, T: 'static> StoreContext<'a, T> {
    pub(crate) fn new(raw: &'a RawStore) -> Self {
        Self {
            raw,
            _data: PhantomData,
        }
    }

    /// The embedder's data.
    pub fn data(&self) -> &'a T {
        &owned::<T>(self.raw).data
    }

    /// The engine of the store.
    pub fn engine(&self) -> &'a Engine {
        &owned::<T>(self.raw).engine
    }

    /// How much fuel is left, as [`Store::get_fuel`] says.
    ///
    /// # Errors
    ///
    /// If the engine does not consume fuel.
    pub fn get_fuel(&self) -> Result<u64> {
        check_fuel(self.engine())?;
        Ok(self.raw.fuel())
    }
}

/// An exclusive view of a store, the parameter of methods that change it.
#[derive(Debug)]
pub struct StoreContextMut<'a, T: 'static> {
    pub(crate) raw: &'a mut RawStore,
    _data: PhantomData<&'a mut T>,
}

impl<'a, T: 'static> StoreContextMut<'a, T> {
    pub(crate) fn new(raw: &'a mut RawStore) -> Self {
        Self {
            raw,
            _data: PhantomData,
        }
    }

    /// The embedder's data.
    pub fn data(&self) -> &T {
        &owned::<T>(self.raw).data
    }

    /// The embedder's data, mutable.
    pub fn data_mut(&mut self) -> &mut T {
        &mut owned_mut::<T>(self.raw).data
    }

    /// The engine of the store.
    pub fn engine(&self) -> &Engine {
        &owned::<T>(self.raw).engine
    }

    /// Frees what nothing refers to, as [`Store::gc`] does; WebAssembly that is running keeps what
    /// it has.
    pub fn gc(&mut self) {
        self.raw.collect_exceptions();
        self.raw.collect_externs();
    }

    /// Sets how much fuel is left, as [`Store::set_fuel`] does: for the running call too.
    ///
    /// # Errors
    ///
    /// If the engine does not consume fuel.
    pub fn set_fuel(&mut self, fuel: u64) -> Result<()> {
        check_fuel(self.engine())?;
        self.raw.set_fuel(fuel);
        Ok(())
    }

    /// How much fuel is left, as [`Store::get_fuel`] says.
    ///
    /// # Errors
    ///
    /// If the engine does not consume fuel.
    pub fn get_fuel(&self) -> Result<u64> {
        self.as_context().get_fuel()
    }

    /// The bytes of a memory and the embedder's data, both mutable.
    pub(crate) fn memory_and_data(
        self,
        memory: upshift_runtime::MemoryId,
    ) -> (&'a mut [u8], &'a mut T) {
        let (bytes, data) = self.raw.memory_and_data_mut(memory);
        let owned: &mut Owned<T> = data.downcast_mut().unwrap_or_else(|| wrong_type());
        (bytes, &mut owned.data)
    }
}

/// Types that give a shared view of a store: a [`Store`], a [`Caller`](crate::Caller), a view, or a
/// reference to one of these.
pub trait AsContext {
    /// The type of the embedder's data.
    type Data: 'static;

    /// The shared view.
    fn as_context(&self) -> StoreContext<'_, Self::Data>;
}

/// Types that give an exclusive view of a store.
pub trait AsContextMut: AsContext {
    /// The exclusive view.
    fn as_context_mut(&mut self) -> StoreContextMut<'_, Self::Data>;
}

impl<T: 'static> AsContext for Store<T> {
    type Data = T;

    fn as_context(&self) -> StoreContext<'_, T> {
        StoreContext::new(&self.raw)
    }
}

impl<T: 'static> AsContextMut for Store<T> {
    fn as_context_mut(&mut self) -> StoreContextMut<'_, T> {
        StoreContextMut::new(&mut self.raw)
    }
}

impl<T: 'static> AsContext for StoreContext<'_, T> {
    type Data = T;

    fn as_context(&self) -> StoreContext<'_, T> {
        *self
    }
}

impl<T: 'static> AsContext for StoreContextMut<'_, T> {
    type Data = T;

    fn as_context(&self) -> StoreContext<'_, T> {
        StoreContext::new(self.raw)
    }
}

impl<T: 'static> AsContextMut for StoreContextMut<'_, T> {
    fn as_context_mut(&mut self) -> StoreContextMut<'_, T> {
        StoreContextMut::new(self.raw)
    }
}

impl<S: AsContext> AsContext for &S {
    type Data = S::Data;

    fn as_context(&self) -> StoreContext<'_, S::Data> {
        S::as_context(self)
    }
}

impl<S: AsContext> AsContext for &mut S {
    type Data = S::Data;

    fn as_context(&self) -> StoreContext<'_, S::Data> {
        S::as_context(self)
    }
}

impl<S: AsContextMut> AsContextMut for &mut S {
    fn as_context_mut(&mut self) -> StoreContextMut<'_, S::Data> {
        S::as_context_mut(self)
    }
}

impl<'a, S: AsContext> From<&'a S> for StoreContext<'a, S::Data> {
    fn from(store: &'a S) -> Self {
        store.as_context()
    }
}

impl<'a, S: AsContext> From<&'a mut S> for StoreContext<'a, S::Data> {
    fn from(store: &'a mut S) -> Self {
        S::as_context(store)
    }
}

impl<'a, S: AsContextMut> From<&'a mut S> for StoreContextMut<'a, S::Data> {
    fn from(store: &'a mut S) -> Self {
        store.as_context_mut()
    }
}
