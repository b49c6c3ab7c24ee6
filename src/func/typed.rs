//! Functions whose Rust types have been checked once.

#![allow(unsafe_code, reason = "calls trade checked types for unchecked words")]

use std::marker::PhantomData;

use upshift_abi::callconv::is_native;
use upshift_abi::vmctx::VmVal;
use upshift_runtime::{FuncId, Store as RawStore};

use super::values::{WasmParams, WasmResults, private::Values};
use crate::error::of_call;
use crate::val::raw_mut;
use crate::{AsContextMut, Func, Result};

/// A function whose parameter and result types have been checked: calling it converts and jumps.
///
/// A handle like [`Func`]: [`Copy`], valid for its store.
#[derive(Debug)]
pub struct TypedFunc<Params, Results> {
    func: Func,
    _types: PhantomData<fn(Params) -> Results>,
}

impl<P, R> Clone for TypedFunc<P, R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<P, R> Copy for TypedFunc<P, R> {}

impl<P: WasmParams, R: WasmResults> TypedFunc<P, R> {
    /// # Safety
    ///
    /// The function has these types.
    pub(super) unsafe fn new_unchecked(func: Func) -> Self {
        Self {
            func,
            _types: PhantomData,
        }
    }

    /// The function without its Rust types.
    pub fn func(&self) -> &Func {
        &self.func
    }

    /// Calls the function. No allocation, no type check.
    ///
    /// ```
    /// # fn main() -> upshift::Result<()> {
    /// # let engine = upshift::Engine::default();
    /// # let mut store = upshift::Store::new(&engine, ());
    /// let add = upshift::Func::wrap(&mut store, |a: i32, b: i32| a + b);
    /// let add = add.typed::<(i32, i32), i32>(&store)?;
    /// assert_eq!(add.call(&mut store, (40, 2))?, 42);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// If WebAssembly traps ([`Trap`](crate::Trap)), a host function fails (its error), or a
    /// function called for the first time can't be compiled. Where WebAssembly was running,
    /// the error carries a [`WasmBacktrace`](crate::WasmBacktrace).
    ///
    /// # Panics
    ///
    /// If the function or a reference in `params` belongs to another store; and if a host function
    /// panics, with its panic.
    #[inline]
    pub fn call(&self, mut store: impl AsContextMut, params: P) -> Result<R> {
        let store = raw_mut(&mut store);
        self.call_in(store, self.func.0.id_in(store), params)
    }

    /// [`call`](Self::call) of the function with its id in the store.
    #[inline]
    pub(super) fn call_in(&self, store: &mut RawStore, func: FuncId, params: P) -> Result<R> {
        if const { is_native(P::TYPES, R::TYPES) } {
            // SAFETY: the creator of this `TypedFunc` has compared the types.
            return unsafe { params.call_native(store, func) };
        }
        with_room::<P, R, _>(|values| {
            params.into_raw(store, values);
            // SAFETY: the creator of this `TypedFunc` has compared the types, and `id_in` and
            // `into_raw` the stores.
            unsafe {
                let called = store.call(func, values);
                called.map_err(|error| of_call(store, error))?;
                Ok(R::from_raw(store, values))
            }
        })
    }
}

/// Calls `f` with an array on the stack that has room for the parameters or the results, whichever
/// are more.
#[inline]
fn with_room<P: Values, R: Values, X>(f: impl FnOnce(&mut [VmVal]) -> X) -> X {
    if P::TYPES.len() >= R::TYPES.len() {
        f(P::Raw::default().as_mut())
    } else {
        f(R::Raw::default().as_mut())
    }
}
