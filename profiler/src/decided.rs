//! What a policy was asked, what it knew and what it answered, as plain names and numbers.
//!
//! Tiering fills these in from its own types, which this crate does not know.

use crate::figures::figures;
use crate::key::Nanos;
use crate::text::{Real, Text};

figures! {
    /// A policy's decision, and all that it was made from.
    #[derive(Clone, Debug, Default, PartialEq)]
    Decided {
        /// The event that the policy was asked about.
        trigger: Trigger,
        /// What the policy knew.
        view: ViewFigures,
        /// What the policy answered.
        answer: Answer,
        /// Why, in the policy's own words; empty where it gave no reason.
        reason: Text,
        /// The figures behind the reason: pairs of a name and a number.
        numbers: Vec<(Text, Real)>,
        /// What the policy remembers of the function from now on.
        memo: Vec<u64>,
    }
}

figures! {
    /// The event that a policy is asked about.
    #[derive(Clone, Debug, Default, PartialEq)]
    Trigger {
        /// The event's name: `first-code`, `entry`, `loop`, `dequeued`, `published`, `wake`,
        /// `sampled` or `recorded`.
        name: Text,
        /// `loop`: the loop; `recorded`: the loop that an earlier run had an OSR entry made for.
        site: Option<LoopFigures>,
        /// `dequeued`, `published`, `recorded`: the level of the code.
        level: Option<u8>,
        /// `dequeued`: how long the request has waited.
        waited: Option<Nanos>,
        /// `sampled`: how often samples found the function since the last such event.
        samples: Option<u32>,
    }
}

figures! {
    /// A loop, as policies see it.
    #[derive(Clone, Debug, Default, PartialEq)]
    LoopFigures {
        /// The loop's index in its function.
        index: u32,
        /// The number of loops around it.
        depth: u32,
        /// The progress of its OSR entry.
        phase: Text,
        /// How often its OSR entry was taken.
        entries: u32,
    }
}

figures! {
    /// A function and the compilers, as policies see them. Times are those of the policy's clock.
    #[derive(Clone, Debug, Default, PartialEq)]
    ViewFigures {
        /// The time.
        now: Nanos,
        /// The level of the code that calls run.
        level: u8,
        /// The function's phase.
        phase: Text,
        /// Bytes of the function's body.
        body_bytes: u32,
        /// Bytes of the code that calls run.
        code_bytes: u32,
        /// Bytes of all bodies of the module.
        module_bytes: u64,
        /// The number of functions that the module defines.
        module_funcs: u32,
        /// Budget units used since the function's first code.
        units: u64,
        /// Calls since the function's first code, as far as they were counted.
        calls: u64,
        /// Iterations of its loops since its first code, as far as they were counted.
        iterations: u64,
        /// The budget units that a call takes; 0 where calls are not counted.
        call_units: u32,
        /// The budget units that an iteration takes; 0 where iterations are not counted.
        loop_units: u32,
        /// Budget units used since the last request, or since the first code.
        units_since_request: u64,
        /// How often the budget ran out at the function's entry.
        entry_exhaustions: u32,
        /// How often the budget ran out in a loop.
        loop_exhaustions: u32,
        /// Budget units per millisecond, lately.
        rate: Real,
        /// How often samples found a thread in the function.
        samples: u32,
        /// Time since the function's first code.
        age: Nanos,
        /// Time since the last request, or since the first code.
        age_since_request: Nanos,
        /// Time since any function got its first code.
        since_new_code: Nanos,
        /// Requests that wait in the queue.
        queue_length: u32,
        /// Compile threads.
        workers: u32,
        /// Compile threads that are compiling.
        busy_workers: u32,
        /// Cores that the process may use.
        cores: u32,
        /// What is known of each level of the ladder.
        levels: Vec<LevelFigures>,
        /// What was known of the function before the run, if anything was.
        hint: Option<HintFigures>,
    }
}

figures! {
    /// What is known of a level of code.
    #[derive(Clone, Debug, Default, PartialEq)]
    LevelFigures {
        /// Nanoseconds of compilation per byte of body; `None` before there is a measurement.
        ns_per_byte: Option<Real>,
        /// How much faster its code is than code of level 0; `None` before there is a measurement.
        speedup: Option<Real>,
    }
}

figures! {
    /// What was known of a function before the run.
    #[derive(Clone, Debug, Default, PartialEq)]
    HintFigures {
        /// The order in which functions want to be compiled for the first time; 0 is first.
        compilation: Option<u32>,
        /// The order in which functions want to be optimized; lower is hotter.
        optimization: Option<u32>,
        /// Whether the function runs once only.
        run_once: bool,
        /// Budget units that the function is expected to use in the whole run.
        expected_units: Option<u64>,
    }
}

figures! {
    /// A policy's answer.
    #[derive(Clone, Debug, Default, PartialEq)]
    Answer {
        /// Budget units until the policy is asked again; `None` is never.
        budget: Option<u32>,
        /// The request for the whole function, if there is one.
        function: Option<Asked>,
        /// The request for an OSR entry, if there is one.
        osr: Option<Asked>,
        /// Whether the request that waits is dropped.
        withdraw: bool,
        /// After what time the policy wants to be asked again.
        wake: Option<Nanos>,
    }
}

figures! {
    /// A request in a policy's answer.
    #[derive(Clone, Debug, Default, PartialEq)]
    Asked {
        /// The level of the code.
        level: u8,
        /// The queue's lane.
        lane: Text,
        /// The priority within the lane.
        priority: Real,
    }
}

impl Answer {
    /// Whether the answer requests code.
    pub fn requests(&self) -> bool {
        self.function.is_some() || self.osr.is_some()
    }
}

/// The structs of this file, by name, with their figures: for the page of reports.
#[cfg(test)]
pub(crate) const PAGES: &[(&str, &[crate::reports::Described])] = &[
    ("decided", Decided::DESCRIPTIONS),
    ("trigger", Trigger::DESCRIPTIONS),
    ("site", LoopFigures::DESCRIPTIONS),
    ("view", ViewFigures::DESCRIPTIONS),
    ("levels", LevelFigures::DESCRIPTIONS),
    ("hint", HintFigures::DESCRIPTIONS),
    ("answer", Answer::DESCRIPTIONS),
    ("function", Asked::DESCRIPTIONS),
];
