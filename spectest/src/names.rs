//! What a script's names stand for: definitions, instances and modules to import from.
//!
//! A name whose module was refused stands for nothing from then on: no earlier module takes its
//! place, and what depends on it fails for the same reason.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use upshift::{Engine, Error, Func, Instance, Linker, Module, SharedMemory, Store};
use wast::token::Id;

use crate::host;
use crate::runner::missing_proposal;
use crate::unsupported::Unsupported;

/// A compiled module, and the names under which it exports functions.
#[derive(Clone)]
pub(crate) struct Definition {
    pub module: Module,
    /// For exported functions, the index and the name. Empty for modules in the binary format.
    pub exported_funcs: Rc<Vec<(u32, String)>>,
}

/// An instance, and the definition that it is of.
#[derive(Clone)]
struct Defined {
    instance: Instance,
    definition: Definition,
}

/// The shared memories that an instance of another thread exports, with their names.
pub(crate) type Memories = Arc<[(String, SharedMemory)]>;

/// What modules can import from.
#[derive(Clone)]
enum Exporter {
    Instance(Defined),
    /// Of another thread, which shares these.
    Thread(Memories),
}

/// What a name stands for, or why it stands for nothing.
type Slot<T> = Result<T, Absent>;

/// Why a name stands for nothing.
#[derive(Clone)]
enum Absent {
    /// No directive has defined it.
    Never,
    /// Its module was refused, for want of the proposal if there is one.
    Refused(Option<String>),
}

impl Absent {
    fn from(error: &Error) -> Self {
        Absent::Refused(missing_proposal(error).map(String::from))
    }

    /// The error of a directive that needs what is absent.
    fn error(self, what: &str) -> Error {
        match self {
            Absent::Never => Error::msg(format!("there is no {what}")),
            Absent::Refused(None) => Error::msg(format!("{what} was refused")),
            Absent::Refused(Some(proposal)) => {
                Unsupported::new(proposal, format!("{what} was refused")).into()
            }
        }
    }
}

/// The names of a running script.
pub(crate) struct Names {
    /// The module `spectest`.
    host: Linker<()>,
    /// By the names of modules to import from, what scripts have registered.
    registered: HashMap<String, Slot<Exporter>>,
    instances: HashMap<String, Slot<Exporter>>,
    definitions: HashMap<String, Slot<Definition>>,
    /// The instance that directives without a name refer to.
    current: Slot<Exporter>,
    last_definition: Slot<Definition>,
}

impl Names {
    /// Creates the names of a script that has not begun: those of the module `spectest`.
    ///
    /// # Errors
    ///
    /// If its items can't be allocated.
    pub(crate) fn new(engine: &Engine, store: &mut Store<()>) -> Result<Self> {
        let mut host = Linker::new(engine);
        host.allow_shadowing(true);
        host::define(&mut host, store)?;
        Ok(Self {
            host,
            registered: HashMap::new(),
            instances: HashMap::new(),
            definitions: HashMap::new(),
            current: Err(Absent::Never),
            last_definition: Err(Absent::Never),
        })
    }

    /// Makes a compiled module, or its refusal, the last definition and what the name stands for.
    pub(crate) fn define(
        &mut self,
        name: Option<Id<'_>>,
        compiled: Result<Definition>,
    ) -> Result<Definition> {
        self.last_definition = compiled.as_ref().map(Clone::clone).map_err(Absent::from);
        if let Some(name) = name {
            let definition = self.last_definition.clone();
            self.definitions.insert(name.name().into(), definition);
        }
        compiled
    }

    /// Instantiates a definition. The instance, or its refusal, becomes the current one and what
    /// the name stands for.
    ///
    /// # Errors
    ///
    /// If there is no such definition, or it can't be instantiated.
    pub(crate) fn instantiate(
        &mut self,
        store: &mut Store<()>,
        name: Option<Id<'_>>,
        definition: Result<Definition>,
    ) -> Result<()> {
        let created = definition.and_then(|definition| {
            let instance = self.instance_of(store, &definition.module)?;
            Ok(Exporter::Instance(Defined {
                instance,
                definition,
            }))
        });
        self.current = created.as_ref().map(Clone::clone).map_err(Absent::from);
        if let Some(name) = name {
            let instance = self.current.clone();
            self.instances.insert(name.name().into(), instance);
        }
        created.map(|_| ())
    }

