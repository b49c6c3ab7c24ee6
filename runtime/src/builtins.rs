//! The functions that generated code calls; the list is [`upshift_abi::builtin`]'s.
//!
//! All but the stubs get the calling function's `VmContext*` first and never unwind.

use std::panic::{AssertUnwindSafe, catch_unwind};

use upshift_abi::frame::ENTRY_SITE;
use upshift_abi::vmctx::{NativeResult, VmContext};
use upshift_abi::{
    Builtin, DataIndex, DefinedFuncIndex, ElemIndex, LoopIndex, MemoryIndex, TableIndex, TrapCode,
};

use crate::module::BudgetSite;
use crate::store::{Instance, Pending, Store};
use crate::stubs;
use crate::trap::WasmBacktrace;

/// The address that generated code calls.
pub fn address(builtin: Builtin) -> usize {
    match builtin {
        Builtin::TierUp => stubs::tier_up as *const () as usize,
        Builtin::FirstCall => stubs::first_call as *const () as usize,
        Builtin::Unwind => stubs::unwind as *const () as usize,
        Builtin::MemoryGrow => stubs::memory_grow as *const () as usize,
        Builtin::MemoryCopy => memory_copy as *const () as usize,
        Builtin::MemoryFill => memory_fill as *const () as usize,
        Builtin::MemoryInit => memory_init as *const () as usize,
        Builtin::DataDrop => data_drop as *const () as usize,
        Builtin::TableGrow => stubs::table_grow as *const () as usize,
        Builtin::TableCopy => table_copy as *const () as usize,
        Builtin::TableFill => table_fill as *const () as usize,
        Builtin::TableInit => table_init as *const () as usize,
        Builtin::ElemDrop => elem_drop as *const () as usize,
        Builtin::F32Ceil => f32_ceil as *const () as usize,
        Builtin::F32Floor => f32_floor as *const () as usize,
        Builtin::F32Trunc => f32_trunc as *const () as usize,
        Builtin::F32Nearest => f32_nearest as *const () as usize,
        Builtin::F64Ceil => f64_ceil as *const () as usize,
        Builtin::F64Floor => f64_floor as *const () as usize,
        Builtin::F64Trunc => f64_trunc as *const () as usize,
        Builtin::F64Nearest => f64_nearest as *const () as usize,
    }
}

/// The store and the index of the instance that a context belongs to.
///
/// # Safety
///
/// `vmctx` is an instance's context, and the calling thread runs its store: nobody else uses the store until
/// the builtin returns, so the exclusive reference is one.
unsafe fn context<'a>(vmctx: *mut VmContext) -> (&'a mut Store, &'a mut Instance) {
    // SAFETY: an instance's context points to its store's `VmStore` and to the boxed instance; the store's
    // own address was written at the last entry, and the store can't move while it runs. The
    // instance is a separate allocation that the store's methods called below do not reach.
    unsafe {
        let store = (*(*vmctx).store).host.cast::<Store>();
        let instance = (*vmctx).instance.cast::<Instance>();
        (&mut *store, &mut *instance)
    }
}

/// Compiles a function at its first call: its address, or 0 to unwind.
pub unsafe extern "sysv64" fn first_call(vmctx: *mut VmContext, func: u32) -> usize {
    // SAFETY: thunks pass the callee's context.
    let (store, instance) = unsafe { context(vmctx) };
    let module = instance.module.clone();
    let hooks = module.hooks().clone();
    let func = DefinedFuncIndex(func);
    let result = catch_unwind(AssertUnwindSafe(|| hooks.first_call(&module, func)));
    let pending = match result {
        Ok(Ok(code)) => return code.get(),
        Ok(Err(error)) => Pending::FirstCall(error),
        Err(payload) => Pending::Panic(payload),
    };
    store.set_pending(pending);
    0
}

/// A budget is gone: the address of an OSR entry, or 0 to go on.
pub unsafe extern "sysv64" fn tier_up(vmctx: *mut VmContext, func: u32, site: u32) -> usize {
    // SAFETY: baseline frames hold their instance's context.
    let (_, instance) = unsafe { context(vmctx) };
    let site = match site {
        ENTRY_SITE => BudgetSite::Entry,
        index => BudgetSite::Loop(LoopIndex(index)),
    };
    let module = instance.module.clone();
    let func = DefinedFuncIndex(func);
    let decide = || module.hooks().budget_exhausted(&module, func, site);
    match catch_unwind(AssertUnwindSafe(decide)) {
        Ok(code) => code.map_or(0, |code| code.get()),
        Err(_) => {
            log::error!("tiering panicked; {func} stays in baseline code");
            module.set_budget(func, i32::MAX);
            0
        }
    }
}

/// `Ok` is 0, a trap is 1: which trap, the caller knows.
fn status(result: Result<(), TrapCode>) -> u32 {
    result.is_err().into()
}

