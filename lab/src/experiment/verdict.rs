//! Claims judged by results.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::record::{Key, Line};
use super::selectors::Described;
use super::{Experiment, Mixing, Mode, PlanError, Sample, Series, Statement, Test};
use crate::predicate::{Row, Table, Verdict, judge};
use crate::stats::median;

/// What results say about a statement or a whole paper.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// It holds.
    #[serde(rename = "holds")]
    Holds,
    /// A part of it holds.
    #[serde(rename = "holds in part")]
    Partly,
    /// It is refuted.
    #[serde(rename = "refuted")]
    Refuted,
    /// The results don't decide.
    #[serde(rename = "undecided")]
    Undecided,
    /// Nothing that could be measured here would decide.
    #[serde(rename = "not testable here")]
    NotTestable,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Outcome::Holds => "holds",
            Outcome::Partly => "holds in part",
            Outcome::Refuted => "refuted",
            Outcome::Undecided => "undecided",
            Outcome::NotTestable => "not testable here",
        })
    }
}

impl Outcome {
    /// The outcome of several statements together: the same as theirs if they agree; otherwise the
    /// whole holds in part if one of them does so at least in part, is refuted if one is, and is
    /// undecided.
    pub fn of_all(outcomes: &[Outcome]) -> Outcome {
        let any = |wanted: Outcome| outcomes.contains(&wanted);
        match outcomes {
            [] => Outcome::Undecided,
            [first, rest @ ..] if rest.iter().all(|other| other == first) => *first,
            _ if any(Outcome::Holds) || any(Outcome::Partly) => Outcome::Partly,
            _ if any(Outcome::Refuted) => Outcome::Refuted,
            _ => Outcome::Undecided,
        }
    }
}

/// How large an effect is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Effect {
    /// The figure.
    pub value: f64,
    /// The lower end of its 95 % interval.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

/// What results say about a statement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ruling {
    /// The statement's id.
    pub id: String,
    /// What it says.
    pub text: String,
    /// What the results say.
    pub verdict: Outcome,
    /// Why nothing was decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How large the effect is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<Effect>,
    /// The effect for each program.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub programs: BTreeMap<String, f64>,
}

/// What results say about an experiment: the content of `verdict.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    /// The experiment's title.
    pub title: String,
    /// What they say about all statements together.
    pub verdict: Outcome,
    /// What they say about each.
    pub statements: Vec<Ruling>,
    /// The number of samples that were considered.
    pub samples: usize,
    /// Cells of the plan that have no sample.
    pub missing: usize,
    /// Samples that belong to no cell of the plan; they were not considered.
    pub strangers: usize,
    /// The builds that made the samples.
    pub builds: Vec<String>,
    /// The machines that made them; of simulations, those that simulated.
    pub machines: Vec<String>,
}

impl Judgement {
    /// Judges the statements of an experiment by lines of results, as [`merge`](super::merge()) has
    /// them.
    ///
    /// # Errors
    ///
    /// If the experiment has no plan.
    pub fn new(experiment: &Experiment, lines: &[Line], mixing: Mixing) -> Result<Self, PlanError> {
        let plan = experiment.plan()?;
        let imported = experiment.measure.mode == Mode::Imported;
        let all = || {
            lines.iter().filter_map(|line| match line {
                Line::Sample(sample) => Some(sample),
                _ => None,
            })
        };
        let is_planned =
            |sample: &&Sample| imported || sample.cell().is_some_and(|id| plan.find(id).is_some());
        let samples: Vec<&Sample> = all().filter(is_planned).collect();
        let mut measured: Vec<_> = samples.iter().filter_map(|sample| sample.cell()).collect();
        measured.sort_unstable();
        measured.dedup();
        let missing = match imported {
            true => 0,
            false => plan.cells.len() - measured.len(),
        };
        let environments = lines.iter().filter_map(|line| match line {
            Line::Environment(line) => Some(line),
            _ => None,
        });
        let used = environments.filter(|line| {
            let mut samples = samples.iter();
            samples.any(|sample| sample.environment == line.environment)
        });
        let used: Vec<_> = used.collect();
        let distinct = |texts: Vec<String>| {
            let texts: std::collections::BTreeSet<String> = texts.into_iter().collect();
            texts.into_iter().collect()
        };
        let table = rows(experiment, samples.iter().copied(), mixing);
        let statements = experiment.verdicts.iter();
        let statements: Vec<Ruling> = statements.map(|one| rule(one, &table)).collect();
        let outcomes: Vec<Outcome> = statements.iter().map(|ruling| ruling.verdict).collect();
        Ok(Self {
            title: experiment.title.clone(),
            verdict: Outcome::of_all(&outcomes),
            statements,
            samples: samples.len(),
            missing,
            strangers: all().count() - samples.len(),
            builds: distinct(used.iter().map(|line| line.build.clone()).collect()),
            machines: distinct(used.iter().map(|line| line.machine()).collect()),
        })
    }

