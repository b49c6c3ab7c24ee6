//! Exceptions and tags of a store, and how the embedder throws and catches.
//!
//! Exceptions are freed when nothing refers to them: the search is that of
//! [`references`](super::references), and follows references in exceptions' values, whose types it
//! ignores: any word that is the address of an exception is one.

mod heap;
mod memory;

use std::fmt::Write as _;
use std::sync::Arc;

use upshift_abi::exception::{self, VmException};
use upshift_abi::vmctx::{VmOffset, VmVal};
use upshift_abi::{FuncType, Kind, ModuleFacts, TagIndex, TypeId, ValType};

pub(super) use heap::Exceptions;
use heap::{Cell, HAS_HANDLE, Limiter};
pub use memory::ExceptionMemory;
use memory::MAX_BYTES;

use super::limiter::Resource;
use super::references::Handle;
use super::{Store, StoreId, TagId};

/// The most values of an exception that errors show.
const MAX_SHOWN: usize = 16;

/// A reference of the embedder to an exception.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ExceptionId {
    address: usize,
    serial: u32,
}

/// An exception was thrown and not caught: the error of a call that it has left, and the error by
/// which a host function throws.
///
/// The exception itself is the store's: [`Store::take_thrown_exception`]. Where a host function
/// returns an error that is this one (or has it as its cause) and its exception is still the
/// store's, execution continues at the innermost handler of the WebAssembly code that called it.
///
/// [`Store::take_thrown_exception`]: crate::Store::take_thrown_exception
#[derive(Clone, Debug, thiserror::Error)]
#[error("an exception was not caught: {description}")]
pub struct ThrownException {
    store: StoreId,
    exception: ExceptionId,
    description: String,
}

impl ThrownException {
    fn new(store: StoreId, exception: ExceptionId, description: String) -> Self {
        Self {
            store,
            exception,
            description,
        }
    }

    /// Whether the error stands for an exception of a store.
    fn is(&self, store: StoreId, exception: ExceptionId) -> bool {
        (self.store, self.exception) == (store, exception)
    }
}

/// A tag of a store.
pub(super) struct TagEntry {
    type_id: TypeId,
    /// Where the tag is defined, if not by the embedder.
    definition: Option<(Arc<ModuleFacts>, TagIndex)>,
}

/// The word by which contexts and exceptions name a tag.
pub(super) fn tag_word(tag: TagId) -> usize {
    tag.0 as usize + 1
}

impl Store {
    /// Creates a tag of exceptions whose values are the type's parameters.
    pub fn new_tag(&mut self, ty: &FuncType) -> TagId {
        let type_id = self.use_type(ty, None);
        self.add_tag(type_id, None)
    }

    pub(super) fn add_tag(
        &mut self,
        type_id: TypeId,
        definition: Option<(Arc<ModuleFacts>, TagIndex)>,
    ) -> TagId {
        self.tags.push(TagEntry {
            type_id,
            definition,
        });
        TagId::new(self.tags.len() - 1)
    }

    /// The engine's id of the tag's type.
    pub(super) fn tag_type_id(&self, tag: TagId) -> TypeId {
        self.tags[tag.index()].type_id
    }

    /// The tag's type. Takes a lock.
    pub fn tag_type(&self, tag: TagId) -> Arc<FuncType> {
        self.runtime.func_type(self.tag_type_id(tag))
    }

    /// Counts the memory of this store's exceptions in common with that of other stores.
    pub fn share_exception_memory(&mut self, memory: &ExceptionMemory) {
        self.exceptions.share_memory(memory);
    }

    /// Makes an exception where that is quick: `None` if there is no room yet. Its values are
    /// undefined.
    #[inline]
    pub(crate) fn allocate_exception(&mut self, tag: TagId, words: u32) -> Option<Cell> {
        self.exceptions.allocate(tag_word(tag), words)
    }

    /// Makes an exception, and room for it: frees others, asks the limiter for memory. `None` if
    /// the store may have no more. Its values are undefined.
    ///
    /// # Errors
    ///
    /// Those of the limiter.
    #[cold]
    pub(crate) fn make_exception(
        &mut self,
        tag: TagId,
        words: u32,
    ) -> anyhow::Result<Option<Cell>> {
        let limiter = match self.has_limiter() {
            true => Limiter::Set,
            false => Limiter::None,
        };
        if self.exceptions.needs_search(words, limiter) {
            self.collect_exceptions();
        }
        if self.exceptions.lacks_cells(words) && self.may_have_exceptions()? {
            let is_added = self.exceptions.add_cells(words);
            if !is_added {
                let error = anyhow::anyhow!("there are exceptions of {MAX_BYTES} bytes");
                self.grow_failed(Resource::Memory, error)?;
            }
        }
        Ok(self.exceptions.allocate(tag_word(tag), words))
    }

