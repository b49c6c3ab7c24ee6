//! A store: instances and what they share, run by one thread at a time.
//!
//! Ids are indexes into the store's own lists, so this API is safe; the embedding API checks that
//! an id belongs to this store (a wrong one panics or means another item, never undefined
//! behaviour).

mod arena;
#[cfg(feature = "async")]
mod asynchronous;
mod budget;
mod call;
mod constant;
mod core_dump;
mod epoch;
mod exceptions;
mod externs;
mod fuel;
mod func;
mod global;
mod hook;
mod instance;
mod instance_space;
mod limiter;
mod link;
mod memory;
mod observe;
mod on_demand;
mod references;
mod signals;
mod table;
mod unwind;
mod wait;
mod walk;

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use upshift_abi::vmctx::{VmFuncRef, VmHostContext, VmStore};
use upshift_abi::{TrapCode, TypeId};

#[cfg(feature = "async")]
pub use asynchronous::{OnFiber, run_async};
pub(crate) use call::current_store;
pub use call::{NativeEntry, Pending};
pub use core_dump::{CoreDump, CoreFrame, CoreValue};
pub(crate) use core_dump::{PreservedRegisters, TrapRegisters};
pub use epoch::{EpochCallback, UpdateDeadline};
pub use exceptions::{ExceptionId, ExceptionMemory, ThrownException};
pub use externs::ExternValue;
pub use func::{ArrayFunc, HostCall, HostFunc, NativeFunc, run_native};
#[cfg(feature = "async")]
pub use hook::{AsyncHook, HookFuture};
pub use hook::{CallHook, Hook};
pub use instance::Instance;
pub use limiter::{
    DEFAULT_INSTANCE_LIMIT, DEFAULT_MEMORY_LIMIT, DEFAULT_TABLE_LIMIT, FindLimiter,
    ResourceLimiter, StoreLimits, StoreLimitsBuilder,
};
#[cfg(feature = "async")]
pub use limiter::{FindAsyncLimiter, ResourceLimiterAsync};
pub use observe::{CallAbort, ObservedEvent, ObservedFunc, Observer};
pub(crate) use on_demand::Provided;
pub(crate) use signals::TRAP_SIGNALS;
pub(crate) use unwind::Destination;
pub use wait::{FindWaitClock, WaitClock};
pub(crate) use walk::TrapRecord;

use crate::code::ActiveEpoch;
use crate::interrupt::{ArmedTimeout, InterruptHandle, Interruption, StoreShared};
use crate::module_id::ModuleId;
use crate::range::checked_range;
use crate::runtime::Runtime;
use crate::sys::Process;
use arena::{Arena, WordMap};
use call::TypeInfo;
use core_dump::Trapped;
use epoch::Epochs;
use exceptions::{Exceptions, TagEntry};
use externs::Externs;
use func::{FuncEntry, HostFuncEntry};
use global::GlobalEntry;
use hook::HookSlot;
use limiter::LimiterSlot;
use memory::MemoryEntry;
use observe::Observing;
use on_demand::OnDemand;
use references::Handle;
use signals::Signals;
use table::TableEntry;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub struct $name(pub(crate) u32);

        impl $name {
            pub(crate) fn new(index: usize) -> Self {
                Self(u32::try_from(index).expect("a store holds less than 2^32 items"))
            }

            pub(crate) fn index(self) -> usize {
                self.0 as usize
            }
        }
    )*};
}

ids! {
    /// The id of an instance of a store.
    InstanceId;
    /// The id of a function of a store.
    FuncId;
    /// The id of a memory of a store.
    MemoryId;
    /// The id of a table of a store.
    TableId;
    /// The id of a global of a store.
    GlobalId;
    /// The id of a tag of a store.
    TagId;
}

/// A store's number, unique in the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StoreId(u64);

/// An item that can be imported or exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Extern {
    /// A function.
    Func(FuncId),
    /// A table.
    Table(TableId),
    /// A memory.
    Memory(MemoryId),
    /// A global.
    Global(GlobalId),
    /// A tag.
    Tag(TagId),
}

