//! What instrumented code reports: calls, and probes.

use std::panic::{AssertUnwindSafe, catch_unwind};

use upshift_abi::observe::Action;
use upshift_abi::vmctx::{NativeResult, VmContext, VmVal};
use upshift_abi::{DefinedFuncIndex, FuncIndex, ModuleFacts};

use super::{context, leave_interrupted};
use crate::backtrace::WasmBacktrace;
use crate::store::{CallAbort, InstanceId, ObservedEvent, Pending, Store};

/// The frame of the function that has called a builtin.
///
/// # Safety
///
/// Called by a builtin whose stub's frame stands.
unsafe fn caller(store: &Store) -> usize {
    // SAFETY: the stub's frame is a frame record, which begins with its caller's frame pointer.
    unsafe { (store.exit_fp() as *const usize).read() }
}

/// Values that generated code has stored.
///
/// # Safety
///
/// `address` is that of so many values, or there are none.
unsafe fn values(address: u64, count: usize) -> Vec<VmVal> {
    let first: *const VmVal = std::ptr::with_exposed_provenance(address as usize);
    let mut copies = Vec::with_capacity(count);
    for n in 0..count {
        // SAFETY: guaranteed by the caller. Generated code stores as many bytes of each as its
        // type has; the others are whatever its stack contained, which is initialized as far as
        // Rust can know.
        copies.push(unsafe { first.add(n).read_unaligned() });
    }
    copies
}

/// The result of telling the embedder something. Its code may fail and panic.
///
/// # Safety
///
/// Called by a builtin whose stub's frame stands.
unsafe fn told(
    store: &mut Store,
    tell: impl FnOnce(&mut Store) -> anyhow::Result<()>,
) -> NativeResult<u32> {
    let pending = match catch_unwind(AssertUnwindSafe(|| tell(store))) {
        Ok(Ok(())) if store.shared().is_interrupted() => {
            // SAFETY: guaranteed by the caller.
            return unsafe { leave_interrupted(store) };
        }
        Ok(Ok(())) => {
            return NativeResult {
                value: 0,
                status: 0,
            };
        }
        Ok(Err(error)) => {
            // SAFETY: guaranteed by the caller.
            let backtrace = unsafe { WasmBacktrace::capture_at_builtin(store) };
            Pending::Host(error, backtrace)
        }
        Err(payload) => Pending::Panic(payload),
    };
    store.set_pending(pending);
    NativeResult {
        value: 0,
        status: 1,
    }
}

/// The store and the instance of a context, and what the instance's module declares.
///
/// # Safety
///
/// As for [`context`].
unsafe fn observed<'a>(
    vmctx: *mut VmContext,
) -> (&'a mut Store, InstanceId, std::sync::Arc<ModuleFacts>) {
    // SAFETY: guaranteed by the caller. The instance is not used any more when the store is.
    let (store, instance) = unsafe { context(vmctx) };
    (store, instance.id, instance.module.facts().clone())
}

/// The index of a function of an instance's module.
///
/// # Safety
///
/// As for [`context`].
unsafe fn func_index(vmctx: *mut VmContext, func: u32) -> FuncIndex {
    // SAFETY: guaranteed by the caller.
    let (_, instance) = unsafe { context(vmctx) };
    instance.module.facts().func_index(DefinedFuncIndex(func))
}

/// A function that is listened to begins.
pub unsafe extern "sysv64" fn call_begins(
    vmctx: *mut VmContext,
    func: u32,
    around: u32,
    args: u64,
) -> NativeResult<u32> {
    // SAFETY: generated code passes its own context, and as many values as the function takes; the
    // stub's frame stands.
    unsafe {
        let func = func_index(vmctx, func);
        let (store, instance, facts) = observed(vmctx);
        let place = (caller(store), around);
        let args = values(args, facts.func_type(func).params.len());
        told(store, |store| {
            store.call_begins(place, instance, func, &args)
        })
    }
}

/// A function that is listened to returns.
pub unsafe extern "sysv64" fn call_returns(
    vmctx: *mut VmContext,
    func: u32,
    results: u64,
) -> NativeResult<u32> {
    // SAFETY: as in `call_begins`.
    unsafe {
        let func = func_index(vmctx, func);
        let (store, _, facts) = observed(vmctx);
        let results = values(results, facts.func_type(func).results.len());
        let event = ObservedEvent::Returns(&results);
        told(store, |store| store.call_ends(func, event))
    }
}

/// A function that is listened to makes a tail call.
pub unsafe extern "sysv64" fn call_is_replaced(
    vmctx: *mut VmContext,
    func: u32,
) -> NativeResult<u32> {
    let event = ObservedEvent::Aborts(CallAbort::TailCall);
    // SAFETY: as in `call_begins`.
    unsafe {
        let func = func_index(vmctx, func);
        let (store, _) = context(vmctx);
        told(store, |store| store.call_ends(func, event))
    }
}

/// A handler has an exception.
pub unsafe extern "sysv64" fn calls_are_unwound(
    vmctx: *mut VmContext,
    kept: u32,
) -> NativeResult<u32> {
    // SAFETY: as in `call_begins`.
    unsafe {
        let (store, _) = context(vmctx);
        let fp = caller(store);
        told(store, |store| store.calls_are_unwound(fp, kept))
    }
}

/// Control reaches a probe.
pub unsafe extern "sysv64" fn probe_reached(
    vmctx: *mut VmContext,
    func: u32,
    site: u32,
    operand: u64,
) -> NativeResult<u32> {
    let func = DefinedFuncIndex(func);
    // SAFETY: as in `call_begins`; there is an operand if the plan says so.
    unsafe {
        let (store, instance, facts) = observed(vmctx);
        let plan = facts.observed.as_ref().map(|plan| plan.of(func));
        let action = plan.map(|plan| plan.sites()[site as usize].action);
        let ty = match action {
            Some(Action::Probe { operand, .. }) => operand,
            _ => None,
        };
        let operand = ty.and_then(|ty| Some((ty, values(operand, 1).pop()?)));
        let event = ObservedEvent::Probe { site, operand };
        let func = facts.func_index(func);
        told(store, |store| store.tell(instance, func, event))
    }
}
