//! What a module declares: decoded once, then read by both compilers and the runtime.

mod data;
mod decode;
mod hints;
mod names;
mod place;
mod references;
pub mod stored;

use std::collections::HashMap;
use std::ops::Range;

pub use data::{DataSegment, DataSegments};
pub use decode::{DecodeError, DecodedModule, Input, ModuleDecoder, decode, decode_with};
pub use hints::{BranchHints, Likelihood};
pub use names::Names;
pub use references::TableImage;
pub use stored::Checksums;

use crate::counted::CountedSites;
use crate::hints::HintSections;
use crate::index::{
    DefinedFuncIndex, ElemIndex, FuncIndex, GlobalIndex, MemoryIndex, TableIndex, TagIndex,
    TypeIndex,
};
use crate::observe::Plan;
use crate::plan::{MemoryOptions, ModulePlan};
use crate::types::{
    FuncType, GlobalType, IndexKind, MemoryType, RefType, TableType, TypeId, ValType,
};
use crate::vmctx::VmLayout;

/// An imported item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Import {
    /// The name of the module to import from.
    pub module: Box<str>,
    /// The name of the item to import.
    pub name: Box<str>,
    /// The type that the item must have.
    pub ty: ImportType,
}

/// The type of an imported item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImportType {
    /// A function of the type.
    Func(TypeIndex),
    /// A table at least this large.
    Table(TableType),
    /// A memory at least this large.
    Memory(MemoryType),
    /// A global of exactly this type.
    Global(GlobalType),
    /// A tag of exceptions with the parameters of this type.
    Tag(TypeIndex),
}

/// A module item that has an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Item {
    /// A function.
    Func(FuncIndex),
    /// A table.
    Table(TableIndex),
    /// A memory.
    Memory(MemoryIndex),
    /// A global.
    Global(GlobalIndex),
    /// A tag.
    Tag(TagIndex),
}

/// One instruction of a constant expression; they form a stack program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum ConstOp {
    I32Const(i32),
    I64Const(i64),
    /// The value's bits.
    F32Const(u32),
    /// The value's bits.
    F64Const(u64),
    /// The value's bits, low word first.
    V128Const([u64; 2]),
    GlobalGet(GlobalIndex),
    RefNull,
    RefFunc(FuncIndex),
    I32Add,
    I32Sub,
    I32Mul,
    I64Add,
    I64Sub,
    I64Mul,
}

/// A constant expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConstExpr(pub Box<[ConstOp]>);

impl ConstExpr {
    /// The index that the expression always evaluates to, in a memory or table with such indexes;
    /// `None` if that depends on the instance or has to be computed.
    pub fn fixed_index(&self, kind: IndexKind) -> Option<u64> {
        match (kind, &*self.0) {
            (IndexKind::I32, &[ConstOp::I32Const(index)]) => Some(u64::from(index as u32)),
            (IndexKind::I64, &[ConstOp::I64Const(index)]) => Some(index as u64),
            _ => None,
        }
    }
}

/// When a segment is copied to its memory or table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SegmentMode<I> {
    /// By `memory.init` or `table.init` only.
    Passive,
    /// At instantiation, to the offset.
    Active {
        /// The memory or table to copy to.
        target: I,
        /// The offset in the memory or table.
        offset: ConstExpr,
    },
    /// Never: an element segment that only declares functions for `ref.func`.
    Declared,
}

/// An element segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ElementSegment {
    /// Type of the elements.
    pub ty: RefType,
    /// When the segment is copied.
    pub mode: SegmentMode<TableIndex>,
    /// The elements.
    pub items: ElementItems,
}

/// The contents of an element segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ElementItems {
    /// References to functions.
    Funcs(Box<[FuncIndex]>),
    /// Values of expressions.
    Exprs(Box<[ConstExpr]>),
}

impl ElementItems {
    /// Number of elements.
    pub fn len(&self) -> usize {
        match self {
            ElementItems::Funcs(items) => items.len(),
            ElementItems::Exprs(items) => items.len(),
        }
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// An export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Export {
    /// The name of the export.
    pub name: Box<str>,
    /// The exported item.
    pub item: Item,
}

/// A custom section of a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomSection {
    /// Its name and content in the module.
    pub range: Range<u32>,
    /// Whether it stands behind the code section.
    pub behind_code: bool,
}

