//! Whether a process warms up: classes of series of iterations.
//!
//! The rules are those of Barrett, Bolz-Tereick, Killick, Mount and Tratt (*Virtual machine warmup
//! blows hot and cold*, OOPSLA 2017) and their program `warmup_stats`. Outliers (Tukey's, in a
//! sliding window) are set aside, the rest is cut at its changepoints, and segments are compared
//! with the last one: equivalent if the means, each plus or minus its variance, overlap or lie
//! within a millisecond. Times are in seconds, since a variance is compared with a time.

use std::fmt;
use std::ops::Range;

use super::changepoints::{moments, penalty, segments};
use super::quantile_of_sorted;

/// Iterations of a process at least, for them to be a series of which a class says something.
pub const SHORTEST: usize = 8;

/// Iterations around one with which it is compared to find out whether it is an outlier.
const WINDOW: usize = 200;

/// Times the distance from the 10 % to the 90 % quantile that an outlier lies from the median.
const FENCE: f64 = 3.0;

/// Iterations at the end that have to be alike for a steady state.
const STEADY: usize = 500;

/// The difference between means that is no difference, in seconds.
const TOLERANCE: f64 = 0.001;

/// What a process did over its iterations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// All segments are equivalent.
    Flat,
    /// It ended in a steady state; segments that differ from that are all slower.
    Warmup,
    /// It ended in a steady state; a segment before that was faster.
    Slowdown,
    /// Its last iterations are not alike.
    NoSteadyState,
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Class::Flat => "flat",
            Class::Warmup => "warmup",
            Class::Slowdown => "slowdown",
            Class::NoSteadyState => "no steady state",
        })
    }
}

impl Class {
    /// All classes.
    pub const ALL: [Class; 4] = [
        Class::Flat,
        Class::Warmup,
        Class::Slowdown,
        Class::NoSteadyState,
    ];
}

/// What a program is called whose processes are of different classes.
pub const INCONSISTENT: &str = "inconsistent";

/// A stretch of iterations between two changepoints.
#[derive(Clone, Debug, PartialEq)]
pub struct Segment {
    /// Its iterations, outliers included.
    pub iterations: Range<usize>,
    /// The mean without outliers, in seconds.
    pub mean: f64,
    /// The variance without outliers, in square seconds.
    pub variance: f64,
}

impl Segment {
    fn is_equivalent(&self, other: &Segment) -> bool {
        let apart = (self.mean - other.mean).abs();
        apart <= self.variance + other.variance || apart < TOLERANCE
    }
}

/// The iterations of one process, cut and classified.
#[derive(Clone, Debug, PartialEq)]
pub struct Warmup {
    /// The class.
    pub class: Class,
    /// The segments, in order and without gaps.
    pub segments: Vec<Segment>,
    /// The iterations that are outliers, in ascending order.
    pub outliers: Vec<usize>,
    /// The first iteration of the steady state: from there on all segments are equivalent to the
    /// last one. `None` without a steady state.
    pub steady_from: Option<usize>,
}

/// Cuts and classifies the times of a process' iterations, in seconds; `None` if there are none.
///
/// For 2,000 iterations, a steady state is the last 500; for fewer, the last quarter.
pub fn classify(times: &[f64]) -> Option<Warmup> {
    let outliers = outliers(times);
    let kept: Vec<usize> = (0..times.len())
        .filter(|iteration| outliers.binary_search(iteration).is_err())
        .collect();
    let values: Vec<f64> = kept.iter().map(|&iteration| times[iteration]).collect();
    let segment = |range: Range<usize>| {
        let (mean, variance) = moments(&values[range.clone()]);
        // Outliers belong to the segment whose iterations they follow.
        let start = if range.start == 0 {
            0
        } else {
            kept[range.start]
        };
        let end = kept.get(range.end).copied().unwrap_or(times.len());
        Segment {
            iterations: start..end,
            mean,
            variance,
        }
    };
    let ranges = segments(&values, penalty(values.len())).into_iter();
    let segments: Vec<Segment> = ranges.map(segment).collect();
    let class = class(&segments)?;
    let last = segments.last()?;
    let mut steady = segments.iter().rev();
    let first = steady
        .by_ref()
        .take_while(|segment| segment.is_equivalent(last))
        .last()?;
    let steady_from = (class != Class::NoSteadyState).then_some(first.iterations.start);
    Some(Warmup {
        class,
        outliers,
        steady_from,
        segments,
    })
}

/// The class of a program under one engine: that of all its processes, or `None` if they are of
/// different classes ("inconsistent"), or there are none.
pub fn common_class(processes: impl IntoIterator<Item = Class>) -> Option<Class> {
    let mut classes = processes.into_iter();
    let first = classes.next()?;
    classes.all(|class| class == first).then_some(first)
}

