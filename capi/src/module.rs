//! Modules. They belong to an engine, not to a store, so that sharing one is copying it.

use std::sync::Arc;

use upshift::{Engine, Module, Result};

use crate::given;
use crate::import::{wasm_exporttype_t, wasm_importtype_t};
use crate::refs::{Info, Object, wasm_ref_t};
use crate::store::wasm_store_t;
use crate::vector::{Bytes, Out, Vector, put};

/// What references to a module share.
pub(crate) struct ModuleObject {
    pub(crate) module: Module,
    pub(crate) info: Info,
}

/// A reference to a module.
pub(crate) fn reference(module: Module) -> Box<wasm_ref_t> {
    wasm_ref_t::free(Object::Module(Arc::new(ModuleObject {
        module,
        info: Info::default(),
    })))
}

#[track_caller]
pub(crate) fn module(module: Option<&wasm_ref_t>) -> &Module {
    match &given(module, "module").object {
        Object::Module(object) => &object.module,
        _ => panic!("expected a wasm_module_t"),
    }
}

#[unsafe(no_mangle)]
extern "C" fn wasm_module_new(
    store: Option<&wasm_store_t>,
    binary: Option<&Bytes>,
) -> Option<Box<wasm_ref_t>> {
    let engine = given(store, "store").0.engine();
    let module = Module::from_binary(engine, given(binary, "binary").as_slice());
    Some(reference(module.ok()?))
}

#[unsafe(no_mangle)]
extern "C" fn wasm_module_validate(store: Option<&wasm_store_t>, binary: Option<&Bytes>) -> bool {
    let engine = given(store, "store").0.engine();
    Module::validate(engine, given(binary, "binary").as_slice()).is_ok()
}

#[unsafe(no_mangle)]
extern "C" fn wasm_module_imports(
    of: Option<&wasm_ref_t>,
    out: Out<'_, Vector<Option<Box<wasm_importtype_t>>>>,
) {
    let imports = module(of).imports();
    let imports = imports.map(|import| Some(Box::new(import.into())));
    put(out, Vector::from_vec(imports.collect()));
}

#[unsafe(no_mangle)]
extern "C" fn wasm_module_exports(
    of: Option<&wasm_ref_t>,
    out: Out<'_, Vector<Option<Box<wasm_exporttype_t>>>>,
) {
    let exports = module(of).exports();
    let exports = exports.map(|export| Some(Box::new(export.into())));
    put(out, Vector::from_vec(exports.collect()));
}

#[unsafe(no_mangle)]
extern "C" fn wasm_module_serialize(of: Option<&wasm_ref_t>, out: Out<'_, Bytes>) {
    let bytes = module(of).serialize().unwrap_or_default();
    put(out, Bytes::from_slice(&bytes));
}

/// A module from its serialized form.
///
/// # Safety
///
/// The bytes are that of a module, unchanged.
pub(crate) unsafe fn deserialize(engine: &Engine, bytes: &[u8]) -> Result<Box<wasm_ref_t>> {
    // SAFETY: the caller's promise.
    let module = unsafe { Module::deserialize(engine, bytes) };
    Ok(reference(module?))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn wasm_module_deserialize(
    store: Option<&wasm_store_t>,
    bytes: Option<&Bytes>,
) -> Option<Box<wasm_ref_t>> {
    let engine = given(store, "store").0.engine();
    // SAFETY: the header demands it.
    unsafe { deserialize(engine, given(bytes, "bytes").as_slice()) }.ok()
}

/// A module that any thread may obtain for its store.
pub(crate) struct wasm_shared_module_t(Module);

#[unsafe(no_mangle)]
extern "C" fn wasm_module_share(of: Option<&wasm_ref_t>) -> Option<Box<wasm_shared_module_t>> {
    Some(Box::new(wasm_shared_module_t(module(of).clone())))
}

#[unsafe(no_mangle)]
extern "C" fn wasm_module_obtain(
    store: Option<&wasm_store_t>,
    shared: Option<&wasm_shared_module_t>,
) -> Option<Box<wasm_ref_t>> {
    let module = &given(shared, "shared").0;
    let same = Engine::same(given(store, "store").0.engine(), module.engine());
    same.then(|| reference(module.clone()))
}

#[unsafe(no_mangle)]
extern "C" fn wasm_shared_module_delete(shared: Option<Box<wasm_shared_module_t>>) {
    drop(shared);
}
