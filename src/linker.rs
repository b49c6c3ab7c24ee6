//! The linker, which finds a module's imports by name.

#[cfg(feature = "async")]
mod asynchronous;

use std::collections::HashMap;
use std::marker::PhantomData;
use std::sync::Arc;

use upshift_abi::Printable;
use upshift_runtime::Store as RawStore;

use crate::error::UnknownImport;
use crate::func::{HostDefinition, dynamic};
use crate::val::raw_mut;
use crate::{
    AsContext, AsContextMut, Caller, Engine, Extern, ExternType, Func, FuncType, Global,
    ImportType, Instance, InstancePre, IntoFunc, Memory, Module, Ref, Result, SharedMemory, Table,
    Tag, Val,
};

/// Definitions of host functions and of items of a store by name, from which modules get their
/// imports.
///
/// Host functions defined by [`func_wrap`](Self::func_wrap) and [`func_new`](Self::func_new) belong
/// to no store, so one linker can serve many; items added by [`define`](Self::define),
/// [`instance`](Self::instance) and [`module`](Self::module) tie it to their store.
///
/// ```
/// # #[cfg(feature = "wat")]
/// # fn main() -> upshift::Result<()> {
/// use upshift::{Caller, Engine, Linker, Module, Store};
///
/// let engine = Engine::default();
/// let module = Module::new(&engine, r#"
///     (module
///         (import "host" "log" (func $log (param i32)))
///         (func (export "run") (call $log (i32.const 42))))
/// "#)?;
/// let mut linker = Linker::new(&engine);
/// linker.func_wrap("host", "log", |mut caller: Caller<'_, Vec<i32>>, value: i32| {
///     caller.data_mut().push(value);
/// })?;
/// let mut store = Store::new(&engine, Vec::new());
/// let instance = linker.instantiate(&mut store, &module)?;
/// instance.get_typed_func::<(), ()>(&mut store, "run")?.call(&mut store, ())?;
/// assert_eq!(store.data(), &[42]);
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "wat"))]
/// # fn main() {}
/// ```
pub struct Linker<T> {
    engine: Engine,
    allow_shadowing: bool,
    modules: HashMap<Box<str>, HashMap<Box<str>, Definition>>,
    _data: PhantomData<fn(T)>,
}

/// What a name stands for.
#[derive(Clone)]
pub(crate) enum Definition {
    Extern(Extern),
    Host(Arc<HostDefinition>),
}

impl<T> Clone for Linker<T> {
    fn clone(&self) -> Self {
        Self {
            engine: self.engine.clone(),
            allow_shadowing: self.allow_shadowing,
            modules: self.modules.clone(),
            _data: PhantomData,
        }
    }
}

impl<T> std::fmt::Debug for Linker<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = self
            .modules
            .iter()
            .flat_map(|(module, items)| items.keys().map(move |name| format!("{module}::{name}")));
        f.debug_tuple("Linker")
            .field(&names.collect::<Vec<_>>())
            .finish()
    }
}

