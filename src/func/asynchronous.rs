//! Calls that are futures, and host functions that return them.
//!
//! An asynchronous call runs WebAssembly on a stack of its own, on the thread that polls its
//! future. Where a host function awaits something that is not ready, the stack is left as it is and
//! the future is pending; another poll, by any thread, goes on where it was.

#![allow(unsafe_code, reason = "calls trade checked types for unchecked words")]

use std::future::Future;
use std::sync::{Arc, OnceLock};

use upshift_abi as abi;
use upshift_runtime::{HostCall, HostFunc, run_async};

use super::dynamic;
use super::host::{Caller, HostDefinition};
use super::values::private::Values;
use super::{TRAMPOLINE, TypedFunc};
use crate::val::raw_mut;
use crate::{AsContextMut, Func, FuncType, Result, Val, WasmParams, WasmResults, WasmRet};

/// What an asynchronous host function returns.
pub(crate) type HostFuture<'a, R> = Box<dyn Future<Output = R> + Send + 'a>;

impl Func {
    /// Creates an asynchronous host function from a closure with Rust types, whose parameters are
    /// in a tuple.
    ///
    /// Only WebAssembly that was entered by an asynchronous call ([`TypedFunc::call_async`],
    /// [`Instance::new_async`](crate::Instance::new_async)) can call it; elsewhere calling it is an
    /// error, also from within a synchronous call that a host function makes. While its future is
    /// pending, the whole call is, and its thread is free for others. An interruption or a deadline
    /// of the store ends the wait: the future is dropped, and the call returns the error.
    ///
    /// ```
    /// # #[cfg(feature = "wat")]
    /// # fn main() -> upshift::Result<()> {
    /// # use std::future::Future;
    /// # fn block_on<T>(future: impl Future<Output = T>) -> T {
    /// #     let mut future = std::pin::pin!(future);
    /// #     let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    /// #     loop {
    /// #         if let std::task::Poll::Ready(value) = future.as_mut().poll(&mut context) {
    /// #             break value;
    /// #         }
    /// #     }
    /// # }
    /// use upshift::{Caller, Engine, Func, Instance, Module, Store};
    ///
    /// let engine = Engine::default();
    /// let module = Module::new(&engine, r#"(module
    ///     (import "host" "price" (func $price (param i32) (result i32)))
    ///     (func (export "total") (param i32) (result i32)
    ///         (i32.mul (local.get 0) (call $price (local.get 0)))))"#)?;
    /// let mut store = Store::new(&engine, 7);
    /// let price = Func::wrap_async(&mut store, |caller: Caller<'_, i32>, (count,): (i32,)| {
    ///     Box::new(async move {
    ///         // A database, a network, a timer could be awaited here.
    ///         std::future::ready(()).await;
    ///         if count < 100 { *caller.data() } else { 5 }
    ///     })
    /// });
    /// block_on(async {
    ///     let instance = Instance::new_async(&mut store, &module, &[price.into()]).await?;
    ///     let total = instance.get_typed_func::<i32, i32>(&mut store, "total")?;
    ///     assert_eq!(total.call_async(&mut store, 6).await?, 42);
    ///     assert!(total.call(&mut store, 6).is_err());
    ///     Ok(())
    /// })
    /// # }
    /// # #[cfg(not(feature = "wat"))]
    /// # fn main() {}
    /// ```
    ///
    /// # Panics
    ///
    /// If the engine's code space is full.
    pub fn wrap_async<T, F, P, R>(mut store: impl AsContextMut<Data = T>, func: F) -> Self
    where
        F: for<'a> Fn(Caller<'a, T>, P) -> HostFuture<'a, R> + Send + Sync + 'static,
        P: WasmParams,
        R: WasmRet,
        T: Send + 'static,
    {
        Self::from_host(raw_mut(&mut store), &host(func)).expect(TRAMPOLINE)
    }

    /// Creates an asynchronous host function whose types are known at run time only. The closure
    /// gets arguments and a slice for results as that of [`Func::new`]; for the rest, see
    /// [`wrap_async`](Self::wrap_async).
    ///
    /// # Panics
    ///
    /// If the engine's code space is full.
    pub fn new_async<T, F>(mut store: impl AsContextMut<Data = T>, ty: FuncType, func: F) -> Self
    where
        F: for<'a> Fn(Caller<'a, T>, &'a [Val], &'a mut [Val]) -> HostFuture<'a, Result<()>>
            + Send
            + Sync
            + 'static,
        T: Send + 'static,
    {
        Self::from_host(raw_mut(&mut store), &host_dynamic(ty, func)).expect(TRAMPOLINE)
    }

    /// Calls the function with values of run-time types, asynchronously;
    /// [`TypedFunc::call_async`] is faster, and says how such calls run.
    ///
    /// # Errors
    ///
    /// As [`Func::call`], and if the system refuses memory for the stack.
    ///
    /// # Panics
    ///
    /// As [`TypedFunc::call`].
    pub async fn call_async(
        &self,
        mut store: impl AsContextMut<Data: Send>,
        params: &[Val],
        results: &mut [Val],
    ) -> Result<()> {
        let store = raw_mut(&mut store);
        let id = self.0.id_in(store);
        store
            .on_fiber(move |store| dynamic::call(store, id, params, results))?
            .await
    }
}

