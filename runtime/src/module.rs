//! One loaded module: its slots and budgets, and all code placed for it.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use bytes::Bytes;
use upshift_abi::counted::CountedSites;
use upshift_abi::observe::Plan;
use upshift_abi::targets::CallTargets;
use upshift_abi::values::DescribedCode;
use upshift_abi::vmctx::VmSlot;
use upshift_abi::{
    Cancel, CompileError, CompileUnit, CompiledFunction, Counting, DefinedFuncIndex, FuncIndex,
    LoopIndex, ModuleFacts, RelocationTarget, Tier, WasmOffset,
};

use crate::backtrace::{Frame, ModuleSource, Place};
use crate::code::{Cells, CodeAddr, CodeKind, CodeRef, CodeSpace, Deferred, FunctionCode};
use crate::counters::Counters;
use crate::error::RuntimeError;
use crate::image::MemoryImage;
use crate::module_id::ModuleId;
use crate::runtime::Runtime;
use crate::space_pool::ForgetOnDrop;
use crate::types::TypeUses;

/// What the runtime asks of tiering, which decides about compilation; called on the thread that
/// runs WebAssembly.
pub trait TierHooks: Send + Sync {
    /// Returns the published code of a function that was called without having any, after compiling
    /// it. Several threads may request the same function at once. The calling thread waits until
    /// `cancel` is requested, because the store is interrupted.
    ///
    /// # Errors
    ///
    /// If the function can't be compiled; the WebAssembly call fails with the error.
    /// [`CompileError::Cancelled`] if it was cancelled.
    fn on_first_call(
        &self,
        module: &Arc<ModuleCode>,
        func: DefinedFuncIndex,
        cancel: Cancel<'_>,
    ) -> Result<CodeAddr, FirstCallError>;

    /// Handles an exhausted budget of a function: sets the next one ([`ModuleCode::set_budget`]).
    /// At a loop it may return an OSR entry of that loop, which then takes over the frame.
    fn on_budget_exhausted(
        &self,
        module: &Arc<ModuleCode>,
        func: DefinedFuncIndex,
        site: BudgetSite,
    ) -> Option<CodeAddr>;

    /// Baseline code of the function, compiled once more, with the places of its values at an
    /// instruction; `None` if that can't be said.
    fn describe(
        &self,
        module: &Arc<ModuleCode>,
        func: DefinedFuncIndex,
        at: WasmOffset,
        counting: Counting,
    ) -> Option<DescribedCode> {
        let _ = (module, func, at, counting);
        None
    }

    /// What the function's budget counts at this moment.
    fn budget_counts(&self, func: DefinedFuncIndex) -> Counts;
}

/// What a function's budget counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counts {
    /// Work in baseline code: instances that run on several threads draw parts of it.
    Work,
    /// Calls, whose time is measured: only counters ([`ModuleCode::place_counter`]) take from it.
    /// Each instance whose own part is used up calls [`TierHooks::on_budget_exhausted`].
    Calls,
}

/// The reason why a function has no first code.
#[derive(Debug, thiserror::Error)]
pub enum FirstCallError {
    /// The compiler failed.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// The code can't be placed.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
}

/// The place in a function where its budget ran out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BudgetSite {
    /// The budget ran out at the function's entry.
    Entry,
    /// The budget ran out at a back edge of the loop.
    Loop(LoopIndex),
}

/// The code of a module. All its instances share the code, the slots and the budgets.
///
/// Every instance holds its module, so no thread runs its code when it is dropped: the code is
/// freed at once, except where a handle is still around.
pub struct ModuleCode {
    id: ModuleId,
    runtime: Arc<Runtime>,
    facts: Arc<ModuleFacts>,
    /// Keeps the type ids that this module's code compares.
    _types: TypeUses,
    source: Arc<ModuleSource>,
    hooks: Arc<dyn TierHooks>,
    slots: Cells,
    budgets: Cells,
    /// The last and all targets of indirect calls, see [`upshift_abi::targets`].
    targets: Cells,
    /// What each site has counted, see [`upshift_abi::counted`]; empty unless sites are counted.
    sites: Cells,
    /// What the code of an instrumented module counts.
    counters: Arc<Counters>,
    /// Dropped before `image`, which is mapped in these spaces.
    _spaces: ForgetOnDrop,
    /// Whether an instance has been created.
    instantiated: AtomicBool,
    /// Whether the module's data is what it was when it was stored; found by the first instance.
    data_is_intact: OnceLock<bool>,
    /// Created for the second instance; contains `None` where data is copied.
    image: OnceLock<Option<MemoryImage>>,
    /// Code that waits to be written, while the module is being loaded: it is placed and published
    /// already, but no thread that could call it has the module yet.
    deferred: Mutex<Option<Deferred>>,
    /// All code that was placed and not retired, by address: the code that slots and running frames
    /// lead to is kept here, whatever happens to other handles.
    placed: Mutex<HashMap<CodeAddr, CodeRef>>,
    /// Dropped after `placed` and `hooks`, which hold handles to code too.
    _trim: TrimOnDrop,
}

