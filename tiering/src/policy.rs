//! Policies, which decide what is worth optimizing, and when.
//!
//! A policy answers an event ([`PolicyEvent`]) in the life of a function with a [`Decision`]. It is
//! given a read-only [`View`] of the function and the compilers, and a [`Memo`]: a few words that
//! tiering keeps for it beside each function. A policy holds nothing else that changes, so one
//! policy serves all functions and threads, and a recorded run can be decided again, from the log
//! or in a simulation.
//!
//! - [`PolicyEvent`]: what happened;
//! - [`View`]: what is known at that moment;
//! - [`Decision`]: what to request, when to ask again, and why.
//!
//! Tiering may decline a decision (queue full, body too large, limit of loops) and asks again
//! later. Two levels of code are numbered by [`Level`]: 0 is the code that a function starts in.

mod constant;
mod cost;
mod decision;
mod dotnet;
mod event;
mod hint;
mod hotspot;
mod jikes;
mod jsc;
mod ladder;
mod memo;
mod registry;
mod ski_rental;
mod spidermonkey;
mod threshold;
mod truffle;
mod v8;
mod view;
mod wizard;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tables;
#[cfg(test)]
mod testing;

use std::fmt::Debug;
use std::time::Duration;

pub use constant::{Eager, FirstCall, FixedBudget, Never};
pub use cost::CostModel;
pub use decision::{Budget, Decision, Lane, Level, Reason, Request};
pub use dotnet::DotNet;
pub use event::{LoopView, PolicyEvent, Recorded};
pub use hint::Hint;
pub use hotspot::HotSpot;
pub use jikes::Jikes;
pub use jsc::JscPoints;
pub use memo::Memo;
pub(crate) use registry::POLICY;
pub use registry::{builtin, default, from_spec};
pub(crate) use ski_rental::mix;
pub use ski_rental::{AverageSkiRental, HintedSkiRental, SkiRental};
pub use spidermonkey::SmCost;
pub use truffle::Truffle;
pub use v8::V8Budget;
pub use view::{LevelView, View};
pub use wizard::Wizard;

pub use crate::lifecycle::{LoopPhase, Phase};

/// Decides what is worth optimizing, and when; see the [module](self).
///
/// ```
/// use upshift_tiering::policy::{Budget, Decision, Memo, PolicyEvent, Reason, View};
/// use upshift_tiering::policy::{Lane, Level, Policy, Request};
///
/// /// Optimizes what has come to the runtime three times.
/// #[derive(Debug)]
/// struct ThirdTime;
///
/// impl Policy for ThirdTime {
///     fn spec(&self) -> String {
///         "third-time".into()
///     }
///
///     fn on(&self, memo: &mut Memo, _event: PolicyEvent, _view: &View) -> Decision {
///         memo.words[0] += 1;
///         let wait = Decision::wait(Budget::Units(10_000));
///         match memo.words[0] {
///             3.. => wait
///                 .with_function(Request::new(Level(1), Lane::Normal))
///                 .because(Reason::new("third time").with("times", memo.words[0] as f64)),
///             _ => wait,
///         }
///     }
/// }
/// ```
pub trait Policy: Send + Sync + Debug {
    /// The policy's name and parameters. For built-in policies [`from_spec`] recreates the policy
    /// from it; for an embedder's own it names the policy in reports.
    fn spec(&self) -> String;

    /// What tiering has to observe for this policy. Read once, when the engine is created.
    fn needs(&self) -> Needs {
        Needs::default()
    }

    /// Decides on an event. `memo` is the function's, zero at first; no two calls with the memo of
    /// one function run at the same time.
    ///
    /// Mostly called on threads that run WebAssembly, so it should take well below a microsecond;
    /// it must not block.
    fn on(&self, memo: &mut Memo, event: PolicyEvent, view: &View) -> Decision;

    /// Decides on what an earlier run of the module had optimized, when the function has its first
    /// code. Called for [`PolicyEvent::Recorded`], once for the function and once for each loop
    /// that was requested, in the order of the requests; the decision's budget is not granted.
    /// Otherwise as [`on`](Self::on).
    ///
    /// The default requests the same again. What [`View::hint`] says of the function's work is
    /// that run's, too.
    fn recorded(&self, _memo: &mut Memo, recorded: &Recorded, view: &View) -> Decision {
        let wait = Decision::wait(Budget::Unlimited);
        let units = view.hint.and_then(|hint| hint.expected_units);
        let reason = Reason::new("recorded in an earlier run")
            .with("order", f64::from(recorded.order))
            .with("units", units.unwrap_or(0) as f64);
        let request = Request::new(recorded.level, Lane::Normal);
        match recorded.site {
            Some(site) if site.can_rise() => wait.with_osr(request).because(reason),
            None if view.can_rise() => wait.with_function(request).because(reason),
            _ => wait.because(Reason::new("recorded, and under way")),
        }
    }
}

/// What tiering has to observe for a policy, beyond what each [`View`] has anyway.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Needs {
    /// The mean time between two samples of what a thread runs, if the policy wants
    /// [`PolicyEvent::Sampled`].
    pub sample_period: Option<Duration>,
}

impl Needs {
    /// Samples of what threads run, one in each `period` on average.
    pub fn samples(period: Duration) -> Self {
        Self {
            sample_period: Some(period),
        }
    }
}
