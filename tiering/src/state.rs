//! The state of one function and of its loops, as threads share it.
//!
//! What states there are and what leads from one to the next is in
//! [`lifecycle`](crate::lifecycle), as pure functions; here are the cells that hold them, the code
//! that goes with them, and the waiting for first code.

#[cfg(all(test, loom))]
mod models;

use std::sync::{OnceLock, PoisonError};

use upshift_abi::{Cancel, LoopIndex, OsrEntryInfo};
use upshift_profiler::{Nanos, ReqId};

use crate::account::{Account, Granted};
use crate::contest::Contest;
use crate::first_code::POLL_INTERVAL;
use crate::lifecycle::{Lifecycle, LoopPhase, LoopStep, Phase, Step};
use crate::policy::{Level, Memo};
use crate::queue::Urgency;
use crate::sync::{AtomicU8, AtomicU32, AtomicU64, Condvar, Mutex, MutexGuard, Ordering};

/// The state of a function's code, changed by compare-and-swap. Loads acquire and steps release: a
/// thread that reads a state also sees everything that was written before the state was reached.
///
/// Beside the state it holds the number of the request that took the last [`Step::Request`]. A
/// request that was withdrawn stays in the queue until a compile thread takes it. By then the
/// function may have been requested anew, and what the queue holds of the old request must neither
/// begin nor drop the new one.
#[derive(Debug)]
pub(crate) struct AtomicState(AtomicU64);

impl AtomicState {
    fn new() -> Self {
        Self(AtomicU64::new(pack(Lifecycle::START, ReqId::NONE)))
    }

    pub(crate) fn get(&self) -> Lifecycle {
        unpack(self.0.load(Ordering::Acquire)).0
    }

    pub(crate) fn phase(&self) -> Phase {
        self.get().phase
    }

    /// The state, and the number of the latest request.
    pub(crate) fn requested(&self) -> (Lifecycle, ReqId) {
        unpack(self.0.load(Ordering::Acquire))
    }

    /// Takes a step. Returns false, and changes nothing, if it is not possible or no longer so.
    pub(crate) fn step(&self, step: Step) -> bool {
        self.update(|state, req| Some((state.step(step)?, req)))
    }

    /// Takes [`Step::Request`] for the request with this number.
    pub(crate) fn request(&self, level: Level, req: ReqId) -> bool {
        self.update(|state, _| Some((state.step(Step::Request(level))?, req)))
    }

    /// Takes a step of the request with this number; not if another one has been made since.
    pub(crate) fn step_of(&self, req: ReqId, step: Step) -> bool {
        self.update(|state, latest| match latest == req {
            true => Some((state.step(step)?, req)),
            false => None,
        })
    }

    /// Whether the request with this number is the latest one, and waits.
    pub(crate) fn is_queued(&self, req: ReqId) -> bool {
        let (state, latest) = unpack(self.0.load(Ordering::Acquire));
        latest == req && state.phase == Phase::Queued
    }

    fn update(&self, next: impl Fn(Lifecycle, ReqId) -> Option<(Lifecycle, ReqId)>) -> bool {
        let update = |bits| {
            let (state, req) = unpack(bits);
            next(state, req).map(|(state, req)| pack(state, req))
        };
        let updated = self
            .0
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, update);
        updated.is_ok()
    }
}

fn pack(Lifecycle { phase, level }: Lifecycle, req: ReqId) -> u64 {
    phase as u64 | u64::from(level.0) << 8 | u64::from(req.0) << 32
}

fn unpack(bits: u64) -> (Lifecycle, ReqId) {
    let state = Lifecycle {
        phase: Phase::ALL[(bits & 0xff) as usize],
        level: Level((bits >> 8) as u8),
    };
    (state, ReqId((bits >> 32) as u32))
}

/// The phase of a loop's OSR entry, changed and ordered as [`AtomicState`] is.
#[derive(Debug)]
pub(crate) struct AtomicLoopPhase(AtomicU8);

impl AtomicLoopPhase {
    fn new(phase: LoopPhase) -> Self {
        Self(AtomicU8::new(phase as u8))
    }

    pub(crate) fn get(&self) -> LoopPhase {
        LoopPhase::ALL[self.0.load(Ordering::Acquire) as usize]
    }

    /// Takes a step. Returns false, and changes nothing, if it is not possible or no longer so.
    pub(crate) fn step(&self, step: LoopStep) -> bool {
        let update = |phase| {
            let next = LoopPhase::ALL[usize::from(phase)].step(step);
            next.map(|phase| phase as u8)
        };
        let updated = self
            .0
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, update);
        updated.is_ok()
    }
}

/// The state of one function. `C` is a handle to placed code.
#[derive(Debug)]
pub(crate) struct FuncState<C> {
    pub(crate) code: AtomicState,
    pub(crate) account: Account,
    /// What the budget was.
    pub(crate) granted: Granted,
    /// What the policy remembers. Locked while the policy decides, and only then.
    memo: Mutex<Memo>,
    /// The urgency of the latest request for the function.
    pub(crate) urgency: Urgency,
    /// The length of the code that calls run, in bytes. Relaxed: a figure for policies.
    code_bytes: AtomicU32,
    /// When the wake-up that counts is due; 0 if there is none. Relaxed: a wake-up carries no data.
    wake_at: AtomicU64,
    /// When the function got its first code. Written once, before the phase leaves `Compiling`.
    pub(crate) first_code_at: OnceLock<Nanos>,
    /// The installed code. The function's slot is written only while this lock is held, so slot and
    /// field agree whenever it is free. Never locked during a compilation.
    installed: Mutex<InstalledCode<C>>,
    /// Notified when the phase leaves `Compiling`.
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
    pub(crate) current: Option<LevelCode<C>>,
    /// The code that `current` replaced, kept by zeal switching, which swaps the two. Always `None`
    /// otherwise: replaced code is retired.
    pub(crate) spare: Option<LevelCode<C>>,
    /// What is compared in phase `Trial`, where the slot leads to one of its counters; `None` in
    /// all other phases.
    pub(crate) trial: Option<Box<Contest<C>>>,
}

