//! First code on a thread of its own, so that whoever waits for it can be interrupted.
//!
//! The baseline asks between operators whether it is still wanted. The optimizer can't be asked to stop in the middle
//! of a pass of Cranelift's, so where it makes first code ([`Mode::Optimizer`](crate::Mode)), large functions are
//! compiled elsewhere, and the caller waits for code or interruption, whichever comes first. Code that comes too late is
//! published all the same: the work is done, and somebody may call the function again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

use upshift_abi::{Cancel, CompileError, CompileRequest, DefinedFuncIndex, Tier};
use upshift_runtime::module::FirstCallError;

use crate::home::CodeHome;
use crate::module::{FirstCodeGuard, ModuleState};
use crate::sessions::CompileSessions;

/// Bytes of a body from which a thread of its own is worth its start, some 50 microseconds. Cranelift takes
/// milliseconds for so many, and far more for the worst bodies.
const LARGE: u32 = 2_048;

/// How often whoever waits looks whether it is to go on waiting.
pub(crate) const LOOK: Duration = Duration::from_millis(5);

/// What a thread that compiles elsewhere sends.
type Outcome<C> = Result<C, FirstCallError>;

impl<M: CodeHome> ModuleState<M> {
    /// Makes a function's first code with the optimizer: elsewhere if it is large and the system has a thread.
    pub(crate) fn optimized_first_code(
        &self,
        home: &Arc<M>,
        mut guard: FirstCodeGuard<'_, M::Code>,
        func: DefinedFuncIndex,
        cancel: Cancel<'_>,
    ) -> Outcome<M::Code> {
        let abandoned = Arc::new(AtomicBool::new(false));
        if home.facts().body_len(func) >= LARGE
            && let Some(receiver) = self.start_elsewhere(home, func, &abandoned)
        {
            // The other thread's from now on.
            guard.0 = None;
            return await_code(func, &receiver, &abandoned, cancel);
        }
        let mut request = CompileRequest::new(home.facts(), home.wasm(), func);
        request.cancel = cancel;
        let mut sessions = CompileSessions::new(&self.shared);
        self.first_code(home, guard, Tier::Optimizer, request, &mut sessions)
    }

    fn start_elsewhere(
        &self,
        home: &Arc<M>,
        func: DefinedFuncIndex,
        abandoned: &Arc<AtomicBool>,
    ) -> Option<Receiver<Outcome<M::Code>>> {
        let (state, home, abandoned) = (self.this.upgrade()?, home.clone(), abandoned.clone());
        let (sender, receiver) = sync_channel(1);
        let work = move || {
            let guard = FirstCodeGuard(Some(state.func(func)));
            let abandoned = || abandoned.load(Ordering::Relaxed);
            let mut request = CompileRequest::new(home.facts(), home.wasm(), func);
            request.cancel = Cancel::when(&abandoned);
            let mut sessions = CompileSessions::new(&state.shared);
            let outcome = state.first_code(&home, guard, Tier::Optimizer, request, &mut sessions);
            // Refused if nobody waits any more.
            let _ = sender.send(outcome);
        };
        let thread = thread::Builder::new().name("upshift-first-call".into());
        match thread.spawn(work) {
            Ok(_) => Some(receiver),
            Err(error) => {
                log::debug!("{func} is compiled by its caller: no thread ({error})");
                None
            }
        }
    }
}

/// Waits for code or interruption.
fn await_code<C>(
    func: DefinedFuncIndex,
    receiver: &Receiver<Outcome<C>>,
    abandoned: &AtomicBool,
    cancel: Cancel<'_>,
) -> Outcome<C> {
    loop {
        match receiver.recv_timeout(LOOK) {
            Ok(outcome) => return outcome,
            Err(RecvTimeoutError::Timeout) if cancel.is_requested() => {
                abandoned.store(true, Ordering::Relaxed);
                return Err(CompileError::Cancelled { func }.into());
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                let error = CompileError::Internal {
                    func,
                    tier: Tier::Optimizer,
                    message: "panic while placing code".into(),
                };
                return Err(error.into());
            }
        }
    }
}