    /// Asks the limiter, if there is one, whether there may be one more chunk of exceptions.
    fn may_have_exceptions(&mut self) -> anyhow::Result<bool> {
        if !self.has_limiter() {
            return Ok(true);
        }
        let Some((current, desired)) = self.exceptions.demand() else {
            return Ok(true);
        };
        let [from, to, most] = [current, desired, MAX_BYTES].map(|bytes| bytes as u64);
        let is_granted = self.may_grow(Resource::Memory, from, to, Some(most))?;
        self.exceptions.answered(desired, is_granted);
        Ok(is_granted)
    }

    /// Creates an exception with these values, and a handle that counts until the innermost scope
    /// ends; `None` if the store may have no more of them.
    ///
    /// # Errors
    ///
    /// Those of the store's limiter.
    ///
    /// # Panics
    ///
    /// If there are more or fewer values than the tag's type has parameters.
    ///
    /// # Safety
    ///
    /// The values are of the types of the tag's parameters; a reference is 0 or one of this store.
    pub unsafe fn new_exception(
        &mut self,
        tag: TagId,
        values: &[VmVal],
    ) -> anyhow::Result<Option<ExceptionId>> {
        let ty = self.tag_type(tag);
        assert_eq!(values.len(), ty.params.len(), "values of an exception");
        let Some(cell) = self.make_exception(tag, exception::words(&ty.params))? else {
            return Ok(None);
        };
        for (value, (kind, offset)) in values.iter().zip(exception::fields(&ty.params)) {
            let words = &value.bits[..kind.words() as usize];
            // SAFETY: the layout's place for this value, in a cell that is large enough.
            unsafe {
                let at = cell.cast::<u8>().add(offset.0 as usize).cast::<u64>();
                at.as_ptr()
                    .copy_from_nonoverlapping(words.as_ptr(), words.len());
            }
        }
        Ok(Some(self.exception_handle(cell)))
    }

    fn exception_handle(&mut self, cell: Cell) -> ExceptionId {
        let address = cell.addr().get();
        if self.exceptions.header(cell).state & HAS_HANDLE == 0 {
            self.exceptions.update(cell, |state| state | HAS_HANDLE);
            self.handles.push(Handle::Exception(address));
        }
        self.exception_id(cell)
    }

    fn exception_id(&self, cell: Cell) -> ExceptionId {
        ExceptionId {
            address: cell.addr().get(),
            serial: self.exceptions.serial(cell),
        }
    }

    /// The exception of an `exnref` word, with a handle that counts until the innermost scope ends;
    /// `None` for null.
    pub fn exception_from_word(&mut self, word: u64) -> Option<ExceptionId> {
        let cell = self.exceptions.find(word)?;
        Some(self.exception_handle(cell))
    }

    fn exception_cell(&self, id: ExceptionId) -> Option<Cell> {
        let cell = self.exceptions.find(id.address as u64)?;
        (self.exceptions.serial(cell) == id.serial).then_some(cell)
    }

    /// The `exnref` word of an exception; `None` if it was freed after the scope of its handle.
    pub fn exception_word(&self, id: ExceptionId) -> Option<u64> {
        Some(self.exception_cell(id)?.addr().get() as u64)
    }

    /// The tag of an exception; `None` if it was freed after the scope of its handle.
    pub fn exception_tag(&self, id: ExceptionId) -> Option<TagId> {
        Some(self.tag_of(self.exception_cell(id)?))
    }

    fn tag_of(&self, cell: Cell) -> TagId {
        TagId::new(self.exceptions.header(cell).tag - 1)
    }

    /// The values of an exception, with their types; `None` if it was freed after the scope of its
    /// handle. Takes a lock.
    pub fn exception_values(&self, id: ExceptionId) -> Option<Vec<(ValType, VmVal)>> {
        Some(self.values_of(self.exception_cell(id)?))
    }

