//! Comparison of two runs: the changes that noise does not explain.
//!
//! Times also differ for two reasons that are not the engine's: the machine was faster or slower
//! during one of the runs, and single measurements scatter. Against the first, each ratio of
//! Upshift's is divided by that of the other engines, measured in the same runs, which did not
//! change. Against the second, an engine's change in a suite is a geometric mean over all cases,
//! with a 95 % interval from resampling cases and processes (Kalibera and Jones, ISMM 2013, for the
//! two levels).

use std::collections::BTreeMap;
use std::fmt;

use fastrand::Rng;

use crate::metric::Metric;
use crate::record::{Results, Row, Suite};
use crate::stats::{geomean, interval_of, median, resample};

/// The metrics that are compared, by suite.
const FIGURES: [(Suite, &[Metric]); 7] = [
    (Suite::Load, &[Metric::LoadCpu, Metric::MachineCode]),
    (Suite::Kernels, &[Metric::SteadyCpu, Metric::MachineCode]),
    (Suite::Libraries, &[Metric::SteadyCpu, Metric::MachineCode]),
    (
        Suite::Programs,
        &[Metric::TotalWall, Metric::TotalCpu, Metric::PeakMemory],
    ),
    (Suite::Calls, &Metric::CALLS),
    (Suite::Instances, &[Metric::Instance]),
    (Suite::Overhead, &[Metric::SteadyCpu]),
];

/// The smallest change that is reported, however certain.
const WORTH: f64 = 0.02;

/// With fewer cases an interval over cases means little, and only larger changes are reported.
const FEW: usize = 5;

/// The smallest change that is reported with few cases.
const WORTH_OF_FEW: f64 = 0.08;

const RESAMPLES: usize = 1000;

/// The change of one figure of one engine in one suite, second run over first.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The suite of the figure.
    pub suite: Suite,
    /// The engine's id.
    pub engine: String,
    /// The figure that changed.
    pub metric: Metric,
    /// The geometric mean over all cases of the second run's median over the first's, with the
    /// machine's drift taken out.
    pub ratio: f64,
    /// The ratio's 95 % interval.
    pub interval: (f64, f64),
    /// The number of cases that both runs have.
    pub cases: usize,
    /// The case that changed most, and its ratio.
    pub most: (String, f64),
}

impl Change {
    /// Whether noise does not explain the change.
    pub fn is_real(&self) -> bool {
        let worth = if self.cases < FEW {
            WORTH_OF_FEW
        } else {
            WORTH
        };
        let (low, high) = self.interval;
        (low > 1.0 || high < 1.0) && (self.ratio.ln().abs() > worth.ln_1p())
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = |ratio: f64| (ratio - 1.0) * 100.0;
        let (low, high) = self.interval;
        let (case, most) = &self.most;
        write!(
            f,
            "{:9}  {:24}  {:13}  {:+6.1} % ({:+.1} to {:+.1}), {} cases, most {case} {:+.1} %",
            self.suite,
            self.engine,
            self.metric.title(),
            percent(self.ratio),
            percent(low),
            percent(high),
            self.cases,
            percent(*most)
        )
    }
}

/// The result of comparing two runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// Every figure that both runs have, of Upshift's configurations.
    pub changes: Vec<Change>,
    /// How much slower the machine was in the second run, by suite and figure, according to the
    /// other engines.
    pub drift: BTreeMap<(Suite, Metric), f64>,
    /// Rows that failed in the second run only.
    pub broken: Vec<String>,
}

