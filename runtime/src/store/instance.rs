//! Instances: one allocation each, filled from the module's facts.
//!
//! Instantiation follows the specification's order: imports are checked, everything is allocated,
//! globals and tables get their initial values, active element segments are written, then active
//! data segments, then the start function runs. A trap on the way leaves what was written; the
//! instance stays in the store, as tables may refer to it already.

use std::ops::Range;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use upshift_abi::facts::{ElementItems, Item, SegmentMode};
use upshift_abi::plan::{MemoryPlace, MemoryPlan, TableFilling, TablePlan};
use upshift_abi::vmctx::{
    Place, VmBudget, VmContext, VmFuncRef, VmGlobal, VmHostContext, VmImportedFunc, VmMemory,
    VmOffset, VmTable,
};
use upshift_abi::{
    DataIndex, DefinedFuncIndex, ElemIndex, FuncIndex, GlobalIndex, MemoryIndex, ModuleFacts,
    TableIndex, TagIndex, TrapCode,
};

use super::exceptions::tag_word;
use super::global::GlobalEntry;
use super::instance_space::InstanceSpace;
use super::memory::MemoryEntry;
use super::on_demand::{OnDemand, callee};
use super::table::TableEntry;
use super::{Extern, FuncId, GlobalId, InstanceId, MemoryId, Store, TableId, TagId, checked_range};
use crate::backtrace::WasmBacktrace;
use crate::counters::CounterBlock;
use crate::error::Error;
use crate::module::ModuleCode;
use crate::shared_memory::SharedMemory;

const DECLARED: &str = "validation declares references";

/// An instance: its module, its context, and the ids behind its index spaces.
pub struct Instance {
    pub(crate) id: InstanceId,
    /// Context, then a guard and the room of the first memory that the module defines, if any.
    /// Dropped before the module, which owns what is mapped there.
    space: Arc<InstanceSpace>,
    pub(crate) module: Arc<ModuleCode>,
    tables: Vec<TableId>,
    memories: Vec<MemoryId>,
    globals: Vec<GlobalId>,
    tags: Vec<TagId>,
    dropped_elements: Box<[bool]>,
    /// How many data segments instantiation has written: the active ones among them count as
    /// dropped.
    data_written: usize,
    /// Whether each data segment was dropped; empty before the first was: some modules have tens of
    /// thousands.
    dropped_data: Box<[bool]>,
    /// What the instance has drawn last of each function's budget; empty if it has no cells of its
    /// own for them.
    pub(super) drawn: Box<[VmBudget]>,
    /// What the instance counts in, if its module counts.
    counters: Option<CounterBlock>,
}

impl Instance {
    pub(crate) fn vmctx(&self) -> *mut VmContext {
        self.space.base().cast()
    }

    fn facts(&self) -> &ModuleFacts {
        self.module.facts()
    }

    pub(crate) fn memory(&self, index: MemoryIndex) -> MemoryId {
        self.memories[index.index()]
    }

    pub(crate) fn tag(&self, index: TagIndex) -> TagId {
        self.tags[index.index()]
    }

    pub(super) fn global(&self, index: GlobalIndex) -> GlobalId {
        self.globals[index.index()]
    }

    pub(crate) fn table(&self, index: TableIndex) -> TableId {
        self.tables[index.index()]
    }

    /// A data segment's bytes for instructions: none once it was dropped.
    pub(crate) fn data_bytes(&self, index: DataIndex) -> &[u8] {
        let segments = &self.facts().data;
        let written = index.index() < self.data_written && !segments.is_passive(index);
        if written || self.dropped_data.get(index.index()) == Some(&true) {
            return &[];
        }
        let bytes = segments.range(index);
        &self.module.wasm()[bytes.start as usize..bytes.end as usize]
    }

    pub(crate) fn drop_data(&mut self, index: DataIndex) {
        if self.dropped_data.is_empty() {
            self.dropped_data = vec![false; self.facts().data.len()].into();
        }
        self.dropped_data[index.index()] = true;
    }

    pub(crate) fn drop_elements(&mut self, index: ElemIndex) {
        self.dropped_elements[index.index()] = true;
    }

