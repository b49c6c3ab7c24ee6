//! The section on libraries: the speed of code that others wrote, at steady state.

use super::estimate::{Mean, Outcome};
use super::tables::{Cell, Table};
use super::{Page, REFERENCE, Section, about_case, disagreements, dots, picture};
use crate::metric::Metric;
use crate::record::{Row, Suite};
use upshift_plot::format::Unit;
use upshift_plot::look::Look;

const SUITE: Suite = Suite::Libraries;

/// Writes the section.
pub fn section(page: &Page<'_>) -> Section {
    let looks = page.looks(SUITE);
    let mut section = Section::new(
        "libraries",
        "Real libraries",
        "Libraries that others wrote, in C, C++, Rust and Go, each with a small program around it \
         that is run again and again in one process, each time in an instance of its own: \
         processor time of an iteration at steady state.",
    );
    if looks.is_empty() {
        return section.missing("libraries", "libraries");
    }
    section.push(&disagreements(page.results, SUITE));
    if looks.iter().any(|look| look.id == REFERENCE) {
        let rows = looks
            .iter()
            .map(|look| (*look, relative(page, look, |_| true)));
        let about = "relative to wasmtime, geometric mean";
        let drawn = dots::panel(about, &rows.collect::<Vec<_>>(), []);
        section.push(&picture("Steady processor time", about, &drawn));
    }
    section.push(&times(page, &looks));
    section
}

/// Steady processor time relative to the reference's, over the cases selected by name.
fn relative(page: &Page<'_>, look: &Look, wanted: impl Fn(&str) -> bool) -> Option<Mean> {
    let steady = |row: &Row| row.samples(Metric::SteadyCpu);
    page.relative(SUITE, &look.id, REFERENCE, wanted, steady)
}

/// The table of all libraries: a group for each, with a row for each engine.
fn times(page: &Page<'_>, looks: &[&Look]) -> String {
    let columns = ["", "processor time", "relative to wasmtime"];
    let mut table = Table::new("One iteration at steady state", columns);
    for case in page.results.cases(SUITE) {
        table.group(&case.name, &about_case(case));
        for look in looks {
            let steady = page.outcome(SUITE, &case.name, look, Metric::SteadyCpu);
            match steady {
                Outcome::Measured(_) => {
                    let ratio = relative(page, look, |name| name == case.name);
                    let ratio = Cell::mean(ratio, Unit::TIMES);
                    table.engine(look, &[Cell::outcome(&steady, Unit::S), ratio]);
                }
                _ => table.engine_without(look, &steady.excuse()),
            }
        }
    }
    table.render()
}
