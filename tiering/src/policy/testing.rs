//! What tests of policies share.

use upshift_abi::LoopIndex;

use super::{Decision, Lane, LoopPhase, LoopView, Memo, Policy, PolicyEvent, Request, View};

/// A view of a function whose body has that many bytes and that has used that many units, in a
/// process with more than one core.
pub(super) fn view(body_bytes: u32, units: u64) -> View {
    View {
        body_bytes,
        units,
        units_since_request: units,
        cores: 2,
        ..View::default()
    }
}

/// What the policy decides on a function's first event.
pub(super) fn decide(policy: &dyn Policy, event: PolicyEvent, view: &View) -> Decision {
    policy.on(&mut Memo::default(), event, view)
}

/// The lanes of a decision's requests, for the function and for the loop.
pub(super) fn lanes(decision: &Decision) -> (Option<Lane>, Option<Lane>) {
    let lane = |request: Option<Request>| request.map(|request| request.lane);
    (lane(decision.function), lane(decision.osr))
}

/// An exhausted budget in a function's first loop.
pub(super) fn loop_event(phase: LoopPhase, entries: u32) -> PolicyEvent {
    PolicyEvent::Loop(LoopView {
        index: LoopIndex(0),
        depth: 0,
        phase,
        entries,
    })
}
