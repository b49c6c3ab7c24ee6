//! The values of expressions.

use std::collections::BTreeMap;

use fastrand::Rng;

use super::parse::{Comparison, Condition, End, Number, Operation, Samples, Selector, Statistic};
use super::{CLASS, Row, Table};
use crate::stats;
use crate::stats::warmup::{Class, common_class};

/// Resamples for an interval.
const RESAMPLES: usize = 2000;

/// Why an expression has no value for a table.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EvalError {
    /// No row has what the expression is about.
    #[error("no row with {metric} matches {selector}{}", for_program(.program.as_deref()))]
    NoRows {
        /// The metric.
        metric: String,
        /// The selector, as in the expression.
        selector: String,
        /// The program, if it is one of several that lacks rows.
        program: Option<String>,
    },
    /// The table has no rows at all.
    #[error("the table has no programs")]
    NoPrograms,
    /// A value is infinite or not a number, for example after a division by zero.
    #[error("a value is not finite")]
    NotFinite,
}

/// The end of the message.
fn for_program(program: Option<&str>) -> String {
    program.map_or_else(String::new, |program| format!(" for {program}"))
}

type Value = Result<f64, EvalError>;

/// The rows that an expression is about.
#[derive(Clone)]
pub(super) struct Scope<'a> {
    rows: Vec<&'a Row>,
}

impl<'a> Scope<'a> {
    /// All rows of a table.
    pub(super) fn all(table: &'a Table) -> Self {
        Self {
            rows: table.rows.iter().collect(),
        }
    }

    /// The rows of each program, by name.
    pub(super) fn programs(&self) -> Vec<Scope<'a>> {
        self.groups(|row| row.program.as_str())
    }

    /// The name of the only program, if all rows are of one.
    pub(super) fn program(&self) -> Option<&'a str> {
        let mut programs = self.rows.iter().map(|row| row.program.as_str());
        let first = programs.next()?;
        programs.all(|program| program == first).then_some(first)
    }

    fn groups<K: Ord>(&self, key: impl Fn(&'a Row) -> K) -> Vec<Scope<'a>> {
        let mut groups = BTreeMap::<K, Scope<'a>>::new();
        for &row in &self.rows {
            let empty = Scope { rows: Vec::new() };
            groups.entry(key(row)).or_insert(empty).rows.push(row);
        }
        groups.into_values().collect()
    }

    /// The metric's values in the rows that match, and at least one.
    fn samples(&self, samples: &Samples) -> Result<Vec<f64>, EvalError> {
        let matching = self
            .rows
            .iter()
            .filter(|row| samples.selector.selects(&row.settings));
        let values = matching.filter_map(|row| row.metrics.get(&samples.metric).copied());
        let values: Vec<f64> = values.collect();
        if !values.is_empty() {
            return Ok(values);
        }
        Err(EvalError::NoRows {
            metric: samples.metric.clone(),
            selector: samples.selector.to_string(),
            program: self.program().map(str::to_owned),
        })
    }
}

impl Scope<'_> {
    /// For each pair of a program and its settings that matches, whether its processes are of one
    /// of the classes; at least one pair.
    fn classes(
        &self,
        selector: &Selector,
        wanted: &[Option<Class>],
    ) -> Result<Vec<bool>, EvalError> {
        let matching = self
            .rows
            .iter()
            .filter(|row| selector.selects(&row.settings));
        let mut pairs: BTreeMap<_, Vec<Class>> = BTreeMap::new();
        for row in matching {
            if let Some(class) = row.class {
                let pair = (row.program.as_str(), &row.settings);
                pairs.entry(pair).or_default().push(class);
            }
        }
        if pairs.is_empty() {
            return Err(EvalError::NoRows {
                metric: CLASS.to_owned(),
                selector: selector.to_string(),
                program: self.program().map(str::to_owned),
            });
        }
        let is_wanted = |classes: Vec<Class>| wanted.contains(&common_class(classes));
        Ok(pairs.into_values().map(is_wanted).collect())
    }
}

impl Selector {
    /// Whether settings are among those that are selected.
    pub(crate) fn selects(&self, settings: &BTreeMap<String, String>) -> bool {
        let mut pairs = self.0.iter();
        pairs.all(|(key, wanted)| {
            let value = settings.get(key);
            value.is_some_and(|value| is_same_value(value, wanted))
        })
    }
}

/// Whether a setting's value is the one that a selector names. Numbers are compared as such.
pub(crate) fn is_same_value(value: &str, wanted: &str) -> bool {
    let numbers = (value.parse::<f64>(), wanted.parse::<f64>());
    value == wanted || matches!(numbers, (Ok(value), Ok(wanted)) if value == wanted)
}

