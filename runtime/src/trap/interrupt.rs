//! Interruption from another thread, at no cost to running code.
//!
//! The interrupter sets the store's interrupt word and signals the thread that runs the store. If the signal
//! finds WebAssembly code running, the handler makes the thread trap right there: leaving is all that
//! happens afterwards, so no state of the generated code matters. If it finds host code, the word is
//! read when the host function returns. Between the two are short windows (a builtin's last
//! instructions, say) in which a signal is without effect; so a watchdog repeats it until the
//! word is cleared.

use std::cell::UnsafeCell;
use std::fmt;
use std::ptr;
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering, fence};
use std::sync::{Arc, Condvar, Mutex, OnceLock, Weak};
use std::time::Duration;

use upshift_abi::vmctx::VmStore;

use super::signals::INTERRUPT_SIGNAL;
use crate::sys;

/// How long the watchdog waits before it repeats a signal.
const REPEAT: Duration = Duration::from_millis(1);

const POISON: &str = "no panic happens under this lock";

/// The part of a store that interrupt handles share: it outlives the store if they do.
pub struct StoreShared {
    vm: UnsafeCell<VmStore>,
    /// The thread that is running the store; 0 outside WebAssembly. Written by that thread around its
    /// outermost entry; read by interrupters, for whom a stale value is harmless: a signal to a
    /// thread that does not run a store with its interrupt word set is ignored.
    ///
    /// Entering is a store to this field, the fence of [`CodeSpace::enter`](crate::code::CodeSpace::enter), a load of the interrupt word;
    /// interrupting is a store to the word, a fence on all threads, a load of this field. So one of the two sees the
    /// other: the thread refuses to enter, or the interrupter signals it.
    thread: AtomicI32,
}

// SAFETY: other threads touch only `thread` and the atomic `interrupt` word of the `VmStore`; everything
// else belongs to the thread that has the store.
unsafe impl Sync for StoreShared {}
// SAFETY: as above; the pointers inside are the store's, which is `Send` itself.
unsafe impl Send for StoreShared {}

impl StoreShared {
    /// The shared part of a new store.
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            vm: UnsafeCell::new(VmStore {
                stack_limit: 0,
                entry_fp: 0,
                exit_fp: 0,
                interrupt: AtomicU32::new(0),
                host: ptr::null_mut(),
            }),
            thread: AtomicI32::new(0),
        })
    }

    /// What generated code sees; stable for the life of the store.
    #[inline]
    pub fn vm(&self) -> *mut VmStore {
        self.vm.get()
    }

    /// Notes which thread runs the store.
    #[inline]
    pub fn set_thread(&self, thread: i32) {
        self.thread.store(thread, Ordering::Release);
    }

    fn word(&self) -> &AtomicU32 {
        // SAFETY: an atomic field; no reference to the whole structure is formed.
        unsafe { &*ptr::addr_of!((*self.vm.get()).interrupt) }
    }

    /// Whether an interruption waits.
    #[inline]
    pub fn is_interrupted(&self) -> bool {
        self.word().load(Ordering::Acquire) != 0
    }

    /// The interruption was reported.
    pub fn clear_interrupt(&self) {
        self.word().store(0, Ordering::Release);
    }

    /// Signals the running thread; false if there is nothing more to do.
    fn nudge(&self) -> bool {
        let thread = self.thread.load(Ordering::Acquire);
        let waiting = self.is_interrupted() && thread != 0;
        if waiting {
            sys::signal_thread(thread, INTERRUPT_SIGNAL);
        }
        waiting
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

/// Interrupts a store from any thread.
#[derive(Clone, Debug)]
pub struct InterruptHandle {
    shared: Arc<StoreShared>,
}

impl InterruptHandle {
    pub(crate) fn new(shared: Arc<StoreShared>) -> Self {
        Self { shared }
    }

    /// Makes the running call (or, if there is none, the next one) trap with
    /// [`TrapCode::Interrupt`](upshift_abi::TrapCode::Interrupt) soon: within microseconds if WebAssembly code is running, else
    /// when the host function returns.
    pub fn interrupt(&self) {
        self.shared.word().store(1, Ordering::Release);
        if !sys::membarrier_all_threads() {
            fence(Ordering::SeqCst);
        }
        if self.shared.nudge() {
            Watchdog::get().watch(&self.shared);
        }
    }
}

/// The thread that repeats signals; started by the first interruption that needs one.
#[derive(Default)]
struct Watchdog {
    stores: Mutex<Vec<Weak<StoreShared>>>,
    work: Condvar,
}

impl Watchdog {
    fn get() -> &'static Self {
        static WATCHDOG: OnceLock<&'static Watchdog> = OnceLock::new();
        WATCHDOG.get_or_init(|| {
            let watchdog: &'static Watchdog = Box::leak(Box::default());
            let thread = std::thread::Builder::new().name("upshift-watchdog".into());
            if let Err(error) = thread.spawn(|| watchdog.run()) {
                log::error!("no watchdog thread ({error}): an interruption may come late");
            }
            watchdog
        })
    }

    fn watch(&self, store: &Arc<StoreShared>) {
        let mut stores = self.stores.lock().expect(POISON);
        let watched = stores
            .iter()
            .any(|watched| watched.as_ptr() == Arc::as_ptr(store));
        if !watched {
            stores.push(Arc::downgrade(store));
            self.work.notify_one();
        }
    }

    fn run(&self) {
        let mut stores = self.stores.lock().expect(POISON);
        loop {
            stores.retain(|store| store.upgrade().is_some_and(|store| store.nudge()));
            stores = if stores.is_empty() {
                self.work.wait(stores).expect(POISON)
            } else {
                self.work.wait_timeout(stores, REPEAT).expect(POISON).0
            };
        }
    }
}
