//! The stacks of asynchronous calls, and what a call knows of its own.
//!
//! An asynchronous call runs on a stack of its own, a *fiber*, so that it can be suspended: the
//! thread goes back to the stack on which it resumed the fiber, and any thread may resume it later.
//! Switching is corosensei's; here are the stacks. Each lies above a guard, which no frame of Rust
//! can pass without touching it. Stacks are kept for later calls, as mapping one and its first
//! pages takes longer than a short call.

use std::cell::Cell;
use std::num::NonZeroUsize;
use std::ptr::NonNull;
use std::sync::{Mutex, PoisonError};
use std::task::Context;

use corosensei::Yielder;
use corosensei::stack::{Stack, StackPointer, valgrind::ValgrindStackRegistration};

use crate::config::AsyncStacks;
use crate::error::RuntimeError;
use crate::stack::Bounds;
use crate::sys::{PAGE, Reservation};

/// Bytes below a stack that can't be accessed.
const GUARD: usize = 16 * PAGE;

/// The stacks of an engine that no call uses, and how to make more.
#[derive(Debug)]
pub struct StackPool {
    config: AsyncStacks,
    idle: Mutex<Vec<Mapping>>,
}

#[derive(Debug)]
struct Mapping {
    pages: Reservation,
    /// Tells Valgrind, under which the calls are measured, that these pages are a stack.
    _valgrind: ValgrindStackRegistration,
}

impl StackPool {
    pub fn new(config: AsyncStacks) -> Self {
        Self {
            config,
            idle: Mutex::default(),
        }
    }

    /// A stack: one that was kept, or a new one.
    ///
    /// # Errors
    ///
    /// If the system refuses memory.
    pub fn take(&self) -> Result<FiberStack<'_>, RuntimeError> {
        let kept = self.idle().pop();
        let mapping = match kept {
            Some(mapping) => mapping,
            None => Mapping::new(self.config.size)?,
        };
        Ok(FiberStack {
            mapping: Some(mapping),
            pool: self,
        })
    }

    /// Keeps a stack that no call uses any more, if there is room.
    fn put(&self, mapping: Mapping) {
        // Clearing is a system call, which a stack is not worth for which there is no room.
        let is_full = || self.idle().len() >= self.config.keep;
        if self.config.zeroing && (is_full() || !mapping.clear()) {
            return;
        }
        let mut idle = self.idle();
        if idle.len() < self.config.keep {
            idle.push(mapping);
        }
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Mapping>> {
        // A list is as good after a panic as before.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Mapping {
    fn new(size: usize) -> Result<Self, RuntimeError> {
        // A size that is no number of bytes is refused as one for which there is no room.
        let size = size.min(usize::MAX / 2).next_multiple_of(PAGE);
        let pages = Reservation::new(GUARD + size)?;
        pages.make_writable(GUARD, size)?;
        let valgrind = ValgrindStackRegistration::new(pages.base(), pages.len());
        Ok(Self {
            pages,
            _valgrind: valgrind,
        })
    }

    /// Makes all bytes zero; false if the system refuses.
    fn clear(&self) -> bool {
        // SAFETY: the call that used the stack has ended.
        unsafe { self.pages.discard(GUARD, self.pages.len() - GUARD) }.is_ok()
    }
}

/// A stack that a call uses. Dropping it gives it back.
#[derive(Debug)]
pub struct FiberStack<'p> {
    /// `None` only while the stack is dropped.
    mapping: Option<Mapping>,
    pool: &'p StackPool,
}

impl FiberStack<'_> {
    fn pages(&self) -> &Reservation {
        &self.mapping.as_ref().expect("dropped last").pages
    }

    /// Where the stack is.
    pub fn bounds(&self) -> Bounds {
        let low = self.pages().base() as usize + GUARD;
        Bounds::with_guard(low, self.base().get(), GUARD)
    }
}

// SAFETY: the pages above the guard are readable and writable, more than the least size, and belong
// to this value alone.
unsafe impl Stack for FiberStack<'_> {
    fn base(&self) -> StackPointer {
        let pages = self.pages();
        NonZeroUsize::new(pages.base() as usize + pages.len()).expect("an address behind pages")
    }

    fn limit(&self) -> StackPointer {
        NonZeroUsize::new(self.pages().base() as usize).expect("nothing is mapped at address zero")
    }
}

