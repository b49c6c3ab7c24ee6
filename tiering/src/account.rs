//! The account of a function's work: how many budget units it has used, when, and where.
//!
//! Engine and simulations keep the same account, so that a policy sees the same figures of the same
//! work in both.

use upshift_abi::Profile;
use upshift_profiler::Nanos;

use crate::config::Weights;
use crate::policy::View;
use crate::queue::Figures;
use crate::sync::{AtomicBool, AtomicI32, AtomicU32, AtomicU64, Ordering};

/// A function that has had no event for so long has come to a rest (HotSpot's
/// `TieredRateUpdateMaxTime`).
const AT_REST: Nanos = Nanos(25_000_000);

/// What has used units of a budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UsedBy {
    /// Calls: the budget ran out at the function's entry, or only calls take from it.
    Calls,
    /// Loops: the budget ran out in one.
    Loops,
    /// What the last budget that ran out was used by; calls before there is one.
    Either,
}

/// The budget units that a function has used.
///
/// Generated code subtracts from the same budget cell without atomicity, so these figures are
/// estimates: a lost update moves a tier-up and nothing else. Hence relaxed orderings throughout.
#[derive(Debug, Default)]
pub struct Account {
    /// Units used since the first code was installed.
    units: AtomicU64,
    /// `units` at the last request.
    units_at_request: AtomicU64,
    /// When the last request was made, in nanoseconds of tiering's clock; 0 before the first.
    requested_at: AtomicU64,
    /// Units that calls have used.
    calls: AtomicU64,
    /// Whether the last budget that ran out did so in a loop.
    last_in_loop: AtomicBool,
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
    entry_exhaustions: AtomicU32,
    loop_exhaustions: AtomicU32,
}

impl Account {
    /// Adds used units. An estimate: units count for the kind of site where the budget ran out,
    /// which each kind of site is as often as it uses units.
    pub fn charge(&self, units: u64, by: UsedBy) {
        self.units.fetch_add(units, Ordering::Relaxed);
        let by_calls = match by {
            UsedBy::Calls => true,
            UsedBy::Loops => false,
            UsedBy::Either => !self.last_in_loop.load(Ordering::Relaxed),
        };
        if by_calls {
            self.calls.fetch_add(units, Ordering::Relaxed);
        }
    }