    /// A range of an element segment, if it is within the segment, or what is left of it: nothing
    /// once it was dropped.
    pub(crate) fn element_range(
        &self,
        index: ElemIndex,
        start: u64,
        len: u64,
    ) -> Result<Range<usize>, TrapCode> {
        let present = match self.dropped_elements[index.index()] {
            true => 0,
            false => self.facts().element(index).items.len(),
        };
        checked_range(start, len, present, TrapCode::TableOutOfBounds)
    }

    /// The words of a part of an element segment.
    pub(crate) fn elements(
        &self,
        store: &Store,
        index: ElemIndex,
        range: Range<usize>,
    ) -> Vec<u64> {
        let facts = self.facts();
        match &facts.element(index).items {
            ElementItems::Funcs(funcs) => {
                let first: *const VmFuncRef = self.at(facts.layout.func_ref(0));
                let word = |func| {
                    let n = facts.func_ref(func).expect(DECLARED);
                    first.wrapping_add(n as usize) as u64
                };
                funcs[range].iter().map(|&func| word(func)).collect()
            }
            ElementItems::Exprs(exprs) => exprs[range]
                .iter()
                .map(|expr| self.evaluate(store, expr).bits[0])
                .collect(),
        }
    }

    /// The instance's own cell of a function's budget, if it has one.
    pub(super) fn budget(&self, func: DefinedFuncIndex) -> Option<*mut VmBudget> {
        Some(self.at(self.facts().layout.budget(func)?))
    }

    /// A pointer to an offset from the module's context layout.
    fn at<T>(&self, offset: VmOffset) -> *mut T {
        self.space.base().wrapping_add(offset.0 as usize).cast()
    }

    /// The reference to a function that the module can make a reference of.
    pub(super) fn func_ref(&self, func: FuncIndex) -> *const VmFuncRef {
        let n = self.facts().func_ref(func).expect(DECLARED);
        self.at(self.facts().layout.func_ref(n))
    }
}

impl Store {
    /// Creates an instance of the module and runs its start function.
    ///
    /// # Errors
    ///
    /// If the imports don't fit, the limiter refuses or something can't be allocated, an active
    /// segment is out of bounds, or the start function fails.
    pub fn instantiate(
        &mut self,
        module: &Arc<ModuleCode>,
        imports: &[Extern],
    ) -> Result<InstanceId, Error> {
        self.process.check()?;
        self.check_async()?;
        self.check_imports(module, imports)?;
        module.check_data()?;
        self.admit_instance(module.facts())?;
        let id = self.allocate_instance(module, imports)?;
        let facts = module.facts().clone();
        self.initialize_elements(id, &facts)?;
        self.initialize_data(id, &facts)?;
        if let Some(start) = facts.start {
            let instance = &self.instances[id.index()];
            let callee = callee(instance.vmctx(), &instance.module, start);
            // SAFETY: validation checked that a start function has no parameters.
            unsafe { self.call_func_ref(&callee, &mut [])? };
        }
        Ok(id)
    }

    /// The instance's module.
    pub fn instance_module(&self, instance: InstanceId) -> &Arc<ModuleCode> {
        &self.instances[instance.index()].module
    }

    /// The instance's memories, imported ones first.
    pub fn instance_memories(&self, instance: InstanceId) -> &[MemoryId] {
        &self.instances[instance.index()].memories
    }

    /// The instance's globals, imported ones first.
    pub fn instance_globals(&self, instance: InstanceId) -> &[GlobalId] {
        &self.instances[instance.index()].globals
    }

    /// An item of the instance. Functions must be exported or otherwise able to become references.
    ///
    /// # Panics
    ///
    /// If the module has no such item.
    pub fn instance_item(&mut self, instance: InstanceId, item: Item) -> Extern {
        let instance = &self.instances[instance.index()];
        match item {
            Item::Func(index) => {
                let func_ref = instance.func_ref(index);
                Extern::Func(self.func_id(func_ref))
            }
            Item::Table(index) => Extern::Table(instance.tables[index.index()]),
            Item::Memory(index) => Extern::Memory(instance.memories[index.index()]),
            Item::Global(index) => Extern::Global(instance.globals[index.index()]),
            Item::Tag(index) => Extern::Tag(instance.tags[index.index()]),
        }
    }

