//! Newtypes for every index space and offset, so that none can be mistaken for another.

use std::fmt;

/// Declares a `u32` newtype with the conversions that an index needs.
macro_rules! index {
    ($($(#[$doc:meta])* $name:ident => $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u32);

        impl $name {
            /// The index as a `usize`, to index a slice with.
            #[inline]
            pub const fn index(self) -> usize {
                self.0 as usize
            }

            /// The newtype for a position in a slice.
            ///
            /// # Panics
            ///
            /// If `index` does not fit 32 bits.
            #[inline]
            pub fn from_index(index: usize) -> Self {
                Self(u32::try_from(index).expect("index spaces hold less than 2^32 entries"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(self, f)
            }
        }
    )*};
}

index! {
    /// A type of the module's type section.
    TypeIndex => "type";
    /// A function in the module's function index space: imports first.
    FuncIndex => "func";
    /// A function that the module defines, counted from its first body.
    DefinedFuncIndex => "def";
    /// A table in the module's table index space: imports first.
    TableIndex => "table";
    /// A memory in the module's memory index space: imports first.
    MemoryIndex => "memory";
    /// A global in the module's global index space: imports first.
    GlobalIndex => "global";
    /// A tag in the module's tag index space: imports first.
    TagIndex => "tag";
    /// An element segment.
    ElemIndex => "elem";
    /// A data segment.
    DataIndex => "data";
    /// A local of a function: parameters first.
    LocalIndex => "local";
    /// The n-th `loop` instruction of a body in the order of its bytes, unreachable ones included.
    LoopIndex => "loop";
    /// A copy of a function's body in one piece of code, see [`counted`](crate::counted).
    InlinedIndex => "inlined";
    /// A cell in which baseline code notes a target of a `call_indirect`, see
    /// [`targets`](crate::targets).
    TargetCell => "target";
    /// A cell in which recorded code counts, see [`sites`](crate::sites).
    SiteCell => "site";
    /// A byte offset from the start of the module's binary.
    WasmOffset => "@";
    /// A byte offset from the start of a compiled function's code.
    CodeOffset => "+";
}
