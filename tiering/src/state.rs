//! The state of one function and of its loops, and how threads agree on it.
//!
//! ```text
//! Uncompiled ─► Compiling ─► Baseline ─► Queued ─► Optimizing ─► Optimized
//!      ▲            │            ▲          │           │
//!      └── failed ──┘            └─ dropped ┘           └─ failed ─► Pinned
//! ```
//!
//! Every arrow is one compare-and-swap: who wins it does the work that it stands for, everybody
//! else goes on (or, at a first call, waits). In `Mode::Optimizer` the first code is optimized, and
//! `Compiling` leads to `Optimized` at once. Zeal also moves back, from `Optimized` to `Baseline`.

use std::sync::atomic::{AtomicI32, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};

use upshift_abi::{Cancel, LoopIndex, OsrEntryInfo, Tier};
use upshift_profiler::Nanos;

use crate::first_code::LOOK;

/// An enum that is kept in an atomic.
macro_rules! phases {
    ($(#[$doc:meta])* $name:ident, $atomic:ident { $($(#[$variant_doc:meta])* $variant:ident,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum $name { $($(#[$variant_doc])* $variant,)* }

        impl $name {
            const ALL: &'static [Self] = &[$(Self::$variant,)*];
        }

        /// The phase, changed by compare-and-swap. Acquire and release: who sees a phase sees what
        /// was written before it was reached.
        #[derive(Debug, Default)]
        pub(crate) struct $atomic(AtomicU8);

        impl $atomic {
            pub(crate) fn get(&self) -> $name {
                $name::ALL[self.0.load(Ordering::Acquire) as usize]
            }

            pub(crate) fn set(&self, phase: $name) {
                self.0.store(phase as u8, Ordering::Release);
            }

            /// Goes from one phase to another; false if somebody else was first.
            pub(crate) fn go(&self, from: $name, to: $name) -> bool {
                let (from, to) = (from as u8, to as u8);
                self.0.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire).is_ok()
            }
        }
    };
}

phases! {
    /// What code a function runs, and what is under way for it.
    Phase, AtomicPhase {
        /// It has no code.
        Uncompiled,
        /// Its first code is being made by one thread; others that call it wait.
        Compiling,
        /// Calls run baseline code.
        Baseline,
        /// So they do, and the optimizer has been asked for it.
        Queued,
        /// So they do, and the optimizer is at work on it.
        Optimizing,
        /// Calls run optimized code.
        Optimized,
        /// It keeps the code it has.
        Pinned,
    }
}

phases! {
    /// Whether a loop has an OSR entry, and what is under way for it.
    LoopPhase, AtomicLoopPhase {
        /// Nobody has asked for one.
        Idle,
        /// The optimizer has been asked for one.
        Queued,
        /// The optimizer is at work on it.
        Optimizing,
        /// The loop can be entered.
        Ready,
        /// There will be none.
        Failed,
    }
}

impl Phase {
    /// Whether the optimizer has been asked for it and has not answered.
    pub fn is_under_way(self) -> bool {
        matches!(self, Phase::Queued | Phase::Optimizing)
    }
}

impl LoopPhase {
    /// Whether the optimizer has been asked for it and has not answered.
    pub fn is_under_way(self) -> bool {
        matches!(self, LoopPhase::Queued | LoopPhase::Optimizing)
    }
}

/// One function. `C` is a handle to placed code.
#[derive(Debug)]
pub(crate) struct FuncState<C> {
    pub(crate) phase: AtomicPhase,
    pub(crate) account: BudgetAccount,
    /// When it got its first code. Written once, before `phase` leaves `Compiling`.
    pub(crate) born: OnceLock<Nanos>,
    /// The code that calls run. The function's slot is written only while this is locked, so slot
    /// and field agree whenever it is not. Never held while something is compiled.
    held: Mutex<Held<C>>,
    /// Told when `phase` leaves `Compiling`.
    compiled: Condvar,
    /// The loops that can be left, sorted by index. Written once, when baseline code is placed and
    /// before it is published.
    loops: OnceLock<Box<[LoopState<C>]>>,
    /// OSR entries asked for, for the limit.
    pub(crate) osr_requests: AtomicU32,
}

/// The code of a function that is in use.
#[derive(Debug)]
pub(crate) struct Held<C> {
    /// What the slot leads to.
    pub(crate) current: Option<TierCode<C>>,
    /// The code from before, which zeal keeps to go back to; otherwise it is retired.
    pub(crate) spare: Option<TierCode<C>>,
}

/// Code of a function, and whose it is.
#[derive(Clone, Debug)]
pub(crate) struct TierCode<C> {
    pub(crate) tier: Tier,
    pub(crate) code: C,
}

/// One loop.
#[derive(Debug)]
pub(crate) struct LoopState<C> {
    pub(crate) index: LoopIndex,
    pub(crate) depth: u32,
    pub(crate) phase: AtomicLoopPhase,
    /// How often its OSR entry was taken.
    pub(crate) entries: AtomicU32,
    /// The OSR entry; `Some` while `phase` is `Ready`.
    pub(crate) code: Mutex<Option<C>>,
}

/// What a thread that calls a function for the first time has to do.
#[derive(Debug)]
pub(crate) enum FirstCall<C> {
    /// Call this: the function has code.
    Call(C),
    /// Make the first code, then [`finish_first_code`](FuncState::finish_first_code).
    Compile,
    /// Don't wait for whoever is making it: the call is to end.
    Cancelled,
}

