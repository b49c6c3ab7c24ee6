//! Calls in both directions with raw values, whose types nothing compares.

#![allow(unsafe_code, reason = "calls trade checked types for unchecked words")]

use std::fmt;
use std::mem::MaybeUninit;
use std::sync::{Arc, OnceLock};

use upshift_abi::vmctx::VmVal;
use upshift_runtime::{HostCall, HostFunc};

use super::host::{Caller, HostDefinition};
use super::{Func, TRAMPOLINE};
use crate::error::of_call;
use crate::val::raw_mut;
use crate::{AsContextMut, FuncType, Linker, Result, Val, ValType};

/// A value of any type, without its type: 128 bits, of which a type uses the lowest.
///
/// A reference is a number that means something in its store only, and does not keep what it refers
/// to: make a [`Val`] of it ([`Val::from_raw`]) before anything else happens in the store. 0 is
/// null.
///
/// ```
/// use upshift::ValRaw;
///
/// assert_eq!(ValRaw::i32(-1).get_i32(), -1);
/// assert_eq!(ValRaw::f64(1.5_f64.to_bits()).get_f64(), 1.5_f64.to_bits());
/// assert_eq!(ValRaw::v128(1 << 100).get_v128(), 1 << 100);
/// ```
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct ValRaw(VmVal);

macro_rules! raw {
    ($($name:ident $get:ident: $ty:ty, $what:literal, $value:ident => $into:expr,
        $word:ident => $from:expr;)*) => {$(
        #[doc = concat!("A value of type `", $what, "`.")]
        #[inline]
        pub fn $name($value: $ty) -> Self {
            Self(VmVal { bits: [$into, 0] })
        }

        #[doc = concat!("The value, if it is of type `", $what, "`; else some number.")]
        #[inline]
        pub fn $get(&self) -> $ty {
            let $word = self.0.bits[0];
            $from
        }
    )*};
}

impl ValRaw {
    raw! {
        i32 get_i32: i32, "i32", value => u64::from(value as u32), word => word as i32;
        u32 get_u32: u32, "i32", value => u64::from(value), word => word as u32;
        i64 get_i64: i64, "i64", value => value as u64, word => word as i64;
        u64 get_u64: u64, "i64", value => value, word => word;
        f32 get_f32: u32, "f32", bits => u64::from(bits), word => word as u32;
        f64 get_f64: u64, "f64", bits => bits, word => word;
        funcref get_funcref: u64, "funcref", reference => reference, word => word;
        externref get_externref: u64, "externref", reference => reference, word => word;
        exnref get_exnref: u64, "exnref", reference => reference, word => word;
    }

    /// A value of type `v128`.
    #[inline]
    pub fn v128(bits: u128) -> Self {
        Self(VmVal {
            bits: [bits as u64, (bits >> 64) as u64],
        })
    }

    /// The value, if it is of type `v128`; else some number.
    #[inline]
    pub fn get_v128(&self) -> u128 {
        let [low, high] = self.0.bits;
        u128::from(high) << 64 | u128::from(low)
    }
}

impl Default for ValRaw {
    /// Zero and null of all types.
    fn default() -> Self {
        Self::v128(0)
    }
}

impl fmt::Debug for ValRaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ValRaw({:#x})", self.get_v128())
    }
}

/// The arguments of an unchecked host function, which its results replace.
type RawValues<'a> = &'a mut [MaybeUninit<ValRaw>];

impl Val {
    /// The value without its type. A [`ValRaw`] does not keep what it refers to.
    ///
    /// # Errors
    ///
    /// If no value without a type stands for it: there is no such value at present.
    ///
    /// # Panics
    ///
    /// If it is a reference of another store, or one that was freed.
    pub fn to_raw(&self, mut store: impl AsContextMut) -> Result<ValRaw> {
        let raw = raw_mut(&mut store);
        self.check(raw, self.ty(), "value")?;
        Ok(ValRaw(self.to_vm_val(raw)))
    }

    /// The value of a type that a raw one is.
    ///
    /// # Safety
    ///
    /// The raw value is of the type. A reference is null, or from [`to_raw`](Self::to_raw), an
    /// unchecked call or the arguments of an unchecked host function of this store, in which
    /// nothing has happened since then.
    pub unsafe fn from_raw(mut store: impl AsContextMut, raw: ValRaw, ty: ValType) -> Self {
        // SAFETY: guaranteed by the caller.
        unsafe { Self::from_vm_val(raw_mut(&mut store), raw.0, ty) }
    }
}

