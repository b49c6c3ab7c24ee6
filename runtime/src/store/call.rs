//! Calls into WebAssembly, and the errors of calls that don't return.

use std::any::Any;
use std::cell::Cell;
use std::collections::hash_map;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};

use upshift_abi::compiler::Passing;
use upshift_abi::vmctx::{NativeResult, VmContext, VmFuncRef, VmSlot, VmStore, VmVal};
use upshift_abi::{FuncType, RefType, TrapCode, TypeId};

use super::{CallAbort, CallHook, FuncId, Store};
use crate::backtrace::WasmBacktrace;
use crate::error::{Error, RuntimeError};
use crate::module::FirstCallError;
use crate::runtime::Runtime;
use crate::stack::{self, stack_pointer};
use crate::sys;
use crate::types::{TypeTrampolines, TypeUses};

thread_local! {
    /// The store that this thread is running, innermost if they nest; null outside WebAssembly.
    /// Constant and without a destructor, so a signal handler may read it.
    static CURRENT: Cell<*mut VmStore> = const { Cell::new(ptr::null_mut()) };
}

/// The store that the calling thread is running, innermost if they nest; null outside WebAssembly.
/// Async-signal-safe.
pub(crate) fn current_store() -> *mut VmStore {
    CURRENT.get()
}

/// Makes a store, or none, the one that the calling thread is running; returns the one before.
///
/// Not inlined: a thread-local variable is at another place in a function that has been resumed on
/// another thread, of which the compiler knows nothing.
#[cfg(feature = "async")]
#[inline(never)]
pub(super) fn replace_current(vm: *mut VmStore) -> *mut VmStore {
    CURRENT.replace(vm)
}

/// The reason why the innermost activation is being left.
pub enum Pending {
    /// A trap.
    Trap(TrapCode, WasmBacktrace),
    /// A host function's error.
    Host(anyhow::Error, WasmBacktrace),
    /// The error of a callback that is no host function: no handler catches it.
    Callback(anyhow::Error, WasmBacktrace),
    /// The exception of a word.
    Exception(u64),
    /// A host function's panic.
    Panic(Box<dyn Any + Send>),
    /// A function's first code could not be compiled.
    FirstCall(FirstCallError),
}

/// The entry trampoline, as [`upshift_abi::frame`] describes it.
pub(super) type Entry =
    unsafe extern "sysv64" fn(*mut VmContext, *const u8, *mut VmVal, *mut VmStore) -> u32;

/// The native entry trampoline: `extern "sysv64" fn(*const VmFuncRef, arguments...) ->
/// NativeResult`.
#[derive(Clone, Copy, Debug)]
pub struct NativeEntry(pub NonNull<u8>);

/// The reason why a call from the host does not enter WebAssembly.
#[derive(Clone, Copy, Debug)]
enum Refusal {
    /// The host is deeper in its stack than WebAssembly may reach.
    StackOverflow,
    /// An interruption is pending.
    Interrupt,
}

/// The thread that an outer activation of the store runs on, while an inner one runs on another.
#[derive(Debug)]
struct OuterThread {
    thread: i32,
    stack_limit: usize,
}

/// The data that calls of one function type need.
pub(super) struct TypeInfo {
    entry: Option<Entry>,
    /// The slots of this store's host functions of the type: those called through an array, those
    /// called natively.
    host_slots: [Option<NonNull<VmSlot>>; 2],
    /// The greater of the numbers of parameters and results.
    values: usize,
    trampolines: Arc<TypeTrampolines>,
    /// Keeps the id, so that it is not assigned to another type while this exists.
    _uses: TypeUses,
}

impl TypeInfo {
    /// `None` if no type in use has the id.
    fn new(runtime: &Runtime, id: TypeId) -> Option<Self> {
        let (uses, trampolines) = runtime.types().reuse(id)?;
        let ty = trampolines.func_type();
        Some(Self {
            entry: None,
            host_slots: [None; 2],
            values: ty.params.len().max(ty.results.len()),
            trampolines,
            _uses: uses,
        })
    }
}

