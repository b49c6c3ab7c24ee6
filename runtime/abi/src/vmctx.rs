//! The structures that generated code reads, and their offsets.
//!
//! One allocation per instance: header, then the arrays that [`VmLayout`] places, padded to a page,
//! then (if the module defines memories) a guard, then room for the first of those. So the base of
//! a defined memory is `VmContext*` plus a [distance](crate::plan::MemoryPlace): a constant, no
//! load, no register.
//!
//! The guard protects against bugs of compilers: an access before the memory's beginning faults
//! instead of reaching the context.
//!
//! The runtime fills everything before the first call. Afterwards generated code writes globals and
//! table elements; the runtime writes memory and table lengths, from the one thread that runs the
//! store. The exceptions have their protocol at the field: [`VmSlot`], [`VmStore::interrupt`],
//! [`VmMemory::len`].

use std::ffi::c_void;
use std::mem::{offset_of, size_of};
use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, AtomicUsize};

use crate::facts::{ModuleFacts, TableImage};
use crate::index::{DefinedFuncIndex, FuncIndex, GlobalIndex, MemoryIndex, TableIndex, TagIndex};
use crate::types::{MemoryType, Sharing, TypeId};

/// A byte offset from a `VmContext*` (or from the structure that the constant's type names).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct VmOffset(pub u32);

impl VmOffset {
    /// As the displacement of a memory operand.
    #[inline]
    pub const fn disp(self) -> i32 {
        self.0 as i32
    }

    const fn of(offset: usize) -> Self {
        assert!(offset <= i32::MAX as usize);
        Self(offset as u32)
    }
}

/// Granularity of the vmctx part of an instance's allocation.
pub const PAGE_SIZE: u32 = 4096;

/// A linear memory, as generated code sees it.
#[derive(Debug)]
#[repr(C)]
pub struct VmMemory {
    /// First byte. Fixed for the memory's life.
    pub base: *mut u8,
    /// Accessible bytes; never fewer than before.
    ///
    /// Protocol: written with a release store, after the bytes have become accessible, by the
    /// thread that grows the memory: of a private one, the thread that runs its store; of a shared
    /// one, the thread that holds the lock of the memory's growth. Read by generated code with a
    /// plain load (x86 loads acquire), by the runtime with acquire. So what a reader compares an
    /// index with was accessible before, whichever thread has grown the memory.
    ///
    /// The optimizer reads the length of a shared memory for `memory.size` with an atomic load,
    /// which is the same instruction: it may move a plain load out of a loop, and a loop that waits
    /// until another thread has grown the memory would not end. For a check an old length will do,
    /// which is at most too small.
    pub len: AtomicUsize,
}

impl VmMemory {
    /// Offset of `base` in `VmMemory`.
    pub const BASE: VmOffset = VmOffset::of(offset_of!(VmMemory, base));
    /// Offset of `len` in `VmMemory`.
    pub const LEN: VmOffset = VmOffset::of(offset_of!(VmMemory, len));
}

/// A table, as generated code sees it: elements are machine words, null is 0.
#[derive(Debug)]
#[repr(C)]
pub struct VmTable {
    /// First element. Moves when the table grows.
    pub base: *mut usize,
    /// Elements.
    pub len: usize,
}

impl VmTable {
    /// Offset of `base` in `VmTable`.
    pub const BASE: VmOffset = VmOffset::of(offset_of!(VmTable, base));
    /// Offset of `len` in `VmTable`.
    pub const LEN: VmOffset = VmOffset::of(offset_of!(VmTable, len));
}

/// A global's value, in the low bytes; 16 so that vectors fit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C, align(16))]
pub struct VmGlobal {
    /// The value's bits, low word first.
    pub bits: [u64; 2],
}

/// An argument or result between Rust and the trampolines: 16 bytes, value in the low ones.
pub type VmVal = VmGlobal;

/// One entry of the indirection table: the address of the code that calls of a function run.
///
/// Protocol: written by the thread that publishes code, with a release store and after the code's
/// bytes and metadata are in place; read by generated code with a plain load (x86 loads acquire),
/// by the runtime with acquire. A reader may use the code it found until its thread has left
/// WebAssembly; see the runtime's reclamation for when old code is freed.
#[derive(Debug)]
#[repr(transparent)]
pub struct VmSlot(pub AtomicPtr<u8>);

