//! Exceptions: their memory and their collection, tags, and how the embedder throws and catches.
//!
//! Cells of a few sizes lie in chunks; a cell is an exception ([`upshift_abi::exception`]) or free.
//! That an exception is caught says nothing about who still refers to it, so no code frees one:
//! when there are twice as many as were left after the last search, those that nothing refers to
//! are freed. The search is that of [`references`](super::references), and follows references in
//! exceptions' values, whose types it ignores: any word that is the address of an exception is one.

use std::cell::UnsafeCell;
use std::fmt::Write as _;
use std::ptr::NonNull;
use std::sync::Arc;

use upshift_abi::exception::{self, VmException};
use upshift_abi::vmctx::{VmOffset, VmVal};
use upshift_abi::{FuncType, Kind, ModuleFacts, TagIndex, TypeId, ValType};

use super::references::Handle;
use super::{Store, TagId};
use crate::error::ThrownException;

/// Bytes of the smallest cell.
const MIN_CELL: usize = 32;

/// The number of sizes of cells, each twice the one before: the largest holds as many vectors as a
/// function may have parameters.
const SIZES: usize = 10;

/// Bytes of a chunk.
const CHUNK: usize = MIN_CELL << (SIZES - 1);

const _: () = assert!(size_of::<VmException>() + 1000 * size_of::<[u64; 2]>() <= CHUNK);

/// The fewest bytes of exceptions that are searched for.
const MIN_BYTES: usize = 64 << 10;

/// The most bytes of exceptions that a store may have.
const MAX_BYTES: usize = 64 << 20;

/// The most words that are searched for each byte of exceptions created meanwhile.
const WORDS_PER_BYTE: usize = 2;

/// In [`VmException::state`]: the cell is an exception. In the bits above the flags is its serial
/// number.
const LIVE: u32 = 1;
/// In [`VmException::state`]: found by the search that is going on.
const MARKED: u32 = 2;
/// In [`VmException::state`]: the store's handles include one to it.
const HAS_HANDLE: u32 = 4;
/// The lowest bit of the serial number.
const SERIAL: u32 = 8;

/// A reference of the embedder to an exception.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ExceptionId {
    address: usize,
    serial: u32,
}

/// A tag of a store.
pub(super) struct TagEntry {
    type_id: TypeId,
    /// Where the tag is defined, if not by the embedder.
    definition: Option<(Arc<ModuleFacts>, TagIndex)>,
}

/// The exceptions of a store.
#[derive(Default)]
pub(super) struct Exceptions {
    /// Sorted by address.
    chunks: Vec<Chunk>,
    /// The free cells of each size.
    free: [Vec<NonNull<VmException>>; SIZES],
    /// Bytes of cells that are exceptions.
    live: usize,
    /// The number of bytes at which the next search happens.
    limit: usize,
    /// The serial number of the last exception.
    serial: u32,
    /// The exception that the embedder has thrown, or that has left WebAssembly.
    thrown: Option<NonNull<VmException>>,
}

/// Cells of one size.
struct Chunk {
    words: Box<[UnsafeCell<u64>]>,
    /// The index of the size.
    size: usize,
}

impl Chunk {
    fn new(size: usize) -> Self {
        let zero = || UnsafeCell::new(0);
        Self {
            words: std::iter::repeat_with(zero).take(CHUNK / 8).collect(),
            size,
        }
    }

    fn start(&self) -> usize {
        self.words.as_ptr().expose_provenance()
    }

    fn cells(&self) -> impl Iterator<Item = NonNull<VmException>> + use<> {
        let start = self.start();
        (0..CHUNK).step_by(MIN_CELL << self.size).map(move |at| {
            let cell = std::ptr::with_exposed_provenance_mut(start + at);
            NonNull::new(cell).expect("an address in a chunk")
        })
    }
}

/// The index of the size of cells for an exception whose values take that many words.
fn size_for(words: u32) -> usize {
    let bytes = size_of::<VmException>() + 8 * words as usize;
    let cell = bytes.next_power_of_two().max(MIN_CELL);
    (cell / MIN_CELL).trailing_zeros() as usize
}

impl Exceptions {
    /// The header of a cell.
    fn header(&self, cell: NonNull<VmException>) -> &VmException {
        // SAFETY: pointers to cells are made from chunks, which live as long as the store has any
        // word or handle that leads to them; the header of a cell is always initialized, and
        // generated code only writes what is behind it.
        unsafe { cell.as_ref() }
    }

    fn update(&mut self, cell: NonNull<VmException>, update: impl FnOnce(u32) -> u32) {
        let state = update(self.header(cell).state);
        // SAFETY: as in `header`; nothing else refers to the cell now.
        unsafe { (*cell.as_ptr()).state = state };
    }

    /// The exception at an address, if there is one.
    fn find(&self, address: u64) -> Option<NonNull<VmException>> {
        let address = address as usize;
        let behind = self
            .chunks
            .partition_point(|chunk| chunk.start() <= address);
        let chunk = self.chunks[..behind].last()?;
        let at = address - chunk.start();
        if at >= CHUNK || !at.is_multiple_of(MIN_CELL << chunk.size) {
            return None;
        }
        let cell = NonNull::new(std::ptr::with_exposed_provenance_mut(address))?;
        (self.header(cell).state & LIVE != 0).then_some(cell)
    }

