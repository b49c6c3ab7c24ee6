//! The one list of runtime functions that generated code calls.
//!
//! Their addresses stand in a table within reach of a rip-relative operand
//! ([`RelocationTarget::Builtin`](crate::RelocationTarget::Builtin)), so that both tiers call them
//! with `call [rip + cell]`. All but the stubs follow the platform's C convention (`sysv64`: `rbx`,
//! `rbp`, `r12`–`r15` survive) with the calling function's `VmContext*` as first argument, and
//! never unwind: what can fail returns a status and the caller traps at a site of its own, with the
//! trap that the table names.
//!
//! From [`for_each_builtin!`](crate::for_each_builtin) come [`Builtin`] with the signatures that
//! compilers emit calls by, and the types in [`functions`] that the runtime's functions must have:
//! where the two differ, the runtime does not compile.

use crate::kind::Kind;
use crate::trap::TrapCode;

/// Passes the table of builtins to a macro: `for_each_builtin!(rows)` expands to `rows! { … }`.
///
/// A row is `Name = function: kind (parameters) -> result;`, where the parameters behind the
/// `VmContext*` are [`Kind`]s, the result is a [`BuiltinResult`] (a status names its [`TrapCode`]),
/// and the kind, a [`BuiltinKind`], is `leaf`, `walks` or, without parameters and result, `stub`.
#[macro_export]
macro_rules! for_each_builtin {
    ($rows:ident) => {
        $rows! {
            /// Told that a budget is gone. Called with `call [rip + cell]` after two pushes: first
            /// the `DefinedFuncIndex`, then the site (a `LoopIndex` or `frame::ENTRY_SITE`); `rbp`
            /// is the baseline frame. Any stack alignment. **Every register is preserved**, flags
            /// are not. The stub replaces the word pushed first by the address of an OSR entry, or
            /// 0 to go on; the caller pops both words.
            TierUp = tier_up: stub;
            /// Called where the engine's epoch has reached the context's deadline
            /// ([`VmContext::epoch_deadline`](crate::vmctx::VmContext::epoch_deadline)), with `rdi`
            /// = `VmContext*`, by `call [rip + cell]`, which is a call site without a handler. Any
            /// stack alignment. **Every register is preserved**, flags are not. It runs the
            /// embedder's code, so what the caller knows of globals, tables, memories and fuel is
            /// void afterwards. It may leave WebAssembly.
            NewEpoch = new_epoch: stub;
            /// Called where code has found less than nothing in
            /// [`VmStore::fuel`](crate::vmctx::VmStore::fuel), as [`NewEpoch`](Builtin::NewEpoch)
            /// is. It traps for lack of fuel, or returns when there is some, which may be after the
            /// call was suspended. It changes nothing of the store but the fuel.
            OutOfFuel = out_of_fuel: stub;
            /// Where the first-call thunks go: pushed is the `DefinedFuncIndex`, all argument
            /// registers are live. Compiles the function and jumps to it. Not called by compiled
            /// code.
            FirstCall = first_call: stub;
            /// Jumped to by host trampolines after a failed host call, with `rdi` = `VmStore*` and
            /// their frame still in place: continues at the handler of the exception that is the
            /// host function's error, else leaves the innermost activation.
            Unwind = unwind: stub;
            /// `memory.grow`: (memory, pages) -> previous pages or -1, as an i64.
            MemoryGrow = memory_grow: walks (I32, I64) -> Value(I64);
            /// `memory.copy`: (destination memory, source memory, destination, source, bytes).
            MemoryCopy = memory_copy: walks (I32, I32, I64, I64, I64) -> Status(MemoryOutOfBounds);
            /// `memory.fill`: (memory, destination, value, bytes).
            MemoryFill = memory_fill: walks (I32, I64, I32, I64) -> Status(MemoryOutOfBounds);
            /// `memory.copy` within one memory, where that is quick: (`*const VmMemory`,
            /// destination, source, bytes) -> 0, or 1 if nothing was done and
            /// [`MemoryCopy`](Builtin::MemoryCopy) is to be called.
            MemoryCopyShort = memory_copy_short: leaf (I64, I64, I64, I64) -> Value(I32);
            /// `memory.fill` where that is quick: (`*const VmMemory`, destination, value, bytes) ->
            /// 0, or 1 if nothing was done and [`MemoryFill`](Builtin::MemoryFill) is to be called.
            MemoryFillShort = memory_fill_short: leaf (I64, I64, I32, I64) -> Value(I32);
            /// `memory.init`: (memory, data segment, destination, source, bytes).
            MemoryInit = memory_init: walks (I32, I32, I64, I32, I32) -> Status(MemoryOutOfBounds);
            /// `data.drop`: (data segment).
            DataDrop = data_drop: walks (I32) -> Nothing;
            /// `memory.atomic.notify`: (memory, offset, address, count) -> woken threads. Checks
            /// alignment and bounds.
            MemoryAtomicNotify = memory_atomic_notify: walks (I32, I64, I64, I32) -> Value(I32);
            /// `memory.atomic.wait32`: (memory, offset, address, expected, nanoseconds) -> 0 if
            /// woken, 1 if the memory contains another value, 2 when the time is over; negative
            /// times never are. Checks alignment, bounds, and that the memory is shared.
            MemoryAtomicWait32 = memory_atomic_wait32:
                walks (I32, I64, I64, I32, I64) -> Value(I32);
            /// `memory.atomic.wait64`: see [`MemoryAtomicWait32`](Builtin::MemoryAtomicWait32).
            MemoryAtomicWait64 = memory_atomic_wait64:
                walks (I32, I64, I64, I64, I64) -> Value(I32);
            /// `table.grow`: (table, value, elements) -> previous length or -1, as an i64.
            TableGrow = table_grow: walks (I32, Ref, I64) -> Value(I64);
            /// `table.copy`: (destination table, source table, destination, source, elements).
            TableCopy = table_copy: walks (I32, I32, I64, I64, I64) -> Status(TableOutOfBounds);
            /// `table.fill`: (table, destination, value, elements).
            TableFill = table_fill: walks (I32, I64, Ref, I64) -> Status(TableOutOfBounds);
            /// `table.init`: (table, element segment, destination, source, elements).
            TableInit = table_init: walks (I32, I32, I64, I32, I32) -> Status(TableOutOfBounds);
            /// `elem.drop`: (element segment).
            ElemDrop = elem_drop: walks (I32) -> Nothing;
            /// Makes an exception for `throw`: (tag, words of its values) -> its address, never
            /// null. Its values are undefined.
            ExceptionNew = exception_new: walks (I32, I32) -> Value(Ref);
            /// Throws an exception that is not null: continues at the innermost handler below the
            /// calling frame's call site, which counts if it has one. Never returns.
            Throw = throw: walks (Ref) -> Nothing;
            /// `f32.ceil` and the like on processors without SSE4.1.
            F32Ceil = f32_ceil: leaf (F32) -> Value(F32);
            /// See [`F32Ceil`](Builtin::F32Ceil).
            F32Floor = f32_floor: leaf (F32) -> Value(F32);
            /// See [`F32Ceil`](Builtin::F32Ceil).
            F32Trunc = f32_trunc: leaf (F32) -> Value(F32);
            /// See [`F32Ceil`](Builtin::F32Ceil).
            F32Nearest = f32_nearest: leaf (F32) -> Value(F32);
            /// See [`F32Ceil`](Builtin::F32Ceil).
            F64Ceil = f64_ceil: leaf (F64) -> Value(F64);
            /// See [`F32Ceil`](Builtin::F32Ceil).
            F64Floor = f64_floor: leaf (F64) -> Value(F64);
            /// See [`F32Ceil`](Builtin::F32Ceil).
            F64Trunc = f64_trunc: leaf (F64) -> Value(F64);
            /// See [`F32Ceil`](Builtin::F32Ceil).
            F64Nearest = f64_nearest: leaf (F64) -> Value(F64);
            /// A function that is [listened to](crate::observe) begins: (`DefinedFuncIndex`, number
            /// of such functions around it whose calls have begun in the same frame, `*const VmVal`
            /// of its arguments).
            CallBegins = call_begins: walks (I32, I32, I64) -> Nothing;
            /// A function that is listened to returns: (`DefinedFuncIndex`, `*const VmVal` of its
            /// results).
            CallReturns = call_returns: walks (I32, I64) -> Nothing;
            /// A function that is listened to is about to make a tail call: (`DefinedFuncIndex`).
            CallIsReplaced = call_is_replaced: walks (I32) -> Nothing;
            /// A handler has an exception: all calls of frames below the calling function's have
            /// ended, and of those of its own frame all but (this many, counted from the outermost
            /// one that has begun there).
            CallsAreUnwound = calls_are_unwound: walks (I32) -> Nothing;
            /// Control reaches a probe: (`DefinedFuncIndex`, number of the site in the function's
            /// plan, `*const VmVal` of the operand, if the plan says that there is one).
            ProbeReached = probe_reached: walks (I32, I32, I64) -> Nothing;
        }
    };
}

