//! Modules: decoded, validated, and ready to be instantiated any number of times.

mod counts;
mod inspect;
mod load;
mod serialized;
mod warm;

use std::io;
use std::path::Path;
use std::sync::Arc;

use upshift_abi::Printable;
use upshift_abi::facts::{ImportType as RawImportType, Input, Item, ModuleFacts};
use upshift_runtime::ModuleCode;
use upshift_tiering::ModuleTiers;

pub use counts::CountedFunction;
pub use inspect::Dump;
use load::{MAGIC, ReadError};
pub use serialized::{Precompiled, SerializedError};
pub(crate) use serialized::{Serialized, encode};

use crate::cache::Cached;
use crate::{
    Engine, Error, ExportType, ExternType, FuncType, GlobalType, ImportType, MemoryType, Result,
    TableType, TagType,
};

/// A WebAssembly module.
///
/// A cheap clone, shared by all threads. Its functions are compiled when first called (or, if
/// [`Config::eager`](crate::Config::eager) is set, when the module is loaded), once for all stores,
/// and their code is freed with the last clone and instance.
#[derive(Clone, Debug)]
pub struct Module {
    engine: Engine,
    code: Arc<ModuleCode>,
    tiers: Arc<ModuleTiers<ModuleCode>>,
    cached: Option<Arc<Cached>>,
}

impl Module {
    /// Loads a module from the binary format, or from the text format with the feature `wat`.
    ///
    /// Cost: validates everything, function bodies on all threads that
    /// [`Config::parallel_compilation`](crate::Config::parallel_compilation) allows.
    ///
    /// ```
    /// # #[cfg(feature = "wat")]
    /// # fn main() -> upshift::Result<()> {
    /// let engine = upshift::Engine::default();
    /// let module = upshift::Module::new(&engine, "(module (func (export \"nop\")))")?;
    /// assert_eq!(module.exports().next().unwrap().name(), "nop");
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "wat"))]
    /// # fn main() {}
    /// ```
    ///
    /// # Errors
    ///
    /// If the module is malformed or invalid, uses a proposal that is not supported (the message
    /// names it), or, in eager mode, a function exceeds a compiler's limits.
    pub fn new(engine: &Engine, bytes: impl AsRef<[u8]>) -> Result<Self> {
        Self::from_any(engine, bytes.as_ref(), None)
    }

    /// The handle of a module that was loaded just now.
    fn loaded(engine: &Engine, code: Arc<ModuleCode>, tiers: Arc<ModuleTiers<ModuleCode>>) -> Self {
        let cache = engine.cache();
        Self {
            cached: cache.map(|cache| Cached::begin(cache, engine, &code, &tiers)),
            engine: engine.clone(),
            code,
            tiers,
        }
    }

    fn from_any(engine: &Engine, bytes: &[u8], path: Option<&Path>) -> Result<Self> {
        #[cfg(feature = "wat")]
        if let Some(text) = text_format(bytes) {
            return Self::from_binary(engine, &parse_text(text, path)?);
        }
        #[cfg(not(feature = "wat"))]
        let _ = path;
        Self::from_binary(engine, bytes)
    }

    /// Loads a module from the binary format only.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn from_binary(engine: &Engine, bytes: &[u8]) -> Result<Self> {
        check_magic(bytes)?;
        load::from_reader(engine, bytes, bytes.len())
    }

    /// Loads a module from a file, like [`new`](Self::new). The file is read while what has been
    /// read is validated, into memory of this process: changing it later changes nothing.
    ///
    /// # Errors
    ///
    /// If the file can't be read, or as [`new`](Self::new).
    pub fn from_file(engine: &Engine, path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        // The cause stands in the message as well, which is then one line.
        let cannot_read = |error: io::Error| {
            let path = Printable(path.display());
            let message = format!("cannot read the module `{path}`: {error}");
            Error::new(error).context(message)
        };
        let file = load::ModuleFile::open(path).map_err(cannot_read)?;
        let loaded = if file.is_binary() {
            file.load(engine)
        } else {
            let bytes = file.read_all().map_err(cannot_read)?;
            Self::from_any(engine, &bytes, Some(path))
        };
        loaded.map_err(|error| match error.downcast::<ReadError>() {
            Ok(ReadError(error)) => cannot_read(error),
            Err(error) => error.context(format!("cannot load `{}`", Printable(path.display()))),
        })
    }

    /// Validates a module in the binary format without loading it.
    ///
    /// # Errors
    ///
    /// If the module is malformed, invalid or uses a proposal that is not supported.
    pub fn validate(engine: &Engine, bytes: &[u8]) -> Result<()> {
        engine.runtime().process().check()?;
        check_magic(bytes)?;
        let read = || Ok((bytes, Input::Complete));
        engine.decode_validated(read).map_err(load::error)?;
        Ok(())
    }

    /// The name in the module's name section.
    pub fn name(&self) -> Option<&str> {
        self.facts().names.module()
    }

    /// The module's imports, in the order in which [`Instance::new`](crate::Instance::new) takes
    /// them.
    pub fn imports(&self) -> impl ExactSizeIterator<Item = ImportType<'_>> + '_ {
        let facts = self.facts();
        facts.imports.iter().map(|import| ImportType {
            module: &import.module,
            name: &import.name,
            ty: import_type(facts, &import.ty),
        })
    }

    /// The module's exports.
    pub fn exports(&self) -> impl ExactSizeIterator<Item = ExportType<'_>> + '_ {
        let facts = self.facts();
        facts.exports.iter().map(|export| ExportType {
            name: &export.name,
            ty: item_type(facts, export.item),
        })
    }

    /// The type of the export with this name. One hash lookup.
    pub fn get_export(&self, name: &str) -> Option<ExternType> {
        let item = self.facts().export(name)?;
        Some(item_type(self.facts(), item))
    }

    /// The engine that it was loaded with.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    pub(crate) fn code(&self) -> &Arc<ModuleCode> {
        &self.code
    }

    fn facts(&self) -> &ModuleFacts {
        self.code.facts()
    }
}

