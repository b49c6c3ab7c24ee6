//! The tables of each suite, from samples: medians over processes, with their 95 % intervals where
//! there are several.

use crate::metric::Metric;
use crate::record::{CaseInfo, EngineInfo, Failure, Results, Row, Suite};
use crate::stats::{geomean, interval, median};
use crate::table::Table;

/// The engine that ratios are relative to.
pub const REFERENCE: &str = "wasmtime";

/// All tables of a suite; empty if nothing of it was measured.
pub fn tables(results: &Results, suite: Suite) -> Vec<Table> {
    if results.engines(suite).next().is_none() {
        return Vec::new();
    }
    match suite {
        Suite::Load => vec![
            by_case(
                results,
                suite,
                "Compile speed, validation included: MB of code section per second of processor \
                 time",
                |case, row| {
                    figure(
                        row,
                        Metric::LoadCpu,
                        |cpu| case.code_bytes as f64 / 1e6 / cpu,
                        1,
                    )
                },
            ),
            by_case(
                results,
                suite,
                "Load, from bytes to callable, all threads: milliseconds",
                |_, row| figure(row, Metric::LoadWall, |wall| wall * 1e3, 1),
            ),
        ],
        Suite::Kernels | Suite::Libraries => vec![ratios(results, suite, REFERENCE)],
        Suite::Programs => vec![by_case(
            results,
            suite,
            "Programs, from bytes to exit: seconds (seconds of processor time)",
            |_, row| {
                let wall = figure(row, Metric::TotalWall, |wall| wall, 3);
                let cpu = row.samples(Metric::TotalCpu);
                match (&row.failure, cpu.is_empty()) {
                    (None, false) => format!("{wall} ({:.3})", median(&cpu)),
                    _ => wall,
                }
            },
        )],
        Suite::Calls => vec![calls(results)],
        Suite::Instances => vec![by_case(
            results,
            suite,
            "One more instance and its end: microseconds",
            |_, row| figure(row, Metric::Instance, |ns| ns / 1e3, 1),
        )],
        Suite::Overhead => ["upshift-counters-none", "wasmtime"]
            .map(|reference| ratios(results, suite, reference))
            .into(),
    }
}

/// A table with a row per case and a column per engine.
fn by_case(
    results: &Results,
    suite: Suite,
    title: &str,
    cell: impl Fn(&CaseInfo, &Row) -> String,
) -> Table {
    let engines: Vec<_> = results.engines(suite).collect();
    let mut table = Table::new(title, engines.iter().map(|engine| &engine.name));
    for case in results.cases(suite) {
        let cells = engines.iter().map(|engine| {
            let row = results.row(suite, &case.name, &engine.id);
            row.map_or("-".into(), |row| cell(case, row))
        });
        let cells: Vec<_> = cells.collect();
        if cells.iter().any(|cell| cell != "-") {
            table.push(&case.name, cells);
        }
    }
    table
}

/// Formats a median, with half the width of its interval if there is one.
fn figure(row: &Row, metric: Metric, scale: impl Fn(f64) -> f64, digits: usize) -> String {
    if let Some(failure) = &row.failure {
        return match failure {
            Failure::Refused(_) => "refused".into(),
            Failure::Error(_) => "error".into(),
        };
    }
    let values: Vec<f64> = row.samples(metric).into_iter().map(scale).collect();
    if values.is_empty() {
        return "-".into();
    }
    let (low, high) = interval(&values);
    let middle = median(&values);
    if values.len() < 2 {
        return format!("{middle:.digits$}");
    }
    format!("{middle:.digits$} ± {:.digits$}", (high - low) / 2.0)
}

/// The median of a figure; `None` if the engine failed or does not report it.
pub fn middle(
    results: &Results,
    suite: Suite,
    case: &str,
    engine: &str,
    metric: Metric,
) -> Option<f64> {
    let row = results.row(suite, case, engine)?;
    let samples = row.samples(metric);
    (row.failure.is_none() && !samples.is_empty()).then(|| median(&samples))
}

/// The median of a figure over the reference's, if both have it.
pub fn ratio(
    results: &Results,
    suite: Suite,
    case: &str,
    engine: &str,
    reference: &str,
    metric: Metric,
) -> Option<f64> {
    let of = |engine| middle(results, suite, case, engine, metric);
    Some(of(engine)? / of(reference)?)
}

/// Steady processor time over a reference's (the first engine's, if that did not take part), with
/// geometric means.
fn ratios(results: &Results, suite: Suite, reference: &str) -> Table {
    let family = |engine: &&EngineInfo| {
        let ours = engine.id.starts_with("upshift");
        suite != Suite::Overhead || ours == reference.starts_with("upshift")
    };
    let engines: Vec<_> = results.engines(suite).filter(family).collect();
    let takes_part = engines.iter().any(|engine| engine.id == reference);
    let reference = match engines.first() {
        Some(first) if !takes_part => &first.id,
        _ => reference,
    };
    let title = format!(
        "{}: processor time at steady state over that of `{reference}`; less is faster",
        match suite {
            Suite::Kernels => "Kernels",
            Suite::Libraries => "Libraries",
            _ => "What counting and interruption cost",
        },
    );
    let mut table = Table::new(title, engines.iter().map(|engine| &engine.name));
    let of = |case: &CaseInfo, engine: &EngineInfo| {
        ratio(
            results,
            suite,
            &case.name,
            &engine.id,
            reference,
            Metric::SteadyCpu,
        )
    };
    for case in results.cases(suite) {
        let cells = engines.iter().map(|engine| match of(case, engine) {
            Some(ratio) => format!("{ratio:.2}"),
            // A row that did not fail has no figure if the reference has none, or if no iteration
            // after the first was in time.
            None => match results.row(suite, &case.name, &engine.id) {
                Some(row) if row.failure.is_some() => figure(row, Metric::SteadyCpu, |cpu| cpu, 2),
                _ => "-".into(),
            },
        });
        let cells: Vec<_> = cells.collect();
        if cells.iter().any(|cell| cell != "-") {
            table.push(&case.name, cells);
        }
    }
    let means = engines.iter().map(|engine| {
        let all = results.cases(suite).filter_map(|case| of(case, engine));
        geomean(all).map_or("-".into(), |mean| format!("{mean:.2}"))
    });
    table.push("geometric mean", means.collect());
    table
}

fn calls(results: &Results) -> Table {
    let titles = Metric::CALLS.map(Metric::title);
    let mut table = Table::new("One call: nanoseconds, loop included", titles);
    for engine in results.engines(Suite::Calls) {
        let Some(row) = results.row(Suite::Calls, "calls", &engine.id) else {
            continue;
        };
        let cells = Metric::CALLS.map(|kind| figure(row, kind, |ns| ns, 1));
        table.push(&engine.name, cells.into());
    }
    table
}

/// The failures, one line each; refusals are marked as such.
pub fn failures(results: &Results) -> Vec<String> {
    let line = |row: &Row| {
        let (what, why) = match row.failure.as_ref()? {
            Failure::Refused(why) => ("refused", why),
            Failure::Error(why) => ("error", why),
        };
        let (suite, case, engine) = (row.suite, &row.case, &row.engine);
        Some(format!("{suite}: {case}, {engine}: {what}: {why}"))
    };
    results.rows.iter().filter_map(line).collect()
}
