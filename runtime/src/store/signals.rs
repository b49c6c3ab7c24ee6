//! Which signals a thread gets that runs WebAssembly.
//!
//! A thread inherits the signals that are blocked: from the thread that started it, and the first
//! thread of a process from the process that started that. A blocked fault ends the process where a
//! trap was meant, a blocked SIGURG makes deadlines wait for ever, and a blocked SIGPROF makes
//! samplers see nothing. So a thread unblocks what the engine needs before it runs its first store.
//! A host function that blocks some of them later is left alone.

use std::cell::Cell;

use crate::interrupt::INTERRUPT_SIGNAL;
use crate::sampler::SAMPLE_SIGNAL;
use crate::sys;

/// The signals of traps and interruptions.
pub(crate) const TRAP_SIGNALS: [libc::c_int; 5] = [
    libc::SIGSEGV,
    libc::SIGBUS,
    libc::SIGILL,
    libc::SIGFPE,
    INTERRUPT_SIGNAL,
];

/// What a store needs, or a thread has unblocked: each includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Signals {
    /// Nothing.
    None,
    /// [`TRAP_SIGNALS`].
    Traps,
    /// And the signal of samples.
    TrapsAndSamples,
}

thread_local! {
    /// What the calling thread has unblocked.
    static UNBLOCKED: Cell<Signals> = const { Cell::new(Signals::None) };
}

impl Signals {
    /// Makes the calling thread get these signals. A comparison, except the first time.
    #[inline]
    pub(super) fn unblock(self) {
        if UNBLOCKED.get() < self {
            self.unblock_first();
        }
    }

    #[cold]
    fn unblock_first(self) {
        sys::unblock(&TRAP_SIGNALS);
        if self == Self::TrapsAndSamples {
            sys::unblock(&[SAMPLE_SIGNAL]);
        }
        UNBLOCKED.set(self);
    }
}