    fn values_of(&self, cell: Cell) -> Vec<(ValType, VmVal)> {
        let ty = self.tag_type(self.tag_of(cell));
        let fields = ty.params.iter().zip(exception::fields(&ty.params));
        let value = |(&ty, (kind, offset)): (&ValType, (Kind, VmOffset))| {
            let at = |n| {
                let first = (offset.0 - VmException::VALUES.0) / 8;
                self.exceptions.word(cell, first + n)
            };
            let high = if kind == Kind::V128 { at(1) } else { 0 };
            let bits = [at(0), high];
            (ty, VmVal { bits })
        };
        fields.map(value).collect()
    }

    /// Makes an exception the one that is thrown where a host function returns a
    /// [`ThrownException`], which this returns. `None` if the exception was freed.
    pub fn throw_exception(&mut self, id: ExceptionId) -> Option<ThrownException> {
        let cell = self.exception_cell(id)?;
        Some(self.set_thrown(cell))
    }

    fn set_thrown(&mut self, cell: Cell) -> ThrownException {
        self.exceptions.thrown = Some(cell);
        let description = self.describe_exception(cell);
        ThrownException::new(self.id, self.exception_id(cell), description)
    }

    /// The error for an exception, by its word, that leaves WebAssembly.
    pub(super) fn uncaught(&mut self, word: u64) -> ThrownException {
        let cell = self.exceptions.find(word).expect("what is thrown exists");
        self.set_thrown(cell)
    }

    /// Whether an exception was thrown, or has left WebAssembly, and was not taken.
    pub fn has_thrown_exception(&self) -> bool {
        self.exceptions.thrown.is_some()
    }

    /// Takes the exception that was thrown or has left WebAssembly, with a handle that counts until
    /// the innermost scope ends.
    pub fn take_thrown_exception(&mut self) -> Option<ExceptionId> {
        let cell = self.exceptions.thrown.take()?;
        Some(self.exception_handle(cell))
    }

    /// The word of the exception that an error stands for, if that is the one that was thrown, and
    /// was not taken.
    pub(super) fn thrown_word(&self, error: &ThrownException) -> Option<u64> {
        let cell = self.exceptions.thrown?;
        let is_same = error.is(self.id, self.exception_id(cell));
        is_same.then_some(cell.addr().get() as u64)
    }

    /// An exception in words: its tag and values.
    fn describe_exception(&self, cell: Cell) -> String {
        let definition = &self.tags[self.tag_of(cell).index()].definition;
        let mut text = match definition {
            Some((facts, tag)) => match facts.tag_name(*tag) {
                Some(name) => format!("tag `{}`", upshift_abi::Printable(name)),
                None => format!("tag {}", tag.0),
            },
            None => "a tag of the host".into(),
        };
        let values = self.values_of(cell);
        let more = values.len().saturating_sub(MAX_SHOWN);
        for (n, (ty, value)) in values.into_iter().take(MAX_SHOWN).enumerate() {
            let _ = write!(text, "{} {ty}", if n == 0 { ", values" } else { "," });
            let [low, high] = value.bits;
            let _ = match ty {
                ValType::I32 => write!(text, " {}", low as i32),
                ValType::I64 => write!(text, " {}", low as i64),
                ValType::F32 => write!(text, " {}", f32::from_bits(low as u32)),
                ValType::F64 => write!(text, " {}", f64::from_bits(low)),
                ValType::V128 => write!(text, " {:#x}", u128::from(high) << 64 | u128::from(low)),
                ValType::Ref(_) if low == 0 => write!(text, " null"),
                ValType::Ref(_) => Ok(()),
            };
        }
        if more > 0 {
            let _ = write!(text, " and {more} more");
        }
        text
    }

    /// Frees the exceptions that neither the embedder nor WebAssembly can reach; nothing, if what
    /// WebAssembly refers to can't be found.
    pub fn collect_exceptions(&mut self) {
        let searched = self.mark_exceptions();
        self.exceptions.end_search(searched);
    }

    /// Marks the exceptions that are reachable; returns the number of words that were searched.
    fn mark_exceptions(&self) -> Option<usize> {
        let exceptions = &self.exceptions;
        let mut found = Vec::new();
        if let Some(thrown) = exceptions.thrown {
            exceptions.reach(thrown.addr().get() as u64, &mut found);
        }
        for handle in &self.handles {
            if let Handle::Exception(address) = *handle {
                exceptions.reach(address as u64, &mut found);
            }
        }
        let mut words = 0;
        self.search_references(|word| {
            words += 1;
            exceptions.reach(word, &mut found);
        })?;
        Some(words + exceptions.reach_all(found))
    }
}
