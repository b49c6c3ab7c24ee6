//! The HTML page of a run's results, with pictures and all numbers.
//!
//! # Invariants
//!
//! - The page is one file: it opens from disk, makes no network request, and shows everything
//!   without scripts. The one script only highlights an engine that was chosen in a legend.
//! - Nothing is left out: an engine that refused a case or failed has a row with the reason, and a
//!   suite without results has a section that says how to get some.
//! - Samples become medians with intervals here (`estimate`), nowhere before.
//! - All text from the results is escaped where it is written into HTML or SVG.
//!
//! The pictures are drawn with `upshift-plot`. They have no colours of their own: `palette` says
//! which engine has which, for light and dark pages.

mod bars;
mod dots;
mod estimate;
mod growth;
mod libraries;
mod micro;
mod palette;
mod phase;
mod plane;
mod programs;
#[cfg(test)]
mod sample;
mod tables;
mod warmup;

use std::collections::BTreeMap;

use crate::metric::Metric;
use crate::record::{CaseInfo, Results, Row, Suite};
use crate::tables::REFERENCE;
use estimate::{Estimate, Estimator, Mean, Outcome, Part};
use tables::{Cell, Table};
use upshift_plot::figure::{self, Size, both_sizes, grid, page_colours, picture};
use upshift_plot::format;
use upshift_plot::html::escape;
use upshift_plot::look::{Look, Palette};

/// The complete page.
pub fn render(results: &Results) -> String {
    let palette = palette::of(results);
    let page = Page {
        results,
        palette: &palette,
        estimator: Estimator::default(),
    };
    let sections = [
        programs::end_to_end(&page),
        plane::section(&page),
        warmup::section(&page),
        libraries::section(&page),
        growth::section(&page),
        programs::memory(&page),
        micro::calls(&page),
        micro::instances(&page),
        micro::overhead(&page),
    ];
    let contents = sections.iter().map(|section| {
        let Section { id, title, .. } = section;
        format!("<li><a href=\"#{id}\">{title}</a></li>")
    });
    let contents: String = contents.collect();
    let body: String = sections.iter().map(Section::render).collect();
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>Upshift, measured</title>\n<style>\n{style}{colours}</style>\n</head>\n<body>\n\
         <header>\n{header}</header>\n<nav aria-label=\"Contents\"><ul>{contents}</ul></nav>\n\
         <main>\n{body}</main>\n<script>\n{script}</script>\n</body>\n</html>\n",
        style = upshift_plot::STYLE,
        colours = page_colours() + &palette.css(),
        header = header(&page),
        script = include_str!("page/highlight.js"),
    )
}

/// The data that every section needs.
struct Page<'a> {
    results: &'a Results,
    palette: &'a Palette,
    estimator: Estimator,
}

impl<'a> Page<'a> {
    /// The engines of a suite, those that the results don't list included.
    fn looks(&self, suite: Suite) -> Vec<&'a Look> {
        self.palette.select(|look| {
            let mut rows = self.results.rows.iter();
            rows.any(|row| row.suite == suite && row.engine == look.id)
        })
    }

    /// The outcome of an engine for a metric on a case.
    fn outcome(&self, suite: Suite, case: &str, look: &Look, metric: Metric) -> Outcome<'a> {
        let row = self.results.row(suite, case, &look.id);
        Outcome::of(row, |row| self.figure(row, metric))
    }

    /// The estimate of a metric of a row that succeeded.
    fn figure(&self, row: &Row, metric: Metric) -> Option<Estimate> {
        self.estimator.figure(row, metric)
    }

    /// The mean of an engine's figures relative to another's, over the cases of a suite that both
    /// have and that are selected by name.
    fn relative(
        &self,
        suite: Suite,
        engine: &str,
        reference: &str,
        wanted: impl Fn(&str) -> bool,
        samples: impl Fn(&Row) -> Vec<f64>,
    ) -> Option<Mean> {
        let find = |case: &CaseInfo, engine| {
            let row = self.results.row(suite, &case.name, engine);
            row.filter(|row| row.failure.is_none())
        };
        let cases = self.results.cases(suite).filter(|case| wanted(&case.name));
        let ratio = |case: &CaseInfo| {
            let (own, other) = (find(case, engine)?, find(case, reference)?);
            Part::ratio(samples(own), samples(other))
        };
        let parts: Vec<_> = cases.filter_map(ratio).collect();
        if engine == reference {
            Mean::unity(&parts)
        } else {
            Mean::of(&parts)
        }
    }
}

/// A part of the page with a heading.
struct Section {
    id: &'static str,
    title: &'static str,
    body: String,
}

impl Section {
    fn new(id: &'static str, title: &'static str, about: &str) -> Self {
        Self {
            id,
            title,
            body: format!("<p class=\"about\">{}</p>\n", escape(about)),
        }
    }

