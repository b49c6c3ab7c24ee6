//! References to what a store collects: the embedder's handles, and the search for those of
//! WebAssembly.
//!
//! Host values ([`externs`](super::externs)) and exceptions ([`exceptions`](super::exceptions))
//! live as long as the embedder has a handle to them or WebAssembly can reach them. Handles can be
//! copied, so they count until the *scope* ends in which they were created: the call of a host
//! function, a scope that the embedder opened, or else the store. The references of WebAssembly are
//! found by searching: tables and globals of the types, the values of exceptions and, while
//! WebAssembly runs, every word of its stack. That last search is conservative (a number that looks
//! like a reference keeps something alive); in return neither tier needs maps of its frames, and
//! passing references costs nothing. A search happens when something new is created and there is
//! twice as much as was left after the last search.

use upshift_abi::{RefType, ValType, frame};

use super::Store;
use crate::{stack, sys};

/// What a handle of the embedder keeps alive.
#[derive(Clone, Copy, Debug)]
pub(super) enum Handle {
    /// The host value in a slot.
    Extern(u32),
    /// The exception at an address.
    Exception(usize),
}

/// Whether references of the type keep something alive that a store collects.
pub(super) fn is_collected(ty: RefType) -> bool {
    ty.is_extern() || ty.is_exception()
}

impl Store {
    /// Begins a scope of handles; returns the mark to pass to [`end_scope`](Self::end_scope).
    #[inline]
    pub fn begin_scope(&self) -> usize {
        self.handles.len()
    }

    /// Ends a scope of handles, and those that began in it.
    #[cold]
    pub fn end_scope(&mut self, scope: usize) {
        for handle in self.handles.drain(scope.min(self.handles.len())..) {
            match handle {
                Handle::Extern(index) => self.externs.drop_handle(index),
                Handle::Exception(address) => self.exceptions.drop_handle(address),
            }
        }
    }

    /// Passes every word by which WebAssembly may reach a value or an exception to `look_at`, but
    /// for the values of exceptions: those in tables and globals, and every word in frames of this
    /// store's activations, in memory and in callee-saved registers. `None` if WebAssembly is
    /// running on a stack that this thread neither started with nor got from the engine, or a call
    /// hook runs: then its references can't be found.
    pub(super) fn search_references(&self, mut look_at: impl FnMut(u64)) -> Option<()> {
        if self.hook.runs {
            return None;
        }
        for table in &self.tables {
            for &word in table.collected_words() {
                look_at(word as u64);
            }
        }
        for global in &self.globals {
            if matches!(global.content(), ValType::Ref(ty) if is_collected(ty)) {
                look_at(global.word());
            }
        }
        if self.entry_fp() == 0 {
            return Some(());
        }
        self.search_stack(look_at)
    }

    #[inline(never)]
    fn search_stack(&self, mut look_at: impl FnMut(u64)) -> Option<()> {
        let registers = sys::preserved_registers();
        registers.iter().for_each(|&word| look_at(word));
        for part in self.activation_stacks((&raw const registers) as usize) {
            let end = part.outermost_entry()?;
            if !part.stack.contains(part.start) || !part.stack.contains(end) {
                return None;
            }
            for address in (part.start..end).step_by(size_of::<u64>()) {
                let word = std::ptr::with_exposed_provenance::<u64>(address);
                // SAFETY: between a local of a function that has not returned and a frame that
                // called it a stack is mapped; it is only read, as words without a type.
                look_at(unsafe { word.read_volatile() });
            }
        }
        Some(())
    }

    /// The stacks that the store's activations are on; `start` is an address of the running
    /// function's frame, at or below the values of callee-saved registers.
    #[cfg(not(feature = "async"))]
    fn activation_stacks(&self, start: usize) -> Vec<ActivationStack> {
        vec![ActivationStack {
            start,
            stack: stack::bounds(),
            innermost: self.entry_fp(),
            around: 0,
        }]
    }
}

/// A stack that activations of a store are on.
#[derive(Clone, Copy, Debug)]
pub(super) struct ActivationStack {
    /// Where the search begins: at or below the values of callee-saved registers.
    pub start: usize,
    /// The whole stack.
    pub stack: stack::Bounds,
    /// The entry frame of the innermost activation on it.
    pub innermost: usize,
    /// The entry frame around the outermost activation on it, which is on another stack; 0 for
    /// none.
    pub around: usize,
}

impl ActivationStack {
    /// The outermost entry frame on the stack, if all are above `start` in the order of their
    /// calls.
    fn outermost_entry(&self) -> Option<usize> {
        let (mut last, mut fp) = (self.start, self.innermost);
        while fp > last {
            let previous = fp.wrapping_add_signed(frame::entry::PREVIOUS_ENTRY_FP as isize);
            // SAFETY: entry frames stand as long as their activation does.
            let outer = unsafe { std::ptr::with_exposed_provenance::<usize>(previous).read() };
            if outer == self.around {
                return Some(fp);
            }
            (last, fp) = (fp, outer);
        }
        None
    }
}
