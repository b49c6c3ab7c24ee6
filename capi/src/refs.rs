//! References: what `wasm_ref_t` and the types of everything that can be referred to are.
//!
//! They are all one Rust type, [`wasm_ref_t`], so that the conversions between them return the
//! pointer that they get, and an object can be deleted through each.
//!
//! Data of the host belongs to the object, not to the reference: all references to an object have
//! the same. Of an item of a store it is kept in the store, until that is freed; of the others, in
//! the object itself.

use std::ffi::c_void;
use std::sync::{Arc, Mutex, PoisonError};

use upshift::{Extern, Func, Global, Instance, Memory, SharedMemory, Table, Tag};

use crate::given;
use crate::module::ModuleObject;
use crate::store::{Finalizer, HostData, StoreRef, wasm_store_t};
use crate::trap::TrapObject;
use crate::types::extern_kind;

/// What a reference refers to. Without its store, so that a store can contain it.
#[derive(Clone)]
pub(crate) enum Object {
    Func(Func),
    Global(Global),
    Table(Table),
    Memory(Memory),
    SharedMemory(SharedMemory),
    Tag(Tag),
    Instance(Instance),
    Module(Arc<ModuleObject>),
    Trap(Arc<TrapObject>),
    Foreign(Arc<Info>),
}

/// Data of the host that an object contains.
#[derive(Default)]
pub(crate) struct Info(Mutex<Option<HostData>>);

impl Info {
    fn get(&self) -> *mut c_void {
        let info = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        info.as_ref().map_or(std::ptr::null_mut(), HostData::get)
    }

    fn set(&self, data: HostData) {
        let before = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .replace(data);
        // Its finalizer runs when the lock is free again.
        drop(before);
    }
}

/// An item of a store, by which data of the host is found.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum InfoKey {
    Func(Func),
    Global(Global),
    Table(Table),
    Memory(Memory),
    /// By the address of its bytes, which does not change.
    SharedMemory(usize),
    Tag(Tag),
    Instance(Instance),
}

/// Where data of the host is kept.
enum InfoPlace<'a> {
    Store(InfoKey),
    Object(&'a Info),
}

impl Object {
    fn info_place(&self) -> InfoPlace<'_> {
        InfoPlace::Store(match self {
            Object::Func(func) => InfoKey::Func(*func),
            Object::Global(global) => InfoKey::Global(*global),
            Object::Table(table) => InfoKey::Table(*table),
            Object::Memory(memory) => InfoKey::Memory(*memory),
            Object::SharedMemory(memory) => InfoKey::SharedMemory(memory.data().as_ptr().addr()),
            Object::Tag(tag) => InfoKey::Tag(*tag),
            Object::Instance(instance) => InfoKey::Instance(*instance),
            Object::Module(module) => return InfoPlace::Object(&module.info),
            Object::Trap(trap) => return InfoPlace::Object(&trap.info),
            Object::Foreign(info) => return InfoPlace::Object(info),
        })
    }

    fn is_same(&self, other: &Self) -> bool {
        match (self.info_place(), other.info_place()) {
            (InfoPlace::Store(key), InfoPlace::Store(other)) => key == other,
            (InfoPlace::Object(info), InfoPlace::Object(other)) => std::ptr::eq(info, other),
            _ => false,
        }
    }

    /// The object as an item that can be imported and exported.
    fn as_extern(&self) -> Option<Extern> {
        Some(match self {
            Object::Func(func) => (*func).into(),
            Object::Global(global) => (*global).into(),
            Object::Table(table) => (*table).into(),
            Object::Memory(memory) => (*memory).into(),
            Object::SharedMemory(memory) => memory.clone().into(),
            Object::Tag(tag) => (*tag).into(),
            _ => return None,
        })
    }
}

impl From<Extern> for Object {
    fn from(item: Extern) -> Self {
        match item {
            Extern::Func(func) => Object::Func(func),
            Extern::Global(global) => Object::Global(global),
            Extern::Table(table) => Object::Table(table),
            Extern::Memory(memory) => Object::Memory(memory),
            Extern::SharedMemory(memory) => Object::SharedMemory(memory),
            Extern::Tag(tag) => Object::Tag(tag),
        }
    }
}