/// The result of a builtin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BuiltinResult {
    /// The builtin can't fail and returns nothing.
    Nothing,
    /// The builtin can't fail and returns a value.
    Value(Kind),
    /// The builtin returns a status: 0 is success; anything else makes the caller trap with the
    /// code.
    Status(TrapCode),
}

/// How a builtin is reached, and what it may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BuiltinKind {
    /// A C function that is called directly. It leaves no exit frame, so it must neither walk the
    /// frames below it nor leave WebAssembly.
    Leaf,
    /// A C function that is called through a stub, which leaves an exit frame
    /// ([`VmStore::exit_fp`](crate::vmctx::VmStore::exit_fp)): the frames below it can be walked,
    /// and the activation can be left. The Rust function returns a
    /// [`NativeResult`](crate::vmctx::NativeResult); if its status is not 0, it has left a reason
    /// pending, and the stub unwinds. Else the stub returns the value.
    Walks,
    /// A piece of machine code with a convention of its own, which its documentation describes.
    Stub,
}

/// Parameters (behind the `VmContext*`) and result of a builtin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BuiltinSignature {
    /// Parameters behind the `VmContext*`.
    pub params: &'static [Kind],
    /// The result, and how a failure shows.
    pub result: BuiltinResult,
}

macro_rules! kind {
    (leaf) => {
        BuiltinKind::Leaf
    };
    (walks) => {
        BuiltinKind::Walks
    };
    (stub) => {
        BuiltinKind::Stub
    };
}

