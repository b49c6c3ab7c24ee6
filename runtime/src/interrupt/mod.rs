//! Interruption and deadlines, at no cost to running code.
//!
//! The interrupter sets the store's interrupt word and signals the thread that runs the store. If
//! the signal strikes WebAssembly code, the handler makes the thread trap right there: leaving is
//! all that happens afterwards, so no state of the generated code matters. If it strikes host code,
//! the word is read when the host function or builtin returns; those that wait or work for long
//! read it themselves, through an [`Interruption`]. Between the two are short windows (the last
//! instructions of a host function, say) in which a signal is without effect; so the [`Watchdog`]
//! repeats it until the word is cleared.
//!
//! A deadline is an interruption that the watchdog causes.
//!
//! A suspended asynchronous call runs on no thread: the interrupter wakes its task, which finds the
//! word set when it resumes the call.
//!
//! # What an interruption ends
//!
//! An interruption ends the outermost call from the host: the word stays set until that call
//! reports it, so a host function that ignores the error of an inner call is interrupted when it
//! returns. A deadline that has passed stays passed: all further calls end at once, until it is
//! moved or removed.

mod watchdog;

use std::cell::UnsafeCell;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicU64, Ordering, fence};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock};
use std::time::{Duration, Instant};
#[cfg(feature = "async")]
use std::{sync::atomic::AtomicPtr, task::Waker};

use upshift_abi::TrapCode;
use upshift_abi::vmctx::VmStore;

use crate::error::TimedOut;
#[cfg(feature = "async")]
use crate::fiber::Fiber;
use crate::parking::{ParkedThread, Registered};
use crate::sys;
use watchdog::Watchdog;

/// The signal that makes a thread check its store's interrupt word. Ignored by default, so a stray
/// one does no harm.
pub const INTERRUPT_SIGNAL: libc::c_int = libc::SIGURG;

const POISON: &str = "no panic happens under this lock";

/// The cause of an interruption: a bit of the store's interrupt word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
enum Cause {
    /// A handle was used.
    Requested = 1,
    /// The deadline has passed.
    TimedOut = 2,
}

/// The part of a store that other threads share: it outlives the store if their handles do.
pub struct StoreShared {
    vm: UnsafeCell<VmStore>,
    /// The thread that is running the store; 0 outside WebAssembly. Written by that thread around
    /// its outermost entry; read by interrupters, for whom a stale value is harmless: a signal to a
    /// thread that does not run a store with its interrupt word set is ignored.
    ///
    /// Entering is a store to this field, the fence of
    /// [`CodeSpace::enter`](crate::code::CodeSpace::enter), a load of the interrupt word;
    /// interrupting is a store to the word, a fence on all threads, a load of this field. So one of
    /// the two sees the other: the thread refuses to enter, or the interrupter signals it.
    thread: AtomicI32,
    /// Set by the signal handler where it struck code of the engine that can't be left at this
    /// instruction, taken by the watchdog: the next signal should be sent soon. Relaxed: a late one
    /// costs a longer wait.
    retry: AtomicBool,
    /// Locked while the interrupt word changes, so that the word, `changed` and `event` agree. No
    /// other lock but the watchdog's and that of `parked` is taken under it.
    state: Mutex<State>,
    /// Notified when the interrupt word becomes non-zero.
    changed: Condvar,
    /// The thread that is parked on behalf of the store, if any: unparked when the interrupt word
    /// becomes non-zero.
    parked: ParkedThread,
    /// The fiber that the store's innermost activation is on; null on a thread's own stack. Only
    /// the thread that has the store writes and reads it.
    #[cfg(feature = "async")]
    fiber: AtomicPtr<Fiber>,
    /// Readable while the interrupt word is not zero. Created, under the lock of `state`, when
    /// first requested.
    event: OnceLock<sys::Event>,
}

#[derive(Debug, Default)]
struct State {
    deadline: Option<Deadline>,
    /// The watchdog's earliest alarm for this store. Moving the deadline to a later time keeps the
    /// alarm, which then sets the next one, so moving and disarming are cheap.
    alarm: Option<Instant>,
    /// Wakes the task that waits for the store's outermost suspended call.
    #[cfg(feature = "async")]
    waker: Option<Waker>,
}

#[derive(Clone, Copy, Debug)]
struct Deadline {
    id: u64,
    at: Instant,
    after: Option<Duration>,
}

// SAFETY: other threads access only the atomic `interrupt` word of the `VmStore` and the fields
// that are `Sync`; everything else belongs to the thread that has the store.
unsafe impl Sync for StoreShared {}
// SAFETY: as above; the pointers inside are the store's, which is `Send` itself.
unsafe impl Send for StoreShared {}

