//! The table of addresses that generated code calls, from the table in [`upshift_abi::builtin`].
//!
//! Each function is coerced to the type that its row demands, so a signature that differs from the
//! one by which compilers emit calls is a compile error here.

use upshift_abi::builtin::functions;
use upshift_abi::for_each_builtin;

use crate::code::BuiltinAddresses;
use crate::{builtins, stubs};

/// The address that generated code calls for a row: a leaf's function itself, else a stub.
macro_rules! address {
    (leaf $name:ident $function:ident) => {{
        const FUNCTION: functions::$name = builtins::$function;
        FUNCTION as usize
    }};
    (walks $name:ident $function:ident) => {{
        const _: functions::$name = builtins::$function;
        stubs::$function as *const () as usize
    }};
    (stub $name:ident $function:ident) => {{
        const STUB: functions::$name = stubs::$function;
        STUB as usize
    }};
}

macro_rules! addresses {
    ($(
        $(#[$doc:meta])*
        $name:ident = $function:ident: $kind:ident
            $(($($param:ident),*) -> $result:ident $(($of:ident))?)?;
    )*) => {
        /// The table of builtins that a code space contains for generated code.
        pub fn addresses() -> BuiltinAddresses {
            [$(address!($kind $name $function)),*]
        }
    };
}

for_each_builtin!(addresses);
