//! Where a module's bytes come from: memory or a file, from which they are read while what has
//! arrived is validated.
//!
//! Files are read and never mapped: a process that can write the file, a guest with the folder
//! among them, could otherwise change a body after its validation, or shorten the file and so end
//! this process with SIGBUS.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use upshift_abi::facts::{self, Input, ModuleFacts};
use upshift_runtime::ArrivingBytes;
use upshift_tiering::{LoadError, ModuleDigest};

use super::Module;
use crate::error::{invalid_body, refusal};
use crate::{Engine, Error, Result};

/// What a module in the binary format starts with.
pub(super) const MAGIC: &[u8] = b"\0asm";

/// How many bytes are read between two rounds of decoding.
const PIECE: usize = 1 << 20;

/// The module's bytes could not be read.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub(super) struct ReadError(#[from] pub(super) io::Error);

/// A file that was opened, and what has been read to see which format it has.
pub(super) struct ModuleFile {
    start: Vec<u8>,
    rest: File,
    /// Its length when it was opened, if the system knows: pipes have none.
    len: usize,
}

impl ModuleFile {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let mut rest = File::open(path)?;
        let len = usize::try_from(rest.metadata()?.len()).unwrap_or(usize::MAX);
        let mut start = Vec::with_capacity(MAGIC.len());
        rest.by_ref()
            .take(MAGIC.len() as u64)
            .read_to_end(&mut start)?;
        Ok(Self { start, rest, len })
    }

    pub(super) fn is_binary(&self) -> bool {
        self.start == MAGIC
    }

    pub(super) fn read_all(self) -> io::Result<Vec<u8>> {
        let Self {
            start: mut bytes,
            mut rest,
            ..
        } = self;
        rest.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Loads the binary module in the file.
    pub(super) fn load(mut self, engine: &Engine) -> Result<Module> {
        // A file that is larger than 4 GiB is no module, and one without a length is read first.
        if self.len < MAGIC.len() || u32::try_from(self.len).is_err() {
            let bytes = self.read_all().map_err(ReadError)?;
            return Module::from_binary(engine, &bytes);
        }
        let len = self.len;
        from_reader(engine, self.start.chain(self.rest.by_ref()), len)
    }
}

/// Loads a binary module of `len` bytes. Fewer are taken as they are; more are not read.
pub(super) fn from_reader(engine: &Engine, mut reader: impl Read, len: usize) -> Result<Module> {
    engine.runtime().process().check()?;
    let mut bytes = ArrivingBytes::new(len);
    let mut writer = bytes.writer();
    let mut read = || loop {
        match writer.write(PIECE, |rest| reader.read(rest)) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
            Ok(read) => {
                let complete = read == 0 || writer.is_complete();
                let input = if complete {
                    Input::Complete
                } else {
                    Input::Partial
                };
                return Ok((writer.arrived(), input));
            }
        }
    };
    let features = engine.config().features;
    let decode = |wasm: &[u8]| facts::decode_with(wasm, features).map_err(refusal);
    let cache = engine.cache().filter(|cache| cache.keeps_code());
    let mut known = None;
    if let Some(cache) = cache {
        // The cache knows modules by all their bytes.
        let digest = ModuleDigest::of(to_end(&mut read)?);
        known = Some((digest, cache.code_of(digest, engine)));
    }
    let (facts, wasm, validators) = if let Some((_, Some(stored))) = &known {
        let wasm = bytes.finish();
        let facts = match stored.facts(&wasm) {
            // What the digest is of needs no other checksums.
            Ok(facts) => ModuleFacts {
                checksums: None,
                ..facts
            },
            Err(error) => {
                log::warn!("a cached module is decoded again: {error}");
                decode(&wasm)?.facts
            }
        };
        (facts, wasm, None)
    } else if engine.validates_eagerly() {
        to_end(&mut read)?;
        let wasm = bytes.finish();
        let decoded = decode(&wasm)?;
        (decoded.facts, wasm, Some(decoded.validators))
    } else {
        let facts = engine.decode_validated(read).map_err(error)?;
        (facts, bytes.finish(), None)
    };
    let (code, tiers) = engine.load(facts, wasm)?;
    if let Some((digest, stored)) = known {
        tiers.set_digest(digest);
        if let Some(stored) = stored.and_then(|stored| stored.code_for(&code)) {
            tiers.supply(stored);
        }
    }
    engine.compile_eagerly(&code, &tiers, validators)?;
    Ok(Module::loaded(engine, code, tiers))
}

/// Reads on until the module is complete; returns all of it.
fn to_end<'a>(
    read: &mut impl FnMut() -> io::Result<(&'a [u8], Input)>,
) -> Result<&'a [u8], ReadError> {
    loop {
        if let (wasm, Input::Complete) = read()? {
            return Ok(wasm);
        }
    }
}

pub(super) fn error(error: LoadError) -> Error {
    match error {
        LoadError::Read(error) => ReadError(error).into(),
        LoadError::Decode(error) => refusal(error),
        LoadError::Body(error) => invalid_body(error),
    }
}
