//! Limits of a store's resources, checked before a memory or table is created or grows, and before
//! an instance is created.
//!
//! The interface is Wasmtime's, so that limiters written for it work here. A store without a
//! limiter is limited by what the modules declare and by what the system grants.

use std::any::Any;
#[cfg(feature = "async")]
use std::pin::Pin;
#[cfg(feature = "async")]
use std::task::{Context, Poll, Waker};

use upshift_abi::plan::MemoryStyle;
use upshift_abi::{ModuleFacts, TableType};

use super::Store;
#[cfg(feature = "async")]
use super::asynchronous::{Place, run_at};
use crate::error::Error;
#[cfg(feature = "async")]
use crate::error::{AsyncReason, RuntimeError};

/// The default of [`ResourceLimiter::instances`].
pub const DEFAULT_INSTANCE_LIMIT: usize = 10_000;
/// The default of [`ResourceLimiter::tables`].
pub const DEFAULT_TABLE_LIMIT: usize = 10_000;
/// The default of [`ResourceLimiter::memories`].
pub const DEFAULT_MEMORY_LIMIT: usize = 10_000;

/// Decides which resources the instances of a store may allocate.
///
/// It is called on the thread that runs the store: when a module is instantiated, by `memory.grow`
/// and `table.grow`, when the embedder creates or grows a memory or table, and when exceptions need
/// more memory. It does not limit the embedder's own data, compiled code, and the runtime's data
/// per item.
pub trait ResourceLimiter: Send {
    /// Decides whether a memory may have `desired` bytes instead of `current`, multiples of 64 KiB;
    /// `current` is 0 for a new one. `maximum` is the memory's declared maximum in bytes. Called
    /// even if `desired` is beyond that.
    ///
    /// The exceptions of a store lie in such a memory too, which has 64 MiB at most and is none of
    /// those that [`memories`](Self::memories) counts: `throw` traps where it is refused. What was
    /// allowed once is not asked for again, even if there were less of them in between.
    ///
    /// A shared memory that an instance of this store grows is grown by no other thread until this
    /// returns, so it must not grow that memory itself, or wait for a thread that does.
    ///
    /// `Ok(false)` refuses: `memory.grow` returns -1, creating a memory or an instance fails.
    ///
    /// # Errors
    ///
    /// An error makes `memory.grow` trap, and the call return it.
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> anyhow::Result<bool>;

    /// Called when growth that [`memory_growing`](Self::memory_growing) permitted has failed:
    /// beyond the maximum, or refused by the system.
    ///
    /// # Errors
    ///
    /// An error makes `memory.grow` trap instead of returning -1. By default there is none.
    fn memory_grow_failed(&mut self, error: anyhow::Error) -> anyhow::Result<()> {
        log::debug!("a memory could not grow: {error:#}");
        Ok(())
    }

    /// Decides whether a table may have `desired` elements (8 bytes each where they are not null)
    /// instead of `current`, which is 0 for a new one; otherwise like
    /// [`memory_growing`](Self::memory_growing).
    ///
    /// # Errors
    ///
    /// An error makes `table.grow` trap, and the call return it.
    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> anyhow::Result<bool>;

    /// Called when growth that [`table_growing`](Self::table_growing) permitted has failed.
    ///
    /// # Errors
    ///
    /// An error makes `table.grow` trap instead of returning -1. By default there is none.
    fn table_grow_failed(&mut self, error: anyhow::Error) -> anyhow::Result<()> {
        log::debug!("a table could not grow: {error:#}");
        Ok(())
    }

    /// The most instances that the store may have: 10,000 by default.
    fn instances(&self) -> usize {
        DEFAULT_INSTANCE_LIMIT
    }

    /// The most tables that the store may have, those of its instances and the embedder's: 10,000
    /// by default.
    fn tables(&self) -> usize {
        DEFAULT_TABLE_LIMIT
    }

    /// The most memories that the store may have, those of its instances and the embedder's: 10,000
    /// by default.
    fn memories(&self) -> usize {
        DEFAULT_MEMORY_LIMIT
    }
}

/// Returns the limiter in the embedder's data.
pub type FindLimiter =
    Box<dyn (for<'a> FnMut(&'a mut dyn Any) -> &'a mut dyn ResourceLimiter) + Send + Sync>;

/// Decides as a [`ResourceLimiter`] does, and may wait for its decisions: WebAssembly waits
/// meanwhile, and its thread does not.
///
/// About a shared memory, which other threads may want to grow at the same time, it must decide at
/// once: its future is polled once, and if it is pending, growing fails with an error.
#[cfg(feature = "async")]
#[async_trait::async_trait]
pub trait ResourceLimiterAsync: Send {
    /// As [`ResourceLimiter::memory_growing`].
    async fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> anyhow::Result<bool>;