impl<T: 'static> Linker<T> {
    /// Creates a linker without definitions.
    pub fn new(engine: &Engine) -> Self {
        Self {
            engine: engine.clone(),
            allow_shadowing: false,
            modules: HashMap::new(),
            _data: PhantomData,
        }
    }

    /// The engine that the linker was created with.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Sets whether a name may be defined again, which replaces its definition. It may not by
    /// default.
    pub fn allow_shadowing(&mut self, allow: bool) -> &mut Self {
        self.allow_shadowing = allow;
        self
    }

    /// Defines a host function from a closure with Rust types.
    ///
    /// # Errors
    ///
    /// If the name is taken and [shadowing](Self::allow_shadowing) is not allowed.
    pub fn func_wrap<Params, Results>(
        &mut self,
        module: &str,
        name: &str,
        func: impl IntoFunc<T, Params, Results>,
    ) -> Result<&mut Self> {
        self.insert(module, name, Definition::Host(Arc::new(func.into_host())))
    }

    /// Defines a host function whose types are known at run time only; see [`Func::new`].
    ///
    /// # Errors
    ///
    /// If the name is taken and [shadowing](Self::allow_shadowing) is not allowed.
    pub fn func_new(
        &mut self,
        module: &str,
        name: &str,
        ty: FuncType,
        func: impl Fn(Caller<'_, T>, &[Val], &mut [Val]) -> Result<()> + Send + Sync + 'static,
    ) -> Result<&mut Self> {
        self.define_host(module, name, dynamic::host(ty, func))
    }

    pub(crate) fn define_host(
        &mut self,
        module: &str,
        name: &str,
        host: HostDefinition,
    ) -> Result<&mut Self> {
        self.insert(module, name, Definition::Host(Arc::new(host)))
    }

    /// Defines a name as an item of a store.
    ///
    /// # Errors
    ///
    /// If the name is taken and [shadowing](Self::allow_shadowing) is not allowed.
    pub fn define(
        &mut self,
        _store: impl AsContext<Data = T>,
        module: &str,
        name: &str,
        item: impl Into<Extern>,
    ) -> Result<&mut Self> {
        self.insert(module, name, Definition::Extern(item.into()))
    }

    /// Defines the names of all exports of an instance, below `module_name`.
    ///
    /// # Errors
    ///
    /// If one of the names is taken and [shadowing](Self::allow_shadowing) is not allowed; the
    /// exports before it are defined then.
    pub fn instance(
        &mut self,
        mut store: impl AsContextMut<Data = T>,
        module_name: &str,
        instance: Instance,
    ) -> Result<&mut Self> {
        let context = store.as_context_mut();
        for export in instance.exports(context) {
            let name = export.name();
            self.insert(
                module_name,
                name,
                Definition::Extern(export.clone().into_extern()),
            )?;
        }
        Ok(self)
    }

    /// Instantiates a module once, calls its `_initialize` if it has one, and defines the names of
    /// its exports.
    ///
    /// # Errors
    ///
    /// As [`instantiate`](Self::instantiate), [`TypedFunc::call`](crate::TypedFunc::call) and
    /// [`instance`](Self::instance).
    pub fn module(
        &mut self,
        mut store: impl AsContextMut<Data = T>,
        module_name: &str,
        module: &Module,
    ) -> Result<&mut Self> {
        let instance = self.instantiate(&mut store, module)?;
        if let Some(initialize) = instance.get_func(&mut store, "_initialize") {
            initialize.typed::<(), ()>(&store)?.call(&mut store, ())?;
        }
        self.instance(store, module_name, instance)
    }

    /// Defines a second name for a definition.
    ///
    /// # Errors
    ///
    /// If the first name is not defined, or the second one is taken and
    /// [shadowing](Self::allow_shadowing) is not allowed.
    pub fn alias(
        &mut self,
        module: &str,
        name: &str,
        as_module: &str,
        as_name: &str,
    ) -> Result<&mut Self> {
        let definition = self.lookup(module, name).cloned();
        let definition = definition.ok_or_else(|| {
            anyhow::anyhow!(
                "no item is defined as `{}::{}`",
                Printable(module),
                Printable(name)
            )
        })?;
        self.insert(as_module, as_name, definition)
    }

    /// The definition of a name as an item of the store; a host function is added to the store.
    /// `None` if the name is not defined, or the code space has no room for a function.
    pub fn get(
        &self,
        mut store: impl AsContextMut<Data = T>,
        module: &str,
        name: &str,
    ) -> Option<Extern> {
        self.lookup(module, name)?
            .to_extern(raw_mut(&mut store))
            .ok()
    }

    /// Instantiates a module with imports found by name. See [`Instance::new`] for the cost.
    ///
    /// # Errors
    ///
    /// If an import is not defined ([`UnknownImport`], the first one), or as [`Instance::new`].
    ///
    /// # Panics
    ///
    /// As [`Instance::new`].
    pub fn instantiate(
        &self,
        mut store: impl AsContextMut<Data = T>,
        module: &Module,
    ) -> Result<Instance> {
        self.find_imports(module)?.instantiate(&mut store)
    }

    /// Finds a module's imports by name, for any number of instances.
    ///
    /// # Errors
    ///
    /// If an import is not defined ([`UnknownImport`], the first one), or is defined as a host
    /// function and is declared as something else, or with another type
    /// ([`LinkError`](crate::LinkError)). Types of items of a store are checked when an instance is
    /// made.
    ///
    /// ```
    /// # #[cfg(feature = "wat")]
    /// # fn main() -> upshift::Result<()> {
    /// # use upshift::{Engine, LinkError, Linker, Module};
    /// # let engine = Engine::default();
    /// let module = Module::new(&engine, r#"(module (import "host" "f" (func (param i32))))"#)?;
    /// let mut linker = Linker::<()>::new(&engine);
    /// linker.func_wrap("host", "f", |_: i64| ())?;
    /// assert!(linker.instantiate_pre(&module).unwrap_err().is::<LinkError>());
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "wat"))]
    /// # fn main() {}
    /// ```
    pub fn instantiate_pre(&self, module: &Module) -> Result<InstancePre<T>> {
        let ready = self.find_imports(module)?;
        ready.check_host_functions()?;
        Ok(ready)
    }

    fn find_imports(&self, module: &Module) -> Result<InstancePre<T>> {
        let needed = module.code().facts().imports.iter().enumerate();
        let definitions = needed.map(|(n, import)| {
            let definition = self.lookup(&import.module, &import.name);
            let import = || module.imports().nth(n).expect("the same imports");
            definition.cloned().ok_or_else(|| unknown(&import()))
        });
        let definitions = definitions.collect::<Result<_, _>>()?;
        Ok(InstancePre::new(module.clone(), definitions))
    }

    /// All definitions as items of the store, in no particular order; host functions are added to
    /// the store. A function for which the code space has no room is left out.
    pub fn iter<'a>(
        &'a self,
        mut store: impl AsContextMut<Data = T> + 'a,
    ) -> impl Iterator<Item = (&'a str, &'a str, Extern)> + 'a {
        let modules = self.modules.iter();
        let items = modules.flat_map(|(module, items)| {
            let items = items.iter();
            items.map(move |(name, definition)| (&**module, &**name, definition))
        });
        items.filter_map(move |(module, name, definition)| {
            let item = definition.to_extern(raw_mut(&mut store)).ok()?;
            Some((module, name, item))
        })
    }

    /// Defines each import of the module that has no definition yet as a function that fails with
    /// [`UnknownImport`] when it is called.
    ///
    /// # Errors
    ///
    /// If such an import is not a function.
    pub fn define_unknown_imports_as_traps(&mut self, module: &Module) -> Result<()> {
        for import in module.imports() {
            if self.lookup(import.module, import.name).is_some() {
                continue;
            }
            let error = unknown(&import);
            let ExternType::Func(ty) = import.ty else {
                return Err(error.into());
            };
            let fail = move |_: Caller<'_, T>, _: &[Val], _: &mut [Val]| Err(error.clone().into());
            self.func_new(import.module, import.name, ty, fail)?;
        }
        Ok(())
    }

    /// Defines each import of the module that has no definition yet: functions that return zeros
    /// and nulls, globals, tables and memories that hold them, and tags.
    ///
    /// # Errors
    ///
    /// If the store refuses a memory or table, or a global or table is of references that are never
    /// null.
    pub fn define_unknown_imports_as_default_values(
        &mut self,
        mut store: impl AsContextMut<Data = T>,
        module: &Module,
    ) -> Result<()> {
        for ImportType { module, name, ty } in module.imports() {
            if self.lookup(module, name).is_some() {
                continue;
            }
            let item: Extern = match ty {
                ExternType::Func(ty) => {
                    self.func_new(module, name, ty, |_, _, _| Ok(()))?;
                    continue;
                }
                ExternType::Global(ty) => {
                    let value = Val::default_for_ty(ty.content());
                    Global::new(&mut store, ty, value)?.into()
                }
                ExternType::Table(ty) => {
                    Table::new(&mut store, ty, Ref::null(ty.element()))?.into()
                }
                ExternType::Memory(ty) if ty.is_shared() => {
                    SharedMemory::new_in(&mut store, ty)?.into()
                }
                ExternType::Memory(ty) => Memory::new(&mut store, ty)?.into(),
                ExternType::Tag(ty) => Tag::new(&mut store, &ty)?.into(),
            };
            self.define(&store, module, name, item)?;
        }
        Ok(())
    }

    fn lookup(&self, module: &str, name: &str) -> Option<&Definition> {
        self.modules.get(module)?.get(name)
    }

    fn insert(&mut self, module: &str, name: &str, definition: Definition) -> Result<&mut Self> {
        if !self.allow_shadowing && self.lookup(module, name).is_some() {
            anyhow::bail!(
                "`{}::{}` is defined already",
                Printable(module),
                Printable(name)
            );
        }
        if !self.modules.contains_key(module) {
            self.modules.insert(module.into(), HashMap::new());
        }
        let items = self.modules.get_mut(module).expect("just inserted");
        items.insert(name.into(), definition);
        Ok(self)
    }
}

impl Definition {
    pub(crate) fn to_extern(&self, store: &mut RawStore) -> Result<Extern> {
        match self {
            Definition::Extern(item) => Ok(item.clone()),
            Definition::Host(host) => Func::from_host(store, host).map(Extern::Func),
        }
    }
}

fn unknown(import: &ImportType<'_>) -> UnknownImport {
    UnknownImport {
        module: import.module.into(),
        name: import.name.into(),
        ty: import.ty.to_string(),
    }
}
