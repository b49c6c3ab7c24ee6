//! The sections on calls, instances, and the cost of counters and interruption.

use super::bars::{self, Bar, Meaning};
use super::dots;
use super::estimate::{Mean, Outcome};
use super::tables::{Cell, Table};
use super::{Page, Section, about_case, disagreements, grid, legend, picture};
use crate::metric::Metric;
use crate::record::{Row, Suite};
use upshift_plot::format::Unit;
use upshift_plot::look::Look;

/// The kinds of calls, with descriptions.
const CALLS: [(Metric, &str); 5] = [
    (
        Metric::HostToWasm,
        "from the host to a Wasm function and back",
    ),
    (Metric::WasmToHost, "from Wasm to a host function and back"),
    (Metric::Direct, "to a function of the same module"),
    (Metric::Indirect, "through a table"),
    (
        Metric::Import,
        "to another instance's function, through an import",
    ),
];

/// Writes the section on calls.
pub fn calls(page: &Page<'_>) -> Section {
    let looks = page.looks(Suite::Calls);
    let mut section = Section::new(
        "calls",
        "Calls",
        "Nanoseconds for one call of an almost empty function, by kind of call, after a warmup. \
         Shorter is better. A call of less than a nanosecond has probably been inlined.",
    );
    if looks.is_empty() {
        return section.missing("calls", "calls");
    }
    section.push(&legend(&looks));
    let meaning = Meaning {
        main: "one call",
        thin: "",
        unit: |_| Unit::NS,
    };
    let cases: Vec<_> = page.results.cases(Suite::Calls).collect();
    for case in &cases {
        let panels = CALLS.iter().map(|(metric, about)| {
            let bars: Vec<_> = looks
                .iter()
                .map(|look| Bar {
                    look,
                    main: page.outcome(Suite::Calls, &case.name, look, *metric),
                    thin: None,
                })
                .collect();
            let title = if cases.len() == 1 {
                capital(metric.title())
            } else {
                format!("{}: {}", case.name, metric.title())
            };
            picture(&title, about, &bars::panel(&title, &bars, &meaning))
        });
        section.push(&grid(panels));
    }
    let titles = CALLS.iter().map(|(metric, _)| metric.title());
    let mut table = Table::new("One call, ns", std::iter::once("").chain(titles));
    for case in &cases {
        if cases.len() > 1 {
            table.group(&case.name, &about_case(case));
        }
        for look in &looks {
            let outcomes =
                CALLS.map(|(metric, _)| page.outcome(Suite::Calls, &case.name, look, metric));
            push(&mut table, look, &outcomes, Unit::NS);
        }
    }
    section.push(&table.render());
    section
}

/// Writes the section on instances.
pub fn instances(page: &Page<'_>) -> Section {
    let looks = page.looks(Suite::Instances);
    let mut section = Section::new(
        "instances",
        "Instances",
        "Microseconds to make one more instance of a module that is loaded, and to drop it again, \
         without running the program. Less is better.",
    );
    if looks.is_empty() {
        return section.missing("instances", "instances");
    }
    let cases: Vec<_> = page.results.cases(Suite::Instances).collect();
    let names = cases.iter().map(|case| case.name.as_str());
    let mut table = Table::new("One more instance, µs", std::iter::once("").chain(names));
    for look in &looks {
        let outcomes: Vec<_> = cases
            .iter()
            .map(|case| page.outcome(Suite::Instances, &case.name, look, Metric::Instance))
            .collect();
        push(&mut table, look, &outcomes, Unit::NS_AS_US);
    }
    section.push(&table.render());
    section
}

/// Writes the section on the cost of counters and interruption.
pub fn overhead(page: &Page<'_>) -> Section {
    let looks = page.looks(Suite::Overhead);
    let mut section = Section::new(
        "overhead",
        "Overhead of counters and interruption",
        "Processor time of steady iterations in configurations that differ in what is watched \
         while code runs, each relative to the first configuration of the same engine. Above 1 is \
         what the others pay.",
    );
    if looks.is_empty() {
        return section.missing("the overhead of counters and interruption", "overhead");
    }
    section.push(&disagreements(page.results, Suite::Overhead));
    let families = families(&looks);
    let panels = families.iter().map(|looks| {
        let rows = looks
            .iter()
            .map(|look| (*look, cost(page, look, looks[0], &|_| true)));
        let about = format!("relative to {}, geometric mean", looks[0].name);
        let drawn = dots::panel(&about, &rows.collect::<Vec<_>>(), []);
        picture(family(&looks[0].id), &about, &drawn)
    });
    section.push(&grid(panels));
    for looks in &families {
        section.push(&costs(page, looks));
    }
    section
}

/// The engine whose configuration an id names.
fn family(id: &str) -> &str {
    id.split('-').next().unwrap_or(id)
}

/// Configurations grouped by engine, in the order of the first ones.
fn families<'a>(looks: &[&'a Look]) -> Vec<Vec<&'a Look>> {
    let mut families: Vec<Vec<&Look>> = Vec::new();
    for look in looks {
        let same = |other: &&mut Vec<&Look>| family(&other[0].id) == family(&look.id);
        match families.iter_mut().find(same) {
            Some(family) => family.push(look),
            None => families.push(vec![look]),
        }
    }
    families
}

/// Steady processor time relative to another configuration, over the cases selected by name.
fn cost(page: &Page<'_>, look: &Look, first: &Look, wanted: &dyn Fn(&str) -> bool) -> Option<Mean> {
    let steady = |row: &Row| row.samples(Metric::SteadyCpu);
    page.relative(Suite::Overhead, &look.id, &first.id, wanted, steady)
}

/// The table of one engine's configurations.
fn costs(page: &Page<'_>, looks: &[&Look]) -> String {
    let first = looks[0];
    let names = looks.iter().map(|look| look.name.as_str());
    let mut table = Table::new(
        &format!("Steady processor time relative to {}", first.name),
        std::iter::once("").chain(names),
    );
    let mean = |look: &&Look| Cell::mean(cost(page, look, first, &|_| true), Unit::TIMES);
    table.row(
        "geometric mean",
        &looks.iter().map(mean).collect::<Vec<_>>(),
    );
    for case in page.results.cases(Suite::Overhead) {
        let cell = |look: &&Look| {
            let steady = page.outcome(Suite::Overhead, &case.name, look, Metric::SteadyCpu);
            match steady {
                Outcome::Measured(_) => Cell::mean(
                    cost(page, look, first, &|name| name == case.name),
                    Unit::TIMES,
                ),
                _ => Cell::outcome(&steady, Unit::TIMES),
            }
        };
        table.row(&case.name, &looks.iter().map(cell).collect::<Vec<_>>());
    }
    table.render()
}

/// A row of outcomes, or the one reason why there are none.
fn push(table: &mut Table, look: &Look, outcomes: &[Outcome<'_>], unit: Unit) {
    match outcomes.first() {
        Some(first)
            if first.estimate().is_none() && outcomes.iter().all(|outcome| outcome == first) =>
        {
            table.engine_without(look, &first.excuse());
        }
        _ => {
            let cells: Vec<_> = outcomes.iter().map(|o| Cell::outcome(o, unit)).collect();
            table.engine(look, &cells);
        }
    }
}

fn capital(text: &str) -> String {
    let mut rest = text.chars();
    let first = rest.next().map(|first| first.to_uppercase().to_string());
    first.unwrap_or_default() + rest.as_str()
}
