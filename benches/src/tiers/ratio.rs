//! The ratio of a function's times in both tiers, and how certain it is.

use super::sample::Profile;
use crate::stats::{interval_of, median};

/// A function in both tiers.
#[derive(Clone, Debug)]
pub struct Compared {
    /// The function's index among those that the module defines.
    pub index: u32,
    /// Its name in reports.
    pub name: String,
    /// Its share of the time in WebAssembly code, in the tier where that is larger.
    pub share: f64,
    /// Time of its optimized code over that of its baseline code.
    pub ratio: f64,
    /// The 95 % interval of the ratio.
    pub interval: (f64, f64),
    /// Bytes of its code: of the baseline, of the optimizer.
    pub code_bytes: (u32, u32),
}

impl Compared {
    /// Whether the optimized code is slower: by more than the limit, and beyond doubt.
    pub fn is_fault(&self, limit: f64) -> bool {
        self.ratio > limit && self.interval.0 > 1.0
    }
}

/// Seconds in WebAssembly code: the median over the rounds.
pub fn seconds(profiles: &[Profile]) -> f64 {
    let totals: Vec<f64> = profiles.iter().map(Profile::total).collect();
    median(&totals)
}

/// Compares all functions that were seen in both tiers; those with the largest share come first.
pub fn compare(baseline: &[Profile], optimizer: &[Profile]) -> Vec<Compared> {
    let mut indexes: Vec<u32> = baseline
        .iter()
        .chain(optimizer)
        .flat_map(|profile| profile.functions.keys().copied())
        .collect();
    indexes.sort_unstable();
    indexes.dedup();
    let found = indexes
        .into_iter()
        .filter_map(|index| compare_one(index, baseline, optimizer));
    let mut found: Vec<_> = found.collect();
    found.sort_by(|a, b| b.share.total_cmp(&a.share));
    found
}

/// Resamples for one interval: there may be hundreds of functions.
const RESAMPLES: usize = 500;

fn compare_one(index: u32, baseline: &[Profile], optimizer: &[Profile]) -> Option<Compared> {
    let first = |profiles: &[Profile]| {
        let found = profiles.iter().find_map(|p| p.functions.get(&index));
        found.map(|function| (function.name.clone(), function.code_bytes))
    };
    let ((name, before), (_, after)) = (first(baseline)?, first(optimizer)?);
    let times =
        |profiles: &[Profile]| -> Vec<f64> { profiles.iter().map(|p| p.seconds(index)).collect() };
    let (slow, fast) = (times(baseline), times(optimizer));
    let share = |times: &[f64], profiles: &[Profile]| median(times) / seconds(profiles);
    let ratio = median(&fast) / median(&slow);
    if !ratio.is_finite() {
        return None;
    }
    Some(Compared {
        index,
        name,
        share: share(&slow, baseline).max(share(&fast, optimizer)),
        ratio,
        interval: interval(index, baseline, optimizer),
        code_bytes: (before, after),
    })
}

/// The interval of the ratio, from resampled rounds whose numbers of samples vary as they would by
/// chance: few samples make a wide interval, and so do rounds that differ.
fn interval(index: u32, baseline: &[Profile], optimizer: &[Profile]) -> (f64, f64) {
    interval_of(RESAMPLES, |random| {
        let mut time = |profiles: &[Profile]| {
            let times = (0..profiles.len()).map(|_| {
                let profile = &profiles[random.usize(..profiles.len())];
                let seconds = profile.seconds(index);
                let samples = seconds / profile.interval;
                // The sum of twelve uniform numbers is close to normal, with a variance of one.
                let normal: f64 = (0..12).map(|_| random.f64()).sum::<f64>() - 6.0;
                (seconds + normal * samples.sqrt() * profile.interval).max(0.0)
            });
            median(&times.collect::<Vec<_>>())
        };
        time(optimizer) / time(baseline).max(f64::MIN_POSITIVE)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tiers::sample::Function;

    /// Profiles of two functions with these numbers of samples in each round.
    fn profiles(samples: [[u32; 2]; 5]) -> Vec<Profile> {
        let profile = |counts: [u32; 2]| {
            let functions = (0..).zip(counts).map(|(index, samples)| {
                let name = format!("f{index}");
                let function = Function {
                    name,
                    samples,
                    code_bytes: 10,
                };
                (index, function)
            });
            Profile {
                functions: functions.collect(),
                interval: 1e-4,
            }
        };
        samples.map(profile).into()
    }

    #[test]
    fn a_function_that_got_slower_is_a_fault_and_one_that_might_have_is_not() {
        let baseline = profiles([[4000, 40], [4010, 31], [3990, 44], [4005, 38], [4000, 40]]);
        let optimizer = profiles([[4400, 43], [4420, 39], [4390, 35], [4400, 50], [4410, 43]]);
        let found = compare(&baseline, &optimizer);
        assert_eq!(found[0].name, "f0");
        assert!((found[0].ratio - 1.1).abs() < 0.01);
        assert!(found[0].is_fault(1.03));
        assert!(!found[0].is_fault(1.2));
        assert!(found[1].ratio > 1.03 && !found[1].is_fault(1.03));
        assert!(found[0].share > 0.98 && found[1].share < 0.02);
    }
}
