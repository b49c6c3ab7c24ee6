//! Statistics of several measurements of one thing.
//!
//! Samples of programs are few, skewed and sometimes far off, so all figures are medians, and
//! intervals come from resampling (Efron 1979) and not from a normal distribution. Resampling is
//! seeded: the same samples give the same interval.
//!
//! - [`estimate`]: values with intervals, of medians and of ratios;
//! - [`changepoints`]: where a series of iterations changes its mean or variance;
//! - [`warmup`]: whether a process warms up, slows down, is flat or never steady.

pub mod changepoints;
pub mod estimate;
pub mod warmup;

use fastrand::Rng;

/// Resamples per interval; enough for the second digit of a 95 % interval.
const RESAMPLES: usize = 2000;

/// The median; the mean of the two middle values if there is no single one.
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

/// The value below which a share of the values lies, between the two nearest ones by linear
/// interpolation (Hyndman and Fan's type 7, as in R and NumPy). Shares outside of 0 to 1 are those
/// of the ends.
///
/// # Panics
///
/// If there are no values.
pub fn quantile(values: &[f64], share: f64) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    quantile_of_sorted(&values, share)
}

/// [`quantile`] of values in ascending order.
fn quantile_of_sorted(values: &[f64], share: f64) -> f64 {
    let position = (values.len() - 1) as f64 * share.clamp(0.0, 1.0);
    let (low, high) = (position.floor() as usize, position.ceil() as usize);
    let part = position - low as f64;
    values[low] * (1.0 - part) + values[high] * part
}

/// The 95 % percentile-bootstrap interval of the median.
///
/// With one value, the interval is that value: nothing is known about its spread.
///
/// # Panics
///
/// If there are no values.
pub fn interval(values: &[f64]) -> (f64, f64) {
    interval_of(RESAMPLES, |random| median(&resample(values, random)))
}

/// The 95 % interval of a statistic that is computed many times from random resamples.
pub fn interval_of(times: usize, mut statistic: impl FnMut(&mut Rng) -> f64) -> (f64, f64) {
    let mut random = Rng::with_seed(1);
    let mut found: Vec<f64> = (0..times).map(|_| statistic(&mut random)).collect();
    found.sort_by(f64::total_cmp);
    let at = |share: f64| found[((found.len() - 1) as f64 * share).round() as usize];
    (at(0.025), at(0.975))
}

/// As many values as there are, drawn with replacement.
pub fn resample(values: &[f64], random: &mut Rng) -> Vec<f64> {
    let draw = |_| values[random.usize(..values.len())];
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
    fn quantiles_lie_between_values() {
        let values = [4.0, 1.0, 3.0, 2.0];
        assert_eq!(quantile(&values, 0.0), 1.0);
        assert_eq!(quantile(&values, 0.5), 2.5);
        assert_eq!(quantile(&values, 0.9), 3.7);
        assert_eq!(quantile(&values, 1.0), 4.0);
        assert_eq!(quantile(&[5.0], 0.9), 5.0);
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
}
