//! Call hooks that wait.

use std::marker::PhantomData;
use std::sync::Arc;

use upshift_runtime::{AsyncHook, CallHook, HookFuture, Store as RawStore};

use super::StoreContextMut;
use crate::Result;

/// An object that is told of each change between the host and WebAssembly, by a future: see
/// [`Store::call_hook_async`](crate::Store::call_hook_async).
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
/// use upshift::{CallHook, CallHookHandler, Engine, Func, Result, Store, StoreContextMut};
///
/// struct Count;
///
/// #[async_trait::async_trait]
/// impl CallHookHandler<u32> for Count {
///     async fn handle_call_event(
///         &self, mut store: StoreContextMut<'_, u32>, _: CallHook,
///     ) -> Result<()> {
///         std::future::ready(()).await;
///         *store.data_mut() += 1;
///         Ok(())
///     }
/// }
///
/// let mut store = Store::new(&Engine::default(), 0);
/// store.call_hook_async(Count);
/// let func = Func::wrap(&mut store, || ()).typed::<(), ()>(&store)?;
/// block_on(func.call_async(&mut store, ()))?;
/// assert!(func.call(&mut store, ()).is_err());
/// assert_eq!(store.into_data(), 4);
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "wat"))]
/// # fn main() {}
/// ```
#[async_trait::async_trait]
pub trait CallHookHandler<T: 'static>: Send {
    /// Is told of a change; an error is that of the call, as
    /// [`Store::call_hook`](crate::Store::call_hook) says.
    async fn handle_call_event(
        &self,
        store: StoreContextMut<'_, T>,
        change: CallHook,
    ) -> Result<()>;
}

/// A handler as the runtime calls it.
struct HookOf<T, H> {
    handler: H,
    _data: PhantomData<fn(T)>,
}

impl<T, H> AsyncHook for HookOf<T, H>
where
    T: Send + 'static,
    H: CallHookHandler<T> + Sync,
{
    fn change<'a>(&'a self, store: &'a mut RawStore, change: CallHook) -> HookFuture<'a> {
        let store = StoreContextMut::new(store);
        self.handler.handle_call_event(store, change)
    }
}

/// The handler, as the store keeps it.
pub(super) fn of<T: Send + 'static>(
    handler: impl CallHookHandler<T> + Sync + 'static,
) -> Arc<dyn AsyncHook> {
    Arc::new(HookOf {
        handler,
        _data: PhantomData,
    })
}