impl Drop for FiberStack<'_> {
    fn drop(&mut self) {
        if let Some(mapping) = self.mapping.take() {
            self.pool.put(mapping);
        }
    }
}

/// A fiber, as the code on it sees it. It lies on its stack.
#[derive(Debug)]
pub struct Fiber {
    /// By which the fiber suspends itself.
    pub yielder: NonNull<Yielder<Resumed, ()>>,
    /// Where the stack is.
    pub stack: Bounds,
    /// The store's entry frame when the fiber began, of the activation that the call is part of; 0
    /// where it is part of none.
    pub entry_fp: usize,
    /// How the fiber was resumed last.
    pub resumed: Cell<Resumed>,
    /// Whether the embedder's code runs on it, in a future's `poll` or a hook: what that calls
    /// can't suspend the fiber, as its frames would not expect to go on on another thread.
    pub busy: Cell<bool>,
}

/// Says that the embedder's code runs on a fiber, until it is dropped.
pub struct Busy<'f> {
    fiber: &'f Fiber,
    before: bool,
}

impl<'f> Busy<'f> {
    /// Says so of a fiber.
    pub fn on(fiber: &'f Fiber) -> Self {
        let before = fiber.busy.replace(true);
        Self { fiber, before }
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.fiber.busy.set(self.before);
    }
}

/// How a fiber is resumed.
#[derive(Clone, Copy, Debug)]
pub struct Resumed {
    /// The context of the task, until the fiber suspends itself; `None` to cancel the call.
    pub context: Option<NonNull<Context<'static>>>,
    /// The fiber on which the store's activation around the call is; null on a thread's own stack.
    pub around: *const Fiber,
    /// An address of the frame of the function that resumes the fiber, at or below the values of
    /// its callee-saved registers.
    pub start: usize,
    /// The stack on which that function is.
    pub stack: Bounds,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(zeroing: bool, keep: usize) -> StackPool {
        StackPool::new(AsyncStacks {
            size: 1 << 20,
            zeroing,
            keep,
        })
    }

    /// Writes to the topmost bytes of a stack, gives it back and takes another; returns where both
    /// are and what the second one's bytes are.
    fn reuse(pool: &StackPool) -> ([usize; 2], u8) {
        let first = pool.take().unwrap();
        let top = (first.base().get() - 16) as *mut u8;
        // SAFETY: within the stack, which nothing else uses.
        unsafe { top.write(7) };
        let place = first.base().get();
        drop(first);
        let second = pool.take().unwrap();
        let top = (second.base().get() - 16) as *const u8;
        // SAFETY: as above.
        ([place, second.base().get()], unsafe { top.read() })
    }

    #[test]
    fn stacks_are_kept_up_to_the_limit() {
        let pool = pool(false, 2);
        let ([first, second], byte) = reuse(&pool);
        assert_eq!((first, byte), (second, 7));
        let stacks: Vec<_> = (0..5).map(|_| pool.take().unwrap()).collect();
        drop(stacks);
        assert_eq!(pool.idle().len(), 2);
    }

    #[test]
    fn stacks_are_zero_where_that_is_asked_for() {
        let ([first, second], byte) = reuse(&pool(true, 2));
        assert_eq!((first, byte), (second, 0));
    }

    #[test]
    fn no_size_is_too_large_to_be_refused() {
        for size in [
            usize::MAX,
            usize::MAX - PAGE,
            usize::MAX / 2 + 1,
            usize::MAX / 2,
        ] {
            let config = AsyncStacks {
                size,
                zeroing: false,
                keep: 0,
            };
            assert!(StackPool::new(config).take().is_err(), "{size:x}");
        }
    }

    #[test]
    fn a_stack_has_the_size_and_a_guard() {
        let pool = pool(false, 0);
        let stack = pool.take().unwrap();
        let bounds = stack.bounds();
        assert_eq!(stack.base().get() - stack.limit().get(), (1 << 20) + GUARD);
        assert!(bounds.contains(stack.base().get() - 1));
        assert!(bounds.contains(stack.limit().get() + GUARD));
        assert!(!bounds.contains(stack.limit().get() + GUARD - 1));
    }
}