impl Func {
    /// Calls the function with raw values: the arguments are the first of them, and are replaced by
    /// the results. Nothing is compared and nothing is allocated: for other languages' bindings,
    /// which know the types. [`TypedFunc`](crate::TypedFunc) is as safe as it is fast.
    ///
    /// ```
    /// # #[cfg(feature = "wat")]
    /// # fn main() -> upshift::Result<()> {
    /// # let engine = upshift::Engine::default();
    /// use upshift::{Instance, Module, Store, ValRaw};
    ///
    /// let text = r#"(module (func (export "add") (param i32 i32) (result i32)
    ///     (i32.add (local.get 0) (local.get 1))))"#;
    /// let module = Module::new(&engine, text)?;
    /// let mut store = Store::new(&engine, ());
    /// let instance = Instance::new(&mut store, &module, &[])?;
    /// let add = instance.get_func(&mut store, "add").expect("it is exported");
    ///
    /// let mut values = [ValRaw::i32(2), ValRaw::i32(3)];
    /// // SAFETY: the function takes two of type i32, and returns one.
    /// unsafe { add.call_unchecked(&mut store, &mut values)? };
    /// assert_eq!(values[0].get_i32(), 5);
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "wat"))]
    /// # fn main() {}
    /// ```
    ///
    /// # Errors
    ///
    /// As [`TypedFunc::call`](crate::TypedFunc::call).
    ///
    /// # Panics
    ///
    /// As [`TypedFunc::call`](crate::TypedFunc::call), and if there are fewer values than
    /// parameters or results.
    ///
    /// # Safety
    ///
    /// The pointer is to so many values that nothing else uses during the call. The first ones are
    /// of the types of the parameters; references are as for [`Val::from_raw`].
    pub unsafe fn call_unchecked(
        &self,
        mut store: impl AsContextMut,
        params_and_returns: *mut [ValRaw],
    ) -> Result<()> {
        let store = raw_mut(&mut store);
        let func = self.0.id_in(store);
        // SAFETY: guaranteed by the caller; the types differ by name only.
        let values = unsafe { &mut *(params_and_returns as *mut [VmVal]) };
        // SAFETY: guaranteed by the caller.
        unsafe { store.call(func, values) }.map_err(|error| of_call(store, error))
    }

    /// Creates a host function that gets its arguments as raw values, as many as it has parameters
    /// or results, whichever are more, and replaces them by its results.
    ///
    /// # Panics
    ///
    /// If the engine's code space is full.
    ///
    /// # Safety
    ///
    /// When the closure returns `Ok`, the first values are of the types of the results; references
    /// are as for [`Val::from_raw`].
    pub unsafe fn new_unchecked<T: 'static>(
        mut store: impl AsContextMut<Data = T>,
        ty: FuncType,
        func: impl Fn(Caller<'_, T>, RawValues<'_>) -> Result<()> + Send + Sync + 'static,
    ) -> Self {
        // SAFETY: guaranteed by the caller.
        let host = unsafe { unchecked_host(ty, func) };
        Self::from_host(raw_mut(&mut store), &host).expect(TRAMPOLINE)
    }
}

impl<T: 'static> Linker<T> {
    /// Defines a name as a host function over raw values, as [`Func::new_unchecked`] creates it.
    ///
    /// # Errors
    ///
    /// As [`func_new`](Self::func_new).
    ///
    /// # Safety
    ///
    /// As for [`Func::new_unchecked`].
    pub unsafe fn func_new_unchecked(
        &mut self,
        module: &str,
        name: &str,
        ty: FuncType,
        func: impl Fn(Caller<'_, T>, RawValues<'_>) -> Result<()> + Send + Sync + 'static,
    ) -> Result<&mut Self> {
        // SAFETY: guaranteed by the caller.
        let host = unsafe { unchecked_host(ty, func) };
        self.define_host(module, name, host)
    }
}

/// Creates a host function from a closure over raw values.
///
/// # Safety
///
/// As for [`Func::new_unchecked`].
unsafe fn unchecked_host<T: 'static>(
    ty: FuncType,
    func: impl Fn(Caller<'_, T>, RawValues<'_>) -> Result<()> + Send + Sync + 'static,
) -> HostDefinition {
    let call = move |host: HostCall<'_>| {
        let values: *mut [VmVal] = host.values;
        // SAFETY: the same type by another name, which may be uninitialized besides: whatever the
        // closure writes, by its creator's promise, is initialized.
        let values = unsafe { &mut *(values as *mut [MaybeUninit<ValRaw>]) };
        func(Caller::new(host.store, host.caller), values)
    };
    HostDefinition {
        ty: ty.0,
        uses: OnceLock::new(),
        func: HostFunc::Array(Arc::new(call)),
    }
}
