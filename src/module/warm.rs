//! Warm starts: what a run of a module has shown, for the next one.

use upshift_tiering::{ModuleDigest, ModuleProfile};

use super::Module;
use crate::Result;

impl Module {
    /// What the module's run has shown up to now, and the run whose profile it was
    /// [given](Self::warm_up): which functions and loops got hot, in which order, how much work
    /// each function did, and what indirect calls called. [`ModuleProfile::to_bytes`] is its form
    /// for a file.
    ///
    /// With [`Strategy::Baseline`](crate::Strategy::Baseline) nothing gets hot, and the profile of
    /// a run that was given none is empty.
    ///
    /// Any thread, also while the program runs: figures are then of slightly different moments.
    /// Looks at each function that was called, and reads the module the first time.
    pub fn profile(&self) -> ModuleProfile {
        self.tiers.profile(&self.code)
    }

    /// Gives the module the profile of an earlier run, best before its first instance: what was hot
    /// then is optimized right away. With background switching a thread begins with it now, in the
    /// order of that run; else it is done when each function is called for the first time. Policies
    /// decide ([`Policy::recorded`](crate::tiering::Policy::recorded)) and give their reason in the
    /// event log: `never` and `hinted-ski-rental` request nothing, though the latter takes the
    /// recorded work as its prediction.
    ///
    /// A profile has no say in what a program computes: a wrong one costs time.
    ///
    /// ```
    /// # #[cfg(feature = "wat")]
    /// # fn main() -> upshift::Result<()> {
    /// # let text = "(module (func (export \"run\")))";
    /// use upshift::{Engine, Module, ModuleProfile};
    ///
    /// let module = Module::new(&Engine::default(), text)?;
    /// // … the program runs …
    /// let saved: Vec<u8> = module.profile().to_bytes();
    ///
    /// // In another process, later:
    /// let module = Module::new(&Engine::default(), text)?;
    /// module.warm_up(ModuleProfile::from_bytes(&saved)?)?;
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "wat"))]
    /// # fn main() {}
    /// ```
    ///
    /// Cost: reads the module, to compare digests, and allocates some words for each recorded
    /// function.
    ///
    /// # Errors
    ///
    /// A [`ProfileError`](crate::ProfileError) if the profile is of another module, or the module
    /// has one already; an error in a forked child.
    pub fn warm_up(&self, profile: ModuleProfile) -> Result<()> {
        self.engine.runtime().process().check()?;
        Ok(self.tiers.warm_up(&self.code, profile)?)
    }

    /// Writes to the engine's [cache](crate::Config::cache) what the module's run has shown up to
    /// now; returns whether there was something new. Without a cache it does nothing.
    ///
    /// The last handle of the module does the same when it is dropped. A process that ends without
    /// that calls this before.
    ///
    /// # Errors
    ///
    /// If the file can't be written, or in a forked child.
    pub fn update_cache(&self) -> Result<bool> {
        match &self.cached {
            Some(cached) => cached.update(),
            None => Ok(false),
        }
    }

    /// The digest of the module's bytes, by which profiles are known. Reads them the first time.
    pub fn digest(&self) -> ModuleDigest {
        self.tiers.digest(&self.code)
    }
}
