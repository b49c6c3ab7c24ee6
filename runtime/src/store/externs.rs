//! Host values that WebAssembly refers to, and their collection.
//!
//! A value lives as long as the embedder has a handle to it or WebAssembly can reach it. Handles
//! can be copied, so they count until the *scope* ends in which they were created: the call of a
//! host function, a scope that the embedder opened, or else the store. The references of
//! WebAssembly are found by searching: tables and globals of the type, and, while it runs, every
//! word of its stack. That last search is conservative (a number that looks like a reference keeps
//! a value alive), which is why references have a tag that numbers rarely have; in return neither
//! tier needs maps of its frames, and passing references costs nothing. A search happens when a new
//! value is created and there are twice as many as were left after the last search.

use std::any::Any;

use upshift_abi::{ValType, frame};

use super::Store;
use crate::{stack, sys};

/// A value of the embedder that WebAssembly can refer to.
pub type ExternValue = Box<dyn Any + Send + Sync>;

/// The upper half of the first reference to a slot; each later one has the next.
const TAG: u32 = 0xe87e_b1de;

/// The fewest values that are searched for.
const MIN_VALUES: usize = 64;

/// The most words that are searched for each value created meanwhile.
const WORDS_PER_VALUE: usize = 64;

/// The values of a store, each in a slot that its reference names.
#[derive(Default)]
pub(super) struct Externs {
    slots: Vec<Slot>,
    free: Vec<u32>,
    /// The slots of values with handles, each once, in the order of the scopes in which they got
    /// the first handle that still counts.
    roots: Vec<u32>,
    /// The number of values at which the next search happens.
    limit: usize,
}

struct Slot {
    value: Option<ExternValue>,
    /// The upper half of references to the value.
    tag: u32,
    /// Whether the slot is in `roots`.
    is_root: bool,
}

impl Externs {
    fn live(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    fn index(&self, word: u64) -> Option<usize> {
        let index = (word as u32).checked_sub(1)? as usize;
        let slot = self.slots.get(index)?;
        (slot.tag == (word >> 32) as u32 && slot.value.is_some()).then_some(index)
    }

    fn insert(&mut self, value: ExternValue) -> u64 {
        let index = match self.free.pop() {
            Some(index) => index as usize,
            None => {
                self.slots.push(Slot {
                    value: None,
                    tag: TAG,
                    is_root: false,
                });
                self.slots.len() - 1
            }
        };
        assert!(
            index < u32::MAX as usize,
            "a store holds less than 2^32 values"
        );
        let slot = &mut self.slots[index];
        slot.value = Some(value);
        u64::from(slot.tag) << 32 | (index as u64 + 1)
    }

    /// The number of roots: the mark of a scope that begins now.
    #[inline]
    pub fn roots(&self) -> usize {
        self.roots.len()
    }

    /// Removes handles that were created since the mark.
    pub fn end_scope(&mut self, mark: usize) {
        for index in self.roots.drain(mark.min(self.roots.len())..) {
            self.slots[index as usize].is_root = false;
        }
    }
}

/// The values that were found reachable.
struct Marks<'a> {
    externs: &'a Externs,
    marks: Vec<bool>,
    words: usize,
}

impl Marks<'_> {
    fn look_at(&mut self, word: u64) {
        self.words += 1;
        if let Some(index) = self.externs.index(word) {
            self.marks[index] = true;
        }
    }
}

impl Store {
    /// The `externref` word of a new host value; as a handle it counts until the innermost scope
    /// ends.
    pub fn extern_ref_word(&mut self, value: ExternValue) -> u64 {
        if self.externs.live() >= self.externs.limit.max(MIN_VALUES) {
            self.collect_externs();
        }
        let word = self.externs.insert(value);
        self.root_extern(word);
        word
    }

    /// Gives the value of a reference a handle that counts until the innermost scope ends; returns
    /// false if there is no such value.
    pub fn root_extern(&mut self, word: u64) -> bool {
        let externs = &mut self.externs;
        let Some(index) = externs.index(word) else {
            return false;
        };
        if !std::mem::replace(&mut externs.slots[index].is_root, true) {
            externs.roots.push(index as u32);
        }
        true
    }

