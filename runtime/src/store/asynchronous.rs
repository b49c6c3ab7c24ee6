//! Calls that can be suspended: futures that run on a stack of their own.
//!
//! [`Store::on_fiber`] runs a function on a [fiber](crate::fiber). A host function on it that waits
//! for a future ([`run_async`]) polls the future with the context of the task that polls the call;
//! where it is pending, the fiber suspends itself, and the call is pending. Whichever thread polls
//! the call next resumes the fiber.
//!
//! # What is switched
//!
//! Of what a running store has told its thread and the world, these belong to the fiber and are
//! exchanged whenever a thread switches to it or back ([`Side`]): the ends of the chain of entry
//! frames, the exit frame, the stack limit, the store's address, the current fiber, the thread that
//! runs the store (none, while the outermost call is suspended: interrupters and samplers see
//! that), the thread's current store, and where its stack is. What is on a stack stays there: a
//! call within a call has a fiber of its own, whose first entry frame links to the activation
//! around it on another stack.
//!
//! The store's epoch ([`code::epoch`](crate::code)) is not exchanged: code that a suspended call
//! returns to is kept until the call ends.
//!
//! # Who may suspend
//!
//! A fiber may be resumed on another thread, so no frame on it may belong to code that does not
//! know that. On it are generated code, this crate, futures' allocations that are `Send`, and host
//! functions; a synchronous one can enter WebAssembly again, with frames of its own in between. So
//! only what the fiber's first activation calls can suspend it, and what its function does outside
//! of activations; and neither while the embedder's code runs there in a future or a hook
//! ([`Fiber::busy`]). Other calls of asynchronous functions are errors. Frames of this crate that
//! are on a fiber while it is suspended keep off thread-local variables, whose addresses the
//! compiler may have computed before.
//!
//! A call that is dropped while it is suspended is resumed a last time: the host function drops its
//! future and fails, and WebAssembly is left as after any error. So a fiber always ends by itself.

use std::any::Any;
use std::cell::Cell;
use std::future::Future;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::sync::atomic::{Ordering, compiler_fence, fence};
use std::task::{Context, Poll};
use std::thread;

use corosensei::{Coroutine, CoroutineResult, Yielder};
use upshift_abi::frame;
use upshift_abi::vmctx::VmStore;

use super::Store;
use super::call::replace_current;
use super::references::ActivationStack;
use super::signals::Signals;
use crate::error::{AsyncReason, RuntimeError};
use crate::fiber::{Busy, Fiber, FiberStack, Resumed};
use crate::interrupt::{Interruption, StoreShared};
use crate::runtime::Runtime;
use crate::stack::{self, Bounds, stack_pointer};
use crate::sys::{self, Process};

/// What is exchanged when a thread switches to a fiber or back: what one side has set.
struct Side {
    stack_limit: usize,
    entry_fp: usize,
    exit_fp: usize,
    host: *mut std::ffi::c_void,
    fiber: *const Fiber,
    thread: i32,
    current: *mut VmStore,
    stack: Bounds,
}

impl Side {
    /// Puts this side in force; returns the other one.
    ///
    /// # Safety
    ///
    /// The calling thread has the store, and runs no generated code of it. The side was in force
    /// for the stack that the thread is about to run on.
    unsafe fn switch(self, shared: &StoreShared) -> Self {
        let vm = shared.vm();
        // Signal handlers read the current store's fields, so it is none while they are exchanged.
        let current = replace_current(ptr::null_mut());
        compiler_fence(Ordering::SeqCst);
        // SAFETY: the store's own `VmStore`, which the thread that has the store may access freely
        // outside generated code.
        let before = unsafe {
            Self {
                stack_limit: ptr::replace(&raw mut (*vm).stack_limit, self.stack_limit),
                entry_fp: ptr::replace(&raw mut (*vm).entry_fp, self.entry_fp),
                exit_fp: ptr::replace(&raw mut (*vm).exit_fp, self.exit_fp),
                host: ptr::replace(&raw mut (*vm).host, self.host),
                fiber: shared.fiber(),
                thread: shared.thread(),
                current,
                stack: stack::switch(self.stack),
            }
        };
        compiler_fence(Ordering::SeqCst);
        replace_current(self.current);
        shared.set_fiber(self.fiber);
        shared.set_thread(self.thread);
        if self.thread != 0 {
            // As at an entry from the host: what follows, a look at the interrupt word among it,
            // does not happen before the thread is known to interrupters.
            fence(Ordering::SeqCst);
        }
        before
    }
}

