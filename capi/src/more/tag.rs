//! Tags, and exceptions that host functions throw and hosts catch.

use upshift::{AsContextMut, ExnRef, RootScope, Tag};

use super::error::{Failure, finish};
use crate::given;
use crate::refs::{Object, wasm_ref_t};
use crate::store::wasm_store_t;
use crate::trap::{error_of, original, trap};
use crate::types::wasm_externtype_t;
use crate::value::wasm_val_t;
use crate::vector::{Out, Vector, put};

impl wasm_ref_t {
    #[track_caller]
    fn tag(&self) -> Tag {
        match &self.object {
            Object::Tag(tag) => *tag,
            _ => panic!("expected a wasm_tag_t"),
        }
    }
}

#[unsafe(no_mangle)]
extern "C" fn wasm_tag_new(
    store: Option<&wasm_store_t>,
    ty: Option<&wasm_externtype_t>,
) -> Option<Box<wasm_ref_t>> {
    let store = &given(store, "store").0;
    let ty = given(ty, "type").tag(store.engine()).ok()?;
    let tag = store.with(|context| Tag::new(context, &ty)).ok()?;
    Some(wasm_ref_t::of(store, Object::Tag(tag)))
}

#[unsafe(no_mangle)]
extern "C" fn wasm_tag_type(tag: Option<&wasm_ref_t>) -> Option<Box<wasm_externtype_t>> {
    let reference = given(tag, "tag");
    let tag = reference.tag();
    let ty = reference.store().with(|context| tag.ty(context));
    Some(Box::new(upshift::ExternType::from(ty).into()))
}

#[unsafe(no_mangle)]
extern "C" fn upshift_exception_new(
    tag: Option<&wasm_ref_t>,
    values: Option<&Vector<wasm_val_t>>,
    out: Out<'_, Option<Box<wasm_ref_t>>>,
) -> Failure {
    let reference = given(tag, "tag");
    let (store, tag) = (reference.store(), reference.tag());
    let values = values.map_or(&[][..], Vector::as_slice);
    let thrown = store.with(|context| {
        let mut scope = RootScope::new(context);
        let ty = tag.ty(&scope);
        let mut fields = Vec::with_capacity(values.len());
        for (value, ty) in values.iter().zip(ty.ty().params()) {
            fields.push(value.to_val(ty, store, &mut scope)?);
        }
        // Too few or too many values are an error of this.
        fields.resize(values.len(), upshift::Val::I32(0));
        let exception = ExnRef::new(&mut scope, &tag, &fields)?;
        anyhow::Ok(scope.as_context_mut().throw::<()>(exception))
    });
    finish(thrown.map(|thrown| thrown.err().map(trap)), out)
}

#[unsafe(no_mangle)]
extern "C" fn upshift_trap_exception(
    trap: Option<&wasm_ref_t>,
    store: Option<&wasm_store_t>,
    tag: Out<'_, Option<Box<wasm_ref_t>>>,
    values: Out<'_, Vector<wasm_val_t>>,
) -> bool {
    if !original(error_of(trap)).is::<upshift::ThrownException>() {
        return false;
    }
    let store = &given(store, "store").0;
    let found = store.with(|context| {
        let mut scope = RootScope::new(context);
        let exception = scope.as_context_mut().take_pending_exception()?;
        let found = exception.tag(&mut scope).ok()?;
        let mut fields = Vec::new();
        for field in exception.fields(&mut scope).ok()? {
            fields.push(wasm_val_t::from_val(field, store, scope.as_context_mut()).ok()?);
        }
        Some((found, fields))
    });
    let Some((found, fields)) = found else {
        return false;
    };
    put(tag, Some(wasm_ref_t::of(store, Object::Tag(found))));
    put(values, Vector::from_vec(fields));
    true
}
