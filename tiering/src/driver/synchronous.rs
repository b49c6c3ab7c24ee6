//! Synchronous switching: requested code is compiled and installed at the request; the running
//! thread waits for it.

use upshift_profiler::{CodeKey, Nanos};

use super::{Driver, Function, Used, ticker};
use crate::home::CodeHome;
use crate::policy::Request;
use crate::sessions::CompileSessions;

/// The driver of [`Switching::Synchronous`](crate::Switching::Synchronous).
#[derive(Debug)]
pub(super) struct Synchronous;

impl<M: CodeHome> Driver<M> for Synchronous {
    fn exhausted(&self, function: Function<'_, M>, used: Used) -> Option<M::Addr> {
        let shared = function.shared();
        shared.ticker.stand_in(shared);
        function.tell_samples();
        function.consult_policy(used.site)
    }

    fn request(&self, function: Function<'_, M>, key: CodeKey, request: Request) {
        function.log_request(key, request, 1);
        let mut sessions = CompileSessions::new(function.shared());
        if let Some(code) = function.compile_claimed(key, &mut sessions) {
            function.install_optimized(key, code);
        }
    }

    /// The policy is told at the function's next exhausted budget, so that the thread that runs it
    /// compiles it.
    fn sampled(&self, _function: Function<'_, M>) {}

    fn begins_optimized(&self) -> bool {
        true
    }

    fn wake(&self, function: Function<'_, M>, after: Nanos) {
        ticker::wake(function, after);
    }
}