/// A call on a fiber: a future that returns what the function returns.
///
/// It runs on the thread that polls it, while it is polled. If the function panics, polling panics.
/// Dropping it cancels the call.
#[must_use = "a call runs while it is polled"]
pub struct OnFiber<'a, R> {
    shared: &'a StoreShared,
    process: Process,
    signals: Signals,
    coroutine: Coroutine<Resumed, (), thread::Result<R>, FiberStack<'a>>,
    /// The fiber's side while it is suspended.
    side: Option<Side>,
    /// Whether the store has this task's waker.
    has_waker: bool,
    _store: PhantomData<&'a mut Store>,
}

// SAFETY: a suspended fiber has on its stack what the module's documentation lists, all of which
// may go on on another thread; the function is `Send`, its result is if `R` is, and so is the
// store, of which this has the exclusive borrow. The pointers of `side` lead to the store and to
// frames that stand as long as this exists, except for `current`, which is null or the store.
unsafe impl<R: Send> Send for OnFiber<'_, R> {}

impl Store {
    /// A call that runs the function on a stack of its own, so that asynchronous host functions
    /// that WebAssembly calls there can be awaited.
    ///
    /// # Errors
    ///
    /// If the system refuses memory for the stack.
    pub fn on_fiber<'a, R: 'a>(
        &'a mut self,
        run: impl FnOnce(&mut Store) -> R + Send + 'a,
    ) -> Result<OnFiber<'a, R>, RuntimeError> {
        // SAFETY: the store keeps both, apart from itself, as long as it exists, and it exists as
        // long as the borrow that the `OnFiber` has.
        let (runtime, shared): (&'a Runtime, &'a StoreShared) =
            unsafe { (&*Arc::as_ptr(&self.runtime), &*Arc::as_ptr(&self.shared)) };
        let stack = runtime.stacks().take()?;
        let bounds = stack.bounds();
        let store: *mut Store = self;
        let on_fiber = move |yielder: &Yielder<Resumed, ()>, resumed: Resumed| {
            // SAFETY: the borrow that this closure was made from lasts as long as the `OnFiber`,
            // which alone runs it.
            let store = unsafe { &mut *store };
            let fiber = Fiber {
                yielder: NonNull::from(yielder),
                stack: bounds,
                entry_fp: store.entry_fp(),
                resumed: Cell::new(resumed),
                busy: Cell::new(false),
            };
            shared.set_fiber(&fiber);
            catch_unwind(AssertUnwindSafe(|| run(store)))
        };
        // SAFETY: what the closure borrows outlives the `OnFiber`. If that is forgotten, its stack
        // is neither freed nor ever run again.
        let coroutine = unsafe { Coroutine::with_stack_unchecked(stack, on_fiber) };
        let vm = self.vm();
        // SAFETY: as in `Side::switch`.
        let (entry_fp, exit_fp) = unsafe { ((*vm).entry_fp, (*vm).exit_fp) };
        let side = Side {
            stack_limit: bounds.wasm_limit(bounds.high(), self.max_wasm_stack),
            entry_fp,
            exit_fp,
            host: store.cast(),
            fiber: ptr::null(),
            thread: 0,
            current: ptr::null_mut(),
            stack: bounds,
        };
        Ok(OnFiber {
            shared,
            process: self.process,
            signals: self.signals,
            coroutine,
            side: Some(side),
            has_waker: false,
            _store: PhantomData,
        })
    }

    /// The stacks that the store's activations are on, innermost first; `start` is an address of
    /// the running function's frame, at or below the values of callee-saved registers.
    pub(super) fn activation_stacks(&self, start: usize) -> Vec<ActivationStack> {
        let mut stacks = Vec::with_capacity(1);
        let (mut start, mut stack, mut innermost) = (start, stack::bounds(), self.entry_fp());
        let mut fiber = self.shared.fiber();
        // SAFETY: the fibers of a store's activations stand: the innermost one is running, and each
        // of the others has resumed the one before.
        while let Some(on) = unsafe { fiber.as_ref() } {
            let around = on.entry_fp;
            stacks.push(ActivationStack {
                start,
                stack,
                innermost,
                around,
            });
            if around == 0 {
                return stacks;
            }
            let resumed = on.resumed.get();
            (start, stack, innermost) = (resumed.start, resumed.stack, around);
            fiber = resumed.around;
        }
        stacks.push(ActivationStack {
            start,
            stack,
            innermost,
            around: 0,
        });
        stacks
    }

    /// The fiber that can be suspended at a place.
    ///
    /// # Errors
    ///
    /// [`RuntimeError::NeedsAsync`], with the reason why it is to be suspended, if there is no
    /// fiber, or frames of a synchronous call or of the embedder are between.
    pub(super) fn suspendable(
        &self,
        place: Place,
        reason: AsyncReason,
    ) -> Result<NonNull<Fiber>, RuntimeError> {
        let refused = RuntimeError::NeedsAsync(reason);
        let Some(fiber) = NonNull::new(self.shared.fiber().cast_mut()) else {
            return Err(refused);
        };
        let entry_fp = self.entry_fp();
        let around = match place {
            Place::OfFiber => entry_fp,
            Place::OfActivation if entry_fp == 0 => return Err(refused),
            Place::OfActivation => {
                let previous = frame::entry::PREVIOUS_ENTRY_FP as isize;
                let previous = entry_fp.wrapping_add_signed(previous);
                // SAFETY: the entry frame stands as long as its activation.
                unsafe { ptr::with_exposed_provenance::<usize>(previous).read() }
            }
        };
        // SAFETY: the current fiber stands as long as it is that.
        let on = unsafe { fiber.as_ref() };
        let suspendable =
            around == on.entry_fp && !on.busy.get() && on.stack.contains(stack_pointer());
        suspendable.then_some(fiber).ok_or(refused)
    }

    /// Says that the embedder's code runs on the current fiber, if there is one, while `run` does.
    pub(super) fn in_embedder<R>(&mut self, run: impl FnOnce(&mut Self) -> R) -> R {
        let fiber = self.shared.fiber();
        // SAFETY: the current fiber stands as long as it is that, so longer than this function.
        let busy = unsafe { fiber.as_ref() }.map(Busy::on);
        let result = run(self);
        drop(busy);
        result
    }
}

