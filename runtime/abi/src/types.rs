//! Value types, function types and the limits of memories and tables.

use std::fmt;

use crate::kind::Kind;
use crate::plan::MAX_TABLE_ELEMENTS;

/// The types that a value, local or global can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ValType {
    /// 32-bit integer.
    I32,
    /// 64-bit integer.
    I64,
    /// 32-bit IEEE 754 float.
    F32,
    /// 64-bit IEEE 754 float.
    F64,
    /// 128-bit vector.
    V128,
    /// A reference.
    Ref(RefType),
}

/// A type of references: each value is one machine word, null is zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RefType {
    nullable: bool,
    heap: HeapType,
}

/// What references of a type refer to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HeapType {
    /// Any function: the word points to a [`VmFuncRef`](crate::vmctx::VmFuncRef).
    Func,
    /// A value of the embedder: an opaque word that it gave out.
    Extern,
    /// An exception: the word points to a [`VmException`](crate::exception::VmException).
    Exn,
    /// A function of the type with the id, which is the type's index in a module that has no ids of
    /// an engine yet.
    ConcreteFunc(TypeId),
}

impl ValType {
    /// A nullable reference to a function.
    pub const FUNCREF: Self = ValType::Ref(RefType::FUNCREF);
    /// A nullable reference to an embedder's value.
    pub const EXTERNREF: Self = ValType::Ref(RefType::EXTERNREF);

    /// A nullable reference to an exception.
    pub const EXNREF: Self = ValType::Ref(RefType::EXNREF);

    /// The machine representation of values of the type.
    #[inline]
    pub const fn kind(self) -> Kind {
        match self {
            ValType::I32 => Kind::I32,
            ValType::I64 => Kind::I64,
            ValType::F32 => Kind::F32,
            ValType::F64 => Kind::F64,
            ValType::V128 => Kind::V128,
            ValType::Ref(_) => Kind::Ref,
        }
    }

    /// Whether every value of the type is one of the other type, too.
    pub fn matches(self, other: Self) -> bool {
        match (self, other) {
            (ValType::Ref(ty), ValType::Ref(other)) => ty.matches(other),
            (ty, other) => ty == other,
        }
    }

    /// The type with the engine's ids of a module's types in the place of their indexes.
    pub fn with_ids(self, ids: &[TypeId]) -> Self {
        match self {
            ValType::Ref(ty) => ValType::Ref(ty.with_ids(ids)),
            other => other,
        }
    }

    /// Converts wasmparser's type; `None` for one outside the supported standard, which validation
    /// has refused with the feature's name before.
    pub fn from_wasm(ty: wasmparser::ValType) -> Option<Self> {
        Some(match ty {
            wasmparser::ValType::I32 => ValType::I32,
            wasmparser::ValType::I64 => ValType::I64,
            wasmparser::ValType::F32 => ValType::F32,
            wasmparser::ValType::F64 => ValType::F64,
            wasmparser::ValType::V128 => ValType::V128,
            wasmparser::ValType::Ref(ty) => ValType::Ref(RefType::from_wasm(ty)?),
        })
    }
}

impl RefType {
    /// A nullable reference to any function.
    pub const FUNCREF: Self = RefType::new(true, HeapType::Func);
    /// A nullable reference to a value of the embedder.
    pub const EXTERNREF: Self = RefType::new(true, HeapType::Extern);
    /// A nullable reference to an exception.
    pub const EXNREF: Self = RefType::new(true, HeapType::Exn);

    /// A type of references, which may include null.
    pub const fn new(is_nullable: bool, heap_type: HeapType) -> Self {
        Self {
            nullable: is_nullable,
            heap: heap_type,
        }
    }

    /// Whether null is a value of the type.
    pub const fn is_nullable(self) -> bool {
        self.nullable
    }

    /// What the references refer to.
    pub const fn heap_type(self) -> HeapType {
        self.heap
    }

    /// The id of the function type that the references refer to, if they refer to one.
    pub const fn refers_to(self) -> Option<TypeId> {
        match self.heap {
            HeapType::ConcreteFunc(id) => Some(id),
            HeapType::Func | HeapType::Extern | HeapType::Exn => None,
        }
    }

    /// Whether the references are of the embedder's values, not of functions.
    pub const fn is_extern(self) -> bool {
        matches!(self.heap, HeapType::Extern)
    }

    /// Whether the references are of exceptions.
    pub const fn is_exception(self) -> bool {
        matches!(self.heap, HeapType::Exn)
    }

