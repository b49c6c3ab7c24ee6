//! `--preload NAME=FILE`: modules whose exports the program imports by a name.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use upshift::{Engine, Linker, Module, Printable, Result, Store};

/// Modules to instantiate before the program, in their order.
#[derive(Clone, Debug, Default)]
pub struct Preloads {
    files: Vec<(String, PathBuf)>,
    /// The modules, loaded once for an engine: repeated runs have their code.
    loaded: Arc<Mutex<Option<Loaded>>>,
}

/// The modules, in the order of their files.
#[derive(Clone, Debug)]
struct Loaded {
    engine: Engine,
    modules: Vec<Module>,
}

impl Preloads {
    /// Parses the values of the option, each `NAME=FILE`.
    ///
    /// # Errors
    ///
    /// What is wrong with one of them.
    pub fn parse(texts: &[String]) -> Result<Self, String> {
        let files = texts.iter().map(|text| match text.split_once('=') {
            Some((name, file)) if !file.is_empty() => Ok((name.to_owned(), file.into())),
            _ => Err(format!(
                "--preload takes NAME=FILE, not `{text}`: a module to import from, and its file"
            )),
        });
        Ok(Self {
            files: files.collect::<Result<_, _>>()?,
            loaded: Arc::default(),
        })
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Instantiates the modules and gives the linker their exports. Each can import from those
    /// before it, and from what the linker has.
    ///
    /// # Errors
    ///
    /// If one can't be loaded or instantiated, or its `_initialize` or start function fails.
    pub fn link<T: Send + 'static>(
        &self,
        linker: &mut Linker<T>,
        store: &mut Store<T>,
        engine: &Engine,
    ) -> Result<()> {
        for ((name, file), module) in self.files.iter().zip(self.modules(engine)?) {
            let what = || {
                let (name, file) = (Printable(name), Printable(file.display()));
                format!("cannot preload `{name}` from `{file}`")
            };
            linker
                .module(&mut *store, name, &module)
                .with_context(what)?;
        }
        Ok(())
    }

    fn modules(&self, engine: &Engine) -> Result<Vec<Module>> {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = &*loaded
            && Engine::same(&known.engine, engine)
        {
            return Ok(known.modules.clone());
        }
        let files = self.files.iter();
        let load = |file: &Path| Module::from_file(engine, file);
        let modules: Vec<Module> = files.map(|(_, file)| load(file)).collect::<Result<_>>()?;
        *loaded = Some(Loaded {
            engine: engine.clone(),
            modules: modules.clone(),
        });
        Ok(modules)
    }
}
