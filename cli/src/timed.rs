//! What a call takes, on the clock and of its thread.

use std::time::{Duration, Instant};

use upshift::{Result, ThreadClock};

/// What a call took.
#[derive(Clone, Copy, Debug)]
pub struct Took {
    /// From its start to its end.
    pub wall: Duration,
    /// Processor time of the thread; `None` if its clock can't be read.
    pub thread_cpu: Option<Duration>,
}

/// Calls, and says what it took, if it ends as it should. The clock is that of the calling thread.
///
/// # Errors
///
/// Those of the call.
pub fn timed<T>(clock: ThreadClock, call: impl FnOnce() -> Result<T>) -> Result<(T, Took)> {
    let (began, used) = (Instant::now(), clock.now());
    let ended = call();
    let (wall, now) = (began.elapsed(), clock.now());
    let thread_cpu = now.zip(used).map(|(now, used)| now.saturating_sub(used));
    Ok((ended?, Took { wall, thread_cpu }))
}
