//! Linkers: imports by name.

use std::ffi::{c_char, c_void};

use anyhow::{Result, ensure};
use upshift::{Instance, Linker, Module};

use super::call::{Callback, deliver, host};
use super::error::{Failure, divide, failure};
use super::text;
use crate::func::check_values;
use crate::given;
use crate::module::module;
use crate::refs::{Object, wasm_ref_t};
use crate::store::{Data, Finalizer, HostData, StoreRef, wasm_engine_t, wasm_store_t};
use crate::types::wasm_externtype_t;
use crate::vector::Out;

/// A linker.
#[derive(Clone)]
pub(crate) struct upshift_linker_t {
    linker: Linker<Data>,
    /// The store of the items that it contains, if there are any.
    store: Option<StoreRef>,
}

impl upshift_linker_t {
    /// Ties the linker to the store of an item that it gets.
    fn tie(&mut self, store: &StoreRef) -> Result<()> {
        self.check(store)?;
        self.store = Some(store.clone());
        Ok(())
    }

    /// Checks that the linker's items can be used in a store.
    fn check(&self, store: &StoreRef) -> Result<()> {
        let fits = self.store.as_ref().is_none_or(|own| own == store);
        ensure!(fits, "the linker contains items of another store");
        Ok(())
    }

    pub(super) fn linker_mut(&mut self) -> &mut Linker<Data> {
        &mut self.linker
    }

    fn instantiate(&self, store: &StoreRef, module: &Module) -> Result<Instance> {
        self.check(store)?;
        // A host function that the start function calls may delete linker, module and store.
        let (store, module) = (store.clone(), module.clone());
        let ready = self.linker.instantiate_pre(&module)?;
        store.with(|context| ready.instantiate(context))
    }
}

#[unsafe(no_mangle)]
extern "C" fn upshift_linker_new(engine: Option<&wasm_engine_t>) -> Option<Box<upshift_linker_t>> {
    Some(Box::new(upshift_linker_t {
        linker: Linker::new(&given(engine, "engine").0),
        store: None,
    }))
}

#[unsafe(no_mangle)]
extern "C" fn upshift_linker_copy(
    linker: Option<&upshift_linker_t>,
) -> Option<Box<upshift_linker_t>> {
    Some(Box::new(linker?.clone()))
}

#[unsafe(no_mangle)]
extern "C" fn upshift_linker_delete(linker: Option<Box<upshift_linker_t>>) {
    drop(linker);
}

#[unsafe(no_mangle)]
extern "C" fn upshift_linker_allow_shadowing(linker: Option<&mut upshift_linker_t>, allow: bool) {
    given(linker, "linker").linker.allow_shadowing(allow);
}

#[unsafe(no_mangle)]
unsafe extern "C" fn upshift_linker_define(
    linker: Option<&mut upshift_linker_t>,
    module: *const c_char,
    name: *const c_char,
    item: Option<&wasm_ref_t>,
) -> Failure {
    let (linker, reference) = (given(linker, "linker"), given(item, "extern"));
    // SAFETY: the caller passes text that ends with a NUL.
    let (module, name) = unsafe { (text(module, "module"), text(name, "name")) };
    let define = || {
        let (module, name) = (module?, name?);
        let store = reference.store();
        linker.tie(store)?;
        let (linker, item) = (&mut linker.linker, reference.as_extern());
        store.with(|context| linker.define(context, module, name, item).map(drop))
    };
    failure(define())
}

#[unsafe(no_mangle)]
unsafe extern "C" fn upshift_linker_define_func(
    linker: Option<&mut upshift_linker_t>,
    module: *const c_char,
    name: *const c_char,
    ty: Option<&wasm_externtype_t>,
    callback: Option<Callback>,
    env: *mut c_void,
    finalizer: Option<Finalizer>,
) -> Failure {
    let env = HostData::new(env, finalizer);
    let linker = &mut given(linker, "linker").linker;
    // SAFETY: the caller passes text that ends with a NUL.
    let (module, name) = unsafe { (text(module, "module"), text(name, "name")) };
    let callback = given(callback, "callback");
    let define = || {
        let ty = given(ty, "type").func(linker.engine())?;
        check_values(&ty)?;
        let host = host(ty.clone(), callback, env);
        linker.func_new(module?, name?, ty, host).map(drop)
    };
    failure(define())
}

#[unsafe(no_mangle)]
unsafe extern "C" fn upshift_linker_define_instance(
    linker: Option<&mut upshift_linker_t>,
    name: *const c_char,
    instance: Option<&wasm_ref_t>,
) -> Failure {
    let (linker, reference) = (given(linker, "linker"), given(instance, "instance"));
    // SAFETY: the caller passes text that ends with a NUL.
    let name = unsafe { text(name, "name") };
    let define = || {
        let (store, instance) = (reference.store(), reference.instance());
        linker.tie(store)?;
        let (name, linker) = (name?, &mut linker.linker);
        store.with(|context| linker.instance(context, name, instance).map(drop))
    };
    failure(define())
}

#[unsafe(no_mangle)]
extern "C" fn upshift_linker_define_unknown_imports_as_traps(
    linker: Option<&mut upshift_linker_t>,
    of: Option<&wasm_ref_t>,
) -> Failure {
    let linker = &mut given(linker, "linker").linker;
    failure(linker.define_unknown_imports_as_traps(module(of)))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn upshift_linker_module(
    linker: Option<&mut upshift_linker_t>,
    store: Option<&wasm_store_t>,
    name: *const c_char,
    of: Option<&wasm_ref_t>,
    trap: Out<'_, Option<Box<wasm_ref_t>>>,
) -> Failure {
    let linker = given(linker, "linker");
    let (store, module) = (given(store, "store").0.clone(), module(of).clone());
    // SAFETY: the caller passes text that ends with a NUL.
    let name = unsafe { text(name, "name") };
    let define = || {
        linker.tie(&store)?;
        let (name, linker) = (name?, &mut linker.linker);
        store.with(|context| linker.module(context, name, &module).map(drop))
    };
    divide(define(), trap)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn upshift_linker_get(
    linker: Option<&upshift_linker_t>,
    store: Option<&wasm_store_t>,
    module: *const c_char,
    name: *const c_char,
) -> Option<Box<wasm_ref_t>> {
    let (linker, store) = (given(linker, "linker"), &given(store, "store").0);
    // SAFETY: the caller passes text that ends with a NUL.
    let (module, name) = unsafe { (text(module, "module").ok()?, text(name, "name").ok()?) };
    linker.check(store).ok()?;
    let item = store.with(|context| linker.linker.get(context, module, name))?;
    Some(wasm_ref_t::of(store, item.into()))
}

#[unsafe(no_mangle)]
extern "C" fn upshift_linker_instantiate(
    linker: Option<&upshift_linker_t>,
    store: Option<&wasm_store_t>,
    of: Option<&wasm_ref_t>,
    out: Out<'_, Option<Box<wasm_ref_t>>>,
    trap: Out<'_, Option<Box<wasm_ref_t>>>,
) -> Failure {
    let store = given(store, "store").0.clone();
    let instance = given(linker, "linker").instantiate(&store, module(of));
    let instance = instance.map(|found| wasm_ref_t::of(&store, Object::Instance(found)));
    deliver(instance, out, trap)
}

#[cfg(feature = "wasi")]
#[unsafe(no_mangle)]
extern "C" fn upshift_linker_define_wasi(linker: Option<&mut upshift_linker_t>) -> Failure {
    let linker = &mut given(linker, "linker").linker;
    failure(upshift::wasi::add_to_linker(linker, super::wasi::context))
}
