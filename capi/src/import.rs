//! The imports and exports of modules, by name and type.

use upshift::{ExportType, ImportType};

use crate::given;
use crate::types::wasm_externtype_t;
use crate::vector::{Bytes, Vector};

/// An import of a module.
#[derive(Clone)]
pub(crate) struct wasm_importtype_t {
    module: Bytes,
    name: Bytes,
    ty: Box<wasm_externtype_t>,
}

/// An export of a module.
#[derive(Clone)]
pub(crate) struct wasm_exporttype_t {
    name: Bytes,
    ty: Box<wasm_externtype_t>,
}

impl From<ImportType<'_>> for wasm_importtype_t {
    fn from(import: ImportType<'_>) -> Self {
        Self {
            module: Bytes::from_slice(import.module().as_bytes()),
            name: Bytes::from_slice(import.name().as_bytes()),
            ty: Box::new(import.ty().into()),
        }
    }
}

impl From<ExportType<'_>> for wasm_exporttype_t {
    fn from(export: ExportType<'_>) -> Self {
        Self {
            name: Bytes::from_slice(export.name().as_bytes()),
            ty: Box::new(export.ty().into()),
        }
    }
}

fn taken(name: Option<&mut Bytes>) -> Bytes {
    name.map_or(Vector::empty(), Vector::take)
}

#[unsafe(no_mangle)]
extern "C" fn wasm_importtype_new(
    module: Option<&mut Bytes>,
    name: Option<&mut Bytes>,
    ty: Option<Box<wasm_externtype_t>>,
) -> Option<Box<wasm_importtype_t>> {
    let (module, name) = (taken(module), taken(name));
    let ty = ty?;
    Some(Box::new(wasm_importtype_t { module, name, ty }))
}

#[unsafe(no_mangle)]
extern "C" fn wasm_importtype_module(import: Option<&wasm_importtype_t>) -> Option<&Bytes> {
    Some(&given(import, "import").module)
}

#[unsafe(no_mangle)]
extern "C" fn wasm_importtype_name(import: Option<&wasm_importtype_t>) -> Option<&Bytes> {
    Some(&given(import, "import").name)
}

#[unsafe(no_mangle)]
extern "C" fn wasm_importtype_type(
    import: Option<&wasm_importtype_t>,
) -> Option<&wasm_externtype_t> {
    Some(&given(import, "import").ty)
}

#[unsafe(no_mangle)]
extern "C" fn wasm_importtype_copy(
    import: Option<&wasm_importtype_t>,
) -> Option<Box<wasm_importtype_t>> {
    Some(Box::new(given(import, "import").clone()))
}

#[unsafe(no_mangle)]
extern "C" fn wasm_importtype_delete(import: Option<Box<wasm_importtype_t>>) {
    drop(import);
}

#[unsafe(no_mangle)]
extern "C" fn wasm_exporttype_new(
    name: Option<&mut Bytes>,
    ty: Option<Box<wasm_externtype_t>>,
) -> Option<Box<wasm_exporttype_t>> {
    let name = taken(name);
    let ty = ty?;
    Some(Box::new(wasm_exporttype_t { name, ty }))
}

#[unsafe(no_mangle)]
extern "C" fn wasm_exporttype_name(export: Option<&wasm_exporttype_t>) -> Option<&Bytes> {
    Some(&given(export, "export").name)
}

#[unsafe(no_mangle)]
extern "C" fn wasm_exporttype_type(
    export: Option<&wasm_exporttype_t>,
) -> Option<&wasm_externtype_t> {
    Some(&given(export, "export").ty)
}

#[unsafe(no_mangle)]
extern "C" fn wasm_exporttype_copy(
    export: Option<&wasm_exporttype_t>,
) -> Option<Box<wasm_exporttype_t>> {
    Some(Box::new(given(export, "export").clone()))
}

#[unsafe(no_mangle)]
extern "C" fn wasm_exporttype_delete(export: Option<Box<wasm_exporttype_t>>) {
    drop(export);
}
