//! Instances, and the items that they import and export.

use anyhow::{Result, ensure};
use upshift::{Instance, Module};

use crate::given;
use crate::module::module;
use crate::refs::{Object, wasm_ref_t};
use crate::store::{StoreRef, wasm_store_t};
use crate::trap::trap;
use crate::types::wasm_externtype_t;
use crate::vector::{Out, Vector, put};

type Externs = Vector<Option<Box<wasm_ref_t>>>;

impl wasm_ref_t {
    #[track_caller]
    pub(crate) fn instance(&self) -> Instance {
        match &self.object {
            Object::Instance(instance) => *instance,
            _ => panic!("expected a wasm_instance_t"),
        }
    }
}

/// An instance of a module with these imports.
pub(crate) fn instantiate<'a>(
    store: &StoreRef,
    module: &Module,
    imports: impl ExactSizeIterator<Item = Option<&'a wasm_ref_t>>,
) -> Result<Box<wasm_ref_t>> {
    // A host function that the start function calls may delete the store.
    let (store, module) = (store.clone(), module.clone());
    let mut items = Vec::with_capacity(imports.len());
    for import in imports {
        let import = given(import, "import");
        ensure!(
            import.is_usable_in(&store),
            "an import belongs to another store"
        );
        items.push(import.as_extern());
    }
    let instance = store.with(|context| Instance::new(context, &module, &items))?;
    Ok(wasm_ref_t::of(&store, Object::Instance(instance)))
}

#[unsafe(no_mangle)]
extern "C" fn wasm_instance_new(
    store: Option<&wasm_store_t>,
    of: Option<&wasm_ref_t>,
    imports: Option<&Externs>,
    failure: Out<'_, Option<Box<wasm_ref_t>>>,
) -> Option<Box<wasm_ref_t>> {
    let imports = imports.map_or(&[][..], Vector::as_slice);
    let imports = imports.iter().map(Option::as_deref);
    let (instance, error) = match instantiate(&given(store, "store").0, module(of), imports) {
        Ok(instance) => (Some(instance), None),
        Err(error) => (None, Some(trap(error))),
    };
    if let Some(failure) = failure {
        failure.write(error);
    }
    instance
}

#[unsafe(no_mangle)]
extern "C" fn wasm_instance_exports(instance: Option<&wasm_ref_t>, out: Out<'_, Externs>) {
    let reference = given(instance, "instance");
    let (store, instance) = (reference.store(), reference.instance());
    let exports = store.with(|mut context| {
        let exports = instance.exports(&mut context);
        let items = exports.map(|export| export.into_extern());
        let items = items.map(|item| Some(wasm_ref_t::of(store, item.into())));
        items.collect::<Vec<_>>()
    });
    put(out, Vector::from_vec(exports));
}

#[unsafe(no_mangle)]
extern "C" fn wasm_extern_kind(item: Option<&wasm_ref_t>) -> u8 {
    let kind = given(item, "extern").extern_kind();
    kind.expect("expected a wasm_extern_t")
}

#[unsafe(no_mangle)]
extern "C" fn wasm_extern_type(item: Option<&wasm_ref_t>) -> Option<Box<wasm_externtype_t>> {
    let reference = given(item, "extern");
    let item = reference.as_extern();
    let ty = reference.store().with(|context| item.ty(context));
    Some(Box::new(ty.into()))
}
