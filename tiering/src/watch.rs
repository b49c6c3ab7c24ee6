//! What a queue discipline sees of a function whose request waits.

use upshift_abi::CompileUnit;
use upshift_profiler::Nanos;

use crate::function::Function;
use crate::home::CodeHome;
use crate::policy::Level;
use crate::queue::{Figures, Waiting};

impl<M: CodeHome> Function<'_, M> {
    /// Brings up to date what a discipline sees of a request that waits since `queued`.
    pub(crate) fn look(&self, queued: Nanos, waiting: &mut Waiting) {
        if waiting.unit == CompileUnit::Function {
            waiting.request = self.state.urgency.of(waiting.request);
        }
        let now = self.now();
        waiting.waited = Nanos(now.0.saturating_sub(queued.0));
        let level = self.shared().ladder.clamp(waiting.request.level);
        waiting.figures = self.figures(now, level);
    }

    /// What is known of the function at the time `now`, and of code of the level.
    fn figures(&self, now: Nanos, level: Level) -> Figures {
        let shared = self.shared();
        let may_measure = self.module.driver.may_measure();
        Figures {
            body_bytes: self.home.facts().body_len(self.index),
            ns_per_byte: shared.speeds.ns_per_byte(level).filter(|_| may_measure),
            speedup: shared
                .speeds
                .speedup()
                .filter(|_| may_measure && level == shared.ladder.top()),
            ..self.state.account.figures(shared.config.weights, now)
        }
    }
}