impl Store {
    /// Calls a function: the arguments are the first values, and are replaced by the results.
    ///
    /// # Errors
    ///
    /// If it traps, a host function it calls fails, or it can't be compiled.
    ///
    /// # Panics
    ///
    /// If there are fewer values than parameters or results, and when a host function panics.
    ///
    /// # Safety
    ///
    /// The values are of the function's parameter types; a reference is 0 or one of this store.
    pub unsafe fn call(&mut self, func: FuncId, values: &mut [VmVal]) -> Result<(), Error> {
        let known = &self.funcs[func.index()];
        let func_ref = known.func_ref;
        let entry = match known.array_entry {
            Some(entry) => entry,
            None => self.prepare_array(func)?,
        };
        // SAFETY: the store's function entries point to function references that live as long as
        // it; the values are guaranteed by the caller.
        unsafe { self.call_through(entry, &*func_ref, values) }
    }

    /// # Safety
    ///
    /// As for [`call`](Self::call); the callee is a function of this store.
    pub(super) unsafe fn call_func_ref(
        &mut self,
        callee: &VmFuncRef,
        values: &mut [VmVal],
    ) -> Result<(), Error> {
        let entry = self.entry_of(callee.type_id)?;
        // SAFETY: guaranteed by the caller.
        unsafe { self.call_through(entry, callee, values) }
    }

    /// # Safety
    ///
    /// As for [`call_func_ref`](Self::call_func_ref); the entry is what `entry_of` says about the
    /// callee's type.
    unsafe fn call_through(
        &mut self,
        (entry, needed): (Entry, usize),
        callee: &VmFuncRef,
        values: &mut [VmVal],
    ) -> Result<(), Error> {
        assert!(
            values.len() >= needed,
            "{} values where {needed} are needed",
            values.len()
        );
        // SAFETY: the slot leads to code of the callee's type (or a first-call thunk), the
        // trampoline is that type's, the values suffice, and the context is the callee's.
        let call = |vm| unsafe {
            let code = (*callee.slot).0.load(Ordering::Acquire);
            entry(callee.vmctx, code, values.as_mut_ptr(), vm)
        };
        self.activate(call, |&status| status != 0)?;
        Ok(())
    }

    /// Calls a function whose type is [native](upshift_abi::callconv::is_native): `call` gets the
    /// entry trampoline to call and the function to pass it first, followed by the arguments.
    ///
    /// # Errors
    ///
    /// As [`call`](Self::call).
    ///
    /// # Panics
    ///
    /// When a host function panics.
    ///
    /// # Safety
    ///
    /// `call` calls the entry once, with arguments and a result of the function's types; a
    /// reference is 0 or one of this store.
    #[inline]
    pub unsafe fn call_native<R>(
        &mut self,
        func: FuncId,
        call: impl FnOnce(NativeEntry, *const VmFuncRef) -> NativeResult<R>,
    ) -> Result<R, Box<Error>> {
        let known = &self.funcs[func.index()];
        let func_ref = known.func_ref;
        let entry = match known.native_entry {
            Some(entry) => entry,
            None => self.prepare_native(func)?,
        };
        let returned = self.activate(|_| call(entry, func_ref), |result| result.status != 0)?;
        Ok(returned.value)
    }

    /// Runs `call`, which goes through an entry trampoline, and reports what was left pending if it
    /// failed; tells the call hook, if there is one.
    #[inline]
    fn activate<R>(
        &mut self,
        call: impl FnOnce(*mut VmStore) -> R,
        failed: impl FnOnce(&R) -> bool,
    ) -> Result<R, Box<Error>> {
        if self.hook.is_watched() {
            return self.activate_watched(call, failed);
        }
        self.enter(call, failed)
    }