/// On drop, frees the module's retired code and returns pages without code to the system.
struct TrimOnDrop(Arc<Runtime>);

impl Drop for TrimOnDrop {
    fn drop(&mut self) {
        self.0.code().collect();
        self.0.code().trim();
    }
}

impl ModuleCode {
    /// Allocates slots, all leading to the first call, and budgets. `types` are those of `facts`.
    ///
    /// # Errors
    ///
    /// If the data part of the code space is full.
    ///
    /// # Panics
    ///
    /// If `facts.type_ids` are not the ids of `types`, if those belong to another runtime, or if
    /// memories and tables are planned for other options.
    pub fn new(
        runtime: &Arc<Runtime>,
        facts: Arc<ModuleFacts>,
        types: TypeUses,
        wasm: Bytes,
        hooks: Arc<dyn TierHooks>,
    ) -> Result<Arc<Self>, RuntimeError> {
        let registered = types.ids() == facts.type_ids && types.ids().len() == facts.types.len();
        assert!(
            registered && types.belong_to(runtime.types()),
            "the types must be registered with this runtime, and their ids noted in the facts"
        );
        assert_eq!(
            *facts.plan.options(),
            runtime.config().memory,
            "memories must be planned for this runtime"
        );
        let count = facts.bodies.len();
        let targets = upshift_abi::targets::cells(&facts) as usize;
        let sites = facts.sites.as_ref().map_or(0, CountedSites::count) as usize;
        let counted = facts.observed.as_ref().map_or(0, Plan::counters);
        let code = runtime.code();
        code.ensure_thunks(count)?;
        let id = ModuleId::fresh();
        let module = Self {
            id,
            runtime: runtime.clone(),
            slots: CodeSpace::allocate_cells(code, count * size_of::<VmSlot>())?,
            budgets: CodeSpace::allocate_cells(code, count * size_of::<i32>())?,
            targets: CodeSpace::allocate_cells(code, targets * size_of::<u32>())?,
            sites: CodeSpace::allocate_cells(code, sites * size_of::<u32>())?,
            counters: Counters::new(counted as usize),
            facts,
            _types: types,
            source: Arc::new(ModuleSource::new(wasm, runtime.config().backtrace_details)),
            hooks,
            _spaces: ForgetOnDrop(runtime.spaces().clone(), id),
            instantiated: AtomicBool::new(false),
            data_is_intact: OnceLock::new(),
            image: OnceLock::new(),
            deferred: Mutex::default(),
            placed: Mutex::default(),
            _trim: TrimOnDrop(runtime.clone()),
        };
        for func in module.facts.defined_funcs() {
            module.unpublish(func);
        }
        Ok(Arc::new(module))
    }

    /// The module's number.
    pub fn id(&self) -> ModuleId {
        self.id
    }

    /// The module's declarations.
    pub fn facts(&self) -> &Arc<ModuleFacts> {
        &self.facts
    }

    /// The module's bytes.
    pub fn wasm(&self) -> &Bytes {
        self.source.wasm()
    }

    /// The module's bytes, and what has been found in them.
    pub fn source(&self) -> &ModuleSource {
        &self.source
    }

    /// The frame of a host function that the module imports or, if the index is not known, calls.
    pub(crate) fn host_frame(&self, func: Option<FuncIndex>) -> Frame {
        Frame {
            module: self.id,
            facts: self.facts.clone(),
            source: self.source.clone(),
            func,
            place: Place::Host,
        }
    }

    /// The runtime that the module belongs to.
    pub fn runtime(&self) -> &Arc<Runtime> {
        &self.runtime
    }

    pub(crate) fn hooks(&self) -> &Arc<dyn TierHooks> {
        &self.hooks
    }

    /// Checks that the module's data is what it was when the module was stored, if it was. Reads it
    /// the first time.
    pub(crate) fn check_data(&self) -> Result<(), RuntimeError> {
        if self.facts.checksums.is_none() {
            return Ok(());
        }
        let check = || self.facts.data_is_intact(self.wasm());
        match self.data_is_intact.get_or_init(check) {
            true => Ok(()),
            false => Err(RuntimeError::Damaged),
        }
    }

