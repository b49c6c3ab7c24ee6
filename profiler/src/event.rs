//! The one list of events.

use crate::decided::Decided;
use crate::key::{CodeKey, FuncKey, ModuleKey, Nanos};
#[cfg(test)]
use crate::reports::Described;
use crate::text::{Real, Text};

macro_rules! events {
    ($(
        $(#[doc = $doc:literal])*
        $name:ident = $text:literal {
            $($(#[doc = $field_doc:literal])* $field:ident: $ty:ty,)*
        }
    )*) => {
        /// An event in the life of a function or module.
        #[derive(Clone, Debug, PartialEq)]
        #[cfg_attr(
            feature = "serde",
            derive(serde::Serialize, serde::Deserialize),
            serde(tag = "event")
        )]
        #[non_exhaustive]
        pub enum Event {
            $($(#[doc = $doc])* #[cfg_attr(feature = "serde", serde(rename = $text))] $name {
                $($(#[doc = $field_doc])* $field: $ty,)*
            },)*
        }

        impl Event {
            /// The names of all events, as serialized.
            pub const NAMES: &'static [&'static str] = &[$($text,)*];

            /// Each event and its fields, with their descriptions, for the page of reports.
            #[cfg(test)]
            pub(crate) const DESCRIPTIONS: &'static [(Described, &'static [Described])] = &[$((
                ($text, &[$($doc),*]),
                &[$((stringify!($field), &[$($field_doc),*])),*],
            ),)*];

            /// An event of the kind with this number, with random fields.
            #[cfg(all(test, feature = "serde"))]
            pub(crate) fn random(kind: usize, rng: &mut fastrand::Rng) -> Self {
                use crate::random::Random;
                let kinds: &[fn(&mut fastrand::Rng) -> Self] = &[$(|rng| {
                    let _ = &rng;
                    Event::$name { $($field: Random::random(rng),)* }
                },)*];
                kinds[kind](rng)
            }

            /// This event's name, as serialized.
            pub fn name(&self) -> &'static str {
                match self { $(Event::$name { .. } => $text,)* }
            }
        }
    };
}

impl Event {
    /// The code that the event is about, or that is requested.
    pub fn code(&self) -> Option<CodeKey> {
        match self {
            Event::CompileStarted { code, .. }
            | Event::CompileFinished { code, .. }
            | Event::CompileRefused { code, .. }
            | Event::CompileFailed { code, .. }
            | Event::RequestQueued { code, .. }
            | Event::RequestDeduplicated { code, .. }
            | Event::RequestDropped { code, .. }
            | Event::Dequeued { code, .. }
            | Event::Published { code, .. }
            | Event::OsrReady { code, .. }
            | Event::OsrEntered { code, .. }
            | Event::Retired { code, .. } => Some(*code),
            Event::TiersCompared { kept, .. } => Some(*kept),
            Event::ModuleLoaded { .. }
            | Event::ModuleIdentified { .. }
            | Event::FirstCall { .. }
            | Event::BudgetExhausted { .. }
            | Event::Decided { .. }
            | Event::Pinned { .. }
            | Event::Sample { .. }
            | Event::Lost { .. } => None,
        }
    }

    /// The optimized code that the event says was put into use: its key, address and bytes.
    pub fn placed(&self) -> Option<(CodeKey, u64, u32)> {
        match *self {
            Event::Published {
                code,
                address,
                code_bytes,
            }
            | Event::OsrReady {
                code,
                address,
                code_bytes,
            } => Some((code, address, code_bytes)),
            _ => None,
        }
    }

    /// The function that the event is about.
    pub fn func(&self) -> Option<FuncKey> {
        match self {
            Event::FirstCall { func }
            | Event::BudgetExhausted { func, .. }
            | Event::Decided { func, .. }
            | Event::Pinned { func, .. } => Some(*func),
            Event::Sample { func, .. } => *func,
            _ => self.code().map(|code| code.func),
        }
    }
}

/// Why a request came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "kebab-case")
)]
#[non_exhaustive]
pub enum DropReason {
    /// The queue was full.
    Full,
    /// The policy withdrew the request, or it was no longer wanted when its turn came.
    Withdrawn,
    /// The function had not run for the time that `stale-ms` says.
    Stale,
    /// The module was dropped.
    ModuleGone,
    /// The engine was dropped.
    Shutdown,
}

