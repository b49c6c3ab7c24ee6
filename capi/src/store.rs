//! Engines and stores.
//!
//! In C, functions and memories know their store: each is a pointer that is used alone. So each has
//! a share of a [`StoreCell`], and the store is freed with the last of them.
//!
//! # Protocol
//!
//! The API of Rust proves by a `&mut` that one piece of code uses a store. Here the cell hands that
//! out, by [`StoreRef::with`]:
//!
//! - Of a store where no host function runs, it is the `&mut` of the store itself. While a host
//!   function runs, WebAssembly below it has the store borrowed, and all uses go through the
//!   [`Caller`] that the host function got: [`StoreRef::lend`] puts its address into the cell for
//!   the time that code of the embedder runs, and takes it out when that returns.
//! - While `with` runs, the cell is *busy*. Another `with` of it then panics: it can only come from
//!   a second thread, which the headers forbid. Code of the embedder runs in `lend` only, where the
//!   cell is not busy, and outside of `with`: finalizers that would run inside wait in a list of
//!   the thread until its outermost `with` ends.

use std::cell::{Cell, RefCell, UnsafeCell};
use std::collections::HashMap;
use std::ffi::c_void;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Result, ensure};
use upshift::{
    AsContextMut, Caller, Config, Engine, InterruptHandle, Store, StoreContextMut, StoreLimits,
};

use crate::given;
use crate::refs::InfoKey;

/// The configuration of an engine.
pub(crate) struct wasm_config_t(pub(crate) Config);

#[unsafe(no_mangle)]
extern "C" fn wasm_config_new() -> Option<Box<wasm_config_t>> {
    Some(Box::new(wasm_config_t(Config::new())))
}

#[unsafe(no_mangle)]
extern "C" fn wasm_config_delete(config: Option<Box<wasm_config_t>>) {
    drop(config);
}

/// An engine.
pub(crate) struct wasm_engine_t(pub(crate) Engine);

#[unsafe(no_mangle)]
extern "C" fn wasm_engine_new() -> Option<Box<wasm_engine_t>> {
    wasm_engine_new_with_config(wasm_config_new())
}

#[unsafe(no_mangle)]
extern "C" fn wasm_engine_new_with_config(
    config: Option<Box<wasm_config_t>>,
) -> Option<Box<wasm_engine_t>> {
    let engine = Engine::new(&given(config, "config").0).ok()?;
    Some(Box::new(wasm_engine_t(engine)))
}

#[unsafe(no_mangle)]
extern "C" fn wasm_engine_delete(engine: Option<Box<wasm_engine_t>>) {
    drop(engine);
}

/// What frees the data that a host attached to something.
pub(crate) type Finalizer = unsafe extern "C" fn(*mut c_void);

/// Data of the host, with its finalizer, which runs when this is dropped and the thread has no
/// store borrowed.
pub(crate) struct HostData {
    data: *mut c_void,
    finalizer: Option<Finalizer>,
}

// SAFETY: the headers say that finalizers run on, and that callbacks get their data from, whichever
// thread uses the store, one at a time.
unsafe impl Send for HostData {}
// SAFETY: only the pointer is read through a shared reference.
unsafe impl Sync for HostData {}

impl HostData {
    pub(crate) fn new(data: *mut c_void, finalizer: Option<Finalizer>) -> Self {
        Self { data, finalizer }
    }

    pub(crate) fn get(&self) -> *mut c_void {
        self.data
    }
}

impl Drop for HostData {
    fn drop(&mut self) {
        let Some(finalizer) = self.finalizer.take() else {
            return;
        };
        let data = self.data;
        let waits = DEPTH.try_with(Cell::get).unwrap_or(0) > 0;
        if waits
            && WAITING
                .try_with(|list| list.borrow_mut().push((finalizer, data)))
                .is_ok()
        {
            return;
        }
        // SAFETY: the host gave the finalizer for this data, and it runs once.
        unsafe { finalizer(data) };
    }
}

thread_local! {
    /// How many `with` of this thread are running, since the innermost host function was called.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
    /// Finalizers that wait until there is none.
    static WAITING: RefCell<Vec<(Finalizer, *mut c_void)>> = const { RefCell::new(Vec::new()) };
}

/// Runs the finalizers that wait, those included that they make wait.
fn run_finalizers() {
    while let Ok(Some((finalizer, data))) = WAITING.try_with(|list| list.borrow_mut().pop()) {
        // SAFETY: the host gave the finalizer for this data, and it runs once.
        unsafe { finalizer(data) };
    }
}

/// What a store of the C API owns besides WebAssembly's items.
pub(crate) struct Data {
    /// The cell that the store is in; dangling while the store is being made.
    cell: NonNull<StoreCell>,
    /// Data that the host attached to items.
    pub(crate) infos: HashMap<InfoKey, HostData>,
    /// Data that the host attached to the store.
    pub(crate) host: Option<HostData>,
    pub(crate) limits: StoreLimits,
    #[cfg(feature = "wasi")]
    pub(crate) wasi: Option<upshift::wasi::WasiCtx>,
}

// SAFETY: the pointer to the cell is the data's own address in other words, and moves with it; it
// is used by the thread that uses the store.
unsafe impl Send for Data {}

/// A store, and who may use it now.
pub(crate) struct StoreCell {
    store: UnsafeCell<Store<Data>>,
    /// The caller that the innermost running host function got; null if none runs.
    caller: Cell<*mut Caller<'static, Data>>,
    /// Whether a `with` runs. Relaxed: it only finds out some of what the headers forbid.
    busy: AtomicBool,
    engine: Engine,
    interrupt: InterruptHandle,
}

// SAFETY: the headers say that a store and its items are used by one thread at a time; what other
// threads may do at any time, deleting items and interrupting, touches none of the fields.
unsafe impl Send for StoreCell {}
// SAFETY: as above.
unsafe impl Sync for StoreCell {}

