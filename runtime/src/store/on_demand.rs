//! The parts of an instance's context that are filled when generated code first touches them.
//!
//! A large module has thousands of functions that references can be made of, and a table of most of
//! them; an instance that runs for a short time uses few. So the function references and the
//! elements of that table start without access. The first access to a chunk faults, and the signal
//! handler fills the chunk from the module and lets the instruction run again. Generated code pays
//! nothing for it.
//!
//! Two kinds of code access these parts: generated code, in whatever instance of the store, for
//! which the handler calls [`Store::provide`]; and this crate, which has elements filled before it
//! reads or writes them, and never reads function references there: it makes
//! [copies](Store::func_id) of those it needs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use upshift_abi::FuncIndex;
use upshift_abi::vmctx::{CHUNK, OnDemandLayout, VmContext, VmFuncRef, VmImportedFunc, VmSlot};

use super::Store;
use super::instance_space::InstanceSpace;
use crate::error::RuntimeError;
use crate::module::ModuleCode;

/// The parts of one instance that are filled on demand.
pub(super) struct OnDemand {
    /// The instance's reservation.
    space: Arc<InstanceSpace>,
    /// Dropped after `space`; see `Instance`.
    module: Arc<ModuleCode>,
    layout: OnDemandLayout,
    /// Whether each chunk is filled. Written by the thread that runs the store, also in its signal
    /// handler, which can't interrupt other code that accesses this: it acts only where generated
    /// code was running.
    filled: Box<[AtomicBool]>,
}

impl OnDemand {
    pub fn new(
        space: &Arc<InstanceSpace>,
        module: &Arc<ModuleCode>,
        layout: OnDemandLayout,
    ) -> Self {
        let bytes = layout.end - layout.start;
        let chunks = bytes.div_ceil(CHUNK);
        Self {
            space: space.clone(),
            module: module.clone(),
            layout,
            filled: (0..chunks).map(|_| AtomicBool::new(false)).collect(),
        }
    }

    /// The first address of these parts.
    pub fn start(&self) -> usize {
        self.space.base() as usize + self.layout.start as usize
    }

    /// The chunk that an address is in.
    fn chunk_of(&self, address: usize) -> Option<usize> {
        let offset = address.checked_sub(self.start())?;
        let inside = offset < (self.layout.end - self.layout.start) as usize;
        inside.then_some(offset / CHUNK as usize)
    }

    /// Fills a chunk, unless that has been done. Neither allocates nor locks.
    fn fill(&self, chunk: usize) -> Result<(), RuntimeError> {
        if self.filled[chunk].load(Ordering::Relaxed) {
            return Ok(());
        }
        let start = self.layout.start + chunk as u32 * CHUNK;
        let end = (start + CHUNK).min(self.layout.end);
        let (offset, len) = (start as usize, (end - start) as usize);
        self.space.set_demanded();
        self.space.make_writable(offset, len)?;
        self.space.populate(offset, len);
        match self.layout.elements {
            Some(elements) if start >= elements => {
                self.fill_elements(start, (start - elements) / 8)
            }
            _ => self.fill_func_refs(
                start,
                (start - self.layout.start) / size_of::<VmFuncRef>() as u32,
            ),
        }
        self.filled[chunk].store(true, Ordering::Relaxed);
        Ok(())
    }

    fn fill_func_refs(&self, offset: u32, first: u32) {
        const COUNT: usize = CHUNK as usize / size_of::<VmFuncRef>();
        let funcs = &self.module.facts().ref_funcs;
        let to: *mut VmFuncRef = self.at(offset);
        for (n, &func) in funcs.iter().skip(first as usize).take(COUNT).enumerate() {
            // SAFETY: the chunk is writable and these references lie in it.
            unsafe { to.add(n).write(callee(self.vmctx(), &self.module, func)) };
        }
    }