impl StoreShared {
    /// Creates the shared part of a new store.
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            vm: UnsafeCell::new(VmStore {
                stack_limit: 0,
                entry_fp: 0,
                exit_fp: 0,
                interrupt: AtomicU32::new(0),
                fuel: 0,
                observing: 0,
                host: ptr::null_mut(),
            }),
            thread: AtomicI32::new(0),
            retry: AtomicBool::new(false),
            state: Mutex::default(),
            changed: Condvar::new(),
            parked: ParkedThread::default(),
            #[cfg(feature = "async")]
            fiber: AtomicPtr::new(ptr::null_mut()),
            event: OnceLock::new(),
        })
    }

    /// The part of the store that generated code accesses; its address is stable for the life of
    /// the store.
    #[inline]
    pub fn vm(&self) -> *mut VmStore {
        self.vm.get()
    }

    /// Records which thread runs the store.
    #[inline]
    pub fn set_thread(&self, thread: i32) {
        self.thread.store(thread, Ordering::Release);
    }

    /// The thread that runs the store, for that thread.
    #[inline]
    pub fn thread(&self) -> i32 {
        self.thread.load(Ordering::Relaxed)
    }

    /// The thread that runs the store, for other threads; 0 outside WebAssembly.
    pub fn running_on(&self) -> i32 {
        self.thread.load(Ordering::Acquire)
    }

    /// The fiber that the store's innermost activation is on; null on a thread's own stack.
    #[cfg(feature = "async")]
    #[inline]
    pub fn fiber(&self) -> *const Fiber {
        self.fiber.load(Ordering::Relaxed)
    }

    /// Sets what [`fiber`](Self::fiber) returns.
    #[cfg(feature = "async")]
    pub fn set_fiber(&self, fiber: *const Fiber) {
        self.fiber.store(fiber.cast_mut(), Ordering::Relaxed);
    }

    /// Makes an interruption wake a task, which waits for a suspended call of the store. The waker
    /// of a call within another one is replaced by that of the call around.
    #[cfg(feature = "async")]
    pub fn set_waker(&self, waker: &Waker) {
        let mut state = self.state();
        match &mut state.waker {
            Some(known) => known.clone_from(waker),
            unknown => *unknown = Some(waker.clone()),
        }
        drop(state);
        // Whatever interrupted before has not seen the waker.
        if self.is_interrupted() {
            waker.wake_by_ref();
        }
    }

    /// Removes the waker.
    #[cfg(feature = "async")]
    pub fn clear_waker(&self) {
        let waker = self.state().waker.take();
        drop(waker);
    }

    /// Wakes the task that waits for a suspended call, if there is one. Not under the lock, as an
    /// executor's waker may do anything.
    #[cfg(feature = "async")]
    fn wake(&self) {
        let waker = self.state().waker.clone();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn word(&self) -> &AtomicU32 {
        // SAFETY: an atomic field; no reference to the whole structure is formed.
        unsafe { &*ptr::addr_of!((*self.vm.get()).interrupt) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect(POISON)
    }

    /// Whether an interruption is pending.
    #[inline]
    pub fn is_interrupted(&self) -> bool {
        self.word().load(Ordering::Acquire) != 0
    }

    /// The context for the error of the pending interruption, if a deadline has passed.
    pub fn timed_out(&self) -> Option<TimedOut> {
        let state = self.state();
        let after = state.deadline?.after;
        let passed = self.word().load(Ordering::Acquire) & Cause::TimedOut as u32 != 0;
        passed.then(|| TimedOut::new(after))
    }

    /// Clears a reported interruption: the next call may run, unless a deadline has passed.
    pub fn reported(&self) {
        self.withdraw(&self.state(), Cause::Requested as u32);
    }

    /// Records that the signal handler struck code of the engine that can't be left at this
    /// instruction. Async-signal-safe.
    pub fn retry_soon(&self) {
        self.retry.store(true, Ordering::Relaxed);
    }

    /// Whether the last signal struck code that can't be left at that instruction.
    pub(super) fn take_retry(&self) -> bool {
        self.retry.swap(false, Ordering::Relaxed)
    }

    /// Signals the running thread; returns false if there is nothing more to do.
    pub(super) fn nudge(&self) -> bool {
        let thread = self.thread.load(Ordering::Acquire);
        let waiting = self.is_interrupted() && thread != 0;
        if waiting {
            sys::signal_thread(thread, INTERRUPT_SIGNAL);
        }
        waiting
    }

    /// Interrupts stores: first all words are set, so that each thread that is about to enter
    /// WebAssembly or to wait sees its own, however long it takes to signal the others.
    fn interrupt<'a>(stores: impl Iterator<Item = &'a Arc<Self>>, cause: Cause) {
        let raised: Vec<_> = stores
            .filter(|store| store.raise(&store.state(), cause))
            .collect();
        Self::take_effect(&raised);
    }

    /// Makes the threads that run the stores check their words. Called after setting them, and not
    /// under a state's lock.
    fn take_effect(stores: &[&Arc<Self>]) {
        if stores.is_empty() {
            return;
        }
        if !sys::membarrier_all_threads() {
            fence(Ordering::SeqCst);
        }
        #[cfg(feature = "async")]
        stores.iter().for_each(|store| store.wake());
        let mut running = stores.iter().filter(|store| store.nudge()).peekable();
        if running.peek().is_some() {
            Watchdog::get().repeat(running.copied());
        }
    }

    /// Sets the word and wakes the threads that wait for it; true if it was zero. `_state` is the
    /// store's.
    fn raise(&self, _state: &State, cause: Cause) -> bool {
        let first = self.word().fetch_or(cause as u32, Ordering::Release) == 0;
        if first {
            self.changed.notify_all();
            self.parked.unpark();
            if let Some(event) = self.event.get() {
                event.set();
            }
        }
        first
    }

    /// Removes causes from the word. `_state` is the store's.
    fn withdraw(&self, _state: &State, causes: u32) {
        let before = self.word().fetch_and(!causes, Ordering::Release);
        if before != 0
            && before & !causes == 0
            && let Some(event) = self.event.get()
        {
            event.reset();
        }
    }

    /// Sets or removes the deadline; a deadline that had passed is cleared.
    fn replace_deadline(self: &Arc<Self>, deadline: Option<Deadline>) {
        let mut state = self.state();
        state.deadline = deadline;
        self.withdraw(&state, Cause::TimedOut as u32);
        self.set_alarm(&mut state);
    }

    /// Sets an alarm of the watchdog at the deadline, unless an earlier one is set.
    fn set_alarm(self: &Arc<Self>, state: &mut State) {
        if let Some(deadline) = state.deadline
            && state.alarm.is_none_or(|alarm| alarm > deadline.at)
        {
            state.alarm = Some(deadline.at);
            Watchdog::get().alarm(self, deadline.at);
        }
    }

    /// Handles the watchdog's alarm that was set for the time `at`: interrupts, if the deadline has
    /// passed.
    pub(super) fn alarm(self: &Arc<Self>, at: Instant) {
        let mut state = self.state();
        if state.alarm != Some(at) {
            return;
        }
        state.alarm = None;
        if state.deadline.is_some_and(|deadline| deadline.at <= at) {
            // Under the lock under which deadlines are moved, so that a removed one never
            // interrupts.
            let first = self.raise(&state, Cause::TimedOut);
            drop(state);
            if first {
                Self::take_effect(&[self]);
            }
        } else {
            self.set_alarm(&mut state);
        }
    }

    /// Removes the deadline, and interruptions that have not been reported yet.
    pub fn disarm(self: &Arc<Self>) {
        self.replace_deadline(None);
        self.reported();
    }

    /// Sets a deadline: ends calls that run at that time or start after it, until the deadline is
    /// changed.
    pub fn set_deadline(self: &Arc<Self>, at: Option<Instant>) {
        self.replace_deadline(at.map(|at| Deadline::new(at, None)));
    }
}