/// What an instance may still take from a function's budget before it asks for more: in modules
/// with shared memories, whose instances run on several threads, which would otherwise write the
/// same cache line with each call and iteration.
///
/// Protocol: read and written by the thread that runs the instance only. Below zero, the runtime
/// takes what was used from the module's budget, and some of what is left there for the instance;
/// only when nothing is left it asks tiering. While tiering counts calls by the module's budget,
/// nothing is taken from that.
pub type VmBudget = i32;

/// The structure that a function reference points to.
#[derive(Debug)]
#[repr(C)]
pub struct VmFuncRef {
    /// The function's entry in the indirection table.
    pub slot: *const VmSlot,
    /// The callee's context: an instance's `VmContext` or a host function's `VmHostContext`.
    pub vmctx: *mut VmContext,
    /// The function's type.
    pub type_id: TypeId,
}

impl VmFuncRef {
    /// Offset of `slot` in `VmFuncRef`.
    pub const SLOT: VmOffset = VmOffset::of(offset_of!(VmFuncRef, slot));
    /// Offset of `vmctx` in `VmFuncRef`.
    pub const VMCTX: VmOffset = VmOffset::of(offset_of!(VmFuncRef, vmctx));
    /// Offset of `type_id` in `VmFuncRef`.
    pub const TYPE_ID: VmOffset = VmOffset::of(offset_of!(VmFuncRef, type_id));
}

/// An imported function, with what calling it needs.
#[derive(Debug)]
#[repr(C)]
pub struct VmImportedFunc {
    /// The function's entry in its own module's indirection table.
    pub slot: *const VmSlot,
    /// The callee's context.
    pub vmctx: *mut VmContext,
}

impl VmImportedFunc {
    /// Offset of `slot` in `VmImportedFunc`.
    pub const SLOT: VmOffset = VmOffset::of(offset_of!(VmImportedFunc, slot));
    /// Offset of `vmctx` in `VmImportedFunc`.
    pub const VMCTX: VmOffset = VmOffset::of(offset_of!(VmImportedFunc, vmctx));
}

/// The structure that all instances of a store share; pinned for the store's life.
#[derive(Debug)]
#[repr(C)]
pub struct VmStore {
    /// Lowest stack address that WebAssembly frames may reach.
    /// Written at each outermost entry from the host, by the entering thread.
    pub stack_limit: usize,
    /// `rbp` of the innermost entry trampoline's frame; 0 outside WebAssembly.
    pub entry_fp: usize,
    /// `rbp` of the host trampoline's frame, while a host function runs.
    pub exit_fp: usize,
    /// Non-zero: leave WebAssembly with [`TrapCode::Interrupt`](crate::TrapCode::Interrupt).
    ///
    /// Protocol: set by any thread with a release store *before* it signals the running
    /// thread; host trampolines read it when a host call returns, entry trampolines' callers before
    /// the call; cleared by the owning thread when it reports the trap.
    pub interrupt: AtomicU32,
    /// Fuel that is left, in engines that consume [fuel](crate::fuel); below zero if code has used
    /// more than there was. Read and written by the thread that runs the store only, at any
    /// instruction what the charges up to there leave.
    pub fuel: i64,
    /// The runtime's own store data.
    pub host: *mut c_void,
    /// Non-zero: code that is [observed](crate::observe) reports calls and probes. Read and written
    /// by the thread that runs the store only; what generated code calls may change it.
    pub observing: u32,
}

impl VmStore {
    /// Offset of `stack_limit` in `VmStore`.
    pub const STACK_LIMIT: VmOffset = VmOffset::of(offset_of!(VmStore, stack_limit));
    /// Offset of `entry_fp` in `VmStore`.
    pub const ENTRY_FP: VmOffset = VmOffset::of(offset_of!(VmStore, entry_fp));
    /// Offset of `exit_fp` in `VmStore`.
    pub const EXIT_FP: VmOffset = VmOffset::of(offset_of!(VmStore, exit_fp));
    /// Offset of `fuel` in `VmStore`.
    pub const FUEL: VmOffset = VmOffset::of(offset_of!(VmStore, fuel));
    /// Offset of `observing` in `VmStore`.
    pub const OBSERVING: VmOffset = VmOffset::of(offset_of!(VmStore, observing));
    /// Offset of `interrupt` in `VmStore`.
    pub const INTERRUPT: VmOffset = VmOffset::of(offset_of!(VmStore, interrupt));
}