    /// As [`ResourceLimiter::memory_grow_failed`].
    ///
    /// # Errors
    ///
    /// As there.
    fn memory_grow_failed(&mut self, error: anyhow::Error) -> anyhow::Result<()> {
        log::debug!("a memory could not grow: {error:#}");
        Ok(())
    }

    /// As [`ResourceLimiter::table_growing`].
    async fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> anyhow::Result<bool>;

    /// As [`ResourceLimiter::table_grow_failed`].
    ///
    /// # Errors
    ///
    /// As there.
    fn table_grow_failed(&mut self, error: anyhow::Error) -> anyhow::Result<()> {
        log::debug!("a table could not grow: {error:#}");
        Ok(())
    }

    /// As [`ResourceLimiter::instances`].
    fn instances(&self) -> usize {
        DEFAULT_INSTANCE_LIMIT
    }

    /// As [`ResourceLimiter::tables`].
    fn tables(&self) -> usize {
        DEFAULT_TABLE_LIMIT
    }

    /// As [`ResourceLimiter::memories`].
    fn memories(&self) -> usize {
        DEFAULT_MEMORY_LIMIT
    }
}

/// Returns the asynchronous limiter in the embedder's data.
#[cfg(feature = "async")]
pub type FindAsyncLimiter =
    Box<dyn (for<'a> FnMut(&'a mut dyn Any) -> &'a mut dyn ResourceLimiterAsync) + Send + Sync>;

/// The limiter of a store.
#[derive(Default)]
pub(super) enum LimiterSlot {
    /// What modules declare and the system grants is the limit.
    #[default]
    None,
    Set(FindLimiter),
    #[cfg(feature = "async")]
    Async(FindAsyncLimiter),
}

impl LimiterSlot {
    pub(super) fn is_async(&self) -> bool {
        match self {
            Self::None | Self::Set(_) => false,
            #[cfg(feature = "async")]
            Self::Async(_) => true,
        }
    }
}

/// A limiter, for what both kinds decide alike.
enum Found<'a> {
    Sync(&'a mut dyn ResourceLimiter),
    #[cfg(feature = "async")]
    Async(&'a mut dyn ResourceLimiterAsync),
}

/// Calls a method that both kinds of limiters have.
macro_rules! of_either {
    ($found:expr, $method:ident($($arg:expr),*)) => {
        match $found {
            Found::Sync(limiter) => limiter.$method($($arg),*),
            #[cfg(feature = "async")]
            Found::Async(limiter) => limiter.$method($($arg),*),
        }
    };
}

/// Whether an asynchronous limiter may let others wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patience {
    /// It may.
    Waits,
    /// Other threads wait for the answer, so it may not.
    Hurries,
}

/// Fixed limits for a store, built by [`StoreLimitsBuilder`].
///
/// The default limits only the numbers of instances, tables and memories: to 10,000 each.
#[derive(Clone, Debug)]
pub struct StoreLimits {
    memory_size: Option<usize>,
    table_elements: Option<usize>,
    instances: usize,
    tables: usize,
    memories: usize,
    trap_on_grow_failure: bool,
}

impl Default for StoreLimits {
    fn default() -> Self {
        Self {
            memory_size: None,
            table_elements: None,
            instances: DEFAULT_INSTANCE_LIMIT,
            tables: DEFAULT_TABLE_LIMIT,
            memories: DEFAULT_MEMORY_LIMIT,
            trap_on_grow_failure: false,
        }
    }
}

impl StoreLimits {
    fn decide(
        &self,
        what: &str,
        limit: Option<usize>,
        desired: usize,
        maximum: Option<usize>,
    ) -> anyhow::Result<bool> {
        let allowed = |bound: Option<usize>| bound.is_none_or(|bound| desired <= bound);
        let allow = allowed(limit) && allowed(maximum);
        anyhow::ensure!(
            allow || !self.trap_on_grow_failure,
            "growing to {desired} {what} exceeds the limit, and failures to grow are to trap"
        );
        Ok(allow)
    }

    fn failed(&self, error: anyhow::Error) -> anyhow::Result<()> {
        if self.trap_on_grow_failure {
            return Err(error.context("failures to grow are to trap"));
        }
        Ok(())
    }
}

