//! The address space of instances, kept for later instances of the same module.
//!
//! Reserving the space of an instance, making parts of it accessible, touching its first pages and
//! unmapping all of it takes longer than everything else that instantiation does. So the space of
//! an instance that has ended is made as it was when its module was instantiated, and kept: its
//! context is filled with zeros, its memory given back to the system, which leaves the module's
//! image mapped and copies of nothing. What the instance has written is gone when its store is.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use upshift_abi::ModuleFacts;
use upshift_abi::vmctx::{PAGE_SIZE, VmMemory};

use crate::error::RuntimeError;
use crate::module::ModuleCode;
use crate::space_pool::Spare;
use crate::sys::Reservation;

/// Contexts of at most so many bytes keep their pages: to fill them with zeros takes less time than
/// to get as many from the system.
const KEPT_CONTEXT: usize = 64 << 10;

/// The bytes of a context that are accessible from the start on.
fn written_bytes(facts: &ModuleFacts) -> usize {
    let on_demand = facts.layout.on_demand();
    let end = on_demand.map_or(facts.layout.context_bytes(), |part| part.start);
    end as usize
}

/// The space of one instance: its context, then a guard and the room of the first memory that its
/// module defines, if any. Goes back to the pool when it is dropped.
pub(super) struct InstanceSpace {
    /// `None` only while it is dropped.
    space: Option<Reservation>,
    /// Owns what is mapped in the space.
    module: Arc<ModuleCode>,
    /// Whether the least that the module's instances use is accessible. From then on the space can
    /// be used again. As the two flags below, written by the thread that runs the store.
    prepared: AtomicBool,
    has_image: AtomicBool,
    /// Whether a part was made accessible that is filled on demand.
    demanded: AtomicBool,
}

impl Deref for InstanceSpace {
    type Target = Reservation;

    fn deref(&self) -> &Reservation {
        self.space.as_ref().expect("taken at the end only")
    }
}

impl InstanceSpace {
    /// A space whose context is accessible and contains zeros, for an instance of the module.
    ///
    /// # Errors
    ///
    /// If the system refuses address space or memory.
    pub fn new(module: &Arc<ModuleCode>) -> Result<Self, RuntimeError> {
        let pool = module.runtime().spaces();
        let written = written_bytes(module.facts());
        let (space, prepared, has_image) = match pool.take(module.id()) {
            Some(spare) => (spare.space, true, spare.has_image),
            None => {
                let space = pool.reserve(module.facts())?;
                space.make_writable(0, written)?;
                (space, false, false)
            }
        };
        if written > PAGE_SIZE as usize && !(prepared && written <= KEPT_CONTEXT) {
            space.populate(0, written);
        }
        Ok(Self {
            space: Some(space),
            module: module.clone(),
            prepared: AtomicBool::new(prepared),
            has_image: AtomicBool::new(has_image),
            demanded: AtomicBool::new(false),
        })
    }

    /// Whether the memory's minimum is accessible already.
    pub fn is_prepared(&self) -> bool {
        self.prepared.load(Ordering::Relaxed)
    }

    /// Notes that the memory's minimum is accessible.
    pub fn set_prepared(&self) {
        self.prepared.store(true, Ordering::Relaxed);
    }

    /// Whether the module's image is mapped over the memory.
    pub fn has_image(&self) -> bool {
        self.has_image.load(Ordering::Relaxed)
    }

    /// Notes that the module's image is mapped over the memory.
    pub fn set_image(&self) {
        self.has_image.store(true, Ordering::Relaxed);
    }

    /// Notes that a part was made accessible that is filled on demand. Neither allocates nor locks.
    pub fn set_demanded(&self) {
        self.demanded.store(true, Ordering::Relaxed);
    }

    /// Makes the space as it was before anything was written into it.
    ///
    /// # Errors
    ///
    /// If the system refuses: pages that are locked in memory are not given back, for instance.
    fn reset(&self, space: &Reservation) -> Result<(), RuntimeError> {
        let facts = self.module.facts();
        if let Some((style, distance, header)) = facts.plan.behind_context() {
            let header = space.base().wrapping_add(header.0 as usize);
            // SAFETY: the layout's place for the memory's description, in the context, which is
            // accessible and aligned; the instance has ended.
            let len = unsafe { (*header.cast::<VmMemory>()).len.load(Ordering::Relaxed) };
            let least = style.bytes(style.ty().limits.min) as usize;
            let least = least.next_multiple_of(PAGE_SIZE as usize);
            let grown = len
                .next_multiple_of(PAGE_SIZE as usize)
                .saturating_sub(least);
            let start = distance as usize;
            // SAFETY: nothing uses the memory any more.
            unsafe {
                space.discard(start, least)?;
                space.revoke(start + least, grown)?;
            }
        }
        if let Some(part) = facts.layout.on_demand()
            && self.demanded.load(Ordering::Relaxed)
        {
            let (start, end) = (part.start as usize, part.end as usize);
            let len = end.next_multiple_of(PAGE_SIZE as usize) - start;
            // SAFETY: nothing uses the context any more.
            unsafe { space.revoke(start, len)? };
        }
        match written_bytes(facts) {
            // SAFETY: so many bytes are accessible, and nothing uses the context any more.
            written @ ..=KEPT_CONTEXT => unsafe { space.base().write_bytes(0, written) },
            // SAFETY: as above.
            written => unsafe { space.discard(0, written)? },
        }
        Ok(())
    }
}

impl Drop for InstanceSpace {
    fn drop(&mut self) {
        let Some(space) = self.space.take() else {
            return;
        };
        let pool = self.module.runtime().spaces();
        let useful = pool.keeps() && self.is_prepared();
        if !useful {
            return;
        }
        match self.reset(&space) {
            Ok(()) => pool.put(Spare {
                module: self.module.id(),
                space,
                has_image: self.has_image(),
            }),
            Err(error) => log::debug!("an instance's space is not used again: {error}"),
        }
    }
}
