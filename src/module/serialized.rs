//! Modules with their compiled code as bytes: [`Module::serialize`] and what reads them.
//!
//! ```text
//! magic (8 bytes), version, length of the header (4 bytes)
//! header: what it fits (text), digest of the module (32 bytes), ids of the module's types,
//!         its profile or nothing, index of the code (see `StoredCode`), the module's facts
//! checksum of the header
//! the module or nothing
//! the code
//! ```
//!
//! Checksums are CRC-32, 4 bytes each. Each piece of code has its own, in the index, and so have
//! each body of the module and its data, in the facts (see `facts::stored`): a file is not read as
//! a whole before anything runs, and the module is not decoded. Names and debug information have
//! none: what reads them expects anything.
//!
//! Code compares ids of function types, which are the same in all engines unless two types would
//! have the same one. In an engine where a type therefore has another id the code is left out, and
//! compiled anew.

#![allow(unsafe_code, reason = "who deserializes a module vouches for it")]

use std::fs::File;
use std::hash::Hash;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use bytes::Bytes;
use memmap2::Mmap;
use upshift_abi::codec::{Decoder, Encoder, Malformed};
use upshift_abi::{ModuleFacts, Printable, facts};
use upshift_runtime::ModuleCode;
use upshift_tiering::{ModuleDigest, ModuleProfile, ModuleTiers, ProfileError, StoredCode};

use super::Module;
use crate::{Engine, Result};

/// What a serialized module starts with.
const MAGIC: &[u8; 8] = b"upshiftC";

/// The version of the format.
const VERSION: u64 = 2;

/// The reason why a serialized module is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SerializedError {
    /// The bytes are something else.
    #[error("this is no serialized module")]
    NotSerialized,
    /// The format is that of another version of Upshift.
    #[error("the serialized module has format {0}, and this version reads format {VERSION}")]
    Version(u64),
    /// The bytes are not those that were written.
    #[error("the serialized module is damaged: it is incomplete, or was changed")]
    Damaged,
    /// The checksum is right, and the content makes no sense.
    #[error("the serialized module makes no sense: {0}")]
    Malformed(#[from] Malformed),
    /// The profile in it is refused.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// It was made by another version or for other options or another processor.
    #[error("the serialized module is for `{made_for}`, and this engine is `{engine}`")]
    OtherEngine {
        /// What it was made for, where the two begin to differ.
        made_for: String,
        /// What the engine is, from there on.
        engine: String,
    },
    /// It is of another module, or has none.
    #[error("the serialized module is of another module")]
    OtherModule,
}

/// What was serialized of a module.
pub(crate) struct Serialized {
    module: ModuleDigest,
    type_ids: Vec<u32>,
    wasm: Bytes,
    /// The header, and where the facts begin in it.
    header: Bytes,
    facts: usize,
    profile: Option<ModuleProfile>,
    code: StoredCode,
}

impl Serialized {
    /// Reads it for an engine. Its pieces of code are looked at when they are wanted.
    pub(crate) fn decode(bytes: &Bytes, engine: &Engine) -> Result<Self, SerializedError> {
        let mut from = Decoder::new(bytes);
        if from.raw(MAGIC.len()) != Ok(MAGIC) {
            return Err(SerializedError::NotSerialized);
        }
        let damaged = |_| SerializedError::Damaged;
        let version = from.number().map_err(damaged)?;
        if version != VERSION {
            return Err(SerializedError::Version(version));
        }
        let len = number_of(&mut from).map_err(damaged)?;
        let header = from.raw(len as usize).map_err(damaged)?;
        let start = &bytes[..bytes.len() - from.left()];
        if number_of(&mut from) != Ok(crc32fast::hash(start)) {
            return Err(SerializedError::Damaged);
        }
        let wasm = bytes.slice_ref(from.sized().map_err(damaged)?);
        let code = bytes.slice_ref(from.sized().map_err(damaged)?);
        from.finish().map_err(damaged)?;

        let header = bytes.slice_ref(header);
        let mut from = Decoder::new(&header);
        let made_for = String::from_utf8_lossy(from.sized()?);
        let fits = engine.fits();
        if made_for != fits {
            return Err(different(&made_for, fits));
        }
        let mut module = ModuleDigest([0; 32]);
        module.0.copy_from_slice(from.raw(32)?);
        let mut type_ids = Vec::new();
        for _ in 0..from.count(1)? {
            type_ids.push(from.number_u32()?);
        }
        let profile = match from.sized()? {
            [] => None,
            profile => Some(ModuleProfile::from_bytes(profile)?),
        };
        let code = StoredCode::decode(&mut from, &header, code)?;
        let facts = header.len() - from.left();
        Ok(Self {
            module,
            type_ids,
            wasm,
            header,
            facts,
            profile,
            code,
        })
    }

