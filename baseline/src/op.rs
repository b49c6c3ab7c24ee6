//! The handlers of the operators, by family. Handlers are methods of
//! [`FuncGen`](crate::func_gen::FuncGen), named as wasmparser's visits that forward to them.

mod atomic;
pub(crate) mod call;
mod control;
mod convert;
mod exception;
mod float;
mod int;
mod memory;
mod reference;
mod table;
mod variable;
mod vector;