/// The fixed part of an instance's context; [`VmLayout`] describes what follows.
#[derive(Debug)]
#[repr(C)]
pub struct VmContext {
    /// The first memory that the module defines, if any.
    pub memory0: VmMemory,
    /// The store.
    pub store: *mut VmStore,
    /// The runtime's own instance data.
    pub instance: *mut c_void,
    /// The engine's epoch: a counter that any thread increases, in engines whose code looks at
    /// [epochs](crate::Builtin::NewEpoch). Fixed for the instance's life. Read with plain loads: a
    /// new epoch may be seen late, and nothing else follows from it.
    pub epoch: *const AtomicU64,
    /// The epoch at which code calls [`NewEpoch`](crate::Builtin::NewEpoch): a copy of the store's.
    /// Read and written by the thread that runs the store only; what generated code calls may
    /// change it.
    pub epoch_deadline: u64,
}

impl VmContext {
    /// Offset of `memory0`.
    pub(crate) const MEMORY0: VmOffset = VmOffset::of(offset_of!(VmContext, memory0));
    /// Offset of `store`.
    pub const STORE: VmOffset = VmOffset::of(offset_of!(VmContext, store));
    /// Offset of `instance`.
    pub const INSTANCE: VmOffset = VmOffset::of(offset_of!(VmContext, instance));
    /// Offset of `epoch`.
    pub const EPOCH: VmOffset = VmOffset::of(offset_of!(VmContext, epoch));
    /// Offset of `epoch_deadline`.
    pub const EPOCH_DEADLINE: VmOffset = VmOffset::of(offset_of!(VmContext, epoch_deadline));
}

const _: () = assert!(
    size_of::<VmContext>() < 128,
    "the header fits one-byte displacements"
);

/// The context of a host function, which its callers pass in `rdi`.
///
/// One per importing instance, so that the host function knows which instance called it.
#[derive(Debug)]
#[repr(C)]
pub struct VmHostContext {
    /// What the host trampoline calls; the function's slot says which of the two it is. Through an
    /// array: `extern "sysv64" fn(*mut VmHostContext, values: *mut VmVal) -> u32` reads its
    /// arguments from `values` and writes its results there; 0 is success, else the trampoline
    /// unwinds. Native: `extern "sysv64" fn(*mut VmHostContext, arguments...) -> NativeResult`.
    pub call: *const u8,
    /// The runtime's own data of the function.
    pub func: *const c_void,
    /// The store; at the same offset as in `VmContext`.
    pub store: *mut VmStore,
    /// The instance that imported the function, or null.
    pub caller: *mut VmContext,
}

const _: () = assert!(
    VmContext::STORE.0 == VmHostContext::STORE.0,
    "entry trampolines don't know which of the two they have"
);

impl VmHostContext {
    /// Offset of `call`.
    pub const CALL: VmOffset = VmOffset::of(offset_of!(VmHostContext, call));
    /// Offset of `store`.
    pub const STORE: VmOffset = VmOffset::of(offset_of!(VmHostContext, store));
}

/// The result of native functions: System V passes a float in `xmm0` and the status in `rax`,
/// anything else in `rax` and the status in `rdx`; without a value the status is in `rax`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct NativeResult<V> {
    /// The WebAssembly function's result: `()`, a 32-bit or a 64-bit value. Undefined if it failed.
    pub value: V,
    /// 0 if the function returned, else another value.
    pub status: u64,
}

/// The offsets of the arrays behind the header, for one module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VmLayout {
    imported_funcs: u32,
    imported_tables: u32,
    imported_memories: u32,
    imported_globals: u32,
    defined_tables: u32,
    further_memories: u32,
    defined_globals: u32,
    tags: u32,
    budgets: Option<u32>,
    counters: Option<u32>,
    func_refs: u32,
    size: u32,
    imported_table_count: u32,
    imported_global_count: u32,
    imported_memory_count: u32,
    on_demand: Option<OnDemandLayout>,
}

/// Bytes that are filled at once where parts of a context are filled on demand: whole pages, and
/// whole function references.
pub const CHUNK: u32 = 12 * PAGE_SIZE;

const _: () = assert!((CHUNK as usize).is_multiple_of(size_of::<VmFuncRef>()));

