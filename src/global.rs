//! Globals.

use upshift_runtime::GlobalId;

use crate::handle::Handle;
use crate::val::raw_mut;
use crate::{AsContext, AsContextMut, GlobalType, Mutability, Result, Val, words};

/// A global of a store.
///
/// A handle: [`Copy`], valid for its store.
///
/// All methods panic if the global, or a reference that is passed in, belongs to another store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Global(pub(crate) Handle<GlobalId>);

impl Global {
    /// Creates a global with a value.
    ///
    /// # Errors
    ///
    /// If the value is of another type, or if the type refers to a function type that no module and
    /// no store of the engine uses.
    pub fn new(mut store: impl AsContextMut, ty: GlobalType, value: Val) -> Result<Self> {
        let raw = raw_mut(&mut store);
        let id = words::new_global(raw, ty.0, value)?;
        Ok(Self(Handle::new(raw, id)))
    }

    /// The global's type.
    pub fn ty(&self, store: impl AsContext) -> GlobalType {
        let raw = store.as_context().raw;
        GlobalType(raw.global_type(self.0.id_in(raw)))
    }

    /// The global's value.
    pub fn get(&self, mut store: impl AsContextMut) -> Val {
        let raw = raw_mut(&mut store);
        let id = self.0.id_in(raw);
        words::global_get(raw, id)
    }

    /// Changes the value.
    ///
    /// # Errors
    ///
    /// If the global is constant or the value is of another type.
    pub fn set(&self, mut store: impl AsContextMut, value: Val) -> Result<()> {
        let ty = self.ty(&store);
        anyhow::ensure!(
            ty.mutability() == Mutability::Var,
            "immutable global cannot be set"
        );
        let raw = raw_mut(&mut store);
        words::global_set(raw, self.0.id_in(raw), value)
    }
}