    /// What differs from a judgement that was made before, of the same results: nothing, or a line
    /// for each difference.
    pub fn differences(&self, before: &Judgement) -> Vec<String> {
        let mut found = Vec::new();
        let mut differs = |what: &str, before: String, now: String| {
            if before != now {
                found.push(format!("{what} was {before}, is {now}"));
            }
        };
        differs(
            "the verdict",
            before.verdict.to_string(),
            self.verdict.to_string(),
        );
        differs(
            "samples",
            before.samples.to_string(),
            self.samples.to_string(),
        );
        differs(
            "cells without a sample",
            before.missing.to_string(),
            self.missing.to_string(),
        );
        let ids = |judgement: &Judgement| {
            let ids = judgement.statements.iter().map(|ruling| ruling.id.as_str());
            ids.collect::<Vec<_>>().join(", ")
        };
        differs("statements", ids(before), ids(self));
        for (before, now) in before.statements.iter().zip(&self.statements) {
            let id = &now.id;
            differs(id, before.verdict.to_string(), now.verdict.to_string());
            let effect = |ruling: &Ruling| match &ruling.effect {
                None => "none".to_owned(),
                Some(Effect { value, low, high }) => format!("{value:.6} [{low:.6}, {high:.6}]"),
            };
            differs(&format!("the effect of {id}"), effect(before), effect(now));
        }
        found
    }
}

fn rule(statement: &Statement, table: &Table) -> Ruling {
    let is_meant = |row: &&Row| {
        let mut only = statement.only.iter();
        only.all(|(name, value)| row.settings.get(name) == Some(value))
    };
    let rows = table.rows.iter().filter(is_meant).cloned().collect();
    let table = Table { rows };
    let (verdict, reason) = match &statement.test {
        Test::NotTestable(reason) => (Outcome::NotTestable, Some(reason.clone())),
        Test::Conditions {
            holds,
            partly,
            refuted,
        } => match judge(holds, refuted, &table) {
            Verdict::Holds => (Outcome::Holds, None),
            Verdict::Refuted => (Outcome::Refuted, None),
            Verdict::Undecided(reason) => {
                match partly.as_ref().map(|partly| partly.holds(&table)) {
                    Some(Ok(true)) => (Outcome::Partly, None),
                    _ => (Outcome::Undecided, Some(reason)),
                }
            }
        },
    };
    let effect = statement.effect.as_ref();
    let of_all = effect.and_then(|effect| effect.of(&table).ok());
    let programs = effect.map_or_else(Vec::new, |effect| effect.of_programs(&table));
    Ruling {
        id: statement.id.clone(),
        text: statement.text.clone(),
        verdict,
        reason,
        effect: of_all.map(|of_all| Effect {
            value: of_all.value,
            low: of_all.low,
            high: of_all.high,
        }),
        programs: programs.into_iter().collect(),
    }
}

/// Samples as predicates see them: a row for each process, with the median of its iterations, and
/// the class and metrics of their [series](super::Series) if they are one.
///
/// Besides its settings, a row has the parameters of its policy and queue by name, as far as no
/// setting has the name (`alpha`, `budget`; defaults included), the policy's name as `rule`, and
/// `base=yes` or `base=no`. By machine, its program's name has the machine's id appended.
pub fn rows<'a>(
    experiment: &Experiment,
    samples: impl IntoIterator<Item = &'a Sample>,
    mixing: Mixing,
) -> Table {
    let mut processes: BTreeMap<Key, Vec<&Sample>> = BTreeMap::new();
    for sample in samples {
        let (id, process, _) = sample.key();
        processes.entry((id, process, 0)).or_default().push(sample);
    }
    let mut described = Described::default();
    let row = |iterations: Vec<&Sample>| {
        let first = iterations[0];
        let series = Series::of(&iterations, &experiment.measure.classify);
        let mut values: BTreeMap<String, Vec<f64>> = BTreeMap::new();
        for (name, value) in iterations.iter().flat_map(|sample| &sample.metrics) {
            values.entry(name.clone()).or_default().push(*value);
        }
        let settings = described.of(experiment, &first.settings);
        let program = match mixing {
            Mixing::Refuse => first.program.clone(),
            Mixing::ByMachine => format!("{} on {}", first.program, first.environment),
        };
        let metrics = values
            .into_iter()
            .map(|(name, values)| (name, median(&values)));
        let mut metrics: BTreeMap<String, f64> = metrics.collect();
        metrics.extend(series.iter().flat_map(Series::metrics));
        Row {
            program,
            settings,
            metrics,
            class: series.map(|series| series.warmup.class),
        }
    };
    Table {
        rows: processes.into_values().map(row).collect(),
    }
}