    /// Whether every reference of the type is one of the other type, too.
    pub fn matches(self, other: Self) -> bool {
        (other.nullable || !self.nullable) && self.heap.matches(other.heap)
    }

    /// The type with the engine's ids of a module's types in the place of their indexes.
    pub fn with_ids(self, ids: &[TypeId]) -> Self {
        let heap = match self.heap {
            HeapType::ConcreteFunc(index) => HeapType::ConcreteFunc(ids[index.0 as usize]),
            heap => heap,
        };
        Self { heap, ..self }
    }

    /// Converts wasmparser's reference type; `None` for one outside the supported standard.
    pub fn from_wasm(ty: wasmparser::RefType) -> Option<Self> {
        use wasmparser::{AbstractHeapType, HeapType as Wasm};
        let heap = match ty.heap_type() {
            Wasm::Abstract {
                shared: false,
                ty: AbstractHeapType::Func,
            } => HeapType::Func,
            Wasm::Abstract {
                shared: false,
                ty: AbstractHeapType::Extern,
            } => HeapType::Extern,
            Wasm::Abstract {
                shared: false,
                ty: AbstractHeapType::Exn,
            } => HeapType::Exn,
            Wasm::Concrete(index) => HeapType::ConcreteFunc(TypeId(index.as_module_index()?)),
            _ => return None,
        };
        Some(RefType::new(ty.is_nullable(), heap))
    }
}

impl HeapType {
    /// Whether each thing of the type is one of the other type, too.
    pub fn matches(self, other: Self) -> bool {
        self == other || matches!((self, other), (HeapType::ConcreteFunc(_), HeapType::Func))
    }
}

impl fmt::Display for ValType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ValType::I32 => "i32",
            ValType::I64 => "i64",
            ValType::F32 => "f32",
            ValType::F64 => "f64",
            ValType::V128 => "v128",
            ValType::Ref(ty) => return ty.fmt(f),
        })
    }
}

impl fmt::Display for RefType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            RefType::FUNCREF => f.write_str("funcref"),
            RefType::EXTERNREF => f.write_str("externref"),
            RefType::EXNREF => f.write_str("exnref"),
            RefType {
                nullable: true,
                heap,
            } => write!(f, "(ref null {heap})"),
            RefType { heap, .. } => write!(f, "(ref {heap})"),
        }
    }
}

impl fmt::Display for HeapType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HeapType::Func => f.write_str("func"),
            HeapType::Extern => f.write_str("extern"),
            HeapType::Exn => f.write_str("exn"),
            HeapType::ConcreteFunc(id) => write!(f, "type {}", id.0),
        }
    }
}

/// Parameters and results of a function.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FuncType {
    /// Parameter types, in order.
    pub params: Box<[ValType]>,
    /// Result types, in order.
    pub results: Box<[ValType]>,
}

impl FuncType {
    /// A function type from its parts.
    pub fn new(params: impl Into<Box<[ValType]>>, results: impl Into<Box<[ValType]>>) -> Self {
        Self {
            params: params.into(),
            results: results.into(),
        }
    }

    /// The type with the engine's ids of a module's types in the place of their indexes.
    pub fn with_ids(&self, ids: &[TypeId]) -> Self {
        let list = |types: &[ValType]| types.iter().map(|ty| ty.with_ids(ids)).collect();
        Self {
            params: list(&self.params),
            results: list(&self.results),
        }
    }

    /// The ids of the function types that parameters and results refer to.
    pub fn refers_to(&self) -> impl Iterator<Item = TypeId> + '_ {
        let types = self.params.iter().chain(&self.results);
        types.filter_map(|ty| match ty {
            ValType::Ref(ty) => ty.refers_to(),
            _ => None,
        })
    }
}

impl fmt::Display for FuncType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, types: &[ValType]| {
            f.write_str("(")?;
            for (i, ty) in types.iter().enumerate() {
                write!(f, "{}{ty}", if i == 0 { "" } else { ", " })?;
            }
            f.write_str(")")
        };
        list(f, &self.params)?;
        f.write_str(" -> ")?;
        list(f, &self.results)
    }
}

/// A function type's number in the engine: two types are equal exactly if their ids are, whichever
/// modules they come from, so a signature check is one comparison with an immediate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct TypeId(pub u32);

/// Minimum and optional maximum: pages of a memory or elements of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The size at instantiation.
    pub min: u64,
    /// The size that growing must not exceed.
    pub max: Option<u64>,
}

