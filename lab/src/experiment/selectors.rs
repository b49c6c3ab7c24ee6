//! What selectors of verdicts can name, and whether a selector selects a cell of the plan.
//!
//! A selector that selects nothing makes its verdict undecided, which would show only after the
//! whole run. So each is checked when the file is read.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;

use upshift_knobs::nearest;
use upshift_tiering::TieringConfig;
use upshift_tiering::file::FileError;

use super::table::Table;
use super::{Experiment, Settings, Statement, Test};
use crate::predicate::{Selector, is_same_value};

/// Settings as selectors see them: besides a cell's own, the parameters of its policy and queue by
/// name, as far as no setting has the name (`alpha`, `budget`; defaults included), the policy's
/// name as `rule`, and `base=yes` or `base=no`.
#[derive(Debug, Default)]
pub(super) struct Described {
    /// The parameters of each policy and queue that was asked for before.
    specs: HashMap<(&'static str, String), Settings>,
}

impl Described {
    /// A cell's settings.
    pub(super) fn of(&mut self, experiment: &Experiment, own: &Settings) -> Settings {
        let mut settings = own.clone();
        for name in ["policy", "queue"] {
            let Some(spec) = own.get(name) else {
                continue;
            };
            let key = (name, spec.clone());
            let parameters = self.specs.entry(key);
            for (parameter, value) in &*parameters.or_insert_with(|| parameters_of(name, spec)) {
                let own = settings.entry(parameter.clone());
                own.or_insert_with(|| value.clone());
            }
        }
        let base = match experiment.is_base(own) {
            true => "yes",
            false => "no",
        };
        settings.insert("base".into(), base.into());
        settings
    }
}

/// The parameters of a policy or queue, and of a policy its name as `rule`; none if it is not
/// built in.
fn parameters_of(name: &str, spec: &str) -> Settings {
    let mut config = TieringConfig::default();
    if config.set(name, spec).is_err() {
        return Settings::new();
    }
    let spec = match name {
        "policy" => config.policy.spec(),
        _ => config.queue.spec(),
    };
    let mut parts = spec.split(':');
    let rule = parts
        .next()
        .map(|rule| ("rule".to_owned(), rule.to_owned()));
    let parameters = parts.filter_map(|part| part.split_once('='));
    let parameters = parameters.map(|(name, value)| (name.to_owned(), value.to_owned()));
    parameters
        .chain(rule.filter(|_| name == "policy"))
        .collect()
}

/// Refuses a statement that is about settings which no cell has. `tables` are those of the
/// experiment's statements, in their order.
pub(super) fn check(experiment: &Experiment, tables: &[Table<'_>]) -> Result<(), FileError> {
    // Without a plan there is an error of its own, and nothing that could be selected.
    let Ok(combinations) = experiment.combinations() else {
        return Ok(());
    };
    if combinations.is_empty() || tables.is_empty() {
        return Ok(());
    }
    let mut described = Described::default();
    let cells = combinations.iter();
    let cells: Vec<Settings> = cells.map(|own| described.of(experiment, own)).collect();
    for (table, statement) in tables.iter().zip(&experiment.verdicts) {
        check_statement(&cells, table, statement)?;
    }
    Ok(())
}

fn check_statement(
    cells: &[Settings],
    table: &Table<'_>,
    statement: &Statement,
) -> Result<(), FileError> {
    let all: Vec<&Settings> = cells.iter().collect();
    let only = statement.only.iter();
    let only = Selector(
        only.map(|(key, value)| (key.clone(), value.clone()))
            .collect(),
    );
    for pair in &only.0 {
        let name = match pair.0 == "cores" && table.get("cores").is_some() {
            true => "cores",
            false => "where",
        };
        let selector = Selector(vec![pair.clone()]);
        check_selector(&all, &selector, table, table.place(name), "")?;
    }
    check_selector(&all, &only, table, table.place("where"), "")?;
    let meant = all.into_iter();
    let meant: Vec<&Settings> = meant.filter(|cell| only.selects(cell)).collect();
    let mut expressions = Vec::new();
    if let Test::Conditions {
        holds,
        partly,
        refuted,
    } = &statement.test
    {
        expressions.push(("holds", holds.selectors()));
        expressions.extend(partly.iter().map(|partly| ("partly", partly.selectors())));
        expressions.push(("refuted", refuted.selectors()));
    }
    let effect = statement.effect.iter();
    expressions.extend(effect.map(|effect| ("effect", effect.selectors())));
    for (name, selectors) in expressions {
        for selector in selectors {
            let context = format!("`{name}`: ");
            check_selector(&meant, selector, table, table.place(name), &context)?;
        }
    }
    Ok(())
}

/// Refuses a selector that selects none of the cells, with the part of it that is wrong.
fn check_selector(
    cells: &[&Settings],
    selector: &Selector,
    table: &Table<'_>,
    at: Range<usize>,
    context: &str,
) -> Result<(), FileError> {
    if cells.iter().any(|cell| selector.selects(cell)) {
        return Ok(());
    }
    for (key, wanted) in &selector.0 {
        let values: BTreeSet<&str> = cells
            .iter()
            .filter_map(|cell| cell.get(key))
            .map(String::as_str)
            .collect();
        if values.is_empty() {
            let keys: BTreeSet<&str> = cells
                .iter()
                .flat_map(|cell| cell.keys().map(String::as_str))
                .collect();
            let known: Vec<&str> = keys.into_iter().collect();
            let problem = format!(
                "{context}no cell has a setting `{key}`; {}",
                advice(key, &known)
            );
            return table.fail(at, problem);
        }
        if !values.iter().any(|value| is_same_value(value, wanted)) {
            let known: Vec<&str> = values.into_iter().collect();
            let advice = advice(wanted, &known);
            let problem = format!("{context}no cell's `{key}` is `{wanted}`; {advice}");
            return table.fail(at, problem);
        }
    }
    table.fail(at, format!("{context}no cell has all of {selector}"))
}

/// Names in a message at most.
const LISTED: usize = 20;

/// What can be written instead of a name.
fn advice(name: &str, known: &[&str]) -> String {
    if let Some(near) = nearest(name, known.iter().copied()) {
        return format!("did you mean `{near}`?");
    }
    let listed = known[..known.len().min(LISTED)].join(", ");
    match known.len().saturating_sub(LISTED) {
        0 => format!("there are {listed}"),
        more => format!("there are {listed} and {more} more"),
    }
}
