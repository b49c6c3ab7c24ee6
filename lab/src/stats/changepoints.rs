//! Where a series changes its mean or its variance.
//!
//! The method is PELT (Killick, Fearnhead and Eckley, *Optimal detection of changepoints with a
//! linear computational cost*, JASA 2012): the exact minimum, over all ways to cut the series, of
//! the segments' costs plus a penalty for each cut. A segment's cost is twice the negative log
//! likelihood of a normal distribution with the segment's own mean and variance. The penalty is
//! 15 ln n, as Barrett et al. chose it for iterations of benchmarks (*Virtual machine warmup blows
//! hot and cold*, OOPSLA 2017).

use std::f64::consts::PI;
use std::ops::Range;

/// Values that a segment has at least: a variance needs two.
const MIN_SEGMENT: usize = 2;

/// The least variance that a segment is taken to have. Constant stretches have none, and the
/// logarithm of that would outweigh all else. Below it the minimum is no longer exact: a cut may be
/// missed where a segment varies as little as this.
const MIN_VARIANCE: f64 = 1e-8;

/// The penalty for each cut of a series of that length: 15 ln n.
pub fn penalty(length: usize) -> f64 {
    15.0 * (length.max(1) as f64).ln()
}

/// The segments of a series with the least cost, in order and without gaps.
///
/// A series with fewer than four values is one segment. Takes time in the number of values times
/// the length of segments: 2,000 values without a change take some 20 ms.
pub fn segments(values: &[f64], penalty: f64) -> Vec<Range<usize>> {
    let costs = Costs::new(values);
    let length = values.len();
    if length < 2 * MIN_SEGMENT {
        return (length > 0).then_some(0..length).into_iter().collect();
    }
    // The least cost of the values before each index, and where the last segment begins then.
    let mut best = vec![f64::INFINITY; length + 1];
    let mut last = vec![0; length + 1];
    best[0] = -penalty;
    let mut starts: Vec<usize> = Vec::new();
    for end in MIN_SEGMENT..=length {
        // A start that was worse at `before` by more than its penalty is never the best again: to
        // cut there is no dearer, and leaves a segment of the least length from here on.
        let before = end - MIN_SEGMENT;
        starts.retain(|&start| best[start] + costs.of(start..before) <= best[before]);
        starts.push(before);
        for &start in &starts {
            let cost = best[start] + costs.of(start..end) + penalty;
            if cost < best[end] {
                (best[end], last[end]) = (cost, start);
            }
        }
    }
    let mut found = Vec::new();
    let mut end = length;
    while end > 0 {
        found.push(last[end]..end);
        end = last[end];
    }
    found.reverse();
    found
}

/// The mean and the variance (that of the values, not an estimate for what they are drawn from).
pub(crate) fn moments(values: &[f64]) -> (f64, f64) {
    let count = values.len().max(1) as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares = values.iter().map(|value| (value - mean).powi(2));
    (mean, squares.sum::<f64>() / count)
}

/// Sums from which the cost of any segment follows in constant time.
struct Costs {
    sums: Vec<f64>,
    squares: Vec<f64>,
}

impl Costs {
    fn new(values: &[f64]) -> Self {
        // Around the mean of all, so that little is lost when squares are subtracted.
        let (center, _) = moments(values);
        let running = |term: fn(f64) -> f64| {
            let terms = values.iter().map(|value| term(value - center));
            let mut sum = 0.0;
            let mut sums = vec![0.0];
            sums.extend(terms.map(|term| {
                sum += term;
                sum
            }));
            sums
        };
        Self {
            sums: running(|value| value),
            squares: running(|value| value * value),
        }
    }

    fn of(&self, segment: Range<usize>) -> f64 {
        let count = segment.len() as f64;
        let sum = self.sums[segment.end] - self.sums[segment.start];
        let squares = self.squares[segment.end] - self.squares[segment.start];
        let variance = (squares - sum * sum / count) / count;
        count * ((2.0 * PI).ln() + variance.max(MIN_VARIANCE).ln() + 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many values of that mean, with that width.
    type Part = (usize, f64, f64);

    /// A series made of a linear congruential generator, so that other programs can make the same:
    /// for each (count, mean, width), values within `width` around the mean.
    fn series(parts: &[Part]) -> Vec<f64> {
        let mut state = 1_u32;
        let mut values = Vec::new();
        for &(count, mean, width) in parts {
            values.extend((0..count).map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                mean + width * (f64::from(state >> 8) / f64::from(1 << 24) - 0.5)
            }));
        }
        values
    }

