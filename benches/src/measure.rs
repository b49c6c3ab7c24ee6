//! Time, and what to make of several measurements of it.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;

/// What something took.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Cost {
    /// Seconds that passed.
    pub wall: f64,
    /// Seconds of processor time, over all threads of the process.
    pub cpu: f64,
}

/// Runs something once, and returns what it took with its result.
pub fn time<R>(work: impl FnOnce() -> R) -> (Cost, R) {
    let (cpu, wall) = (cpu_time(), Instant::now());
    let result = work();
    let cost = Cost {
        wall: wall.elapsed().as_secs_f64(),
        cpu: (cpu_time() - cpu).as_secs_f64(),
    };
    (cost, result)
}

/// Processor time of the whole process, threads that have ended included.
fn cpu_time() -> Duration {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    // This clock starts at 0 with the process, and nanoseconds are below a billion.
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}

/// The medians of several measurements of the same thing, wall and processor time apart.
///
/// # Panics
///
/// If there are none.
pub fn median_cost(costs: &[Cost]) -> Cost {
    Cost {
        wall: median(costs.iter().map(|cost| cost.wall)),
        cpu: median(costs.iter().map(|cost| cost.cpu)),
    }
}

/// The middle value; the mean of the two middle ones if there is no single one.
///
/// # Panics
///
/// If there are no values.
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let (low, high) = (values[(values.len() - 1) / 2], values[values.len() / 2]);
    f64::midpoint(low, high)
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

/// Measures several contenders in turns: each round runs all of them once.
///
/// `run(contender)` does one measurement. Starting with another contender each round keeps one
/// from always being the one that finds the caches cold.
///
/// # Errors
///
/// The first error of `run`.
pub fn interleave(
    contenders: usize,
    rounds: usize,
    mut run: impl FnMut(usize) -> anyhow::Result<Cost>,
) -> anyhow::Result<Vec<Vec<Cost>>> {
    let mut costs = vec![Vec::with_capacity(rounds); contenders];
    for round in 0..rounds {
        for turn in 0..contenders {
            let contender = (turn + round) % contenders;
            costs[contender].push(run(contender)?);
        }
    }
    Ok(costs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_means() {
        assert_eq!(median([3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median([4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!(geomean([]), None);
        assert!((geomean([0.5, 2.0, 1.0]).unwrap() - 1.0).abs() < 1e-12);
    }

    #[test]
    fn every_contender_runs_in_every_round() {
        let mut order = Vec::new();
        let costs = interleave(3, 2, |contender| {
            order.push(contender);
            let wall = contender as f64;
            Ok(Cost { wall, cpu: wall })
        });
        assert_eq!(order, [0, 1, 2, 1, 2, 0]);
        assert!(costs.unwrap().iter().all(|costs| costs.len() == 2));
    }

    #[test]
    fn processor_time_passes_with_work() {
        let (cost, _) = time(|| (0..3_000_000_u64).map(std::hint::black_box).sum::<u64>());
        assert!(cost.cpu > 0.0 && cost.wall > 0.0);
    }
}
