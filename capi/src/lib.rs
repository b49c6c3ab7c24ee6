//! The C API of Upshift: `wasm.h`, the standard's, in full, and `upshift.h`, which has what the
//! standard lacks. The headers are its documentation; Rust programs use the package `upshift`.
//!
//! - `store`: engines, stores, and which code may use a store when;
//! - `vector`: vectors that C programs own;
//! - `types`, `import`: types of values and items, imports and exports;
//! - `refs`: references of all kinds, and the data that hosts attach to them;
//! - `value`: values;
//! - `trap`, `module`, `func`, `items`, `instance`: what references refer to;
//! - `more`: `upshift.h`.
//!
//! # Invariants
//!
//! - Pointers are as the headers say: NULL where that is allowed, else to a live object that the
//!   function of this library made. Functions take them as references and boxes, which may be
//!   `None`; where NULL is not allowed, they panic.
//! - A panic never reaches C: after its message, it ends the process where it would leave the
//!   `extern "C"` function. A panic below a host function first passes WebAssembly, as errors do.
//! - At most one thread uses a store at a time, and code of this crate that has a store borrowed
//!   runs no code of the embedder: `store` says how.
//!
//! Unsafe code is what C demands: it reads and writes through pointers of callers, and calls their
//! functions.

#![allow(non_camel_case_types, reason = "types have their names of the headers")]

mod func;
mod import;
mod instance;
mod items;
mod module;
mod more;
mod refs;
mod store;
mod trap;
mod types;
mod value;
mod vector;

/// Unwraps a pointer that must not be NULL.
#[track_caller]
fn given<T>(pointer: Option<T>, name: &str) -> T {
    match pointer {
        Some(pointer) => pointer,
        None => panic!("`{name}` is NULL, in a call of Upshift's C API"),
    }
}
