//! A store: instances and what they share, run by one thread at a time.
//!
//! Ids are indexes into the store's own lists, so this API is safe; that an id belongs to this
//! store is for the embedding API to check (a wrong one panics or means another item, never
//! undefined behaviour).

mod arena;
mod call;
mod constant;
mod externs;
mod func;
mod global;
mod instance;
mod limiter;
mod link;
mod memory;
mod on_demand;
mod table;
mod walk;

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use upshift_abi::vmctx::{VmFuncRef, VmHostContext, VmStore};
use upshift_abi::{TrapCode, TypeId};

pub(crate) use call::current_store;
pub use call::{NativeEntry, Pending};
pub use externs::ExternValue;
pub use func::{ArrayFunc, HostCall, HostFunc, NativeFunc, run_native};
pub use instance::Instance;
pub use limiter::{
    DEFAULT_INSTANCE_LIMIT, DEFAULT_MEMORY_LIMIT, DEFAULT_TABLE_LIMIT, FindLimiter,
    ResourceLimiter, StoreLimits, StoreLimitsBuilder,
};
pub(crate) use on_demand::Provided;
pub(crate) use walk::TrapRecord;

use crate::code::ActiveEpoch;
use crate::interrupt::{ArmedTimeout, InterruptHandle, Interruption, StoreShared};
use crate::runtime::Runtime;
use crate::sys::Process;
use arena::{Arena, WordMap};
use call::TypeInfo;
use externs::Externs;
use func::{FuncEntry, HostFuncEntry};
use global::GlobalEntry;
use memory::MemoryEntry;
use on_demand::OnDemand;
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
    /// An instance of a store.
    InstanceId;
    /// A function of a store.
    FuncId;
    /// A memory of a store.
    MemoryId;
    /// A table of a store.
    TableId;
    /// A global of a store.
    GlobalId;
}

/// A store's number, unique in the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StoreId(u64);

/// Something that can be imported or exported.
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
}

/// Instances and their memories, tables, globals and functions, with the embedder's data.
///
/// More fields than a reader can hold in mind at once: it owns everything that generated code of
/// its instances points to, one list per kind.
pub struct Store {
    id: StoreId,
    runtime: Arc<Runtime>,
    /// The runtime's: only this process calls WebAssembly in the store.
    process: Process,
    shared: Arc<StoreShared>,
    activity: Arc<ActiveEpoch>,
    /// The runtime's, where each call has it at hand.
    max_wasm_stack: usize,
    data: Box<dyn Any + Send>,
    limiter: Option<FindLimiter>,
    /// Boxed: each instance's context points to its `Instance`.
    #[allow(clippy::vec_box, reason = "contexts point to each")]
    instances: Vec<Box<Instance>>,
    memories: Vec<MemoryEntry>,
    tables: Vec<TableEntry>,
    globals: Vec<GlobalEntry>,
    funcs: Vec<FuncEntry>,
    /// What instances get on demand, by its first address.
    on_demand: BTreeMap<usize, Arc<OnDemand>>,
    /// Copies of references that lie where they are filled on demand.
    func_refs: Arena<VmFuncRef>,
    /// The functions' ids, by the addresses of their references.
    func_ids: WordMap<usize, FuncId>,
    host_funcs: Arena<HostFuncEntry>,
    /// Of each host function one for calls from the host and one per import of it.
    host_contexts: Arena<VmHostContext>,
    externs: Externs,
    /// The types that were called or given to host functions.
    type_infos: WordMap<TypeId, TypeInfo>,
    pending: Option<Pending>,
    trap_record: Option<TrapRecord>,
}

// SAFETY: the raw pointers inside lead to memory that the store owns, and to code, which is shared
// by all threads. Embedder data, host functions and extern values are `Send`. A store that moves to
// another thread is not inside WebAssembly, as calls borrow it exclusively; or a host function
// passes it on and waits, and a call on that thread takes over stack limit and interruptions
// (`Store::change_thread`).
unsafe impl Send for Store {}

