//! Figures of recorded programs that claims are about, beside what a simulated run takes.
//!
//! - [`rental`]: what rules of ski rental cost for a program's functions, without a machine;
//! - [`lifetime`]: how long functions run on that have run for some time;
//! - [`concentration`]: how few functions give how much of the gain;
//! - [`pauses`]: pauses of the guest, alone and in clusters;
//! - [`hints`]: what policies are told before a run: the truth, another run, or the opposite.

pub mod concentration;
pub mod hints;
pub mod lifetime;
pub mod pauses;
pub mod rental;

mod metrics;

pub(crate) use metrics::METRICS;

use crate::trace::Trace;
use crate::workload::Workload;

/// A recorded run and its work, maybe scaled.
#[derive(Clone, Copy, Debug)]
pub struct Recorded<'a> {
    /// The run.
    pub trace: &'a Trace,
    /// Its work.
    pub workload: &'a Workload,
}

#[cfg(test)]
mod tests;
