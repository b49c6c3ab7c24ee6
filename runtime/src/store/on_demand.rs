//! The parts of an instance's context that are filled when generated code first touches them.
//!
//! A large module has thousands of functions that can become references, and a table that holds
//! most of them; an instance that runs for a short time uses few. So the function references and
//! the elements of that table start without access. The first touch of a chunk faults, and the
//! signal handler fills the chunk with what the module says and lets the instruction run again.
//! Generated code pays nothing for it, and does not know.
//!
//! Who touches: generated code, in whatever instance of the store, for which the handler asks
//! [`Store::provide`]; and this crate, which asks before it reads or writes elements, and never
//! reads function references there: it makes [copies](Store::func_id) of those it needs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use upshift_abi::FuncIndex;
use upshift_abi::vmctx::{CHUNK, OnDemandLayout, VmContext, VmFuncRef, VmImportedFunc, VmSlot};

use super::Store;
use crate::error::RuntimeError;
use crate::module::ModuleCode;
use crate::sys::Reservation;

/// What of one instance is filled on demand.
pub(super) struct OnDemand {
    /// The instance's.
    space: Arc<Reservation>,
    /// Dropped after `space`; see `Instance`.
    module: Arc<ModuleCode>,
    layout: OnDemandLayout,
    /// By chunk: whether it is filled. Written by the thread that runs the store, in its signal
    /// handler too, which interrupts nothing that looks at this: it acts where generated code was
    /// running.
    filled: Box<[AtomicBool]>,
}

impl OnDemand {
    pub fn new(space: &Arc<Reservation>, module: &Arc<ModuleCode>, layout: OnDemandLayout) -> Self {
        let bytes = layout.end - layout.start;
        let chunks = bytes.div_ceil(CHUNK);
        Self {
            space: space.clone(),
            module: module.clone(),
            layout,
            filled: (0..chunks).map(|_| AtomicBool::new(false)).collect(),
        }
    }

    /// Its first address.
    pub fn start(&self) -> usize {
        self.space.base() as usize + self.layout.start as usize
    }

    /// Which chunk an address is in.
    fn chunk_of(&self, address: usize) -> Option<usize> {
        let offset = address.checked_sub(self.start())?;
        let inside = offset < (self.layout.end - self.layout.start) as usize;
        inside.then_some(offset / CHUNK as usize)
    }

    /// Fills a chunk, unless that has happened. Neither allocates nor locks.
    fn fill(&self, chunk: usize) -> Result<(), RuntimeError> {
        if self.filled[chunk].load(Ordering::Relaxed) {
            return Ok(());
        }
        let start = self.layout.start + chunk as u32 * CHUNK;
        let end = (start + CHUNK).min(self.layout.end);
        let (offset, len) = (start as usize, (end - start) as usize);
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

    /// The table's first element.
    pub fn elements(&self) -> *mut usize {
        self.at(self.layout.elements.unwrap_or(self.layout.end))
    }

    fn at<T>(&self, offset: u32) -> *mut T {
        self.space.base().wrapping_add(offset as usize).cast()
    }

    fn vmctx(&self) -> *mut VmContext {
        self.at(0)
    }

    /// What the function reference at an address says, whether it is filled or not.
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
            // SAFETY: the layout's entry of this import, filled before anything asks.
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

/// What became of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Provided {
    /// It was about something else.
    NotOurs,
    /// The instruction can run again.
    Filled,
    /// The system refused the memory.
    Refused,
}

impl Store {
    /// Fills what generated code touched, if that was waiting for it. May be called in a signal
    /// handler while generated code was running.
    pub(crate) fn provide(&self, address: usize) -> Provided {
        let Some((part, chunk)) = self.on_demand_at(address) else {
            return Provided::NotOurs;
        };
        if part.filled[chunk].load(Ordering::Relaxed) {
            // Then it faults for another reason.
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

    /// What a function reference says, if it lies where references are filled on demand.
    pub(super) fn func_ref_on_demand(&self, func_ref: *const VmFuncRef) -> Option<VmFuncRef> {
        let (part, _) = self.on_demand_at(func_ref as usize)?;
        part.func_ref(func_ref as usize)
    }
}
