//! The plans of memories and tables: decisions that both compilers, instantiation, images and the
//! limiter read.
//!
//! A plan follows from a type, the module's layout and the engine's [`MemoryOptions`], and contains
//! no address, so it is computed once per module, before anything is compiled. Code that accesses a
//! memory and the runtime that reserves it can't disagree, because both read the same plan.
//!
//! # Invariant
//!
//! A memory is made by one module or by the host and imported by others, whose code was compiled
//! from plans of their own. So [`MemoryStyle::bounds`], which those must agree on, follows only
//! from what an import must match exactly (index kind, page size, sharing) and from the options,
//! which are the same for the whole engine: never from limits, nor from which of a module's
//! memories it is.

use std::ops::RangeInclusive;

use crate::compiler::MemoryBounds;
use crate::facts::ModuleFacts;
use crate::index::{MemoryIndex, TableIndex};
use crate::types::{IndexKind, MemoryType, Sharing, TableType};
use crate::vmctx::{PAGE_SIZE, Place, VmLayout, VmOffset};

/// With guard pages, the inaccessible bytes before a memory, at least.
const MEMORY_GUARD: u32 = 64 << 20;

/// With guard pages, the distance from a context to the memory behind it, for all modules whose
/// contexts leave a [`MEMORY_GUARD`] in it.
const MEMORY_DISTANCE: u32 = 2 * MEMORY_GUARD;

/// With explicit bounds, the inaccessible bytes before a memory: an index is compared with the
/// length as a 64-bit number, so that one that is negative by mistake never reaches memory, and
/// address space may be short.
const SMALL_MEMORY_GUARD: u32 = 1 << 16;

/// The largest static offset that guard pages cover: with it, any 32-bit index and any access ends
/// inside [`GUARDED_SPACE`].
const GUARDED_OFFSET: u64 = u32::MAX as u64;

/// The address space of a memory with guard pages: what a 32-bit index and [`GUARDED_OFFSET`]
/// reach, and room for the widest access there.
const GUARDED_SPACE: u64 = (1 << 33) + (1 << 16);

/// The bytes at the end of what 32-bit indexes reach that no memory has: where an index is inside
/// a memory, its sum with a number up to this does not wrap.
pub const BEYOND_INDEXES: u64 = 1 << 16;

/// How much more address space is reserved for a memory with 64-bit indexes than for one with
/// 32-bit ones: programs choose those indexes to have more than 4 GiB.
const WIDE_RESERVATION: u64 = 16;

/// The least address space that is reserved for a memory with explicit bounds.
const SMALLEST_SPACE: u64 = 1 << 16;

/// The most elements of a table; the specification allows any limit below what its indexes reach.
pub const MAX_TABLE_ELEMENTS: u64 = 10_000_000;

/// An engine's options for all its memories.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryOptions {
    /// How accesses beyond a memory's length are caught, where the memory's type leaves the choice.
    pub bounds: MemoryBounds,
    /// The most address space that is reserved for a memory whose accesses are checked, if its
    /// minimum needs no more, in bytes; where others have guard pages, 16 times as much for one
    /// with 64-bit indexes. It can't grow beyond.
    pub reservation: usize,
}

impl Default for MemoryOptions {
    /// Guard pages, and room for all that a 32-bit index reaches.
    fn default() -> Self {
        Self {
            bounds: MemoryBounds::GuardPages,
            reservation: IndexKind::I32.reach() as usize,
        }
    }
}

impl MemoryOptions {
    /// The defaults, but for how accesses beyond a memory's length are caught.
    pub fn with_bounds(bounds: MemoryBounds) -> Self {
        Self {
            bounds,
            ..Self::default()
        }
    }

    /// The address space that the usual memory takes, with the context and the guard before it, in
    /// bytes.
    pub fn usual_space(&self) -> u64 {
        match self.bounds {
            MemoryBounds::GuardPages => GUARDED_SPACE + u64::from(MEMORY_DISTANCE),
            MemoryBounds::Explicit => {
                // More can be asked for, but no memory with 32-bit indexes takes more.
                (self.reservation as u64).min(IndexKind::I32.reach())
            }
        }
    }
}