/// A share of a store.
#[derive(Clone)]
pub(crate) struct StoreRef(Arc<StoreCell>);

impl PartialEq for StoreRef {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// Marks the cell as busy, and the thread as one that has a store borrowed, until it is dropped.
struct Busy<'a>(&'a StoreCell);

impl<'a> Busy<'a> {
    fn begin(cell: &'a StoreCell) -> Self {
        assert!(
            !cell.busy.load(Ordering::Relaxed),
            "a store is used by two threads, or by the function of a stream, at the same time"
        );
        cell.busy.store(true, Ordering::Relaxed);
        _ = DEPTH.try_with(|depth| depth.set(depth.get() + 1));
        Self(cell)
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.busy.store(false, Ordering::Relaxed);
        let depth = DEPTH.try_with(|depth| {
            depth.set(depth.get() - 1);
            depth.get()
        });
        if depth == Ok(0) {
            run_finalizers();
        }
    }
}

impl StoreRef {
    fn new(engine: &Engine) -> Self {
        let data = Data {
            cell: NonNull::dangling(),
            infos: HashMap::new(),
            host: None,
            limits: StoreLimits::default(),
            #[cfg(feature = "wasi")]
            wasi: None,
        };
        let store = Store::new(engine, data);
        let store = Self(Arc::new(StoreCell {
            interrupt: store.interrupt_handle(),
            store: UnsafeCell::new(store),
            caller: Cell::new(std::ptr::null_mut()),
            busy: AtomicBool::new(false),
            engine: engine.clone(),
        }));
        let cell = NonNull::from(&*store.0);
        store.with(|mut context| context.data_mut().cell = cell);
        store
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.0.engine
    }

    /// Runs `f` with the store. It must run no code of the embedder, except through
    /// [`lend`](Self::lend).
    ///
    /// # Panics
    ///
    /// If another thread uses the store at this time, and that is noticed.
    pub(crate) fn with<R>(&self, f: impl FnOnce(StoreContextMut<'_, Data>) -> R) -> R {
        let cell = &*self.0;
        let _busy = Busy::begin(cell);
        let caller = cell.caller.get();
        if caller.is_null() {
            // SAFETY: no host function runs, so no code below this has the store borrowed; no
            // other `with` runs, by `busy`. `f` can't keep the reference, by its lifetime.
            f(unsafe { &mut *cell.store.get() }.as_context_mut())
        } else {
            // SAFETY: `lend` has put the address there, and takes it out before the caller's life
            // ends; until then it does not use the caller itself. No other `with` runs.
            f(unsafe { &mut *caller }.as_context_mut())
        }
    }

    pub(crate) fn interrupt_handle(&self) -> &InterruptHandle {
        &self.0.interrupt
    }

    /// Runs `f` with the whole store, as [`with`](Self::with) does with a view of it.
    ///
    /// # Errors
    ///
    /// If a host function is running in the store.
    pub(crate) fn with_store<R>(&self, f: impl FnOnce(&mut Store<Data>) -> R) -> Result<R> {
        let cell = &*self.0;
        ensure!(
            cell.caller.get().is_null(),
            "not while a host function is running in the store"
        );
        let _busy = Busy::begin(cell);
        // SAFETY: as in `with`, where no host function runs.
        Ok(f(unsafe { &mut *cell.store.get() }))
    }

    /// The store that a host function is called in.
    pub(crate) fn of(caller: &Caller<'_, Data>) -> Self {
        let cell = caller.data().cell.as_ptr();
        // SAFETY: the data belongs to a store in this cell, which an `Arc` contains: the entry into
        // WebAssembly that leads here has one.
        unsafe {
            Arc::increment_strong_count(cell);
            Self(Arc::from_raw(cell))
        }
    }

    /// Runs code of the embedder in a host function, which may use the store.
    pub(crate) fn lend<R>(&self, caller: &mut Caller<'_, Data>, f: impl FnOnce() -> R) -> R {
        /// Takes the caller out of the cell also where a panic passes.
        struct Lent<'a> {
            cell: &'a StoreCell,
            before: *mut Caller<'static, Data>,
            depth: usize,
        }
        impl Drop for Lent<'_> {
            fn drop(&mut self) {
                _ = DEPTH.try_with(|depth| depth.set(self.depth));
                self.cell.busy.store(true, Ordering::Relaxed);
                self.cell.caller.set(self.before);
            }
        }
        let caller: *mut Caller<'_, Data> = caller;
        let _lent = Lent {
            cell: &self.0,
            before: self.0.caller.replace(caller.cast()),
            depth: DEPTH.try_with(|depth| depth.replace(0)).unwrap_or(0),
        };
        self.0.busy.store(false, Ordering::Relaxed);
        f()
    }

    /// An export of the instance that called the innermost running host function.
    pub(crate) fn caller_export(&self, name: &str) -> Option<upshift::Extern> {
        let _busy = Busy::begin(&self.0);
        let caller = self.0.caller.get();
        assert!(
            !caller.is_null(),
            "no host function is running in this store"
        );
        // SAFETY: as in `with`.
        unsafe { &mut *caller }.get_export(name)
    }
}

/// A store.
pub(crate) struct wasm_store_t(pub(crate) StoreRef);

#[unsafe(no_mangle)]
extern "C" fn wasm_store_new(engine: Option<&wasm_engine_t>) -> Option<Box<wasm_store_t>> {
    let store = StoreRef::new(&given(engine, "engine").0);
    Some(Box::new(wasm_store_t(store)))
}

#[unsafe(no_mangle)]
extern "C" fn wasm_store_delete(store: Option<Box<wasm_store_t>>) {
    drop(store);
}
