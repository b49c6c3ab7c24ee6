//! Modules from the text format and from files, and why they are refused.

use std::ffi::c_char;

use upshift::Module;

use super::error::{Failure, failure, finish};
use super::{array, text};
use crate::given;
use crate::module::{deserialize, module, reference};
use crate::refs::wasm_ref_t;
use crate::store::wasm_engine_t;
use crate::vector::{Bytes, Out};

type OutModule<'a> = Out<'a, Option<Box<wasm_ref_t>>>;

#[unsafe(no_mangle)]
unsafe extern "C" fn upshift_module_new(
    engine: Option<&wasm_engine_t>,
    bytes: *const u8,
    len: usize,
    out: OutModule<'_>,
) -> Failure {
    // SAFETY: the caller passes so many bytes.
    let bytes = unsafe { array(bytes, len) };
    let module = Module::new(&given(engine, "engine").0, bytes);
    finish(module.map(|module| Some(reference(module))), out)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn upshift_module_from_file(
    engine: Option<&wasm_engine_t>,
    path: *const c_char,
    out: OutModule<'_>,
) -> Failure {
    // SAFETY: the caller passes text that ends with a NUL.
    let path = unsafe { text(path, "path") };
    let module = path.and_then(|path| Module::from_file(&given(engine, "engine").0, path));
    finish(module.map(|module| Some(reference(module))), out)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn upshift_module_validate(
    engine: Option<&wasm_engine_t>,
    bytes: *const u8,
    len: usize,
) -> Failure {
    // SAFETY: the caller passes so many bytes.
    let bytes = unsafe { array(bytes, len) };
    failure(Module::validate(&given(engine, "engine").0, bytes))
}

#[unsafe(no_mangle)]
extern "C" fn upshift_module_name(of: Option<&wasm_ref_t>, out: Out<'_, Bytes>) -> bool {
    let name = module(of).name();
    if let Some(name) = name {
        crate::vector::put(out, Bytes::from_slice(name.as_bytes()));
    }
    name.is_some()
}

#[unsafe(no_mangle)]
extern "C" fn upshift_module_serialize(of: Option<&wasm_ref_t>, out: Out<'_, Bytes>) -> Failure {
    let bytes = module(of).serialize();
    finish(bytes.map(|bytes| Bytes::from_slice(&bytes)), out)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn upshift_engine_precompile_module(
    engine: Option<&wasm_engine_t>,
    bytes: *const u8,
    len: usize,
    out: Out<'_, Bytes>,
) -> Failure {
    // SAFETY: the caller passes so many bytes.
    let bytes = unsafe { array(bytes, len) };
    let compiled = given(engine, "engine").0.precompile_module(bytes);
    finish(compiled.map(|bytes| Bytes::from_slice(&bytes)), out)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn upshift_module_deserialize(
    engine: Option<&wasm_engine_t>,
    bytes: *const u8,
    len: usize,
    out: OutModule<'_>,
) -> Failure {
    // SAFETY: the caller passes so many bytes, and the header demands that they are such a form.
    let module = unsafe { deserialize(&given(engine, "engine").0, array(bytes, len)) };
    finish(module.map(Some), out)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn upshift_module_deserialize_file(
    engine: Option<&wasm_engine_t>,
    path: *const c_char,
    out: OutModule<'_>,
) -> Failure {
    let engine = &given(engine, "engine").0;
    // SAFETY: the caller passes text that ends with a NUL.
    let path = unsafe { text(path, "path") };
    // SAFETY: the header demands that the file has such a form.
    let module = path.and_then(|path| unsafe { Module::deserialize_file(engine, path) });
    finish(module.map(|module| Some(reference(module))), out)
}

#[cfg(feature = "wat")]
#[unsafe(no_mangle)]
unsafe extern "C" fn upshift_wat2wasm(
    wat: *const c_char,
    len: usize,
    out: Out<'_, Bytes>,
) -> Failure {
    // SAFETY: the caller passes so many bytes.
    let wat = unsafe { array(wat.cast::<u8>(), len) };
    let wasm = wat::parse_bytes(wat).map(|wasm| Bytes::from_slice(&wasm));
    finish(wasm.map_err(anyhow::Error::new), out)
}
