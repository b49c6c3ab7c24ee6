//! Calls in both directions with values whose types are known at run time only.

#![allow(unsafe_code, reason = "calls trade checked types for unchecked words")]

use std::sync::{Arc, OnceLock};

use upshift_abi::vmctx::VmVal;
use upshift_runtime::{FuncId, HostCall, HostFunc, InstanceId, Store as RawStore};

use super::host::{Caller, HostDefinition};
use crate::error::of_call;
use crate::{FuncType, Result, Val};

/// Calls a function of the store, after checking the types.
pub(super) fn call(
    store: &mut RawStore,
    func: FuncId,
    params: &[Val],
    results: &mut [Val],
) -> Result<()> {
    let ty = store.func_type(func);
    expect_count("argument", ty.params.len(), params.len())?;
    expect_count("result", ty.results.len(), results.len())?;
    let mut values = vec![VmVal::default(); params.len().max(results.len())];
    for ((param, &ty), value) in params.iter().zip(&ty.params).zip(&mut values) {
        param.check(store, ty, "argument")?;
        *value = param.to_vm_val(store);
    }
    // SAFETY: the parameters' types have just been compared, and `to_vm_val` has compared their
    // stores.
    unsafe { store.call(func, &mut values) }.map_err(|error| of_call(store, error))?;
    for ((result, &ty), &value) in results.iter_mut().zip(&ty.results).zip(&values) {
        // SAFETY: the function has returned values of its result types.
        *result = unsafe { Val::from_vm_val(store, value, ty) };
    }
    Ok(())
}

fn expect_count(what: &str, expected: usize, found: usize) -> Result<()> {
    if expected != found {
        let plural = if expected == 1 { "" } else { "s" };
        anyhow::bail!("expected {expected} {what}{plural}, found {found}");
    }
    Ok(())
}

/// Creates a host function from a closure over values of run-time types.
pub(crate) fn host<T: 'static>(
    ty: FuncType,
    func: impl Fn(Caller<'_, T>, &[Val], &mut [Val]) -> Result<()> + Send + Sync + 'static,
) -> HostDefinition {
    host_with(ty, move |store, caller, params, results| {
        func(Caller::new(store, caller), params, results)
    })
}

/// Creates a host function from what it does with a store, the instance that calls it, its
/// arguments, and zeros and nulls in the place of its results. This runs in the store's innermost
/// activation, with no frames of the embedder between.
pub(super) fn host_with<F>(ty: FuncType, run: F) -> HostDefinition
where
    F: for<'a> Fn(&'a mut RawStore, Option<InstanceId>, &'a [Val], &'a mut [Val]) -> Result<()>
        + Send
        + Sync
        + 'static,
{
    let ty = ty.0;
    let signature = ty.clone();
    let call = move |host: HostCall<'_>| {
        let HostCall {
            store,
            caller,
            values,
        } = host;
        let mut params = Vec::with_capacity(signature.params.len());
        for (&ty, &value) in signature.params.iter().zip(&*values) {
            // SAFETY: the runtime passes values of the parameter types.
            params.push(unsafe { Val::from_vm_val(store, value, ty) });
        }
        let results = signature.results.iter().map(|&ty| Val::default_for_ty(ty));
        let mut results: Vec<_> = results.collect();
        run(store, caller, &params, &mut results)?;
        for ((result, &ty), value) in results.iter().zip(&signature.results).zip(values) {
            result.check(store, ty, "host function result")?;
            *value = result.to_vm_val(store);
        }
        Ok(())
    };
    HostDefinition {
        ty,
        uses: OnceLock::new(),
        func: HostFunc::Array(Arc::new(call)),
    }
}