impl<C: Clone> FuncState<C> {
    pub(crate) fn new() -> Self {
        Self {
            phase: AtomicPhase::default(),
            account: BudgetAccount::default(),
            born: OnceLock::new(),
            held: Mutex::new(Held {
                current: None,
                spare: None,
            }),
            compiled: Condvar::new(),
            loops: OnceLock::new(),
            osr_requests: AtomicU32::new(0),
        }
    }

    /// Finds code or becomes the one who makes it; waits while somebody else does, unless that is cancelled.
    pub(crate) fn begin(&self, cancel: Cancel<'_>) -> FirstCall<C> {
        let mut held = self.held();
        loop {
            if let Some(piece) = &held.current {
                return FirstCall::Call(piece.code.clone());
            }
            if self.phase.go(Phase::Uncompiled, Phase::Compiling) {
                return FirstCall::Compile;
            }
            if cancel.is_requested() {
                return FirstCall::Cancelled;
            }
            let waited = self.compiled.wait_timeout(held, LOOK);
            held = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Ends what [`begin`](Self::begin) began: with code in `held` and the phase that goes with
    /// it, or with neither.
    pub(crate) fn finish_first_code(&self, held: MutexGuard<'_, Held<C>>, phase: Phase) {
        self.phase.set(phase);
        drop(held);
        self.compiled.notify_all();
    }

    pub(crate) fn held(&self) -> MutexGuard<'_, Held<C>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of the loops of the function's baseline code; the same in every compilation.
    pub(crate) fn set_loops(&self, loops: &[OsrEntryInfo]) {
        self.loops.get_or_init(|| {
            let mut loops: Vec<_> = loops.iter().map(LoopState::new).collect();
            loops.sort_by_key(|state| state.index);
            loops.into()
        });
    }

    /// The loop, if it can be left.
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

    /// The OSR entry, if there is one.
    pub(crate) fn ready(&self) -> Option<C> {
        if self.phase.get() != LoopPhase::Ready {
            return None;
        }
        self.code
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Makes the OSR entry available and returns the one before.
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

/// What a function has been granted and what it has used.
///
/// The budget cell itself is shared with generated code, which subtracts without atomicity, so
/// all of this is an estimate: a lost update moves a tier-up and nothing else. Hence relaxed
/// orderings throughout.
#[derive(Debug, Default)]
pub(crate) struct BudgetAccount {
    /// What the cell held when it was last looked at or set.
    known: AtomicI32,
    /// Units used since the first code.
    units: AtomicU64,
    /// `units` when something was last requested.
    units_at_request: AtomicU64,
    /// When that was; 0 before.
    requested_at: AtomicU64,
    pub(crate) entry_exhaustions: AtomicU32,
    pub(crate) loop_exhaustions: AtomicU32,
}

impl BudgetAccount {
    /// Accounts for what was used, given what the cell holds now; returns the difference.
    pub(crate) fn charge(&self, cell: i32) -> u64 {
        let before = self.known.swap(cell, Ordering::Relaxed);
        let used = u64::try_from(i64::from(before) - i64::from(cell)).unwrap_or(0);
        self.units.fetch_add(used, Ordering::Relaxed);
        used
    }

    /// Takes note of what the cell is about to be set to.
    pub(crate) fn grant(&self, cell: i32) {
        self.known.store(cell, Ordering::Relaxed);
    }

    /// Takes note of a request.
    pub(crate) fn requested(&self, at: Nanos) {
        self.units_at_request.store(self.units(), Ordering::Relaxed);
        self.requested_at.store(at.0, Ordering::Relaxed);
    }

    /// When something was last requested; 0 before.
    pub(crate) fn requested_at(&self) -> Nanos {
        Nanos(self.requested_at.load(Ordering::Relaxed))
    }

    pub(crate) fn units(&self) -> u64 {
        self.units.load(Ordering::Relaxed)
    }

    pub(crate) fn units_since_request(&self) -> u64 {
        self.units()
            .saturating_sub(self.units_at_request.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_arrow_is_won_once() {
        let state = FuncState::<u32>::new();
        assert!(matches!(state.begin(Cancel::NEVER), FirstCall::Compile));
        assert!(!state.phase.go(Phase::Uncompiled, Phase::Compiling));
        let mut held = state.held();
        held.current = Some(TierCode {
            tier: Tier::Baseline,
            code: 7,
        });
        state.finish_first_code(held, Phase::Baseline);
        assert!(matches!(state.begin(Cancel::NEVER), FirstCall::Call(7)));
        assert!(state.phase.go(Phase::Baseline, Phase::Queued));
        assert!(!state.phase.go(Phase::Baseline, Phase::Queued));
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

    #[test]
    fn the_ledger_counts_what_the_cell_lost() {
        let account = BudgetAccount::default();
        account.grant(100);
        assert_eq!(account.charge(-3), 103);
        // A second thread that ran out at the same time adds only its own part.
        assert_eq!(account.charge(-4), 1);
        account.requested(Nanos(7));
        account.grant(10);
        assert_eq!(account.charge(-1), 11);
        assert_eq!((account.units(), account.units_since_request()), (115, 11));
        // Somebody else's grant shows as a rise, which is not work.
        assert_eq!(account.charge(500), 0);
    }
}
