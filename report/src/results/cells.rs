//! The cells of an experiment with their samples, and the table of all.

use std::collections::{BTreeMap, BTreeSet};

use upshift_lab::experiment::{Line, Settings};
use upshift_lab::stats::estimate::{Estimate, median_estimate, per_process};
use upshift_plot::format::{seconds, significant, whole};
use upshift_plot::html::escape;

/// Rows of the table at most: the page stays small with a million cells.
const ROWS: usize = 2_000;

/// A program under some settings.
#[derive(Debug, Default)]
pub(super) struct Cell {
    pub(super) program: String,
    pub(super) settings: Settings,
    /// For each process the metrics of its iterations, in order.
    processes: BTreeMap<u32, BTreeMap<u32, BTreeMap<String, f64>>>,
}

impl Cell {
    /// The values of a metric, for each process those of its iterations.
    pub(super) fn series(&self, metric: &str) -> Vec<Vec<f64>> {
        let values = |iterations: &BTreeMap<u32, BTreeMap<String, f64>>| {
            let values = iterations.values();
            values
                .filter_map(|metrics| metrics.get(metric).copied())
                .collect()
        };
        self.processes.values().map(values).collect()
    }

    /// The median over processes, with its interval.
    pub(super) fn estimate(&self, metric: &str) -> Option<Estimate> {
        median_estimate(&per_process(&self.series(metric)))
    }

    pub(super) fn value(&self, metric: &str) -> Option<f64> {
        let value = self.estimate(metric)?.value;
        value.is_finite().then_some(value)
    }
}

/// All cells, in the order of their first samples.
#[derive(Debug, Default)]
pub(super) struct Cells {
    pub(super) cells: Vec<Cell>,
}

impl Cells {
    pub(super) fn of(lines: &[Line]) -> Self {
        let mut places: BTreeMap<(&str, &Settings), usize> = BTreeMap::new();
        let mut cells: Vec<Cell> = Vec::new();
        for line in lines {
            let Line::Sample(sample) = line else { continue };
            let key = (sample.program.as_str(), &sample.settings);
            let place = *places.entry(key).or_insert_with(|| {
                cells.push(Cell {
                    program: sample.program.clone(),
                    settings: sample.settings.clone(),
                    ..Cell::default()
                });
                cells.len() - 1
            });
            let process = cells[place].processes.entry(sample.process).or_default();
            process.insert(sample.iteration, sample.metrics.clone());
        }
        Self { cells }
    }

    /// The programs, each with its cells.
    pub(super) fn programs(&self) -> BTreeMap<&str, Vec<&Cell>> {
        let mut programs: BTreeMap<&str, Vec<&Cell>> = BTreeMap::new();
        for cell in &self.cells {
            programs.entry(&cell.program).or_default().push(cell);
        }
        programs
    }

    /// The settings that differ between cells, each with its values: numbers by size, then texts.
    pub(super) fn varied(&self) -> BTreeMap<&str, Vec<&str>> {
        let names: BTreeSet<&str> = self
            .cells
            .iter()
            .flat_map(|cell| cell.settings.keys().map(String::as_str))
            .collect();
        let values = |name: &str| {
            let values = self.cells.iter();
            let values = values.map(|cell| cell.settings.get(name).map_or("", String::as_str));
            let mut values: Vec<&str> = values.collect::<BTreeSet<_>>().into_iter().collect();
            values.sort_by(
                |one, other| match (one.parse::<f64>(), other.parse::<f64>()) {
                    (Ok(one), Ok(other)) => one.total_cmp(&other),
                    (one, other) => one.is_err().cmp(&other.is_err()),
                },
            );
            values
        };
        let all = names.into_iter().map(|name| (name, values(name)));
        all.filter(|(_, values)| values.len() > 1).collect()
    }

    /// What tells the cell from the others of its program.
    pub(super) fn label(&self, cell: &Cell) -> String {
        self.label_of(cell, |_| true)
    }

    /// What tells the cell from the others of a picture.
    pub(super) fn label_among(&self, cell: &Cell, others: &[&Cell]) -> String {
        self.label_of(cell, |name| !same(others, name))
    }

    /// The settings that differ between cells, but not between these.
    pub(super) fn common(&self, cells: &[&Cell]) -> String {
        let Some(first) = cells.first() else {
            return String::new();
        };
        let varied = self.varied();
        let names = varied.keys().filter(|name| same(cells, name));
        let settings = names.filter_map(|name| {
            let value = first.settings.get(*name)?;
            Some(format!("{name}={value}"))
        });
        settings.collect::<Vec<_>>().join(", ")
    }

