//! Tests of the whole page.

use super::*;
use crate::record::{Failure, Launch, Row};

fn pages() -> [(&'static str, Results); 3] {
    [
        ("small", sample::small()),
        ("sparse", sample::sparse()),
        ("empty", sample::empty()),
    ]
}

/// The part of a page that is a section.
fn section<'a>(page: &'a str, id: &str) -> &'a str {
    let start = page.find(&format!("<section id=\"{id}\">")).unwrap();
    let length = page[start..].find("</section>").unwrap();
    &page[start..start + length]
}

#[test]
fn what_is_not_a_number_is_never_printed() {
    for (name, mut results) in pages() {
        for row in results.rows.iter_mut().step_by(5) {
            for launch in &mut row.launches {
                for (index, value) in launch.figures.values_mut().enumerate() {
                    *value = [f64::NAN, 0.0, f64::INFINITY, *value][index % 4];
                }
                if let Some(iteration) = launch.iterations.get_mut(1) {
                    iteration.wall = f64::NAN;
                }
            }
        }
        let page = render(&results);
        for wrong in ["NaN", "inf", "Infinity"] {
            for (at, _) in page.match_indices(wrong) {
                let part = page[at..].split(|c: char| !c.is_alphanumeric()).next();
                assert_ne!(part, Some(wrong), "{name}: {}", &page[at - 60..at + 20]);
            }
        }
    }
}

#[test]
fn every_row_of_the_results_appears() {
    for (name, results) in pages() {
        let page = render(&results);
        for row in &results.rows {
            let ids: &[&str] = match row.suite {
                Suite::Load => &["plane", "growth"],
                Suite::Kernels => &["plane", "warmup"],
                Suite::Libraries => &["libraries"],
                Suite::Programs => &["programs", "memory"],
                Suite::Calls => &["calls"],
                Suite::Instances => &["instances"],
                Suite::Overhead => &["overhead"],
            };
            let engine = results.engines.iter().find(|e| e.id == row.engine);
            let shown = engine.map_or(&row.engine, |engine| &engine.name);
            for id in ids {
                let section = section(&page, id);
                assert!(section.contains(&escape(shown)), "{name}: {shown} in {id}");
            }
            if let Some(Failure::Refused(why) | Failure::Error(why)) = &row.failure {
                assert!(page.contains(&escape(why)), "{name}: {why}");
            }
        }
    }
}

#[test]
fn a_page_of_a_full_run_stays_small() {
    let page = render(&sample::full());
    let size = page.len();
    assert!(size < 4_000_000, "{size} bytes");
}

#[test]
fn missing_suites_are_said_to_be_missing() {
    let page = render(&sample::empty());
    for id in [
        "programs",
        "plane",
        "warmup",
        "libraries",
        "growth",
        "memory",
        "calls",
        "instances",
        "overhead",
    ] {
        assert!(
            section(&page, id).contains("This run has no results for"),
            "{id}"
        );
    }
    assert!(page.contains("No engine took part"));
}

#[test]
fn a_page_asks_no_network() {
    for (name, results) in pages() {
        let page = render(&results);
        for wrong in ["http:", "https:", "src=", "@import", "url("] {
            assert!(!page.contains(wrong), "{name}: {wrong}");
        }
    }
}

#[test]
fn texts_of_results_are_no_markup() {
    let mut results = sample::small();
    "<script>\"".clone_into(&mut results.command);
    for engine in &mut results.engines {
        engine.name.push_str("<script>");
        engine.flags.push_str("\"<script>");
    }
    for case in &mut results.cases {
        case.about.push_str("<script>");
    }
    for launch in results.rows.iter_mut().flat_map(|row| &mut row.launches) {
        for event in &mut launch.events {
            event.function.push_str("<script>\"");
            event.what.push_str("<script>");
        }
    }
    assert_eq!(render(&results).matches("<script>").count(), 1);
}

#[test]
fn elements_are_balanced() {
    for (name, results) in pages() {
        let page = render(&results);
        for element in [
            "table", "tbody", "tr", "td", "svg", "g", "text", "title", "div", "details", "figure",
            "section", "p", "ul", "li", "dl", "rect", "small",
        ] {
            let opened = page.matches(&format!("<{element}>")).count()
                + page.matches(&format!("<{element} ")).count();
            let closed = page.matches(&format!("</{element}>")).count();
            assert_eq!(opened, closed, "{name}: {element}");
        }
    }
}

#[test]
fn incomplete_runs_and_disagreements_are_flagged() {
    let mut results = sample::small();
    assert!(!render(&results).contains("disagree"));
    results.complete = false;
    let row = |row: &&mut Row| row.suite == Suite::Kernels && !row.launches.is_empty();
    let row = results.rows.iter_mut().find(row).unwrap();
    row.launches.push(Launch {
        output: "something else".into(),
        ..Launch::default()
    });
    let page = render(&results);
    assert!(page.contains("This run is not complete"));
    assert!(section(&page, "warmup").contains("disagree about the output"));
}