fn check_magic(bytes: &[u8]) -> Result<()> {
    anyhow::ensure!(
        Engine::detect_precompiled(bytes).is_none(),
        "not a WebAssembly module but a serialized one, which `Module::deserialize` loads"
    );
    anyhow::ensure!(
        bytes.starts_with(MAGIC),
        "not a WebAssembly module: the file starts with other bytes than `\\0asm`"
    );
    Ok(())
}

/// The bytes as text, unless they look like a binary module, broken or not.
#[cfg(feature = "wat")]
fn text_format(bytes: &[u8]) -> Option<&str> {
    if bytes.contains(&0) {
        return None;
    }
    let text = std::str::from_utf8(bytes).ok()?;
    (!text.trim().is_empty()).then_some(text)
}

/// Converts a module from the text format to the binary format. The error's message shows the
/// place.
#[cfg(feature = "wat")]
fn parse_text(text: &str, path: Option<&Path>) -> Result<Vec<u8>> {
    wat::parse_str(text).map_err(|mut error| {
        if let Some(path) = path {
            error.set_path(path);
        }
        anyhow::Error::new(error).context("failed to parse the WebAssembly text format")
    })
}

fn import_type(facts: &ModuleFacts, ty: &RawImportType) -> ExternType {
    match *ty {
        RawImportType::Func(ty) => FuncType(facts.types[ty.index()].clone()).into(),
        RawImportType::Table(ty) => TableType(ty).into(),
        RawImportType::Memory(ty) => MemoryType(ty).into(),
        RawImportType::Global(ty) => GlobalType(ty).into(),
        RawImportType::Tag(ty) => TagType(FuncType(facts.types[ty.index()].clone())).into(),
    }
}

fn item_type(facts: &ModuleFacts, item: Item) -> ExternType {
    match item {
        Item::Func(func) => FuncType(facts.func_type(func).clone()).into(),
        Item::Table(table) => TableType(facts.tables[table.index()]).into(),
        Item::Memory(memory) => MemoryType(facts.memories[memory.index()]).into(),
        Item::Global(global) => GlobalType(facts.globals[global.index()]).into(),
        Item::Tag(tag) => {
            let ty = &facts.types[facts.tags[tag.index()].index()];
            TagType(FuncType(ty.clone())).into()
        }
    }
}