macro_rules! signature {
    () => {
        None
    };
    (($($param:ident),*) -> $result:ident $(($of:ident))?) => {
        Some(BuiltinSignature {
            params: &[$(Kind::$param),*],
            result: signature!($result $($of)?),
        })
    };
    (Nothing) => {
        BuiltinResult::Nothing
    };
    (Value $ty:ident) => {
        BuiltinResult::Value(Kind::$ty)
    };
    (Status $trap:ident) => {
        BuiltinResult::Status(TrapCode::$trap)
    };
}

macro_rules! builtins {
    ($(
        $(#[$doc:meta])*
        $name:ident = $function:ident: $kind:ident
        $(($($param:ident),*) -> $result:ident $(($of:ident))?)?;
    )*) => {
        /// A runtime function that generated code may call.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Builtin { $($(#[$doc])* $name,)* }

        impl Builtin {
            /// Every builtin, in the order of the address table.
            pub const ALL: &'static [Builtin] = &[$(Builtin::$name,)*];

            /// How the builtin is called.
            pub const fn kind(self) -> BuiltinKind {
                match self { $(Builtin::$name => kind!($kind),)* }
            }

            /// The parameters and the result; `None` for a stub.
            pub const fn signature(self) -> Option<BuiltinSignature> {
                match self {
                    $(Builtin::$name => signature!($(($($param),*) -> $result $(($of))?)?),)*
                }
            }

            /// The builtin's name in listings and reports.
            pub const fn name(self) -> &'static str {
                match self { $(Builtin::$name => stringify!($function),)* }
            }
        }
    };
}

for_each_builtin!(builtins);

#[cfg(target_arch = "x86_64")]
mod x64;
#[cfg(target_arch = "x86_64")]
pub use x64::functions;

impl Builtin {
    /// The position in the address table.
    pub const fn index(self) -> usize {
        self as usize
    }
}
