//! Policies, which decide what is worth optimizing, and when.
//!
//! A policy is a function from an event ([`PolicyEvent`]) and a read-only [`View`] of the function
//! and the compilers to a [`Decision`]. It holds no state of its own, so one policy serves all
//! functions and threads, and a recorded run can be decided again.
//!
//! Tiering may decline a decision (queue full, body too large, limit of loops) and asks again
//! later.

mod builtin;
mod registry;

use std::fmt::Debug;

use upshift_abi::LoopIndex;
use upshift_profiler::{FuncKey, Nanos};

pub(crate) use registry::POLICY;
pub use registry::{CostModel, FirstCall, FixedBudget, Never, default, from_spec};

use crate::state::{LoopPhase, Phase};

/// The event that a policy decides on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyEvent {
    /// The function got its first code and is about to run it.
    FirstCode,
    /// The function's budget ran out at its entry, or in a loop that can't have an OSR entry.
    Entry,
    /// The function's budget ran out at the back edge of a loop that can have an OSR entry.
    Loop(LoopView),
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

/// The state of a function and of the compilers, as policies see it.
#[derive(Clone, Copy, Debug)]
pub struct View {
    /// The function.
    pub func: FuncKey,
    /// The length of the function's body, in bytes.
    pub body_bytes: u32,
    /// The function's phase.
    pub phase: Phase,
    /// Budget units used since the function's first code was installed.
    pub units: u64,
    /// Budget units used since the last request for the function, or since its first code.
    pub units_since_request: u64,
    /// How often the budget ran out at the function's entry, this time included.
    pub entry_exhaustions: u32,
    /// How often the budget ran out in one of the function's loops, this time included.
    pub loop_exhaustions: u32,
    /// Time since the function's first code. In virtual time, one nanosecond for each unit that the
    /// module used.
    pub age: Nanos,
    /// Time since the last request for the function, or since its first code.
    pub age_since_request: Nanos,
    /// The number of requests that wait for a compile thread.
    pub queue_length: u32,
    /// The number of compile threads; 0 if the calling thread compiles.
    pub workers: u32,
    /// Measured nanoseconds of optimizing per byte of body; `None` before there is a measurement,
    /// and in virtual time, where runs must repeat exactly.
    pub optimizer_ns_per_byte: Option<f64>,
}

/// How much work a function may do until the policy is asked again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Budget {
    /// This many units: one for each entry and each back edge.
    Units(u32),
    /// Any amount: the policy is not asked again.
    Unlimited,
}

/// The queue's lanes, most urgent first: a compile thread takes from the first that is not empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Lane {
    /// For code that a thread needs in a loop that it is running now.
    Urgent,
    /// For functions that are hotter than most.
    High,
    /// For functions that have just become hot.
    Normal,
    /// For what is compiled only when no other request waits.
    Low,
}

impl Lane {
    /// All lanes, most urgent first.
    pub const ALL: [Lane; 4] = [Lane::Urgent, Lane::High, Lane::Normal, Lane::Low];
}

/// What a policy decides at an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The function's next budget: when to ask the policy again.
    pub budget: Budget,
    /// The lane of a request for the whole function, if it is to be optimized.
    pub function: Option<Lane>,
    /// The lane of a request for an OSR entry of the event's loop, if one is to be made.
    pub osr: Option<Lane>,
}

impl Decision {
    /// The decision to request nothing until `budget` is used up.
    pub fn wait(budget: Budget) -> Self {
        Self {
            budget,
            function: None,
            osr: None,
        }
    }
}

/// Decides what is worth optimizing, and when; see the [module](self).
pub trait Policy: Send + Sync + Debug {
    /// The policy's name and parameters. For built-in policies [`from_spec`] recreates the policy
    /// from it; for an embedder's own it names the policy in reports.
    fn spec(&self) -> String;

    /// Decides on an event. Called on threads that run WebAssembly, so it should take well below a
    /// microsecond.
    fn decide(&self, event: PolicyEvent, view: &View) -> Decision;
}