/// Where something waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In a function that the innermost activation has called: a host function or a builtin.
    OfActivation,
    /// In what the function of an [`OnFiber`] does itself, outside of WebAssembly.
    OfFiber,
}

impl<R> OnFiber<'_, R> {
    /// Switches to the fiber, and comes back when it suspends itself or ends.
    fn resume(
        &mut self,
        context: Option<NonNull<Context<'static>>>,
    ) -> CoroutineResult<(), thread::Result<R>> {
        let mut side = self
            .side
            .take()
            .expect("a call is not polled within itself");
        side.thread = sys::thread_id(&self.process);
        self.signals.unblock();
        // For the search for references, should it reach this stack.
        let registers = sys::preserved_registers();
        let around = self.shared.fiber();
        // SAFETY: the borrow of the store says that nothing else runs it, and the side is the
        // fiber's.
        let outer = unsafe { side.switch(self.shared) };
        let resumed = Resumed {
            context,
            around,
            start: (&raw const registers) as usize,
            stack: outer.stack,
        };
        let result = self.coroutine.resume(resumed);
        // SAFETY: as above; the other side is that of this stack, on which the thread is again.
        self.side = Some(unsafe { outer.switch(self.shared) });
        std::hint::black_box(&registers);
        result
    }

    /// Forgets the task, when the call has ended.
    fn clear_waker(&mut self) {
        if std::mem::take(&mut self.has_waker) {
            self.shared.clear_waker();
        }
    }
}

impl<R> Future for OnFiber<'_, R> {
    type Output = R;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<R> {
        let this = self.get_mut();
        assert!(!this.coroutine.done(), "a call was polled after its end");
        // The fiber uses it until it suspends itself, so no longer than this function.
        let during = NonNull::from(&mut *context).cast::<Context<'static>>();
        match this.resume(Some(during)) {
            CoroutineResult::Yield(()) => {
                this.has_waker = true;
                this.shared.set_waker(context.waker());
                Poll::Pending
            }
            CoroutineResult::Return(result) => {
                this.clear_waker();
                Poll::Ready(result.unwrap_or_else(|payload| resume_unwind(payload)))
            }
        }
    }
}

impl<R> Drop for OnFiber<'_, R> {
    fn drop(&mut self) {
        self.clear_waker();
        let mut panicked: Option<Box<dyn Any + Send>> = None;
        while self.coroutine.started() && !self.coroutine.done() {
            if let CoroutineResult::Return(Err(payload)) = self.resume(None) {
                panicked = Some(payload);
            }
        }
        if let Some(payload) = panicked.filter(|_| !thread::panicking()) {
            resume_unwind(payload);
        }
    }
}

