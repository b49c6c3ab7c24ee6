//! The builtins: functions that generated code and stubs call; their list is
//! [`upshift_abi::builtin`].
//!
//! All get the calling function's `VmContext*` first and never unwind. Those that may leave
//! WebAssembly are of the kind [`Walks`](upshift_abi::builtin::BuiltinKind::Walks): their stub
//! unwinds for them.
//!
//! Those that may take long are interruptible: they stop between two parts of their work. The next
//! call of the module then finds a part of it done, as after a trap between two instructions.

mod observe;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;

use upshift_abi::frame::ENTRY_SITE;
use upshift_abi::vmctx::{NativeResult, VmContext, VmMemory, VmStore};
use upshift_abi::{
    Cancel, CompileError, DataIndex, DefinedFuncIndex, ElemIndex, LoopIndex, MemoryIndex,
    TableIndex, TagIndex, TrapCode,
};

use crate::backtrace::WasmBacktrace;
use crate::module::{BudgetSite, FirstCallError};
use crate::store::{
    CHUNK_BYTES, Destination, Instance, Pending, PreservedRegisters, Store, TrapRegisters,
};
use crate::sys;

pub use observe::{call_begins, call_is_replaced, call_returns, calls_are_unwound, probe_reached};

/// The store and the index of the instance that a context belongs to.
///
/// # Safety
///
/// `vmctx` is an instance's context, and the calling thread runs its store: nothing else uses the
/// store until the builtin returns, so the exclusive reference is one.
unsafe fn context<'a>(vmctx: *mut VmContext) -> (&'a mut Store, &'a mut Instance) {
    // SAFETY: an instance's context points to its store's `VmStore` and to the boxed instance; the
    // store's own address was written at the last entry, and the store can't move while it runs.
    // The instance is a separate allocation that the store's methods called below do not reach.
    unsafe {
        let store = (*(*vmctx).store).host.cast::<Store>();
        let instance = (*vmctx).instance.cast::<Instance>();
        (&mut *store, &mut *instance)
    }
}

/// Compiles a function at its first call; returns its address, or 0 to make the stub, whose frame
/// is `frame`, unwind.
pub unsafe extern "sysv64" fn compile_first(
    vmctx: *mut VmContext,
    func: u32,
    frame: usize,
) -> usize {
    // SAFETY: thunks pass the callee's context.
    let (store, instance) = unsafe { context(vmctx) };
    let module = instance.module.clone();
    let hooks = module.hooks().clone();
    let func = DefinedFuncIndex(func);
    let interruption = store.interruption();
    let interrupted = || interruption.is_pending();
    let result = loop {
        let compile = || hooks.on_first_call(&module, func, Cancel::when(&interrupted));
        let result = catch_unwind(AssertUnwindSafe(compile));
        match result {
            // The interruption has been withdrawn, so the call goes on.
            Ok(Err(FirstCallError::Compile(CompileError::Cancelled { .. }))) if !interrupted() => {}
            result => break result,
        }
    };
    if interrupted() {
        // SAFETY: the stub's frame stands.
        unsafe { (*store.vm()).exit_fp = frame };
        // SAFETY: as above; it is a frame record that returns to the call.
        let backtrace = unsafe { WasmBacktrace::capture_at_builtin(store) };
        store.set_pending(Pending::Trap(TrapCode::Interrupt, backtrace));
        return 0;
    }
    let pending = match result {
        Ok(Ok(code)) => return code.get(),
        Ok(Err(error)) => Pending::FirstCall(error),
        Err(payload) => Pending::Panic(payload),
    };
    store.set_pending(pending);
    0
}

/// Turns the signal handler's trap record into a pending trap with a backtrace.
///
/// # Safety
///
/// Called by the `trapped` stub only: `vm` is the store that the calling thread runs, `registers`
/// what it has saved.
pub unsafe extern "sysv64" fn record_trap(vm: *mut VmStore, registers: *const TrapRegisters) {
    // SAFETY: the stub passes the running store's `VmStore`; nothing else uses the store now.
    let store = unsafe { &mut *(*vm).host.cast::<Store>() };
    let Some(record) = store.take_trap_record() else {
        unreachable!("the handler leaves a record before it sends a thread here");
    };
    // SAFETY: the thread is still inside the activation that trapped, so its frames stand.
    let backtrace = unsafe { WasmBacktrace::capture(store, &record) };
    // SAFETY: the stub passes the address of what it has just written.
    store.remember_trap(&record, unsafe { &*registers });
    store.set_pending(Pending::Trap(record.code, backtrace));
}

