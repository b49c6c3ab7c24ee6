//! WASI preview 1, on top of `wasi-common`.
//!
//! A context holds what the guest may see: arguments, environment, standard streams, directories.
//! It lives in the store's data; [`add_to_linker`] is told how to find it there.
//!
//! ```no_run
//! # fn main() -> upshift::Result<()> {
//! use upshift::wasi::{WasiCtx, WasiCtxBuilder, add_to_linker};
//! use upshift::{Engine, Linker, Module, Store};
//!
//! let engine = Engine::default();
//! let mut linker = Linker::<WasiCtx>::new(&engine);
//! add_to_linker(&mut linker, |wasi| wasi)?;
//!
//! let mut builder = WasiCtxBuilder::new();
//! builder.arg("hello").inherit_stdio().preopened_dir(".", "/")?;
//! let mut store = Store::new(&engine, builder.build()?);
//! let module = Module::from_file(&engine, "hello.wasm")?;
//! let instance = linker.instantiate(&mut store, &module)?;
//! instance.get_typed_func::<(), ()>(&mut store, "_start")?.call(&mut store, ())?;
//! # Ok(())
//! # }
//! ```
//!
//! # Invariants
//!
//! - Calls block: every future of `wasi-common`'s synchronous implementation is ready at once.
//! - The guest's memory is the caller's export `memory`, borrowed for the length of one call.

mod ctx;
mod functions;

pub use ctx::{WasiCtx, WasiCtxBuilder, WasiFile};
pub use functions::add_to_linker;
pub use wasi_common::pipe;
