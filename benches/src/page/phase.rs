//! Summaries of the iterations of one engine on one kernel.
//!
//! Three are named as in JetStream 3: the first; the mean of the four slowest after it, the worst;
//! and the mean of all after it, the average.

use super::estimate::{Estimate, Estimator};
use crate::metric::Metric;
use crate::record::{Launch, Row};

/// The number of iterations in the worst.
const WORST: usize = 4;

/// A summary of the iterations of one engine on one kernel.
#[derive(Clone, Copy, Debug)]
pub enum Phase {
    /// The wall time of loading and the first iteration.
    Result,
    /// The wall time of the first iteration.
    First,
    /// The mean wall time of the slowest iterations after the first.
    Worst,
    /// The mean wall time of all iterations after the first.
    Average,
    /// The median wall time of the last half of the iterations.
    Steady,
    /// The median processor time of the last half of the iterations.
    SteadyCpu,
}

impl Phase {
    /// All phases.
    pub const ALL: [Self; 6] = [
        Self::Result,
        Self::First,
        Self::Worst,
        Self::Average,
        Self::Steady,
        Self::SteadyCpu,
    ];

    /// The heading of a column.
    pub fn title(self) -> &'static str {
        match self {
            Self::Result => "Load + first",
            Self::First => "First",
            Self::Worst => "Worst",
            Self::Average => "Average",
            Self::Steady => "Steady",
            Self::SteadyCpu => "Steady, CPU",
        }
    }

    /// A description in a few words.
    pub fn about(self) -> &'static str {
        match self {
            Self::Result => "from the module's bytes to the end of the first iteration",
            Self::First => "the first iteration alone",
            Self::Worst => "mean of the four slowest iterations after the first",
            Self::Average => "mean of all iterations after the first",
            Self::Steady => "median of the last half",
            Self::SteadyCpu => "processor time of the same, over all threads",
        }
    }

    /// The median over a row's launches.
    pub fn of(self, estimator: &Estimator, row: &Row) -> Option<Estimate> {
        estimator.of(&self.samples(row))
    }

    /// The phase's value in each launch that has it.
    pub fn samples(self, row: &Row) -> Vec<f64> {
        let of_launch = |launch: &Launch| -> Option<f64> {
            let (first, others) = launch.iterations.split_first()?;
            let mut walls: Vec<f64> = others.iter().map(|iteration| iteration.wall).collect();
            match self {
                Self::Result => launch.figures.get(&Metric::FirstResult).copied(),
                Self::First => Some(first.wall),
                Self::Worst => {
                    walls.sort_by(|one, other| other.total_cmp(one));
                    walls.truncate(WORST);
                    average(&walls)
                }
                Self::Average => average(&walls),
                Self::Steady => launch.figures.get(&Metric::SteadyWall).copied(),
                Self::SteadyCpu => launch.figures.get(&Metric::SteadyCpu).copied(),
            }
        };
        row.launches.iter().filter_map(of_launch).collect()
    }
}

fn average(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Iteration, Suite};

    #[test]
    fn phases_leave_the_first_iteration_out() {
        let iteration = |wall| Iteration {
            at: 0.0,
            wall,
            cpu: wall,
        };
        let walls = [9.0, 1.0, 5.0, 2.0, 3.0, 4.0, 3.0];
        let launch = Launch {
            iterations: walls.map(iteration).to_vec(),
            ..Launch::default()
        };
        let row = Row {
            suite: Suite::Kernels,
            case: "k".into(),
            engine: "e".into(),
            launches: vec![launch],
            failure: None,
        };
        assert_eq!(Phase::First.samples(&row), [9.0]);
        assert_eq!(Phase::Worst.samples(&row), [3.75]);
        assert_eq!(Phase::Average.samples(&row), [3.0]);
        assert!(Phase::Steady.samples(&row).is_empty());
    }
}
