//! What to make of several measurements of one thing.
//!
//! Samples of programs are few, skewed and now and then wild, so everything here is about medians,
//! and intervals come from resampling (Efron 1979) and not from a normal distribution. Resampling is
//! seeded: the same samples give the same interval.

/// Resamples per interval; enough for the second digit of a 95 % interval.
const RESAMPLES: usize = 2000;

/// The middle value; the mean of the two middle ones if there is no single one.
///
/// # Panics
///
/// If there are no values.
pub fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    let (low, high) = (values[(values.len() - 1) / 2], values[values.len() / 2]);
    f64::midpoint(low, high)
}

/// The 95 % percentile-bootstrap interval of the median.
///
/// With one value, that value twice: nothing is known about its spread.
///
/// # Panics
///
/// If there are no values.
pub fn interval(values: &[f64]) -> (f64, f64) {
    interval_of(RESAMPLES, |random| median(&resample(values, random)))
}

/// The 95 % interval of a statistic that is computed anew, with a source of randomness, many times.
pub fn interval_of(times: usize, mut statistic: impl FnMut(&mut Random) -> f64) -> (f64, f64) {
    let mut random = Random::new(1);
    let mut found: Vec<f64> = (0..times).map(|_| statistic(&mut random)).collect();
    found.sort_by(f64::total_cmp);
    let at = |share: f64| found[((found.len() - 1) as f64 * share).round() as usize];
    (at(0.025), at(0.975))
}

/// As many values as there are, drawn with replacement.
pub fn resample(values: &[f64], random: &mut Random) -> Vec<f64> {
    let draw = |_| values[random.below(values.len())];
    (0..values.len()).map(draw).collect()
}

/// The geometric mean, the one mean for ratios. `None` if there are no values.
pub fn geomean(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let (mut logs, mut count) = (0.0, 0_u32);
    for value in values {
        logs += value.ln();
        count += 1;
    }
    (count > 0).then(|| (logs / f64::from(count)).exp())
}

/// A small deterministic source of randomness (SplitMix64, Steele et al. 2014): shuffling and
/// resampling have to be repeatable, not unpredictable.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The sequence of a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `limit`; the bias of the multiplication is below `limit` in 2^64.
    pub fn below(&mut self, limit: usize) -> usize {
        ((u128::from(self.bits()) * limit as u128) >> 64) as usize
    }

    /// Puts items into a random order.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn median_of_odd_and_even() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!(median(&[7.0]), 7.0);
    }

    #[test]
    fn geometric_mean_of_ratios() {
        assert_eq!(geomean([]), None);
        let mean = geomean([0.5, 2.0, 1.0]).unwrap();
        assert!((mean - 1.0).abs() < 1e-12);
    }

    #[test]
    fn intervals_hold_the_median_and_grow_with_the_spread() {
        let narrow = [10.0, 10.1, 9.9, 10.05, 9.95];
        let wide = [10.0, 14.0, 7.0, 12.0, 8.0];
        for samples in [narrow, wide] {
            let (low, high) = interval(&samples);
            assert!(low <= median(&samples) && median(&samples) <= high);
            assert_eq!(interval(&samples), (low, high), "deterministic");
        }
        let width = |samples: &[f64]| interval(samples).1 - interval(samples).0;
        assert!(width(&narrow) < width(&wide));
        assert_eq!(interval(&[5.0]), (5.0, 5.0));
    }

    #[test]
    fn shuffling_keeps_everything_and_moves_something() {
        let mut items: Vec<u32> = (0..100).collect();
        Random::new(7).shuffle(&mut items);
        assert_ne!(items, (0..100).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..100).collect::<Vec<_>>());
    }
}