    fn ends(values: &[f64]) -> Vec<usize> {
        let found = segments(values, penalty(values.len()));
        assert_eq!(found.first().map_or(0, |first| first.start), 0);
        assert!(found.windows(2).all(|pair| pair[0].end == pair[1].start));
        found.into_iter().map(|segment| segment.end).collect()
    }

    #[test]
    fn hand_made_series() {
        assert_eq!(ends(&[]), [0_usize; 0]);
        assert_eq!(ends(&[1.0]), [1]);
        assert_eq!(ends(&[1.0; 3]), [3]);
        assert_eq!(ends(&[5.0; 100]), [100], "no change in a constant");
        assert_eq!(ends(&[vec![2.0; 40], vec![1.0; 60]].concat()), [40, 100]);
        let noisy = series(&[(300, 1.0, 0.1)]);
        assert_eq!(ends(&noisy), [300], "noise is no change");
    }

    /// What ruptures 1.1.10 finds (`Pelt`, `min_size=2`, `jump=1`) with this module's cost as its
    /// `custom_cost`, and the same with its own `normal`.
    #[test]
    fn as_ruptures_finds_them() {
        let cases: &[(&[Part], &[usize])] = &[
            (&[(30, 1.5, 0.2), (170, 1.0, 0.1)], &[30, 200]),
            (
                &[(10, 2.0, 0.1), (40, 1.2, 0.1), (250, 1.0, 0.05)],
                &[10, 50, 300],
            ),
            (&[(200, 1.0, 0.02), (200, 1.0, 0.2)], &[201, 400]),
            (
                &[(100, 1.0, 0.1), (100, 1.03, 0.1), (100, 1.1, 0.1)],
                &[200, 300],
            ),
            (
                &[
                    (50, 1.0, 0.1),
                    (50, 1.2, 0.1),
                    (50, 1.0, 0.1),
                    (50, 1.2, 0.1),
                    (3, 5.0, 0.5),
                    (47, 1.0, 0.1),
                ],
                &[50, 100, 150, 200, 203, 250],
            ),
            (&[(300, 1.0, 0.1), (300, 0.98, 0.1)], &[600]),
        ];
        for (parts, expected) in cases {
            assert_eq!(ends(&series(parts)), *expected, "{parts:?}");
        }
    }

    /// The least cost over all ways to cut, by trying each.
    fn exhaustive(values: &[f64], penalty: f64) -> f64 {
        let costs = Costs::new(values);
        let mut best = vec![f64::INFINITY; values.len() + 1];
        best[0] = -penalty;
        for end in MIN_SEGMENT..=values.len() {
            for start in 0..=end - MIN_SEGMENT {
                best[end] = best[end].min(best[start] + costs.of(start..end) + penalty);
            }
        }
        best[values.len()]
    }

    #[test]
    fn pruning_loses_no_optimum() {
        let mut random = fastrand::Rng::with_seed(5);
        for case in 0..200 {
            let length = random.usize(4..80);
            let mut level = 1.0;
            let values: Vec<f64> = (0..length)
                .map(|_| {
                    if random.u8(..10) == 0 {
                        level = random.f64() * 3.0;
                    }
                    level + random.f64() * 0.3
                })
                .collect();
            let penalty = random.f64() * 20.0;
            let costs = Costs::new(&values);
            let found = segments(&values, penalty);
            let cost: f64 = found
                .iter()
                .map(|segment| costs.of(segment.clone()) + penalty)
                .sum();
            let least = exhaustive(&values, penalty);
            assert!(
                (cost - penalty - least).abs() < 1e-6,
                "case {case}: {cost} {least}"
            );
        }
    }
}
