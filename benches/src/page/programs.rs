//! The sections on whole programs: end-to-end times, and memory.

use super::bars::{self, Bar, Meaning};
use super::dots;
use super::estimate::{Mean, Outcome};
use super::tables::{Cell, Table};
use super::{Page, REFERENCE, Section, about_case, disagreements, grid, legend, picture};
use crate::metric::Metric;
use crate::record::{CaseInfo, Suite};
use upshift_plot::format::{Unit, bytes};
use upshift_plot::look::Look;

/// Workloads by the last part of a case's name, with the titles of their pictures.
const WORKLOADS: [(&str, &str); 3] = [
    ("short", "Short workloads"),
    ("long", "Long workloads"),
    ("10s", "Ten seconds of work"),
];

/// A case's program and workload.
fn parts(case: &str) -> (&str, &str) {
    match case.rsplit_once('/') {
        Some((program, workload)) if WORKLOADS.iter().any(|(w, _)| *w == workload) => {
            (program, workload)
        }
        _ => (case, ""),
    }
}

/// Programs in the order of their first case, each with its cases.
fn programs<'a>(page: &Page<'a>) -> Vec<(&'a str, Vec<&'a CaseInfo>)> {
    let mut programs: Vec<(&str, Vec<&CaseInfo>)> = Vec::new();
    for case in page.results.cases(Suite::Programs) {
        let program = parts(&case.name).0;
        match programs.iter_mut().find(|(name, _)| *name == program) {
            Some((_, cases)) => cases.push(case),
            None => programs.push((program, vec![case])),
        }
    }
    programs
}

/// Writes the section on time from bytes to exit.
pub fn end_to_end(page: &Page<'_>) -> Section {
    let looks = page.looks(Suite::Programs);
    let mut section = Section::new(
        "programs",
        "Starts at once",
        "Large real programs, each run in a process of its own: from the module's bytes in memory \
         to the program's exit, compiling included. The thick bar is wall time, the thin bar under \
         it processor time over all threads; shorter is better. Most have a short workload, where \
         starting decides, and a long one, where the code that was compiled decides. An engine \
         that is good at both has short bars on both sides. Bars with a gap are cut; their figure \
         is right.",
    );
    if looks.is_empty() {
        return section.missing("whole programs", "programs");
    }
    section.push(&legend(&looks));
    section.push(&summary(page, &looks));
    section.push(&disagreements(page.results, Suite::Programs));
    let meaning = Meaning {
        main: "wall time",
        thin: "processor time",
        unit: Unit::of_seconds,
    };
    section.push(&panels(
        page,
        &looks,
        Metric::TotalWall,
        Some(Metric::TotalCpu),
        &meaning,
    ));
    section.push(&times(page, &looks));
    section
}

/// Writes the section on memory.
pub fn memory(page: &Page<'_>) -> Section {
    let looks = page.looks(Suite::Programs);
    let mut section = Section::new(
        "memory",
        "Memory",
        "The greatest resident set of the processes above, as the system counts it: the engine \
         itself, the module, its machine code and compilers' working memory, and the program's own \
         memory. Shorter is better. Machine code is what the engine says it generated; most don't \
         tell.",
    );
    let measured = |look: &&Look| {
        let mut rows = page.results.rows.iter();
        rows.any(|row| {
            row.suite == Suite::Programs
                && row.engine == look.id
                && page.figure(row, Metric::PeakMemory).is_some()
        })
    };
    if !looks.iter().any(measured) {
        return section.missing("peak memory of whole programs", "programs");
    }
    section.push(&legend(&looks));
    let meaning = Meaning {
        main: "peak memory",
        thin: "",
        unit: Unit::of_bytes,
    };
    section.push(&panels(page, &looks, Metric::PeakMemory, None, &meaning));
    let mut table = Table::new(
        "Memory of whole programs, MB",
        ["", "peak memory", "machine code"],
    );
    each_case(page, &looks, &mut table, |case, look| {
        let find = |metric| page.outcome(Suite::Programs, case, look, metric);
        let (peak, code) = (find(Metric::PeakMemory), find(Metric::MachineCode));
        match (&peak, &code) {
            (Outcome::Measured(_), _) | (_, Outcome::Measured(_)) => Ok(vec![
                Cell::outcome(&peak, Unit::MB),
                Cell::outcome(&code, Unit::MB),
            ]),
            _ => Err(peak.excuse()),
        }
    });
    section.push(&table.render());
    section
}

