//! Host values that WebAssembly refers to, and their collection.
//!
//! How they are found is in [`references`](super::references). As numbers of a program must not
//! look like references, these have a tag that numbers rarely have.

use std::any::Any;

use super::Store;
use super::references::Handle;

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
    /// The number of values at which the next search happens.
    limit: usize,
}

struct Slot {
    value: Option<ExternValue>,
    /// The upper half of references to the value.
    tag: u32,
    /// Whether the store's handles include one to the slot.
    has_handle: bool,
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
                    has_handle: false,
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

    /// Forgets that a slot's value has a handle.
    pub fn drop_handle(&mut self, index: u32) {
        self.slots[index as usize].has_handle = false;
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
        if !std::mem::replace(&mut externs.slots[index].has_handle, true) {
            self.handles.push(Handle::Extern(index as u32));
        }
        true
    }

    /// The host value of a non-null `externref` word of this store; `None` if it was freed.
    pub fn extern_ref_data(&self, word: u64) -> Option<&(dyn Any + Send + Sync)> {
        self.externs.slots[self.externs.index(word)?]
            .value
            .as_deref()
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
            marks: self
                .externs
                .slots
                .iter()
                .map(|slot| slot.has_handle)
                .collect(),
            words: 0,
        };
        self.exceptions.values(|word| found.look_at(word));
        self.search_references(|word| found.look_at(word))?;
        Some((found.marks, found.words))
    }
}