/// Whether a condition is true. Both sides of `and` and `or` are always evaluated, so that an error
/// doesn't depend on their order.
pub(super) fn condition(condition: &Condition, scope: &Scope<'_>) -> Result<bool, EvalError> {
    let both = |sides: &[Condition; 2]| {
        let left = self::condition(&sides[0], scope)?;
        Ok((left, self::condition(&sides[1], scope)?))
    };
    Ok(match condition {
        Condition::Or(sides) => {
            let (left, right) = both(sides)?;
            left || right
        }
        Condition::And(sides) => {
            let (left, right) = both(sides)?;
            left && right
        }
        Condition::Not(inner) => !self::condition(inner, scope)?,
        Condition::Compare(left, comparison, right) => {
            let (left, right) = (number(left, scope)?, number(right, scope)?);
            match comparison {
                Comparison::Less => left < right,
                Comparison::LessOrEqual => left <= right,
                Comparison::Greater => left > right,
                Comparison::GreaterOrEqual => left >= right,
            }
        }
    })
}

/// The value of an expression, which is finite.
pub(super) fn number(expression: &Number, scope: &Scope<'_>) -> Value {
    let value = match expression {
        Number::Literal(value) => *value,
        Number::Negative(inner) => -number(inner, scope)?,
        Number::Arithmetic(left, operation, right) => {
            let (left, right) = (number(left, scope)?, number(right, scope)?);
            match operation {
                Operation::Add => left + right,
                Operation::Subtract => left - right,
                Operation::Multiply => left * right,
                Operation::Divide => left / right,
            }
        }
        Number::OfRows(statistic, samples) => statistic.of(&scope.samples(samples)?),
        Number::OfPrograms(statistic, inner) => {
            let values = each_program(scope, |program| number(inner, program))?;
            statistic.of(&values)
        }
        Number::Ratio(first, second) => {
            let ratios = each_program(scope, |program| {
                let (first, second) = (program.samples(first)?, program.samples(second)?);
                Ok(stats::median(&first) / stats::median(&second))
            })?;
            Statistic::Geomean.of(&ratios)
        }
        Number::Share(inner) => {
            let found = each_program(scope, |program| condition(inner, program))?;
            let count = found.iter().filter(|holds| **holds).count();
            count as f64 / found.len() as f64
        }
        Number::Classes(selector, classes) => {
            let found = scope.classes(selector, classes)?;
            let count = found.iter().filter(|is_named| **is_named).count();
            count as f64 / found.len() as f64
        }
        Number::Interval(end, inner) => {
            let (low, high) = interval(inner, scope)?;
            match end {
                End::Low => low,
                End::High => high,
            }
        }
    };
    if value.is_finite() {
        Ok(value)
    } else {
        Err(EvalError::NotFinite)
    }
}

/// What an expression gives for each program, and at least one.
fn each_program<T>(
    scope: &Scope<'_>,
    value: impl FnMut(&Scope<'_>) -> Result<T, EvalError>,
) -> Result<Vec<T>, EvalError> {
    let programs = scope.programs();
    if programs.is_empty() {
        return Err(EvalError::NoPrograms);
    }
    programs.iter().map(value).collect()
}

/// The ends of the 95 % bootstrap interval of an expression's value.
pub(super) fn interval(inner: &Number, scope: &Scope<'_>) -> Result<(f64, f64), EvalError> {
    // Whether there are rows doesn't depend on the resample: all or none have the error.
    number(inner, scope)?;
    if let Number::Classes(selector, classes) = inner {
        let found = scope.classes(selector, classes)?;
        let found: Vec<f64> = found.into_iter().map(f64::from).collect();
        return Ok(stats::interval_of(RESAMPLES, |random| {
            let drawn = stats::resample(&found, random);
            drawn.iter().sum::<f64>() / drawn.len() as f64
        }));
    }
    let cells = scope.groups(|row| (row.program.as_str(), &row.settings));
    let mut error = None;
    let ends = stats::interval_of(RESAMPLES, |random| {
        let resampled = Scope {
            rows: cells
                .iter()
                .flat_map(|cell| resample(&cell.rows, random))
                .collect(),
        };
        number(inner, &resampled).unwrap_or_else(|found| {
            error = Some(found);
            f64::NAN
        })
    });
    error.map_or(Ok(ends), Err)
}

/// As many rows as there are, drawn with replacement.
fn resample<'a>(rows: &[&'a Row], random: &mut Rng) -> Vec<&'a Row> {
    rows.iter()
        .map(|_| rows[random.usize(..rows.len())])
        .collect()
}

impl Statistic {
    /// The statistic of at least one value.
    fn of(self, values: &[f64]) -> f64 {
        let fold = |choose: fn(f64, f64) -> f64, from| values.iter().copied().fold(from, choose);
        match self {
            Statistic::Median => stats::median(values),
            Statistic::Min => fold(f64::min, f64::INFINITY),
            Statistic::Max => fold(f64::max, f64::NEG_INFINITY),
            Statistic::Geomean => stats::geomean(values.iter().copied()).unwrap_or(f64::NAN),
            Statistic::Quantile(share) => stats::quantile(values, share),
        }
    }
}