/// Writes the place where execution continues, as a reason is pending to leave WebAssembly.
///
/// # Safety
///
/// Called by the `unwind` stub only, as its documentation says: `vm` is the store that the calling
/// thread runs, `destination` can be written, and `preserved` has the registers of the code
/// that is left.
pub unsafe extern "sysv64" fn find_destination(
    vm: *mut VmStore,
    destination: *mut Destination,
    entry_handler: usize,
    preserved: *const PreservedRegisters,
) {
    // SAFETY: guaranteed by the caller; nothing else uses the store now.
    unsafe {
        let store = &mut *(*vm).host.cast::<Store>();
        destination.write(store.destination(entry_handler, &*preserved));
    }
}

/// Makes an exception with a tag of the instance and room for so many words of values. Leaves
/// WebAssembly if the store may have no more of them, or is interrupted: a program that only throws
/// is hardly ever found in its own code by a signal.
pub unsafe extern "sysv64" fn exception_new(
    vmctx: *mut VmContext,
    tag: u32,
    words: u32,
) -> NativeResult<u64> {
    // SAFETY: generated code passes its context.
    let (store, instance) = unsafe { context(vmctx) };
    let tag = instance.tag(TagIndex(tag));
    if !store.shared().is_interrupted()
        && let Some(exception) = store.allocate_exception(tag, words)
    {
        return NativeResult {
            value: exception.addr().get() as u64,
            status: 0,
        };
    }
    let make = |store: &mut Store| {
        let made = store.make_exception(tag, words)?;
        Ok(made.map(|exception| exception.addr().get() as u64))
    };
    // SAFETY: the stub's frame stands.
    let made = unsafe { grow(store, make) };
    if (made.value, made.status) == (u64::MAX, 0) {
        // SAFETY: as above.
        return unsafe { leave_trapped(store, TrapCode::OutOfMemory) };
    }
    made
}

/// Throws an exception: the stub unwinds.
pub unsafe extern "sysv64" fn throw(vmctx: *mut VmContext, exception: u64) -> NativeResult<u32> {
    // SAFETY: generated code passes its context.
    let (store, _) = unsafe { context(vmctx) };
    store.set_pending(Pending::Exception(exception));
    NativeResult {
        value: 0,
        status: 1,
    }
}

/// Handles an exhausted budget; returns the address of an OSR entry, or 0 to go on. The status
/// makes the stub, whose frame record is at `frame`, unwind.
pub unsafe extern "sysv64" fn tier_up(
    vmctx: *mut VmContext,
    func: u32,
    site: u32,
    frame: usize,
) -> NativeResult<usize> {
    // SAFETY: baseline frames hold their instance's context.
    let (store, instance) = unsafe { context(vmctx) };
    let site = match site {
        ENTRY_SITE => BudgetSite::Entry,
        index => BudgetSite::Loop(LoopIndex(index)),
    };
    let module = instance.module.clone();
    let func = DefinedFuncIndex(func);
    let exhausted = || {
        let decide = || module.hooks().on_budget_exhausted(&module, func, site);
        catch_unwind(AssertUnwindSafe(decide)).map_or_else(
            |_| {
                log::error!("tiering panicked; {func} stays in baseline code");
                module.set_budget(func, i32::MAX);
                0
            },
            |code| code.map_or(0, |code| code.get()),
        )
    };
    let value = instance.renew_budget(func, exhausted);
    if store.shared().is_interrupted() {
        // SAFETY: the stub's frame record stands.
        unsafe { (*store.vm()).exit_fp = frame };
        // SAFETY: as above.
        return unsafe { leave_interrupted(store) };
    }
    NativeResult { value, status: 0 }
}

/// Handles a deadline that has come; another status than 0 makes the stub unwind.
pub unsafe extern "sysv64" fn new_epoch(vmctx: *mut VmContext) -> u32 {
    // SAFETY: generated code passes its own instance's context, and the stub's frame stands.
    let goes_on = unsafe { context(vmctx).0.new_epoch() };
    u32::from(!goes_on)
}

/// Handles a lack of fuel; another status than 0 makes the stub unwind.
pub unsafe extern "sysv64" fn out_of_fuel(vmctx: *mut VmContext) -> u32 {
    // SAFETY: generated code passes its own instance's context, and the stub's frame stands.
    let goes_on = unsafe { context(vmctx).0.refuel() };
    u32::from(!goes_on)
}

