//! Globals.

use upshift_abi::vmctx::{VmGlobal, VmVal};
use upshift_abi::{GlobalType, ValType};

use super::{GlobalId, Store};

/// A global of a store.
pub(super) struct GlobalEntry {
    ty: GlobalType,
    /// The global's value: in the context of the instance that defines it, or in `own`.
    vm: *mut VmGlobal,
    _own: Option<Box<VmGlobal>>,
}

impl GlobalEntry {
    /// Creates an entry for a global whose value is at `vm`.
    pub fn in_instance(ty: GlobalType, vm: *mut VmGlobal) -> Self {
        Self { ty, vm, _own: None }
    }

    /// The type of the global's value.
    pub fn content(&self) -> ValType {
        self.ty.content
    }

    /// The low word of the global's value.
    pub fn word(&self) -> u64 {
        // SAFETY: globals live as long as the store, and generated code is not running now.
        unsafe { (*self.vm).bits[0] }
    }
}

impl Store {
    /// Creates a global that belongs to the host.
    ///
    /// # Safety
    ///
    /// As for [`global_set`](Self::global_set).
    pub unsafe fn new_global(&mut self, ty: GlobalType, value: VmVal) -> GlobalId {
        let mut own = Box::new(value);
        self.add_global(GlobalEntry {
            ty,
            vm: &raw mut *own,
            _own: Some(own),
        })
    }

    pub(super) fn add_global(&mut self, entry: GlobalEntry) -> GlobalId {
        self.globals.push(entry);
        GlobalId::new(self.globals.len() - 1)
    }

    pub(super) fn vm_global(&self, global: GlobalId) -> *mut VmGlobal {
        self.globals[global.index()].vm
    }

    /// The global's type.
    pub fn global_type(&self, global: GlobalId) -> GlobalType {
        self.globals[global.index()].ty
    }

    /// The global's value.
    pub fn global_get(&self, global: GlobalId) -> VmVal {
        // SAFETY: globals live as long as the store, and generated code is not running now.
        unsafe { *self.vm_global(global) }
    }

    /// Sets the global's value, whatever its mutability.
    ///
    /// # Safety
    ///
    /// The value is of the global's type; a reference is 0 or one of this store.
    pub unsafe fn global_set(&mut self, global: GlobalId, value: VmVal) {
        // SAFETY: as in `global_get`.
        unsafe { *self.vm_global(global) = value };
    }
}
