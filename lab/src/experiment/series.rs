//! The iterations of a process as a series: its class, and what its steady state is like.

use super::Sample;
use crate::stats::warmup::{SHORTEST, Warmup, classify};

/// The iterations of a process, classified.
#[derive(Clone, Debug)]
pub struct Series {
    /// Their times, in seconds, in the order in which they ran.
    pub times: Vec<f64>,
    /// Segments, class and steady state.
    pub warmup: Warmup,
}

impl Series {
    /// The samples of one process by one of their metrics; `None` if they are too few to be a
    /// series, or one of them lacks the metric.
    pub fn of(samples: &[&Sample], metric: &str) -> Option<Self> {
        if samples.len() < SHORTEST {
            return None;
        }
        let mut samples = samples.to_vec();
        samples.sort_by_key(|sample| sample.iteration);
        let times = samples.iter().map(|sample| sample.metrics.get(metric));
        let times: Vec<f64> = times.map(Option::<&f64>::copied).collect::<Option<_>>()?;
        let warmup = classify(&times)?;
        Some(Self { times, warmup })
    }

    /// The metrics of the series; none without a steady state.
    pub fn metrics(&self) -> impl Iterator<Item = (String, f64)> {
        let steady = self.warmup.steady_from.zip(self.warmup.segments.last());
        let metrics = steady.map(|(from, last)| {
            [
                ("steady", last.mean),
                ("warmup_time", self.times[..from].iter().sum()),
                ("warmup_iterations", from as f64),
            ]
        });
        let metrics = metrics.into_iter().flatten();
        metrics.map(|(name, value)| (name.to_owned(), value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::warmup::Class;

    #[test]
    fn a_series_has_a_steady_state_after_its_warm_up() {
        let sample = |iteration: u32| {
            let slow = if iteration < 10 { 0.3 } else { 0.1 };
            let time = slow + f64::from(iteration % 3) * 1e-4;
            Sample {
                iteration,
                metrics: [("cpu".to_owned(), time)].into(),
                ..Sample::default()
            }
        };
        // In the order of a file of results.
        let samples: Vec<Sample> = (0..60).rev().map(sample).collect();
        let samples: Vec<&Sample> = samples.iter().collect();
        let series = Series::of(&samples, "cpu").unwrap();
        assert_eq!(series.warmup.class, Class::Warmup);
        let metrics: Vec<(String, f64)> = series.metrics().collect();
        assert_eq!(metrics[2], ("warmup_iterations".to_owned(), 10.0));
        assert!((metrics[0].1 - 0.1001).abs() < 1e-5, "{metrics:?}");
        assert!((metrics[1].1 - 3.0009).abs() < 1e-9, "{metrics:?}");
        assert!(Series::of(&samples, "wall").is_none());
        assert!(Series::of(&samples[..SHORTEST - 1], "cpu").is_none());
    }
}
