//! The types of builtins by x86-64's convention: `sysv64`, whose registers calls of both compilers
//! follow.

/// A kind of the table as Rust's type, which System V passes in the same registers.
macro_rules! rust_type {
    (I32) => {
        u32
    };
    (I64) => {
        u64
    };
    (F32) => {
        f32
    };
    (F64) => {
        f64
    };
    (V128) => {
        std::arch::x86_64::__m128i
    };
    (Ref) => {
        u64
    };
}

/// The type of the Rust function for a row of the table.
macro_rules! function_type {
    (stub) => {
        unsafe extern "C" fn()
    };
    (leaf ($($param:ident),*) -> Nothing) => {
        unsafe extern "sysv64" fn(*mut VmContext $(, rust_type!($param))*)
    };
    (leaf ($($param:ident),*) -> Value($of:ident)) => {
        unsafe extern "sysv64" fn(*mut VmContext $(, rust_type!($param))*) -> rust_type!($of)
    };
    (leaf ($($param:ident),*) -> Status($of:ident)) => {
        unsafe extern "sysv64" fn(*mut VmContext $(, rust_type!($param))*) -> u32
    };
    (walks ($($param:ident),*) -> Value($of:ident)) => {
        unsafe extern "sysv64" fn(
            *mut VmContext
            $(, rust_type!($param))*
        ) -> NativeResult<rust_type!($of)>
    };
    // A status, or a value that the caller does not read: `()` would move the stub's status to
    // another register.
    (walks ($($param:ident),*) -> $result:ident $(($of:ident))?) => {
        unsafe extern "sysv64" fn(*mut VmContext $(, rust_type!($param))*) -> NativeResult<u32>
    };
}

macro_rules! function_types {
    ($(
        $(#[$doc:meta])*
        $name:ident = $function:ident: $kind:ident
        $(($($param:ident),*) -> $result:ident $(($of:ident))?)?;
    )*) => {
        /// The types that the runtime's functions must have: of those that generated code calls for
        /// leaves, of those that their stubs call for builtins that walk.
        ///
        /// ```
        /// use upshift_abi::builtin::functions;
        /// use upshift_abi::vmctx::VmContext;
        ///
        /// unsafe extern "sysv64" fn f32_ceil(_: *mut VmContext, value: f32) -> f32 {
        ///     value.ceil()
        /// }
        /// const _: functions::F32Ceil = f32_ceil;
        /// ```
        ///
        /// A function with another signature does not compile:
        ///
        /// ```compile_fail,E0308
        /// use upshift_abi::builtin::functions;
        /// use upshift_abi::vmctx::VmContext;
        ///
        /// unsafe extern "sysv64" fn f32_ceil(_: *mut VmContext, value: f64) -> f32 {
        ///     value.ceil() as f32
        /// }
        /// const _: functions::F32Ceil = f32_ceil;
        /// ```
        pub mod functions {
            use crate::vmctx::{NativeResult, VmContext};

            $(
                #[doc = concat!("The type of `", stringify!($function), "`.")]
                pub type $name = function_type!($kind $(($($param),*) -> $result $(($of))?)?);
            )*
        }
    };
}

for_each_builtin!(function_types);