    /// Checks all of the code, which is otherwise done piece by piece.
    pub(crate) fn intact(self) -> Result<Self, SerializedError> {
        match self.code.is_intact() {
            true => Ok(self),
            false => Err(SerializedError::Damaged),
        }
    }

    /// The facts of the module, whose bytes these are.
    pub(crate) fn facts(&self, wasm: &Bytes) -> Result<ModuleFacts, SerializedError> {
        let mut from = Decoder::new(&self.header[self.facts..]);
        let facts = facts::stored::decode(&mut from, &self.header, wasm)?;
        from.finish()?;
        Ok(facts)
    }

    /// The code, for a module that was loaded just now; none where types have other ids.
    pub(crate) fn code_for(self, code: &ModuleCode) -> Option<StoredCode> {
        let ids = code.facts().type_ids.iter().map(|id| id.0);
        let fits = ids.eq(self.type_ids.iter().copied());
        if !fits {
            log::debug!("stored code is not used: function types have other ids in this engine");
        }
        fits.then_some(self.code)
    }

    pub(crate) fn module(&self) -> ModuleDigest {
        self.module
    }
}

/// The error that two engines differ, with the text from where it does.
fn different(made_for: &str, engine: &str) -> SerializedError {
    let same = made_for.bytes().zip(engine.bytes());
    let same = same.take_while(|(a, b)| a == b).count();
    // From the beginning of the word that differs, or of the field whose value it is.
    let mut start = engine[..same].rfind(' ').map_or(0, |space| space + 1);
    if let Some(field) = engine[..start].strip_suffix(": ") {
        start = field.rfind(' ').map_or(0, |space| space + 1);
    }
    let from_start = |text: &str| {
        let rest = text.get(start..).unwrap_or_default();
        rest.chars().take(60).collect()
    };
    SerializedError::OtherEngine {
        made_for: from_start(made_for),
        engine: from_start(engine),
    }
}

/// Writes a module's code, and the module and its profile if they are given.
pub(crate) fn encode(
    engine: &Engine,
    code: &Arc<ModuleCode>,
    tiers: &ModuleTiers<ModuleCode>,
    wasm: &[u8],
    profile: Option<&ModuleProfile>,
    stored: &StoredCode,
) -> Vec<u8> {
    let mut header = Encoder::default();
    header.sized(engine.fits().as_bytes());
    header.raw(&tiers.digest(code).0);
    let ids = &code.facts().type_ids;
    header.count(ids.len());
    ids.iter().for_each(|id| header.number(id.0));
    header.sized(&profile.map_or(Vec::new(), ModuleProfile::to_bytes));
    stored.encode_index(&mut header);
    // Once more from its bytes: in the facts of a loaded module, types refer to others by ids.
    let decoded = facts::decode_with(code.wasm(), engine.config().features);
    let decoded = decoded.expect("a module that was loaded before");
    facts::stored::encode(&decoded.facts, code.wasm(), &mut header);

    let mut to = Encoder::default();
    to.raw(MAGIC);
    to.number(VERSION);
    let len = u32::try_from(header.0.len()).expect("an index of a code space's functions");
    to.raw(&len.to_le_bytes());
    to.raw(&header.0);
    let checksum = crc32fast::hash(&to.0);
    to.raw(&checksum.to_le_bytes());
    to.sized(wasm);
    to.sized(stored.bytes());
    to.0
}

