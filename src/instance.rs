//! Instances, and the items that they export and import.

use std::sync::Arc;

use upshift_abi::Printable;
use upshift_abi::facts::{Item, ModuleFacts};
use upshift_runtime::{Extern as RawExtern, InstanceId, Store as RawStore, StoreId};

use crate::error::of_call;
use crate::handle::Handle;
use crate::val::raw_mut;
use crate::{
    AsContext, AsContextMut, Engine, ExternType, Func, Global, Memory, Module, Result,
    SharedMemory, StoreContextMut, Table, Tag, TypedFunc, WasmParams, WasmResults,
};

/// An item that can be imported and exported.
#[derive(Clone, Debug)]
pub enum Extern {
    /// A function.
    Func(Func),
    /// A global.
    Global(Global),
    /// A table.
    Table(Table),
    /// A memory that one thread uses at a time.
    Memory(Memory),
    /// A memory that threads share.
    SharedMemory(SharedMemory),
    /// A tag.
    Tag(Tag),
}

macro_rules! extern_accessors {
    ($($variant:ident $into:ident $what:literal;)*) => {
        impl Extern {$(
            #[doc = concat!("The ", $what, ", if it is one.")]
            pub fn $into(self) -> Option<$variant> {
                match self { Extern::$variant(item) => Some(item), _ => None }
            }
        )*}

        $(impl From<$variant> for Extern {
            fn from(item: $variant) -> Self {
                Extern::$variant(item)
            }
        })*
    };
}

extern_accessors! {
    Func into_func "function";
    Global into_global "global";
    Table into_table "table";
    Memory into_memory "memory that is not shared";
    SharedMemory into_shared_memory "shared memory";
    Tag into_tag "tag";
}

impl Extern {
    /// The item's type.
    ///
    /// # Panics
    ///
    /// If the item belongs to another store.
    pub fn ty(&self, store: impl AsContext) -> ExternType {
        match self {
            Extern::Func(func) => func.ty(store).into(),
            Extern::Global(global) => global.ty(store).into(),
            Extern::Table(table) => table.ty(store).into(),
            Extern::Memory(memory) => memory.ty(store).into(),
            Extern::SharedMemory(memory) => memory.ty().into(),
            Extern::Tag(tag) => tag.ty(store).into(),
        }
    }

    pub(crate) fn from_raw(store: &RawStore, item: RawExtern) -> Self {
        match item {
            RawExtern::Func(id) => Func(Handle::new(store, id)).into(),
            RawExtern::Table(id) => Table(Handle::new(store, id)).into(),
            RawExtern::Memory(id) => match store.shared_memory(id) {
                Some(memory) => SharedMemory(memory.clone()).into(),
                None => Memory(Handle::new(store, id)).into(),
            },
            RawExtern::Global(id) => Global(Handle::new(store, id)).into(),
            RawExtern::Tag(id) => Tag(Handle::new(store, id)).into(),
        }
    }

    #[track_caller]
    pub(crate) fn raw_in(&self, store: &mut RawStore) -> RawExtern {
        match self {
            Extern::Func(func) => RawExtern::Func(func.0.id_in(store)),
            Extern::Table(table) => RawExtern::Table(table.0.id_in(store)),
            Extern::Memory(memory) => RawExtern::Memory(memory.0.id_in(store)),
            Extern::SharedMemory(memory) => RawExtern::Memory(store.use_shared_memory(&memory.0)),
            Extern::Global(global) => RawExtern::Global(global.0.id_in(store)),
            Extern::Tag(tag) => RawExtern::Tag(tag.0.id_in(store)),
        }
    }
}

/// An export of an instance.
#[derive(Clone, Debug)]
pub struct Export<'instance> {
    name: &'instance str,
    item: Extern,
}

impl<'instance> Export<'instance> {
    /// The name of the export.
    pub fn name(&self) -> &'instance str {
        self.name
    }

    /// The exported item.
    pub fn into_extern(self) -> Extern {
        self.item
    }
}

/// An instance of a module: its imports, and its own memories, tables and globals.
///
/// A handle: [`Copy`], valid for its store.
///
/// All methods panic if the instance belongs to another store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Instance(Handle<InstanceId>);

impl Instance {
    /// Instantiates a module: links, allocates, copies the active segments, runs the start
    /// function. [`Linker::instantiate`](crate::Linker::instantiate) finds the imports by name.
    ///
    /// `imports` are in the order of [`Module::imports`]. Cost: proportional to the module's
    /// declarations and data, not to its code.
    ///
    /// # Errors
    ///
    /// If the imports don't fit ([`LinkError`](crate::LinkError)), the system refuses memory, a
    /// segment is out of bounds, the start function traps ([`Trap`](crate::Trap)), or the store
    /// belongs to another engine.
    ///
    /// # Panics
    ///
    /// If an import belongs to another store, or is a shared memory of another engine; and if a
    /// host function that the start function calls panics, with its panic.
    pub fn new(mut store: impl AsContextMut, module: &Module, imports: &[Extern]) -> Result<Self> {
        let (raw, imports) = prepare(store.as_context_mut(), module, imports)?;
        let id = raw.instantiate(module.code(), &imports);
        let id = id.map_err(|error| of_call(raw, error))?;
        Ok(Self::from_raw(raw, id))
    }