    fn fill_elements(&self, offset: u32, first: u32) {
        const COUNT: usize = CHUNK as usize / size_of::<usize>();
        let image = self.module.facts().table_image.as_ref();
        let elements = image.map_or(&[][..], |image| &image.elements);
        let to: *mut usize = self.at(offset);
        let refs: *mut VmFuncRef = self.at(self.layout.start);
        for (n, &element) in elements.iter().skip(first as usize).take(COUNT).enumerate() {
            if element != 0 {
                let word = refs.wrapping_add(element as usize - 1) as usize;
                // SAFETY: the chunk is writable and these elements lie in it.
                unsafe { to.add(n).write(word) };
            }
        }
    }

    /// Fills all elements of the table.
    pub fn fill_table(&self) -> Result<(), RuntimeError> {
        let Some(elements) = self.layout.elements else {
            return Ok(());
        };
        let first = (elements - self.layout.start) / CHUNK;
        (first as usize..self.filled.len()).try_for_each(|chunk| self.fill(chunk))
    }

    /// The address of the table's first element.
    pub fn elements(&self) -> *mut usize {
        self.at(self.layout.elements.unwrap_or(self.layout.end))
    }

    fn at<T>(&self, offset: u32) -> *mut T {
        self.space.base().wrapping_add(offset as usize).cast()
    }

    fn vmctx(&self) -> *mut VmContext {
        self.at(0)
    }

    /// The contents of the function reference at an address, whether it is filled or not.
    pub fn func_ref(&self, address: usize) -> Option<VmFuncRef> {
        self.chunk_of(address)?;
        let n = (address - self.start()) / size_of::<VmFuncRef>();
        let func = *self.module.facts().ref_funcs.get(n)?;
        Some(callee(self.vmctx(), &self.module, func))
    }
}

/// Slot, context and type of any function of a module, for an instance of it.
pub(super) fn callee(vmctx: *mut VmContext, module: &ModuleCode, func: FuncIndex) -> VmFuncRef {
    let facts = module.facts();
    let (slot, vmctx): (*const VmSlot, _) = match facts.defined_func(func) {
        Some(defined) => (module.slot(defined), vmctx),
        None => {
            let offset = facts.layout.imported_func(func).0 as usize;
            let import = vmctx.wrapping_byte_add(offset).cast::<VmImportedFunc>();
            // SAFETY: the layout's entry of this import, which was filled before.
            let import = unsafe { &*import };
            (import.slot, import.vmctx)
        }
    };
    VmFuncRef {
        slot,
        vmctx,
        type_id: facts.func_type_id(func),
    }
}

/// The result of handling a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Provided {
    /// The address is not in a part that is filled on demand, or its chunk is filled already.
    NotOurs,
    /// The chunk was filled: the instruction can run again.
    Filled,
    /// The system refused the memory.
    Refused,
}

impl Store {
    /// Fills the chunk that generated code accessed, if it is filled on demand. May be called in a
    /// signal handler while generated code was running.
    pub(crate) fn provide(&self, address: usize) -> Provided {
        let Some((part, chunk)) = self.on_demand_at(address) else {
            return Provided::NotOurs;
        };
        if part.filled[chunk].load(Ordering::Relaxed) {
            // A filled chunk faults for another reason.
            return Provided::NotOurs;
        }
        match part.fill(chunk) {
            Ok(()) => Provided::Filled,
            Err(_) => Provided::Refused,
        }
    }

    fn on_demand_at(&self, address: usize) -> Option<(&OnDemand, usize)> {
        let (_, part) = self.on_demand.range(..=address).next_back()?;
        part.chunk_of(address).map(|chunk| (&**part, chunk))
    }

    /// The contents of a function reference, if it is where references are filled on demand.
    pub(super) fn func_ref_on_demand(&self, func_ref: *const VmFuncRef) -> Option<VmFuncRef> {
        let (part, _) = self.on_demand_at(func_ref as usize)?;
        part.func_ref(func_ref as usize)
    }
}
