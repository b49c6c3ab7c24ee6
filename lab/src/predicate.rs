//! Verdict predicates: a small total language over a table of results.
//!
//! An experiment says before it runs what its results must show for a claim to hold, and what would
//! refute it. Both are expressions that are true or false of the [`Table`] of results:
//!
//! ```text
//! ci_low(ratio(wall, 'alpha=0.1', 'alpha=1')) > 0.98
//! share(ci_high(ratio(cpu, 'policy=jikes', 'policy=never')) < 1) >= 1/3 and max(wall, '') < 60
//! ```
//!
//! - `median(metric, 'where')`, `min`, `max`, `quantile(metric, 'where', share)`: over the rows
//!   that match.
//! - `ratio(metric, 'a', 'b')`: the median of `a` over the median of `b`; of several programs, the
//!   geometric mean of their ratios.
//! - `geomean(x)`, `median(x)`, `min(x)`, `max(x)`, `quantile(x, share)`: over the programs, each
//!   of which gives `x` from its own rows.
//! - `share(condition)`: the share of the programs for which the condition is true.
//! - `share(class, 'where', 'flat or warmup')`: of the pairs of a program and its settings that
//!   match, the share whose processes all are of one class, and that among the named ones. Classes
//!   are flat, warmup, slowdown and no steady state; `inconsistent` are pairs whose processes are
//!   of different classes. Its interval is over pairs, not over processes: resampled processes
//!   agree more often than processes do.
//! - `ci_low(x)`, `ci_high(x)`: the ends of the 95 % bootstrap interval of `x`; rows are resampled
//!   within each program and setting.
//! - `+ - * /`, `< <= > >=`, `and or not`, parentheses and numbers as usual; no `a < b < c`.
//!
//! A selector (`'where'`) is a list of `key=value` that a row's settings must all have, separated
//! by commas; `''` matches all rows.
//!
//! The language is total: it has no loops, names nothing but metrics, and has limits on its length
//! and nesting. So each expression has a value or an [`EvalError`] for each table, in bounded time.

mod eval;
mod parse;

use std::collections::{BTreeMap, BTreeSet};

pub use eval::EvalError;
pub(crate) use eval::is_same_value;
pub use parse::ParseError;
pub(crate) use parse::Selector;

use eval::Scope;

use crate::stats::estimate::Estimate;
use crate::stats::warmup::Class;

/// The name by which expressions speak of the classes of processes.
pub const CLASS: &str = "class";

/// Characters that an expression has at most.
const MAX_LENGTH: usize = 4096;

/// One process' measurements.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row {
    /// The program that ran.
    pub program: String,
    /// How it ran: policy, its parameters, cores and so on, each by its name.
    pub settings: BTreeMap<String, String>,
    /// What was measured, by the metric's name.
    pub metrics: BTreeMap<String, f64>,
    /// How it warmed up, if it has a series of iterations.
    pub class: Option<Class>,
}

/// The results of an experiment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// One row for each process, in any order.
    pub rows: Vec<Row>,
}

/// An expression that is true or false of a table, checked when it is parsed.
#[derive(Clone, Debug, PartialEq)]
pub struct Predicate {
    condition: parse::Condition,
}

impl Predicate {
    /// Parses an expression.
    ///
    /// # Errors
    ///
    /// With the column (in characters, from 1) at which the text stops being an expression.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let condition = parse::condition(text)?;
        Ok(Self { condition })
    }

    /// Whether the expression is true of the table. Costs some milliseconds for each `ci_low` and
    /// `ci_high`, times the programs under `share`.
    ///
    /// # Errors
    ///
    /// If a selector matches no row that has the metric, or a value is not finite.
    pub fn holds(&self, table: &Table) -> Result<bool, EvalError> {
        eval::condition(&self.condition, &Scope::all(table))
    }

    /// The names of the metrics in it.
    pub fn metrics(&self) -> BTreeSet<&str> {
        let mut found = BTreeSet::new();
        self.condition.metrics(&mut found);
        found
    }

    /// The selectors in it.
    pub(crate) fn selectors(&self) -> Vec<&Selector> {
        let mut found = Vec::new();
        self.condition.selectors(&mut found);
        found
    }
}

/// An expression whose value is a number, checked when it is parsed.
#[derive(Clone, Debug, PartialEq)]
pub struct Quantity {
    number: parse::Number,
}

impl Quantity {
    /// Parses an expression.
    ///
    /// # Errors
    ///
    /// As [`Predicate::parse`].
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let number = parse::number(text)?;
        Ok(Self { number })
    }

    /// The value for the table, and the ends of its 95 % bootstrap interval. An expression with
    /// `ci_low` or `ci_high`, or one with more than a share of classes, has no interval of its own:
    /// its ends are the value.
    ///
    /// # Errors
    ///
    /// As [`Predicate::holds`].
    pub fn of(&self, table: &Table) -> Result<Estimate, EvalError> {
        let scope = Scope::all(table);
        let value = eval::number(&self.number, &scope)?;
        let (low, high) = match self.number.has_interval() || self.number.is_of_classes() {
            true => (value, value),
            false => eval::interval(&self.number, &scope)?,
        };
        Ok(Estimate { value, low, high })
    }

    /// The value for each program by itself; programs for which it has none are left out.
    pub fn of_programs(&self, table: &Table) -> Vec<(String, f64)> {
        let programs = Scope::all(table).programs().into_iter();
        let values = programs.filter_map(|program| {
            let value = eval::number(&self.number, &program).ok()?;
            Some((program.program()?.to_owned(), value))
        });
        values.collect()
    }

    /// The names of the metrics in it.
    pub fn metrics(&self) -> BTreeSet<&str> {
        let mut found = BTreeSet::new();
        self.number.metrics(&mut found);
        found
    }

    /// The selectors in it.
    pub(crate) fn selectors(&self) -> Vec<&Selector> {
        let mut found = Vec::new();
        self.number.selectors(&mut found);
        found
    }
}

/// What a table of results says about a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The predicate that says when the claim holds is true, the one that refutes it is not.
    Holds,
    /// The predicate that refutes the claim is true, the one that says when it holds is not.
    Refuted,
    /// Neither is true, or one can't be evaluated or contradicts the other, for the reason given.
    Undecided(String),
}

/// Judges a claim by two predicates.
pub fn judge(holds: &Predicate, refuted: &Predicate, table: &Table) -> Verdict {
    match (holds.holds(table), refuted.holds(table)) {
        (Ok(true), Ok(false)) => Verdict::Holds,
        (Ok(false), Ok(true)) => Verdict::Refuted,
        (Ok(false), Ok(false)) => Verdict::Undecided("neither predicate is true".into()),
        (Ok(true), Ok(true)) => Verdict::Undecided("both predicates are true".into()),
        (Err(error), _) | (_, Err(error)) => Verdict::Undecided(error.to_string()),
    }
}

#[cfg(test)]
mod tests;
