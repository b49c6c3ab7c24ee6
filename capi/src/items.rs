//! Globals, tables and memories.

use anyhow::Result;
use upshift::{AsContextMut, Global, Memory, Ref, RootScope, SharedMemory, StoreContextMut, Table};

use crate::given;
use crate::refs::{Object, wasm_ref_t};
use crate::store::{Data, StoreRef, wasm_store_t};
use crate::types::wasm_externtype_t;
use crate::value::{from_ref, to_ref, wasm_val_t};
use crate::vector::{Out, put};

impl wasm_ref_t {
    #[track_caller]
    pub(crate) fn global(&self) -> Global {
        match &self.object {
            Object::Global(global) => *global,
            _ => panic!("expected a wasm_global_t"),
        }
    }

    #[track_caller]
    pub(crate) fn table(&self) -> Table {
        match &self.object {
            Object::Table(table) => *table,
            _ => panic!("expected a wasm_table_t"),
        }
    }
}

/// A global of a type with a value.
pub(crate) fn new_global(
    store: &StoreRef,
    ty: &wasm_externtype_t,
    value: &wasm_val_t,
) -> Result<Box<wasm_ref_t>> {
    let ty = ty.global();
    let global = store.with(|context| {
        let mut scope = RootScope::new(context);
        let value = value.to_val(ty.content(), store, &mut scope)?;
        Global::new(&mut scope, ty, value)
    })?;
    Ok(wasm_ref_t::of(store, Object::Global(global)))
}

/// Sets a global.
pub(crate) fn set_global(reference: &wasm_ref_t, value: &wasm_val_t) -> Result<()> {
    let (store, global) = (reference.store(), reference.global());
    store.with(|context| {
        let mut scope = RootScope::new(context);
        let ty = global.ty(&scope).content();
        let value = value.to_val(ty, store, &mut scope)?;
        global.set(&mut scope, value)
    })
}

#[unsafe(no_mangle)]
extern "C" fn wasm_global_new(
    store: Option<&wasm_store_t>,
    ty: Option<&wasm_externtype_t>,
    value: Option<&wasm_val_t>,
) -> Option<Box<wasm_ref_t>> {
    let store = &given(store, "store").0;
    new_global(store, given(ty, "type"), given(value, "value")).ok()
}

#[unsafe(no_mangle)]
extern "C" fn wasm_global_type(global: Option<&wasm_ref_t>) -> Option<Box<wasm_externtype_t>> {
    let reference = given(global, "global");
    let global = reference.global();
    let ty = reference.store().with(|context| global.ty(context));
    Some(Box::new(ty.into()))
}

#[unsafe(no_mangle)]
extern "C" fn wasm_global_get(global: Option<&wasm_ref_t>, out: Out<'_, wasm_val_t>) {
    let reference = given(global, "global");
    let (store, global) = (reference.store(), reference.global());
    let value = store.with(|context| {
        let mut scope = RootScope::new(context);
        let (ty, value) = (global.ty(&scope).content(), global.get(&mut scope));
        let value = wasm_val_t::from_val(value, store, scope.as_context_mut());
        value.unwrap_or_else(|_| wasm_val_t::default_for(ty))
    });
    put(out, value);
}

#[unsafe(no_mangle)]
extern "C" fn wasm_global_set(global: Option<&wasm_ref_t>, value: Option<&wasm_val_t>) {
    // The standard has no way to return the error.
    _ = set_global(given(global, "global"), given(value, "value"));
}

/// A table of a type, filled with a reference.
pub(crate) fn new_table(
    store: &StoreRef,
    ty: &wasm_externtype_t,
    init: Option<&wasm_ref_t>,
) -> Result<Box<wasm_ref_t>> {
    let ty = ty.table();
    let table = store.with(|context| {
        let mut scope = RootScope::new(context);
        let init = to_ref(init, ty.element().heap_type(), store, &mut scope)?;
        Table::new(&mut scope, ty, init)
    })?;
    Ok(wasm_ref_t::of(store, Object::Table(table)))
}

#[unsafe(no_mangle)]
extern "C" fn wasm_table_new(
    store: Option<&wasm_store_t>,
    ty: Option<&wasm_externtype_t>,
    init: Option<&wasm_ref_t>,
) -> Option<Box<wasm_ref_t>> {
    new_table(&given(store, "store").0, given(ty, "type"), init).ok()
}

#[unsafe(no_mangle)]
extern "C" fn wasm_table_type(table: Option<&wasm_ref_t>) -> Option<Box<wasm_externtype_t>> {
    let reference = given(table, "table");
    let table = reference.table();
    let ty = reference.store().with(|context| table.ty(context));
    Some(Box::new(ty.into()))
}

#[unsafe(no_mangle)]
extern "C" fn wasm_table_get(table: Option<&wasm_ref_t>, index: u32) -> Option<Box<wasm_ref_t>> {
    let reference = given(table, "table");
    let (store, table) = (reference.store(), reference.table());
    store.with(|context| {
        let mut scope = RootScope::new(context);
        let element = table.get(&mut scope, index.into())?;
        from_ref(element, store, scope.as_context_mut()).ok()?
    })
}

