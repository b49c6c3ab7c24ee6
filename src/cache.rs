//! A cache on disk: what runs of modules have shown, found again by the next process that loads the
//! same module.
//!
//! An entry is a file, known by the digest of the module. It has a checksum and is read as a whole
//! or thrown away. Nothing that goes wrong with the cache is an error of the program: there is a
//! warning in the log, and the module starts without.

mod folder;

use std::collections::HashSet;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest as _, Sha256};
use upshift_runtime::ModuleCode;
use upshift_tiering::{
    ModuleDigest, ModuleProfile, ModuleTiers, OPTIONS, RecordedRequest, StoredCode,
};

use crate::module::{Serialized, SerializedError, encode};
use crate::{Engine, Result, compat};
use folder::Folder;

/// What the names of entries end with.
const EXTENSIONS: &[&str] = &["profile", "code"];

/// Where an engine keeps what runs have shown, and how much of it; by default nowhere. See
/// [`Config::cache`](crate::Config::cache).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheConfig {
    pub(crate) directory: Option<PathBuf>,
    pub(crate) limit: usize,
    pub(crate) code: bool,
}

impl Default for CacheConfig {
    fn default() -> Self {
        Self::new()
    }
}

impl CacheConfig {
    /// No directory, at most 512 MiB, with code.
    pub fn new() -> Self {
        Self {
            directory: None,
            limit: 512 << 20,
            code: true,
        }
    }

    /// Sets the directory, which is created for this user alone if it does not exist. Any number of
    /// processes may use it at the same time.
    pub fn with_directory(&mut self, directory: impl Into<PathBuf>) -> &mut Self {
        self.directory = Some(directory.into());
        self
    }

    /// Sets how many bytes all files may take together. When it is exceeded, those go that were not
    /// used for the longest time.
    pub fn with_files_total_size_soft_limit(&mut self, bytes: u64) -> &mut Self {
        self.limit = usize::try_from(bytes).unwrap_or(usize::MAX);
        self
    }

    /// Sets whether compiled code is kept besides profiles: true by default. Code is run as it was
    /// found, so it is kept in directories only that belong to this user and that no other can
    /// write to; elsewhere there is a warning, and profiles alone are kept.
    pub fn with_code(&mut self, code: bool) -> &mut Self {
        self.code = code;
        self
    }

    /// The directory, if one is set.
    pub fn directory(&self) -> Option<&Path> {
        self.directory.as_deref()
    }

    /// How many bytes all files may take together.
    pub fn files_total_size_soft_limit(&self) -> u64 {
        self.limit as u64
    }
}

/// An engine's cache.
#[derive(Debug)]
pub(crate) struct Cache {
    folder: Folder,
    /// A digest that begins with what code is kept for: this program, and engines with the same
    /// options; `None` if no code is kept.
    keeper: Option<Sha256>,
}

impl Cache {
    /// The cache that the configuration asks for; none, with a warning, where the folder can't be
    /// used.
    pub(crate) fn open(config: &CacheConfig, options: &str) -> Option<Arc<Self>> {
        let path = config.directory.as_deref()?;
        match Folder::open(path, config.limit as u64) {
            Ok(folder) => {
                let code = config.code && folder.is_private();
                if config.code && !code {
                    log::warn!(
                        target: OPTIONS,
                        "others can write to the cache in `{}`: no code is kept there",
                        path.display()
                    );
                }
                let program = code.then(compat::program).flatten();
                if code && program.is_none() {
                    log::warn!(
                        target: OPTIONS,
                        "the cache in `{}` keeps no code, as the system does not tell which \
                         program this is",
                        path.display()
                    );
                }
                let keeper = program.map(|program| Sha256::new_with_prefix(program + options));
                Some(Arc::new(Self { folder, keeper }))
            }
            Err(error) => {
                log::warn!(target: OPTIONS, "no cache in `{}`: {error}", path.display());
                None
            }
        }
    }

    /// Whether code is kept.
    pub(crate) fn keeps_code(&self) -> bool {
        self.keeper.is_some()
    }

    /// The code of a module, if the cache has it. Then the module is valid: only code of valid
    /// modules is kept, and what others could have written is not read.
    pub(crate) fn code_of(&self, module: ModuleDigest, engine: &Engine) -> Option<Serialized> {
        let read = |bytes: Vec<u8>| match Serialized::decode(&bytes.into(), engine)?.intact() {
            Ok(entry) if entry.module() == module => Ok(entry),
            Ok(_) => Err(SerializedError::OtherModule),
            Err(error) => Err(error),
        };
        self.entry(&self.code_name(module)?, Folder::read_own, read)
    }