/// What keeps an access inside its memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Guard pages: every out-of-bounds address that the access can have is inaccessible.
    Guarded,
    /// A comparison before the access: it traps where `index + end` exceeds the memory's length.
    /// The index has 32 bits, so the sum fits 64.
    Checked {
        /// The static offset plus the access's size in bytes.
        end: u64,
    },
    /// A comparison of the index alone, of 64 bits, before the access: it traps where the index
    /// exceeds the memory's length. From there on, what is within reach of the offset and the
    /// access's size is inaccessible.
    CheckedIndex,
    /// A comparison like `Checked`, with an index of 64 bits: where the sum carries, it traps too.
    CheckedWide {
        /// The static offset plus the access's size in bytes; `u64::MAX` if 64 bits don't hold
        /// that, with which every access traps.
        end: u64,
    },
}

/// The decisions about a memory that don't depend on its place: the same for the module that
/// defines it, for those that import it and for the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryStyle {
    ty: MemoryType,
    bounds: MemoryBounds,
    guard_after: u32,
    reservation: u64,
}

impl MemoryStyle {
    /// Decides about a memory of the type.
    pub fn new(ty: MemoryType, options: &MemoryOptions) -> Self {
        // Guards begin at a page of the processor, so a memory must end at one; and they can't
        // cover what a 64-bit index reaches.
        let can_guard = ty.index == IndexKind::I32 && ty.page_bytes() >= u64::from(PAGE_SIZE);
        Self {
            ty,
            bounds: match options.bounds {
                MemoryBounds::GuardPages if can_guard => MemoryBounds::GuardPages,
                MemoryBounds::GuardPages | MemoryBounds::Explicit => MemoryBounds::Explicit,
            },
            guard_after: match options.bounds {
                // Accessible pages don't end where the memory does, or no index is compared alone.
                _ if ty.index == IndexKind::I32 || ty.page_bytes() < u64::from(PAGE_SIZE) => 0,
                MemoryBounds::GuardPages => MEMORY_GUARD,
                MemoryBounds::Explicit => SMALL_MEMORY_GUARD,
            },
            reservation: match (ty.index, options.bounds) {
                (IndexKind::I64, MemoryBounds::GuardPages) => {
                    (options.reservation as u64).saturating_mul(WIDE_RESERVATION)
                }
                // Address space may be short.
                _ => options.reservation as u64,
            },
        }
    }

    /// The type of the memory.
    pub fn ty(&self) -> MemoryType {
        self.ty
    }

    /// The kind of its addresses, sizes in pages included.
    #[inline]
    pub fn index(&self) -> IndexKind {
        self.ty.index
    }

    /// How accesses beyond its length are caught.
    pub fn bounds(&self) -> MemoryBounds {
        self.bounds
    }

    /// What keeps an access of so many bytes at the static offset inside the memory.
    #[inline]
    pub fn access(&self, offset: u64, bytes: u32) -> Access {
        let end = offset.saturating_add(bytes.into());
        match (self.bounds, self.index()) {
            (MemoryBounds::GuardPages, _) if offset <= GUARDED_OFFSET => Access::Guarded,
            (_, IndexKind::I32) => Access::Checked { end },
            (_, IndexKind::I64) if end <= self.guard_after.into() => Access::CheckedIndex,
            (_, IndexKind::I64) => Access::CheckedWide { end },
        }
    }

    /// Whether an access of so many bytes at a constant index and the static offset is inside the
    /// memory whatever its present length is: memories never shrink.
    pub fn always_holds(&self, index: u64, offset: u64, bytes: u32) -> bool {
        let end = index
            .checked_add(offset)
            .and_then(|start| start.checked_add(bytes.into()));
        let least = self.min_bytes().min(self.index().reach());
        end.is_some_and(|end| end <= least)
    }

    /// Bytes of a page, as a power of two.
    #[inline]
    pub fn page_shift(&self) -> u8 {
        self.ty.page_shift
    }

    /// Bytes of so many pages; `u64::MAX` if that is more than 64 bits hold.
    pub fn bytes(&self, pages: u64) -> u64 {
        pages.saturating_mul(self.ty.page_bytes())
    }

    /// How many whole pages so many bytes are.
    pub fn pages(&self, bytes: u64) -> u64 {
        bytes >> self.page_shift()
    }

    /// The initial size in bytes.
    pub fn min_bytes(&self) -> u64 {
        self.bytes(self.ty.limits.min)
    }

    /// The declared maximum in bytes.
    pub fn max_bytes(&self) -> Option<u64> {
        self.ty.limits.max.map(|pages| self.bytes(pages))
    }

