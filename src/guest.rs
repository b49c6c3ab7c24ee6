//! What typed bindings of a module are made of: values and addresses in a module's memory, and a
//! module with a store of its own.
//!
//! `upshift bindgen` and the macro `upshift::bindgen!` write Rust for a module's functions; what
//! they write rests on this module, which can also be used by hand:
//!
//! ```
//! # #[cfg(feature = "wat")]
//! # fn main() -> upshift::Result<()> {
//! use upshift::guest::{Library, State};
//! use upshift::{Engine, Linker, Module};
//!
//! let engine = Engine::default();
//! let module = Module::new(&engine, r#"(module
//!     (memory (export "memory") 2)
//!     (func (export "malloc") (param i32) (result i32) (i32.const 1024))
//!     (func (export "free") (param i32))
//!     (func (export "first") (param i32) (result i32) (i32.load8_u (local.get 0))))"#)?;
//! let mut library = Library::new(&module, State::new(()), &Linker::new(&engine))?;
//! let first = library.func::<u32, u32>("first")?;
//!
//! let text = library.lend(b"upshift")?;
//! let result = first.call(library.store_mut(), text)?;
//! library.end_loans()?;
//! assert_eq!(result, u32::from(b'u'));
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "wat"))]
//! # fn main() {}
//! ```
//!
//! Modules with a memory of 32-bit addresses are supported. A module is never trusted: an address
//! that it returns is checked whenever it is used.

mod library;
mod memory;
mod value;

pub use library::{Library, State};
pub use memory::GuestMemory;
pub use value::{GuestValue, Ptr};