impl ResourceLimiter for StoreLimits {
    fn memory_growing(
        &mut self,
        _: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> anyhow::Result<bool> {
        self.decide("bytes of memory", self.memory_size, desired, maximum)
    }

    fn memory_grow_failed(&mut self, error: anyhow::Error) -> anyhow::Result<()> {
        self.failed(error)
    }

    fn table_growing(
        &mut self,
        _: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> anyhow::Result<bool> {
        self.decide("table elements", self.table_elements, desired, maximum)
    }

    fn table_grow_failed(&mut self, error: anyhow::Error) -> anyhow::Result<()> {
        self.failed(error)
    }

    fn instances(&self) -> usize {
        self.instances
    }

    fn tables(&self) -> usize {
        self.tables
    }

    fn memories(&self) -> usize {
        self.memories
    }
}

/// Builds [`StoreLimits`].
#[derive(Clone, Debug, Default)]
pub struct StoreLimitsBuilder(StoreLimits);

impl StoreLimitsBuilder {
    /// Starts with the default limits.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how many bytes each memory may have; unlimited by default.
    #[must_use]
    pub fn memory_size(mut self, bytes: usize) -> Self {
        self.0.memory_size = Some(bytes);
        self
    }

    /// Sets how many elements each table may have; unlimited by default.
    #[must_use]
    pub fn table_elements(mut self, elements: usize) -> Self {
        self.0.table_elements = Some(elements);
        self
    }

    /// Sets how many instances the store may have: 10,000 by default.
    #[must_use]
    pub fn instances(mut self, count: usize) -> Self {
        self.0.instances = count;
        self
    }

    /// Sets how many tables the store may have: 10,000 by default.
    #[must_use]
    pub fn tables(mut self, count: usize) -> Self {
        self.0.tables = count;
        self
    }

    /// Sets how many memories the store may have: 10,000 by default.
    #[must_use]
    pub fn memories(mut self, count: usize) -> Self {
        self.0.memories = count;
        self
    }

    /// Sets whether `memory.grow` and `table.grow` trap where they would return -1: not what the
    /// specification says, but it shows where a program runs out of memory. Off by default.
    #[must_use]
    pub fn trap_on_grow_failure(mut self, trap: bool) -> Self {
        self.0.trap_on_grow_failure = trap;
        self
    }

    /// Returns the limits.
    pub fn build(self) -> StoreLimits {
        self.0
    }
}

/// The kinds of resources that limiters decide on by size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Resource {
    /// A memory, whose size is in bytes.
    Memory,
    /// A table, whose size is in elements.
    Table,
}

impl Store {
    /// Sets the limiter that decides on the resources of this store's instances from now on.
    pub fn set_limiter(&mut self, limiter: FindLimiter) {
        self.limiter = LimiterSlot::Set(limiter);
        self.update_hook();
    }

    /// Sets an asynchronous limiter, in the same way: the store's calls must be asynchronous then.
    #[cfg(feature = "async")]
    pub fn set_async_limiter(&mut self, limiter: FindAsyncLimiter) {
        self.limiter = LimiterSlot::Async(limiter);
        self.update_hook();
    }

    pub(super) fn has_limiter(&self) -> bool {
        !matches!(self.limiter, LimiterSlot::None)
    }

    fn limiter(&mut self) -> Option<Found<'_>> {
        let data = &mut *self.data;
        match &mut self.limiter {
            LimiterSlot::None => None,
            LimiterSlot::Set(find) => Some(Found::Sync(find(data))),
            #[cfg(feature = "async")]
            LimiterSlot::Async(find) => Some(Found::Async(find(data))),
        }
    }

    /// Asks the limiter whether a memory or table may grow. Sizes that no `usize` can represent are
    /// refused.
    pub(super) fn may_grow(
        &mut self,
        what: Resource,
        current: u64,
        desired: u64,
        maximum: Option<u64>,
    ) -> anyhow::Result<bool> {
        self.may_grow_with(Patience::Waits, what, current, desired, maximum)
    }

    pub(super) fn may_grow_with(
        &mut self,
        patience: Patience,
        what: Resource,
        current: u64,
        desired: u64,
        maximum: Option<u64>,
    ) -> anyhow::Result<bool> {
        // Sizes here are below 2^64 bytes, so they fit a word.
        let [current, desired] = [current, desired].map(|size| size as usize);
        let maximum = maximum.map(|size| size as usize);
        let _ = patience;
        match self.limiter() {
            None => Ok(true),
            Some(Found::Sync(limiter)) => match what {
                Resource::Memory => limiter.memory_growing(current, desired, maximum),
                Resource::Table => limiter.table_growing(current, desired, maximum),
            },
            #[cfg(feature = "async")]
            Some(Found::Async(_)) => self.ask_async(patience, what, (current, desired, maximum)),
        }
    }

    /// Asks the asynchronous limiter, and waits for its answer.
    #[cfg(feature = "async")]
    fn ask_async(
        &mut self,
        patience: Patience,
        what: Resource,
        sizes: (usize, usize, Option<usize>),
    ) -> anyhow::Result<bool> {
        let reason = AsyncReason::HookOrLimiter;
        if patience == Patience::Hurries {
            self.suspendable(self.asks_from, reason)?;
            let mut context = Context::from_waker(Waker::noop());
            return match self.in_embedder(|store| {
                let mut answer = store.answer(what, sizes);
                answer.as_mut().poll(&mut context)
            }) {
                Poll::Ready(answer) => answer,
                Poll::Pending => Err(RuntimeError::NoWait.into()),
            };
        }
        let place = self.asks_from;
        // SAFETY: a builtin says that it asks; whatever else does is called by the embedder, and
        // has no frames of the embedder around it if it is the function of a fiber.
        unsafe { run_at(place, reason, self, |store| store.answer(what, sizes)) }?
    }