    /// A value's word.
    fn word(&self, cell: NonNull<VmException>, index: u32) -> u64 {
        assert!(index < self.header(cell).words);
        // SAFETY: within the cell, and initialized when the chunk was made.
        unsafe { cell.add(1).cast::<u64>().add(index as usize).read() }
    }

    /// Passes each word of the exceptions' values to `look_at`.
    pub fn values(&self, mut look_at: impl FnMut(u64)) {
        for cell in self.chunks.iter().flat_map(Chunk::cells) {
            if self.header(cell).state & LIVE != 0 {
                (0..self.header(cell).words).for_each(|n| look_at(self.word(cell, n)));
            }
        }
    }

    /// Takes a free cell of the size, if there is one and the limit allows it.
    #[inline]
    fn take(&mut self, size: usize) -> Option<NonNull<VmException>> {
        let bytes = MIN_CELL << size;
        if self.live + bytes > self.limit.max(MIN_BYTES) {
            return None;
        }
        let cell = self.free[size].pop()?;
        self.live += bytes;
        Some(cell)
    }

    /// Adds a chunk of cells of the size.
    fn add_chunk(&mut self, size: usize) {
        let chunk = Chunk::new(size);
        self.free[size].extend(chunk.cells());
        let start = chunk.start();
        let at = self.chunks.partition_point(|other| other.start() < start);
        self.chunks.insert(at, chunk);
    }

    /// Makes an exception of a cell.
    fn fill(&mut self, cell: NonNull<VmException>, tag: TagId, words: u32) {
        self.serial = self.serial.wrapping_add(SERIAL);
        // SAFETY: the cell is free and large enough.
        unsafe {
            cell.write(VmException {
                tag: tag_word(tag),
                words,
                state: self.serial & !(SERIAL - 1) | LIVE,
            });
        }
    }

    /// Forgets that an exception has a handle.
    pub fn drop_handle(&mut self, address: usize) {
        if let Some(cell) = self.find(address as u64) {
            self.update(cell, |state| state & !HAS_HANDLE);
        }
    }

    /// Forgets that an exception was thrown, as WebAssembly has caught it.
    pub fn caught(&mut self, word: u64) {
        let is_caught = |cell: &NonNull<VmException>| cell.addr().get() as u64 == word;
        self.thrown = self.thrown.filter(|cell| !is_caught(cell));
    }

    /// Frees what is not marked, and removes the marks.
    fn sweep(&mut self) {
        self.free.iter_mut().for_each(Vec::clear);
        self.live = 0;
        let mut spare = MIN_BYTES;
        let mut chunks = std::mem::take(&mut self.chunks);
        chunks.retain(|chunk| {
            let mut live = 0;
            let first_free = self.free[chunk.size].len();
            for cell in chunk.cells() {
                let state = self.header(cell).state;
                if state & MARKED != 0 {
                    live += MIN_CELL << chunk.size;
                    self.update(cell, |state| state & !MARKED);
                } else {
                    self.update(cell, |_| 0);
                    self.free[chunk.size].push(cell);
                }
            }
            self.live += live;
            if live > 0 || spare >= CHUNK {
                spare -= if live > 0 { 0 } else { CHUNK };
                return true;
            }
            self.free[chunk.size].truncate(first_free);
            false
        });
        self.chunks = chunks;
    }
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

    /// Makes an exception; `None` if the store may have no more of them. Its values are undefined.
    #[inline]
    pub(crate) fn allocate_exception(
        &mut self,
        tag: TagId,
        words: u32,
    ) -> Option<NonNull<VmException>> {
        let size = size_for(words);
        let cell = match self.exceptions.take(size) {
            Some(cell) => cell,
            None => self.make_room(size)?,
        };
        self.exceptions.fill(cell, tag, words);
        Some(cell)
    }

    #[cold]
    fn make_room(&mut self, size: usize) -> Option<NonNull<VmException>> {
        let bytes = MIN_CELL << size;
        if self.exceptions.live + bytes > self.exceptions.limit.max(MIN_BYTES) {
            self.collect_exceptions();
        }
        if self.exceptions.free[size].is_empty() {
            self.exceptions.add_chunk(size);
        }
        self.exceptions.take(size)
    }

    /// Creates an exception with these values, and a handle that counts until the innermost scope
    /// ends; `None` if the store may have no more of them.
    ///
    /// # Panics
    ///
    /// If there are more or fewer values than the tag's type has parameters.
    ///
    /// # Safety
    ///
    /// The values are of the types of the tag's parameters; a reference is 0 or one of this store.
    pub unsafe fn new_exception(&mut self, tag: TagId, values: &[VmVal]) -> Option<ExceptionId> {
        let ty = self.tag_type(tag);
        assert_eq!(values.len(), ty.params.len(), "values of an exception");
        let cell = self.allocate_exception(tag, exception::words(&ty.params))?;
        for (value, (kind, offset)) in values.iter().zip(exception::fields(&ty.params)) {
            let words = &value.bits[..kind.words() as usize];
            // SAFETY: the layout's place for this value, in a cell that is large enough.
            unsafe {
                let at = cell.cast::<u8>().add(offset.0 as usize).cast::<u64>();
                at.copy_from_nonoverlapping(NonNull::from(&words[0]), words.len());
            }
        }
        Some(self.exception_handle(cell))
    }

