//! Functions of a store: references to WebAssembly functions and functions of the host.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::sync::Arc;

use upshift_abi::vmctx::{VmContext, VmFuncRef, VmHostContext, VmVal};
use upshift_abi::{FuncType, TrapCode, TypeId};

use super::call::Pending;
use super::{FuncId, InstanceId, Store};
use crate::error::Error;
use crate::trap::WasmBacktrace;

/// A host function: arguments are in the first values, results go there.
pub type HostFunc = Arc<dyn Fn(HostCall<'_>) -> anyhow::Result<()> + Send + Sync>;

/// One call of a host function.
pub struct HostCall<'a> {
    /// The store whose code called.
    pub store: &'a mut Store,
    /// The instance that imported the function; `None` if it was called from the host or
    /// through a table that the host put it in.
    pub caller: Option<InstanceId>,
    /// As many values as the function has parameters or results, whichever are more.
    pub values: &'a mut [VmVal],
}

/// A function with an id.
pub(super) struct FuncEntry {
    /// Lives as long as the store.
    pub func_ref: *const VmFuncRef,
}

/// A host function of a store. Boxed where generated code points to it.
pub(super) struct HostFuncEntry {
    data: Arc<HostFuncData>,
    func_ref: Box<VmFuncRef>,
    /// One for calls from the host, then one per importing instance.
    #[allow(clippy::vec_box, reason = "generated code points to each")]
    contexts: Vec<Box<VmHostContext>>,
}

struct HostFuncData {
    func: HostFunc,
    values: usize,
}

impl Store {
    /// Makes a host function.
    ///
    /// # Errors
    ///
    /// If there is no room for its trampoline.
    ///
    /// # Safety
    ///
    /// When the function returns `Ok`, the values are of the type's results; a reference is 0 or one of the
    /// calling store.
    pub unsafe fn new_host_func(&mut self, ty: &FuncType, func: HostFunc) -> Result<FuncId, Error> {
        let type_id = self.runtime.register_type(ty);
        let slot = self.type_info(type_id)?.host_slot();
        let data = Arc::new(HostFuncData {
            func,
            values: ty.params.len().max(ty.results.len()),
        });
        let index = self.host_funcs.len();
        self.host_funcs.push(HostFuncEntry {
            data,
            func_ref: Box::new(VmFuncRef {
                slot,
                vmctx: ptr::null_mut(),
                type_id,
            }),
            contexts: Vec::new(),
        });
        let vmctx = self.add_host_context(index, ptr::null_mut());
        let entry = &mut self.host_funcs[index];
        entry.func_ref.vmctx = vmctx;
        let func_ref: *const VmFuncRef = &*entry.func_ref;
        Ok(self.func_id(func_ref))
    }

    /// A further context of a host function.
    fn add_host_context(&mut self, index: usize, caller: *mut VmContext) -> *mut VmContext {
        let entry = &mut self.host_funcs[index];
        let context = Box::new(VmHostContext {
            call: host_call as *const u8,
            store: self.shared.vm(),
            func: Arc::as_ptr(&entry.data).cast(),
            caller,
        });
        let vmctx: *mut VmContext = (&raw const *context).cast_mut().cast();
        entry.contexts.push(context);
        self.host_contexts.insert(vmctx as usize, index);
        vmctx
    }

    /// The context that an instance's calls of an imported function pass: the function's own, but for a host
    /// function one that names the instance as its caller.
    pub(super) fn import_context(
        &mut self,
        func: FuncId,
        caller: *mut VmContext,
    ) -> *mut VmContext {
        // SAFETY: function entries point to references that live as long as the store.
        let vmctx = unsafe { (*self.func_ref(func)).vmctx };
        let Some(&index) = self.host_contexts.get(&(vmctx as usize)) else {
            return vmctx;
        };
        self.add_host_context(index, caller)
    }

    /// The id of a function reference; the same reference has the same id.
    pub(super) fn func_id(&mut self, func_ref: *const VmFuncRef) -> FuncId {
        let next = FuncId::new(self.funcs.len());
        let id = *self.func_ids.entry(func_ref as usize).or_insert(next);
        if id == next {
            self.funcs.push(FuncEntry { func_ref });
        }
        id
    }

    pub(super) fn func_ref(&self, func: FuncId) -> *const VmFuncRef {
        self.funcs[func.index()].func_ref
    }

    /// The engine's id of the function's type.
    pub fn func_type_id(&self, func: FuncId) -> TypeId {
        // SAFETY: function entries point to references that live as long as the store.
        unsafe { (*self.func_ref(func)).type_id }
    }

    /// The function's type. Takes a lock.
    pub fn func_type(&self, func: FuncId) -> Arc<FuncType> {
        self.runtime.func_type(self.func_type_id(func))
    }

    /// The function as a `funcref` word.
    pub fn func_ref_word(&self, func: FuncId) -> u64 {
        self.func_ref(func) as u64
    }

    /// The function of a `funcref` word that came from this store's WebAssembly code or tables; `None` for null.
    ///
    /// # Safety
    ///
    /// The word is 0 or a function reference of this store.
    pub unsafe fn func_from_word(&mut self, word: u64) -> Option<FuncId> {
        (word != 0).then(|| self.func_id(word as *const VmFuncRef))
    }
}

/// What host trampolines call: runs the host function; 1 makes the trampoline unwind.
///
/// # Safety
///
/// `context` is a host context of the store that the calling thread runs, and `values` holds the arguments
/// and has room for the results.
unsafe extern "sysv64" fn host_call(context: *mut VmHostContext, values: *mut VmVal) -> u32 {
    // SAFETY: host contexts and what they point to live as long as the store; exclusive access
    // to the store is generated code's, which lends it to us until we return.
    let (store, data, caller) = unsafe {
        let context = &*context;
        let store = &mut *(*context.store).host.cast::<Store>();
        let data = &*context.func.cast::<HostFuncData>();
        let caller = context.caller.as_ref().map(instance_id);
        (store, data, caller)
    };
    // SAFETY: the trampoline of this type passes this many.
    let values = unsafe { std::slice::from_raw_parts_mut(values, data.values) };
    let call = HostCall {
        store: &mut *store,
        caller,
        values,
    };
    let result = catch_unwind(AssertUnwindSafe(|| (data.func)(call)));
    let pending = match result {
        // SAFETY: the host trampoline's frame, which called us, stands.
        Ok(Ok(())) if store.shared.is_interrupted() => Pending::Trap(TrapCode::Interrupt, unsafe {
            WasmBacktrace::capture_at_exit(store)
        }),
        Ok(Ok(())) => return 0,
        // SAFETY: as above.
        Ok(Err(error)) => Pending::Host(error, unsafe { WasmBacktrace::capture_at_exit(store) }),
        Err(payload) => Pending::Panic(payload),
    };
    store.set_pending(pending);
    1
}

/// The id of the instance that a context belongs to.
fn instance_id(vmctx: &VmContext) -> InstanceId {
    // SAFETY: an instance's context points to its boxed `Instance`, whose id never changes.
    unsafe { (*vmctx.instance.cast::<super::Instance>()).id }
}
