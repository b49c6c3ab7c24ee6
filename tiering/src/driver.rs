//! Drivers: when requested code is compiled, when it is installed, and what time it is.
//!
//! Each kind of [`Switching`] is one driver, and each module has one. Nothing else in this crate
//! knows which it is. A driver decides nothing about which functions are worth it (the policy does)
//! and changes no state of its own accord: it calls what [`Function`] offers.

mod background;
mod synchronous;
pub(crate) mod ticker;
mod virtual_time;
mod zeal;

use std::sync::atomic::AtomicU64;

use upshift_profiler::{CodeKey, Nanos};
use upshift_runtime::BudgetSite;

use crate::config::{Switching, TieringConfig};
use crate::engine::Shared;
use crate::function::Function;
use crate::home::CodeHome;
use crate::module::ModuleState;
use crate::policy::{Decision, PolicyEvent, Request};

/// A budget that ran out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Used {
    /// Where it ran out.
    pub(crate) site: BudgetSite,
    /// The units that the function has used since the budget was granted.
    pub(crate) units: u64,
}

/// How busy compilation is, as policies see it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    /// Requests that wait.
    pub(crate) queue_length: u32,
    /// Compile threads; 0 if the calling thread compiles.
    pub(crate) workers: u32,
    /// Compile threads that are compiling.
    pub(crate) busy_workers: u32,
}

/// When requested code is compiled and installed; see the [module](self).
pub(crate) trait Driver<M: CodeHome>: Send + Sync {
    /// The time that policies see.
    fn now(&self, module: &ModuleState<M>) -> Nanos {
        module.shared.timeline.now()
    }

    /// How busy compilation is.
    fn load(&self, shared: &Shared) -> Load {
        Load {
            queue_length: shared.queue.len() as u32,
            workers: shared.pool.nominal(),
            busy_workers: shared.pool.busy(),
        }
    }

    /// Whether policies may see what was measured; not where runs must repeat exactly.
    fn may_measure(&self) -> bool {
        true
    }

    /// Handles an exhausted budget; returns an OSR entry to go on in.
    fn exhausted(&self, function: Function<'_, M>, used: Used) -> Option<M::Addr> {
        function.consult_policy(used.site)
    }

    /// Handles a first call of a function that has code; returns the code to call.
    fn called_again(&self, function: Function<'_, M>, code: &M::Code) -> M::Addr {
        function.counted_call(code)
    }

    /// Decides on an event, by default as the policy does.
    fn decide(&self, function: Function<'_, M>, event: PolicyEvent) -> Decision {
        function.ask_policy(event)
    }

    /// Sees to a request whose unit has just been claimed.
    fn request(&self, function: Function<'_, M>, key: CodeKey, request: Request);

    /// The units until something requested for the function can be there, in drivers that know.
    fn units_until_due(&self, _function: Function<'_, M>) -> Option<u32> {
        None
    }

    /// Makes the function have a wake-up after this time.
    fn wake(&self, function: Function<'_, M>, after: Nanos);

    /// Handles a sample in the function, which its policy is to be told of. Called on the sampler's
    /// thread.
    fn sampled(&self, function: Function<'_, M>) {
        function.tell_samples();
    }

    /// Where the time is kept at which a function last got its first code: beside the clock that
    /// [`now`](Self::now) reads.
    fn new_code_at<'a>(&'a self, shared: &'a Shared) -> &'a AtomicU64 {
        &shared.new_code_at
    }

    /// Takes note of units that were charged to a function other than at an exhausted budget.
    fn charged(&self, _units: u64) {}

    /// Handles that calls of the function run optimized code from now on.
    fn published(&self, _function: Function<'_, M>) {}

    /// Whether functions may begin in optimized code that was supplied: not where switching itself
    /// is studied or tested.
    fn begins_optimized(&self) -> bool {
        false
    }

    /// Handles that the module was given the profile of an earlier run: makes the recorded requests
    /// for functions that have code. The others' will follow their first code.
    fn warm_up(&self, module: &ModuleState<M>) {
        module.request_recorded();
    }
}

/// A driver for a module of an engine with this configuration.
pub(crate) fn new<M: CodeHome>(config: &TieringConfig) -> Box<dyn Driver<M>> {
    match config.switching {
        Switching::Background => Box::new(background::Background),
        Switching::Synchronous => Box::new(synchronous::Synchronous),
        Switching::Virtual(latency) => {
            Box::new(virtual_time::VirtualTime::new(latency, &config.knobs))
        }
        Switching::Zeal { seed } => Box::new(zeal::Zeal::new(seed)),
    }
}