/// Everything that a module declares. Index spaces start with imports.
///
/// It has many fields because they are the module format's own sections, in its order.
#[derive(Clone, Debug)]
pub struct ModuleFacts {
    /// The type section.
    pub types: Vec<FuncType>,
    /// The engine's ids of `types`; filled when the module is registered with an engine, before
    /// anything is compiled.
    pub type_ids: Vec<TypeId>,
    /// Imports in their order.
    pub imports: Vec<Import>,
    /// Type of each function.
    pub funcs: Vec<TypeIndex>,
    /// How many of `funcs` are imported.
    pub imported_funcs: u32,
    /// Type of each table.
    pub tables: Vec<TableType>,
    /// How many of `tables` are imported.
    pub imported_tables: u32,
    /// Initial element of each defined table; `None` is null.
    pub table_inits: Vec<Option<ConstExpr>>,
    /// Type of each memory.
    pub memories: Vec<MemoryType>,
    /// How many of `memories` are imported.
    pub imported_memories: u32,
    /// Type of each global.
    pub globals: Vec<GlobalType>,
    /// How many of `globals` are imported.
    pub imported_globals: u32,
    /// Initial value of each defined global.
    pub global_inits: Vec<ConstExpr>,
    /// Type of each tag, whose parameters are the values of its exceptions.
    pub tags: Vec<TypeIndex>,
    /// How many of `tags` are imported.
    pub imported_tags: u32,
    /// Exports in their order.
    pub exports: Vec<Export>,
    /// Position in `exports` by name.
    pub export_names: HashMap<Box<str>, usize>,
    /// The start function.
    pub start: Option<FuncIndex>,
    /// Element segments.
    pub elements: Vec<ElementSegment>,
    /// Data segments.
    pub data: DataSegments,
    /// Each defined function's body, as a range of the module's bytes.
    pub bodies: Vec<Range<u32>>,
    /// Bytes of the code section.
    pub code_section_bytes: u32,
    /// What the name section calls the module and its items.
    pub names: Names,
    /// The custom sections that are read.
    pub custom_sections: Vec<CustomSection>,
    /// Checksums of bodies and data, if the module was stored and loaded without reading it.
    pub checksums: Option<Checksums>,
    /// What the producer says of branches.
    pub branch_hints: BranchHints,
    /// What the producer or an earlier run says of functions.
    pub hints: HintSections,
    /// For each function that can become a reference, its number among those, else `u32::MAX`.
    pub func_refs: Vec<u32>,
    /// The functions that can become references, by their number.
    pub ref_funcs: Vec<FuncIndex>,
    /// The initial elements of a table that instances fill on demand: then no active element
    /// segment is written when a module is instantiated.
    pub table_image: Option<TableImage>,
    /// Offsets in the module's instances.
    pub layout: VmLayout,
    /// The plans of memories and tables.
    pub plan: ModulePlan,
    /// The sites at which functions count, if the module is to be recorded: then baseline code
    /// counts there, and not in budgets.
    pub sites: Option<CountedSites>,
    /// What the code reports of its run, if the module is instrumented.
    pub observed: Option<Plan>,
}

impl ModuleFacts {
    /// Gives each type an id of its own, for compiling without an engine: an engine's ids are the
    /// same for equal types of all its modules.
    pub fn number_types(&mut self) {
        self.type_ids = (0..self.types.len() as u32).map(TypeId).collect();
    }

    /// Puts an engine's ids in the place of the indexes by which the module's types refer to each
    /// other.
    pub fn set_type_ids(&mut self, ids: &[TypeId]) {
        let set = |ty: &mut RefType| *ty = ty.with_ids(ids);
        let set_value = |ty: &mut ValType| *ty = ty.with_ids(ids);
        for ty in &mut self.types {
            let values = ty.params.iter_mut().chain(&mut ty.results);
            values.for_each(set_value);
        }
        for import in &mut self.imports {
            match &mut import.ty {
                ImportType::Table(ty) => set(&mut ty.element),
                ImportType::Global(ty) => set_value(&mut ty.content),
                ImportType::Func(_) | ImportType::Memory(_) | ImportType::Tag(_) => {}
            }
        }
        self.tables.iter_mut().for_each(|ty| set(&mut ty.element));
        let globals = self.globals.iter_mut();
        globals.for_each(|ty| set_value(&mut ty.content));
        self.elements
            .iter_mut()
            .for_each(|segment| set(&mut segment.ty));
        self.type_ids = ids.into();
        // Plans have the types of their tables.
        if self
            .tables
            .iter()
            .any(|ty| ty.element.refers_to().is_some())
        {
            self.plan = ModulePlan::new(self, *self.plan.options());
        }
    }

    /// Plans memories and tables for an engine with these options, before anything is compiled.
    /// Until then, plans are for the default options.
    pub fn plan_for(&mut self, options: MemoryOptions) {
        if *self.plan.options() != options {
            self.plan = ModulePlan::new(self, options);
        }
    }