    /// Allocates the context and everything that the module defines, and fills it.
    fn allocate_instance(
        &mut self,
        module: &Arc<ModuleCode>,
        imports: &[Extern],
    ) -> Result<InstanceId, Error> {
        let facts = module.facts().clone();
        let space = Arc::new(InstanceSpace::new(module)?);
        let on_demand = facts.layout.on_demand();
        let on_demand = on_demand.map(|part| Arc::new(OnDemand::new(&space, module, part)));
        let id = InstanceId::new(self.instances.len());
        let mut instance = Box::new(Instance {
            id,
            space,
            module: module.clone(),
            tables: Vec::new(),
            memories: Vec::new(),
            globals: Vec::new(),
            tags: Vec::new(),
            dropped_elements: vec![false; facts.elements.len()].into(),
            data_written: 0,
            dropped_data: Box::default(),
            drawn: own_budgets(&facts),
            counters: module.counters().take(),
        });
        let header: *mut VmContext = instance.vmctx();
        // SAFETY: the context is accessible, zeroed and not accessible to other code yet.
        unsafe {
            (*header).store = self.vm();
            (*header).instance = (&raw mut *instance).cast();
            (*header).epoch = self.runtime.epoch_counter();
            (*header).epoch_deadline = self.epoch_deadline();
            if let (Some(block), Some(place)) = (&instance.counters, facts.layout.counters()) {
                instance.at::<*const AtomicU64>(place).write(block.cells());
            }
        }
        self.link_imports(&mut instance, &facts, imports);
        for n in facts.imported_tags..facts.tags.len() as u32 {
            let type_id = facts.type_ids[facts.tags[n as usize].index()];
            let tag = self.add_tag(type_id, Some((facts.clone(), TagIndex(n))));
            instance.add_tag(&facts, tag);
        }
        let before = (self.memories.len(), self.globals.len(), self.tables.len());
        if let Err(error) = self.allocate_items(&mut instance, &facts, on_demand.as_ref()) {
            // The items created so far point into the context, which ends with this function.
            self.truncate_memories(before.0);
            self.globals.truncate(before.1);
            self.tables.truncate(before.2);
            return Err(error);
        }
        instance.space.set_prepared();
        self.instances.push(instance);
        if let Some(part) = on_demand {
            self.on_demand.insert(part.start(), part);
        }
        Ok(id)
    }

    /// Creates the items that the module defines. After an error, the store contains a part of
    /// them.
    fn allocate_items(
        &mut self,
        instance: &mut Instance,
        facts: &ModuleFacts,
        on_demand: Option<&Arc<OnDemand>>,
    ) -> Result<(), Error> {
        self.allocate_memories(instance, facts)?;
        if on_demand.is_none() {
            fill_func_refs(instance, facts);
        }
        self.allocate_globals(instance, facts);
        self.allocate_tables(instance, facts, on_demand)
    }

    /// Writes the imports into the context and starts the index spaces with them.
    fn link_imports(&mut self, instance: &mut Instance, facts: &ModuleFacts, imports: &[Extern]) {
        let mut funcs = 0;
        let layout = &facts.layout;
        for import in imports {
            match *import {
                Extern::Func(func) => {
                    let vmctx = self.import_context(func, instance.vmctx());
                    let entry: *mut VmImportedFunc =
                        instance.at(layout.imported_func(FuncIndex(funcs)));
                    // SAFETY: the layout's place for this import, in the committed context; the
                    // function's reference lives as long as the store.
                    unsafe {
                        let slot = (*self.func_ref(func)).slot;
                        entry.write(VmImportedFunc { slot, vmctx });
                    }
                    funcs += 1;
                }
                Extern::Table(table) => {
                    let index = TableIndex::from_index(instance.tables.len());
                    instance.set_pointer(facts.plan.table(index).place, self.vm_table(table));
                    instance.tables.push(table);
                }
                Extern::Memory(memory) => {
                    let index = MemoryIndex::from_index(instance.memories.len());
                    let place = facts.plan.memory(index).place.header();
                    instance.set_pointer(place, self.vm_memory(memory));
                    instance.memories.push(memory);
                }
                Extern::Global(global) => {
                    let index = GlobalIndex::from_index(instance.globals.len());
                    instance.set_pointer(layout.global(index), self.vm_global(global));
                    instance.globals.push(global);
                }
                Extern::Tag(tag) => instance.add_tag(facts, tag),
            }
        }
    }