    /// The name of a module's code, as this program's engines with the same options make it.
    fn code_name(&self, module: ModuleDigest) -> Option<String> {
        let hash = self.keeper.clone()?.chain_update(module.0).finalize();
        Some(format!("{}.code", ModuleDigest(hash.into())))
    }

    /// What `decode` makes of an entry; one that it refuses is removed.
    fn entry<T, E: fmt::Display>(
        &self,
        name: &str,
        read: impl FnOnce(&Folder, &str) -> io::Result<Option<Vec<u8>>>,
        decode: impl FnOnce(Vec<u8>) -> Result<T, E>,
    ) -> Option<T> {
        let place = || self.folder.path().join(name).display().to_string();
        let bytes = match read(&self.folder, name) {
            Ok(bytes) => bytes?,
            Err(error) => {
                log::warn!(target: OPTIONS, "the cache can't read `{}`: {error}", place());
                return None;
            }
        };
        match decode(bytes) {
            Ok(entry) => Some(entry),
            Err(error) => {
                log::warn!(target: OPTIONS, "the cache has dropped `{}`: {error}", place());
                self.folder.remove(name);
                None
            }
        }
    }
}

fn profile_name(module: ModuleDigest) -> String {
    format!("{module}.profile")
}

/// A module's part in the cache. The last handle of the module keeps what its run has shown.
pub(crate) struct Cached {
    cache: Arc<Cache>,
    /// Whose process it is, and whose threads.
    engine: Engine,
    code: Arc<ModuleCode>,
    tiers: Arc<ModuleTiers<ModuleCode>>,
    known: Mutex<Known>,
}

/// What the cache knows of a module.
#[derive(Default)]
struct Known {
    /// The requests in its profile.
    requests: Vec<RecordedRequest>,
    /// The code that was written last; `None` if what the module was supplied with is there.
    code: Option<StoredCode>,
}

impl Cached {
    /// Gives a module that was loaded just now the profile that the cache has of it; its code was
    /// [found](Cache::code_of) before.
    pub(crate) fn begin(
        cache: &Arc<Cache>,
        engine: &Engine,
        code: &Arc<ModuleCode>,
        tiers: &Arc<ModuleTiers<ModuleCode>>,
    ) -> Arc<Self> {
        let digest = tiers.digest(code);
        let profile = cache.entry(&profile_name(digest), Folder::read, |bytes| {
            ModuleProfile::from_bytes(&bytes)
        });
        let known = profile.as_ref().map(|profile| profile.requests().to_vec());
        if let Some(profile) = profile
            && let Err(error) = tiers.warm_up(code, profile)
        {
            log::warn!(target: OPTIONS, "the cache has dropped a profile: {error}");
            cache.folder.remove(&profile_name(digest));
        }
        Arc::new(Self {
            cache: cache.clone(),
            engine: engine.clone(),
            code: code.clone(),
            tiers: tiers.clone(),
            known: Mutex::new(Known {
                requests: known.unwrap_or_default(),
                code: None,
            }),
        })
    }

    /// Writes what the module's run has shown and compiled, as far as the cache does not know it.
    pub(crate) fn update(&self) -> Result<bool> {
        self.engine.runtime().process().check()?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let code = self.update_code(&mut known)?;
        let profile = self.tiers.profile(&self.code);
        let before: HashSet<_> = known.requests.iter().collect();
        if profile.requests().iter().all(|one| before.contains(one)) {
            return Ok(code);
        }
        let name = profile_name(profile.module());
        self.cache.folder.write(&name, &profile.to_bytes())?;
        known.requests = profile.requests().to_vec();
        Ok(true)
    }

    /// Writes the code, if there is some that the cache does not have.
    fn update_code(&self, known: &mut Known) -> Result<bool> {
        let name = self.cache.code_name(self.tiers.digest(&self.code));
        let Some(name) = name else {
            return Ok(false);
        };
        let pieces = self.tiers.code_pieces(&self.code);
        let has = known.code.as_ref().or(self.tiers.supplied());
        if pieces.is_empty() || has.is_some_and(|code| code.contains(&pieces)) {
            return Ok(false);
        }
        let stored = self.tiers.stored_code(&self.code);
        let entry = encode(&self.engine, &self.code, &self.tiers, &[], None, &stored);
        self.cache.folder.write(&name, &entry)?;
        known.code = Some(stored);
        Ok(true)
    }
}

impl Drop for Cached {
    fn drop(&mut self) {
        if self.engine.runtime().process().is_current()
            && let Err(error) = self.update()
        {
            let place = self.cache.folder.path().display();
            log::warn!(target: OPTIONS, "the cache can't write to `{place}`: {error:#}");
        }
    }
}

impl fmt::Debug for Cached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cached")
            .field("folder", &self.cache.folder.path())
            .finish_non_exhaustive()
    }
}