/// Leaves the pending interruption as the error, with a backtrace, and makes the stub unwind.
///
/// # Safety
///
/// Called by a builtin that may leave WebAssembly: `exit_fp` is its stub's frame, which stands.
unsafe fn leave_interrupted<V: Default>(store: &mut Store) -> NativeResult<V> {
    // SAFETY: guaranteed by the caller.
    unsafe { leave_trapped(store, TrapCode::Interrupt) }
}

/// Leaves a trap as the error, with a backtrace, and makes the stub unwind.
///
/// # Safety
///
/// As for [`leave_interrupted`].
#[cold]
unsafe fn leave_trapped<V: Default>(store: &mut Store, trap: TrapCode) -> NativeResult<V> {
    // SAFETY: guaranteed by the caller.
    let backtrace = unsafe { WasmBacktrace::capture_at_builtin(store) };
    store.set_pending(Pending::Trap(trap, backtrace));
    NativeResult {
        value: V::default(),
        status: 1,
    }
}

/// The result of a bulk operation: 0, or 1 for the calling function to trap (it knows which trap).
/// If it was interrupted, the stub unwinds instead.
///
/// # Safety
///
/// Called by the stub of a bulk operation, whose frame stands.
unsafe fn bulk(store: &mut Store, result: Result<(), TrapCode>) -> NativeResult<u32> {
    match result {
        // SAFETY: guaranteed by the caller.
        Err(TrapCode::Interrupt) => unsafe { leave_interrupted(store) },
        result => NativeResult {
            value: result.is_err().into(),
            status: 0,
        },
    }
}

/// The result of growing: the previous size or -1; or the limiter's error, for which the stub
/// unwinds.
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
            // SAFETY: guaranteed by the caller.
            let backtrace = unsafe { WasmBacktrace::capture_at_builtin(store) };
            store.set_pending(Pending::Host(error, backtrace));
            NativeResult {
                value: 0,
                status: 1,
            }
        }
    }
}