    fn allocate_memories(
        &mut self,
        instance: &mut Instance,
        facts: &ModuleFacts,
    ) -> Result<(), Error> {
        for MemoryPlan { style, place } in facts.plan.memories() {
            let entry = match *place {
                MemoryPlace::BehindContext { distance, header } => {
                    let vm: *mut VmMemory = instance.at(header);
                    let offset = distance as usize;
                    MemoryEntry::in_instance(*style, vm, &instance.space, offset)?
                }
                MemoryPlace::Apart { header } => MemoryEntry::apart(*style, instance.at(header))?,
                MemoryPlace::Shared { .. } => {
                    let memory = SharedMemory::with_style(&self.runtime, *style)?;
                    instance.set_pointer(place.header(), memory.vm().cast_mut());
                    MemoryEntry::shared(&memory)
                }
                MemoryPlace::Imported { .. } => continue,
            };
            let id = self.add_memory(entry);
            instance.memories.push(id);
        }
        Ok(())
    }

    fn allocate_globals(&mut self, instance: &mut Instance, facts: &ModuleFacts) {
        for (n, init) in facts.global_inits.iter().enumerate() {
            let index = GlobalIndex(facts.imported_globals + n as u32);
            let Place::Inline(offset) = facts.layout.global(index) else {
                unreachable!("defined globals are inline");
            };
            let vm: *mut VmGlobal = instance.at(offset);
            let value = instance.evaluate(self, init);
            // SAFETY: the layout's place for this global, in the committed context.
            unsafe { vm.write(value) };
            let ty = facts.globals[index.index()];
            let id = self.add_global(GlobalEntry::in_instance(ty, vm));
            instance.globals.push(id);
        }
    }

    fn allocate_tables(
        &mut self,
        instance: &mut Instance,
        facts: &ModuleFacts,
        on_demand: Option<&Arc<OnDemand>>,
    ) -> Result<(), Error> {
        for (n, init) in facts.table_inits.iter().enumerate() {
            let index = TableIndex(facts.imported_tables + n as u32);
            let TablePlan { ty, place, filling } = *facts.plan.table(index);
            let Place::Inline(offset) = place else {
                unreachable!("defined tables are inline");
            };
            let vm: *mut VmTable = instance.at(offset);
            let init = init
                .as_ref()
                .map_or(0, |expr| instance.evaluate(self, expr).bits[0]);
            let entry = match (filling, on_demand) {
                (TableFilling::OnDemand, Some(part)) => TableEntry::on_demand(ty, vm, part),
                _ => TableEntry::new(ty, vm, init)?,
            };
            let id = self.add_table(entry);
            instance.tables.push(id);
        }
        Ok(())
    }

    /// Writes active element segments, then drops them; declared ones are dropped at once.
    fn initialize_elements(&mut self, id: InstanceId, facts: &ModuleFacts) -> Result<(), Error> {
        for (n, segment) in facts.elements.iter().enumerate() {
            let index = ElemIndex::from_index(n);
            if let SegmentMode::Active { target, offset } = &segment.mode
                && facts.table_image.is_none()
            {
                let instance = &self.instances[id.index()];
                let index_kind = facts.plan.table(*target).index();
                let dst = index_kind.zero_extend(instance.evaluate(self, offset).bits[0]);
                let table = instance.table(*target);
                let words = instance.elements(self, index, 0..segment.items.len());
                self.table_write(table, dst, &words).map_err(Error::trap)?;
            }
            if segment.mode != SegmentMode::Passive {
                self.instances[id.index()].drop_elements(index);
            }
        }
        Ok(())
    }