    #[cold]
    #[inline(never)]
    fn activate_watched<R>(
        &mut self,
        call: impl FnOnce(*mut VmStore) -> R,
        failed: impl FnOnce(&R) -> bool,
    ) -> Result<R, Box<Error>> {
        self.check_async().map_err(Error::from)?;
        let calling = self.run_hook(CallHook::CallingWasm);
        calling.map_err(Error::from_host)?;
        let outer = self.begin_observed_activation();
        let returned = catch_unwind(AssertUnwindSafe(|| self.enter(call, failed)));
        let reason = match &returned {
            Ok(Ok(_)) => CallAbort::Error,
            Ok(Err(error)) => CallAbort::of(error),
            Err(_) => CallAbort::Panic,
        };
        // The call's own end comes first.
        let aborted = self.end_observed_activation(outer, reason);
        let returned = returned.unwrap_or_else(|payload| resume_unwind(payload));
        if returned.is_ok() {
            aborted.map_err(Error::from_host)?;
        }
        let returning = self.run_hook(CallHook::ReturningFromWasm);
        returning.map_err(Error::from_host)?;
        returned
    }

    /// As [`activate`](Self::activate), without a hook. Exclusive access to the store passes to
    /// generated code and comes back through `VmStore::host` to the functions that it calls.
    #[inline]
    fn enter<R>(
        &mut self,
        call: impl FnOnce(*mut VmStore) -> R,
        failed: impl FnOnce(&R) -> bool,
    ) -> Result<R, Box<Error>> {
        if !self.process.is_current() {
            return Err(self.refuse_forked());
        }
        let vm = self.vm();
        // SAFETY: the store's own `VmStore`, which its thread may access freely outside generated
        // code.
        let (outer_host, outermost) = unsafe {
            let outer = (*vm).host;
            (*vm).host = (&raw mut *self).cast();
            (outer, (*vm).entry_fp == 0)
        };
        let outer_thread = if outermost {
            self.enter_outermost();
            None
        } else {
            self.change_thread()
        };
        // Not before the thread is known to interrupters; see `StoreShared::thread`.
        let returned = self.may_enter(vm).map(|()| {
            let previous = CURRENT.replace(vm);
            let returned = call(vm);
            self.restore_current(previous);
            returned
        });
        if outermost {
            self.leave_outermost();
        } else if let Some(outer) = outer_thread {
            self.change_thread_back(outer);
        }
        // SAFETY: as above. The outer activation's host functions go on with their own pointer.
        unsafe { (*vm).host = outer_host };
        match returned {
            Ok(returned) if !failed(&returned) => Ok(returned),
            Ok(_) => Err(self.report_pending(outermost)),
            Err(Refusal::Interrupt) => Err(self.interrupted(outermost, WasmBacktrace::default())),
            Err(Refusal::StackOverflow) => Err(Box::new(Error::trap(TrapCode::StackOverflow))),
        }
    }

    /// Makes the store the thread's current one that was it before the call that has returned,
    /// maybe on another thread than it began on.
    #[inline]
    fn restore_current(&self, previous: *mut VmStore) {
        #[cfg(feature = "async")]
        if !self.shared.fiber().is_null() {
            replace_current(previous);
            return;
        }
        CURRENT.set(previous);
    }

    /// Returns whether the host may enter WebAssembly now, or why not.
    #[inline]
    fn may_enter(&self, vm: *mut VmStore) -> Result<(), Refusal> {
        // SAFETY: as in `activate`.
        if stack_pointer() < unsafe { (*vm).stack_limit } {
            return Err(Refusal::StackOverflow);
        }
        if self.shared.is_interrupted() {
            return Err(Refusal::Interrupt);
        }
        Ok(())
    }

    /// The error of the pending interruption, which is cleared when the outermost call has reported
    /// it.
    #[cold]
    pub(super) fn interrupted(&self, outermost: bool, backtrace: WasmBacktrace) -> Box<Error> {
        let timeout = self.shared.timed_out();
        if outermost {
            self.shared.reported();
        }
        let code = TrapCode::Interrupt;
        Box::new(match timeout {
            Some(timeout) => Error::TimedOut { timeout, backtrace },
            None => Error::Trap { code, backtrace },
        })
    }

