//! Calls in both directions with values that have no kinds: vectors too, and without allocating.

use std::ffi::{c_char, c_void};
use std::mem::MaybeUninit;

use anyhow::Result;
use upshift::{AsContextMut, Caller, Func, RootScope, Val, ValRaw, ValType};

use super::call::upshift_caller_t;
use super::error::{Failure, divide, failure, finish};
use super::linker::upshift_linker_t;
use super::text;
use crate::func::Outcome;
use crate::given;
use crate::refs::{Object, wasm_ref_t};
use crate::store::{Data, Finalizer, HostData, StoreRef, wasm_store_t};
use crate::trap::into_error;
use crate::types::{of_kind, wasm_externtype_t};
use crate::value::{from_ref, to_ref};
use crate::vector::Out;

/// A host function of the embedder that gets its values raw.
type RawCallback = unsafe extern "C" fn(
    env: *mut c_void,
    caller: *const upshift_caller_t,
    values: *mut ValRaw,
    count: usize,
) -> Outcome;

/// Room for values of the caller's.
///
/// # Safety
///
/// There is room for so many values, which nothing else uses for `'a`, if the pointer is not NULL.
unsafe fn room<'a>(values: *mut ValRaw, count: usize) -> &'a mut [ValRaw] {
    if count == 0 {
        return &mut [];
    }
    assert!(
        !values.is_null() && values.is_aligned(),
        "`values` is NULL, or no array of upshift_raw_t"
    );
    // SAFETY: the caller's promise.
    unsafe { std::slice::from_raw_parts_mut(values, count) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn upshift_func_call_unchecked(
    func: Option<&wasm_ref_t>,
    values: *mut ValRaw,
    count: usize,
    trap: Out<'_, Option<Box<wasm_ref_t>>>,
) -> Failure {
    // SAFETY: the caller passes so many values, which the call has to itself.
    let values = unsafe { room(values, count) };
    let reference = given(func, "func");
    // A host function that is called from here may delete the reference, and the store's other
    // ones.
    let (store, func) = (reference.store().clone(), reference.func());
    let called = store.with(|context| {
        // SAFETY: the caller passes values of the function's types, as the header says.
        unsafe { func.call_unchecked(context, values) }
    });
    divide(called, trap)
}

/// The engine's form of a host function of the embedder.
fn host(
    callback: RawCallback,
    env: HostData,
) -> impl Fn(Caller<'_, Data>, &mut [MaybeUninit<ValRaw>]) -> Result<()> + Send + Sync + 'static {
    move |mut caller, values| {
        let store = StoreRef::of(&caller);
        let context = upshift_caller_t::new(&store);
        let (first, count) = (values.as_mut_ptr().cast::<ValRaw>(), values.len());
        let returned = store.lend(&mut caller, || {
            // SAFETY: the embedder's function takes this environment, and so many values, all of
            // which live as long as the call.
            unsafe { callback(env.get(), &raw const context, first, count) }
        });
        match returned {
            Some(trap) => Err(into_error(*trap)),
            None => Ok(()),
        }
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn upshift_func_new_unchecked(
    store: Option<&wasm_store_t>,
    ty: Option<&wasm_externtype_t>,
    callback: Option<RawCallback>,
    env: *mut c_void,
    finalizer: Option<Finalizer>,
    out: Out<'_, Option<Box<wasm_ref_t>>>,
) -> Failure {
    let env = HostData::new(env, finalizer);
    let (store, callback) = (&given(store, "store").0, given(callback, "callback"));
    let new = || {
        let ty = given(ty, "type").func(store.engine())?;
        let host = host(callback, env);
        // SAFETY: the embedder's function returns values of the type, as the header says.
        let func = store.with(|context| unsafe { Func::new_unchecked(context, ty, host) });
        Ok(Some(wasm_ref_t::of(store, Object::Func(func))))
    };
    finish(new(), out)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn upshift_linker_define_func_unchecked(
    linker: Option<&mut upshift_linker_t>,
    module: *const c_char,
    name: *const c_char,
    ty: Option<&wasm_externtype_t>,
    callback: Option<RawCallback>,
    env: *mut c_void,
    finalizer: Option<Finalizer>,
) -> Failure {
    let env = HostData::new(env, finalizer);
    let linker = given(linker, "linker").linker_mut();
    // SAFETY: the caller passes text that ends with a NUL.
    let (module, name) = unsafe { (text(module, "module"), text(name, "name")) };
    let callback = given(callback, "callback");
    let define = || {
        let ty = given(ty, "type").func(linker.engine())?;
        let host = host(callback, env);
        // SAFETY: the embedder's function returns values of the type, as the header says.
        unsafe { linker.func_new_unchecked(module?, name?, ty, host) }.map(drop)
    };
    failure(define())
}

#[unsafe(no_mangle)]
extern "C" fn upshift_raw_of_ref(
    store: Option<&wasm_store_t>,
    kind: u8,
    reference: Option<&wasm_ref_t>,
    out: Out<'_, u64>,
) -> Failure {
    let store = &given(store, "store").0;
    let raw = store.with(|context| {
        let mut scope = RootScope::new(context);
        let reference = to_ref(reference, of_kind(kind)?, store, &mut scope)?;
        Ok(Val::from(reference).to_raw(&mut scope)?.get_u64())
    });
    finish(raw, out)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn upshift_ref_of_raw(
    store: Option<&wasm_store_t>,
    kind: u8,
    raw: u64,
    out: Out<'_, Option<Box<wasm_ref_t>>>,
) -> Failure {
    let store = &given(store, "store").0;
    let reference = store.with(|context| {
        let mut scope = RootScope::new(context);
        let ty = upshift::RefType::new(true, of_kind(kind)?);
        // SAFETY: the caller passes a raw reference of this type and store, as the header says.
        let value = unsafe { Val::from_raw(&mut scope, ValRaw::u64(raw), ValType::Ref(ty)) };
        let reference = value.as_ref().expect("a type of references");
        from_ref(reference, store, scope.as_context_mut())
    });
    finish(reference, out)
}