/// Grows a memory or table, or the memory of exceptions, if the limiter allows it. The limiter is
/// the embedder's code, so it may panic.
///
/// # Safety
///
/// Called by a growing stub, whose frame stands.
unsafe fn grow(
    store: &mut Store,
    run: impl FnOnce(&mut Store) -> anyhow::Result<Option<u64>>,
) -> NativeResult<u64> {
    let asked = store.ask_from_builtin(|store| catch_unwind(AssertUnwindSafe(|| run(store))));
    match asked {
        // SAFETY: guaranteed by the caller.
        Ok(_) if store.shared().is_interrupted() => unsafe { leave_interrupted(store) },
        // SAFETY: guaranteed by the caller.
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

/// The instruction `memory.grow`, called by its stub.
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

/// Defines operators that return a value or trap, called by their stubs, as methods of the store.
/// Their first operands are a memory, and an offset and an address in it.
macro_rules! waits {
    ($($name:ident($($arg:ident: $ty:ty),*);)*) => {$(
        pub unsafe extern "sysv64" fn $name(
            vmctx: *mut VmContext,
            memory: u32,
            offset: u64,
            address: u64
            $(, $arg: $ty)*
        ) -> NativeResult<u32> {
            // SAFETY: generated code passes its own instance's context.
            let (store, instance) = unsafe { context(vmctx) };
            let memory = instance.memory(MemoryIndex(memory));
            let result = store.$name(memory, (address, offset) $(, $arg)*);
            match result.and_then(|value| store.check_interruption().map(|()| value)) {
                Ok(value) => NativeResult { value, status: 0 },
                // SAFETY: only the stub calls this, and its frame stands.
                Err(trap) => unsafe { leave_trapped(store, trap) },
            }
        }
    )*};
}

waits! {
    memory_atomic_notify(count: u32);
    memory_atomic_wait32(expected: u32, timeout: u64);
    memory_atomic_wait64(expected: u64, timeout: u64);
}

/// The instruction `table.grow`, called by its stub.
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

/// Defines bulk operations, called by their stubs, as methods of the store or the instance.
macro_rules! bulk {
    ($($name:ident($store:ident, $instance:ident $(, $arg:ident: $ty:ty)*) $body:block)*) => {$(
        pub unsafe extern "sysv64" fn $name(
            vmctx: *mut VmContext
            $(, $arg: $ty)*
        ) -> NativeResult<u32> {
            // SAFETY: generated code passes its own instance's context.
            let ($store, $instance) = unsafe { context(vmctx) };
            let result = $body;
            // SAFETY: only the stub calls this.
            unsafe { bulk($store, result) }
        }
    )*};
}

bulk! {
    memory_copy(store, instance, to: u32, from: u32, dst: u64, src: u64, len: u64) {
        let (to, from) = (instance.memory(MemoryIndex(to)), instance.memory(MemoryIndex(from)));
        store.memory_copy(to, from, dst, src, len)
    }
    memory_fill(store, instance, memory: u32, dst: u64, value: u32, len: u64) {
        store.memory_fill(instance.memory(MemoryIndex(memory)), dst, value as u8, len)
    }
    memory_init(store, instance, memory: u32, data: u32, dst: u64, src: u32, len: u32) {
        let memory = instance.memory(MemoryIndex(memory));
        let data = instance.data_bytes(DataIndex(data));
        store.memory_init(memory, data, dst, src.into(), len.into())
    }
    table_copy(store, instance, to: u32, from: u32, dst: u64, src: u64, len: u64) {
        let (to, from) = (instance.table(TableIndex(to)), instance.table(TableIndex(from)));
        store.table_copy(to, from, dst, src, len)
    }
    table_fill(store, instance, table: u32, dst: u64, value: u64, len: u64) {
        store.table_fill(instance.table(TableIndex(table)), dst, value, len)
    }
    table_init(store, instance, table: u32, elem: u32, dst: u64, src: u32, len: u32) {
        let table = instance.table(TableIndex(table));
        store.table_init(table, instance, ElemIndex(elem), dst, src.into(), len.into())
    }
    data_drop(store, instance, data: u32) {
        instance.drop_data(DataIndex(data));
        store.check_interruption()
    }
    elem_drop(store, instance, elem: u32) {
        instance.drop_elements(ElemIndex(elem));
        store.check_interruption()
    }
}

/// The first byte of a memory, if all ranges of the length are in it, and if a bulk operation may
/// process them without looking for interruptions: they are short, and none is pending.
///
/// # Safety
///
/// `vmctx` is an instance's context, `memory` the address of a [`VmMemory`] that it leads to, and
/// the calling thread runs its store.
unsafe fn short_ranges<const N: usize>(
    vmctx: *mut VmContext,
    memory: u64,
    starts: [u64; N],
    len: u64,
) -> Option<*mut u8> {
    // SAFETY: guaranteed by the caller. The fields that other threads write are atomic: the
    // interrupt word, and the length of a shared memory.
    let (memory, interrupt) = unsafe {
        let memory = &*(memory as *const VmMemory);
        (memory, &(*(*vmctx).store).interrupt)
    };
    let last = (memory.len.load(Ordering::Acquire) as u64).checked_sub(len)?;
    let inside = starts.iter().all(|&start| start <= last);
    let short = len <= CHUNK_BYTES as u64 && interrupt.load(Ordering::Relaxed) == 0;
    (inside && short).then_some(memory.base)
}

/// Copies a short range within a memory; returns 1 if that is not possible, and nothing was done.
pub unsafe extern "sysv64" fn memory_copy_short(
    vmctx: *mut VmContext,
    memory: u64,
    dst: u64,
    src: u64,
    len: u64,
) -> u32 {
    // SAFETY: generated code passes its own instance's context and the address of a memory's header
    // there, and no reference to bytes of the memory exists while generated code runs; the ranges
    // are in it.
    unsafe {
        let Some(base) = short_ranges(vmctx, memory, [dst, src], len) else {
            return 1;
        };
        let (source, target) = (base.add(src as usize), base.add(dst as usize));
        sys::copy_racing(source, target, len as usize);
    }
    0
}

/// Fills a short range of a memory; returns 1 if that is not possible, and nothing was done.
pub unsafe extern "sysv64" fn memory_fill_short(
    vmctx: *mut VmContext,
    memory: u64,
    dst: u64,
    value: u32,
    len: u64,
) -> u32 {
    // SAFETY: as in `memory_copy_short`.
    unsafe {
        let Some(base) = short_ranges(vmctx, memory, [dst], len) else {
            return 1;
        };
        sys::fill_racing(base.add(dst as usize), value as u8, len as usize);
    }
    0
}

/// Defines the rounding functions for processors without SSE4.1.
macro_rules! rounding {
    ($($name:ident: $ty:ty => $method:ident;)*) => {$(
        pub unsafe extern "sysv64" fn $name(vmctx: *mut VmContext, value: $ty) -> $ty {
            // SAFETY: generated code passes its own instance's context.
            unsafe { context(vmctx).0.retry_interruption() };
            if value.is_nan() {
                // What is left of a signaling NaN is quiet.
                let quiet = 1 << (<$ty>::MANTISSA_DIGITS - 2);
                return <$ty>::from_bits(value.to_bits() | quiet);
            }
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