/// A store: instances and their memories, tables, globals and functions, with the embedder's data.
///
/// It has many fields because it owns everything that generated code of its instances points to, in
/// one list per kind.
pub struct Store {
    id: StoreId,
    runtime: Arc<Runtime>,
    /// The runtime's process: only it may call WebAssembly in the store.
    process: Process,
    shared: Arc<StoreShared>,
    /// What a thread must get that runs it.
    signals: Signals,
    activity: Arc<ActiveEpoch>,
    /// A copy of the runtime's setting, which each call reads.
    max_wasm_stack: usize,
    /// Fuel that the counter of generated code has no room for, or that is for later intervals.
    fuel_beyond: u64,
    /// The units of fuel between two yields.
    fuel_interval: Option<NonZeroU64>,
    epochs: Epochs,
    data: Box<dyn Any>,
    limiter: LimiterSlot,
    /// Where the limiter is asked, and can wait.
    #[cfg(feature = "async")]
    asks_from: asynchronous::Place,
    wait_clock: Option<FindWaitClock>,
    hook: HookSlot,
    observing: Observing,
    /// Boxed: each instance's context points to its `Instance`.
    #[allow(clippy::vec_box, reason = "contexts point to each")]
    instances: Vec<Box<Instance>>,
    memories: Vec<MemoryEntry>,
    /// The shared ones among the memories, by the address of the structure that contexts lead to.
    shared_memories: WordMap<usize, MemoryId>,
    tables: Vec<TableEntry>,
    globals: Vec<GlobalEntry>,
    funcs: Vec<FuncEntry>,
    /// The parts of instances that are filled on demand, by their first address.
    on_demand: BTreeMap<usize, Arc<OnDemand>>,
    /// Copies of references that are in memory which is filled on demand.
    func_refs: Arena<VmFuncRef>,
    /// The functions' ids, by the addresses of their references.
    func_ids: WordMap<usize, FuncId>,
    host_funcs: Arena<HostFuncEntry>,
    /// For each host function one context for calls from the host and one per import of it.
    host_contexts: Arena<VmHostContext>,
    externs: Externs,
    tags: Vec<TagEntry>,
    exceptions: Exceptions,
    /// The embedder's handles, each thing once, in the order of the scopes in which it got the
    /// first handle that still counts.
    handles: Vec<Handle>,
    /// The data of the types that were called or given to host functions.
    type_infos: WordMap<TypeId, TypeInfo>,
    pending: Option<Pending>,
    trap_record: Option<TrapRecord>,
    /// The embedder's handles of modules, for core dumps.
    kept_modules: Vec<(ModuleId, Arc<dyn Any + Send + Sync>)>,
    /// The trap that is pending, if a core dump is to be made.
    trapped: Option<Box<Trapped>>,
    /// The core dump of the latest call that failed.
    core_dump: Option<Box<CoreDump>>,
}

// SAFETY: the raw pointers inside lead to memory that the store owns, and to code, which is shared
// by all threads. Host functions and extern values are `Send`, and embedder data is, or keeps the
// store on its thread (`Store::with_data`). A store that moves to
// another thread is not inside WebAssembly, as calls borrow it exclusively; or a host function
// passes it on and waits, and a call on that thread takes over stack limit and interruptions
// (`Store::change_thread`).
unsafe impl Send for Store {}

impl Store {
    /// Creates an empty store.
    pub fn new(runtime: &Arc<Runtime>, data: Box<dyn Any + Send>) -> Self {
        // SAFETY: the data is `Send`.
        unsafe { Self::with_data(runtime, data) }
    }

