//! The memory of exceptions.
//!
//! Cells of a few sizes lie in chunks; a cell is an exception ([`upshift_abi::exception`]) or free.
//! Catching does not end an exception's life, so no code frees one: when there are twice as many
//! bytes of them as were left after the last search, those that nothing refers to are freed.

use std::cell::UnsafeCell;
use std::ptr::NonNull;

use upshift_abi::exception::VmException;

use super::memory::{ExceptionMemory, MAX_BYTES};

/// A cell of a store: an exception, where nothing else is said.
pub(in crate::store) type Cell = NonNull<VmException>;

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

/// The store's limiter is asked for multiples of this many bytes.
const STEP: usize = 64 << 10;

/// The part of what the limiter has granted that it is asked for at once, so that the searches that
/// come first stay few.
const STEPS: usize = 4;

/// The most words that are searched for each byte of exceptions created meanwhile.
const WORDS_PER_BYTE: usize = 2;

/// In [`VmException::state`]: the cell is an exception. In the bits above the flags is its serial
/// number.
const LIVE: u32 = 1;
/// In [`VmException::state`]: found by the search that is going on.
const MARKED: u32 = 2;
/// In [`VmException::state`]: the store's handles include one to it.
pub(super) const HAS_HANDLE: u32 = 4;
/// The lowest bit of the serial number.
const SERIAL: u32 = 8;

/// The exceptions of a store.
#[derive(Default)]
pub(in crate::store) struct Exceptions {
    /// Sorted by address.
    chunks: Vec<Chunk>,
    /// The free cells of each size.
    free: [Vec<Cell>; SIZES],
    /// Bytes of cells that are exceptions.
    live: usize,
    /// The number of bytes at which the next search happens.
    limit: usize,
    /// What counts the chunks.
    memory: ExceptionMemory,
    /// The bytes that the store's limiter has granted, if it has one.
    granted: usize,
    /// Whether the limiter has refused to grant more.
    is_refused: bool,
    /// The serial number of the last exception.
    serial: u32,
    /// The exception that the embedder has thrown, or that has left WebAssembly.
    pub thrown: Option<Cell>,
}