    /// Leaves directives without a name nothing to refer to: a module can't be read.
    pub(crate) fn forget_current(&mut self) {
        self.current = Err(Absent::Refused(None));
        self.last_definition = Err(Absent::Refused(None));
    }

    /// The definition of this name, or the last one.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub(crate) fn definition(&self, name: Option<Id<'_>>) -> Result<Definition> {
        let found = find(&self.definitions, &self.last_definition, name);
        found.map_err(|absent| absent.error(&describe("module definition", name)))
    }

    /// The instance of this name, or the current one.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub(crate) fn instance(&self, name: Option<Id<'_>>) -> Result<Instance> {
        Ok(self.defined(name)?.instance)
    }

    fn defined(&self, name: Option<Id<'_>>) -> Result<Defined> {
        match find(&self.instances, &self.current, name) {
            Ok(Exporter::Instance(defined)) => Ok(defined),
            Ok(Exporter::Thread(_)) => bail!("{} is of another thread", describe("instance", name)),
            Err(absent) => Err(absent.error(&describe("instance", name))),
        }
    }

    /// The shared memories that an instance exports.
    ///
    /// # Errors
    ///
    /// If there is no such instance.
    pub(crate) fn memories(&self, store: &mut Store<()>, name: Id<'_>) -> Result<Memories> {
        let Defined {
            instance,
            definition,
        } = self.defined(Some(name))?;
        let exports = definition.module.exports();
        let memories = exports.filter_map(|export| {
            let memory = instance.get_shared_memory(&mut *store, export.name())?;
            Some((export.name().into(), memory))
        });
        Ok(memories.collect())
    }

    /// Makes a name stand for an instance of another thread.
    pub(crate) fn share(&mut self, name: Id<'_>, memories: Memories) {
        let exporter = Exporter::Thread(memories);
        self.instances.insert(name.name().into(), Ok(exporter));
    }

    /// The function of this index in an instance, which must export it.
    ///
    /// # Errors
    ///
    /// If there is no such instance, or it does not export the function.
    pub(crate) fn func(
        &self,
        store: &mut Store<()>,
        instance: Option<Id<'_>>,
        index: u32,
    ) -> Result<Func> {
        let Defined {
            instance,
            definition,
        } = self.defined(instance)?;
        let mut exports = definition.exported_funcs.iter();
        let export = exports.find(|(exported, _)| *exported == index);
        let (_, export) = export.with_context(|| format!("function {index} is not exported"))?;
        let func = instance.get_func(store, export);
        func.with_context(|| format!("no function is exported as {export:?}"))
    }

    /// Makes an instance's exports those of a module to import from.
    ///
    /// # Errors
    ///
    /// If there is no such instance.
    pub(crate) fn register(&mut self, name: &str, instance: Option<Id<'_>>) -> Result<()> {
        let found = find(&self.instances, &self.current, instance);
        self.registered.insert(name.into(), found.clone());
        match found {
            Ok(_) => Ok(()),
            Err(absent) => Err(absent.error(&describe("instance", instance))),
        }
    }

    /// Instantiates a module. It imports from what was registered, else from named instances, else
    /// from the host.
    ///
    /// # Errors
    ///
    /// If an import is absent or does not match, or if the start function fails.
    pub(crate) fn instance_of(&self, store: &mut Store<()>, module: &Module) -> Result<Instance> {
        let mut linker = self.host.clone();
        for import in module.imports() {
            let name = import.module();
            let registered = self.registered.get(name);
            match registered.or_else(|| self.instances.get(name)) {
                None => {}
                Some(Ok(Exporter::Instance(defined))) => {
                    linker.instance(&mut *store, name, defined.instance)?;
                }
                Some(Ok(Exporter::Thread(memories))) => {
                    for (export, memory) in memories.iter() {
                        linker.define(&mut *store, name, export, memory.clone())?;
                    }
                }
                Some(Err(absent)) => {
                    bail!(absent.clone().error(&format!("the module {name:?}")));
                }
            }
        }
        linker.instantiate(store, module)
    }
}

fn find<T: Clone>(
    named: &HashMap<String, Slot<T>>,
    last: &Slot<T>,
    name: Option<Id<'_>>,
) -> Slot<T> {
    match name {
        Some(name) => named
            .get(name.name())
            .cloned()
            .unwrap_or(Err(Absent::Never)),
        None => last.clone(),
    }
}

fn describe(what: &str, name: Option<Id<'_>>) -> String {
    match name {
        Some(name) => format!("{what} named {}", name.name()),
        None => format!("current {what}"),
    }
}
