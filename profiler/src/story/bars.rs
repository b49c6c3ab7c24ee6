//! One bar for each followed function: which code its calls ran over the time of the run.

use std::fmt::{self, Write as _};

use super::functions::{Execution, Functions};
use super::shortened;
use crate::key::Nanos;
use crate::log::Names;

const NAME_WIDTH: usize = 20;

/// The character that stands for code of this kind.
fn mark(execution: Execution) -> char {
    match execution {
        Execution::Idle => '.',
        Execution::Baseline => '-',
        Execution::Osr => '=',
        Execution::Optimized => '#',
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
                mark(history.execution_at(Nanos(at as u64)))
            })
            .collect();
        let name = shortened(&names.of(history.func), NAME_WIDTH);
        writeln!(out, "  {name:<NAME_WIDTH$} {bar}")?;
    }
    writeln!(
        out,
        "  {:<NAME_WIDTH$} {} no code   {} baseline   {} baseline, its loop optimized   \
         {} optimized",
        "",
        mark(Execution::Idle),
        mark(Execution::Baseline),
        mark(Execution::Osr),
        mark(Execution::Optimized)
    )
}
