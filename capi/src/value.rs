//! Values, and what they are to the engine.

use upshift::{AsContextMut, ExternRef, HeapType, Ref, Result, StoreContextMut, Val, ValType};

use crate::refs::{Object, wasm_ref_t};
use crate::store::{Data, StoreRef};
use crate::types::{kind, kind_of};
use crate::vector::{Out, put};

/// A value: a kind and a number, or a reference that it owns.
#[repr(C)]
pub(crate) struct wasm_val_t {
    kind: u8,
    of: Payload,
}

#[repr(C)]
#[derive(Clone, Copy)]
union Payload {
    i32: i32,
    i64: i64,
    f32: u32,
    f64: u64,
    reference: *mut wasm_ref_t,
}

impl wasm_val_t {
    fn number(kind: u8, of: Payload) -> Self {
        Self { kind, of }
    }

    /// A value that owns a reference, or is null.
    fn reference(kind: u8, reference: Option<Box<wasm_ref_t>>) -> Self {
        let reference = reference.map_or(std::ptr::null_mut(), Box::into_raw);
        Self {
            kind,
            of: Payload { reference },
        }
    }

    fn is_ref(&self) -> bool {
        self.kind >= kind::EXTERNREF
    }

    /// The reference; `None` if it is null or the value is a number.
    fn as_ref(&self) -> Option<&wasm_ref_t> {
        if !self.is_ref() {
            return None;
        }
        // SAFETY: a value of such a kind owns a reference or is null.
        unsafe { self.of.reference.as_ref() }
    }

    /// The zero or null of a type.
    pub(crate) fn default_for(ty: ValType) -> Self {
        match ty {
            ValType::Ref(_) => Self::reference(kind_of(ty), None),
            _ => Self::number(kind_of(ty), Payload { i64: 0 }),
        }
    }

    /// The value for a place of the type in the store. An external reference lives as long as the
    /// scope of `context`.
    ///
    /// # Errors
    ///
    /// If the value is of another type, or belongs to another store.
    pub(crate) fn to_val(
        &self,
        ty: ValType,
        store: &StoreRef,
        context: impl AsContextMut<Data = Data>,
    ) -> Result<Val> {
        if let ValType::Ref(ty) = ty
            && self.is_ref()
        {
            return Ok(to_ref(self.as_ref(), ty.heap_type(), store, context)?.into());
        }
        // SAFETY: a value of each of these kinds has that number.
        let val = unsafe {
            match self.kind {
                kind::I32 => Val::I32(self.of.i32),
                kind::I64 => Val::I64(self.of.i64),
                kind::F32 => Val::F32(self.of.f32),
                kind::F64 => Val::F64(self.of.f64),
                other => anyhow::bail!("expected a value of type {ty}, not one of kind {other}"),
            }
        };
        anyhow::ensure!(
            val.ty() == ty,
            "expected a value of type {ty}, not {}",
            val.ty()
        );
        Ok(val)
    }

    /// The engine's value, as C sees it.
    ///
    /// # Errors
    ///
    /// If C can't see it: vectors and exceptions.
    pub(crate) fn from_val(
        val: Val,
        store: &StoreRef,
        context: StoreContextMut<'_, Data>,
    ) -> Result<Self> {
        Ok(match val {
            Val::I32(i32) => Self::number(kind::I32, Payload { i32 }),
            Val::I64(i64) => Self::number(kind::I64, Payload { i64 }),
            Val::F32(f32) => Self::number(kind::F32, Payload { f32 }),
            Val::F64(f64) => Self::number(kind::F64, Payload { f64 }),
            Val::V128(_) => anyhow::bail!("a wasm_val_t can't contain a v128"),
            Val::FuncRef(_) | Val::ExternRef(_) | Val::ExnRef(_) => {
                let reference = val.as_ref().expect("a reference");
                Self::reference(kind_of(val.ty()), from_ref(reference, store, context)?)
            }
        })
    }
}

/// The reference for a place of references to such objects.
///
/// # Errors
///
/// As [`wasm_val_t::to_val`].
pub(crate) fn to_ref(
    reference: Option<&wasm_ref_t>,
    ty: HeapType,
    store: &StoreRef,
    context: impl AsContextMut<Data = Data>,
) -> Result<Ref> {
    if let Some(reference) = reference {
        anyhow::ensure!(
            reference.is_usable_in(store),
            "the reference belongs to another store"
        );
    }
    Ok(match (ty, reference.map(|reference| &reference.object)) {
        (HeapType::Func | HeapType::ConcreteFunc(_), None) => Ref::Func(None),
        (HeapType::Func | HeapType::ConcreteFunc(_), Some(Object::Func(func))) => {
            Ref::Func(Some(*func))
        }
        (HeapType::Func | HeapType::ConcreteFunc(_), Some(_)) => {
            anyhow::bail!("expected a reference to a function")
        }
        (HeapType::Extern, None) => Ref::Extern(None),
        (HeapType::Extern, Some(object)) => {
            Ref::Extern(Some(ExternRef::new(context, object.clone())))
        }
        (HeapType::Exn, None) => Ref::Exn(None),
        (HeapType::Exn, Some(_)) => anyhow::bail!("expected a reference to an exception"),
    })
}

/// The engine's reference, as C sees it; `None` is null.
///
/// # Errors
///
/// If C can't see it: exceptions, and external references that Rust code has made.
pub(crate) fn from_ref(
    reference: Ref,
    store: &StoreRef,
    mut context: StoreContextMut<'_, Data>,
) -> Result<Option<Box<wasm_ref_t>>> {
    Ok(match reference {
        Ref::Func(None) | Ref::Extern(None) | Ref::Exn(None) => None,
        Ref::Func(Some(func)) => Some(wasm_ref_t::of(store, Object::Func(func))),
        Ref::Extern(Some(value)) => {
            let object = value.data(&mut context).downcast_ref::<Object>();
            let object = object.ok_or_else(|| anyhow::anyhow!("not a reference of the C API"))?;
            Some(wasm_ref_t::of(store, object.clone()))
        }
        Ref::Exn(Some(_)) => anyhow::bail!("a wasm_ref_t can't refer to an exception"),
    })
}

impl Clone for wasm_val_t {
    fn clone(&self) -> Self {
        match self.as_ref() {
            Some(reference) => Self::reference(self.kind, Some(Box::new(reference.clone()))),
            None => Self::number(self.kind, self.of),
        }
    }
}

impl Drop for wasm_val_t {
    fn drop(&mut self) {
        if self.is_ref() {
            // SAFETY: a value of such a kind owns a reference or is null. It is dropped once.
            let reference = unsafe { self.of.reference };
            if !reference.is_null() {
                // SAFETY: as above.
                drop(unsafe { Box::from_raw(reference) });
            }
        }
    }
}

#[unsafe(no_mangle)]
extern "C" fn wasm_val_copy(out: Out<'_, wasm_val_t>, value: Option<&wasm_val_t>) {
    put(out, crate::given(value, "value").clone());
}

#[unsafe(no_mangle)]
extern "C" fn wasm_val_delete(value: Option<&mut wasm_val_t>) {
    // A second deletion finds null.
    let null = wasm_val_t::reference(kind::EXTERNREF, None);
    drop(value.map(|value| std::mem::replace(value, null)));
}