/// What a thread did when a sample was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "kebab-case")
)]
#[non_exhaustive]
pub enum Activity {
    /// It ran a function's code.
    Guest,
    /// It ran a host function, a builtin, or other code of the engine.
    Host,
    /// It compiled code that it waited for.
    Compile,
    /// It used no processor time: it waited, or others had the processors.
    Idle,
    /// It did not answer in time.
    Missed,
}

impl Activity {
    /// All activities.
    pub const ALL: [Self; 5] = [
        Self::Guest,
        Self::Host,
        Self::Compile,
        Self::Idle,
        Self::Missed,
    ];

    /// The name, as serialized.
    pub fn name(self) -> &'static str {
        match self {
            Self::Guest => "guest",
            Self::Host => "host",
            Self::Compile => "compile",
            Self::Idle => "idle",
            Self::Missed => "missed",
        }
    }
}

/// A loop of a function, as its baseline code has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct LoopSite {
    /// The loop's index in its function.
    pub index: u32,
    /// Where the loop begins, in bytes from the start of the module.
    pub offset: u32,
    /// The number of loops around it.
    pub depth: u32,
}

events! {
    /// A module was loaded.
    ModuleLoaded = "module-loaded" {
        /// The module.
        module: ModuleKey,
        /// Functions that it defines.
        functions: u32,
        /// Bytes of their bodies.
        body_bytes: u64,
    }
    /// A module's bytes were identified.
    ModuleIdentified = "module-identified" {
        /// The module.
        module: ModuleKey,
        /// The SHA-256 of its bytes, in hexadecimal digits.
        sha256: Text,
        /// How many bytes it has.
        bytes: u64,
    }
    /// A function without code was called.
    FirstCall = "first-call" {
        /// The function.
        func: FuncKey,
    }
    /// A compilation started.
    CompileStarted = "compile-started" {
        /// The unit that is compiled.
        code: CodeKey,
        /// How long the request had waited in the queue.
        queue_wait: Nanos,
        /// Budget units that the function has used up since its first code, as its profile says.
        units: u64,
    }
    /// A compilation succeeded; the code is not published yet.
    CompileFinished = "compile-finished" {
        /// The compiled unit.
        code: CodeKey,
        /// Bytes of the function's body.
        body_bytes: u32,
        /// Bytes of machine code.
        code_bytes: u32,
        /// Wall time of the compilation.
        time: Nanos,
        /// Processor time that the compiling thread spent on it.
        cpu_time: Nanos,
        /// How long the request had waited in the queue.
        queue_wait: Nanos,
        /// The function's loops that can have an OSR entry, where this is the baseline's code:
        /// `index`, `offset` in the module and `depth` of each.
        loops: Option<Box<[LoopSite]>>,
    }
    /// A compilation exceeded a limit. That is no failure: the function keeps its code.
    CompileRefused = "compile-refused" {
        /// The unit that was not compiled.
        code: CodeKey,
        /// The limit that was exceeded.
        reason: Box<str>,
        /// Wall time of the compilation; `None` where it finished, and its code was refused.
        time: Option<Nanos>,
        /// Processor time that the compiling thread spent on it; `None` as above.
        cpu_time: Option<Nanos>,
    }
    /// A compilation ended with an error or a panic, or its code could not be placed.
    CompileFailed = "compile-failed" {
        /// The unit that was not compiled.
        code: CodeKey,
        /// The error's message.
        reason: Box<str>,
        /// Wall time of the compilation; `None` where it finished, and its code was refused.
        time: Option<Nanos>,
        /// Processor time that the compiling thread spent on it; `None` as above.
        cpu_time: Option<Nanos>,
    }
    /// A function's budget was exhausted.
    BudgetExhausted = "budget-exhausted" {
        /// The function.
        func: FuncKey,
        /// The index of the loop at whose back edge it was exhausted; `None` is the function's
        /// entry.
        site: Option<u32>,
        /// Units used since the function's first code was installed.
        units: u64,
    }
    /// A policy decided on an event in a function's life.
    Decided = "decided" {
        /// The function.
        func: FuncKey,
        /// What the policy was asked, what it knew, and what it answered.
        decision: Box<Decided>,
    }
    /// Optimized code was requested.
    RequestQueued = "request-queued" {
        /// The requested unit.
        code: CodeKey,
        /// The level of the code.
        level: u8,
        /// The queue's lane: `urgent`, `high`, `normal` or `low`.
        lane: Text,
        /// The priority within the lane.
        priority: Real,
        /// Requests in the queue, this one included.
        queue_length: u32,
    }
    /// A unit was requested again while a request for it was under way.
    RequestDeduplicated = "request-deduplicated" {
        /// The requested unit.
        code: CodeKey,
        /// The queue's lane that is asked for now. Disciplines that reprioritise take it for a
        /// whole function's request that waits.
        lane: Text,
        /// The priority within the lane that is asked for now, likewise.
        priority: Real,
    }
    /// A request was dropped.
    RequestDropped = "request-dropped" {
        /// The requested unit.
        code: CodeKey,
        /// `full`: the queue was full. `withdrawn`: the policy withdrew it, or it was no longer
        /// wanted. `stale`: its function had not run for a time. `module-gone`, `shutdown`: the
        /// module or the engine was dropped.
        why: DropReason,
    }
    /// A compile thread took a request from the queue.
    Dequeued = "dequeued" {
        /// The requested unit.
        code: CodeKey,
        /// How long the request has waited.
        waited: Nanos,
        /// Requests that are left in the queue.
        queue_length: u32,
    }
    /// Code was published: calls of its function run it from now on.
    Published = "published" {
        /// The published unit.
        code: CodeKey,
        /// The address of the code.
        address: u64,
        /// The length of the code in bytes.
        code_bytes: u32,
    }
    /// An OSR entry was installed: its loop can enter it.
    OsrReady = "osr-ready" {
        /// The unit of the OSR entry.
        code: CodeKey,
        /// The address of the code.
        address: u64,
        /// The length of the code in bytes.
        code_bytes: u32,
    }
    /// A running loop went from baseline code to its OSR entry.
    OsrEntered = "osr-entered" {
        /// The unit of the OSR entry.
        code: CodeKey,
        /// The address of the code.
        address: u64,
    }
    /// Replaced code was retired; it is freed when no store can be running it.
    Retired = "retired" {
        /// The retired unit.
        code: CodeKey,
        /// The address of the code.
        address: u64,
        /// The length of the code in bytes.
        code_bytes: u32,
        /// Time since the code was published; `None` if that is not in the log.
        age: Option<Nanos>,
    }
    /// The function keeps the code that it has.
    Pinned = "pinned" {
        /// The function.
        func: FuncKey,
        /// Why no optimized code will replace it.
        reason: Box<str>,
    }
    /// A function's optimized code was compared with its baseline code, by turns and in running.
    /// Times include what the program does between the function's calls, so the function's own
    /// ratio lies further from 1.
    TiersCompared = "tiers-compared" {
        /// The code that the function keeps.
        kept: CodeKey,
        /// Calls that were measured in each tier.
        calls: u64,
        /// Processor time from the first of these calls to the last, in baseline code.
        baseline: Nanos,
        /// Processor time from the first of these calls to the last, in optimized code.
        optimized: Nanos,
        /// Optimized over baseline time.
        ratio: f64,
        /// The lower end of the ratio's 95 % interval.
        low: f64,
        /// The upper end of the ratio's 95 % interval.
        high: f64,
    }
    /// The sampler found what a thread that runs WebAssembly was doing. The record's time is that
    /// at which the sampler took the answer, up to one and a half periods later; its thread is the
    /// sampler's.
    Sample = "sample" {
        /// `guest`: a function's code. `host`: a host function, a builtin or other code of the
        /// engine. `compile`: a compiler, whose code the thread waited for. `idle`: nothing, the
        /// thread used no processor time. `missed`: the thread did not answer in time.
        activity: Activity,
        /// The function, where it was its code; what was inlined into it counts for it.
        func: Option<FuncKey>,
        /// The loop whose OSR entry it was; `None` if it was the function's own code.
        site: Option<u32>,
        /// The level of the code.
        level: Option<u8>,
        /// The sampled thread, by the system's number.
        sampled: u32,
        /// Processor time of the sampled thread since its sample before.
        cpu_time: Nanos,
    }
    /// Events of the record's thread are missing: it recorded them faster than they were written.
    Lost = "lost" {
        /// How many events are missing.
        count: u64,
    }
}