/// A reference; also `wasm_func_t`, `wasm_extern_t`, `wasm_instance_t` and so on.
#[derive(Clone)]
pub(crate) struct wasm_ref_t {
    pub(crate) object: Object,
    /// The store of the object; `None` if it belongs to none.
    store: Option<StoreRef>,
}

impl wasm_ref_t {
    /// A reference to an item of a store.
    pub(crate) fn of(store: &StoreRef, object: Object) -> Box<Self> {
        let store = match object {
            Object::Module(_) | Object::Trap(_) | Object::Foreign(_) => None,
            _ => Some(store.clone()),
        };
        Box::new(Self { object, store })
    }

    /// A reference to an object that belongs to no store.
    pub(crate) fn free(object: Object) -> Box<Self> {
        Box::new(Self {
            object,
            store: None,
        })
    }

    /// The store of an item.
    #[track_caller]
    pub(crate) fn store(&self) -> &StoreRef {
        let store = self.store.as_ref();
        store.expect("a module, trap or foreign object was passed for an item of a store")
    }

    /// Whether the object can be used with the store.
    pub(crate) fn is_usable_in(&self, store: &StoreRef) -> bool {
        self.store.as_ref().is_none_or(|own| own == store)
    }

    /// The item that can be imported and exported.
    #[track_caller]
    pub(crate) fn as_extern(&self) -> Extern {
        let item = self.object.as_extern();
        item.expect("expected a function, global, table, memory or tag")
    }

    pub(crate) fn extern_kind(&self) -> Option<u8> {
        Some(match self.object {
            Object::Func(_) => extern_kind::FUNC,
            Object::Global(_) => extern_kind::GLOBAL,
            Object::Table(_) => extern_kind::TABLE,
            Object::Memory(_) | Object::SharedMemory(_) => extern_kind::MEMORY,
            Object::Tag(_) => extern_kind::TAG,
            _ => return None,
        })
    }

    fn info(&self) -> *mut c_void {
        match self.object.info_place() {
            InfoPlace::Object(info) => info.get(),
            InfoPlace::Store(key) => self.store().with(|context| {
                let info = context.data().infos.get(&key);
                info.map_or(std::ptr::null_mut(), HostData::get)
            }),
        }
    }

    fn set_info(&self, data: HostData) {
        match self.object.info_place() {
            InfoPlace::Object(info) => info.set(data),
            InfoPlace::Store(key) => self.store().with(|mut context| {
                context.data_mut().infos.insert(key, data);
            }),
        }
    }
}

type Ref<'a> = Option<&'a wasm_ref_t>;

/// Defines what all types of references have.
macro_rules! references {
    ($($module:ident $name:literal;)*) => {$(
        mod $module {
            use super::*;

            #[unsafe(export_name = concat!("wasm_", $name, "_delete"))]
            extern "C" fn delete(reference: Option<Box<wasm_ref_t>>) {
                drop(reference);
            }

            #[unsafe(export_name = concat!("wasm_", $name, "_copy"))]
            extern "C" fn copy(reference: Ref<'_>) -> Option<Box<wasm_ref_t>> {
                Some(Box::new(reference?.clone()))
            }

            #[unsafe(export_name = concat!("wasm_", $name, "_same"))]
            extern "C" fn same(reference: Ref<'_>, other: Ref<'_>) -> bool {
                match (reference, other) {
                    (Some(one), Some(other)) => one.object.is_same(&other.object),
                    (one, other) => one.is_none() && other.is_none(),
                }
            }

            #[unsafe(export_name = concat!("wasm_", $name, "_get_host_info"))]
            extern "C" fn get_host_info(reference: Ref<'_>) -> *mut c_void {
                given(reference, "reference").info()
            }

            #[unsafe(export_name = concat!("wasm_", $name, "_set_host_info"))]
            extern "C" fn set_host_info(reference: Ref<'_>, data: *mut c_void) {
                given(reference, "reference").set_info(HostData::new(data, None));
            }

            #[unsafe(export_name = concat!("wasm_", $name, "_set_host_info_with_finalizer"))]
            extern "C" fn set_host_info_with_finalizer(
                reference: Ref<'_>,
                data: *mut c_void,
                finalizer: Option<Finalizer>,
            ) {
                given(reference, "reference").set_info(HostData::new(data, finalizer));
            }
        }
    )*};
}