    /// The most pages that the memory can ever have: its declared maximum, or what its indexes
    /// reach and can count, less the [last bytes](BEYOND_INDEXES).
    pub fn max_pages(&self) -> u64 {
        let reached = match self.index() {
            IndexKind::I32 => self.index().reach() - BEYOND_INDEXES,
            IndexKind::I64 => self.index().reach(),
        };
        let reached = self.pages(reached).min(self.ty.most_pages());
        self.ty.limits.max.map_or(reached, |max| max.min(reached))
    }

    /// The length in bytes, if that never changes.
    pub fn fixed_bytes(&self) -> Option<u64> {
        self.ty.limits.fixed().map(|pages| self.bytes(pages))
    }

    /// Inaccessible bytes to leave before its first byte, where nothing else lies there.
    pub fn guard_before(&self) -> u32 {
        match self.bounds {
            MemoryBounds::GuardPages => MEMORY_GUARD,
            MemoryBounds::Explicit => SMALL_MEMORY_GUARD,
        }
    }

    /// Inaccessible bytes at the end of its address space, behind all that it can grow to.
    pub fn guard_after(&self) -> u32 {
        self.guard_after
    }

    /// The address space to reserve from its first byte on, in bytes: what it must have, up to what
    /// it is to have if the system grants that. It can't grow beyond what it gets, less the guard
    /// at the end.
    pub fn space(&self) -> RangeInclusive<u64> {
        match self.bounds {
            MemoryBounds::GuardPages => GUARDED_SPACE..=GUARDED_SPACE,
            MemoryBounds::Explicit => {
                let whole_pages =
                    |bytes: u64| match bytes.checked_next_multiple_of(PAGE_SIZE.into()) {
                        Some(bytes) => bytes.max(SMALLEST_SPACE),
                        None => u64::MAX,
                    };
                let max = self.max_pages();
                let least = whole_pages(self.bytes(self.ty.limits.min.min(max)));
                let most = whole_pages(self.bytes(max));
                let guard = u64::from(self.guard_after);
                let most = most.min(self.reservation).max(least);
                least.saturating_add(guard)..=most.saturating_add(guard)
            }
        }
    }

    /// Whether its first contents can be mapped copy-on-write: it consists of whole pages of the
    /// processor, and only one thread sees it.
    pub fn can_map_contents(&self) -> bool {
        self.ty.page_bytes() >= u64::from(PAGE_SIZE) && self.ty.sharing == Sharing::Private
    }

    /// The distance from a `VmContext*` to this memory behind it.
    fn distance(&self, context_bytes: u32) -> u32 {
        match self.bounds {
            MemoryBounds::GuardPages if context_bytes <= MEMORY_DISTANCE - MEMORY_GUARD => {
                MEMORY_DISTANCE
            }
            MemoryBounds::GuardPages | MemoryBounds::Explicit => {
                context_bytes + self.guard_before()
            }
        }
    }
}

/// The place of a memory's bytes and of its [`VmMemory`](crate::vmctx::VmMemory), as the module's
/// code reaches them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryPlace {
    /// Behind the context, in one reservation with it: the first memory that the module defines.
    BehindContext {
        /// From the `VmContext*` to the first byte: a constant, so no base is loaded.
        distance: u32,
        /// The `VmMemory`, in the context.
        header: VmOffset,
    },
    /// In a reservation of its own: further memories that the module defines.
    Apart {
        /// The `VmMemory`, in the context.
        header: VmOffset,
    },
    /// In an object of its own, which lives as long as its last user: a shared memory that the
    /// module defines.
    Shared {
        /// A pointer to the `VmMemory`, in the context: in the first word of the place where that
        /// of a private memory would be.
        pointer: VmOffset,
    },
    /// Where the defining instance or host has placed it.
    Imported {
        /// A pointer to the `VmMemory`, in the context.
        pointer: VmOffset,
    },
}

impl MemoryPlace {
    /// The place of the `VmMemory`.
    #[inline]
    pub fn header(self) -> Place {
        match self {
            MemoryPlace::BehindContext { header, .. } | MemoryPlace::Apart { header } => {
                Place::Inline(header)
            }
            MemoryPlace::Shared { pointer } | MemoryPlace::Imported { pointer } => {
                Place::Pointer(pointer)
            }
        }
    }
}

/// The plan of a memory of a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryPlan {
    /// The decisions that don't depend on the module.
    pub style: MemoryStyle,
    /// The place of the memory.
    pub place: MemoryPlace,
}

