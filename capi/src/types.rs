//! The types of values and items.
//!
//! Types of items are all one Rust type, [`wasm_externtype_t`], so that the conversions between
//! `wasm_functype_t`, `wasm_externtype_t` and the others return the pointer that they get.

use upshift::{
    Engine, ExternType, FuncType, GlobalType, HeapType, MemoryType, Mutability, TableType, TagType,
    ValType,
};

use crate::given;
use crate::vector::Vector;

/// `wasm_valkind_t`, as `wasm.h` and, from `V128` and `EXNREF` on, `upshift.h` number them.
pub(crate) mod kind {
    pub(crate) const I32: u8 = 0;
    pub(crate) const I64: u8 = 1;
    pub(crate) const F32: u8 = 2;
    pub(crate) const F64: u8 = 3;
    pub(crate) const V128: u8 = 4;
    pub(crate) const EXTERNREF: u8 = 128;
    pub(crate) const FUNCREF: u8 = 129;
    pub(crate) const EXNREF: u8 = 130;
}

/// `wasm_externkind_t`.
pub(crate) mod extern_kind {
    pub(crate) const FUNC: u8 = 0;
    pub(crate) const GLOBAL: u8 = 1;
    pub(crate) const TABLE: u8 = 2;
    pub(crate) const MEMORY: u8 = 3;
    pub(crate) const TAG: u8 = 4;
}

/// The kind of a type's values.
pub(crate) fn kind_of(ty: ValType) -> u8 {
    match ty {
        ValType::I32 => kind::I32,
        ValType::I64 => kind::I64,
        ValType::F32 => kind::F32,
        ValType::F64 => kind::F64,
        ValType::V128 => kind::V128,
        ValType::Ref(ty) => match ty.heap_type() {
            HeapType::Extern => kind::EXTERNREF,
            HeapType::Func | HeapType::ConcreteFunc(_) => kind::FUNCREF,
            HeapType::Exn => kind::EXNREF,
        },
    }
}

/// What references of a kind refer to.
///
/// # Errors
///
/// If it is no kind of references.
pub(crate) fn of_kind(kind: u8) -> anyhow::Result<HeapType> {
    Ok(match kind {
        kind::EXTERNREF => HeapType::Extern,
        kind::FUNCREF => HeapType::Func,
        kind::EXNREF => HeapType::Exn,
        other => anyhow::bail!("values of kind {other} are no references"),
    })
}

/// The type of a value.
#[derive(Clone, Copy)]
pub(crate) struct wasm_valtype_t(pub(crate) ValType);

type ValTypes = Vector<Option<Box<wasm_valtype_t>>>;

#[unsafe(no_mangle)]
extern "C" fn wasm_valtype_new(kind: u8) -> Option<Box<wasm_valtype_t>> {
    let ty = match kind {
        kind::I32 => ValType::I32,
        kind::I64 => ValType::I64,
        kind::F32 => ValType::F32,
        kind::F64 => ValType::F64,
        kind::V128 => ValType::V128,
        kind::EXTERNREF => ValType::EXTERNREF,
        kind::FUNCREF => ValType::FUNCREF,
        kind::EXNREF => ValType::EXNREF,
        _ => return None,
    };
    Some(Box::new(wasm_valtype_t(ty)))
}

#[unsafe(no_mangle)]
extern "C" fn wasm_valtype_kind(ty: Option<&wasm_valtype_t>) -> u8 {
    kind_of(given(ty, "type").0)
}

#[unsafe(no_mangle)]
extern "C" fn wasm_valtype_copy(ty: Option<&wasm_valtype_t>) -> Option<Box<wasm_valtype_t>> {
    Some(Box::new(*given(ty, "type")))
}

#[unsafe(no_mangle)]
extern "C" fn wasm_valtype_delete(ty: Option<Box<wasm_valtype_t>>) {
    drop(ty);
}

/// `wasm_limits_t`: no maximum is the largest number, which also stands in for larger ones.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct wasm_limits_t {
    min: u32,
    max: u32,
}

const NO_MAX: u32 = u32::MAX;

impl wasm_limits_t {
    fn new(min: u64, max: Option<u64>) -> Self {
        let clamp = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
        Self {
            min: clamp(min),
            max: max.map_or(NO_MAX, clamp),
        }
    }