impl Store {
    /// An empty store.
    pub fn new(runtime: &Arc<Runtime>, data: Box<dyn Any + Send>) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self {
            id: StoreId(NEXT.fetch_add(1, Ordering::Relaxed)),
            runtime: runtime.clone(),
            process: runtime.process(),
            shared: StoreShared::new(),
            activity: runtime.code().register_activity(),
            max_wasm_stack: runtime.config().max_wasm_stack,
            data,
            limiter: None,
            instances: Vec::new(),
            memories: Vec::new(),
            tables: Vec::new(),
            globals: Vec::new(),
            funcs: Vec::new(),
            on_demand: BTreeMap::new(),
            func_refs: Arena::default(),
            func_ids: WordMap::default(),
            host_funcs: Arena::default(),
            host_contexts: Arena::default(),
            externs: Externs::default(),
            type_infos: WordMap::default(),
            pending: None,
            trap_record: None,
        }
    }

    /// Its number.
    pub fn id(&self) -> StoreId {
        self.id
    }

    /// The runtime it belongs to.
    pub fn runtime(&self) -> &Arc<Runtime> {
        &self.runtime
    }

    /// The embedder's data.
    pub fn data(&self) -> &(dyn Any + Send) {
        &*self.data
    }

    /// The embedder's data.
    pub fn data_mut(&mut self) -> &mut (dyn Any + Send) {
        &mut *self.data
    }

    /// Gives the embedder's data back and drops everything else.
    pub fn into_data(mut self) -> Box<dyn Any + Send> {
        std::mem::replace(&mut self.data, Box::new(()))
    }

    /// A handle with which any thread can interrupt this store.
    pub fn interrupt_handle(&self) -> InterruptHandle {
        InterruptHandle::new(self.shared.clone())
    }

    /// With which host functions learn that the call they are part of is to end.
    pub fn interruption(&self) -> Interruption {
        Interruption::new(self.shared.clone())
    }

    /// Ends calls that run at that moment or are made after it; replaces the deadline before.
    pub fn set_deadline(&self, deadline: Option<Instant>) {
        self.shared.set_deadline(deadline);
    }

    /// As [`set_deadline`](Self::set_deadline), for as long as the value that is returned exists.
    pub fn arm_timeout(&self, time: Duration) -> ArmedTimeout {
        ArmedTimeout::new(self.shared.clone(), time)
    }

    /// Takes the deadline away, and interruptions that have not ended a call yet.
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

    /// Notes a trap, in a signal handler.
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
const CHUNK_BYTES: usize = 1 << 20;

/// The order in which a copy handles its parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Forward,
    Backward,
}

impl Store {
    /// Runs a bulk operation on `len` items in parts: `part` gets where each starts and how many
    /// items it has.
    ///
    /// # Errors
    ///
    /// [`TrapCode::Interrupt`] if an interruption waits behind a part, even the last one, and the
    /// part's. What was done before stays.
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

    /// [`TrapCode::Interrupt`] if an interruption waits.
    #[inline]
    pub(crate) fn check_interruption(&self) -> Result<(), TrapCode> {
        match self.shared.is_interrupted() {
            true => Err(TrapCode::Interrupt),
            false => Ok(()),
        }
    }

    /// Asks for a further signal soon, if an interruption waits: for builtins that are too short to
    /// leave themselves.
    #[inline]
    pub(crate) fn retry_interruption(&self) {
        if self.shared.is_interrupted() {
            self.shared.retry_soon();
        }
    }
}

/// In which order to copy within one memory or table, so that nothing is overwritten before it is
/// copied.
fn copy_order(dst: usize, src: usize) -> Order {
    if dst <= src {
        Order::Forward
    } else {
        Order::Backward
    }
}

/// The end of a range of `len` items at `start`, if it is within `size`.
fn checked_range(
    start: u64,
    len: u64,
    size: usize,
    trap: TrapCode,
) -> Result<std::ops::Range<usize>, TrapCode> {
    match start.checked_add(len) {
        Some(end) if end <= size as u64 => Ok(start as usize..end as usize),
        _ => Err(trap),
    }
}
