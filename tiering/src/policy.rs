//! Policies: who decides which function is worth the optimizer, and when.
//!
//! A policy is a value that answers questions. It is told what happened ([`PolicyEvent`]), sees a
//! read-only [`View`] of the function and the compilers, and answers with a [`Decision`]. It holds
//! no state of its own, so one policy serves all functions and threads, and a recorded run can ask
//! the same questions again.
//!
//! Tiering may decline a decision (queue full, body too large, loop limit), and asks again later.

mod builtin;
mod registry;

use std::fmt::Debug;

use upshift_abi::LoopIndex;
use upshift_profiler::{FuncKey, Nanos};

pub use registry::{
    CostModel, FirstCall, FixedBudget, Never, ParamInfo, PolicyInfo, REGISTRY, default, from_spec,
    from_table, help,
};

use crate::state::{LoopPhase, Phase};

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyEvent {
    /// The function got its first code and is about to run it.
    FirstCode,
    /// Its budget ran out at its entry.
    Entry,
    /// Its budget ran out at the back edge of a loop that an OSR entry can be made for.
    Loop(LoopView),
}

/// A loop, as a policy sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoopView {
    /// Which loop of the function.
    pub index: LoopIndex,
    /// How many loops are around it.
    pub depth: u32,
    /// The phase of its OSR entry.
    pub phase: LoopPhase,
    /// How often the OSR entry was taken.
    pub entries: u32,
}

/// A function and the compilers, as a policy sees them.
#[derive(Clone, Copy, Debug)]
pub struct View {
    /// The function.
    pub func: FuncKey,
    /// Bytes of its body.
    pub body_bytes: u32,
    /// The function's phase.
    pub phase: Phase,
    /// Budget units that it has used up since its first code.
    pub units: u64,
    /// Budget units that it has used up since something was last requested for it, or since its
    /// first code.
    pub units_since_request: u64,
    /// How often its budget ran out at its entry, this time included.
    pub entry_exhaustions: u32,
    /// How often its budget ran out at a loop, this time included.
    pub loop_exhaustions: u32,
    /// Time since its first code. In virtual time, a nanosecond for each unit used by the module.
    pub age: Nanos,
    /// Time since something was last requested for it, or since its first code.
    pub age_since_request: Nanos,
    /// Requests waiting for a compile thread.
    pub queue_length: u32,
    /// Compile threads; 0 if the running thread does the work.
    pub workers: u32,
    /// Nanoseconds that the optimizer takes per byte of a body, measured so far; `None` before
    /// there is a measurement, and where runs have to repeat exactly.
    pub optimizer_ns_per_byte: Option<f64>,
}

/// How much a function may do until the policy is asked again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Budget {
    /// So many units.
    Units(u32),
    /// As much as it likes: stop counting.
    Unlimited,
}

/// The queue's lanes: a worker takes from the first one that is not empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Lane {
    /// Somebody is stuck in slow code right now.
    Urgent,
    /// Hotter than most.
    High,
    /// The usual.
    Normal,
    /// When there is nothing better to do.
    Low,
}

impl Lane {
    /// All lanes, best first.
    pub const ALL: [Lane; 4] = [Lane::Urgent, Lane::High, Lane::Normal, Lane::Low];
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// When to ask again.
    pub budget: Budget,
    /// Optimize the function, and how urgently.
    pub function: Option<Lane>,
    /// Make an OSR entry for the loop that the event is about, and how urgently.
    pub osr: Option<Lane>,
}

impl Decision {
    /// Go on as before, for so long.
    pub fn wait(budget: Budget) -> Self {
        Self {
            budget,
            function: None,
            osr: None,
        }
    }
}

/// Decides what is worth optimizing; see the [module](self).
pub trait Policy: Send + Sync + Debug {
    /// The policy and its parameters, such that [`from_spec`] makes it again (for built-in
    /// policies), or so that people know it (for an embedder's own).
    fn spec(&self) -> String;

    /// Answers an event. Called on threads that run WebAssembly: should take well below a
    /// microsecond.
    fn decide(&self, event: PolicyEvent, view: &View) -> Decision;
}