    /// The initial contents of the module's memory, if the instance that is being created is to map
    /// and not to copy them. The first instance copies: for it alone, creating the image and
    /// copying the pages it writes takes longer.
    pub(crate) fn image(&self) -> Option<&MemoryImage> {
        if !self.instantiated.swap(true, Ordering::Relaxed) {
            return None;
        }
        let make = || {
            let image = MemoryImage::new(self.runtime.images(), &self.facts, self.wasm());
            image.unwrap_or_else(|error| {
                log::warn!("instances copy their data: {error}");
                None
            })
        };
        self.image.get_or_init(make).as_ref()
    }

    fn slots(&self) -> &[VmSlot] {
        self.slots.slots(self.facts.bodies.len())
    }

    pub(crate) fn slot(&self, func: DefinedFuncIndex) -> &VmSlot {
        &self.slots()[func.index()]
    }

    fn target_cells(&self) -> &[AtomicU32] {
        let count = upshift_abi::targets::cells(&self.facts) as usize;
        // SAFETY: as many aligned, zeroed words were allocated. Generated code changes them without
        // atomicity, which can lose an update but not tear one.
        unsafe { std::slice::from_raw_parts(self.targets.base().cast(), count) }
    }

    /// A copy of what indirect calls have called so far.
    pub fn call_targets(&self) -> CallTargets {
        let cells = self.target_cells().iter();
        CallTargets(cells.map(|cell| cell.load(Ordering::Relaxed)).collect())
    }

    fn site_cells(&self) -> &[AtomicU32] {
        let count = self.facts.sites.as_ref().map_or(0, CountedSites::count) as usize;
        // SAFETY: as many aligned, zeroed words were allocated. Generated code changes them without
        // atomicity, which can lose an update but not tear one.
        unsafe { std::slice::from_raw_parts(self.sites.base().cast(), count) }
    }

    /// Copies the cells of all sites: each has counted down from 0, and wraps around. Empty unless
    /// the module's facts number its sites. Any thread, while the program runs.
    pub fn copy_sites(&self, into: &mut Vec<u32>) {
        into.clear();
        let cells = self.site_cells().iter();
        into.extend(cells.map(|cell| cell.load(Ordering::Relaxed)));
    }

