//! WebAssembly values whose type is known at run time only.

use upshift_runtime::Store as RawStore;

use crate::{AsContextMut, ExnRef, ExternRef, Func, HeapType, RefType, Result, V128, ValType};

/// A WebAssembly value.
#[derive(Clone, Copy, Debug)]
pub enum Val {
    /// A 32-bit integer.
    I32(i32),
    /// A 64-bit integer.
    I64(i64),
    /// The bits of a 32-bit float.
    F32(u32),
    /// The bits of a 64-bit float.
    F64(u64),
    /// A 128-bit vector.
    V128(V128),
    /// A reference to a function, or null.
    FuncRef(Option<Func>),
    /// A reference to an embedder's value, or null.
    ExternRef(Option<ExternRef>),
    /// A reference to an exception, or null.
    ExnRef(Option<ExnRef>),
}

/// A reference value, the element of a table.
#[derive(Clone, Copy, Debug)]
pub enum Ref {
    /// A reference to a function, or null.
    Func(Option<Func>),
    /// A reference to an embedder's value, or null.
    Extern(Option<ExternRef>),
    /// A reference to an exception, or null.
    Exn(Option<ExnRef>),
}

impl Val {
    /// The value's type; of any reference to a function, [`ValType::FUNCREF`].
    pub fn ty(&self) -> ValType {
        match self {
            Val::I32(_) => ValType::I32,
            Val::I64(_) => ValType::I64,
            Val::F32(_) => ValType::F32,
            Val::F64(_) => ValType::F64,
            Val::V128(_) => ValType::V128,
            Val::FuncRef(_) => ValType::FUNCREF,
            Val::ExternRef(_) => ValType::EXTERNREF,
            Val::ExnRef(_) => ValType::EXNREF,
        }
    }

    /// The zero or null value of the type. A type of references that are never null has no such
    /// value; null stands in for it, and is refused where the value is used.
    pub fn default_for_ty(ty: ValType) -> Self {
        match ty {
            ValType::I32 => Val::I32(0),
            ValType::I64 => Val::I64(0),
            ValType::F32 => Val::F32(0),
            ValType::F64 => Val::F64(0),
            ValType::V128 => Val::V128(V128::from(0)),
            ValType::Ref(ty) => Ref::null(ty).into(),
        }
    }

    /// The reference, if the value is one.
    pub fn as_ref(&self) -> Option<Ref> {
        match *self {
            Val::FuncRef(func) => Some(Ref::Func(func)),
            Val::ExternRef(value) => Some(Ref::Extern(value)),
            Val::ExnRef(exception) => Some(Ref::Exn(exception)),
            _ => None,
        }
    }

    /// Whether the value can be used with the store.
    pub(crate) fn belongs_to(&self, store: &RawStore) -> bool {
        match self {
            Val::FuncRef(Some(func)) => func.0.belongs_to(store),
            Val::ExternRef(Some(value)) => value.belongs_to(store),
            Val::ExnRef(Some(exception)) => exception.belongs_to(store),
            _ => true,
        }
    }

    /// Checks the type and the store of a value that the embedder passes in; `what` names it in
    /// errors.
    pub(crate) fn check(&self, store: &RawStore, ty: ValType, what: &str) -> Result<()> {
        assert!(
            self.belongs_to(store),
            "{what} is a reference of another store"
        );
        let fits = match (self.as_ref(), ty) {
            (Some(value), ValType::Ref(ty)) => value.matches(store, ty),
            _ => self.ty() == ty,
        };
        if !fits {
            let found = match self.as_ref() {
                Some(value) => ValType::Ref(value.type_in(store)),
                None => self.ty(),
            };
            anyhow::bail!("{what} type mismatch: expected {ty}, found {found}");
        }
        Ok(())
    }
}

macro_rules! val_accessors {
    ($($variant:ident $get:ident $unwrap:ident $ty:ty, $value:ident => $convert:expr;)*) => {
        impl Val {$(
            #[doc = concat!("The value, if it is of type `", stringify!($variant), "`.")]
            pub fn $get(&self) -> Option<$ty> {
                match *self { Val::$variant($value) => Some($convert), _ => None }
            }

            #[doc = concat!(
                "The value.\n\n# Panics\n\nIf it is not of type `", stringify!($variant), "`."
            )]
            #[track_caller]
            pub fn $unwrap(&self) -> $ty {
                self.$get().expect(concat!("expected ", stringify!($variant)))
            }
        )*}
    };
}