    /// The host value of a non-null `externref` word of this store; `None` if it was freed.
    pub fn extern_ref_data(&self, word: u64) -> Option<&(dyn Any + Send + Sync)> {
        self.externs.slots[self.externs.index(word)?]
            .value
            .as_deref()
    }

    /// Begins a scope of handles; returns the mark to pass to
    /// [`end_extern_scope`](Self::end_extern_scope).
    #[inline]
    pub fn begin_extern_scope(&self) -> usize {
        self.externs.roots()
    }

    /// Ends a scope of handles, and those that began in it.
    #[cold]
    pub fn end_extern_scope(&mut self, scope: usize) {
        self.externs.end_scope(scope);
    }

    /// Frees the values that neither the embedder nor WebAssembly can reach. If WebAssembly is
    /// running on a stack that this thread did not start with, its references can't be found, and
    /// nothing is freed.
    pub fn collect_externs(&mut self) {
        let Some((marks, words)) = self.reachable_externs() else {
            self.externs.limit = 2 * self.externs.live();
            return;
        };
        let externs = &mut self.externs;
        let mut freed = Vec::new();
        for (index, (slot, reachable)) in externs.slots.iter_mut().zip(marks).enumerate() {
            if !reachable && let Some(value) = slot.value.take() {
                slot.tag = slot.tag.wrapping_add(1);
                freed.push(value);
                externs.free.push(index as u32);
            }
        }
        externs.limit = 2 * externs.live() + words / WORDS_PER_VALUE;
        // Last, as this runs code of the embedder.
        drop(freed);
    }

    /// For each slot whether its value is reachable, and the number of words that were searched;
    /// `None` if that can't be known.
    fn reachable_externs(&self) -> Option<(Vec<bool>, usize)> {
        let mut found = Marks {
            externs: &self.externs,
            marks: self.externs.slots.iter().map(|slot| slot.is_root).collect(),
            words: 0,
        };
        for table in &self.tables {
            for &word in table.extern_words() {
                found.look_at(word as u64);
            }
        }
        for global in &self.globals {
            if matches!(global.content(), ValType::Ref(ty) if ty.is_extern()) {
                found.look_at(global.word());
            }
        }
        if self.entry_fp() != 0 {
            let look_at = |word| found.look_at(word);
            self.search_stack(look_at)?;
        }
        Some((found.marks, found.words))
    }

    /// Passes every word in frames of this store's activations, in memory and in callee-saved
    /// registers, to `look_at`.
    #[inline(never)]
    fn search_stack(&self, mut look_at: impl FnMut(u64)) -> Option<()> {
        let registers = sys::preserved_registers();
        let start = (&raw const registers) as usize;
        let end = self.outermost_entry(start)?;
        let stack = stack::bounds();
        if !stack.contains(start) || !stack.contains(end) {
            return None;
        }
        registers.iter().for_each(|&word| look_at(word));
        for address in (start..end).step_by(size_of::<u64>()) {
            // SAFETY: between a local of this function and a frame that called it the thread's
            // stack is mapped; it is only read, as words without a type.
            look_at(unsafe { std::ptr::with_exposed_provenance::<u64>(address).read_volatile() });
        }
        Some(())
    }

    /// The outermost entry frame, if all activations are above `start` in the order of their calls.
    fn outermost_entry(&self, start: usize) -> Option<usize> {
        let (mut last, mut fp) = (start, self.entry_fp());
        loop {
            if fp <= last {
                return None;
            }
            let previous = fp.wrapping_add_signed(frame::entry::PREVIOUS_ENTRY_FP as isize);
            // SAFETY: entry frames stand as long as their activation does.
            let outer = unsafe { std::ptr::with_exposed_provenance::<usize>(previous).read() };
            if outer == 0 {
                return Some(fp);
            }
            (last, fp) = (fp, outer);
        }
    }
}
