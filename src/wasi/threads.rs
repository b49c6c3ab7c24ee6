//! WASI threads: `wasi.thread-spawn`, by which a guest starts threads.
//!
//! A thread of a guest is a thread of the system with a store and an instance of its own. All of
//! them import one shared memory, and their contexts have the same contents
//! ([`WasiCtx::share`](super::WasiCtx::share)). Their group ends as one: by the return of the first
//! thread's function, or by an error of any thread, an exit included, which then is that of all.
//! Their exceptions have the memory that those of one store would have.

use std::any::Any;
use std::collections::HashMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::thread;
use std::time::Duration;

use upshift_runtime::ExceptionMemory;

use super::errno::Errno;
use crate::{
    Caller, Error, ExternType, Instance, InstancePre, InterruptHandle, Linker, Module, Result,
    SharedMemory, Store,
};

/// The module and the name of the import that starts a thread.
const SPAWN: (&str, &str) = ("wasi", "thread-spawn");

/// The export that a new thread runs.
const START: &str = "wasi_thread_start";

/// The default of [`WasiThreads::max_threads`].
pub const DEFAULT_THREAD_LIMIT: usize = 1024;

/// The largest number of a thread: programs use the bits above for flags.
const MAX_ID: i32 = (1 << 29) - 1;

/// What `wasi.thread-spawn` returns where no thread is started.
const REFUSED: i32 = -(Errno::Again as i32);

/// How much longer each further refusal takes than the one before. A thousand threads that ask
/// again at once would keep the processors from the thread that ends them.
const REFUSAL_PAUSE: Duration = Duration::from_micros(20);

/// The longest that a refusal takes.
const LONGEST_PAUSE: Duration = Duration::from_millis(20);

/// The threads of one guest that starts some by `wasi.thread-spawn`, as C's `-pthread` and Rust's
/// `wasm32-wasip1-threads` compile it.
///
/// Each thread runs the module in a store of its own, which `new_store` creates. The first one is
/// the caller of [`run`](Self::run).
///
/// ```no_run
/// # fn main() -> upshift::Result<()> {
/// use upshift::wasi::{WasiCtx, WasiCtxBuilder, WasiThreads, add_to_linker};
/// use upshift::{Engine, Linker, Module, Store};
///
/// let engine = Engine::default();
/// let module = Module::from_file(&engine, "threads.wasm")?;
/// let mut linker = Linker::<WasiCtx>::new(&engine);
/// add_to_linker(&mut linker, |wasi| wasi)?;
/// let new_store = {
///     let engine = engine.clone();
///     move |wasi: &mut WasiCtx| Store::new(&engine, wasi.share())
/// };
/// let mut threads = WasiThreads::new(new_store);
/// let mut store = Store::new(&engine, WasiCtxBuilder::new().inherit_stdio().build()?);
/// threads.max_threads(16).add_to_linker(&mut store, &mut linker, &module)?;
/// let module = linker.instantiate_pre(&module)?;
/// threads.run(&mut store, &module, |store, instance| {
///     instance.get_typed_func::<(), ()>(&mut *store, "_start")?.call(store, ())
/// })?;
/// # Ok(())
/// # }
/// ```
pub struct WasiThreads<T: Send + 'static> {
    group: Arc<Group<T>>,
}

/// Returns the store of a new thread, for the data of the one that starts it.
type NewStore<T> = dyn Fn(&mut T) -> Store<T> + Send + Sync;

/// Gets the store and the error of a thread.
type OnError<T> = dyn Fn(&mut Store<T>, &Error) + Send + Sync;

/// What all threads of a guest share.
struct Group<T: Send + 'static> {
    new_store: Box<NewStore<T>>,
    on_error: OnceLock<Box<OnError<T>>>,
    /// Set by `run`, before any thread can start another.
    module: OnceLock<InstancePre<T>>,
    /// What bounds the exceptions of all threads.
    exceptions: ExceptionMemory,
    state: Mutex<State>,
    /// Whether starting a thread is worth taking the lock. Guests that ask in a loop would else
    /// keep it from the thread that ends the group, as locks are not fair.
    ///
    /// Protocol: a hint, written and read without order; the lock's owner decides by the state.
    may_spawn: MaySpawn,
    /// Notified when the last thread besides the first one has ended.
    left: Condvar,
}

/// What is known of a group without its lock.
#[derive(Default)]
struct MaySpawn {
    /// Set when the group is about to end, and never cleared.
    ending: AtomicBool,
    /// Set while there are as many threads as there may be.
    full: AtomicBool,
    /// How often a thread was refused since one was started or has ended.
    refusals: AtomicU32,
}

struct State {
    max_threads: usize,
    /// The threads besides the first one, by number.
    threads: HashMap<i32, Stopper>,
    /// The first thread's, while it runs.
    first: Option<InterruptHandle>,
    last_id: i32,
    end: Option<End>,
}

/// How a thread is stopped: not at all before it has a store.
type Stopper = Option<InterruptHandle>;