    /// Writes active data segments, or maps what they would write.
    fn initialize_data(&mut self, id: InstanceId, facts: &ModuleFacts) -> Result<(), Error> {
        let module = self.instances[id.index()].module.clone();
        if let Some(image) = module.image() {
            let instance = &self.instances[id.index()];
            let (memory, space) = (instance.memory(image.memory()), instance.space.clone());
            // A memory apart from the context is a new one.
            let behind = matches!(
                facts.plan.memory(image.memory()).place,
                MemoryPlace::BehindContext { .. }
            );
            if !(behind && space.has_image()) {
                self.map_image(memory, image)?;
            }
            if behind {
                space.set_image();
            }
            self.instances[id.index()].data_written = facts.data.len();
            return Ok(());
        }
        for (n, segment) in facts.data.iter().enumerate() {
            if let SegmentMode::Active { target, offset } = &segment.mode {
                let instance = &self.instances[id.index()];
                let index_kind = facts.plan.memory(*target).style.index();
                let dst = index_kind.zero_extend(instance.evaluate(self, offset).bits[0]);
                let memory = instance.memory(*target);
                let bytes =
                    &module.wasm()[segment.bytes.start as usize..segment.bytes.end as usize];
                if let Err(code) = self.memory_init(memory, bytes, dst, 0, bytes.len() as u64) {
                    return Err(self.initialization_failed(code));
                }
            }
            self.instances[id.index()].data_written = n + 1;
        }
        Ok(())
    }

    fn initialization_failed(&self, code: TrapCode) -> Error {
        match code {
            TrapCode::Interrupt => {
                *self.interrupted(self.entry_fp() == 0, WasmBacktrace::default())
            }
            code => Error::trap(code),
        }
    }

    /// The function that the instance exports or otherwise refers to.
    pub fn instance_func(&mut self, instance: InstanceId, func: FuncIndex) -> FuncId {
        let func_ref = self.instances[instance.index()].func_ref(func);
        self.func_id(func_ref)
    }
}

/// What a new instance has drawn of each function's budget, if it has cells of its own for them.
fn own_budgets(facts: &ModuleFacts) -> Box<[VmBudget]> {
    let count = match facts.layout.has_budgets() {
        true => facts.bodies.len(),
        false => 0,
    };
    vec![0; count].into()
}

/// Fills in the function references of a new instance.
fn fill_func_refs(instance: &Instance, facts: &ModuleFacts) {
    let func_refs: *mut VmFuncRef = instance.at(facts.layout.func_ref(0));
    for (n, &func) in facts.ref_funcs.iter().enumerate() {
        let func_ref = callee(instance.vmctx(), &instance.module, func);
        // SAFETY: the layout's place for this reference, in the committed context.
        unsafe { func_refs.add(n).write(func_ref) };
    }
}

impl Instance {
    /// Makes a tag the next one of the index space.
    fn add_tag(&mut self, facts: &ModuleFacts, tag: TagId) {
        let offset = facts.layout.tag(TagIndex::from_index(self.tags.len()));
        // SAFETY: the layout's place for this tag, in the committed context.
        unsafe { self.at::<usize>(offset).write(tag_word(tag)) };
        self.tags.push(tag);
    }

    /// The import that the host context was made for.
    pub(super) fn import_with(&self, context: &VmHostContext) -> Option<FuncIndex> {
        let facts = self.facts();
        let mut funcs = (0..facts.imported_funcs).map(FuncIndex);
        funcs.find(|&func| {
            let entry: *const VmImportedFunc = self.at(facts.layout.imported_func(func));
            // SAFETY: the layout's place for this import, in the committed context.
            let vmctx = unsafe { (*entry).vmctx };
            ptr::eq(vmctx.cast(), context)
        })
    }

    /// Writes the address of an imported item.
    fn set_pointer<T>(&self, place: Place, item: *mut T) {
        let Place::Pointer(offset) = place else {
            unreachable!("imported items are behind pointers");
        };
        // SAFETY: the layout's place for this import, in the committed context.
        unsafe { self.at::<*mut T>(offset).write(item) };
    }
}
