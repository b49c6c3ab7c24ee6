//! One bar for each followed function: which code its calls ran over the time of the run.

use std::fmt::{self, Write as _};

use super::functions::{Execution, Functions};
use super::shortened;
use crate::key::Nanos;
use crate::names::Names;

const NAME_WIDTH: usize = 20;

/// The character that stands for code of this kind: a digit for a level in the middle of a ladder
/// with that highest level.
fn mark(execution: Execution, top: u8) -> char {
    match execution {
        Execution::Idle => '.',
        Execution::Level(0) => '-',
        Execution::Osr => '=',
        Execution::Level(level) if level < top => char::from(b'0' + level % 10),
        Execution::Level(_) => '#',
    }
}

/// Draws the bars and their legend.
pub(super) fn draw(
    functions: &Functions,
    names: &Names,
    end: Nanos,
    columns: usize,
    out: &mut String,
) -> fmt::Result {
    let levels = names.levels();
    let top = levels.len().saturating_sub(1) as u8;
    let right = end.to_string();
    writeln!(
        out,
        "  {:<NAME_WIDTH$} 0{right:>width$}",
        "",
        width = columns - 1
    )?;
    for history in functions.followed() {
        let bar: String = (1..=columns)
            .map(|column| {
                let at = u128::from(end.0) * column as u128 / columns as u128;
                mark(history.execution_at(Nanos(at as u64)), top)
            })
            .collect();
        let name = shortened(&names.of(history.func), NAME_WIDTH);
        writeln!(out, "  {name:<NAME_WIDTH$} {bar}")?;
    }
    let first = &levels[0];
    let mut legend = vec![
        (Execution::Idle, "no code".to_owned()),
        (Execution::Level(0), first.to_string()),
        (Execution::Osr, format!("{first}, its loop optimized")),
    ];
    let above = (1..).zip(levels.iter().skip(1));
    legend.extend(above.map(|(level, name)| (Execution::Level(level), code_of(name))));
    let legend = legend.into_iter();
    let legend = legend.map(|(execution, name)| format!("{} {name}", mark(execution, top)));
    let legend = legend.collect::<Vec<_>>().join("   ");
    writeln!(out, "  {:<NAME_WIDTH$} {legend}", "")
}

/// What the level's code is called in the legend.
fn code_of(level: &str) -> String {
    match level {
        "optimizer" => "optimized".into(),
        name => name.into(),
    }
}
