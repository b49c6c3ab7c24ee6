//! The runtime of an engine: the code space, function types and the options of all its modules and
//! stores.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use upshift_abi::compiler::Trampolines;
use upshift_abi::{FuncType, TypeId};

use crate::code::{BuiltinAddresses, CodeObserver, CodeSpace, CodeStats};
use crate::config::RuntimeConfig;
use crate::error::RuntimeError;
#[cfg(feature = "async")]
use crate::fiber::StackPool;
use crate::image::ImageFile;
use crate::sampler::Sampler;
use crate::space_pool::SpacePool;
use crate::sys::Process;
use crate::types::{TypeRegistry, TypeUses};

/// The counter of epochs, which generated code reads at each function and iteration: in a cache
/// line that nothing else is written to.
#[derive(Debug)]
#[repr(align(64))]
struct Epoch(AtomicU64);

/// What all modules and stores of an engine share. Thread-safe.
#[derive(Debug)]
pub struct Runtime {
    config: RuntimeConfig,
    code: Arc<CodeSpace>,
    types: Arc<TypeRegistry>,
    images: Arc<ImageFile>,
    process: Process,
    spaces: Arc<SpacePool>,
    sampler: OnceLock<Arc<Sampler>>,
    epoch: Epoch,
    #[cfg(feature = "async")]
    stacks: StackPool,
}

impl Runtime {
    /// Reserves the code space; `builtins` are the functions that generated code calls.
    ///
    /// # Errors
    ///
    /// If the address space or executable memory can't be had.
    pub(crate) fn assemble(
        config: RuntimeConfig,
        trampolines: Box<dyn Trampolines>,
        builtins: &BuiltinAddresses,
    ) -> Result<Arc<Self>, RuntimeError> {
        let process = Process::current();
        let code = CodeSpace::new(&config, process, builtins)?;
        #[cfg(feature = "async")]
        let stacks = StackPool::new(config.async_stacks);
        let spaces = Arc::new(SpacePool::new(process, config.instance_spaces));
        Ok(Arc::new(Self {
            config,
            code,
            types: TypeRegistry::new(trampolines, process),
            images: ImageFile::new(process),
            process,
            spaces,
            sampler: OnceLock::new(),
            epoch: Epoch(AtomicU64::new(0)),
            #[cfg(feature = "async")]
            stacks,
        }))
    }

    /// The process that the runtime belongs to. In a child of that process, nothing of the runtime
    /// can be called or created.
    pub fn process(&self) -> Process {
        self.process
    }

    /// The configuration that the runtime was created with.
    pub fn config(&self) -> &RuntimeConfig {
        &self.config
    }

    /// Assigns the engine's ids to function types; equal types have equal ids. Takes a lock.
    ///
    /// # Panics
    ///
    /// If one refers to a type that no module or store uses.
    pub fn register_types(&self, types: &[FuncType]) -> TypeUses {
        self.types.register(types)
    }

    /// Assigns the engine's ids to a module's function types, which refer to each other by index.
    /// Takes a lock.
    pub fn register_module_types(&self, types: &[FuncType]) -> TypeUses {
        self.types.register_module(types)
    }

    /// The number of function types in use. Takes a lock.
    pub fn type_count(&self) -> usize {
        self.types.len()
    }

    /// The function type with the id.
    ///
    /// # Panics
    ///
    /// If no type has the id: it is from another runtime, or its [`TypeUses`] were dropped.
    pub fn func_type(&self, id: TypeId) -> Arc<FuncType> {
        self.types.func_type(id)
    }

    /// The bytes of code by state. Takes a lock.
    pub fn code_stats(&self) -> CodeStats {
        self.code.stats()
    }

    /// Frees retired code that no thread can be running any more, and returns its memory to the
    /// system.
    pub fn collect_garbage(&self) {
        self.code.collect();
        self.code.trim();
    }

    /// The spaces of instances that have ended.
    pub(crate) fn spaces(&self) -> &Arc<SpacePool> {
        &self.spaces
    }

    /// What samples the threads of this runtime's stores, if anything does.
    pub fn sampler(&self) -> Option<&Sampler> {
        self.sampler.get().map(|sampler| &**sampler)
    }

    pub(crate) fn set_sampler(&self, sampler: Arc<Sampler>) {
        let first = self.sampler.set(sampler).is_ok();
        assert!(first, "a runtime has one sampler");
    }

    /// Makes the observer hear of all code that is placed. Once for each runtime, before any module
    /// is loaded.
    ///
    /// # Panics
    ///
    /// If there is an observer.
    pub fn observe_code(&self, observer: Box<dyn CodeObserver>) {
        self.code.observe(observer);
    }

    /// Begins the next epoch. Async-signal-safe.
    pub fn increment_epoch(&self) {
        self.epoch.0.fetch_add(1, Ordering::Relaxed);
    }

    /// The number of the epoch, counted from 0.
    pub fn current_epoch(&self) -> u64 {
        self.epoch.0.load(Ordering::Relaxed)
    }

    /// The counter for generated code.
    pub(crate) fn epoch_counter(&self) -> *const AtomicU64 {
        &raw const self.epoch.0
    }

    pub(crate) fn code(&self) -> &Arc<CodeSpace> {
        &self.code
    }

    pub(crate) fn types(&self) -> &Arc<TypeRegistry> {
        &self.types
    }

    /// The stacks of asynchronous calls.
    #[cfg(feature = "async")]
    pub(crate) fn stacks(&self) -> &StackPool {
        &self.stacks
    }

    pub(crate) fn images(&self) -> &Arc<ImageFile> {
        &self.images
    }
}