    fn max(self) -> Option<u32> {
        (self.max != NO_MAX).then_some(self.max)
    }
}

/// The type of an item, whichever: also `wasm_functype_t`, `wasm_globaltype_t` and so on.
#[derive(Clone)]
pub(crate) struct wasm_externtype_t(Type);

/// A type with what the C API returns pointers to.
#[derive(Clone)]
enum Type {
    Func {
        params: ValTypes,
        results: ValTypes,
    },
    Global {
        content: wasm_valtype_t,
        ty: GlobalType,
    },
    Table {
        element: wasm_valtype_t,
        limits: wasm_limits_t,
        ty: TableType,
    },
    Memory {
        limits: wasm_limits_t,
        ty: MemoryType,
    },
    Tag(Box<wasm_externtype_t>),
}

impl From<&FuncType> for wasm_externtype_t {
    fn from(ty: &FuncType) -> Self {
        let list = |types: &mut dyn Iterator<Item = ValType>| {
            Vector::from_vec(types.map(|ty| Some(Box::new(wasm_valtype_t(ty)))).collect())
        };
        Self(Type::Func {
            params: list(&mut ty.params()),
            results: list(&mut ty.results()),
        })
    }
}

impl From<GlobalType> for wasm_externtype_t {
    fn from(ty: GlobalType) -> Self {
        Self(Type::Global {
            content: wasm_valtype_t(ty.content()),
            ty,
        })
    }
}

impl From<TableType> for wasm_externtype_t {
    fn from(ty: TableType) -> Self {
        Self(Type::Table {
            element: wasm_valtype_t(ValType::Ref(ty.element())),
            limits: wasm_limits_t::new(ty.minimum(), ty.maximum()),
            ty,
        })
    }
}

impl From<MemoryType> for wasm_externtype_t {
    fn from(ty: MemoryType) -> Self {
        let limits = wasm_limits_t::new(ty.minimum(), ty.maximum());
        Self(Type::Memory { limits, ty })
    }
}

impl From<ExternType> for wasm_externtype_t {
    fn from(ty: ExternType) -> Self {
        match ty {
            ExternType::Func(ty) => (&ty).into(),
            ExternType::Global(ty) => ty.into(),
            ExternType::Table(ty) => ty.into(),
            ExternType::Memory(ty) => ty.into(),
            ExternType::Tag(ty) => Self(Type::Tag(Box::new(ty.ty().into()))),
        }
    }
}

/// The most parameters, and the most results, that a function can have.
const MOST_VALUES: usize = 1000;

impl wasm_externtype_t {
    fn kind(&self) -> u8 {
        match self.0 {
            Type::Func { .. } => extern_kind::FUNC,
            Type::Global { .. } => extern_kind::GLOBAL,
            Type::Table { .. } => extern_kind::TABLE,
            Type::Memory { .. } => extern_kind::MEMORY,
            Type::Tag(_) => extern_kind::TAG,
        }
    }

    /// The type of functions that this is.
    ///
    /// # Errors
    ///
    /// If it has more values than functions can have.
    #[track_caller]
    pub(crate) fn func(&self, engine: &Engine) -> anyhow::Result<FuncType> {
        let Type::Func { params, results } = &self.0 else {
            panic!("expected a wasm_functype_t");
        };
        let list = |types: &ValTypes| -> anyhow::Result<Vec<ValType>> {
            let types = types.as_slice();
            anyhow::ensure!(
                types.len() <= MOST_VALUES,
                "a function has at most {MOST_VALUES} parameters and {MOST_VALUES} results"
            );
            let types = types.iter().map(|ty| given(ty.as_ref(), "type").0);
            Ok(types.collect())
        };
        Ok(FuncType::new(engine, list(params)?, list(results)?))
    }

    #[track_caller]
    pub(crate) fn global(&self) -> GlobalType {
        match &self.0 {
            Type::Global { ty, .. } => *ty,
            _ => panic!("expected a wasm_globaltype_t"),
        }
    }

    #[track_caller]
    pub(crate) fn table(&self) -> TableType {
        match &self.0 {
            Type::Table { ty, .. } => *ty,
            _ => panic!("expected a wasm_tabletype_t"),
        }
    }