/// The fewest bytes of function references and table elements that are filled on demand.
const MIN_ON_DEMAND: usize = 2 * PAGE_SIZE as usize;

/// The part of a context that the runtime fills when it is first touched, in chunks of [`CHUNK`]
/// bytes: function references, then, at a chunk of their own, the elements of the table that has an
/// [image](crate::facts::TableImage). Offsets from the `VmContext*`; both ends are those of pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OnDemandLayout {
    /// The start: the function references.
    pub start: u32,
    /// The end.
    pub end: u32,
    /// The start of the table's elements.
    pub elements: Option<u32>,
}

/// The place of a table's, global's or memory's structure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The structure itself is at this offset from the `VmContext*`.
    Inline(VmOffset),
    /// At this offset from the `VmContext*` is a pointer to the structure.
    Pointer(VmOffset),
}

/// The part that is filled on demand of a context whose other parts end at `end`.
fn lay_out_on_demand(
    end: usize,
    facts: &ModuleFacts,
    image: Option<&TableImage>,
) -> OnDemandLayout {
    let page = PAGE_SIZE as usize;
    let start = end.next_multiple_of(page);
    let func_refs = facts.ref_funcs.len() * size_of::<VmFuncRef>();
    let elements = image.map(|_| start + func_refs.next_multiple_of(CHUNK as usize));
    let end = match (image, elements) {
        (Some(image), Some(elements)) => elements + image.elements.len() * size_of::<usize>(),
        _ => start + func_refs,
    };
    OnDemandLayout {
        start: start as u32,
        end: end.next_multiple_of(page) as u32,
        elements: elements.map(|elements| elements as u32),
    }
}

impl VmLayout {
    /// The layout of a module that declares nothing.
    pub(crate) const EMPTY: Self = Self {
        imported_funcs: 0,
        imported_tables: 0,
        imported_memories: 0,
        imported_globals: 0,
        defined_tables: 0,
        further_memories: 0,
        defined_globals: 0,
        tags: 0,
        budgets: None,
        counters: None,
        func_refs: 0,
        size: 0,
        imported_table_count: 0,
        imported_global_count: 0,
        imported_memory_count: 0,
        on_demand: None,
    };

    /// Lays out the context of a module.
    pub fn new(facts: &ModuleFacts) -> Self {
        let mut end = size_of::<VmContext>().next_multiple_of(16);
        let mut array = |count: usize, element: usize| {
            let start = end;
            end = (end + count * element).next_multiple_of(16);
            start as u32
        };
        let word = size_of::<usize>();
        let imported_funcs = array(facts.imported_funcs as usize, size_of::<VmImportedFunc>());
        let imported_tables = array(facts.imported_tables as usize, word);
        let imported_memories = array(facts.imported_memories as usize, word);
        let imported_globals = array(facts.imported_globals as usize, word);
        let defined_tables = array(
            facts.tables.len() - facts.imported_tables as usize,
            size_of::<VmTable>(),
        );
        let defined_memories = facts.memories.len() - facts.imported_memories as usize;
        let further_memories = array(defined_memories.saturating_sub(1), size_of::<VmMemory>());
        let defined_globals = array(
            facts.globals.len() - facts.imported_globals as usize,
            size_of::<VmGlobal>(),
        );
        let tags = array(facts.tags.len(), word);
        let shares = |memory: &MemoryType| memory.sharing == Sharing::Shared;
        let on_many_threads = facts.memories.iter().any(shares);
        let budgets = on_many_threads.then(|| array(facts.bodies.len(), size_of::<VmBudget>()));
        let counts = facts.observed.as_ref().is_some_and(|it| it.counters() > 0);
        let counters = counts.then(|| array(1, word));
        let image = facts.table_image.as_ref();
        let mut on_demand = None;
        let func_refs = if Self::fills_on_demand(facts, image) {
            let layout = lay_out_on_demand(end, facts, image);
            end = layout.end as usize;
            on_demand = Some(layout);
            layout.start
        } else {
            array(facts.ref_funcs.len(), size_of::<VmFuncRef>())
        };
        assert!(
            end < 1 << 29,
            "wasmparser's limits bound the context far below"
        );
        Self {
            imported_funcs,
            imported_tables,
            imported_memories,
            imported_globals,
            defined_tables,
            further_memories,
            defined_globals,
            tags,
            budgets,
            counters,
            func_refs,
            size: end as u32,
            imported_table_count: facts.imported_tables,
            imported_global_count: facts.imported_globals,
            imported_memory_count: facts.imported_memories,
            on_demand,
        }
    }

