//! Functions, and calls in both directions.

use std::ffi::c_void;
use std::mem::MaybeUninit;

use anyhow::{Result, ensure};
use upshift::{AsContextMut, Caller, Func, FuncType, RootScope, Val, ValType};

use crate::given;
use crate::refs::{Object, wasm_ref_t};
use crate::store::{Data, Finalizer, HostData, StoreRef, wasm_store_t};
use crate::trap::{into_error, trap};
use crate::types::wasm_externtype_t;
use crate::value::wasm_val_t;
use crate::vector::Vector;

type Values = Vector<wasm_val_t>;

/// What host functions return.
pub(crate) type Outcome = Option<Box<wasm_ref_t>>;

type Callback = unsafe extern "C" fn(*const Values, *mut Values) -> Outcome;
type CallbackWithEnv = unsafe extern "C" fn(*mut c_void, *const Values, *mut Values) -> Outcome;

impl wasm_ref_t {
    #[track_caller]
    pub(crate) fn func(&self) -> Func {
        match &self.object {
            Object::Func(func) => *func,
            _ => panic!("expected a wasm_func_t"),
        }
    }
}

/// Whether C can see all values of a function of this type.
pub(crate) fn check_values(ty: &FuncType) -> Result<()> {
    let mut types = ty.params().chain(ty.results());
    ensure!(
        types.all(|ty| ty != ValType::V128),
        "a wasm_val_t can't contain a v128"
    );
    Ok(())
}

/// Runs a host function: `call` is the embedder's code, which gets arguments and room for results.
pub(crate) fn run_host(
    caller: &mut Caller<'_, Data>,
    ty: &FuncType,
    params: &[Val],
    results: &mut [Val],
    call: impl FnOnce(&StoreRef, &mut [wasm_val_t], &mut [wasm_val_t]) -> Outcome,
) -> Result<()> {
    let store = StoreRef::of(caller);
    let mut args = Vec::with_capacity(params.len());
    for &param in params {
        args.push(wasm_val_t::from_val(
            param,
            &store,
            caller.as_context_mut(),
        )?);
    }
    let mut returned: Vec<_> = ty.results().map(wasm_val_t::default_for).collect();
    if let Some(trap) = store.lend(caller, || call(&store, &mut args, &mut returned)) {
        return Err(into_error(*trap));
    }
    for ((result, returned), ty) in results.iter_mut().zip(&returned).zip(ty.results()) {
        *result = returned.to_val(ty, &store, &mut *caller)?;
    }
    Ok(())
}

fn new_func(
    store: Option<&wasm_store_t>,
    ty: Option<&wasm_externtype_t>,
    call: impl Fn(*const Values, *mut Values) -> Outcome + Send + Sync + 'static,
) -> Option<Box<wasm_ref_t>> {
    let store = &given(store, "store").0;
    let ty = given(ty, "type").func(store.engine()).ok()?;
    check_values(&ty).ok()?;
    let host_ty = ty.clone();
    let host = move |mut caller: Caller<'_, Data>, params: &[Val], results: &mut [Val]| {
        run_host(
            &mut caller,
            &host_ty,
            params,
            results,
            |_, args, results| {
                let args = Vector::borrowed(args);
                let mut results = Vector::borrowed(results);
                call(&raw const *args, &raw mut *results)
            },
        )
    };
    let func = store.with(|context| Func::new(context, ty, host));
    Some(wasm_ref_t::of(store, Object::Func(func)))
}

#[unsafe(no_mangle)]
extern "C" fn wasm_func_new(
    store: Option<&wasm_store_t>,
    ty: Option<&wasm_externtype_t>,
    callback: Option<Callback>,
) -> Option<Box<wasm_ref_t>> {
    let callback = given(callback, "callback");
    new_func(store, ty, move |args, results| {
        // SAFETY: the embedder's function takes such vectors, which live as long as the call.
        unsafe { callback(args, results) }
    })
}

#[unsafe(no_mangle)]
extern "C" fn wasm_func_new_with_env(
    store: Option<&wasm_store_t>,
    ty: Option<&wasm_externtype_t>,
    callback: Option<CallbackWithEnv>,
    env: *mut c_void,
    finalizer: Option<Finalizer>,
) -> Option<Box<wasm_ref_t>> {
    let callback = given(callback, "callback");
    let env = HostData::new(env, finalizer);
    new_func(store, ty, move |args, results| {
        // SAFETY: the embedder's function takes this environment, and such vectors, which live as
        // long as the call.
        unsafe { callback(env.get(), args, results) }
    })
}

fn type_of(func: Option<&wasm_ref_t>) -> FuncType {
    let reference = given(func, "func");
    let func = reference.func();
    reference.store().with(|context| func.ty(context))
}

#[unsafe(no_mangle)]
extern "C" fn wasm_func_type(func: Option<&wasm_ref_t>) -> Option<Box<wasm_externtype_t>> {
    Some(Box::new((&type_of(func)).into()))
}

#[unsafe(no_mangle)]
extern "C" fn wasm_func_param_arity(func: Option<&wasm_ref_t>) -> usize {
    type_of(func).params().len()
}

#[unsafe(no_mangle)]
extern "C" fn wasm_func_result_arity(func: Option<&wasm_ref_t>) -> usize {
    type_of(func).results().len()
}

#[unsafe(no_mangle)]
extern "C" fn wasm_func_call(
    func: Option<&wasm_ref_t>,
    args: Option<&Values>,
    results: Option<&mut Values>,
) -> Outcome {
    let args = args.map_or(&[][..], Vector::as_slice);
    let mut none = Vector::empty();
    let results = results.unwrap_or(&mut none).as_uninit_slice();
    call(given(func, "func"), args, results).err().map(trap)
}

/// Calls a function. Results are written if the call succeeds, and dropped if there is no room at
/// all.
pub(crate) fn call(
    func: &wasm_ref_t,
    args: &[wasm_val_t],
    results: &mut [MaybeUninit<wasm_val_t>],
) -> Result<()> {
    // A host function that is called from here may delete the reference, and the store's other
    // ones.
    let store = func.store().clone();
    let func = func.func();
    store.with(|context| {
        let mut scope = RootScope::new(context);
        let ty = func.ty(&scope);
        let (expected, found) = (ty.params().len(), args.len());
        ensure!(
            expected == found,
            "expected {expected} arguments, found {found}"
        );
        let (expected, found) = (ty.results().len(), results.len());
        ensure!(
            found == expected || found == 0,
            "expected room for {expected} results, or none, found {found}"
        );
        let mut params = Vec::with_capacity(args.len());
        for (arg, ty) in args.iter().zip(ty.params()) {
            params.push(arg.to_val(ty, &store, &mut scope)?);
        }
        let mut values = vec![Val::I32(0); expected];
        func.call(&mut scope, &params, &mut values)?;
        values.truncate(found);
        let mut returned = Vec::with_capacity(values.len());
        for value in values {
            returned.push(wasm_val_t::from_val(value, &store, scope.as_context_mut())?);
        }
        for (room, value) in results.iter_mut().zip(returned) {
            room.write(value);
        }
        Ok(())
    })
}
