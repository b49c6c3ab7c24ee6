//! The account of a function's budget: what it has used, when, and where.

use upshift_abi::Profile;
use upshift_profiler::Nanos;
use upshift_runtime::BudgetSite;

use crate::sync::{AtomicI32, AtomicU32, AtomicU64, Ordering};

/// The budget units that a function has been granted and has used.
///
/// Generated code subtracts from the same budget cell without atomicity, so these figures are
/// estimates: a lost update moves a tier-up and nothing else. Hence relaxed orderings throughout.
#[derive(Debug, Default)]
pub(crate) struct BudgetAccount {
    /// The value of the cell when the runtime last read or set it.
    known: AtomicI32,
    /// Units used since the first code was installed.
    units: AtomicU64,
    /// `units` at the last request.
    units_at_request: AtomicU64,
    /// When the last request was made, in nanoseconds of the log's clock; 0 before the first.
    requested_at: AtomicU64,
    /// Units after which the budget ran out at the function's entry.
    calls: AtomicU64,
    /// The time of the event before this one, and the units used up to then.
    seen_at: AtomicU64,
    seen_units: AtomicU64,
    /// The last [`rate`](Self::rate), as the bits of a floating-point number.
    last_rate: AtomicU64,
    /// The time of the last event before which units had been used.
    active_at: AtomicU64,
    /// How often samples found a thread in the function.
    samples: AtomicU32,
    /// Those of `samples` that the policy has not been told of.
    untold: AtomicU32,
    pub(crate) entry_exhaustions: AtomicU32,
    pub(crate) loop_exhaustions: AtomicU32,
}

impl BudgetAccount {
    /// Adds the units used since the last reading, given the cell's value now; returns them.
    pub(crate) fn charge(&self, cell: i32) -> u64 {
        let before = self.known.swap(cell, Ordering::Relaxed);
        let used = u64::try_from(i64::from(before) - i64::from(cell)).unwrap_or(0);
        self.units.fetch_add(used, Ordering::Relaxed);
        used
    }

    /// Charges a budget that ran out at `site`, given the cell's value now and the units that 1 of
    /// it stands for; returns the units used.
    pub(crate) fn exhausted(&self, cell: i32, site: BudgetSite, scale: u32) -> u64 {
        let counted = self.charge(cell);
        let used = counted * u64::from(scale);
        self.units.fetch_add(used - counted, Ordering::Relaxed);
        let counter = match site {
            BudgetSite::Entry => {
                self.calls.fetch_add(used, Ordering::Relaxed);
                &self.entry_exhaustions
            }
            BudgetSite::Loop(_) => &self.loop_exhaustions,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        used
    }

    /// The part of the units that calls have used. An estimate: units count for the site where the
    /// budget ran out, which each kind of site is as often as it uses units.
    pub(crate) fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    /// The part of the units that loops have used; an estimate as [`calls`](Self::calls) is.
    pub(crate) fn iterations(&self) -> u64 {
        self.units().saturating_sub(self.calls())
    }

    /// Counts a sample that found a thread in the function.
    pub(crate) fn sampled(&self) {
        self.samples.fetch_add(1, Ordering::Relaxed);
        self.untold.fetch_add(1, Ordering::Relaxed);
    }

    /// The number of samples since this was last asked.
    pub(crate) fn take_untold(&self) -> u32 {
        self.untold.swap(0, Ordering::Relaxed)
    }

    /// How often samples found a thread in the function.
    pub(crate) fn samples(&self) -> u32 {
        self.samples.load(Ordering::Relaxed)
    }

    /// The units per millisecond since this was last asked, at the time `now`.
    pub(crate) fn rate(&self, now: Nanos) -> f64 {
        let units = self.units();
        let used = units.saturating_sub(self.seen_units.swap(units, Ordering::Relaxed));
        let time = now
            .0
            .saturating_sub(self.seen_at.swap(now.0, Ordering::Relaxed));
        let rate = used as f64 * 1e6 / time.max(1) as f64;
        self.last_rate.store(rate.to_bits(), Ordering::Relaxed);
        if used > 0 {
            self.active_at.store(now.0, Ordering::Relaxed);
        }
        rate
    }

    /// What [`rate`](Self::rate) returned last.
    pub(crate) fn last_rate(&self) -> f64 {
        f64::from_bits(self.last_rate.load(Ordering::Relaxed))
    }

    /// When it was last known that the function was running: at an event before which it had used
    /// units, or when it was requested.
    pub(crate) fn active_at(&self) -> Nanos {
        let active_at = Nanos(self.active_at.load(Ordering::Relaxed));
        active_at.max(self.requested_at())
    }

    /// Records the value that the cell is about to be set to.
    pub(crate) fn grant(&self, cell: i32) {
        self.known.store(cell, Ordering::Relaxed);
    }

    /// Records the time of a request.
    pub(crate) fn requested(&self, at: Nanos) {
        self.units_at_request.store(self.units(), Ordering::Relaxed);
        self.requested_at.store(at.0, Ordering::Relaxed);
    }

    /// The time of the last request; 0 before the first.
    pub(crate) fn requested_at(&self) -> Nanos {
        Nanos(self.requested_at.load(Ordering::Relaxed))
    }

    /// What a compiler is told of how the function has run.
    pub(crate) fn profile(&self) -> Profile {
        Profile {
            units: self.units(),
            entry_exhaustions: self.entry_exhaustions.load(Ordering::Relaxed),
            loop_exhaustions: self.loop_exhaustions.load(Ordering::Relaxed),
        }
    }

    pub(crate) fn units(&self) -> u64 {
        self.units.load(Ordering::Relaxed)
    }

    pub(crate) fn units_since_request(&self) -> u64 {
        self.units()
            .saturating_sub(self.units_at_request.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_account_counts_what_the_cell_lost() {
        let account = BudgetAccount::default();
        account.grant(100);
        assert_eq!(account.charge(-3), 103);
        // A second thread that exhausted the budget at the same time adds only its own part.
        assert_eq!(account.charge(-4), 1);
        account.requested(Nanos(7));
        account.grant(10);
        assert_eq!(account.charge(-1), 11);
        assert_eq!((account.units(), account.units_since_request()), (115, 11));
        // Another thread's grant shows as a rise, which is not work.
        assert_eq!(account.charge(500), 0);
    }

    #[test]
    fn units_count_for_the_site_where_the_budget_ran_out() {
        let account = BudgetAccount::default();
        let site = BudgetSite::Loop(upshift_abi::LoopIndex(0));
        account.grant(100);
        account.exhausted(-1, BudgetSite::Entry, 1);
        account.grant(300);
        account.exhausted(-1, site, 1);
        assert_eq!((account.calls(), account.iterations()), (101, 301));
        assert_eq!(account.rate(Nanos(2_000_000)), 201.0);
        account.grant(10);
        account.exhausted(0, site, 1);
        assert_eq!(account.rate(Nanos(3_000_000)), 10.0);
        assert_eq!(account.rate(Nanos(4_000_000)), 0.0);
        assert_eq!(
            (account.last_rate(), account.active_at()),
            (0.0, Nanos(3_000_000))
        );
    }
}