fn panels(
    page: &Page<'_>,
    looks: &[&Look],
    main: Metric,
    thin: Option<Metric>,
    meaning: &Meaning,
) -> String {
    let mut body = String::new();
    for (program, cases) in programs(page) {
        let panel = |case: &&CaseInfo| {
            let outcome = |look, metric| page.outcome(Suite::Programs, &case.name, look, metric);
            let bars: Vec<_> = looks
                .iter()
                .map(|look| Bar {
                    look,
                    main: outcome(look, main),
                    thin: thin.and_then(|thin| outcome(look, thin).estimate()),
                })
                .collect();
            let label = format!("{} of {} by engine", meaning.main, case.name);
            let title = match parts(&case.name) {
                (_, "") => program.to_owned(),
                (program, workload) => format!("{program}, {workload}"),
            };
            picture(
                &title,
                &about_case(case),
                &bars::panel(&label, &bars, meaning),
            )
        };
        body.push_str(&grid(cases.iter().map(panel)));
    }
    body
}

/// Wall time in relation to the reference, by workload.
fn summary(page: &Page<'_>, looks: &[&Look]) -> String {
    let mean = |look: &Look, workload: &str| -> Option<Mean> {
        page.relative(
            Suite::Programs,
            &look.id,
            REFERENCE,
            |case| parts(case).1 == workload,
            |row| row.samples(Metric::TotalWall),
        )
    };
    let used = WORKLOADS.iter().filter(|(workload, _)| {
        let mut cases = page.results.cases(Suite::Programs);
        cases.any(|case| parts(&case.name).1 == *workload)
    });
    let columns: Vec<_> = used
        .map(|(workload, title)| {
            let rows = looks.iter().map(|look| (*look, mean(look, workload)));
            (*title, rows.collect::<Vec<_>>())
        })
        .collect();
    if columns.is_empty() || looks.iter().all(|look| look.id != REFERENCE) {
        return String::new();
    }
    let pictures = columns.iter().map(|(title, rows)| {
        let about = "wall time relative to wasmtime, geometric mean; left of the line is faster";
        let others = columns.iter().flat_map(|(_, rows)| rows);
        let drawn = dots::panel(title, rows, others.filter_map(|(_, mean)| *mean));
        picture(title, about, &drawn)
    });
    let heads = columns
        .iter()
        .flat_map(|(title, _)| [(*title).to_owned(), "programs".to_owned()]);
    let mut table = Table::new(
        "Wall time relative to wasmtime, geometric means over the programs that both can run",
        std::iter::once(String::new()).chain(heads),
    );
    for (index, look) in looks.iter().enumerate() {
        let cells = columns.iter().flat_map(|(_, rows)| {
            let mean = rows[index].1;
            let cases = mean.map_or(0, |mean| mean.cases);
            [
                Cell::mean(mean, Unit::TIMES),
                Cell::number(&cases.to_string()),
            ]
        });
        table.engine(look, &cells.collect::<Vec<_>>());
    }
    grid(pictures) + &table.render()
}

fn times(page: &Page<'_>, looks: &[&Look]) -> String {
    let mut table = Table::new(
        "End-to-end times, seconds",
        [
            "",
            "wall",
            "CPU",
            "first result",
            "wall, relative to wasmtime",
        ],
    );
    each_case(page, looks, &mut table, |case, look| {
        let find = |metric| page.outcome(Suite::Programs, case, look, metric);
        let wall = find(Metric::TotalWall);
        let Outcome::Measured(_) = wall else {
            return Err(wall.excuse());
        };
        let ratio = page.relative(
            Suite::Programs,
            &look.id,
            REFERENCE,
            |name| name == case,
            |row| row.samples(Metric::TotalWall),
        );
        Ok(vec![
            Cell::outcome(&wall, Unit::S),
            Cell::outcome(&find(Metric::TotalCpu), Unit::S),
            Cell::outcome(&find(Metric::FirstResult), Unit::S),
            Cell::mean(ratio, Unit::TIMES),
        ])
    });
    table.render()
}

/// A row for each engine on each case: its cells, or the reason why there are none.
fn each_case(
    page: &Page<'_>,
    looks: &[&Look],
    table: &mut Table,
    cells: impl Fn(&str, &Look) -> Result<Vec<Cell>, String>,
) {
    for case in page.results.cases(Suite::Programs) {
        let size = match case.module_bytes {
            0 => String::new(),
            size => format!(" — module of {}", bytes(size as f64)),
        };
        table.group(&case.name, &(about_case(case) + &size));
        for look in looks {
            match cells(&case.name, look) {
                Ok(cells) => table.engine(look, &cells),
                Err(why) => table.engine_without(look, &why),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_end_in_a_workload_or_not() {
        assert_eq!(parts("python/short"), ("python", "short"));
        assert_eq!(parts("a/b/long"), ("a/b", "long"));
        assert_eq!(parts("a/other"), ("a/other", ""));
        assert_eq!(parts("short"), ("short", ""));
    }
}