/// Why no thread is to go on.
enum End {
    /// The first thread's function has returned, which says why.
    First,
    /// Another thread has failed, or has called `proc_exit`.
    Error(Error),
    /// A host function has panicked on another thread.
    Panic(Box<dyn Any + Send>),
}

impl<T: Send + 'static> WasiThreads<T> {
    /// Creates a group without threads. `new_store` is called by the thread that starts another,
    /// with its data, and returns the new one's store.
    pub fn new(new_store: impl Fn(&mut T) -> Store<T> + Send + Sync + 'static) -> Self {
        let state = State {
            max_threads: DEFAULT_THREAD_LIMIT,
            threads: HashMap::new(),
            first: None,
            last_id: 0,
            end: None,
        };
        Self {
            group: Arc::new(Group {
                new_store: Box::new(new_store),
                on_error: OnceLock::new(),
                module: OnceLock::new(),
                exceptions: ExceptionMemory::default(),
                state: Mutex::new(state),
                may_spawn: MaySpawn::default(),
                left: Condvar::new(),
            }),
        }
    }

    /// Whether a module starts threads: it imports `wasi.thread-spawn`.
    pub fn are_used_by(module: &Module) -> bool {
        let mut imports = module.imports();
        imports.any(|import| (import.module(), import.name()) == SPAWN)
    }

    /// Sets how many threads the guest may have at once besides the first one:
    /// [`DEFAULT_THREAD_LIMIT`] by default.
    /// Starting more of them fails in the guest.
    pub fn max_threads(&mut self, max: usize) -> &mut Self {
        self.group.state().max_threads = max;
        self
    }

    /// Sets a function that gets the store of a thread which has failed, and its error, before the
    /// others are ended: to write a [core dump](crate::WasmCoreDump), for instance. It is called on
    /// that thread, for all but the first one, whose store the caller of [`run`](Self::run) has;
    /// for an [`Exit`](crate::Exit), too. A second function is ignored.
    pub fn on_error(
        &mut self,
        on_error: impl Fn(&mut Store<T>, &Error) + Send + Sync + 'static,
    ) -> &mut Self {
        self.group.on_error.get_or_init(|| Box::new(on_error));
        self
    }

    /// Defines `wasi.thread-spawn` and the shared memories that the module imports, newly created.
    /// They are memories of the first thread's store, whose limiter is asked.
    ///
    /// # Errors
    ///
    /// If the module has no function `wasi_thread_start` to run, one of the names is taken, or the
    /// store's limiter or the system refuses a memory.
    pub fn add_to_linker(
        &self,
        store: &mut Store<T>,
        linker: &mut Linker<T>,
        module: &Module,
    ) -> Result<()> {
        anyhow::ensure!(
            module.get_export(START).is_some(),
            "a module that imports `wasi.thread-spawn` must export `{START}`"
        );
        // The linker's definitions are part of the group, so they don't keep it.
        let group: Weak<Group<T>> = Arc::downgrade(&self.group);
        let spawn = move |mut caller: Caller<'_, T>, argument: i32| -> Result<i32> {
            let Some(group) = group.upgrade() else {
                return Ok(REFUSED);
            };
            if let Some(id) = group.spawn(caller.data_mut(), argument) {
                return Ok(id);
            }
            let refusals = group.may_spawn.refusals.fetch_add(1, Ordering::Relaxed);
            let pause = (REFUSAL_PAUSE * refusals).min(LONGEST_PAUSE);
            caller.interruption().sleep(pause)?;
            Ok(REFUSED)
        };
        linker.func_wrap(SPAWN.0, SPAWN.1, spawn)?;
        for import in module.imports() {
            if let ExternType::Memory(ty) = import.ty()
                && ty.is_shared()
            {
                let memory = SharedMemory::new_in(&mut *store, ty)?;
                linker.define(&*store, import.module(), import.name(), memory)?;
            }
        }
        Ok(())
    }

    /// Instantiates the module for the first thread, the calling one, and runs its function; then
    /// ends all other threads and waits for their end.
    ///
    /// # Errors
    ///
    /// The error of the thread that failed first, or that called `proc_exit`
    /// ([`Exit`](crate::Exit)): the calls of all other threads are interrupted then. That of the
    /// function, if it was the first to end. If called a second time.
    ///
    /// # Panics
    ///
    /// If a host function panics on any of the threads, with its panic.
    pub fn run<R>(
        &self,
        store: &mut Store<T>,
        module: &InstancePre<T>,
        first: impl FnOnce(&mut Store<T>, Instance) -> Result<R>,
    ) -> Result<R> {
        let group = &self.group;
        let fresh = group.module.set(module.clone()).is_ok();
        anyhow::ensure!(fresh, "the threads of a guest are run once");
        store.share_exception_memory(&group.exceptions);
        group.state().first = Some(store.interrupt_handle());
        let result = catch_unwind(AssertUnwindSafe(|| {
            let instance = module.instantiate(&mut *store)?;
            first(store, instance)
        }));
        group.may_spawn.ending.store(true, Ordering::Relaxed);
        group.state().first = None;
        group.end(End::First);
        match group.wait() {
            // What another thread's end has interrupted says nothing.
            End::Error(error) => {
                store.interrupt_handle().disarm();
                Err(error)
            }
            End::Panic(payload) => resume_unwind(payload),
            End::First => result.unwrap_or_else(|payload| resume_unwind(payload)),
        }
    }
}

