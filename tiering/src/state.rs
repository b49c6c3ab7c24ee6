//! The state of one function and of its loops, and the protocol by which threads change it.
//!
//! ```text
//! Uncompiled ─► Compiling ─► Baseline ─► Queued ─► Optimizing ─► Optimized ◄─► Trial
//!      ▲            │            ▲          │           │                          │
//!      └── failed ──┘            └─ dropped ┘           └─ failed ─► Pinned ◄──────┘
//! ```
//!
//! Every arrow is one compare-and-swap. The thread that wins it does the work that the arrow stands
//! for; the others go on, or wait at a first call. In `Mode::Optimizer` the first code is
//! optimized, and `Compiling` leads to `Optimized` at once. Zeal switching also moves back, from
//! `Optimized` to `Baseline`.

#[cfg(all(test, loom))]
mod models;

use std::sync::{OnceLock, PoisonError};

use upshift_abi::{Cancel, LoopIndex, OsrEntryInfo, Tier};
use upshift_profiler::Nanos;

use crate::account::BudgetAccount;
use crate::first_code::POLL_INTERVAL;
use crate::policy::Memo;
use crate::switch::Contest;
use crate::sync::{AtomicU8, AtomicU32, Condvar, Mutex, MutexGuard, Ordering};

/// Declares an enum of phases and the atomic cell that holds one.
macro_rules! phases {
    (
        $(#[$doc:meta])*
        $name:ident, $atomic:ident { $($(#[$variant_doc:meta])* $variant:ident,)* }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum $name { $($(#[$variant_doc])* $variant,)* }

        impl $name {
            const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The phase's name, as logged.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => stringify!($variant),)* }
            }
        }

        /// A phase, changed by compare-and-swap. Loads acquire and stores release: a thread that
        /// reads a phase also sees everything that was written before the phase was reached.
        #[derive(Debug, Default)]
        pub(crate) struct $atomic(AtomicU8);

        impl $atomic {
            pub(crate) fn get(&self) -> $name {
                $name::ALL[self.0.load(Ordering::Acquire) as usize]
            }

            pub(crate) fn set(&self, phase: $name) {
                self.0.store(phase as u8, Ordering::Release);
            }

            /// Moves from phase `from` to `to`; returns false, and changes nothing, if the phase is
            /// not `from`.
            pub(crate) fn transition(&self, from: $name, to: $name) -> bool {
                let (from, to) = (from as u8, to as u8);
                self.0.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire).is_ok()
            }
        }
    };
}

phases! {
    /// The tier of code that calls of a function run, and the progress of its next compilation.
    Phase, AtomicPhase {
        /// The function has no code yet; its slot leads to the first-call thunk.
        Uncompiled,
        /// One thread compiles the function's first code; other threads that call it wait.
        Compiling,
        /// Calls run baseline code; no optimized code is requested.
        Baseline,
        /// Calls run baseline code; a request for optimized code waits in the queue.
        Queued,
        /// Calls run baseline code; the optimizer is compiling the function.
        Optimizing,
        /// Calls run optimized and baseline code by turns, until it is known which is faster.
        Trial,
        /// Calls run optimized code.
        Optimized,
        /// Calls run the code that the function has, and no other will be requested: the optimizer
        /// refused or failed, or its code was slower.
        Pinned,
    }
}

phases! {
    /// The progress of a loop's OSR entry.
    LoopPhase, AtomicLoopPhase {
        /// No OSR entry exists, and none is requested.
        Idle,
        /// A request for an OSR entry waits in the queue.
        Queued,
        /// The optimizer is compiling the OSR entry.
        Optimizing,
        /// The OSR entry exists: baseline code can continue in it.
        Ready,
        /// Compiling the OSR entry failed, or the function was sent back to baseline code: it is
        /// not requested again.
        Failed,
    }
}

impl Phase {
    /// Whether a request for optimized code is queued or being compiled.
    pub fn is_under_way(self) -> bool {
        matches!(self, Phase::Queued | Phase::Optimizing)
    }
}

impl LoopPhase {
    /// Whether a request for an OSR entry is queued or being compiled.
    pub fn is_under_way(self) -> bool {
        matches!(self, LoopPhase::Queued | LoopPhase::Optimizing)
    }
}

/// The state of one function. `C` is a handle to placed code.
#[derive(Debug)]
pub(crate) struct FuncState<C> {
    pub(crate) phase: AtomicPhase,
    pub(crate) account: BudgetAccount,
    /// What the policy remembers. Locked while the policy decides, and only then.
    memo: Mutex<Memo>,
    /// The length of the code that calls run, in bytes. Relaxed: a figure for policies.
    code_bytes: AtomicU32,
    /// When the function got its first code. Written once, before `phase` leaves `Compiling`.
    pub(crate) first_code_at: OnceLock<Nanos>,
    /// The installed code. The function's slot is written only while this lock is held, so slot and
    /// field agree whenever it is free. Never locked during a compilation.
    installed: Mutex<InstalledCode<C>>,
    /// Notified when `phase` leaves `Compiling`.
    compiled: Condvar,
    /// The loops that can have an OSR entry, sorted by index. Written once, when baseline code is
    /// placed and before it is published.
    loops: OnceLock<Box<[LoopState<C>]>>,
    /// How many OSR entries were requested, compared with the limit. Relaxed: threads that request
    /// at the same moment may exceed the limit by one each.
    pub(crate) osr_requests: AtomicU32,
}

/// The installed code of a function.
#[derive(Debug)]
pub(crate) struct InstalledCode<C> {
    /// The code that the slot leads to.
    pub(crate) current: Option<TierCode<C>>,
    /// The code that `current` replaced, kept by zeal switching, which swaps the two. Always `None`
    /// otherwise: replaced code is retired.
    pub(crate) spare: Option<TierCode<C>>,
    /// What is compared in phase `Trial`, where the slot leads to one of its counters; `None` in
    /// all other phases.
    pub(crate) trial: Option<Box<Contest<C>>>,
}

/// A handle to placed code, and the tier that it is of.
#[derive(Clone, Debug)]
pub(crate) struct TierCode<C> {
    pub(crate) tier: Tier,
    pub(crate) code: C,
}

/// The state of one loop that can have an OSR entry.
#[derive(Debug)]
pub(crate) struct LoopState<C> {
    pub(crate) index: LoopIndex,
    pub(crate) depth: u32,
    pub(crate) phase: AtomicLoopPhase,
    /// How often the OSR entry was taken. Relaxed: a figure for policies.
    pub(crate) entries: AtomicU32,
    /// The OSR entry. Written before `phase` becomes `Ready`, so `Some` in that phase.
    pub(crate) code: Mutex<Option<C>>,
}

/// What the calling thread has to do at a function's first call.
#[derive(Debug)]
pub(crate) enum FirstCallAction<C> {
    /// Call this code: the function has been compiled.
    Call(C),
    /// Compile the first code, then call [`finish_first_code`](FuncState::finish_first_code).
    Compile,
    /// End the call: it was cancelled while another thread compiled the first code.
    Cancelled,
}

impl<C: Clone> FuncState<C> {
    pub(crate) fn new() -> Self {
        Self {
            phase: AtomicPhase::default(),
            account: BudgetAccount::default(),
            memo: Mutex::default(),
            code_bytes: AtomicU32::new(0),
            first_code_at: OnceLock::new(),
            installed: Mutex::new(InstalledCode {
                current: None,
                spare: None,
                trial: None,
            }),
            compiled: Condvar::new(),
            loops: OnceLock::new(),
            osr_requests: AtomicU32::new(0),
        }
    }

    /// Returns the installed code, or claims the compilation of the first code for the calling
    /// thread. Waits while another thread compiles it, until `cancel` is requested.
    pub(crate) fn begin_first_call(&self, cancel: Cancel<'_>) -> FirstCallAction<C> {
        let mut installed = self.installed();
        loop {
            if let Some(code) = &installed.current {
                return FirstCallAction::Call(code.code.clone());
            }
            if self.phase.transition(Phase::Uncompiled, Phase::Compiling) {
                return FirstCallAction::Compile;
            }
            if cancel.is_requested() {
                return FirstCallAction::Cancelled;
            }
            let waited = self.compiled.wait_timeout(installed, POLL_INTERVAL);
            installed = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Ends what [`begin_first_call`](Self::begin_first_call) claimed: with code in `installed` and
    /// the phase that goes with it, or, after a failure, with no code and `Phase::Uncompiled`.
    pub(crate) fn finish_first_code(
        &self,
        installed: MutexGuard<'_, InstalledCode<C>>,
        phase: Phase,
    ) {
        self.phase.set(phase);
        drop(installed);
        self.compiled.notify_all();
    }

    pub(crate) fn installed(&self) -> MutexGuard<'_, InstalledCode<C>> {
        self.installed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// What the policy remembers of the function, locked.
    pub(crate) fn memo(&self) -> MutexGuard<'_, Memo> {
        self.memo.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn code_bytes(&self) -> u32 {
        self.code_bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn set_code_bytes(&self, bytes: u32) {
        self.code_bytes.store(bytes, Ordering::Relaxed);
    }

    /// Records the loops of the function's baseline code, which are the same in every compilation.
    pub(crate) fn set_loops(&self, loops: &[OsrEntryInfo]) {
        self.loops.get_or_init(|| {
            let mut loops: Vec<_> = loops.iter().map(LoopState::new).collect();
            loops.sort_by_key(|state| state.index);
            loops.into()
        });
    }

    /// All loops that can have an OSR entry.
    pub(crate) fn loop_states(&self) -> &[LoopState<C>] {
        self.loops.get().map_or(&[], |loops| loops)
    }

    /// The state of the loop, if it can have an OSR entry.
    pub(crate) fn loop_state(&self, index: LoopIndex) -> Option<&LoopState<C>> {
        let loops = self.loops.get()?;
        let i = loops.binary_search_by_key(&index, |state| state.index);
        i.ok().map(|i| &loops[i])
    }
}

impl<C: Clone> LoopState<C> {
    fn new(info: &OsrEntryInfo) -> Self {
        Self {
            index: info.index,
            depth: info.depth,
            phase: AtomicLoopPhase::default(),
            entries: AtomicU32::new(0),
            code: Mutex::new(None),
        }
    }

    /// The OSR entry, if its phase is `Ready`.
    pub(crate) fn ready(&self) -> Option<C> {
        if self.phase.get() != LoopPhase::Ready {
            return None;
        }
        self.code
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Withdraws the OSR entry for good and returns it, if it was ready.
    pub(crate) fn withdraw(&self) -> Option<C> {
        let mut code = self.code.lock().unwrap_or_else(PoisonError::into_inner);
        self.phase.set(LoopPhase::Failed);
        code.take()
    }

    /// Makes the OSR entry available and returns the one that it replaces.
    pub(crate) fn install(&self, code: C) -> Option<C> {
        let before = self
            .code
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .replace(code);
        self.phase.set(LoopPhase::Ready);
        before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_arrow_is_won_once() {
        let state = FuncState::<u32>::new();
        assert!(matches!(
            state.begin_first_call(Cancel::NEVER),
            FirstCallAction::Compile
        ));
        assert!(!state.phase.transition(Phase::Uncompiled, Phase::Compiling));
        let mut installed = state.installed();
        installed.current = Some(TierCode {
            tier: Tier::Baseline,
            code: 7,
        });
        state.finish_first_code(installed, Phase::Baseline);
        assert!(matches!(
            state.begin_first_call(Cancel::NEVER),
            FirstCallAction::Call(7)
        ));
        assert!(state.phase.transition(Phase::Baseline, Phase::Queued));
        assert!(!state.phase.transition(Phase::Baseline, Phase::Queued));
    }

    #[test]
    fn loops_are_found_by_index() {
        let state = FuncState::<u32>::new();
        let info = |index| OsrEntryInfo {
            index: LoopIndex(index),
            wasm: upshift_abi::WasmOffset(0),
            depth: index,
        };
        state.set_loops(&[info(4), info(1)]);
        assert_eq!(state.loop_state(LoopIndex(4)).unwrap().depth, 4);
        assert!(state.loop_state(LoopIndex(2)).is_none());
        let entry = state.loop_state(LoopIndex(1)).unwrap();
        assert_eq!(entry.ready(), None);
        assert_eq!(entry.install(9), None);
        assert_eq!(entry.ready(), Some(9));
    }
}