    /// Creates an empty store, whose data need not be [`Send`].
    ///
    /// # Safety
    ///
    /// If the data is not `Send`, the store, and references to it, stay on the calling thread.
    pub unsafe fn with_data(runtime: &Arc<Runtime>, data: Box<dyn Any>) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let shared = StoreShared::new();
        let signals = match runtime.sampler() {
            Some(sampler) => {
                sampler.add(&shared);
                Signals::TrapsAndSamples
            }
            None => Signals::Traps,
        };
        Self {
            id: StoreId(NEXT.fetch_add(1, Ordering::Relaxed)),
            runtime: runtime.clone(),
            process: runtime.process(),
            shared,
            signals,
            activity: runtime.code().register_activity(),
            max_wasm_stack: runtime.config().max_wasm_stack,
            fuel_beyond: 0,
            fuel_interval: None,
            epochs: Epochs::default(),
            data,
            limiter: LimiterSlot::None,
            #[cfg(feature = "async")]
            asks_from: asynchronous::Place::OfFiber,
            wait_clock: None,
            hook: HookSlot::new(runtime.config().observed),
            observing: Observing::default(),
            instances: Vec::new(),
            memories: Vec::new(),
            shared_memories: WordMap::default(),
            tables: Vec::new(),
            globals: Vec::new(),
            funcs: Vec::new(),
            on_demand: BTreeMap::new(),
            func_refs: Arena::default(),
            func_ids: WordMap::default(),
            host_funcs: Arena::default(),
            host_contexts: Arena::default(),
            externs: Externs::default(),
            tags: Vec::new(),
            exceptions: Exceptions::default(),
            handles: Vec::new(),
            type_infos: WordMap::default(),
            pending: None,
            trap_record: None,
            kept_modules: Vec::new(),
            trapped: None,
            core_dump: None,
        }
    }

    /// The store's number.
    pub fn id(&self) -> StoreId {
        self.id
    }

    /// The runtime that the store belongs to.
    pub fn runtime(&self) -> &Arc<Runtime> {
        &self.runtime
    }

    /// The embedder's data.
    pub fn data(&self) -> &dyn Any {
        &*self.data
    }

    /// The embedder's data, mutable.
    pub fn data_mut(&mut self) -> &mut dyn Any {
        &mut *self.data
    }

    /// Returns the embedder's data and drops everything else.
    pub fn into_data(mut self) -> Box<dyn Any> {
        std::mem::replace(&mut self.data, Box::new(()))
    }

    /// A handle with which any thread can interrupt this store.
    pub fn interrupt_handle(&self) -> InterruptHandle {
        InterruptHandle::new(self.shared.clone())
    }

    /// The interruption of this store, by which host functions find out that the call that they are
    /// part of is to end.
    pub fn interruption(&self) -> Interruption {
        Interruption::new(self.shared.clone())
    }

    /// Sets the time after which calls end, and replaces the deadline before.
    pub fn set_deadline(&self, deadline: Option<Instant>) {
        self.shared.set_deadline(deadline);
    }

    /// Sets a deadline like [`set_deadline`](Self::set_deadline), for as long as the returned value
    /// exists.
    pub fn arm_timeout(&self, time: Duration) -> ArmedTimeout {
        ArmedTimeout::new(self.shared.clone(), time)
    }

    /// Removes the deadline, and interruptions that have not ended a call yet.
    pub fn disarm(&self) {
        self.shared.disarm();
    }

    pub(crate) fn shared(&self) -> &StoreShared {
        &self.shared
    }

    /// The process that the store belongs to.
    pub(crate) fn process(&self) -> &Process {
        &self.process
    }

    pub(crate) fn vm(&self) -> *mut VmStore {
        self.shared.vm()
    }

    pub(crate) fn entry_fp(&self) -> usize {
        // SAFETY: the store's thread reads its own field.
        unsafe { (*self.vm()).entry_fp }
    }

    pub(crate) fn exit_fp(&self) -> usize {
        // SAFETY: as in `entry_fp`.
        unsafe { (*self.vm()).exit_fp }
    }

    pub(crate) fn set_pending(&mut self, pending: Pending) {
        self.pending = Some(pending);
    }

    pub(crate) fn take_trap_record(&mut self) -> Option<TrapRecord> {
        self.trap_record.take()
    }

    /// Records a trap, in a signal handler.
    ///
    /// # Safety
    ///
    /// `this` is the store that the calling thread runs, and generated code was running.
    pub(crate) unsafe fn set_trap_record(this: *mut Store, record: TrapRecord) {
        // SAFETY: nothing else uses the store now; a plain write of a `Copy` value without a
        // destructor.
        unsafe { std::ptr::addr_of_mut!((*this).trap_record).write(Some(record)) };
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("id", &self.id)
            .field("instances", &self.instances.len())
            .finish_non_exhaustive()
    }
}

/// Bytes that bulk operations handle between two looks at the interrupt word: a fraction of a
/// millisecond.
pub(crate) const CHUNK_BYTES: usize = 1 << 20;

/// The order in which a copy processes its parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Forward,
    Backward,
}

impl Store {
    /// Runs a bulk operation on `len` items in parts: `part` gets the start of each part and its
    /// number of items.
    ///
    /// # Errors
    ///
    /// [`TrapCode::Interrupt`] if an interruption is pending after a part, even the last one, and
    /// the errors of `part`. What was done before stays.
    fn in_parts(
        &mut self,
        len: usize,
        item_bytes: usize,
        order: Order,
        mut part: impl FnMut(&mut Self, usize, usize) -> Result<(), TrapCode>,
    ) -> Result<(), TrapCode> {
        let most = CHUNK_BYTES / item_bytes;
        let mut done = 0;
        loop {
            let count = most.min(len - done);
            let start = match order {
                Order::Forward => done,
                Order::Backward => len - done - count,
            };
            part(self, start, count)?;
            done += count;
            self.check_interruption()?;
            if done == len {
                return Ok(());
            }
        }
    }

    /// [`TrapCode::Interrupt`] if an interruption is pending.
    #[inline]
    pub(crate) fn check_interruption(&self) -> Result<(), TrapCode> {
        match self.shared.is_interrupted() {
            true => Err(TrapCode::Interrupt),
            false => Ok(()),
        }
    }

    /// Requests a further signal soon, if an interruption is pending: for builtins that are too
    /// short to leave WebAssembly themselves.
    #[inline]
    pub(crate) fn retry_interruption(&self) {
        if self.shared.is_interrupted() {
            self.shared.retry_soon();
        }
    }
}

/// The order in which to copy within one memory or table, so that nothing is overwritten before it
/// is copied.
fn copy_order(dst: usize, src: usize) -> Order {
    if dst <= src {
        Order::Forward
    } else {
        Order::Backward
    }
}
