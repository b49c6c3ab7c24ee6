//! Virtual switching: the clock is the work that the module has done, in budget units, so a program
//! on one thread switches at the same events in each run, however fast machine and compilers are.
//!
//! A request is compiled at once and installed when the clock has passed its latency. The clock
//! only moves at exhausted budgets, so budgets are cut to end when something is due.

use std::sync::{Arc, MutexGuard, PoisonError};

use upshift_abi::DefinedFuncIndex;
use upshift_profiler::{CodeKey, Nanos};

use crate::config::Latency;
use crate::home::CodeHome;
use crate::module::ModuleState;
use crate::sessions::CompileSessions;
use crate::state::FuncState;

/// A module's clock, and the code that waits to be installed.
#[derive(Debug)]
pub(crate) struct VirtualTime<C> {
    now: u64,
    /// In the order of the requests.
    waiting: Vec<Waiting<C>>,
}

#[derive(Debug)]
struct Waiting<C> {
    due: u64,
    key: CodeKey,
    code: C,
}

impl<C> Default for VirtualTime<C> {
    fn default() -> Self {
        Self {
            now: 0,
            waiting: Vec::new(),
        }
    }
}

impl<M: CodeHome> ModuleState<M> {
    fn clock(&self) -> MutexGuard<'_, VirtualTime<M::Code>> {
        self.virtual_time
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn virtual_now(&self) -> Nanos {
        Nanos(self.clock().now)
    }

    /// Compiles a claimed unit, to be installed after the latency.
    pub(super) fn schedule(
        &self,
        home: &Arc<M>,
        key: CodeKey,
        state: &FuncState<M::Code>,
        latency: Latency,
    ) {
        let mut sessions = CompileSessions::new(&self.shared);
        if let Some(code) = self.compile_claimed(home, key, state, Nanos(0), &mut sessions) {
            let latency = latency.of(home.facts().body_len(key.func.func));
            let mut clock = self.clock();
            let due = clock.now.saturating_add(latency);
            clock.waiting.push(Waiting { due, key, code });
        }
    }

    /// Moves the clock and installs what is due, in the order in which it fell due.
    pub(crate) fn advance(&self, home: &Arc<M>, units: u64) {
        let mut clock = self.clock();
        clock.now += units;
        let now = clock.now;
        let mut due: Vec<_> = clock
            .waiting
            .extract_if(.., |waiting| waiting.due <= now)
            .collect();
        drop(clock);
        due.sort_by_key(|waiting| waiting.due);
        for Waiting { key, code, .. } in due {
            self.install_optimized(home, key, self.func(key.func.func), code);
        }
    }

    /// The units until code of the function is due; `u32::MAX` if none waits.
    pub(super) fn units_until_due(&self, func: DefinedFuncIndex) -> u32 {
        let clock = self.clock();
        let of_func = clock
            .waiting
            .iter()
            .filter(|waiting| waiting.key.func.func == func);
        let first = of_func.map(|waiting| waiting.due - clock.now).min();
        first.map_or(u32::MAX, |units| u32::try_from(units).unwrap_or(u32::MAX))
    }
}
