//! Calls into WebAssembly, and what comes back when they don't return.

use std::any::Any;
use std::panic::resume_unwind;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};

use upshift_abi::vmctx::{VmContext, VmFuncRef, VmSlot, VmStore, VmVal};
use upshift_abi::{TrapCode, TypeId};

use super::{FuncId, Store};
use crate::error::Error;
use crate::module::FirstCallError;
use crate::sys;
use crate::trap::{self, WasmBacktrace};
use crate::types::TypeTrampolines;

/// Why the innermost activation is being left.
pub enum Pending {
    /// A trap.
    Trap(TrapCode, WasmBacktrace),
    /// A host function's error.
    Host(anyhow::Error, WasmBacktrace),
    /// A host function's panic.
    Panic(Box<dyn Any + Send>),
    /// A function without code.
    FirstCall(FirstCallError),
}

/// The entry trampoline, as [`upshift_abi::frame`] describes it.
pub(super) type Entry =
    unsafe extern "sysv64" fn(*mut VmContext, *const u8, *mut VmVal, *mut VmStore) -> u32;

/// What calls of one type need.
pub(super) struct TypeInfo {
    pub entry: Entry,
    /// The greater of the numbers of parameters and results.
    pub values: usize,
    trampolines: Arc<OnceLock<TypeTrampolines>>,
}

impl TypeInfo {
    /// The slot that host functions of the type share.
    pub fn host_slot(&self) -> *const VmSlot {
        &self
            .trampolines
            .get()
            .expect("compiled with the entry")
            .host_slot
    }
}

/// What a call needs to know of its callee.
pub(super) struct Callee {
    pub slot: *const VmSlot,
    pub vmctx: *mut VmContext,
    pub type_id: TypeId,
}

impl Callee {
    /// # Safety
    ///
    /// `func` points to a function reference of this store.
    pub(super) unsafe fn of(func: *const VmFuncRef) -> Self {
        // SAFETY: the caller's promise.
        let func = unsafe { &*func };
        Self {
            slot: func.slot,
            vmctx: func.vmctx,
            type_id: func.type_id,
        }
    }
}

impl Store {
    /// Calls a function: arguments are in the first values, results will be.
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
        // SAFETY: the store's function entries point to function references that live as long as it; the
        // values are the caller's promise.
        unsafe {
            let callee = Callee::of(self.func_ref(func));
            self.call_callee(&callee, values)
        }
    }

    /// # Safety
    ///
    /// As for [`call`](Self::call); the callee is a function of this store.
    pub(super) unsafe fn call_callee(
        &mut self,
        callee: &Callee,
        values: &mut [VmVal],
    ) -> Result<(), Error> {
        let (entry, needed) = self.entry_of(callee.type_id)?;
        assert!(
            values.len() >= needed,
            "{} values where {needed} are needed",
            values.len()
        );
        let vm = self.vm();
        // SAFETY: the store's own `VmStore`, which its thread may use as it likes outside generated code.
        let outermost = unsafe {
            (*vm).host = (&raw mut *self).cast();
            (*vm).entry_fp == 0
        };
        if self.shared.is_interrupted() {
            self.shared.clear_interrupt();
            return Err(Error::trap(TrapCode::Interrupt));
        }
        if outermost {
            self.enter_outermost();
        }
        let previous = trap::replace_current(vm);
        // SAFETY: the slot holds code of the callee's type (or a first-call thunk), the trampoline is that
        // type's, the values suffice, and the context is the callee's. Exclusive access to the store passes to
        // generated code and comes back through `(*vm).host` to whoever it calls.
        let status = unsafe {
            let code = (*callee.slot).0.load(Ordering::Acquire);
            entry(callee.vmctx, code, values.as_mut_ptr(), vm)
        };
        trap::replace_current(previous);
        let pending = (status != 0).then(|| self.pending.take());
        if outermost {
            self.leave_outermost();
        }
        match pending {
            None => Ok(()),
            Some(Some(pending)) => Err(self.report(pending)),
            Some(None) => unreachable!("whoever unwinds leaves a reason"),
        }
    }

    /// The error to return for what was left pending; panics go on here.
    fn report(&self, pending: Pending) -> Error {
        match pending {
            Pending::Trap(code, backtrace) => {
                if code == TrapCode::Interrupt {
                    self.shared.clear_interrupt();
                }
                Error::Trap { code, backtrace }
            }
            Pending::Host(error, backtrace) => Error::Host { error, backtrace },
            Pending::FirstCall(FirstCallError::Compile(error)) => error.into(),
            Pending::FirstCall(FirstCallError::Runtime(error)) => error.into(),
            Pending::Panic(payload) => resume_unwind(payload),
        }
    }

    /// The entry trampoline of a type, and how many values a call needs.
    fn entry_of(&mut self, id: TypeId) -> Result<(Entry, usize), Error> {
        let info = self.type_info(id)?;
        Ok((info.entry, info.values))
    }

    /// What calls of a type need; looked up once per store and type.
    pub(super) fn type_info(&mut self, id: TypeId) -> Result<&TypeInfo, Error> {
        let index = id.0 as usize;
        if self.type_infos.len() <= index {
            self.type_infos.resize_with(index + 1, || None);
        }
        if self.type_infos[index].is_none() {
            let trampolines = self.runtime.types().trampolines(id, self.runtime.code())?;
            let ty = self.runtime.func_type(id);
            let entry = trampolines.get().expect("just compiled").entry.addr().get();
            self.type_infos[index] = Some(TypeInfo {
                // SAFETY: the trampoline compiler made the code with this signature; it lives as
                // long as `trampolines`, which stays beside it.
                entry: unsafe { std::mem::transmute::<usize, Entry>(entry) },
                values: ty.params.len().max(ty.results.len()),
                trampolines,
            });
        }
        Ok(self.type_infos[index].as_ref().expect("just filled"))
    }

    /// Prepares the first activation of this store on this thread.
    fn enter_outermost(&mut self) {
        let marker = 0u8;
        let sp = &raw const marker as usize;
        let limit = sp.saturating_sub(self.runtime.config().max_wasm_stack);
        // SAFETY: as in `call_callee`.
        unsafe { (*self.vm()).stack_limit = limit };
        self.shared.set_thread(sys::thread_id());
        self.runtime.code().enter(&self.activity);
    }

    fn leave_outermost(&mut self) {
        self.activity.leave();
        self.shared.set_thread(0);
    }
}
