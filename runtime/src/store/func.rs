//! Functions of a store: references to WebAssembly functions, and host functions.

use std::any::Any;
use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use upshift_abi::compiler::Passing;
use upshift_abi::vmctx::{NativeResult, VmContext, VmFuncRef, VmHostContext, VmStore, VmVal};
use upshift_abi::{FuncType, TrapCode, TypeId};

use super::call::{Entry, NativeEntry, Pending};
use super::observe::HostValues;
use super::{CallHook, FuncId, InstanceId, Store};
use crate::backtrace::WasmBacktrace;
use crate::error::{Error, RuntimeError};
use crate::types::TypeUses;

/// A host function.
#[derive(Clone)]
pub enum HostFunc {
    /// A function of any type: arguments are the first values, and are replaced by results.
    Array(ArrayFunc),
    /// A function of a [native](upshift_abi::callconv::is_native) type.
    Native {
        /// `extern "sysv64" fn(*mut VmHostContext, arguments...) -> NativeResult`, which calls
        /// [`run_native`] with the type of `data`'s content.
        code: NativeFunc,
        /// The data that the code uses.
        data: Arc<dyn Any + Send + Sync>,
    },
}

/// A host function that gets its values in an array.
pub type ArrayFunc = Arc<dyn Fn(HostCall<'_>) -> anyhow::Result<()> + Send + Sync>;

/// A host function that gets its values in registers, cast from its own type.
pub type NativeFunc = unsafe extern "sysv64" fn();

/// One call of a host function through an array.
pub struct HostCall<'a> {
    /// The store whose code called the function.
    pub store: &'a mut Store,
    /// The instance that imported the function; `None` if it was called from the host or through a
    /// table that the host put it in.
    pub caller: Option<InstanceId>,
    /// The arguments, to be replaced by results: as many values as the function has parameters or
    /// results, whichever are more.
    pub values: &'a mut [VmVal],
}

/// A function of a store that has an id.
pub(super) struct FuncEntry {
    /// Lives as long as the store, and can be read: a copy, if the reference is where references
    /// are filled on demand.
    pub func_ref: *const VmFuncRef,
    /// The native entry trampoline of the function's type, after its first native call.
    pub native_entry: Option<NativeEntry>,
    /// The entry trampoline of the function's type, after its first call through an array, and the
    /// number of values that a call needs.
    pub array_entry: Option<(Entry, usize)>,
}

/// A host function of a store. Pinned: generated code points to it.
pub(super) struct HostFuncEntry {
    data: HostFuncData,
    func_ref: VmFuncRef,
}

/// The data that the contexts of a host function with an array point to.
struct HostFuncData {
    func: HostFunc,
    values: usize,
}

impl HostFuncData {
    /// The code that host contexts call, and the data that it gets.
    fn target(&self) -> (*const u8, *const c_void) {
        match &self.func {
            HostFunc::Array(_) => (host_call as *const u8, ptr::from_ref(self).cast()),
            HostFunc::Native { code, data } => (*code as *const u8, Arc::as_ptr(data).cast()),
        }
    }
}

impl Store {
    /// Creates a host function. `known` are uses of its type, which save a search; those of another
    /// runtime are ignored.
    ///
    /// # Errors
    ///
    /// If there is no room for its trampoline.
    ///
    /// # Safety
    ///
    /// When the function returns `Ok`, the values are of the type's results; a reference is 0 or
    /// one of the calling store. A native function's code has the parameters and the result of the
    /// type. Known uses are of the type alone.
    ///
    /// # Panics
    ///
    /// If the function is native and the type is not.
    pub unsafe fn new_host_func(
        &mut self,
        ty: &FuncType,
        known: Option<&TypeUses>,
        func: HostFunc,
    ) -> Result<FuncId, Error> {
        self.process.check()?;
        let type_id = self.use_type(ty, known);
        let passing = match func {
            HostFunc::Array(_) => Passing::Array,
            HostFunc::Native { .. } => Passing::Native,
        };
        let slot = self.host_slot(type_id, passing)?;
        let entry = self.host_funcs.push(HostFuncEntry {
            data: HostFuncData {
                func,
                values: ty.params.len().max(ty.results.len()),
            },
            func_ref: VmFuncRef {
                slot,
                vmctx: ptr::null_mut(),
                type_id,
            },
        });
        // SAFETY: the entry was just created, and is pinned.
        let entry = unsafe { &mut *entry };
        let (call, func) = entry.data.target();
        let context = self.host_contexts.push(VmHostContext {
            call,
            store: self.shared.vm(),
            func,
            caller: ptr::null_mut(),
        });
        entry.func_ref.vmctx = context.cast();
        Ok(self.func_id(&entry.func_ref))
    }

    /// Makes room for that many host functions, each imported once.
    pub fn reserve_host_funcs(&mut self, count: usize) {
        self.funcs.reserve(count);
        self.func_ids.reserve(count);
        self.host_funcs.reserve(count);
        self.host_contexts.reserve(2 * count);
    }

