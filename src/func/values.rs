//! Conversion between Rust types and WebAssembly values, in arrays of words and in registers.

#![allow(unsafe_code, reason = "calls trade checked types for unchecked words")]

use upshift_abi::vmctx::{NativeResult, VmFuncRef, VmVal};
use upshift_runtime::{FuncId, NativeEntry, Store as RawStore};

use crate::error::of_call;
use crate::words::{func_from_word, raw_word};
use crate::{Error, ExnRef, ExternRef, Func, Ref, Result, V128, ValType};

/// A Rust type that stands for one WebAssembly value: `i32`, `u32`, `i64`, `u64`, `f32`, `f64`,
/// [`V128`], `Option<Func>`, `Option<ExternRef>` and `Option<ExnRef>`.
pub trait WasmTy: private::Value {}

/// The parameters of a function: one [`WasmTy`] or a tuple of up to sixteen.
pub trait WasmParams: private::Values {}

/// The results of a function: one [`WasmTy`] or a tuple of up to sixteen.
pub trait WasmResults: private::Values {}

/// What a host function may return: [`WasmResults`], or a [`Result`] of them.
pub trait WasmRet: private::Ret {}

/// The conversions behind the public traits, private so that they can change.
pub(crate) mod private {
    use super::*;

    pub trait Value: Copy + Send + 'static {
        const TYPE: ValType;
        /// The value's type in the register where native functions expect it.
        type Native: Word;
        fn into_native(self, store: &RawStore) -> Self::Native;
        /// # Safety
        ///
        /// The value comes from a place of the type in this store.
        unsafe fn from_native(store: &mut RawStore, native: Self::Native) -> Self;

        #[inline]
        fn into_raw(self, store: &RawStore) -> VmVal {
            raw_word(Value::into_native(self, store).to_word())
        }

        /// # Safety
        ///
        /// As for `from_native`.
        #[inline]
        unsafe fn from_raw(store: &mut RawStore, raw: VmVal) -> Self {
            // SAFETY: guaranteed by the caller.
            unsafe { Value::from_native(store, Self::Native::from_word(raw.bits[0])) }
        }
    }

    /// A number as a word of an array.
    pub trait Word: Copy + Default {
        fn to_word(self) -> u64;
        fn from_word(word: u64) -> Self;
    }

    pub trait Values: Sized + Send + 'static {
        const TYPES: &'static [ValType];
        /// An array with room for the values.
        type Raw: AsMut<[VmVal]> + Default;
        fn into_raw(self, store: &RawStore, raw: &mut [VmVal]);
        /// # Safety
        ///
        /// The values come from places of the types in this store.
        unsafe fn from_raw(store: &mut RawStore, raw: &[VmVal]) -> Self;
        /// The result of a native function; `()` if there is none, and for several, which no native
        /// function has.
        type Native: Copy + Default;
        fn into_native(self, store: &RawStore) -> Self::Native;
        /// # Safety
        ///
        /// The value comes from a place of the type in this store.
        unsafe fn from_native(store: &mut RawStore, native: Self::Native) -> Self;
        /// The result of a native function as the runtime passes it elsewhere, if there is one.
        fn native_to_raw(native: Self::Native) -> Option<VmVal>;
        /// Calls a native function with these as arguments.
        ///
        /// # Safety
        ///
        /// The function has these parameters and the results `R`, and is native.
        unsafe fn call_native<R: Values>(self, store: &mut RawStore, func: FuncId) -> Result<R>;
    }

    pub trait Ret {
        type Values: Values;
        fn into_result(self) -> Result<Self::Values>;
    }

    impl<V: Values> Ret for V {
        type Values = V;

        #[inline]
        fn into_result(self) -> Result<V> {
            Ok(self)
        }
    }

    impl<V: Values> Ret for Result<V, Error> {
        type Values = V;

        #[inline]
        fn into_result(self) -> Result<V> {
            self
        }
    }

    impl<V: Value> Values for V {
        const TYPES: &'static [ValType] = &[V::TYPE];
        type Raw = [VmVal; 1];

        #[inline]
        fn into_raw(self, store: &RawStore, raw: &mut [VmVal]) {
            raw[0] = Value::into_raw(self, store);
        }

        #[inline]
        unsafe fn from_raw(store: &mut RawStore, raw: &[VmVal]) -> Self {
            // SAFETY: guaranteed by the caller.
            unsafe { Value::from_raw(store, raw[0]) }
        }

        type Native = V::Native;

        #[inline]
        fn into_native(self, store: &RawStore) -> V::Native {
            Value::into_native(self, store)
        }

        #[inline]
        unsafe fn from_native(store: &mut RawStore, native: V::Native) -> Self {
            // SAFETY: guaranteed by the caller.
            unsafe { Value::from_native(store, native) }
        }

        fn native_to_raw(native: V::Native) -> Option<VmVal> {
            Some(raw_word(native.to_word()))
        }

        #[inline]
        unsafe fn call_native<R: Values>(self, store: &mut RawStore, func: FuncId) -> Result<R> {
            // SAFETY: guaranteed by the caller; one value is a list of one.
            unsafe { (self,).call_native(store, func) }
        }
    }
}