    /// Instruments the module, before anything is compiled: instances have room for counters.
    pub fn observe(&mut self, plan: Plan) {
        self.observed = Some(plan);
        self.layout = VmLayout::new(self);
        self.plan = ModulePlan::new(self, *self.plan.options());
    }

    /// The function's type.
    pub fn func_type(&self, func: FuncIndex) -> &FuncType {
        &self.types[self.funcs[func.index()].index()]
    }

    /// The types of the values that exceptions with the tag carry.
    pub fn tag_params(&self, tag: TagIndex) -> &[ValType] {
        &self.types[self.tags[tag.index()].index()].params
    }

    /// The name of a tag, for people: from the name section, an export or an import.
    pub fn tag_name(&self, tag: TagIndex) -> Option<&str> {
        if let Some(name) = self.names.tag(tag) {
            return Some(name);
        }
        let exported = self.exports.iter().find(|e| e.item == Item::Tag(tag));
        if let Some(export) = exported {
            return Some(&export.name);
        }
        let mut imports = self.imports.iter();
        let import = imports
            .by_ref()
            .filter(|import| matches!(import.ty, ImportType::Tag(_)))
            .nth(tag.index())?;
        Some(&import.name)
    }

    /// The import that is the function; `None` if the module defines it. Searches the imports.
    pub fn func_import(&self, func: FuncIndex) -> Option<&Import> {
        let imports = self.imports.iter();
        let mut funcs = imports.filter(|import| matches!(import.ty, ImportType::Func(_)));
        funcs.nth(func.index())
    }

    /// The engine's id of the function's type.
    pub fn func_type_id(&self, func: FuncIndex) -> TypeId {
        self.type_ids[self.funcs[func.index()].index()]
    }

    /// The type of a function that the module defines.
    pub fn defined_func_type(&self, func: DefinedFuncIndex) -> &FuncType {
        self.func_type(self.func_index(func))
    }

    /// A defined function's index in the function index space.
    pub fn func_index(&self, func: DefinedFuncIndex) -> FuncIndex {
        FuncIndex(self.imported_funcs + func.0)
    }

    /// A function's index among the defined ones; `None` for imports.
    pub fn defined_func(&self, func: FuncIndex) -> Option<DefinedFuncIndex> {
        func.0
            .checked_sub(self.imported_funcs)
            .map(DefinedFuncIndex)
    }

    /// All functions that the module defines.
    pub fn defined_funcs(&self) -> impl ExactSizeIterator<Item = DefinedFuncIndex> + use<> {
        (0..self.bodies.len() as u32).map(DefinedFuncIndex)
    }

    /// The function's number among those that can become references.
    pub fn func_ref(&self, func: FuncIndex) -> Option<u32> {
        let n = self.func_refs[func.index()];
        (n != u32::MAX).then_some(n)
    }

    /// Bytes of a defined function's body.
    pub fn body_len(&self, func: DefinedFuncIndex) -> u32 {
        let range = &self.bodies[func.index()];
        range.end - range.start
    }

    /// The number of a defined function's locals, parameters included; `wasm` are the module's
    /// bytes. Decodes the beginning of the body.
    pub fn count_locals(&self, func: DefinedFuncIndex, wasm: &[u8]) -> usize {
        let range = &self.bodies[func.index()];
        let bytes = &wasm[range.start as usize..range.end as usize];
        let body = wasmparser::FunctionBody::new(wasmparser::BinaryReader::new(bytes, 0));
        let groups = body.get_locals_reader().into_iter().flatten().flatten();
        let declared: usize = groups.map(|(count, _)| count as usize).sum();
        self.defined_func_type(func).params.len() + declared
    }

    /// Bytes of the bodies of all defined functions.
    pub fn body_bytes(&self) -> u64 {
        let len = |body: &Range<u32>| u64::from(body.end - body.start);
        self.bodies.iter().map(len).sum()
    }

    /// The item exported under the name.
    pub fn export(&self, name: &str) -> Option<Item> {
        self.export_names.get(name).map(|&i| self.exports[i].item)
    }

    /// The name of a function, for people: from the name section, an export or an import.
    pub fn func_name(&self, func: FuncIndex) -> Option<&str> {
        if let Some(name) = self.names.func(func) {
            return Some(name);
        }
        let exported = self.exports.iter().find(|e| e.item == Item::Func(func));
        if let Some(export) = exported {
            return Some(&export.name);
        }
        let mut imports = self.imports.iter();
        let import = imports
            .by_ref()
            .filter(|import| matches!(import.ty, ImportType::Func(_)))
            .nth(func.index())?;
        Some(&import.name)
    }

    /// An element segment.
    pub fn element(&self, index: ElemIndex) -> &ElementSegment {
        &self.elements[index.index()]
    }
}
