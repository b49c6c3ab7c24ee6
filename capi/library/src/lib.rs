//! The C API as `libupshift.so` and `libupshift.a`. All of it stands in `upshift-capi`, which has
//! another name because its tests link it as a Rust library beside the root package's.

// Keeps the functions, which no Rust code calls, in the libraries.
extern crate upshift_capi as _;