use private::{Ret, Value, Values, Word};

impl<V: Value> WasmTy for V {}
impl<V: Values> WasmParams for V {}
impl<V: Values> WasmResults for V {}
impl<R: Ret> WasmRet for R {}

macro_rules! number {
    ($($ty:ty = $wasm:ident, $value:ident => $into:expr, $word:ident => $from:expr;)*) => {$(
        impl Value for $ty {
            const TYPE: ValType = ValType::$wasm;
            type Native = Self;

            #[inline]
            fn into_native(self, _: &RawStore) -> Self {
                self
            }

            #[inline]
            unsafe fn from_native(_: &mut RawStore, native: Self) -> Self {
                native
            }
        }

        impl Word for $ty {
            #[inline]
            fn to_word(self) -> u64 {
                let $value = self;
                $into
            }

            #[inline]
            fn from_word($word: u64) -> Self {
                $from
            }
        }
    )*};
}

// The upper half of a 32-bit value's word is undefined.
number! {
    i32 = I32, value => u64::from(value as u32), word => word as i32;
    u32 = I32, value => u64::from(value), word => word as u32;
    i64 = I64, value => value as u64, word => word as i64;
    u64 = I64, value => value, word => word;
    f32 = F32, value => u64::from(value.to_bits()), word => f32::from_bits(word as u32);
    f64 = F64, value => value.to_bits(), word => f64::from_bits(word);
}

impl Value for V128 {
    const TYPE: ValType = ValType::V128;
    /// Functions with vectors are not native: nothing is passed so.
    type Native = u64;

    fn into_native(self, _: &RawStore) -> u64 {
        unreachable!("{VECTORS_IN_ARRAYS}")
    }

    unsafe fn from_native(_: &mut RawStore, _: u64) -> Self {
        unreachable!("{VECTORS_IN_ARRAYS}")
    }

    fn into_raw(self, _: &RawStore) -> VmVal {
        self.to_raw()
    }

    unsafe fn from_raw(_: &mut RawStore, raw: VmVal) -> Self {
        V128::from_raw(raw)
    }
}

const VECTORS_IN_ARRAYS: &str = "functions with vectors are called through arrays";

impl Value for Option<Func> {
    const TYPE: ValType = ValType::FUNCREF;
    type Native = u64;

    fn into_native(self, store: &RawStore) -> u64 {
        Ref::Func(self).word(store)
    }

    unsafe fn from_native(store: &mut RawStore, native: u64) -> Self {
        // SAFETY: guaranteed by the caller.
        unsafe { func_from_word(store, native) }
    }
}

impl Value for Option<ExternRef> {
    const TYPE: ValType = ValType::EXTERNREF;
    type Native = u64;

    fn into_native(self, store: &RawStore) -> u64 {
        Ref::Extern(self).word(store)
    }

    unsafe fn from_native(store: &mut RawStore, native: u64) -> Self {
        ExternRef::from_word(store, native)
    }
}

impl Value for Option<ExnRef> {
    const TYPE: ValType = ValType::EXNREF;
    type Native = u64;

    fn into_native(self, store: &RawStore) -> u64 {
        Ref::Exn(self).word(store)
    }

    unsafe fn from_native(store: &mut RawStore, native: u64) -> Self {
        ExnRef::from_word(store, native)
    }
}

