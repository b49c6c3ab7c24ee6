//! References to exceptions, and how the embedder throws and catches them.

use upshift_runtime::{ExceptionId, Store as RawStore};

use crate::handle::Handle;
use crate::val::raw_mut;
use crate::{
    AsContext, AsContextMut, Result, Store, StoreContextMut, Tag, ThrownException, Val, words,
};

/// A reference to an exception: a tag, and values of the types that the tag demands.
///
/// The exception lives as long as WebAssembly of its store can reach it, and as long as the scope
/// lasts in which the embedder got a reference to it, as for an [`ExternRef`](crate::ExternRef).
///
/// A host function throws by returning the error that [`Store::throw`] makes:
///
/// ```
/// # #[cfg(feature = "wat")]
/// # fn main() -> upshift::Result<()> {
/// use upshift::{
///     AsContextMut, Caller, Engine, ExnRef, Func, FuncType, Instance, Module, Store, Tag, TagType,
///     ThrownException, ValType,
/// };
///
/// let engine = Engine::default();
/// let module = Module::new(
///     &engine,
///     r#"(module
///         (import "host" "failed" (tag $failed (param i32)))
///         (import "host" "work" (func $work (param i32)))
///         (func (export "run") (param i32) (result i32)
///             (block $caught (result i32)
///                 (try_table (catch $failed $caught) (call $work (local.get 0)))
///                 (i32.const 0))))"#,
/// )?;
/// let mut store = Store::new(&engine, ());
/// let ty = TagType::new(FuncType::new(&engine, [ValType::I32], []));
/// let failed = Tag::new(&mut store, &ty)?;
/// let work = Func::wrap(&mut store, move |mut caller: Caller<'_, ()>, n: i32| {
///     if n < 100 {
///         return Ok(());
///     }
///     let exception = ExnRef::new(&mut caller, &failed, &[(n + 1).into()])?;
///     caller.as_context_mut().throw(exception)
/// });
/// let instance = Instance::new(&mut store, &module, &[failed.into(), work.into()])?;
/// let run = instance.get_typed_func::<i32, i32>(&mut store, "run")?;
/// assert_eq!(run.call(&mut store, 99)?, 0);
/// assert_eq!(run.call(&mut store, 100)?, 101);
///
/// // What WebAssembly does not catch is the error of the call.
/// let error = work.typed::<i32, ()>(&store)?.call(&mut store, 200).unwrap_err();
/// assert!(error.is::<ThrownException>());
/// let exception = store.take_pending_exception().expect("the one that was thrown");
/// assert_eq!(exception.tag(&mut store)?, failed);
/// assert_eq!(exception.field(&mut store, 0)?.unwrap_i32(), 201);
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "wat"))]
/// # fn main() {}
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ExnRef(Handle<ExceptionId>);

impl ExnRef {
    /// Creates an exception. No code is run: [`Store::throw`] throws it.
    ///
    /// # Errors
    ///
    /// If the values are not of the types of the tag, the store has 64 MiB of exceptions that are
    /// still referred to, or its limiter refuses memory for more or fails.
    ///
    /// # Panics
    ///
    /// If the tag or a reference among the values belongs to another store.
    pub fn new(mut store: impl AsContextMut, tag: &Tag, fields: &[Val]) -> Result<Self> {
        let raw = raw_mut(&mut store);
        let tag = tag.0.id_in(raw);
        let id = words::new_exception(raw, tag, fields)?;
        Ok(Self(Handle::new(raw, id)))
    }

    /// The exception's tag.
    ///
    /// # Errors
    ///
    /// If the exception was freed, after the scope of the reference.
    ///
    /// # Panics
    ///
    /// If the exception belongs to another store.
    pub fn tag(&self, store: impl AsContextMut) -> Result<Tag> {
        let context = store.as_context();
        let raw = context.raw;
        let tag = raw.exception_tag(self.0.id_in(raw)).ok_or_else(freed)?;
        Ok(Tag(Handle::new(raw, tag)))
    }

    /// The exception's values. Takes a lock.
    ///
    /// # Errors
    ///
    /// If the exception was freed, after the scope of the reference.
    ///
    /// # Panics
    ///
    /// If the exception belongs to another store.
    pub fn fields(&self, mut store: impl AsContextMut) -> Result<Vec<Val>> {
        let raw = raw_mut(&mut store);
        let id = self.0.id_in(raw);
        words::exception_fields(raw, id).ok_or_else(freed)
    }

    /// One of the exception's values. Takes a lock.
    ///
    /// # Errors
    ///
    /// If there are not that many, or the exception was freed, after the scope of the reference.
    ///
    /// # Panics
    ///
    /// If the exception belongs to another store.
    pub fn field(&self, store: impl AsContextMut, index: usize) -> Result<Val> {
        let fields = self.fields(store)?;
        let value = fields.get(index).copied();
        value.ok_or_else(|| {
            let count = fields.len();
            anyhow::anyhow!("an exception of {count} values has none with the index {index}")
        })
    }

    pub(crate) fn from_word(store: &mut RawStore, word: u64) -> Option<Self> {
        let id = store.exception_from_word(word)?;
        Some(Self(Handle::new(store, id)))
    }

    #[track_caller]
    pub(crate) fn word(self, store: &RawStore) -> u64 {
        let word = store.exception_word(self.0.id_in(store));
        word.expect("an ExnRef was used after the scope in which it was made, and was freed")
    }

    pub(crate) fn belongs_to(self, store: &RawStore) -> bool {
        self.0.belongs_to(store)
    }
}

fn freed() -> anyhow::Error {
    anyhow::anyhow!("the exception was freed: its ExnRef is used after the scope of its creation")
}

impl<T: 'static> StoreContextMut<'_, T> {
    /// Makes an exception the store's pending one. Returns the error by which a host function then
    /// throws it; elsewhere the exception waits for
    /// [`take_pending_exception`](Self::take_pending_exception).
    ///
    /// # Errors
    ///
    /// Always: [`ThrownException`], or, if the exception was freed after the scope of the
    /// reference, an error that says so.
    ///
    /// # Panics
    ///
    /// If the exception belongs to another store.
    pub fn throw<R>(&mut self, exception: ExnRef) -> Result<R> {
        let id = exception.0.id_in(self.raw);
        let thrown: ThrownException = self.raw.throw_exception(id).ok_or_else(freed)?;
        Err(thrown.into())
    }

    /// Takes the exception that was thrown and not caught: the call that it has left returned a
    /// [`ThrownException`].
    pub fn take_pending_exception(&mut self) -> Option<ExnRef> {
        let id = self.raw.take_thrown_exception()?;
        Some(ExnRef(Handle::new(self.raw, id)))
    }

    /// Whether there is an exception to [take](Self::take_pending_exception).
    pub fn has_pending_exception(&self) -> bool {
        self.raw.has_thrown_exception()
    }
}

impl<T: 'static> Store<T> {
    /// See [`StoreContextMut::throw`].
    ///
    /// # Errors
    ///
    /// As there: always.
    ///
    /// # Panics
    ///
    /// As there.
    pub fn throw<R>(&mut self, exception: ExnRef) -> Result<R> {
        self.as_context_mut().throw(exception)
    }

    /// See [`StoreContextMut::take_pending_exception`].
    pub fn take_pending_exception(&mut self) -> Option<ExnRef> {
        self.as_context_mut().take_pending_exception()
    }

    /// See [`StoreContextMut::has_pending_exception`].
    pub fn has_pending_exception(&self) -> bool {
        self.as_context().raw.has_thrown_exception()
    }
}
