//! Regions that don't alias, and flags, which tell Cranelift what to assume of a memory access.
//!
//! A location belongs to one region, and accesses of different regions never touch the same bytes.
//! Calls count as accesses of all of them, so what only the runtime writes needs no stores here.

use std::borrow::Cow;

use cranelift_codegen::ir::{
    self, AliasRegion, AliasRegionData, Endianness, Function, GlobalValue, GlobalValueData,
    MemFlagsData, Type,
};
use upshift_abi::GlobalIndex;
use upshift_abi::kind::WORD_BYTES;
use upshift_abi::vmctx::{VmContext, VmStore};

use crate::signature::POINTER;

/// Globals with regions of their own; the others share one. The state that alias analysis keeps
/// at each block grows with the number of regions.
const SEPARATE_GLOBALS: u32 = 32;

/// The regions that generated code reads or writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Region {
    /// The context's header and arrays, and what they point to: generated code only reads it.
    Context,
    /// Linear memory.
    Memory,
    /// Elements of tables.
    Table,
    /// Function references.
    FuncRef,
    /// Entries of indirection tables.
    Slot,
    /// A global that the module defines.
    Global(GlobalIndex),
    /// Imported globals: two of them may be the same.
    ImportedGlobals,
    /// The home slots of a baseline frame.
    Home,
    /// Result areas.
    Results,
    /// Exceptions.
    Exception,
    /// The store's fuel.
    Fuel,
    /// The engine's epoch, and the context's copy of the deadline.
    Epoch,
    /// The instance's counters.
    Counters,
    /// Whether the store wants to know what observed code does.
    Observing,
}

impl Region {
    fn data(self) -> AliasRegionData {
        let (user_id, description) = match self {
            Region::Context => (0, "context"),
            Region::Memory => (1, "memory"),
            Region::Table => (2, "table"),
            Region::FuncRef => (3, "funcref"),
            Region::Slot => (4, "slot"),
            Region::ImportedGlobals => (5, "imported globals"),
            Region::Home => (6, "home slots"),
            Region::Results => (7, "results"),
            Region::Global(index) => (8 + index.0.min(SEPARATE_GLOBALS), "global"),
            Region::Exception => (8 + SEPARATE_GLOBALS + 1, "exception"),
            Region::Fuel => (8 + SEPARATE_GLOBALS + 2, "fuel"),
            Region::Epoch => (8 + SEPARATE_GLOBALS + 3, "epoch"),
            Region::Counters => (8 + SEPARATE_GLOBALS + 4, "counters"),
            Region::Observing => (8 + SEPARATE_GLOBALS + 5, "observing"),
        };
        AliasRegionData {
            user_id,
            description: Cow::Borrowed(description),
        }
    }

    pub(super) fn declare(self, func: &mut Function) -> AliasRegion {
        func.dfg.alias_regions.insert(self.data())
    }
}

/// The flags of accesses that can't fault.
pub(crate) fn trusted(func: &mut Function, region: Region) -> MemFlagsData {
    MemFlagsData::trusted().with_alias_region(Some(region.declare(func)))
}

/// The flags of loads of values that don't change while the function runs, at addresses that are
/// always valid: such loads are computations like any other, free to be merged and moved.
pub(crate) fn fixed(func: &mut Function, region: Region) -> MemFlagsData {
    trusted(func, region).with_readonly().with_can_move()
}

/// The flags of accesses of home slots for values of the type.
pub(crate) fn home(func: &mut Function, ty: Type) -> MemFlagsData {
    in_words(func, Region::Home, ty)
}

/// The flags of accesses of an exception's values of the type.
pub(crate) fn exception(func: &mut Function, ty: Type) -> MemFlagsData {
    in_words(func, Region::Exception, ty)
}

/// The flags of accesses that can't fault, of values of the type that are aligned to words only.
fn in_words(func: &mut Function, region: Region, ty: Type) -> MemFlagsData {
    let flags = MemFlagsData::new()
        .with_notrap()
        .with_alias_region(Some(region.declare(func)));
    if ty.bytes() <= WORD_BYTES {
        flags.with_aligned()
    } else {
        flags
    }
}

/// The flags of loads of home slots that don't change while the function runs; see [`fixed`].
pub(crate) fn fixed_home(func: &mut Function, ty: Type) -> MemFlagsData {
    home(func, ty).with_readonly().with_can_move()
}

/// The flags of accesses of linear memory, the region, at any alignment, that fault with the code
/// beyond its end; with none they can't fault.
pub(super) fn memory(region: AliasRegion, fault: Option<ir::TrapCode>) -> MemFlagsData {
    MemFlagsData::new()
        .with_endianness(Endianness::Little)
        .with_trap_code(fault)
        .with_alias_region(Some(region))
}

/// The address of the stack limit for prologues.
pub(crate) fn stack_limit(func: &mut Function) -> GlobalValue {
    let flags = fixed(func, Region::Context);
    let flags = func.dfg.mem_flags.insert_unchecked(flags);
    let vmctx = func.create_global_value(GlobalValueData::VMContext);
    let mut load = |base, offset| {
        func.create_global_value(GlobalValueData::Load {
            base,
            offset,
            global_type: POINTER,
            flags,
        })
    };
    let store = load(vmctx, VmContext::STORE.disp().into());
    load(store, VmStore::STACK_LIMIT.disp().into())
}

#[cfg(test)]
mod tests {
    use upshift_abi::Kind;

    use super::*;
    use crate::signature::clif_type;

    #[test]
    fn home_slots_and_exceptions_are_aligned_to_words() {
        let mut func = Function::new();
        for kind in Kind::ALL {
            for flags in [home, fixed_home, exception] {
                let flags = flags(&mut func, clif_type(kind));
                assert_eq!(flags.aligned(), kind.words() == 1, "{kind:?}");
                assert!(flags.notrap() && flags.alias_region().is_some());
            }
        }
    }
}