impl<P: WasmParams, R: WasmResults> TypedFunc<P, R> {
    /// Calls the function asynchronously: it may call [asynchronous host
    /// functions](Func::wrap_async), and can be suspended and cancelled where one of them waits.
    ///
    /// WebAssembly runs inside the future's `poll`, on the polling thread and until an asynchronous
    /// host function waits: an executor's thread does nothing else meanwhile. A
    /// [deadline](crate::Store::set_deadline) bounds the whole call, waits included.
    /// `memory.atomic.wait` blocks the thread as ever.
    ///
    /// The future can be sent to other threads between polls. Dropping it cancels the call: the
    /// host function's future is dropped, WebAssembly's frames are left as by a trap, and the store
    /// can be used again. (A future that is leaked with [`std::mem::forget`] leaks its stack.)
    ///
    /// Costs a stack ([`Config::async_stack_size`](crate::Config::async_stack_size)) while it
    /// lasts. No allocation, if a stack was [kept](crate::Config::async_stacks_kept).
    ///
    /// # Errors
    ///
    /// As [`call`](Self::call), and if the system refuses memory for the stack.
    ///
    /// # Panics
    ///
    /// As [`call`](Self::call): polling panics with a host function's panic.
    pub async fn call_async(
        &self,
        mut store: impl AsContextMut<Data: Send>,
        params: P,
    ) -> Result<R> {
        let store = raw_mut(&mut store);
        let func = self.func().0.id_in(store);
        let this = *self;
        store
            .on_fiber(move |store| this.call_in(store, func, params))?
            .await
    }
}

/// Creates an asynchronous host function from a closure with Rust types.
pub(crate) fn host<T, F, P, R>(func: F) -> HostDefinition
where
    F: for<'a> Fn(Caller<'a, T>, P) -> HostFuture<'a, R> + Send + Sync + 'static,
    P: WasmParams,
    R: WasmRet,
    T: Send + 'static,
{
    let call = move |host: HostCall<'_>| {
        let HostCall {
            store,
            caller,
            values,
        } = host;
        // SAFETY: the runtime passes values of the parameter types.
        let params = unsafe { P::from_raw(store, values) };
        let start = |store| Box::into_pin(func(Caller::new(store, caller), params));
        // SAFETY: the runtime calls this closure for the store's innermost activation.
        let results = unsafe { run_async(&mut *store, start) }?;
        Values::into_raw(results.into_result()?, store, values);
        Ok(())
    };
    HostDefinition {
        ty: abi::FuncType::new(P::TYPES, <R::Values as Values>::TYPES),
        uses: OnceLock::new(),
        func: HostFunc::Array(Arc::new(call)),
    }
}

/// Creates an asynchronous host function from a closure over values of run-time types.
pub(crate) fn host_dynamic<T, F>(ty: FuncType, func: F) -> HostDefinition
where
    F: for<'a> Fn(Caller<'a, T>, &'a [Val], &'a mut [Val]) -> HostFuture<'a, Result<()>>
        + Send
        + Sync
        + 'static,
    T: Send + 'static,
{
    dynamic::host_with(ty, move |store, caller, params, results| {
        // SAFETY: this is called in the store's innermost activation.
        unsafe {
            run_async(store, |store| {
                Box::into_pin(func(Caller::new(store, caller), params, results))
            })
        }?
    })
}