    /// The context that an instance's calls of an imported function pass: the function's own, but
    /// for a host function one that names the instance as its caller.
    pub(super) fn import_context(
        &mut self,
        func: FuncId,
        caller: *mut VmContext,
    ) -> *mut VmContext {
        // SAFETY: function entries point to references that live as long as the store.
        let func_ref = unsafe { &*self.func_ref(func) };
        if !self.is_host_slot(func_ref.type_id, func_ref.slot) {
            return func_ref.vmctx;
        }
        // SAFETY: a function behind a host trampoline has a host context, which lives as long as
        // the store.
        let own = unsafe { &*func_ref.vmctx.cast::<VmHostContext>() };
        let context = VmHostContext { caller, ..*own };
        self.host_contexts.push(context).cast()
    }

    /// The id of a function reference; the same reference has the same id.
    pub(super) fn func_id(&mut self, func_ref: *const VmFuncRef) -> FuncId {
        if let Some(&id) = self.func_ids.get(&(func_ref as usize)) {
            return id;
        }
        let id = FuncId::new(self.funcs.len());
        self.func_ids.insert(func_ref as usize, id);
        let readable = match self.func_ref_on_demand(func_ref) {
            Some(copy) => {
                let copy: *const VmFuncRef = self.func_refs.push(copy);
                self.func_ids.insert(copy as usize, id);
                copy
            }
            None => func_ref,
        };
        self.funcs.push(FuncEntry {
            func_ref: readable,
            native_entry: None,
            array_entry: None,
        });
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

    /// The function of a `funcref` word that came from this store's WebAssembly code or tables;
    /// `None` for null.
    ///
    /// # Safety
    ///
    /// The word is 0 or a function reference of this store.
    pub unsafe fn func_from_word(&mut self, word: u64) -> Option<FuncId> {
        (word != 0).then(|| self.func_id(word as *const VmFuncRef))
    }
}

/// The function that host trampolines call for functions with an array: runs the host function; 1
/// makes the trampoline unwind.
///
/// # Safety
///
/// `context` is a host context of the store that the calling thread runs, and `values` contains the
/// arguments and has room for the results.
unsafe extern "sysv64" fn host_call(context: *mut VmHostContext, values: *mut VmVal) -> u32 {
    let run = |store: &mut Store, caller, data: &HostFuncData| {
        // SAFETY: the trampoline of this type passes this many.
        let values = unsafe { std::slice::from_raw_parts_mut(values, data.values) };
        let HostFunc::Array(func) = &data.func else {
            unreachable!("native functions have their own code");
        };
        func(HostCall {
            store,
            caller,
            values,
        })
    };
    // SAFETY: guaranteed by the caller; `target` gives contexts of this code a `HostFuncData`.
    let returned = unsafe { run_host(context, InArray(values), run) };
    u32::from(returned.is_none())
}

/// The values of a call through an array, which results replace.
struct InArray(*const VmVal);

impl InArray {
    fn read(&self, count: usize) -> Vec<VmVal> {
        // SAFETY: the trampoline's array, which has room for the values of the function's type;
        // it is lent to the function only while that runs.
        unsafe { std::slice::from_raw_parts(self.0, count) }.to_vec()
    }
}

impl HostValues<()> for InArray {
    fn args(&self, count: usize) -> Vec<VmVal> {
        self.read(count)
    }

    fn results(&self, (): &(), count: usize) -> Vec<VmVal> {
        self.read(count)
    }
}

/// The values of a call in registers.
struct InRegisters<A, B> {
    args: A,
    results: B,
}

impl<R, A: Fn() -> Vec<VmVal>, B: Fn(&R) -> Option<VmVal>> HostValues<R> for InRegisters<A, B> {
    fn args(&self, _: usize) -> Vec<VmVal> {
        (self.args)()
    }

