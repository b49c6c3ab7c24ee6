//! First code from the optimizer, compiled on another thread so that the caller can be interrupted.
//!
//! The baseline compiler checks for cancellation between operators. The optimizer can't be stopped
//! in the middle of a Cranelift pass, so where it compiles first code
//! ([`Mode::Optimizer`](crate::Mode)), large functions are compiled on a thread of their own, and
//! the calling thread waits for code or interruption, whichever comes first. Code that comes too
//! late is published all the same, for later calls.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

use upshift_abi::{Cancel, CompileError, DefinedFuncIndex, Tier};
use upshift_runtime::module::FirstCallError;

use crate::function::{FirstCodeGuard, Function};
use crate::home::CodeHome;
use crate::sessions::CompileSessions;

/// Bytes of body from which a function is compiled on another thread. Starting one takes some 50
/// microseconds; Cranelift takes milliseconds for so many bytes, and far more for the worst bodies.
const LARGE: u32 = 2_048;

/// How often a thread that waits for first code checks whether its call is cancelled.
pub(crate) const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// The result that the compiling thread sends to the waiting one.
type Outcome<C> = Result<C, FirstCallError>;

impl<M: CodeHome> Function<'_, M> {
    /// Compiles the first code with the optimizer: on another thread if the body is large and the
    /// system grants a thread.
    pub(crate) fn optimized_first_code(
        &self,
        mut guard: FirstCodeGuard<'_, M::Code>,
        cancel: Cancel<'_>,
    ) -> Outcome<M::Code> {
        let abandoned = Arc::new(AtomicBool::new(false));
        if self.home.facts().body_len(self.index) >= LARGE
            && let Some(receiver) = self.spawn_compilation(&abandoned)
        {
            // The guard is the other thread's from now on.
            guard.0 = None;
            return await_code(self.index, &receiver, &abandoned, cancel);
        }
        let mut request = self.compile_request();
        request.cancel = cancel;
        let mut sessions = CompileSessions::new(self.shared());
        let top = self.shared().ladder.top();
        self.first_code(guard, top, request, &mut sessions)
    }

    /// Starts a thread that compiles the first code; `None` if the system refuses the thread.
    fn spawn_compilation(&self, abandoned: &Arc<AtomicBool>) -> Option<Receiver<Outcome<M::Code>>> {
        let module = self.module.this.upgrade()?;
        let (home, func, abandoned) = (self.home.clone(), self.index, abandoned.clone());
        let (sender, receiver) = sync_channel(1);
        let work = move || {
            let function = module.function(&home, func);
            let guard = FirstCodeGuard(Some(function.state));
            let abandoned = || abandoned.load(Ordering::Relaxed);
            let mut request = function.compile_request();
            request.cancel = Cancel::when(&abandoned);
            let mut sessions = CompileSessions::new(&module.shared);
            let top = module.shared.ladder.top();
            let outcome = function.first_code(guard, top, request, &mut sessions);
            // An error means that the calling thread was interrupted and no longer waits.
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

/// Waits for code or interruption. After an interruption, `abandoned` cancels the compilation;
/// relaxed, since it carries no data.
fn await_code<C>(
    func: DefinedFuncIndex,
    receiver: &Receiver<Outcome<C>>,
    abandoned: &AtomicBool,
    cancel: Cancel<'_>,
) -> Outcome<C> {
    loop {
        match receiver.recv_timeout(POLL_INTERVAL) {
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