/// Invokes a macro with every list of type parameters, from none to sixteen.
macro_rules! for_each_arity {
    ($macro:ident) => {
        for_each_arity!(@ $macro [] A1 A2 A3 A4 A5 A6 A7 A8 A9 A10 A11 A12 A13 A14 A15 A16);
    };
    (@ $macro:ident [$($done:ident)*]) => {
        $macro!($($done)*);
    };
    (@ $macro:ident [$($done:ident)*] $next:ident $($rest:ident)*) => {
        $macro!($($done)*);
        for_each_arity!(@ $macro [$($done)* $next] $($rest)*);
    };
}
pub(crate) use for_each_arity;

macro_rules! tuple {
    ($($ty:ident)*) => {
        #[allow(non_snake_case, unused_variables, unused_mut, clippy::unused_unit)]
        impl<$($ty: Value),*> Values for ($($ty,)*) {
            const TYPES: &'static [ValType] = &[$($ty::TYPE),*];
            type Raw = [VmVal; { const TYPES: &[&str] = &[$(stringify!($ty)),*]; TYPES.len() }];

            #[inline]
            fn into_raw(self, store: &RawStore, raw: &mut [VmVal]) {
                let ($($ty,)*) = self;
                let mut raw = raw.iter_mut();
                $(*raw.next().expect(ROOM) = Value::into_raw($ty, store);)*
            }

            #[inline]
            unsafe fn from_raw(store: &mut RawStore, raw: &[VmVal]) -> Self {
                let mut raw = raw.iter();
                // SAFETY: the caller's promise.
                $(let $ty = unsafe { Value::from_raw(store, *raw.next().expect(ROOM)) };)*
                ($($ty,)*)
            }

            native_result!($($ty)*);

            #[inline]
            unsafe fn call_native<R: Values>(
                self,
                store: &mut RawStore,
                func: FuncId,
            ) -> Result<R> {
                let ($($ty,)*) = self;
                $(let $ty = Value::into_native($ty, store);)*
                let call = |NativeEntry(entry), func| {
                    // SAFETY: the caller's promise makes this the signature of the entry
                    // trampoline.
                    unsafe {
                        let entry: unsafe extern "sysv64" fn(
                            *const VmFuncRef,
                            $($ty::Native),*
                        ) -> NativeResult<R::Native> =
                            std::mem::transmute(entry);
                        entry(func, $($ty),*)
                    }
                };
                // SAFETY: as above; `into_native` has compared the stores of references.
                unsafe {
                    let native = store.call_native(func, call);
                    let native = native.map_err(|error| unboxed(store, error))?;
                    Ok(R::from_native(store, native))
                }
            }
        }
    };
}

#[cold]
#[expect(
    clippy::boxed_local,
    reason = "as the runtime keeps it out of the way of results"
)]
fn unboxed(store: &mut RawStore, error: Box<upshift_runtime::Error>) -> Error {
    of_call(store, *error)
}

/// Implements the conversions of a native function's result.
macro_rules! native_result {
    () => {
        type Native = ();

        #[inline]
        fn into_native(self, _: &RawStore) {}

        #[inline]
        unsafe fn from_native(_: &mut RawStore, (): ()) -> Self {}

        fn native_to_raw((): ()) -> Option<VmVal> {
            None
        }
    };
    ($ty:ident) => {
        type Native = $ty::Native;

        #[inline]
        fn into_native(self, store: &RawStore) -> Self::Native {
            Value::into_native(self.0, store)
        }

        #[inline]
        unsafe fn from_native(store: &mut RawStore, native: Self::Native) -> Self {
            // SAFETY: the caller's promise.
            (unsafe { Value::from_native(store, native) },)
        }

        fn native_to_raw(native: Self::Native) -> Option<VmVal> {
            Some(raw_word(native.to_word()))
        }
    };
    ($($ty:ident)*) => {
        type Native = ();

        fn into_native(self, _: &RawStore) {
            unreachable!("a native function has one result at most")
        }

        unsafe fn from_native(_: &mut RawStore, (): ()) -> Self {
            unreachable!("a native function has one result at most")
        }

        fn native_to_raw((): ()) -> Option<VmVal> {
            unreachable!("a native function has one result at most")
        }
    };
}
for_each_arity!(tuple);

const ROOM: &str = "the caller provides room for all parameters and results";
