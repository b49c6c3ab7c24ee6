//! Passes over CLIF between the translation and Cranelift's back end, each linear in the function.
//!
//! Most of what improves code is done while it is translated, where the structure of the body is
//! known. What is here needs values that are known only when the frontend has joined the locals.

pub(crate) mod constants;