fn check_not_instrumented(engine: &Engine) -> Result<()> {
    anyhow::ensure!(
        engine.config().instrument.is_none(),
        "an engine that instruments modules neither serializes nor deserializes them"
    );
    Ok(())
}

/// Reads a number of 4 bytes: a checksum, or a length.
fn number_of(from: &mut Decoder<'_>) -> Result<u32, Malformed> {
    let mut bytes = [0; 4];
    bytes.copy_from_slice(from.raw(4)?);
    Ok(u32::from_le_bytes(bytes))
}

/// What [`Engine::detect_precompiled`] finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Precompiled {
    /// A serialized module.
    Module,
}

impl Engine {
    /// What the bytes are, by their first ones; `None` if they are no serialized code.
    pub fn detect_precompiled(bytes: &[u8]) -> Option<Precompiled> {
        bytes.starts_with(MAGIC).then_some(Precompiled::Module)
    }

    /// What [`detect_precompiled`](Self::detect_precompiled) finds in a file.
    ///
    /// # Errors
    ///
    /// If the file can't be read.
    pub fn detect_precompiled_file(path: impl AsRef<Path>) -> Result<Option<Precompiled>> {
        let path = path.as_ref();
        let cannot = || format!("cannot read `{}`", Printable(path.display()));
        let mut start = Vec::new();
        let file = File::open(path).with_context(cannot)?;
        let read = file.take(MAGIC.len() as u64).read_to_end(&mut start);
        read.with_context(cannot)?;
        Ok(Self::detect_precompiled(&start))
    }