/// Calls `f` with a table, and a reference that is of the type of its elements.
fn with_element(
    reference: &wasm_ref_t,
    element: Option<&wasm_ref_t>,
    f: impl FnOnce(&mut RootScope<StoreContextMut<'_, Data>>, Table, Ref) -> Result<()>,
) -> Result<()> {
    let (store, table) = (reference.store(), reference.table());
    store.with(|context| {
        let mut scope = RootScope::new(context);
        let ty = table.ty(&scope).element().heap_type();
        let element = to_ref(element, ty, store, &mut scope)?;
        f(&mut scope, table, element)
    })
}

#[unsafe(no_mangle)]
extern "C" fn wasm_table_set(
    table: Option<&wasm_ref_t>,
    index: u32,
    element: Option<&wasm_ref_t>,
) -> bool {
    let set = with_element(given(table, "table"), element, |scope, table, element| {
        table.set(scope, index.into(), element)
    });
    set.is_ok()
}

#[unsafe(no_mangle)]
extern "C" fn wasm_table_size(table: Option<&wasm_ref_t>) -> u32 {
    let reference = given(table, "table");
    let table = reference.table();
    clamped(reference.store().with(|context| table.size(context)))
}

#[unsafe(no_mangle)]
extern "C" fn wasm_table_grow(
    table: Option<&wasm_ref_t>,
    delta: u32,
    init: Option<&wasm_ref_t>,
) -> bool {
    let grown = with_element(given(table, "table"), init, |scope, table, init| {
        table.grow(scope, delta.into(), init).map(drop)
    });
    grown.is_ok()
}

/// A size that the standard's API has 32 bits for.
fn clamped(size: u64) -> u32 {
    u32::try_from(size).unwrap_or(u32::MAX)
}

/// A zeroed memory of a type; one that threads share, if the type says so.
pub(crate) fn new_memory(store: &StoreRef, ty: &wasm_externtype_t) -> Result<Box<wasm_ref_t>> {
    let ty = ty.memory();
    let object = match ty.is_shared() {
        true => Object::SharedMemory(SharedMemory::new(store.engine(), ty)?),
        false => Object::Memory(store.with(|context| Memory::new(context, ty))?),
    };
    Ok(wasm_ref_t::of(store, object))
}

/// A memory of either sort, and its store.
enum AnyMemory<'a> {
    Private(Memory, &'a StoreRef),
    Shared(&'a SharedMemory),
}

#[track_caller]
fn memory(reference: Option<&wasm_ref_t>) -> AnyMemory<'_> {
    let reference = given(reference, "memory");
    match &reference.object {
        Object::Memory(memory) => AnyMemory::Private(*memory, reference.store()),
        Object::SharedMemory(memory) => AnyMemory::Shared(memory),
        _ => panic!("expected a wasm_memory_t"),
    }
}

#[unsafe(no_mangle)]
extern "C" fn wasm_memory_new(
    store: Option<&wasm_store_t>,
    ty: Option<&wasm_externtype_t>,
) -> Option<Box<wasm_ref_t>> {
    new_memory(&given(store, "store").0, given(ty, "type")).ok()
}

#[unsafe(no_mangle)]
extern "C" fn wasm_memory_type(reference: Option<&wasm_ref_t>) -> Option<Box<wasm_externtype_t>> {
    let ty = match memory(reference) {
        AnyMemory::Private(memory, store) => store.with(|context| memory.ty(context)),
        AnyMemory::Shared(memory) => memory.ty(),
    };
    Some(Box::new(ty.into()))
}

#[unsafe(no_mangle)]
extern "C" fn wasm_memory_data(reference: Option<&wasm_ref_t>) -> *mut u8 {
    match memory(reference) {
        AnyMemory::Private(memory, store) => {
            store.with(|context| memory.data_mut(context).as_mut_ptr())
        }
        AnyMemory::Shared(memory) => memory.data().as_ptr().cast_mut().cast(),
    }
}

#[unsafe(no_mangle)]
extern "C" fn wasm_memory_data_size(reference: Option<&wasm_ref_t>) -> usize {
    match memory(reference) {
        AnyMemory::Private(memory, store) => store.with(|context| memory.data_size(context)),
        AnyMemory::Shared(memory) => memory.data_size(),
    }
}

#[unsafe(no_mangle)]
extern "C" fn wasm_memory_size(reference: Option<&wasm_ref_t>) -> u32 {
    clamped(match memory(reference) {
        AnyMemory::Private(memory, store) => store.with(|context| memory.size(context)),
        AnyMemory::Shared(memory) => memory.size(),
    })
}

#[unsafe(no_mangle)]
extern "C" fn wasm_memory_grow(reference: Option<&wasm_ref_t>, delta: u32) -> bool {
    let delta = delta.into();
    let grown = match memory(reference) {
        AnyMemory::Private(memory, store) => store.with(|context| memory.grow(context, delta)),
        AnyMemory::Shared(memory) => memory.grow(delta),
    };
    grown.is_ok()
}
