//! One bar per followed function: which gear it was in over the run's time.

use std::fmt::{self, Write as _};

use super::lives::{Gear, Lives};
use super::shortened;
use crate::key::Nanos;
use crate::log::Names;

const NAME_WIDTH: usize = 20;

/// The character that stands for a gear.
fn mark(gear: Gear) -> char {
    match gear {
        Gear::Idle => '.',
        Gear::Baseline => '-',
        Gear::Osr => '=',
        Gear::Optimized => '#',
    }
}

/// Draws the bars and their legend.
pub(super) fn draw(
    lives: &Lives,
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
    for life in lives.heroes() {
        let bar: String = (1..=columns)
            .map(|column| {
                let at = u128::from(end.0) * column as u128 / columns as u128;
                mark(life.gear_at(Nanos(at as u64)))
            })
            .collect();
        let name = shortened(&names.of(life.func), NAME_WIDTH);
        writeln!(out, "  {name:<NAME_WIDTH$} {bar}")?;
    }
    writeln!(
        out,
        "  {:<NAME_WIDTH$} {} no code   {} baseline   {} baseline, its loop optimized   {} optimized",
        "",
        mark(Gear::Idle),
        mark(Gear::Baseline),
        mark(Gear::Osr),
        mark(Gear::Optimized)
    )
}