    /// Adds the units of a budget that ran out.
    pub fn exhausted(&self, units: u64, by: UsedBy) {
        self.charge(units, by);
        let in_loop = by == UsedBy::Loops;
        self.last_in_loop.store(in_loop, Ordering::Relaxed);
        let counter = match in_loop {
            true => &self.loop_exhaustions,
            false => &self.entry_exhaustions,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a sample that found a thread in the function.
    pub fn sampled(&self) {
        self.samples.fetch_add(1, Ordering::Relaxed);
        self.untold.fetch_add(1, Ordering::Relaxed);
    }

    /// The number of samples since this was last asked.
    pub fn take_untold(&self) -> u32 {
        self.untold.swap(0, Ordering::Relaxed)
    }

    /// Records the time of a request.
    pub fn requested(&self, at: Nanos) {
        self.units_at_request.store(self.units(), Ordering::Relaxed);
        self.requested_at.store(at.0, Ordering::Relaxed);
    }

    /// Units used since the first code was installed.
    pub fn units(&self) -> u64 {
        self.units.load(Ordering::Relaxed)
    }

    /// The time of the last request; 0 before the first.
    fn requested_at(&self) -> Nanos {
        Nanos(self.requested_at.load(Ordering::Relaxed))
    }

    /// How many calls the units that calls have used are; 0 where they are not counted.
    fn calls(&self, weights: Weights) -> u64 {
        let units = self.calls.load(Ordering::Relaxed);
        units.checked_div(weights.call.into()).unwrap_or(0)
    }

    /// How many iterations the units that loops have used are; 0 where they are not counted.
    fn iterations(&self, weights: Weights) -> u64 {
        let calls = self.calls.load(Ordering::Relaxed);
        let units = self.units().saturating_sub(calls);
        units.checked_div(weights.iteration.into()).unwrap_or(0)
    }

    /// The units per millisecond since this was last asked, at the time `now`.
    fn rate(&self, now: Nanos) -> f64 {
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

    /// When it was last known that the function was running: at an event before which it had used
    /// units, or when it was requested.
    fn active_at(&self) -> Nanos {
        let active_at = Nanos(self.active_at.load(Ordering::Relaxed));
        active_at.max(self.requested_at())
    }

    /// Writes into the view what the account says at the view's time. Asked once for each event:
    /// the rate is over the time since the last call.
    pub fn show(&self, view: &mut View, weights: Weights, first_code_at: Nanos) {
        let since = |then: Nanos| Nanos(view.now.0.saturating_sub(then.0));
        view.age = since(first_code_at);
        view.age_since_request = since(self.requested_at().max(first_code_at));
        let units = self.units();
        view.units = units;
        view.calls = self.calls(weights);
        view.iterations = self.iterations(weights);
        (view.call_units, view.loop_units) = (weights.call, weights.iteration);
        view.units_since_request =
            units.saturating_sub(self.units_at_request.load(Ordering::Relaxed));
        view.entry_exhaustions = self.entry_exhaustions.load(Ordering::Relaxed);
        view.loop_exhaustions = self.loop_exhaustions.load(Ordering::Relaxed);
        view.rate = self.rate(view.now);
        view.samples = self.samples.load(Ordering::Relaxed);
    }

    /// What a queue's discipline sees of the account at the time `now`.
    pub fn figures(&self, weights: Weights, now: Nanos) -> Figures {
        let units = self.units();
        let (calls, iterations) = (self.calls(weights), self.iterations(weights));
        let idle = Nanos(now.0.saturating_sub(self.active_at().0));
        let events = calls as f64 + iterations as f64;
        let last_rate = f64::from_bits(self.last_rate.load(Ordering::Relaxed));
        Figures {
            units,
            calls,
            iterations,
            rate: match idle > AT_REST {
                true => 0.0,
                false => last_rate * events / (units.max(1) as f64),
            },
            idle,
            ..Figures::default()
        }
    }

    /// What a compiler is told of how the function has run.
    pub(crate) fn profile(&self) -> Profile {
        Profile {
            units: self.units(),
            entry_exhaustions: self.entry_exhaustions.load(Ordering::Relaxed),
            loop_exhaustions: self.loop_exhaustions.load(Ordering::Relaxed),
        }
    }
}

/// The value of a function's budget cell when the runtime last read or set it. Relaxed, as
/// [`Account`] is.
#[derive(Debug, Default)]
pub(crate) struct Granted(AtomicI32);

impl Granted {
    /// Records the value that the cell is about to be set to.
    pub(crate) fn set(&self, cell: i32) {
        self.0.store(cell, Ordering::Relaxed);
    }

    /// The units used since the last reading, given the cell's value now.
    pub(crate) fn used(&self, cell: i32) -> u64 {
        let before = self.0.swap(cell, Ordering::Relaxed);
        u64::try_from(i64::from(before) - i64::from(cell)).unwrap_or(0)
    }

    /// The same, without counting as a reading.
    pub(crate) fn used_by(&self, cell: i32) -> u64 {
        let before = self.0.load(Ordering::Relaxed);
        u64::try_from(i64::from(before) - i64::from(cell)).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE_EACH: Weights = Weights {
        call: 1,
        iteration: 1,
    };

    fn view(account: &Account, now: u64) -> View {
        let mut view = View {
            now: Nanos(now),
            ..View::default()
        };
        account.show(&mut view, ONE_EACH, Nanos(0));
        view
    }

    #[test]
    fn what_the_cell_lost_was_used() {
        let granted = Granted::default();
        granted.set(100);
        assert_eq!(granted.used(-3), 103);
        // A second thread that exhausted the budget at the same time adds only its own part.
        assert_eq!(granted.used(-4), 1);
        granted.set(10);
        assert_eq!(granted.used(-1), 11);
        // Another thread's grant shows as a rise, which is not work.
        assert_eq!(granted.used(500), 0);
    }

    #[test]
    fn units_are_counted_from_requests_on() {
        let account = Account::default();
        account.charge(104, UsedBy::Either);
        account.requested(Nanos(7));
        account.charge(11, UsedBy::Either);
        let view = view(&account, 9);
        assert_eq!((view.units, view.units_since_request), (115, 11));
        assert_eq!((view.age, view.age_since_request), (Nanos(9), Nanos(2)));
    }

    #[test]
    fn units_count_for_the_site_where_the_budget_ran_out() {
        let account = Account::default();
        account.exhausted(101, UsedBy::Calls);
        account.exhausted(301, UsedBy::Loops);
        let shown = view(&account, 2_000_000);
        assert_eq!((shown.calls, shown.iterations), (101, 301));
        assert_eq!((shown.entry_exhaustions, shown.loop_exhaustions), (1, 1));
        assert_eq!(shown.rate, 201.0);
        // As the last budget was used; unless it is known by what.
        account.charge(10, UsedBy::Either);
        account.charge(5, UsedBy::Calls);
        let shown = view(&account, 3_000_000);
        assert_eq!((shown.calls, shown.iterations), (106, 311));
        assert_eq!(shown.rate, 15.0);
        assert_eq!(account.figures(ONE_EACH, Nanos(3_500_000)).rate, 15.0);
        assert_eq!(view(&account, 4_000_000).rate, 0.0);
        let idle = account.figures(ONE_EACH, Nanos(3_500_000)).idle;
        assert_eq!(idle, Nanos(500_000));
        let at_rest = account.figures(ONE_EACH, Nanos(28_000_001));
        assert_eq!((at_rest.rate, at_rest.idle), (0.0, Nanos(25_000_001)));
    }
}