references! {
    any "ref";
    func "func";
    global "global";
    table "table";
    memory "memory";
    tag "tag";
    r#extern "extern";
    instance "instance";
    module "module";
    trap "trap";
    foreign "foreign";
}

/// The pointer, if it is to a reference to such an object.
///
/// # Safety
///
/// The pointer is NULL or to a reference.
unsafe fn narrowed(reference: *mut wasm_ref_t, is: fn(&wasm_ref_t) -> bool) -> *mut wasm_ref_t {
    // SAFETY: the caller's promise.
    match unsafe { reference.as_ref() } {
        Some(found) if is(found) => reference,
        _ => std::ptr::null_mut(),
    }
}

/// Defines conversions from a general type of references to a special one, which return NULL where
/// the object is no such one, and back, each also for pointers to constants.
macro_rules! conversions {
    ($($module:ident $special:literal of $general:literal: $is:expr;)*) => {$(
        mod $module {
            use super::*;

            #[unsafe(export_name = concat!("wasm_", $special, "_as_", $general))]
            extern "C" fn up(reference: *mut wasm_ref_t) -> *mut wasm_ref_t {
                reference
            }

            #[unsafe(export_name = concat!("wasm_", $special, "_as_", $general, "_const"))]
            extern "C" fn up_const(reference: *mut wasm_ref_t) -> *mut wasm_ref_t {
                reference
            }

            #[unsafe(export_name = concat!("wasm_", $general, "_as_", $special))]
            unsafe extern "C" fn down(reference: *mut wasm_ref_t) -> *mut wasm_ref_t {
                // SAFETY: the caller passes a reference or NULL.
                unsafe { narrowed(reference, $is) }
            }

            #[unsafe(export_name = concat!("wasm_", $general, "_as_", $special, "_const"))]
            unsafe extern "C" fn down_const(reference: *mut wasm_ref_t) -> *mut wasm_ref_t {
                // SAFETY: the caller passes a reference or NULL.
                unsafe { narrowed(reference, $is) }
            }
        }
    )*};
}

/// Whether the reference is to an item of this kind.
fn is_item<const KIND: u8>(reference: &wasm_ref_t) -> bool {
    reference.extern_kind() == Some(KIND)
}

conversions! {
    func_ref "func" of "ref": is_item::<{ extern_kind::FUNC }>;
    global_ref "global" of "ref": is_item::<{ extern_kind::GLOBAL }>;
    table_ref "table" of "ref": is_item::<{ extern_kind::TABLE }>;
    memory_ref "memory" of "ref": is_item::<{ extern_kind::MEMORY }>;
    tag_ref "tag" of "ref": is_item::<{ extern_kind::TAG }>;
    extern_ref "extern" of "ref": |found| found.extern_kind().is_some();
    instance_ref "instance" of "ref": |found| matches!(found.object, Object::Instance(_));
    module_ref "module" of "ref": |found| matches!(found.object, Object::Module(_));
    trap_ref "trap" of "ref": |found| matches!(found.object, Object::Trap(_));
    foreign_ref "foreign" of "ref": |found| matches!(found.object, Object::Foreign(_));
    func_extern "func" of "extern": is_item::<{ extern_kind::FUNC }>;
    global_extern "global" of "extern": is_item::<{ extern_kind::GLOBAL }>;
    table_extern "table" of "extern": is_item::<{ extern_kind::TABLE }>;
    memory_extern "memory" of "extern": is_item::<{ extern_kind::MEMORY }>;
    tag_extern "tag" of "extern": is_item::<{ extern_kind::TAG }>;
}

#[unsafe(no_mangle)]
extern "C" fn wasm_foreign_new(store: Option<&wasm_store_t>) -> Option<Box<wasm_ref_t>> {
    given(store, "store");
    Some(wasm_ref_t::free(Object::Foreign(Arc::default())))
}