    /// What must be equal for the code of one engine to run in another: a value to hash, for names
    /// of files for instance.
    pub fn precompile_compatibility_hash(&self) -> impl Hash + '_ {
        self.fits()
    }

    /// Compiles all functions of a module ahead of time, with the compiler of first code, for
    /// [`Module::deserialize`]: with [`Strategy::Optimizer`](crate::Strategy::Optimizer) optimized
    /// code, otherwise baseline code. Functions are compiled on as many threads as
    /// [`Config::parallel_compilation`](crate::Config::parallel_compilation) allows.
    ///
    /// Code that is hot in a real run, and known to be, comes from [`Module::serialize`] after it.
    ///
    /// ```
    /// # #[cfg(feature = "wat")]
    /// # fn main() -> upshift::Result<()> {
    /// use upshift::{Config, Engine, Instance, Module, Store, Strategy};
    ///
    /// let engine = Engine::new(Config::new().strategy(Strategy::Optimizer))?;
    /// let text = r#"(module (func (export "seven") (result i32) (i32.const 7)))"#;
    /// let bytes = engine.precompile_module(text.as_bytes())?;
    ///
    /// // SAFETY: the bytes are what `precompile_module` has returned.
    /// let module = unsafe { Module::deserialize(&engine, &bytes) }?;
    /// let mut store = Store::new(&engine, ());
    /// let instance = Instance::new(&mut store, &module, &[])?;
    /// let seven = instance.get_typed_func::<(), i32>(&mut store, "seven")?;
    /// assert_eq!(seven.call(&mut store, ())?, 7);
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "wat"))]
    /// # fn main() {}
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Module::new`]; if a function exceeds the compiler's limits.
    pub fn precompile_module(&self, bytes: &[u8]) -> Result<Vec<u8>> {
        let module = Module::new(self, bytes)?;
        self.compile_all(&module.code, &module.tiers, None)?;
        module.serialize()
    }
}

impl Module {
    /// The module with the code that it has now, and the profile of its run, as bytes that
    /// [`deserialize`](Self::deserialize) reads: all functions that were called, or all there are
    /// with [`Config::eager`](crate::Config::eager), each in the code that its calls run, and the
    /// OSR entries of loops. Traps, backtraces and counters are in it.
    ///
    /// Cost: without a [cache](crate::Config::cache), in whose engines code is kept so that it can
    /// be written, it is compiled again.
    ///
    /// # Errors
    ///
    /// In a forked child, and if the engine [instruments](crate::Config::instrument) modules.
    pub fn serialize(&self) -> Result<Vec<u8>> {
        self.engine.runtime().process().check()?;
        check_not_instrumented(&self.engine)?;
        let (code, tiers) = (&self.code, &self.tiers);
        let stored = tiers.stored_code(code);
        let profile = self.profile();
        let wasm = code.wasm();
        Ok(encode(
            &self.engine,
            code,
            tiers,
            wasm,
            Some(&profile),
            &stored,
        ))
    }

    /// Loads a module that [`serialize`](Self::serialize) has written. It is not validated, and
    /// functions begin in the code that is in it; what was hot is hot again at once, as after
    /// [`warm_up`](Self::warm_up).
    ///
    /// It must have been made by the same version of Upshift, with the same options and for the
    /// same processor: that is checked.
    ///
    /// Cost: the bytes are copied ([`deserialize_file`](Self::deserialize_file) maps them), and for
    /// each function some words are read and written; each function's code is read and placed at
    /// its first call.
    ///
    /// # Safety
    ///
    /// The bytes must be what `serialize` returned, unchanged: their code is run as it is, and the
    /// module in them is taken for a valid one. Checksums find accidents, not malice.
    ///
    /// # Errors
    ///
    /// A [`SerializedError`] if it is something else, damaged, or for another engine. Damage to
    /// code, bodies and data is found when they are read first: then code is compiled from the
    /// body, and a call without either, or an instance without data, fails.
    pub unsafe fn deserialize(engine: &Engine, bytes: impl AsRef<[u8]>) -> Result<Self> {
        let bytes = Bytes::copy_from_slice(bytes.as_ref());
        Self::from_serialized(engine, &bytes)
    }

    fn from_serialized(engine: &Engine, bytes: &Bytes) -> Result<Self> {
        engine.runtime().process().check()?;
        check_not_instrumented(engine)?;
        let mut serialized = Serialized::decode(bytes, engine)?;
        let wasm = std::mem::take(&mut serialized.wasm);
        let profile = serialized.profile.take();
        if wasm.is_empty() {
            // An entry of a cache, which has the code alone.
            return Err(SerializedError::OtherModule.into());
        }
        let facts = serialized.facts(&wasm)?;
        engine.check_bodies(&facts, &wasm)?;
        let (code, tiers) = engine.load(facts, wasm)?;
        tiers.set_digest(serialized.module);
        if let Some(stored) = serialized.code_for(&code) {
            tiers.supply(stored);
        }
        engine.compile_eagerly(&code, &tiers, None)?;
        let module = Self::loaded(engine, code, tiers);
        if let Some(profile) = profile
            && module.cached.is_none()
        {
            module.tiers.warm_up(&module.code, profile)?;
        }
        Ok(module)
    }

    /// As [`deserialize`](Self::deserialize), from a file, which is mapped into memory and read as
    /// far as it is needed.
    ///
    /// # Safety
    ///
    /// As [`deserialize`](Self::deserialize), and the file must not be changed as long as the
    /// module or an instance of it exists. Replacing it by another file of the same name is no
    /// change.
    ///
    /// # Errors
    ///
    /// If the file can't be mapped, or as [`deserialize`](Self::deserialize).
    pub unsafe fn deserialize_file(engine: &Engine, path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let cannot = || format!("cannot load `{}`", Printable(path.display()));
        let file = File::open(path).with_context(cannot)?;
        // SAFETY: the caller has promised that the file is not changed.
        let bytes = unsafe { Mmap::map(&file) }.with_context(cannot)?;
        Self::from_serialized(engine, &Bytes::from_owner(bytes)).with_context(cannot)
    }
}