    /// The answer of the asynchronous limiter.
    #[cfg(feature = "async")]
    fn answer(
        &mut self,
        what: Resource,
        (current, desired, maximum): (usize, usize, Option<usize>),
    ) -> Pin<Box<dyn Future<Output = anyhow::Result<bool>> + Send + '_>> {
        let Some(Found::Async(limiter)) = self.limiter() else {
            unreachable!("the limiter is an asynchronous one");
        };
        match what {
            Resource::Memory => limiter.memory_growing(current, desired, maximum),
            Resource::Table => limiter.table_growing(current, desired, maximum),
        }
    }

    /// Has the limiter asked by a builtin, which can be suspended, while `run` runs.
    pub(crate) fn ask_from_builtin<R>(&mut self, run: impl FnOnce(&mut Self) -> R) -> R {
        #[cfg(feature = "async")]
        {
            let before = std::mem::replace(&mut self.asks_from, Place::OfActivation);
            let result = run(self);
            self.asks_from = before;
            result
        }
        #[cfg(not(feature = "async"))]
        run(self)
    }

    /// Tells the limiter that growth which it permitted has failed.
    pub(super) fn grow_failed(
        &mut self,
        what: Resource,
        error: anyhow::Error,
    ) -> anyhow::Result<()> {
        match (self.limiter(), what) {
            (Some(limiter), Resource::Memory) => of_either!(limiter, memory_grow_failed(error)),
            (Some(limiter), Resource::Table) => of_either!(limiter, table_grow_failed(error)),
            (None, _) => {
                log::debug!("{what:?} could not grow: {error:#}");
                Ok(())
            }
        }
    }

    /// Checks that the store may have that many more instances, tables or memories.
    pub(super) fn admit(
        &mut self,
        instances: usize,
        memories: usize,
        tables: usize,
    ) -> Result<(), Error> {
        let counts = [
            self.instances.len() + instances,
            self.memories.len() + memories,
            self.tables.len() + tables,
        ];
        let Some(limiter) = self.limiter() else {
            return Ok(());
        };
        let limits = match limiter {
            Found::Sync(limiter) => [limiter.instances(), limiter.memories(), limiter.tables()],
            #[cfg(feature = "async")]
            Found::Async(limiter) => [limiter.instances(), limiter.memories(), limiter.tables()],
        };
        let kinds = ["instances", "memories", "tables"];
        for ((count, limit), kind) in counts.into_iter().zip(limits).zip(kinds) {
            if count > limit {
                return Err(Error::Resource(format!(
                    "resource limit exceeded: the store would have {count} {kind}, and may have \
                     {limit}"
                )));
            }
        }
        Ok(())
    }

    /// Checks that the store may have what an instance of the module defines.
    pub(super) fn admit_instance(&mut self, facts: &ModuleFacts) -> Result<(), Error> {
        let memories = &facts.plan.memories()[facts.imported_memories as usize..];
        let tables = &facts.tables[facts.imported_tables as usize..];
        self.admit(1, memories.len(), tables.len())?;
        memories
            .iter()
            .try_for_each(|plan| self.admit_memory(&plan.style))?;
        tables.iter().try_for_each(|ty| self.admit_table(ty))
    }

    /// Checks that the store may have a memory of its minimum size.
    pub(super) fn admit_memory(&mut self, style: &MemoryStyle) -> Result<(), Error> {
        let (min, max) = (style.min_bytes(), style.max_bytes());
        self.admit_size(Resource::Memory, min, max, || {
            let pages = style.ty().limits.min;
            format!("a memory of {pages} pages exceeds the store's limit")
        })
    }

    /// Checks that the store may have a table of the type's minimum.
    pub(super) fn admit_table(&mut self, ty: &TableType) -> Result<(), Error> {
        let (min, max) = (ty.limits.min, ty.limits.max);
        self.admit_size(Resource::Table, min, max, || {
            format!("a table of {min} elements exceeds the store's limit")
        })
    }

    fn admit_size(
        &mut self,
        what: Resource,
        size: u64,
        maximum: Option<u64>,
        refusal: impl FnOnce() -> String,
    ) -> Result<(), Error> {
        match self.may_grow(what, 0, size, maximum) {
            Ok(true) => Ok(()),
            Ok(false) => Err(Error::Resource(refusal())),
            Err(error) => Err(Error::from_host(error)),
        }
    }
}