    /// Instantiates a module as [`new`](Self::new) does, whose start function may call asynchronous
    /// host functions. Use [`TypedFunc::call_async`] for what it exports.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new), and if the system refuses memory for the stack.
    ///
    /// # Panics
    ///
    /// As [`new`](Self::new).
    #[cfg(feature = "async")]
    pub async fn new_async(
        mut store: impl AsContextMut<Data: Send>,
        module: &Module,
        imports: &[Extern],
    ) -> Result<Self> {
        let (raw, imports) = prepare(store.as_context_mut(), module, imports)?;
        let code = module.code();
        let id = raw.on_fiber(move |raw| raw.instantiate(code, &imports))?;
        let id = id.await;
        let raw = raw_mut(&mut store);
        let id = id.map_err(|error| of_call(raw, error))?;
        Ok(Self::from_raw(raw, id))
    }

    pub(crate) fn from_raw(store: &RawStore, id: InstanceId) -> Self {
        Self(Handle::new(store, id))
    }

    pub(crate) fn of_store(store: StoreId, id: InstanceId) -> Self {
        Self(Handle::of_store(store, id))
    }

    #[track_caller]
    pub(crate) fn id_in(&self, store: &RawStore) -> InstanceId {
        self.0.id_in(store)
    }

    /// All exports, in the module's order. Collects them first.
    pub fn exports<'a, T: 'static>(
        &'a self,
        store: impl Into<crate::StoreContextMut<'a, T>>,
    ) -> impl ExactSizeIterator<Item = Export<'a>> + 'a {
        let raw = store.into().raw;
        let id = self.0.id_in(raw);
        let count = raw.instance_module(id).facts().exports.len();
        let items = (0..count).map(|i| {
            let item = raw.instance_module(id).facts().exports[i].item;
            let item = raw.instance_item(id, item);
            Extern::from_raw(raw, item)
        });
        let items: Vec<Extern> = items.collect();
        let facts: &'a ModuleFacts = raw.instance_module(id).facts();
        let named = facts.exports.iter().zip(items);
        named.map(|(export, item)| Export {
            name: &export.name,
            item,
        })
    }

    /// The export with this name. One hash lookup.
    pub fn get_export(&self, mut store: impl AsContextMut, name: &str) -> Option<Extern> {
        self.export(raw_mut(&mut store), name)
    }

    fn export(&self, raw: &mut RawStore, name: &str) -> Option<Extern> {
        let id = self.0.id_in(raw);
        let item: Item = raw.instance_module(id).facts().export(name)?;
        let item = raw.instance_item(id, item);
        Some(Extern::from_raw(raw, item))
    }

    /// The exported function with this name.
    pub fn get_func(&self, store: impl AsContextMut, name: &str) -> Option<Func> {
        self.get_export(store, name)?.into_func()
    }

    /// The exported function with this name and type.
    ///
    /// # Errors
    ///
    /// If there is no such function or its type is another one.
    pub fn get_typed_func<Params, Results>(
        &self,
        mut store: impl AsContextMut,
        name: &str,
    ) -> Result<TypedFunc<Params, Results>>
    where
        Params: WasmParams,
        Results: WasmResults,
    {
        use anyhow::Context as _;
        let func = self.get_func(&mut store, name);
        let func =
            func.with_context(|| format!("no function is exported as `{}`", Printable(name)))?;
        func.typed(&store).with_context(|| {
            format!(
                "the exported function `{}` has another type",
                Printable(name)
            )
        })
    }

    /// The exported memory with this name, if it is not shared.
    pub fn get_memory(&self, store: impl AsContextMut, name: &str) -> Option<Memory> {
        self.get_export(store, name)?.into_memory()
    }

    /// The exported memory with this name, if it is shared.
    pub fn get_shared_memory(&self, store: impl AsContextMut, name: &str) -> Option<SharedMemory> {
        self.get_export(store, name)?.into_shared_memory()
    }

    /// The exported table with this name.
    pub fn get_table(&self, store: impl AsContextMut, name: &str) -> Option<Table> {
        self.get_export(store, name)?.into_table()
    }

    /// The exported global with this name.
    pub fn get_global(&self, store: impl AsContextMut, name: &str) -> Option<Global> {
        self.get_export(store, name)?.into_global()
    }

    /// The exported tag with this name.
    pub fn get_tag(&self, store: impl AsContextMut, name: &str) -> Option<Tag> {
        self.get_export(store, name)?.into_tag()
    }
}

/// Checks the engine and the stores of what an instance is made of.
#[track_caller]
fn prepare<'a, T: 'static>(
    context: StoreContextMut<'a, T>,
    module: &Module,
    imports: &[Extern],
) -> Result<(&'a mut RawStore, Vec<RawExtern>)> {
    anyhow::ensure!(
        Engine::same(context.engine(), module.engine()),
        "the module and the store belong to different engines"
    );
    let raw = context.raw;
    raw.keep_module(module.code().id(), || Arc::new(module.clone()));
    let imports = imports.iter().map(|import| import.raw_in(raw)).collect();
    Ok((raw, imports))
}
