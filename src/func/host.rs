//! Host functions: Rust closures that WebAssembly can call.

#![allow(unsafe_code, reason = "calls trade checked types for unchecked words")]

use std::sync::{Arc, OnceLock};

use upshift_abi as abi;
use upshift_abi::callconv::is_native;
use upshift_abi::vmctx::{NativeResult, VmHostContext};
use upshift_runtime::{
    HostCall, HostFunc, InstanceId, Interruption, NativeFunc, Store as RawStore, TypeUses,
    run_native,
};

use super::values::{
    for_each_arity,
    private::{Values, Word as _},
};
use crate::store::StoreContextMut;
use crate::words::raw_word;
use crate::{
    AsContext, AsContextMut, Engine, Extern, FuncType, Instance, Result, StoreContext, WasmRet,
    WasmTy,
};

/// A host function that is not in a store yet.
#[doc(hidden)]
pub struct HostDefinition {
    pub(super) ty: abi::FuncType,
    /// The function's type, in the engine of the first store that gets the function: later stores
    /// need not search for it.
    pub(super) uses: OnceLock<TypeUses>,
    /// The closure. It returns results of the function's type, or an error.
    pub(super) func: HostFunc,
}

impl HostDefinition {
    /// The function's type.
    pub(crate) fn ty(&self) -> FuncType {
        FuncType(self.ty.clone())
    }
}

/// Closures that can become host functions: with up to sixteen [`WasmTy`] parameters, optionally
/// behind a [`Caller`], and a [`WasmRet`] result. Implemented for all such closures.
pub trait IntoFunc<T, Params, Results>: Send + Sync + 'static {
    #[doc(hidden)]
    fn into_host(self) -> HostDefinition;
}

/// The context of a host function's call: the store, and the instance that called it.
///
/// It is accepted wherever a store is.
#[derive(Debug)]
pub struct Caller<'a, T: 'static> {
    store: StoreContextMut<'a, T>,
    instance: Option<InstanceId>,
}

impl<'a, T: 'static> Caller<'a, T> {
    pub(super) fn new(store: &'a mut RawStore, instance: Option<InstanceId>) -> Self {
        Self {
            store: StoreContextMut::new(store),
            instance,
        }
    }

    /// The embedder's data.
    pub fn data(&self) -> &T {
        self.store.data()
    }

    /// The embedder's data, mutable.
    pub fn data_mut(&mut self) -> &mut T {
        self.store.data_mut()
    }

    /// The engine of the store.
    pub fn engine(&self) -> &Engine {
        self.store.engine()
    }

    /// The interruption of the store, by which the host function finds out, before it returns, that
    /// the call that it is part of is to end. Clones a reference count.
    pub fn interruption(&self) -> Interruption {
        self.store.raw.interruption()
    }

    /// Sets how much fuel the running call and further ones may still use, as
    /// [`Store::set_fuel`](crate::Store::set_fuel) does.
    ///
    /// # Errors
    ///
    /// If the engine does not consume fuel.
    pub fn set_fuel(&mut self, fuel: u64) -> Result<()> {
        self.store.set_fuel(fuel)
    }

    /// How much fuel is left when the host function is called: what comes before the call is
    /// charged, the call itself included.
    ///
    /// # Errors
    ///
    /// If the engine does not consume fuel.
    pub fn get_fuel(&self) -> Result<u64> {
        self.store.get_fuel()
    }

    /// An export of the calling instance: one hash lookup. `None` if there is no such export, or if
    /// the host called the function directly.
    pub fn get_export(&mut self, name: &str) -> Option<Extern> {
        let instance = Instance::from_raw(self.store.raw, self.instance?);
        instance.get_export(&mut self.store, name)
    }
}

impl<T: 'static> AsContext for Caller<'_, T> {
    type Data = T;

    fn as_context(&self) -> StoreContext<'_, T> {
        self.store.as_context()
    }
}

impl<T: 'static> AsContextMut for Caller<'_, T> {
    fn as_context_mut(&mut self) -> StoreContextMut<'_, T> {
        self.store.as_context_mut()
    }
}

macro_rules! into_func {
    ($($ty:ident)*) => {
        #[allow(non_snake_case)]
        impl<T, F, R, $($ty),*> IntoFunc<T, ($($ty,)*), R> for F
        where
            T: 'static,
            F: Fn($($ty),*) -> R + Send + Sync + 'static,
            R: WasmRet,
            $($ty: WasmTy,)*
        {
            fn into_host(self) -> HostDefinition {
                let with_caller = move |_: Caller<'_, T>, $($ty: $ty),*| self($($ty),*);
                IntoFunc::<T, (Caller<'_, T>, $($ty,)*), R>::into_host(with_caller)
            }
        }

        #[allow(non_snake_case)]
        impl<T, F, R, $($ty),*> IntoFunc<T, (Caller<'_, T>, $($ty,)*), R> for F
        where
            T: 'static,
            F: Fn(Caller<'_, T>, $($ty),*) -> R + Send + Sync + 'static,
            R: WasmRet,
            $($ty: WasmTy,)*
        {
            fn into_host(self) -> HostDefinition {
                unsafe extern "sysv64" fn native<T, F, R, $($ty),*>(
                    context: *mut VmHostContext,
                    $($ty: $ty::Native),*
                ) -> NativeResult<<R::Values as Values>::Native>
                where
                    T: 'static,
                    F: Fn(Caller<'_, T>, $($ty),*) -> R + 'static,
                    R: WasmRet,
                    $($ty: WasmTy,)*
                {
                    let run = |store: &mut RawStore, caller, func: &F| {
                        // SAFETY: the trampoline passes values of the parameter types.
                        $(let $ty = unsafe { $ty::from_native(store, $ty) };)*
                        let results = func(Caller::new(store, caller), $($ty),*).into_result()?;
                        Ok(results.into_native(store))
                    };
                    let args = || vec![$(raw_word($ty.to_word())),*];
                    let result = |native: &_| <R::Values as Values>::native_to_raw(*native);
                    // SAFETY: the definition below pairs this code with an `F`.
                    unsafe { run_native(context, args, result, run) }
                }

                let ty = abi::FuncType::new(&[$($ty::TYPE),*][..], <R::Values as Values>::TYPES);
                let func = if const { is_native(&[$($ty::TYPE),*], <R::Values as Values>::TYPES) } {
                    let code = native::<T, F, R, $($ty),*> as *const ();
                    HostFunc::Native {
                        // SAFETY: a pointer to a function; only trampolines of its type call it.
                        code: unsafe { std::mem::transmute::<*const (), NativeFunc>(code) },
                        data: Arc::new(self),
                    }
                } else {
                    HostFunc::Array(Arc::new(move |host: HostCall<'_>| {
                        let HostCall { store, caller, values } = host;
                        // SAFETY: the runtime passes values of the parameter types.
                        let ($($ty,)*) = unsafe { <($($ty,)*) as Values>::from_raw(store, values) };
                        let results = self(Caller::new(store, caller), $($ty),*).into_result()?;
                        results.into_raw(store, values);
                        Ok(())
                    }))
                };
                HostDefinition { ty, uses: OnceLock::new(), func }
            }
        }
    };
}
for_each_arity!(into_func);
