//! Estimates from samples: medians with their intervals, and figures computed from several of them.

use std::cell::RefCell;
use std::collections::HashMap;

use crate::metric::Metric;
use crate::record::{Failure, Row};
use crate::stats;

/// A value and the ends of its 95 % confidence interval, all finite.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The median over the launches, or a figure computed from medians.
    pub value: f64,
    /// The lower end of the interval.
    pub low: f64,
    /// The upper end of the interval.
    pub high: f64,
    /// The number of launches; the fewest of its parts if it has several.
    pub launches: usize,
}

/// A cache of estimates: intervals are expensive, and the same figure is shown in several places.
#[derive(Debug, Default)]
pub struct Estimator {
    /// Estimates by the bits of the samples, in their order.
    known: RefCell<HashMap<Vec<u64>, Option<Estimate>>>,
}

impl Estimator {
    /// The median of some samples; `None` if none of them is a number.
    pub fn of(&self, samples: &[f64]) -> Option<Estimate> {
        let bits = samples.iter().map(|sample| sample.to_bits()).collect();
        let mut known = self.known.borrow_mut();
        *known.entry(bits).or_insert_with(|| Estimate::of(samples))
    }

    /// The estimate of a metric of a row that succeeded.
    pub fn figure(&self, row: &Row, metric: Metric) -> Option<Estimate> {
        if row.failure.is_some() {
            return None;
        }
        self.of(&row.samples(metric))
    }
}

impl Estimate {
    /// The median of some samples; `None` if none of them is a number.
    pub fn of(samples: &[f64]) -> Option<Self> {
        let mut samples = samples.to_vec();
        samples.retain(|sample| sample.is_finite());
        if samples.is_empty() {
            return None;
        }
        let value = stats::median(&samples);
        let (low, high) = if samples.len() > 1 {
            stats::interval(&samples)
        } else {
            (value, value)
        };
        Self {
            value,
            low,
            high,
            launches: samples.len(),
        }
        .checked()
    }

    /// The estimate 1 without an interval: the ratio of a figure to itself.
    fn unity(launches: usize) -> Self {
        Self {
            value: 1.0,
            low: 1.0,
            high: 1.0,
            launches,
        }
    }

    /// Whether there is an interval to show.
    pub fn has_interval(&self) -> bool {
        self.low < self.high
    }

    /// The rate: `amount` per unit of this.
    pub fn rate(&self, amount: f64) -> Option<Self> {
        Self {
            value: amount / self.value,
            low: amount / self.high,
            high: amount / self.low,
            launches: self.launches,
        }
        .checked()
    }

    fn checked(self) -> Option<Self> {
        let finite = self.value.is_finite() && self.low.is_finite() && self.high.is_finite();
        finite.then_some(self)
    }
}

/// The outcome of an engine on a case.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Outcome<'a> {
    /// The figure was measured.
    Measured(Estimate),
    /// The engine does not have a feature that the module needs.
    Refused(&'a str),
    /// The engine failed, though it has all features that the module needs.
    Failed(&'a str),
    /// The engine ran, but does not report this figure.
    NotTold,
    /// The engine was not run on the case.
    NotRun,
}

impl<'a> Outcome<'a> {
    /// The outcome for a figure of a row.
    pub fn of(row: Option<&'a Row>, figure: impl FnOnce(&Row) -> Option<Estimate>) -> Self {
        let Some(row) = row else {
            return Self::NotRun;
        };
        match &row.failure {
            Some(Failure::Refused(why)) => Self::Refused(why),
            Some(Failure::Error(why)) => Self::Failed(why),
            None if row.launches.is_empty() => Self::NotRun,
            None => figure(row).map_or(Self::NotTold, Self::Measured),
        }
    }

    /// The estimate, if the figure was measured.
    pub fn estimate(&self) -> Option<Estimate> {
        match self {
            Self::Measured(estimate) => Some(*estimate),
            _ => None,
        }
    }

    /// The reason why there is no figure, in words.
    pub fn excuse(&self) -> String {
        match self {
            Self::Measured(_) => String::new(),
            Self::Refused(why) => format!("refused: {why}"),
            Self::Failed(why) => format!("error: {why}"),
            Self::NotTold => "not told by this engine".to_owned(),
            Self::NotRun => "not measured".to_owned(),
        }
    }
}

/// The number of resamples for the interval of a mean.
const RESAMPLES: usize = 500;

/// A geometric mean over cases.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mean {
    /// The mean and its interval.
    pub estimate: Estimate,
    /// The number of cases that it is over.
    pub cases: usize,
}

/// One case's samples for a mean, positive and finite.
#[derive(Clone, Debug)]
pub struct Part {
    own: Vec<f64>,
    reference: Option<Vec<f64>>,
}