    /// Whether the function references of a module and a table with this image are worth filling on
    /// demand.
    pub(crate) fn fills_on_demand(facts: &ModuleFacts, image: Option<&TableImage>) -> bool {
        let func_refs = facts.ref_funcs.len() * size_of::<VmFuncRef>();
        let elements = image.map_or(0, |image| image.elements.len() * size_of::<usize>());
        func_refs + elements > MIN_ON_DEMAND
    }

    /// The part that is filled on demand.
    pub const fn on_demand(&self) -> Option<OnDemandLayout> {
        self.on_demand
    }

    /// Bytes of header and arrays, a multiple of [`PAGE_SIZE`].
    pub const fn context_bytes(&self) -> u32 {
        self.size.next_multiple_of(PAGE_SIZE)
    }

    /// The [`VmImportedFunc`] of an imported function.
    pub const fn imported_func(&self, func: FuncIndex) -> VmOffset {
        VmOffset(self.imported_funcs + func.0 * size_of::<VmImportedFunc>() as u32)
    }

    /// The [`VmTable`] of a table.
    pub(crate) const fn table(&self, table: TableIndex) -> Place {
        if table.0 < self.imported_table_count {
            Place::Pointer(VmOffset(self.imported_tables + 8 * table.0))
        } else {
            let n = table.0 - self.imported_table_count;
            Place::Inline(VmOffset(
                self.defined_tables + n * size_of::<VmTable>() as u32,
            ))
        }
    }

    /// The [`VmGlobal`] of a global.
    pub const fn global(&self, global: GlobalIndex) -> Place {
        if global.0 < self.imported_global_count {
            Place::Pointer(VmOffset(self.imported_globals + 8 * global.0))
        } else {
            let n = global.0 - self.imported_global_count;
            Place::Inline(VmOffset(
                self.defined_globals + n * size_of::<VmGlobal>() as u32,
            ))
        }
    }

    /// The [`VmMemory`] of a memory.
    pub(crate) const fn memory(&self, memory: MemoryIndex) -> Place {
        if memory.0 < self.imported_memory_count {
            Place::Pointer(VmOffset(self.imported_memories + 8 * memory.0))
        } else if self.is_first_defined(memory) {
            Place::Inline(VmContext::MEMORY0)
        } else {
            let n = memory.0 - self.imported_memory_count - 1;
            Place::Inline(VmOffset(
                self.further_memories + n * size_of::<VmMemory>() as u32,
            ))
        }
    }

    /// The identity of a tag, imported or defined: a word that equals the
    /// [`tag`](crate::exception::VmException::tag) of its exceptions. Never 0, fixed for the
    /// instance's life.
    pub const fn tag(&self, tag: TagIndex) -> VmOffset {
        VmOffset(self.tags + tag.0 * size_of::<usize>() as u32)
    }

    /// Whether the memory is the first that the module defines, for which the header has room.
    pub(crate) const fn is_first_defined(&self, memory: MemoryIndex) -> bool {
        memory.0 == self.imported_memory_count
    }

    /// The [`VmBudget`] of a function, if the instances of the module have budgets of their own:
    /// those of modules with shared memories, which may run on many threads.
    pub fn budget(&self, func: DefinedFuncIndex) -> Option<VmOffset> {
        let budgets = self.budgets?;
        Some(VmOffset(budgets + func.0 * size_of::<VmBudget>() as u32))
    }

    /// Whether the instances of the module have [budgets](VmBudget) of their own.
    pub const fn has_budgets(&self) -> bool {
        self.budgets.is_some()
    }

    /// A pointer to the instance's counters, if the code of the module [counts](crate::observe).
    pub fn counters(&self) -> Option<VmOffset> {
        self.counters.map(VmOffset)
    }

    /// The n-th [`VmFuncRef`]; [`ModuleFacts::func_ref`] gives a function's n.
    pub const fn func_ref(&self, n: u32) -> VmOffset {
        VmOffset(self.func_refs + n * size_of::<VmFuncRef>() as u32)
    }
}