fn class(segments: &[Segment]) -> Option<Class> {
    let last = segments.last()?;
    let length = last.iterations.end;
    let steady = length - STEADY.min(length.div_ceil(4));
    let mut others = segments
        .iter()
        .filter(|segment| !segment.is_equivalent(last))
        .peekable();
    Some(if others.peek().is_none() {
        Class::Flat
    } else if others
        .clone()
        .any(|segment| segment.iterations.end > steady)
    {
        Class::NoSteadyState
    } else if others.all(|segment| segment.mean > last.mean) {
        Class::Warmup
    } else {
        Class::Slowdown
    })
}

/// The iterations that lie further from the median of the window around them than three times the
/// distance between its 10 % and 90 % quantiles.
///
/// Iterations whose window would begin before the first one are not looked at: that is where a
/// process warms up.
pub fn outliers(times: &[f64]) -> Vec<usize> {
    let is_outlier = |&iteration: &usize| {
        let half = WINDOW / 2;
        let window = iteration - half..(iteration + half).min(times.len());
        let mut window = times[window].to_vec();
        window.sort_by(f64::total_cmp);
        let at = |share| quantile_of_sorted(&window, share);
        (times[iteration] - at(0.5)).abs() > FENCE * (at(0.9) - at(0.1))
    };
    (WINDOW / 2..times.len()).filter(is_outlier).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Times with a little noise that repeats, for each (count, mean).
    fn times(parts: &[(usize, f64)]) -> Vec<f64> {
        let mut random = fastrand::Rng::with_seed(3);
        let part = |&(count, mean): &(usize, f64)| vec![mean; count];
        let means = parts.iter().flat_map(part);
        means.map(|mean| mean + 0.004 * random.f64()).collect()
    }

    fn class_of(parts: &[(usize, f64)]) -> Class {
        classify(&times(parts)).unwrap().class
    }

    #[test]
    fn classes_of_hand_made_series() {
        assert_eq!(classify(&[]), None);
        assert_eq!(class_of(&[(2000, 1.0)]), Class::Flat);
        assert_eq!(class_of(&[(50, 1.5), (1950, 1.0)]), Class::Warmup);
        assert_eq!(
            class_of(&[(20, 2.0), (80, 1.5), (1900, 1.0)]),
            Class::Warmup
        );
        assert_eq!(class_of(&[(500, 1.0), (1500, 1.2)]), Class::Slowdown);
        assert_eq!(
            class_of(&[(50, 1.5), (500, 1.0), (1450, 1.2)]),
            Class::Slowdown
        );
        assert_eq!(class_of(&[(1700, 1.0), (300, 1.2)]), Class::NoSteadyState);
        let cyclic: Vec<_> = (0..10)
            .map(|n| (200, 1.0 + f64::from(n % 2) * 0.2))
            .collect();
        assert_eq!(class_of(&cyclic), Class::NoSteadyState);
        // A changepoint between equivalent segments is none: they differ by less than 1 ms.
        let alike = classify(&times(&[(1000, 1.0), (1000, 1.0009)])).unwrap();
        assert_eq!((alike.class, alike.segments.len()), (Class::Flat, 2));
        assert_eq!(alike.steady_from, Some(0));
        // Shorter series: the last quarter.
        assert_eq!(class_of(&[(70, 1.5), (30, 1.0)]), Class::Warmup);
        assert_eq!(class_of(&[(80, 1.5), (20, 1.0)]), Class::NoSteadyState);
    }

    #[test]
    fn the_steady_state_begins_after_the_last_other_segment() {
        let found = classify(&times(&[(30, 2.0), (170, 1.3), (1800, 1.0)])).unwrap();
        assert_eq!(found.class, Class::Warmup);
        assert_eq!(found.steady_from, Some(200));
        let ends: Vec<_> = found
            .segments
            .iter()
            .map(|segment| segment.iterations.end)
            .collect();
        assert_eq!(ends, [30, 200, 2000]);
        assert!((found.segments[2].mean - 1.002).abs() < 0.0002);
        let found = classify(&times(&[(1700, 1.0), (300, 1.2)])).unwrap();
        assert_eq!(found.steady_from, None);
    }

    #[test]
    fn outliers_are_set_aside_where_there_is_a_window_before_them() {
        let mut times = times(&[(1000, 1.0)]);
        for iteration in [40, 300, 301, 999] {
            times[iteration] = 9.0;
        }
        assert_eq!(outliers(&times), [300, 301, 999]);
        // The window's quantiles are about 3.2 ms apart, and its median is about 1.002.
        times[500] = 1.002 + 3.5 * 0.0032;
        times[600] = 1.002 + 2.5 * 0.0032;
        assert_eq!(outliers(&times), [300, 301, 500, 999]);
        times[500] = 1.002;
        let found = classify(&times).unwrap();
        assert_eq!(found.outliers, [300, 301, 999]);
        let last = found.segments.last().unwrap();
        assert_eq!(last.iterations.end, 1000);
        assert!(last.mean < 1.01, "{last:?}");
    }

    #[test]
    fn processes_that_differ_have_no_common_class() {
        assert_eq!(common_class([Class::Flat; 3]), Some(Class::Flat));
        assert_eq!(common_class([Class::Flat, Class::Warmup]), None);
        assert_eq!(common_class([]), None);
    }
}