impl Limits {
    /// The size, if it can't change.
    pub fn fixed(self) -> Option<u64> {
        self.max.filter(|&max| max == self.min)
    }
}

/// The type of a memory's addresses or a table's indexes, and of sizes there. The order is that of
/// widths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IndexKind {
    /// `i32`.
    #[default]
    I32,
    /// `i64`: the memory64 proposal.
    I64,
}

impl IndexKind {
    /// The number of bytes or elements that an index can distinguish, as far as the processor can
    /// address them.
    pub const fn reach(self) -> u64 {
        match self {
            IndexKind::I32 => 1 << 32,
            IndexKind::I64 => 1 << 47,
        }
    }

    /// The kind of values that are indexes.
    #[inline]
    pub const fn kind(self) -> Kind {
        match self {
            IndexKind::I32 => Kind::I32,
            IndexKind::I64 => Kind::I64,
        }
    }

    /// What stands before limits in descriptions of types: nothing for the usual kind.
    pub const fn prefix(self) -> &'static str {
        match self {
            IndexKind::I32 => "",
            IndexKind::I64 => "i64 ",
        }
    }

    /// The index in a value's bits; those above the kind's width are undefined.
    pub const fn zero_extend(self, bits: u64) -> u64 {
        match self {
            IndexKind::I32 => bits as u32 as u64,
            IndexKind::I64 => bits,
        }
    }
}

/// Which threads may access a memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Sharing {
    /// Only the thread that runs the memory's store.
    #[default]
    Private,
    /// Several threads, each by a store of its own.
    Shared,
}

impl Sharing {
    /// What stands before a memory's type in descriptions: nothing for a private one.
    pub const fn prefix(self) -> &'static str {
        match self {
            Sharing::Private => "",
            Sharing::Shared => "shared ",
        }
    }
}

/// Type of a memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryType {
    /// The type of its addresses.
    pub index: IndexKind,
    /// Bytes of a page, as a power of two.
    pub page_shift: u8,
    /// Who may access it.
    pub sharing: Sharing,
    /// Size limits in pages.
    pub limits: Limits,
}

impl MemoryType {
    /// Bytes of a page, as a power of two, unless the type says something else.
    pub const DEFAULT_PAGE_SHIFT: u8 = 16;

    /// A private memory with 32-bit addresses and pages of 64 KiB.
    pub const fn new(limits: Limits) -> Self {
        Self {
            index: IndexKind::I32,
            page_shift: Self::DEFAULT_PAGE_SHIFT,
            sharing: Sharing::Private,
            limits,
        }
    }

    /// Bytes of a page.
    pub const fn page_bytes(&self) -> u64 {
        1 << self.page_shift
    }

    /// The most pages that limits of such a memory can name: what makes as many bytes as there are
    /// indexes, if an index can count them.
    pub const fn most_pages(&self) -> u64 {
        match (self.index, self.page_shift) {
            (IndexKind::I32, 0) => u32::MAX as u64,
            (IndexKind::I32, shift) => 1 << (32 - shift),
            (IndexKind::I64, 0) => u64::MAX,
            (IndexKind::I64, shift) => 1 << (64 - shift),
        }
    }

    /// Whether memories of the two types differ in limits at most: what is needed to import one
    /// where the other is declared.
    pub fn same_but_for_limits(&self, other: &Self) -> bool {
        let limits = self.limits;
        *self == Self { limits, ..*other }
    }
}

/// Type of a table; sizes in elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableType {
    /// The type of its indexes.
    pub index: IndexKind,
    /// What the elements are.
    pub element: RefType,
    /// Size limits in elements.
    pub limits: Limits,
}

impl TableType {
    /// A table with 32-bit indexes.
    pub const fn new(element: RefType, limits: Limits) -> Self {
        Self {
            index: IndexKind::I32,
            element,
            limits,
        }
    }

    /// The greatest length that it can ever have here: [`MAX_TABLE_ELEMENTS`],
    /// or its declared maximum.
    pub fn max_len(&self) -> u64 {
        let max = self.limits.max.unwrap_or(MAX_TABLE_ELEMENTS);
        max.min(MAX_TABLE_ELEMENTS)
    }

    /// Whether tables of the two types differ in limits at most.
    pub fn same_but_for_limits(&self, other: &Self) -> bool {
        let limits = self.limits;
        *self == Self { limits, ..*other }
    }
}

/// Type of a global.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GlobalType {
    /// The value's type.
    pub content: ValType,
    /// Whether `global.set` is allowed.
    pub mutable: bool,
}
