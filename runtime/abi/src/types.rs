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
    /// A nullable reference.
    Ref(RefType),
}

/// The reference types: each value is one machine word, null is zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RefType {
    /// A pointer to a [`VmFuncRef`](crate::vmctx::VmFuncRef).
    Func,
    /// An opaque word that the embedder gave out.
    Extern,
}

impl ValType {
    /// A nullable reference to a function.
    pub const FUNCREF: Self = ValType::Ref(RefType::Func);
    /// A nullable reference to an embedder's value.
    pub const EXTERNREF: Self = ValType::Ref(RefType::Extern);

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
    /// Converts wasmparser's reference type; `None` for one outside the supported standard.
    pub fn from_wasm(ty: wasmparser::RefType) -> Option<Self> {
        if ty == wasmparser::RefType::FUNCREF {
            Some(RefType::Func)
        } else if ty == wasmparser::RefType::EXTERNREF {
            Some(RefType::Extern)
        } else {
            None
        }
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
        f.write_str(match self {
            RefType::Func => "funcref",
            RefType::Extern => "externref",
        })
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
    /// Several threads: the threads proposal, which validation refuses so far.
    Shared,
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