    /// What the code counts, if the module is instrumented.
    pub fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }

    fn budget_cell(&self, func: DefinedFuncIndex) -> &AtomicI32 {
        assert!(func.index() < self.facts.bodies.len());
        // SAFETY: the cells contain one aligned, zeroed word per function. Generated code subtracts
        // from it without atomicity, which can lose an update but not tear one.
        unsafe { &*self.budgets.base().cast::<AtomicI32>().add(func.index()) }
    }

    /// Copies code into the code space, relocates it and registers its metadata. Nothing leads to
    /// it until it is published, or entered by OSR. `level` is that of the engine's ladder, for
    /// samples. Any thread; takes two short locks.
    ///
    /// # Errors
    ///
    /// If the code space is full.
    pub fn place(
        &self,
        func: DefinedFuncIndex,
        unit: CompileUnit,
        tier: Tier,
        level: u8,
        code: CompiledFunction,
    ) -> Result<CodeRef, RuntimeError> {
        let kind = CodeKind::Function(FunctionCode {
            module: self.id,
            facts: self.facts.clone(),
            source: self.source.clone(),
            func,
            unit,
            tier,
            level,
        });
        let resolve = |target: RelocationTarget| match target {
            RelocationTarget::Slot(func) => self.slot(func) as *const VmSlot as usize,
            RelocationTarget::Budget(func) => self.budget_cell(func) as *const AtomicI32 as usize,
            RelocationTarget::Site(cell) => self.site_cells()[cell.index()].as_ptr() as usize,
            RelocationTarget::Target(cell) => self.target_cells()[cell.index()].as_ptr() as usize,
            RelocationTarget::Builtin(_) | RelocationTarget::Start => {
                unreachable!("the code space resolves these")
            }
        };
        let space = self.runtime.code();
        let mut deferred = self.deferred.lock().expect(POISON);
        let code = if deferred.is_some() {
            CodeSpace::place(space, kind, code, &resolve, deferred.as_mut())?
        } else {
            drop(deferred);
            CodeSpace::place(space, kind, code, &resolve, None)?
        };
        let mut placed = self.placed.lock().expect(POISON);
        placed.insert(code.addr(), code.clone());
        Ok(code)
    }

    /// Places a call counter before code of a function: what calls it takes `weight` from the
    /// function's budget and runs the code, or, where less than 0 is left, is a first call. The
    /// code must not count itself. It has to stay placed until the counter is retired.
    ///
    /// # Errors
    ///
    /// If the code space is full.
    ///
    /// # Panics
    ///
    /// If the code belongs to another module or is an OSR entry.
    pub fn place_counter(&self, code: &CodeRef, weight: u32) -> Result<CodeRef, RuntimeError> {
        let function = code.function();
        self.check_callable(function);
        let cell = self.budget_cell(function.func) as *const AtomicI32 as usize;
        let space = self.runtime.code();
        let (function, addr) = (function.clone(), code.addr());
        let counter = CodeSpace::place_counter(space, function, cell, weight, addr)?;
        let mut placed = self.placed.lock().expect(POISON);
        placed.insert(counter.addr(), counter.clone());
        Ok(counter)
    }

    /// Panics if calls of this module can't lead to the function's code.
    fn check_callable(&self, function: &FunctionCode) {
        assert_eq!(function.module, self.id, "code belongs to one module");
        assert_eq!(
            function.unit,
            CompileUnit::Function,
            "OSR entries are not called"
        );
    }

    /// Defers writing the code that is placed from now on until
    /// [`write_deferred`](Self::write_deferred), for a module that is compiled as a whole: many
    /// functions are then written at once. Nothing of the module may be called until then.
    pub fn defer_writes(&self) {
        let mut deferred = self.deferred.lock().expect(POISON);
        deferred.get_or_insert_default();
    }

    /// Writes the deferred code; code that is placed from now on is written at once.
    ///
    /// # Errors
    ///
    /// If the system has no memory for the code: the module can't be used then.
    pub fn write_deferred(&self) -> Result<(), RuntimeError> {
        let deferred = self.deferred.lock().expect(POISON).take();
        match deferred {
            Some(mut deferred) => self.runtime.code().write_deferred(&mut deferred),
            None => Ok(()),
        }
    }

    /// Publishes code: calls of its function run it from now on. Any thread.
    ///
    /// # Panics
    ///
    /// If the code belongs to another module or is an OSR entry.
    pub fn publish(&self, code: &CodeRef) {
        let function = code.function();
        self.check_callable(function);
        let addr = code.addr().get() as *mut u8;
        self.slot(function.func).0.store(addr, Ordering::Release);
    }

    /// Makes the next call of the function a first call again.
    pub fn unpublish(&self, func: DefinedFuncIndex) {
        let thunk = self.runtime.code().thunk(func.0) as *mut u8;
        self.slot(func).0.store(thunk, Ordering::Release);
    }

    /// The published code of the function; `None` before its first call.
    pub fn published(&self, func: DefinedFuncIndex) -> Option<CodeRef> {
        let addr = CodeAddr::new(self.slot(func).0.load(Ordering::Acquire) as usize)?;
        self.placed.lock().expect(POISON).get(&addr).cloned()
    }

    /// Retires code that nothing leads to any more: neither a slot nor the result of an exhausted
    /// budget. It is freed when no thread can be running it.
    ///
    /// # Panics
    ///
    /// If the function's slot still leads to it: that would free code that can be called.
    pub fn retire(&self, code: CodeRef) {
        let function = code.function();
        assert_eq!(function.module, self.id, "code belongs to one module");
        let published = self.slot(function.func).0.load(Ordering::Acquire) as usize;
        assert_ne!(
            published,
            code.addr().get(),
            "retired code must not be published"
        );
        if let Some(deferred) = self.deferred.lock().expect(POISON).as_mut()
            && let Err(error) = self.runtime.code().write_deferred(deferred)
        {
            log::warn!("{error}: retired code stays, as its place may still be written");
            return;
        }
        let placed = self.placed.lock().expect(POISON).remove(&code.addr());
        if let Some(placed) = placed {
            drop(code);
            self.runtime.code().retire(placed);
        }
    }

    /// Changes the budget, as one step for all threads, unless `change` returns `None`; returns
    /// what it was. What happened before [`set_budget`](Self::set_budget) is visible to `change`.
    pub(crate) fn change_budget(
        &self,
        func: DefinedFuncIndex,
        change: impl FnMut(i32) -> Option<i32>,
    ) -> Option<i32> {
        let cell = self.budget_cell(func);
        let changed = cell.fetch_update(Ordering::AcqRel, Ordering::Acquire, change);
        changed.ok()
    }

    /// The units left of the function's budget.
    pub fn budget(&self, func: DefinedFuncIndex) -> i32 {
        self.budget_cell(func).load(Ordering::Relaxed)
    }

    /// Sets the function's budget: the units that entries and back edges take before
    /// [`TierHooks::on_budget_exhausted`] is called.
    pub fn set_budget(&self, func: DefinedFuncIndex, budget: i32) {
        self.budget_cell(func).store(budget, Ordering::Release);
    }
}

impl fmt::Debug for ModuleCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ModuleCode")
            .field("id", &self.id)
            .field("name", &self.facts.names.module())
            .field("functions", &self.facts.bodies.len())
            .finish_non_exhaustive()
    }
}

const POISON: &str = "no panic happens under this lock";