    #[cold]
    fn refuse_forked(&self) -> Box<Error> {
        Box::new(RuntimeError::Forked.into())
    }

    /// The error for the pending reason; panics are resumed here.
    #[cold]
    fn report_pending(&mut self, outermost: bool) -> Box<Error> {
        let pending = self.pending.take();
        Box::new(match pending.expect("code that unwinds leaves a reason") {
            Pending::Trap(TrapCode::Interrupt, backtrace) => {
                return self.interrupted(outermost, backtrace);
            }
            Pending::Trap(code, backtrace) => Error::Trap { code, backtrace },
            Pending::Host(error, backtrace) | Pending::Callback(error, backtrace) => {
                // The host function checked its interruption, or returns an inner call's error.
                if outermost && error.downcast_ref() == Some(&TrapCode::Interrupt) {
                    self.shared.reported();
                }
                Error::Host { error, backtrace }
            }
            Pending::Exception(_) => unreachable!("an exception that is not caught is an error"),
            Pending::FirstCall(FirstCallError::Compile(error)) => error.into(),
            Pending::FirstCall(FirstCallError::Runtime(error)) => error.into(),
            Pending::Panic(payload) => resume_unwind(payload),
        })
    }

    /// The entry trampoline of a type, and the number of values that a call needs.
    fn entry_of(&mut self, id: TypeId) -> Result<(Entry, usize), Error> {
        if let Some(info) = self.type_infos.get(&id)
            && let Some(entry) = info.entry
        {
            return Ok((entry, info.values));
        }
        let addr = self.prepare_entry(id, Passing::Array)?;
        // SAFETY: the trampoline compiler made the code with this signature; it lives as long as
        // the type's trampolines, which stay in its `TypeInfo`.
        let entry = unsafe { std::mem::transmute::<NonNull<u8>, Entry>(addr) };
        let info = self.type_info(id);
        info.entry = Some(entry);
        Ok((entry, info.values))
    }

    /// The entry trampoline of a function's type, and the number of values that a call needs.
    #[cold]
    fn prepare_array(&mut self, func: FuncId) -> Result<(Entry, usize), Error> {
        let entry = self.entry_of(self.func_type_id(func))?;
        self.funcs[func.index()].array_entry = Some(entry);
        Ok(entry)
    }

    /// The native entry trampoline of a function's type.
    #[cold]
    fn prepare_native(&mut self, func: FuncId) -> Result<NativeEntry, Error> {
        let addr = self.prepare_entry(self.func_type_id(func), Passing::Native)?;
        let entry = NativeEntry(addr);
        self.funcs[func.index()].native_entry = Some(entry);
        Ok(entry)
    }

    /// Compiles an entry trampoline, unless another store has done so.
    #[cold]
    fn prepare_entry(&mut self, id: TypeId, passing: Passing) -> Result<NonNull<u8>, Error> {
        let runtime = self.runtime.clone();
        let trampolines = &self.type_info(id).trampolines;
        let entry = runtime
            .types()
            .entry(trampolines, passing, runtime.code())?;
        Ok(entry.pointer())
    }

    /// The slot of this store's host functions of a type.
    pub(super) fn host_slot(
        &mut self,
        id: TypeId,
        passing: Passing,
    ) -> Result<*const VmSlot, Error> {
        let known = self.type_info(id).host_slots[passing as usize];
        if let Some(slot) = known {
            return Ok(slot.as_ptr());
        }
        let runtime = self.runtime.clone();
        let info = self.type_info(id);
        let slot = runtime
            .types()
            .host_slot(&info.trampolines, passing, runtime.code())?;
        info.host_slots[passing as usize] = NonNull::new(slot.cast_mut());
        Ok(slot)
    }