/// What growing gives: the previous size or -1; or what the limiter said instead, for which the stub unwinds.
///
/// # Safety
///
/// Called by a growing stub, whose frame stands.
unsafe fn grown(store: &mut Store, result: anyhow::Result<Option<u64>>) -> NativeResult<u64> {
    match result {
        Ok(previous) => NativeResult {
            value: previous.unwrap_or(u64::MAX),
            status: 0,
        },
        Err(error) => {
            // SAFETY: the caller's promise.
            let backtrace = unsafe { WasmBacktrace::capture_at_builtin(store) };
            store.set_pending(Pending::Host(error, backtrace));
            NativeResult {
                value: 0,
                status: 1,
            }
        }
    }
}

/// Grows something with the limiter's consent. The limiter is the embedder's code, so it may panic.
///
/// # Safety
///
/// Called by a growing stub, whose frame stands.
unsafe fn grow(
    store: &mut Store,
    run: impl FnOnce(&mut Store) -> anyhow::Result<Option<u64>>,
) -> NativeResult<u64> {
    match catch_unwind(AssertUnwindSafe(|| run(store))) {
        // SAFETY: the caller's promise.
        Ok(result) => unsafe { grown(store, result) },
        Err(payload) => {
            store.set_pending(Pending::Panic(payload));
            NativeResult {
                value: 0,
                status: 1,
            }
        }
    }
}

/// `memory.grow`, called by its stub.
pub unsafe extern "sysv64" fn memory_grow(
    vmctx: *mut VmContext,
    memory: u32,
    pages: u64,
) -> NativeResult<u64> {
    // SAFETY: generated code passes its own instance's context, and the stub's frame stands.
    unsafe {
        let (store, instance) = context(vmctx);
        let memory = instance.memory(MemoryIndex(memory));
        grow(store, |store| store.memory_grow(memory, pages))
    }
}

/// `table.grow`, called by its stub.
pub unsafe extern "sysv64" fn table_grow(
    vmctx: *mut VmContext,
    table: u32,
    value: u64,
    delta: u64,
) -> NativeResult<u64> {
    // SAFETY: generated code passes its own instance's context, and the stub's frame stands.
    unsafe {
        let (store, instance) = context(vmctx);
        let table = instance.table(TableIndex(table));
        grow(store, |store| store.table_extend(table, delta, value))
    }
}

/// Defines builtins that forward to a method of the store or the instance.
macro_rules! forward {
    ($($name:ident($store:ident, $instance:ident $(, $arg:ident: $ty:ty)*) $(-> $result:ty)? $body:block)*) => {$(
        unsafe extern "sysv64" fn $name(vmctx: *mut VmContext $(, $arg: $ty)*) $(-> $result)? {
            // SAFETY: generated code passes its own instance's context.
            let ($store, $instance) = unsafe { context(vmctx) };
            $body
        }
    )*};
}

forward! {
    memory_copy(store, instance, to: u32, from: u32, dst: u64, src: u64, len: u64) -> u32 {
        let (to, from) = (instance.memory(MemoryIndex(to)), instance.memory(MemoryIndex(from)));
        status(store.memory_copy(to, from, dst, src, len))
    }
    memory_fill(store, instance, memory: u32, dst: u64, value: u32, len: u64) -> u32 {
        status(store.memory_fill(instance.memory(MemoryIndex(memory)), dst, value as u8, len))
    }
    memory_init(store, instance, memory: u32, data: u32, dst: u64, src: u32, len: u32) -> u32 {
        let memory = instance.memory(MemoryIndex(memory));
        let data = instance.data_bytes(DataIndex(data));
        status(store.memory_init(memory, data, dst, src.into(), len.into()))
    }
    data_drop(_store, instance, data: u32) {
        instance.drop_data(DataIndex(data));
    }
    table_copy(store, instance, to: u32, from: u32, dst: u64, src: u64, len: u64) -> u32 {
        let (to, from) = (instance.table(TableIndex(to)), instance.table(TableIndex(from)));
        status(store.table_copy(to, from, dst, src, len))
    }
    table_fill(store, instance, table: u32, dst: u64, value: u64, len: u64) -> u32 {
        status(store.table_fill(instance.table(TableIndex(table)), dst, value, len))
    }
    table_init(store, instance, table: u32, elem: u32, dst: u64, src: u32, len: u32) -> u32 {
        let table = instance.table(TableIndex(table));
        let elements = instance.elements(store, ElemIndex(elem), src.into(), len.into());
        status(elements.and_then(|elements| store.table_write(table, dst, &elements)))
    }
    elem_drop(_store, instance, elem: u32) {
        instance.drop_elements(ElemIndex(elem));
    }
}

/// Defines the rounding functions for processors without SSE4.1.
macro_rules! rounding {
    ($($name:ident: $ty:ty => $method:ident;)*) => {$(
        extern "sysv64" fn $name(_: *mut VmContext, value: $ty) -> $ty {
            value.$method()
        }
    )*};
}

rounding! {
    f32_ceil: f32 => ceil;
    f32_floor: f32 => floor;
    f32_trunc: f32 => trunc;
    f32_nearest: f32 => round_ties_even;
    f64_ceil: f64 => ceil;
    f64_floor: f64 => floor;
    f64_trunc: f64 => trunc;
    f64_nearest: f64 => round_ties_even;
}