val_accessors! {
    I32 i32 unwrap_i32 i32, value => value;
    I64 i64 unwrap_i64 i64, value => value;
    F32 f32 unwrap_f32 f32, bits => f32::from_bits(bits);
    F64 f64 unwrap_f64 f64, bits => f64::from_bits(bits);
    V128 v128 unwrap_v128 V128, value => value;
    FuncRef func_ref unwrap_func_ref Option<Func>, func => func;
    ExternRef extern_ref unwrap_extern_ref Option<ExternRef>, value => value;
    ExnRef exn_ref unwrap_exn_ref Option<ExnRef>, exception => exception;
}

macro_rules! val_from {
    ($($ty:ty, $value:ident => $make:expr;)*) => {$(
        impl From<$ty> for Val {
            fn from($value: $ty) -> Self {
                $make
            }
        }
    )*};
}

val_from! {
    i32, value => Val::I32(value);
    i64, value => Val::I64(value);
    f32, value => Val::F32(value.to_bits());
    f64, value => Val::F64(value.to_bits());
    V128, value => Val::V128(value);
    Func, func => Val::FuncRef(Some(func));
    Option<Func>, func => Val::FuncRef(func);
    ExternRef, value => Val::ExternRef(Some(value));
    Option<ExternRef>, value => Val::ExternRef(value);
    ExnRef, exception => Val::ExnRef(Some(exception));
    Option<ExnRef>, exception => Val::ExnRef(exception);
}

impl From<Ref> for Val {
    fn from(value: Ref) -> Self {
        match value {
            Ref::Func(func) => Val::FuncRef(func),
            Ref::Extern(value) => Val::ExternRef(value),
            Ref::Exn(exception) => Val::ExnRef(exception),
        }
    }
}

impl Ref {
    /// The null reference of the type.
    pub fn null(ty: RefType) -> Self {
        match ty.heap_type() {
            HeapType::Func | HeapType::ConcreteFunc(_) => Ref::Func(None),
            HeapType::Extern => Ref::Extern(None),
            HeapType::Exn => Ref::Exn(None),
        }
    }

    /// Whether the reference is null.
    pub fn is_null(&self) -> bool {
        matches!(self, Ref::Func(None) | Ref::Extern(None) | Ref::Exn(None))
    }

    /// Whether the reference, one of this store, is a value of the type.
    pub(crate) fn matches(&self, store: &RawStore, ty: RefType) -> bool {
        match self.is_null() {
            true => ty.is_nullable() && ty.matches(self.ty()),
            false => self.type_in(store).matches(ty),
        }
    }

    /// The least type of the reference, one of this store.
    fn type_in(&self, store: &RawStore) -> RefType {
        match self {
            Ref::Func(Some(func)) => func.ref_type(store),
            Ref::Extern(Some(_)) => RefType::new(false, HeapType::Extern),
            Ref::Exn(Some(_)) => RefType::new(false, HeapType::Exn),
            Ref::Func(None) | Ref::Extern(None) | Ref::Exn(None) => self.ty(),
        }
    }

    /// The reference's type; of any reference to a function, [`RefType::FUNCREF`].
    pub fn ty(&self) -> RefType {
        match self {
            Ref::Func(_) => RefType::FUNCREF,
            Ref::Extern(_) => RefType::EXTERNREF,
            Ref::Exn(_) => RefType::EXNREF,
        }
    }

    /// The function, if the reference is to one and not null.
    pub fn as_func(&self) -> Option<&Func> {
        match self {
            Ref::Func(func) => func.as_ref(),
            Ref::Extern(_) | Ref::Exn(_) => None,
        }
    }
}

impl From<Func> for Ref {
    fn from(func: Func) -> Self {
        Ref::Func(Some(func))
    }
}

impl From<ExternRef> for Ref {
    fn from(value: ExternRef) -> Self {
        Ref::Extern(Some(value))
    }
}

impl From<ExnRef> for Ref {
    fn from(exception: ExnRef) -> Self {
        Ref::Exn(Some(exception))
    }
}

/// The runtime's store behind `store`, for one-line methods.
pub(crate) fn raw_mut<S: AsContextMut>(store: &mut S) -> &mut RawStore {
    store.as_context_mut().raw
}
