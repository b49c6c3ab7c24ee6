//! The one list of traps.

use std::fmt;

macro_rules! traps {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $message:literal;)*) => {
        /// The reason why WebAssembly code trapped. `Display` is the specification's wording.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        #[non_exhaustive]
        pub enum TrapCode { $($(#[$doc])* $name = $code,)* }

        impl TrapCode {
            /// Every trap, in the order of its code.
            pub const ALL: &'static [TrapCode] = &[$(TrapCode::$name,)*];

            /// The trap with the code, if there is one.
            pub const fn from_u8(code: u8) -> Option<Self> {
                match code { $($code => Some(TrapCode::$name),)* _ => None }
            }
        }

        impl fmt::Display for TrapCode {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $(TrapCode::$name => $message,)* })
            }
        }
    };
}

impl std::error::Error for TrapCode {}

traps! {
    /// `unreachable` was executed.
    Unreachable = 1, "unreachable";
    /// A load, store or bulk operation touched bytes beyond the memory's length.
    MemoryOutOfBounds = 2, "out of bounds memory access";
    /// `table.get`, `table.set` or a bulk table operation went beyond the table's length.
    TableOutOfBounds = 3, "out of bounds table access";
    /// `call_indirect` with an index beyond the table's length.
    UndefinedElement = 4, "undefined element";
    /// `call_indirect` through a null element.
    UninitializedElement = 5, "uninitialized element";
    /// `call_indirect` of a function with another type.
    IndirectCallTypeMismatch = 6, "indirect call type mismatch";
    /// Integer division or remainder by zero.
    IntegerDivideByZero = 7, "integer divide by zero";
    /// A signed division or a float-to-integer conversion whose result does not fit.
    IntegerOverflow = 8, "integer overflow";
    /// A float-to-integer conversion of NaN.
    InvalidConversionToInteger = 9, "invalid conversion to integer";
    /// The stack limit was reached.
    StackOverflow = 10, "call stack exhausted";
    /// Another thread interrupted the store.
    Interrupt = 11, "interrupt";
    /// A non-null reference was required.
    NullReference = 12, "null reference";
    /// The system refused memory that the instance had been promised.
    OutOfMemory = 13, "out of memory";
    /// The address of an atomic access, its offset included, is no multiple of the access's size.
    UnalignedAtomic = 14, "unaligned atomic";
    /// `memory.atomic.wait` of a memory that no other thread can access.
    ExpectedSharedMemory = 15, "expected shared memory";
    /// The store had no fuel left, in an engine that consumes fuel.
    OutOfFuel = 16, "all fuel consumed by WebAssembly";
}