    #[track_caller]
    pub(crate) fn memory(&self) -> MemoryType {
        match &self.0 {
            Type::Memory { ty, .. } => *ty,
            _ => panic!("expected a wasm_memorytype_t"),
        }
    }

    #[track_caller]
    pub(crate) fn tag(&self, engine: &Engine) -> anyhow::Result<TagType> {
        match &self.0 {
            Type::Tag(ty) => Ok(TagType::new(ty.func(engine)?)),
            _ => panic!("expected a wasm_tagtype_t"),
        }
    }
}

fn boxed(ty: impl Into<wasm_externtype_t>) -> Option<Box<wasm_externtype_t>> {
    Some(Box::new(ty.into()))
}

#[unsafe(no_mangle)]
extern "C" fn wasm_functype_new(
    params: Option<&mut ValTypes>,
    results: Option<&mut ValTypes>,
) -> Option<Box<wasm_externtype_t>> {
    let taken = |types: Option<&mut ValTypes>| types.map_or(Vector::empty(), Vector::take);
    boxed(wasm_externtype_t(Type::Func {
        params: taken(params),
        results: taken(results),
    }))
}

#[unsafe(no_mangle)]
extern "C" fn wasm_functype_params(ty: Option<&wasm_externtype_t>) -> Option<&ValTypes> {
    match &given(ty, "type").0 {
        Type::Func { params, .. } => Some(params),
        _ => panic!("expected a wasm_functype_t"),
    }
}

#[unsafe(no_mangle)]
extern "C" fn wasm_functype_results(ty: Option<&wasm_externtype_t>) -> Option<&ValTypes> {
    match &given(ty, "type").0 {
        Type::Func { results, .. } => Some(results),
        _ => panic!("expected a wasm_functype_t"),
    }
}

#[unsafe(no_mangle)]
extern "C" fn wasm_globaltype_new(
    content: Option<Box<wasm_valtype_t>>,
    mutability: u8,
) -> Option<Box<wasm_externtype_t>> {
    let mutability = match mutability {
        0 => Mutability::Const,
        1 => Mutability::Var,
        _ => return None,
    };
    boxed(GlobalType::new(content?.0, mutability))
}

#[unsafe(no_mangle)]
extern "C" fn wasm_globaltype_content(ty: Option<&wasm_externtype_t>) -> Option<&wasm_valtype_t> {
    match &given(ty, "type").0 {
        Type::Global { content, .. } => Some(content),
        _ => panic!("expected a wasm_globaltype_t"),
    }
}

#[unsafe(no_mangle)]
extern "C" fn wasm_globaltype_mutability(ty: Option<&wasm_externtype_t>) -> u8 {
    match given(ty, "type").global().mutability() {
        Mutability::Const => 0,
        Mutability::Var => 1,
    }
}

#[unsafe(no_mangle)]
extern "C" fn wasm_tabletype_new(
    element: Option<Box<wasm_valtype_t>>,
    limits: Option<&wasm_limits_t>,
) -> Option<Box<wasm_externtype_t>> {
    let limits = given(limits, "limits");
    match element?.0 {
        ValType::Ref(element) => boxed(TableType::new(element, limits.min, limits.max())),
        _ => None,
    }
}

#[unsafe(no_mangle)]
extern "C" fn wasm_tabletype_element(ty: Option<&wasm_externtype_t>) -> Option<&wasm_valtype_t> {
    match &given(ty, "type").0 {
        Type::Table { element, .. } => Some(element),
        _ => panic!("expected a wasm_tabletype_t"),
    }
}

#[unsafe(no_mangle)]
extern "C" fn wasm_tabletype_limits(ty: Option<&wasm_externtype_t>) -> Option<&wasm_limits_t> {
    match &given(ty, "type").0 {
        Type::Table { limits, .. } => Some(limits),
        _ => panic!("expected a wasm_tabletype_t"),
    }
}

#[unsafe(no_mangle)]
extern "C" fn wasm_memorytype_new(
    limits: Option<&wasm_limits_t>,
) -> Option<Box<wasm_externtype_t>> {
    let limits = given(limits, "limits");
    boxed(MemoryType::new(limits.min, limits.max()))
}

