//! Value types, function types and the limits of memories and tables.

use std::fmt;

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

    /// Whether values live in general-purpose registers (integers and references).
    pub const fn is_int_class(self) -> bool {
        matches!(self, ValType::I32 | ValType::I64 | ValType::Ref(_))
    }

    /// Whether a value needs all 64 bits of its register or slot.
    pub const fn is_64(self) -> bool {
        matches!(self, ValType::I64 | ValType::F64 | ValType::Ref(_))
    }

    /// Translates wasmparser's type; `None` for one outside the supported standard, which
    /// validation has refused with the feature's name before anyone asks.
    pub fn from_wasm(ty: wasmparser::ValType) -> Option<Self> {
        Some(match ty {
            wasmparser::ValType::I32 => ValType::I32,
            wasmparser::ValType::I64 => ValType::I64,
            wasmparser::ValType::F32 => ValType::F32,
            wasmparser::ValType::F64 => ValType::F64,
            wasmparser::ValType::Ref(ty) => ValType::Ref(RefType::from_wasm(ty)?),
            wasmparser::ValType::V128 => return None,
        })
    }
}

impl RefType {
    /// Translates wasmparser's reference type; `None` for one outside the supported standard.
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

/// Type of a memory; sizes in pages of 64 KiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryType {
    /// Size limits in pages.
    pub limits: Limits,
}

/// Type of a table; sizes in elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableType {
    /// What the elements are.
    pub element: RefType,
    /// Size limits in elements.
    pub limits: Limits,
}

/// Type of a global.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GlobalType {
    /// The value's type.
    pub content: ValType,
    /// Whether `global.set` is allowed.
    pub mutable: bool,
}