    fn results(&self, returned: &R, _: usize) -> Vec<VmVal> {
        (self.results)(returned).into_iter().collect()
    }
}

/// Runs a native host function: `run` gets the store, the instance that imported the function
/// (`None` if it was called from the host or through a table that the host put it in) and the
/// function's data. An error or a panic is kept for the caller of WebAssembly, and the result's
/// status makes the trampoline unwind. `args` and `result` give what an observer is told.
///
/// # Safety
///
/// The code of a [`HostFunc::Native`] whose data is a `D` calls this with the context that it was
/// given.
#[inline]
pub unsafe fn run_native<D, R: Default>(
    context: *mut VmHostContext,
    args: impl Fn() -> Vec<VmVal>,
    result: impl Fn(&R) -> Option<VmVal>,
    run: impl FnOnce(&mut Store, Option<InstanceId>, &D) -> anyhow::Result<R>,
) -> NativeResult<R> {
    let values = InRegisters {
        args,
        results: result,
    };
    // SAFETY: guaranteed by the caller.
    match unsafe { run_host(context, values, run) } {
        Some(value) => NativeResult { value, status: 0 },
        None => NativeResult {
            value: R::default(),
            status: 1,
        },
    }
}

/// Runs a host function, and tells the call hook and the observer, if there is one; `None` if the
/// trampoline has to unwind.
///
/// # Safety
///
/// `context` is a host context of the store that the calling thread runs, and its function's data
/// is a `D`.
#[inline]
unsafe fn run_host<D, R>(
    context: *mut VmHostContext,
    values: impl HostValues<R>,
    run: impl FnOnce(&mut Store, Option<InstanceId>, &D) -> anyhow::Result<R>,
) -> Option<R> {
    // SAFETY: guaranteed by the caller; as in `run_without_hook`.
    unsafe {
        let store = (*(*context).store).host.cast::<Store>();
        match (*store).hook.is_watched() {
            true => run_with_hook(context, values, run),
            false => run_without_hook(context, run),
        }
    }
}

/// Runs a host function between two calls of the hook, and tells the observer of it if it is an
/// import that is listened to.
///
/// # Safety
///
/// As for [`run_host`].
#[cold]
#[inline(never)]
unsafe fn run_with_hook<D, R>(
    context: *mut VmHostContext,
    values: impl HostValues<R>,
    run: impl FnOnce(&mut Store, Option<InstanceId>, &D) -> anyhow::Result<R>,
) -> Option<R> {
    let run = |store: &mut Store, caller: Option<InstanceId>, data: &D| {
        store.run_hook(CallHook::CallingHost)?;
        // SAFETY: host contexts live as long as the store.
        let host = unsafe { &*context };
        let listened = caller.and_then(|instance| {
            let func = store.listened_import(instance, host)?;
            Some((instance, func))
        });
        let returned = match listened {
            Some(func) => store.run_observed(func, values, |store| run(store, caller, data)),
            None => run(store, caller, data),
        };
        store.run_hook(CallHook::ReturningFromHost)?;
        returned
    };
    // SAFETY: guaranteed by the caller.
    unsafe { run_without_hook(context, run) }
}

/// Runs a host function.
///
/// # Safety
///
/// As for [`run_host`].
#[inline]
unsafe fn run_without_hook<D, R>(
    context: *mut VmHostContext,
    run: impl FnOnce(&mut Store, Option<InstanceId>, &D) -> anyhow::Result<R>,
) -> Option<R> {
    // SAFETY: host contexts and what they point to live as long as the store; exclusive access to
    // the store is generated code's, which lends it to this function until it returns.
    let (vm, store, data, caller) = unsafe {
        let context = &*context;
        let vm = context.store;
        let store = &mut *(*vm).host.cast::<Store>();
        let data = &*context.func.cast::<D>();
        let caller = context.caller.as_ref().map(instance_id);
        (vm, store, data, caller)
    };
    let scope = store.begin_scope();
    // Not as the closure's result: what passes through `catch_unwind` passes through memory.
    let (mut value, mut error) = (None, None);
    let caught = catch_unwind(AssertUnwindSafe(|| match run(store, caller, data) {
        Ok(returned) => value = Some(returned),
        Err(failed) => error = Some(failed),
    }));
    // SAFETY: as above; the closure, which had the store, has ended.
    unsafe {
        let store = &mut *(*vm).host.cast::<Store>();
        if store.begin_scope() != scope {
            store.end_scope(scope);
        }
    }
    // SAFETY: as above; the store's own `VmStore`.
    if value.is_some() && unsafe { may_go_on(vm) } {
        return value;
    }
    // SAFETY: as above; and the frame of the host trampoline, which called this function, stands.
    unsafe { (*(*vm).host.cast::<Store>()).leave_host(caught.map(|()| error)) };
    None
}

/// Whether WebAssembly may go on after a host function: it was not interrupted, and this is not a
/// forked child, whose code its parent replaces.
///
/// # Safety
///
/// The calling thread runs the store.
#[inline]
unsafe fn may_go_on(vm: *mut VmStore) -> bool {
    // SAFETY: guaranteed by the caller.
    unsafe {
        let store = &*(*vm).host.cast::<Store>();
        (*vm).interrupt.load(Ordering::Acquire) == 0 && store.process.is_current()
    }
}

impl Store {
    /// Records why the WebAssembly that called a host function is left: an error, a panic, or
    /// (`Ok(None)`) an interruption or a fork.
    ///
    /// # Safety
    ///
    /// The host trampoline's frame stands.
    #[cold]
    unsafe fn leave_host(&mut self, result: std::thread::Result<Option<anyhow::Error>>) {
        // SAFETY: guaranteed by the caller.
        let backtrace = |store: &Self| unsafe { WasmBacktrace::capture_at_exit(store) };
        let pending = match result {
            Ok(Some(error)) => Pending::Host(error, backtrace(self)),
            Ok(None) if !self.process.is_current() => {
                Pending::Host(RuntimeError::Forked.into(), backtrace(self))
            }
            Ok(None) => Pending::Trap(TrapCode::Interrupt, backtrace(self)),
            Err(payload) => Pending::Panic(payload),
        };
        self.set_pending(pending);
    }
}

/// The id of the instance that a context belongs to.
fn instance_id(vmctx: &VmContext) -> InstanceId {
    // SAFETY: an instance's context points to its boxed `Instance`, whose id never changes.
    unsafe { (*vmctx.instance.cast::<super::Instance>()).id }
}
