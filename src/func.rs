//! Functions of instances and of the host.

#![allow(unsafe_code, reason = "calls trade checked types for unchecked words")]

#[cfg(feature = "async")]
pub(crate) mod asynchronous;
pub(crate) mod dynamic;
mod host;
mod typed;
mod unchecked;
mod values;

use upshift_runtime::{FuncId, Store as RawStore};

pub use host::{Caller, HostDefinition, IntoFunc};
pub use typed::TypedFunc;
pub use unchecked::ValRaw;
pub use values::{WasmParams, WasmResults, WasmRet, WasmTy};

use crate::error::public;
use crate::handle::Handle;
use crate::val::raw_mut;
use crate::{AsContext, AsContextMut, FuncType, HeapType, RefType, Result, Val, ValType};

/// A function of a store: a WebAssembly function or a Rust closure.
///
/// A handle: [`Copy`], valid for its store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Func(pub(crate) Handle<FuncId>);

impl Func {
    /// Creates a host function whose types are known at run time only.
    ///
    /// The closure gets parameters of the types in `ty`, and has to write results of the types in
    /// `ty` to the slice, which contains zeros and nulls at first.
    ///
    /// # Panics
    ///
    /// If the engine's code space is full.
    pub fn new<T: 'static>(
        mut store: impl AsContextMut<Data = T>,
        ty: FuncType,
        func: impl Fn(Caller<'_, T>, &[Val], &mut [Val]) -> Result<()> + Send + Sync + 'static,
    ) -> Self {
        Self::from_host(raw_mut(&mut store), &dynamic::host(ty, func)).expect(TRAMPOLINE)
    }

    /// Creates a host function from a closure with Rust types.
    ///
    /// ```
    /// # fn main() -> upshift::Result<()> {
    /// # let engine = upshift::Engine::default();
    /// let mut store = upshift::Store::new(&engine, 0_i64);
    /// use upshift::{Caller, Func};
    ///
    /// let count = Func::wrap(&mut store, |mut caller: Caller<'_, i64>, by: i64| {
    ///     *caller.data_mut() += by;
    ///     *caller.data()
    /// });
    /// assert_eq!(count.typed::<i64, i64>(&store)?.call(&mut store, 5)?, 5);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// If the engine's code space is full.
    pub fn wrap<T: 'static, Params, Results>(
        mut store: impl AsContextMut<Data = T>,
        func: impl IntoFunc<T, Params, Results>,
    ) -> Self {
        Self::from_host(raw_mut(&mut store), &func.into_host()).expect(TRAMPOLINE)
    }

    /// The function's type. Clones two short lists.
    ///
    /// # Panics
    ///
    /// If the function belongs to another store.
    pub fn ty(&self, store: impl AsContext) -> FuncType {
        let raw = store.as_context().raw;
        FuncType((*raw.func_type(self.0.id_in(raw))).clone())
    }

    /// The type of references to functions of this function's type, which are never null. Its id
    /// means this type as long as this store, a module with such a type, or a function's type that
    /// refers to it exists; afterwards no function has it.
    ///
    /// # Panics
    ///
    /// If the function belongs to another store.
    pub fn typed_ref(&self, store: impl AsContext) -> RefType {
        self.ref_type(store.as_context().raw)
    }

    pub(crate) fn ref_type(&self, store: &RawStore) -> RefType {
        let id = store.func_type_id(self.0.id_in(store));
        RefType::new(false, HeapType::ConcreteFunc(id))
    }

    /// Calls the function with values of run-time types; [`TypedFunc::call`] is faster.
    ///
    /// # Errors
    ///
    /// As [`TypedFunc::call`], and if `params` or `results` have another length than the function's
    /// type, or a parameter another type. The previous values in `results` don't matter.
    ///
    /// # Panics
    ///
    /// As [`TypedFunc::call`].
    pub fn call(
        &self,
        mut store: impl AsContextMut,
        params: &[Val],
        results: &mut [Val],
    ) -> Result<()> {
        let store = raw_mut(&mut store);
        let id = self.0.id_in(store);
        dynamic::call(store, id, params, results)
    }

    /// Checks the function's type once and returns the function with its Rust types.
    ///
    /// # Errors
    ///
    /// If parameters or results have other types than the function. A function that takes any
    /// reference of a type may be called with each, and one that returns references to functions of
    /// one type returns references to functions.
    ///
    /// # Panics
    ///
    /// If the function belongs to another store.
    pub fn typed<Params, Results>(
        &self,
        store: impl AsContext,
    ) -> Result<TypedFunc<Params, Results>>
    where
        Params: WasmParams,
        Results: WasmResults,
    {
        let raw = store.as_context().raw;
        let ty = raw.func_type(self.0.id_in(raw));
        let fit = |found: &[ValType], expected: &[ValType]| {
            let mut pairs = found.iter().zip(expected);
            found.len() == expected.len() && pairs.all(|(ty, other)| ty.matches(*other))
        };
        if !fit(Params::TYPES, &ty.params) || !fit(&ty.results, Results::TYPES) {
            let asked = upshift_abi::FuncType::new(Params::TYPES, Results::TYPES);
            anyhow::bail!("function type mismatch: expected {asked}, found {ty}");
        }
        // SAFETY: the types have just been compared: arguments are of the parameters' types, and
        // results of the Rust types.
        Ok(unsafe { TypedFunc::new_unchecked(*self) })
    }

    pub(crate) fn from_host(store: &mut RawStore, host: &HostDefinition) -> Result<Self> {
        let types = std::slice::from_ref(&host.ty);
        let known = host
            .uses
            .get_or_init(|| store.runtime().register_types(types));
        // SAFETY: the closure of a definition converts its results to the type's, for the calling
        // store.
        let id = unsafe { store.new_host_func(&host.ty, Some(known), host.func.clone()) };
        let id = id.map_err(public)?;
        Ok(Self(Handle::new(store, id)))
    }
}

const TRAMPOLINE: &str = "the code space has room for a trampoline";