impl Part {
    /// The samples of figures as they are; `None` if there are none.
    pub fn plain(own: Vec<f64>) -> Option<Self> {
        Some(Self {
            own: positive(own)?,
            reference: None,
        })
    }

    /// The samples of figures and those of a reference; `None` if one has none.
    pub fn ratio(own: Vec<f64>, reference: Vec<f64>) -> Option<Self> {
        Some(Self {
            own: positive(own)?,
            reference: Some(positive(reference)?),
        })
    }

    fn launches(&self) -> usize {
        let reference = self.reference.as_ref().map_or(usize::MAX, Vec::len);
        self.own.len().min(reference)
    }

    /// The median, or the ratio of the medians, of what a function makes of the samples.
    fn value(&self, mut take: impl FnMut(&[f64]) -> Vec<f64>) -> f64 {
        let own = stats::median(&take(&self.own));
        let reference = self.reference.as_ref();
        own / reference.map_or(1.0, |reference| stats::median(&take(reference)))
    }
}

fn positive(mut samples: Vec<f64>) -> Option<Vec<f64>> {
    samples.retain(|sample| sample.is_finite() && *sample > 0.0);
    (!samples.is_empty()).then_some(samples)
}

impl Mean {
    /// The mean over the cases' samples. Its interval comes from resampling the launches of every
    /// case; the cases themselves stay, as the mean is about these.
    pub fn of(parts: &[Part]) -> Option<Self> {
        let value = stats::geomean(parts.iter().map(|part| part.value(<[f64]>::to_vec)))?;
        let launches = parts.iter().map(Part::launches).min()?;
        let (low, high) = if launches > 1 {
            stats::interval_of(RESAMPLES, |random| {
                let drawn = |part: &Part| part.value(|samples| stats::resample(samples, random));
                stats::geomean(parts.iter().map(drawn)).unwrap_or(value)
            })
        } else {
            (value, value)
        };
        let estimate = Estimate {
            value,
            low,
            high,
            launches,
        };
        Some(Self {
            estimate: estimate.checked()?,
            cases: parts.len(),
        })
    }

    /// The mean of a reference relative to itself, over that many cases.
    pub fn unity(parts: &[Part]) -> Option<Self> {
        Some(Self {
            estimate: Estimate::unity(parts.iter().map(Part::launches).min()?),
            cases: parts.len(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_sample_has_no_interval() {
        let estimate = Estimate::of(&[2.0, f64::NAN]).unwrap();
        assert_eq!(
            (estimate.value, estimate.low, estimate.high),
            (2.0, 2.0, 2.0)
        );
        assert!(!estimate.has_interval());
        assert_eq!(Estimate::of(&[]), None);
        assert_eq!(Estimate::of(&[f64::INFINITY]), None);
    }

    #[test]
    fn rates_swap_the_ends() {
        let of = |value, low, high| Estimate {
            value,
            low,
            high,
            launches: 3,
        };
        let rate = of(4.0, 2.0, 8.0).rate(16.0).unwrap();
        assert_eq!((rate.value, rate.low, rate.high), (4.0, 2.0, 8.0));
        assert_eq!(of(0.0, 0.0, 0.0).rate(1.0), None);
    }

    #[test]
    fn estimates_are_remembered_by_their_samples() {
        let estimator = Estimator::default();
        let samples = [1.0, 3.0, 2.0];
        assert_eq!(estimator.of(&samples), Estimate::of(&samples));
        assert_eq!(estimator.of(&samples), Estimate::of(&samples));
        assert_eq!(estimator.of(&[5.0]), Estimate::of(&[5.0]));
    }

    #[test]
    fn means_need_positive_samples() {
        assert_eq!(Mean::of(&[]), None);
        assert!(Part::plain(vec![0.0, f64::NAN]).is_none());
        assert!(Part::ratio(vec![1.0], vec![]).is_none());
        let parts = [1.0, 4.0].map(|value| Part::plain(vec![value]).unwrap());
        let mean = Mean::of(&parts).unwrap();
        assert!((mean.estimate.value - 2.0).abs() < 1e-12);
        assert_eq!((mean.cases, mean.estimate.has_interval()), (2, false));
    }

    #[test]
    fn means_have_an_interval_around_them() {
        let part = Part::ratio(vec![2.0, 2.2, 2.4, 2.1], vec![1.0, 1.1, 1.0, 0.9]).unwrap();
        let one = Mean::of(std::slice::from_ref(&part)).unwrap().estimate;
        assert!(one.low < one.value && one.value < one.high);
        let many = Mean::of(&vec![part; 16]).unwrap().estimate;
        assert!(many.high - many.low < one.high - one.low);
    }
}
