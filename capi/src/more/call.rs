//! Host functions that know their caller, and calls that tell errors from traps.

use std::ffi::{c_char, c_void};
use std::mem::MaybeUninit;

use anyhow::Result;
use upshift::{Caller, Func, FuncType, Val};

use super::error::{Failure, divide, failure, finish};
use super::{array, text};
use crate::func::{Outcome, call, check_values, run_host};
use crate::given;
use crate::instance::instantiate;
use crate::items::set_global;
use crate::module::module;
use crate::refs::{Object, wasm_ref_t};
use crate::store::{Data, Finalizer, HostData, StoreRef, wasm_store_t};
use crate::types::wasm_externtype_t;
use crate::value::wasm_val_t;
use crate::vector::Out;

/// The context of a host function's call.
pub(crate) struct upshift_caller_t {
    store: wasm_store_t,
}

impl upshift_caller_t {
    pub(super) fn new(store: &StoreRef) -> Self {
        Self {
            store: wasm_store_t(store.clone()),
        }
    }
}

/// A host function of the embedder.
pub(crate) type Callback = unsafe extern "C" fn(
    env: *mut c_void,
    caller: *const upshift_caller_t,
    args: *const wasm_val_t,
    nargs: usize,
    results: *mut wasm_val_t,
    nresults: usize,
) -> Outcome;

/// The engine's form of a host function of the embedder.
pub(crate) fn host(
    ty: FuncType,
    callback: Callback,
    env: HostData,
) -> impl Fn(Caller<'_, Data>, &[Val], &mut [Val]) -> Result<()> + Send + Sync + 'static {
    move |mut caller, params, results| {
        run_host(&mut caller, &ty, params, results, |store, args, results| {
            let caller = upshift_caller_t::new(store);
            let (nargs, nresults) = (args.len(), results.len());
            let (args, results) = (args.as_ptr(), results.as_mut_ptr());
            // SAFETY: the embedder's function takes this environment, and so many values, all of
            // which live as long as the call.
            unsafe { callback(env.get(), &raw const caller, args, nargs, results, nresults) }
        })
    }
}

#[unsafe(no_mangle)]
extern "C" fn upshift_func_new(
    store: Option<&wasm_store_t>,
    ty: Option<&wasm_externtype_t>,
    callback: Option<Callback>,
    env: *mut c_void,
    finalizer: Option<Finalizer>,
    out: Out<'_, Option<Box<wasm_ref_t>>>,
) -> Failure {
    let env = HostData::new(env, finalizer);
    let (store, callback) = (&given(store, "store").0, given(callback, "callback"));
    let new = || {
        let ty = given(ty, "type").func(store.engine())?;
        check_values(&ty)?;
        let host = host(ty.clone(), callback, env);
        let func = store.with(|context| Func::new(context, ty, host));
        Ok(Some(wasm_ref_t::of(store, Object::Func(func))))
    };
    finish(new(), out)
}

#[unsafe(no_mangle)]
extern "C" fn upshift_caller_store(caller: Option<&upshift_caller_t>) -> Option<&wasm_store_t> {
    Some(&given(caller, "caller").store)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn upshift_caller_export(
    caller: Option<&upshift_caller_t>,
    name: *const c_char,
) -> Option<Box<wasm_ref_t>> {
    let store = &given(caller, "caller").store.0;
    // SAFETY: the caller passes text that ends with a NUL.
    let name = unsafe { text(name, "name") }.ok()?;
    let item = store.caller_export(name)?;
    Some(wasm_ref_t::of(store, item.into()))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn upshift_func_call(
    func: Option<&wasm_ref_t>,
    args: *const wasm_val_t,
    nargs: usize,
    results: *mut MaybeUninit<wasm_val_t>,
    nresults: usize,
    trap: Out<'_, Option<Box<wasm_ref_t>>>,
) -> Failure {
    // SAFETY: the caller passes so many values.
    let args = unsafe { array(args, nargs) };
    let results = match nresults {
        0 => &mut [],
        _ => {
            assert!(!results.is_null(), "`results` is NULL");
            // SAFETY: the caller passes room for so many values.
            unsafe { std::slice::from_raw_parts_mut(results, nresults) }
        }
    };
    divide(call(given(func, "func"), args, results), trap)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn upshift_instance_new(
    store: Option<&wasm_store_t>,
    of: Option<&wasm_ref_t>,
    imports: *const *const wasm_ref_t,
    nimports: usize,
    out: Out<'_, Option<Box<wasm_ref_t>>>,
    trap: Out<'_, Option<Box<wasm_ref_t>>>,
) -> Failure {
    // SAFETY: the caller passes so many references, which are NULL or live.
    let imports = unsafe { array(imports.cast::<Option<&wasm_ref_t>>(), nimports) };
    let imports = imports.iter().copied();
    let instance = instantiate(&given(store, "store").0, module(of), imports);
    deliver(instance, out, trap)
}

/// Returns an instance through `out`, which is NULL if there is none.
pub(crate) fn deliver(
    instance: Result<Box<wasm_ref_t>>,
    out: Out<'_, Option<Box<wasm_ref_t>>>,
    trap: Out<'_, Option<Box<wasm_ref_t>>>,
) -> Failure {
    let (instance, result) = match instance {
        Ok(instance) => (Some(instance), Ok(())),
        Err(error) => (None, Err(error)),
    };
    given(out, "out").write(instance);
    divide(result, trap)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn upshift_instance_export(
    instance: Option<&wasm_ref_t>,
    name: *const c_char,
) -> Option<Box<wasm_ref_t>> {
    let reference = given(instance, "instance");
    let (store, instance): (&StoreRef, _) = (reference.store(), reference.instance());
    // SAFETY: the caller passes text that ends with a NUL.
    let name = unsafe { text(name, "name") }.ok()?;
    let item = store.with(|context| instance.get_export(context, name))?;
    Some(wasm_ref_t::of(store, item.into()))
}

#[unsafe(no_mangle)]
extern "C" fn upshift_global_set(
    global: Option<&wasm_ref_t>,
    value: Option<&wasm_val_t>,
) -> Failure {
    failure(set_global(given(global, "global"), given(value, "value")))
}
