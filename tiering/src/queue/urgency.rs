//! The urgency of a function's latest request, which may change while the first one waits.

use crate::policy::{Lane, Request};
use crate::sync::{AtomicU8, AtomicU64, Ordering};

/// The lane and priority of the latest request. Written by threads that run WebAssembly, read by
/// compile threads. Relaxed: lane and priority of two requests may be combined, which moves the
/// order of compilations and nothing else.
#[derive(Debug, Default)]
pub(crate) struct Urgency {
    /// The lane's number.
    lane: AtomicU8,
    /// The priority, as the bits of a floating-point number.
    priority: AtomicU64,
}

impl Urgency {
    /// Records the latest request.
    pub(crate) fn set(&self, request: Request) {
        self.lane.store(request.lane as u8, Ordering::Relaxed);
        let bits = request.priority.to_bits();
        self.priority.store(bits, Ordering::Relaxed);
    }

    /// The request, as urgent as the latest.
    pub(crate) fn of(&self, request: Request) -> Request {
        let lane = usize::from(self.lane.load(Ordering::Relaxed));
        Request {
            lane: Lane::ALL[lane],
            priority: f64::from_bits(self.priority.load(Ordering::Relaxed)),
            ..request
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::policy::Level;

    #[test]
    fn the_latest_request_counts() {
        let urgency = Urgency::default();
        let first = Request::new(Level(1), Lane::Normal);
        urgency.set(first);
        urgency.set(Request::new(Level(2), Lane::High).with_priority(2.5));
        let urgent = Request::new(Level(1), Lane::High).with_priority(2.5);
        assert_eq!(urgency.of(first), urgent);
    }
}