    /// Whether a slot is that of this store's host functions of a type.
    pub(super) fn is_host_slot(&self, id: TypeId, slot: *const VmSlot) -> bool {
        let slot = NonNull::new(slot.cast_mut());
        let info = self.type_infos.get(&id);
        slot.is_some() && info.is_some_and(|info| info.host_slots.contains(&slot))
    }

    /// The id of a type that this store uses from now on. `known` are uses of this type alone,
    /// which save the search.
    pub(super) fn use_type(&mut self, ty: &FuncType, known: Option<&TypeUses>) -> TypeId {
        let registry = self.runtime.types();
        if let Some(known) = known.filter(|known| known.belong_to(registry)) {
            let id = known.ids()[0];
            self.type_info(id);
            return id;
        }
        let uses = self.runtime.register_types(std::slice::from_ref(ty));
        let id = uses.ids()[0];
        self.type_info(id);
        id
    }

    /// Keeps the type that references of a type refer to, if there is one, as long as this store
    /// exists.
    ///
    /// # Errors
    ///
    /// If that type is not in use, or belongs to another engine.
    pub fn use_ref_type(&mut self, ty: RefType) -> Result<(), RuntimeError> {
        let Some(id) = ty.refers_to() else {
            return Ok(());
        };
        let known = self.type_info_if_known(id);
        known.map(drop).ok_or(RuntimeError::UnknownType)
    }

    /// The data that calls of a type need; searched once per store and type. The type is in use, by
    /// the module whose function is to be called or by this store.
    fn type_info(&mut self, id: TypeId) -> &mut TypeInfo {
        let known = self.type_info_if_known(id);
        known.expect("a type that is in use")
    }

    /// As [`type_info`](Self::type_info); `None` if the type is not in use.
    fn type_info_if_known(&mut self, id: TypeId) -> Option<&mut TypeInfo> {
        Some(match self.type_infos.entry(id) {
            hash_map::Entry::Occupied(known) => known.into_mut(),
            hash_map::Entry::Vacant(vacant) => vacant.insert(TypeInfo::new(&self.runtime, id)?),
        })
    }

    /// Prepares the first activation of this store on this thread.
    #[inline]
    fn enter_outermost(&mut self) {
        let limit = stack::limit(stack_pointer(), self.max_wasm_stack);
        // SAFETY: as in `activate`.
        unsafe { (*self.vm()).stack_limit = limit };
        self.signals.unblock();
        self.shared.set_thread(sys::thread_id(&self.process));
        // Fences: what follows does not happen before what is above.
        self.runtime.code().enter(&self.activity);
    }

    /// Prepares a call from a host function that has passed the store on to another thread, and
    /// waits for it: that thread has another stack, and interruptions must find it. Returns what to
    /// restore afterwards, if so.
    #[inline]
    fn change_thread(&mut self) -> Option<OuterThread> {
        let (thread, here) = (self.shared.thread(), sys::thread_id(&self.process));
        if thread == here {
            return None;
        }
        self.signals.unblock();
        let limit = stack::limit(stack_pointer(), self.max_wasm_stack);
        // SAFETY: as in `activate`.
        let stack_limit = unsafe { std::mem::replace(&mut (*self.vm()).stack_limit, limit) };
        self.shared.set_thread(here);
        // As at the outermost entry, without changing its epoch.
        fence(Ordering::SeqCst);
        Some(OuterThread {
            thread,
            stack_limit,
        })
    }

    #[cold]
    fn change_thread_back(&mut self, outer: OuterThread) {
        // SAFETY: as in `activate`.
        unsafe { (*self.vm()).stack_limit = outer.stack_limit };
        self.shared.set_thread(outer.thread);
        fence(Ordering::SeqCst);
    }

    #[inline]
    fn leave_outermost(&mut self) {
        self.activity.leave();
        self.shared.set_thread(0);
    }
}
