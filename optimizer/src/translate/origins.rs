//! Where code comes from: the functions that were inlined, and the accesses of linear memory.
//!
//! Cranelift merges a load into the instruction that uses its value, which keeps its own source
//! location: a fault there would be reported for the wrong operator, and in the wrong function
//! where the load was inlined. But the trap code is the load's. So each access that can fault has
//! a number, its code tells the number modulo [`trap::ACCESS_CODES`], and [`Origins::of_access`]
//! finds the last access with that code up to the instruction that faults. Cranelift merges a load
//! only if no other access stands between it and its use, so that is the one.

use cranelift_codegen::ir::{self, AliasRegion, MemFlagsData, SourceLoc};
use upshift_abi::WasmOffset;

use super::Translator;
use super::access::{self, Region};
use super::inline::Copies;
use crate::trap;

/// Where a translation's instructions come from.
#[derive(Debug, Default)]
pub(crate) struct Origins {
    pub(crate) copies: Copies,
    pub(super) accesses: Accesses,
    /// The jumps to loops that dispatch, ascending.
    pub(super) dispatching: Vec<SourceLoc>,
}

/// The accesses of linear memory that can fault, in the order of the body.
#[derive(Debug, Default)]
pub(super) struct Accesses {
    list: Vec<Access>,
    /// The region of linear memory.
    region: Option<AliasRegion>,
}

/// An access of linear memory.
#[derive(Clone, Copy, Debug)]
struct Access {
    /// The operator of the function's own body that it belongs to: itself, or a call.
    root: WasmOffset,
    location: SourceLoc,
}

/// What an access of linear memory does beyond the memory's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It faults.
    BeyondEnd,
    /// It is never reached: the bounds are checked.
    Never,
}

impl Origins {
    /// Whether there are jumps to loops that dispatch.
    pub(crate) fn dispatches(&self) -> bool {
        !self.dispatching.is_empty()
    }

    /// Whether a source location is that of a jump to a loop that dispatches.
    pub(crate) fn is_dispatching(&self, source: SourceLoc) -> bool {
        let found = self
            .dispatching
            .binary_search_by_key(&source.bits(), |jump| jump.bits());
        found.is_ok()
    }

    /// The source location of the access that has faulted, in an instruction with that location
    /// and trap code; `None` if the code is not an access's.
    pub(crate) fn of_access(&self, code: ir::TrapCode, inst: SourceLoc) -> Option<SourceLoc> {
        let number = trap::access_number(code)?;
        let accesses = &self.accesses.list;
        let behind = if accesses.len() <= trap::ACCESS_CODES {
            accesses.len()
        } else {
            let root = self.copies.root(inst);
            accesses.partition_point(|access| access.root <= root)
        };
        let last = behind.checked_sub(1)?;
        let newer = (last + trap::ACCESS_CODES - number) % trap::ACCESS_CODES;
        Some(accesses[last.checked_sub(newer)?].location)
    }
}

impl Translator<'_> {
    /// The flags of an access of linear memory by the current operator, which is noted if it can
    /// fault.
    pub(crate) fn access_flags(&mut self, fault: Fault) -> MemFlagsData {
        let func = &mut *self.builder.func;
        let region = *self
            .accesses
            .region
            .get_or_insert_with(|| Region::Memory.declare(func));
        let code = match fault {
            Fault::Never => None,
            Fault::BeyondEnd => {
                let location = self.builder.srcloc();
                let root = self.inlining.root(location);
                self.accesses.list.push(Access { root, location });
                Some(trap::of_access(self.accesses.list.len() - 1))
            }
        };
        access::memory(region, code)
    }
}
