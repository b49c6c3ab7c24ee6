//! The one list of events.

use serde::Serialize;

use crate::key::{CodeKey, FuncKey, ModuleKey, Nanos};

macro_rules! events {
    ($(
        $(#[$doc:meta])*
        $name:ident = $text:literal {
            $($(#[$field_doc:meta])* $field:ident: $ty:ty,)*
        }
    )*) => {
        /// One step in the life of a function.
        #[derive(Clone, Debug, PartialEq, Serialize)]
        #[serde(tag = "event")]
        #[non_exhaustive]
        pub enum Event {
            $($(#[$doc])* #[serde(rename = $text)] $name {
                $($(#[$field_doc])* $field: $ty,)*
            },)*
        }

        impl Event {
            /// The names of all events, as serialized.
            pub const NAMES: &'static [&'static str] = &[$($text,)*];

            /// This event's name, as serialized.
            pub fn name(&self) -> &'static str {
                match self { $(Event::$name { .. } => $text,)* }
            }
        }
    };
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
    /// A function was called that had no code yet.
    FirstCall = "first-call" {
        /// The function.
        func: FuncKey,
    }
    /// A compiler began.
    CompileStarted = "compile-started" {
        /// What is compiled.
        code: CodeKey,
        /// How long the request had waited in the queue.
        queue_wait: Nanos,
    }
    /// A compiler succeeded; the code is not in use yet.
    CompileFinished = "compile-finished" {
        /// What was compiled.
        code: CodeKey,
        /// Bytes of the function's body.
        body_bytes: u32,
        /// Bytes of machine code.
        code_bytes: u32,
        /// Wall time of the compilation.
        time: Nanos,
        /// How long the request had waited in the queue.
        queue_wait: Nanos,
    }
    /// A compilation exceeded a limit: no failure, and the function keeps the code it has.
    CompileRefused = "compile-refused" {
        /// What was not compiled.
        code: CodeKey,
        /// Which limit.
        reason: Box<str>,
    }
    /// A compiler failed or crashed, or its code found no place.
    CompileFailed = "compile-failed" {
        /// What was not compiled.
        code: CodeKey,
        /// Why.
        reason: Box<str>,
    }
    /// A budget ran out.
    BudgetExhausted = "budget-exhausted" {
        /// The function.
        func: FuncKey,
        /// The loop at whose back edge it happened; `None` is the function's entry.
        site: Option<u32>,
        /// Units that the function has used up since its first code.
        units: u64,
    }
    /// A compilation was asked for.
    RequestQueued = "request-queued" {
        /// What was asked for.
        code: CodeKey,
        /// The queue's lane: 0 is served first.
        lane: u8,
        /// Requests in the queue, this one included.
        queue_length: u32,
    }
    /// A request was asked for again while it was under way.
    RequestDeduplicated = "request-deduplicated" {
        /// What was asked for.
        code: CodeKey,
    }
    /// A request was given up: the queue was full, the module gone or the engine shutting down.
    RequestDropped = "request-dropped" {
        /// What was asked for.
        code: CodeKey,
    }
    /// Calls of the function go to this code from now on.
    Published = "published" {
        /// The code.
        code: CodeKey,
        /// Its address.
        address: u64,
        /// Its size in bytes.
        code_bytes: u32,
    }
    /// An OSR entry is ready for its loop to enter.
    OsrReady = "osr-ready" {
        /// The code.
        code: CodeKey,
        /// Its address.
        address: u64,
        /// Its size in bytes.
        code_bytes: u32,
    }
    /// A running loop left baseline code for optimized code.
    OsrEntered = "osr-entered" {
        /// The code.
        code: CodeKey,
    }
    /// Code was replaced; it is freed when nothing can be running it.
    Retired = "retired" {
        /// The code.
        code: CodeKey,
        /// Its size in bytes.
        code_bytes: u32,
    }
    /// The function stays with the code it has.
    Pinned = "pinned" {
        /// The function.
        func: FuncKey,
        /// Why.
        reason: Box<str>,
    }
}
