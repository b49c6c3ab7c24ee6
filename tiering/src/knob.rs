//! Every switch and number of tiering that is not the policy's: the table of their rows.
//!
//! Kinds, values and errors are those of [`upshift_knobs`]. No knob changes a result.

use std::time::Duration;

use upshift_abi::CompileUnit;
use upshift_knobs::{TimeUnit, knobs, types};

use crate::config::TieringConfig;

/// Whether a unit may be requested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allowed {
    /// It may.
    Yes,
    /// It may not, by an ablation or as there are too many of its kind.
    No,
    /// It may not, and nothing of its function ever: the body is too large.
    Never,
}

impl Knobs {
    /// Whether a unit may be requested of a function with a body of so many bytes, for which so
    /// many OSR entries have been requested.
    pub fn allows(&self, unit: CompileUnit, body_bytes: u32, osr_requests: u32) -> Allowed {
        let is_allowed = match unit {
            CompileUnit::Function => self.function_tier_up,
            CompileUnit::Loop(_) => self.osr && osr_requests < self.osr_per_function,
        };
        match is_allowed {
            _ if body_bytes > self.max_optimize_bytes => Allowed::Never,
            true => Allowed::Yes,
            false => Allowed::No,
        }
    }
}

/// Defines the struct, its defaults and the rows from one table.
macro_rules! table {
    ($(
        $field:ident: $rust:ty = $default:expr, $kind:ident $name:literal $type:expr,
        $help:literal;
    )*) => {
        /// The values of all knobs.
        #[derive(Clone, Debug, PartialEq)]
        pub struct Knobs {
            $(#[doc = $help] pub $field: $rust,)*
        }

        impl Default for Knobs {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }

        knobs! {
            /// A row for each field of [`Knobs`].
            pub(crate) const ROWS: TieringConfig {
                $(Tiering $name: $kind $type => knobs.$field, $help;)*
            }
        }
    };
}

table! {
    threads: u32 = 0, Tuning "threads" types::count_u32("threads", 0, 1024),
        "background compile threads; 0 is one less than the cores, at least one";
    eager_threads: u32 = 0, Tuning "eager-threads" types::count_u32("threads", 0, 1024),
        "threads that compile or validate a whole module; 0 is all cores";
    nice: u32 = 0, Tuning "nice" types::count_u32("", 0, 19),
        "how much the background threads yield to others";
    osr: bool = true, Ablation "osr" types::SWITCH,
        "let a running loop go on in optimized code";
    osr_per_function: u32 = 8,
        Tuning "osr-per-function" types::count_u32("loops", 0, u32::MAX as u64),
        "loops of one function that get an OSR entry at most";
    function_tier_up: bool = true, Ablation "function-tier-up" types::SWITCH,
        "send calls of hot functions to optimized code";
    evidence: bool = false, Ablation "evidence" types::SWITCH,
        "time optimized functions in both tiers, and send back what is slower";
    evidence_window: Duration = Duration::from_micros(100),
        Tuning "evidence-window-ms" types::time(TimeUnit::Milliseconds),
        "processor time that is measured at once in one tier";
    evidence_cost: f64 = 0.5, Tuning "evidence-cost" types::real("percent", 0.0, 100.0),
        "part of the time that may be lost by measuring slower baseline code";
    retire: bool = true, Ablation "retire" types::SWITCH,
        "free code that was replaced once nothing runs it";
    max_optimize_bytes: u32 = 400_000,
        Tuning "max-optimize-bytes" types::size_u32(0, u32::MAX as u64),
        "functions with larger bodies are never optimized (at 1.25 us a byte: half a second)";
    max_compile: Duration = Duration::from_millis(5_000),
        Tuning "max-compile-ms" types::time(TimeUnit::Milliseconds),
        "processor time that optimizing one function may take in the background; 0 is no limit";
    max_code_per_byte: u32 = 50,
        Tuning "max-code-per-byte" types::count_u32("bytes", 1, u32::MAX as u64),
        "optimized code that a byte of body may become (programs: up to 6); more is not used";
    helper_after: Duration = Duration::from_millis(100),
        Tuning "helper-after-ms" types::time(TimeUnit::Milliseconds),
        "a compile thread that is longer at one function gets a helper";
    helpers: u32 = 2, Tuning "helpers" types::count_u32("threads", 0, 64),
        "helpers for stuck compile threads at most";
    queue_cap: u32 = 10_000, Tuning "queue-cap" types::count_u32("requests", 1, u32::MAX as u64),
        "requests that may wait; more are dropped, to be made again";
    stale: Duration = Duration::ZERO, Tuning "stale-ms" types::time(TimeUnit::Milliseconds),
        "a waiting request is dropped if its function had no event for so long; 0 is never";
    poll: u32 = 100_000, Tuning "poll" types::count_u32("units", 1, i32::MAX as u64),
        "largest budget while a request is under way, so that a loop sees its OSR entry soon";
    fail_fast: bool = false, Trace "fail-fast" types::SWITCH,
        "abort the process when the optimizer fails, instead of keeping the baseline code";
}
