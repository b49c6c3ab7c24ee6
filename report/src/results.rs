//! The results of an experiment as sections: a table, verdicts, heat maps, Pareto fronts, bounds
//! and warm-up.

mod bounds;
mod cells;
mod grid;
mod pareto;
mod verdicts;
mod warmup;

use upshift_lab::experiment::{Judgement, Line};

use crate::Section;
use cells::Cells;

/// The sections that these results have data for. Verdicts are there if the results were judged.
/// Processes are classified by the iterations' metric `classify`.
pub fn sections(lines: &[Line], judgement: Option<&Judgement>, classify: &str) -> Vec<Section> {
    let cells = Cells::of(lines);
    let verdicts = judgement.map(|judgement| Section {
        id: "verdicts",
        title: "Verdicts",
        html: verdicts::html(judgement),
    });
    let drawn = [
        ("results", "Results", cells.table()),
        ("grid", "Grid", grid::html(&cells)),
        ("pareto", "Pareto fronts", pareto::html(&cells)),
        ("bounds", "Bounds", bounds::html(&cells)),
        ("warmup", "Warm-up", warmup::html(&cells, classify)),
    ];
    let drawn = drawn.into_iter().filter_map(|(id, title, html)| {
        let html = html?;
        Some(Section { id, title, html })
    });
    verdicts.into_iter().chain(drawn).collect()
}

/// Pictures side by side, as many as fit.
fn pictures(pictures: impl IntoIterator<Item = String>) -> String {
    let pictures: String = pictures.into_iter().collect();
    format!("<div class=\"pictures\">{pictures}</div>\n")
}

#[cfg(test)]
mod tests;