/// Runs the future of a host function to its end: the calling fiber is suspended while the future
/// is pending. An interruption ends the wait, and drops the future.
///
/// # Errors
///
/// [`RuntimeError::NeedsAsync`] if the call into WebAssembly is synchronous;
/// [`RuntimeError::Cancelled`] if it was dropped, and the error of an interruption.
///
/// # Safety
///
/// The store's innermost activation has called a host function, which calls this with no frames of
/// an embedder between.
pub unsafe fn run_async<'s, T, F>(
    store: &'s mut Store,
    start: impl FnOnce(&'s mut Store) -> Pin<Box<F>>,
) -> anyhow::Result<T>
where
    F: Future<Output = T> + Send + ?Sized + 's,
{
    // SAFETY: guaranteed by the caller.
    unsafe { run_at(Place::OfActivation, AsyncReason::HostFunction, store, start) }
}

/// As [`run_async`], at any place, and for any reason.
///
/// # Errors
///
/// As [`run_async`].
///
/// # Safety
///
/// The caller is at the place, with no frames of the embedder between.
pub(super) unsafe fn run_at<'s, T, F>(
    place: Place,
    reason: AsyncReason,
    store: &'s mut Store,
    start: impl FnOnce(&'s mut Store) -> Pin<Box<F>>,
) -> anyhow::Result<T>
where
    F: Future<Output = T> + Send + ?Sized + 's,
{
    let fiber = store.suspendable(place, reason)?;
    // SAFETY: the fiber that this function runs on; it stands until this function returns.
    let fiber = unsafe { fiber.as_ref() };
    let interruption = store.interruption();
    let busy = Busy::on(fiber);
    let mut future = start(store);
    drop(busy);
    loop {
        let context = fiber.resumed.get().context;
        // SAFETY: the context that the call is polled with is valid until the fiber suspends
        // itself.
        let context = context.map(|mut context| unsafe { context.as_mut() });
        let Some(context) = context else {
            return Err(RuntimeError::Cancelled.into());
        };
        let busy = Busy::on(fiber);
        if let Poll::Ready(value) = future.as_mut().poll(context) {
            return Ok(value);
        }
        drop(busy);
        suspend(fiber, &interruption)?;
    }
}

impl Store {
    /// Suspends the calling fiber once: the call is pending, and its task is woken at once.
    ///
    /// Not inlined, as what calls it may use thread-local variables.
    ///
    /// # Errors
    ///
    /// As [`run_async`].
    ///
    /// # Safety
    ///
    /// As for [`run_async`], of a builtin.
    #[inline(never)]
    pub(super) unsafe fn yield_now(&mut self) -> anyhow::Result<()> {
        let fiber = self.suspendable(Place::OfActivation, AsyncReason::Yields)?;
        // SAFETY: the fiber that this function runs on; it stands until this function returns.
        let fiber = unsafe { fiber.as_ref() };
        let context = fiber.resumed.get().context;
        // SAFETY: the context that the call is polled with is valid until the fiber suspends
        // itself.
        let context = context.map(|mut context| unsafe { context.as_mut() });
        let Some(context) = context else {
            return Err(RuntimeError::Cancelled.into());
        };
        context.waker().wake_by_ref();
        suspend(fiber, &self.interruption())
    }

    /// Waits for a future of the embedder's, as a host function does.
    ///
    /// # Errors
    ///
    /// As [`yield_now`](Self::yield_now).
    ///
    /// # Safety
    ///
    /// As for [`yield_now`](Self::yield_now).
    #[inline(never)]
    pub(super) unsafe fn wait_for(
        &mut self,
        future: Pin<Box<dyn Future<Output = ()> + Send>>,
    ) -> anyhow::Result<()> {
        // SAFETY: guaranteed by the caller.
        unsafe { run_at(Place::OfActivation, AsyncReason::Yields, self, |_| future) }
    }
}

/// Suspends the fiber that the function runs on, and returns when it is resumed.
///
/// # Errors
///
/// The error of an interruption, which can be what has resumed it.
fn suspend(fiber: &Fiber, interruption: &Interruption) -> anyhow::Result<()> {
    interruption.check()?;
    // SAFETY: the yielder lies on the fiber's stack, below all that runs on it.
    let resumed = unsafe { fiber.yielder.as_ref() }.suspend(());
    let cancelled = resumed.context.is_none();
    fiber.resumed.set(resumed);
    match cancelled {
        true => Err(RuntimeError::Cancelled.into()),
        false => interruption.check(),
    }
}
