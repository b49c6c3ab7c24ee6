//! The profiles of `--profile-in`, `--profile-out` and the cache.
//!
//! Both files are opened before the run, so that what is wrong with them is reported at once. The
//! profile of the run is written after it, however it ended, and takes its file's place as a whole.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use upshift::{Module, ModuleProfile, Printable, Result};

use crate::invoke::UsageError;
use crate::options::Options;
use crate::output::Output;
use crate::record::Incomplete;
use crate::report;

/// The profiles of a run.
pub struct Profiles {
    /// The profile of an earlier run.
    pub given: Option<Given>,
    out: Option<(PathBuf, Output)>,
}

/// The profile of an earlier run, and its file.
pub struct Given {
    path: PathBuf,
    profile: ModuleProfile,
}

impl Given {
    fn read(path: &Path) -> Result<Self> {
        let cannot = || format!("cannot use the profile `{}`", Printable(path.display()));
        let bytes = fs::read(path).with_context(cannot)?;
        Ok(Self {
            path: path.to_owned(),
            profile: ModuleProfile::from_bytes(&bytes).with_context(cannot)?,
        })
    }

    /// Gives the profile to the module.
    ///
    /// # Errors
    ///
    /// If it is of another module.
    pub fn warm_up(self, module: &Module) -> Result<()> {
        let Self { path, profile } = self;
        let given = module.warm_up(profile);
        given.with_context(|| format!("cannot use the profile `{}`", Printable(path.display())))
    }
}

impl Profiles {
    /// Reads the profile that is given, and opens the file of the one to be written.
    ///
    /// # Errors
    ///
    /// If either can't be done, or the file is no profile.
    pub fn open(options: &Options) -> Result<Self> {
        anyhow::ensure!(
            options.profile_in.is_none() || options.config.cache_config().directory().is_none(),
            UsageError("--profile-in: with -C cache, profiles come from the cache".into())
        );
        let given = options.profile_in.as_deref().map(Given::read).transpose()?;
        let out = match &options.profile_out {
            None => None,
            Some(path) => {
                let cannot = || format!("cannot create `{}`", Printable(path.display()));
                let output = Output::create_from(path, &options.file);
                Some((path.clone(), output.with_context(cannot)?))
            }
        };
        Ok(Self { given, out })
    }

    /// Writes the profile of the run, if the module was loaded, to its file and the cache.
    ///
    /// # Errors
    ///
    /// If it can't be written, which is reported.
    pub fn write(self, module: Option<&Module>) -> Result<(), Incomplete> {
        let Some(module) = module else { return Ok(()) };
        // A cache is there to make things faster; without it the run was as good.
        if let Err(error) = module.update_cache() {
            report::warning(&format!("the cache is as it was: {error:#}"));
        }
        let Some((path, output)) = self.out else {
            return Ok(());
        };
        let profile = module.profile().to_bytes();
        output
            .write(|mut file| file.write_all(&profile))
            .map_err(|error| {
                let path = Printable(path.display());
                report::error_line(&format!("cannot write the profile `{path}`: {error}"));
                Incomplete
            })
    }
}