impl Deadline {
    fn new(at: Instant, after: Option<Duration>) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        Self { id, at, after }
    }
}

impl fmt::Debug for StoreShared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreShared")
            .field("thread", &self.thread)
            .field("interrupted", &self.is_interrupted())
            .finish_non_exhaustive()
    }
}

/// A time limit for the calls made while this exists; dropping it disarms the limit.
///
/// Only this limit: a deadline that was set later stays.
#[derive(Debug)]
#[must_use = "the limit ends when this is dropped"]
pub struct ArmedTimeout {
    shared: Arc<StoreShared>,
    /// The deadline's number; `None` if the time never ends.
    id: Option<u64>,
}

impl ArmedTimeout {
    /// Limits the total time of the store's calls from now on.
    pub(crate) fn new(shared: Arc<StoreShared>, time: Duration) -> Self {
        // A time beyond the clock's range never passes.
        let at = Instant::now().checked_add(time);
        let deadline = at.map(|at| Deadline::new(at, Some(time)));
        shared.replace_deadline(deadline);
        let id = deadline.map(|deadline| deadline.id);
        Self { shared, id }
    }
}

impl Drop for ArmedTimeout {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        if self.id.is_some() && state.deadline.map(|deadline| deadline.id) == self.id {
            state.deadline = None;
            self.shared.withdraw(&state, Cause::TimedOut as u32);
        }
    }
}

