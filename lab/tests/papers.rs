//! Verdicts on papers: judged again from the committed results, and listed in `papers/README.md`.
//!
//! `BLESS=1` writes the verdicts and the list.

use std::fs;
use std::path::{Path, PathBuf};

use upshift_lab::experiment::{Outcome, Paper, table_of_papers};

/// What the list stands between.
const BEGIN: &str = "<!-- verdicts -->\n";
const END: &str = "<!-- end of verdicts -->\n";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../papers")
}

/// The papers, by name.
fn papers() -> Vec<Paper> {
    let entries = fs::read_dir(folder()).expect("there are papers");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut folders: Vec<PathBuf> = paths.filter(|path| path.is_dir()).collect();
    folders.sort();
    let read = |folder: &PathBuf| Paper::read(folder).unwrap_or_else(|error| panic!("{error}"));
    folders.iter().map(read).collect()
}

#[test]
fn verdicts_are_what_the_results_say() {
    let papers = papers();
    let bless = std::env::var_os("BLESS").is_some();
    for paper in &papers {
        if bless && !paper.is_pending() {
            paper.bless().expect("the verdict is written");
        } else {
            paper.verify().unwrap_or_else(|error| panic!("{error}"));
        }
    }
    let readme = folder().join("README.md");
    let text = fs::read_to_string(&readme).expect("the list");
    let (before, rest) = text.split_once(BEGIN).expect("the list begins");
    let (listed, after) = rest.split_once(END).expect("the list ends");
    let table = table_of_papers(&papers);
    if bless {
        let text = format!("{before}{BEGIN}\n{table}\n{END}{after}");
        fs::write(&readme, text).expect("the list is written");
    } else {
        assert!(
            listed.trim() == table.trim(),
            "papers/README.md is not current; BLESS=1 writes it"
        );
    }
}

#[test]
fn papers_were_run_and_most_are_decided() {
    let papers = papers();
    let verdicts: Vec<Outcome> = papers.iter().map(|paper| paper.judgement.verdict).collect();
    for paper in &papers {
        // One that waits for a machine that suits it is listed as not run yet.
        if paper.is_pending() {
            continue;
        }
        let judgement = &paper.judgement;
        let name = paper.folder.display();
        assert_eq!(judgement.missing, 0, "{name}: cells were not run");
        for ruling in &judgement.statements {
            let reason = ruling.reason.as_deref().unwrap_or_default();
            let is_judged = ruling.verdict != Outcome::Undecided;
            assert!(
                is_judged || reason == "neither predicate is true",
                "{name}, {}: {reason}",
                ruling.id
            );
        }
    }
    let is_open = |verdict: &&Outcome| matches!(verdict, Outcome::Undecided | Outcome::NotTestable);
    let open = verdicts.iter().filter(is_open).count();
    assert!(verdicts.len() - open >= 16, "{verdicts:?}");
}
