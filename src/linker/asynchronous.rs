//! Asynchronous host functions by name, and instances of modules that import them.

use std::sync::Arc;

use super::{Definition, Linker};
use crate::func::asynchronous::{HostFuture, host, host_dynamic};
use crate::{AsContextMut, Caller, FuncType, Instance, Module, Result, Val, WasmParams, WasmRet};

impl<T: Send + 'static> Linker<T> {
    /// Defines an asynchronous host function from a closure with Rust types; see
    /// [`Func::wrap_async`](crate::Func::wrap_async).
    ///
    /// # Errors
    ///
    /// If the name is taken and [shadowing](Self::allow_shadowing) is not allowed.
    pub fn func_wrap_async<F, Params, Results>(
        &mut self,
        module: &str,
        name: &str,
        func: F,
    ) -> Result<&mut Self>
    where
        F: for<'a> Fn(Caller<'a, T>, Params) -> HostFuture<'a, Results> + Send + Sync + 'static,
        Params: WasmParams,
        Results: WasmRet,
    {
        self.insert(module, name, Definition::Host(Arc::new(host(func))))
    }

    /// Defines an asynchronous host function whose types are known at run time only; see
    /// [`Func::new_async`](crate::Func::new_async).
    ///
    /// # Errors
    ///
    /// If the name is taken and [shadowing](Self::allow_shadowing) is not allowed.
    pub fn func_new_async<F>(
        &mut self,
        module: &str,
        name: &str,
        ty: FuncType,
        func: F,
    ) -> Result<&mut Self>
    where
        F: for<'a> Fn(Caller<'a, T>, &'a [Val], &'a mut [Val]) -> HostFuture<'a, Result<()>>
            + Send
            + Sync
            + 'static,
    {
        let host = host_dynamic(ty, func);
        self.insert(module, name, Definition::Host(Arc::new(host)))
    }

    /// Instantiates a module as [`instantiate`](Self::instantiate) does; its start function may
    /// call asynchronous host functions.
    ///
    /// # Errors
    ///
    /// If an import is not defined ([`UnknownImport`](crate::UnknownImport), the first one), or as
    /// [`Instance::new_async`].
    ///
    /// # Panics
    ///
    /// As [`Instance::new`].
    pub async fn instantiate_async(
        &self,
        mut store: impl AsContextMut<Data = T>,
        module: &Module,
    ) -> Result<Instance> {
        self.find_imports(module)?
            .instantiate_async(&mut store)
            .await
    }

    /// Instantiates a module once, calls its `_initialize` if it has one, and defines the names of
    /// its exports, as [`module`](Self::module) does.
    ///
    /// # Errors
    ///
    /// As [`instantiate_async`](Self::instantiate_async),
    /// [`TypedFunc::call_async`](crate::TypedFunc::call_async) and [`instance`](Self::instance).
    pub async fn module_async(
        &mut self,
        mut store: impl AsContextMut<Data = T>,
        module_name: &str,
        module: &Module,
    ) -> Result<&mut Self> {
        let instance = self.instantiate_async(&mut store, module).await?;
        if let Some(initialize) = instance.get_func(&mut store, "_initialize") {
            let initialize = initialize.typed::<(), ()>(&store)?;
            initialize.call_async(&mut store, ()).await?;
        }
        self.instance(store, module_name, instance)
    }
}