/// When a defined table's first elements are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableFilling {
    /// When the module is instantiated.
    AtInstantiation,
    /// When they are touched: they lie in the context and come from the module's
    /// [image](crate::facts::TableImage).
    OnDemand,
}

/// The plan of a table of a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TablePlan {
    /// Its type.
    pub ty: TableType,
    /// Where its [`VmTable`](crate::vmctx::VmTable) lies: in the context, or behind a pointer there
    /// if it is imported.
    pub place: Place,
    /// When the initial elements are written; without meaning for imports.
    pub filling: TableFilling,
}

impl TablePlan {
    /// The kind of its indexes and of its size.
    #[inline]
    pub fn index(&self) -> IndexKind {
        self.ty.index
    }

    /// The length, if that never changes. Then the elements don't move either.
    pub fn fixed_len(&self) -> Option<u64> {
        self.ty.limits.fixed()
    }
}

/// The plans of the memories and tables of a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModulePlan {
    options: MemoryOptions,
    memories: Box<[MemoryPlan]>,
    tables: Box<[TablePlan]>,
}

impl ModulePlan {
    /// Plans the memories and tables that the facts declare; their layout is known.
    pub(crate) fn new(facts: &ModuleFacts, options: MemoryOptions) -> Self {
        let layout = &facts.layout;
        let memories = facts.memories.iter().enumerate().map(|(n, &ty)| {
            let style = MemoryStyle::new(ty, &options);
            let place = memory_place(layout, MemoryIndex::from_index(n), &style);
            MemoryPlan { style, place }
        });
        let lazy = layout.on_demand().and_then(|part| part.elements);
        let image = facts.table_image.as_ref().filter(|_| lazy.is_some());
        let tables = facts.tables.iter().enumerate().map(|(n, &ty)| {
            let index = TableIndex::from_index(n);
            TablePlan {
                ty,
                place: layout.table(index),
                filling: match image {
                    Some(image) if image.table == index => TableFilling::OnDemand,
                    _ => TableFilling::AtInstantiation,
                },
            }
        });
        Self {
            options,
            memories: memories.collect(),
            tables: tables.collect(),
        }
    }

    /// The plan of a module that declares nothing.
    pub(crate) fn empty() -> Self {
        Self {
            options: MemoryOptions::default(),
            memories: Box::default(),
            tables: Box::default(),
        }
    }

    /// The engine's options that the plans were made for.
    pub fn options(&self) -> &MemoryOptions {
        &self.options
    }

    /// The plan of a memory.
    #[inline]
    pub fn memory(&self, memory: MemoryIndex) -> &MemoryPlan {
        &self.memories[memory.index()]
    }

    /// The plans of all memories, imports first.
    pub fn memories(&self) -> &[MemoryPlan] {
        &self.memories
    }

    /// The plan of a table.
    #[inline]
    pub fn table(&self, table: TableIndex) -> &TablePlan {
        &self.tables[table.index()]
    }

    /// The plans of all tables, imports first.
    pub fn tables(&self) -> &[TablePlan] {
        &self.tables
    }

    /// The memory that lies behind the context, its distance from the `VmContext*`, and the place
    /// of its header there.
    pub fn behind_context(&self) -> Option<(&MemoryStyle, u32, VmOffset)> {
        self.memories.iter().find_map(|plan| match plan.place {
            MemoryPlace::BehindContext { distance, header } => {
                Some((&plan.style, distance, header))
            }
            MemoryPlace::Apart { .. }
            | MemoryPlace::Shared { .. }
            | MemoryPlace::Imported { .. } => None,
        })
    }
}

/// The place of a memory of a module with the layout.
fn memory_place(layout: &VmLayout, memory: MemoryIndex, style: &MemoryStyle) -> MemoryPlace {
    match layout.memory(memory) {
        Place::Pointer(pointer) => MemoryPlace::Imported { pointer },
        Place::Inline(header) if style.ty().sharing == Sharing::Shared => {
            MemoryPlace::Shared { pointer: header }
        }
        Place::Inline(header) if layout.is_first_defined(memory) => MemoryPlace::BehindContext {
            distance: style.distance(layout.context_bytes()),
            header,
        },
        Place::Inline(header) => MemoryPlace::Apart { header },
    }
}

#[cfg(test)]
mod tests;
