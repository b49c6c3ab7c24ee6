//! The one list of runtime functions that generated code calls.
//!
//! Their addresses stand in a table within reach of a rip-relative operand
//! ([`RelocationTarget::Builtin`](crate::RelocationTarget::Builtin)), so that a call is `call [rip + cell]` in both tiers. All but the
//! stubs follow the platform's C convention (`sysv64`: `rbx`, `rbp`, `r12`–`r15` survive) with the
//! calling function's `VmContext*` as first argument, and never unwind: what can fail returns a
//! status and the caller traps at a site of its own, with the trap that the table names.

use crate::trap::TrapCode;

/// The type of a builtin's argument or result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BuiltinType {
    /// 32 bits, upper half undefined.
    I32,
    /// 64 bits or a pointer.
    I64,
    /// 32-bit float.
    F32,
    /// 64-bit float.
    F64,
}

/// What a builtin's result means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BuiltinResult {
    /// It can't fail and returns nothing.
    Nothing,
    /// It can't fail and returns a value.
    Value(BuiltinType),
    /// `i32` 0 is success; anything else makes the caller trap with the code.
    Status(TrapCode),
    /// Not a C function: a stub with a convention of its own, see its documentation.
    Stub,
}

/// Parameters (behind the `VmContext*`) and result of a builtin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BuiltinSignature {
    /// Parameters behind the `VmContext*`.
    pub params: &'static [BuiltinType],
    /// Result and failure.
    pub result: BuiltinResult,
}

macro_rules! builtins {
    ($($(#[$doc:meta])* $name:ident = $function:literal ($($param:ident),*) -> $result:expr;)*) => {
        /// A runtime function that generated code may call.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Builtin { $($(#[$doc])* $name,)* }

        impl Builtin {
            /// Every builtin, in the order of the address table.
            pub const ALL: &'static [Builtin] = &[$(Builtin::$name,)*];

            /// Parameters and result.
            pub const fn signature(self) -> BuiltinSignature {
                use BuiltinType::*;
                use BuiltinResult::*;
                match self {
                    $(Builtin::$name => BuiltinSignature {
                        params: &[$($param),*],
                        result: $result,
                    },)*
                }
            }

            /// The name that listings and reports use.
            pub const fn name(self) -> &'static str {
                match self { $(Builtin::$name => $function,)* }
            }
        }
    };
}

builtins! {
    /// Told that a budget is gone. Called with `call [rip + cell]` after two pushes: first the
    /// `DefinedFuncIndex`, then the site (a `LoopIndex` or [`ENTRY_SITE`](crate::frame::ENTRY_SITE)); `rbp` is the baseline
    /// frame. Any stack alignment. **Every register is preserved**, flags are not. The stub
    /// replaces the word pushed first by the address of an OSR entry, or 0 to go on; the
    /// caller pops both words.
    TierUp = "tier_up" () -> Stub;
    /// Where the first-call thunks go: pushed is the `DefinedFuncIndex`, all argument registers
    /// are live. Compiles the function and jumps to it. Not called by compiled code.
    FirstCall = "first_call" () -> Stub;
    /// Jumped to by host trampolines after a failed host call, with `rdi` = `VmStore*`: leaves the
    /// innermost activation.
    Unwind = "unwind" () -> Stub;
    /// `memory.grow`: (memory, pages) -> previous pages or -1, as an i64.
    MemoryGrow = "memory_grow" (I32, I64) -> Value(I64);
    /// `memory.copy`: (destination memory, source memory, destination, source, bytes).
    MemoryCopy = "memory_copy" (I32, I32, I64, I64, I64) -> Status(TrapCode::MemoryOutOfBounds);
    /// `memory.fill`: (memory, destination, value, bytes).
    MemoryFill = "memory_fill" (I32, I64, I32, I64) -> Status(TrapCode::MemoryOutOfBounds);
    /// `memory.init`: (memory, data segment, destination, source, bytes).
    MemoryInit = "memory_init" (I32, I32, I64, I32, I32) -> Status(TrapCode::MemoryOutOfBounds);
    /// `data.drop`: (data segment).
    DataDrop = "data_drop" (I32) -> Nothing;
    /// `table.grow`: (table, value, elements) -> previous length or -1, as an i64.
    TableGrow = "table_grow" (I32, I64, I64) -> Value(I64);
    /// `table.copy`: (destination table, source table, destination, source, elements).
    TableCopy = "table_copy" (I32, I32, I64, I64, I64) -> Status(TrapCode::TableOutOfBounds);
    /// `table.fill`: (table, destination, value, elements).
    TableFill = "table_fill" (I32, I64, I64, I64) -> Status(TrapCode::TableOutOfBounds);
    /// `table.init`: (table, element segment, destination, source, elements).
    TableInit = "table_init" (I32, I32, I64, I32, I32) -> Status(TrapCode::TableOutOfBounds);
    /// `elem.drop`: (element segment).
    ElemDrop = "elem_drop" (I32) -> Nothing;
    /// `f32.ceil` and the like on processors without SSE4.1.
    F32Ceil = "f32_ceil" (F32) -> Value(F32);
    /// See [`F32Ceil`](Builtin::F32Ceil).
    F32Floor = "f32_floor" (F32) -> Value(F32);
    /// See [`F32Ceil`](Builtin::F32Ceil).
    F32Trunc = "f32_trunc" (F32) -> Value(F32);
    /// See [`F32Ceil`](Builtin::F32Ceil).
    F32Nearest = "f32_nearest" (F32) -> Value(F32);
    /// See [`F32Ceil`](Builtin::F32Ceil).
    F64Ceil = "f64_ceil" (F64) -> Value(F64);
    /// See [`F32Ceil`](Builtin::F32Ceil).
    F64Floor = "f64_floor" (F64) -> Value(F64);
    /// See [`F32Ceil`](Builtin::F32Ceil).
    F64Trunc = "f64_trunc" (F64) -> Value(F64);
    /// See [`F32Ceil`](Builtin::F32Ceil).
    F64Nearest = "f64_nearest" (F64) -> Value(F64);
}

impl Builtin {
    /// Position in the address table.
    pub const fn index(self) -> usize {
        self as usize
    }
}