#[unsafe(no_mangle)]
extern "C" fn wasm_memorytype_limits(ty: Option<&wasm_externtype_t>) -> Option<&wasm_limits_t> {
    match &given(ty, "type").0 {
        Type::Memory { limits, .. } => Some(limits),
        _ => panic!("expected a wasm_memorytype_t"),
    }
}

#[unsafe(no_mangle)]
extern "C" fn wasm_tagtype_new(
    functype: Option<Box<wasm_externtype_t>>,
) -> Option<Box<wasm_externtype_t>> {
    boxed(wasm_externtype_t(Type::Tag(functype?)))
}

#[unsafe(no_mangle)]
extern "C" fn wasm_tagtype_functype(ty: Option<&wasm_externtype_t>) -> Option<&wasm_externtype_t> {
    match &given(ty, "type").0 {
        Type::Tag(ty) => Some(ty),
        _ => panic!("expected a wasm_tagtype_t"),
    }
}

#[unsafe(no_mangle)]
extern "C" fn wasm_externtype_kind(ty: Option<&wasm_externtype_t>) -> u8 {
    given(ty, "type").kind()
}

/// Defines what each type of items has: copies, deletion, and conversions of pointers.
macro_rules! item_types {
    ($($module:ident $name:literal;)*) => {$(
        mod $module {
            use super::*;

            #[unsafe(export_name = concat!("wasm_", $name, "_copy"))]
            extern "C" fn copy(ty: Option<&wasm_externtype_t>) -> Option<Box<wasm_externtype_t>> {
                Some(Box::new(given(ty, "type").clone()))
            }

            #[unsafe(export_name = concat!("wasm_", $name, "_delete"))]
            extern "C" fn delete(ty: Option<Box<wasm_externtype_t>>) {
                drop(ty);
            }
        }
    )*};
}

item_types! {
    functype "functype";
    globaltype "globaltype";
    tabletype "tabletype";
    memorytype "memorytype";
    tagtype "tagtype";
    externtype "externtype";
}

/// The pointer, if it is to a type of this kind.
///
/// # Safety
///
/// The pointer is NULL or to a type.
unsafe fn as_kind(ty: *mut wasm_externtype_t, kind: u8) -> *mut wasm_externtype_t {
    // SAFETY: the caller's promise.
    match unsafe { ty.as_ref() } {
        Some(found) if found.kind() == kind => ty,
        _ => std::ptr::null_mut(),
    }
}

/// Defines the conversions between the type of one kind of items and that of any. They return the
/// pointer that they get, so that the type can be deleted through either.
macro_rules! conversions {
    ($($module:ident $name:literal $kind:expr;)*) => {$(
        mod $module {
            use super::*;

            #[unsafe(export_name = concat!("wasm_", $name, "_as_externtype"))]
            extern "C" fn up(ty: *mut wasm_externtype_t) -> *mut wasm_externtype_t {
                ty
            }

            #[unsafe(export_name = concat!("wasm_", $name, "_as_externtype_const"))]
            extern "C" fn up_const(ty: *mut wasm_externtype_t) -> *mut wasm_externtype_t {
                ty
            }

            #[unsafe(export_name = concat!("wasm_externtype_as_", $name))]
            unsafe extern "C" fn down(ty: *mut wasm_externtype_t) -> *mut wasm_externtype_t {
                // SAFETY: the caller passes a type or NULL.
                unsafe { as_kind(ty, $kind) }
            }

            #[unsafe(export_name = concat!("wasm_externtype_as_", $name, "_const"))]
            unsafe extern "C" fn down_const(ty: *mut wasm_externtype_t) -> *mut wasm_externtype_t {
                // SAFETY: the caller passes a type or NULL.
                unsafe { as_kind(ty, $kind) }
            }
        }
    )*};
}

conversions! {
    of_functype "functype" extern_kind::FUNC;
    of_globaltype "globaltype" extern_kind::GLOBAL;
    of_tabletype "tabletype" extern_kind::TABLE;
    of_memorytype "memorytype" extern_kind::MEMORY;
    of_tagtype "tagtype" extern_kind::TAG;
}
