//! The tables of README: a run's headline results as Markdown. A test compares README with the
//! committed run.

use crate::metric::Metric;
use crate::record::{CaseInfo, EngineInfo, Results, Suite};
use crate::stats::geomean;
use crate::table::Table;
use crate::tables::{REFERENCE, middle, ratio};

// The engines that each table shows; those that did not take part are left out.

const PROGRAMS: [&str; 7] = [
    "upshift",
    "upshift-baseline",
    "upshift-optimizer",
    "node",
    "bun",
    REFERENCE,
    "wasmi",
];
const COMPILERS: [&str; 7] = [
    "upshift-baseline",
    "wasmi",
    "node-liftoff",
    "wasmer-singlepass",
    "wasmtime-winch",
    "upshift-optimizer",
    REFERENCE,
];
const KERNELS: [&str; 11] = [
    "upshift",
    "upshift-baseline",
    "upshift-optimizer",
    "node",
    "node-liftoff",
    "bun",
    REFERENCE,
    "wasmtime-winch",
    "wasmer-singlepass",
    "wasmi",
    "native",
];
/// The engines in the tables of calls and instances.
const EMBEDDED: [&str; 7] = [
    "upshift",
    "upshift-baseline",
    "node",
    "bun",
    REFERENCE,
    "wasmer-singlepass",
    "wasmi",
];

/// The tables of the suites that were measured.
pub fn summary(results: &Results) -> Vec<Table> {
    let tables = [
        programs(results),
        compilers(results),
        kernels(results),
        calls(results),
        instances(results),
    ];
    let filled = |table: &Table| !table.columns.is_empty() && !table.rows.is_empty();
    tables.into_iter().filter(filled).collect()
}

/// The engines of a list that took part.
fn present<'a>(results: &'a Results, suite: Suite, ids: &[&str]) -> Vec<&'a EngineInfo> {
    let find = |id: &&str| results.engines(suite).find(|engine| engine.id == *id);
    ids.iter().filter_map(find).collect()
}

fn names<'a>(engines: &[&'a EngineInfo]) -> impl Iterator<Item = &'a String> {
    engines.iter().map(|engine| &engine.name)
}

fn or_dash(value: Option<f64>, digits: usize) -> String {
    value.map_or("–".into(), |value| format!("{value:.digits$}"))
}

/// The geometric mean of an engine's figures over another's, for cases that both have.
fn mean_ratio(
    results: &Results,
    suite: Suite,
    engine: &EngineInfo,
    reference: &str,
    metric: Metric,
) -> Option<f64> {
    let of = |case: &CaseInfo| ratio(results, suite, &case.name, &engine.id, reference, metric);
    geomean(results.cases(suite).filter_map(of))
}

/// The table of whole programs, with the shortest time of each row in bold.
fn programs(results: &Results) -> Table {
    let suite = Suite::Programs;
    let engines = present(results, suite, &PROGRAMS);
    let mut table = Table::new(
        "Programs, from bytes to exit: seconds (seconds of processor time)",
        names(&engines),
    );
    for case in results.cases(suite) {
        let walls: Vec<_> = engines
            .iter()
            .map(|engine| middle(results, suite, &case.name, &engine.id, Metric::TotalWall))
            .collect();
        let best = walls
            .iter()
            .flatten()
            .copied()
            .fold(f64::INFINITY, f64::min);
        let cells = engines.iter().zip(&walls).map(|(engine, &wall)| {
            let cpu = middle(results, suite, &case.name, &engine.id, Metric::TotalCpu);
            match wall {
                None => "–".into(),
                Some(wall) if wall == best => format!("**{wall:.2} ({})**", or_dash(cpu, 2)),
                Some(wall) => format!("{wall:.2} ({})", or_dash(cpu, 2)),
            }
        });
        let cells = cells.collect();
        table.push(&case.name, cells);
    }
    let means = engines.iter().map(|engine| {
        let over = |metric| or_dash(mean_ratio(results, suite, engine, "upshift", metric), 2);
        format!("{} ({})", over(Metric::TotalWall), over(Metric::TotalCpu))
    });
    if !table.rows.is_empty() {
        table.push("over Upshift's, geometric mean", means.collect());
    }
    table
}

/// The table of compile speed, over the modules that all of these engines could load.
fn compilers(results: &Results) -> Table {
    let suite = Suite::Load;
    let engines = present(results, suite, &COMPILERS);
    let speed = |case: &CaseInfo, engine: &EngineInfo| {
        let cpu = middle(results, suite, &case.name, &engine.id, Metric::LoadCpu)?;
        Some(case.code_bytes as f64 / 1e6 / cpu)
    };
    let common: Vec<_> = results
        .cases(suite)
        .filter(|case| engines.iter().all(|engine| speed(case, engine).is_some()))
        .collect();
    let title = format!(
        "Compile speed, validation included: MB of code section per second of processor time, \
         geometric mean over {} modules",
        common.len()
    );
    let mut table = Table::new(title, names(&engines));
    let means = engines
        .iter()
        .map(|engine| geomean(common.iter().filter_map(|case| speed(case, engine))));
    if !common.is_empty() {
        table.push("MB/s", means.map(|mean| or_dash(mean, 1)).collect());
    }
    table
}

/// The table of kernels, relative to the reference.
fn kernels(results: &Results) -> Table {
    let suite = Suite::Kernels;
    let engines = present(results, suite, &KERNELS);
    let title = format!(
        "Kernels over `{REFERENCE}`, geometric mean of at most {}; less is faster",
        results.cases(suite).count()
    );
    let mut table = Table::new(title, names(&engines));
    let rows = [
        ("processor time at steady state", Metric::SteadyCpu),
        ("time from bytes to the first result", Metric::FirstResult),
    ];
    for (name, metric) in rows {
        let means = engines
            .iter()
            .map(|engine| or_dash(mean_ratio(results, suite, engine, REFERENCE, metric), 2));
        table.push(name, means.collect());
    }
    table
}

fn calls(results: &Results) -> Table {
    let suite = Suite::Calls;
    let engines = present(results, suite, &EMBEDDED);
    let mut table = Table::new("One call: nanoseconds, loop included", names(&engines));
    for kind in Metric::CALLS {
        let cells = engines
            .iter()
            .map(|engine| or_dash(middle(results, suite, "calls", &engine.id, kind), 1));
        table.push(kind.title(), cells.collect());
    }
    table
}

fn instances(results: &Results) -> Table {
    let suite = Suite::Instances;
    let engines = present(results, suite, &EMBEDDED);
    let mut table = Table::new(
        "One more instance and its end: microseconds",
        names(&engines),
    );
    for case in results.cases(suite) {
        let cells = engines.iter().map(|engine| {
            let nanoseconds = middle(results, suite, &case.name, &engine.id, Metric::Instance);
            or_dash(nanoseconds.map(|ns| ns / 1e3), 0)
        });
        table.push(&case.name, cells.collect());
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::places;

    #[test]
    fn readme_shows_the_committed_run() {
        let root = &places::find().expect("tests run in the tree").tree;
        let readme = std::fs::read_to_string(root.join("README.md")).expect("README");
        let run = root.join("benches/results/2026-11.json.gz");
        let tables = summary(&Results::read(&run).expect("the committed run"));
        assert_eq!(tables.len(), 5);
        for table in tables {
            assert!(
                readme.contains(&table.markdown()),
                "README lacks this table of `show --summary`:\n{}",
                table.markdown()
            );
        }
    }
}