impl<T: Send + 'static> Group<T> {
    /// Starts a thread; returns its number, or `None` if it may have no more or the system refuses
    /// one.
    fn spawn(self: &Arc<Self>, data: &mut T, argument: i32) -> Option<i32> {
        let module = self.module.get()?;
        let MaySpawn {
            ending,
            full,
            refusals,
        } = &self.may_spawn;
        if ending.load(Ordering::Relaxed) || full.load(Ordering::Relaxed) {
            return None;
        }
        let id = {
            let mut state = self.state();
            let id = state.add_thread();
            full.store(state.is_full(), Ordering::Relaxed);
            id?
        };
        // From here on, dropping this says that the thread has ended.
        let thread = Thread {
            group: self.clone(),
            id,
        };
        let store = (self.new_store)(data);
        let stack_size = module.module().engine().config().thread_stack_size();
        let spawned = thread::Builder::new()
            .name(format!("upshift-guest-{id}"))
            .stack_size(stack_size)
            .spawn(move || thread.run(store, argument));
        match spawned {
            Ok(_) => {
                refusals.store(0, Ordering::Relaxed);
                Some(id)
            }
            Err(error) => {
                log::warn!("the guest gets no thread: {error}");
                None
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends all threads, unless something else has done so.
    fn end(&self, end: End) {
        self.may_spawn.ending.store(true, Ordering::Relaxed);
        let mut state = self.state();
        if state.end.is_some() {
            return;
        }
        state.end = Some(end);
        InterruptHandle::interrupt_all(state.threads.values().flatten().chain(&state.first));
    }

    /// Waits until all threads but the first have ended; returns what ended them.
    fn wait(&self) -> End {
        let mut state = self.state();
        while !state.threads.is_empty() {
            state = (self.left.wait(state)).unwrap_or_else(PoisonError::into_inner);
        }
        state.end.replace(End::First).unwrap_or(End::First)
    }
}

impl State {
    fn is_full(&self) -> bool {
        self.threads.len() >= self.max_threads.min(MAX_ID as usize)
    }

    /// Adds a thread that has no store yet, if there may be one more; returns its number.
    fn add_thread(&mut self) -> Option<i32> {
        if self.end.is_some() || self.is_full() {
            return None;
        }
        loop {
            self.last_id = self.last_id % MAX_ID + 1;
            if !self.threads.contains_key(&self.last_id) {
                self.threads.insert(self.last_id, None);
                return Some(self.last_id);
            }
        }
    }
}

/// A thread of a group, until it is dropped.
struct Thread<T: Send + 'static> {
    group: Arc<Group<T>>,
    id: i32,
}

impl<T: Send + 'static> Thread<T> {
    /// Runs the guest's function.
    fn run(self, mut store: Store<T>, argument: i32) {
        store.share_exception_memory(&self.group.exceptions);
        {
            let mut state = self.group.state();
            if state.end.is_some() {
                return;
            }
            state
                .threads
                .insert(self.id, Some(store.interrupt_handle()));
        }
        let result = catch_unwind(AssertUnwindSafe(|| {
            let result = self.start(&mut store, argument);
            let ending = &self.group.may_spawn.ending;
            if let (Err(error), Some(on_error)) = (&result, self.group.on_error.get())
                && !ending.load(Ordering::Relaxed)
            {
                on_error(&mut store, error);
            }
            result
        }));
        match result {
            Ok(Ok(())) => {}
            Ok(Err(error)) => self.group.end(End::Error(error)),
            Err(payload) => self.group.end(End::Panic(payload)),
        }
        // The store goes before the thread has ended for its group.
        drop(store);
    }

    fn start(&self, store: &mut Store<T>, argument: i32) -> Result<()> {
        let module = self.group.module.get().expect("threads start others");
        let instance = module.instantiate(&mut *store)?;
        let start = instance.get_typed_func::<(i32, i32), ()>(&mut *store, START)?;
        start.call(store, (self.id, argument))
    }
}

impl<T: Send + 'static> Drop for Thread<T> {
    fn drop(&mut self) {
        let mut state = (self.group.state.lock()).unwrap_or_else(PoisonError::into_inner);
        state.threads.remove(&self.id);
        let full = &self.group.may_spawn.full;
        full.store(state.is_full(), Ordering::Relaxed);
        self.group.may_spawn.refusals.store(0, Ordering::Relaxed);
        let is_last = state.threads.is_empty();
        drop(state);
        if is_last {
            self.group.left.notify_all();
        }
    }
}

impl<T: Send + 'static> fmt::Debug for WasiThreads<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WasiThreads").finish_non_exhaustive()
    }
}
