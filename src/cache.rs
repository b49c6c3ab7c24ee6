//! A cache on disk: what runs of modules have shown, found again by the next process that loads the
//! same module.
//!
//! An entry is a file, known by the digest of the module. It has a checksum and is read as a whole
//! or thrown away. Nothing that goes wrong with the cache is an error of the program: there is a
//! warning in the log, and the module starts without.

mod folder;

use std::collections::HashSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use upshift_runtime::ModuleCode;
use upshift_tiering::{ModuleDigest, ModuleProfile, ModuleTiers, OPTIONS, RecordedRequest};

use crate::{Engine, Result};
use folder::Folder;

/// What the names of entries end with.
const EXTENSIONS: &[&str] = &["profile"];

/// Where an engine keeps what runs have shown, and how much of it; by default nowhere. See
/// [`Config::cache`](crate::Config::cache).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheConfig {
    pub(crate) directory: Option<PathBuf>,
    pub(crate) limit: usize,
}

impl Default for CacheConfig {
    fn default() -> Self {
        Self::new()
    }
}

impl CacheConfig {
    /// No directory, and at most 512 MiB.
    pub fn new() -> Self {
        Self {
            directory: None,
            limit: 512 << 20,
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
}

impl Cache {
    /// The cache that the configuration asks for; none, with a warning, where the folder can't be
    /// used.
    pub(crate) fn open(config: &CacheConfig) -> Option<Arc<Self>> {
        let path = config.directory.as_deref()?;
        match Folder::open(path, config.limit as u64) {
            Ok(folder) => Some(Arc::new(Self { folder })),
            Err(error) => {
                log::warn!(target: OPTIONS, "no cache in `{}`: {error}", path.display());
                None
            }
        }
    }

    /// The profile of earlier runs of the module.
    fn profile(&self, module: ModuleDigest) -> Option<ModuleProfile> {
        let name = profile_name(module);
        let place = || self.folder.path().join(&name).display().to_string();
        let bytes = match self.folder.read(&name) {
            Ok(bytes) => bytes?,
            Err(error) => {
                log::warn!(target: OPTIONS, "the cache can't read `{}`: {error}", place());
                return None;
            }
        };
        match ModuleProfile::from_bytes(&bytes) {
            Ok(profile) => Some(profile),
            Err(error) => {
                log::warn!(target: OPTIONS, "the cache has dropped `{}`: {error}", place());
                self.folder.remove(&name);
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
    /// The requests in the cache's entry.
    known: Mutex<Vec<RecordedRequest>>,
}

impl Cached {
    /// Gives a module that was loaded just now what the cache has of it.
    pub(crate) fn begin(
        cache: &Arc<Cache>,
        engine: &Engine,
        code: &Arc<ModuleCode>,
        tiers: &Arc<ModuleTiers<ModuleCode>>,
    ) -> Arc<Self> {
        let digest = tiers.digest(code);
        let profile = cache.profile(digest);
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
            known: Mutex::new(known.unwrap_or_default()),
        })
    }

    /// Writes what the module's run has shown, if something got hot that the cache does not know.
    pub(crate) fn update(&self) -> Result<bool> {
        self.engine.runtime().process().check()?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let profile = self.tiers.profile(&self.code);
        let before: HashSet<_> = known.iter().collect();
        if profile.requests().iter().all(|one| before.contains(one)) {
            return Ok(false);
        }
        let name = profile_name(profile.module());
        self.cache.folder.write(&name, &profile.to_bytes())?;
        *known = profile.requests().to_vec();
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