    fn exception_handle(&mut self, cell: NonNull<VmException>) -> ExceptionId {
        let address = cell.addr().get();
        let state = self.exceptions.header(cell).state;
        if state & HAS_HANDLE == 0 {
            self.exceptions.update(cell, |state| state | HAS_HANDLE);
            self.handles.push(Handle::Exception(address));
        }
        ExceptionId {
            address,
            serial: state & !(SERIAL - 1),
        }
    }

    /// The exception of an `exnref` word, with a handle that counts until the innermost scope ends;
    /// `None` for null.
    pub fn exception_from_word(&mut self, word: u64) -> Option<ExceptionId> {
        let cell = self.exceptions.find(word)?;
        Some(self.exception_handle(cell))
    }

    fn exception_cell(&self, id: ExceptionId) -> Option<NonNull<VmException>> {
        let cell = self.exceptions.find(id.address as u64)?;
        let serial = self.exceptions.header(cell).state & !(SERIAL - 1);
        (serial == id.serial).then_some(cell)
    }

    /// The `exnref` word of an exception; `None` if it was freed after the scope of its handle.
    pub fn exception_word(&self, id: ExceptionId) -> Option<u64> {
        Some(self.exception_cell(id)?.addr().get() as u64)
    }

    /// The tag of an exception; `None` if it was freed after the scope of its handle.
    pub fn exception_tag(&self, id: ExceptionId) -> Option<TagId> {
        Some(self.tag_of(self.exception_cell(id)?))
    }

    fn tag_of(&self, cell: NonNull<VmException>) -> TagId {
        TagId::new(self.exceptions.header(cell).tag - 1)
    }

    /// The values of an exception, with their types; `None` if it was freed after the scope of its
    /// handle. Takes a lock.
    pub fn exception_values(&self, id: ExceptionId) -> Option<Vec<(ValType, VmVal)>> {
        Some(self.values_of(self.exception_cell(id)?))
    }

    fn values_of(&self, cell: NonNull<VmException>) -> Vec<(ValType, VmVal)> {
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

    fn set_thrown(&mut self, cell: NonNull<VmException>) -> ThrownException {
        self.exceptions.thrown = Some(cell);
        ThrownException::new(self.describe_exception(cell))
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

    /// The word of the exception that was thrown, if it was not taken.
    pub(super) fn thrown_word(&self) -> Option<u64> {
        let cell = self.exceptions.thrown?;
        Some(cell.addr().get() as u64)
    }

    /// An exception in words: its tag and values.
    fn describe_exception(&self, cell: NonNull<VmException>) -> String {
        let definition = &self.tags[self.tag_of(cell).index()].definition;
        let mut text = match definition {
            Some((facts, tag)) => match facts.tag_name(*tag) {
                Some(name) => format!("tag `{}`", upshift_abi::Printable(name)),
                None => format!("tag {}", tag.0),
            },
            None => "a tag of the host".into(),
        };
        for (n, (ty, value)) in self.values_of(cell).into_iter().enumerate() {
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
        text
    }

    /// Frees the exceptions that neither the embedder nor WebAssembly can reach; nothing, if what
    /// WebAssembly refers to can't be found.
    pub fn collect_exceptions(&mut self) {
        let words = self.mark_exceptions();
        if words.is_some() {
            self.exceptions.sweep();
        } else {
            let cells = self.exceptions.chunks.iter().flat_map(Chunk::cells);
            for cell in cells.collect::<Vec<_>>() {
                self.exceptions.update(cell, |state| state & !MARKED);
            }
        }
        let searched = words.unwrap_or(0) / WORDS_PER_BYTE;
        self.exceptions.limit = (2 * self.exceptions.live + searched).min(MAX_BYTES);
    }

    /// Marks the exceptions that are reachable; the number of words that were searched.
    fn mark_exceptions(&mut self) -> Option<usize> {
        let exceptions = &self.exceptions;
        let mut found: Vec<_> = exceptions.thrown.into_iter().collect();
        found.extend(self.handles.iter().filter_map(|handle| match handle {
            Handle::Exception(address) => exceptions.find(*address as u64),
            Handle::Extern(_) => None,
        }));
        let mut words = 0;
        self.search_references(|word| {
            words += 1;
            found.extend(exceptions.find(word));
        })?;
        while let Some(cell) = found.pop() {
            let header = self.exceptions.header(cell);
            if header.state & MARKED != 0 {
                continue;
            }
            let values = 0..header.words;
            words += values.len();
            found
                .extend(values.filter_map(|n| self.exceptions.find(self.exceptions.word(cell, n))));
            self.exceptions.update(cell, |state| state | MARKED);
        }
        Some(words)
    }
}
