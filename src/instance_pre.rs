//! Instantiation in two steps: imports are found once, for many instances.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use upshift_runtime::Store as RawStore;

use crate::linker::Definition;
use crate::val::raw_mut;
use crate::{AsContextMut, Extern, ExternType, Instance, LinkError, Module, Result};

/// A module whose imports a [`Linker`](crate::Linker) has found: what is left to do for each
/// instance.
///
/// Cheap to clone, and usable from all threads. Names are not looked up again, so an instance costs
/// what [`Instance::new`] does.
///
/// ```
/// # #[cfg(feature = "wat")]
/// # fn main() -> upshift::Result<()> {
/// use upshift::{Engine, Linker, Module, Store};
///
/// let engine = Engine::default();
/// let module = Module::new(&engine, r#"
///     (module
///         (import "host" "next" (func $next (result i32)))
///         (func (export "twice") (result i32) (i32.mul (call $next) (i32.const 2))))
/// "#)?;
/// let mut linker = Linker::<()>::new(&engine);
/// linker.func_wrap("host", "next", || 21)?;
/// let ready = linker.instantiate_pre(&module)?;
/// for _ in 0..3 {
///     let mut store = Store::new(&engine, ());
///     let instance = ready.instantiate(&mut store)?;
///     let twice = instance.get_typed_func::<(), i32>(&mut store, "twice")?;
///     assert_eq!(twice.call(&mut store, ())?, 42);
/// }
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "wat"))]
/// # fn main() {}
/// ```
pub struct InstancePre<T> {
    module: Module,
    /// The definitions of the module's imports, in their order.
    imports: Arc<[Definition]>,
    _data: PhantomData<fn(T)>,
}

impl<T> Clone for InstancePre<T> {
    fn clone(&self) -> Self {
        Self {
            module: self.module.clone(),
            imports: self.imports.clone(),
            _data: PhantomData,
        }
    }
}

impl<T> fmt::Debug for InstancePre<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InstancePre")
            .field("module", &self.module)
            .finish_non_exhaustive()
    }
}

impl<T: 'static> InstancePre<T> {
    pub(crate) fn new(module: Module, imports: Arc<[Definition]>) -> Self {
        Self {
            module,
            imports,
            _data: PhantomData,
        }
    }

    /// The module.
    pub fn module(&self) -> &Module {
        &self.module
    }

    /// Checks the types of host functions, which belong to no store.
    pub(crate) fn check_host_functions(&self) -> Result<(), LinkError> {
        for (import, definition) in self.module.imports().zip(&*self.imports) {
            let Definition::Host(host) = definition else {
                continue;
            };
            let found = ExternType::Func(host.ty());
            if import.ty != found {
                return Err(LinkError::Type {
                    module: import.module.into(),
                    name: import.name.into(),
                    expected: import.ty.to_string(),
                    found: found.to_string(),
                });
            }
        }
        Ok(())
    }

    /// Instantiates the module. See [`Instance::new`] for the cost.
    ///
    /// # Errors
    ///
    /// As [`Instance::new`]; of the types of imports, those of host functions have been checked.
    ///
    /// # Panics
    ///
    /// As [`Instance::new`].
    pub fn instantiate(&self, mut store: impl AsContextMut<Data = T>) -> Result<Instance> {
        let imports = self.imports_in(raw_mut(&mut store))?;
        Instance::new(store, &self.module, &imports)
    }

    /// Instantiates the module as [`instantiate`](Self::instantiate) does; its start function may
    /// call asynchronous host functions.
    ///
    /// # Errors
    ///
    /// As [`Instance::new_async`]; of the types of imports, those of host functions have been
    /// checked.
    ///
    /// # Panics
    ///
    /// As [`Instance::new`].
    #[cfg(feature = "async")]
    pub async fn instantiate_async(
        &self,
        mut store: impl AsContextMut<Data = T>,
    ) -> Result<Instance>
    where
        T: Send,
    {
        let imports = self.imports_in(raw_mut(&mut store))?;
        Instance::new_async(store, &self.module, &imports).await
    }

    /// The definitions of the imports as items of the store.
    fn imports_in(&self, raw: &mut RawStore) -> Result<Vec<Extern>> {
        raw.reserve_host_funcs(self.imports.len());
        let imports = self.imports.iter().map(|import| import.to_extern(raw));
        imports.collect()
    }
}
