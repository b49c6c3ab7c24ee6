//! Values with intervals, from samples of several processes.
//!
//! What varies from process to process (layout, address space, scheduling) varies little from
//! iteration to iteration within one, so iterations are no independent samples: a process counts
//! once, by the median of its iterations, and processes are what is resampled (Kalibera and Jones,
//! *Rigorous benchmarking in reasonable time*, ISMM 2013).

use fastrand::Rng;

use super::{RESAMPLES, geomean, interval_of, median, resample};

/// A value and the ends of its 95 % confidence interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The figure, computed from all samples.
    pub value: f64,
    /// The lower end of the interval.
    pub low: f64,
    /// The upper end of the interval.
    pub high: f64,
}

impl Estimate {
    /// Whether the interval excludes a value.
    pub fn excludes(&self, value: f64) -> bool {
        value < self.low || value > self.high
    }

    /// The figure `statistic` of the samples, and its interval from figures of resamples.
    fn of(value: f64, statistic: impl FnMut(&mut Rng) -> f64) -> Self {
        let (low, high) = interval_of(RESAMPLES, statistic);
        Self { value, low, high }
    }
}

/// One value for each process: the median of its iterations. Processes without any are left out.
pub fn per_process(processes: &[Vec<f64>]) -> Vec<f64> {
    let measured = processes.iter().filter(|iterations| !iterations.is_empty());
    measured.map(|iterations| median(iterations)).collect()
}

/// The median over processes; `None` without any.
pub fn median_estimate(processes: &[f64]) -> Option<Estimate> {
    if processes.is_empty() {
        return None;
    }
    let statistic = |random: &mut Rng| median(&resample(processes, random));
    Some(Estimate::of(median(processes), statistic))
}

/// The samples of one program under two variants, one value for each process.
#[derive(Clone, Copy, Debug)]
pub struct Pair<'a> {
    /// Samples of what is judged.
    pub variant: &'a [f64],
    /// Samples of what it is compared with.
    pub base: &'a [f64],
}

impl Pair<'_> {
    fn is_measured(&self) -> bool {
        !self.variant.is_empty() && !self.base.is_empty()
    }

    fn ratio(&self) -> f64 {
        median(self.variant) / median(self.base)
    }

    fn resampled(&self, random: &mut Rng) -> f64 {
        median(&resample(self.variant, random)) / median(&resample(self.base, random))
    }
}

/// The ratio of the variant's median to the base's; `None` if one of them has no samples.
///
/// Both are resampled independently: processes of the two have nothing in common.
pub fn ratio(pair: Pair<'_>) -> Option<Estimate> {
    let measured = pair.is_measured();
    measured.then(|| Estimate::of(pair.ratio(), |random| pair.resampled(random)))
}

/// The geometric mean of the programs' ratios; `None` if there are none, or one lacks samples.
///
/// Processes are resampled within each program. Programs are not resampled: the interval is that of
/// these programs, and says nothing about others.
pub fn geomean_ratio(programs: &[Pair<'_>]) -> Option<Estimate> {
    if !programs.iter().all(Pair::is_measured) {
        return None;
    }
    let value = geomean(programs.iter().map(Pair::ratio))?;
    let statistic = |random: &mut Rng| {
        let ratios = programs.iter().map(|pair| pair.resampled(random));
        geomean(ratios).unwrap_or(value)
    };
    Some(Estimate::of(value, statistic))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: [f64; 7] = [10.0, 10.2, 9.9, 10.1, 9.8, 10.05, 10.0];

    #[test]
    fn a_process_counts_once() {
        let processes = [vec![1.0, 9.0, 2.0], vec![], vec![4.0; 100]];
        assert_eq!(per_process(&processes), [2.0, 4.0]);
        assert_eq!(median_estimate(&[]), None);
        let one = median_estimate(&[3.0]).unwrap();
        assert_eq!((one.low, one.value, one.high), (3.0, 3.0, 3.0));
    }

    #[test]
    fn ratios_find_a_tenth_and_not_the_noise() {
        let slower = BASE.map(|time| time * 1.1);
        let pair = |variant, base| Pair { variant, base };
        let found = ratio(pair(&slower, &BASE)).unwrap();
        assert!(
            (found.value - 1.1).abs() < 1e-12 && found.excludes(1.0),
            "{found:?}"
        );
        assert!(found.low > 1.05 && found.high < 1.15, "{found:?}");
        let same = ratio(pair(&BASE, &BASE)).unwrap();
        assert!(same.value == 1.0 && !same.excludes(1.0), "{same:?}");
        assert_eq!(ratio(pair(&BASE, &[])), None);
    }

    #[test]
    fn a_mean_over_programs_is_geometric_and_narrower_than_its_parts() {
        let double = BASE.map(|time| time * 2.0);
        let half = BASE.map(|time| time / 2.0);
        let programs = [&double, &half].map(|variant| Pair {
            variant,
            base: &BASE,
        });
        let mean = geomean_ratio(&programs).unwrap();
        assert!((mean.value - 1.0).abs() < 1e-12, "{mean:?}");
        let part = ratio(programs[0]).unwrap();
        assert!(mean.high / mean.low < part.high / part.low);
        assert_eq!(geomean_ratio(&[]), None);
    }
}
