//! The events that a policy decides on.

use upshift_abi::LoopIndex;
use upshift_profiler::Nanos;

use super::Level;
use crate::lifecycle::LoopPhase;

/// An event in the life of a function, on which its policy decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PolicyEvent {
    /// The function got its first code and is about to run it.
    FirstCode,
    /// The function's budget ran out at its entry.
    Entry,
    /// The function's budget ran out at the back edge of a loop. Where the loop can have no OSR
    /// entry, its phase is [`LoopPhase::Closed`].
    Loop(LoopView),
    /// A compile thread has taken the function's request from the queue. The request is compiled
    /// unless the decision [withdraws](super::Decision::withdraw) it.
    Dequeued {
        /// The level that was requested.
        level: Level,
        /// How long the request has waited.
        waited: Nanos,
    },
    /// Calls of the function run code of this level from now on.
    Published(Level),
    /// The time has come that an earlier decision [asked for](super::Decision::wake).
    Wake,
    /// Samples found a thread in the function, so many times since the last event of this kind.
    Sampled(u32),
    /// The function has code, and an earlier run of the module requested optimized code of it: see
    /// [`Policy::recorded`](super::Policy::recorded), which is called for this event.
    Recorded(Recorded),
}

/// A request that an earlier run of the module has made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recorded {
    /// The number of the request among those of that run; the first is 0.
    pub order: u32,
    /// The level of the code.
    pub level: Level,
    /// The loop that needed an OSR entry; `None` if the whole function was requested.
    pub site: Option<LoopView>,
}

impl PolicyEvent {
    /// The event's name, as logged.
    pub fn name(&self) -> &'static str {
        match self {
            PolicyEvent::FirstCode => "first-code",
            PolicyEvent::Entry => "entry",
            PolicyEvent::Loop(_) => "loop",
            PolicyEvent::Dequeued { .. } => "dequeued",
            PolicyEvent::Published(_) => "published",
            PolicyEvent::Wake => "wake",
            PolicyEvent::Sampled(_) => "sampled",
            PolicyEvent::Recorded(_) => "recorded",
        }
    }
}

/// The state of a loop, as policies see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoopView {
    /// The index of the loop in its function.
    pub index: LoopIndex,
    /// The number of loops around it.
    pub depth: u32,
    /// The phase of the loop's OSR entry.
    pub phase: LoopPhase,
    /// How often the OSR entry was taken.
    pub entries: u32,
}

impl LoopView {
    /// Whether a request for the loop's OSR entry would be taken: none exists and none is under
    /// way.
    pub fn can_rise(&self) -> bool {
        self.phase == LoopPhase::Idle
    }
}