/// A handle that interrupts a store from any thread.
#[derive(Clone, Debug)]
pub struct InterruptHandle {
    shared: Arc<StoreShared>,
}

impl InterruptHandle {
    pub(crate) fn new(shared: Arc<StoreShared>) -> Self {
        Self { shared }
    }

    /// Makes the running call (or, if there is none, the next one) trap with
    /// [`TrapCode::Interrupt`] soon: within microseconds if WebAssembly code is running, within
    /// milliseconds in a builtin or a compilation, else when the host function returns, which may
    /// check its [`Interruption`] earlier.
    ///
    /// An interruption that is not needed any more because the call has ended is withdrawn by
    /// [disarming](Self::disarm).
    pub fn interrupt(&self) {
        Self::interrupt_all([self]);
    }

    /// Interrupts several stores, as [`interrupt`](Self::interrupt) does one. That is faster than
    /// to interrupt one after the other, above all where their threads outnumber the processors.
    pub fn interrupt_all<'a>(handles: impl IntoIterator<Item = &'a Self>) {
        let stores = handles.into_iter().map(|handle| &handle.shared);
        StoreShared::interrupt(stores, Cause::Requested);
    }

    /// Withdraws an interruption that has not ended a call yet. Deadlines stay.
    pub fn disarm(&self) {
        self.shared.reported();
    }
}

/// The interruption of a store, by which a host function finds out that the call that it is part of
/// is to end: by a handle, or because a deadline has passed.
///
/// A host function that waits or works for long checks it; others need not, as the call ends when
/// they return. Clones are cheap and may be sent to other threads.
#[derive(Clone, Debug)]
pub struct Interruption {
    shared: Arc<StoreShared>,
}

impl Interruption {
    pub(crate) fn new(shared: Arc<StoreShared>) -> Self {
        Self { shared }
    }

    /// Whether an interruption is pending. One load.
    #[inline]
    pub fn is_pending(&self) -> bool {
        self.shared.is_interrupted()
    }

    /// Returns an error, for the host function to return, if an interruption is pending.
    ///
    /// # Errors
    ///
    /// [`TrapCode::Interrupt`], below a [`TimedOut`] if a deadline has passed.
    #[inline]
    pub fn check(&self) -> anyhow::Result<()> {
        if self.is_pending() {
            return Err(self.error());
        }
        Ok(())
    }

    /// The error for an interruption.
    #[cold]
    pub(crate) fn error(&self) -> anyhow::Error {
        let error = anyhow::Error::new(TrapCode::Interrupt);
        match self.shared.timed_out() {
            Some(timeout) => error.context(timeout),
            None => error,
        }
    }

    /// Sleeps for the time; signals don't shorten it.
    ///
    /// # Errors
    ///
    /// As [`check`](Self::check), as soon as an interruption is pending.
    pub fn sleep(&self, time: Duration) -> anyhow::Result<()> {
        let end = Instant::now().checked_add(time);
        let mut state = self.shared.state();
        while !self.is_pending() {
            let left = end.map(|end| end.saturating_duration_since(Instant::now()));
            state = match left {
                Some(Duration::ZERO) => return Ok(()),
                Some(left) => {
                    self.shared
                        .changed
                        .wait_timeout(state, left)
                        .expect(POISON)
                        .0
                }
                // A time beyond the clock's range.
                None => self.shared.changed.wait(state).expect(POISON),
            };
        }
        drop(state);
        self.check()
    }

    /// Lets an interruption unpark the calling thread, for as long as the returned value exists.
    /// The thread looks whether one [is pending](Self::is_pending) each time before it parks.
    pub(crate) fn park(&self) -> Registered<'_> {
        self.shared.parked.register()
    }

    /// A descriptor that is readable while an interruption is pending, to be polled together with
    /// those that a host function waits for. Nothing is to be read from it. All clones have the
    /// same one; it is closed when the store and its handles are dropped.
    ///
    /// # Errors
    ///
    /// If the process may open no more descriptors.
    pub fn fd(&self) -> io::Result<BorrowedFd<'_>> {
        let shared = &self.shared;
        if let Some(event) = shared.event.get() {
            return Ok(event.as_fd());
        }
        let _state = shared.state();
        if shared.event.get().is_none() {
            let event = sys::Event::new()?;
            if shared.is_interrupted() {
                event.set();
            }
            // Never set twice: the lock is held.
            let _ = shared.event.set(event);
        }
        let event = shared.event.get().expect("set above, under the lock");
        Ok(event.as_fd())
    }
}