/// Compares a first and a second run.
pub fn compare(first: &Results, second: &Results) -> Comparison {
    let mut comparison = Comparison {
        changes: Vec::new(),
        drift: BTreeMap::new(),
        broken: broken(first, second),
    };
    for (suite, metrics) in FIGURES {
        for &metric in metrics {
            let engines = first
                .engines(suite)
                .filter(|engine| second.engines(suite).any(|other| other.id == engine.id));
            let (ours, peers): (Vec<_>, Vec<_>) =
                engines.partition(|engine| engine.id.starts_with("upshift"));
            // Sizes do not drift with the machine's speed.
            let drifts = !matches!(metric, Metric::MachineCode | Metric::PeakMemory);
            let control: Vec<Pair> = peers
                .iter()
                .filter(|_| drifts)
                .flat_map(|peer| pairs(first, second, suite, &peer.id, metric))
                .collect();
            let drift = geomean(control.iter().map(Pair::ratio)).unwrap_or(1.0);
            if !control.is_empty() {
                comparison.drift.insert((suite, metric), drift);
            }
            for engine in ours {
                let pairs = pairs(first, second, suite, &engine.id, metric);
                comparison.changes.extend(change(&pairs, &control).map(
                    |(ratio, interval, most)| Change {
                        suite,
                        engine: engine.id.clone(),
                        metric,
                        ratio,
                        interval,
                        cases: pairs.len(),
                        most,
                    },
                ));
            }
        }
    }
    comparison
}

/// One case's samples in both runs.
struct Pair {
    case: String,
    first: Vec<f64>,
    second: Vec<f64>,
}

impl Pair {
    fn ratio(&self) -> f64 {
        median(&self.second) / median(&self.first)
    }

    fn resampled_ratio(&self, random: &mut Rng) -> f64 {
        median(&resample(&self.second, random)) / median(&resample(&self.first, random))
    }
}

fn pairs(
    first: &Results,
    second: &Results,
    suite: Suite,
    engine: &str,
    metric: Metric,
) -> Vec<Pair> {
    let samples = |results: &Results, case: &str| {
        let row = results.row(suite, case, engine)?;
        let samples = row.samples(metric);
        let usable = row.failure.is_none() && samples.iter().all(|&sample| sample > 0.0);
        (usable && !samples.is_empty()).then_some(samples)
    };
    let pair = |case: &str| {
        Some(Pair {
            case: case.into(),
            first: samples(first, case)?,
            second: samples(second, case)?,
        })
    };
    first
        .cases(suite)
        .filter_map(|case| pair(&case.name))
        .collect()
}

type Found = (f64, (f64, f64), (String, f64));

fn change(pairs: &[Pair], control: &[Pair]) -> Option<Found> {
    let drift = geomean(control.iter().map(Pair::ratio)).unwrap_or(1.0);
    let ratio = geomean(pairs.iter().map(Pair::ratio))? / drift;
    let drawn = |random: &mut Rng, pairs: &[Pair]| {
        let draw = (0..pairs.len()).map(|_| {
            let pair = &pairs[random.usize(..pairs.len())];
            pair.resampled_ratio(random)
        });
        geomean(draw.collect::<Vec<_>>()).unwrap_or(1.0)
    };
    let interval = interval_of(RESAMPLES, |random| {
        drawn(random, pairs) / drawn(random, control)
    });
    let distance = |pair: &&Pair| (pair.ratio() / drift).ln().abs();
    let most = pairs
        .iter()
        .max_by(|a, b| distance(a).total_cmp(&distance(b)))?;
    Some((ratio, interval, (most.case.clone(), most.ratio() / drift)))
}

fn broken(first: &Results, second: &Results) -> Vec<String> {
    let worked = |row: &&Row| {
        let before = first.row(row.suite, &row.case, &row.engine);
        row.failure.is_some() && before.is_some_and(|row| row.failure.is_none())
    };
    let name = |row: &Row| format!("{}: {}, {}", row.suite, row.case, row.engine);
    second.rows.iter().filter(worked).map(name).collect()
}

impl Comparison {
    /// The changes that noise does not explain, the largest first.
    pub fn real(&self) -> Vec<&Change> {
        let mut real: Vec<_> = self
            .changes
            .iter()
            .filter(|change| change.is_real())
            .collect();
        real.sort_by(|a, b| b.ratio.ln().abs().total_cmp(&a.ratio.ln().abs()));
        real
    }

