//! The addresses of what generated code calls, in the order of [`upshift_abi::builtin`]'s list.

use upshift_abi::Builtin;

use crate::code::BuiltinAddresses;
use crate::{builtins, stubs};

/// The table that a code space holds for generated code.
pub fn addresses() -> BuiltinAddresses {
    std::array::from_fn(|index| address(Builtin::ALL[index]))
}

/// The address that generated code calls.
fn address(builtin: Builtin) -> usize {
    match builtin {
        Builtin::TierUp => stubs::tier_up as *const () as usize,
        Builtin::FirstCall => stubs::first_call as *const () as usize,
        Builtin::Unwind => stubs::unwind as *const () as usize,
        Builtin::MemoryGrow => stubs::memory_grow as *const () as usize,
        Builtin::MemoryCopy => stubs::memory_copy as *const () as usize,
        Builtin::MemoryFill => stubs::memory_fill as *const () as usize,
        Builtin::MemoryInit => stubs::memory_init as *const () as usize,
        Builtin::DataDrop => stubs::data_drop as *const () as usize,
        Builtin::TableGrow => stubs::table_grow as *const () as usize,
        Builtin::TableCopy => stubs::table_copy as *const () as usize,
        Builtin::TableFill => stubs::table_fill as *const () as usize,
        Builtin::TableInit => stubs::table_init as *const () as usize,
        Builtin::ElemDrop => stubs::elem_drop as *const () as usize,
        Builtin::F32Ceil => builtins::f32_ceil as *const () as usize,
        Builtin::F32Floor => builtins::f32_floor as *const () as usize,
        Builtin::F32Trunc => builtins::f32_trunc as *const () as usize,
        Builtin::F32Nearest => builtins::f32_nearest as *const () as usize,
        Builtin::F64Ceil => builtins::f64_ceil as *const () as usize,
        Builtin::F64Floor => builtins::f64_floor as *const () as usize,
        Builtin::F64Trunc => builtins::f64_trunc as *const () as usize,
        Builtin::F64Nearest => builtins::f64_nearest as *const () as usize,
    }
}
