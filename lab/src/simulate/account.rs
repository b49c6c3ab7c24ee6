//! What tiering knows of a function's work: from the budgets that were used up, and no more.

use upshift_profiler::Nanos;

/// The account of a function's budget, kept as tiering keeps it: units count for the kind of site
/// where the budget ran out.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Account {
    /// The budget that was granted last.
    pub(super) granted: f64,
    units: f64,
    units_at_request: f64,
    requested_at: Nanos,
    calls: f64,
    seen_at: Nanos,
    seen_units: f64,
    active_at: Nanos,
    pub(super) entry_exhaustions: u32,
    pub(super) loop_exhaustions: u32,
}

impl Account {
    /// Adds used units.
    pub(super) fn charge(&mut self, units: f64) {
        self.units += units;
    }

    /// Adds the whole budget, which ran out at a loop or (`None`) at the function's entry.
    pub(super) fn exhausted(&mut self, at: Option<u32>) {
        self.charge(self.granted);
        match at {
            None => {
                self.calls += self.granted;
                self.entry_exhaustions += 1;
            }
            Some(_) => self.loop_exhaustions += 1,
        }
    }

    pub(super) fn requested(&mut self, now: Nanos) {
        self.units_at_request = self.units;
        self.requested_at = now;
    }

    pub(super) fn requested_at(&self) -> Nanos {
        self.requested_at
    }

    pub(super) fn units(&self) -> u64 {
        self.units as u64
    }

    pub(super) fn calls(&self) -> u64 {
        self.calls as u64
    }

    pub(super) fn iterations(&self) -> u64 {
        self.units().saturating_sub(self.calls())
    }

    pub(super) fn units_since_request(&self) -> u64 {
        (self.units - self.units_at_request) as u64
    }

    /// When it was last known that the function was running: at an event before which it had used
    /// units, or when it was requested.
    pub(super) fn active_at(&self) -> Nanos {
        self.active_at.max(self.requested_at)
    }

    /// Units per millisecond since this was last asked.
    pub(super) fn rate(&mut self, now: Nanos) -> f64 {
        let used = self.units - self.seen_units;
        let time = now.0.saturating_sub(self.seen_at.0);
        (self.seen_units, self.seen_at) = (self.units, now);
        if used > 0.0 {
            self.active_at = now;
        }
        used * 1e6 / time.max(1) as f64
    }
}