    /// Whether something got worse: slower, larger, or broken.
    pub fn is_worse(&self) -> bool {
        !self.broken.is_empty() || self.real().iter().any(|change| change.ratio > 1.0)
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let real = self.real();
        if real.is_empty() {
            writeln!(
                f,
                "Nothing changed beyond noise, of {} figures.",
                self.changes.len()
            )?;
        } else {
            writeln!(
                f,
                "{} of {} figures changed beyond noise (plus is slower or larger; 95 % interval):",
                real.len(),
                self.changes.len()
            )?;
            for change in real {
                writeln!(f, "  {change}")?;
            }
        }
        for ((suite, metric), drift) in &self.drift {
            if (drift - 1.0).abs() > WORTH {
                let percent = (drift - 1.0) * 100.0;
                let title = metric.title();
                writeln!(
                    f,
                    "The other engines drifted by {percent:+.1} % in {suite}, {title}; \
                     taken out above."
                )?;
            }
        }
        for row in &self.broken {
            writeln!(f, "Worked before and fails now: {row}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{CaseInfo, EngineInfo, FORMAT, Launch, Machine};

    /// Three launches of 20 kernels on two engines of ours and one peer, each sample scattered by
    /// up to 5 %, everything times `machine`, the baseline also times `planted`.
    fn run(seed: u64, machine: f64, planted: f64) -> Results {
        let mut random = Rng::with_seed(seed);
        let mut noise = || 1.0 + (random.f64() - 0.5) * 0.1;
        let engines = ["upshift", "upshift-baseline", "wasmtime"];
        let mut results = Results {
            format: FORMAT,
            machine: Machine {
                cpu: String::new(),
                threads: 2,
                memory: 0,
                kernel: String::new(),
            },
            command: String::new(),
            started: 0,
            complete: true,
            engines: Vec::new(),
            cases: Vec::new(),
            rows: Vec::new(),
        };
        for id in engines {
            results.engines.push(EngineInfo {
                id: id.into(),
                name: id.into(),
                version: String::new(),
                flags: String::new(),
                lazy: false,
            });
        }
        for case in 0..20 {
            let name = format!("kernel-{case}");
            results.cases.push(CaseInfo {
                suite: Suite::Kernels,
                name: name.clone(),
                about: String::new(),
                module_bytes: 1,
                code_bytes: 1,
                needs: Vec::new(),
            });
            for engine in engines {
                let slower = if engine == "upshift-baseline" {
                    planted
                } else {
                    1.0
                };
                let mut launch = || {
                    let time = f64::from(case + 1) * 1e-3 * machine * slower * noise();
                    Launch {
                        figures: [(Metric::SteadyCpu, time)].into(),
                        ..Launch::default()
                    }
                };
                results.rows.push(Row {
                    suite: Suite::Kernels,
                    case: name.clone(),
                    engine: engine.into(),
                    launches: vec![launch(), launch(), launch()],
                    failure: None,
                });
            }
        }
        results
    }

    #[test]
    fn noise_is_not_seen() {
        for seed in 0..20 {
            let comparison = compare(&run(2 * seed, 1.0, 1.0), &run(2 * seed + 1, 1.0, 1.0));
            assert_eq!(comparison.real(), Vec::<&Change>::new(), "{comparison}");
            assert!(!comparison.is_worse());
        }
    }

    #[test]
    fn a_planted_slowdown_of_a_tenth_is_seen_in_its_tier_only() {
        let comparison = compare(&run(1, 1.0, 1.0), &run(2, 1.0, 1.1));
        let real = comparison.real();
        assert_eq!(real.len(), 1, "{comparison}");
        assert_eq!(real[0].engine, "upshift-baseline");
        let (low, high) = real[0].interval;
        assert!(low <= 1.1 && 1.1 <= high, "{comparison}");
        assert!(comparison.is_worse());
    }

    #[test]
    fn a_slower_machine_is_no_change() {
        let comparison = compare(&run(3, 1.0, 1.0), &run(4, 1.5, 1.0));
        assert!(comparison.real().is_empty(), "{comparison}");
        let drift = comparison.drift[&(Suite::Kernels, Metric::SteadyCpu)];
        assert!((drift - 1.5).abs() < 0.05);
        assert!(
            comparison.to_string().contains("drifted by +"),
            "{comparison}"
        );
    }

    #[test]
    fn what_fails_now_is_worse() {
        let (first, mut second) = (run(5, 1.0, 1.0), run(6, 1.0, 1.0));
        second.rows[0].failure = Some(crate::record::Failure::Error("why".into()));
        let comparison = compare(&first, &second);
        assert_eq!(comparison.broken, ["kernels: kernel-0, upshift"]);
        assert!(comparison.is_worse());
    }
}