/// Whether the store has a limiter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limiter {
    None,
    Set,
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

    fn cells(&self) -> impl Iterator<Item = Cell> + use<> {
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
    pub fn header(&self, cell: Cell) -> VmException {
        // SAFETY: pointers to cells are made from chunks, which live as long as the store has any
        // word or handle that leads to them; the header of a cell is always initialized, and
        // generated code only writes what is behind it.
        unsafe { cell.read() }
    }

    pub fn update(&self, cell: Cell, update: impl FnOnce(u32) -> u32) {
        let state = update(self.header(cell).state);
        // SAFETY: as in `header`; chunks can be written through, and no reference to the header
        // exists.
        unsafe { (*cell.as_ptr()).state = state };
    }

    /// The number by which an exception is told from others that its cell has been.
    pub fn serial(&self, cell: Cell) -> u32 {
        self.header(cell).state & !(SERIAL - 1)
    }

    /// The exception at an address, if there is one.
    pub fn find(&self, address: u64) -> Option<Cell> {
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
    pub fn word(&self, cell: Cell, index: u32) -> u64 {
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

    /// Makes an exception of a free cell, if there is one and the limit allows it.
    #[inline]
    pub fn allocate(&mut self, tag: usize, words: u32) -> Option<Cell> {
        let size = size_for(words);
        if self.is_at_limit(size) {
            return None;
        }
        let cell = self.free[size].pop()?;
        self.live += MIN_CELL << size;
        self.fill(cell, tag, words);
        Some(cell)
    }

    fn is_at_limit(&self, size: usize) -> bool {
        self.live + (MIN_CELL << size) > self.limit.max(MIN_BYTES)
    }

    /// Whether there is no free cell for an exception with so many words of values, and no reason
    /// against more of them.
    pub fn lacks_cells(&self, words: u32) -> bool {
        let size = size_for(words);
        self.free[size].is_empty() && !self.is_at_limit(size)
    }

    /// Whether an exception with so many words of values needs a search first. Before a limiter is
    /// asked for more, or the last memory is taken, what is unused is found; a store with little
    /// memory leaves more to others if memory is short.
    pub fn needs_search(&self, words: u32, limiter: Limiter) -> bool {
        let size = size_for(words);
        let is_little = self.bytes() <= 2 * MIN_BYTES;
        self.is_at_limit(size)
            || self.free[size].is_empty()
                && (self.memory.left() < CHUNK
                    || self.memory.is_short() && is_little
                    || limiter == Limiter::Set && self.bytes() + CHUNK > self.granted)
    }

    /// Bytes of chunks.
    fn bytes(&self) -> usize {
        self.chunks.len() * CHUNK
    }

    /// What the limiter is to be asked before there are more cells: the bytes that it has granted,
    /// and those that it is to grant. `None` if it has granted enough.
    pub fn demand(&self) -> Option<(usize, usize)> {
        let wanted = self.bytes() + CHUNK;
        if wanted <= self.granted {
            return None;
        }
        let step = (self.granted / STEPS).next_multiple_of(STEP).max(STEP);
        let next = (self.granted + step).min(MAX_BYTES);
        Some((self.granted, next.max(wanted.next_multiple_of(STEP))))
    }

    /// Notes the limiter's answer to a demand.
    pub fn answered(&mut self, bytes: usize, is_granted: bool) {
        self.is_refused = !is_granted;
        if is_granted {
            self.granted = bytes;
        }
    }

    /// Adds cells for exceptions with so many words of values; false if there is no memory left.
    pub fn add_cells(&mut self, words: u32) -> bool {
        let is_taken = self.memory.take(CHUNK);
        if is_taken {
            let chunk = Chunk::new(size_for(words));
            self.free[chunk.size].extend(chunk.cells());
            let start = chunk.start();
            let at = self.chunks.partition_point(|other| other.start() < start);
            self.chunks.insert(at, chunk);
        }
        is_taken
    }

    /// Counts the memory in common with other stores from now on.
    pub fn share_memory(&mut self, memory: &ExceptionMemory) {
        memory.add(self.bytes());
        self.memory.give_back(self.bytes());
        self.memory = memory.clone();
    }

    /// Makes an exception of a cell.
    fn fill(&mut self, cell: Cell, tag: usize, words: u32) {
        self.serial = self.serial.wrapping_add(SERIAL);
        // SAFETY: the cell is free and large enough.
        unsafe {
            cell.write(VmException {
                tag,
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
        let is_caught = |cell: &Cell| cell.addr().get() as u64 == word;
        self.thrown = self.thrown.filter(|cell| !is_caught(cell));
    }

    /// Ends a search that has looked at so many words: frees what is not marked, and removes the
    /// marks. Where the search could not look at everything, nothing is freed.
    pub fn end_search(&mut self, searched: Option<usize>) {
        match searched {
            Some(_) => self.sweep(),
            None => {
                let cells = self.chunks.iter().flat_map(Chunk::cells);
                cells.for_each(|cell| self.update(cell, |state| state & !MARKED));
            }
        }
        let searched = searched.unwrap_or(0) / WORDS_PER_BYTE;
        let most = self.most();
        self.limit = match self.live {
            // What is between this and the most pays for the next search.
            live if live <= most / 4 * 3 => (2 * live + searched).min(most),
            live => live,
        };
    }

    /// The most bytes that there may be, as far as that is known.
    fn most(&self) -> usize {
        let most = self.bytes() + self.memory.left();
        match self.is_refused {
            true => most.min(self.granted),
            false => most,
        }
    }

    /// Marks an exception; returns whether it was not marked before.
    fn mark(&self, cell: Cell) -> bool {
        let is_new = self.header(cell).state & MARKED == 0;
        self.update(cell, |state| state | MARKED);
        is_new
    }

    /// Marks what a word refers to, and has its values looked at, unless that has been done.
    pub fn reach(&self, word: u64, found: &mut Vec<Cell>) {
        found.extend(self.find(word).filter(|&cell| self.mark(cell)));
    }

    /// Marks what exceptions refer to by their values; returns the number of those.
    pub fn reach_all(&self, mut found: Vec<Cell>) -> usize {
        let mut words = 0;
        while let Some(cell) = found.pop() {
            let values = 0..self.header(cell).words;
            words += values.len();
            values.for_each(|n| self.reach(self.word(cell, n), &mut found));
        }
        words
    }

    fn sweep(&mut self) {
        self.free.iter_mut().for_each(Vec::clear);
        self.live = 0;
        let mut spare = if self.memory.is_short() { 0 } else { MIN_BYTES };
        let before = self.bytes();
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
        self.memory.give_back(before - self.bytes());
    }
}

impl Drop for Exceptions {
    fn drop(&mut self) {
        self.memory.give_back(self.bytes());
    }
}