    /// The policy and the other settings that differ between cells, as far as they are wanted.
    fn label_of(&self, cell: &Cell, wanted: impl Fn(&str) -> bool) -> String {
        let varied = self.varied();
        let wanted: Vec<&str> = varied.into_keys().filter(|name| wanted(name)).collect();
        let mut parts = Vec::new();
        if wanted.contains(&"policy") {
            parts.extend(cell.settings.get("policy").cloned());
        }
        for name in wanted.iter().filter(|name| **name != "policy") {
            let value = cell.settings.get(*name);
            parts.extend(value.map(|value| format!("{name}={value}")));
        }
        match &*parts {
            [] => cell.program.clone(),
            parts => parts.join(", "),
        }
    }

    /// Whether any cell has the metric.
    pub(super) fn has(&self, metric: &str) -> bool {
        let mut cells = self.cells.iter();
        cells.any(|cell| cell.series(metric).iter().any(|values| !values.is_empty()))
    }

    /// The time by which cells are compared: wall time where it was measured.
    pub(super) fn time(&self) -> Option<&'static str> {
        ["wall", "cpu"].into_iter().find(|metric| self.has(metric))
    }

    /// All cells with their labels, by program and label.
    pub(super) fn sorted(&self) -> Vec<(&Cell, String)> {
        let cells = self.cells.iter();
        let mut sorted: Vec<_> = cells.map(|cell| (cell, self.label(cell))).collect();
        sorted.sort_by(|(one, label), (other, other_label)| {
            (&one.program, label).cmp(&(&other.program, other_label))
        });
        sorted
    }

    /// All cells with the metrics that most experiments have.
    pub(super) fn table(&self) -> Option<String> {
        if self.cells.is_empty() {
            return None;
        }
        let metrics = [
            "wall",
            "cpu",
            "compile_cpu",
            "code_bytes",
            "compilations",
            "over_relaxed",
        ];
        let metrics: Vec<_> = metrics
            .into_iter()
            .filter(|metric| self.has(metric))
            .collect();
        let heads = ["program", "settings", "processes"];
        let heads = heads.iter().chain(&metrics).map(|head| match *head {
            "settings" => format!("<th class=\"left\">{head}</th>"),
            head => format!("<th>{head}</th>"),
        });
        let mut html = format!(
            "<p class=\"about\">Medians over processes; ± reaches the wider end of the 95 % \
             interval by bootstrap.</p><table class=\"totals\"><thead><tr>{}</tr></thead><tbody>",
            heads.collect::<String>()
        );
        for (cell, label) in self.sorted().into_iter().take(ROWS) {
            let values = metrics.iter().map(|metric| {
                let shown = cell
                    .estimate(metric)
                    .map_or("–".into(), |e| shown(metric, e));
                format!("<td>{}</td>", escape(&shown))
            });
            html += &format!(
                "<tr><th scope=\"row\">{}</th><th scope=\"row\">{}</th><td>{}</td>{}</tr>",
                escape(&cell.program),
                escape(&label),
                cell.processes.len(),
                values.collect::<String>()
            );
        }
        html += "</tbody></table>\n";
        if self.cells.len() > ROWS {
            let more = self.cells.len() - ROWS;
            html += &format!("<p class=\"hint\">{more} more cells are in the file of results.</p>");
        }
        Some(html)
    }
}

/// Whether all cells have the same value of a setting, or none.
fn same(cells: &[&Cell], name: &str) -> bool {
    let mut values = cells.iter().map(|cell| cell.settings.get(name));
    let first = values.next();
    values.all(|value| Some(value) == first)
}

/// A value in its unit, with its interval if there is one.
fn shown(metric: &str, estimate: Estimate) -> String {
    let value = match metric {
        "wall" | "cpu" | "compile_cpu" => seconds(estimate.value),
        "compilations" | "code_bytes" => whole(estimate.value.round() as u64),
        _ => significant(estimate.value, 3),
    };
    let reach = (estimate.high - estimate.value).max(estimate.value - estimate.low);
    let part = 100.0 * reach / estimate.value.abs();
    match part.is_finite() && part >= 0.05 {
        true => format!("{value} ±{part:.1}%"),
        false => value,
    }
}