/// A handle to placed code, and the level that it is of.
#[derive(Clone, Debug)]
pub(crate) struct LevelCode<C> {
    pub(crate) level: Level,
    pub(crate) code: C,
    /// What the slot leads to instead, if calls of the code are counted.
    pub(crate) counter: Option<C>,
}

impl<C> LevelCode<C> {
    /// Code whose calls are not counted before it.
    pub(crate) fn new(level: Level, code: C) -> Self {
        let counter = None;
        Self {
            level,
            code,
            counter,
        }
    }
}

/// The state of one loop that can have an OSR entry.
#[derive(Debug)]
pub(crate) struct LoopState<C> {
    pub(crate) index: LoopIndex,
    pub(crate) depth: u32,
    pub(crate) phase: AtomicLoopPhase,
    /// How often the OSR entry was taken. Relaxed: a figure for policies.
    pub(crate) entries: AtomicU32,
    /// The number of the latest request for the OSR entry; 0 if there was none. Relaxed: a figure
    /// for profiles.
    pub(crate) request: AtomicU32,
    /// The OSR entry. Written before `phase` becomes `Ready`, so `Some` in that phase.
    pub(crate) code: Mutex<Option<LevelCode<C>>>,
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
            code: AtomicState::new(),
            account: Account::default(),
            granted: Granted::default(),
            memo: Mutex::default(),
            urgency: Urgency::default(),
            code_bytes: AtomicU32::new(0),
            wake_at: AtomicU64::new(0),
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
            if self.code.step(Step::BeginFirstCode) {
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
    /// [`Step::FinishFirstCode`], or, after a failure, with no code and [`Step::FailFirstCode`].
    pub(crate) fn finish_first_code(
        &self,
        installed: MutexGuard<'_, InstalledCode<C>>,
        step: Step,
    ) {
        let stepped = self.code.step(step);
        debug_assert!(stepped, "the calling thread has claimed the first code");
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

    /// Makes the wake-up that is due then the one that counts; returns when the one before was due
    /// that has not come.
    pub(crate) fn set_wake(&self, due: Nanos) -> Option<Nanos> {
        let before = self.wake_at.swap(due.0, Ordering::Relaxed);
        (before != 0).then_some(Nanos(before))
    }

    /// When the wake-up that counts is due.
    pub(crate) fn wake_due(&self) -> Option<Nanos> {
        let due = self.wake_at.load(Ordering::Relaxed);
        (due != 0).then_some(Nanos(due))
    }

    /// Takes the wake-up that is due then; false if it does not count, or no longer.
    pub(crate) fn take_wake(&self, due: Nanos) -> bool {
        let (relaxed, none) = (Ordering::Relaxed, 0);
        self.wake_at
            .compare_exchange(due.0, none, relaxed, relaxed)
            .is_ok()
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
            phase: AtomicLoopPhase::new(LoopPhase::Idle),
            entries: AtomicU32::new(0),
            request: AtomicU32::new(0),
            code: Mutex::new(None),
        }
    }

    /// The OSR entry, if its phase is `Ready`.
    pub(crate) fn ready(&self) -> Option<LevelCode<C>> {
        if self.phase.get() != LoopPhase::Ready {
            return None;
        }
        self.code
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Withdraws the OSR entry for good and returns it, if it was ready.
    pub(crate) fn withdraw(&self) -> Option<LevelCode<C>> {
        let mut code = self.code.lock().unwrap_or_else(PoisonError::into_inner);
        self.phase.step(LoopStep::Fail);
        code.take()
    }

    /// Makes the OSR entry available and returns the code that is to be retired for it: the entry
    /// that it replaces, if any, or the new one itself, if the loop has failed meanwhile.
    pub(crate) fn install(&self, code: LevelCode<C>) -> Option<LevelCode<C>> {
        let mut current = self.code.lock().unwrap_or_else(PoisonError::into_inner);
        // Failing takes the lock too, so that nothing comes between the two.
        match self.phase.get().step(LoopStep::Install) {
            Some(_) => {
                let before = current.replace(code);
                self.phase.step(LoopStep::Install);
                before
            }
            None => Some(code),
        }
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
        assert!(!state.code.step(Step::BeginFirstCode));
        let mut installed = state.installed();
        installed.current = Some(LevelCode::new(Level::FIRST, 7));
        let (level, pinned) = (Level::FIRST, false);
        state.finish_first_code(installed, Step::FinishFirstCode { level, pinned });
        assert!(matches!(
            state.begin_first_call(Cancel::NEVER),
            FirstCallAction::Call(7)
        ));
        assert!(state.code.step(Step::Request(Level(1))));
        assert!(!state.code.step(Step::Request(Level(1))));
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
        let code = |n| LevelCode::new(Level(1), n);
        let number = |code: Option<LevelCode<u32>>| code.map(|code| code.code);
        assert_eq!(number(entry.ready()), None);
        assert!(entry.phase.step(LoopStep::Request) && entry.phase.step(LoopStep::Begin));
        assert_eq!(number(entry.install(code(9))), None);
        assert_eq!(number(entry.ready()), Some(9));
        assert_eq!(number(entry.install(code(10))), Some(9));
        assert_eq!(
            (number(entry.withdraw()), number(entry.ready())),
            (Some(10), None)
        );
        // Compiled while the loop failed.
        assert_eq!(
            (number(entry.install(code(11))), number(entry.ready())),
            (Some(11), None)
        );
    }
}