    fn push(&mut self, html: &str) {
        self.body.push_str(html);
        self.body.push('\n');
    }

    fn note(&mut self, text: &str) {
        self.push(&format!("<p class=\"note\">{}</p>", escape(text)));
    }

    /// The section without results: what is missing, and which suites have it.
    fn missing(mut self, what: &str, suites: &str) -> Self {
        let suites: Vec<_> = suites
            .split(' ')
            .map(|suite| format!("`{suite}`"))
            .collect();
        let plural = if suites.len() == 1 { "suite" } else { "suites" };
        self.note(&format!(
            "This run has no results for {what}: measure the {plural} {} to see them here.",
            suites.join(" and ")
        ));
        self
    }

    fn render(&self) -> String {
        let Self { id, title, body } = self;
        format!("<section id=\"{id}\">\n<h2>{title}</h2>\n{body}</section>\n")
    }
}

/// The legend: which marks belong to which engine.
fn legend(looks: &[&Look]) -> String {
    figure::legend("Engines", looks)
}

/// A case's description, and the proposals that it needs and Upshift does not have.
fn about_case(case: &CaseInfo) -> String {
    let about = case.about.trim_end_matches('.');
    if case.needs.is_empty() {
        return about.to_owned();
    }
    let needs = case.needs.join(", ");
    format!("{about} (needs {needs}, which Upshift does not have yet)")
}

/// A warning about cases whose output differs between engines; empty if there are none.
fn disagreements(results: &Results, suite: Suite) -> String {
    let mut notes = Vec::new();
    for case in results.cases(suite) {
        let mut outputs: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for row in &results.rows {
            if row.suite == suite && row.case == case.name {
                for launch in row.launches.iter().filter(|l| !l.output.is_empty()) {
                    let engines = outputs.entry(&launch.output).or_default();
                    if !engines.contains(&row.engine.as_str()) {
                        engines.push(&row.engine);
                    }
                }
            }
        }
        if outputs.len() > 1 {
            let groups: Vec<_> = outputs.values().map(|engines| engines.join(", ")).collect();
            notes.push(format!("{} ({})", case.name, groups.join(" / ")));
        }
    }
    if notes.is_empty() {
        return String::new();
    }
    format!(
        "<p class=\"note bad\">Engines disagree about the output, so at least one of them is \
         wrong: {}.</p>",
        escape(&notes.join("; "))
    )
}

fn header(page: &Page<'_>) -> String {
    let results = page.results;
    let machine = &results.machine;
    let incomplete = if results.complete {
        ""
    } else {
        "<p class=\"note bad\">This run is not complete: it was interrupted, or is still going on. \
         Rows that are not there yet are shown as not measured.</p>"
    };
    let facts = [
        (
            "Machine",
            format!(
                "{}, {} hardware threads, {} of memory",
                machine.cpu,
                format::whole(machine.threads as u64),
                format::bytes(machine.memory as f64)
            ),
        ),
        ("System", machine.kernel.clone()),
        ("Began", format::moment(results.started)),
        ("Command", results.command.clone()),
        (
            "Complete",
            if results.complete { "yes" } else { "no" }.to_owned(),
        ),
    ];
    let facts: String = facts
        .iter()
        .map(|(name, value)| format!("<dt>{name}</dt><dd>{}</dd>", escape(value)))
        .collect();
    let columns = ["", "id", "version", "configuration"];
    let mut engines = Table::new("Engines", columns).of_words();
    for look in page.palette.looks() {
        let info = results.engines.iter().find(|info| info.id == look.id);
        let unknown = "not recorded";
        let (version, flags) = match info {
            None => (unknown, unknown),
            Some(info) if info.flags.is_empty() => (info.version.as_str(), "defaults"),
            Some(info) => (info.version.as_str(), info.flags.as_str()),
        };
        engines.engine(
            look,
            &[Cell::text(&look.id), Cell::text(version), Cell::text(flags)],
        );
    }
    let engines = match page.palette.looks() {
        [] => "<p class=\"note\">No engine took part.</p>".to_owned(),
        _ => engines.render(),
    };
    format!(
        "<h1>Upshift, measured</h1>\n\
         <p class=\"about\">Upshift is a tiering WebAssembly runtime: functions start in a \
         one-pass baseline compiler, and hot ones are optimized while the program runs. This page \
         shows one run of its benchmarks, beside other engines on the same machine. Every figure \
         is a median over launches, each a process of its own; whiskers, and ± in tables, are 95 % \
         confidence intervals of the median by bootstrap, ± to the wider side in percent. Where \
         there is only one launch there is no interval. Point at a mark or a figure for its exact \
         value.</p>\n\
         {incomplete}<dl>{facts}</dl>\n{engines}\n"
    )
}

#[cfg(test)]
mod tests;
