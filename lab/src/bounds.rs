//! How fast a run could be: lower bounds that no policy beats, and schedules that reach some time.
//!
//! All are computed in hindsight, from the whole [`Workload`]. With what a policy took they say how
//! much a better one could gain, and how much of that needs a better constant, a better rule, or
//! knowledge of the future.
//!
//! - [`free`]: no compilation takes time;
//! - [`single()`]: the least processor time; the least time on one core where the guest's thread
//!   compiles;
//! - [`infinite`]: each function has a compile thread of its own from the start;
//! - [`relaxed()`]: compile threads as there are, but their work may be divided and dealt anew at
//!   each moment;
//! - [`exact()`]: the best schedule, for few functions;
//! - [`iar()`]: a good schedule by init, append, replace and local changes, with OSR entries where
//!   running loops need them;
//! - [`best_threshold`]: the best single threshold of work, in hindsight; for several programs,
//!   [`best_common_threshold`].
//!
//! `free <= infinite <= relaxed <= exact <= iar`, and `relaxed` is below each policy.
//!
//! The problem is the one of Ding, Zhou, Zhao, Eisenstat and Shen, *Finding the limit: examining
//! the potential and complexity of compilation scheduling for JIT-based runtime systems* (ASPLOS
//! 2014), who prove it strongly NP-complete and propose IAR. Here level 0 is compiled by the
//! guest's thread at first use, several compile threads share the cores with it, and code comes
//! into use in the middle of a slice.

mod exact;
mod iar;
mod relaxed;
mod single;
mod threshold;

pub use exact::{TooHard, exact};
pub use iar::{Effort, Found, iar};
pub use relaxed::{infinite, relaxed};
pub use single::{free, single};
pub use threshold::{Threshold, best_common_threshold, best_threshold};

#[cfg(test)]
mod tests;

use crate::machine::Machine;
use crate::workload::Workload;

/// All bounds of a run on a machine, in nanoseconds.
#[derive(Clone, Debug, PartialEq)]
pub struct Bounds {
    /// Without any tier-up.
    pub never: f64,
    /// [`free`].
    pub free: f64,
    /// [`single()`].
    pub single: f64,
    /// [`infinite`].
    pub infinite: f64,
    /// [`relaxed()`].
    pub relaxed: f64,
    /// [`iar()`].
    pub iar: Found,
    /// [`best_threshold`].
    pub threshold: Threshold,
}

impl Bounds {
    /// Computes all bounds but the exact one.
    pub fn new(workload: &Workload, machine: &Machine, effort: Effort) -> Self {
        Self {
            never: crate::machine::Schedule::default().wall_ns(workload, machine),
            free: free(workload),
            single: single(workload),
            infinite: infinite(workload),
            relaxed: relaxed(workload, machine),
            iar: iar(workload, machine, effort),
            threshold: best_threshold(workload, machine),
        }
    }
}
